//! Who gets in when there is not room for all: what is promised to whom has to fit, and to be found under its name.

use super::super::raw::admission::{RawAdmission, RawReserves};
use super::super::read::At;
use super::super::{Admission, Limits};
use super::{Check, nearest};
use crate::admission::{Reserves, Share};
use crate::events::Class;
use crate::ids::ProjectId;
use std::collections::BTreeMap;

impl Check<'_> {
    pub(super) fn admission(&mut self, raw: RawAdmission, limits: &Limits) -> Admission {
        let mut budgets = BTreeMap::new();
        let mut promised = 0u64;
        for (at, raw) in raw.budgets {
            self.name("budget", &at);
            let guarantee = raw.guarantee.as_ref().map_or(0, |guarantee| guarantee.value);
            let ceiling = raw.ceiling.as_ref().map_or(limits.calls, |ceiling| ceiling.value);
            if let Some(ceiling) = raw.ceiling.as_ref().filter(|ceiling| ceiling.value == 0) {
                let help = "write at least 1, or take the number away that it is for";
                self.error("C190", ceiling, "a budget of 0 calls lets nobody in".into(), Some(help.into()));
            } else if ceiling < guarantee {
                let message = format!("the guarantee of {guarantee} calls is above the ceiling of {ceiling}");
                let help = format!("raise the ceiling to {guarantee} or more, or lower the guarantee");
                self.error(
                    "C190",
                    raw.guarantee.as_ref().unwrap_or(&At { value: 0, span: at.span }),
                    message,
                    Some(help),
                );
            }
            let fitted = promised <= u64::from(limits.calls);
            promised += u64::from(guarantee);
            if let Some(guarantee) = raw.guarantee.filter(|_| fitted && promised > u64::from(limits.calls)) {
                let message =
                    format!("up to here {promised} calls are guaranteed, and the switch takes {}", limits.calls);
                let help = "lower a guarantee, or raise `limits.calls`";
                self.error("C191", &guarantee, message, Some(help.into()));
            }
            budgets.insert(ProjectId::new(&at.value), Share { guarantee, ceiling });
        }
        Admission { reserves: self.reserves(&raw.reserves, limits), budgets }
    }

    fn reserves(&mut self, raw: &RawReserves, limits: &Limits) -> Reserves {
        let mut reserve = |at: &Option<At<u32>>| {
            let Some(at) = at else { return 0 };
            if at.value >= limits.calls {
                let message =
                    format!("with {} kept free of {} calls, no call of this class gets in", at.value, limits.calls);
                let help = format!("write less than {}; one call in ten is a usual reserve", limits.calls);
                self.error("C192", at, message, Some(help));
            }
            at.value
        };
        Reserves {
            urgent: reserve(&raw.urgent),
            service: reserve(&raw.service),
            marketing: reserve(&raw.marketing),
            outbound: reserve(&raw.outbound),
        }
    }

    pub(super) fn class(&mut self, word: Option<&At<String>>) -> Option<Class> {
        let word = word?;
        let class = Class::ALL.into_iter().find(|class| class.as_str() == word.value);
        if class.is_none() {
            let names = Class::ALL.map(Class::as_str);
            let help = match nearest(&word.value, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is: {}", names.join(", ")),
            };
            self.error("C193", word, format!("there is no class of calls `{}`", word.value.escape_debug()), Some(help));
        }
        class
    }

    pub(super) fn budget(&mut self, name: Option<&At<String>>, admission: &Admission) -> Option<ProjectId> {
        let name = name?;
        let id = ProjectId::new(&name.value);
        if admission.budgets.contains_key(&id) {
            return Some(id);
        }
        self.missing(name, "budget", admission.budgets.keys().map(ProjectId::as_str));
        None
    }
}
