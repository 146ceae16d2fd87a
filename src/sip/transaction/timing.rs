//! T1, T2 and T4 of RFC 3261 17.1.1.1 and what follows from them.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSet {
    /// Estimated round trip.
    pub t1: Duration,
    /// Longest pause between repetitions of a non-INVITE request or an INVITE's final response.
    pub t2: Duration,
    /// How long a message may live in the network.
    pub t4: Duration,
}

impl Default for TimerSet {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl TimerSet {
    /// No pause of zero: a timer must not be due again at once.
    pub fn checked(self) -> Self {
        let least = Duration::from_millis(1);
        Self { t1: self.t1.max(least), t2: self.t2.max(least), t4: self.t4.max(least) }
    }

    /// 64*T1: when an exchange is given up (timers B, F, H) and how long its end is remembered (D, J, L, M).
    pub fn expiry(&self) -> Duration {
        self.t1 * 64
    }

    /// The pause after a pause of `last` where T2 is the limit (timers E and G, and the 2xx of 13.3.1.4).
    pub fn doubled(&self, last: Duration) -> Duration {
        (last * 2).min(self.t2)
    }
}
