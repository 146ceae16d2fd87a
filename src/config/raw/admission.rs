//! The keys below `admission` and `security`.

use super::super::read::{At, Keys};
use crate::source::diag::Diags;

#[derive(Default)]
pub(in super::super) struct RawAdmission {
    pub reserves: RawReserves,
    pub budgets: Vec<(At<String>, RawBudget)>,
}

#[derive(Default)]
pub(in super::super) struct RawReserves {
    pub urgent: Option<At<u32>>,
    pub service: Option<At<u32>>,
    pub marketing: Option<At<u32>>,
    pub outbound: Option<At<u32>>,
}

#[derive(Default)]
pub(in super::super) struct RawBudget {
    pub guarantee: Option<At<u32>>,
    pub ceiling: Option<At<u32>>,
}

#[derive(Default)]
pub(in super::super) struct RawSecurity {
    pub bans: RawBans,
    pub allow: Vec<At<String>>,
    /// In place of those that are known.
    pub scanners: Option<Vec<At<String>>>,
}

#[derive(Default)]
pub(in super::super) struct RawBans {
    pub after: Option<At<u32>>,
    pub within: Option<At<String>>,
    pub last: Option<At<String>>,
}

pub(super) const EXAMPLE: &str = "`admission: {reserves: {marketing: 20}}`";
pub(super) const CLASS: &str = "`urgent`, `service`, `marketing` or `outbound`";

pub(super) fn admission(keys: &mut Keys, diags: &mut Diags) -> RawAdmission {
    let reserve = "calls that stay free after one of this class, such as `20`";
    RawAdmission {
        reserves: keys.group("reserves", "`reserves: {marketing: 20}`", diags, |keys, diags| RawReserves {
            urgent: keys.number("urgent", reserve, diags),
            service: keys.number("service", reserve, diags),
            marketing: keys.number("marketing", reserve, diags),
            outbound: keys.number("outbound", reserve, diags),
        }),
        budgets: keys.named("budgets", "`budgets: {power: {guarantee: 50, ceiling: 200}}`", diags, |keys, diags| {
            RawBudget {
                guarantee: keys.number("guarantee", "calls that are always there for it, such as `50`", diags),
                ceiling: keys.number("ceiling", "the most calls that it may hold, such as `200`", diags),
            }
        }),
    }
}

pub(super) fn security(keys: &mut Keys, diags: &mut Diags) -> RawSecurity {
    let time = "a length of time, such as `10m`";
    RawSecurity {
        bans: keys.group("bans", "`bans: {after: 100, within: 10m, last: 1h}`", diags, |keys, diags| RawBans {
            after: keys.number("after", "wrong passwords, such as `100`, or `0` for no bans", diags),
            within: keys.text("within", time, diags),
            last: keys.text("last", time, diags),
        }),
        allow: keys.words("allow", "addresses or blocks, such as `[192.0.2.0/24]`", diags),
        scanners: keys
            .place("scanners")
            .map(|_| keys.words("scanners", "parts of the User-Agent of tools, such as `[sipvicious]`", diags)),
    }
}
