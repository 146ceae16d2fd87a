//! What is wrong in a file of the admin's, where, and what to write instead.
//!
//! A diagnostic names one place (`path:line:column`), says it in the admin's words and suggests the nearest right name.
//! [`Diags`] collects all of them in one pass, so that an admin mends a file once and not error by error.
//!
//! Codes are for life: a code that was given out never means something else.
//!
//! | codes | about |
//! |---|---|
//! | E100-E117 | the text: YAML and its traps (100 101 104-107 109 110), unknown word (102), not in this version (103), given twice (111), wrong value (112), two verbs (113), missing (114), no layout (115), a comment that allows: wrong (116), for nothing (117) |
//! | E201-E210 | names: section, flow, prompt, queue, trunk or extension, calendar, lookup, ambiguous, file; base, secret, database, message, form or mailbox (210) |
//! | E211-E214 | ways: nowhere to go, outcome without target, unreached section, unreached step |
//! | E221-E224 | loops: without key or time, without end, subflows in a circle; what a subflow gives for nobody (224) |
//! | E231-E232 | a human: too far from a menu, not behind 0 |
//! | E301-E308 | variables: undefined, unset on some way, wrong type, unread, not an expression; conditions: no question (306), a gap (307), half over another (308) |
//! | E401-E405 | keys: prefix, bound twice, hides a shortcut, end key in the pattern, entry that can never match |
//! | E411-E412 | keys and texts: told and not there, there and not told |
//! | E501-E508 | texts: missing, not recorded, unequal values, long before a key (504), no reader for the language (505), too many choices (506), recorded before the text changed (507), a placeholder (508) |
//! | E601-E606 | hours: a day unsaid, hours or holidays twice, holidays without end (603) or ending soon (604), closed leads to the same queue, an emergency after the calendar |
//! | E701-E705 | a secret where it must not go; an address that hotline.yaml does not name; a private value to a trunk (703), a secret kept or shown (704), a recording unannounced (705) |
//! | E801-E803 | an answer that can be skipped, a failure unsaid, a form filed twice |
//! | T100-T110 | a flow's test failed: another prompt (101), other words (102), the call is over (103), never came to it (104), no mock (105), expectation (110) |
//!
//! `hotline.yaml` has codes of its own: C100-C105 are the text, C110-C160 what its values mean.

use super::allow::{self, Allow};
use super::text::{Files, Span};
use super::yaml::Node;
use annotate_snippets::{AnnotationKind, Level as SnippetLevel, Renderer, Snippet};
use serde::{Serialize, Serializer};

/// More findings than this in one load help nobody; the rest is dropped with a closing line.
pub const MAX_DIAGNOSTICS: usize = 100;
/// Known names that a finding lists when none is near.
const MAX_LISTED: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
        }
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// One finding. `line` and `column` count from 1, columns in characters; both are 0 where the file as a whole is meant.
/// Serialises to the contract's JSON line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub code: &'static str,
    pub level: Level,
    pub path: String,
    pub line: u32,
    pub column: u32,
    pub message: String,
    pub suggestion: Option<String>,
    #[serde(skip)]
    pub span: Span,
    /// The line of the file, for a person.
    #[serde(skip)]
    pub text: Option<Box<str>>,
}

impl Diagnostic {
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }

    /// For a log or an answer to a program: one line without the text of the file.
    pub fn one_line(&self) -> String {
        let help = self.suggestion.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        let place = if self.line > 0 { format!(":{}:{}", self.line, self.column) } else { String::new() };
        format!("{}{place}: {}[{}]: {}{help}", self.path, self.level.as_str(), self.code, self.message)
    }

    /// One JSON object on one line: `code level path line column message suggestion`.
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A finding about a file as a whole: missing, unreadable, too large.
    pub fn of_file(code: &'static str, path: String, message: String, suggestion: Option<String>) -> Self {
        Self {
            code,
            level: Level::Error,
            path,
            line: 0,
            column: 0,
            message,
            suggestion,
            span: Span::default(),
            text: None,
        }
    }
}

