//! Which numbers of the outside an extension may have called, how many at once and in an hour. A stolen password, or a phone
//! that forwards to a premium number, then costs what is written here and no more.

use super::{NumberPattern, dialled};
use std::fmt;

const DAY_MIN: i64 = 24 * 60;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TollRules {
    pub deny: Vec<NumberPattern>,
    /// Exceptions; of all that match a number the most special decides.
    pub allow: Vec<NumberPattern>,
    pub night: Option<Night>,
    /// Calls to the outside of one extension at once.
    pub calls: Option<u32>,
    /// And those begun in an hour.
    pub per_hour: Option<u32>,
}

/// Numbers that nobody needs at night.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Night {
    /// Minutes since midnight by the clock on the wall; the end may be the next morning.
    pub from_min: u16,
    pub to_min: u16,
    /// That clock's distance from UTC.
    pub offset_min: i16,
    pub deny: Vec<NumberPattern>,
}

/// Why an extension may not have a number called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    Number,
    AtNight,
    TooMany,
    TooOften,
}

impl Barred {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::AtNight => "night",
            Self::TooMany => "calls",
            Self::TooOften => "per_hour",
        }
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "`toll.deny` has the number",
            Self::AtNight => "`toll.night.deny` has the number",
            Self::TooMany => "it has as many calls to the outside as `toll.calls` allows",
            Self::TooOften => "it has begun as many calls to the outside in an hour as `toll.per_hour` allows",
        })
    }
}

impl TollRules {
    /// `forms` and `wall` as [`TollRules::bars`] takes them; `calls` are up and `begun` within the last hour.
    pub fn check(&self, forms: &[String], wall: u64, calls: u32, begun: u32) -> Result<(), Barred> {
        self.bars(forms, wall)?;
        if self.calls.is_some_and(|most| calls >= most) {
            return Err(Barred::TooMany);
        }
        if self.per_hour.is_some_and(|most| begun >= most) {
            return Err(Barred::TooOften);
        }
        Ok(())
    }

    /// Whether the number itself is barred, in any of its forms: as it is dialled, and as it goes out, which is another one
    /// where a digit for an outside line is taken away. An exception for the first form holds for all. `wall` is
    /// milliseconds since 1970 (UTC).
    pub fn bars(&self, forms: &[String], wall: u64) -> Result<(), Barred> {
        let mut forms: Vec<String> = forms.iter().map(|form| dialled(form)).collect();
        if forms.first().is_some_and(|first| self.allow.iter().any(|pattern| pattern.matches(first))) {
            forms.truncate(1);
        }
        let is_in = |denied: &[NumberPattern]| forms.iter().any(|form| self.is_in(denied, form));
        if is_in(&self.deny) {
            return Err(Barred::Number);
        }
        match self.night.as_ref().is_some_and(|night| night.is_at(wall) && is_in(&night.deny)) {
            true => Err(Barred::AtNight),
            false => Ok(()),
        }
    }

    /// Whether these numbers are denied and no exception is as special.
    fn is_in(&self, denied: &[NumberPattern], number: &str) -> bool {
        let best = |all: &[NumberPattern]| all.iter().filter(|p| p.matches(number)).map(NumberPattern::weight).max();
        best(denied).is_some_and(|denied| best(&self.allow).is_none_or(|allowed| allowed <= denied))
    }
}

impl Night {
    fn is_at(&self, wall: u64) -> bool {
        let minute = (wall / 60_000) as i64 + i64::from(self.offset_min);
        let minute = minute.rem_euclid(DAY_MIN);
        let (from, to) = (i64::from(self.from_min), i64::from(self.to_min));
        if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(number: &str) -> [String; 1] {
        [number.into()]
    }

    fn patterns(all: &[&str]) -> Vec<NumberPattern> {
        all.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn rules() -> TollRules {
        TollRules {
            deny: patterns(&["00*", "+*", "0900*"]),
            allow: patterns(&["0044*", "+44*"]),
            night: Some(Night { from_min: 22 * 60, to_min: 6 * 60, offset_min: 480, deny: patterns(&["0*"]) }),
            calls: Some(2),
            per_hour: Some(10),
        }
    }

    /// Noon and midnight in Shanghai.
    const NOON: u64 = 4 * 3_600_000;
    const MIDNIGHT: u64 = 16 * 3_600_000;

    #[test]
    fn a_number_is_barred_by_the_most_special_rule_however_it_is_written() {
        let rules = rules();
        for (number, barred) in [
            ("0013105551234", Some(Barred::Number)),
            ("00-1 (310) 5551234", Some(Barred::Number)),
            ("+13105551234", Some(Barred::Number)),
            ("00442071234567", None),
            ("+442071234567", None),
            ("0900123", Some(Barred::Number)),
            ("01088886666", None),
        ] {
            assert_eq!(rules.check(&form(number), NOON, 0, 0).err(), barred, "{number}");
        }
    }

    #[test]
    fn a_number_is_barred_as_it_goes_out_too_unless_it_is_excepted_as_it_is_dialled() {
        let rules = rules();
        for (forms, barred) in [
            (["90013105551234", "0013105551234"], true),
            (["900442071234567", "00442071234567"], false),
            (["00442071234567", "+442071234567"], false),
            (["00442071234567", "+4930901820"], false),
            (["901088886666", "01088886666"], false),
        ] {
            assert_eq!(rules.bars(&forms.map(String::from), NOON).is_err(), barred, "{forms:?}");
        }
    }

    #[test]
    fn at_night_fewer_numbers_are_open() {
        let rules = rules();
        let at =
            |hours: u64, minutes: u64| rules.check(&form("01088886666"), (hours * 60 + minutes) * 60_000, 0, 0).err();
        assert_eq!((at(14, 0), at(13, 59)), (Some(Barred::AtNight), None), "22:00 there");
        assert_eq!((at(21, 59), at(22, 0)), (Some(Barred::AtNight), None), "06:00 there");
        assert_eq!(rules.check(&form("95598"), MIDNIGHT, 0, 0), Ok(()));
    }

    #[test]
    fn an_extension_has_so_many_calls_at_once_and_in_an_hour() {
        let rules = rules();
        assert_eq!(rules.check(&form("95598"), NOON, 1, 9), Ok(()));
        assert_eq!(rules.check(&form("95598"), NOON, 2, 0), Err(Barred::TooMany));
        assert_eq!(rules.check(&form("95598"), NOON, 0, 10), Err(Barred::TooOften));
        assert_eq!(TollRules::default().check(&form("0013105551234"), NOON, 900, 900), Ok(()));
    }
}
