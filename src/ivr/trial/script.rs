//! A test file: calls as an admin writes them down, with what the caller does and what must come of it.

use crate::ivr::calendar::Openness;
use crate::ivr::source::{Name, Span};
use crate::ivr::value::Value;
use crate::ivr::wire::{LookupResult, QueueEnd, QueueEvent, TransferResult};
use std::collections::{BTreeMap, BTreeSet};

/// Tests of one flow.
#[derive(Clone, Debug)]
pub struct TestFile {
    pub path: String,
    pub flow: String,
    /// What all its tests begin with.
    pub(super) mock: Mock,
    pub tests: Vec<Test>,
}

#[derive(Clone, Debug)]
pub struct Test {
    pub name: String,
    pub(super) span: Span,
    /// Line of its name in the file.
    pub line: u32,
    pub(super) given: Given,
    pub(super) mock: Mock,
    pub(super) script: Vec<(Span, Move)>,
    pub(super) expect: Expect,
}

/// How the call begins. What a test does not say, the file's own `given:` does.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// Local time of the flow, seconds since 1970-01-01.
    pub at: Option<i64>,
    pub caller: Option<String>,
    pub called: Option<String>,
    /// `Some(None)` = none is known.
    pub language: Option<Option<String>>,
    pub hours: BTreeMap<String, Openness>,
    /// The switches that are on.
    pub live: Option<BTreeSet<String>>,
}

/// What the outside answers; each list one after the other, its last again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Mock {
    pub lookups: BTreeMap<String, Vec<Reply>>,
    pub queues: BTreeMap<String, Vec<Ending>>,
    /// By trunk, extension or agent.
    pub transfers: BTreeMap<String, Vec<Pickup>>,
    /// Whether what is posted can be kept, by template, or by queue for callbacks.
    pub posts: BTreeMap<String, Vec<bool>>,
    /// Whether what the caller says can be recorded.
    pub recordings: Vec<bool>,
}

#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub after_ms: u64,
    pub result: LookupResult,
}

/// How a wait in a queue ends; `after_ms` only where a test says it.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub after_ms: Option<u64>,
    pub how: QueueOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueOutcome {
    Answered,
    Ended(QueueEnd),
    /// Nobody comes, until the script says so.
    Waits,
}

#[derive(Clone, Debug)]
pub(super) struct Pickup {
    pub after_ms: Option<u64>,
    pub result: TransferResult,
}

/// One line of a script.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Hears(Vec<Hear>),
    Presses {
        keys: String,
        when: When,
    },
    Waits(u64),
    /// Does nothing until the call ends or somebody talks.
    SilentForever,
    HangsUp(When),
    AgentAnswers,
    /// Whoever talks with the caller leaves.
    AgentLeaves,
    QueueSays(QueueEvent),
    TransferSays(TransferResult),
}

#[derive(Clone, Debug)]
pub(super) enum Hear {
    /// `...`: whatever comes before the next one that is named.
    Anything,
    Prompt {
        name: Name,
        says: Option<String>,
    },
}

/// When a caller acts.
#[derive(Clone, Debug)]
pub(super) enum When {
    /// Once the prompts that the script named are over; without one, at once.
    Now,
    While(Name),
    After(Name),
}

/// How the call ended, for `expect: {end: ...}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The caller hung up.
    Caller,
    /// A human has the call.
    Transfer,
    /// The flow hung up.
    Hangup,
    /// The flow ran into a limit and hung up.
    Limit,
    /// Still waiting when the test gave up.
    Waiting,
}

pub(super) const ENDS: [(&str, End); 5] = [
    ("caller", End::Caller),
    ("transfer", End::Transfer),
    ("hangup", End::Hangup),
    ("limit", End::Limit),
    ("waiting", End::Waiting),
];

impl End {
    pub fn name(self) -> &'static str {
        ENDS.iter().find(|(_, end)| *end == self).map_or("", |(name, _)| name)
    }
}

/// A place and what must be there.
pub(super) type Must<T> = Option<(Span, T)>;

#[derive(Clone, Debug, Default)]
pub(super) struct Expect {
    pub end: Must<End>,
    pub resolved: Must<Vec<String>>,
    pub tags: Must<Vec<String>>,
    /// Templates of messages and forms, queues of callbacks.
    pub posted: Must<Vec<String>>,
    /// Limits and faults that the interpreter met.
    pub limits: Must<Vec<String>>,
    /// `None` inside = no queue.
    pub queue: Must<Option<String>>,
    pub trunk: Must<Option<String>>,
    pub ext: Must<Option<String>>,
    pub agent: Must<Option<String>>,
    pub language: Must<String>,
    pub carried: Vec<(Name, String)>,
    pub keys: Must<u32>,
    pub under_ms: Must<u64>,
    pub over_ms: Must<u64>,
    pub not_logged: Vec<Name>,
    pub variables: Vec<(Name, Value)>,
}
