//! Opening hours: `calendars.yaml` to a table that tells whether a moment is open, closed or a holiday.
//!
//! Time zones come from jiff's tables; which moment is asked about is always handed in.

use super::diag::{Diagnostic, Diags, shown};
use super::holidays::Holidays;
use super::lower::{Fields, identifier, named, names, text};
use super::settings::{Group, Shape, optional, required};
use super::source::{Name, Span};
use super::value::{date, date_of, time};
use super::yaml::{Kind, Node};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A holiday range longer than this is a slip in a year.
const MAX_RANGE_DAYS: i32 = 120;
/// Next year's holidays are decreed and entered within this time.
const ENDS_SOON_DAYS: i32 = 60;
const DAY_S: u32 = 86_400;
const MONDAY: usize = 0;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Openness {
    Open,
    Closed,
    /// Outside the hours of a day that is listed as a holiday.
    Holiday,
}

#[derive(Debug)]
pub(super) struct Calendar {
    zone: TimeZone,
    /// From Monday.
    week: [Vec<Window>; 7],
    holidays: BTreeMap<i32, Vec<Window>>,
    /// A day that is worked as another weekday (调休).
    make_up: BTreeMap<i32, usize>,
    /// The last day that its holidays are entered for, and where that is said.
    covers_until: Option<(i32, Span)>,
    /// Files of official holidays that are still to be entered.
    pub(super) official: Vec<Name>,
}

/// Seconds since the day's midnight; `end` is beyond 24 h when the window runs into the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: u32,
    end: u32,
}

impl Calendar {
    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether the entered holidays end within [`ENDS_SOON_DAYS`] of this moment.
    pub fn ends_soon(&self, wall_ms: u64) -> bool {
        let today = local_day(&self.zone, wall_ms).map(|(day, _)| day);
        let last = self.covers_until.map(|(last, _)| last);
        last.zip(today).is_some_and(|(last, today)| last < today.saturating_add(ENDS_SOON_DAYS))
    }

    /// What is said then.
    pub fn ending(&self, name: &str, diags: &Diags) -> Option<Diagnostic> {
        let (last, place) = self.covers_until?;
        let until = date_of(last).map(|day| day.to_string()).unwrap_or_default();
        let message = format!("the holidays of `{name}` are entered until {until} only");
        Some(diags.warning("E604", place, message, "enter those of the next year, then move `covers_until`"))
    }

    /// Enters a year's official holidays, named at `place`. What the calendar says of a day itself stands.
    pub(super) fn observe(&mut self, official: &Holidays, place: Span) {
        for (&day, off) in &official.days {
            if self.holidays.contains_key(&day) || self.make_up.contains_key(&day) {
                continue;
            }
            match off {
                true => _ = self.holidays.insert(day, Vec::new()),
                false => _ = self.make_up.insert(day, MONDAY),
            }
        }
        if official.last > self.covers_until.map(|(last, _)| last) {
            self.covers_until = official.last.map(|last| (last, place));
        }
    }

    /// Whether `wall_ms` (since 1970, UTC) is open.
    pub fn at(&self, wall_ms: u64) -> Openness {
        let Some((day, second)) = local_day(&self.zone, wall_ms) else { return Openness::Closed };
        let inside = |windows: &[Window], second: u32| windows.iter().any(|w| (w.start..w.end).contains(&second));
        if inside(self.windows(day), second) || inside(self.windows(day - 1), second + DAY_S) {
            Openness::Open
        } else if self.holidays.contains_key(&day) {
            Openness::Holiday
        } else {
            Openness::Closed
        }
    }

    fn windows(&self, day: i32) -> &[Window] {
        if let Some(holiday) = self.holidays.get(&day) {
            return holiday;
        }
        // 1970-01-01 was a Thursday.
        let weekday = self.make_up.get(&day).copied().unwrap_or((day + 3).rem_euclid(7) as usize);
        self.week.get(weekday).map_or(&[], Vec::as_slice)
    }
}

/// Local day (since 1970-01-01) and second of that day.
pub(super) fn local_day(zone: &TimeZone, wall_ms: u64) -> Option<(i32, u32)> {
    let at = Timestamp::from_millisecond(i64::try_from(wall_ms).ok()?).ok()?;
    let offset = i64::from(zone.to_offset(at).seconds());
    Some(super::value::day_and_clock(at.as_second() + offset))
}

/// The named zone, from the tables compiled in; where none are compiled in, the machine's.
pub fn zone(name: &str) -> Option<TimeZone> {
    let fits =
        name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+'));
    if !fits {
        return None;
    }
    TimeZoneDatabase::bundled().get(name).or_else(|_| jiff::tz::db().get(name)).ok()
}

