//! How good a direction of a call sounds: the transmission rating R of ITU-T G.107 (E-model) and the opinion (MOS) that
//! people would give it, from what a network does to packets. Codecs by the tables of ITU-T G.113.
//!
//! All that is not measured has the default value of G.107: a telephone in a quiet room. Pure arithmetic.

use crate::events::media::Quality;
use crate::sdp::Codec;

/// Basic signal-to-noise ratio, and what goes along with speech, at the defaults of G.107 (7.2, 7.3).
const RO: f64 = 94.7688;
const IS: f64 = 1.4136;
/// Loudness of the talker's echo and of the listener's, at the defaults (dB).
const TELR: f64 = 65.0;
const WEPL: f64 = 110.0;

/// What a codec costs, and how well what plays it bears loss (G.113 I).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Impairment {
    ie: f64,
    bpl: f64,
}

impl Impairment {
    fn of(codec: Codec) -> Self {
        match codec {
            // With the concealment of G.711 Appendix I, which every phone has in some form.
            Codec::Pcmu | Codec::Pcma => Self { ie: 0.0, bpl: 25.1 },
            // G.113 has no narrow-band figures for these; on this scale, whose best is a telephone line, they lose nothing, and
            // what conceals their losses is as good or better.
            Codec::G722 | Codec::Opus => Self { ie: 0.0, bpl: 25.1 },
        }
    }

    /// Ie,eff of G.107 7.5 for losses that fall at random.
    fn effective(self, loss: f64) -> f64 {
        let percent = loss * 100.0;
        self.ie + (95.0 - self.ie) * percent / (percent + self.bpl)
    }
}

/// What packets go through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Path {
    /// Fraction lost, 0 to 1.
    pub loss: f64,
    /// Mouth to ear, one way.
    pub delay_ms: f64,
}

impl Path {
    /// From what can be measured: half the round trip, a packet's own length, and a playout buffer of twice the jitter.
    pub fn measured(lost: u64, expected: u64, round_trip_us: Option<u32>, jitter_us: u32) -> Self {
        const PACKET_MS: f64 = 20.0;
        let ms = |us: u32| f64::from(us) / 1000.0;
        Self {
            loss: if expected == 0 { 0.0 } else { lost.min(expected) as f64 / expected as f64 },
            delay_ms: round_trip_us.map_or(0.0, ms) / 2.0 + 2.0 * ms(jitter_us) + PACKET_MS,
        }
    }
}

pub fn rate(codec: Codec, path: Path) -> Quality {
    let r = rating(Impairment::of(codec), path);
    let rounded = |value: f64, by: f64| ((value * by).round() / by) as f32;
    Quality { r: rounded(r, 10.0), mos: rounded(opinion(r), 100.0), loss: rounded(path.loss, 10_000.0) }
}

/// R = Ro - Is - Id - Ie,eff (G.107 7.1).
fn rating(codec: Impairment, path: Path) -> f64 {
    (RO - IS - delay_impairment(path.delay_ms.max(0.0)) - codec.effective(path.loss)).max(0.0)
}

/// Id of G.107 7.4: echo to the talker, echo to the listener, and that one has to wait for an answer.
fn delay_impairment(ms: f64) -> f64 {
    let (one_way, round) = (ms, 2.0 * ms);
    let terv = TELR - 40.0 * ((1.0 + one_way / 10.0) / (1.0 + one_way / 150.0)).log10()
        + 6.0 * (-0.3 * one_way * one_way).exp();
    let talker = half_and_root(RO - (80.0 + 2.5 * (terv - 14.0)), 100.0, -1.0) * (1.0 - (-one_way).exp());
    let listener = half_and_root(RO - 10.5 * (WEPL + 7.0) * (round + 1.0).powf(-0.25), 169.0, 0.0);
    let absolute = if ms <= 100.0 {
        0.0
    } else {
        let x = (ms / 100.0).log2();
        25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
    };
    talker + listener + absolute
}

/// x/2 + sqrt(x²/4 + c) + offset: the shape of both echo terms.
fn half_and_root(x: f64, c: f64, offset: f64) -> f64 {
    x / 2.0 + (x * x / 4.0 + c).sqrt() + offset
}

/// MOS of G.107 Annex B.
fn opinion(r: f64) -> f64 {
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        // The cubic dips below 1 for the smallest R.
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G729A: Impairment = Impairment { ie: 11.0, bpl: 19.0 };

    fn near(value: f64, expected: f64, by: f64) {
        assert!((value - expected).abs() <= by, "{value} instead of {expected}");
    }

    #[test]
    fn the_default_of_all_parameters_is_the_93_2_that_g_107_gives() {
        near(rating(Impairment::of(Codec::Pcmu), Path::default()), 93.2, 0.05);
    }

    #[test]
    fn opinions_are_those_of_table_b_1_of_g_107() {
        for (r, mos) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            // The table rounds 4.024 up.
            near(opinion(r), mos, 0.007);
        }
        assert_eq!((opinion(0.0), opinion(-5.0), opinion(100.0)), (1.0, 1.0, 4.5));
        assert!(opinion(3.0) >= 1.0);
    }

    #[test]
    fn g_729a_under_random_loss_costs_what_g_113_says() {
        for (percent, ie) in [(0.0, 11.0), (0.5, 13.0), (1.0, 15.0), (1.5, 17.0), (2.0, 19.0), (3.0, 23.0), (4.0, 26.0)]
        {
            near(G729A.effective(percent / 100.0), ie, 0.6);
        }
        near(G729A.effective(0.08), 36.0, 0.6);
        near(G729A.effective(0.16), 49.0, 0.6);
    }

    #[test]
    fn delay_costs_little_up_to_150_ms_and_much_beyond_as_g_114_draws_it() {
        let r = |ms| rating(Impairment::of(Codec::Pcma), Path { loss: 0.0, delay_ms: ms });
        near(r(100.0), 91.0, 1.0);
        near(r(150.0), 89.5, 1.0);
        near(r(250.0), 80.0, 2.5);
        near(r(400.0), 66.0, 4.0);
        assert!((0..100).all(|n| r(f64::from(n * 10)) >= r(f64::from(n * 10 + 10))), "more delay is never better");
    }

    #[test]
    fn nothing_measured_is_out_of_its_range() {
        let worst = rate(Codec::Pcmu, Path::measured(9, 3, Some(u32::MAX), u32::MAX));
        assert_eq!((worst.r, worst.mos, worst.loss), (0.0, 1.0, 1.0));
        let best = rate(Codec::Pcmu, Path::measured(0, 0, None, 0));
        assert!(best.r > 92.0 && best.mos > 4.3 && best.loss == 0.0, "{best:?}");
    }
}
