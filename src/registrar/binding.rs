//! One binding: a contact, how to reach it, until when.

use crate::sip::message::uri::Uri;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Grows by one for each new contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingId(pub(super) u64);

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
    /// `+sip.instance`: the device behind the contact, whatever its address (RFC 5626 4.1).
    pub instance: Option<Arc<str>>,
    /// Which of the instance's flows it is, where the request is of RFC 5626. Means nothing without an instance.
    pub reg_id: Option<u32>,
    /// Route values for requests to the contact (RFC 3327).
    pub path: Arc<[String]>,
    /// The flow needs signs of life, or a NAT on it forgets the way back.
    pub keep_alive: bool,
}

impl<F> ContactUpdate<F> {
    /// A contact that says nothing but its address.
    pub fn new(uri: Uri, flow: F) -> Self {
        let path = Arc::from([]);
        Self { uri, expires_s: None, q: None, flow, instance: None, reg_id: None, path, keep_alive: false }
    }

    /// RFC 5626 6: a flow of an instance is known by both their names, any other contact by its URI. Whoever takes a
    /// contact away may leave out the names.
    pub(super) fn is_of(&self, binding: &Binding<F>, removes: bool) -> bool {
        match (&self.instance, self.reg_id) {
            (Some(_), Some(_)) => self.reg_id == binding.reg_id && self.instance == binding.instance,
            _ => (removes || binding.reg_id.is_none()) && binding.contact.equivalent(&self.uri),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Binding<F> {
    pub(super) id: BindingId,
    /// The Request-URI for requests to this device.
    pub contact: Uri,
    pub flow: F,
    /// Preference in thousandths.
    pub q: u16,
    pub expires: Instant,
    pub instance: Option<Arc<str>>,
    pub reg_id: Option<u32>,
    /// Route values, the first hop first.
    pub path: Arc<[String]>,
    /// Asked for signs of life.
    pub keep_alive: bool,
    /// The last question for a sign of life had no answer: not called until there is one.
    pub(super) silent: bool,
    /// Grows with each REGISTER; of several ways to a device the one that was proven last is tried first.
    pub(super) refreshed: u64,
    /// Of the REGISTER that set it last.
    pub call_id: Arc<str>,
    pub cseq: u32,
}

/// A binding as it outlives the process.
#[derive(Clone, Debug)]
pub struct Kept<F> {
    pub update: ContactUpdate<F>,
    /// Of its lifetime.
    pub left: Duration,
    pub call_id: Arc<str>,
    pub cseq: u32,
}

impl<F: Clone> Binding<F> {
    pub(super) fn new(
        id: BindingId,
        update: ContactUpdate<F>,
        expires: Instant,
        (call_id, cseq): (Arc<str>, u32),
        refreshed: u64,
    ) -> Self {
        Self {
            id,
            contact: update.uri,
            flow: update.flow,
            q: update.q.unwrap_or(1_000).min(1_000),
            expires,
            reg_id: update.reg_id.filter(|_| update.instance.is_some()),
            instance: update.instance,
            path: update.path,
            keep_alive: update.keep_alive,
            silent: false,
            refreshed,
            call_id,
            cseq,
        }
    }

    /// RFC 3261 10.3 step 7: of the same Call-ID only a higher CSeq may change it. Another Call-ID is a device that
    /// started anew.
    pub(super) fn is_newer_than(&self, call_id: &str, cseq: u32) -> bool {
        *self.call_id == *call_id && cseq <= self.cseq
    }

    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whole seconds left, rounded up: a phone that was given 60 s is told 60, not 59.
    pub fn expires_in_s(&self, now: Instant) -> u32 {
        let left = self.expires.saturating_duration_since(now) + Duration::from_nanos(999_999_999);
        left.as_secs().min(u64::from(u32::MAX)) as u32
    }

    pub fn view(&self, now: Instant) -> BindingView<F> {
        BindingView {
            contact: self.contact.clone(),
            flow: self.flow.clone(),
            q: self.q,
            expires_s: self.expires_in_s(now),
            instance: self.instance.clone(),
            reg_id: self.reg_id,
        }
    }
}

/// A binding as the answer to a REGISTER and `agent show` tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingView<F> {
    pub contact: Uri,
    pub flow: F,
    pub q: u16,
    pub expires_s: u32,
    pub instance: Option<Arc<str>>,
    pub reg_id: Option<u32>,
}

/// Why a binding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The phone asked for it.
    Removed,
    Expired,
    ConnectionLost,
    /// Whoever registered it has no right to it any more.
    Revoked,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "unregistered",
            Self::Expired => "expired",
            Self::ConnectionLost => "connection lost",
            Self::Revoked => "password changed",
        })
    }
}
