//! Whether a new version of flows does callers harm, told as early as the calls allow: sequential tests of the calls that
//! take the new version against those that take the old one at the same time.
//!
//! Four things that a version may make worse are watched, each by a test of its own (A. Wald, Sequential Analysis, 1947).
//! Of the calls that went badly a share as large as the new version's share of calls is expected to be its own; were it
//! worse by the ratio of that test, more would be. Each bad call weighs the one against the other. No rate has to be known
//! beforehand, and a bad evening for all calls is no evidence. `docs/publishing.md` has the error rates.

use super::record::Cdr;
use crate::events::ServiceEnd;
use std::fmt;

/// Of each test: a version that is no worse is taken back with this probability, one that is worse by the ratio is let
/// through with that. Four tests together: five in a hundred harmless versions are taken back at most.
const FALSE_ALARM: f64 = 0.0125;
const MISS: f64 = 0.1;
/// Calls of each version before anything is weighed.
const FEW: u64 = 20;

/// What may become worse, and by what ratio it is to be noticed.
const WATCHED: [(Harm, f64); 4] =
    [(Harm::NotContained, 1.2), (Harm::ZeroOut, 1.5), (Harm::Abandoned, 1.5), (Harm::Error, 2.0)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The call came to a human, a message or a callback.
    NotContained,
    /// The caller asked for a human.
    ZeroOut,
    /// The caller left, and nothing was resolved.
    Abandoned,
    /// Tries ran out, something failed, a limit was hit.
    Error,
}

/// One call, as far as it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Milliseconds since 1970.
    started: u64,
    bad: [bool; WATCHED.len()],
}

impl Judged {
    /// `None` for a call that no flow answered, or that says nothing of the flow.
    pub fn of(record: &Cdr) -> Option<Self> {
        use ServiceEnd as End;
        let end = record.service_end?;
        if matches!(end, End::Short | End::Emergency | End::Interrupted) || record.closed_hours {
            return None;
        }
        let is = |harm| match harm {
            Harm::NotContained => {
                matches!(end, End::OptedOut | End::Routed | End::Forced | End::Overflow | End::Message | End::Callback)
            }
            Harm::ZeroOut => record.way.asked_for_human(),
            Harm::Abandoned => matches!(end, End::LeftAtInput | End::LeftAfterError | End::LeftWaiting),
            Harm::Error => matches!(end, End::LeftAfterError | End::Forced),
        };
        Some(Self { started: record.started, bad: WATCHED.map(|(harm, _)| is(harm)) })
    }
}

/// The tests of one new version.
#[derive(Clone, Debug, Default)]
pub struct Canary {
    /// Calls that began earlier say nothing: of those of the old version the long ones alone are left.
    since: u64,
    calls: Calls,
    tests: [Test; WATCHED.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    new: u64,
    old: u64,
}

#[derive(Clone, Debug, Default)]
struct Test {
    /// Logarithm of how much likelier the bad calls are if the new version is worse.
    weight: f64,
    /// Found to be no worse.
    settled: bool,
    bad: Calls,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Watching,
    /// All tests are settled: no worse by the ratios.
    Harmless,
    Worse(Finding),
}

/// What became worse, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub harm: Harm,
    pub new: (u64, u64),
    pub old: (u64, u64),
}

impl Canary {
    pub fn since(since: u64) -> Self {
        Self { since, ..Self::default() }
    }

    /// Takes one call that has ended now, of the new version or of the old one.
    pub fn judge(&mut self, now: u64, is_new: bool, Judged { started, bad }: Judged) -> Verdict {
        // A clock that was set back hides no calls until it has caught up.
        self.since = self.since.min(now);
        if started < self.since {
            return Verdict::Watching;
        }
        self.calls.count(is_new);
        let calls = self.calls;
        let ready = calls.new >= FEW && calls.old >= FEW;
        for ((harm, ratio), (test, bad)) in WATCHED.into_iter().zip(self.tests.iter_mut().zip(bad)) {
            if !bad || test.settled {
                continue;
            }
            test.bad.count(is_new);
            if ready && test.weigh(is_new, calls.share(), ratio) {
                let (new, old) = ((test.bad.new, calls.new), (test.bad.old, calls.old));
                return Verdict::Worse(Finding { harm, new, old });
            }
        }
        if self.tests.iter().all(|test| test.settled) { Verdict::Harmless } else { Verdict::Watching }
    }
}

impl Calls {
    fn count(&mut self, is_new: bool) {
        *(if is_new { &mut self.new } else { &mut self.old }) += 1;
    }

    fn share(self) -> f64 {
        self.new as f64 / (self.new + self.old) as f64
    }
}

