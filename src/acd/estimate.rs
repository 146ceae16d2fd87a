//! How long a caller will wait, told as a range.
//!
//! Four estimators run side by side on each queue: the queue's length times the handling time over the agents at work,
//! the wait of the caller answered last, the wait of the caller in front, and the mean wait of those answered lately.
//! Each guess at a caller's joining is compared with the wait that it became, and the one with the smallest error
//! speaks. (Formulas: the project's definitions, "Wait estimate".)

use serde::Serialize;
use std::time::Duration;

/// Upper ends of the steps that a wait is told in, in seconds. Below the first it is "soon".
const STEPS_S: [u32; 10] = [30, 60, 120, 180, 300, 600, 900, 1_200, 1_800, 3_600];

/// Handling time before a queue has seen any: three minutes, a usual service call with its wrap-up.
const FIRST_HANDLING_MS: u64 = 180_000;

/// Weight of one new sample in a moving mean: 1/8 follows a changed hour within about ten calls.
const WEIGHT: u64 = 8;

/// The wait lies between `low_s` and `high_s` seconds; `high_s` is absent when it is over an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WaitRange {
    pub low_s: u32,
    pub high_s: Option<u32>,
}

impl WaitRange {
    /// Less than 30 s: to be said as "soon".
    pub fn is_soon(self) -> bool {
        self.low_s == 0
    }
}

/// A step of [`STEPS_S`]; `Step(STEPS_S.len())` is over the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step(u8);

impl Step {
    fn of(wait_ms: u64) -> Self {
        Self(STEPS_S.iter().filter(|end| wait_ms >= u64::from(**end) * 1_000).count() as u8)
    }

    pub(super) fn range(self) -> WaitRange {
        let at = usize::from(self.0);
        WaitRange { low_s: if at == 0 { 0 } else { STEPS_S[at - 1] }, high_s: STEPS_S.get(at).copied() }
    }

    /// This step, but at most one above what the caller was told before: a wait told may fall freely and rises slowly.
    fn after(self, told: Option<Step>) -> Self {
        told.map_or(self, |told| Self(self.0.min(told.0 + 1)))
    }
}

/// What each estimator predicted for one caller as the whole wait, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Guesses([u64; 4]);

/// What a queue looks like from one caller's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub ahead: u32,
    /// Agents of the queue at work: ready, ringing, talking or in wrap-up.
    pub staffed: u32,
    pub head_waited: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Estimator {
    handling_ms: u64,
    last_wait_ms: u64,
    mean_wait_ms: u64,
    /// Moving mean of the absolute error of each estimator; the first leads until another does better.
    error_ms: [u64; 4],
}

impl Default for Estimator {
    fn default() -> Self {
        Self { handling_ms: FIRST_HANDLING_MS, last_wait_ms: 0, mean_wait_ms: 0, error_ms: [0; 4] }
    }
}

impl Estimator {
    /// The guesses for a caller who joins now.
    pub(super) fn guess(&self, sight: Sight) -> Guesses {
        Guesses([self.by_length(sight), self.last_wait_ms, millis(sight.head_waited), self.mean_wait_ms])
    }

    /// The step to tell a caller who has waited for `waited`; `None` while nobody works on the queue.
    pub(super) fn step(&self, sight: Sight, guesses: Guesses, waited: Duration, told: Option<Step>) -> Option<Step> {
        if sight.staffed == 0 {
            return None;
        }
        let remaining = match self.best() {
            0 => None,
            other => guesses.0[other].checked_sub(millis(waited)),
        };
        // A guess that the wait has outlasted says nothing of what is left.
        let remaining = remaining.unwrap_or_else(|| self.by_length(sight));
        Some(Step::of(remaining).after(told))
    }

    pub(super) fn answered(&mut self, guesses: Guesses, waited: Duration) {
        let waited = millis(waited);
        for (error, guess) in self.error_ms.iter_mut().zip(guesses.0) {
            *error = blend(*error, guess.abs_diff(waited));
        }
        self.last_wait_ms = waited;
        self.mean_wait_ms = blend(self.mean_wait_ms, waited);
    }

