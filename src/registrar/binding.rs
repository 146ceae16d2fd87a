//! One binding: a contact, how to reach it, until when.

use crate::sip::message::uri::Uri;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Grows by one for each new contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingId(pub(super) u64);

#[derive(Clone, Debug, PartialEq)]
pub struct Binding<F> {
    pub(super) id: BindingId,
    /// The Request-URI for requests to this device.
    pub contact: Uri,
    pub flow: F,
    /// Preference in thousandths.
    pub q: u16,
    pub expires: Instant,
    /// Of the REGISTER that set it last.
    pub(super) call_id: Arc<str>,
    pub(super) cseq: u32,
}

impl<F: Clone> Binding<F> {
    /// RFC 3261 10.3 step 7: of the same Call-ID only a higher CSeq may change it. Another Call-ID is a device that
    /// started anew.
    pub(super) fn is_newer_than(&self, call_id: &str, cseq: u32) -> bool {
        *self.call_id == *call_id && cseq <= self.cseq
    }

    /// Whole seconds left, rounded up: a phone that was given 60 s is told 60, not 59.
    pub fn expires_in_s(&self, now: Instant) -> u32 {
        let left = self.expires.saturating_duration_since(now) + Duration::from_nanos(999_999_999);
        left.as_secs().min(u64::from(u32::MAX)) as u32
    }

    pub fn view(&self, now: Instant) -> BindingView<F> {
        BindingView {
            contact: self.contact.to_string(),
            flow: self.flow.clone(),
            q: self.q,
            expires_s: self.expires_in_s(now),
        }
    }
}

/// A binding as the answer to a REGISTER and `agent show` tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingView<F> {
    pub contact: String,
    pub flow: F,
    pub q: u16,
    pub expires_s: u32,
}

/// Why a binding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The phone asked for it.
    Removed,
    Expired,
    ConnectionLost,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "unregistered",
            Self::Expired => "expired",
            Self::ConnectionLost => "connection lost",
        })
    }
}
