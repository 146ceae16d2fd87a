//! A reload: queues and agents come, go and change, and no running state does.
//!
//! What stays: every ticket, offer, call, wrap-up, pause and idle turn of a queue or agent that is still configured.
//! A removed queue gives its callers back as closed. A removed agent finishes the call at hand, then goes.

use super::agent::{Agent, AgentKey, Duty};
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
        let left: Vec<AgentId> = self.agent_keys.keys().filter(|id| !agents.contains(id)).cloned().collect();
        let changed = self.configure(config);
        // Nobody who goes may be matched on the way: first those leave who ring for no caller, then the callers of
        // removed queues, and only then are offers of agents who go taken on to the next.
        self.dismiss(now, &left);
        for key in gone {
            self.remove_queue(now, key);
        }
        for agent in &left {
            if let Some(key) = self.agent_keys.get(agent).copied() {
                self.agent_changed(now, key);
            }
        }
        for key in self.queue_keys.values().copied().collect::<Vec<_>>() {
            if self.queues[key].logged_in == 0 {
                self.queue_emptied(now, key);
            }
        }
        for key in changed {
            self.settle(now, key, None);
        }
    }

    fn dismiss(&mut self, now: Instant, left: &[AgentId]) {
        let keys: Vec<AgentKey> = left.iter().filter_map(|id| self.agent_keys.get(id).copied()).collect();
        for key in keys {
            self.agents[key].leaving = true;
            if !matches!(self.agents[key].duty, Duty::Ringing { .. }) {
                self.settle(now, key, None);
            }
        }
    }

    /// Brings queues and agents into the tables. Returns the agents whose queues changed, longest idle first.
    pub(super) fn configure(&mut self, config: AcdConfig) -> Vec<AgentKey> {
        self.rona_pause = config.rona_pause;
        self.busy_pause = bounded(config.busy_pause);
        for queue in config.queues {
            self.configure_queue(queue);
        }
        let mut changed: Vec<AgentKey> = config.agents.iter().filter_map(|agent| self.configure_agent(agent)).collect();
        changed.sort_by_key(|key| (self.agents[*key].idle.is_none(), self.agents[*key].idle));
        changed
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

    fn configure_agent(&mut self, config: &AgentConfig) -> Option<AgentKey> {
        // Of two entries of one queue or an unknown name the checked configuration has none; here they count once or not.
        let queues: BTreeSet<QueueKey> =
            config.queues.iter().filter_map(|id| self.queue_keys.get(id).copied()).collect();
        let queues: Vec<QueueKey> = queues.into_iter().collect();
        let Some(key) = self.agent_keys.get(&config.id).copied() else {
            let key = self.agents.insert(Agent::new(config, queues));
            self.agent_keys.insert(config.id.clone(), key);
            return None;
        };
        let agent = &mut self.agents[key];
        agent.name.clone_from(&config.name);
        // Configured again before the last call's end: the agent never left.
        let came_back = std::mem::take(&mut agent.leaving);
        if agent.queues == queues {
            return came_back.then_some(key);
        }
        self.assign(key, queues);
        Some(key)
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
        // Out of every agent's list first, so that no agent freed below is matched with it.
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
