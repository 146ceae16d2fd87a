//! Calls that were refused in the last hour, by reason, and what would have let them in. Counted by the minute, so that an
//! hour of a flood is as small as an hour of quiet.

use super::view::AdmissionView;
use crate::events::{Class, EventKind, Refusal, Source, SwitchEvent};
use crate::ids::{ProjectId, TrunkId};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

const MINUTES: u64 = 60;
const MINUTE_MS: u64 = 60_000;
/// Kinds told apart in one minute: budgets and trunks are the admin's own, so this is reached by no attack.
const MOST_KINDS: usize = 1_000;

#[derive(Clone, Debug, Default)]
pub struct Refusals {
    /// The oldest first: which minute since the start, and what was refused in it.
    minutes: VecDeque<(u64, BTreeMap<Kind, u64>)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    reason: Refusal,
    status: u16,
    class: Option<Class>,
    budget: Option<ProjectId>,
    trunk: Option<TrunkId>,
}

/// Calls of one kind that were refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusalView {
    pub reason: Refusal,
    /// What the callers were told.
    pub status: u16,
    pub class: Option<Class>,
    pub budget: Option<ProjectId>,
    pub trunk: Option<TrunkId>,
    pub calls: u64,
    /// In words.
    pub remedy: String,
}

impl Refusals {
    pub fn apply(&mut self, event: &SwitchEvent) {
        let (kind, count) = match &event.kind {
            EventKind::CallRefused { reason, status, source, budget, class, .. } => {
                let trunk = match source {
                    Some(Source::Trunk(trunk)) => Some(trunk.clone()),
                    _ => None,
                };
                (Kind { reason: *reason, status: *status, class: *class, budget: budget.clone(), trunk }, 1)
            }
            EventKind::CallsShed { count, why, class } => {
                let status = if *why == Refusal::NotOpen { 404 } else { 503 };
                (Kind { reason: *why, status, class: Some(*class), budget: None, trunk: None }, *count)
            }
            _ => return,
        };
        let minute = event.mono / MINUTE_MS;
        if self.minutes.back().is_none_or(|(last, _)| *last < minute) {
            self.minutes.push_back((minute, BTreeMap::new()));
        }
        self.forget(event.mono);
        if let Some((_, kinds)) = self.minutes.back_mut()
            && (kinds.len() < MOST_KINDS || kinds.contains_key(&kind))
        {
            *kinds.entry(kind).or_default() += count;
        }
    }

    fn forget(&mut self, mono: u64) {
        let oldest = (mono / MINUTE_MS + 1).saturating_sub(MINUTES);
        while self.minutes.front().is_some_and(|(minute, _)| *minute < oldest) {
            self.minutes.pop_front();
        }
    }

    /// The most frequent first. `mono` is the time since the start, in milliseconds.
    pub fn view(&self, mono: u64, admission: &AdmissionView) -> Vec<RefusalView> {
        let oldest = (mono / MINUTE_MS + 1).saturating_sub(MINUTES);
        let mut sums: BTreeMap<&Kind, u64> = BTreeMap::new();
        for (_, kinds) in self.minutes.iter().filter(|(minute, _)| *minute >= oldest) {
            kinds.iter().for_each(|(kind, count)| *sums.entry(kind).or_default() += count);
        }
        let view = |(kind, calls): (&Kind, u64)| RefusalView {
            reason: kind.reason,
            status: kind.status,
            class: kind.class,
            budget: kind.budget.clone(),
            trunk: kind.trunk.clone(),
            calls,
            remedy: kind.remedy(admission),
        };
        let mut views: Vec<RefusalView> = sums.into_iter().map(view).collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.calls));
        views
    }
}

