//! Which of a worker's bound port pairs are announced to the switch, which rest, and when there are too few or too many.
//! Counts only; the sockets are the shell's.
//!
//! Binding and closing a pair costs some sixteen system calls, so pairs that were bound once serve one call after the
//! other. A pair that comes back rests; which of those that rest is announced next is drawn (RFC 6056), so that a port
//! cannot be guessed, and it then waits behind all that were announced before, so that a late packet of the old call
//! does not meet a new one.

use super::ports::below;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Pairs announced ahead: the new calls of a moment in which neither the worker nor the switch gets its turn.
const ANNOUNCED: usize = 256;

/// Handles of pairs, as the shell numbers them.
pub(super) type Pair = u32;

pub(super) struct Stock {
    /// Pairs to have bound and unused.
    ready: usize,
    resting: Vec<Pair>,
    announced: usize,
    /// Asked of the keeper and not here yet.
    asked: usize,
    random: ChaCha8Rng,
}

impl Stock {
    /// Asked for as many as `ready` to begin with.
    pub fn new(ready: usize, seed: u64) -> Self {
        Self { ready, resting: Vec::new(), announced: 0, asked: ready, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A pair that the keeper has bound.
    pub fn arrived(&mut self, pair: Pair) {
        self.asked = self.asked.saturating_sub(1);
        self.resting.push(pair);
    }

    /// One that the keeper has bound and that cannot be used.
    pub fn unusable(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// A call took one that was announced.
    pub fn taken(&mut self) {
        self.announced = self.announced.saturating_sub(1);
    }

    /// A call has left this one.
    pub fn returned(&mut self, pair: Pair) {
        self.resting.push(pair);
    }

    /// What to announce now: in lots, so that the switch does not hear of each one.
    pub fn announce(&mut self) -> Vec<Pair> {
        let target = ANNOUNCED.min(self.ready).max(1);
        if self.resting.is_empty() || self.announced > target * 3 / 4 {
            return Vec::new();
        }
        let count = self.resting.len().min(target - self.announced);
        self.announced += count;
        (0..count).filter_map(|_| self.draw()).collect()
    }

    /// How many more are to be bound.
    pub fn ask(&mut self) -> Option<usize> {
        let coming = self.announced + self.resting.len() + self.asked;
        (coming < self.ready.div_ceil(2)).then(|| {
            let more = self.ready - coming;
            self.asked += more;
            more
        })
    }

    /// Whether the next call finds none.
    pub fn is_dry(&self) -> bool {
        self.announced == 0 && self.resting.is_empty()
    }

    /// What to give up, after a peak: some at a time, when there are twice as many as needed.
    pub fn surplus(&mut self) -> Vec<Pair> {
        if self.announced + self.resting.len() <= 2 * self.ready {
            return Vec::new();
        }
        (0..self.ready.div_ceil(2)).filter_map(|_| self.draw()).collect()
    }

    fn draw(&mut self) -> Option<Pair> {
        let count = self.resting.len();
        (count > 0).then(|| self.resting.swap_remove(below(&mut self.random, count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stock of `ready` pairs that are all here.
    fn stock(ready: usize) -> Stock {
        let mut stock = Stock::new(ready, 1);
        (0..ready as Pair).for_each(|pair| stock.arrived(pair));
        stock
    }

    #[test]
    fn every_pair_of_a_small_range_can_be_in_use_at_once() {
        for ready in 1..20 {
            let mut stock = stock(ready);
            for _ in 0..3 {
                let mut used = Vec::new();
                while !stock.is_dry() {
                    used.extend(stock.announce());
                    stock.taken();
                }
                assert_eq!(used.len(), ready);
                used.into_iter().for_each(|pair| stock.returned(pair));
            }
        }
    }

    #[test]
    fn a_pair_just_used_waits_behind_many_others() {
        let mut stock = stock(512);
        let mut announced: std::collections::VecDeque<_> = stock.announce().into();
        assert_eq!(announced.len(), 256);
        for _ in 0..10_000 {
            let pair = announced.pop_front().unwrap();
            stock.taken();
            stock.returned(pair);
            announced.extend(stock.announce());
            let wait = announced.iter().position(|other| *other == pair);
            assert!(wait.is_none_or(|wait| wait >= 192), "{wait:?}");
        }
    }

    #[test]
    fn the_order_of_ports_differs_with_the_seed() {
        let order = |seed| {
            let mut stock = Stock::new(100, seed);
            (0..100).for_each(|pair| stock.arrived(pair));
            stock.announce()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn a_peak_gets_more_pairs_and_gives_them_back_in_lots() {
        let mut stock = stock(100);
        let (mut used, mut bound) = (Vec::new(), 100);
        while used.len() < 1000 {
            used.extend(stock.announce());
            stock.taken();
            if let Some(more) = stock.ask() {
                (bound..bound + more as Pair).for_each(|pair| stock.arrived(pair));
                bound += more as Pair;
            }
            assert!(!stock.is_dry());
        }
        let mut given_up = 0;
        for pair in used.drain(..) {
            stock.returned(pair);
            given_up += stock.surplus().len();
            stock.announce();
        }
        assert!((bound as usize - 250..bound as usize).contains(&given_up), "{given_up} of {bound}");
        // From here on, calls that come and go change nothing.
        for _ in 0..1000 {
            stock.taken();
            assert_eq!(stock.ask(), None);
            stock.returned(0);
            assert!(stock.surplus().is_empty());
            stock.announce();
        }
    }

    #[test]
    fn nothing_is_asked_for_twice() {
        let mut stock = Stock::new(10, 1);
        assert_eq!(stock.ask(), None, "the first ones are on their way");
        (0..10).for_each(|pair| stock.arrived(pair));
        stock.announce();
        (0..6).for_each(|_| stock.taken());
        assert_eq!(stock.ask(), Some(6));
        stock.taken();
        assert_eq!(stock.ask(), None);
    }
}
