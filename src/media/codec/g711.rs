//! ITU-T G.711: mu-law and A-law by tables that the compiler works out from the definition.
//!
//! Linear samples are 16 bits wide; G.711 defines 14 bits (mu) and 13 bits (A), so the lower bits fall away when
//! encoding and are mid-step when decoding.

use crate::sdp::Codec;

/// 16-bit sample of each mu-law octet.
pub static ULAW_DECODE: [i16; 256] = ulaw_decode_table();
/// 16-bit sample of each A-law octet.
pub static ALAW_DECODE: [i16; 256] = alaw_decode_table();
/// G.711 tables 3 and 4. Not quite the nearest value: chosen by the ITU so that going to the other law and back loses
/// as little as possible.
pub static ULAW_TO_ALAW: [u8; 256] = ulaw_to_alaw_table();
pub static ALAW_TO_ULAW: [u8; 256] = alaw_to_ulaw_table();

/// Indexed by the upper 14 bits of a sample. A-law needs 12 of them; one index serves both.
static ULAW_ENCODE: [u8; 1 << 14] = encode_table(true);
static ALAW_ENCODE: [u8; 1 << 14] = encode_table(false);

/// Peak of a sine of 0 dBm0: 3.17 dB (mu) or 3.14 dB (A) below the overload point, which differ by less than the
/// steps of either law; this is the one halfway.
pub const PEAK_0_DBM0: f64 = 22_742.0;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    Mu,
    A,
}

impl Law {
    pub const fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::Pcmu => Some(Law::Mu),
            Codec::Pcma => Some(Law::A),
            Codec::G722 | Codec::Opus => None,
        }
    }

    /// The octet that a decoder turns into no sound, for filling packets (positive zero of each law).
    pub const fn silence(self) -> u8 {
        match self {
            Law::Mu => 0xff,
            Law::A => 0xd5,
        }
    }

    pub fn linear(self, octet: u8) -> i16 {
        match self {
            Law::Mu => ULAW_DECODE[usize::from(octet)],
            Law::A => ALAW_DECODE[usize::from(octet)],
        }
    }

    pub fn octet(self, sample: i16) -> u8 {
        match self {
            Law::Mu => to_ulaw(sample),
            Law::A => to_alaw(sample),
        }
    }
}

/// Samples written: one for each octet, as far as there is room.
pub fn decode(law: Law, payload: &[u8], pcm: &mut [i16]) -> usize {
    let table = match law {
        Law::Mu => &ULAW_DECODE,
        Law::A => &ALAW_DECODE,
    };
    for (sample, octet) in pcm.iter_mut().zip(payload) {
        *sample = table[usize::from(*octet)];
    }
    payload.len().min(pcm.len())
}

/// Octets written: one for each sample, as far as there is room.
pub fn encode(law: Law, pcm: &[i16], payload: &mut [u8]) -> usize {
    for (octet, sample) in payload.iter_mut().zip(pcm) {
        *octet = law.octet(*sample);
    }
    pcm.len().min(payload.len())
}

pub fn to_ulaw(sample: i16) -> u8 {
    ULAW_ENCODE[usize::from(sample as u16 >> 2)]
}

pub fn to_alaw(sample: i16) -> u8 {
    ALAW_ENCODE[usize::from(sample as u16 >> 2)]
}

const fn encode_table(ulaw: bool) -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        // The index is the sample's bits without the lowest two: back to a signed 14-bit value.
        let value = ((index as u16) << 2) as i16 >> 2;
        table[index] = if ulaw { ulaw_encode(value) } else { alaw_encode(value) };
        index += 1;
    }
    table
}

/// G.711 table 2: eight segments, each twice as coarse, on a magnitude offset by 33; all bits inverted.
const fn ulaw_encode(value: i16) -> u8 {
    let (sign, magnitude) = if value < 0 { (0x80, !value as u16) } else { (0, value as u16) };
    let offset = if magnitude > 8191 - 33 { 8191 } else { magnitude + 33 };
    let segment = 15 - offset.leading_zeros() - 5;
    let step = (offset >> (segment + 1)) & 0x0f;
    !(sign | (segment as u8) << 4 | step as u8)
}

