//! What a caller would hear of a written value, as words: for `hotline flow say` and for tests of texts.

use super::super::value::{Type, Value};
use super::{Format, LANGUAGES, Piece, read_aloud};
use std::fmt;

/// How a pause between groups of digits is written.
const PAUSE: &str = "·";
/// No day at all: every date is read with its year.
const NO_DAY: i32 = i32::MIN;

/// Why a value cannot be read, in words for an admin.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pieces that are played for a value as an admin writes it: money in its smallest unit, a date as 2026-03-08, a time
/// as 14:05, a length of time as 90s or in seconds. Without `today`, a date is read with its year.
pub fn pieces(lang: &str, format: &str, value: &str, today: Option<&str>) -> Result<Vec<Piece>, Unreadable> {
    if !LANGUAGES.contains(&lang) {
        return Err(Unreadable(format!("no reader for the language `{lang}`; there are {}", LANGUAGES.join(" and "))));
    }
    let Some(format) = Format::from_name(format) else {
        let known: Vec<&str> = super::FORMATS.iter().map(|(name, _)| *name).collect();
        return Err(Unreadable(format!("no format `{format}`; there are {}", known.join(", "))));
    };
    let today = match today.map(|day| Type::Date.read(day)) {
        None => NO_DAY,
        Some(Some(Value::Date(day))) => day,
        Some(_) => return Err(Unreadable("today is a date, such as 2026-03-08".into())),
    };
    let (value, like) = written(format, value.trim());
    let value = value.ok_or_else(|| Unreadable(format!("{} is {like}", format.name())))?;
    let pieces = read_aloud(&value, format, lang, today);
    match pieces.is_empty() {
        true => Err(Unreadable(format!("there is nothing to read in it; {} is {like}", format.name()))),
        false => Ok(pieces),
    }
}

/// A value as it is written for a format, and how it should be.
fn written(format: Format, text: &str) -> (Option<Value>, &'static str) {
    match format {
        Format::Number | Format::Percent => {
            let whole = Type::Int.read(text);
            (whole.or_else(|| Type::Number.read(text)), "a number, such as 1005 or 12.5")
        }
        Format::Count | Format::Ordinal => (Type::Int.read(text), "a whole number"),
        Format::Digits | Format::Phone => (Type::Digits.read(text), "digits, `*` and `#`"),
        Format::Money | Format::MoneyAbs => {
            (text.parse().ok().map(Value::Money), "an amount in its smallest unit, such as 120530 for 1205.30")
        }
        Format::Date => (Type::Date.read(text).or_else(|| Type::Datetime.read(text)), "a date, such as 2026-03-08"),
        Format::Time => (Type::Time.read(text).or_else(|| Type::Datetime.read(text)), "a time, such as 14:05"),
        Format::Datetime => (Type::Datetime.read(text), "a date and a time, such as 2026-03-08 14:05"),
        Format::Duration => {
            let seconds = text.parse::<i64>().ok().and_then(|s| s.checked_mul(1000)).map(Value::Duration);
            (Type::Duration.read(text).or(seconds), "a length of time, such as 90s or 5m, or seconds")
        }
    }
}

/// The pieces as words, with the text of each atom; Chinese has no spaces.
pub fn words<'t>(lang: &str, pieces: &[Piece], text_of: &dyn Fn(&'static str) -> Option<&'t str>) -> String {
    let words: Vec<&str> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Atom(id) => text_of(id).unwrap_or(id),
            Piece::Pause(_) => PAUSE,
        })
        .collect();
    words.join(if lang == "zh" { "" } else { " " })
}
