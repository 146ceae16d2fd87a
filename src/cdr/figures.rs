//! Figures of a queue or project for one day, each by one formula of the definitions that the product ships with.

use crate::events::{AgentStateName, QueueOutcome};
use serde::Serialize;

/// Waits are told apart by whole seconds up to this one: every service level that is agreed on anywhere is below it.
const LONGEST_S: usize = 600;

/// By whole seconds, rounded up, so that a wait of 20.0 s is within 20 s and one of 20.1 s is not.
#[derive(Clone, Debug, Default, PartialEq)]
struct Waits {
    by_second: Vec<u32>,
    all: u64,
    sum_ms: u64,
    longest_ms: u64,
}

impl Waits {
    fn add(&mut self, ms: u64) {
        let slot = usize::try_from(ms.div_ceil(1000)).unwrap_or(LONGEST_S).min(LONGEST_S);
        if self.by_second.len() <= slot {
            self.by_second.resize(slot + 1, 0);
        }
        if let Some(count) = self.by_second.get_mut(slot) {
            *count += 1;
        }
        self.all += 1;
        self.sum_ms += ms;
        self.longest_ms = self.longest_ms.max(ms);
    }

    fn within(&self, seconds: u64) -> u64 {
        let slots = usize::try_from(seconds).unwrap_or(LONGEST_S).saturating_add(1);
        self.by_second.iter().take(slots).map(|count| u64::from(*count)).sum()
    }

    fn absorb(&mut self, other: &Waits) {
        if self.by_second.len() < other.by_second.len() {
            self.by_second.resize(other.by_second.len(), 0);
        }
        self.by_second.iter_mut().zip(&other.by_second).for_each(|(count, more)| *count += more);
        self.all += other.all;
        self.sum_ms += other.sum_ms;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
    }
}

/// What happened to callers who wanted a human.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    answered: Waits,
    abandoned: Waits,
    /// Given back or turned away without an answer: too long, full, closed, nobody there, or by the flow.
    other: u64,
    handled: u64,
    talk_ms: u64,
    wrap_up_ms: u64,
    weight: f64,
}

impl Tally {
    /// A wait for a human is over.
    pub fn left(&mut self, outcome: QueueOutcome, waited_ms: u64) {
        match outcome {
            QueueOutcome::Answered => self.answered.add(waited_ms),
            QueueOutcome::Abandoned => self.abandoned.add(waited_ms),
            QueueOutcome::Timeout
            | QueueOutcome::Full
            | QueueOutcome::Closed
            | QueueOutcome::NoAgents
            | QueueOutcome::Left => self.other += 1,
        }
    }

    /// Talk with hold, and wrap-up, of one call are over.
    pub fn handled(&mut self, talk_ms: u64, wrap_up_ms: u64) {
        self.handled += 1;
        self.talk_ms += talk_ms;
        self.wrap_up_ms += wrap_up_ms;
    }

    /// A call is over that counts so much in the weighted volume.
    pub fn weighed(&mut self, weight: f64) {
        self.weight += weight;
    }

    pub fn absorb(&mut self, other: &Tally) {
        self.answered.absorb(&other.answered);
        self.abandoned.absorb(&other.abandoned);
        self.other += other.other;
        self.handled += other.handled;
        self.talk_ms += other.talk_ms;
        self.wrap_up_ms += other.wrap_up_ms;
        self.weight += other.weight;
    }

