//! One call record as one line of CSV (RFC 4180), safe to open in a spreadsheet.
//!
//! What a caller sent stands in these cells, and a caller is a stranger: a cell that a spreadsheet would run as a
//! formula gets a leading `'`, and control characters are written as escapes, so that no cell breaks a line, moves a
//! cursor or forges another cell. Points in time are ISO 8601 in UTC here, because people read them.

use super::record::{Cdr, word};
use crate::events::media::Quality;
use crate::events::{MediaReport, Source};
use std::fmt::Write;

/// A column's name, and how its cell is read from a record.
type Column = (&'static str, fn(&Cdr) -> String);

/// Names are stable; new columns go to the end.
const COLUMNS: [Column; 43] = [
    ("call_id", |cdr| text(&cdr.call_id)),
    ("sip_call_id", |cdr| cdr.sip_call_id.clone()),
    ("project", |cdr| text(&cdr.project)),
    ("from", |cdr| cdr.from.expose().clone()),
    ("to", |cdr| cdr.to.clone()),
    ("source", |cdr| cdr.source.as_ref().map_or_else(String::new, source)),
    ("started_utc", |cdr| utc(cdr.started)),
    ("answered_utc", |cdr| cdr.answered.map_or_else(String::new, utc)),
    ("ended_utc", |cdr| utc(cdr.ended)),
    ("duration_ms", |cdr| cdr.duration_ms.to_string()),
    ("connected_ms", |cdr| cdr.connected_ms.to_string()),
    ("talk_ms", |cdr| cdr.talk_ms.to_string()),
    ("hold_ms", |cdr| cdr.hold_ms.to_string()),
    ("wait_ms", |cdr| cdr.wait_ms.to_string()),
    ("ring_ms", |cdr| cdr.ring_ms.to_string()),
    ("queue", |cdr| text(&cdr.queue)),
    ("agent", |cdr| text(&cdr.agent)),
    ("flow", |cdr| cdr.flow.clone().unwrap_or_default()),
    ("flow_version", |cdr| text(&cdr.flow_version)),
    ("end", |cdr| word(&cdr.end)),
    ("cause", |cdr| word(&cdr.cause)),
    ("q850", |cdr| cdr.q850.to_string()),
    ("status", |cdr| cdr.status.to_string()),
    ("refused", |cdr| cdr.refused.as_ref().map_or_else(String::new, word)),
    ("recording", |cdr| cdr.recording.clone().unwrap_or_default()),
    ("recording_ms", |cdr| cdr.recording_ms.to_string()),
    ("keys", |cdr| cdr.keys.to_string()),
    ("tags", |cdr| cdr.tags.join(" ")),
    ("resolved", |cdr| cdr.resolved.join(" ")),
    ("legs", |cdr| cdr.segments.len().to_string()),
    ("lost_packets", |cdr| media(cdr, |report| report.lost)),
    ("worst_jitter_us", |cdr| worst_jitter(cdr)),
    ("left_out", |cdr| cdr.left_out.to_string()),
    // Of all legs and directions the worst.
    ("worst_mos", |cdr| lowest(qualities(cdr).map(|quality| quality.mos))),
    ("worst_r", |cdr| lowest(qualities(cdr).map(|quality| quality.r))),
    ("worst_loss_percent", |cdr| worst_loss(cdr)),
    ("worst_round_trip_ms", |cdr| {
        text(&reports(cdr).filter_map(|report| report.round_trip_us).max().map(|us| us / 1000))
    }),
    ("stray_packets", |cdr| media(cdr, |report| report.stray)),
    ("service_end", |cdr| cdr.service_end.map_or_else(String::new, |end| end.as_str().to_owned())),
    ("closed_hours", |cdr| cdr.closed_hours.to_string()),
    ("disposition", |cdr| cdr.disposition.clone().unwrap_or_default()),
    ("direction", |cdr| word(&cdr.direction)),
    ("placed", |cdr| cdr.placed.as_ref().map_or_else(String::new, word)),
];

/// The line of column names, with its line end.
pub fn csv_header() -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    names.join(",") + "\r\n"
}

