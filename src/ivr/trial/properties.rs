//! What every flow must keep to, checked over all states that a call can come to. Each breach comes with the shortest
//! call that shows it, as a test that fails until the flow is mended.

use super::call::{Asked, Call, Heard, Line};
use super::choices::{Choice, KEYS, WRONG_ENTRY, take};
use super::explore::{Graph, Node, Past, Way, place};
use super::words;
use crate::ivr::run::EMERGENCY_PRIORITY;
use crate::ivr::run::state::{Phase, Stage, Wait};
use crate::ivr::wire::TraceEvent;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue of this priority is for emergencies.
/// Calls that one kind of caller is followed through.
const MAX_CALLS: usize = 20_000;
/// Secrets shorter than this are in any text by chance.
const MIN_SECRET: usize = 4;

#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// `P1` to `P9`.
    pub property: &'static str,
    pub message: String,
    /// A test file that shows it.
    pub script: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Silent,
    WrongKeys,
}

/// What can be seen on the way into a state: its lines, and what the call was before.
pub(super) fn on_the_way(graph: &mut Graph, way: &Way, before: &Past, call: &Call, lines: &[(u64, Line)]) {
    let place = place(call);
    let Past { mut closed, mut forms, .. } = before.clone();
    for (_, line) in lines {
        match line {
            Line::Trace(TraceEvent::Limit { which }) if *which != "time" => {
                let message = format!("the flow runs into the limit `{which}`, without a key or time passing");
                found(graph, "P6", way, message, "limits: none");
            }
            Line::Trace(TraceEvent::Posted { what: "form", name, .. }) if !forms.insert(name.clone()) => {
                let message = format!("the form `{name}` is filed twice in one call");
                found(graph, "P9", way, message, &format!("posted: [{name}]"));
            }
            Line::Trace(TraceEvent::Outcome { verb: "hours", outcome, .. }) => closed |= outcome != "open",
            Line::Asks(Asked::Queue { name, priority, .. }) if closed && *priority < EMERGENCY_PRIORITY => {
                let message = format!("after hours the caller waits in the queue `{name}`, where nobody is ({place})");
                found(graph, "P7", way, message, "queue: none");
            }
            _ => {}
        }
    }
    let spoke = lines.iter().any(|(_, line)| matches!(line, Line::Hears(_)));
    let parent = way.parent.and_then(|parent| graph.nodes.get(parent));
    let hung_up = matches!(lines.last(), Some((_, Line::Ended(_))));
    if hung_up && !spoke && parent.is_some_and(|parent| parent.question) {
        found(graph, "P7", way, format!("the flow hangs up without a word ({place})"), "end: transfer");
    }
    for (name, secret) in secrets(call) {
        let shown = |line: &Line| match line {
            Line::Trace(event) => format!("{event:?}").contains(&secret),
            Line::Asks(Asked::Transfer { carry, .. }) => {
                carry.iter().any(|(_, value)| value.expose().contains(&secret))
            }
            _ => false,
        };
        if lines.iter().any(|(_, line)| shown(line)) {
            let message = format!("the secret `{name}` leaves the call ({place})");
            found(graph, "P8", way, message, &format!("not_logged: [{name}]"));
        }
    }
    for (_, line) in lines {
        let Line::Hears(Heard { prompt, lang, .. }) = line else { continue };
        let lang = lang.split('+').next().unwrap_or_default();
        let text = call.bundle().prompts.get(prompt).and_then(|prompt| prompt.texts.get(lang));
        let flow = call.state.frames.last().and_then(|frame| call.bundle().flows.get(usize::from(frame.flow)));
        let mut slots = text.iter().flat_map(|text| text.slots());
        let secret = slots
            .find(|(slot, _)| flow.and_then(|flow| flow.vars.get(&slot.text)).is_some_and(|declared| declared.secret));
        if let Some((name, _)) = secret {
            let name = name.text.clone();
            found(graph, "P8", way, format!("`{prompt}` speaks the secret `{name}`"), &format!("not_logged: [{name}]"));
        }
    }
}

fn secrets(call: &Call) -> Vec<(String, String)> {
    let each = call.state.frames.iter().flat_map(|frame| frame.vars.secrets());
    let long = each.map(|(name, value)| (name.to_string(), value.plain())).filter(|(_, text)| text.len() >= MIN_SECRET);
    long.collect()
}

