//! A reload: queues and agents come, go and change, and no running state does.
//!
//! What stays: every ticket, offer, call, wrap-up, pause and idle turn of a queue or agent that is still configured.
//! A removed queue gives its callers back as closed. A removed agent finishes the call at hand, then goes.

use super::agent::{Agent, AgentKey, IdlePlace};
use super::config::{AgentConfig, bounded};
use super::distributor::{Acd, Deadline};
use super::queue::{Queue, QueueKey};
use super::{AcdConfig, QueueConfig};
use crate::events::{AgentStateName, QueueOutcome};
use crate::ids::{AgentId, QueueId, TicketId};
use std::collections::{BTreeMap, BTreeSet};
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
        // Nobody is matched while the tables change: a match halfway could pass over who came first.
        self.reloading = true;
        self.configure(config);
        for key in gone {
            self.remove_queue(now, key);
        }
        for key in left {
            self.agents[key].leaving = true;
            self.agent_changed(now, key);
        }
        self.reloading = false;
        self.match_all(now);
    }

    /// Serves every idle agent, the longest idle first, then sees to every caller who still waits.
    fn match_all(&mut self, now: Instant) {
        let mut idle: Vec<IdlePlace> = self.agents.iter().filter_map(|(_, agent)| agent.idle).collect();
        idle.sort_unstable();
        for place in idle {
            self.serve(now, place.agent);
        }
        for ticket in self.tickets.keys().copied().collect::<Vec<_>>() {
            self.place(now, ticket);
        }
    }

    /// Brings queues and agents into the tables.
    pub(super) fn configure(&mut self, config: AcdConfig) {
        self.rona_pause = config.rona_pause;
        self.busy_pause = bounded(config.busy_pause);
        for queue in config.queues {
            self.configure_queue(queue);
        }
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
        let Some(key) = self.agent_keys.get(&config.id).copied() else {
            let key = self.agents.insert(Agent::new(config, queues));
            self.agent_keys.insert(config.id.clone(), key);
            return;
        };
        let agent = &mut self.agents[key];
        agent.name.clone_from(&config.name);
        // Configured again before the last call's end: the agent never left.
        agent.leaving = false;
        if agent.queues != queues {
            self.assign(key, queues);
        }
    }

    /// Gives an agent other queues; the idle turn and the state stay.
    fn assign(&mut self, key: AgentKey, queues: Vec<QueueKey>) {
        let (idle, state) = (self.agents[key].idle, self.agents[key].shown);
        self.recount(key, state, AgentStateName::LoggedOut);
        if let Some(place) = idle {
            for queue in &self.agents[key].queues {
                self.queues[*queue].idle.remove(&place);
            }
        }
        self.agents[key].queues = queues;
        self.recount(key, AgentStateName::LoggedOut, state);
        if let Some(place) = idle {
            for queue in &self.agents[key].queues {
                self.queues[*queue].idle.insert(place);
            }
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
