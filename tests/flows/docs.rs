//! The reference for admins says what the code takes, and its examples pass the check.

use super::world::*;
use hotline::ivr::*;
use std::collections::BTreeMap;

const DOCS: &str = include_str!("../../docs/flows.md");

/// A flow whose first section holds `steps` and that has what the reference's examples name.
fn around(steps: &str) -> Sources {
    let steps: String = steps.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!(
        "ivr: 1\nlanguages: [zh, en]\nvars:\n  account: {{type: digits, optional: true}}\n  note: {{type: text}}\n  ticket: {{type: digits}}\ndefaults: {{input: {{give_up: agent}}}}\nsections:\n  start:\n    - set: {{account: \"3101234569\"}}\n{steps}    - goto: agent\n  agent: {{keep: true, steps: [queue: {{to: service, not_answered: bye}}]}}\n  bye: {{keep: true, steps: [hangup: goodbye]}}\n"
    );
    project(&text, &[])
}

fn errors(steps: &str) -> Vec<Diagnostic> {
    let found = load(&around(steps), None, &audio).err().unwrap_or_default();
    // That nothing leads on from an example's end is a matter of the frame around it.
    found.into_iter().filter(|d| d.is_error() && !matches!(d.code, "E213" | "E214")).collect()
}

/// The part about steps and settings is printed by `hotline flow reference`.
#[test]
fn the_reference_tells_the_verbs_and_settings_that_the_code_takes() {
    let from = DOCS.find("## Steps\n").expect("a part about steps");
    let to = DOCS.find("## What a call may not do\n").expect("a part after it");
    assert_eq!(
        DOCS[from..to].trim_end(),
        reference(None).unwrap().trim_end(),
        "print it anew by `hotline flow reference`"
    );
}

#[test]
fn one_verb_is_told_alone_and_an_unknown_one_not_at_all() {
    let menu = reference(Some("menu")).unwrap();
    assert!(menu.starts_with("### menu\n") && menu.contains("| `keys` |") && !menu.contains("### queue"), "{menu}");
    assert_eq!(reference(Some("menus")), None);
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

/// Each recipe is a project of its own: a flow, and the files that its comments name.
#[test]
fn every_recipe_can_be_copied_and_passes_the_check() {
    let mut recipes = 0;
    for recipe in include_str!("../../docs/recipes.md").split("\n## ").skip(1) {
        let files = recipe.split("```yaml\n# ").skip(1).map(|block| {
            let block = block.split("```").next().unwrap_or_default();
            let (path, text) = block.split_once('\n').expect("a file's name");
            (path.to_string(), text.to_string())
        });
        let atoms = ("prompts/atoms.yaml".to_string(), include_str!("../../prompts/atoms.yaml").to_string());
        let sources = Sources { files: files.chain([atoms]).collect() };
        assert!(sources.files.iter().any(|(path, _)| path.ends_with(".flow.yaml")), "{recipe}");
        let found = match load(&sources, None, &|_, _| Some(1_000)) {
            Ok(bundle) => bundle.warnings,
            Err(found) => found,
        };
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{}", shown.join("\n"));
        recipes += 1;
    }
    assert!(recipes >= 5, "{recipes}");
}

/// Codes as they stand in the program, each with the words before it. Tests name codes that they expect, and are left out.
fn codes_of_the_program(folder: &std::path::Path, found: &mut BTreeMap<String, Vec<String>>) {
    for entry in
        std::fs::read_dir(folder).expect("a folder of the program").map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            codes_of_the_program(&entry, found);
        } else if !entry.ends_with("tests.rs") && entry.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&entry).expect("a text");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let quoted: Vec<&str> = text.split('"').collect();
            for pair in quoted.windows(2) {
                let is_code = pair[1].len() == 4
                    && pair[1].starts_with(['E', 'T'])
                    && pair[1][1..].bytes().all(|octet| octet.is_ascii_digit());
                if is_code {
                    let words = pair[0].rsplit(';').next().unwrap_or_default();
                    found.entry(pair[1].to_string()).or_default().push(words.to_string());
                }
            }
        }
    }
}

#[test]
fn the_page_of_codes_has_each_code_of_the_program_and_no_other_with_its_level() {
    let mut codes = BTreeMap::new();
    codes_of_the_program(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
    let page = include_str!("../../docs/error-codes.md");
    let rows: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .filter(|(code, _)| code.starts_with(['E', 'T']) && code.len() == 4)
        .map(|(code, rest)| (code, rest.split(" | ").next().unwrap_or_default()))
        .collect();
    assert_eq!(rows.keys().map(|code| code.to_string()).collect::<Vec<_>>(), codes.keys().cloned().collect::<Vec<_>>());
    for (code, places) in &codes {
        let told = places.iter().filter(|words| words.contains("diags.") || words.contains("::warn"));
        let warns = |words: &&String| words.rsplit("diags.").next().is_some_and(|call| call.contains("warn"));
        let (warnings, all) = (told.clone().filter(warns).count(), told.count());
        let level = match () {
            () if all == 0 => continue,
            () if warnings == all => "warning",
            () if warnings == 0 => "error",
            () => "both",
        };
        assert_eq!(rows[code.as_str()], level, "{code}");
    }
}
