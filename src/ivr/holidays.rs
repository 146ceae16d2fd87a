//! Official holidays as data: `ivr-flows/holidays/NAME.yaml` holds a year as it is published, which days are off and which
//! Saturdays and Sundays are worked instead (调休). Files of JSON are read as they are: JSON is YAML.

use super::calendar::Calendar;
use super::diag::Diags;
use super::lower::Fields;
use super::settings::{Group, Shape, optional, required};
use super::value::{date, ymd};
use super::yaml::{Kind, Node};
use std::collections::BTreeMap;

/// A holidays file.
pub(super) const FILE: Group = Group {
    what: "a holidays file",
    settings: &[
        required("year", Shape::Number(1970, 2200), "the year whose holidays these are"),
        required(
            "days",
            Shape::List(&Shape::Group(&DAY)),
            "its days; those at its ends may lie in the years beside it",
        ),
        optional("papers", Shape::Any, "where they are decreed; not read"),
        optional("$schema", Shape::Any, "not read"),
        optional("$id", Shape::Any, "not read"),
    ],
};

const DAY: Group = Group {
    what: "a day",
    settings: &[
        required("name", Shape::Text, "what is celebrated"),
        required("date", Shape::Text, "as in `2026-10-01`"),
        required("isOffDay", Shape::Flag, "`true` for a holiday, `false` for a day that is worked as a Monday"),
    ],
};

#[derive(Debug, Default)]
pub(super) struct Holidays {
    /// The last day of the year; not known of a file that does not tell it, which is a finding.
    pub last: Option<i32>,
    /// Days, and whether each is off.
    pub days: BTreeMap<i32, bool>,
}

pub(super) fn lower(root: &Node, diags: &mut Diags) -> Holidays {
    let mut holidays = Holidays::default();
    let Some(mut top) = Fields::of(root, &FILE, diags) else { return holidays };
    top.need("year", diags);
    let year = top.number("year", diags).and_then(|year| i16::try_from(year).ok());
    holidays.last = year.and_then(|year| ymd(year, 12, 31));
    match top.need("days", diags).map(|node| (&node.kind, node.span)) {
        None => {}
        Some((Kind::List(items), _)) => {
            holidays.days.extend(items.iter().filter_map(|item| lower_day(item, year, diags)));
        }
        Some((_, span)) => {
            let hint = "write `- {name: 春节, date: 2026-02-17, isOffDay: true}`";
            diags.error_hint("E112", span, "`days` is a list", hint);
        }
    }
    top.finish(diags);
    holidays
}

fn lower_day(node: &Node, year: Option<i16>, diags: &mut Diags) -> Option<(i32, bool)> {
    let mut fields = Fields::of(node, &DAY, diags)?;
    fields.need("name", diags);
    let at = fields.need("date", diags);
    fields.need("isOffDay", diags);
    let off = fields.flag("isOffDay", diags);
    fields.finish(diags);
    let (at, year) = (at?, year?);
    let day = at.scalar().and_then(date);
    let near = ymd(year - 1, 12, 1)?..ymd(year + 1, 2, 1)?;
    if !day.is_some_and(|day| near.contains(&day)) {
        let message = format!("this is no date of {year}");
        diags.error_hint("E112", at.span, message, format!("write `{year}-10-01`"));
    }
    Some((day?, off?))
}

