//! The keys below `toll`.

use super::super::read::{At, Keys};
use crate::source::diag::Diags;

#[derive(Default)]
pub(in super::super) struct RawToll {
    pub deny: Vec<At<String>>,
    pub allow: Vec<At<String>>,
    pub night: Option<RawNight>,
    pub calls: Option<At<u32>>,
    pub per_hour: Option<At<u32>>,
}

pub(in super::super) struct RawNight {
    pub from: At<String>,
    pub to: At<String>,
    pub utc_offset: At<String>,
    pub deny: Vec<At<String>>,
}

const NUMBERS: &str = "numbers, such as `[\"00*\"]`";

pub(super) fn toll(keys: &mut Keys, diags: &mut Diags) -> RawToll {
    RawToll {
        deny: keys.words("deny", NUMBERS, diags),
        allow: keys.words("allow", NUMBERS, diags),
        night: keys.group(
            "night",
            "`night: {from: \"22:00\", to: \"06:00\", utc_offset: \"+08:00\", deny: [\"0*\"]}`",
            diags,
            night,
        ),
        calls: keys.number("calls", "calls outside at once, such as `2`", diags),
        per_hour: keys.number("per_hour", "calls outside in an hour, such as `30`", diags),
    }
}

fn night(keys: &mut Keys, diags: &mut Diags) -> Option<RawNight> {
    let clock = "a time in quotes, such as `\"22:00\"`";
    let (from, to) = (keys.need("from", clock, diags), keys.need("to", clock, diags));
    let utc_offset = keys.need("utc_offset", "the clock's distance from UTC, such as `\"+08:00\"`", diags);
    let deny = keys.words("deny", NUMBERS, diags);
    Some(RawNight { from: from?, to: to?, utc_offset: utc_offset?, deny })
}