/// One finding for each property and text: the first is the shortest.
fn found(graph: &mut Graph, property: &'static str, way: &Way, message: String, expect: &str) {
    if graph.findings.iter().any(|known| known.property == property && known.message == message) {
        return;
    }
    let script = graph.script(way, &format!("{property}: {message}"), expect);
    graph.findings.push(Finding { property, message, script });
}

/// What only the whole graph shows.
pub(super) fn check(graph: &mut Graph) {
    if graph.complete {
        every_state_can_end(graph);
    }
    let mentions = graph.bundle.mentions(&graph.flow);
    if !(mentions.queues.is_empty() && mentions.trunks.is_empty() && mentions.agents.is_empty()) {
        humans_are_near(graph);
    }
    emergencies_are_near(graph);
    let limit = graph.bounds.silent_ms;
    let message =
        format!("a caller who says and presses nothing is still with the machine after {}", words::length(limit));
    ends_in_time(graph, Caller::Silent, limit, "P2", &message);
    let limit = graph.bounds.wrong_keys_ms;
    let message =
        format!("a caller who presses only wrong keys is still with the machine after {}", words::length(limit));
    ends_in_time(graph, Caller::WrongKeys, limit, "P3", &message);
}

/// The least keys from each state to one of `goals`.
fn distances(graph: &Graph, goals: impl Iterator<Item = usize>) -> Vec<Option<u32>> {
    let mut before: Vec<Vec<(u32, usize)>> = vec![Vec::new(); graph.nodes.len()];
    for (from, node) in graph.nodes.iter().enumerate() {
        for (keys, to) in &node.next {
            if let Some(list) = before.get_mut(*to) {
                list.push((*keys, from));
            }
        }
    }
    let mut least: Vec<Option<u32>> = vec![None; graph.nodes.len()];
    let mut open: BinaryHeap<Reverse<(u32, usize)>> = goals.map(|goal| Reverse((0, goal))).collect();
    while let Some(Reverse((keys, node))) = open.pop() {
        let Some(place) = least.get_mut(node).filter(|known| known.is_none()) else { continue };
        *place = Some(keys);
        for (more, from) in before.get(node).into_iter().flatten() {
            open.push(Reverse((keys + more, *from)));
        }
    }
    least
}

fn every_state_can_end(graph: &mut Graph) {
    let ends = graph.nodes.iter().enumerate().filter(|(_, node)| node.end).map(|(index, _)| index);
    let least = distances(graph, ends);
    if let Some(trapped) = least.iter().position(Option::is_none) {
        let place = graph.nodes.get(trapped).map(|node| node.place.clone()).unwrap_or_default();
        let message = format!("no way leads from here to an end of the call ({place})");
        let way = graph.way(trapped);
        found(graph, "P1", &way, message, "limits: none");
    }
}

fn humans_are_near(graph: &mut Graph) {
    let open = |graph: &Graph, env: usize| {
        graph.openings.get(env).is_some_and(|(name, _)| !name.contains(" closed") && !name.contains(" holiday"))
    };
    let humans = graph.nodes.iter().enumerate().filter(|(_, node)| node.human.is_some()).map(|(index, _)| index);
    let least = distances(graph, humans);
    let (limit_keys, limit_ms) = (graph.bounds.human_keys, graph.bounds.human_ms);
    let far = graph.nodes.iter().enumerate().find(|(index, node)| {
        let keys = least.get(*index).copied().flatten();
        node.question && !node.past.talked && open(graph, node.env) && keys.is_none_or(|keys| keys > limit_keys)
    });
    if let Some((index, node)) = far {
        let how = match least.get(index).copied().flatten() {
            Some(keys) => format!("{keys} keys away, more than {limit_keys}"),
            None => "not to be reached".into(),
        };
        let message = format!("in open hours a human is {how} ({})", node.place);
        let way = graph.way(index);
        found(graph, "P4", &way, message, "end: transfer");
    }
    let near = |(_, node): &(usize, &Node)| node.human.is_some() && open(graph, node.env);
    let soonest = graph.nodes.iter().enumerate().filter(near).min_by_key(|(_, node)| node.ms);
    if let Some((index, ms)) = soonest.map(|(index, node)| (index, node.ms)).filter(|(_, ms)| *ms > limit_ms) {
        let message = format!("in open hours no human is asked for before {}", words::clock(ms));
        let way = graph.way(index);
        found(graph, "P4", &way, message, &format!("under: {}", words::length(limit_ms)));
    }
}

