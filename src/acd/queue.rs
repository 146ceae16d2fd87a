//! One queue: the callers in order, the idle agents in order, and what was counted.

use super::agent::{Agent, AgentKey, IdlePlace};
use super::config::{QueueConfig, Strategy};
use super::estimate::{Estimator, Sight};
use super::skill::Levels;
use super::ticket::Place;
use super::{AgentCounts, WaitRange};
use crate::events::QueueOutcome;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// A queue's slot, stable while the queue is configured.
pub(super) type QueueKey = usize;

/// Those with the same levels, in order. A centre has few different sets of levels, so a search looks at the first of
/// each set instead of at everybody.
#[derive(Clone, Debug)]
struct Groups<T>(BTreeMap<Arc<Levels>, BTreeSet<T>>);

impl<T: Ord> Groups<T> {
    fn insert(&mut self, levels: &Arc<Levels>, entry: T) {
        match self.0.get_mut(levels) {
            Some(group) => _ = group.insert(entry),
            None => _ = self.0.insert(levels.clone(), BTreeSet::from([entry])),
        }
    }

    fn remove(&mut self, levels: &Arc<Levels>, entry: &T) {
        if let Some(group) = self.0.get_mut(levels)
            && group.remove(entry)
            && group.is_empty()
        {
            self.0.remove(levels);
        }
    }

    /// The first of each group whose levels pass.
    fn firsts(&self, pass: impl Fn(&Levels) -> bool) -> impl Iterator<Item = (&Levels, &T)> {
        self.0
            .iter()
            .filter(move |(levels, _)| pass(levels))
            .filter_map(|(levels, group)| Some((&**levels, group.first()?)))
    }
}

/// Where an idle agent stands in one queue: the strategy's own order, then the longest idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    rank: u64,
    idle: IdlePlace,
}

#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub config: QueueConfig,
    /// Every caller in the queue, also one whose offer rings.
    line: BTreeSet<Place>,
    /// Callers without an offer whom agents of this queue may serve, by what they need; also those of other queues.
    waiting: Groups<Place>,
    /// Agents who may be offered a caller, by what they can do.
    idle: Groups<Turn>,
    /// When each agent was last offered a caller from here, for [`Strategy::RoundRobin`].
    offered: BTreeMap<AgentKey, u64>,
    pub agents: AgentCounts,
    pub estimator: Estimator,
    pub counts: Counts,
    /// When positions were last told.
    pub told: Option<Instant>,
}

/// Callers since the start of the switch, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub entered: u64,
    pub answered: u64,
    pub abandoned: u64,
    pub timeout: u64,
    pub full: u64,
    pub closed: u64,
    pub no_agents: u64,
    pub left: u64,
    pub offers: u64,
    /// Offers that rang out.
    pub rona: u64,
}

impl Counts {
    pub(super) fn ended(&mut self, outcome: QueueOutcome) {
        *match outcome {
            QueueOutcome::Answered => &mut self.answered,
            QueueOutcome::Abandoned => &mut self.abandoned,
            QueueOutcome::Timeout => &mut self.timeout,
            QueueOutcome::Full => &mut self.full,
            QueueOutcome::Closed => &mut self.closed,
            QueueOutcome::NoAgents => &mut self.no_agents,
            QueueOutcome::Left => &mut self.left,
        } += 1;
    }
}

