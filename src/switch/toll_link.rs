//! What an extension has called outside: by its own phone, by sending somebody on, by forwarding. Whoever made it happen
//! answers for it; what a flow does answers to nobody here.

use super::{Entry, Switch};
use crate::events::{Cause, EventKind};
use crate::ids::{AgentId, CallId, Redacted};
use crate::timers::Now;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// Calls to the outside that extensions have begun in the last hour. At most as many are kept as may be begun.
#[derive(Debug, Default)]
pub(super) struct Begun(BTreeMap<AgentId, VecDeque<Instant>>);

impl Begun {
    fn count(&self, now: Instant, agent: &AgentId) -> u32 {
        let recent = |at: &&Instant| now.saturating_duration_since(**at) < HOUR;
        self.0.get(agent).map_or(0, |begun| begun.iter().filter(recent).count() as u32)
    }

    fn add(&mut self, now: Instant, agent: &AgentId) {
        let begun = self.0.entry(agent.clone()).or_default();
        begun.retain(|at| now.saturating_duration_since(*at) < HOUR);
        begun.push_back(now);
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
    pub(super) fn pays(&mut self, now: Now, id: CallId, number: &str) -> Result<(), Cause> {
        let rules = &self.config.toll;
        let Some(payer) = self.calls.get(&id).and_then(Entry::payer).cloned() else { return Ok(()) };
        let others = self.calls.iter().filter(|(other, entry)| **other != id && !entry.call.is_ended());
        let up = others.filter(|(_, entry)| entry.paid_by.as_ref() == Some(&payer)).count() as u32;
        if let Err(why) = rules.check(number, now.wall, up, self.begun.count(now.at, &payer)) {
            let why = why.as_str().to_string();
            self.emit(now, Some(id), EventKind::TollBarred { by: payer, to: Redacted::new(number.to_string()), why });
            return Err(Cause::Forbidden);
        }
        if rules.per_hour.is_some() {
            self.begun.add(now.at, &payer);
        }
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.paid_by = Some(payer);
        }
        Ok(())
    }
}
