//! Admission: a budget of calls that holds, and a permit for each call that is in.
//!
//! Rule (the project's definitions, "Admission with reserves and borrowing"): with capacity `K`, and for budget `p` a
//! guarantee `G`, a ceiling `M` and `u` calls in use, a call of class `c` is admitted if `u < M` and either `u < G` or
//! `free - what the other budgets' guarantees still need > reserve(c)`. So a guarantee is always there, the rest is
//! lent to whoever comes, and the last of it is kept for the more urgent classes.
//!
//! A permit is held by its call and returns with it; [`Admission::sweep`] mends what a fault elsewhere left behind. This
//! module must never know what a call is made of. In-dialog requests and keep-alives never come here: only new work is
//! refused.

mod bans;
mod budget;
pub mod erlang;
mod overload;
mod rate;
mod tally;

#[cfg(test)]
mod tests;

pub use bans::{Ban, BanPolicy, Bans};
pub use budget::Budget;
pub use overload::{Load, Overload};
pub use rate::Rate;
pub use tally::Tally;

use crate::events::{Class, Refusal};
use crate::ids::{CallId, ProjectId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Whoever has one address of IPv6 has the 2^64 of its network.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// Trunk reservation: how much must stay free after a borrowed call of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserves {
    pub urgent: u32,
    pub service: u32,
    pub marketing: u32,
    pub outbound: u32,
}

impl Reserves {
    pub fn of(&self, class: Class) -> u32 {
        match class {
            Class::Urgent => self.urgent,
            Class::Service => self.service,
            Class::Marketing => self.marketing,
            Class::Outbound => self.outbound,
        }
    }
}

/// A part of all calls, for one project or some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Calls that are always there for it.
    pub guarantee: u32,
    /// The most that it may hold, borrowed calls included.
    pub ceiling: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// Calls that the switch may hold at once.
    pub total: u32,
    /// New calls a second; any number unless given.
    pub calls_per_second: Option<u32>,
    pub reserves: Reserves,
    /// By the project or the group of numbers that each is for. Calls of none borrow up to the total.
    pub budgets: BTreeMap<ProjectId, Share>,
}

impl AdmissionConfig {
    /// A total cap and nothing else.
    pub fn total(total: u32) -> Self {
        Self { total, ..Self::default() }
    }
}

/// The right of one call to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Permit {
    pub call: CallId,
    /// Grows by one for each permit given.
    pub number: u64,
    pub class: Class,
}

/// A permit and a call that did not match, found by [`Admission::sweep`] and mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "mismatch")]
pub enum Mismatch {
    /// The permit was given back.
    PermitWithoutCall { call: CallId, class: Class, held_ms: u64 },
    /// A permit was written down for the call, whatever the caps say: the call is there.
    CallWithoutPermit { call: CallId },
}

/// What the budget looks like now, for `status`, metrics and the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdmissionView {
    pub total: u32,
    pub in_use: u32,
    pub draining: bool,
    pub budgets: Vec<ShareView>,
    /// Calls let in since the start.
    pub admitted: u64,
    pub mended: u64,
    /// From 0 (nobody) to 100: how far new calls are turned away for load.
    pub overload: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShareView {
    pub budget: ProjectId,
    pub guarantee: u32,
    pub ceiling: u32,
    pub in_use: u32,
}

#[derive(Clone, Debug)]
struct Held {
    permit: Permit,
    budget: Option<ProjectId>,
    since: Instant,
}

#[derive(Clone, Debug)]
pub struct Admission {
    budget: Budget,
    rate: Option<Rate>,
    held: BTreeMap<CallId, Held>,
    draining: bool,
    numbers: u64,
    mended: u64,
    overload: Overload,
}

impl Admission {
    pub fn new(config: AdmissionConfig) -> Self {
        Self {
            rate: config.calls_per_second.map(Rate::new),
            budget: Budget::new(config),
            held: BTreeMap::new(),
            draining: false,
            numbers: 0,
            overload: Overload::default(),
            mended: 0,
        }
    }

