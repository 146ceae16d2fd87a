//! Several who hear each other: each is sent the sum of what the others say, without its own voice (N-1).
//!
//! Pure: no packet, no leg. Whoever has a turn's sound of all of them hands it in (`take`) and is told what each hears.
//!
//! The sum is made at 16 kHz where at least two of them speak and hear so much; else nobody would be the better for it, and
//! 8 kHz costs a third. So each hears the others at the best rate that both ends have.

use super::super::codec::Rate;
use super::super::command::MAX_PARTIES;
use super::super::sink::LegSlot;
use super::TURN;
use super::resample::Resampler;

/// Who hears a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    All,
    Nobody,
    Only(LegSlot),
}

#[derive(Debug)]
pub struct Mixer {
    rate: Rate,
    parties: Vec<Party>,
    /// Of those whom all hear.
    sum: [i32; TURN],
}

#[derive(Debug)]
struct Party {
    slot: LegSlot,
    voice: Voice,
    said: [i16; TURN],
    resampler: Resampler,
}

impl Mixer {
    pub fn new() -> Self {
        Self { rate: Rate::Narrow, parties: Vec::with_capacity(MAX_PARTIES), sum: [0; TURN] }
    }

    pub fn is_full(&self) -> bool {
        self.parties.len() == MAX_PARTIES
    }

    pub fn join(&mut self, slot: LegSlot, voice: Voice) {
        self.parties.push(Party { slot, voice, said: [0; TURN], resampler: Resampler::default() });
    }

    pub fn leave(&mut self, slot: LegSlot) {
        self.parties.retain(|party| party.slot != slot);
    }

    /// Who is to hear a party from now on.
    pub fn set_voice(&mut self, slot: LegSlot, voice: Voice) {
        self.parties.iter_mut().filter(|party| party.slot == slot).for_each(|party| party.voice = voice);
    }

    /// In the order in which they joined.
    pub fn party(&self, nth: usize) -> Option<LegSlot> {
        self.parties.get(nth).map(|party| party.slot)
    }

    pub fn count(&self) -> usize {
        self.parties.len()
    }

    /// A turn begins, in which the parties speak and hear at these rates.
    pub fn begin(&mut self, rates: impl Iterator<Item = Rate>) {
        let wide = rates.filter(|rate| *rate == Rate::Wide).count();
        self.rate = if wide >= 2 { Rate::Wide } else { Rate::Narrow };
        self.sum.fill(0);
    }

    /// What a party said in this turn; `None` = nothing.
    pub fn take(&mut self, nth: usize, said: Option<(Rate, &[i16])>) {
        let Some(party) = self.parties.get_mut(nth) else { return };
        let written = said.map_or(0, |(rate, pcm)| party.resampler.convert(rate, self.rate, pcm, &mut party.said));
        party.said[written..].fill(0);
        if party.voice == Voice::All {
            self.sum.iter_mut().zip(&party.said).for_each(|(sum, sample)| *sum += i32::from(*sample));
        }
    }

    /// What a party hears of the others in this turn, when all were taken. What is too loud is held at the limit, where
    /// wrapping around would crack.
    pub fn heard_by<'a>(&self, nth: usize, pcm: &'a mut [i16; TURN]) -> Option<(Rate, &'a [i16])> {
        let party = self.parties.get(nth)?;
        let mut sum = self.sum;
        if party.voice == Voice::All {
            sum.iter_mut().zip(&party.said).for_each(|(sum, own)| *sum -= i32::from(*own));
        }
        for whisperer in self.parties.iter().filter(|other| other.voice == Voice::Only(party.slot)) {
            sum.iter_mut().zip(&whisperer.said).for_each(|(sum, sample)| *sum += i32::from(*sample));
        }
        for (place, sample) in pcm.iter_mut().zip(sum) {
            *place = sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
        Some((self.rate, &pcm[..super::TURN_MS * self.rate.per_ms()]))
    }
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(index: u32) -> LegSlot {
        LegSlot { index, generation: 1 }
    }

    /// What each of the parties hears when all say one steady sample.
    fn mix(parties: &[(Voice, i16)]) -> Vec<i16> {
        let mut mixer = Mixer::new();
        for (nth, (voice, _)) in parties.iter().enumerate() {
            mixer.join(slot(nth as u32), *voice);
        }
        mixer.begin(parties.iter().map(|_| Rate::Narrow));
        for (nth, (_, sample)) in parties.iter().enumerate() {
            mixer.take(nth, Some((Rate::Narrow, &[*sample; 160])));
        }
        let heard = |nth| {
            let mut pcm = [0; TURN];
            let (_, pcm) = mixer.heard_by(nth, &mut pcm).unwrap();
            assert!(pcm.len() == 160 && pcm.iter().all(|sample| *sample == pcm[0]));
            pcm[0]
        };
        (0..parties.len()).map(heard).collect()
    }

    #[test]
    fn each_hears_the_others_and_not_itself() {
        let all = [(Voice::All, 1), (Voice::All, 20), (Voice::All, 300)];
        assert_eq!(mix(&all), [320, 301, 21]);
    }

    #[test]
    fn a_listener_is_heard_by_nobody_and_a_whisper_by_one() {
        let listens = [(Voice::All, 1), (Voice::All, 20), (Voice::Nobody, 300)];
        assert_eq!(mix(&listens), [20, 1, 21]);
        let whispers = [(Voice::All, 1), (Voice::All, 20), (Voice::Only(slot(1)), 300)];
        assert_eq!(mix(&whispers), [20, 301, 21]);
    }

    #[test]
    fn voices_that_are_too_loud_together_are_held_at_the_limit() {
        let loud = [(Voice::All, 30_000), (Voice::All, 30_000), (Voice::All, -30_000), (Voice::All, 30_000)];
        assert_eq!(mix(&loud), [30_000, 30_000, i16::MAX, 30_000]);
        assert_eq!(mix(&[(Voice::All, -30_000), (Voice::All, -30_000), (Voice::All, 0)])[2], i16::MIN);
    }

    #[test]
    fn whoever_says_nothing_adds_nothing_of_the_turn_before() {
        let mut mixer = Mixer::new();
        (0..3).for_each(|nth| mixer.join(slot(nth), Voice::All));
        let mut pcm = [7; TURN];
        for said in [Some((Rate::Narrow, &[500; 160][..])), None] {
            mixer.begin([Rate::Narrow; 3].into_iter());
            (0..3).for_each(|nth| mixer.take(nth, said));
            mixer.heard_by(0, &mut pcm);
        }
        assert_eq!(pcm, [0; TURN]);
    }
}
