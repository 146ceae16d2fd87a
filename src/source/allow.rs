//! `# ivr: allow E502 the studio is booked for May`: a finding that its author has looked at and accepts, with the reason.
//! The comment stands at the end of the line that the finding names, or on a line of its own above it.

use super::text::{Files, Span};

const MARK: &str = "# ivr: allow";
/// Errors that are a rule of ours and no fault in the flow itself; every warning can be allowed as well.
pub(crate) const RULES: [&str; 5] = ["E231", "E232", "E306", "E703", "E705"];

#[derive(Debug)]
pub(crate) struct Allow {
    pub span: Span,
    pub code: String,
    pub reason: String,
    /// The line that it speaks of.
    pub line: u32,
    pub used: bool,
}

/// The comments of all files.
pub(crate) fn comments(files: &Files) -> Vec<Allow> {
    let mut found = Vec::new();
    for (index, file) in files.0.iter().enumerate() {
        let Ok(number) = u16::try_from(index) else { break };
        if !file.text.contains(MARK) {
            continue;
        }
        let lines: Vec<&str> = file.text.lines().collect();
        let mut at = 0;
        for (index, line) in lines.iter().enumerate() {
            let written =
                line.find(MARK).and_then(|place| Some((line.get(..place)?, line.get(place + MARK.len()..)?, place)));
            if let Some((before, rest, place)) = written
                && (before.is_empty() || before.ends_with([' ', '\t']))
            {
                let (code, reason) = rest.trim().split_once([' ', ':']).unwrap_or((rest.trim(), ""));
                let below = lines.iter().skip(index + 1).take_while(|line| line.trim_start().starts_with('#')).count();
                let line_meant = if before.trim().is_empty() { index + 1 + below } else { index };
                found.push(Allow {
                    span: Span { file: number, start: (at + place) as u32, end: (at + line.trim_end().len()) as u32 },
                    code: code.to_string(),
                    reason: reason.trim().to_string(),
                    line: line_meant as u32 + 1,
                    used: false,
                });
            }
            // The end of a line is one octet or, from Windows, two.
            at += line.len();
            at += file.text.get(at..).map_or(0, |rest| if rest.starts_with("\r\n") { 2 } else { 1 });
        }
    }
    found
}
