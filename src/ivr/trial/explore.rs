//! Every way that a call can take: the interpreter itself is run from each state with each thing that caller, lookups,
//! queues and telephones could do, and states that differ in nothing that matters are visited once.
//!
//! Values from outside are those next to the constants that the flow compares with. A caller presses a key 300 ms after
//! the question begins. What a state remembers besides the call is what the properties ask for.

use super::call::{Asked, Call, Line, Opening};
use super::choices::{Choice, Outside, openings};
use super::coverage::{Item, passed};
use super::liveness::Liveness;
use super::properties::{self, Finding};
use crate::ivr::bundle::Bundle;
use crate::ivr::run::state::Wait;
use crate::ivr::wire::TraceEvent;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt::Write;

/// What a flow must keep to, and how far it is followed.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub states: usize,
    /// A caller who does nothing, and one who only presses wrong keys, are with a human or at an end by then.
    pub silent_ms: u64,
    pub wrong_keys_ms: u64,
    /// From any question in open hours a human is this near.
    pub human_keys: u32,
    pub human_ms: u64,
    /// From the start at any hour the emergency queue is this near.
    pub emergency_keys: u32,
    pub emergency_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            states: 200_000,
            silent_ms: 180_000,
            wrong_keys_ms: 300_000,
            human_keys: 4,
            human_ms: 60_000,
            emergency_keys: 2,
            emergency_ms: 20_000,
        }
    }
}

/// A way to a human: where it is asked for, in which hours, by which keys and in what time.
#[derive(Clone, Debug, PartialEq)]
pub struct ToHuman {
    pub hours: String,
    pub place: String,
    pub target: String,
    pub keys: String,
    pub at_once_ms: u64,
    /// For a caller who hears each question to its end.
    pub listening_ms: u64,
}

/// What was found out about a flow.
#[derive(Clone, Debug)]
pub struct Explored {
    pub states: usize,
    /// Every state was visited; otherwise the search stopped at [`Bounds::states`].
    pub complete: bool,
    pub findings: Vec<Finding>,
    pub humans: Vec<ToHuman>,
    /// Entries that no sample could be made for, so that what comes after them was not seen.
    pub unexplored: Vec<String>,
}

/// Facts of the call so far that the properties ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Past {
    /// The flow has met closed hours.
    pub closed: bool,
    /// The caller has had a human.
    pub talked: bool,
    /// Forms that were filed.
    pub forms: BTreeSet<String>,
}

/// A state of a call and the quickest way to it.
pub(super) struct Node {
    pub parent: Option<usize>,
    pub choice: Choice,
    pub env: usize,
    pub ms: u64,
    pub next: Vec<(u32, usize)>,
    pub past: Past,
    /// Waiting at a question for keys that lead somewhere; the ratings of a survey do not.
    pub question: bool,
    /// The call is over or a human has it.
    pub end: bool,
    /// A queue or telephone is asked for, with its priority.
    pub human: Option<u8>,
    /// Where the call is.
    pub place: String,
}

/// What is done in a state; without one, how the call begins.
#[derive(Clone)]
pub(super) struct Way {
    pub env: usize,
    pub parent: Option<usize>,
    pub choice: Choice,
}

pub(super) struct Graph<'b> {
    pub bundle: &'b Bundle,
    pub flow: String,
    pub bounds: Bounds,
    pub outside: Outside,
    live: Liveness,
    pub openings: Vec<(String, Opening)>,
    pub nodes: Vec<Node>,
    pub complete: bool,
    /// The first step that a call took through each item.
    pub items: BTreeMap<Item, Way>,
    pub findings: Vec<Finding>,
}

struct Waiting<'b> {
    call: Call<'b>,
    parent: Option<usize>,
    choice: Choice,
    env: usize,
    keys: u32,
    past: Past,
}

/// Follows every call of an entry flow. `None` when there is no such flow.
pub fn explore(bundle: &Bundle, flow: &str, bounds: &Bounds) -> Option<Explored> {
    let mut graph = Graph::of(bundle, flow, bounds)?;
    properties::check(&mut graph);
    let humans = graph.humans();
    let mut findings = std::mem::take(&mut graph.findings);
    findings.sort_by_key(|finding| finding.property);
    Some(Explored {
        states: graph.nodes.len(),
        complete: graph.complete,
        findings,
        humans,
        unexplored: graph.outside.unexplored(),
    })
}