impl Test {
    /// Adds a bad call; `true` when the new version is found to be worse.
    fn weigh(&mut self, is_new: bool, share: f64, ratio: f64) -> bool {
        let if_worse = ratio * share / (ratio * share + 1.0 - share);
        self.weight += match is_new {
            true => (if_worse / share).ln(),
            false => ((1.0 - if_worse) / (1.0 - share)).ln(),
        };
        self.settled = self.weight <= (MISS / (1.0 - FALSE_ALARM)).ln();
        self.weight >= ((1.0 - MISS) / FALSE_ALARM).ln()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.harm {
            Harm::NotContained => "came to a human",
            Harm::ZeroOut => "asked for a human",
            Harm::Abandoned => "were left by their callers",
            Harm::Error => "failed or ran out of tries",
        };
        let percent = |(bad, all): (u64, u64)| bad as f64 * 100.0 / all.max(1) as f64;
        let (new, old) = (percent(self.new), percent(self.old));
        write!(f, "{new:.1} % of {} calls {what}, {old:.1} % of {} before", self.new.1, self.old.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ordinary rates of a hotline: to a human, asked for one, left, failed.
    const USUAL: [f64; 4] = [0.6, 0.2, 0.25, 0.05];

    /// xorshift64*: the same calls for the same seed everywhere.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
        }

        fn below(&mut self, rate: f64) -> bool {
            self.roll() < rate
        }

        fn percent(&mut self) -> u32 {
            (self.roll() * 100.0) as u32
        }

        /// Seconds, exponential with this mean.
        fn lasting(&mut self, mean: u64) -> u64 {
            (-(1.0 - self.roll()).ln() * mean as f64) as u64
        }
    }

    /// What the test says of a version with these rates, that `share` of the callers take.
    fn verdict(seed: u64, rates: [f64; 4], share: f64) -> Verdict {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut canary = Canary::default();
        for _ in 0..20_000 {
            let is_new = dice.below(share);
            let bad = if is_new { rates } else { USUAL }.map(|rate| dice.below(rate));
            match canary.judge(0, is_new, Judged { started: 0, bad }) {
                Verdict::Watching => {}
                verdict => return verdict,
            }
        }
        Verdict::Watching
    }

    /// The same for a call a second on a hotline that has been busy for an hour when a version no worse comes on trial:
    /// calls that come to a human last long, those that are left are short.
    fn verdict_of_lengths(seed: u64, share: f64) -> Verdict {
        const TRIAL: u64 = 3_600_000;
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut calls = Vec::new();
        for started in (0..TRIAL + 7_200_000).step_by(1_000) {
            let is_new = started >= TRIAL && dice.below(share);
            let (talks, left) = match dice.percent() {
                0..60 => (true, false),
                60..85 => (false, true),
                _ => (false, false),
            };
            let length = if talks { 60 + dice.lasting(60) + dice.lasting(240) } else { 15 + dice.lasting(15) };
            calls.push((started + length * 1_000, is_new, Judged { started, bad: [talks, false, left, false] }));
        }
        calls.sort_by_key(|(ended, ..)| *ended);
        let mut canary = Canary::since(TRIAL);
        let mut judged = calls.into_iter().filter(|(ended, ..)| *ended >= TRIAL);
        let found = judged.find_map(|(now, is_new, call)| match canary.judge(now, is_new, call) {
            Verdict::Worse(finding) => Some(Verdict::Worse(finding)),
            _ => None,
        });
        found.unwrap_or(Verdict::Watching)
    }

    #[test]
    fn calls_that_began_before_a_trial_do_not_speak_against_it() {
        for share in [0.1, 0.5] {
            let is_worse = |seed: &u64| matches!(verdict_of_lengths(*seed, share), Verdict::Worse(_));
            let wrongly = (1..=100).filter(is_worse).count();
            assert!(wrongly <= 10, "{wrongly} of 100 at {share}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_end_the_watch() {
        let mut canary = Canary::since(1_000_000);
        let failed = |started| Judged { started, bad: [true; 4] };
        let verdicts = (1_000..1_400).map(|now| canary.judge(now, now % 2 == 0, failed(now))).collect::<Vec<_>>();
        assert!(!verdicts.is_empty() && canary.calls.new + canary.calls.old > 300, "{:?}", canary.calls);
    }

    fn taken_back(rates: [f64; 4], share: f64) -> usize {
        (1..=400).filter(|seed| matches!(verdict(*seed, rates, share), Verdict::Worse(_))).count()
    }

    #[test]
    fn a_version_that_is_no_worse_is_seldom_taken_back() {
        for share in [0.05, 0.1, 0.5] {
            let wrongly = taken_back(USUAL, share);
            assert!(wrongly <= 30, "{wrongly} of 400 at {share}");
        }
    }

    #[test]
    fn a_version_that_is_worse_by_its_ratio_is_nearly_always_taken_back() {
        let worse = [[0.72, 0.2, 0.25, 0.05], [0.6, 0.3, 0.25, 0.05], [0.6, 0.2, 0.375, 0.05], [0.6, 0.2, 0.25, 0.1]];
        for rates in worse {
            let found = taken_back(rates, 0.1);
            assert!(found >= 350, "{found} of 400 for {rates:?}");
        }
    }

    #[test]
    fn a_better_version_is_found_harmless() {
        let harmless = |seed| verdict(seed, [0.5, 0.15, 0.2, 0.03], 0.1) == Verdict::Harmless;
        assert!((1..=100).filter(|seed| harmless(*seed)).count() >= 97);
    }

    #[test]
    fn a_few_unlucky_calls_prove_nothing() {
        let mut canary = Canary::default();
        let call = |bad| Judged { started: 0, bad: [bad; 4] };
        for _ in 0..FEW - 1 {
            assert_eq!(canary.judge(0, true, call(true)), Verdict::Watching);
            assert_eq!(canary.judge(0, false, call(false)), Verdict::Watching);
        }
    }

    #[test]
    fn what_became_worse_is_told_with_both_figures() {
        let Verdict::Worse(finding) = verdict(7, [0.6, 0.2, 0.25, 0.5], 0.1) else { panic!("it failed half the time") };
        assert_eq!(finding.harm, Harm::Error);
        assert!(finding.to_string().contains("% of"), "{finding}");
    }
}
