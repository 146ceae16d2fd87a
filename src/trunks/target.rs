//! What is thought of one target: a few failures in a row take it out of use, a few good signs bring it back.

use std::fmt;
use std::time::Instant;

/// Probes missed in a row, or calls failed in a row, after which a target is down.
const MISSES: u8 = 2;
/// Good probes in a row that bring it back.
const GOOD: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Unavailable,
    Silent,
    Unreachable,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "it answers that it cannot take any",
            Self::Silent => "no answer",
            Self::Unreachable => "no way to it",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Up {
        missed: u8,
        failed: u8,
    },
    Down {
        good: u8,
        /// Calls failed, not only probes: what comes back is on probation.
        by_calls: bool,
    },
}

pub struct Target {
    verdict: Verdict,
    /// It has asked for no calls until then.
    resting_until: Option<Instant>,
    /// The probe that has no answer yet.
    asked: Option<u64>,
}

impl Default for Target {
    fn default() -> Self {
        Self { verdict: Verdict::Up { missed: 0, failed: 0 }, resting_until: None, asked: None }
    }
}

impl Target {
    /// The same target at another place of the list: what it was asked there is forgotten.
    pub fn moved(self) -> Self {
        Self { asked: None, ..self }
    }

    pub fn is_down(&self) -> bool {
        matches!(self.verdict, Verdict::Down { .. })
    }

    pub fn is_resting(&self, now: Instant) -> bool {
        self.resting_until.is_some_and(|until| until > now)
    }

    pub fn asked(&mut self, serial: u64) {
        self.asked = Some(serial);
    }

    pub fn awaits(&self, serial: u64) -> bool {
        self.asked == Some(serial)
    }

    /// Takes in what a probe found. False when the target should be probed again soon.
    pub fn probed(&mut self, good: bool) -> bool {
        self.asked = None;
        self.verdict = match (self.verdict, good) {
            (Verdict::Up { failed, .. }, true) => Verdict::Up { missed: 0, failed },
            (Verdict::Up { missed, failed }, false) if missed + 1 < MISSES => {
                Verdict::Up { missed: missed + 1, failed }
            }
            (Verdict::Up { .. }, false) => Verdict::Down { good: 0, by_calls: false },
            (Verdict::Down { good, by_calls }, true) if good + 1 < GOOD => Verdict::Down { good: good + 1, by_calls },
            (Verdict::Down { by_calls, .. }, true) => {
                Verdict::Up { missed: 0, failed: if by_calls { MISSES - 1 } else { 0 } }
            }
            (Verdict::Down { by_calls, .. }, false) => Verdict::Down { good: 0, by_calls },
        };
        matches!(self.verdict, Verdict::Up { missed: 0, .. })
    }

    pub fn call_taken(&mut self) {
        self.verdict = Verdict::Up { missed: 0, failed: 0 };
        self.resting_until = None;
    }

    pub fn call_failed(&mut self) {
        self.verdict = match self.verdict {
            Verdict::Up { missed, failed } if failed + 1 < MISSES => Verdict::Up { missed, failed: failed + 1 },
            Verdict::Up { .. } | Verdict::Down { .. } => Verdict::Down { good: 0, by_calls: true },
        };
    }

    pub fn rest(&mut self, until: Instant) {
        self.resting_until = Some(until);
    }

    /// It has been left alone for long enough; the next call shows.
    pub fn rested(&mut self) {
        self.verdict = Verdict::Up { missed: 0, failed: MISSES - 1 };
    }
}
