//! What is wrong in `hotline.yaml`, where, and what was probably meant.

use serde::Serialize;
use std::fmt;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Error,
    Warning,
}

/// One finding. `line` and `column` count from 1 and are 0 where the file as a whole is meant. The serialised form
/// is one line of `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub code: &'static str,
    pub level: Level,
    pub path: String,
    pub line: u64,
    pub column: u64,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(f, "{level}[{}]: {}\n --> {}", self.code, self.message, self.path)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, "\n  = help: {suggestion}"),
            None => Ok(()),
        }
    }
}

/// Why a configuration was not taken: never empty, in file order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Diagnostic>);

impl ConfigError {
    /// A fault of the file as a whole: missing, unreadable, too large.
    pub fn file(code: &'static str, path: &Path, message: String, suggestion: Option<String>) -> Self {
        let path = path.display().to_string();
        Self(vec![Diagnostic { code, level: Level::Error, path, line: 0, column: 0, message, suggestion }])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The known name that `name` was probably meant to be, if one is near enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_prints_as_the_contract_says() {
        let finding = Diagnostic {
            code: "C102",
            level: Level::Error,
            path: "hotline.yaml".into(),
            line: 3,
            column: 5,
            message: "unknown key `relm`".into(),
            suggestion: Some("did you mean `realm`?".into()),
        };
        assert_eq!(
            finding.to_string(),
            "error[C102]: unknown key `relm`\n --> hotline.yaml:3:5\n  = help: did you mean `realm`?"
        );
    }

    #[test]
    fn a_far_word_is_not_suggested() {
        assert_eq!(nearest("servcie", ["service", "emergency"]), Some("service"));
        assert_eq!(nearest("sales", ["service", "emergency"]), None);
    }
}
