//! Whether somebody speaks, from how loud each packet is against what the line hums anyway. Pure arithmetic.

use super::codec::g711::PEAK_0_DBM0;

/// Below this nothing is speech (dBm0): people at a telephone speak at -15 to -35.
const LEAST: f32 = -45.0;
/// So far above the noise of the line is speech (dB).
const ABOVE: f32 = 9.0;
/// The noise is believed to grow this fast (dB a second). A pause brings it down at once, so speech, which has many, never
/// becomes noise; a hum does, in a quarter of a minute.
const GROWS: f32 = 2.5;
/// A line as quiet as digital silence.
const QUIETEST: f32 = -70.0;
/// Sound of this length is a word, and no click.
const WORD_MS: u32 = 80;

/// Level of linear samples, 0 = the loudness of a sine of 0 dBm0.
pub fn level(pcm: &[i16]) -> f32 {
    let power: f64 = pcm.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    let sine = PEAK_0_DBM0 * PEAK_0_DBM0 / 2.0;
    let mean = power / pcm.len().max(1) as f64;
    ((10.0 * (mean / sine).max(1e-12).log10()) as f32).max(QUIETEST)
}

#[derive(Debug)]
pub struct Speech {
    noise: f32,
    loud_ms: u32,
}

impl Default for Speech {
    fn default() -> Self {
        Self { noise: LEAST - ABOVE, loud_ms: 0 }
    }
}

impl Speech {
    /// The next `ms` of sound. True = somebody speaks in them.
    pub fn hear(&mut self, ms: u32, level: f32) -> bool {
        let loud = level > LEAST.max(self.noise + ABOVE);
        self.noise = level.min(self.noise + GROWS * ms as f32 / 1000.0).max(QUIETEST);
        self.loud_ms = if loud { self.loud_ms.saturating_add(ms) } else { 0 };
        self.loud_ms >= WORD_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(dbm0: f64, samples: usize) -> Vec<i16> {
        let peak = PEAK_0_DBM0 * 10f64.powf(dbm0 / 20.0);
        (0..samples).map(|n| (peak * (n as f64 * 0.8).sin()) as i16).collect()
    }

    /// How many of the 20 ms of a second are speech, at each second.
    fn shares(speech: &mut Speech, levels: impl IntoIterator<Item = f32>) -> Vec<usize> {
        let heard: Vec<bool> = levels.into_iter().map(|level| speech.hear(20, level)).collect();
        heard.chunks(50).map(|second| second.iter().filter(|heard| **heard).count()).collect()
    }

    #[test]
    fn levels_are_those_of_a_sine_and_silence_is_the_quietest() {
        for dbm0 in [0.0, -20.0, -50.0] {
            assert!((f64::from(level(&sine(dbm0, 8_000))) - dbm0).abs() < 0.5, "{dbm0}");
        }
        assert_eq!((level(&[0; 160]), level(&[])), (QUIETEST, QUIETEST));
    }

    #[test]
    fn words_are_speech_also_quiet_ones_and_on_a_noisy_line_and_clicks_are_not() {
        for (word, line) in [(-20.0, QUIETEST), (-38.0, -60.0), (-20.0, -35.0)] {
            let mut speech = Speech::default();
            // Words of 300 ms with 200 ms between them, for half a minute.
            let said = (0..1500).map(|n| if n % 25 < 15 { word } else { line });
            let shares = shares(&mut speech, said);
            assert!(shares[2..].iter().all(|share| *share >= 20), "{word} over {line}: {shares:?}");
        }
        let clicks = (0..500).map(|n| if n % 25 < 2 { -15.0 } else { QUIETEST });
        assert_eq!(shares(&mut Speech::default(), clicks).iter().sum::<usize>(), 0);
    }

    #[test]
    fn a_hum_is_no_speech_for_long_and_silence_never_is() {
        let shares = shares(&mut Speech::default(), (0..1500).map(|_| -30.0));
        assert!(shares[0] > 40 && shares[15..].iter().all(|share| *share == 0), "{shares:?}");
        assert!(!Speech::default().hear(20, QUIETEST));
    }
}
