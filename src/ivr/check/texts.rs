//! Prompt texts: each is there in every language of the flows that play it, says the same values in each, can be read
//! aloud, and has its recordings.

use super::View;
use crate::ivr::diag::Diags;
use crate::ivr::source::{Name, Span};
use crate::ivr::speech::{self, Format, atoms_of};
use crate::ivr::step::Fact;
use std::collections::{BTreeMap, BTreeSet};

/// Missing recordings of a language that are named.
const MISSING_SHOWN: usize = 6;

pub(super) fn check(views: &[View], diags: &mut Diags) {
    let mut told = BTreeSet::new();
    let mut formats: BTreeMap<&str, BTreeMap<&'static str, Span>> = BTreeMap::new();
    let mut silent: BTreeMap<&str, BTreeMap<&str, Span>> = BTreeMap::new();
    for view in views {
        let bundle = view.bundle;
        for name in played(view) {
            let Some(prompt) = bundle.prompts.get(&name.text) else {
                let known = bundle.prompts.keys().map(String::as_str).filter(|id| !id.starts_with("a_"));
                diags.unknown("E203", name.span, "there is no prompt", &name.text, known);
                continue;
            };
            for lang in &view.flow.languages {
                let Some(text) = prompt.texts.get(lang) else {
                    if told.insert((name.text.clone(), lang.clone())) {
                        let message =
                            format!("`{}` has no text in `{lang}`, which `{}` speaks", name.text, view.flow.name);
                        diags.error_hint("E501", prompt.span, message, format!("add `{lang}: \"...\"`"));
                    }
                    continue;
                };
                for (slot, format) in text.slots() {
                    if speech::LANGUAGES.contains(&lang.as_str()) {
                        formats.entry(lang).or_default().entry(format.name()).or_insert(slot.span);
                    } else if told.insert((slot.text.clone(), lang.clone())) {
                        let message = format!("values cannot be read aloud in `{lang}`");
                        diags.error_hint("E505", slot.span, message, "leave the value out of this text");
                    }
                }
                let files = text.files().filter(|file| bundle.audio_ms(lang, file).is_none());
                let silent = silent.entry(lang).or_default();
                for file in files {
                    silent.entry(file).or_insert(name.span);
                }
            }
            let said = |lang: &String| {
                // A text of which nothing could be read was reported already.
                let text = prompt.texts.get(lang).filter(|text| !text.parts.is_empty())?;
                Some(text.slots().map(|(slot, _)| slot.text.as_str()).collect::<BTreeSet<_>>())
            };
            let mut each = view.flow.languages.iter().filter_map(said);
            if let Some(first) = each.next()
                && each.any(|other| other != first)
                && told.insert((name.text.clone(), String::new()))
            {
                let message = format!("the texts of `{}` do not say the same values in each language", name.text);
                diags.error("E503", prompt.span, message);
            }
        }
    }
    for name in views.iter().flat_map(|view| &view.nodes).flat_map(|node| &node.facts) {
        let Fact::Music(name) = name else { continue };
        let Some((bundle, lang)) = views.first().and_then(|v| Some((v.bundle, v.bundle.default_language()?))) else {
            break;
        };
        if bundle.audio_ms(lang, &name.text).is_none() {
            let message = format!("there is no music `{}`; the built-in one will play", name.text);
            diags.warn_hint(
                "E502",
                name.span,
                message,
                format!("put prompts/{lang}/{}.wav, or leave it out", name.text),
            );
        }
    }
    // What is only missing for sound is looked at once the rest is right.
    if !diags.has_errors() {
        atoms(views, &formats, &mut silent, diags);
        recordings(&silent, diags);
    }
}

fn played<'v>(view: &'v View) -> impl Iterator<Item = &'v Name> {
    view.nodes.iter().flat_map(|node| &node.facts).filter_map(|fact| match fact {
        Fact::Plays(name) | Fact::PlaysInQueue(name) => Some(*name),
        _ => None,
    })
}

/// The pieces that values are read from must be there like any other text.
fn atoms<'v>(
    views: &'v [View],
    formats: &BTreeMap<&'v str, BTreeMap<&'static str, Span>>,
    silent: &mut BTreeMap<&'v str, BTreeMap<&'v str, Span>>,
    diags: &mut Diags,
) {
    let Some(bundle) = views.first().map(|view| view.bundle) else { return };
    for (lang, used) in formats {
        let mut needed: BTreeMap<&'static str, Span> = BTreeMap::new();
        for (name, slot) in used {
            let atoms = Format::from_name(name).map(|format| atoms_of(format, lang)).unwrap_or_default();
            for atom in atoms {
                needed.entry(atom).or_insert(*slot);
            }
        }
        let without: Vec<&str> = needed.keys().filter(|id| !has_text(bundle, id, lang)).copied().collect();
        if let (Some(first), Some(view)) = (without.first(), views.first()) {
            let message =
                format!("{} pieces of values have no text in `{lang}`, the first is `{first}`", without.len());
            diags.error_hint("E501", view.flow.span.part(0, 0), message, "add them to `prompts/atoms.yaml`");
        }
        let unrecorded = needed.into_iter().filter(|(id, _)| bundle.audio_ms(lang, id).is_none());
        silent.entry(lang).or_default().extend(unrecorded);
    }
}

fn has_text(bundle: &crate::ivr::bundle::Bundle, id: &str, lang: &str) -> bool {
    bundle.prompts.get(id).is_some_and(|prompt| prompt.texts.contains_key(lang))
}

/// One finding for each language, at the place that plays the first of what is missing.
fn recordings(silent: &BTreeMap<&str, BTreeMap<&str, Span>>, diags: &mut Diags) {
    for (lang, files) in silent {
        let Some((first, place)) = files.first_key_value() else { continue };
        if files.len() == 1 {
            let message = format!("`{first}` has no recording in `{lang}` and will be silent");
            diags.warn_hint("E502", *place, message, format!("put prompts/{lang}/{first}.wav"));
            continue;
        }
        let more = if files.len() > MISSING_SHOWN { ", ..." } else { "" };
        let names = files.keys().take(MISSING_SHOWN).copied().collect::<Vec<_>>().join(", ");
        let message = format!("{} recordings are missing in `{lang}` and will be silent: {names}{more}", files.len());
        diags.warn_hint("E502", *place, message, "`hotline prompt status` lists them with their texts");
    }
}
