//! Sound for what is missing: the last pitch period goes on and fades away, as ITU-T G.711 Appendix I does it, for either
//! rate and any codec that has nothing better of its own.

use super::super::codec::Rate;

/// Fades from here on, and is gone at the end of it.
const HELD_MS: usize = 10;
const GONE_MS: usize = 60;
/// Pitch periods that voices have: 400 to 66 Hz.
const SHORTEST_US: usize = 2_500;
const LONGEST_MS: usize = 15;
/// What is compared to find the period.
const COMPARED_MS: usize = 20;
/// The guess flows into what then comes within this time.
const JOIN_MS: usize = 4;
const HISTORY: usize = (LONGEST_MS + COMPARED_MS) * 16;
const PERIOD: usize = LONGEST_MS * 16;

#[derive(Debug)]
pub struct Concealer {
    rate: Rate,
    /// The sound that was handed out last; as much of the end of it as the rate needs.
    history: [i16; HISTORY],
    period: [i16; PERIOD],
    lag: usize,
    /// Samples made since the last that came; 0 = none is missing.
    made: usize,
}

impl Concealer {
    pub fn new(rate: Rate) -> Self {
        Self { rate, history: [0; HISTORY], period: [0; PERIOD], lag: 1, made: 0 }
    }

    /// What came, to be remembered; after a gap its beginning is joined to the guess.
    pub fn came(&mut self, pcm: &mut [i16]) {
        if self.made > 0 {
            let join = (JOIN_MS * self.rate.per_ms()).min(pcm.len());
            for (n, sample) in pcm[..join].iter_mut().enumerate() {
                let (guess, share) = (i32::from(self.guess(self.made + n)), (n + 1) as i32);
                let of = join as i32 + 1;
                *sample = ((i32::from(*sample) * share + guess * (of - share)) / of) as i16;
            }
            self.made = 0;
        }
        self.remember(pcm);
    }

    /// Fills `pcm` in place of what did not come.
    pub fn conceal(&mut self, pcm: &mut [i16]) {
        if self.made == 0 {
            self.find_period();
        }
        for sample in pcm.iter_mut() {
            *sample = self.guess(self.made);
            self.made += 1;
        }
        self.remember(pcm);
    }

    fn guess(&self, nth: usize) -> i16 {
        let (held, gone) = (HELD_MS * self.rate.per_ms(), GONE_MS * self.rate.per_ms());
        let left = gone.saturating_sub(nth.max(held)) as i32;
        (i32::from(self.period[nth % self.lag]) * left / (gone - held) as i32) as i16
    }

    fn remember(&mut self, pcm: &[i16]) {
        let new = pcm.len().min(HISTORY);
        self.history.copy_within(new.., 0);
        self.history[HISTORY - new..].copy_from_slice(&pcm[pcm.len() - new..]);
    }

    /// The lag at which the end of the sound is most like what was before it.
    fn find_period(&mut self) {
        let per_ms = self.rate.per_ms();
        // Every other sample is enough at 16 kHz.
        let step = per_ms / 8;
        let compared = &self.history[HISTORY - COMPARED_MS * per_ms..];
        let (mut best, mut lag) = (0.5, LONGEST_MS * per_ms);
        for candidate in (SHORTEST_US * per_ms / 1000..=LONGEST_MS * per_ms).step_by(step) {
            let before = &self.history[HISTORY - COMPARED_MS * per_ms - candidate..HISTORY - candidate];
            let (mut product, mut energy, mut other) = (0.0f32, 1.0f32, 1.0f32);
            for (a, b) in compared.iter().zip(before).step_by(step) {
                let (a, b) = (f32::from(*a), f32::from(*b));
                product += a * b;
                energy += b * b;
                other += a * a;
            }
            let likeness = product / (energy * other).sqrt();
            // A little more for twice the period is chance.
            if likeness > best * 1.01 {
                (best, lag) = (likeness, candidate);
            }
        }
        self.lag = lag;
        self.period[..lag].copy_from_slice(&self.history[HISTORY - lag..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(rate: Rate, from: usize, samples: usize) -> Vec<i16> {
        let pitch = 125.0 / (rate.per_ms() * 1000) as f64 * std::f64::consts::TAU;
        (from..from + samples)
            .map(|n| {
                let phase = n as f64 * pitch;
                (4000.0 * phase.sin() + 2000.0 * (3.0 * phase).sin() + 1000.0 * (7.0 * phase).sin()) as i16
            })
            .collect()
    }

    #[test]
    fn ten_ms_of_a_voice_that_are_lost_are_hardly_heard() {
        for rate in [Rate::Narrow, Rate::Wide] {
            let frame = 10 * rate.per_ms();
            let mut concealer = Concealer::new(rate);
            concealer.came(&mut voice(rate, 0, 6 * frame));
            let mut made = vec![0; frame];
            concealer.conceal(&mut made);
            let truth = voice(rate, 6 * frame, frame);
            let power = |pcm: &mut dyn Iterator<Item = i32>| pcm.map(|x| f64::from(x) * f64::from(x)).sum::<f64>();
            let error = power(&mut made.iter().zip(&truth).map(|(a, b)| i32::from(*a) - i32::from(*b)));
            let sound = power(&mut truth.iter().map(|x| i32::from(*x)));
            assert!(10.0 * (sound / error.max(1.0)).log10() > 15.0, "{rate:?}");
        }
    }

    #[test]
    fn a_longer_gap_fades_to_silence_and_the_voice_comes_back_without_a_click() {
        let rate = Rate::Narrow;
        let mut concealer = Concealer::new(rate);
        concealer.came(&mut voice(rate, 0, 800));
        let mut gap = vec![1; 800];
        concealer.conceal(&mut gap);
        assert!(gap[480..].iter().all(|sample| *sample == 0), "gone after 60 ms");
        let mut back = voice(rate, 1610, 80);
        concealer.came(&mut back);
        assert!(back[0].abs() < 500, "{}", back[0]);
    }

    #[test]
    fn noise_and_silence_are_no_trouble() {
        let mut concealer = Concealer::new(Rate::Wide);
        let mut out = [7; 160];
        concealer.conceal(&mut out);
        assert_eq!(out, [0; 160], "nothing ever came");
        let mut state = 1u32;
        let mut noise: Vec<i16> = (0..800)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as i16
            })
            .collect();
        concealer.came(&mut noise);
        concealer.conceal(&mut out);
    }
}
