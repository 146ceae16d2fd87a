//! Texts against keys: what a text tells the caller to press is a key that is there, and every key is told.

use super::{View, named_key};
use crate::ivr::diag::Diags;
use crate::ivr::prompt::Part;
use crate::ivr::source::{Name, Span};
use crate::ivr::step::{Answer, Fact, Question};
use std::collections::BTreeSet;

pub(super) fn check(view: &View, diags: &mut Diags) {
    for (index, node) in view.nodes.iter().enumerate() {
        for question in node.questions() {
            // What is said just before belongs to the question.
            let section = view.nodes.get(..index).unwrap_or_default().iter().rev();
            let before = section.take_while(|above| above.section == node.section && above.verb == "say");
            let before: Vec<&Name> = before.flat_map(|above| above.plays()).collect();
            let every = &view.flow.languages;
            // Each language is offered in its own words, one after the other.
            let groups: Vec<&[String]> = match question.what {
                Answer::Language => vec![every],
                Answer::Choice | Answer::Entry => every.chunks(1).collect(),
            };
            for languages in groups {
                judge(view, node.verb, question, &before, languages, &node.facts, diags);
            }
        }
    }
}

fn judge(
    view: &View,
    verb: &str,
    question: &Question,
    before: &[&Name],
    languages: &[String],
    facts: &[Fact],
    diags: &mut Diags,
) {
    let Some(place) = question.say.first() else { return };
    let all = question.say.iter().chain(before.iter().copied());
    // What has no text yet is told elsewhere.
    let Some(texts) =
        all.flat_map(|name| languages.iter().map(|lang| text(view, name, lang))).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let spoken = languages.join(", ");
    let asked = question.say.len() * languages.len();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (nth, text) in texts.iter().enumerate() {
        for key in keys_told(text) {
            let known = |key: &str| acts(view, verb, question, key);
            // `12` may be two keys that are told in one breath.
            let parts: Vec<String> = match known(&key) {
                true => vec![key],
                false if key.len() > 1 && key.chars().all(|c| known(&c.to_string())) => {
                    key.chars().map(String::from).collect()
                }
                false if nth < asked => {
                    let shown = shown(&key);
                    let message = format!(
                        "`{}` tells the caller to press {shown} ({spoken}), which does nothing here",
                        place.text
                    );
                    diags.warn_hint("E411", place.span, message, "add the key, or mend the text");
                    continue;
                }
                false => continue,
            };
            told.extend(parts);
        }
    }
    if question.what == Answer::Entry || verb == "survey" {
        return;
    }
    for key in question.keys.iter().filter(|key| !told.contains(*key)) {
        let span = facts.iter().find_map(|fact| match fact {
            Fact::Key { key: own, span, .. } if own == key => Some(*span),
            _ => None,
        });
        let span: Span = span.unwrap_or(place.span);
        let message = format!("`{}` does not tell of key {} ({spoken})", place.text, shown(key));
        diags.warn_hint("E412", span, message, "say in the text what the key is for");
    }
}

fn shown(key: &str) -> String {
    match key {
        "*" | "#" => key.chars().map(named_key).collect(),
        digits => digits.to_string(),
    }
}

/// Whether a key does something at this question.
fn acts(view: &View, verb: &str, question: &Question, key: &str) -> bool {
    let shortcut =
        || key.chars().next().filter(|_| key.len() == 1).is_some_and(|c| view.flow.shortcuts.contains_key(&c));
    let own = || question.keys.iter().any(|own| own == key);
    match (question.what, verb) {
        // Digits are the entry itself; star clears it.
        (Answer::Entry, _) => own() || key == "*" || key == "#" && shortcut(),
        (_, "menu" | "language") => own() || shortcut() || view.flow.is_subflow(),
        _ => own(),
    }
}

/// The words of a prompt in a language; values are a gap in them.
fn text(view: &View, name: &Name, lang: &str) -> Option<String> {
    let text = view.bundle.prompts.get(&name.text)?.texts.get(lang)?;
    let part = |part: &Part| match part {
        Part::Audio { text, .. } => text.to_string(),
        Part::Slot { .. } => " … ".to_string(),
    };
    Some(text.parts.iter().map(part).collect())
}

/// Keys that a text tells the caller to press, as they are dialled: `请按一`, `按 2 或 3`, `press 5`, `press the star key`.
fn keys_told(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut found = Vec::new();
    for (at, _) in text.match_indices('按') {
        let rest = text.get(at + '按'.len_utf8()..).unwrap_or_default();
        if !["一下", "一次", "照", "时", "钮"].iter().any(|word| rest.starts_with(word)) {
            found.extend(row(rest));
        }
    }
    for verb in ["press ", "push ", "dial "] {
        for (at, _) in text.match_indices(verb) {
            found.extend(row(text.get(at + verb.len()..).unwrap_or_default()));
        }
    }
    // `Press 1 for sales, 2 for support.`
    if !found.is_empty() {
        for (at, _) in text.match_indices(" for ") {
            let before = text.get(..at).unwrap_or_default().trim_end();
            let word = before.rsplit([' ', ',']).next().unwrap_or_default();
            found.extend(key(word).filter(|(_, rest)| rest.is_empty()).map(|(key, _)| key));
        }
    }
    found
}

