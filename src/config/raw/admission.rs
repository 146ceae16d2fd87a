//! The keys below `admission`.

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
