//! Sounds that are known by their bytes: four samples over and over, a mark and three digits of sixteen levels, far enough
//! apart to survive either law of G.711 and a change from one to the other.

use hotline::media::codec::{self, Law};
use hotline::sdp::Codec;

const MARK: i16 = -20_000;
const FIRST_LEVEL: i16 = 1_000;
const LEVEL_STEP: i16 = 1_400;
/// Samples in 20 ms.
pub const PACKET: usize = 160;

/// Numbers of sounds: recordings from 0, voices from here, the music alone.
pub const FIRST_VOICE: u16 = 3_000;
pub const MUSIC: u16 = 4_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A recording, a voice or the music.
    Known(u16),
    /// Something that is none of ours: a tone.
    Tone,
    Silence,
}

fn four(number: u16) -> [i16; 4] {
    let level = |shift: u16| FIRST_LEVEL + LEVEL_STEP * ((number >> shift) & 15) as i16;
    [MARK, level(8), level(4), level(0)]
}

pub fn pcm(number: u16, ms: usize) -> Vec<i16> {
    four(number).into_iter().cycle().take(ms * 8).collect()
}

fn law(of: Codec) -> Law {
    Law::of(of).expect("these phones speak G.711")
}

/// 20 ms of a sound as a phone sends it.
pub fn encoded(number: u16, of: Codec) -> Vec<u8> {
    let clip = hotline::media::Clip::from_pcm("", "", &pcm(number, 20));
    clip.encoded(law(of)).to_vec()
}

/// What the payload of a packet sounds like.
pub fn listen(of: Codec, payload: &[u8]) -> Heard {
    let Some(repeats) = payload.len().checked_sub(4) else { return Heard::Silence };
    let first: Vec<i16> = payload[..4].iter().map(|&octet| law(of).linear(octet)).collect();
    if first.iter().all(|sample| sample.abs() < 100) && payload[1..] == payload[..payload.len() - 1] {
        return Heard::Silence;
    }
    let mark = first.iter().position(|sample| (MARK - 700..MARK + 700).contains(sample));
    match mark {
        Some(mark) if payload[4..] == payload[..repeats] => {
            let digit = |n: usize| (first[(mark + n) % 4] - FIRST_LEVEL + LEVEL_STEP / 2) / LEVEL_STEP;
            Heard::Known((digit(1) << 8 | digit(2) << 4 | digit(3)) as u16)
        }
        _ => Heard::Tone,
    }
}

#[test]
fn every_sound_is_known_again_in_either_law() {
    for number in [0, 1, 15, 16, 255, 256, 2_999, FIRST_VOICE, MUSIC, 4_095] {
        for (of, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
            let mut payload = encoded(number, of);
            assert_eq!(listen(of, &payload), Heard::Known(number));
            codec::convert(&mut payload, of, to);
            assert_eq!(listen(to, &payload), Heard::Known(number));
        }
    }
}
