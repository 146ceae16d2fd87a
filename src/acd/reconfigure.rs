//! A reload: queues and agents come, go and change, and no running state does.
//!
//! What stays: every ticket, offer, call, wrap-up, pause and idle turn of a queue or agent that is still configured.
//! A removed queue gives its callers back as closed. A removed agent finishes the call at hand, then goes.

use super::agent::{Agent, AgentKey, IdlePlace};
use super::config::{AgentConfig, bounded};
use super::distributor::{Acd, Deadline};
use super::queue::{Queue, QueueKey};
use super::ticket::{Reach, TicketState};
use super::{AcdConfig, QueueConfig};
use crate::events::QueueOutcome;
use crate::ids::{AgentId, QueueId, TicketId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

impl Acd {
    /// Takes a new configuration. A phone that was registered before its agent was configured is made known again by
    /// [`Acd::agent_reachable`].
    pub fn reconfigure(&mut self, now: Instant, config: AcdConfig) {
        let queues: BTreeSet<&QueueId> = config.queues.iter().map(|queue| &queue.id).collect();
        let gone: Vec<QueueKey> =
            self.queue_keys.iter().filter(|(id, _)| !queues.contains(id)).map(|(_, key)| *key).collect();
        let agents: BTreeSet<&AgentId> = config.agents.iter().map(|agent| &agent.id).collect();
        let left: Vec<AgentKey> =
            self.agent_keys.iter().filter(|(id, _)| !agents.contains(id)).map(|(_, key)| *key).collect();
        // Nobody is matched while the tables change: a match halfway could pass over who came first. All leave the
        // benches, whose order may become another one.
        self.reloading = true;
        let idle: Vec<IdlePlace> = self.agents.iter().filter_map(|(_, agent)| agent.idle).collect();
        idle.iter().for_each(|place| self.unbench_agent(place.agent, *place));
        let tickets: Vec<TicketId> = self.tickets.keys().copied().collect();
        for id in &tickets {
            if self.tickets.get(id).is_some_and(|ticket| ticket.state == TicketState::Waiting) {
                self.leave_bench(*id);
            }
        }
        self.tickets.values_mut().for_each(|ticket| ticket.reach = Reach::default());
        self.configure(config);
        for key in gone {
            self.remove_queue(now, key);
        }
        for key in left {
            self.agents[key].leaving = true;
            self.end_loan(now, key);
            self.agent_changed(now, key);
        }
        for (key, agent) in &self.agents {
            if let Some(place) = agent.idle {
                agent.queues.iter().for_each(|queue| self.queues[*queue].bench(key, agent, place));
            }
        }
        for id in tickets {
            self.replace(id);
            self.widen(now, id);
        }
        self.forgive(now);
        self.reloading = false;
        // Each caller in turn takes the agent whom the queue's strategy names; agents who took callers would not ask it.
        self.moved = self.tickets.keys().copied().collect();
        self.place_moved(now);
        self.review_plans(now);
    }

    /// The rules for the order of the line may be others.
    fn replace(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        let place = self.place_of(ticket.queue, ticket.priority, ticket.since, ticket.place.seq, id);
        self.leave_bench(id);
        if let Some(ticket) = self.tickets.get_mut(&id) {
            self.queues[ticket.queue].leave(&ticket.place);
            self.queues[ticket.queue].join(place);
            ticket.place = place;
        }
        self.join_bench(id);
    }

    /// Brings queues and agents into the tables.
    pub(super) fn configure(&mut self, config: AcdConfig) {
        self.rona_pause = config.rona_pause;
        self.busy_pause = bounded(config.busy_pause);
        for queue in config.queues {
            self.configure_queue(queue);
        }
        self.configure_plans(config.lend);
        self.learn(&config.agents);
        for agent in &config.agents {
            self.configure_agent(agent);
        }
    }

    fn configure_queue(&mut self, config: QueueConfig) {
        if let Some(key) = self.queue_keys.get(&config.id) {
            self.queues[*key].config = config;
            return;
        }
        let id = config.id.clone();
        let key = self.queues.insert(Queue::new(config));
        self.queue_keys.insert(id, key);
    }

    fn configure_agent(&mut self, config: &AgentConfig) {
        // A checked configuration names no queue twice and none that is not there; either would count once or not here.
        let queues: BTreeSet<QueueKey> =
            config.queues.iter().filter_map(|id| self.queue_keys.get(id).copied()).collect();
        let queues: Vec<QueueKey> = queues.into_iter().collect();
        let key = match self.agent_keys.get(&config.id).copied() {
            Some(key) => key,
            None => {
                let key = self.agents.insert(Agent::new(config));
                self.agent_keys.insert(config.id.clone(), key);
                key
            }
        };
        let agent = &mut self.agents[key];
        agent.name.clone_from(&config.name);
        // Configured again before the last call's end: the agent never left.
        agent.leaving = false;
        agent.learned =
            config.skills.iter().map(|skill| (self.skills[&skill.skill], skill.level, skill.until)).collect();
        agent.skills = Arc::new(agent.skills_at(self.wall));
        agent.own = queues;
        let queues = self.queues_served(key);
        self.assign(key, queues);
    }

    /// Gives every skill of the configuration its number.
    fn learn(&mut self, agents: &[AgentConfig]) {
        self.held.clear();
        for skill in agents.iter().flat_map(|agent| &agent.skills) {
            let key = self.skill_key(&skill.skill);
            self.held.insert(key);
        }
    }

    /// A skill has ended, so that the agent can serve fewer than before.
    pub(super) fn relearn(&mut self, key: AgentKey) {
        let skills = Arc::new(self.agents[key].skills_at(self.wall));
        match self.agents[key].idle {
            Some(place) => {
                self.unbench_agent(key, place);
                self.agents[key].skills = skills;
                self.bench_agent(key, place);
            }
            None => self.agents[key].skills = skills,
        }
    }

    /// Gives an agent other queues; the state and the idle turn stay. The agent is on no bench meanwhile.
    pub(super) fn assign(&mut self, key: AgentKey, queues: Vec<QueueKey>) {
        let agent = &mut self.agents[key];
        let state = agent.shown;
        for queue in std::mem::replace(&mut agent.queues, queues) {
            let count = self.queues[queue].agents.of(state);
            *count = count.saturating_sub(1);
        }
        for queue in &agent.queues {
            *self.queues[*queue].agents.of(state) += 1;
        }
    }

    fn remove_queue(&mut self, now: Instant, key: QueueKey) {
        let tickets: Vec<TicketId> = self.queues[key].line().map(|place| place.ticket).collect();
        let members: BTreeMap<AgentKey, Vec<QueueKey>> = self
            .agents
            .iter()
            .filter(|(_, agent)| agent.queues.contains(&key))
            .map(|(agent_key, agent)| (agent_key, agent.queues.iter().copied().filter(|queue| *queue != key).collect()))
            .collect();
        for (agent, queues) in members {
            self.agents[agent].own.retain(|own| *own != key);
            self.assign(agent, queues);
        }
        for ticket in tickets {
            self.end_ticket(now, ticket, QueueOutcome::Closed);
        }
        self.timers.clear(&Deadline::Positions(key));
        let queue = self.queues.remove(key);
        self.queue_keys.remove(&queue.config.id);
    }
}
