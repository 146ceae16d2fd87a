//! One agent: three independent facts (device, intent, duty) and the one state that is shown of them.

use super::LOGGED_OUT;
use super::config::AgentConfig;
use super::explain::Choice;
use super::queue::QueueKey;
use super::skill::{Level, Levels, SkillKey};
use super::ticket::Place;
use crate::events::AgentStateName;
use crate::ids::{AgentId, PlanId, QueueId, TicketId};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An agent's slot, stable while the agent is configured.
pub(super) type AgentKey = usize;

/// The longest reason kept, in characters: it is shown in a table cell and written into every event.
const MAX_REASON: usize = 64;

/// Shown while the agent is on a call that came from no queue.
const OWN_CALL: &str = "own_call";

/// Shown while the agent has not given the code that the call's queue wants.
const OWES: &str = "disposition";

/// Shown while the agent's phone is gone that was gone in the middle of a call.
const LOST: &str = "lost";

pub(super) type Reason = Cow<'static, str>;

/// Where an idle agent stands: the longest idle first, ties by the order in which they became idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdlePlace {
    pub since: Instant,
    pub seq: u64,
    pub agent: AgentKey,
}

/// What the agent wants whenever no duty is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Ready,
    /// `until` is set for a pause that ends by itself.
    NotReady {
        reason: Reason,
        until: Option<Instant>,
    },
    /// Ready, were the phone not gone in the middle of a call: nothing is offered until it shows a sign of life.
    Lost,
}

/// What queue work the agent is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    Free,
    /// `idle` is the place to go back to when the caller leaves: that costs the agent no turn.
    Ringing {
        ticket: TicketId,
        idle: IdlePlace,
    },
    /// Rules of the queue are kept as they were at the answer, so that a reload changes no running call.
    Talking {
        ticket: TicketId,
        queue: QueueId,
        since: Instant,
        /// Since when the caller's place counted.
        waiting_since: Instant,
        wrap_up: Duration,
        /// The queue wants a code for the call, which was not given yet.
        owes: bool,
    },
    WrapUp {
        queue: QueueId,
        /// When the talk began; `None` when another run of the process knew.
        talk: Option<Instant>,
        since: Instant,
        until: Instant,
        owes: bool,
    },
    /// The time to wrap up is over and the call's code not given: nobody is offered, and nobody waits for the agent.
    Owes {
        queue: QueueId,
        since: Instant,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub id: AgentId,
    pub name: String,
    /// Queues of the agent by the configuration, and those that are served now: on loan, more.
    pub own: Vec<QueueKey>,
    pub queues: Vec<QueueKey>,
    pub loan: Option<PlanId>,
    /// What the agent can do today.
    pub skills: Arc<Levels>,
    /// What the configuration says, each with its end if it has one (milliseconds since 1970).
    pub learned: Vec<(SkillKey, Level, Option<u64>)>,
    /// Callers who wait for this agent alone.
    pub waited_for: BTreeSet<Place>,
    /// Calls from queues since logging in.
    pub calls: u64,
    pub reachable: bool,
    pub intent: Intent,
    pub duty: Duty,
    /// Calls of the agent's extension that came from no queue.
    pub other_calls: u32,
    /// The last caller who was offered, and why.
    pub chosen: Option<(TicketId, Choice)>,
    /// The place in the idle order of every queue of the agent, while available.
    pub idle: Option<IdlePlace>,
    /// What was last told, and since when; `None` before the first change.
    pub shown: AgentStateName,
    pub shown_reason: Option<Reason>,
    pub since: Option<Instant>,
    /// No longer configured: goes as soon as the duty ends.
    pub leaving: bool,
}

impl Agent {
    /// Without queues and skills yet.
    pub(super) fn new(config: &AgentConfig) -> Self {
        Self {
            id: config.id.clone(),
            name: config.name.clone(),
            own: Vec::new(),
            queues: Vec::new(),
            loan: None,
            skills: Arc::default(),
            learned: Vec::new(),
            waited_for: BTreeSet::new(),
            calls: 0,
            reachable: false,
            intent: Intent::Ready,
            duty: Duty::Free,
            other_calls: 0,
            chosen: None,
            idle: None,
            shown: AgentStateName::LoggedOut,
            shown_reason: None,
            since: None,
            leaving: false,
        }
    }

    /// What of it counts at this time, in milliseconds since 1970.
    pub(super) fn skills_at(&self, wall: u64) -> Levels {
        let counts = self.learned.iter().filter(|(_, _, until)| until.is_none_or(|until| wall < until));
        Levels::new(counts.map(|(skill, level, _)| (*skill, *level)))
    }

    /// May be offered a caller now.
    pub(super) fn is_available(&self) -> bool {
        self.duty == Duty::Free
            && self.intent == Intent::Ready
            && self.reachable
            && self.other_calls == 0
            && !self.leaving
    }

    /// The state to show, and its reason. A duty outlives the device: an agent whose registration lapses while talking
    /// is still talking.
    pub(super) fn state(&self) -> (AgentStateName, Option<Reason>) {
        match (&self.duty, &self.intent) {
            (Duty::Ringing { .. }, _) => (AgentStateName::Ringing, None),
            (Duty::Talking { .. }, _) => (AgentStateName::Talking, None),
            (Duty::Free | Duty::Owes { .. }, _) if self.leaving => (AgentStateName::LoggedOut, None),
            _ if self.other_calls > 0 => (AgentStateName::Talking, Some(Cow::Borrowed(OWN_CALL))),
            (Duty::WrapUp { owes: true, .. }, _) => (AgentStateName::WrapUp, Some(Cow::Borrowed(OWES))),
            (Duty::WrapUp { .. }, _) => (AgentStateName::WrapUp, None),
            _ if !self.reachable => (AgentStateName::LoggedOut, None),
            (_, Intent::NotReady { reason, .. }) if reason == LOGGED_OUT => (AgentStateName::LoggedOut, None),
            (Duty::Owes { .. }, _) => (AgentStateName::NotReady, Some(Cow::Borrowed(OWES))),
            (Duty::Free, Intent::NotReady { reason, .. }) => (AgentStateName::NotReady, Some(reason.clone())),
            (Duty::Free, Intent::Lost) => (AgentStateName::NotReady, Some(Cow::Borrowed(LOST))),
            (Duty::Free, Intent::Ready) => (AgentStateName::Ready, None),
        }
    }
}

/// Logged in, in the sense of "the queue has agents".
pub(super) fn is_logged_in(state: AgentStateName) -> bool {
    state != AgentStateName::LoggedOut
}

/// At work, in the sense of "callers are being served": counts for the wait estimate.
pub(super) fn is_staffed(state: AgentStateName) -> bool {
    match state {
        AgentStateName::Ready | AgentStateName::Ringing | AgentStateName::Talking | AgentStateName::WrapUp => true,
        AgentStateName::LoggedOut | AgentStateName::NotReady => false,
    }
}

pub(super) fn reason(text: &str) -> Reason {
    Cow::Owned(text.chars().take(MAX_REASON).collect())
}