    pub fn figures(&self, terms: Terms) -> Figures {
        let (answered, abandoned) = (self.answered.all, self.abandoned.all);
        let offered = answered + abandoned + self.other;
        let short = self.abandoned.within(terms.short_s);
        let within = self.answered.within(terms.within_s);
        let abandoned_within = self.abandoned.within(terms.within_s);
        let level = |part: u64, whole: u64| share(part, whole);
        Figures {
            offered,
            answered,
            abandoned,
            short_abandoned: short,
            unserved: self.other,
            answer_rate: share(answered, offered),
            abandon_rate: share(abandoned - short, offered - short),
            abandon_rate_raw: share(abandoned, offered),
            service_level: ServiceLevel {
                within_s: terms.within_s,
                f1: level(within + abandoned_within, answered + abandoned),
                f2: level(within, answered),
                f3: level(within, answered + abandoned),
                f4: level(within, answered + abandoned - abandoned_within),
            },
            asa_s: seconds(self.answered.sum_ms, answered),
            longest_wait_s: seconds(
                self.answered.longest_ms.max(self.abandoned.longest_ms),
                u64::from(answered + abandoned > 0),
            ),
            talk_s: seconds(self.talk_ms, self.handled),
            wrap_up_s: seconds(self.wrap_up_ms, self.handled),
            aht_s: seconds(self.talk_ms + self.wrap_up_ms, self.handled),
            weighted_volume: round(self.weight),
        }
    }

    /// What the rest of the day may bring before the answer rate is below `target`, a share.
    pub fn burn(&self, target: f64) -> Burn {
        let answered = self.answered.all as f64;
        let offered = answered + (self.abandoned.all + self.other) as f64;
        // A rate of 0.97 is no binary fraction: what is met to the last call must not miss by rounding.
        let spare = answered / target - offered + 1e-9;
        let lacking = (target * offered - answered - 1e-9).max(0.0);
        Burn {
            answer_rate: target,
            more_abandons: if spare < 0.0 { 0 } else { spare.floor() as u64 },
            answers_to_recover: if lacking <= 0.0 {
                Some(0)
            } else {
                (target < 1.0).then(|| (lacking / (1.0 - target)).ceil() as u64)
            },
        }
    }
}

/// By what the service level and short abandons are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub within_s: u64,
    pub short_s: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { within_s: 20, short_s: 5 }
    }
}

/// Shares are from 0 to 1; `None` where there was nothing to divide by.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Calls whose wait for a human is over.
    pub offered: u64,
    pub answered: u64,
    /// Left by the caller, short ones included.
    pub abandoned: u64,
    pub short_abandoned: u64,
    /// Given back or turned away.
    pub unserved: u64,
    pub answer_rate: Option<f64>,
    pub abandon_rate: Option<f64>,
    pub abandon_rate_raw: Option<f64>,
    pub service_level: ServiceLevel,
    pub asa_s: Option<f64>,
    /// Of those who were answered or left.
    pub longest_wait_s: Option<f64>,
    /// A call's, hold included.
    pub talk_s: Option<f64>,
    pub wrap_up_s: Option<f64>,
    pub aht_s: Option<f64>,
    pub weighted_volume: f64,
}

/// The four usual formulas; F4 is the one that targets mean, F3 stands beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceLevel {
    pub within_s: u64,
    pub f1: Option<f64>,
    pub f2: Option<f64>,
    pub f3: Option<f64>,
    pub f4: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Burn {
    pub answer_rate: f64,
    /// Callers who may still be lost today.
    pub more_abandons: u64,
    /// Callers answered in a row after which the target is met again; `None` when it cannot be any more.
    pub answers_to_recover: Option<u64>,
}

/// What an agent did, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkTime {
    /// Talk and hold with callers of queues.
    pub talk: u64,
    pub wrap_up: u64,
    pub idle: u64,
    /// Of these, no figure but their own is made.
    pub ringing: u64,
    pub other_calls: u64,
    pub not_ready: u64,
}

impl WorkTime {
    /// A state has lasted so long; `of_queue` when it had to do with a queue's call.
    pub fn spent(&mut self, state: AgentStateName, of_queue: bool, ms: u64) {
        let time = match state {
            AgentStateName::Talking if of_queue => &mut self.talk,
            AgentStateName::Talking => &mut self.other_calls,
            AgentStateName::WrapUp => &mut self.wrap_up,
            AgentStateName::Ready => &mut self.idle,
            AgentStateName::Ringing => &mut self.ringing,
            AgentStateName::NotReady => &mut self.not_ready,
            AgentStateName::LoggedOut => return,
        };
        *time += ms;
    }

