//! The part of the language reference that is made from the tables of verbs and settings: Markdown for `docs/flows.md`,
//! a verb at a time for the terminal.

use super::settings::{Group, Shape};
use super::step::{VERBS, Verb};
use super::{calendar, flow, holidays, lookup, post};
use std::fmt::Write;

/// One verb, or everything; `None` when there is no such verb.
pub fn reference(verb: Option<&str>) -> Option<String> {
    let mut out = String::new();
    if let Some(name) = verb {
        write_verb(VERBS.iter().find(|verb| verb.name == name)?, &mut out);
        return Some(out);
    }
    out.push_str("## Steps\n\n");
    VERBS.iter().for_each(|verb| write_verb(verb, &mut out));
    out.push_str("## Settings of the files\n\n");
    let files = [
        ("ivr-flows/*.flow.yaml", &flow::FILE),
        ("lookups.yaml", &lookup::FILE),
        ("calendars.yaml", &calendar::FILE),
        ("holidays/*.yaml", &holidays::FILE),
        ("messages.yaml", &post::FILE),
    ];
    for (file, group) in files {
        let _ = write!(out, "### {file}\n\n");
        write_table(&Shape::Group(group), &mut out);
    }
    Some(out.trim_end().to_string() + "\n")
}

fn write_verb(verb: &Verb, out: &mut String) {
    let _ = write!(out, "### {}\n\n{}\n\n```yaml\n{}\n```\n\n", verb.name, verb.help, verb.example);
    write_table(&verb.shape, out);
    if !verb.outcomes.is_empty() {
        let word = if verb.outcomes.len() == 1 { "Outcome" } else { "Outcomes" };
        let _ = write!(out, "{word}: {}.\n\n", verb.outcomes.join(", "));
    }
}

fn write_table(shape: &Shape, out: &mut String) {
    let mut rows = Vec::new();
    rows_of(shape, "", &mut rows);
    if rows.is_empty() {
        return;
    }
    out.push_str("| setting | meaning |\n|---|---|\n");
    for (name, meaning) in rows {
        let _ = writeln!(out, "| `{name}` | {} |", meaning.replace('|', "\\|"));
    }
    out.push('\n');
}

/// The settings of every group in `shape`; those of a group within a setting come after it, under its name.
fn rows_of(shape: &Shape, under: &str, rows: &mut Vec<(String, String)>) {
    match shape {
        Shape::Group(group) => rows_of_group(group, under, rows),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| rows_of(shape, under, rows)),
        Shape::List(shape) | Shape::Named(shape) => rows_of(shape, under, rows),
        _ => {}
    }
}

fn rows_of_group(group: &Group, under: &str, rows: &mut Vec<(String, String)>) {
    for setting in group.settings {
        // What a list of alternatives shares is told once.
        let row = (format!("{under}{}", setting.name), setting.told());
        if !rows.contains(&row) {
            rows.push(row);
        }
        let named = matches!(setting.shape, Shape::Named(_));
        let inner = format!("{under}{}{}", setting.name, if named { ".NAME." } else { "." });
        rows_of(&setting.shape, &inner, rows);
    }
}
