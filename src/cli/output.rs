//! Answers as a table for a person, as JSON or CSV for a program.

use super::{Common, Failure};
use crate::cdr::csv_cell;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
    Csv,
}

impl Format {
    /// What was asked for; else a table where a person looks on and JSON where a program does.
    pub fn or_fitting(asked: Option<Format>) -> Format {
        asked.unwrap_or(if io::stdout().is_terminal() { Format::Table } else { Format::Json })
    }
}

/// For answers of several parts or in sentences: half of them as CSV would mislead whoever reads it.
pub(super) fn refuse_csv(common: &Common) -> Result<(), Failure> {
    match common.output {
        Some(Format::Csv) => Err(Failure::Usage("this answer has no csv form; write `-o table` or `-o json`".into())),
        _ => Ok(()),
    }
}

/// A column: its head, and the cell of a row.
pub(super) type Column = (&'static str, fn(&Value) -> String);

/// Prints `rows`, or in JSON the whole answer as it came.
pub(super) fn print(format: Format, answer: &str, rows: &[Value], columns: &[Column]) -> Result<(), Failure> {
    let text = match format {
        Format::Json => format!("{}\n", answer.trim_end()),
        Format::Table => table(rows, columns),
        Format::Csv => csv(rows, columns),
    };
    write(&text)
}

/// Prints these keys of one object as `key  value` lines, or in JSON the answer as it came.
pub(super) fn print_one(format: Format, answer: &str, object: &Value, keys: &[&str]) -> Result<(), Failure> {
    let pairs: Vec<Value> = keys.iter().map(|key| Value::from(vec![(*key).into(), object[*key].clone()])).collect();
    let columns: [Column; 2] = [("key", |pair| show(&pair[0])), ("value", |pair| show(&pair[1]))];
    print(format, answer, &pairs, &columns)
}

/// To standard output; a reader that has gone away is no error.
pub(super) fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// A field as a person reads it.
pub(super) fn field(row: &Value, key: &str) -> String {
    show(&row[key])
}

/// `-` for what is not there, lists with spaces between.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) => items.iter().map(show).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Several lines as a person reads them, without anything that steers a terminal.
pub(super) fn plain_lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// `1:02:03`, or `2:03` below an hour.
pub(super) fn clock(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// A moment in this machine's time zone.
pub(super) fn moment(wall_ms: u64) -> String {
    let stamp = i64::try_from(wall_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let local = stamp.map(|stamp| stamp.to_zoned(jiff::tz::TimeZone::system()));
    local.map_or_else(|| "-".into(), |local| local.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn table(rows: &[Value], columns: &[Column]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(row)).collect()).collect();
    let heads: Vec<String> = columns.iter().map(|(head, _)| head.to_uppercase()).collect();
    let mut widths: Vec<usize> = heads.iter().map(|head| width(head)).collect();
    for line in &cells {
        for (wide, cell) in widths.iter_mut().zip(line) {
            *wide = (*wide).max(width(cell));
        }
    }
    let mut out = String::new();
    for line in std::iter::once(&heads).chain(&cells) {
        for (index, (cell, wide)) in line.iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if index + 1 < line.len() {
                out.extend(std::iter::repeat_n(' ', wide - width(cell) + 2));
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    if rows.is_empty() {
        out.push_str("(none)\n");
    }
    out
}

/// Columns of a terminal: Chinese characters and full-width forms take two.
fn width(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{20000}'..='\u{3fffd}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

fn csv(rows: &[Value], columns: &[Column]) -> String {
    let heads = columns.iter().map(|(head, _)| head.to_string()).collect();
    let lines = rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(row)).collect());
    let mut out = String::new();
    for line in std::iter::once::<Vec<String>>(heads).chain(lines) {
        for (index, cell) in line.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            csv_cell(cell, &mut out);
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: [Column; 2] = [("name", |row| field(row, "name")), ("calls", |row| field(row, "calls"))];

    #[test]
    fn a_table_is_aligned_also_with_chinese_names() {
        let rows = [json!({"name": "王芳", "calls": 3}), json!({"name": "Alice", "calls": null})];
        assert_eq!(table(&rows, &COLUMNS), "NAME   CALLS\n王芳   3\nAlice  -\n");
        assert_eq!(table(&[], &COLUMNS), "NAME  CALLS\n(none)\n");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal_or_a_spreadsheet() {
        let rows = [json!({"name": "=1+1\u{1b}[2J", "calls": 1})];
        assert_eq!(csv(&rows, &COLUMNS), "name,calls\r\n'=1+1\u{fffd}[2J,1\r\n");
    }

    #[test]
    fn lengths_of_time_read_as_on_a_clock() {
        assert_eq!([clock(5), clock(125), clock(3_725)], ["0:05", "2:05", "1:02:05"]);
    }
}