    pub fn absorb(&mut self, other: WorkTime) {
        let WorkTime { talk, wrap_up, idle, ringing, other_calls, not_ready } = other;
        self.talk += talk;
        self.wrap_up += wrap_up;
        self.idle += idle;
        self.ringing += ringing;
        self.other_calls += other_calls;
        self.not_ready += not_ready;
    }

    /// As long as logged in.
    pub fn logged_in(self) -> u64 {
        self.talk + self.wrap_up + self.idle + self.ringing + self.other_calls + self.not_ready
    }

    pub fn occupancy(self) -> Option<f64> {
        share(self.talk + self.wrap_up, self.talk + self.wrap_up + self.idle)
    }
}

/// To four places, which is as much as anybody reads.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| round4(part as f64 / whole as f64))
}

fn round4(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

pub(super) fn seconds(ms: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| (ms as f64 / of as f64 / 100.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(answered: &[(u64, u64)], abandoned: &[(u64, u64)]) -> Tally {
        let mut tally = Tally::default();
        answered.iter().for_each(|(count, ms)| (0..*count).for_each(|_| tally.left(QueueOutcome::Answered, *ms)));
        abandoned.iter().for_each(|(count, ms)| (0..*count).for_each(|_| tally.left(QueueOutcome::Abandoned, *ms)));
        tally
    }

    /// The worked case of the definitions.
    #[test]
    fn the_four_service_levels_of_one_day_are_83_86_81_and_83_percent() {
        let day = tally(&[(860, 20_000), (140, 20_001)], &[(20, 19_000), (40, 31_000)]);
        let figures = day.figures(Terms::default());
        let level = figures.service_level;
        let percent = [level.f1, level.f2, level.f3, level.f4].map(|share| (share.unwrap() * 100.0).round());
        assert_eq!(percent, [83.0, 86.0, 81.0, 83.0]);
        assert_eq!((figures.offered, figures.answered, figures.abandoned), (1060, 1000, 60));
    }

    #[test]
    fn who_leaves_in_the_first_seconds_is_kept_apart_and_not_forgotten() {
        let figures = tally(&[(90, 1_000)], &[(4, 5_000), (6, 5_001)]).figures(Terms::default());
        assert_eq!((figures.short_abandoned, figures.abandoned), (4, 10));
        assert_eq!((figures.abandon_rate, figures.abandon_rate_raw), (Some(0.0625), Some(0.1)));
        assert_eq!(figures.answer_rate, Some(0.9));
    }

    #[test]
    fn the_burn_says_how_many_more_may_be_lost_and_how_many_answers_mend_it() {
        let burn = |answered, lost| tally(&[(answered, 1)], &[(lost, 9_000)]).burn(0.97);
        assert_eq!(burn(97, 0).more_abandons, 3);
        assert_eq!(burn(97, 3).more_abandons, 0, "met to the last call");
        assert_eq!(burn(97, 3).answers_to_recover, Some(0));
        assert_eq!((burn(97, 4).more_abandons, burn(97, 4).answers_to_recover), (0, Some(33)));
        assert_eq!(tally(&[], &[(1, 9_000)]).burn(1.0).answers_to_recover, None);
        let after = tally(&[(97 + 33, 1)], &[(4, 9_000)]).figures(Terms::default());
        assert!(after.answer_rate >= Some(0.97));
    }

    #[test]
    fn a_day_without_calls_has_no_rates_and_a_wait_of_hours_fits() {
        let none = Tally::default().figures(Terms::default());
        assert_eq!((none.answer_rate, none.asa_s, none.service_level.f4), (None, None, None));
        assert_eq!(tally(&[(1, u64::MAX / 2)], &[]).figures(Terms::default()).service_level.f2, Some(0.0));
    }
}
