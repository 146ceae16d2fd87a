//! How many lines and agents a traffic needs: Erlang B (who finds no line is gone), Erlang C (who finds no agent waits for
//! ever), Erlang A (who finds no agent waits as long as the patience lasts). Traffic is in Erlang: calls a second times
//! the seconds that each lasts. A. K. Erlang 1917; C. Palm 1946 for impatience.

/// Beyond it nobody plans by hand; a search ends here.
pub const MOST_LINES: u32 = 1_000_000;
/// Terms below this part of a sum change none of the digits that are shown.
const NEGLIGIBLE: f64 = 1e-12;
const MOST_TERMS: u32 = 10_000_000;

/// The share of calls that find all `lines` taken: `B(n) = A B(n-1) / (n + A B(n-1))`.
pub fn erlang_b(traffic: f64, lines: u32) -> f64 {
    (1..=lines).fold(1.0, |blocked, line| traffic * blocked / (f64::from(line) + traffic * blocked))
}

/// The least number of lines with which no more than `share` of the calls find none; `None` beyond [`MOST_LINES`].
pub fn lines_for(traffic: f64, share: f64) -> Option<u32> {
    let mut blocked = 1.0;
    (1..=MOST_LINES).find(|line| {
        blocked = traffic * blocked / (f64::from(*line) + traffic * blocked);
        blocked <= share
    })
}

/// The traffic that `lines` carry with `share` of the calls blocked.
pub fn traffic_for(lines: u32, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, f64::from(lines) / (1.0 - share.min(0.99)) + 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if erlang_b(middle, lines) > share { high = middle } else { low = middle }
    }
    low
}

/// A queue in front of agents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queueing {
    pub calls_per_second: f64,
    pub handling_s: f64,
    pub agents: u32,
}

/// What callers of a queue meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waiting {
    /// The share of callers who wait at all.
    pub waits: f64,
    /// The share of callers who give up.
    pub abandons: f64,
    /// Mean wait of all callers, in seconds.
    pub mean_wait_s: f64,
}

impl Queueing {
    pub fn traffic(&self) -> f64 {
        self.calls_per_second * self.handling_s
    }

    fn spare(&self) -> f64 {
        f64::from(self.agents) - self.traffic()
    }

    /// With callers who wait for ever; `None` where the queue would grow for ever.
    pub fn patient(&self) -> Option<Waiting> {
        let (agents, traffic) = (f64::from(self.agents), self.traffic());
        (traffic < agents).then(|| {
            let blocked = erlang_b(traffic, self.agents);
            let waits = blocked / (1.0 - traffic / agents * (1.0 - blocked));
            Waiting { waits, abandons: 0.0, mean_wait_s: waits * self.handling_s / self.spare() }
        })
    }

    /// The share of callers who are answered within so many seconds, when all wait for ever.
    pub fn answered_within(&self, seconds: f64) -> Option<f64> {
        let waits = self.patient()?.waits;
        Some(1.0 - waits * (-self.spare() * seconds / self.handling_s).exp())
    }

    /// With callers who wait `patience_s` in the mean.
    pub fn impatient(&self, patience_s: f64) -> Waiting {
        let (rate, served) = (self.calls_per_second, f64::from(self.agents) / self.handling_s);
        // In parts of the chance that all agents are taken and nobody waits.
        let below = 1.0 / erlang_b(self.traffic(), self.agents);
        let (mut term, mut beyond, mut queue) = (1.0, 0.0, 0.0);
        for waiting in 1..MOST_TERMS {
            let place = f64::from(waiting);
            term *= rate / (served + place / patience_s);
            beyond += term;
            queue += place * term;
            if term * place < NEGLIGIBLE * (below + queue) {
                break;
            }
        }
        if !below.is_finite() {
            return Waiting { waits: 0.0, abandons: 0.0, mean_wait_s: 0.0 };
        }
        let mean_queue = queue / (below + beyond);
        Waiting {
            waits: (1.0 + beyond) / (below + beyond),
            abandons: mean_queue / patience_s / rate,
            mean_wait_s: mean_queue / rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1000 calls an hour of 120 s each.
    fn queueing(agents: u32) -> Queueing {
        Queueing { calls_per_second: 1000.0 / 3600.0, handling_s: 120.0, agents }
    }

    fn close(is: f64, expected: f64, tolerance: f64) {
        assert!((is - expected).abs() <= tolerance, "{is} is not {expected}");
    }

    #[test]
    fn lines_block_as_erlang_b_says() {
        for (lines, traffic, percent) in [(10, 5.0, 1.8385), (30, 20.0, 0.8457), (100, 84.06, 0.9992)] {
            close(erlang_b(traffic, lines) * 100.0, percent, 0.00005);
        }
        assert_eq!(
            (lines_for(84.06, 0.01), lines_for(5.0, 0.0183), lines_for(5.0, 0.019)),
            (Some(100), Some(11), Some(10))
        );
        close(traffic_for(100, 0.01), 84.06, 0.01);
    }

    #[test]
    fn patient_callers_wait_as_erlang_c_says() {
        let golden = [
            (34, 86.86, 156.3, 20.1),
            (35, 69.65, 50.1, 43.4),
            (36, 55.19, 24.8, 60.5),
            (37, 43.18, 14.1, 72.7),
            (40, 19.07, 3.4, 91.7),
        ];
        for (agents, waits, mean, within_15) in golden {
            let queueing = queueing(agents);
            let waiting = queueing.patient().unwrap();
            close(waiting.waits * 100.0, waits, 0.005);
            close(waiting.mean_wait_s, mean, 0.05);
            close(queueing.answered_within(15.0).unwrap() * 100.0, within_15, 0.05);
        }
        assert_eq!(queueing(33).patient(), None, "33.3 Erlang are too many for 33");
    }

    #[test]
    fn impatient_callers_give_up_as_erlang_a_says() {
        for (agents, waits, abandons, mean) in
            [(30, 63.51, 14.11, 8.47), (33, 46.14, 8.59, 5.15), (36, 29.31, 4.62, 2.77)]
        {
            let waiting = queueing(agents).impatient(60.0);
            close(waiting.waits * 100.0, waits, 0.005);
            close(waiting.abandons * 100.0, abandons, 0.005);
            close(waiting.mean_wait_s, mean, 0.005);
        }
    }

    #[test]
    fn odd_figures_give_figures() {
        assert_eq!((erlang_b(5.0, 0), lines_for(0.0, 0.01), erlang_b(0.0, 3)), (1.0, Some(1), 0.0));
        let many = Queueing { agents: 5_000, ..queueing(0) };
        assert_eq!(many.impatient(60.0), Waiting { waits: 0.0, abandons: 0.0, mean_wait_s: 0.0 });
        close(queueing(0).impatient(60.0).abandons, 1.0, 1e-9);
        assert_eq!(lines_for(1e9, 0.01), None);
    }
}