/// Gives each calendar the days of the files that it names.
pub(super) fn settle(
    calendars: &mut BTreeMap<String, Calendar>,
    known: &BTreeMap<String, Holidays>,
    diags: &mut Diags,
) {
    for calendar in calendars.values_mut() {
        for name in std::mem::take(&mut calendar.official) {
            match known.get(&name.text) {
                Some(holidays) => calendar.observe(holidays, name.span),
                None if known.is_empty() => {
                    let message = format!("there are no holidays `{}`", name.text);
                    let hint = format!("save them as `ivr-flows/holidays/{}.yaml`; JSON is read too", name.text);
                    diags.error_hint("E206", name.span, message, hint);
                }
                None => {
                    let names = known.keys().map(String::as_str);
                    diags.unknown("E206", name.span, "there are no holidays", &name.text, names);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundle::load;
    use super::super::source::Sources;

    /// As they are published, cut short.
    const YEAR: &str = r#"{
  "$schema": "https://example.org/schema.json",
  "year": 2026,
  "papers": ["https://example.org/decree"],
  "days": [
    {"name": "春节", "date": "2026-02-14", "isOffDay": false},
    {"name": "春节", "date": "2026-02-17", "isOffDay": true},
    {"name": "国庆节", "date": "2026-10-01", "isOffDay": true}
  ]
}"#;
    const DESK: &str = "calendars:\n  desk:\n    timezone: Asia/Shanghai\n    open: {mon-fri: \"08:00-20:00\", sat-sun: closed}\n    official_holidays: cn-2026\n";

    /// The findings, and whether the desk is open at each of those times in UTC.
    fn desk(calendar: &str, year: &str, at: &[&str]) -> (Vec<String>, Vec<&'static str>) {
        let flow = "ivr: 1\nlanguages: [zh]\nsections:\n  start:\n    - hours: {calendar: desk, closed: shut, holiday: off}\n    - return: ok\n  shut:\n    - return: ok\n  off:\n    - return: ok\n";
        let files = [
            ("ivr-flows/calendars.yaml", calendar),
            ("ivr-flows/holidays/cn-2026.yaml", year),
            ("ivr-flows/desk.flow.yaml", flow),
        ];
        let sources = Sources { files: files.map(|(path, text)| (path.into(), text.into())).into() };
        match load(&sources, None, &|_, _| None) {
            Ok(bundle) => {
                let ms = |at: &&str| at.parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64;
                let open = |at: &&str| match bundle.calendars["desk"].at(ms(at)) {
                    super::super::calendar::Openness::Open => "open",
                    super::super::calendar::Openness::Closed => "closed",
                    super::super::calendar::Openness::Holiday => "holiday",
                };
                let ends = bundle.calendars["desk"].ends_soon(ms(&"2026-12-20T00:00:00Z"));
                assert!(ends, "what is known ends with the year");
                (bundle.warnings.iter().map(ToString::to_string).collect(), at.iter().map(open).collect())
            }
            Err(found) => {
                (found.iter().map(|d| format!("{} {}:{}:{}", d.code, d.path, d.line, d.column)).collect(), vec![])
            }
        }
    }

    #[test]
    fn a_published_year_closes_the_desk_on_holidays_and_opens_it_on_saturdays_worked_instead() {
        let times = ["2026-02-14T02:00:00Z", "2026-02-17T02:00:00Z", "2026-02-21T02:00:00Z", "2026-10-01T02:00:00Z"];
        let (found, open) = desk(DESK, YEAR, &times);
        assert_eq!((found, open), (vec![], vec!["open", "holiday", "closed", "holiday"]));
    }

    #[test]
    fn what_the_calendar_says_itself_stands_above_the_published_year() {
        let own = format!(
            "{DESK}    holidays: {{2026-10-01: \"09:00-12:00\", 2026-02-14: closed}}\n    covers_until: 2026-12-31\n"
        );
        let (found, open) = desk(&own, YEAR, &["2026-10-01T02:00:00Z", "2026-10-01T05:00:00Z", "2026-02-14T02:00:00Z"]);
        assert_eq!((found, open), (vec![], vec!["open", "holiday", "holiday"]));
    }

    #[test]
    fn a_file_that_is_missing_or_says_something_else_is_told_with_its_place() {
        let missing = DESK.replace("cn-2026", "[cn-2026, cn-2027]");
        assert_eq!(desk(&missing, YEAR, &[]).0, ["E206 ivr-flows/calendars.yaml:5:34"]);
        let file = "ivr-flows/holidays/cn-2026.yaml";
        let spoilt = [
            ("\"year\": 2026", "\"year\": 20260", "E112", "3:11"),
            ("2026-10-01", "2025-10-01", "E112", "8:29"),
            ("2026-10-01", "2026-13-01", "E112", "8:29"),
            ("\"isOffDay\": false", "\"isOffDay\": 0", "E112", "6:54"),
            ("\"isOffDay\": false", "\"off\": false", "E114", "6:5"),
        ];
        for (from, to, code, place) in spoilt {
            let (found, _) = desk(DESK, &YEAR.replace(from, to), &[]);
            assert_eq!(found[0], format!("{code} {file}:{place}"), "{to}: {found:?}");
        }
    }
}
