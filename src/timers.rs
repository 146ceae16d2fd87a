//! Named deadlines for pure state machines. A core sets and clears timers by key and is told, in order, which expired.
//!
//! Keys that expire at the same instant come out in key order, so that a seed replays exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The two clocks of one moment: `at` for every deadline and duration, `wall` (milliseconds since 1970, UTC) only for
/// what people read and for calendars. A jump of the wall clock moves no timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub at: Instant,
    pub wall: u64,
}

#[derive(Clone, Debug)]
pub struct Timers<K: Ord + Clone> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to expire at `at`; an earlier setting of the same key is replaced.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key.clone(), at) {
            self.by_time.remove(&(old, key.clone()));
        }
        self.by_time.insert((at, key));
    }

    pub fn clear(&mut self, key: &K) {
        if let Some(old) = self.by_key.remove(key) {
            self.by_time.remove(&(old, key.clone()));
        }
    }

    pub fn is_set(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    pub fn deadline(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).copied()
    }

    /// The earliest deadline and its key.
    pub fn next(&self) -> Option<(Instant, &K)> {
        self.by_time.first().map(|(at, key)| (*at, key))
    }

    /// Takes the earliest timer that has expired at `now`, if any.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        if self.by_time.first()?.0 > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// Every key that is set, in key order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.by_key.keys()
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timers_expire_in_time_order_and_ties_in_key_order() {
        let t0 = Instant::now();
        let mut timers = Timers::new();
        timers.set("later", t0 + Duration::from_secs(2));
        timers.set("b", t0 + Duration::from_secs(1));
        timers.set("a", t0 + Duration::from_secs(1));
        let end = t0 + Duration::from_secs(3);
        let order: Vec<_> = std::iter::from_fn(|| timers.pop(end)).collect();
        assert_eq!(order, ["a", "b", "later"]);
    }

    #[test]
    fn setting_again_moves_the_deadline_and_leaves_no_old_one() {
        let t0 = Instant::now();
        let mut timers = Timers::new();
        timers.set(1, t0);
        timers.set(1, t0 + Duration::from_secs(5));
        assert_eq!(timers.pop(t0), None);
        assert_eq!(timers.len(), 1);
        timers.clear(&1);
        assert!(timers.is_empty() && timers.next().is_none());
    }
}
