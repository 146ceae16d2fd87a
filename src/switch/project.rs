//! A project: the numbers and queues of one client, and what was promised to that client.

use crate::ids::{ProjectId, QueueId};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    pub id: ProjectId,
    /// By language; under no language where it is the same in all.
    pub names: BTreeMap<String, String>,
    /// As under `numbers`.
    pub numbers: Vec<String>,
    pub queues: Vec<QueueId>,
    pub targets: Targets,
    /// Whose midnight begins its day.
    pub zone: TimeZone,
    /// Where it is not as for all.
    pub recording: Option<bool>,
    /// Who leaves within it has hardly waited.
    pub short_abandon: Duration,
    /// What a call counts in the weighted volume, by the tag that says its reason.
    pub reasons: BTreeMap<String, f64>,
}

/// Shares are from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    pub answer_rate: Option<f64>,
    pub service_level: Option<ServiceLevelTarget>,
    pub satisfaction: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceLevelTarget {
    pub within: Duration,
    pub share: f64,
}

impl Project {
    pub fn new(id: ProjectId) -> Self {
        Self {
            id,
            names: BTreeMap::new(),
            numbers: Vec::new(),
            queues: Vec::new(),
            targets: Targets::default(),
            zone: TimeZone::UTC,
            recording: None,
            short_abandon: Duration::from_secs(5),
            reasons: BTreeMap::new(),
        }
    }

    /// Of a switch that serves one client and says nothing of projects.
    pub fn of_all(queues: impl IntoIterator<Item = QueueId>) -> Self {
        Self { queues: queues.into_iter().collect(), zone: TimeZone::system(), ..Self::new(ProjectId::new("all")) }
    }
}
