//! Lending: agents of one project serve the callers of another while that one is pressed.
//!
//! A plan begins when the project that needs help is pressed as hard as `when` says, and ends when it is pressed less than
//! `clear`; between the two nothing changes, so that a plan does not flutter. Somebody may set by hand up to which tier
//! others lend. An agent on loan serves both projects, each caller in turn. A loan never takes more than `cap` agents, leaves
//! `leave` at work at home, and ends at once when one of those goes away or the agent does.

use super::AcdOutput;
use super::agent::{AgentKey, is_staffed};
use super::config::{LendPlan, Pressure};
use super::distributor::{Acd, Deadline};
use super::queue::QueueKey;
use crate::ids::{AgentId, PlanId, ProjectId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often a wait is compared with the plans: soon enough for thresholds of some ten seconds.
const LOOK_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub config: LendPlan,
    pub active: bool,
    /// In the order in which they are called back: the last lent last.
    pub lent: Vec<AgentKey>,
}

/// A plan as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LendView {
    pub plan: PlanId,
    pub from: ProjectId,
    pub to: ProjectId,
    pub tier: u8,
    pub active: bool,
    /// How hard `to` is pressed now, what begins the plan and what it ends below.
    pub pressure: PressureView,
    pub when: PressureView,
    pub clear: PressureView,
    pub cap: u32,
    pub lent: Vec<AgentId>,
    pub by_hand: bool,
    /// Agents at work at home and not lent, and how many must stay.
    pub at_home: u32,
    pub leave: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PressureView {
    pub longest_wait_ms: Option<u64>,
    pub waiting: Option<u32>,
}

impl From<Pressure> for PressureView {
    fn from(pressure: Pressure) -> Self {
        let longest_wait_ms = pressure.longest_wait.map(|wait| wait.as_millis() as u64);
        Self { longest_wait_ms, waiting: pressure.waiting }
    }
}

impl Acd {
    pub fn lending(&self, now: Instant) -> Vec<LendView> {
        let view = |(id, plan): (&PlanId, &Plan)| LendView {
            plan: id.clone(),
            from: plan.config.from.clone(),
            to: plan.config.to.clone(),
            tier: plan.config.tier,
            active: plan.active,
            by_hand: self.tiers.contains_key(&plan.config.to),
            pressure: self.pressure(now, &plan.config.to).into(),
            when: plan.config.when.into(),
            clear: plan.config.clear.into(),
            cap: plan.config.cap,
            lent: plan.lent.iter().map(|key| self.agents[*key].id.clone()).collect(),
            at_home: self.at_home(&plan.config.from).count() as u32,
            leave: plan.config.leave,
        };
        self.plans.iter().map(view).collect()
    }

    /// Somebody waits: plans are looked at from now on until nobody does.
    pub(super) fn watch_waits(&mut self, now: Instant) {
        if !self.plans.is_empty() && !self.timers.is_set(&Deadline::Lending) {
            self.timers.set(Deadline::Lending, now + LOOK_EVERY);
        }
    }

    /// Up to which tier others lend to this project; `None` = as hard as it is pressed. False when no plan lends to it.
    pub fn set_tier(&mut self, now: Instant, project: &ProjectId, tier: Option<u8>) -> bool {
        let known = self.plans.values().any(|plan| plan.config.to == *project);
        match tier.filter(|_| known) {
            Some(tier) => _ = self.tiers.insert(project.clone(), tier),
            None => _ = self.tiers.remove(project),
        }
        self.review_plans(now);
        known
    }

