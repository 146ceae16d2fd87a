//! An agent's phone is gone in the middle of a call: the caller comes back to the front of the queue and waits for that
//! agent for a while, who is offered nothing until the phone shows a sign of life.

use super::agent::{Duty, Intent};
use super::distributor::Acd;
use crate::ids::AgentId;
use std::time::Instant;

/// Of a caller whose agent was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// When the caller joined the queue for the first time.
    pub since: Instant,
    /// For whom to wait alone at first.
    pub agent: Option<AgentId>,
}

impl Acd {
    /// Since when the caller had waited to whom this agent talks.
    pub fn waiting_since(&self, agent: &AgentId) -> Option<Instant> {
        match &self.agents[*self.agent_keys.get(agent)?].duty {
            Duty::Talking { waiting_since, .. } => Some(*waiting_since),
            Duty::Free | Duty::Ringing { .. } | Duty::WrapUp { .. } | Duty::Owes { .. } => None,
        }
    }

    /// The agent's phone is gone in the middle of a queue call. There is nothing to wrap up: the caller is to be called
    /// back. Nothing happens when the agent is in no such call.
    pub fn agent_lost(&mut self, now: Instant, agent: &AgentId) {
        let Some(key) = self.agent_keys.get(agent).copied() else { return };
        let Duty::Talking { .. } = self.agents[key].duty else { return };
        self.agents[key].duty = Duty::Free;
        // Who wanted a pause after the call has it.
        if self.agents[key].intent == Intent::Ready {
            self.intend(key, Intent::Lost);
        }
        self.settle(now, key, None);
    }

    /// The agent's phone has shown a sign of life.
    pub fn agent_back(&mut self, now: Instant, agent: &AgentId) {
        let Some(key) = self.agent_keys.get(agent).copied() else { return };
        if self.agents[key].intent == Intent::Lost {
            self.intend(key, Intent::Ready);
            self.agent_changed(now, key);
        }
    }
}
