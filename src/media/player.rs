//! What one leg is played: a list of clips, silences and sounds, cut into packets of any length, in either law of G.711 (other
//! codecs are made from that). Positions count samples, so a codec change in mid-prompt goes on at the same word. No timing here: the leg asks when it is due.

use super::clip::Clip;
use super::codec::Law;
use super::command::{PlayId, PlayItem};
use super::sounds::{Sound, Sounds};
use std::sync::Arc;

#[derive(Debug)]
pub struct Player {
    pub id: PlayId,
    pub bargeable: bool,
    tracks: Box<[Track]>,
    repeat: bool,
    track: usize,
    /// Samples into the track.
    offset: u64,
    /// Samples taken since the list began; a list without sound is not repeated.
    in_pass: u64,
    heard: u64,
}

#[derive(Debug)]
enum Track {
    Clip(Arc<Clip>),
    Silence(u64),
    Sound(Sound),
}

impl Player {
    pub fn new(id: PlayId, items: &[PlayItem], repeat: bool, bargeable: bool, sounds: &Sounds) -> Self {
        let tracks = items
            .iter()
            .map(|item| match item {
                PlayItem::Clip(clip) => Track::Clip(clip.clone()),
                PlayItem::Silence(ms) => Track::Silence(u64::from(*ms) * 8),
                PlayItem::Tone(tone) => Track::Sound(sounds.sound(*tone)),
            })
            .collect();
        Self { id, bargeable, tracks, repeat, track: 0, offset: 0, in_pass: 0, heard: 0 }
    }

    /// Fills a packet and returns how many samples of it are of the list; the rest is silence. 0 = it has ended.
    pub fn fill(&mut self, packet: &mut [u8], of: Law) -> usize {
        let mut filled = 0;
        while filled < packet.len() {
            let Some(track) = self.tracks.get(self.track) else {
                if !self.repeat || self.in_pass == 0 {
                    break;
                }
                (self.track, self.in_pass) = (0, 0);
                continue;
            };
            let taken = track.read(self.offset, &mut packet[filled..], of);
            if taken == 0 {
                self.track += 1;
                self.offset = 0;
                continue;
            }
            filled += taken;
            self.offset += taken as u64;
            self.in_pass += taken as u64;
        }
        packet[filled..].fill(of.silence());
        filled
    }

    /// The packet that was filled with `samples` went out.
    pub fn sent(&mut self, samples: usize) {
        self.heard += samples as u64;
    }

    pub fn heard_ms(&self) -> u32 {
        (self.heard / 8).min(u64::from(u32::MAX)) as u32
    }
}

impl Track {
    /// Copies from `offset` on, as far as one piece goes. 0 = at the end.
    fn read(&self, offset: u64, into: &mut [u8], of: Law) -> usize {
        match self {
            Track::Clip(clip) => copy(clip.encoded(of), offset, into),
            Track::Silence(samples) => silence(samples.saturating_sub(offset), into, of),
            Track::Sound(Sound::Loop(clip)) => loop_over(clip, offset, u64::MAX, into, of),
            Track::Sound(Sound::Cadence { second, on, off, count }) => {
                let cycle = on + off;
                if cycle == 0 {
                    return 0;
                }
                let (nth, within) = (offset / cycle, offset % cycle);
                // The last pause is not waited for.
                let over = *count > 0 && (nth >= *count || (nth + 1 == *count && within >= *on));
                match () {
                    () if over => 0,
                    () if within < *on => loop_over(second, within, on - within, into, of),
                    () => silence(cycle - within, into, of),
                }
            }
        }
    }
}

fn copy(from: &[u8], offset: u64, into: &mut [u8]) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| from.get(offset..)).unwrap_or_default();
    let taken = rest.len().min(into.len());
    into[..taken].copy_from_slice(&rest[..taken]);
    taken
}

fn loop_over(clip: &Clip, offset: u64, at_most: u64, into: &mut [u8], of: Law) -> usize {
    if clip.samples() == 0 {
        return 0;
    }
    let room = into.len().min(usize::try_from(at_most).unwrap_or(usize::MAX));
    copy(clip.encoded(of), offset % clip.samples() as u64, &mut into[..room])
}