    /// Talk and wrap-up of one call.
    pub(super) fn handled(&mut self, time: Duration) {
        self.handling_ms = blend(self.handling_ms, millis(time));
    }

    pub(super) fn handling(&self) -> Duration {
        Duration::from_millis(self.handling_ms)
    }

    fn by_length(&self, sight: Sight) -> u64 {
        (u64::from(sight.ahead) + 1).saturating_mul(self.handling_ms) / u64::from(sight.staffed.max(1))
    }

    fn best(&self) -> usize {
        (0..self.error_ms.len()).min_by_key(|at| (self.error_ms[*at], *at)).unwrap_or(0)
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().min(u128::from(u64::MAX)) as u64
}

fn blend(mean: u64, sample: u64) -> u64 {
    if sample >= mean { mean + (sample - mean).div_ceil(WEIGHT) } else { mean - (mean - sample).div_ceil(WEIGHT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(ahead: u32, staffed: u32) -> Sight {
        Sight { ahead, staffed, head_waited: Duration::ZERO }
    }

    #[test]
    fn a_caller_with_many_agents_at_work_is_told_soon_and_one_behind_a_long_line_is_not() {
        let estimator = Estimator::default();
        let soon = estimator.step(sight(0, 10), Guesses::default(), Duration::ZERO, None).map(Step::range);
        assert_eq!(soon, Some(WaitRange { low_s: 0, high_s: Some(30) }));
        assert!(soon.is_some_and(WaitRange::is_soon));
        let long = estimator.step(sight(9, 2), Guesses::default(), Duration::ZERO, None).map(Step::range);
        assert_eq!(long, Some(WaitRange { low_s: 900, high_s: Some(1_200) }));
    }

    #[test]
    fn a_wait_told_never_rises_by_more_than_one_step() {
        let estimator = Estimator::default();
        let told = Step::of(45_000);
        let next = estimator.step(sight(500, 1), Guesses::default(), Duration::ZERO, Some(told)).map(Step::range);
        assert_eq!(next, Some(WaitRange { low_s: 60, high_s: Some(120) }));
    }

    #[test]
    fn nothing_is_told_while_nobody_works_on_the_queue() {
        assert_eq!(Estimator::default().step(sight(0, 0), Guesses::default(), Duration::ZERO, None), None);
    }

    #[test]
    fn the_estimator_that_was_right_lately_is_the_one_that_speaks() {
        let mut estimator = Estimator::default();
        // Calls take three minutes and waits are 100 s whatever the length: only the past waits predict that.
        for _ in 0..20 {
            let guesses = estimator.guess(sight(9, 1));
            estimator.answered(guesses, Duration::from_secs(100));
        }
        let guesses = estimator.guess(sight(9, 1));
        let told = estimator.step(sight(9, 1), guesses, Duration::from_secs(10), None).map(Step::range);
        assert_eq!(told, Some(WaitRange { low_s: 60, high_s: Some(120) }));
    }

    #[test]
    fn a_caller_who_has_waited_longer_than_those_before_is_not_told_soon() {
        let mut estimator = Estimator::default();
        for _ in 0..20 {
            let guesses = estimator.guess(sight(9, 1));
            estimator.answered(guesses, Duration::from_secs(100));
        }
        let guesses = estimator.guess(sight(9, 2));
        let told = |waited| estimator.step(sight(9, 2), guesses, Duration::from_secs(waited), None).map(Step::range);
        assert!(told(95).is_some_and(WaitRange::is_soon));
        assert_eq!(told(101), Some(WaitRange { low_s: 900, high_s: Some(1_200) }), "ten calls, two at a time");
    }

    #[test]
    fn a_moving_mean_reaches_a_constant_sample_from_both_sides() {
        assert_eq!((0..200).fold(0, |mean, _| blend(mean, 1_000)), 1_000);
        assert_eq!((0..200).fold(5_000, |mean, _| blend(mean, 1_000)), 1_000);
    }

    #[test]
    fn waits_beyond_the_last_step_have_no_upper_end() {
        assert_eq!(Step::of(u64::MAX).range(), WaitRange { low_s: 3_600, high_s: None });
    }
}
