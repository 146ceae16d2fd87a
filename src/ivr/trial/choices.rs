//! What can happen next in a call: what its caller may press, what lookups, queues and telephones may answer. Also the
//! way back: a row of such choices as a test script.

use super::call::{Asked, Call, Opening};
use super::run::{BETWEEN_KEYS_MS, FIRST_REFERENCE, LOOKUP_MS, PICK_UP_MS, REACTION_MS, REFUSAL_MS};
use super::words;
use crate::ivr::bundle::Bundle;
use crate::ivr::calendar::Openness;
use crate::ivr::expr::{literals, samples};
use crate::ivr::run::state::{Offered, Phase, Stage, Wait};
use crate::ivr::step::Fact;
use crate::ivr::value::{Type, Value};
use crate::ivr::wire::{Event, LookupResult, QueueEnd, QueueEvent, Target, TransferFailure, TransferResult};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub(super) const KEYS: [char; 12] = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '*', '#'];
/// An entry that no question takes.
pub(super) const WRONG_ENTRY: &str = "0#";
/// Combinations of a lookup's values, and of hours and switches, that are tried.
const MAX_REPLIES: usize = 32;
const MAX_OPENINGS: usize = 32;
/// How long an agent talks.
const TALK_MS: u64 = 10_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Choice {
    Begin,
    /// Nobody does anything until the next thing is due.
    Listen,
    /// Nobody comes to the caller of this queue before a call back is offered.
    Hold(String),
    Press(String),
    /// The lookup, its answer as a test writes it, and the answer.
    Lookup(String, String, LookupResult),
    Queue(String, QueueEvent),
    Transfer(String, TransferResult),
    Post(String, bool),
    /// What the caller would say cannot be recorded.
    NotRecorded,
    AgentLeaves,
}

impl Choice {
    pub fn keys(&self) -> u32 {
        self.pressed().len() as u32
    }

    pub fn pressed(&self) -> &str {
        if let Choice::Press(keys) = self { keys } else { "" }
    }
}

/// What the outside can answer to the calls of one flow.
pub(super) struct Outside {
    replies: BTreeMap<String, Vec<(String, LookupResult)>>,
    /// Questions for entries that no right one is known of.
    no_entry: BTreeSet<String>,
}

impl Outside {
    pub fn of(bundle: &Bundle) -> Self {
        let (constants, mut no_entry) = (constants(bundle), BTreeSet::new());
        for flow in &bundle.flows {
            for section in &flow.sections {
                for at in &section.steps {
                    if at.verb.verb() == "collect" && at.verb.entry().is_none() {
                        no_entry.insert(format!("{}: {}", flow.name, section.name.text));
                    }
                }
            }
        }
        let each = bundle.lookups.iter().map(|(name, lookup)| (name.clone(), replies(&lookup.gives, &constants)));
        Self { replies: each.collect(), no_entry }
    }

    pub fn unexplored(&self) -> Vec<String> {
        self.no_entry.iter().cloned().collect()
    }

