//! So many a second, and a few at once: the generic cell rate algorithm (ITU-T I.371, Annex A), which remembers one moment
//! and needs no timer.

use std::time::{Duration, Instant};

/// Of a second's worth, what may come at one moment: one part in so many. A flood gets no more than this above the rate.
const BURST_PARTS: u32 = 25;
/// Calls that may come at one moment however low the rate is: callers do not keep a distance.
const LEAST_BURST: u32 = 5;

#[derive(Clone, Debug)]
pub struct Rate {
    per_second: u32,
    /// When the next would come if all kept the distance of the rate. In the past when there is room.
    due: Option<Instant>,
}

impl Rate {
    /// `per_second` above zero.
    pub fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), due: None }
    }

    /// Another rate; what was let in under the old one counts on.
    pub fn set(&mut self, per_second: u32) {
        self.per_second = per_second.max(1);
    }

    pub fn has_room(&self, now: Instant) -> bool {
        let burst = (self.per_second / BURST_PARTS).max(LEAST_BURST.min(self.per_second));
        self.due.is_none_or(|due| due <= now + self.distance() * (burst - 1))
    }

    /// One has come.
    pub fn take(&mut self, now: Instant) {
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + self.distance());
    }

    fn distance(&self) -> Duration {
        Duration::from_secs(1) / self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many get in, second by second, when so many come each second at equal distances.
    fn admitted(per_second: u32, coming: &[u32]) -> Vec<u32> {
        let mut rate = Rate::new(per_second);
        let mut now = Instant::now();
        let each_second = coming.iter().map(|coming| {
            let mut count = 0;
            for _ in 0..*coming {
                if rate.has_room(now) {
                    rate.take(now);
                    count += 1;
                }
                now += Duration::from_secs(1) / *coming;
            }
            count
        });
        each_second.collect()
    }

    #[test]
    fn a_burst_of_six_times_the_rate_gets_the_rate_in_each_second_and_what_is_below_it_gets_all() {
        let seconds = admitted(500, &[3_000, 3_000, 3_000, 400, 499, 3_000]);
        assert!(seconds[..3].iter().chain(&seconds[5..]).all(|count| (475..=525).contains(count)), "{seconds:?}");
        assert!(seconds[3] >= 399 && seconds[4] == 499, "at once, but for who comes at the flood's heels: {seconds:?}");
        assert_eq!(admitted(2_000, &[1_999]), [1_999]);
    }

    #[test]
    fn callers_may_come_together_where_the_rate_is_low() {
        let (mut rate, now) = (Rate::new(10), Instant::now());
        let at_once = std::iter::from_fn(|| rate.has_room(now).then(|| rate.take(now))).count();
        assert_eq!(at_once, 5);
        let (mut rate, now) = (Rate::new(1), Instant::now());
        assert_eq!(std::iter::from_fn(|| rate.has_room(now).then(|| rate.take(now))).count(), 1);
    }
}
