//! How far the owner's task and the media workers are behind, as the switch is told: looked at each tenth of a second
//! while there is something to do.

use crate::admission::{Load, Overload};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Pulse {
    looked: Instant,
    /// The longest that a new call would have waited since.
    delay: Duration,
    /// What each media worker had been late by.
    late_ms: Vec<u64>,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self { looked: now, delay: Duration::ZERO, late_ms: Vec::new() }
    }

    /// A turn took so long and left so many new requests waiting, of which each turn takes `share`.
    pub(super) fn turn(&mut self, took: Duration, waiting: usize, share: usize) {
        let turns = waiting / share.max(1) + 1;
        self.delay = self.delay.max(took.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX)));
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked) >= Overload::EVERY
    }

    /// `late_ms`: what each media worker is late by in all.
    pub(super) fn look(&mut self, now: Instant, late_ms: Vec<u64>) -> Load {
        let since = now.saturating_duration_since(self.looked).max(Overload::EVERY);
        let before = std::mem::replace(&mut self.late_ms, late_ms);
        let late = self.late_ms.iter().zip(&before).map(|(is, was)| is.saturating_sub(*was)).max().unwrap_or(0);
        self.looked = now;
        // Of each tenth of a second, when longer was not looked at.
        let media_late = Duration::from_millis(late).mul_f64(Overload::EVERY.as_secs_f64() / since.as_secs_f64());
        Load { delay: std::mem::take(&mut self.delay), media_late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_call_waits_for_as_many_turns_as_are_before_it_and_the_latest_worker_counts() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        pulse.turn(Duration::from_millis(2), 1_600, 16);
        pulse.turn(Duration::from_millis(50), 0, 16);
        let soon = start + Duration::from_millis(99);
        assert!(!pulse.is_due(soon) && pulse.is_due(start + Overload::EVERY));
        let first = pulse.look(start + Overload::EVERY, vec![500, 40]);
        assert_eq!(first, Load { delay: Duration::from_millis(202), media_late: Duration::ZERO });
        let next = pulse.look(start + Overload::EVERY * 3, vec![510, 100]);
        assert_eq!(next, Load { delay: Duration::ZERO, media_late: Duration::from_millis(30) });
    }
}
