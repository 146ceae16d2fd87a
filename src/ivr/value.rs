//! Types and values of flow variables. Money is whole minor units and numbers are whole millionths: nothing is ever
//! floating point, so `1.1 + 2.2 = 3.3` holds and a balance is spoken as it was given.
//!
//! `Debug` never shows a value: it may be an account number or a secret.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest text a variable holds, in bytes; more from a lookup makes the lookup fail.
pub const MAX_TEXT_BYTES: usize = 256;
/// A `number` counts in these.
pub(super) const MILLION: i64 = 1_000_000;
pub(super) const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    Text,
    /// Text of the keys `0-9`, `*`, `#`, and `+` in numbers and `X` in identity numbers.
    Digits,
    Int,
    Number,
    Money,
    Date,
    Time,
    Datetime,
    Duration,
    Flag,
    OneOf(Vec<String>),
}

pub(super) const TYPE_NAMES: [&str; 11] =
    ["text", "digits", "int", "number", "money", "date", "time", "datetime", "duration", "flag", "one_of"];

impl Type {
    pub(super) fn from_name(name: &str) -> Option<Type> {
        Some(match name {
            "text" => Type::Text,
            "digits" => Type::Digits,
            "int" => Type::Int,
            "number" => Type::Number,
            "money" => Type::Money,
            "date" => Type::Date,
            "time" => Type::Time,
            "datetime" => Type::Datetime,
            "duration" => Type::Duration,
            "flag" => Type::Flag,
            _ => return None,
        })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Type::Text => "text",
            Type::Digits => "digits",
            Type::Int => "int",
            Type::Number => "number",
            Type::Money => "money",
            Type::Date => "date",
            Type::Time => "time",
            Type::Datetime => "datetime",
            Type::Duration => "duration",
            Type::Flag => "flag",
            Type::OneOf(_) => "one_of",
        }
    }

    /// Whether a value of type `from` may be stored where this type is declared, unchanged or widened.
    pub fn takes(&self, from: &Type) -> bool {
        match (self, from) {
            (Type::Text, Type::Text | Type::Digits | Type::OneOf(_)) => true,
            (Type::Number, Type::Number | Type::Int) => true,
            (Type::OneOf(mine), Type::OneOf(theirs)) => theirs.iter().all(|choice| mine.contains(choice)),
            (mine, theirs) => mine == theirs,
        }
    }

    /// Reads a value as a lookup's reply or a test writes it: money in yuan (`1205.30`), `2026-03-08`, `14:05`,
    /// `2026-03-08 14:05`, `90s`, `true`.
    pub fn read(&self, text: &str) -> Option<Value> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        match self {
            Type::Text => Some(Value::Text(text.to_string())),
            Type::OneOf(choices) => choices.iter().any(|c| c == text).then(|| Value::Text(text.to_string())),
            Type::Digits => text.bytes().all(is_digit_byte).then(|| Value::Digits(text.to_string())),
            Type::Int => text.parse().ok().map(Value::Int),
            Type::Number => decimal(text, 6).map(Value::Number),
            Type::Money => decimal(text, 2).map(Value::Money),
            Type::Date => date(text).map(Value::Date),
            Type::Time => time(text).map(Value::Time),
            Type::Datetime => {
                let (day, clock) = text.split_once([' ', 'T'])?;
                let (day, clock) = (date(day)?, time(clock)?);
                Some(Value::Datetime(i64::from(day) * 86_400 + i64::from(clock)))
            }
            Type::Duration => duration_ms(text).map(Value::Duration),
            Type::Flag => match text {
                "true" | "yes" => Some(Value::Flag(true)),
                "false" | "no" => Some(Value::Flag(false)),
                _ => None,
            },
        }
    }

    /// The value as this type holds it, or `None` when it is of another type.
    pub fn adopt(&self, value: Value) -> Option<Value> {
        match (self, value) {
            (Type::Text, Value::Text(text) | Value::Digits(text)) => {
                (text.len() <= MAX_TEXT_BYTES).then_some(Value::Text(text))
            }
            (Type::OneOf(choices), Value::Text(text)) => choices.contains(&text).then_some(Value::Text(text)),
            (Type::Digits, Value::Digits(text)) => {
                (text.len() <= MAX_TEXT_BYTES && text.bytes().all(is_digit_byte)).then_some(Value::Digits(text))
            }
            (Type::Number, Value::Int(whole)) => whole.checked_mul(MILLION).map(Value::Number),
            (mine, value) => (*mine == value.kind()).then_some(value),
        }
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Value {
    Text(String),
    Digits(String),
    Int(i64),
    /// Millionths.
    Number(i64),
    /// Minor units (fen).
    Money(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Seconds since midnight.
    Time(u32),
    /// Seconds of local time since 1970-01-01 00:00.
    Datetime(i64),
    /// Milliseconds.
    Duration(i64),
    Flag(bool),
}

impl Value {
    pub fn kind(&self) -> Type {
        match self {
            Value::Text(_) => Type::Text,
            Value::Digits(_) => Type::Digits,
            Value::Int(_) => Type::Int,
            Value::Number(_) => Type::Number,
            Value::Money(_) => Type::Money,
            Value::Date(_) => Type::Date,
            Value::Time(_) => Type::Time,
            Value::Datetime(_) => Type::Datetime,
            Value::Duration(_) => Type::Duration,
            Value::Flag(_) => Type::Flag,
        }
    }

    /// The value in the form that [`Type::read`] reads, in clear.
    pub fn plain(&self) -> String {
        match self {
            Value::Text(text) | Value::Digits(text) => text.clone(),
            Value::Int(whole) => whole.to_string(),
            Value::Number(millionths) => fixed(*millionths, 6),
            Value::Money(minor) => fixed(*minor, 2),
            Value::Date(days) => date_of(*days).map(|d| d.to_string()).unwrap_or_default(),
            Value::Time(seconds) => format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60),
            Value::Datetime(seconds) => {
                let (day, clock) = day_and_clock(*seconds);
                format!("{} {}", Value::Date(day).plain(), Value::Time(clock).plain())
            }
            Value::Duration(ms) if ms % 1000 == 0 => format!("{}s", ms / 1000),
            Value::Duration(ms) => format!("{ms}ms"),
            Value::Flag(flag) => flag.to_string(),
        }
    }

    /// All but the last two characters as stars, as a private value may be shown.
    pub fn masked(&self) -> String {
        let text = self.plain();
        let count = text.chars().count();
        let kept = if count > 4 { 2 } else { 0 };
        let stars = "*".repeat(count - kept);
        stars + &text.chars().skip(count - kept).collect::<String>()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(*)", self.kind().name())
    }
}

/// Whether somebody can be called at `number`: an extension, or a telephone number with its `+` or without. A number that
/// is withheld comes as a word, and nobody is known by it.
pub fn is_dialable(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    (3..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn is_digit_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'*' | b'#' | b'+' | b'X')
}

/// A decimal text as a whole number of `10^-places`. More places than that are refused, not rounded.
pub(super) fn decimal(text: &str, places: u32) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let dot_without_digits = text.contains('.') && part.is_empty();
    if whole.is_empty() || !all_digits(whole) || !all_digits(part) || dot_without_digits || part.len() > places as usize
    {
        return None;
    }
    let scale = 10i64.checked_pow(places)?;
    let small = if part.is_empty() { 0 } else { part.parse::<i64>().ok()? * 10i64.pow(places - part.len() as u32) };
    let value = whole.parse::<i64>().ok()?.checked_mul(scale)?.checked_add(small)?;
    Some(if negative { -value } else { value })
}

