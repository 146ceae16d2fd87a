//! What a call's record tells of its way: how far an answer was heard, how each question went, by what the caller came to
//! where it is, and the one end that the call counts under.
//!
//! Decides nothing in the call.

use super::state::{Filler, Phase, Playing, Wait};
use super::{Next, Run};
use crate::events::{Asked, During, ServiceEnd};
use crate::ids::Redacted;
use crate::ivr::flow::Flow;
use crate::ivr::wire::TraceEvent;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Who leaves before this has not used the hotline.
const SHORT_MS: u64 = 10_000;
/// The word that marks an emergency, and the priority of a queue for one.
const EMERGENCY: &str = "emergency";
pub(in crate::ivr) const EMERGENCY_PRIORITY: u8 = 9;
/// The key by which callers everywhere expect a human.
const HUMAN_KEY: &str = "0";
/// The variable by whose value two calls are known to be about the same customer.
const ACCOUNT: &str = "account";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::ivr) struct Books {
    /// Of the present visit.
    pub asked: Asked,
    way: Way,
    /// Whether the last thing that a `say` told was heard.
    told: Told,
    /// What was asked for is on its way, since the last `resolved`: the caller need not hear that.
    filed: bool,
    resolved: bool,
    /// Something that asks or acts has been reached.
    past_welcome: bool,
    emergency: bool,
    closed: bool,
    message: Option<ServiceEnd>,
    /// How the caller came to the first human who answered.
    human: Option<Way>,
}

/// By what the caller came to the present step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// The flow's plan and the caller's own choices.
    #[default]
    Planned,
    /// The caller asked for a human.
    OptedOut,
    /// Tries ran out, something failed, or a limit was hit.
    Forced,
    /// A queue or telephone was tried and nobody answered.
    Unanswered,
    Closed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    #[default]
    Nothing,
    Heard,
    Unheard,
}

impl Books {
    /// A prompt of a `say` is over: all of it was heard, or what was heard until now.
    pub fn said(&mut self, playing: Option<&Playing>, now: u64, whole: bool) {
        let heard = whole || playing.is_some_and(|playing| playing.has_told(now));
        self.told = if heard { Told::Heard } else { Told::Unheard };
    }

    /// Whether the caller has got what `resolved` says. What was not said needs not be heard.
    pub fn confirms(&self) -> bool {
        self.filed || self.told != Told::Unheard
    }

    /// A queue of this priority is asked for.
    pub fn sent_to(&mut self, priority: u8) {
        self.emergency |= priority >= EMERGENCY_PRIORITY;
    }

    /// Takes note of what is told about the call anyway.
    fn note(&mut self, event: &TraceEvent) {
        match event {
            TraceEvent::Tagged { tag } if tag == EMERGENCY => self.emergency = true,
            TraceEvent::Resolved { .. } => (self.resolved, self.filed) = (true, false),
            TraceEvent::Posted { what, .. } => {
                self.filed = true;
                if *what == "callback" {
                    self.message = Some(ServiceEnd::Callback);
                }
            }
            TraceEvent::Step { verb, .. } => {
                self.asked = Asked::default();
                let acts = matches!(
                    *verb,
                    "menu" | "collect" | "language" | "queue" | "transfer" | "voicemail" | "record" | "survey"
                ) || matches!(*verb, "form" | "send" | "callback");
                self.past_welcome |= acts;
                if matches!(*verb, "queue" | "transfer") {
                    self.resolved = false;
                }
            }
            TraceEvent::Outcome { verb, outcome, .. } => self.turned(verb, outcome),
            TraceEvent::Limit { .. } => self.failed(),
            _ => {}
        }
    }

    /// A step has ended, which may be why the next one is reached.
    fn turned(&mut self, verb: &str, outcome: &str) {
        match (verb, outcome) {
            (_, "failed") => self.failed(),
            ("transfer", _) | ("queue", "timeout" | "full" | "closed" | "no_agents") => self.way = Way::Unanswered,
            ("hours", "open") => self.closed = false,
            ("hours", _) => (self.way, self.closed) = (Way::Closed, true),
            (_, "give_up" | "not_found") => self.way = Way::Forced,
            _ if self.asked.opted_out => (self.way, self.resolved) = (Way::OptedOut, false),
            ("menu", "back") => {}
            ("menu" | "collect", _) | ("lookup", "found") => self.way = Way::Planned,
            ("voicemail", "recorded") => self.message = Some(ServiceEnd::Message),
            _ => {}
        }
    }

    fn failed(&mut self) {
        (self.way, self.resolved) = (Way::Forced, false);
    }

