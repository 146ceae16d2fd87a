//! Chance from a seed, and what a line does to a packet by it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;

pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from 0 to `limit` - 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    pub fn per_mille(&mut self, chance: u32) -> bool {
        self.below(1000) < u64::from(chance)
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len() as u64) as usize]
    }
}

/// One direction of the network.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Of a thousand datagrams.
    pub lost: u32,
    pub doubled: u32,
    pub delay: Duration,
    /// More than the pause between two packets reorders them.
    pub jitter: Duration,
}

impl Line {
    pub const GOOD: Line = Line { lost: 0, doubled: 0, delay: Duration::from_millis(5), jitter: Duration::ZERO };

    /// When each copy of a datagram arrives.
    pub fn carry(&self, dice: &mut Dice) -> Vec<Duration> {
        let copies = match () {
            () if dice.per_mille(self.lost) => 0,
            () if dice.per_mille(self.doubled) => 2,
            () => 1,
        };
        let jitter = self.jitter.as_micros() as u64;
        (0..copies).map(|_| self.delay + Duration::from_micros(dice.below(jitter + 1))).collect()
    }
}
