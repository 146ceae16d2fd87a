//! The registrar: where each address of record can be reached now (RFC 3261 section 10.3).
//!
//! An address of record (AOR) is the name that the caller of this module has proven the sender to own; a *binding* is one
//! contact of it, with the flow that its REGISTER came by. A flow is whatever the network side names a far end with; here
//! it is only kept and compared. This module must never know a password, a socket or a message.
//!
//! Pure: `now` is handed in. Drain [`Registrar::poll`] after each input.

mod binding;

#[cfg(test)]
mod tests;

pub use binding::{Binding, BindingView, Why};

use crate::sip::message::uri::Uri;
use crate::timers::Timers;
use binding::BindingId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest contact that is kept, in octets: a phone's is under 200, and each binding holds one.
const MAX_CONTACT: usize = 1_024;

/// Longest Call-ID that is kept, in octets; as above.
const MAX_CALL_ID: usize = 256;

/// Contacts in one REGISTER beyond which it is refused unread: more than any AOR may hold, with room for removals.
const MAX_UPDATES: usize = 64;

/// RFC 3261 10.3 step 7: a minimum above an hour may not be asked of a phone.
const LONGEST_MIN_EXPIRES: u32 = 3_600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarConfig {
    /// Shorter lifetimes are answered 423. An hour at most.
    pub min_expires_s: u32,
    /// Longer lifetimes are shortened to this.
    pub max_expires_s: u32,
    /// The lifetime of a contact that names none.
    pub default_expires_s: u32,
    pub max_contacts: usize,
    pub max_bindings: usize,
}

impl Default for RegistrarConfig {
    /// A minute at least, because each refresh costs work; an hour at most, because a phone that is gone is called
    /// in vain for as long. Ten devices are more than one person has.
    fn default() -> Self {
        Self {
            min_expires_s: 60,
            max_expires_s: 3_600,
            default_expires_s: 3_600,
            max_contacts: 10,
            max_bindings: 100_000,
        }
    }
}

/// One contact of a REGISTER.
#[derive(Clone, Debug)]
pub struct ContactUpdate<F> {
    pub uri: Uri,
    /// The contact's own `expires`, else the Expires header, else `None`. 0 removes.
    pub expires_s: Option<u32>,
    /// Preference in thousandths; `None` counts as 1000.
    pub q: Option<u16>,
    /// Where the REGISTER came from: requests to the contact go there.
    pub flow: F,
}

/// Why a REGISTER changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// A lifetime below the minimum.
    IntervalTooBrief { min_expires_s: u32 },
    /// Not newer than what the same Call-ID registered before (RFC 3261 10.3 step 7): a delayed or repeated request.
    OutOfOrder,
    /// Not a SIP address, or longer than is kept.
    BadContact,
    /// The Call-ID is longer than is kept.
    CallIdTooLong,
    /// The AOR would have more contacts than it may.
    TooManyContacts,
    /// The registrar holds all the bindings it may.
    Full,
}

impl RegisterError {
    /// The status owed.
    pub fn status(self) -> u16 {
        match self {
            Self::IntervalTooBrief { .. } => 423,
            Self::OutOfOrder => 500,
            Self::BadContact | Self::CallIdTooLong => 400,
            Self::TooManyContacts => 403,
            Self::Full => 503,
        }
    }

    /// The value of the Min-Expires header that a 423 carries.
    pub fn min_expires(self) -> Option<u32> {
        match self {
            Self::IntervalTooBrief { min_expires_s } => Some(min_expires_s),
            _ => None,
        }
    }
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IntervalTooBrief { min_expires_s } => {
                write!(f, "the lifetime is too short; register for {min_expires_s} s or more")
            }
            Self::OutOfOrder => f.write_str("a newer REGISTER of the same Call-ID was seen; raise the CSeq"),
            Self::BadContact => f.write_str("the contact is no SIP address or too long; register a sip: or sips: URI"),
            Self::CallIdTooLong => write!(f, "the Call-ID is too long; use at most {MAX_CALL_ID} octets"),
            Self::TooManyContacts => f.write_str("too many devices; unregister one, or wait until one expires"),
            Self::Full => f.write_str("no room for more registrations; try again later"),
        }
    }
}

impl std::error::Error for RegisterError {}

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
    /// The AOR has its first contact, or has lost its last.
    Reachable {
        aor: String,
        reachable: bool,
    },
}

#[derive(Clone, Debug)]
pub struct Registrar<F: Clone + Ord> {
    config: RegistrarConfig,
    aors: BTreeMap<Arc<str>, Vec<Binding<F>>>,
    by_flow: BTreeMap<F, BTreeSet<(Arc<str>, BindingId)>>,
    timers: Timers<(Arc<str>, BindingId)>,
    outputs: VecDeque<RegistrarOutput<F>>,
    bindings: usize,
    next_id: u64,
}

