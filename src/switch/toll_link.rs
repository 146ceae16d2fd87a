//! What an extension has called outside: by its own phone, by sending somebody on, by forwarding. Whoever made it happen
//! answers for it; what a flow does answers to nobody here.

use super::{Entry, Switch};
use crate::events::{Cause, EventKind, NumberRole};
use crate::ids::{AgentId, CallId, LegId, Redacted, TrunkId};
use crate::routing::Barred;
use crate::timers::Now;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// A number behind a trunk or a group of trunks that may be called.
#[derive(Clone, Debug)]
pub(super) struct Paid {
    pub trunk: TrunkId,
    pub number: String,
    /// The extension that answers for it.
    pub by: Option<AgentId>,
}

/// What extensions answer for.
#[derive(Debug, Default)]
pub(super) struct Tolls {
    /// When calls to the outside were begun in the last hour. At most as many are kept as may be begun.
    begun: BTreeMap<AgentId, VecDeque<Instant>>,
    /// Legs to the outside that are there, in whatever call they are by now.
    legs: BTreeMap<LegId, AgentId>,
}

impl Tolls {
    fn begun(&self, now: Instant, agent: &AgentId) -> u32 {
        let recent = |at: &&Instant| now.saturating_duration_since(**at) < HOUR;
        self.begun.get(agent).map_or(0, |begun| begun.iter().filter(recent).count() as u32)
    }

    fn begin(&mut self, now: Instant, agent: &AgentId) {
        let begun = self.begun.entry(agent.clone()).or_default();
        begun.retain(|at| now.saturating_duration_since(*at) < HOUR);
        begun.push_back(now);
    }

    fn up(&self, agent: &AgentId) -> u32 {
        self.legs.values().filter(|payer| *payer == agent).count() as u32
    }

    pub(super) fn take(&mut self, leg: LegId, payer: Option<AgentId>) {
        self.legs.extend(payer.map(|payer| (leg, payer)));
    }

    pub(super) fn release(&mut self, leg: LegId) {
        self.legs.remove(&leg);
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &LegId> {
        self.legs.keys()
    }
}

impl Entry {
    /// Who answers for a call that goes outside from here.
    fn payer(&self) -> Option<&AgentId> {
        let referrer = self.referral.as_ref().map(|referral| &referral.by);
        referrer.or(self.diverted.last()).or(self.own_extension.as_ref())
    }
}

impl Switch {
    /// Whether whoever answers for it may have this number called outside, and counts it if so.
    pub(super) fn pays(&mut self, now: Now, id: CallId, trunk: &TrunkId, number: &str) -> Result<Paid, Cause> {
        let by = self.calls.get(&id).and_then(Entry::payer).cloned();
        if let Some(payer) = &by {
            let (forms, rules) = (self.forms_of(trunk, number), &self.config.toll);
            let checked = rules.check(&forms, now.wall, self.tolls.up(payer), self.tolls.begun(now.at, payer));
            if let Err(why) = checked {
                self.tell_barred(now, id, payer.clone(), number, why);
                return Err(Cause::Forbidden);
            }
            if rules.per_hour.is_some() {
                self.tolls.begin(now.at, payer);
            }
        }
        Ok(Paid { trunk: trunk.clone(), number: number.to_string(), by })
    }

    /// Whether whoever answers for it may have a number called that the trunk itself has named.
    pub(super) fn pays_for_other(
        &mut self,
        now: Now,
        id: CallId,
        by: Option<AgentId>,
        trunk: &TrunkId,
        number: &str,
    ) -> bool {
        let Some(payer) = by else { return true };
        let barred = self.config.toll.bars(&self.meant(trunk, number), now.wall);
        if let Err(why) = barred {
            self.tell_barred(now, id, payer, number, why);
        }
        barred.is_ok()
    }

    fn tell_barred(&mut self, now: Now, id: CallId, by: AgentId, to: &str, why: Barred) {
        let (to, why) = (Redacted::new(to.to_string()), why.as_str().to_string());
        self.emit(now, Some(id), EventKind::TollBarred { by, to, why });
    }

    /// A number as it was dialled, and as each trunk that it may go by would get it.
    fn forms_of(&self, trunk: &TrunkId, number: &str) -> Vec<String> {
        let members = self.trunks.configs().map(|(id, _)| id).filter(|id| self.trunks.leads_to(trunk, id));
        let sent = members.flat_map(|id| self.meant(id, &self.rewrite(id, NumberRole::CalledOut, number).0));
        std::iter::once(number.to_string()).chain(sent).collect()
    }

    fn meant(&self, trunk: &TrunkId, sent: &str) -> Vec<String> {
        let numbers = self.config.trunk_numbers.get(trunk);
        numbers.map_or_else(|| vec![sent.to_string()], |numbers| numbers.meant(sent))
    }
}