/// The form a person reads: a title, ` --> path:line:column`, the line of the file with the place marked.
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(line) = &self.text else {
            write!(f, "{}[{}]: {}\n --> {}", self.level.as_str(), self.code, self.message, self.path)?;
            if self.line > 0 {
                write!(f, ":{}:{}", self.line, self.column)?;
            }
            return match &self.suggestion {
                Some(suggestion) => write!(f, "\n  = help: {suggestion}"),
                None => Ok(()),
            };
        };
        let start = line.char_indices().nth(self.column.saturating_sub(1) as usize).map_or(line.len(), |(i, _)| i);
        let length = (self.span.end.saturating_sub(self.span.start)) as usize;
        let mut end = (start + length).min(line.len());
        while !line.is_char_boundary(end) {
            end += 1;
        }
        let level = match self.level {
            Level::Error => SnippetLevel::ERROR,
            Level::Warning => SnippetLevel::WARNING,
        };
        let mut mark = AnnotationKind::Primary.span(start..end);
        if let Some(hint) = &self.suggestion {
            mark = mark.label(hint.as_str());
        }
        let line = line.as_ref();
        let snippet = Snippet::source(line).path(self.path.as_str()).line_start(self.line as usize).annotation(mark);
        let report = [level.primary_title(self.message.as_str()).id(self.code).element(snippet)];
        f.write_str(&Renderer::plain().render(&report))
    }
}

/// Collects findings while files are read and checked.
pub(crate) struct Diags<'f> {
    files: &'f Files,
    found: Vec<Diagnostic>,
    /// Codes of what only follows from something that was reported.
    passed_over: Vec<&'static str>,
    errors: usize,
    dropped: usize,
    allows: Vec<Allow>,
    allowed: Vec<Allowed>,
}

/// A finding that a comment in the file accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Allowed {
    #[serde(flatten)]
    pub finding: Diagnostic,
    pub reason: String,
}

impl<'f> Diags<'f> {
    pub fn new(files: &'f Files) -> Self {
        Self {
            files,
            found: Vec::new(),
            passed_over: Vec::new(),
            errors: 0,
            dropped: 0,
            allows: Vec::new(),
            allowed: Vec::new(),
        }
    }

    /// The same, with findings left out that a comment in the files accepts.
    pub fn allowing(files: &'f Files) -> Self {
        Self { allows: allow::comments(files), ..Self::new(files) }
    }