    /// Everything that can happen next, each with the call after it.
    pub fn choices<'b>(&self, call: &Call<'b>) -> Vec<(Choice, Call<'b>)> {
        if call.ended.is_some() {
            return Vec::new();
        }
        let mut next: Vec<Choice> = Vec::new();
        if call.offered() == Offered::Made && !matches!(call.asked, Some(Asked::Post { .. })) {
            // What else can happen in the queue could before.
            next.extend(call.step().and_then(|step| step.entry()).map(Choice::Press));
        } else if let Some(asked) = &call.asked {
            if let (Offered::Due(_), Asked::Queue { name, .. }) = (call.offered(), asked) {
                next.push(Choice::Hold(name.clone()));
            }
            next.extend(self.answers(asked));
        } else if call.talks() {
            next.push(Choice::AgentLeaves);
        } else {
            if call.next_due().is_some() {
                next.push(Choice::Listen);
            }
            if call.records() {
                next.push(Choice::NotRecorded);
            }
            next.extend(self.keys(call).into_iter().map(Choice::Press));
        }
        let taken = next.into_iter().map(|choice| {
            let mut after = call.clone();
            take(&mut after, &choice);
            (choice, after)
        });
        taken.collect()
    }

    pub fn answers(&self, asked: &Asked) -> Vec<Choice> {
        match asked {
            Asked::Lookup { name, .. } => {
                let known = self.replies.get(name).into_iter().flatten();
                known.map(|(words, result)| Choice::Lookup(name.clone(), words.clone(), result.clone())).collect()
            }
            Asked::Queue { name, .. } => {
                let ends = [QueueEnd::Timeout, QueueEnd::Full, QueueEnd::Closed, QueueEnd::NoAgents];
                let events = std::iter::once(QueueEvent::Answered).chain(ends.map(QueueEvent::Ended));
                events.map(|event| Choice::Queue(name.clone(), event)).collect()
            }
            Asked::Transfer { target, .. } => {
                use TransferFailure::{Busy, NoAnswer, Rejected, Unreachable};
                let failed = [Busy, NoAnswer, Rejected, Unreachable].map(TransferResult::Failed);
                let name = target_name(target).to_string();
                let results = std::iter::once(TransferResult::Answered).chain(failed);
                results.map(|result| Choice::Transfer(name.clone(), result)).collect()
            }
            Asked::Post { what, .. } => {
                let name = words::posted(what).1.to_string();
                [true, false].map(|kept| Choice::Post(name.clone(), kept)).to_vec()
            }
        }
    }

    /// What a caller may press now.
    fn keys(&self, call: &Call) -> Vec<String> {
        let single = || KEYS.iter().map(char::to_string);
        match &call.state.wait {
            Wait::Key(asking) => {
                let now = match &asking.phase {
                    Phase::Prompt(playing) => playing.bargeable,
                    Phase::Silence(_) => true,
                    Phase::Typed => false,
                };
                let entry =
                    call.step().filter(|_| asking.stage == Stage::Entry).map(|step| (step.verb(), step.entry()));
                match entry {
                    _ if !now => Vec::new(),
                    Some(("collect", right)) => {
                        right.into_iter().chain([WRONG_ENTRY, "*", "#"].map(str::to_string)).collect()
                    }
                    _ => single().collect(),
                }
            }
            // One key typed ahead stands for more.
            Wait::Prompt(playing) if playing.bargeable && call.state.typed.is_empty() => single().collect(),
            _ => Vec::new(),
        }
    }

    /// The path to a human taken by a caller who hears each question out: who is asked for, and when.
    pub fn listen(&self, bundle: &Bundle, flow: &str, opening: &Opening, path: &[&Choice]) -> Option<(String, u64)> {
        let mut call = Call::begin(bundle, flow, opening)?;
        for choice in path {
            if let Choice::Press(_) = choice {
                // Up to the question, and to its end.
                while call.plays() && !call.awaits_key() && call.advance() {}
                while call.plays() && call.awaits_key() && call.advance() {}
            }
            take(&mut call, choice);
        }
        while call.asked.is_none() && call.ended.is_none() && call.advance() {}
        let target = match call.asked.as_ref()? {
            Asked::Queue { name, .. } => format!("queue {name}"),
            Asked::Transfer { target, .. } => words::target(target),
            Asked::Lookup { .. } | Asked::Post { .. } => return None,
        };
        Some((target, call.now))
    }

    /// A test file whose one test takes the path.
    pub fn script(
        &self,
        bundle: &Bundle,
        flow: &str,
        opening: Option<&(String, Opening)>,
        path: &[&Choice],
        name: &str,
        expect: &str,
    ) -> String {
        let mut text = format!("ivr_test: 1\nflow: {flow}\ntests:\n  - name: {name:?}\n");
        let Some((_, opening)) = opening else { return text };
        let given = given(opening);
        if !given.is_empty() {
            let _ = writeln!(text, "    given: {{{given}}}");
        }
        let Some(mut call) = Call::begin(bundle, flow, opening) else { return text };
        let (mut lookups, mut queues, mut transfers, mut posts) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut recordings: Vec<&str> = Vec::new();
        let mut script = String::new();
        // When the script's line before this one was over.
        let mut then = 0;
        for choice in path {
            let wait = |script: &mut String, before: u64| {
                let ms = before.saturating_sub(then);
                if ms > 0 {
                    let _ = writeln!(script, "      - waits: {ms}ms");
                }
            };
            let add = |list: &mut BTreeMap<String, Vec<String>>, name: &String, word: &str| {
                list.entry(name.clone()).or_default().push(word.to_string());
            };
            match choice {
                Choice::Press(keys) => {
                    wait(&mut script, call.now);
                    let _ = writeln!(script, "      - presses: \"{keys}\"");
                }
                Choice::AgentLeaves => {
                    wait(&mut script, call.now + TALK_MS);
                    let _ = writeln!(script, "      - agent_leaves");
                }
                Choice::Lookup(name, words, _) => add(&mut lookups, name, words),
                Choice::Hold(name) => add(&mut queues, name, "waits"),
                Choice::Queue(name, QueueEvent::Ended(end)) => add(&mut queues, name, end.name()),
                Choice::Queue(name, _) => add(&mut queues, name, "answered"),
                Choice::Transfer(name, TransferResult::Failed(why)) => add(&mut transfers, name, why.name()),
                Choice::Transfer(name, TransferResult::Answered) => add(&mut transfers, name, "answered"),
                Choice::Post(name, kept) => add(&mut posts, name, if *kept { "kept" } else { "fails" }),
                Choice::NotRecorded => {
                    recordings.resize(call.recorded().saturating_sub(1), "kept");
                    recordings.push("fails");
                }
                Choice::Begin | Choice::Listen => {}
            }
            take(&mut call, choice);
            if matches!(choice, Choice::Press(_) | Choice::AgentLeaves) {
                then = call.now;
            }
        }
        let list = |words: &Vec<String>| match words.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let mut mocks: Vec<String> = lookups.iter().map(|(name, words)| format!("{name}: {}", list(words))).collect();
        for (kind, answers) in [("queue", queues), ("transfer", transfers), ("post", posts)] {
            let each: Vec<String> =
                answers.iter().map(|(name, words)| format!("\"{name}\": {}", list(words))).collect();
            if !each.is_empty() {
                mocks.push(format!("{kind}: {{{}}}", each.join(", ")));
            }
        }
        if !recordings.is_empty() {
            // What comes after the last of them works.
            recordings.push("kept");
            mocks.push(format!("record: [{}]", recordings.join(", ")));
        }
        if !mocks.is_empty() {
            text.push_str("    mock:\n");
            mocks.iter().for_each(|mock| _ = writeln!(text, "      {mock}"));
        }
        let more = call.now.saturating_sub(then);
        if more > 0 && call.ended.is_none() && !call.talks() {
            let _ = writeln!(script, "      - waits: {more}ms");
        }
        if !script.is_empty() {
            text.push_str("    script:\n");
            text.push_str(&script);
        }
        if !expect.is_empty() {
            let _ = writeln!(text, "    expect: {{{expect}}}");
        }
        text
    }
}

