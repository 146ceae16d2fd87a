//! A flow file laid out anew, on wish with what each prompt says beside the step that plays it.

use super::diag::{Diagnostic, Diags};
use super::outline::{self, What};
use super::source::{Files, Sources};
use super::yaml::{self, Kind, Node};
use crate::source::layout::{self, Notes};
use std::collections::BTreeMap;

/// Characters of a text that a note shows.
const NOTE_CHARACTERS: usize = 48;

/// What prompts say: id, language, text.
pub type Texts = BTreeMap<String, BTreeMap<String, String>>;

/// The file laid out anew; with `texts`, what a step plays first stands behind it, in the flow's first language. A file
/// that cannot be read is left alone, and the findings say why.
pub fn neat(path: &str, text: &str, texts: Option<&Texts>) -> Result<String, Vec<Diagnostic>> {
    layout::laid_out(path, text, &|root| texts.map(|texts| notes(root, texts)))
}

/// The texts of all prompts files among `sources`; a file that cannot be read has none.
pub fn texts(sources: &Sources) -> Texts {
    let files = Files::new(sources);
    let mut diags = Diags::new(&files);
    let mut found = Texts::new();
    for (index, file) in files.0.iter().enumerate() {
        let Ok(index) = u16::try_from(index) else { break };
        if !super::bundle::is_prompts(&file.path) {
            continue;
        }
        let Some(Node { kind: Kind::Map(prompts), .. }) = yaml::parse(file, index, &mut diags) else { continue };
        for (id, prompt) in &prompts {
            let (Some(id), Kind::Map(languages)) = (id.scalar(), &prompt.kind) else { continue };
            let said = languages.iter().filter_map(|(lang, text)| Some((lang.scalar()?.into(), text.scalar()?.into())));
            found.insert(id.to_string(), said.collect());
        }
    }
    found
}

fn notes(root: &Node, texts: &Texts) -> Notes {
    let first = match root.child("languages").map(|node| &node.kind) {
        Some(Kind::List(items)) => items.first().and_then(Node::scalar),
        _ => None,
    };
    let mut notes = Notes::new();
    for step in outline::sections(root).flat_map(|(_, steps)| steps) {
        let mentions = step.mentions();
        let Some(prompt) = mentions.iter().find(|mention| mention.what == What::Prompt) else { continue };
        let Some(said) = texts.get(prompt.name) else { continue };
        let Some(text) = first.and_then(|lang| said.get(lang)).or_else(|| said.values().next()) else { continue };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut note: String = text.chars().take(NOTE_CHARACTERS).collect();
        if note.len() < text.len() {
            note.push('…');
        }
        notes.insert(step.item.span.start.min(first_byte(step.item)), note);
    }
    notes
}

fn first_byte(node: &Node) -> u32 {
    match &node.kind {
        Kind::Map(pairs) => pairs.first().map_or(node.span.start, |(key, _)| first_byte(key)),
        _ => node.span.start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neat(text: &str) -> String {
        super::neat("x.flow.yaml", text, None).unwrap_or_else(|found| panic!("{found:?}\n{text}"))
    }

    #[test]
    fn long_braces_are_opened_and_comments_stay_where_they_belong() {
        let text = r#"# for editors
ivr:   1
languages: [ zh,en ]   # the first counts


sections:
  start:
  # hello
  - say:    welcome
  - lookup: {name: outage_by_account, send: {account: account}, get: {area_outage: known, restore_at: restore_at}, not_found: x, failed: x} # slow
  - menu:
      say: main   # one to four
      keys: {1: a,
             2: b}
      # end of the menu
  # end of start
  x:
  - hangup:
# the end
"#;
        let expected = r#"# for editors
ivr: 1
languages: [zh, en]  # the first counts

sections:
  start:
    # hello
    - say: welcome
    - lookup:  # slow
        name: outage_by_account
        send: {account: account}
        get: {area_outage: known, restore_at: restore_at}
        not_found: x
        failed: x
    - menu:
        say: main  # one to four
        keys: {1: a, 2: b}
        # end of the menu
    # end of start
  x:
    - hangup:
# the end
"#;
        assert_eq!(neat(text), expected);
        assert_eq!(neat(expected), expected);
    }

    #[test]
    fn what_a_prompt_says_is_noted_beside_its_step_and_noted_anew() {
        let text = "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - say: hi  # » old\n    - goto: start\n";
        let said = |words: &str| Texts::from([("hi".into(), BTreeMap::from([("zh".into(), words.to_string())]))]);
        let once = super::neat("x", text, Some(&said("您好"))).unwrap();
        assert!(once.contains("    - say: hi  # » 您好\n    - goto: start\n"), "{once}");
        assert_eq!(super::neat("x", &once, Some(&said("您好"))).unwrap(), once);
        assert_eq!(neat(&once), once, "without the texts a note stays as it is");
    }

    #[test]
    fn quotes_texts_over_lines_and_bare_groups_keep_their_meaning() {
        let text = "a: >\n  one\n  two\nb: 'x # y'\nc: [d: {e: f}, 010]\ng: \"z\"\nh: {i}\nj: {}\nk: a\n  b\n";
        let once = neat(text);
        assert_eq!(once, "a: \"one two\\n\"\nb: 'x # y'\nc: [d: {e: f}, 010]\ng: \"z\"\nh: {i}\nj: {}\nk: a b\n");
        assert_eq!(neat(&once), once);
    }

    #[test]
    fn a_file_that_is_no_yaml_is_left_alone_with_its_line() {
        assert_eq!(super::neat("x", "a: {b\n", None).unwrap_err()[0].path, "x");
    }

    /// Lines deleted, doubled, cut and commented: whatever can be read is laid out without loss, and once is enough.
    #[test]
    fn laying_out_twice_is_laying_out_once() {
        const FILES: [&str; 6] = [
            include_str!("../../ivr-flows/power.flow.yaml"),
            include_str!("../../ivr-flows/lib/identify.flow.yaml"),
            include_str!("../../ivr-flows/lookups.yaml"),
            include_str!("../../ivr-flows/calendars.yaml"),
            include_str!("../../prompts/power.yaml"),
            include_str!("../../ivr-flows/small-shop.flow.yaml"),
        ];
        let mut read = 0;
        for text in FILES {
            let lines: Vec<&str> = text.lines().collect();
            let mut mutants = vec![lines.join("\n"), lines.join("\r\n")];
            for at in 0..lines.len() {
                for change in 0..6 {
                    let mut lines: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
                    match change {
                        0 => _ = lines.remove(at),
                        1 => lines.insert(at, lines[at].clone()),
                        2 => lines.insert(at, "      # between".into()),
                        3 => lines.insert(at, String::new()),
                        4 => lines[at] = lines[at].replace(", ", ",  # within\n            "),
                        _ => lines[at].push_str("   # behind"),
                    }
                    mutants.push(lines.join("\n"));
                }
            }
            for mutant in mutants {
                let Ok(once) = super::neat("x.yaml", &mutant, None) else {
                    let found = super::neat("x.yaml", &mutant, None).unwrap_err();
                    assert!(found.iter().all(|d| d.code != "E115"), "not laid out:\n{mutant}");
                    continue;
                };
                read += 1;
                let twice = super::neat("x.yaml", &once, None);
                assert_eq!(twice.as_deref(), Ok(once.as_str()), "from:\n{mutant}");
            }
        }
        assert!(read > 1_000, "{read}");
    }
}