fn fixed(value: i64, places: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let part = if places == 2 { part } else { part.trim_end_matches('0') };
    let sign = if value < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// `500ms`, `6s`, `2m`, `1h`, `180d`.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// `2026-03-08` as days since 1970-01-01.
pub fn date(text: &str) -> Option<i32> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    ymd(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

pub(super) fn ymd(year: i16, month: i8, day: i8) -> Option<i32> {
    let date = Date::new(year, month, day).ok()?;
    date.since(Date::constant(1970, 1, 1)).ok().map(|span| span.get_days())
}

pub(super) fn date_of(days: i32) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

/// `14:05` or `14:05:30` as seconds since midnight; `24:00` is the end of the day.
pub(super) fn time(text: &str) -> Option<u32> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (hour, minute, "00"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let number = |text: &str| match text.len() {
        2 if text.bytes().all(|b| b.is_ascii_digit()) => text.parse::<u32>().ok(),
        _ => None,
    };
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    let seconds = hour * 3600 + minute * 60 + second;
    (minute < 60 && second < 60 && seconds <= 86_400).then_some(seconds)
}

/// A local time as its day and the seconds since that day's midnight.
pub(super) fn day_and_clock(seconds: i64) -> (i32, u32) {
    let day = i32::try_from(seconds.div_euclid(86_400)).unwrap_or(0);
    (day, seconds.rem_euclid(86_400) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_value_shows_in_plain_reads_back_the_same() {
        let cases = [
            (Type::Money, "1205.30"),
            (Type::Money, "-0.05"),
            (Type::Number, "12.5"),
            (Type::Number, "-3"),
            (Type::Date, "2026-03-08"),
            (Type::Date, "1969-12-31"),
            (Type::Time, "00:05"),
            (Type::Datetime, "2026-03-08 14:05"),
            (Type::Duration, "90s"),
            (Type::Duration, "250ms"),
            (Type::Flag, "true"),
            (Type::Int, "-12"),
            (Type::Digits, "010*#"),
        ];
        for (ty, text) in cases {
            assert_eq!(ty.read(text).map(|v| v.plain()).as_deref(), Some(text), "{ty:?}");
        }
    }

    #[test]
    fn what_is_not_a_value_of_the_type_is_refused() {
        let cases = [
            (Type::Money, "12.345"),
            (Type::Money, "1."),
            (Type::Money, ".5"),
            (Type::Money, "1e3"),
            (Type::Money, "99999999999999999999"),
            (Type::Digits, "12a"),
            (Type::Date, "2026-02-29"),
            (Type::Date, "26-2-9"),
            (Type::Time, "24:01"),
            (Type::Time, "7:5"),
            (Type::Datetime, "2026-03-08"),
            (Type::Duration, "6"),
            (Type::Duration, "6 s"),
            (Type::Flag, "1"),
        ];
        for (ty, text) in cases {
            assert_eq!(ty.read(text), None, "{ty:?} {text}");
        }
        assert_eq!(Type::Text.read(&"x".repeat(MAX_TEXT_BYTES + 1)), None);
    }

    #[test]
    fn a_value_is_not_seen_in_debug_output_and_only_by_its_end_when_masked() {
        let account = Value::Digits("3101234569".into());
        assert_eq!(format!("{account:?}"), "digits(*)");
        assert_eq!(account.masked(), "********69");
        assert_eq!(Value::Digits("1234".into()).masked(), "****");
    }
}
