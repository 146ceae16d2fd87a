//! The way of one call through its flow, step by step: what the statistics of flows are made of.

use super::record::{Cdr, StageKind};
use crate::events::{Asked, During, ServiceEnd};
use crate::ids::{FlowVersion, ProjectId, Redacted};
use serde::{Deserialize, Serialize};

/// Steps of one call that are kept: a patient caller makes some fifty.
const MAX_VISITS: usize = 200;
const MAX_TOPICS: usize = 32;

/// One visit of a step. The keys are short because a call has dozens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// The subflow's name; empty in the flow that the call began with.
    #[serde(rename = "f", default, skip_serializing_if = "String::is_empty")]
    pub flow: String,
    #[serde(rename = "s")]
    pub section: String,
    #[serde(rename = "n")]
    pub step: u16,
    #[serde(rename = "v")]
    pub verb: String,
    #[serde(rename = "t")]
    pub ms: u64,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The call ended here.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub left: Option<During>,
    #[serde(rename = "a", default, skip_serializing_if = "Asked::is_plain")]
    pub asked: Asked,
}

/// What is noted of a call while it is up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Way {
    visits: Vec<Visit>,
    /// Visits without an end: their place in the list, and since when.
    open: Vec<(usize, u64)>,
    topics: Vec<String>,
    account: Option<Redacted<String>>,
    left_out: u32,
}

impl Way {
    pub(super) fn enter(&mut self, flow: &str, section: &str, step: u16, verb: &str, mono: u64) {
        if self.visits.len() >= MAX_VISITS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.open.push((self.visits.len(), mono));
        self.visits.push(Visit {
            flow: flow.to_owned(),
            section: section.to_owned(),
            step,
            verb: verb.to_owned(),
            ms: 0,
            outcome: None,
            left: None,
            asked: Asked::default(),
        });
    }

    /// The innermost open visit of that step has ended. The name of its subflow need not be told.
    pub(super) fn leave(&mut self, (section, step): (&str, u16), mono: u64, change: impl FnOnce(&mut Visit)) {
        let visits = &self.visits;
        let here = |visit: &Visit| visit.section == section && visit.step == step;
        if let Some(place) = self.open.iter().rposition(|(at, _)| visits.get(*at).is_some_and(here)) {
            let left = self.open.get(place).map(|(at, _)| *at);
            // Subflows that were abandoned by a jump out of them end with the step that called them.
            for (at, since) in self.open.drain(place..).rev().collect::<Vec<_>>() {
                if let Some(visit) = self.visits.get_mut(at) {
                    visit.ms = mono.saturating_sub(since);
                }
            }
            if let Some(visit) = left.and_then(|at| self.visits.get_mut(at)) {
                change(visit);
            }
        }
    }

    /// A human answered: the wait of the queue or telephone is over.
    pub(super) fn answered(&mut self, mono: u64) {
        let Some((at, since)) = self.open.last().copied() else { return };
        if let Some(visit) = self.visits.get_mut(at).filter(|visit| matches!(&*visit.verb, "queue" | "transfer")) {
            (visit.ms, visit.outcome) = (mono.saturating_sub(since), Some("answered".into()));
            self.open.pop();
        }
    }

    pub(super) fn asked_for_human(&self) -> bool {
        self.visits.iter().any(|visit| visit.asked.opted_out)
    }

    pub(super) fn topic(&mut self, topic: &str) {
        if self.topics.len() < MAX_TOPICS && self.topics.iter().all(|known| known != topic) {
            self.topics.push(topic.to_owned());
        }
    }

    pub(super) fn account(&mut self, account: Option<&Redacted<String>>) {
        self.account = account.cloned();
    }

    /// The call is over.
    pub(super) fn close(&mut self, mono: u64) {
        for (at, since) in self.open.drain(..) {
            if let Some(visit) = self.visits.get_mut(at) {
                visit.ms = mono.saturating_sub(since);
            }
        }
    }
}

/// One call that a flow answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowCall {
    /// Milliseconds since 1970.
    pub started: u64,
    pub project: Option<ProjectId>,
    pub flow: String,
    pub version: FlowVersion,
    pub caller: Redacted<String>,
    /// Stands for the account that the caller gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Redacted<String>>,
    pub end: ServiceEnd,
    pub closed: bool,
    /// What the flow said it had settled, whether or not that stands.
    pub topics: Vec<String>,
    /// From the call's start to the first human who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_ms: Option<u64>,
    pub visits: Vec<Visit>,
    /// Visits beyond what is kept.
    #[serde(default)]
    pub left_out: u32,
}

impl FlowCall {
    /// `None` for a call that no flow answered.
    pub fn of(record: &Cdr) -> Option<Self> {
        let way = record.way.clone();
        let talk = record.journey.iter().find(|stage| stage.kind == StageKind::Talk);
        Some(Self {
            started: record.started,
            project: record.project.clone(),
            flow: record.flow.clone()?,
            version: record.flow_version.clone()?,
            caller: record.from.clone(),
            account: way.account,
            end: record.service_end?,
            closed: record.closed_hours,
            topics: way.topics,
            human_ms: talk.map(|stage| stage.at_ms),
            visits: way.visits,
            left_out: way.left_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_of_a_subflow_came_to_is_its_own_and_not_its_first_steps() {
        let mut way = Way::default();
        way.enter("", "start", 0, "call", 0);
        way.enter("lib/x", "start", 0, "say", 10);
        way.leave(("start", 0), 30, |visit| visit.outcome = Some("done".into()));
        way.leave(("start", 0), 50, |visit| visit.outcome = Some("failed".into()));
        let seen: Vec<_> = way.visits.iter().map(|v| (&*v.flow, v.outcome.as_deref(), v.ms)).collect();
        assert_eq!(seen, [("", Some("failed"), 50), ("lib/x", Some("done"), 20)]);
    }
}