impl<F: Clone + Ord> Registrar<F> {
    pub fn new(config: RegistrarConfig) -> Self {
        Self {
            config: checked(config),
            aors: BTreeMap::new(),
            by_flow: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            bindings: 0,
            next_id: 0,
        }
    }

    /// New limits hold for the next REGISTER; what is bound stays bound until it expires.
    pub fn reconfigure(&mut self, config: RegistrarConfig) {
        self.config = checked(config);
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
        let before = self.aors.get(aor).map_or(&[][..], Vec::as_slice);
        let after = self.planned(now, before, updates, call_id, cseq)?;
        let elsewhere = self.bindings - before.len();
        if after.len() > before.len() && after.len() > self.config.max_contacts {
            return Err(RegisterError::TooManyContacts);
        }
        if after.len() > before.len() && elsewhere + after.len() > self.config.max_bindings {
            return Err(RegisterError::Full);
        }
        self.commit(now, aor, after, Why::Removed);
        Ok(self.views(now, aor))
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

    /// The contacts to call, the preferred first, then the oldest.
    pub fn bindings(&self, aor: &str) -> impl Iterator<Item = &Binding<F>> {
        let mut bindings: Vec<&Binding<F>> = self.aors.get(aor).into_iter().flatten().collect();
        bindings.sort_by_key(|binding| (std::cmp::Reverse(binding.q), binding.id));
        bindings.into_iter()
    }

    pub fn is_reachable(&self, aor: &str) -> bool {
        self.aors.contains_key(aor)
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
        while let Some((aor, id)) = self.timers.pop(now) {
            self.drop_binding(now, &aor, id, Why::Expired);
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
        let call_id: Arc<str> = Arc::from(call_id);
        let mut after = before.to_vec();
        let mut next_id = self.next_id;
        for update in updates {
            if !update.uri.as_ref().is_sip() || update.uri.as_str().len() > MAX_CONTACT {
                return Err(RegisterError::BadContact);
            }
            let expires_s = self.lifetime(update.expires_s)?;
            let known = after.iter().position(|binding| binding.contact.equivalent(&update.uri));
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
            let binding = Binding {
                id,
                contact: update.uri,
                flow: update.flow,
                q: update.q.unwrap_or(1_000).min(1_000),
                expires: now + Duration::from_secs(u64::from(expires_s)),
                call_id: call_id.clone(),
                cseq,
            };
            match known {
                Some(at) => after[at] = binding,
                None => after.push(binding),
            }
        }
        Ok(after)
    }

    /// RFC 3261 10.3 step 6 and the 423 of step 7.
    fn lifetime(&self, asked_s: Option<u32>) -> Result<u32, RegisterError> {
        match asked_s.unwrap_or(self.config.default_expires_s) {
            0 => Ok(0),
            brief if brief < self.config.min_expires_s => {
                Err(RegisterError::IntervalTooBrief { min_expires_s: self.config.min_expires_s })
            }
            lifetime => Ok(lifetime.min(self.config.max_expires_s)),
        }
    }

    /// Puts the new bindings of an AOR in place of the old ones and tells the difference.
    fn commit(&mut self, now: Instant, aor: &str, after: Vec<Binding<F>>, why: Why) {
        let (key, before) = self.aors.remove_entry(aor).unwrap_or_else(|| (Arc::from(aor), Vec::new()));
        let was_reachable = !before.is_empty();
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
            self.timers.set((key.clone(), new.id), new.expires);
            self.by_flow.entry(new.flow.clone()).or_default().insert((key.clone(), new.id));
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
        let reachable = !after.is_empty();
        if reachable != was_reachable {
            self.outputs.push_back(RegistrarOutput::Reachable { aor: key.to_string(), reachable });
        }
        if reachable {
            self.aors.insert(key, after);
        }
    }

    fn drop_binding(&mut self, now: Instant, aor: &str, id: BindingId, why: Why) {
        if let Some(bindings) = self.aors.get(aor) {
            let rest = bindings.iter().filter(|binding| binding.id != id).cloned().collect();
            self.commit(now, aor, rest, why);
        }
    }

    fn unindex(&mut self, aor: &Arc<str>, binding: &Binding<F>) {
        let key = (aor.clone(), binding.id);
        self.timers.clear(&key);
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

/// Limits that keep to the RFC and to each other, whatever was written.
fn checked(config: RegistrarConfig) -> RegistrarConfig {
    let min_expires_s = config.min_expires_s.clamp(1, LONGEST_MIN_EXPIRES);
    let max_expires_s = config.max_expires_s.max(min_expires_s);
    let default_expires_s = config.default_expires_s.clamp(min_expires_s, max_expires_s);
    RegistrarConfig { min_expires_s, max_expires_s, default_expires_s, ..config }
}
