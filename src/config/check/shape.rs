//! YAML text to raw types, and what the YAML reader found wrong in our own words.

use super::super::raw::RawConfig;
use super::super::{ConfigError, Diagnostic, Level, nearest};
use serde_saphyr::Error;
use std::path::Path;

pub(super) fn parse(path: &Path, text: &str) -> Result<RawConfig, ConfigError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| ConfigError(vec![diagnose(path, text, &error)]))
}

fn diagnose(path: &Path, text: &str, error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let (code, message, suggestion) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            ("C102", format!("unknown key `{field}`"), Some(meant(field, expected)))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            ("C102", format!("`{variant}` is not known here"), Some(meant(variant, expected)))
        }
        Error::SerdeMissingField { field, .. } => ("C103", format!("`{field}` is missing"), None),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map_or_else(String::new, |key| format!(" `{key}`"));
            ("C105", format!("the key{key} is there twice"), Some("keep one of them".into()))
        }
        Error::SerdeInvalidType { unexpected, expected, .. } => {
            ("C104", format!("found {unexpected}, expected {expected}"), None)
        }
        Error::MergeKeyNotAllowed { .. } => {
            ("C101", "merge keys (`<<`) are not taken here".into(), Some("write the keys out".into()))
        }
        other => ("C101", plain(other), trap(text, other)),
    };
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    Diagnostic { code, level: Level::Error, path: path.display().to_string(), line, column, message, suggestion }
}

fn meant(word: &str, known: &[&'static str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The reader's sentence without its own "at line .., column ..", which the finding carries already.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let end = first.rfind(" at line ").unwrap_or(first.len());
    first[..end].trim_end_matches([':', ',']).to_string()
}

/// Characters of a Chinese keyboard and tabs are the usual reasons why a line that looks right is not YAML.
fn trap(text: &str, error: &Error) -> Option<String> {
    let line = usize::try_from(error.location()?.line()).ok()?;
    let shown = text.lines().nth(line.checked_sub(1)?)?;
    if shown.starts_with('\t') {
        return Some("the line begins with a tab; indent with spaces".into());
    }
    let wide = shown.chars().find(|c| matches!(c, '：' | '，' | '“' | '”' | '‘' | '’' | '＃' | '－'))?;
    Some(format!("the line has `{wide}`; write the ASCII character instead"))
}