    /// What comments have accepted. Those that accept nothing, or give no reason, are told.
    pub fn take_allowed(&mut self) -> Vec<Allowed> {
        for allow in std::mem::take(&mut self.allows) {
            let code = shown(&allow.code);
            let digits = code.strip_prefix('E').unwrap_or_default();
            let known = digits.len() == 3 && digits.bytes().all(|octet| octet.is_ascii_digit());
            if !known || allow.reason.is_empty() {
                let hint = "write `# ivr: allow E502 and the reason`";
                self.error_hint("E116", allow.span, "this does not say what it allows, and why", hint);
            } else if !allow.used {
                let message =
                    format!("this allows nothing: there is no `{code}` that can be allowed on line {}", allow.line);
                self.warn_hint("E117", allow.span, message, "leave it out");
            }
        }
        std::mem::take(&mut self.allowed)
    }

    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.push(Level::Error, code, span, message.into(), None);
    }

    pub fn error_hint(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Level::Error, code, span, message.into(), Some(hint.into()));
    }

    pub fn warn(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.push(Level::Warning, code, span, message.into(), None);
    }

    pub fn warn_hint(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Level::Warning, code, span, message.into(), Some(hint.into()));
    }

    /// An unknown name, with the nearest known one when there is one near enough, else all if they are few.
    pub fn unknown<'a>(
        &mut self,
        code: &'static str,
        span: Span,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        // Looking for the nearest name is dear; a finding that will not be shown needs none.
        let known: Vec<&str> =
            if self.found.len() < MAX_DIAGNOSTICS { known.into_iter().collect() } else { Vec::new() };
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if (1..=MAX_LISTED).contains(&known.len()) => Some(format!("known here: {}", known.join(", "))),
            None => None,
        };
        self.push(Level::Error, code, span, format!("{what} `{}`", shown(name)), hint);
    }

    /// The place of bytes `from..to` of a scalar's text: exact when the file spells the text as it is, else the scalar.
    pub fn part_of(&self, node: &Node, from: usize, to: usize) -> Span {
        let written = self.files.slice(node.span);
        match node.scalar() {
            Some(text) if written == text => node.span.part(from, to),
            Some(text) if written.len() == text.len() + 2 && written.get(1..=text.len()) == Some(text) => {
                node.span.part(from + 1, to + 1)
            }
            _ => node.span,
        }
    }

    /// From now on these errors are counted and not told: they follow from one that was told.
    pub fn pass_over(&mut self, codes: &[&'static str]) {
        self.passed_over.extend_from_slice(codes);
    }

    /// Path, line and column of a place.
    pub fn place(&self, span: Span) -> (String, u32, u32) {
        self.files.place(span)
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub fn error_count(&self) -> usize {
        self.errors
    }

    /// All findings, in the order of files and lines.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| {
            (a.span.file, a.span.start, a.level, a.code, &a.message).cmp(&(
                b.span.file,
                b.span.start,
                b.level,
                b.code,
                &b.message,
            ))
        });
        self.found.dedup();
        if self.dropped > 0
            && let Some(mut last) = self.found.last().cloned()
        {
            last.level = Level::Error;
            last.code = "E110";
            last.message = format!("{} more findings are not shown; mend these first", self.dropped);
            last.suggestion = None;
            self.found.push(last);
        }
        self.found
    }

    fn push(&mut self, level: Level, code: &'static str, span: Span, message: String, suggestion: Option<String>) {
        let allowed = level == Level::Warning || allow::RULES.contains(&code);
        let (_, line, _) = if self.allows.is_empty() { Default::default() } else { self.files.place(span) };
        let accepts = |allow: &&mut Allow| allow.line == line && allow.span.file == span.file && allow.code == code;
        if let Some(allow) = self.allows.iter_mut().filter(|_| allowed).find(accepts) {
            allow.used = true;
            let reason = allow.reason.clone();
            if !reason.is_empty() {
                let finding = self.finding(level, code, span, message, suggestion);
                return self.allowed.push(Allowed { finding, reason });
            }
        }
        // Errors are counted even when they are not shown: a load must not pass because its findings were too many.
        self.errors += usize::from(level == Level::Error);
        if self.passed_over.contains(&code) {
            return;
        }
        if self.found.len() >= MAX_DIAGNOSTICS {
            self.dropped += 1;
            return;
        }
        let finding = self.finding(level, code, span, message, suggestion);
        self.found.push(finding);
    }

    /// A warning that is told some other day.
    pub fn warning(&self, code: &'static str, span: Span, message: String, hint: &str) -> Diagnostic {
        self.finding(Level::Warning, code, span, message, Some(hint.to_string()))
    }

    fn finding(
        &self,
        level: Level,
        code: &'static str,
        span: Span,
        message: String,
        suggestion: Option<String>,
    ) -> Diagnostic {
        let (path, line, column) = self.files.place(span);
        let text = self.files.line(span).map(Into::into);
        Diagnostic { code, level, path, line, column, message, suggestion, span, text }
    }
}

/// The known name nearest to `name`, if a slip of the finger explains the difference (a third of its length at most).
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// A name from a file as a message may show it: one line, no control bytes, not longer than 60 characters.
pub(crate) fn shown(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars().take(60) {
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
    if name.chars().nth(60).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_suggested_and_a_strange_word_is_not() {
        let verbs = ["say", "menu", "queue", "collect"];
        assert_eq!(nearest("qeue", verbs), Some("queue"));
        assert_eq!(nearest("mneu", verbs), Some("menu"));
        assert_eq!(nearest("telephone", verbs), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn a_name_from_a_file_cannot_forge_a_line_of_output() {
        assert_eq!(shown("a\nerror: b"), "a\\nerror: b");
        assert_eq!(shown(&"x".repeat(80)).chars().count(), 61);
    }
}
