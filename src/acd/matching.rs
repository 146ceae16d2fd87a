//! Who is offered to whom.
//!
//! Two moves make a match: an agent who became available is served the caller who stands first of those whom the agent
//! may serve ([`Acd::serve`]), and a caller who became waiting is given the best of the idle agents who may
//! ([`Acd::place`]). As one of the two runs after every change, neither side is ever left waiting for the other.
//!
//! A caller stands on the *bench* of every queue whose agents may serve, or of one agent alone who knows the caller; an
//! idle agent on that of every queue that the agent serves.

use super::agent::{AgentKey, Duty, IdlePlace, Intent, is_staffed};
use super::config::{bounded, bounded_or_zero};
use super::distributor::{Acd, Deadline};
use super::explain::Choice;
use super::lost::Lost;
use super::memory::CallerKey;
use super::queue::QueueKey;
use super::skill::{Levels, SkillKey};
use super::ticket::{Place, Reach, Ticket, TicketState};
use super::{AcdOutput, MAX_PRIORITY};
use crate::events::QueueOutcome;
use crate::ids::{SkillId, TicketId};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Acd {
    /// Gives an available agent the caller who comes first.
    pub(super) fn serve(&mut self, now: Instant, key: AgentKey) {
        if self.reloading {
            return;
        }
        let agent = &self.agents[key];
        let own = agent.waited_for.first();
        let others = agent.queues.iter().filter_map(|queue| self.queues[*queue].next_for(&agent.skills));
        if let Some(place) = own.into_iter().chain(others).min() {
            let id = place.ticket;
            let waited = |ticket: &Ticket| now.saturating_duration_since(ticket.joined);
            let choice = match self.tickets.get(&id) {
                Some(ticket) if matches!(ticket.state, TicketState::Reserved { .. }) => Choice::Awaited,
                ticket => Choice::StoodFirst { waited: ticket.map(waited).unwrap_or_default() },
            };
            self.offer(now, key, id, choice);
        }
    }

    /// Gives a waiting caller an idle agent, or a position, or an end when the wait is over.
    pub(super) fn place(&mut self, now: Instant, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        if ticket.is_offered() || self.reloading {
            return;
        }
        let queue = &self.queues[ticket.queue];
        let (reserved, agent) = match ticket.state {
            TicketState::Reserved { agent } => (true, self.agents[agent].idle.map(|_| agent)),
            TicketState::PutOff => (false, None),
            _ => (false, self.agent_for(&ticket.reach)),
        };
        if ticket.until <= now {
            self.end_ticket(now, id, QueueOutcome::Timeout);
        } else if !reserved && ticket.leave_when_empty && queue.agents.logged_in() == 0 {
            self.end_ticket(now, id, QueueOutcome::NoAgents);
        } else if let Some(agent) = agent {
            let idle = self.agents[agent].idle.map(|idle| now.saturating_duration_since(idle.since));
            let choice = match reserved {
                true => Choice::Awaited,
                false => Choice::Named { strategy: queue.config.matching.strategy, idle: idle.unwrap_or_default() },
            };
            self.offer(now, agent, id, choice);
        } else if ticket.told.is_none() {
            let ahead = queue.ahead_of(&ticket.place);
            self.tell(now, id, ahead);
        }
    }

    /// The idle agent for a caller with this reach: of the caller's own queue, else of those that it was widened to.
    pub(super) fn agent_for(&self, reach: &Reach) -> Option<AgentKey> {
        reach.queues.iter().find_map(|queue| self.queues[*queue].agent_for(&reach.wants))
    }

    pub(super) fn offer(&mut self, now: Instant, key: AgentKey, id: TicketId, choice: Choice) {
        let Some(idle) = self.agents[key].idle else { return };
        self.leave_bench(id);
        let seq = self.seq();
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let deadline = now + bounded(self.queues[ticket.queue].config.ring_timeout);
        ticket.state = TicketState::Offered { agent: key, deadline };
        let home = ticket.queue;
        self.agents[key].duty = Duty::Ringing { ticket: id, idle };
        self.agents[key].chosen = Some((id, choice));
        self.timers.clear(&Deadline::Sticky(id));
        self.timers.set(Deadline::Offer(key), deadline);
        // The agent leaves the benches in the order of before, then the offer counts for the next.
        let agent = self.agents[key].id.clone();
        let queue = self.queues[home].config.id.clone();
        self.outputs.push_back(AcdOutput::Offer { ticket: id, agent, queue, deadline });
        self.settle(now, key, None);
        self.queues[home].offered(key, seq);
    }

    // --- benches ---

    /// Whoever may serve this caller can find the caller from now on.
    pub(super) fn join_bench(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        match ticket.state {
            TicketState::Offered { .. } | TicketState::PutOff => {}
            TicketState::Reserved { agent } => _ = self.agents[agent].waited_for.insert(ticket.place),
            TicketState::Waiting => {
                for queue in &ticket.reach.queues {
                    self.queues[*queue].wait(&ticket.reach.wants, ticket.place);
                }
            }
        }
    }

    pub(super) fn leave_bench(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        match ticket.state {
            TicketState::Offered { .. } | TicketState::PutOff => {}
            TicketState::Reserved { agent } => _ = self.agents[agent].waited_for.remove(&ticket.place),
            TicketState::Waiting => {
                for queue in &ticket.reach.queues {
                    self.queues[*queue].stop_waiting(&ticket.reach.wants, &ticket.place);
                }
            }
        }
    }

    pub(super) fn bench_agent(&mut self, key: AgentKey, idle: IdlePlace) {
        let agent = &self.agents[key];
        agent.queues.iter().for_each(|queue| self.queues[*queue].bench(key, agent, idle));
    }

    pub(super) fn unbench_agent(&mut self, key: AgentKey, idle: IdlePlace) {
        let agent = &self.agents[key];
        agent.queues.iter().for_each(|queue| self.queues[*queue].unbench(key, agent, idle));
    }

    // --- what a caller needs, and what a wait changes of it ---

    /// A skill's number, given when it is first heard of; files name all that there are.
    pub(super) fn skill_key(&mut self, name: &SkillId) -> SkillKey {
        let next = self.skills.len() as SkillKey;
        *self.skills.entry(name.clone()).or_insert(next)
    }

    /// Who may serve after this wait. What no agent of the whole centre can do is not asked for: else the caller would
    /// wait for nobody.
    pub(super) fn reach(&self, queue: QueueKey, asked: &[SkillKey], waited: Duration) -> Reach {
        let matching = &self.queues[queue].config.matching;
        let of_queue = matching.skills.iter().filter_map(|(name, level)| Some((*self.skills.get(name)?, *level)));
        let of_flow = asked.iter().map(|skill| (*skill, matching.min_level));
        let wants = Levels::new(of_queue.chain(of_flow).filter(|(skill, _)| self.held.contains(skill)));
        let mut reach = Reach { wants: Arc::new(wants), queues: vec![queue] };
        for step in matching.widen.iter().filter(|step| step.after <= waited) {
            if let Some(level) = step.min_level {
                reach.wants = Arc::new(reach.wants.lowered(level));
            }
            for key in step.agents_of.iter().filter_map(|id| self.queue_keys.get(id)) {
                if !reach.queues.contains(key) {
                    reach.queues.push(*key);
                }
            }
        }
        reach
    }

    /// The wait has come to a step of the queue's `widen`, or the steps are others.
    pub(super) fn widen(&mut self, now: Instant, id: TicketId) {
        self.leave_bench(id);
        let Some(ticket) = self.tickets.get(&id) else { return };
        let (key, joined) = (ticket.queue, ticket.joined);
        let waited = now.saturating_duration_since(joined);
        let reach = self.reach(key, &ticket.asked, waited);
        let steps = &self.queues[key].config.matching.widen;
        match steps.iter().find(|step| step.after > waited) {
            Some(step) => self.timers.set(Deadline::Widen(id), joined + bounded(step.after)),
            None => self.timers.clear(&Deadline::Widen(id)),
        }
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.reach = reach;
        }
        self.join_bench(id);
        self.moved.push(id);
    }

    /// Whoever can be found by others now is given an agent, the first in the order of places first: of two whose wait
    /// came to a step at the same moment the later must not overtake the earlier.
    pub(super) fn place_moved(&mut self, now: Instant) {
        let mut moved: Vec<Place> =
            self.moved.drain(..).filter_map(|id| self.tickets.get(&id)).map(|ticket| ticket.place).collect();
        moved.sort_unstable();
        moved.into_iter().for_each(|place| self.place(now, place.ticket));
    }

    pub(super) fn place_of(&self, queue: QueueKey, priority: u8, since: Instant, seq: u64, ticket: TicketId) -> Place {
        let step = bounded_or_zero(self.queues[queue].config.matching.ageing);
        Place { rank: since + step * u32::from(MAX_PRIORITY - priority.min(MAX_PRIORITY)), seq, ticket }
    }

    // --- the one agent for whom a caller waits ---

    /// For whom alone this caller waits at first, and how long: the agent whose phone was lost, or who served the caller
    /// last and is at work in the queue.
    pub(super) fn awaited(
        &self,
        now: Instant,
        queue: QueueKey,
        lost: Option<&Lost>,
        caller: Option<&CallerKey>,
    ) -> Option<(AgentKey, Duration)> {
        let matching = &self.queues[queue].config.matching;
        let (id, wait) = match lost {
            Some(lost) => (lost.agent.as_ref()?, matching.wait_for_lost),
            None => (self.served.recall(now, caller?)?, matching.sticky?.wait),
        };
        let key = *self.agent_keys.get(id)?;
        let agent = &self.agents[key];
        let is_there = is_staffed(agent.shown) || agent.intent == Intent::Lost;
        (agent.queues.contains(&queue) && is_there && !agent.leaving && !wait.is_zero()).then_some((key, wait))
    }

    /// Waits no more for one agent alone, or for us.
    pub(super) fn release(&mut self, id: TicketId) {
        let waits = |ticket: &Ticket| matches!(ticket.state, TicketState::Reserved { .. } | TicketState::PutOff);
        if !self.tickets.get(&id).is_some_and(waits) {
            return;
        }
        self.leave_bench(id);
        self.timers.clear(&Deadline::Sticky(id));
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.state = TicketState::Waiting;
        }
        self.join_bench(id);
        self.moved.push(id);
    }

    /// An agent who is away keeps nobody waiting.
    pub(super) fn release_all(&mut self, now: Instant, key: AgentKey) {
        let waiting: Vec<TicketId> = self.agents[key].waited_for.iter().map(|place| place.ticket).collect();
        waiting.into_iter().for_each(|id| self.release(id));
        self.place_moved(now);
    }
}
