//! English, as spoken in the United Kingdom: hundred *and* five, March the eighth without the `the`. Amounts are read
//! as decimals of a yuan.

use super::super::value::{Value, date_of, day_and_clock};
use super::{Format, Said, decimals, digit, signed, spell, spell_phone, told_minutes};

const TEENS: [&str; 10] = ["a_10", "a_11", "a_12", "a_13", "a_14", "a_15", "a_16", "a_17", "a_18", "a_19"];
const TENS: [&str; 10] = ["", "a_10", "a_20", "a_30", "a_40", "a_50", "a_60", "a_70", "a_80", "a_90"];
const MONTHS: [&str; 12] = [
    "a_month_1",
    "a_month_2",
    "a_month_3",
    "a_month_4",
    "a_month_5",
    "a_month_6",
    "a_month_7",
    "a_month_8",
    "a_month_9",
    "a_month_10",
    "a_month_11",
    "a_month_12",
];
const ORDINALS: [&str; 20] = [
    "", "a_ord_1", "a_ord_2", "a_ord_3", "a_ord_4", "a_ord_5", "a_ord_6", "a_ord_7", "a_ord_8", "a_ord_9", "a_ord_10",
    "a_ord_11", "a_ord_12", "a_ord_13", "a_ord_14", "a_ord_15", "a_ord_16", "a_ord_17", "a_ord_18", "a_ord_19",
];
const ORDINAL_TENS: [&str; 10] =
    ["", "", "a_ord_20", "a_ord_30", "a_ord_40", "a_ord_50", "a_ord_60", "a_ord_70", "a_ord_80", "a_ord_90"];

pub(super) fn say(value: &Value, format: Format, today: i32, said: &mut Said) {
    match (format, value) {
        (Format::Number | Format::Count, Value::Int(n)) => signed(*n, said, number),
        (Format::Number, Value::Number(n)) => signed(*n, said, decimal),
        (Format::Percent, Value::Int(n)) => {
            signed(*n, said, number);
            said.atom("a_percent");
        }
        (Format::Percent, Value::Number(n)) => {
            signed(*n, said, decimal);
            said.atom("a_percent");
        }
        (Format::Ordinal, Value::Int(n)) => ordinal(*n, said),
        (Format::Digits, Value::Digits(text)) => spell(text, "a_0", "a_1", said),
        (Format::Phone, Value::Digits(text)) => spell_phone(text, "a_oh", "a_1", said),
        (Format::Money, Value::Money(minor)) => signed(*minor, said, money),
        (Format::MoneyAbs, Value::Money(minor)) => money(minor.unsigned_abs(), said),
        (Format::Date, Value::Date(day)) => date(*day, today, said),
        (Format::Date, Value::Datetime(seconds)) => date(day_and_clock(*seconds).0, today, said),
        (Format::Time, Value::Time(seconds)) => time(*seconds, said),
        (Format::Time, Value::Datetime(seconds)) => time(day_and_clock(*seconds).1, said),
        (Format::Datetime, Value::Datetime(seconds)) => {
            let (day, clock) = day_and_clock(*seconds);
            date(day, today, said);
            said.atom("a_at");
            time(clock, said);
        }
        (Format::Duration, Value::Duration(ms)) => duration(*ms, said),
        _ => {}
    }
}

