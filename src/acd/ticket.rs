//! One caller's place in a queue.

use super::agent::AgentKey;
use super::estimate::{Guesses, Step};
use super::queue::QueueKey;
use crate::ids::TicketId;
use std::cmp::Reverse;
use std::time::Instant;

/// The order of callers, within a queue and between the queues of one agent: priority, then time of joining, then
/// order of joining. It never changes while the ticket lives, so a caller whose offer failed is back where they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub priority: Reverse<u8>,
    pub joined: Instant,
    pub seq: u64,
    pub ticket: TicketId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TicketState {
    /// No idle agent yet.
    Waiting,
    /// This agent's phone rings for the caller; the lease's deadline is the agent's.
    Offered { agent: AgentKey, deadline: Instant },
}

#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub queue: QueueKey,
    pub place: Place,
    pub state: TicketState,
    /// The end of the wait. A phone that rings at that moment rings out its lease first: an answer is nearer than
    /// any other way on.
    pub until: Instant,
    pub leave_when_empty: bool,
    pub guesses: Guesses,
    pub told: Option<Told>,
}

/// What the caller was last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub ahead: u32,
    pub step: Option<Step>,
}