fn silence(samples: u64, into: &mut [u8], of: Law) -> usize {
    let taken = into.len().min(usize::try_from(samples).unwrap_or(usize::MAX));
    into[..taken].fill(of.silence());
    taken
}

#[cfg(test)]
mod tests {
    use super::super::command::Tone;
    use super::*;
    use std::sync::LazyLock;

    static SOUNDS: LazyLock<Sounds> = LazyLock::new(|| Sounds::new(1));

    fn clip(samples: usize, level: i16) -> PlayItem {
        PlayItem::Clip(Arc::new(Clip::from_pcm("x", "en", &vec![level; samples])))
    }

    /// All that is played, in packets of 20 ms, at most `limit` of them.
    fn play(items: &[PlayItem], repeat: bool, limit: usize) -> Vec<u8> {
        let mut player = Player::new(PlayId(1), items, repeat, false, &SOUNDS);
        let mut all = Vec::new();
        for _ in 0..limit {
            let mut packet = [0; 160];
            let filled = player.fill(&mut packet, Law::Mu);
            if filled == 0 {
                break;
            }
            all.extend_from_slice(&packet[..filled]);
        }
        all
    }

    #[test]
    fn items_follow_each_other_without_a_gap_in_the_middle_of_a_packet() {
        let all = play(&[clip(100, 1000), PlayItem::Silence(5), clip(300, 2000)], false, 99);
        let (first, second) = (Law::Mu.octet(1000), Law::Mu.octet(2000));
        assert_eq!(all.len(), 440);
        assert!(all[..100].iter().all(|&x| x == first) && all[100..140].iter().all(|&x| x == 0xff));
        assert!(all[140..].iter().all(|&x| x == second));
    }

    #[test]
    fn the_last_packet_is_filled_up_with_silence() {
        let mut player = Player::new(PlayId(1), &[clip(170, 1000)], false, false, &SOUNDS);
        let mut packet = [0; 160];
        assert_eq!(player.fill(&mut packet, Law::A), 160);
        assert_eq!(player.fill(&mut packet, Law::A), 10);
        assert!(packet[10..].iter().all(|&x| x == 0xd5));
        assert_eq!(player.fill(&mut packet, Law::A), 0);
    }

    #[test]
    fn a_repeated_list_goes_on_but_one_without_sound_ends() {
        assert_eq!(play(&[clip(100, 1)], true, 10).len(), 1600);
        assert!(play(&[], true, 10).is_empty());
        assert!(play(&[PlayItem::Silence(0), clip(0, 1)], true, 10).is_empty());
    }

    #[test]
    fn a_tone_of_three_beeps_ends_after_the_third_without_the_last_pause() {
        let beep = Tone::Cadence { freqs: [1000, 0], level_dbm0: -10, on_ms: 100, off_ms: 50, count: 3 };
        let all = play(&[PlayItem::Tone(beep)], false, 99);
        assert_eq!(all.len(), 8 * (3 * 100 + 2 * 50));
        assert!(all[800..1200].iter().all(|&x| x == 0xff) && all[1200..2000].iter().any(|&x| x != 0xff));
    }

    #[test]
    fn ringback_and_music_go_on_until_stopped() {
        for tone in [Tone::Ringback, Tone::MusicOnHold, Tone::Milliwatt] {
            assert_eq!(play(&[PlayItem::Tone(tone)], false, 3000).len(), 3000 * 160);
        }
    }

    #[test]
    fn a_one_second_tone_joins_itself_without_a_click() {
        let all = play(&[PlayItem::Tone(Tone::Milliwatt)], false, 150);
        assert_eq!(all[..8000], all[8000..16000]);
        let pcm: Vec<i16> = all.iter().map(|&octet| Law::Mu.linear(octet)).collect();
        let steepest = |pcm: &[i16]| pcm.windows(2).map(|w| i32::from(w[0]).abs_diff(i32::from(w[1]))).max();
        assert_eq!(steepest(&pcm[..7999]), steepest(&pcm));
    }
}
