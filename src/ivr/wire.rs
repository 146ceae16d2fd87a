//! What the interpreter is told and what it asks for: its whole contact with the world.
//!
//! Times are milliseconds since the call's start. Every id comes from one counter of the call, so an answer that comes
//! too late names an id that nobody waits for and is ignored.

use super::value::Value;
use crate::events::{Asked, Cause, During, ServiceEnd};
use crate::ids::Redacted;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names one thing that was asked for: a play, a timer, a lookup, a place in a queue, a dial.
pub type ActionId = u32;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The call is answered and its flow begins. `wall_ms` is UTC since 1970; `lang` the language remembered for this
    /// caller, if any.
    Started {
        caller: Redacted<String>,
        called: String,
        wall_ms: u64,
        lang: Option<String>,
    },
    /// The switches (`live.*`) that are on from now: told before `Started`, and whenever one is flipped.
    Live {
        on: BTreeSet<String>,
    },
    /// `0`-`9`, `*`, `#`. The media side has already stopped a bargeable play.
    Key(char),
    /// A play ran out or was stopped; `heard_ms` of it were played.
    PlayDone {
        id: ActionId,
        heard_ms: u32,
    },
    Timer {
        id: ActionId,
    },
    Lookup {
        id: ActionId,
        result: LookupResult,
    },
    Queue {
        id: ActionId,
        event: QueueEvent,
    },
    Transfer {
        id: ActionId,
        result: TransferResult,
    },
    /// The recording has ended by its longest time, by `RecordStop` or with the call; `None` = nothing could be kept.
    Recorded {
        id: ActionId,
        kept: Option<Kept>,
    },
    /// What was posted is kept until it is delivered, under this number; `None` = it could not be kept.
    Posted {
        id: ActionId,
        reference: Option<String>,
    },
    /// The agent or transfer target that was talking with the caller has gone; the caller is still there.
    AgentGone,
    CallerHungUp,
    /// Neither caller nor flow ended the call: an operator, its longest time, the stop of the switch.
    CallEnded,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LookupResult {
    Found(BTreeMap<String, Value>),
    NotFound,
    Failed,
}

