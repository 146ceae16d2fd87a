//! What is remembered of callers after their call, for a while: who served them, and the place they gave up.

use crate::ids::{QueueId, Redacted};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The most callers remembered for one purpose; the one who would be forgotten first makes room. About 20 MB.
const MOST: usize = 100_000;

/// A caller of a queue, by number.
pub(super) type CallerKey = (QueueId, Redacted<String>);

#[derive(Clone, Debug)]
pub(super) struct Memory<V> {
    known: BTreeMap<CallerKey, (Instant, V)>,
    by_end: BTreeSet<(Instant, CallerKey)>,
}

impl<V> Default for Memory<V> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), by_end: BTreeSet::new() }
    }
}

impl<V> Memory<V> {
    pub(super) fn keep(&mut self, now: Instant, key: CallerKey, value: V, until: Instant) {
        self.take(now, &key);
        while let Some((end, _)) = self.by_end.first()
            && (*end <= now || self.known.len() >= MOST)
            && let Some((_, oldest)) = self.by_end.pop_first()
        {
            self.known.remove(&oldest);
        }
        self.by_end.insert((until, key.clone()));
        self.known.insert(key, (until, value));
    }

    pub(super) fn recall(&self, now: Instant, key: &CallerKey) -> Option<&V> {
        self.known.get(key).filter(|(until, _)| *until > now).map(|(_, value)| value)
    }

    /// Recalls and forgets.
    pub(super) fn take(&mut self, now: Instant, key: &CallerKey) -> Option<V> {
        let (until, value) = self.known.remove(key)?;
        self.by_end.remove(&(until, key.clone()));
        (until > now).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_caller_is_forgotten_in_time_and_no_more_than_the_bound_are_kept() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let key = |n: usize| (QueueId::new("service"), Redacted::new(n.to_string()));
        let until = |n: usize| now + Duration::from_secs(1 + n as u64);
        (0..=MOST).for_each(|n| memory.keep(now, key(n), n, until(n)));
        assert_eq!((memory.recall(now, &key(0)), memory.recall(now, &key(1))), (None, Some(&1)));
        assert_eq!((memory.known.len(), memory.by_end.len()), (MOST, MOST));
        assert_eq!(memory.recall(until(1), &key(1)), None);
        assert_eq!((memory.take(now, &key(2)), memory.take(now, &key(2))), (Some(2), None));
        memory.keep(until(MOST), key(1), 7, until(MOST + 5));
        assert_eq!((memory.known.len(), memory.by_end.len()), (1, 1), "what is over goes");
    }
}