/// Keys one after the other: `1`, `1 or 2`, `一到五`.
fn row(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    let mut range = false;
    while let Some((key, after)) = self::key(skipped(rest)) {
        // `按五秒`: a number of something.
        if ["秒", "分", "元", "次", "位", "个", "天", "月", "年", " second", " digit", " minute"]
            .iter()
            .any(|unit| after.starts_with(unit))
        {
            break;
        }
        match (range, found.last().and_then(|first| first.parse::<u8>().ok()), key.parse::<u8>().ok()) {
            (true, Some(first), Some(last)) if last <= 9 => found.extend((first + 1..=last).map(|n| n.to_string())),
            _ => found.push(key),
        }
        let after = after.trim_start_matches(['"', '”', '」', '\'']);
        let after = ["号键", "键", " key", " button"].iter().find_map(|word| after.strip_prefix(word)).unwrap_or(after);
        let joins = ["或者", "或", "、", "和", " or ", " and ", ", or "];
        let spans = ["到", "至", "~", "～", "-", "–", " to ", " through "];
        range = spans.iter().any(|word| after.starts_with(word));
        match joins.iter().chain(&spans).find_map(|word| after.strip_prefix(word)) {
            Some(next) => rest = next,
            None => break,
        }
    }
    found
}

fn skipped(text: &str) -> &str {
    let mut rest = text;
    let words = ["数字", "下", "按", "the ", "key ", "number ", "button ", "option ", " ", "\"", "“", "「", "'"];
    while let Some(next) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = next;
    }
    rest
}

/// The key that a text begins with, and what follows it.
fn key(text: &str) -> Option<(String, &str)> {
    const WORDS: [(&str, char); 23] = [
        ("星号", '*'),
        ("米字", '*'),
        ("星", '*'),
        ("井号", '#'),
        ("井字", '#'),
        ("井", '#'),
        ("star", '*'),
        ("asterisk", '*'),
        ("hash", '#'),
        ("pound", '#'),
        ("zero", '0'),
        ("one", '1'),
        ("two", '2'),
        ("three", '3'),
        ("four", '4'),
        ("five", '5'),
        ("six", '6'),
        ("seven", '7'),
        ("eight", '8'),
        ("nine", '9'),
        ("*", '*'),
        ("#", '#'),
        ("＃", '#'),
    ];
    let digit = |c: char| match c {
        '0'..='9' => Some(c),
        '０'..='９' => char::from_digit(c as u32 - '０' as u32, 10),
        _ => "零一二三四五六七八九".chars().position(|known| known == c).and_then(|n| char::from_digit(n as u32, 10)),
    };
    let digits: String = text.chars().map_while(digit).collect();
    if !digits.is_empty() {
        let length = text.char_indices().nth(digits.len()).map_or(text.len(), |(at, _)| at);
        return Some((digits, text.get(length..).unwrap_or_default()));
    }
    WORDS.iter().find_map(|(word, key)| {
        let rest = text.strip_prefix(word)?;
        let whole = !word.is_ascii() || !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        whole.then(|| (key.to_string(), rest))
    })
}

#[cfg(test)]
mod tests {
    use super::keys_told;

    #[test]
    fn keys_are_found_in_the_ways_people_write_them() {
        let keys = |text: &str| keys_told(text).join(" ");
        assert_eq!(keys("电费查询请按一，人工服务请按零。"), "1 0");
        assert_eq!(keys("请按1键，或按 2 键；重听请按“９”"), "1 2 9");
        assert_eq!(keys("请按一到五评分"), "1 2 3 4 5");
        assert_eq!(keys("按一、二或三"), "1 2 3");
        assert_eq!(keys("输入完毕请按井号键，返回请按星号键"), "# *");
        assert_eq!(keys("请按一下井号键"), "");
        assert_eq!(keys("请按照提示操作，每次按五秒"), "");
        assert_eq!(keys("For bills, press 1. To speak to an agent, press zero."), "1 0");
        assert_eq!(keys("Press 1 for sales, 2 for support, or press the star key."), "1 * 1 2");
        assert_eq!(keys("Press 1 or 2. Press 1 to 5. Press hash"), "1 2 1 2 3 4 5 #");
        assert_eq!(keys("Please press 10 digits"), "");
        assert_eq!(keys("Your number is 5"), "");
        assert_eq!(keys("Press one to hear it, press onerous"), "1");
    }
}