/// One record as one line, with its line end.
pub fn csv_row(cdr: &Cdr) -> String {
    let mut row = String::with_capacity(320);
    for (at, (_, read)) in COLUMNS.iter().enumerate() {
        if at > 0 {
            row.push(',');
        }
        cell(&read(cdr), &mut row);
    }
    row.push_str("\r\n");
    row
}

/// Appends one cell that no spreadsheet runs and no terminal obeys. `-` alone, which stands for nothing, is no formula.
pub fn cell(value: &str, row: &mut String) {
    let mut shown = String::with_capacity(value.len() + 1);
    if value.starts_with(starts_formula) && value != "-" {
        shown.push('\'');
    }
    for c in value.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_hidden(c) => _ = write!(shown, "\\u{{{:x}}}", c as u32),
            c => shown.push(c),
        }
    }
    if shown.contains([',', '"']) || shown.starts_with(' ') || shown.ends_with(' ') {
        row.push('"');
        row.push_str(&shown.replace('"', "\"\""));
        row.push('"');
    } else {
        row.push_str(&shown);
    }
}

/// Characters that make a spreadsheet run a cell; the full-width forms do so in East Asian settings.
fn starts_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
}

/// Control characters, line separators and marks that reverse the order of what is shown.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn text(value: &Option<impl ToString>) -> String {
    value.as_ref().map_or_else(String::new, ToString::to_string)
}

fn source(source: &Source) -> String {
    match source {
        Source::Trunk(trunk) => format!("trunk {trunk}"),
        Source::Extension(agent) => format!("extension {agent}"),
    }
}

fn reports(cdr: &Cdr) -> impl Iterator<Item = &MediaReport> {
    cdr.segments.iter().filter_map(|segment| segment.media.as_ref())
}

fn media(cdr: &Cdr, of: impl Fn(&MediaReport) -> u64) -> String {
    reports(cdr).map(of).sum::<u64>().to_string()
}

fn worst_jitter(cdr: &Cdr) -> String {
    text(&reports(cdr).map(|report| report.jitter_us).max())
}

fn qualities(cdr: &Cdr) -> impl Iterator<Item = Quality> {
    reports(cdr).flat_map(|report| [report.heard, report.sent]).flatten()
}

fn lowest(values: impl Iterator<Item = f32>) -> String {
    text(&values.min_by(f32::total_cmp))
}

fn worst_loss(cdr: &Cdr) -> String {
    let worst = qualities(cdr).map(|quality| quality.loss).max_by(f32::total_cmp);
    worst.map_or_else(String::new, |loss| format!("{:.2}", loss * 100.0))
}

/// `2026-03-01T08:00:00.000Z` for milliseconds since 1970.
fn utc(wall: u64) -> String {
    let (days, ms) = (wall / 86_400_000, wall % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// Year, month and day of the proleptic Gregorian calendar, for days since 1970-01-01. Years are counted from March, so
/// that the leap day is the last of its year; 400 such years are 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let from_0000_03 = days + 719_468;
    let (era, day_of_era) = (from_0000_03 / 146_097, from_0000_03 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        let mut row = String::new();
        cell(value, &mut row);
        row
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_written_as_text() {
        assert_eq!(written("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(written("+8613800138000"), "'+8613800138000");
        assert_eq!(written("-2+3"), "'-2+3");
        assert_eq!(written("@SUM(A1)"), "'@SUM(A1)");
        assert_eq!(written("\t=1"), "'\\t=1");
        assert_eq!(written("\r=1"), "'\\r=1");
        assert_eq!(written("＝1+1"), "'＝1+1");
        assert_eq!(written("=1,\"2\""), "\"'=1,\"\"2\"\"\"");
        assert_eq!(written("a=b"), "a=b");
    }

    #[test]
    fn no_control_character_reaches_the_file() {
        assert_eq!(
            written("a\r\nb\u{0}\u{1b}[31m\u{7f}\u{85}\u{202e}"),
            "a\\r\\nb\\u{0}\\u{1b}[31m\\u{7f}\\u{85}\\u{202e}"
        );
    }

    #[test]
    fn times_are_written_in_utc_across_leap_days_and_ends_of_years() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(utc(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(utc(1_735_689_599_001), "2024-12-31T23:59:59.001Z");
        assert_eq!(utc(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }
}
