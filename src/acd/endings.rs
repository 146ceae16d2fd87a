//! How offers and waits end.

use super::agent::{AgentKey, Duty, Intent, Reason};
use super::config::bounded;
use super::distributor::{Acd, Deadline};
use super::ticket::TicketState;
use super::{AcdOutput, Withdrawal};
use crate::events::QueueOutcome;
use crate::ids::{AgentId, TicketId};
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// Until somebody is offered again who was put off.
const PUT_OFF: Duration = Duration::from_secs(2);

impl Acd {
    // --- ends of offers ---

    /// The agent, if exactly this offer rings there now.
    pub(super) fn lease(&self, ticket: TicketId, agent: &AgentId) -> Option<AgentKey> {
        let key = *self.agent_keys.get(agent)?;
        match self.agents[key].duty {
            Duty::Ringing { ticket: ringing, .. } if ringing == ticket => Some(key),
            _ => None,
        }
    }

    pub(super) fn rona(&mut self, now: Instant, key: AgentKey, withdraw: Option<Withdrawal>) {
        if let Duty::Ringing { ticket, .. } = self.agents[key].duty
            && let Some(ticket) = self.tickets.get(&ticket)
        {
            self.queues[ticket.queue].counts.rona += 1;
        }
        let until = self.rona_pause.map(|pause| now + bounded(pause));
        self.pass_over(now, key, Cow::Borrowed("rona"), until, withdraw);
    }

    /// Ends the offer at this agent, pauses the agent and sends the caller on to the next.
    pub(super) fn pass_over(
        &mut self,
        now: Instant,
        key: AgentKey,
        why: Reason,
        until: Option<Instant>,
        tell: Option<Withdrawal>,
    ) {
        self.intend(key, Intent::NotReady { reason: why, until });
        if let Some(until) = until {
            self.timers.set(Deadline::Pause(key), until);
        }
        self.take_back(now, key, tell);
    }

    /// Ends the offer that rings at this agent, who is not available any more; the caller goes to the next.
    pub(super) fn take_back(&mut self, now: Instant, key: AgentKey, tell: Option<Withdrawal>) {
        let Duty::Ringing { ticket: id, .. } = self.agents[key].duty else { return };
        self.timers.clear(&Deadline::Offer(key));
        self.agents[key].duty = Duty::Free;
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.state = TicketState::Waiting;
        }
        self.join_bench(id);
        if let Some(why) = tell {
            self.outputs.push_back(AcdOutput::WithdrawOffer { ticket: id, agent: self.agents[key].id.clone(), why });
        }
        self.settle(now, key, None);
        self.place(now, id);
    }

    /// Ends an offer that could not even begin. It is nobody's fault whom it concerns: the agent is free for others, and the
    /// caller keeps the place, and is offered to nobody for a moment, in which somebody else may end a call.
    pub(super) fn put_off(&mut self, now: Instant, key: AgentKey, id: TicketId) {
        let Duty::Ringing { idle, .. } = self.agents[key].duty else { return };
        self.agents[key].duty = Duty::Free;
        self.timers.clear(&Deadline::Offer(key));
        self.timers.set(Deadline::Sticky(id), now + PUT_OFF);
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.state = TicketState::PutOff;
        }
        self.settle(now, key, Some(idle));
    }

    // --- ends of tickets ---

    pub(super) fn max_wait_over(&mut self, now: Instant, id: TicketId) {
        if self.tickets.get(&id).is_some_and(|ticket| !ticket.is_offered()) {
            self.end_ticket(now, id, QueueOutcome::Timeout);
        }
    }

    pub(super) fn end_ticket(&mut self, now: Instant, id: TicketId, outcome: QueueOutcome) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        let TicketState::Offered { agent: key, .. } = ticket.state else {
            return self.remove_ticket(now, id, outcome);
        };
        let agent = &mut self.agents[key];
        let idle = match agent.duty {
            Duty::Ringing { idle, .. } => Some(idle),
            Duty::Free | Duty::Talking { .. } | Duty::WrapUp { .. } | Duty::Owes { .. } => None,
        };
        agent.duty = Duty::Free;
        self.timers.clear(&Deadline::Offer(key));
        let agent = self.agents[key].id.clone();
        self.outputs.push_back(AcdOutput::WithdrawOffer { ticket: id, agent, why: Withdrawal::CallerGone });
        self.remove_ticket(now, id, outcome);
        self.settle(now, key, idle);
    }

    pub(super) fn remove_ticket(&mut self, now: Instant, id: TicketId, outcome: QueueOutcome) {
        self.leave_bench(id);
        let Some(ticket) = self.tickets.remove(&id) else { return };
        for deadline in [Deadline::MaxWait(id), Deadline::Widen(id), Deadline::Sticky(id)] {
            self.timers.clear(&deadline);
        }
        let keep_place = self.queues[ticket.queue].config.matching.keep_place;
        if let Some(caller) = ticket.caller
            && outcome == QueueOutcome::Abandoned
            && !keep_place.is_zero()
        {
            self.left.keep(now, caller, (ticket.since, ticket.priority), now + bounded(keep_place));
        }
        let queue = &mut self.queues[ticket.queue];
        queue.counts.ended(outcome);
        let somebody_behind = queue.leave(&ticket.place);
        self.outputs.push_back(AcdOutput::TicketEnded {
            ticket: id,
            queue: queue.config.id.clone(),
            outcome,
            waited: now.saturating_duration_since(ticket.joined),
        });
        if somebody_behind {
            self.positions_changed(now, ticket.queue);
        }
    }
}