/// G.711 table 1: segments 0 and 1 share a step, the next are each twice as coarse; even bits inverted.
const fn alaw_encode(value: i16) -> u8 {
    let (sign, magnitude) = if value < 0 { (0, (!value >> 2) as u16) } else { (0x80, (value >> 2) as u16) };
    let code = if magnitude < 16 {
        magnitude
    } else {
        let segment = 15 - magnitude.leading_zeros() - 3;
        (segment as u16) << 4 | (magnitude >> (segment - 1)) & 0x0f
    };
    (sign | code as u8) ^ 0x55
}

const fn ulaw_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let bits = !(octet as u8);
        let (segment, step) = (bits >> 4 & 7, (bits & 0x0f) as i32);
        let magnitude = (((step << 3) + 132) << segment) - 132;
        table[octet] = if bits & 0x80 != 0 { -magnitude } else { magnitude } as i16;
        octet += 1;
    }
    table
}

const fn alaw_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let bits = octet as u8 ^ 0x55;
        let (segment, step) = (bits >> 4 & 7, (bits & 0x0f) as i32);
        let magnitude = if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 264) << (segment - 1) };
        table[octet] = if bits & 0x80 != 0 { magnitude } else { -magnitude } as i16;
        octet += 1;
    }
    table
}

/// Table 3, in runs: where the segments of the two laws lie beside each other, and where one is twice as fine.
const fn ulaw_to_alaw_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let bits = !(octet as u8);
        let magnitude = bits & 0x7f;
        let alaw = match magnitude {
            0..=15 => magnitude / 2,
            16..=31 => magnitude - 8,
            32..=36 => 2 * magnitude - 40,
            37..=47 => magnitude - 4,
            48..=49 => 2 * magnitude - 51,
            50..=63 => magnitude - 2,
            64..=80 => magnitude - 1,
            _ => magnitude,
        };
        // The sign bit of A-law is set for positive values, that of inverted mu-law for negative ones.
        table[octet] = (!bits & 0x80 | alaw) ^ 0x55;
        octet += 1;
    }
    table
}

