//! The reference for admins says what the code takes, and its examples pass the check.

use super::world::*;
use hotline::ivr::*;

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