    /// Begins and ends plans by how hard projects are pressed now.
    pub(super) fn review_plans(&mut self, now: Instant) {
        let mut watched = false;
        for id in self.plans.keys().cloned().collect::<Vec<_>>() {
            let Some(plan) = self.plans.get(&id) else { continue };
            let (config, to) = (&plan.config, plan.config.to.clone());
            let pressure = self.pressure(now, &to);
            let by_hand = self.tiers.get(&to).copied();
            let active = match by_hand {
                Some(tier) => config.tier <= tier,
                None => if plan.active { config.clear } else { config.when }.reached(&pressure),
            };
            watched |= (active && by_hand.is_none()) || pressure.waiting > Some(0);
            if active != plan.active
                && let Some(plan) = self.plans.get_mut(&id)
            {
                plan.active = active;
                let by_hand = by_hand.is_some();
                self.outputs.push_back(AcdOutput::Lending { plan: id, to, on: active, pressure, by_hand });
            }
        }
        self.rebalance(now);
        if watched {
            self.timers.set(Deadline::Lending, now + LOOK_EVERY);
        }
    }

    /// Brings loans in line with plans, caps and who is at work.
    pub(super) fn rebalance(&mut self, now: Instant) {
        if self.reloading || self.plans.is_empty() {
            return;
        }
        // Lower tiers lend first and are called back last.
        let mut order: Vec<(u8, PlanId)> = self.plans.iter().map(|(id, plan)| (plan.config.tier, id.clone())).collect();
        order.sort_unstable();
        for (_, id) in order.iter().rev() {
            while let Some(key) = self.plans.get(id).and_then(|plan| self.to_be_called_back(plan)) {
                self.end_loan(now, key);
            }
        }
        for (_, id) in order {
            while let Some(key) = self.plans.get(&id).and_then(|plan| self.to_be_lent(plan)) {
                self.lend(now, key, &id);
            }
        }
    }

    fn lend(&mut self, now: Instant, key: AgentKey, id: &PlanId) {
        let Some(plan) = self.plans.get_mut(id) else { return };
        plan.lent.push(key);
        let to = plan.config.to.clone();
        self.agents[key].loan = Some(id.clone());
        let agent = self.agents[key].id.clone();
        self.outputs.push_back(AcdOutput::Lent { agent, plan: id.clone(), to, on: true });
        self.reassign(now, key);
    }

    /// The agent serves the own project alone again; a call at hand goes on.
    pub(super) fn end_loan(&mut self, now: Instant, key: AgentKey) {
        let Some(id) = self.agents[key].loan.take() else { return };
        if let Some(plan) = self.plans.get_mut(&id) {
            plan.lent.retain(|lent| *lent != key);
            let (agent, to) = (self.agents[key].id.clone(), plan.config.to.clone());
            self.outputs.push_back(AcdOutput::Lent { agent, plan: id, to, on: false });
        }
        self.reassign(now, key);
    }

    fn reassign(&mut self, now: Instant, key: AgentKey) {
        let idle = self.agents[key].idle;
        idle.into_iter().for_each(|place| self.unbench_agent(key, place));
        let before = self.agents[key].queues.clone();
        let queues = self.queues_served(key);
        self.assign(key, queues);
        if let Some(place) = idle {
            self.bench_agent(key, place);
            self.serve(now, key);
        }
        let emptied = |queue: &QueueKey| self.queues[*queue].agents.logged_in() == 0;
        for queue in before.into_iter().filter(emptied).collect::<Vec<_>>() {
            self.queue_emptied(now, queue);
        }
    }

