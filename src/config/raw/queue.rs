//! Queues as they are written: who waits how long for whom.

use super::TIME;
use crate::config::read::{At, Keys};
use crate::source::diag::Diags;

#[derive(Default)]
pub(in crate::config) struct RawQueue {
    pub ring_timeout: Option<At<String>>,
    pub wrap_up: Option<At<String>>,
    pub max_wait: Option<At<String>>,
    pub max_len: Option<At<u32>>,
    pub strategy: Option<At<String>>,
    pub skills: Vec<(At<String>, At<String>)>,
    pub min_level: Option<At<u32>>,
    pub widen: Vec<RawWidening>,
    pub ageing: Option<At<String>>,
    pub sticky: RawSticky,
    pub keep_place: Option<At<String>>,
    pub wait_for_lost: Option<At<String>>,
    pub dispositions: Vec<(At<String>, At<String>)>,
    pub disposition_required: Option<At<bool>>,
}

pub(in crate::config) struct RawWidening {
    pub after: At<String>,
    pub min_level: Option<At<u32>>,
    pub agents_of: Vec<At<String>>,
}

#[derive(Default)]
pub(in crate::config) struct RawSticky {
    pub remember: Option<At<String>>,
    pub wait: Option<At<String>>,
}

const LEVEL: &str = "a level from 0 to 100, such as `60`";

pub(super) fn queue(keys: &mut Keys, diags: &mut Diags) -> RawQueue {
    RawQueue {
        ring_timeout: keys.text("ring_timeout", TIME, diags),
        wrap_up: keys.text("wrap_up", TIME, diags),
        max_wait: keys.text("max_wait", TIME, diags),
        max_len: keys.number("max_len", "callers, such as `200`", diags),
        strategy: keys.text("strategy", "one of longest_idle, round_robin, fewest_calls, skill_fit", diags),
        skills: keys.pairs("skills", "the level that every caller needs, such as `{billing: 60}`", diags),
        min_level: keys.number("min_level", LEVEL, diags),
        widen: keys.list("widen", "`- {after: 30s, min_level: 40}`", diags, |keys, diags| {
            let after = keys.need("after", TIME, diags);
            let min_level = keys.number("min_level", LEVEL, diags);
            let agents_of = keys.words("agents_of", "names of queues, such as `[backoffice]`", diags);
            Some(RawWidening { after: after?, min_level, agents_of })
        }),
        ageing: keys.text("ageing", TIME, diags),
        sticky: keys.group("sticky", "`sticky: {remember: 7d, wait: 20s}`", diags, |keys, diags| RawSticky {
            remember: keys.text("remember", TIME, diags),
            wait: keys.text("wait", TIME, diags),
        }),
        keep_place: keys.text("keep_place", TIME, diags),
        wait_for_lost: keys.text("wait_for_lost", TIME, diags),
        dispositions: keys.pairs("dispositions", "names by digits, such as `{1: billing, 11: refund}`", diags),
        disposition_required: keys.flag("disposition_required", diags),
    }
}
