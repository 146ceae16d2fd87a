//! One caller's place in a queue.

use super::agent::AgentKey;
use super::estimate::{Guesses, Step};
use super::memory::CallerKey;
use super::queue::QueueKey;
use super::skill::{Levels, SkillKey};
use crate::ids::TicketId;
use std::sync::Arc;
use std::time::Instant;

/// The order of callers, within a queue and between the queues of one agent. Waiting counts as much as priority: a
/// place is the time of joining, put off by a fixed time for each step of priority below the highest. So the order of
/// two callers never changes while they wait, those of equal priority stand in order of joining, and whoever waits
/// comes before all who join later than a bounded time after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub rank: Instant,
    pub seq: u64,
    pub ticket: TicketId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TicketState {
    /// No idle agent yet.
    Waiting,
    /// For this agent alone, who served the caller before and is at work, until the time for that is over.
    Reserved { agent: AgentKey },
    /// For nobody until a moment is over: we could not ring a phone just now, whoever's it is.
    PutOff,
    /// This agent's phone rings for the caller; the lease's deadline is the agent's.
    Offered { agent: AgentKey, deadline: Instant },
}

/// Who may serve a caller now.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    pub wants: Arc<Levels>,
    /// Queues whose agents may, the caller's own first.
    pub queues: Vec<QueueKey>,
}

#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub queue: QueueKey,
    pub place: Place,
    pub priority: u8,
    pub joined: Instant,
    /// When the wait began that the place is of; before `joined` for a caller who came back to a kept place.
    pub since: Instant,
    /// Skills that the flow asked for.
    pub asked: Vec<SkillKey>,
    pub reach: Reach,
    pub state: TicketState,
    /// The end of the wait. A phone that rings at that moment rings out its lease first: an answer is nearer than
    /// any other way on.
    pub until: Instant,
    pub leave_when_empty: bool,
    pub guesses: Guesses,
    pub told: Option<Told>,
    pub caller: Option<CallerKey>,
}

impl Ticket {
    pub(super) fn is_offered(&self) -> bool {
        matches!(self.state, TicketState::Offered { .. })
    }
}

/// What the caller was last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub ahead: u32,
    pub step: Option<Step>,
}
