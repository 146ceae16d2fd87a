//! Reading values aloud: a value, a format and a language give the ids of small audio files (atoms) in speaking order.
//! Pure and total; the golden tables in the tests are the specification. Word order between values belongs to the
//! prompt's text, not here.

mod aloud;
mod en;
mod zh;

use super::value::{Type, Value};
use std::collections::BTreeSet;

pub use aloud::{Unreadable, pieces, words};

/// The languages that have a reader.
pub const LANGUAGES: [&str; 2] = ["zh", "en"];

/// A pause between groups of a telephone number.
const GROUP_PAUSE_MS: u16 = 250;

/// One thing to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Id of an audio file.
    Atom(&'static str),
    /// Milliseconds.
    Pause(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Number,
    Count,
    Digits,
    Phone,
    Money,
    MoneyAbs,
    Date,
    Time,
    Datetime,
    Duration,
    Percent,
    Ordinal,
}

pub(super) const FORMATS: [(&str, Format); 12] = [
    ("number", Format::Number),
    ("count", Format::Count),
    ("digits", Format::Digits),
    ("phone", Format::Phone),
    ("money", Format::Money),
    ("money_abs", Format::MoneyAbs),
    ("date", Format::Date),
    ("time", Format::Time),
    ("datetime", Format::Datetime),
    ("duration", Format::Duration),
    ("percent", Format::Percent),
    ("ordinal", Format::Ordinal),
];

impl Format {
    pub fn from_name(name: &str) -> Option<Format> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// Whether values of this type can be read in this format.
    pub fn reads(self, ty: &Type) -> bool {
        match self {
            Format::Number | Format::Percent => matches!(ty, Type::Int | Type::Number),
            Format::Count | Format::Ordinal => matches!(ty, Type::Int),
            Format::Digits | Format::Phone => matches!(ty, Type::Digits),
            Format::Money | Format::MoneyAbs => matches!(ty, Type::Money),
            Format::Date => matches!(ty, Type::Date | Type::Datetime),
            Format::Time => matches!(ty, Type::Time | Type::Datetime),
            Format::Datetime => matches!(ty, Type::Datetime),
            Format::Duration => matches!(ty, Type::Duration),
        }
    }
}

/// What is played for `value`; empty when language, format and value do not go together. `today` is the caller's day
/// (days since 1970-01-01): a date of this year is read without its year, and today is read as today.
pub fn read_aloud(value: &Value, format: Format, lang: &str, today: i32) -> Vec<Piece> {
    if !format.reads(&value.kind()) {
        return Vec::new();
    }
    let mut said = Said(Vec::new());
    match lang {
        "zh" => zh::say(value, format, today, &mut said),
        "en" => en::say(value, format, today, &mut said),
        _ => {}
    }
    said.0
}

/// Every atom that a language may need for a format, so that a missing recording is found before a caller misses it.
pub fn atoms_of(format: Format, lang: &str) -> BTreeSet<&'static str> {
    let mut ids = BTreeSet::new();
    for value in probes(format) {
        ids.extend(read_aloud(&value, format, lang, 0).iter().filter_map(|piece| match piece {
            Piece::Atom(id) => Some(*id),
            Piece::Pause(_) => None,
        }));
    }
    ids
}

