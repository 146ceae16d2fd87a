//! The registrar: where each address of record can be reached now (RFC 3261 section 10.3).
//!
//! An address of record (AOR) is the name that the caller of this module has proven the sender to own; a *binding* is one
//! contact of it, with the flow that its REGISTER came by. A flow is whatever the network side names a far end with; here
//! it is only kept and compared. This module must never know a password, a socket or a message.
//!
//! Pure: `now` is handed in. Drain [`Registrar::poll`] after each input.

mod binding;
mod config;
mod devices;
mod keep_alive;

#[cfg(test)]
mod tests;

pub use binding::{Binding, BindingId, BindingView, ContactUpdate, Kept, Why};
pub use config::{RegisterError, RegistrarConfig, Ring};
pub use devices::Device;

use crate::sip::message::uri::Uri;
use crate::timers::Timers;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest contact that is kept, in octets: a phone's is under 200, and each binding holds one.
const MAX_CONTACT: usize = 1_024;

/// Longest Call-ID that is kept, in octets; as above.
const MAX_CALL_ID: usize = 256;

/// Contacts in one REGISTER beyond which it is refused unread: more than any AOR may hold, with room for removals.
const MAX_UPDATES: usize = 64;

/// Longest Path that is kept, in octets of all its values together.
const MAX_PATH: usize = 2_048;

/// Bindings whose time is over that are dropped at one go, a fraction of a millisecond's work: when a whole site expires
/// at once, calls have their turn in between.
const MOST_EXPIRED: usize = 256;

/// From so many bindings on, lifetimes are shortened by up to a tenth, each by another part of it: phones that came all at
/// once, after a power cut or our restart, come back spread.
const MANY: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrarOutput<F> {
    /// A new contact, or a known one that now comes by another flow. A refresh is no news.
    Registered {
        aor: String,
        contact: String,
        expires_s: u32,
        flow: F,
    },
    Unregistered {
        aor: String,
        contact: String,
        why: Why,
    },
    /// The AOR has its first contact that can be called, or has lost its last.
    Reachable {
        aor: String,
        reachable: bool,
    },
    /// Something about the AOR is new, be it only a lifetime: what was kept of it elsewhere is old.
    Changed {
        aor: Arc<str>,
    },
    /// The contact gives no sign of life any more, or does so again.
    Silent {
        aor: String,
        contact: String,
        silent: bool,
    },
    /// Ask the contact for a sign of life and tell [`Registrar::kept_alive`] what came of it.
    KeepAlive {
        aor: String,
        binding: BindingId,
        contact: Uri,
        flow: F,
    },
}

/// What happens to a binding by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Expires,
    KeepAlive,
}

#[derive(Clone, Debug)]
pub struct Registrar<F: Clone + Ord> {
    config: RegistrarConfig,
    aors: BTreeMap<Arc<str>, Vec<Binding<F>>>,
    by_flow: BTreeMap<F, BTreeSet<(Arc<str>, BindingId)>>,
    timers: Timers<(Arc<str>, BindingId, Deadline)>,
    outputs: VecDeque<RegistrarOutput<F>>,
    bindings: usize,
    next_id: u64,
    /// Counts REGISTERs.
    refreshes: u64,
}

impl<F: Clone + Ord> Registrar<F> {
    pub fn new(config: RegistrarConfig) -> Self {
        Self {
            config: config.checked(),
            aors: BTreeMap::new(),
            by_flow: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            bindings: 0,
            next_id: 0,
            refreshes: 0,
        }
    }

    /// New limits hold for the next REGISTER; what is bound stays bound until it expires.
    pub fn reconfigure(&mut self, config: RegistrarConfig) {
        self.config = config.checked();
    }

    /// Takes the contacts of one REGISTER, all or none, and returns what is bound then. No contacts at all: only asks.
    /// The caller has proven that the sender owns `aor`.
    pub fn register(
        &mut self,
        now: Instant,
        aor: &str,
        updates: Vec<ContactUpdate<F>>,
        call_id: &str,
        cseq: u32,
    ) -> Result<Vec<BindingView<F>>, RegisterError> {
        self.refreshes += 1;
        let before = self.aors.get(aor).map_or(&[][..], Vec::as_slice);
        let mut after = self.planned(now, before, updates, call_id, cseq)?;
        let elsewhere = self.bindings - before.len();
        while after.len() > before.len() && after.len() > self.config.max_contacts {
            // A device that no longer answers makes room for one that does.
            let silent = after.iter().position(Binding::is_silent).ok_or(RegisterError::TooManyContacts)?;
            after.remove(silent);
        }
        if after.len() > before.len() && elsewhere + after.len() > self.config.max_bindings {
            return Err(RegisterError::Full);
        }
        self.commit(now, aor, after, Why::Removed);
        Ok(self.views(now, aor))
    }

