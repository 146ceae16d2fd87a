//! The reference for admins says what the code takes: every verb and setting, no other, and examples that pass the check.

use super::world::*;
use hotline::ivr::*;
use std::collections::BTreeSet;

const DOCS: &str = include_str!("../../docs/flows.md");

/// A flow whose first section holds `steps` and that has what the reference's examples name.
fn around(steps: &str) -> Sources {
    let steps: String = steps.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!(
        "ivr: 1\nlanguages: [zh, en]\nvars:\n  account: {{type: digits, optional: true}}\ndefaults: {{input: {{give_up: agent}}}}\nsections:\n  start:\n{steps}    - goto: agent\n  agent: {{keep: true, steps: [queue: {{to: service, not_answered: bye}}]}}\n  bye: {{keep: true, steps: [hangup: goodbye]}}\n"
    );
    project(&text, &[])
}

fn errors(steps: &str) -> Vec<Diagnostic> {
    let found = load(&around(steps), None, &audio).err().unwrap_or_default();
    // That nothing leads on from an example's end is a matter of the frame around it.
    found.into_iter().filter(|d| d.is_error() && !matches!(d.code, "E213" | "E214")).collect()
}

/// What the checker lists when it knows no `word` there.
fn known(steps: &str) -> Option<BTreeSet<String>> {
    let found = errors(steps);
    let hint = found.iter().filter(|d| d.code == "E102").find_map(|d| d.suggestion.clone());
    Some(hint?.strip_prefix("known here: ")?.split(", ").map(str::to_string).collect())
}

/// The part of the reference about a verb.
fn part(verb: &str) -> &'static str {
    let from = DOCS.find(&format!("\n### {verb}\n")).unwrap_or_else(|| panic!("no section about `{verb}`"));
    let rest = &DOCS[from + 5..];
    let end = ["\n### ", "\n## "].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
    &rest[..end]
}

#[test]
fn every_verb_and_setting_is_in_the_reference_and_no_other() {
    let verbs = known("- zzzzzzzzzz: x").expect("the checker lists the verbs");
    assert!(verbs.contains("menu") && verbs.len() > 15, "{verbs:?}");
    let later = ["voicemail", "record", "send", "form", "callback", "survey"];
    for verb in verbs.iter().filter(|verb| !later.contains(&verb.as_str())) {
        let rows = part(verb).lines().filter(|line| line.starts_with("| `"));
        let told: BTreeSet<String> = rows
            .flat_map(|row| row.split('|').nth(1).unwrap_or_default().split(','))
            .map(|name| name.trim().trim_matches('`').to_string())
            .collect();
        let needed = if verb == "queue" { "to: service, " } else { "" };
        let taken = known(&format!("- {verb}: {{{needed}zzzzzzzzzz: 1}}")).unwrap_or_default();
        assert_eq!(told, taken, "settings of `{verb}`");
    }
}

#[test]
fn the_examples_of_the_reference_pass_the_check() {
    let mut examples = 0;
    for block in DOCS.split("```yaml\n").skip(1) {
        let example = block.split("```").next().unwrap_or_default();
        let found = match example.starts_with("ivr: 1") {
            true => load(&project(example, &[]), None, &audio).err().unwrap_or_default(),
            false => errors(example),
        };
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().all(|d| !d.is_error()), "{example}\n{}", shown.join("\n"));
        examples += 1;
    }
    assert!(examples > 12, "{examples}");
}
