//! Sound that is generated: hold music and tones. Made once, before the worker runs, and played like any clip.
//!
//! Every tone of whole Hertz repeats after one second, so one second of it is all that is kept.

use super::clip::Clip;
use super::codec::g711::PEAK_0_DBM0;
use super::command::Tone;
use std::f64::consts::TAU;
use std::sync::Arc;

const RATE: usize = 8000;

/// What all legs of all workers share.
#[derive(Debug)]
pub struct Sounds {
    pub music: Arc<Clip>,
    ringback: Arc<Clip>,
    milliwatt: Arc<Clip>,
}

/// A tone ready to be played: one second of it, and how it goes on and off (in samples).
#[derive(Clone, Debug)]
pub enum Sound {
    /// Endless: the clip over and over.
    Loop(Arc<Clip>),
    /// `count` times `on` then `off` (without the last `off`); 0 = endless.
    Cadence { second: Arc<Clip>, on: u64, off: u64, count: u64 },
}

impl Sounds {
    pub fn new(seed: u64) -> Self {
        Self {
            music: Arc::new(Clip::from_pcm("hold-music", "", &music(seed))),
            // -10 dBm0: the usual level of tones sent from the exchange (ITU-T E.180).
            ringback: tone([425, 0], -10),
            milliwatt: tone([1004, 0], 0),
        }
    }

    /// Not for the packet path: a tone of its own frequencies is computed here.
    pub fn sound(&self, of: Tone) -> Sound {
        let cadence = |second: &Arc<Clip>, on: u64, off: u64| Sound::Cadence {
            second: second.clone(),
            on: on * RATE as u64,
            off: off * RATE as u64,
            count: 0,
        };
        match of {
            Tone::MusicOnHold => Sound::Loop(self.music.clone()),
            Tone::Milliwatt => Sound::Loop(self.milliwatt.clone()),
            Tone::Ringback => cadence(&self.ringback, 1, 4),
            Tone::Cadence { freqs, level_dbm0, on_ms, off_ms, count } => Sound::Cadence {
                second: tone(freqs, level_dbm0),
                on: u64::from(on_ms) * 8,
                off: u64::from(off_ms) * 8,
                count: u64::from(count),
            },
        }
    }
}

/// One second of one or two sines.
fn tone(freqs: [u16; 2], level_dbm0: i8) -> Arc<Clip> {
    let peak = PEAK_0_DBM0 * 10f64.powf(f64::from(level_dbm0) / 20.0);
    let pcm: Vec<i16> = (0..RATE)
        .map(|n| {
            let sine = |freq: u16| (TAU * f64::from(freq) * n as f64 / RATE as f64).sin();
            clamp(freqs.into_iter().filter(|&freq| freq > 0).map(|freq| peak * sine(freq)).sum())
        })
        .collect();
    Arc::new(Clip::from_pcm("tone", "", &pcm))
}

/// Beats a bar and bars of the loop; a beat is 0.375 s.
const BEATS: usize = 8;
const BARS: usize = 8;
const BEAT: usize = RATE * 3 / 8;
/// RMS level of hold music: below speech, so that an announcement stands out.
const MUSIC_DBM0: f64 = -20.0;

/// A slow arpeggio over I vi IV V with plucked, soft-edged notes, 24 s long. What rings past the end rings on at the
/// beginning, so the loop has no seam. All partials lie below 1.5 kHz, where G.711 over a telephone sounds best.
fn music(seed: u64) -> Vec<i16> {
    // Semitones above C3, bass first; the arpeggio walks over the other five.
    const CHORDS: [[i32; 6]; 4] =
        [[0, 12, 16, 19, 23, 28], [-3, 12, 16, 19, 21, 24], [-7, 12, 17, 21, 24, 28], [-5, 11, 14, 19, 23, 26]];
    const WALKS: [[usize; BEATS]; 4] =
        [[1, 2, 3, 4, 5, 4, 3, 2], [1, 3, 2, 4, 3, 5, 4, 3], [3, 2, 1, 3, 5, 4, 3, 4], [1, 2, 4, 5, 3, 4, 2, 3]];
    let mut mix = vec![0f64; BARS * BEATS * BEAT];
    let mut dice = seed | 1;
    for bar in 0..BARS {
        // xorshift64: which walk each bar takes is all that the seed decides.
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let chord = CHORDS[bar % CHORDS.len()];
        let walk = WALKS[(dice >> 32) as usize % WALKS.len()];
        let start = bar * BEATS * BEAT;
        pluck(&mut mix, start, chord[0], 0.9, 0.7);
        for (beat, &step) in walk.iter().enumerate() {
            let accent = if beat % 4 == 0 { 0.7 } else { 0.5 };
            pluck(&mut mix, start + beat * BEAT, chord[step], accent, 0.4);
        }
    }
    let rms = (mix.iter().map(|x| x * x).sum::<f64>() / mix.len() as f64).sqrt().max(f64::MIN_POSITIVE);
    let scale = PEAK_0_DBM0 / std::f64::consts::SQRT_2 * 10f64.powf(MUSIC_DBM0 / 20.0) / rms;
    mix.into_iter().map(|sample| clamp(sample * scale)).collect()
}