    /// Takes back what was bound when the process ended, as far as there is room and time left. Nobody is told of contacts
    /// that were told of before, only that they can be called.
    pub fn restore(&mut self, now: Instant, aor: &str, kept: impl Iterator<Item = Kept<F>>) {
        let (key, mut bindings) = self.aors.remove_entry(aor).unwrap_or_else(|| (Arc::from(aor), Vec::new()));
        let was_reachable = can_be_called(&bindings);
        // A phone that has registered meanwhile knows better.
        let room = if bindings.is_empty() { self.config.max_bindings.saturating_sub(self.bindings) } else { 0 };
        for Kept { update, left, call_id, cseq } in kept.take(room.min(self.config.max_contacts)) {
            self.next_id += 1;
            let longest = Duration::from_secs(u64::from(self.config.max_expires_s));
            let binding = Binding::new(BindingId(self.next_id), update, now + left.min(longest), (call_id, cseq), 0);
            self.index(now, &key, &binding);
            self.stagger(now, &key, &binding);
            self.bindings += 1;
            bindings.push(binding);
        }
        let reachable = can_be_called(&bindings);
        if reachable != was_reachable {
            self.outputs.push_back(RegistrarOutput::Reachable { aor: key.to_string(), reachable });
        }
        if !bindings.is_empty() {
            self.aors.insert(key, bindings);
        }
    }

    /// `Contact: *`: removes every binding of the AOR.
    pub fn remove_all(
        &mut self,
        now: Instant,
        aor: &str,
        call_id: &str,
        cseq: u32,
    ) -> Result<Vec<BindingView<F>>, RegisterError> {
        let before = self.aors.get(aor).map_or(&[][..], Vec::as_slice);
        if before.iter().any(|binding| binding.is_newer_than(call_id, cseq)) {
            return Err(RegisterError::OutOfOrder);
        }
        self.commit(now, aor, Vec::new(), Why::Removed);
        Ok(Vec::new())
    }

    /// The name or its password is no longer what its contacts were registered with.
    pub fn revoke(&mut self, now: Instant, aor: &str) {
        if self.aors.contains_key(aor) {
            self.commit(now, aor, Vec::new(), Why::Revoked);
        }
    }

    /// The contacts to call, the preferred first, then the oldest.
    pub fn bindings(&self, aor: &str) -> impl Iterator<Item = &Binding<F>> {
        let mut bindings: Vec<&Binding<F>> = self.aors.get(aor).into_iter().flatten().collect();
        bindings.sort_by_key(|binding| (std::cmp::Reverse(binding.q), binding.id));
        bindings.into_iter()
    }

    pub fn is_reachable(&self, aor: &str) -> bool {
        self.aors.get(aor).is_some_and(|bindings| can_be_called(bindings))
    }

    /// Whether the AOR has a contact over this very flow.
    pub fn has_flow(&self, aor: &str, flow: &F) -> bool {
        self.aors.get(aor).is_some_and(|bindings| bindings.iter().any(|binding| binding.flow == *flow))
    }

    /// Every AOR that has a contact, in order.
    pub fn aors(&self) -> impl Iterator<Item = &str> {
        self.aors.keys().map(AsRef::as_ref)
    }

    /// Bindings of all AORs together.
    pub fn len(&self) -> usize {
        self.bindings
    }

    pub fn is_empty(&self) -> bool {
        self.bindings == 0
    }

