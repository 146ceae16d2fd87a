//! Any sample rate down to 8 kHz, for prompts: a low-pass at 3.65 kHz and a new grid in one windowed-sinc pass. Done
//! once at load, so it spends taps rather than cleverness.

use std::f64::consts::PI;

pub(super) const OUT_RATE: u32 = 8_000;

/// Zero crossings of the sinc on each side. With a Blackman window the fall from 3.4 to 4 kHz fits in 32.
const CROSSINGS: usize = 32;
/// Points of the kernel between two crossings; between points it is taken as straight, which is 100 dB down.
const POINTS: usize = 512;
/// In parts of the output rate.
const CUTOFF: f64 = 3650.0 / OUT_RATE as f64;

/// `rate` must be at least [`OUT_RATE`]. The length in time is kept, to the sample.
pub(super) fn to_8k(samples: &[f32], rate: u32) -> Vec<f32> {
    if rate <= OUT_RATE || samples.is_empty() {
        return samples.to_vec();
    }
    let kernel = kernel();
    let (rate, out_rate) = (u64::from(rate), u64::from(OUT_RATE));
    let ratio = out_rate as f64 / rate as f64;
    let reach = (CROSSINGS as u64 * rate).div_ceil(out_rate);
    let length = (samples.len() as u64 * out_rate).div_ceil(rate);
    (0..length)
        .map(|nth| {
            // Where the output sample lies in the input, as a whole number and a remainder: no drift over a long clip.
            let (whole, part) = (nth * rate / out_rate, (nth * rate % out_rate) as f64 / out_rate as f64);
            let first = whole.saturating_sub(reach);
            let last = (whole + reach + 1).min(samples.len() as u64);
            let (mut sum, mut weight) = (0.0, 0.0);
            for at in first..last {
                let distance = (at as f64 - whole as f64 - part).abs() * ratio;
                let factor = value_at(&kernel, distance);
                sum += factor * f64::from(samples[at as usize]);
                weight += factor;
            }
            // Weighted by what was there, so that the ends do not fade.
            if weight.abs() > 1e-9 { (sum / weight) as f32 } else { 0.0 }
        })
        .collect()
}

/// One half of the kernel, `distance` in output samples.
fn value_at(kernel: &[f64], distance: f64) -> f64 {
    let place = distance * POINTS as f64;
    let (index, part) = (place as usize, place.fract());
    match kernel.get(index..index + 2) {
        Some([here, next]) => here + (next - here) * part,
        _ => 0.0,
    }
}

fn kernel() -> Vec<f64> {
    (0..=CROSSINGS * POINTS)
        .map(|point| {
            let x = point as f64 / POINTS as f64;
            let argument = 2.0 * PI * CUTOFF * x;
            let sinc = if x == 0.0 { 1.0 } else { argument.sin() / argument };
            let w = PI * x / CROSSINGS as f64;
            sinc * (0.42 + 0.5 * w.cos() + 0.08 * (2.0 * w).cos())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let count = (seconds * f64::from(rate)) as usize;
        (0..count).map(|n| (0.5 * (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin()) as f32).collect()
    }

    /// Level of `hertz` in the middle of an 8 kHz signal, and of all that is not `hertz`, in dB to a tone of 0.5.
    fn levels(signal: &[f32], hertz: f64) -> (f64, f64) {
        let middle = &signal[800..2400];
        let (mut s, mut c, mut power) = (0.0, 0.0, 0.0);
        for (n, x) in middle.iter().enumerate() {
            let phase = 2.0 * PI * hertz * n as f64 / 8000.0;
            s += f64::from(*x) * phase.sin();
            c += f64::from(*x) * phase.cos();
            power += f64::from(*x) * f64::from(*x);
        }
        let n = middle.len() as f64;
        let tone = 2.0 * (s * s + c * c) / (n * n);
        let rest = (power / n - tone).max(1e-12);
        (10.0 * (tone / 0.125).log10(), 10.0 * (rest / 0.125).log10())
    }

    #[test]
    fn a_voice_keeps_its_level_and_gains_no_noise_from_any_rate() {
        for rate in [11_025, 16_000, 22_050, 44_100, 48_000, 44_101] {
            for hertz in [300.0, 1000.0, 3200.0] {
                let (level, noise) = levels(&to_8k(&tone(hertz, rate, 0.4), rate), hertz);
                assert!(
                    level.abs() < 0.1 && noise < -60.0,
                    "{hertz} Hz from {rate}: {level:.2} dB, noise {noise:.0} dB"
                );
            }
        }
    }

    #[test]
    fn what_8_khz_cannot_carry_does_not_fold_back() {
        for (hertz, rate) in [(4100.0, 16_000), (5000.0, 44_100), (7000.0, 48_000), (15_000.0, 48_000)] {
            let folded = to_8k(&tone(hertz, rate, 0.4), rate);
            let power: f64 = folded[800..2400].iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / 1600.0;
            let level = 10.0 * (power / 0.125).log10();
            assert!(level < -50.0, "{hertz} Hz from {rate}: {level:.0} dB");
        }
    }

    #[test]
    fn the_length_in_time_is_kept() {
        assert_eq!(to_8k(&vec![0.0; 44_100], 44_100).len(), 8000);
        assert_eq!(to_8k(&vec![0.0; 11_025 * 7], 11_025).len(), 56_000);
        assert_eq!(to_8k(&[1.0], 48_000).len(), 1);
        assert!(to_8k(&[], 48_000).is_empty());
    }
}
