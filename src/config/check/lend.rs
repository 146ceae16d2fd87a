//! Plans by which projects lend each other agents.

use super::super::Agent;
use super::super::raw::project::{RawLend, RawPressure};
use super::super::read::At;
use super::{Allowed, Check, allowed};
use crate::acd::{LendPlan, Pressure};
use crate::ids::{AgentId, PlanId, ProjectId, SkillId};
use crate::switch::Project;
use std::collections::{BTreeMap, BTreeSet};

const WAIT: Allowed = allowed(1, 3_600);

impl Check<'_> {
    pub(super) fn lend(
        &mut self,
        raw: Vec<(At<String>, RawLend)>,
        projects: &BTreeMap<ProjectId, Project>,
        agents: &BTreeMap<AgentId, Agent>,
    ) -> Vec<LendPlan> {
        let mut plans: Vec<LendPlan> = Vec::new();
        for (name, raw) in raw {
            self.name("plan", &name);
            let (from, to) = (self.borrower(raw.from.as_ref(), projects), self.borrower(raw.to.as_ref(), projects));
            let (Some(from), Some(to)) = (from, to) else { continue };
            if let Some(at) = &raw.from {
                self.lender(at, &from, projects, agents);
            }
            if let Some(at) = raw.to.as_ref().filter(|_| helps(&plans, &to, &from)) {
                let message = format!("`{to}` would be helped by `{from}`, which it helps itself by other plans");
                let help = "take one of them away: in a surge of both they would take each other's agents in turn";
                self.error("C197", at, message, Some(help.into()));
            }
            let (when, clear) = self.thresholds(&name, &raw);
            let skill = self.lent_skill(&raw.skills, agents);
            let tier = raw.tier.as_ref().map_or(1, |tier| match tier.value {
                1..=3 => tier.value as u8,
                _ => {
                    let help = "write 1, 2 or 3; lower tiers lend first".into();
                    self.error("C196", tier, format!("there is no tier {}", tier.value), Some(help));
                    1
                }
            });
            if raw.cap.as_ref().is_none_or(|cap| cap.value == 0) {
                let help = Some("write `cap`, the most agents that may be lent at once, from 1 up".into());
                let message = format!("plan `{}` lends nobody", name.value);
                match &raw.cap {
                    Some(cap) => self.error("C196", cap, message, help),
                    None => self.error("C196", &name, message, help),
                }
            }
            plans.push(LendPlan {
                id: PlanId::new(&name.value),
                from,
                to,
                skill,
                tier,
                when,
                clear,
                cap: raw.cap.map_or(0, |cap| cap.value),
                leave: raw.leave.map_or(1, |leave| leave.value),
            });
        }
        plans
    }

    fn borrower(&mut self, at: Option<&At<String>>, projects: &BTreeMap<ProjectId, Project>) -> Option<ProjectId> {
        let at = at?;
        let known = projects.get(at.value.as_str()).map(|project| project.id.clone());
        if known.is_none() {
            self.missing(at, "project", projects.keys().map(ProjectId::as_str));
        }
        known
    }

    fn lender(
        &mut self,
        at: &At<String>,
        from: &ProjectId,
        projects: &BTreeMap<ProjectId, Project>,
        agents: &BTreeMap<AgentId, Agent>,
    ) {
        let queues = projects.get(from).map(|project| project.queues.as_slice()).unwrap_or_default();
        if !agents.values().any(|agent| agent.queues.iter().any(|queue| queues.contains(queue))) {
            let message = format!("project `{from}` has no agents to lend");
            self.error("C195", at, message, Some("give an agent one of its queues, or take the plan away".into()));
        }
    }

    fn thresholds(&mut self, name: &At<String>, raw: &RawLend) -> (Pressure, Pressure) {
        let mut read = |raw: &RawPressure| Pressure {
            longest_wait: raw.longest_wait.as_ref().map(|wait| self.duration(Some(wait), WAIT.min, WAIT)),
            waiting: raw.waiting.as_ref().map(|waiting| waiting.value),
        };
        let (when, clear) = (read(&raw.when), read(&raw.clear));
        if when == Pressure::default() {
            let message = format!("nothing says when plan `{}` begins", name.value);
            self.error("C196", name, message, Some("add `when: {longest_wait: 30s}` or `when: {waiting: 10}`".into()));
        } else if when.longest_wait.is_some() != clear.longest_wait.is_some()
            || when.waiting.is_some() != clear.waiting.is_some()
            || clear.longest_wait >= when.longest_wait.filter(|_| clear.longest_wait.is_some())
                && when.longest_wait.is_some()
            || clear.waiting >= when.waiting.filter(|_| clear.waiting.is_some()) && when.waiting.is_some()
        {
            let message = format!("plan `{}` would begin and end in turn", name.value);
            let help = "give `clear` the same keys as `when`, each with less";
            self.error("C196", name, message, Some(help.into()));
        }
        (when, clear)
    }

    fn lent_skill(
        &mut self,
        raw: &[(At<String>, At<String>)],
        agents: &BTreeMap<AgentId, Agent>,
    ) -> Option<(SkillId, crate::acd::Level)> {
        let known: BTreeSet<&str> =
            agents.values().flat_map(|agent| &agent.skills).map(|skill| skill.skill.as_str()).collect();
        if let Some((second, _)) = raw.get(1) {
            let help = "keep the one that matters most; the queues' own `skills` still hold for each caller";
            self.error("C196", second, "a plan asks for one skill".into(), Some(help.into()));
        }
        let (name, level) = raw.first()?;
        if !known.contains(name.value.as_str()) {
            self.missing(name, "agent with the skill", known.iter().copied());
        }
        Some((SkillId::new(&name.value), self.level_in_words(level)))
    }
}

/// Whether `first` lends to `last`, also by way of others.
fn helps(plans: &[LendPlan], first: &ProjectId, last: &ProjectId) -> bool {
    let mut seen = BTreeSet::from([first]);
    let mut open = vec![first];
    while let Some(project) = open.pop() {
        if project == last {
            return true;
        }
        let next = plans.iter().filter(|plan| plan.from == *project).map(|plan| &plan.to);
        open.extend(next.filter(|to| seen.insert(to)));
    }
    false
}
