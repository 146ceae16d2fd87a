//! Mandarin. Numbers go in groups of four (万, 亿); one 零 bridges each run of zeros within, also over a group's border;
//! 两 stands for a leading 2 before 千, 万 or 亿; a number spelled digit by digit says 幺 for 1.

use super::super::value::{Value, date_of, day_and_clock};
use super::{Format, Said, decimals, digit, signed, spell, spell_phone, told_minutes};

pub(super) fn say(value: &Value, format: Format, today: i32, said: &mut Said) {
    match (format, value) {
        (Format::Number, Value::Int(n)) => signed(*n, said, number),
        (Format::Number, Value::Number(n)) => signed(*n, said, decimal),
        (Format::Count, Value::Int(n)) => signed(*n, said, count),
        (Format::Percent, Value::Int(n)) => {
            said.atom("a_percent_of");
            signed(*n, said, number);
        }
        (Format::Percent, Value::Number(n)) => {
            said.atom("a_percent_of");
            signed(*n, said, decimal);
        }
        (Format::Ordinal, Value::Int(n)) => {
            said.atom("a_nth");
            signed(*n, said, number);
        }
        (Format::Digits, Value::Digits(text)) => spell(text, "a_0", "a_yao", said),
        (Format::Phone, Value::Digits(text)) => spell_phone(text, "a_0", "a_yao", said),
        (Format::Money, Value::Money(fen)) => signed(*fen, said, money),
        (Format::MoneyAbs, Value::Money(fen)) => money(fen.unsigned_abs(), said),
        (Format::Date, Value::Date(day)) => date(*day, today, said),
        (Format::Date, Value::Datetime(seconds)) => date(day_and_clock(*seconds).0, today, said),
        (Format::Time, Value::Time(seconds)) => time(*seconds, said),
        (Format::Time, Value::Datetime(seconds)) => time(day_and_clock(*seconds).1, said),
        (Format::Datetime, Value::Datetime(seconds)) => {
            let (day, clock) = day_and_clock(*seconds);
            date(day, today, said);
            time(clock, said);
        }
        (Format::Duration, Value::Duration(ms)) => duration(*ms, said),
        _ => {}
    }
}

fn number(n: u64, said: &mut Said) {
    if n == 0 {
        said.atom("a_0");
    } else {
        below_any(n, true, said);
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

/// Exactly two of something is 两.
fn count(n: u64, said: &mut Said) {
    if n == 2 { said.atom("a_liang") } else { number(n, said) }
}

/// `leads` = nothing of the number was said yet.
fn below_any(n: u64, leads: bool, said: &mut Said) {
    const YI: u64 = 100_000_000;
    if n < YI {
        return below_yi(n, leads, said);
    }
    let (high, low) = (n / YI, n % YI);
    if leads && high == 2 {
        said.atom("a_liang")
    } else {
        below_any(high, leads, said)
    }
    said.atom("a_yi");
    if low > 0 {
        if bridges(high, low, YI) {
            said.atom("a_0");
        }
        below_yi(low, false, said);
    }
}

/// Whether zeros stand at the border of two groups.
fn bridges(high: u64, low: u64, border: u64) -> bool {
    high.is_multiple_of(10) || low < border / 10
}

fn below_yi(n: u64, leads: bool, said: &mut Said) {
    let (high, low) = (n / 10_000, n % 10_000);
    if high > 0 {
        if leads && high == 2 {
            said.atom("a_liang")
        } else {
            below_wan(high, leads, said)
        }
        said.atom("a_wan");
        if low > 0 && bridges(high, low, 10_000) {
            said.atom("a_0");
        }
    }
    if low > 0 {
        below_wan(low, leads && high == 0, said);
    }
}

fn below_wan(n: u64, leads: bool, said: &mut Said) {
    let mut leads = leads;
    let mut gap = false;
    for (unit, name) in [(1_000, Some("a_thousand")), (100, Some("a_hundred")), (10, Some("a_10")), (1, None)] {
        let d = n / unit % 10;
        if d == 0 {
            gap = gap || n / unit > 0;
            continue;
        }
        if gap {
            said.atom("a_0");
            gap = false;
        }
        match (d, unit) {
            (1, 10) if leads => {}
            (2, 1_000) if leads => said.atom("a_liang"),
            _ => said.atom(digit(d)),
        }
        name.into_iter().for_each(|name| said.atom(name));
        leads = false;
    }
}

fn money(fen: u64, said: &mut Said) {
    let (yuan, jiao, fen) = (fen / 100, fen / 10 % 10, fen % 10);
    if yuan > 0 || (jiao == 0 && fen == 0) {
        count(yuan, said);
        said.atom("a_yuan");
    }
    if jiao > 0 {
        count(jiao, said);
        said.atom("a_jiao");
    } else if yuan > 0 && fen > 0 {
        said.atom("a_0");
    }
    if fen > 0 {
        count(fen, said);
        said.atom("a_fen");
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
    if date_of(today).is_none_or(|now| now.year() != date.year()) {
        spell(&date.year().to_string(), "a_0", "a_1", said);
        said.atom("a_year");
    }
    number(date.month() as u64, said);
    said.atom("a_month");
    number(date.day() as u64, said);
    said.atom("a_day");
}

fn time(seconds: u32, said: &mut Said) {
    let (hour, minute) = (u64::from(seconds / 3600 % 24), u64::from(seconds / 60 % 60));
    said.atom(match hour {
        0..=5 => "a_small_hours",
        6..=11 => "a_morning",
        12 => "a_noon",
        13..=17 => "a_afternoon",
        _ => "a_evening",
    });
    count(if hour > 12 { hour - 12 } else { hour }, said);
    said.atom("a_oclock");
    if minute == 0 {
        return said.atom("a_sharp");
    }
    if minute < 10 {
        said.atom("a_0");
    }
    number(minute, said);
    said.atom("a_minute_of");
}

fn duration(ms: i64, said: &mut Said) {
    said.atom("a_about");
    let minutes = told_minutes(ms);
    if minutes >= 60 {
        count(minutes / 60, said);
        said.atom("a_hour");
    }
    if !minutes.is_multiple_of(60) {
        count(minutes % 60, said);
        said.atom("a_minute");
    }
}
