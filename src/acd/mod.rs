//! The automatic call distributor: the one owner of agent state and queue order.
//!
//! A caller's place in a queue is a *ticket*. An idle agent is *offered* a ticket; the offer is a lease that ends by an
//! answer, a refusal, a withdrawal or its deadline, whichever comes first, so that no caller waits on a phone that does
//! not answer. This module decides who is offered to whom and when a wait ends. It must never know what a leg, a
//! dialog, a codec or a flow is: it is told that a device is reachable, that an offer was answered, that a call ended.
//!
//! Pure: no clock (`now` is handed in, and never runs backwards), no IO, no randomness; the same inputs give the same
//! outputs in the same order. Call one input, then drain [`Acd::poll`].
//!
//! Order: priority and waiting count together (see `ticket::Place`), equal priority in order of joining; of the idle
//! agents who can do what the caller needs the one whom the queue's strategy names. A caller whose offer failed keeps
//! the place. Between inputs no queue holds both a waiting caller and an idle agent who may serve, except while the
//! caller waits for the agent of the last call.

mod agent;
mod config;
mod disposition;
mod distributor;
mod endings;
mod estimate;
mod explain;
mod lending;
mod lost;
mod matching;
mod memory;
mod positions;
mod queue;
mod reconfigure;
mod settling;
mod skill;
mod ticket;
mod view;
mod wrap_up;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world_tests;

pub use config::{
    AcdConfig, AgentConfig, AgentSkill, LendPlan, Matching, Pressure, QueueConfig, Sticky, Strategy, Widening,
};
pub use disposition::{Dispositions, NoDisposition};
pub use distributor::Acd;
pub use estimate::WaitRange;
pub use explain::Explained;
pub use lending::{LendView, PressureView};
pub use lost::Lost;
pub use queue::Counts;
pub use skill::{Level, MAX_LEVEL};
pub use view::{AgentCounts, AgentView, QueueView, TicketView};
pub use wrap_up::{AfterCall, AfterCallRefused, LONGEST_WRAP_UP, WrappingUp};

use crate::events::{AgentStateName, QueueOutcome};
use crate::ids::{AgentId, PlanId, ProjectId, QueueId, Redacted, SkillId, TicketId};
use std::fmt;
use std::time::{Duration, Instant};

/// The most callers that may wait in all queues together; each costs well under a kilobyte, so this bounds the whole.
pub const MAX_TICKETS: usize = 100_000;

/// Reason of whoever has logged out: shown as such, though a phone is registered.
pub const LOGGED_OUT: &str = "logged_out";

/// The highest priority; 9 is taken before 0.
pub const MAX_PRIORITY: u8 = 9;

/// What a caller asks for on joining a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueue {
    pub queue: QueueId,
    /// Beside those that the queue itself asks for; one that no agent of the centre has is not asked for.
    pub skills: Vec<SkillId>,
    /// Who calls, where that is known: to find the agent of the last call, and a place that was given up.
    pub caller: Option<Redacted<String>>,
    /// 0 to 9, 9 first; higher values count as 9.
    pub priority: u8,
    /// The longest wait before [`QueueOutcome::Timeout`]; `None` takes the queue's own.
    pub max_wait: Option<Duration>,
    /// End with [`QueueOutcome::NoAgents`] as soon as the queue has no agent logged in.
    pub leave_when_empty: bool,
    /// Had an agent before, and is let in also when the queue is full.
    pub returning: bool,
    /// Had an agent, who was lost without a fault of the caller's: stands in front.
    pub lost: Option<Lost>,
}

impl Enqueue {
    pub fn new(queue: QueueId, priority: u8) -> Self {
        Self {
            queue,
            skills: Vec::new(),
            caller: None,
            priority,
            max_wait: None,
            leave_when_empty: false,
            returning: false,
            lost: None,
        }
    }
}

/// Why a caller leaves a queue unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The caller hung up.
    Abandoned,
    /// The flow took the caller out.
    Left,
}

/// What the switch must do or tell, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcdOutput {
    /// Ring `agent` for `ticket`; the lease ends at `deadline` by [`AcdOutput::WithdrawOffer`].
    Offer {
        ticket: TicketId,
        agent: AgentId,
        queue: QueueId,
        deadline: Instant,
    },
    /// Stop ringing `agent`: the lease is over, and a later answer of it is refused by [`Acd::offer_answered`].
    WithdrawOffer {
        ticket: TicketId,
        agent: AgentId,
        why: Withdrawal,
    },
    /// The ticket is gone. Exactly one for each accepted [`Acd::enqueue`].
    TicketEnded {
        ticket: TicketId,
        queue: QueueId,
        outcome: QueueOutcome,
        waited: Duration,
    },
    /// The caller's place or wait changed. At the first wait at once, later at most every few seconds a queue.
    Position {
        ticket: TicketId,
        ahead: u32,
        wait: Option<WaitRange>,
    },
    /// A plan begins or ends: `to` is pressed so hard, or somebody has set its tier.
    Lending {
        plan: PlanId,
        to: ProjectId,
        on: bool,
        pressure: Pressure,
        by_hand: bool,
    },
    /// An agent is lent to another project, or back.
    Lent {
        agent: AgentId,
        plan: PlanId,
        to: ProjectId,
        on: bool,
    },
    /// A pause that lasts until somebody ends it has begun, or ended (`None`): to be there after a restart.
    Pause {
        agent: AgentId,
        reason: Option<String>,
    },
    /// A wrap-up has begun, is another than before, or has ended (`None`): to be there after a restart.
    WrapUp {
        agent: AgentId,
        wrap_up: Option<WrappingUp>,
    },
    AgentState {
        agent: AgentId,
        state: AgentStateName,
        reason: Option<String>,
    },
}

/// Why an offer was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// The lease ran out (ring on no answer).
    RingTimeout,
    /// The caller hung up, was taken out by the flow, or the queue was closed.
    CallerGone,
    /// The agent's device was lost, began a call of its own, or the agent went not ready or was removed.
    AgentGone,
}

/// Why a caller could not join: a mistake of whoever asked, not a state of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnqueueError {
    UnknownQueue,
    DuplicateTicket,
}

impl fmt::Display for EnqueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownQueue => "no queue has this name; name one of those under `queues` or add it there",
            Self::DuplicateTicket => "this ticket is already in a queue; end it before it joins again",
        })
    }
}

impl std::error::Error for EnqueueError {}

/// No agent has this id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAgent(pub AgentId);

impl fmt::Display for UnknownAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no agent {}; `agent list` shows those there are", self.0)
    }
}

impl std::error::Error for UnknownAgent {}
