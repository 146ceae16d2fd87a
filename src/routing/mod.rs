//! Routing: which trunk a call comes by, and where the number that it dialled leads.
//!
//! A number is open only to the sources that its route names; of several routes the most specific decides, and when that
//! one is closed to the caller, no wider route opens it again. This module must never know what stands behind a
//! destination: it names flows, queues, extensions and trunks, and whether they exist was checked before.
//!
//! Numbers are compared as dialled, without the visual separators and parameters of RFC 3966.

mod cidr;
mod numbering;
mod pattern;
mod table;
mod toll;

#[cfg(test)]
mod tests;

pub use cidr::{Cidr, CidrError};
pub use numbering::{CallerId, Change, Form, Plan, Rule, TrunkNumbers};
pub use pattern::{NumberPattern, PatternError, dialled};
pub use table::{Examined, RouteTable, TableError};
pub use toll::{Barred, Night, TollRules};

use crate::events::Class;
use crate::ids::{AgentId, ProjectId, QueueId, TrunkId};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// One line of the table: who may call which numbers, and where they lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub number: NumberPattern,
    pub to: Destination,
    pub open_to: OpenTo,
    pub project: Option<ProjectId>,
    /// Whose share of the calls it takes from, and how urgent its calls are, where the number says so.
    pub budget: Option<ProjectId>,
    pub class: Option<Class>,
}

impl Route {
    /// A route that is of no project and takes from no budget.
    pub fn new(number: NumberPattern, to: Destination, open_to: OpenTo) -> Self {
        Self { number, to, open_to, project: None, budget: None, class: None }
    }
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    Flow(String),
    Queue(QueueId),
    Extension(AgentId),
    Trunk {
        trunk: TrunkId,
        /// The number to dial there; `None` dials what the caller dialled.
        number: Option<String>,
    },
    Test(TestNumber),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow(flow) => write!(f, "flow {flow}"),
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Extension(agent) => write!(f, "extension {agent}"),
            Self::Trunk { trunk, number: Some(number) } => write!(f, "number {number} by trunk {trunk}"),
            Self::Trunk { trunk, number: None } => write!(f, "the same number by trunk {trunk}"),
            Self::Test(test) => write!(f, "the test number {}", test.name()),
        }
    }
}

/// Numbers with which an installer tries a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestNumber {
    /// Rings and is never answered.
    RingOnly,
    /// Plays a word and hangs up.
    Word,
    /// Plays hold music.
    Hold,
    /// Sends the caller's audio back.
    Echo,
    /// Plays a tone of known frequency and level.
    Tone,
    /// Collects digits and reads them back.
    Digits,
    /// Records and plays back.
    Record,
    /// Confirms what an agent has dialled; no number of a file leads here.
    Confirm,
}

impl TestNumber {
    pub const ALL: [TestNumber; 7] =
        [Self::RingOnly, Self::Word, Self::Hold, Self::Echo, Self::Tone, Self::Digits, Self::Record];

    pub fn name(self) -> &'static str {
        match self {
            Self::RingOnly => "ring_only",
            Self::Word => "word",
            Self::Confirm => "confirm",
            Self::Hold => "hold",
            Self::Echo => "echo",
            Self::Tone => "tone",
            Self::Digits => "digits",
            Self::Record => "record",
        }
    }
}

/// Which sources may call a number. A sender that is neither a trunk nor a proven extension never may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenTo {
    pub trunks: OpenTrunks,
    /// Extensions that proved themselves.
    pub extensions: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenTrunks {
    Any,
    Only(BTreeSet<TrunkId>),
}

impl Default for OpenTrunks {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl OpenTo {
    pub fn extensions() -> Self {
        Self { trunks: OpenTrunks::default(), extensions: true }
    }

    pub fn everyone_known() -> Self {
        Self { trunks: OpenTrunks::Any, extensions: true }
    }

    pub fn trunks(trunks: impl IntoIterator<Item = TrunkId>) -> Self {
        Self { trunks: OpenTrunks::Only(trunks.into_iter().collect()), extensions: true }
    }
}

/// Why a number leads nowhere for this caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// No route has this number.
    NotFound,
    /// There is a route, and it is not open to this caller.
    NotOpen,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no route has this number; add it under `numbers`",
            Self::NotOpen => "the number is not open to this caller; name the trunk in `open_to` of the number",
        })
    }
}

impl std::error::Error for Closed {}
