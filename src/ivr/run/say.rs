//! From prompt names to what is played, and the play that says it.

use super::super::bundle::Bundle;
use super::super::prompt::{Part, Text};
use super::super::source::Name;
use super::super::speech::{Piece, read_aloud};
use super::super::wire::{Action, Speech};
use super::Run;
use super::state::Playing;
use crate::ivr::expr::Reader;

/// The media side may be this late with its `PlayDone`, beyond twice the expected length.
const PLAY_GRACE_MS: u64 = 5_000;
/// Speaking times for texts without a recording, per character.
const ZH_CHARACTER_MS: u64 = 230;
const CHARACTER_MS: u64 = 80;
const ATOM_MS: u64 = 400;

/// Milliseconds of a piece of a prompt: its recording's, else what speaking its characters takes.
pub(in crate::ivr) fn piece_ms(bundle: &Bundle, lang: &str, file: &str, characters: usize) -> u64 {
    let per_character = if lang == "zh" { ZH_CHARACTER_MS } else { CHARACTER_MS };
    bundle.audio_ms(lang, file).map_or(characters as u64 * per_character, u64::from)
}

pub(in crate::ivr) fn atom_ms(bundle: &Bundle, lang: &str, id: &str) -> u64 {
    bundle.audio_ms(lang, id).map_or(ATOM_MS, u64::from)
}

/// How long a play is, and when the last value in it has been said.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::ivr) struct Length {
    ms: u64,
    told_ms: Option<u64>,
}

impl Length {
    pub fn add(&mut self, more: Length) {
        self.told_ms = more.told_ms.map(|told| self.ms + told).or(self.told_ms);
        self.ms += more.ms;
    }
}

impl Run<'_, '_> {
    /// Plays the prompts in the caller's language. `None` when there is nothing to play.
    pub fn play(&mut self, prompts: &[Name], bargeable: bool) -> Option<Playing> {
        let lang = self.state.lang.clone();
        let mut items = Vec::new();
        let mut length = Length::default();
        prompts.iter().for_each(|name| length.add(self.speak(&name.text, &lang, &mut items)));
        self.play_items(items, length, bargeable)
    }

    pub fn play_items(&mut self, items: Vec<Speech>, length: Length, bargeable: bool) -> Option<Playing> {
        if items.is_empty() {
            return None;
        }
        let id = self.fresh_id();
        self.act(Action::Play { id, items, bargeable });
        let guard = self.timer(2 * length.ms + PLAY_GRACE_MS);
        let told_ms = length.told_ms.unwrap_or(length.ms);
        Some(Playing { id, guard, bargeable, since: self.state.at, told_ms })
    }

    /// Appends one prompt and returns its length. A prompt with a value that is not known is left out: half a sentence
    /// is worse than none.
    pub fn speak(&self, id: &str, lang: &str, items: &mut Vec<Speech>) -> Length {
        let Some(prompt) = self.bundle.prompts.get(id) else { return Length::default() };
        let fallback = || self.flow().and_then(|flow| flow.languages.first()).cloned();
        let found = match prompt.texts.get(lang) {
            Some(text) => Some((lang.to_string(), text)),
            None => fallback().and_then(|lang| prompt.texts.get(&lang).map(|text| (lang, text))),
        };
        let Some((lang, text)) = found else { return Length::default() };
        let before = items.len();
        let length = self.speak_text(text, &lang, items);
        if length.is_none() {
            items.truncate(before);
        }
        length.unwrap_or_default()
    }

    fn speak_text(&self, text: &Text, lang: &str, items: &mut Vec<Speech>) -> Option<Length> {
        let today = self.today();
        let mut length = Length::default();
        for part in &text.parts {
            match part {
                Part::Audio { file, characters, .. } => {
                    length.ms += piece_ms(self.bundle, lang, file, *characters);
                    items.push(Speech::Prompt { lang: lang.to_string(), id: file.clone() });
                }
                Part::Slot { name, format } => {
                    let value = self.read(&name.text)?;
                    for piece in read_aloud(&value, *format, lang, today) {
                        match piece {
                            Piece::Atom(id) => {
                                length.ms += atom_ms(self.bundle, lang, id);
                                items.push(Speech::Atom { lang: lang.to_string(), id });
                            }
                            Piece::Pause(ms) => {
                                length.ms += u64::from(ms);
                                items.push(Speech::Silence(u32::from(ms)));
                            }
                        }
                    }
                    length.told_ms = Some(length.ms);
                }
            }
        }
        Some(length)
    }

    fn today(&self) -> i32 {
        let zone = self.flow().map(|flow| &flow.zone);
        zone.and_then(|zone| crate::ivr::calendar::local_day(zone, self.wall_ms())).map_or(0, |(day, _)| day)
    }
}
