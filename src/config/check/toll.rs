//! What extensions may have called outside.

use super::super::raw::toll::{RawNight, RawToll};
use super::super::read::At;
use super::Check;
use crate::routing::{Night, NumberPattern, TollRules};

impl Check<'_> {
    pub(super) fn toll(&mut self, raw: &RawToll) -> TollRules {
        let (deny, allow) = (self.toll_numbers(&raw.deny), self.toll_numbers(&raw.allow));
        let night = raw.night.as_ref().and_then(|night| self.night(night));
        for cap in raw.calls.iter().chain(&raw.per_hour).filter(|cap| cap.value == 0) {
            let help = "to bar all numbers write `deny: [\"*\"]`, or take the numbers away that lead to trunks";
            self.error("C198", cap, "0 calls are none".into(), Some(help.into()));
        }
        let denies = !deny.is_empty() || night.as_ref().is_some_and(|night| !night.deny.is_empty());
        if let Some(first) = raw.allow.first().filter(|_| !denies) {
            let help = "add `deny`, such as `[\"00*\"]`, or take `allow` away";
            self.error("C198", first, "an exception needs something that is denied".into(), Some(help.into()));
        }
        let value = |cap: &Option<At<u32>>| cap.as_ref().map(|cap| cap.value);
        TollRules { deny, allow, night, calls: value(&raw.calls), per_hour: value(&raw.per_hour) }
    }

    fn toll_numbers(&mut self, all: &[At<String>]) -> Vec<NumberPattern> {
        all.iter().filter_map(|at| self.dialled(at)).collect()
    }

    fn night(&mut self, raw: &RawNight) -> Option<Night> {
        let deny = self.toll_numbers(&raw.deny);
        let (from, to) = (self.clock(&raw.from, &raw.from.value), self.clock(&raw.to, &raw.to.value));
        let offset = match raw.utc_offset.value.split_at_checked(1) {
            Some(("+", clock)) => self.clock(&raw.utc_offset, clock).map(|minutes| minutes as i16),
            Some(("-", clock)) => self.clock(&raw.utc_offset, clock).map(|minutes| -(minutes as i16)),
            _ => {
                let help = "write it with its sign, such as `\"+08:00\"`";
                let message = format!("`{}` is no distance from UTC", raw.utc_offset.value.escape_debug());
                self.error("C199", &raw.utc_offset, message, Some(help.into()));
                None
            }
        };
        Some(Night { from_min: from?, to_min: to?, offset_min: offset?, deny })
    }

    /// Minutes since midnight.
    fn clock(&mut self, at: &At<String>, text: &str) -> Option<u16> {
        let parse = || {
            let (hours, minutes) = text.split_once(':').filter(|(h, m)| h.len() <= 2 && m.len() == 2)?;
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let parsed = parse();
        if parsed.is_none() {
            let help = "write hours and minutes in quotes, such as `\"22:00\"`";
            self.error("C199", at, format!("`{}` is no time of day", text.escape_debug()), Some(help.into()));
        }
        parsed
    }
}