impl Queue {
    pub(super) fn new(config: QueueConfig) -> Self {
        Self {
            config,
            line: BTreeSet::new(),
            waiting: Groups(BTreeMap::new()),
            idle: Groups(BTreeMap::new()),
            offered: BTreeMap::new(),
            agents: AgentCounts::default(),
            estimator: Estimator::default(),
            counts: Counts::default(),
            told: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.config.max_len as usize
    }

    // --- callers ---

    pub(super) fn join(&mut self, place: Place) {
        self.line.insert(place);
    }

    /// Takes the caller out of the queue; says whether somebody stood behind.
    pub(super) fn leave(&mut self, place: &Place) -> bool {
        self.line.remove(place);
        self.line.last().is_some_and(|last| last > place)
    }

    /// Callers before this place.
    pub(super) fn ahead_of(&self, place: &Place) -> u32 {
        // Most join at the end, where there is little to walk over.
        (self.line.len() - self.line.range(place..).count()) as u32
    }

    /// Whether a caller waits whom one at this place overtakes.
    pub(super) fn is_overtaken_at(&self, place: &Place) -> bool {
        self.line.last().is_some_and(|last| last > place)
    }

    pub(super) fn line(&self) -> impl Iterator<Item = &Place> {
        self.line.iter()
    }

    /// Agents of this queue may serve the caller from now on.
    pub(super) fn wait(&mut self, wants: &Arc<Levels>, place: Place) {
        self.waiting.insert(wants, place);
    }

    pub(super) fn stop_waiting(&mut self, wants: &Arc<Levels>, place: &Place) {
        self.waiting.remove(wants, place);
    }

    /// The caller to be served next by somebody who can do this.
    pub(super) fn next_for(&self, skills: &Levels) -> Option<&Place> {
        self.waiting.firsts(|wants| skills.meet(wants)).map(|(_, place)| place).min()
    }

    // --- agents ---

    pub(super) fn bench(&mut self, key: AgentKey, agent: &Agent, idle: IdlePlace) {
        let turn = self.turn(key, agent, idle);
        self.idle.insert(&agent.skills, turn);
    }

    pub(super) fn unbench(&mut self, key: AgentKey, agent: &Agent, idle: IdlePlace) {
        let turn = self.turn(key, agent, idle);
        self.idle.remove(&agent.skills, &turn);
    }

    /// Nothing that it is made of changes while the agent is idle.
    fn turn(&self, key: AgentKey, agent: &Agent, idle: IdlePlace) -> Turn {
        let rank = match self.config.matching.strategy {
            Strategy::LongestIdle | Strategy::SkillFit => 0,
            Strategy::RoundRobin => self.offered.get(&key).copied().unwrap_or(0),
            Strategy::FewestCalls => agent.calls,
        };
        Turn { rank, idle }
    }

    /// The idle agent to be offered a caller with these needs.
    pub(super) fn agent_for(&self, wants: &Levels) -> Option<AgentKey> {
        let firsts = self.idle.firsts(|skills| skills.meet(wants));
        let best = match self.config.matching.strategy {
            Strategy::SkillFit => firsts.min_by_key(|(skills, turn)| (Reverse(skills.fit(wants)), **turn)),
            Strategy::LongestIdle | Strategy::RoundRobin | Strategy::FewestCalls => {
                firsts.min_by_key(|(_, turn)| **turn)
            }
        };
        best.map(|(_, turn)| turn.idle.agent)
    }

    /// `seq` grows with every offer.
    pub(super) fn offered(&mut self, agent: AgentKey, seq: u64) {
        self.counts.offers += 1;
        self.offered.insert(agent, seq);
    }

    pub(super) fn forget_agent(&mut self, agent: AgentKey) {
        self.offered.remove(&agent);
    }

    // --- waits ---

    pub(super) fn sight(&self, now: Instant, ahead: u32, head: Option<Instant>) -> Sight {
        let head_waited = head.map_or_else(Default::default, |joined| now.saturating_duration_since(joined));
        Sight { ahead, staffed: self.agents.staffed(), head_waited }
    }

    /// The caller who is served next, of all in the line.
    pub(super) fn head(&self) -> Option<&Place> {
        self.line.first()
    }

    /// The wait that a caller of usual priority would be told on joining now.
    pub(super) fn usual_wait(&self, sight: Sight) -> Option<WaitRange> {
        let guesses = self.estimator.guess(sight);
        self.estimator.step(sight, guesses, Default::default(), None).map(|step| step.range())
    }
}