fn number(n: u64, said: &mut Said) {
    if n == 0 {
        return said.atom("a_0");
    }
    let mut rest = n;
    let scales: [(u64, &'static str); 4] = [
        (1_000_000_000_000, "a_trillion"),
        (1_000_000_000, "a_billion"),
        (1_000_000, "a_million"),
        (1_000, "a_thousand"),
    ];
    for (scale, name) in scales {
        if rest >= scale {
            // Above a thousand trillion the scale word repeats its own count: nobody is told such a number.
            number(rest / scale, said);
            said.atom(name);
            rest %= scale;
        }
    }
    if rest > 0 {
        if n >= 1_000 && rest < 100 {
            said.atom("a_and");
        }
        below_thousand(rest, said);
    }
}

fn below_thousand(n: u64, said: &mut Said) {
    if n >= 100 {
        said.atoms(&[digit(n / 100), "a_hundred"]);
        if !n.is_multiple_of(100) {
            said.atom("a_and");
        }
    }
    match n % 100 {
        0 => {}
        rest @ 1..=9 => said.atom(digit(rest)),
        rest @ 10..=19 => said.atom(TEENS[(rest - 10) as usize]),
        rest => {
            said.atom(TENS[(rest / 10) as usize]);
            if rest % 10 > 0 {
                said.atom(digit(rest % 10));
            }
        }
    }
}

fn decimal(millionths: u64, said: &mut Said) {
    number(millionths / 1_000_000, said);
    let part = decimals(millionths);
    if !part.is_empty() {
        said.atom("a_point");
        part.iter().for_each(|d| said.atom(digit(*d)));
    }
}

fn money(minor: u64, said: &mut Said) {
    decimal_of_hundredths(minor, said);
    said.atom("a_yuan");
}

fn decimal_of_hundredths(minor: u64, said: &mut Said) {
    number(minor / 100, said);
    let (tenths, hundredths) = (minor / 10 % 10, minor % 10);
    if tenths > 0 || hundredths > 0 {
        said.atoms(&["a_point", digit(tenths)]);
    }
    if hundredths > 0 {
        said.atom(digit(hundredths));
    }
}

fn ordinal(n: i64, said: &mut Said) {
    match n {
        1..=19 => said.atom(ORDINALS[n as usize]),
        20..=99 if n % 10 == 0 => said.atom(ORDINAL_TENS[(n / 10) as usize]),
        20..=99 => said.atoms(&[TENS[(n / 10) as usize], ORDINALS[(n % 10) as usize]]),
        100 => said.atoms(&["a_1", "a_ord_100"]),
        // Higher places are told as numbers.
        _ => {
            said.atom("a_number");
            signed(n, said, number);
        }
    }
}

fn date(day: i32, today: i32, said: &mut Said) {
    match day.checked_sub(today) {
        Some(0) => return said.atom("a_today"),
        Some(1) => return said.atom("a_tomorrow"),
        Some(-1) => return said.atom("a_yesterday"),
        _ => {}
    }
    let Some(date) = date_of(day) else { return };
    said.atom(MONTHS[(date.month() as usize - 1) % 12]);
    ordinal(i64::from(date.day()), said);
    if date_of(today).is_none_or(|now| now.year() != date.year()) {
        year(u64::try_from(date.year()).unwrap_or(0), said);
    }
}

/// 2026 is twenty twenty-six, 2005 two thousand and five, 1905 nineteen oh five.
fn year(year: u64, said: &mut Said) {
    let (century, rest) = (year / 100, year % 100);
    match (century % 10, rest) {
        _ if !(10..100).contains(&century) => number(year, said),
        (0, 0..=9) => number(year, said),
        (_, 0) => {
            number(century, said);
            said.atom("a_hundred");
        }
        (_, 1..=9) => {
            number(century, said);
            said.atoms(&["a_oh", digit(rest)]);
        }
        _ => {
            number(century, said);
            number(rest, said);
        }
    }
}

fn time(seconds: u32, said: &mut Said) {
    let (hour, minute) = (u64::from(seconds / 3600 % 24), u64::from(seconds / 60 % 60));
    number(if hour % 12 == 0 { 12 } else { hour % 12 }, said);
    match minute {
        0 => {}
        1..=9 => said.atoms(&["a_oh", digit(minute)]),
        _ => number(minute, said),
    }
    said.atom(if hour < 12 { "a_am" } else { "a_pm" });
}

fn duration(ms: i64, said: &mut Said) {
    said.atom("a_about");
    let minutes = told_minutes(ms);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    if hours > 0 {
        number(hours, said);
        said.atom(if hours == 1 { "a_hour" } else { "a_hours" });
    }
    if minutes > 0 {
        number(minutes, said);
        said.atom(if minutes == 1 { "a_minute" } else { "a_minutes" });
    }
}
