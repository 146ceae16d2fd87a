//! Prompt texts: one entry per prompt, one text per language, cut at its `{name:format}` slots into audio files.
//!
//! The naming of files is told at the top of `prompts/power.yaml`: a text without slots is `<id>`, the spoken pieces of
//! one with slots are `<id>-1`, `<id>-2`, ...

use super::diag::{Diags, shown};
use super::lower::{identifier, named};
use super::source::{Name, Span};
use super::speech::{FORMATS, Format};
use super::yaml::{Kind, Node};
use std::collections::BTreeMap;

/// Longest text of one prompt. Nobody listens to more than a minute of it.
const MAX_TEXT_BYTES: usize = 2_000;

#[derive(Debug)]
pub(super) struct Prompt {
    pub span: Span,
    pub texts: BTreeMap<String, Text>,
}

/// A text in one language, in speaking order.
#[derive(Debug)]
pub(super) struct Text {
    pub parts: Vec<Part>,
}

#[derive(Debug)]
pub(super) enum Part {
    /// An audio file, the text that it speaks, and how many letters, digits or Chinese characters that has.
    Audio {
        file: String,
        text: Box<str>,
        characters: usize,
    },
    Slot {
        name: Name,
        format: Format,
    },
}

impl Text {
    pub fn slots(&self) -> impl Iterator<Item = (&Name, Format)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot { name, format } => Some((name, *format)),
            Part::Audio { .. } => None,
        })
    }

    /// The text that an audio file speaks, and its characters.
    pub fn piece(&self, wanted: &str) -> Option<(&str, usize)> {
        self.parts.iter().find_map(|part| match part {
            Part::Audio { file, text, characters } if file == wanted => Some((&**text, *characters)),
            _ => None,
        })
    }

    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Audio { file, .. } => Some(file.as_str()),
            Part::Slot { .. } => None,
        })
    }
}

/// Reads one prompts file into `prompts`.
pub(super) fn lower(root: &Node, prompts: &mut BTreeMap<String, Prompt>, diags: &mut Diags) {
    let Kind::Map(pairs) = &root.kind else {
        let hint = "each line is `id: {zh: \"...\", en: \"...\"}`";
        diags.error_hint("E112", root.span, format!("prompt texts are needed here, not {}", root.what()), hint);
        return;
    };
    for (key, value) in pairs {
        let Some(id) = identifier(key, "a prompt's id", diags) else { continue };
        if let Some(other) = prompts.get(&id.text) {
            let (path, line, _) = diags.place(other.span);
            let message = format!("the prompt `{}` is already in {path}:{line}", shown(&id.text));
            diags.error_hint("E208", id.span, message, "give one of them another id");
            continue;
        }
        let Some(languages) = named(value, "a prompt", diags) else { continue };
        let mut texts = BTreeMap::new();
        for (lang, text) in languages {
            let Some(lang) = language(lang, diags) else { continue };
            // Whatever is wrong with it, a text is there: it must not be called missing as well.
            let texts = texts.entry(lang.text).or_insert(Text { parts: Vec::new() });
            let (Some(words), false) = (text.scalar(), text.is_null()) else {
                diags.error("E112", text.span, format!("a text is needed here, not {}", text.what()));
                continue;
            };
            if words.len() > MAX_TEXT_BYTES {
                diags.error_hint("E112", text.span, "this text is too long to listen to", "split the prompt");
                continue;
            }
            if let Some(text) = cut(&id.text, words, text, diags) {
                *texts = text;
            }
        }
        prompts.insert(id.text, Prompt { span: id.span, texts });
    }
}

/// A language code: `zh`, `en`, `zh-CN`.
pub(super) fn language(node: &Node, diags: &mut Diags) -> Option<Name> {
    let text = node.scalar().unwrap_or_default();
    let shaped = (2..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !shaped {
        diags.error_hint("E112", node.span, format!("`{}` is no language code", shown(text)), "write `zh` or `en`");
        return None;
    }
    Some(Name { text: text.to_string(), span: node.span })
}

fn cut(id: &str, text: &str, node: &Node, diags: &mut Diags) -> Option<Text> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut pieces = 0;
    let has_slots = text.contains('{');
    let mut add = |piece: &str, parts: &mut Vec<Part>| {
        let characters = piece.chars().filter(|c| c.is_alphanumeric()).count();
        if characters > 0 {
            pieces += 1;
            let file = if has_slots { format!("{id}-{pieces}") } else { id.to_string() };
            parts.push(Part::Audio { file, text: piece.trim().into(), characters });
        }
    };
    while let Some(open) = rest.find(['{', '}']) {
        let at = text.len() - rest.len() + open;
        add(&rest[..open], &mut parts);
        let inside = &rest[open + 1..];
        let (Some(close), true) = (inside.find('}'), rest[open..].starts_with('{')) else {
            let place = diags.part_of(node, at, at + 1);
            diags.error_hint("E112", place, "a brace without its other half", "a slot is `{name:format}`");
            return None;
        };
        let slot = &inside[..close];
        let place = diags.part_of(node, at + 1, at + 1 + slot.len());
        parts.push(self::slot(slot, place, diags)?);
        rest = &inside[close + 1..];
    }
    add(rest, &mut parts);
    Some(Text { parts })
}

fn slot(slot: &str, place: Span, diags: &mut Diags) -> Option<Part> {
    let Some((name, format)) = slot.split_once(':') else {
        let message = format!("the slot `{}` does not say how to read it", shown(slot));
        diags.error_hint("E112", place, message, "write `{name:format}`, such as `{balance:money}`");
        return None;
    };
    if format.trim() == "choice" {
        diags.error("E103", place, "the format `choice` is not in this version yet");
        return None;
    }
    let Some(known) = Format::from_name(format.trim()) else {
        diags.unknown("E102", place, "unknown format", format.trim(), FORMATS.iter().map(|(name, _)| *name));
        return None;
    };
    Some(Part::Slot { name: Name { text: name.trim().to_string(), span: place }, format: known })
}
