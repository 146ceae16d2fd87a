//! Projects as they are written: what belongs to one client, and what was promised to that client.

use super::TIME;
use crate::config::read::{At, Keys};
use crate::source::diag::Diags;

#[derive(Default)]
pub(in crate::config) struct RawProject {
    /// One for all, or by language.
    pub name: Vec<(Option<At<String>>, At<String>)>,
    pub numbers: Vec<At<String>>,
    pub queues: Vec<At<String>>,
    pub targets: RawTargets,
    pub timezone: Option<At<String>>,
    pub recording: Option<At<bool>>,
    pub short_abandon: Option<At<String>>,
    pub reasons: Vec<(At<String>, At<String>)>,
}

#[derive(Default)]
pub(in crate::config) struct RawTargets {
    pub answer_rate: Option<At<String>>,
    pub service_level: RawServiceLevel,
    pub satisfaction: Option<At<String>>,
}

#[derive(Default)]
pub(in crate::config) struct RawServiceLevel {
    pub within: Option<At<String>>,
    pub share: Option<At<String>>,
}

const SHARE: &str = "a share, such as `97%`";
const TARGETS: &str = "`targets: {answer_rate: 97%, service_level: {within: 20s, share: 80%}}`";

pub(super) fn project(keys: &mut Keys, diags: &mut Diags) -> RawProject {
    RawProject {
        name: keys.text_or_texts("name", "a name, or one by language, such as `{zh: 供电局, en: Power}`", diags),
        numbers: keys.words("numbers", "numbers that are under `numbers`, such as `[\"95598\"]`", diags),
        queues: keys.words("queues", "names of queues, such as `[service]`", diags),
        targets: keys.group("targets", TARGETS, diags, |keys, diags| RawTargets {
            answer_rate: keys.text("answer_rate", SHARE, diags),
            service_level: keys.group("service_level", "`{within: 20s, share: 80%}`", diags, |keys, diags| {
                RawServiceLevel { within: keys.text("within", TIME, diags), share: keys.text("share", SHARE, diags) }
            }),
            satisfaction: keys.text("satisfaction", SHARE, diags),
        }),
        timezone: keys.text("timezone", "a time zone, such as `Asia/Shanghai`", diags),
        recording: keys.flag("recording", diags),
        short_abandon: keys.text("short_abandon", TIME, diags),
        reasons: keys.pairs("reasons", "what a call counts by its tag, such as `{outage: 2, bill: 1}`", diags),
    }
}

/// A plan by which one project lends agents to another.
#[derive(Default)]
pub(in crate::config) struct RawLend {
    pub from: Option<At<String>>,
    pub to: Option<At<String>>,
    pub skills: Vec<(At<String>, At<String>)>,
    pub tier: Option<At<u32>>,
    pub when: RawPressure,
    pub clear: RawPressure,
    pub cap: Option<At<u32>>,
    pub leave: Option<At<u32>>,
}

#[derive(Default)]
pub(in crate::config) struct RawPressure {
    pub longest_wait: Option<At<String>>,
    pub waiting: Option<At<u32>>,
}

pub(super) const LEND: &str =
    "`lend: {surge: {from: gas, to: power, when: {longest_wait: 30s}, clear: {longest_wait: 10s}, cap: 5, leave: 2}}`";

pub(super) fn lend(keys: &mut Keys, diags: &mut Diags) -> RawLend {
    RawLend {
        from: keys.need("from", "the project that lends", diags),
        to: keys.need("to", "the project that is helped", diags),
        skills: keys.pairs("skills", "what an agent must be able to do to be lent, such as `{billing: 40}`", diags),
        tier: keys.number("tier", "1, 2 or 3; lower ones lend first", diags),
        when: keys.group("when", "`when: {longest_wait: 30s, waiting: 10}`", diags, pressure),
        clear: keys.group("clear", "`clear: {longest_wait: 10s, waiting: 3}`", diags, pressure),
        cap: keys.number("cap", "the most agents at once, such as `5`", diags),
        leave: keys.number("leave", "the fewest at work who stay at home, such as `2`", diags),
    }
}

fn pressure(keys: &mut Keys, diags: &mut Diags) -> RawPressure {
    RawPressure {
        longest_wait: keys.text("longest_wait", TIME, diags),
        waiting: keys.number("waiting", "callers, such as `10`", diags),
    }
}