/// `timezone: Asia/Shanghai`.
pub(super) fn lower_zone(node: &Node, diags: &mut Diags) -> Option<TimeZone> {
    let name = text(node, "a time zone", diags)?;
    let found = zone(name);
    if found.is_none() {
        let message = format!("there is no time zone `{}`", shown(name));
        diags.error_hint("E112", node.span, message, "write it as in `Asia/Shanghai`");
    }
    found
}

/// A calendars file.
pub(super) const FILE: Group = Group {
    what: "a calendars file",
    settings: &[required("calendars", Shape::Named(&Shape::Group(&CALENDAR)), "calendars by name")],
};

const CALENDAR: Group = Group {
    what: "a calendar",
    settings: &[
        required("timezone", Shape::Text, "as in `Asia/Shanghai`"),
        required(
            "open",
            Shape::Named(&HOURS),
            "hours of weekdays: `{mon-fri: \"08:00-20:00\", sat-sun: closed}`; `[\"09:00-12:00\", \"13:00-18:00\"]` has a break, and \"22:00-02:00\" ends on the day after the one it is said of",
        ),
        optional("holidays", Shape::Named(&HOURS), "dates or ranges of dates, and their hours or `closed`"),
        optional("make_up_workdays", Shape::Named(&Shape::Text), "dates that are worked as another weekday (调休)"),
        optional(
            "official_holidays",
            Shape::Names,
            "files of `ivr-flows/holidays/`: days off, and days worked as a Monday; what the two settings above say of a day stands",
        ),
        optional("covers_until", Shape::Text, "the date until which the holidays are entered"),
    ],
};

/// `"08:00-20:00"`, a list of such, or `closed`.
const HOURS: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]);

/// Reads `calendars.yaml` into `calendars`.
pub(super) fn lower(root: &Node, calendars: &mut BTreeMap<String, Calendar>, diags: &mut Diags) {
    let Some(mut top) = Fields::of(root, &FILE, diags) else { return };
    if let Some(node) = top.need("calendars", diags) {
        for (key, value) in named(node, "`calendars`", diags).unwrap_or_default() {
            let Some(name) = identifier(key, "a calendar's name", diags) else { continue };
            if let Some(calendar) = one(value, diags)
                && calendars.insert(name.text.clone(), calendar).is_some()
            {
                diags.error("E208", name.span, format!("the calendar `{}` is given twice", name.text));
            }
        }
    }
    top.finish(diags);
}

fn one(node: &Node, diags: &mut Diags) -> Option<Calendar> {
    let mut fields = Fields::of(node, &CALENDAR, diags)?;
    let zone = fields.need("timezone", diags).and_then(|node| lower_zone(node, diags));
    let week = fields.need("open", diags).and_then(|node| week(node, diags));
    let mut holidays = BTreeMap::new();
    if let Some(node) = fields.take("holidays") {
        for (key, value) in named(node, "`holidays`", diags).unwrap_or_default() {
            let (days, windows) = (day_range(key, diags), windows(value, diags));
            if let (Some(mut days), Some(windows)) = (days, windows) {
                if days.clone().any(|day| holidays.contains_key(&day)) {
                    diags.error_hint("E602", key.span, "this holiday is there already", "keep one of them");
                }
                days.by_ref().for_each(|day| _ = holidays.insert(day, windows.clone()));
            }
        }
    }
    let mut make_up = BTreeMap::new();
    if let Some(node) = fields.take("make_up_workdays") {
        for (key, value) in named(node, "`make_up_workdays`", diags).unwrap_or_default() {
            let days = day_range(key, diags);
            let like = name_of_days(value, diags);
            if let (Some(days), Some(like)) = (days, like) {
                if days.clone().any(|day| holidays.contains_key(&day)) {
                    let hint = "keep one of them: as it stands the holiday wins";
                    diags.warn_hint("E602", key.span, "this workday is listed as a holiday too", hint);
                }
                make_up.extend(days.map(|day| (day, like.first)));
            }
        }
    }
    let covers_until = fields.take("covers_until").and_then(|node| {
        let day = node.scalar().and_then(date);
        if day.is_none() {
            diags.error_hint("E112", node.span, "a date is needed here", "write `2026-12-31`");
        }
        Some((day?, node.span))
    });
    let official =
        fields.take("official_holidays").map(|node| names(node, "a holidays file", diags)).unwrap_or_default();
    if let (None, false, None, true) =
        (covers_until, holidays.is_empty(), node.child("covers_until"), official.is_empty())
    {
        let message = "nothing is said of how far these holidays go";
        diags.warn_hint("E603", node.span.part(0, 0), message, "add `covers_until: 2026-12-31`");
    }
    fields.finish(diags);
    Some(Calendar { zone: zone?, week: week?, holidays, make_up, covers_until, official })
}