    /// The agent's own queues, and on loan those of the other project.
    pub(super) fn queues_served(&self, key: AgentKey) -> Vec<QueueKey> {
        let agent = &self.agents[key];
        let other = agent.loan.as_ref().and_then(|id| self.plans.get(id)).map(|plan| &plan.config.to);
        let of_other = other.into_iter().flat_map(|project| self.queues_of(project));
        agent.own.iter().copied().chain(of_other).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn queues_of(&self, project: &ProjectId) -> impl Iterator<Item = QueueKey> {
        self.queues.iter().filter(move |(_, queue)| queue.config.project.as_ref() == Some(project)).map(|(key, _)| key)
    }

    fn is_home(&self, key: AgentKey, project: &ProjectId) -> bool {
        self.agents[key].own.iter().any(|queue| self.queues[*queue].config.project.as_ref() == Some(project))
    }

    /// Agents of a project who are at work there and not lent.
    fn at_home(&self, project: &ProjectId) -> impl Iterator<Item = AgentKey> {
        self.agents
            .iter()
            .filter(|(_, agent)| agent.loan.is_none() && is_staffed(agent.shown) && !agent.leaving)
            .filter(move |(key, _)| self.is_home(*key, project))
            .map(|(key, _)| key)
    }

    /// Whether the plan may have this agent at all.
    fn fits(&self, key: AgentKey, config: &LendPlan) -> bool {
        let agent = &self.agents[key];
        let skilled = config.skill.as_ref().is_none_or(|(name, least)| {
            self.skills.get(name).is_some_and(|skill| agent.skills.level(*skill) >= *least)
        });
        skilled && !agent.leaving && self.is_home(key, &config.from) && !self.is_home(key, &config.to)
    }

    fn to_be_called_back(&self, plan: &Plan) -> Option<AgentKey> {
        let config = &plan.config;
        let last = plan.lent.last().copied()?;
        if !plan.active || plan.lent.len() > config.cap as usize {
            return Some(last);
        }
        let misfit = plan.lent.iter().copied().find(|key| !self.fits(*key, config));
        misfit.or_else(|| (self.at_home(&config.from).count() < config.leave as usize).then_some(last))
    }

    /// Who goes next: the longest idle, else anybody at work, who then takes the next caller.
    fn to_be_lent(&self, plan: &Plan) -> Option<AgentKey> {
        let config = &plan.config;
        if !plan.active || plan.lent.len() >= config.cap as usize || self.queues_of(&config.to).next().is_none() {
            return None;
        }
        // Who is at home in two projects is missed in both, and each plan counts on those whom it leaves.
        let stays = |project: &ProjectId| {
            let leave = self.plans.values().filter(|plan| plan.config.from == *project && plan.active);
            leave.map(|plan| plan.config.leave as usize).max().unwrap_or(0)
        };
        let spared: BTreeMap<&ProjectId, bool> = self
            .plans
            .values()
            .map(|plan| &plan.config.from)
            .map(|project| (project, self.at_home(project).count() > stays(project)))
            .collect();
        let may_go = |key: &AgentKey| {
            self.fits(*key, config) && spared.iter().all(|(project, spared)| *spared || !self.is_home(*key, project))
        };
        let idle = |key: &AgentKey| self.agents[*key].idle.map_or((true, None), |place| (false, Some(place)));
        self.at_home(&config.from).filter(may_go).min_by_key(idle)
    }

    /// Of the callers who wait in a project's queues without an offer.
    fn pressure(&self, now: Instant, project: &ProjectId) -> Pressure {
        let places = self.queues_of(project).flat_map(|key| self.queues[key].line());
        let tickets = places.filter_map(|place| self.tickets.get(&place.ticket)).filter(|ticket| !ticket.is_offered());
        let waits: Vec<Duration> = tickets.map(|ticket| now.saturating_duration_since(ticket.joined)).collect();
        let longest = waits.iter().max().copied().unwrap_or_default();
        Pressure { longest_wait: Some(longest), waiting: Some(waits.len() as u32) }
    }

    /// Loans whose plan is no more end; plans that stay go on as they are.
    pub(super) fn configure_plans(&mut self, plans: Vec<LendPlan>) {
        let mut before = std::mem::take(&mut self.plans);
        for config in plans {
            let same = |plan: &Plan| plan.config.from == config.from && plan.config.to == config.to;
            let known = before.get(&config.id).is_some_and(same).then(|| before.remove(&config.id)).flatten();
            let (active, lent) = known.map_or((false, Vec::new()), |plan| (plan.active, plan.lent));
            self.plans.insert(config.id.clone(), Plan { config, active, lent });
        }
        let plans = &self.plans;
        self.tiers.retain(|project, _| plans.values().any(|plan| plan.config.to == *project));
        for plan in before.into_values() {
            for key in plan.lent {
                self.agents[key].loan = None;
                let (agent, to) = (self.agents[key].id.clone(), plan.config.to.clone());
                self.outputs.push_back(AcdOutput::Lent { agent, plan: plan.config.id.clone(), to, on: false });
            }
        }
    }
}
