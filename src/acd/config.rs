//! What the distributor is configured with. Values are taken as checked; the bounds here only keep arithmetic on
//! deadlines safe and a mistyped zero from turning into a busy loop.

use crate::ids::{AgentId, ProjectId, QueueId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// No lease, pause or wait is shorter: a phone needs longer than this to ring at all, and an agent whose pause were
/// zero would be offered the same caller again without end.
const SHORTEST: Duration = Duration::from_secs(1);

/// No deadline lies further ahead: longer than any shift, and far from the end of `Instant`.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcdConfig {
    pub queues: Vec<QueueConfig>,
    pub agents: Vec<AgentConfig>,
    /// How long an agent who let an offer ring out is paused (reason `rona`); `None` until set ready.
    pub rona_pause: Option<Duration>,
    /// How long an agent is passed over after a busy, declined or failed offer.
    pub busy_pause: Duration,
}

impl Default for AcdConfig {
    /// Until set ready after a missed offer, because an empty chair would swallow the next caller too; 5 s after a
    /// busy one, because that agent is there and will be free soon.
    fn default() -> Self {
        Self { queues: Vec::new(), agents: Vec::new(), rona_pause: None, busy_pause: Duration::from_secs(5) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    pub id: QueueId,
    pub project: Option<ProjectId>,
    /// The lease of an offer.
    pub ring_timeout: Duration,
    /// Callers that may wait at once; with 0 a caller is served by an idle agent or turned away.
    pub max_len: u32,
    pub wrap_up: Duration,
    pub strategy: Strategy,
    /// The wait after which a caller who did not ask otherwise is given back to the flow.
    pub max_wait: Duration,
}

impl QueueConfig {
    pub fn new(id: impl Into<QueueId>) -> Self {
        Self {
            id: id.into(),
            project: None,
            ring_timeout: Duration::from_secs(20),
            max_len: 1_000,
            wrap_up: Duration::from_secs(15),
            strategy: Strategy::LongestIdle,
            max_wait: Duration::from_secs(600),
        }
    }
}

/// Which of the idle agents is offered a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    #[default]
    LongestIdle,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    pub id: AgentId,
    pub name: String,
    pub queues: Vec<QueueId>,
}

/// A lease, pause or wait in the bounds of this module.
pub(super) fn bounded(duration: Duration) -> Duration {
    duration.clamp(SHORTEST, LONGEST)
}

/// A duration that may be zero (wrap-up), in the bounds of this module.
pub(super) fn bounded_or_zero(duration: Duration) -> Duration {
    duration.min(LONGEST)
}
