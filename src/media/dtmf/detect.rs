//! Keys that a peer sends as tones in its voice (ITU-T Q.23), found as Q.24 asks: 40 ms are a key, 23 ms are none; each
//! frequency within 1.5 % and none beyond 3.5 %; down to -25 dBm0; the upper tone up to 4 dB stronger or 8 dB weaker.
//! Speech is no key. Pure arithmetic on 8 kHz samples; the caller says where samples are missing.
//!
//! Samples are judged in blocks of 10 ms. A bank of eight correlators says which pair of tones might be there; three
//! blocks in a row of one pair are looked at closely: the phases from block to block give the exact frequencies, and
//! what is left of the samples when two steady tones of these are taken away tells a key from a voice. A tone of 40 ms
//! fills three whole blocks wherever it begins, one of 23 ms only two.

use crate::media::codec::g711::PEAK_0_DBM0;
use std::f64::consts::TAU;
use std::sync::LazyLock;

/// Of the rows and of the columns of a keypad (Q.23).
pub const FREQUENCIES: [f64; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
const RATE: f64 = 8000.0;
const BLOCK: usize = 80;
/// Blocks that are looked at closely.
const BLOCKS: usize = 3;
/// Of a block's energy that must lie in the two strongest bins for a pair to be suspected. At 1.5 % off its frequency a
/// tone of 10 ms shows four fifths of itself.
const SUSPECTED: f32 = 0.6;
/// The weakest tone: -25 dBm0, and room for what measuring adds.
const WEAKEST_DBM0: f64 = -28.0;
/// Between the 1.5 % that must be taken and the 3.5 % that must not.
const TOLERANCE: f64 = 0.025;
/// The upper tone over the lower, in dB: the limits of Q.24 with a little room.
const TWIST: std::ops::RangeInclusive<f64> = -9.0..=5.0;
/// Of the energy that may be neither tone: noise of -12 dB, and the overload of two tones of 0 dBm0.
const RESIDUE: f64 = 0.12;
/// A tone is as loud in each of the blocks as in the loudest of them, but for this.
const STEADY: f64 = 0.75;
/// Blocks without the tone that end a key: an interruption of 10 ms spoils two, a pause of 40 ms three.
const RELEASE: u8 = 3;
/// Lost samples (100 ms) over which a key is believed to go on.
const BRIDGED: u32 = 800;

/// A pair of frequencies: row and column.
type Pair = (u8, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Pressed(char),
    Released,
}

#[derive(Clone, Debug)]
pub struct Detector {
    /// The newest three blocks, oldest first, as far as they are filled.
    samples: [f32; BLOCK * BLOCKS],
    filled: usize,
    /// What each of them is suspected to be.
    suspects: [Option<Pair>; BLOCKS],
    spectra: [[(f32, f32); 8]; BLOCKS],
    down: Option<Pair>,
    /// Blocks in a row without the tone of the key that is down.
    absent: u8,
    lost: u32,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            samples: [0.0; BLOCK * BLOCKS],
            filled: 0,
            suspects: [None; BLOCKS],
            spectra: [[(0.0, 0.0); 8]; BLOCKS],
            down: None,
            absent: 0,
            lost: 0,
        }
    }
}

/// A value for each of the eight frequencies.
type Lanes = [f32; 8];

/// Cosines and sines of the eight frequencies over a block, bins as lanes.
static BANK: LazyLock<Box<[(Lanes, Lanes)]>> = LazyLock::new(|| {
    let at = |n: usize, of: fn(f64) -> f64| FREQUENCIES.map(|f| of(TAU * f * n as f64 / RATE) as f32);
    (0..BLOCK).map(|n| (at(n, f64::cos), at(n, f64::sin))).collect()
});

impl Detector {
    /// Makes the tables before the first packet is due.
    pub fn prepare() {
        LazyLock::force(&BANK);
    }

