//! The two tones of a key (ITU-T Q.23), for peers that take no telephone-event.

use super::detect::FREQUENCIES;
use crate::media::codec::g711::PEAK_0_DBM0;
use std::f64::consts::TAU;

/// The upper tone 2 dB above the lower, as lines take more from it; both well within what a receiver must take.
const LOW_DBM0: f64 = -9.0;
const HIGH_DBM0: f64 = -7.0;
/// Samples over which a tone swells, so that it does not click.
const RAMP: f64 = 16.0;

/// 8 kHz samples of the key of `event` from `from` samples after its begin.
pub fn samples(event: u8, from: u32) -> impl Iterator<Item = i16> {
    let (row, column) = match event {
        1..=9 => ((event - 1) / 3, (event - 1) % 3),
        0 => (3, 1),
        10 => (3, 0),
        11 => (3, 2),
        _ => (event.saturating_sub(12) & 3, 3),
    };
    let tone = |bin: u8, dbm0: f64, n: u32| {
        let frequency = FREQUENCIES.get(usize::from(bin)).copied().unwrap_or(0.0);
        PEAK_0_DBM0 * 10f64.powf(dbm0 / 20.0) * (TAU * frequency * f64::from(n) / 8000.0).sin()
    };
    (from..).map(move |n| {
        let swell = (f64::from(n + 1) / RAMP).min(1.0);
        (swell * (tone(row, LOW_DBM0, n) + tone(column + 4, HIGH_DBM0, n))) as i16
    })
}
