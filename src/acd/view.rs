//! Read-only views for `queue list`, `queue show` and `agent list`. Durations are milliseconds; keys are stable.

use super::agent::{Agent, Duty};
use super::distributor::Acd;
use super::estimate::WaitRange;
use super::queue::{Counts, QueueKey};
use super::skill::{Level, Levels};
use super::ticket::TicketState;
use crate::events::AgentStateName;
use crate::ids::{AgentId, ProjectId, QueueId, SkillId, TicketId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueView {
    pub queue: QueueId,
    pub project: Option<ProjectId>,
    /// Callers without an offer.
    pub waiting: u32,
    /// Callers for whom an agent's phone rings.
    pub ringing: u32,
    pub longest_wait_ms: u64,
    /// What a caller of usual priority would be told on joining now.
    pub wait: Option<WaitRange>,
    /// Moving mean of talk and wrap-up.
    pub handling_ms: u64,
    pub agents: AgentCounts,
    pub counts: Counts,
}

/// Agents of a queue by state; an agent of several queues counts in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgentCounts {
    pub logged_out: u32,
    pub ready: u32,
    pub not_ready: u32,
    pub ringing: u32,
    pub talking: u32,
    pub wrap_up: u32,
}

impl AgentCounts {
    pub(super) fn of(&mut self, state: AgentStateName) -> &mut u32 {
        match state {
            AgentStateName::LoggedOut => &mut self.logged_out,
            AgentStateName::Ready => &mut self.ready,
            AgentStateName::NotReady => &mut self.not_ready,
            AgentStateName::Ringing => &mut self.ringing,
            AgentStateName::Talking => &mut self.talking,
            AgentStateName::WrapUp => &mut self.wrap_up,
        }
    }

    /// The queue has agents, in the sense of those who ask not to wait for nobody.
    pub fn logged_in(&self) -> u32 {
        self.not_ready + self.staffed()
    }

    /// Callers are being served: counts for the wait estimate.
    pub fn staffed(&self) -> u32 {
        self.ready + self.ringing + self.talking + self.wrap_up
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentView {
    pub agent: AgentId,
    pub name: String,
    pub state: AgentStateName,
    pub reason: Option<String>,
    /// For how long the state has lasted; absent before the first change since the start.
    pub for_ms: Option<u64>,
    /// The caller that rings at or talks to the agent.
    pub ticket: Option<TicketId>,
    pub queues: Vec<QueueId>,
    /// Levels of today.
    pub skills: BTreeMap<SkillId, Level>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketView {
    pub ticket: TicketId,
    pub queue: QueueId,
    pub priority: u8,
    pub ahead: u32,
    pub waited_ms: u64,
    /// The wait the caller was last told.
    pub wait: Option<WaitRange>,
    /// The agent whose phone rings for the caller.
    pub offered_to: Option<AgentId>,
    /// What is left of that lease.
    pub offer_ends_in_ms: Option<u64>,
}

impl Acd {
    /// Every queue, in order of name.
    pub fn queues(&self, now: Instant) -> Vec<QueueView> {
        self.queue_keys.values().map(|key| self.queue_view(now, *key)).collect()
    }

    /// Every agent, in order of id.
    pub fn agents(&self, now: Instant) -> Vec<AgentView> {
        self.agent_keys.values().map(|key| self.agent_view(now, &self.agents[*key])).collect()
    }

    pub fn agent(&self, now: Instant, agent: &AgentId) -> Option<AgentView> {
        self.agent_keys.get(agent).map(|key| self.agent_view(now, &self.agents[*key]))
    }

    /// The callers of one queue in the order in which they will be served; `None` when there is no such queue.
    pub fn tickets(&self, now: Instant, queue: &QueueId) -> Option<Vec<TicketView>> {
        let key: QueueKey = *self.queue_keys.get(queue)?;
        let line = self.queues[key].line().enumerate();
        Some(line.filter_map(|(ahead, place)| self.ticket_view(now, place.ticket, ahead as u32)).collect())
    }

    /// Callers in this queue, also those for whom a phone rings.
    pub fn waiting(&self, queue: &QueueId) -> usize {
        self.queue_keys.get(queue).map_or(0, |key| self.queues[*key].len())
    }

    /// Whether this caller still has a place: false when the queue refused, or the wait is over.
    pub fn holds(&self, ticket: TicketId) -> bool {
        self.tickets.contains_key(&ticket)
    }

    /// Callers in all queues together.
    pub fn ticket_count(&self) -> usize {
        self.tickets.len()
    }

    pub fn is_agent(&self, agent: &AgentId) -> bool {
        self.agent_keys.contains_key(agent)
    }

    fn queue_view(&self, now: Instant, key: QueueKey) -> QueueView {
        let queue = &self.queues[key];
        // Priorities cut across time: the longest wait is of the earliest to join, wherever it stands.
        let line = || queue.line().filter_map(|place| self.tickets.get(&place.ticket));
        let earliest = line().map(|ticket| ticket.joined).min();
        let ringing = line().filter(|ticket| ticket.is_offered()).count();
        QueueView {
            queue: queue.config.id.clone(),
            project: queue.config.project.clone(),
            waiting: (queue.len() - ringing) as u32,
            ringing: ringing as u32,
            longest_wait_ms: earliest.map_or(0, |joined| millis(now.saturating_duration_since(joined))),
            wait: queue.usual_wait(self.sight(now, key, queue.len() as u32)),
            handling_ms: millis(queue.estimator.handling()),
            agents: queue.agents,
            counts: queue.counts,
        }
    }

    fn agent_view(&self, now: Instant, agent: &Agent) -> AgentView {
        AgentView {
            agent: agent.id.clone(),
            name: agent.name.clone(),
            state: agent.shown,
            reason: agent.shown_reason.as_ref().map(|reason| reason.to_string()),
            for_ms: agent.since.map(|since| millis(now.saturating_duration_since(since))),
            ticket: match agent.duty {
                Duty::Ringing { ticket, .. } | Duty::Talking { ticket, .. } => Some(ticket),
                Duty::Free | Duty::WrapUp { .. } | Duty::Owes { .. } => None,
            },
            queues: agent.queues.iter().map(|key| self.queues[*key].config.id.clone()).collect(),
            skills: self.named(&agent.skills),
        }
    }

    pub(super) fn named(&self, levels: &Levels) -> BTreeMap<SkillId, Level> {
        let name = |key| self.skills.iter().find(|(_, known)| **known == key).map(|(name, _)| name.clone());
        levels.iter().filter_map(|(key, level)| Some((name(key)?, level))).collect()
    }

    fn ticket_view(&self, now: Instant, id: TicketId, ahead: u32) -> Option<TicketView> {
        let ticket = self.tickets.get(&id)?;
        let (offered_to, offer_ends_in_ms) = match ticket.state {
            TicketState::Waiting | TicketState::Reserved { .. } | TicketState::PutOff => (None, None),
            TicketState::Offered { agent, deadline } => {
                (Some(self.agents[agent].id.clone()), Some(millis(deadline.saturating_duration_since(now))))
            }
        };
        Some(TicketView {
            ticket: id,
            queue: self.queues[ticket.queue].config.id.clone(),
            priority: ticket.priority,
            ahead,
            waited_ms: millis(now.saturating_duration_since(ticket.joined)),
            wait: ticket.told.and_then(|told| told.step).map(|step| step.range()),
            offered_to,
            offer_ends_in_ms,
        })
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().min(u128::from(u64::MAX)) as u64
}