    /// Takes samples that follow the last ones. True if what they hold may be a key, so that nobody else is to hear it.
    pub fn hear(&mut self, samples: impl Iterator<Item = i16>, mut tell: impl FnMut(Heard)) -> bool {
        let mut suspicious = self.down.is_some();
        for sample in samples {
            if self.filled == BLOCK * BLOCKS {
                self.samples.copy_within(BLOCK.., 0);
                self.filled -= BLOCK;
            }
            self.samples[self.filled] = f32::from(sample);
            self.filled += 1;
            if self.filled.is_multiple_of(BLOCK) {
                self.block(&mut tell);
                suspicious |= self.down.is_some() || self.suspects[BLOCKS - 1].is_some();
            }
        }
        suspicious
    }

    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// `samples` before the next ones were lost. A key that is down stays so for a while.
    pub fn lost(&mut self, samples: u32, mut tell: impl FnMut(Heard)) {
        self.filled = 0;
        self.suspects = [None; BLOCKS];
        self.lost = self.lost.saturating_add(samples);
        if self.lost > BRIDGED {
            self.release(&mut tell);
        }
    }

    fn block(&mut self, tell: &mut impl FnMut(Heard)) {
        self.suspects.rotate_left(1);
        self.spectra.rotate_left(1);
        let block = &self.samples[self.filled - BLOCK..self.filled];
        let (spectrum, suspect) = look(block);
        self.spectra[BLOCKS - 1] = spectrum;
        self.suspects[BLOCKS - 1] = suspect;
        if self.down.is_some() {
            self.absent = if suspect == self.down { 0 } else { self.absent + 1 };
            if suspect == self.down {
                self.lost = 0;
            }
        }
        if let Some(pair) = suspect
            && self.down != Some(pair)
            && self.filled == BLOCK * BLOCKS
            && self.suspects == [suspect; BLOCKS]
            && self.is_key(pair)
        {
            self.release(tell);
            self.down = Some(pair);
            tell(Heard::Pressed(key(pair)));
        } else if self.absent >= RELEASE {
            self.release(tell);
        }
    }

    fn release(&mut self, tell: &mut impl FnMut(Heard)) {
        (self.absent, self.lost) = (0, 0);
        if self.down.take().is_some() {
            tell(Heard::Released);
        }
    }

    /// The close look at three blocks.
    fn is_key(&self, (row, column): Pair) -> bool {
        let (Some(low), Some(high)) = (self.frequency(row), self.frequency(column)) else { return false };
        let mut amplitudes = [(0.0, 0.0); BLOCKS];
        for (block, amplitude) in self.samples.chunks_exact(BLOCK).zip(&mut amplitudes) {
            let total: f64 = block.iter().map(|s| f64::from(*s).powi(2)).sum();
            let Some((tones, explained)) = fit(block, low, high) else { return false };
            if total - explained > RESIDUE * total {
                return false;
            }
            *amplitude = tones;
        }
        let least = PEAK_0_DBM0 * 10f64.powf(WEAKEST_DBM0 / 20.0);
        let steady = |of: fn(&(f64, f64)) -> f64| {
            let loudest = amplitudes.iter().map(of).fold(0.0, f64::max);
            let softest = amplitudes.iter().map(of).fold(f64::MAX, f64::min);
            (softest >= STEADY * loudest && softest >= least).then_some(loudest)
        };
        let (Some(low), Some(high)) = (steady(|a| a.0), steady(|a| a.1)) else { return false };
        TWIST.contains(&(20.0 * (high / low).log10()))
    }

    /// The exact frequency of a bin's tone, from how its phase went on from block to block; `None` if that is not near
    /// enough to the bin's own.
    fn frequency(&self, bin: u8) -> Option<f64> {
        let bin = usize::from(bin);
        let nominal = *FREQUENCIES.get(bin)?;
        // What each block's phase gains over the one before, beyond what the nominal frequency gains in that time.
        let gained = TAU * nominal * BLOCK as f64 / RATE;
        let (mut real, mut imaginary) = (0.0, 0.0);
        for pair in self.spectra.windows(2) {
            let ((a, b), (c, d)) = (pair[0][bin], pair[1][bin]);
            let (a, b, c, d) = (f64::from(a), f64::from(b), f64::from(c), f64::from(d));
            // Of the quotient of the two, as vectors that are added so that the stronger counts more.
            real += c * a + d * b;
            imaginary += d * a - c * b;
        }
        let phase = (imaginary.atan2(real) - gained).rem_euclid(TAU);
        let phase = if phase > TAU / 2.0 { phase - TAU } else { phase };
        let off = phase * RATE / (TAU * BLOCK as f64);
        (off.abs() <= TOLERANCE * nominal).then_some(nominal + off)
    }
}