    /// Whether a new call may come now, as far as the rate goes. Asked before anything is kept of it.
    pub fn has_rate(&self, now: Instant) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.has_room(now))
    }

    /// How far behind the switch is; gives the level of overload before and after.
    pub fn observe(&mut self, now: Instant, load: Load) -> (u32, u32) {
        let before = self.overload.level();
        self.overload.observe(now, load);
        (before, self.overload.level())
    }

    /// Whether somebody may have to be turned away unread.
    pub fn may_shed(&self, now: Instant) -> bool {
        self.overload.level() > 0 || !self.has_rate(now)
    }

    /// Why the next new call of this class is turned away unread, if it is.
    pub fn sheds(&mut self, now: Instant, class: Class) -> Option<Refusal> {
        if class == Class::Urgent {
            return None;
        }
        if !self.has_rate(now) {
            return Some(Refusal::RateCap);
        }
        self.overload.sheds(class).then_some(Refusal::Overload)
    }

    /// A new call has come, whether or not it is let in.
    pub fn count_arrival(&mut self, now: Instant) {
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
    }

    /// Lets the call in or says why not. A call that is in already keeps the permit it has.
    pub fn try_admit(
        &mut self,
        now: Instant,
        call: CallId,
        class: Class,
        budget: Option<&ProjectId>,
    ) -> Result<Permit, Refusal> {
        if let Some(held) = self.held.get(&call) {
            return Ok(held.permit);
        }
        if self.draining {
            return Err(Refusal::Draining);
        }
        self.budget.admits(class, budget)?;
        Ok(self.give(now, call, class, budget))
    }

    /// The call is over. Says whether it held a permit; a second time changes nothing.
    pub fn release(&mut self, call: CallId) -> bool {
        let Some(held) = self.held.remove(&call) else { return false };
        self.budget.give_back(held.budget.as_ref());
        true
    }

    pub fn in_use(&self) -> u32 {
        self.budget.in_use()
    }

    /// What a call was let in as, and whose budget it takes from.
    pub fn held_by(&self, call: CallId) -> Option<(Class, Option<&ProjectId>)> {
        self.held.get(&call).map(|held| (held.permit.class, held.budget.as_ref()))
    }

    /// From now on new calls are refused (or taken again); calls that are in are left alone.
    pub fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Takes new numbers. No call that is in is touched, even when it would not be let in now.
    pub fn reconfigure(&mut self, config: AdmissionConfig) {
        match (&mut self.rate, config.calls_per_second) {
            (Some(rate), Some(per_second)) => rate.set(per_second),
            (rate, per_second) => *rate = per_second.map(Rate::new),
        }
        let mut budget = Budget::new(config);
        for held in self.held.values() {
            budget.take(held.budget.as_ref());
        }
        self.budget = budget;
    }

    /// Compares permits with the calls that really are there, mends each mismatch and reports it.
    pub fn sweep(&mut self, now: Instant, live: impl IntoIterator<Item = CallId>) -> Vec<Mismatch> {
        let live: std::collections::BTreeSet<CallId> = live.into_iter().collect();
        let orphans = self.held.values().filter(|held| !live.contains(&held.permit.call));
        let mut found: Vec<Mismatch> = orphans
            .map(|held| Mismatch::PermitWithoutCall {
                call: held.permit.call,
                class: held.permit.class,
                held_ms: millis(now.saturating_duration_since(held.since)),
            })
            .collect();
        let strangers = live.iter().filter(|call| !self.held.contains_key(call));
        found.extend(strangers.map(|call| Mismatch::CallWithoutPermit { call: *call }));
        for mismatch in &found {
            match *mismatch {
                Mismatch::PermitWithoutCall { call, .. } => {
                    self.release(call);
                }
                Mismatch::CallWithoutPermit { call } => {
                    self.give(now, call, Class::default(), None);
                }
            }
        }
        self.mended += found.len() as u64;
        found
    }

    pub fn view(&self) -> AdmissionView {
        AdmissionView {
            total: self.budget.total(),
            in_use: self.in_use(),
            draining: self.draining,
            budgets: self.budget.shares().collect(),
            admitted: self.numbers,
            mended: self.mended,
            overload: self.overload.level(),
        }
    }

    fn give(&mut self, now: Instant, call: CallId, class: Class, budget: Option<&ProjectId>) -> Permit {
        self.numbers += 1;
        let permit = Permit { call, number: self.numbers, class };
        self.budget.take(budget);
        self.held.insert(call, Held { permit, budget: budget.cloned(), since: now });
        permit
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().min(u128::from(u64::MAX)) as u64
}
