//! The one place that reads the clocks.

use crate::timers::Now;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub fn now() -> Now {
    Now { at: Instant::now(), wall: wall_ms() }
}

pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
