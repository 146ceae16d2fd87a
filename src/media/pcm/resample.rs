//! 8 to 16 kHz and back, sample by sample as it flows: one half-band filter for both ways. (Prompts are brought to their
//! rate in one go by another filter, when they are loaded.)

use super::super::codec::Rate;

/// Pairs of taps beside the middle one. 3.3 kHz passes, 4.7 kHz is gone; 2 ms of delay.
const PAIRS: usize = 16;
/// Samples taken at a time, so that the working room is on the stack.
const BLOCK: usize = 160;

/// Half of the filter: the taps at odd distances from the middle, of a low-pass at a quarter of the higher rate.
#[derive(Debug)]
struct Taps([f32; PAIRS]);

impl Taps {
    fn new() -> Self {
        let mut taps = [0.0; PAIRS];
        let mut sum = 0.0;
        for (n, tap) in taps.iter_mut().enumerate() {
            let distance = n as f64 + 0.5;
            let sinc = (std::f64::consts::PI * distance).sin() / (std::f64::consts::PI * distance);
            let w = std::f64::consts::PI * distance / PAIRS as f64;
            // Blackman.
            let value = sinc * (0.42 + 0.5 * w.cos() + 0.08 * (2.0 * w).cos());
            *tap = value as f32;
            sum += 2.0 * value;
        }
        taps.iter_mut().for_each(|tap| *tap /= sum as f32);
        Self(taps)
    }
}

/// Twice the samples.
#[derive(Debug)]
pub struct Doubler {
    taps: Taps,
    past: [f32; 2 * PAIRS],
}

/// Half the samples.
#[derive(Debug)]
pub struct Halver {
    taps: Taps,
    past: [f32; 4 * PAIRS],
    /// A sample that waits for its second, when an odd number was given.
    odd: Option<f32>,
}

impl Default for Doubler {
    fn default() -> Self {
        Self { taps: Taps::new(), past: [0.0; 2 * PAIRS] }
    }
}

impl Default for Halver {
    fn default() -> Self {
        Self { taps: Taps::new(), past: [0.0; 4 * PAIRS], odd: None }
    }
}

impl Doubler {
    /// Samples written, as far as there is room.
    pub fn double(&mut self, pcm: &[i16], into: &mut [i16]) -> usize {
        let mut written = 0;
        for (block, out) in pcm.chunks(BLOCK).zip(into.chunks_mut(2 * BLOCK)) {
            let mut line = [0.0; 2 * PAIRS + BLOCK];
            line[..2 * PAIRS].copy_from_slice(&self.past);
            for (place, sample) in line[2 * PAIRS..].iter_mut().zip(block) {
                *place = f32::from(*sample);
            }
            for (pair, window) in out.chunks_exact_mut(2).zip(line.windows(2 * PAIRS + 1)).take(block.len()) {
                // The sample in the middle, and the one half-way to the next.
                let (before, after) = window[1..].split_at(PAIRS);
                let taps = self.taps.0.iter();
                let between = taps.zip(before.iter().rev().zip(after)).map(|(tap, (a, b))| tap * (a + b)).sum();
                pair[0] = round(window[PAIRS]);
                pair[1] = round(between);
                written += 2;
            }
            self.past.copy_from_slice(&line[block.len()..block.len() + 2 * PAIRS]);
        }
        written
    }
}

impl Halver {
    /// Samples written, as far as there is room.
    pub fn halve(&mut self, pcm: &[i16], into: &mut [i16]) -> usize {
        let mut written = 0;
        for block in pcm.chunks(BLOCK) {
            let mut line = [0.0; 4 * PAIRS + BLOCK + 1];
            line[..4 * PAIRS].copy_from_slice(&self.past);
            let mut end = 4 * PAIRS;
            for sample in self.odd.take().into_iter().chain(block.iter().map(|sample| f32::from(*sample))) {
                line[end] = sample;
                end += 1;
            }
            if end % 2 == 1 {
                end -= 1;
                self.odd = Some(line[end]);
            }
            for start in (0..end - 4 * PAIRS).step_by(2) {
                let window = &line[start..start + 4 * PAIRS];
                let (before, after) = window.split_at(2 * PAIRS);
                let around = before.iter().rev().step_by(2).zip(after[1..].iter().step_by(2));
                let taps = self.taps.0.iter();
                let sum: f32 = taps.zip(around).map(|(tap, (a, b))| tap * (a + b)).sum();
                let Some(out) = into.get_mut(written) else { break };
                *out = round(0.5 * (after[0] + sum));
                written += 1;
            }
            self.past.copy_from_slice(&line[end - 4 * PAIRS..end]);
        }
        written
    }
}

