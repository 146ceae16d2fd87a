//! Keys that a party presses for us and not for the other, such as `*9`. What may become such a sequence is kept back until
//! that is known; what does not, goes on behind time but in its order.

use super::Micros;
use std::sync::Arc;

/// The next key of a sequence comes within this.
const PATIENCE: Micros = 1_500_000;

#[derive(Clone, Debug)]
pub struct Feature {
    keys: Arc<str>,
    /// Keys of the sequence that were pressed and kept.
    kept: usize,
    since: Micros,
}

/// What a key was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Perhaps of the sequence.
    Kept,
    /// Its last.
    Complete,
    Other,
}

impl Feature {
    pub fn new(keys: Arc<str>) -> Self {
        Self { keys, kept: 0, since: 0 }
    }

    /// What a key is, and how many that were kept are to go on before it.
    pub fn press(&mut self, now: Micros, key: char) -> (usize, Judged) {
        let is_next = |kept: usize| self.keys.chars().nth(kept) == Some(key);
        let released = if is_next(self.kept) { 0 } else { self.kept };
        let kept = self.kept - released;
        (self.kept, self.since) = (kept, now);
        if !is_next(kept) {
            return (released, Judged::Other);
        }
        self.kept += 1;
        match self.keys.chars().nth(self.kept) {
            Some(_) => (released, Judged::Kept),
            None => {
                self.kept = 0;
                (released, Judged::Complete)
            }
        }
    }

    /// How many that were kept are to go on because nothing followed them.
    pub fn late(&mut self, now: Micros) -> usize {
        match now.saturating_sub(self.since) >= PATIENCE {
            true => std::mem::take(&mut self.kept),
            false => 0,
        }
    }

    pub fn waits(&self) -> bool {
        self.kept > 0
    }

    /// The first `count` keys of the sequence.
    pub fn first(&self, count: usize) -> impl Iterator<Item = char> + use<> {
        let keys = self.keys.clone();
        (0..count).filter_map(move |nth| keys.chars().nth(nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes on of presses at these times (in ms), with `!` where the sequence is complete.
    fn goes_on(keys: &str, presses: &[(u64, char)]) -> String {
        let mut feature = Feature::new(keys.into());
        let mut all = String::new();
        for (ms, key) in presses {
            let late = feature.late(ms * 1000);
            all.extend(feature.first(late));
            let (before, judged) = feature.press(ms * 1000, *key);
            all.extend(feature.first(before));
            match judged {
                Judged::Kept => {}
                Judged::Complete => all.push('!'),
                Judged::Other => all.push(*key),
            }
        }
        let late = feature.late(9_000_000);
        all.extend(feature.first(late));
        all
    }

    #[test]
    fn the_sequence_goes_no_further_and_all_else_does_in_its_order() {
        assert_eq!(goes_on("*9", &[(0, '*'), (300, '9')]), "!");
        assert_eq!(goes_on("*9", &[(0, '*'), (300, '5'), (600, '9')]), "*59");
        assert_eq!(goes_on("*9", &[(0, '*'), (300, '*'), (600, '9')]), "*!");
        assert_eq!(goes_on("*19", &[(0, '*'), (300, '1'), (600, '*'), (900, '1'), (1200, '9')]), "*1!");
        assert_eq!(goes_on("*9", &[(0, '*'), (300, '9'), (600, '*'), (900, '9')]), "!!");
    }

    #[test]
    fn a_key_that_nothing_follows_in_time_goes_on() {
        assert_eq!(goes_on("*9", &[(0, '*')]), "*");
        assert_eq!(goes_on("*9", &[(0, '*'), (1600, '9')]), "*9");
    }
}