fn week(node: &Node, diags: &mut Diags) -> Option<[Vec<Window>; 7]> {
    let hours = named(node, "`open`", diags)?;
    let mut week: [Vec<Window>; 7] = Default::default();
    let mut given: [Option<Span>; 7] = [None; 7];
    let mut unread = false;
    for (key, value) in hours {
        let (Some(days), Some(windows)) = (name_of_days(key, diags), windows(value, diags)) else {
            unread = true;
            continue;
        };
        for day in days.first..=days.last {
            if given[day].is_some() {
                let message = format!("{} is given twice", DAYS[day]);
                diags.error_hint("E111", key.span, message, "keep one of them");
            }
            given[day] = Some(value.span);
            week[day] = windows.clone();
        }
    }
    run_over(&week, &given, diags);
    let unsaid: Vec<&str> =
        DAYS.into_iter().zip(given).filter(|(_, given)| given.is_none()).map(|(day, _)| day).collect();
    if !unread && !unsaid.is_empty() {
        let message = format!("nothing is said of {}: closed", unsaid.join(", "));
        diags.warn_hint("E601", node.span.part(0, 0), message, format!("write `{}: closed`", unsaid[0]));
    }
    Some(week)
}

/// Hours over midnight that end within those of the next day: open all the same, but hardly what was meant.
fn run_over(week: &[Vec<Window>; 7], given: &[Option<Span>; 7], diags: &mut Diags) {
    let next_days = week.iter().zip(DAYS).cycle().skip(1);
    for (((windows, day), place), (next, name)) in week.iter().zip(DAYS).zip(given).zip(next_days) {
        let late = windows.iter().map(|window| window.end.saturating_sub(DAY_S)).max().unwrap_or(0);
        if let (true, Some(place)) = (next.iter().any(|window| window.start < late), place) {
            let message = format!("the hours of {day} run into those of {name}");
            diags.warn_hint("E602", *place, message, "let them end where the next day's begin");
            return;
        }
    }
}

struct DayNames {
    first: usize,
    last: usize,
}