    /// What the call counts as. `dropped`: it was over before the flow was.
    fn end(&self, at: u64, wait: &Wait, dropped: bool) -> ServiceEnd {
        if self.emergency {
            return ServiceEnd::Emergency;
        }
        if let Some(way) = self.human {
            return match way {
                Way::Planned => ServiceEnd::Routed,
                Way::OptedOut => ServiceEnd::OptedOut,
                Way::Forced => ServiceEnd::Forced,
                Way::Unanswered | Way::Closed => ServiceEnd::Overflow,
            };
        }
        if let Some(message) = self.message {
            return message;
        }
        if self.resolved {
            return ServiceEnd::Resolved;
        }
        match (dropped, self.way, wait) {
            (true, ..) if at < SHORT_MS || !self.past_welcome => ServiceEnd::Short,
            (true, _, Wait::Queue(_) | Wait::Dial { .. }) => ServiceEnd::LeftWaiting,
            (true, Way::Forced, _) => ServiceEnd::LeftAfterError,
            (true, _, _) if self.asked.silent > 0 || self.asked.wrong > 0 => ServiceEnd::LeftAfterError,
            (true, _, _) => ServiceEnd::LeftAtInput,
            (false, Way::Forced, _) => ServiceEnd::Forced,
            (false, Way::Unanswered, _) => ServiceEnd::Overflow,
            (false, _, _) => ServiceEnd::Dismissed,
        }
    }
}

impl Playing {
    /// Whether the last value in it, or all of it where it has none, has been said.
    fn has_told(&self, now: u64) -> bool {
        now.saturating_sub(self.since) >= self.told_ms
    }
}

/// What a step waits for, as whoever hears of the call's end in it wants to know; `None` for a talk.
fn during(wait: &Wait) -> Option<During> {
    Some(match wait {
        Wait::Prompt(_) => During::Prompt,
        Wait::Key(asking) => match asking.phase {
            Phase::Prompt(_) => During::Prompt,
            Phase::Typed | Phase::Silence(_) => During::Answer,
        },
        Wait::Queue(_) => During::Queue,
        Wait::Dial { .. } => During::Ringing,
        Wait::Recording { .. } => During::Recording,
        Wait::Lookup(wait) => match wait.filler {
            Filler::Prompt(_) => During::Prompt,
            _ => During::Before,
        },
        Wait::Nothing | Wait::Timer(_) | Wait::Posted { .. } => During::Before,
        Wait::NotStarted | Wait::Talk { .. } | Wait::Ended => return None,
    })
}

impl Run<'_, '_> {
    pub fn trace(&mut self, event: TraceEvent) {
        self.state.books.note(&event);
        self.out.push(super::Action::Trace(event));
    }

    /// Whether a key that leads on asks for a human: the flow's way out, or the key that means one everywhere.
    pub(super) fn note_wish(&mut self, next: &Next) {
        let (outcome, depth, section) = match next {
            Next::Go(outcome, section) => (outcome, self.state.frames.len(), section),
            Next::Unwind { outcome, depth, section } => (outcome, *depth, section),
            _ => return,
        };
        let asks = self.current().is_some_and(|step| matches!(step.verb(), "menu" | "collect" | "language"));
        if !asks || outcome == "give_up" {
            return;
        }
        let flow = self.state.frames.get(depth.saturating_sub(1)).map(|frame| usize::from(frame.flow));
        let flow = flow.and_then(|flow| self.bundle.flows.get(flow));
        self.state.books.asked.opted_out = outcome == HUMAN_KEY || flow.and_then(way_out) == Some(section.as_str());
    }

    /// A human may have answered.
    pub(super) fn note_human(&mut self) {
        if matches!(self.state.wait, Wait::Talk { .. }) {
            let books = &mut self.state.books;
            books.human.get_or_insert(books.way);
        }
    }

    /// The call is over while the flow still waits for something.
    pub(super) fn note_drop(&mut self) {
        let speaks_message = matches!(self.state.wait, Wait::Recording { stopping: false, .. })
            && self.current().is_some_and(|step| step.verb() == "voicemail");
        if speaks_message {
            self.state.books.message = Some(ServiceEnd::Message);
        }
        // An answer counts that was heard up to its last value, though what is said after it was not.
        if let Wait::Prompt(playing) = &self.state.wait
            && (playing.has_told(self.state.at) || self.state.books.filed)
            && let Some(topic) = self.follows().and_then(|step| step.resolves())
        {
            let topic = topic.to_string();
            self.trace(TraceEvent::Resolved { topic });
        }
        if let (Some(during), Some(step), Some((flow, section, index))) =
            (during(&self.state.wait), self.current(), self.place())
        {
            let asked = self.state.books.asked;
            self.trace(TraceEvent::Left { flow, section, step: index, verb: step.verb(), during, asked });
        }
    }

    pub(super) fn count(&mut self, dropped: bool) {
        let (books, state) = (&self.state.books, &*self.state);
        let end = books.end(state.at, &state.wait, dropped);
        let account = state.frames.first().and_then(|frame| frame.vars.read_open(ACCOUNT));
        let account = account.map(|value| Redacted::new(token(&value.plain())));
        let closed = books.closed;
        self.trace(TraceEvent::Counted { end, closed, account });
    }
}

/// The section that is a flow's way to a human: where its questions give up to, or `agent`.
pub(super) fn way_out(flow: &Flow) -> Option<&str> {
    let give_up = flow.defaults.give_up.as_ref().map(|name| name.text.as_str());
    give_up.into_iter().chain(["agent"]).find(|name| flow.section_index(name).is_some())
}

/// Stands for a value where only sameness matters.
fn token(value: &str) -> String {
    Sha256::digest(value.as_bytes()).iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}
