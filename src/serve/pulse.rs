//! How far the owner's task and the media workers are behind, as the switch is told: looked at each tenth of a second
//! while there is something to do.

use crate::admission::{Load, Overload};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Pulse {
    looked: Instant,
    /// The longest that a new call would have waited since.
    delay: Duration,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self { looked: now, delay: Duration::ZERO }
    }

    /// A turn took so long and left so many new requests waiting, of which each turn takes `share`.
    pub(super) fn turn(&mut self, took: Duration, waiting: usize, share: usize) {
        let turns = waiting / share.max(1) + 1;
        self.delay = self.delay.max(took.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX)));
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked) >= Overload::EVERY
    }

    /// `media_late`: by how much a media worker woke up too late since the last look.
    pub(super) fn look(&mut self, now: Instant, media_late: Duration) -> Load {
        self.looked = now;
        Load { delay: std::mem::take(&mut self.delay), media_late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_call_waits_for_as_many_turns_as_are_before_it() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        pulse.turn(Duration::from_millis(2), 1_600, 16);
        pulse.turn(Duration::from_millis(50), 0, 16);
        let soon = start + Duration::from_millis(99);
        assert!(!pulse.is_due(soon) && pulse.is_due(start + Overload::EVERY));
        let late = Duration::from_millis(3);
        assert_eq!(pulse.look(start + Overload::EVERY, late).delay, Duration::from_millis(202));
        assert_eq!(pulse.look(start + Overload::EVERY * 2, late), Load { delay: Duration::ZERO, media_late: late });
    }
}