/// Adds a decaying note. Each partial is a resonator (two products a sample), less a faster one of the same pitch, so
/// that it swells in instead of clicking.
fn pluck(mix: &mut [f64], start: usize, semitone: i32, loudness: f64, decay_s: f64) {
    const C3: f64 = 130.81;
    const ATTACK_S: f64 = 0.012;
    let pitch = C3 * 2f64.powf(f64::from(semitone) / 12.0);
    for (partial, share) in [(1.0, 1.0), (2.0, 0.22), (3.0, 0.06)] {
        let omega = TAU * pitch * partial / RATE as f64;
        for (sign, life) in [(1.0, decay_s / partial), (-1.0, ATTACK_S)] {
            let shrink = (-1.0 / (life * RATE as f64)).exp();
            let (turn, square) = (2.0 * shrink * omega.cos(), shrink * shrink);
            let (mut before, mut current) = (0.0, sign * loudness * share * shrink * omega.sin());
            // 7 time constants: -60 dB.
            for n in 0..(7.0 * life * RATE as f64) as usize {
                let place = (start + n) % mix.len();
                mix[place] += current;
                (before, current) = (current, turn * current - square * before);
            }
        }
    }
}

fn clamp(sample: f64) -> i16 {
    sample.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::super::codec::Law;
    use super::*;

    /// Level of one frequency in dBm0.
    fn goertzel(clip: &Clip, law: Law, freq: f64) -> f64 {
        let omega = TAU * freq / RATE as f64;
        let (mut s1, mut s2) = (0.0, 0.0);
        let pcm: Vec<i16> = clip.encoded(law).iter().map(|&octet| law.linear(octet)).collect();
        for &sample in &pcm {
            (s1, s2) = (f64::from(sample) + 2.0 * omega.cos() * s1 - s2, s1);
        }
        let power = s1 * s1 + s2 * s2 - 2.0 * omega.cos() * s1 * s2;
        20.0 * (power.sqrt() * 2.0 / pcm.len() as f64 / PEAK_0_DBM0).log10()
    }

    fn second(sound: Sound) -> Arc<Clip> {
        match sound {
            Sound::Loop(clip) | Sound::Cadence { second: clip, .. } => clip,
        }
    }

    #[test]
    fn the_test_tone_is_1004_hz_at_0_dbm0_in_both_laws() {
        let clip = second(Sounds::new(1).sound(Tone::Milliwatt));
        for law in [Law::Mu, Law::A] {
            let level = goertzel(&clip, law, 1004.0);
            assert!(level.abs() < 0.1, "{level} dBm0");
            assert!(goertzel(&clip, law, 900.0) < -40.0);
        }
    }

    #[test]
    fn the_ringing_tone_has_the_frequency_and_the_rhythm_of_its_country() {
        let sounds = Sounds::new(1);
        let Sound::Cadence { second: clip, on, off, count: 0 } = sounds.sound(Tone::Ringback) else {
            panic!("a cadence")
        };
        assert_eq!((on, off), (8000, 32000));
        assert!((goertzel(&clip, Law::A, 425.0) + 10.0).abs() < 0.5);
    }

    #[test]
    fn hold_music_is_as_loud_as_meant_never_clips_and_has_no_seam() {
        for seed in 0..4 {
            let pcm = music(seed);
            assert_eq!(pcm.len(), 24 * RATE);
            let rms = (pcm.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt();
            let level = 20.0 * (rms * std::f64::consts::SQRT_2 / PEAK_0_DBM0).log10();
            assert!((level - MUSIC_DBM0).abs() < 0.1, "{level}");
            let peak = pcm.iter().map(|x| x.unsigned_abs()).max().unwrap();
            assert!(peak < 16_000, "{peak}");
            let step = |a: i16, b: i16| (i32::from(a) - i32::from(b)).abs();
            let steepest = pcm.windows(2).map(|w| step(w[0], w[1])).max().unwrap();
            assert!(step(pcm[0], pcm[pcm.len() - 1]) <= steepest);
            // Never a hole: no 300 ms without sound.
            assert!(pcm.chunks(2400).all(|part| part.iter().any(|x| x.unsigned_abs() > 300)));
        }
    }

    #[test]
    fn the_seed_decides_the_tune_and_the_same_seed_plays_the_same() {
        assert_eq!(music(1), music(1));
        assert!((2..9).any(|seed| music(seed) != music(1)));
    }
}
