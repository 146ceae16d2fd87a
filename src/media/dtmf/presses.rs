//! One press may be told in two ways: some phones send SIP INFO beside telephone-event. It is one key nevertheless.

use super::Micros;
use crate::events::media::KeySource;

/// An INFO that says the same as the audio comes within this of it, on either side; nobody presses a key twice in two
/// different ways.
const APART: Micros = 1_500_000;
const REMEMBERED: usize = 8;

/// The last presses of a peer that were taken, each until its twin has come.
#[derive(Clone, Debug, Default)]
pub struct Presses {
    taken: [Option<(KeySource, char, Micros)>; REMEMBERED],
    next: usize,
}

impl Presses {
    /// False if this press was taken already, told in another way.
    pub fn take(&mut self, now: Micros, key: char, via: KeySource) -> bool {
        let twin = |taken: &&mut Option<(KeySource, char, Micros)>| {
            taken.is_some_and(|(of, known, at)| of != via && known == key && now.saturating_sub(at) < APART)
        };
        if let Some(twin) = self.taken.iter_mut().find(twin) {
            *twin = None;
            return false;
        }
        self.taken[self.next] = Some((via, key, now));
        self.next = (self.next + 1) % REMEMBERED;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeySource::{Info, Rfc4733};

    fn taken(presses: &[(u64, char, KeySource)]) -> String {
        let mut known = Presses::default();
        let new = presses.iter().filter(|(ms, key, via)| known.take(ms * 1000, *key, *via));
        new.map(|(_, key, _)| *key).collect()
    }

    #[test]
    fn a_press_told_by_audio_and_by_info_is_one_key_whichever_comes_first() {
        assert_eq!(taken(&[(0, '1', Rfc4733), (90, '1', Info), (500, '2', Info), (510, '2', Rfc4733)]), "12");
    }

    #[test]
    fn the_same_key_pressed_twice_is_two_keys_in_either_way_and_in_both() {
        assert_eq!(taken(&[(0, '1', Info), (200, '1', Info)]), "11");
        assert_eq!(taken(&[(0, '1', Rfc4733), (90, '1', Info), (200, '1', Rfc4733), (290, '1', Info)]), "11");
        assert_eq!(taken(&[(0, '1', Rfc4733), (100, '1', Rfc4733), (190, '1', Info), (290, '1', Info)]), "11");
    }

    #[test]
    fn another_way_long_after_is_another_press() {
        assert_eq!(taken(&[(0, '1', Rfc4733), (1_600, '1', Info)]), "11");
    }
}
