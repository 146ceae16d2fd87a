//! How long a caller must listen: no more than 20 s without a key that counts, and no more choices than can be kept in mind.

use super::View;
use crate::ivr::bundle::Bundle;
use crate::ivr::diag::Diags;
use crate::ivr::flow::Target;
use crate::ivr::prompt::{Part, Text};
use crate::ivr::run::say::piece_ms;
use crate::ivr::source::Name;
use crate::ivr::step::{Answer, Fact};
use std::collections::BTreeMap;

/// Nobody listens longer before a key.
const LONGEST_MS: u64 = 20_000;
/// Choices that callers keep in mind.
const CHOICES: usize = 5;
/// What reading a value takes, about.
const VALUE_MS: u64 = 2_000;

pub(super) fn check(view: &View, diags: &mut Diags) {
    for node in &view.nodes {
        let to_sections = node.facts.iter().filter(|fact| match fact {
            Fact::Key { key, target: Target::Section(_), .. } => key.chars().any(|key| ('1'..='9').contains(&key)),
            _ => false,
        });
        let choices = to_sections.count();
        if choices > CHOICES {
            let message = format!("{choices} choices are more than a caller keeps in mind");
            diags.warn_hint("E506", node.span, message, format!("offer {CHOICES} and lead to a second menu"));
        }
    }
    for lang in &view.flow.languages {
        listening(view, lang, diags);
    }
}

/// Follows the longest way through prompts that no question ends.
fn listening(view: &View, lang: &str, diags: &mut Diags) {
    let mut heard: BTreeMap<usize, u64> = view.doors_and_start().map(|node| (node, 0)).collect();
    let mut open: Vec<usize> = heard.keys().copied().collect();
    while let Some(index) = open.pop() {
        let Some(node) = view.nodes.get(index) else { continue };
        let before = heard.get(&index).copied().unwrap_or(0);
        let asks =
            node.questions().next().is_some() || node.is_handover() || matches!(node.verb, "record" | "voicemail");
        let after = if asks { 0 } else { (before + said_ms(view, index, lang)).min(LONGEST_MS + 1) };
        for (_, to) in view.ways(index) {
            if heard.get(&to).is_none_or(|known| *known < after) {
                heard.insert(to, after);
                open.push(to);
            }
        }
    }
    for (index, before) in heard {
        let Some(node) = view.nodes.get(index) else { continue };
        let held = node.questions().any(|question| !question.barge_in && question.what != Answer::Language);
        let all = before + said_ms(view, index, lang);
        if (node.verb == "say" || held) && before <= LONGEST_MS && all > LONGEST_MS {
            let message = format!("callers listen for about {} s in `{lang}` before a key counts", all / 1_000);
            diags.warn_hint("E504", node.span, message, "shorten the texts, or ask something before");
        }
    }
}

/// The prompts of a `say`, or the question that keys do not end.
fn said_ms(view: &View, index: usize, lang: &str) -> u64 {
    let Some(node) = view.nodes.get(index) else { return 0 };
    let each = |name: &Name| {
        let text = view.bundle.prompts.get(&name.text).and_then(|prompt| prompt.texts.get(lang));
        text.map_or(0, |text| text_ms(view.bundle, lang, text))
    };
    match node.verb {
        "say" => node.plays().map(each).sum(),
        _ => node.questions().filter(|question| !question.barge_in).flat_map(|q| q.say).map(each).sum(),
    }
}

fn text_ms(bundle: &Bundle, lang: &str, text: &Text) -> u64 {
    let part = |part: &Part| match part {
        Part::Audio { file, characters, .. } => piece_ms(bundle, lang, file, *characters),
        Part::Slot { .. } => VALUE_MS,
    };
    text.parts.iter().map(part).sum()
}
