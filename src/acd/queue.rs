//! One queue: the callers in order, the idle agents in order, and what was counted.

use super::agent::IdlePlace;
use super::config::QueueConfig;
use super::estimate::{Estimator, Sight};
use super::ticket::Place;
use super::{MAX_PRIORITY, WaitRange};
use crate::events::QueueOutcome;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Instant;

/// A queue's slot, stable while the queue is configured.
pub(super) type QueueKey = usize;

#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub config: QueueConfig,
    /// Every caller in the queue, also one whose offer rings.
    line: BTreeSet<Place>,
    /// Those of `line` who have no offer.
    waiting: BTreeSet<Place>,
    by_priority: [u32; MAX_PRIORITY as usize + 1],
    pub idle: BTreeSet<IdlePlace>,
    pub logged_in: u32,
    pub staffed: u32,
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
            waiting: BTreeSet::new(),
            by_priority: [0; MAX_PRIORITY as usize + 1],
            idle: BTreeSet::new(),
            logged_in: 0,
            staffed: 0,
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

    pub(super) fn join(&mut self, place: Place) {
        if self.line.insert(place) {
            self.by_priority[usize::from(place.priority.0)] += 1;
        }
        self.waiting.insert(place);
    }

    /// Takes the caller out of the queue; says whether somebody stood behind.
    pub(super) fn leave(&mut self, place: &Place) -> bool {
        if self.line.remove(place) {
            self.by_priority[usize::from(place.priority.0)] -= 1;
        }
        self.waiting.remove(place);
        self.line.last().is_some_and(|last| last > place)
    }

    pub(super) fn offered(&mut self, place: &Place) {
        self.waiting.remove(place);
    }

    pub(super) fn offer_failed(&mut self, place: Place) {
        self.waiting.insert(place);
    }

    /// The caller to be served next.
    pub(super) fn head(&self) -> Option<&Place> {
        self.waiting.first()
    }

    pub(super) fn line(&self) -> impl Iterator<Item = &Place> {
        self.line.iter()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Callers before one of this priority who joined last.
    pub(super) fn ahead_of_new(&self, priority: u8) -> u32 {
        self.by_priority[usize::from(priority)..].iter().sum()
    }

    /// Whether a caller of lower priority waits, whom a new one of this priority would overtake.
    pub(super) fn is_overtaken_by(&self, priority: u8) -> bool {
        self.by_priority[..usize::from(priority)].iter().any(|count| *count > 0)
    }

    pub(super) fn sight(&self, now: Instant, ahead: u32) -> Sight {
        let head_waited = self
            .line
            .iter()
            .map(|place| place.joined)
            .next()
            .map_or_else(Default::default, |t| now.saturating_duration_since(t));
        Sight { ahead, staffed: self.staffed, head_waited }
    }

    /// The wait that a caller of usual priority would be told on joining now.
    pub(super) fn wait(&self, now: Instant) -> Option<WaitRange> {
        let sight = self.sight(now, self.len() as u32);
        let guesses = self.estimator.guess(sight);
        self.estimator.step(sight, guesses, Default::default(), None).map(|step| step.range())
    }
}
