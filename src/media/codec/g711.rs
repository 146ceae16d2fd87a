//! ITU-T G.711: mu-law and A-law by tables that the compiler works out from the definition.
//!
//! Linear samples are 16 bits wide; G.711 defines 14 bits (mu) and 13 bits (A), so the lower bits fall away when
//! encoding and are mid-step when decoding.

/// 16-bit sample of each mu-law octet.
pub static ULAW_DECODE: [i16; 256] = ulaw_decode_table();
/// 16-bit sample of each A-law octet.
pub static ALAW_DECODE: [i16; 256] = alaw_decode_table();
/// The A-law octet nearest in value to each mu-law octet, and the other way.
pub static ULAW_TO_ALAW: [u8; 256] = conversion(&ulaw_decode_table(), &alaw_decode_table());
pub static ALAW_TO_ULAW: [u8; 256] = conversion(&alaw_decode_table(), &ulaw_decode_table());

/// Indexed by the upper 14 bits of a sample. A-law needs 12 of them; one index serves both.
static ULAW_ENCODE: [u8; 1 << 14] = encode_table(true);
static ALAW_ENCODE: [u8; 1 << 14] = encode_table(false);

/// Peak of a sine of 0 dBm0: 3.17 dB (mu) or 3.14 dB (A) below the overload point, which differ by less than the
/// steps of either law; this is the one halfway.
pub const PEAK_0_DBM0: f64 = 22_742.0;

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

/// For each octet of one law the octet of the other whose value is nearest, of the same sign; of two equally near
/// the one further from zero, so that no level falls silent on the way.
const fn conversion(from: &[i16; 256], to: &[i16; 256]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let want = from[octet] as i32;
        let sign = octet & 0x80;
        let mut best = sign;
        let mut candidate = sign;
        while candidate < sign + 128 {
            let (old, new) = (to[best] as i32, to[candidate] as i32);
            let (old_error, new_error) = ((old - want).abs(), (new - want).abs());
            if new_error < old_error || (new_error == old_error && new.abs() > old.abs()) {
                best = candidate;
            }
            candidate += 1;
        }
        table[octet] = best as u8;
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
    fn a_second_law_change_on_the_way_adds_no_more_noise() {
        for octet in 0..=255usize {
            let a = ULAW_TO_ALAW[octet];
            let again = ULAW_TO_ALAW[usize::from(ALAW_TO_ULAW[usize::from(a)])];
            assert_eq!(again, a, "mu-law {octet:#x}");
            let mu = ALAW_TO_ULAW[octet];
            let again = ALAW_TO_ULAW[usize::from(ULAW_TO_ALAW[usize::from(mu)])];
            assert_eq!(again, mu, "A-law {octet:#x}");
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