fn given(opening: &Opening) -> String {
    let mut parts = Vec::new();
    for (word, openness) in [("open", Openness::Open), ("closed", Openness::Closed), ("holiday", Openness::Holiday)] {
        let names: Vec<&str> =
            opening.hours.iter().filter(|(_, is)| **is == openness).map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            parts.push(format!("{word}: [{}]", names.join(", ")));
        }
    }
    if !opening.live.is_empty() {
        parts.push(format!("live: [{}]", opening.live.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    parts.join(", ")
}

/// Makes a choice happen.
pub(super) fn take(call: &mut Call, choice: &Choice) {
    let wait = |call: &mut Call, ms: u64| {
        let until = call.now + ms;
        while call.next_due().is_some_and(|(at, _)| at <= until) && call.advance() {}
        call.now = call.now.max(until);
    };
    // Time passes until the answer is there; the flow may have gone on before.
    let answer = |call: &mut Call, after: u64, event: fn(u32, &Choice) -> Option<Event>, choice: &Choice| {
        let Some(id) = call.asked.as_ref().map(Asked::id) else { return };
        if let Some(event) = event(id, choice) {
            call.answer(after, event);
            while call.asked.as_ref().is_some_and(|asked| asked.id() == id) && call.advance() {}
        }
    };
    match choice {
        Choice::Begin => {}
        Choice::Listen => _ = call.advance(),
        Choice::NotRecorded => call.fail_recording(),
        Choice::Hold(_) => while matches!(call.offered(), Offered::Due(_)) && call.advance() {},
        Choice::Press(keys) => {
            for (index, key) in keys.chars().enumerate() {
                wait(call, if index == 0 { REACTION_MS } else { BETWEEN_KEYS_MS });
                call.press(key);
            }
        }
        Choice::AgentLeaves => {
            wait(call, TALK_MS);
            call.answer_now(Event::AgentGone);
        }
        Choice::Lookup(..) | Choice::Post(..) => answer(call, LOOKUP_MS, event_of, choice),
        Choice::Queue(_, event) => {
            let max_wait = if let Some(Asked::Queue { max_wait_ms, .. }) = &call.asked { *max_wait_ms } else { 0 };
            let after = match event {
                QueueEvent::Answered => PICK_UP_MS,
                QueueEvent::Ended(QueueEnd::Timeout) => max_wait,
                _ => 0,
            };
            answer(call, after, event_of, choice);
        }
        Choice::Transfer(_, result) => {
            let ring = if let Some(Asked::Transfer { ring_ms, .. }) = &call.asked { *ring_ms } else { 0 };
            let after = match result {
                TransferResult::Answered => PICK_UP_MS.min(ring),
                TransferResult::Failed(TransferFailure::NoAnswer) => ring,
                TransferResult::Failed(_) => REFUSAL_MS,
            };
            answer(call, after, event_of, choice);
        }
    }
}

fn event_of(id: u32, choice: &Choice) -> Option<Event> {
    Some(match choice {
        Choice::Lookup(_, _, result) => Event::Lookup { id, result: result.clone() },
        Choice::Queue(_, event) => Event::Queue { id, event: *event },
        Choice::Transfer(_, result) => Event::Transfer { id, result: *result },
        Choice::Post(_, kept) => {
            Event::Posted { id, reference: kept.then(|| format!("{}", FIRST_REFERENCE + u64::from(id))) }
        }
        Choice::Begin
        | Choice::Listen
        | Choice::Hold(_)
        | Choice::Press(_)
        | Choice::NotRecorded
        | Choice::AgentLeaves => return None,
    })
}

pub(super) fn target_name(target: &Target) -> &str {
    match target {
        Target::Agent(name) | Target::Ext(name) | Target::Trunk { trunk: name, .. } => name,
    }
}

/// Values that flows compare with.
fn constants(bundle: &Bundle) -> Vec<Value> {
    let mut found = Vec::new();
    for at in bundle.flows.iter().flat_map(|flow| &flow.sections).flat_map(|section| &section.steps) {
        let mut facts = Vec::new();
        at.verb.facts(bundle, &mut facts);
        for fact in facts {
            if let Fact::Reads(expr, _) | Fact::Fills(expr, _) | Fact::Sends(expr, _) | Fact::Assigns(_, expr) = fact {
                literals(expr, &mut found);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn replies(gives: &BTreeMap<String, Type>, constants: &[Value]) -> Vec<(String, LookupResult)> {
    let mut found: Vec<BTreeMap<String, Value>> = vec![BTreeMap::new()];
    for (field, ty) in gives {
        let values = samples(ty, constants);
        let with = |fields: &BTreeMap<String, Value>, value: &Value| {
            let mut fields = fields.clone();
            fields.insert(field.clone(), value.clone());
            fields
        };
        found = found.iter().flat_map(|fields| values.iter().map(|value| with(fields, value))).collect();
        found.truncate(MAX_REPLIES);
    }
    let words = |fields: &BTreeMap<String, Value>| {
        let each: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {:?}", value.plain())).collect();
        if each.is_empty() { "found".to_string() } else { format!("{{{}}}", each.join(", ")) }
    };
    let answers = found.into_iter().map(|fields| (words(&fields), LookupResult::Found(fields)));
    let others = [("not_found", LookupResult::NotFound), ("fails", LookupResult::Failed)];
    answers.chain(others.map(|(word, result)| (word.to_string(), result))).collect()
}

/// A way to begin, and what a report calls it.
type Named = (String, Opening);

/// Ways for a call to begin: hours of the calendars and switches that the flow asks about.
pub(super) fn openings(bundle: &Bundle, flow: &str) -> Option<Vec<Named>> {
    let ordinary = Opening::ordinary(bundle, flow)?;
    let mut all = vec![(String::new(), ordinary)];
    let mut vary = |change: &dyn Fn(&Named) -> Vec<Named>| {
        all = all.iter().flat_map(change).take(MAX_OPENINGS).collect();
    };
    let label = |before: &str, more: String| if before.is_empty() { more } else { format!("{before}, {more}") };
    for calendar in bundle.mentions(flow).calendars {
        let kinds = [("open", Openness::Open), ("closed", Openness::Closed), ("holiday", Openness::Holiday)];
        vary(&|(name, opening)| {
            let each = kinds.map(|(word, openness)| {
                let mut opening = opening.clone();
                opening.hours.insert(calendar.clone(), openness);
                (label(name, format!("{calendar} {word}")), opening)
            });
            each.to_vec()
        });
    }
    for switch in bundle.switches() {
        vary(&|(name, opening)| {
            let mut on = opening.clone();
            on.live.insert(switch.clone());
            vec![(name.clone(), opening.clone()), (label(name, format!("{switch} on")), on)]
        });
    }
    Some(all)
}
