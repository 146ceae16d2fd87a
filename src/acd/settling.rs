//! What follows when an agent's facts have changed: the benches, the counts, what is shown, and the next caller.

use super::agent::{AgentKey, Duty, IdlePlace, Intent, is_logged_in, is_staffed};
use super::distributor::{Acd, Deadline};
use super::queue::QueueKey;
use super::ticket::{Ticket, TicketState};
use super::{AcdOutput, Withdrawal};
use crate::events::{AgentStateName, QueueOutcome};
use crate::ids::TicketId;
use std::borrow::Cow;
use std::time::Instant;

impl Acd {
    // --- agents: what follows a change ---

    /// Device, intent or own calls changed: a ringing offer falls when the agent could not be offered it now.
    pub(super) fn agent_changed(&mut self, now: Instant, key: AgentKey) {
        let agent = &self.agents[key];
        let could_ring = agent.reachable && agent.intent == Intent::Ready && agent.other_calls == 0 && !agent.leaving;
        if matches!(agent.duty, Duty::Ringing { .. }) && !could_ring {
            return self.take_back(now, key, Some(Withdrawal::AgentGone));
        }
        self.settle(now, key, None);
    }

    /// What the agent wants from now on.
    pub(super) fn intend(&mut self, key: AgentKey, intent: Intent) {
        let lasting = |intent: &Intent| match intent {
            Intent::NotReady { reason, until: None } => Some(reason.to_string()),
            Intent::NotReady { .. } | Intent::Lost | Intent::Ready => None,
        };
        let agent = &mut self.agents[key];
        let (before, reason) = (lasting(&agent.intent), lasting(&intent));
        agent.intent = intent;
        if before != reason {
            self.outputs.push_back(AcdOutput::Pause { agent: agent.id.clone(), reason });
        }
    }

    pub(super) fn end_pause(&mut self, now: Instant, key: AgentKey) {
        if matches!(self.agents[key].intent, Intent::NotReady { until: Some(_), .. }) {
            self.agents[key].intent = Intent::Ready;
            self.settle(now, key, None);
        }
    }

    /// Brings the idle order, the counts and what is shown in line with the agent's facts, then serves the agent.
    /// `idle` is the place in the idle order to go back to, if not the last.
    pub(super) fn settle(&mut self, now: Instant, key: AgentKey, idle: Option<IdlePlace>) {
        let available = self.agents[key].is_available();
        let was_staffed = is_staffed(self.agents[key].shown);
        match (available, self.agents[key].idle) {
            (true, None) => {
                let place = idle.unwrap_or_else(|| IdlePlace { since: now, seq: self.seq(), agent: key });
                self.agents[key].idle = Some(place);
                self.bench_agent(key, place);
            }
            (false, Some(place)) => {
                self.agents[key].idle = None;
                self.unbench_agent(key, place);
            }
            (true, Some(_)) | (false, None) => {}
        }
        self.show(now, key);
        let staffed = is_staffed(self.agents[key].shown);
        if available {
            self.serve(now, key);
        } else {
            if !staffed {
                self.end_loan(now, key);
            }
            let agent = &self.agents[key];
            if !staffed && (agent.intent != Intent::Lost || agent.leaving) {
                self.release_all(now, key);
            }
            self.drop_if_left(key);
        }
        if staffed != was_staffed {
            self.rebalance(now);
        }
    }

    fn show(&mut self, now: Instant, key: AgentKey) {
        let agent = &mut self.agents[key];
        let (state, reason) = agent.state();
        if (state, &reason) == (agent.shown, &agent.shown_reason) {
            return;
        }
        let before = std::mem::replace(&mut agent.shown, state);
        agent.shown_reason.clone_from(&reason);
        agent.since = Some(now);
        self.outputs.push_back(AcdOutput::AgentState {
            agent: agent.id.clone(),
            state,
            reason: reason.map(Cow::into_owned),
        });
        self.recount(key, before, state);
        if !is_logged_in(state) {
            self.agents[key].calls = 0;
        }
        if is_logged_in(before) && !is_logged_in(state) {
            let emptied =
                self.agents[key].queues.iter().copied().filter(|queue| self.queues[*queue].agents.logged_in() == 0);
            for queue in emptied.collect::<Vec<_>>() {
                self.queue_emptied(now, queue);
            }
        }
    }

    /// Moves the agent from one state to another in the counts of each of the agent's queues.
    pub(super) fn recount(&mut self, key: AgentKey, before: AgentStateName, after: AgentStateName) {
        for queue in &self.agents[key].queues {
            let agents = &mut self.queues[*queue].agents;
            *agents.of(before) = agents.of(before).saturating_sub(1);
            *agents.of(after) += 1;
        }
    }

    /// The last agent of the queue has logged out: callers who asked not to wait for nobody are given back, but for one
    /// who waits for the agent whose phone was lost.
    pub(super) fn queue_emptied(&mut self, now: Instant, queue: QueueKey) {
        let tickets: Vec<TicketId> = self.queues[queue].line().map(|place| place.ticket).collect();
        for id in tickets {
            let waits = |ticket: &Ticket| ticket.leave_when_empty && ticket.state == TicketState::Waiting;
            if self.tickets.get(&id).is_some_and(waits) {
                self.end_ticket(now, id, QueueOutcome::NoAgents);
            }
        }
    }

    fn drop_if_left(&mut self, key: AgentKey) {
        let agent = &self.agents[key];
        if agent.leaving && agent.duty == Duty::Free && agent.other_calls == 0 {
            // Who comes back by another reload begins anew, and so after a restart.
            self.intend(key, Intent::Ready);
            self.assign(key, Vec::new());
            let agent = self.agents.remove(key);
            self.timers.clear(&Deadline::Pause(key));
            self.agent_keys.remove(&agent.id);
            self.queues.iter_mut().for_each(|(_, queue)| queue.forget_agent(key));
        }
    }
}
