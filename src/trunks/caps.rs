//! How many calls a trunk carries at once and begins in a second, as was agreed with the carrier.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// No limit where none is given. Calls in and out also count together against `calls`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    pub calls: Option<u32>,
    pub calls_in: Option<u32>,
    pub calls_out: Option<u32>,
    /// New calls in any one second.
    pub per_second_in: Option<u32>,
    pub per_second_out: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

/// What is taken of it.
#[derive(Default)]
pub struct Held {
    calls_in: u32,
    calls_out: u32,
    begun_in: VecDeque<Instant>,
    begun_out: VecDeque<Instant>,
    refused: u64,
}

impl Held {
    /// Takes a place, if there is one.
    pub fn take(&mut self, now: Instant, caps: &Caps, direction: Direction) -> bool {
        let (held, most, begun, rate) = match direction {
            Direction::In => (self.calls_in, caps.calls_in, &mut self.begun_in, caps.per_second_in),
            Direction::Out => (self.calls_out, caps.calls_out, &mut self.begun_out, caps.per_second_out),
        };
        let full = |held: u32, most: Option<u32>| most.is_some_and(|most| held >= most);
        while begun.front().is_some_and(|at| now.saturating_duration_since(*at) >= Duration::from_secs(1)) {
            begun.pop_front();
        }
        let fast = rate.is_some_and(|rate| begun.len() >= rate as usize);
        if full(held, most) || full(self.calls_in + self.calls_out, caps.calls) || fast {
            self.refused += 1;
            return false;
        }
        if rate.is_some() {
            begun.push_back(now);
        }
        self.count(direction);
        true
    }

    /// Counts a call that is there, whether or not it fits.
    pub fn count(&mut self, direction: Direction) {
        match direction {
            Direction::In => self.calls_in += 1,
            Direction::Out => self.calls_out += 1,
        }
    }

    pub fn give_back(&mut self, direction: Direction) {
        let held = match direction {
            Direction::In => &mut self.calls_in,
            Direction::Out => &mut self.calls_out,
        };
        *held = held.saturating_sub(1);
    }

    pub fn calls(&self) -> (u32, u32) {
        (self.calls_in, self.calls_out)
    }

    pub fn refused(&self) -> u64 {
        self.refused
    }
}
