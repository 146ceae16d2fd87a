//! Which targets failed lately: they are tried after all others until their rest is over.

use super::Target;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The rest after a failure; after each further one in a row it doubles, up to the longest. A target that is back is so
/// noticed within a minute.
const REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Targets of some hundred trunks. Beyond, those forget first whose rest ends first.
const MOST_RESTING: usize = 1024;

#[derive(Clone, Debug, Default)]
pub struct Rests {
    resting: BTreeMap<Target, Rest>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    length: Duration,
}

impl Rests {
    /// `target` refused a connection, gave no answer in time, or a 503 (RFC 3263 4.3).
    pub fn failed(&mut self, now: Instant, target: Target) {
        let length = self.resting.get(&target).map_or(REST, |rest| (rest.length * 2).min(LONGEST_REST));
        if self.resting.len() >= MOST_RESTING && !self.resting.contains_key(&target) {
            let first = self.resting.iter().min_by_key(|(_, rest)| rest.until).map(|(target, _)| *target);
            first.map(|first| self.resting.remove(&first));
        }
        self.resting.insert(target, Rest { until: now + length, length });
    }

    /// `target` gave an answer.
    pub fn answered(&mut self, target: Target) {
        self.resting.remove(&target);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.resting.len()
    }

    pub fn is_resting(&self, now: Instant, target: Target) -> bool {
        self.resting.get(&target).is_some_and(|rest| now < rest.until)
    }

    /// Puts those that rest behind the others, the one first whose rest ends first: when all rest, trying is better than
    /// refusing.
    pub fn sort(&self, now: Instant, targets: &mut [Target]) {
        targets.sort_by_key(|target| self.resting.get(target).map(|rest| rest.until).filter(|until| now < *until));
    }
}