/// Test scripts that reach `missed`, as lines of a test file; what no call reaches has none.
pub fn skeletons(bundle: &Bundle, flow: &str, missed: &[Item]) -> Vec<(Item, Option<String>)> {
    let graph = Graph::of(bundle, flow, &Bounds { states: 50_000, ..Bounds::default() });
    let script = |item: &Item| {
        let graph = graph.as_ref()?;
        let way = graph.items.get(item)?;
        Some(graph.script(way, &item.to_string().replace(" is never ", " is ").replace(" never ", " "), ""))
    };
    missed.iter().map(|item| (item.clone(), script(item))).collect()
}

impl<'b> Graph<'b> {
    fn of(bundle: &'b Bundle, flow: &str, bounds: &Bounds) -> Option<Self> {
        let mut graph = Graph {
            bundle,
            flow: flow.to_string(),
            bounds: bounds.clone(),
            outside: Outside::of(bundle),
            live: Liveness::of(bundle),
            openings: openings(bundle, flow)?,
            nodes: Vec::new(),
            complete: true,
            items: BTreeMap::new(),
            findings: Vec::new(),
        };
        graph.search();
        Some(graph)
    }

    fn search(&mut self) {
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut open = BinaryHeap::new();
        let mut waiting: BTreeMap<u64, Waiting> = BTreeMap::new();
        let mut serial = 0u64;
        for (env, (_, opening)) in self.openings.iter().enumerate() {
            let Some(call) = Call::begin(self.bundle, &self.flow, opening) else { continue };
            open.push(Reverse((call.now, 0, serial)));
            let start = Choice::Begin;
            waiting.insert(serial, Waiting { call, parent: None, choice: start, env, keys: 0, past: Past::default() });
            serial += 1;
        }
        while let Some(Reverse((_, _, next))) = open.pop() {
            let Some(mut found) = waiting.remove(&next) else { continue };
            let lines = std::mem::take(&mut found.call.lines);
            let before = found.past.clone();
            self.remember(&mut found.past, &lines);
            let signature = signature(&found.call, found.env, &found.past, &self.live);
            let weight = found.choice.keys();
            // Different ways into one state may say different things.
            let way = Way { env: found.env, parent: found.parent, choice: found.choice.clone() };
            for item in passed(&lines) {
                self.items.entry(item).or_insert_with(|| way.clone());
            }
            properties::on_the_way(self, &way, &before, &found.call, &lines);
            if let Some(&index) = known.get(&signature) {
                self.join(found.parent, weight, index);
                continue;
            }
            if self.nodes.len() >= self.bounds.states {
                self.complete = false;
                return;
            }
            let index = self.nodes.len();
            known.insert(signature, index);
            self.join(found.parent, weight, index);
            self.nodes.push(Node {
                parent: found.parent,
                choice: found.choice,
                env: found.env,
                ms: found.call.now,
                next: Vec::new(),
                past: found.past.clone(),
                question: found.call.awaits_key() && found.call.step().is_some_and(|step| step.verb() != "survey"),
                end: found.call.ended.is_some() || found.call.talks(),
                human: match &found.call.asked {
                    Some(Asked::Queue { priority, .. }) => Some(*priority),
                    Some(Asked::Transfer { .. }) => Some(0),
                    _ => None,
                },
                place: place(&found.call),
            });
            for (choice, call) in self.outside.choices(&found.call) {
                let keys = found.keys + choice.keys();
                open.push(Reverse((call.now, keys, serial)));
                let past = found.past.clone();
                waiting.insert(serial, Waiting { call, parent: Some(index), choice, env: found.env, keys, past });
                serial += 1;
            }
        }
    }

    fn join(&mut self, parent: Option<usize>, keys: u32, to: usize) {
        if let Some(node) = parent.and_then(|parent| self.nodes.get_mut(parent)) {
            node.next.push((keys, to));
        }
    }

    fn remember(&self, past: &mut Past, lines: &[(u64, Line)]) {
        for (_, line) in lines {
            match line {
                Line::Trace(TraceEvent::Outcome { verb: "hours", outcome, .. }) if outcome != "open" => {
                    past.closed = true;
                }
                Line::Trace(TraceEvent::Posted { what: "form", name, .. }) => {
                    past.forms.insert(name.clone());
                }
                Line::Answer(words) if words == "an agent answers" || words == "answered" => past.talked = true,
                _ => {}
            }
        }
    }