/// Table 4, in runs.
const fn alaw_to_ulaw_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let bits = octet as u8 ^ 0x55;
        let magnitude = bits & 0x7f;
        let ulaw = match magnitude {
            0..=7 => 2 * magnitude + 1,
            8..=23 => magnitude + 8,
            24..=31 => magnitude / 2 + 20,
            32..=43 => magnitude + 4,
            44..=47 => magnitude / 2 + 26,
            48..=61 => magnitude + 2,
            62..=63 => 64,
            64..=78 => magnitude + 1,
            _ => magnitude,
        };
        table[octet] = !(!bits & 0x80 | ulaw);
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_gives_the_values_of_g711_tables_1_and_2() {
        // (octet, 16-bit value): first and last of segments, both signs. Table 2 values (14 bits) x 4.
        let ulaw = [
            (0xff, 0),
            (0x7f, 0),
            (0xfe, 8),
            (0xf0, 120),
            (0xef, 132),
            (0xe0, 372),
            (0xdf, 396),
            (0xcf, 924),
            (0xbf, 1980),
            (0xaf, 4092),
            (0x9f, 8316),
            (0x8f, 16764),
            (0x80, 32124),
            (0x00, -32124),
            (0x7e, -8),
        ];
        for (octet, value) in ulaw {
            assert_eq!(ULAW_DECODE[octet], value, "mu-law {octet:#x}");
        }
        // Table 1 values (13 bits) x 8.
        let alaw = [
            (0xd5, 8),
            (0x55, -8),
            (0xd4, 24),
            (0xda, 248),
            (0xc5, 264),
            (0xf5, 528),
            (0xe5, 1056),
            (0x95, 2112),
            (0x85, 4224),
            (0xb5, 8448),
            (0xa5, 16896),
            (0xaa, 32256),
            (0x2a, -32256),
        ];
        for (octet, value) in alaw {
            assert_eq!(ALAW_DECODE[octet], value, "A-law {octet:#x}");
        }
    }

    #[test]
    fn encoding_a_decoded_octet_gives_the_octet_back() {
        for octet in 0..=255u8 {
            // mu-law has two zeros; the negative one is sent as the positive.
            let expected = if octet == 0x7f { 0xff } else { octet };
            assert_eq!(to_ulaw(ULAW_DECODE[usize::from(octet)]), expected);
            assert_eq!(to_alaw(ALAW_DECODE[usize::from(octet)]), octet);
        }
    }

    #[test]
    fn every_sample_is_encoded_within_half_a_step_of_its_segment() {
        for sample in i16::MIN..=i16::MAX {
            let size = i32::from(sample).abs();
            let mu = i32::from(ULAW_DECODE[usize::from(to_ulaw(sample))]);
            let a = i32::from(ALAW_DECODE[usize::from(to_alaw(sample))]);
            // Steps are 1/16 to 1/32 of the value, not under 8 (mu) or 16 (A); beyond the overload point the last level.
            let overload = (size - 32_124).max(0);
            assert!((mu - i32::from(sample)).abs() <= (size + 132) / 32 + 4 + overload, "mu {sample} {mu}");
            assert!((a - i32::from(sample)).abs() <= size / 32 + 8 + overload, "A {sample} {a}");
        }
    }

    #[test]
    fn the_noise_of_many_law_changes_on_the_way_does_not_add_up() {
        let there_and_back = |octet: u8| ALAW_TO_ULAW[usize::from(ULAW_TO_ALAW[usize::from(octet)])];
        for octet in 0..=255 {
            let twice = there_and_back(there_and_back(octet));
            assert_eq!(there_and_back(twice), twice, "mu-law {octet:#x}");
            let moved = i32::from(ULAW_DECODE[usize::from(twice)]) - i32::from(ULAW_DECODE[usize::from(octet)]);
            let size = i32::from(ULAW_DECODE[usize::from(octet)]).abs();
            assert!(moved.abs() <= size / 15 + 8, "mu-law {octet:#x}: {moved}");
        }
    }

    #[test]
    fn changing_the_law_gives_the_values_of_g711_tables_3_and_4() {
        // (mu-law magnitude, A-law magnitude), around each bend of the tables.
        for (mu, a) in [
            (0u8, 0u8),
            (1, 0),
            (2, 1),
            (15, 7),
            (16, 8),
            (32, 24),
            (33, 26),
            (36, 32),
            (47, 43),
            (48, 45),
            (49, 47),
            (50, 48),
            (64, 63),
            (80, 79),
            (81, 81),
            (127, 127),
        ] {
            assert_eq!(ULAW_TO_ALAW[usize::from(!mu)], (0x80 | a) ^ 0x55, "positive {mu}");
            assert_eq!(ULAW_TO_ALAW[usize::from(!(0x80 | mu))], a ^ 0x55, "negative {mu}");
        }
        for (a, mu) in [
            (0u8, 1u8),
            (7, 15),
            (8, 16),
            (24, 32),
            (25, 32),
            (31, 35),
            (32, 36),
            (44, 48),
            (47, 49),
            (48, 50),
            (63, 64),
            (64, 65),
            (78, 79),
            (79, 79),
            (80, 80),
            (127, 127),
        ] {
            assert_eq!(ALAW_TO_ULAW[usize::from((0x80 | a) ^ 0x55)], !mu, "positive {a}");
            assert_eq!(ALAW_TO_ULAW[usize::from(a ^ 0x55)], !(0x80 | mu), "negative {a}");
        }
    }

    #[test]
    fn changing_the_law_keeps_sign_and_value_within_a_step() {
        for octet in 0..=255usize {
            let (mu, a) = (i32::from(ULAW_DECODE[octet]), i32::from(ALAW_DECODE[usize::from(ULAW_TO_ALAW[octet])]));
            assert!(
                (mu - a).abs() <= mu.abs() / 32 + 12 && mu.signum() * a.signum() >= 0,
                "mu-law {octet:#x}: {mu} {a}"
            );
            let (a, mu) = (i32::from(ALAW_DECODE[octet]), i32::from(ULAW_DECODE[usize::from(ALAW_TO_ULAW[octet])]));
            assert!((mu - a).abs() <= a.abs() / 32 + 12 && mu.signum() * a.signum() >= 0, "A-law {octet:#x}: {a} {mu}");
        }
    }

    #[test]
    fn the_digital_milliwatt_of_g711_is_0_dbm0_here_too() {
        // G.711 tables 5 and 6: the periodic sequence whose decoded tone of 1 kHz is 0 dBm0.
        let mu = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e].map(|octet: usize| f64::from(ULAW_DECODE[octet]));
        let a = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4].map(|octet: usize| f64::from(ALAW_DECODE[octet]));
        for law in [mu, a] {
            let rms = (law.iter().map(|sample| sample * sample).sum::<f64>() / 8.0).sqrt();
            let db = 20.0 * (rms * std::f64::consts::SQRT_2 / PEAK_0_DBM0).log10();
            assert!(db.abs() < 0.2, "{db} dB");
        }
    }
}
