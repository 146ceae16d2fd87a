//! What callers and agents did, told from events: waits that ended, calls that were handled, time spent in each state.
//! [`Centre`](super::Centre) and [`Periods`](super::Periods) count it.

use crate::events::{AgentStateName, EventKind, OfferResult, QueueOutcome, SwitchEvent};
use crate::ids::{AgentId, CallId, QueueId, TicketId};
use std::collections::BTreeMap;

/// What an event brings to an end. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed<'a> {
    Left {
        queue: &'a QueueId,
        outcome: QueueOutcome,
        waited: u64,
    },
    /// An agent's phone rang for a caller of this queue.
    Rang {
        agent: &'a AgentId,
        result: OfferResult,
    },
    /// A state of an agent ends with the event; `of_queue` when a queue's call was at hand.
    Spent {
        agent: &'a AgentId,
        state: AgentStateName,
        of_queue: bool,
        ms: u64,
    },
    /// Talk, hold and wrap-up of one call are over.
    Handled {
        queue: &'a QueueId,
        agent: &'a AgentId,
        talk: u64,
        wrap_up: u64,
    },
    /// A call is over that a human of this queue had answered; `reason` is the last tag.
    Closed {
        queue: &'a QueueId,
        reason: Option<&'a str>,
    },
}

/// What an agent does now, since when by the monotonic clock.
#[derive(Clone, Debug)]
pub(super) struct Doing {
    pub state: AgentStateName,
    pub since: u64,
    /// Where the call at hand came from, and what it took so far.
    handling: Option<Handling>,
}

impl Doing {
    pub fn of_queue(&self) -> bool {
        self.handling.is_some()
    }
}

#[derive(Clone, Debug)]
struct Handling {
    queue: QueueId,
    talk: u64,
    wrap_up: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Deeds {
    doing: BTreeMap<AgentId, Doing>,
    offers: BTreeMap<TicketId, QueueId>,
    /// The queue and the reason of calls that a human has answered.
    calls: BTreeMap<CallId, (Option<QueueId>, Option<String>)>,
    last_mono: u64,
}

impl Deeds {
    /// The events that it is made of, by their names in the journal.
    pub const KINDS: [&str; 6] = ["offered", "offer_ended", "dequeued", "agent_state", "tagged", "call_ended"];

    /// What each agent does since the last event about it.
    pub fn doing(&self) -> &BTreeMap<AgentId, Doing> {
        &self.doing
    }

    pub fn last_mono(&self) -> u64 {
        self.last_mono
    }

    /// Another run of the process begins: what was under way in the one before has ended with it.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    pub fn apply(&mut self, event: &SwitchEvent, mut tell: impl FnMut(Deed<'_>)) {
        if event.mono < self.last_mono {
            self.restart();
        }
        self.last_mono = event.mono;
        match &event.kind {
            EventKind::Offered { ticket, queue, .. } => {
                self.offers.insert(*ticket, queue.clone());
            }
            EventKind::OfferEnded { ticket, agent, result } => {
                tell(Deed::Rang { agent, result: *result });
                let offer = self.offers.remove(ticket);
                if let (OfferResult::Answered, Some(queue)) = (result, offer) {
                    if let Some(call) = event.call {
                        self.calls.entry(call).or_default().0 = Some(queue.clone());
                    }
                    if let Some(doing) = self.doing.get_mut(agent) {
                        doing.handling = Some(Handling { queue, talk: 0, wrap_up: 0 });
                    }
                }
            }
            EventKind::Dequeued { queue, outcome, waited_ms, .. } => {
                tell(Deed::Left { queue, outcome: *outcome, waited: *waited_ms });
            }
            EventKind::AgentState { agent, state, .. } => self.agent(event.mono, agent, *state, tell),
            EventKind::Tagged { tag } => {
                if let Some(call) = event.call {
                    self.calls.entry(call).or_default().1 = Some(tag.clone());
                }
            }
            EventKind::CallEnded { .. } => {
                let call = event.call.and_then(|call| self.calls.remove(&call));
                if let Some((Some(queue), reason)) = &call {
                    tell(Deed::Closed { queue, reason: reason.as_deref() });
                }
            }
            _ => {}
        }
    }

    fn agent(&mut self, mono: u64, agent: &AgentId, state: AgentStateName, mut tell: impl FnMut(Deed<'_>)) {
        let mut handling = None;
        if let Some(before) = self.doing.remove(agent) {
            let ms = mono.saturating_sub(before.since);
            tell(Deed::Spent { agent, state: before.state, of_queue: before.of_queue(), ms });
            if let Some(mut at_hand) = before.handling {
                match before.state {
                    AgentStateName::Talking => at_hand.talk += ms,
                    AgentStateName::WrapUp => at_hand.wrap_up += ms,
                    _ => {}
                }
                match state {
                    AgentStateName::Talking | AgentStateName::WrapUp => handling = Some(at_hand),
                    _ => {
                        let Handling { queue, talk, wrap_up } = &at_hand;
                        tell(Deed::Handled { queue, agent, talk: *talk, wrap_up: *wrap_up });
                    }
                }
            }
        }
        self.doing.insert(agent.clone(), Doing { state, since: mono, handling });
    }
}