/// Between any two rates; each way remembers its own past.
#[derive(Debug, Default)]
pub struct Resampler {
    up: Doubler,
    down: Halver,
}

impl Resampler {
    /// Samples written, as far as there is room.
    pub fn convert(&mut self, from: Rate, to: Rate, pcm: &[i16], into: &mut [i16]) -> usize {
        match (from, to) {
            (Rate::Narrow, Rate::Wide) => self.up.double(pcm, into),
            (Rate::Wide, Rate::Narrow) => self.down.halve(pcm, into),
            (Rate::Narrow, Rate::Narrow) | (Rate::Wide, Rate::Wide) => {
                let samples = pcm.len().min(into.len());
                into[..samples].copy_from_slice(&pcm[..samples]);
                samples
            }
        }
    }
}

fn round(sample: f32) -> i16 {
    // A cast saturates.
    sample.round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn tone(hertz: f64, rate: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (10_000.0 * (TAU * hertz * n as f64 / rate).sin()) as i16).collect()
    }

    /// Level of one frequency and of all the rest, in dB to a sine of 10 000.
    fn levels(pcm: &[i16], hertz: f64, rate: f64) -> (f64, f64) {
        let (mut s, mut c, mut power) = (0.0, 0.0, 0.0);
        for (n, x) in pcm.iter().enumerate() {
            let (x, phase) = (f64::from(*x), TAU * hertz * n as f64 / rate);
            s += x * phase.sin();
            c += x * phase.cos();
            power += x * x;
        }
        let n = pcm.len() as f64;
        let tone = 2.0 * (s * s + c * c) / (n * n);
        let rest = (power / n - tone).max(1e-9);
        (10.0 * (tone / 5e7).log10(), 10.0 * (rest / 5e7).log10())
    }

    fn in_blocks(pcm: &[i16], block: usize, mut change: impl FnMut(&[i16], &mut [i16]) -> usize) -> Vec<i16> {
        let mut all = Vec::new();
        for part in pcm.chunks(block) {
            let mut out = [0; 4000];
            let n = change(part, &mut out);
            all.extend_from_slice(&out[..n]);
        }
        all
    }

    #[test]
    fn a_voice_keeps_its_level_both_ways_and_gains_no_noise() {
        for hertz in [300.0, 1000.0, 2000.0, 3200.0] {
            let mut doubler = Doubler::default();
            let wide = in_blocks(&tone(hertz, 8000.0, 4000), 160, |pcm, out| doubler.double(pcm, out));
            assert_eq!(wide.len(), 8000);
            let (level, rest) = levels(&wide[1600..4800], hertz, 16_000.0);
            assert!(level.abs() < 0.2 && rest < -55.0, "{hertz} up: {level:.2} dB, rest {rest:.0} dB");
            let mut halver = Halver::default();
            let narrow = in_blocks(&tone(hertz, 16_000.0, 8000), 320, |pcm, out| halver.halve(pcm, out));
            assert_eq!(narrow.len(), 4000);
            let (level, rest) = levels(&narrow[800..2400], hertz, 8000.0);
            assert!(level.abs() < 0.2 && rest < -55.0, "{hertz} down: {level:.2} dB, rest {rest:.0} dB");
        }
    }

    #[test]
    fn what_8_khz_cannot_carry_does_not_fold_back() {
        for hertz in [4800.0, 5500.0, 7000.0] {
            let mut halver = Halver::default();
            let narrow = in_blocks(&tone(hertz, 16_000.0, 8000), 320, |pcm, out| halver.halve(pcm, out));
            let power: f64 = narrow[800..2400].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 1600.0;
            assert!(10.0 * (power / 5e7).log10() < -55.0, "{hertz}");
        }
    }

    #[test]
    fn blocks_of_any_length_give_the_same_sound() {
        let pcm = tone(700.0, 16_000.0, 1601);
        let mut at_once = Halver::default();
        let whole = in_blocks(&pcm, 1601, |pcm, out| at_once.halve(pcm, out));
        for block in [1, 7, 160, 161, 333] {
            let mut halver = Halver::default();
            assert_eq!(in_blocks(&pcm, block, |pcm, out| halver.halve(pcm, out)), whole, "{block}");
        }
        let mut at_once = Doubler::default();
        let whole = in_blocks(&pcm, 1601, |pcm, out| at_once.double(pcm, out));
        for block in [1, 7, 160, 333] {
            let mut doubler = Doubler::default();
            assert_eq!(in_blocks(&pcm, block, |pcm, out| doubler.double(pcm, out)), whole, "{block}");
        }
    }
}