fn emergencies_are_near(graph: &mut Graph) {
    let is_emergency = |node: &Node| node.human.is_some_and(|priority| priority >= EMERGENCY_PRIORITY);
    let goals: Vec<usize> =
        graph.nodes.iter().enumerate().filter(|(_, node)| is_emergency(node)).map(|(index, _)| index).collect();
    if goals.is_empty() {
        return;
    }
    let least = distances(graph, goals.iter().copied());
    let (keys, ms) = (graph.bounds.emergency_keys, graph.bounds.emergency_ms);
    let expect = format!("keys: {keys}, under: {}", words::length(ms));
    for env in 0..graph.openings.len() {
        let hours = graph.openings.get(env).map(|(name, _)| name.clone()).unwrap_or_default();
        let Some(start) = graph.nodes.iter().position(|node| node.env == env) else { continue };
        let of_env = goals.iter().filter_map(|goal| Some((*goal, graph.nodes.get(*goal)?)));
        let quickest = of_env.filter(|(_, node)| node.env == env).min_by_key(|(_, node)| node.ms);
        let (node, message) = match (quickest, least.get(start).copied().flatten()) {
            (Some((_, node)), Some(fewest)) if fewest <= keys && node.ms <= ms => continue,
            (Some((index, node)), Some(fewest)) => {
                (index, format!("the emergency queue is {fewest} keys and {} away ({hours})", words::clock(node.ms)))
            }
            _ => (start, format!("no key leads to the emergency queue ({hours})")),
        };
        let way = graph.way(node);
        found(graph, "P5", &way, message, &expect);
    }
}

/// Follows one kind of caller through every answer of the outside.
fn ends_in_time(graph: &mut Graph, caller: Caller, limit_ms: u64, property: &'static str, message: &str) {
    let mut calls = 0;
    let openings = graph.openings.clone();
    for opening in &openings {
        let Some(call) = Call::begin(graph.bundle, &graph.flow, &opening.1) else { continue };
        let mut open: Vec<(Call, Vec<Choice>)> = vec![(call, Vec::new())];
        while let Some((call, path)) = open.pop() {
            calls += 1;
            if calls > MAX_CALLS {
                graph.complete = false;
                return;
            }
            if call.ended.is_some() || call.talks() || call.waits_for_human() {
                continue;
            }
            if call.now > limit_ms {
                let path: Vec<&Choice> = path.iter().collect();
                let expect = format!("under: {}", words::length(limit_ms));
                let name = format!("{property}: {message}");
                let script = graph.outside.script(graph.bundle, &graph.flow, Some(opening), &path, &name, &expect);
                graph.findings.push(Finding { property, message: message.to_string(), script });
                return;
            }
            let choices = match &call.asked {
                Some(asked) => graph.outside.answers(asked),
                None => vec![alone(&call, caller)],
            };
            for choice in choices {
                let (mut after, mut path) = (call.clone(), path.clone());
                after.lines.clear();
                take(&mut after, &choice);
                path.push(choice);
                open.push((after, path));
            }
        }
    }
}

/// What this kind of caller does now.
fn alone(call: &Call, caller: Caller) -> Choice {
    let Wait::Key(asking) = &call.state.wait else { return Choice::Listen };
    let heeded = !matches!(&asking.phase, Phase::Prompt(playing) if !playing.bargeable);
    if caller == Caller::Silent || !heeded {
        return Choice::Listen;
    }
    let collects = call.step().is_some_and(|step| step.verb() == "collect") && asking.stage == Stage::Entry;
    if collects {
        return Choice::Press(WRONG_ENTRY.into());
    }
    let is_wrong = |key: &&char| {
        let mut after = call.clone();
        after.lines.clear();
        after.press(**key);
        let mut left = after.lines.iter().filter_map(|(_, line)| match line {
            Line::Trace(TraceEvent::Outcome { outcome, .. }) => Some(outcome.as_str()),
            _ => None,
        });
        let failed = matches!(&after.state.wait, Wait::Key(now) if now.failures > asking.failures);
        left.next().map_or(failed, |outcome| outcome == "give_up")
    };
    KEYS.iter().find(is_wrong).map_or(Choice::Listen, |key| Choice::Press(key.to_string()))
}