/// A recording of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// As the recordings' folder names it.
    pub file: String,
    pub length_ms: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueEvent {
    /// `ahead` callers are served first; `wait_s` is the estimate when there is one.
    Position {
        ahead: u32,
        wait_s: Option<u32>,
    },
    /// An agent answered and is being joined with the caller.
    Answered,
    /// The agent was lost without the caller leaving: the caller waits again, in front.
    Back,
    Ended(QueueEnd),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueEnd {
    Timeout,
    Full,
    Closed,
    NoAgents,
}

impl QueueEnd {
    pub fn name(self) -> &'static str {
        match self {
            QueueEnd::Timeout => "timeout",
            QueueEnd::Full => "full",
            QueueEnd::Closed => "closed",
            QueueEnd::NoAgents => "no_agents",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferResult {
    Answered,
    Failed(TransferFailure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferFailure {
    Busy,
    NoAnswer,
    Rejected,
    Unreachable,
}

impl TransferFailure {
    pub fn name(self) -> &'static str {
        match self {
            TransferFailure::Busy => "busy",
            TransferFailure::NoAnswer => "no_answer",
            TransferFailure::Rejected => "rejected",
            TransferFailure::Unreachable => "unreachable",
        }
    }
}

/// To be carried out in order. What may be answered at once (`Enqueue`, `Dial`, `Fetch`, `Record`, `Post`) comes last of its step, so that
/// the answer may be given from within.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Replaces what plays. Answered by `PlayDone`. An item without a recording is skipped.
    Play {
        id: ActionId,
        items: Vec<Speech>,
        bargeable: bool,
    },
    StopPlay {
        id: ActionId,
    },
    /// What is heard whenever no play runs; `None` = silence.
    Music {
        on: Option<String>,
    },
    /// `due_ms` counts from the call's start. Answered by `Timer`.
    TimerSet {
        id: ActionId,
        due_ms: u64,
    },
    TimerClear {
        id: ActionId,
    },
    Fetch {
        id: ActionId,
        lookup: String,
        args: Vec<(String, Value)>,
        /// An answer that comes later finds nobody.
        within_ms: u64,
    },
    Enqueue {
        id: ActionId,
        queue: String,
        skills: Vec<String>,
        priority: u8,
        max_wait_ms: u64,
        /// The flow says where to go when nobody is logged in, so that the caller need not wait for somebody to be.
        leave_when_empty: bool,
    },
    Dequeue {
        id: ActionId,
    },
    /// The caller hears ringing until `Transfer` answers this. `carry` goes along to the target.
    Dial {
        id: ActionId,
        target: Target,
        ring_ms: u64,
        carry: Vec<(String, Redacted<String>)>,
    },
    DialCancel {
        id: ActionId,
    },
    /// Records the caller, for `max_ms` at most and until nothing is said for `quiet_ms`. Answered by `Recorded`, which may be
    /// that it could not begin.
    Record {
        id: ActionId,
        max_ms: u64,
        quiet_ms: u64,
        /// Where it is filed when it is complete, also if that is because the caller hung up.
        mailbox: Option<Mailbox>,
    },
    RecordStop {
        id: ActionId,
    },
    /// Something for another system or for somebody to do, kept until it is delivered, however long that system is away.
    /// Answered by `Posted`.
    Post {
        id: ActionId,
        what: Post,
        /// In clear: for the one who gets it, and for nobody's log.
        fields: Vec<(String, Value)>,
    },
    Trace(TraceEvent),
    /// The last action of a call.
    Hangup {
        cause: Cause,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Agent(String),
    /// An extension, whoever is registered there.
    Ext(String),
    Trunk {
        trunk: String,
        number: String,
    },
}

/// Where a spoken message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub name: String,
    pub urgent: bool,
}

/// What is posted, by the name that the platform has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Post {
    /// A text, mail or request to another system, made of a template. `to` is who gets it, where the template asks for it.
    Message {
        channel: Channel,
        template: String,
        to: Option<Redacted<String>>,
    },
    Form {
        template: String,
    },
    /// Somebody calls back. `within_s` says until when that is of use.
    Callback {
        queue: String,
        number: Redacted<String>,
        within_s: Option<u64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Sms,
    Mail,
    Webhook,
}

impl Channel {
    pub fn name(self) -> &'static str {
        match self {
            Channel::Sms => "sms",
            Channel::Mail => "mail",
            Channel::Webhook => "webhook",
        }
    }
}

/// One thing to play. `id` names the file `prompts/<lang>/<id>.wav`.
#[derive(Clone, PartialEq, Eq)]
pub enum Speech {
    Prompt {
        lang: String,
        id: String,
    },
    Atom {
        lang: String,
        id: &'static str,
    },
    /// Milliseconds.
    Silence(u32),
}

/// Which atoms are said tells a caller's value, so debug output keeps it back.
impl fmt::Debug for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Speech::Prompt { lang, id } => write!(f, "{lang}/{id}"),
            Speech::Atom { lang, .. } => write!(f, "{lang}/(value)"),
            Speech::Silence(ms) => write!(f, "silence {ms} ms"),
        }
    }
}

/// What the call's record and statistics learn. Holds no secret and no unmasked private value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceEvent {
    Started {
        flow: String,
    },
    /// `step` counts from 0 within its section.
    Step {
        flow: String,
        section: String,
        step: u16,
        verb: &'static str,
    },
    Outcome {
        flow: String,
        section: String,
        step: u16,
        verb: &'static str,
        outcome: String,
        asked: Asked,
    },
    /// The call is over, and this is where it was.
    Left {
        flow: String,
        section: String,
        step: u16,
        verb: &'static str,
        during: During,
        asked: Asked,
    },
    /// Told when the key is used, so that digits typed ahead into a private question stay masked (`None`).
    Key {
        key: Option<char>,
    },
    /// A whole entry, masked as its variable asks.
    Collected {
        name: String,
        shown: String,
    },
    /// To be remembered for this caller when `remember_s` is given.
    Language {
        lang: String,
        remember_s: Option<u64>,
    },
    Tagged {
        tag: String,
    },
    Resolved {
        topic: String,
    },
    /// An answer of a survey; `None` = the caller passed it over.
    Answered {
        form: String,
        question: String,
        answer: Option<char>,
    },
    /// What was posted: `sms`, `mail`, `webhook`, `form` or `callback`, the platform's name for it, and the
    /// number that it is kept under.
    Posted {
        what: &'static str,
        name: String,
        reference: String,
    },
    /// A limit was hit (`loop`, `steps`, `time`, `depth`, `lookups`) or an expression had no value (`fault`): somebody
    /// should look at the flow.
    Limit {
        which: &'static str,
    },
    /// What the call counts as, and a token of the customer's account.
    Counted {
        end: ServiceEnd,
        closed: bool,
        account: Option<Redacted<String>>,
    },
    Ended {
        flow: String,
        outcome: &'static str,
    },
}