    /// The connection is closed: what was registered over it cannot be reached any more (RFC 5626 section 5.3 for the
    /// reason; a phone behind NAT takes no new connection).
    pub fn connection_lost(&mut self, now: Instant, flow: &F) {
        for (aor, id) in self.by_flow.get(flow).cloned().unwrap_or_default() {
            self.drop_binding(now, &aor, id, Why::ConnectionLost);
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..MOST_EXPIRED {
            match self.timers.pop(now) {
                Some((aor, id, Deadline::Expires)) => self.drop_binding(now, &aor, id, Why::Expired),
                Some((aor, id, Deadline::KeepAlive)) => self.ask_for_life(&aor, id),
                None => break,
            }
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at)
    }

    pub fn poll(&mut self) -> Option<RegistrarOutput<F>> {
        self.outputs.pop_front()
    }

    /// The bindings as they will be, or why the request is refused.
    fn planned(
        &self,
        now: Instant,
        before: &[Binding<F>],
        updates: Vec<ContactUpdate<F>>,
        call_id: &str,
        cseq: u32,
    ) -> Result<Vec<Binding<F>>, RegisterError> {
        if updates.len() > MAX_UPDATES {
            return Err(RegisterError::TooManyContacts);
        }
        if call_id.len() > MAX_CALL_ID {
            return Err(RegisterError::CallIdTooLong);
        }
        let lasting = |update: &&ContactUpdate<F>| update.expires_s != Some(0);
        if updates.iter().filter(lasting).count() > 1
            && updates.iter().filter(lasting).any(|update| update.reg_id.is_some())
        {
            return Err(RegisterError::SeveralFlows);
        }
        let call_id: Arc<str> = Arc::from(call_id);
        let mut after = before.to_vec();
        let mut next_id = self.next_id;
        for update in updates {
            if !update.uri.as_ref().is_sip() || update.uri.as_str().len() > MAX_CONTACT {
                return Err(RegisterError::BadContact);
            }
            if update.path.iter().map(String::len).sum::<usize>() > MAX_PATH {
                return Err(RegisterError::PathTooLong);
            }
            let expires_s = self.config.lifetime(update.expires_s)?;
            let known = after.iter().position(|binding| update.is_of(binding, expires_s == 0));
            if let Some(at) = known {
                // The order is that of requests: what this very request has set, a later contact of it may change.
                let is_of_before = before.iter().any(|binding| *binding == after[at]);
                if is_of_before && after[at].is_newer_than(&call_id, cseq) {
                    return Err(RegisterError::OutOfOrder);
                }
            }
            if expires_s == 0 {
                if let Some(at) = known {
                    after.remove(at);
                }
                continue;
            }
            let id = known.map_or_else(
                || {
                    next_id += 1;
                    BindingId(next_id)
                },
                |at| after[at].id,
            );
            let expires = now + Duration::from_secs(u64::from(self.spread(expires_s)));
            let binding = Binding::new(id, update, expires, (call_id.clone(), cseq), self.refreshes);
            match known {
                Some(at) => after[at] = binding,
                None => after.push(binding),
            }
        }
        Ok(after)
    }

    fn spread(&self, expires_s: u32) -> u32 {
        if self.bindings < MANY {
            return expires_s;
        }
        // Fibonacci hashing: each next number falls far from the last ones.
        let scattered = (self.refreshes.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32;
        (expires_s - scattered % (expires_s / 10 + 1)).max(self.config.min_expires_s)
    }

    /// Puts the new bindings of an AOR in place of the old ones and tells the difference.
    fn commit(&mut self, now: Instant, aor: &str, after: Vec<Binding<F>>, why: Why) {
        let (key, before) = self.aors.remove_entry(aor).unwrap_or_else(|| (Arc::from(aor), Vec::new()));
        let was_reachable = can_be_called(&before);
        for old in &before {
            self.unindex(&key, old);
            if !after.iter().any(|new| new.id == old.id) {
                self.outputs.push_back(RegistrarOutput::Unregistered {
                    aor: key.to_string(),
                    contact: old.contact.to_string(),
                    why,
                });
            }
        }
        for new in &after {
            self.next_id = self.next_id.max(new.id.0);
            self.index(now, &key, new);
            let is_news = before.iter().all(|old| old.id != new.id || old.flow != new.flow);
            if is_news {
                self.outputs.push_back(RegistrarOutput::Registered {
                    aor: key.to_string(),
                    contact: new.contact.to_string(),
                    expires_s: new.expires_in_s(now),
                    flow: new.flow.clone(),
                });
            }
        }
        self.bindings = self.bindings - before.len() + after.len();
        let reachable = can_be_called(&after);
        if reachable != was_reachable {
            self.outputs.push_back(RegistrarOutput::Reachable { aor: key.to_string(), reachable });
        }
        self.outputs.push_back(RegistrarOutput::Changed { aor: key.clone() });
        if !after.is_empty() {
            self.aors.insert(key, after);
        }
    }

    fn drop_binding(&mut self, now: Instant, aor: &str, id: BindingId, why: Why) {
        if let Some(bindings) = self.aors.get(aor) {
            let rest = bindings.iter().filter(|binding| binding.id != id).cloned().collect();
            self.commit(now, aor, rest, why);
        }
    }

    fn index(&mut self, now: Instant, aor: &Arc<str>, binding: &Binding<F>) {
        self.timers.set((aor.clone(), binding.id, Deadline::Expires), binding.expires);
        if binding.keep_alive && !self.config.keep_alive.is_zero() {
            self.timers.set((aor.clone(), binding.id, Deadline::KeepAlive), now + self.config.keep_alive);
        }
        self.by_flow.entry(binding.flow.clone()).or_default().insert((aor.clone(), binding.id));
    }

    fn unindex(&mut self, aor: &Arc<str>, binding: &Binding<F>) {
        for deadline in [Deadline::Expires, Deadline::KeepAlive] {
            self.timers.clear(&(aor.clone(), binding.id, deadline));
        }
        let key = (aor.clone(), binding.id);
        if let Some(of_flow) = self.by_flow.get_mut(&binding.flow) {
            of_flow.remove(&key);
            if of_flow.is_empty() {
                self.by_flow.remove(&binding.flow);
            }
        }
    }

    fn views(&self, now: Instant, aor: &str) -> Vec<BindingView<F>> {
        self.bindings(aor).map(|binding| binding.view(now)).collect()
    }
}

fn can_be_called<F>(bindings: &[Binding<F>]) -> bool {
    bindings.iter().any(|binding| !binding.silent)
}