impl Kind {
    /// What would have let the calls in.
    fn remedy(&self, admission: &AdmissionView) -> String {
        let own = self.budget.as_ref().and_then(|name| admission.budgets.iter().find(|budget| budget.id == *name));
        let class = self.class.map_or("service", Class::as_str);
        match self.reason {
            Refusal::TotalCap => {
                format!("raise `limits.calls` above {}, if the machine has room", admission.max_calls)
            }
            Refusal::BudgetCeiling => match own {
                Some(budget) => format!("raise `admission.budgets.{}.ceiling` above {}", budget.id, budget.ceiling),
                None => "raise the `ceiling` of the number's budget".into(),
            },
            Refusal::Reserved => {
                let most = own.filter(|budget| budget.guarantee > 0);
                let own = most.map(|budget| {
                    format!("raise `admission.budgets.{}.guarantee` above {}, ", budget.id, budget.guarantee)
                });
                let own = own.unwrap_or_default();
                format!("{own}raise `limits.calls`, or lower `admission.reserves.{class}` or the guarantees of others")
            }
            Refusal::TrunkCap => match &self.trunk {
                Some(trunk) => format!("raise `trunks.{trunk}.limits`, if the carrier agrees"),
                None => "raise the trunk's `limits`, if the carrier agrees".into(),
            },
            Refusal::RateCap => "raise `limits.calls_per_second`, if the machine has room".into(),
            Refusal::Overload => "give the machine more CPU, or less to do beside; see `hotline_overload_level`".into(),
            Refusal::NoPort => "widen `listen.rtp.ports`".into(),
            Refusal::Draining => "take the drain back with `hotline drain --off`".into(),
            Refusal::NotOpen => {
                "add the number under `numbers`, or the trunk to its `open_to`; see `hotline route explain`".into()
            }
            Refusal::BadCredentials => "give the phone the password of its extension".into(),
            Refusal::NoCodec => {
                "let the caller offer PCMA, PCMU, G722 or Opus, encrypted where `srtp` asks for it".into()
            }
            Refusal::BadRequest => "have the sender mend its INVITE; the log says what is wrong".into(),
            Refusal::LoopDetected => "find the ring of routes that the call went round in".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::BudgetView;
    use super::*;

    fn refused(minute: u64, reason: Refusal, budget: Option<&str>) -> SwitchEvent {
        let kind = EventKind::CallRefused {
            from: "1".into(),
            to: "2".into(),
            reason,
            status: reason.status_of_full(),
            source: Some(Source::Trunk(TrunkId::new("carrier"))),
            budget: budget.map(ProjectId::new),
            class: Some(Class::Marketing),
            sip_call_id: String::new(),
        };
        SwitchEvent { seq: 1, wall: 0, mono: minute * MINUTE_MS, call: None, kind }
    }

    fn admission() -> AdmissionView {
        let budget = BudgetView { id: ProjectId::new("power"), calls: 3, guarantee: 2, ceiling: 30 };
        AdmissionView { max_calls: 500, budgets: vec![budget], ..AdmissionView::default() }
    }

    #[test]
    fn an_hour_of_refusals_is_summed_up_by_reason_with_what_would_have_let_them_in() {
        let mut refusals = Refusals::default();
        refusals.apply(&refused(0, Refusal::TotalCap, None));
        for minute in [1, 30, 59] {
            refusals.apply(&refused(minute, Refusal::BudgetCeiling, Some("power")));
        }
        let shed = EventKind::CallsShed { count: 40, why: Refusal::RateCap, class: Class::Service };
        refusals.apply(&SwitchEvent { kind: shed, ..refused(60, Refusal::NoPort, None) });
        let view = refusals.view(60 * MINUTE_MS, &admission());
        let told: Vec<_> = view.iter().map(|kind| (kind.reason, kind.calls, kind.remedy.as_str())).collect();
        assert_eq!(
            told,
            [
                (Refusal::RateCap, 40, "raise `limits.calls_per_second`, if the machine has room"),
                (Refusal::BudgetCeiling, 3, "raise `admission.budgets.power.ceiling` above 30"),
            ],
            "what is older than an hour is forgotten"
        );
        assert_eq!(refusals.view(119 * MINUTE_MS, &admission()).len(), 1);
        assert_eq!(refusals.view(300 * MINUTE_MS, &admission()), []);
        assert_eq!(refusals.minutes.len(), 4);
    }

    #[test]
    fn a_flood_is_kept_in_bounds() {
        let mut refusals = Refusals::default();
        for nth in 0..5_000 {
            refusals.apply(&refused(nth / 2_500, Refusal::NotOpen, Some(&nth.to_string())));
        }
        assert!(refusals.minutes.iter().all(|(_, kinds)| kinds.len() == MOST_KINDS));
    }
}
