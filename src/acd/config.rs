//! What the distributor is configured with. Values are taken as checked; the bounds here only keep arithmetic on
//! deadlines safe and a mistyped zero from turning into a busy loop.

use super::disposition::Dispositions;
use super::skill::Level;
use crate::ids::{AgentId, PlanId, ProjectId, QueueId, SkillId};
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
    pub lend: Vec<LendPlan>,
    /// How long an agent who let an offer ring out is paused (reason `rona`); `None` until set ready.
    pub rona_pause: Option<Duration>,
    /// How long an agent is passed over after a busy, declined or failed offer.
    pub busy_pause: Duration,
}

impl Default for AcdConfig {
    /// Until set ready after a missed offer, because an empty chair would swallow the next caller too; 5 s after a
    /// busy one, because that agent is there and will be free soon.
    fn default() -> Self {
        Self {
            queues: Vec::new(),
            agents: Vec::new(),
            lend: Vec::new(),
            rona_pause: None,
            busy_pause: Duration::from_secs(5),
        }
    }
}

/// Agents of `from` serve callers of `to`, too, while that project is pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LendPlan {
    pub id: PlanId,
    pub from: ProjectId,
    pub to: ProjectId,
    /// What an agent must be able to do to be lent.
    pub skill: Option<(SkillId, Level)>,
    /// 1 to 3: lower tiers lend first.
    pub tier: u8,
    /// What begins it, and what it ends below.
    pub when: Pressure,
    pub clear: Pressure,
    /// The most agents at once.
    pub cap: u32,
    /// The fewest at work who stay at home.
    pub leave: u32,
}

/// How hard a project is pressed, or how hard it must be: any one that is given is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Of the callers without an offer.
    pub longest_wait: Option<Duration>,
    pub waiting: Option<u32>,
}

impl Pressure {
    /// Whether what `is` comes up to this.
    pub(super) fn reached(&self, is: &Pressure) -> bool {
        // Fewer than nobody never wait, so that a plan until nobody waits ends then, too.
        let long = self.longest_wait.is_some_and(|least| is.longest_wait.is_some_and(|wait| wait >= least));
        long || self.waiting.is_some_and(|least| is.waiting.is_some_and(|waiting| waiting >= least.max(1)))
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
    /// The wait after which a caller who did not ask otherwise is given back to the flow.
    pub max_wait: Duration,
    pub matching: Matching,
    pub dispositions: Dispositions,
}

/// Who of the agents serves whom of the callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    pub strategy: Strategy,
    /// What every caller of the queue needs.
    pub skills: Vec<(SkillId, Level)>,
    /// The level needed of a skill that a flow asks for beyond those.
    pub min_level: Level,
    /// What a wait changes, in order of time.
    pub widen: Vec<Widening>,
    /// A wait of this length counts as much as one step of priority.
    pub ageing: Duration,
    /// For how long a caller is known to the agent who served the last call.
    pub sticky: Option<Sticky>,
    /// For how long a caller who hung up finds the place again.
    pub keep_place: Duration,
    /// How long a caller whose agent's phone was lost waits for that agent alone.
    pub wait_for_lost: Duration,
}

impl Default for Matching {
    /// Three minutes a step put an urgent caller (9) before all who came within the usual longest wait. A phone that was
    /// unplugged and plugged in again is back within 20 s, and callers bear no more.
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            skills: Vec::new(),
            min_level: 1,
            widen: Vec::new(),
            ageing: Duration::from_secs(180),
            sticky: None,
            keep_place: Duration::ZERO,
            wait_for_lost: Duration::from_secs(20),
        }
    }
}

/// After so long a wait, less is asked for and others may serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widening {
    pub after: Duration,
    /// No demand stays above this level.
    pub min_level: Option<Level>,
    /// Their agents may serve, too.
    pub agents_of: Vec<QueueId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sticky {
    pub remember: Duration,
    /// How long the caller waits for that agent alone, while the agent is at work.
    pub wait: Duration,
}

impl QueueConfig {
    pub fn new(id: impl Into<QueueId>) -> Self {
        Self {
            id: id.into(),
            project: None,
            ring_timeout: Duration::from_secs(20),
            max_len: 1_000,
            wrap_up: Duration::from_secs(15),
            max_wait: Duration::from_secs(600),
            matching: Matching::default(),
            dispositions: Dispositions::default(),
        }
    }
}

/// Which of the idle agents who can serve is offered a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    #[default]
    LongestIdle,
    /// The one whose last offer from this queue is the longest ago.
    RoundRobin,
    /// The one with the fewest calls since logging in.
    FewestCalls,
    /// The one with the highest levels in what the caller needs.
    SkillFit,
}

impl Strategy {
    pub const ALL: [(&'static str, Strategy); 4] = [
        ("longest_idle", Self::LongestIdle),
        ("round_robin", Self::RoundRobin),
        ("fewest_calls", Self::FewestCalls),
        ("skill_fit", Self::SkillFit),
    ];
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    pub id: AgentId,
    pub name: String,
    pub queues: Vec<QueueId>,
    pub skills: Vec<AgentSkill>,
}

impl AgentConfig {
    pub fn new(id: impl Into<AgentId>) -> Self {
        Self { id: id.into(), name: String::new(), queues: Vec::new(), skills: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSkill {
    pub skill: SkillId,
    pub level: Level,
    /// From then on it counts no more; milliseconds since 1970.
    pub until: Option<u64>,
}

/// A lease, pause or wait in the bounds of this module.
pub(super) fn bounded(duration: Duration) -> Duration {
    duration.clamp(SHORTEST, LONGEST)
}

/// A duration that may be zero (wrap-up), in the bounds of this module.
pub(super) fn bounded_or_zero(duration: Duration) -> Duration {
    duration.min(LONGEST)
}