/// The correlation of a block with each frequency, and the pair that it may be.
fn look(block: &[f32]) -> ([(f32, f32); 8], Option<Pair>) {
    let (mut real, mut imaginary, mut total) = ([0.0f32; 8], [0.0f32; 8], 0.0f32);
    for (sample, (cos, sin)) in block.iter().zip(BANK.iter()) {
        total += sample * sample;
        for bin in 0..8 {
            real[bin] += sample * cos[bin];
            imaginary[bin] -= sample * sin[bin];
        }
    }
    let spectrum: [(f32, f32); 8] = std::array::from_fn(|bin| (real[bin], imaginary[bin]));
    let energy = |bin: usize| (real[bin] * real[bin] + imaginary[bin] * imaginary[bin]) * 2.0 / BLOCK as f32;
    let strongest = |bins: std::ops::Range<usize>| {
        bins.map(|bin| (bin as u8, energy(bin))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
    };
    let ((row, low), (column, high)) = (strongest(0..4), strongest(4..8));
    let floor = (PEAK_0_DBM0 * 10f64.powf(WEAKEST_DBM0 / 20.0)).powi(2) as f32 / 2.0 * BLOCK as f32 / 2.0;
    let pair = low > floor && high > floor && low + high > SUSPECTED * total;
    (spectrum, pair.then_some((row, column)))
}

/// The two tones of these frequencies that fit a block best (least squares): their amplitudes, and the energy that they
/// explain. `None` if the two cannot be told apart.
fn fit(block: &[f32], low: f64, high: f64) -> Option<((f64, f64), f64)> {
    let (mut matrix, mut right) = ([[0.0f64; 5]; 4], [0.0f64; 4]);
    for (n, sample) in block.iter().enumerate() {
        let (a, b) = (TAU * low * n as f64 / RATE, TAU * high * n as f64 / RATE);
        let basis = [a.cos(), a.sin(), b.cos(), b.sin()];
        for i in 0..4 {
            for j in 0..4 {
                matrix[i][j] += basis[i] * basis[j];
            }
            right[i] += basis[i] * f64::from(*sample);
        }
    }
    for (row, right) in matrix.iter_mut().zip(right) {
        row[4] = right;
    }
    let solved = solve(matrix)?;
    let explained = solved.iter().zip(right).map(|(x, r)| x * r).sum();
    Some(((solved[0].hypot(solved[1]), solved[2].hypot(solved[3])), explained))
}

/// Gauss-Jordan of a symmetric, positive definite matrix, which needs no pivots.
fn solve(mut matrix: [[f64; 5]; 4]) -> Option<[f64; 4]> {
    for i in 0..4 {
        let pivot = matrix[i][i];
        if pivot.abs() < 1e-6 {
            return None;
        }
        matrix[i].iter_mut().for_each(|x| *x /= pivot);
        let row = matrix[i];
        for (j, other) in matrix.iter_mut().enumerate().filter(|(j, _)| *j != i) {
            debug_assert_ne!(i, j);
            let factor = other[i];
            other.iter_mut().zip(row).for_each(|(x, r)| *x -= factor * r);
        }
    }
    Some(matrix.map(|row| row[4]))
}

/// The keypad of Q.23, by row and column.
fn key((row, column): Pair) -> char {
    const KEYS: [[char; 4]; 4] =
        [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
    KEYS[usize::from(row) & 3][usize::from(column) & 3]
}