/// `mon`, `mon-fri`, `daily`.
fn name_of_days(node: &Node, diags: &mut Diags) -> Option<DayNames> {
    let text = text(node, "a day", diags)?;
    if text == "daily" {
        return Some(DayNames { first: 0, last: 6 });
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let find = |name: &str| DAYS.iter().position(|day| *day == name);
    match (find(first), find(last)) {
        (Some(first), Some(last)) if first <= last => Some(DayNames { first, last }),
        _ => {
            let message = format!("`{}` is no day of the week", shown(text));
            diags.error_hint("E112", node.span, message, "write `mon`, `mon-fri`, `sat-sun` or `daily`");
            None
        }
    }
}

/// `2026-10-01` or `2026-10-01..2026-10-07`.
fn day_range(node: &Node, diags: &mut Diags) -> Option<std::ops::RangeInclusive<i32>> {
    let text = text(node, "a date", diags)?;
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match (date(first), date(last)) {
        (Some(first), Some(last)) if first <= last && last - first < MAX_RANGE_DAYS => Some(first..=last),
        (Some(first), Some(last)) => {
            let shown = |day| date_of(day).map(|d| d.to_string()).unwrap_or_default();
            let message = format!("{} to {} is no range of at most {MAX_RANGE_DAYS} days", shown(first), shown(last));
            diags.error("E112", node.span, message);
            None
        }
        _ => {
            let message = format!("`{}` is no date", shown(text));
            diags.error_hint("E112", node.span, message, "write `2026-10-01` or `2026-10-01..2026-10-07`");
            None
        }
    }
}

/// `closed`, `"08:00-20:00"`, or a list of such hours.
fn windows(node: &Node, diags: &mut Diags) -> Option<Vec<Window>> {
    match &node.kind {
        Kind::List(items) => {
            let windows: Vec<_> = items.iter().filter_map(|item| window(item, diags)).collect();
            for (nth, later) in windows.iter().enumerate() {
                let earlier = windows.iter().take(nth).any(|w| w.start < later.end && later.start < w.end);
                if let (true, Some(item)) = (earlier, items.get(nth)) {
                    diags.error_hint("E602", item.span, "these hours lie over others of the day", "write them as one");
                }
            }
            (windows.len() == items.len()).then_some(windows)
        }
        _ if node.scalar() == Some("closed") => Some(Vec::new()),
        _ => window(node, diags).map(|window| vec![window]),
    }
}

fn window(node: &Node, diags: &mut Diags) -> Option<Window> {
    let text = text(node, "opening hours", diags)?;
    let parsed = text.split_once('-').and_then(|(from, to)| Some((time(from.trim())?, time(to.trim())?)));
    match parsed {
        Some((start, end)) if start < end => Some(Window { start, end }),
        // Over midnight.
        Some((start, end)) if end < start && start < DAY_S => Some(Window { start, end: end + DAY_S }),
        _ => {
            let message = format!("`{}` are no opening hours", shown(text));
            diags.error_hint("E112", node.span, message, "write \"08:00-20:00\", \"00:00-24:00\" or `closed`");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{Files, Sources};
    use super::super::yaml;
    use super::*;

    fn calendar(text: &str) -> Result<Calendar, Vec<String>> {
        let files = Files::new(&Sources { files: vec![("calendars.yaml".into(), text.into())] });
        let mut diags = Diags::new(&files);
        let mut calendars = BTreeMap::new();
        if let Some(root) = yaml::parse(&files.0[0], 0, &mut diags) {
            lower(&root, &mut calendars, &mut diags);
        }
        let found = diags.into_sorted();
        if found.is_empty() {
            Ok(calendars.remove("agents").unwrap())
        } else {
            Err(found.iter().map(|d| format!("{} {}:{} {}", d.code, d.line, d.column, d.message)).collect())
        }
    }

    /// Milliseconds of a moment in Shanghai (UTC+8, no summer time).
    fn shanghai(day: &str, clock: &str) -> u64 {
        let seconds = i64::from(date(day).unwrap()) * 86_400 + i64::from(time(clock).unwrap()) - 8 * 3600;
        seconds as u64 * 1000
    }

    const AGENTS: &str = r#"
calendars:
  agents:
    timezone: Asia/Shanghai
    open: {mon-fri: "08:00-20:00", sat: ["09:00-12:00", "13:00-17:30"], sun: "22:00-02:00"}
    holidays: {2026-10-01..2026-10-07: closed, 2026-02-17: "10:00-16:00"}
    make_up_workdays: {2026-02-14: mon-fri}
    covers_until: 2026-12-31
"#;

    #[test]
    fn callers_find_the_hours_that_the_calendar_says() {
        let calendar = calendar(AGENTS).unwrap();
        let cases = [
            ("2026-03-10", "08:00", Openness::Open),
            ("2026-03-10", "07:59", Openness::Closed),
            ("2026-03-10", "20:00", Openness::Closed),
            ("2026-03-14", "12:30", Openness::Closed),
            ("2026-03-14", "17:29", Openness::Open),
            ("2026-03-15", "23:00", Openness::Open),
            ("2026-03-16", "01:59", Openness::Open),
            ("2026-03-16", "02:00", Openness::Closed),
            ("2026-10-01", "10:00", Openness::Holiday),
            ("2026-10-08", "10:00", Openness::Open),
            ("2026-02-17", "10:30", Openness::Open),
            ("2026-02-17", "17:00", Openness::Holiday),
            // A Saturday worked as a weekday.
            ("2026-02-14", "19:00", Openness::Open),
        ];
        for (day, clock, expected) in cases {
            assert_eq!(calendar.at(shanghai(day, clock)), expected, "{day} {clock}");
        }
    }

    #[test]
    fn mistakes_in_a_calendar_are_found_where_they_stand() {
        let found = calendar(
            "calendars:\n  agents:\n    timezone: Asia/Shanghia\n    open: {mon-fry: \"8-20\", mon: \"08:00-20:00\"}\n    \
             holidays: {2026-10-7..2026-10-01: closed}\n    opens: x\n",
        )
        .unwrap_err();
        let starts: Vec<_> = found.iter().map(|f| f.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(starts, ["E112 3:15", "E112 4:12", "E112 4:21", "E112 5:16", "E102 6:5"], "{found:#?}");
    }

    #[test]
    fn hours_over_midnight_that_reach_into_the_next_days_hours_are_told() {
        let found = |open: &str| {
            let text = format!("calendars:\n  agents:\n    timezone: Asia/Shanghai\n    open: {open}\n");
            calendar(&text).err().unwrap_or_default()
        };
        assert_eq!(found("{mon-fri: \"08:00-20:00\", sat: \"22:00-02:00\", sun: \"02:00-12:00\"}"), [] as [&str; 0]);
        assert_eq!(found("{daily: \"08:00-08:00\"}").len(), 1, "no time at all");
        let into = found("{mon-fri: \"08:00-20:00\", sat: closed, sun: \"22:00-09:00\"}");
        assert_eq!(into, ["E602 4:54 the hours of sun run into those of mon"]);
    }

    #[test]
    fn a_time_beyond_all_calendars_is_closed_and_no_panic() {
        assert_eq!(calendar(AGENTS).unwrap().at(u64::MAX), Openness::Closed);
    }
}
