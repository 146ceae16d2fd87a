//! Which language each caller chose, for as long as the flow that asked wants it remembered.

use crate::ivr::is_dialable;
use std::collections::BTreeMap;

/// Some 100 octets each. Beyond it, callers are asked again.
const MAX_CALLERS: usize = 100_000;

/// A caller's choice, to be there after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedLanguage {
    pub caller: String,
    pub lang: String,
    /// Milliseconds since 1970.
    pub until: u64,
}

#[derive(Debug, Default)]
pub(super) struct Languages(BTreeMap<String, (String, u64)>);

impl Languages {
    pub(super) fn of(&self, caller: &str, wall: u64) -> Option<String> {
        self.0.get(caller).filter(|(_, until)| *until > wall).map(|(lang, _)| lang.clone())
    }

    /// False when it is not remembered: a hidden number says nothing of who calls, and there is room for so many only.
    pub(super) fn remember(&mut self, choice: &RememberedLanguage, wall: u64) -> bool {
        if !is_dialable(&choice.caller) || choice.until <= wall {
            return false;
        }
        if self.0.len() >= MAX_CALLERS && !self.0.contains_key(&choice.caller) {
            self.0.retain(|_, (_, until)| *until > wall);
            if self.0.len() >= MAX_CALLERS {
                return false;
            }
        }
        self.0.insert(choice.caller.clone(), (choice.lang.clone(), choice.until));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(caller: &str, until: u64) -> RememberedLanguage {
        RememberedLanguage { caller: caller.into(), lang: "en".into(), until }
    }

    #[test]
    fn a_choice_holds_until_its_time_and_a_hidden_number_has_none() {
        let mut languages = Languages::default();
        assert!(languages.remember(&choice("138", 1_000), 0));
        assert_eq!((languages.of("138", 999).as_deref(), languages.of("138", 1_000)), (Some("en"), None));
        for withheld in ["", "anonymous", "Unavailable"] {
            assert!(!languages.remember(&choice(withheld, 1_000), 0));
        }
        assert!(!languages.remember(&choice("139", 5), 5), "over");
    }

    #[test]
    fn callers_beyond_the_bound_are_asked_again_until_others_are_forgotten() {
        let mut languages = Languages::default();
        let number = |nth: usize| (13_800_000_000 + nth as u64).to_string();
        (0..MAX_CALLERS).for_each(|nth| _ = languages.remember(&choice(&number(nth), 1_000), 0));
        assert!(!languages.remember(&choice(&number(MAX_CALLERS), 2_000), 0));
        assert!(languages.remember(&choice(&number(MAX_CALLERS), 2_000), 1_000));
    }
}