/// Values that between them need every atom of a format (held by a test).
fn probes(format: Format) -> Vec<Value> {
    let whole = || {
        (0..=21)
            .chain([22, 30, 40, 50, 60, 70, 80, 90, 101, 200, 1_001, 2_000, 22_000, 1_000_001, 200_000_001])
            .chain([5_000_000_000, 3_000_000_000_000, -1])
    };
    // Each day of a year, the days around today, and years of a century.
    let days = || (-2..=366).chain((-5..100).map(|year| year * 365 + 100));
    // Each hour, and each minute of one.
    let clocks = || (0..24).map(|hour| hour * 3600).chain((0..60).map(|minute| minute * 60));
    let span = |ms: i64| Value::Duration(ms);
    match format {
        Format::Number | Format::Percent => whole().map(Value::Int).chain([Value::Number(-1_500_000)]).collect(),
        Format::Count => whole().map(Value::Int).collect(),
        Format::Ordinal => whole().chain(23..=200).map(Value::Int).collect(),
        Format::Digits | Format::Phone => vec![Value::Digits("0123456789*#+".into()), Value::Digits("X".into())],
        Format::Money | Format::MoneyAbs => {
            whole().flat_map(|n| [n * 100, n * 100 + 1, n * 100 + 12, n * 100 + 20]).map(Value::Money).collect()
        }
        Format::Date => days().map(Value::Date).collect(),
        Format::Time => clocks().map(Value::Time).collect(),
        Format::Datetime => {
            let dates = days().map(|day| i64::from(day) * 86_400);
            dates.chain(clocks().map(i64::from)).map(Value::Datetime).collect()
        }
        Format::Duration => (1..=65).map(|m| span(m * 60_000)).chain((1..=99).map(|h| span(h * 3_600_000))).collect(),
    }
}

/// Says the sign, then what `read` says of the rest.
fn signed(n: i64, said: &mut Said, read: fn(u64, &mut Said)) {
    if n < 0 {
        said.atom("a_minus");
    }
    read(n.unsigned_abs(), said);
}

/// What has been said so far.
struct Said(Vec<Piece>);

impl Said {
    fn atom(&mut self, id: &'static str) {
        self.0.push(Piece::Atom(id));
    }
    fn atoms(&mut self, ids: &[&'static str]) {
        ids.iter().for_each(|id| self.atom(id));
    }
    fn group_pause(&mut self) {
        self.0.push(Piece::Pause(GROUP_PAUSE_MS));
    }
}

const DIGIT_ATOMS: [&str; 10] = ["a_0", "a_1", "a_2", "a_3", "a_4", "a_5", "a_6", "a_7", "a_8", "a_9"];

/// The atom of a digit of a number.
fn digit(n: u64) -> &'static str {
    DIGIT_ATOMS[(n % 10) as usize]
}

/// Digit by digit. `zero` and `one` differ by language and use.
fn spell(text: &str, zero: &'static str, one: &'static str, said: &mut Said) {
    for byte in text.bytes() {
        said.atom(match byte {
            b'0' => zero,
            b'1' => one,
            b'2'..=b'9' => digit(u64::from(byte - b'0')),
            b'*' => "a_star",
            b'#' => "a_hash",
            b'+' => "a_plus",
            b'X' => "a_x",
            _ => continue,
        });
    }
}

/// An 11-digit mobile number is read 3-4-4.
fn spell_phone(text: &str, zero: &'static str, one: &'static str, said: &mut Said) {
    let mobile = text.len() == 11 && text.starts_with('1') && text.bytes().all(|b| b.is_ascii_digit());
    let groups = if mobile { vec![&text[..3], &text[3..7], &text[7..]] } else { vec![text] };
    for (i, group) in groups.iter().enumerate() {
        if i > 0 {
            said.group_pause();
        }
        spell(group, zero, one, said);
    }
}

/// Minutes as a caller is told them: up to the next minute below five, to the next five minutes above.
fn told_minutes(ms: i64) -> u64 {
    let minutes = u64::try_from(ms).unwrap_or(0).div_ceil(60_000).max(1);
    if minutes <= 5 { minutes } else { minutes.div_ceil(5) * 5 }
}

/// The digits after the point of a number in millionths, without trailing zeros.
fn decimals(millionths: u64) -> Vec<u64> {
    let mut rest = millionths % 1_000_000;
    let mut digits = Vec::new();
    let mut place = 100_000;
    while rest > 0 {
        digits.push(rest / place);
        rest %= place;
        place /= 10;
    }
    digits
}

#[cfg(test)]
mod tests;