    /// The choices that lead to a node, the first first.
    pub fn path(&self, node: usize) -> Vec<&Choice> {
        let mut path = Vec::new();
        let mut at = self.nodes.get(node);
        while let Some(node) = at {
            path.push(&node.choice);
            at = node.parent.and_then(|parent| self.nodes.get(parent));
        }
        path.reverse();
        path
    }

    /// The last step of the way to a node.
    pub fn way(&self, node: usize) -> Way {
        let node = self.nodes.get(node);
        let choice = node.map_or(Choice::Begin, |node| node.choice.clone());
        Way { env: node.map_or(0, |node| node.env), parent: node.and_then(|node| node.parent), choice }
    }

    /// A test file that takes a call this way.
    pub fn script(&self, way: &Way, name: &str, expect: &str) -> String {
        let mut path = way.parent.map(|parent| self.path(parent)).unwrap_or_default();
        path.push(&way.choice);
        self.outside.script(self.bundle, &self.flow, self.openings.get(way.env), &path, name, expect)
    }

    /// The nearest way to each place where a human is asked for.
    fn humans(&self) -> Vec<ToHuman> {
        let mut seen = BTreeSet::new();
        let mut ways = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let hours = self.openings.get(node.env).map_or("", |(name, _)| name.as_str());
            if node.human.is_none() || !seen.insert((hours, node.place.clone())) {
                continue;
            }
            let path = self.path(index);
            let Some((_, opening)) = self.openings.get(node.env) else { continue };
            let Some((target, listening_ms)) = self.outside.listen(self.bundle, &self.flow, opening, &path) else {
                continue;
            };
            let keys = path.iter().map(|choice| choice.pressed()).collect::<Vec<_>>().join("");
            let (place, at_once_ms) = (node.place.clone(), node.ms);
            ways.push(ToHuman { hours: hours.to_string(), place, target, keys, at_once_ms, listening_ms });
        }
        ways.sort_by(|a, b| (&a.hours, a.keys.len(), &a.place).cmp(&(&b.hours, b.keys.len(), &b.place)));
        ways
    }
}

/// `power: emergency, step 3`.
pub(super) fn place(call: &Call) -> String {
    let Some(frame) = call.state.frames.last() else { return String::new() };
    let flow = call.bundle().flows.get(usize::from(frame.flow));
    let section = flow.and_then(|flow| flow.sections.get(usize::from(frame.section)));
    match (flow, section) {
        (Some(flow), Some(section)) => format!("{}: {}, step {}", flow.name, section.name.text, frame.step + 1),
        _ => String::new(),
    }
}

/// All of a call's state that decides what can still happen. Times, ids, counts of steps and values that no condition
/// will look at are left out.
pub(super) fn signature(call: &Call, env: usize, past: &Past, live: &Liveness) -> String {
    let state = &call.state;
    let mut text = format!("{env}|{}|{}|{}|{past:?}|", state.lang, state.lang_known, state.counters.limits_hit);
    for frame in &state.frames {
        let _ = write!(text, "{}.{}.{}", frame.flow, frame.section, frame.step);
        for (name, value) in frame.vars.each().filter(|(name, _)| live.is_live(frame, name)) {
            let _ = write!(text, ",{name}={}", value.plain());
        }
        text.push('|');
    }
    // Where `back` leads now; what lies deeper is as good as the first that was met.
    if let Some(point) = state.back.back() {
        let _ = write!(text, "b{}.{}.{}.{}", point.depth, point.flow, point.section, point.step);
    }
    let _ = write!(text, "|{}|{:?}", state.typed.text(), state.surplus.map(|surplus| surplus.key));
    let _ = match &state.wait {
        Wait::Prompt(playing) => write!(text, "|prompt {}", playing.bargeable),
        Wait::Key(asking) => {
            let phase = std::mem::discriminant(&asking.phase);
            let entered = asking.entered.text();
            write!(text, "|key {} {:?} {phase:?} {entered}", asking.failures, asking.stage)
        }
        Wait::Lookup(wait) => write!(text, "|lookup {:?} {:?}", std::mem::discriminant(&wait.filler), wait.reply),
        Wait::Queue(wait) => {
            write!(text, "|queue {} {:?}", wait.playing.is_some(), std::mem::discriminant(&wait.offer))
        }
        other => write!(text, "|{:?}", std::mem::discriminant(other)),
    };
    let _ = write!(text, "|{}", call.asked.is_some());
    text
}
