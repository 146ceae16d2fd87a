//! By what a message finds its transaction: RFC 3261 17.1.3 and 17.2.3.

use crate::sip::message::{HeaderName, HostRef, Message, Method};
use std::fmt::Write;
use std::sync::Arc;

/// What every branch of RFC 3261 begins with (8.1.1.7).
const MAGIC_COOKIE: &str = "z9hG4bK";

/// A branch of ours: 64 random bits, so that nobody who has not seen the request can answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Branch(pub u64);

impl Branch {
    pub fn text(self) -> String {
        let mut text = String::with_capacity(23);
        let _ = write!(text, "{MAGIC_COOKIE}{:016x}", self.0);
        text
    }

    pub fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(MAGIC_COOKIE)?;
        if digits.len() != 16 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u64::from_str_radix(digits, 16).ok().map(Self)
    }
}

/// Which of the transactions of one branch is meant: a CANCEL has the branch of what it cancels (9.1), and an ACK for a
/// refusal that of its INVITE (17.1.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Invite,
    Cancel,
    Other,
}

impl Class {
    pub fn of(method: &Method) -> Self {
        match method {
            Method::Invite | Method::Ack => Class::Invite,
            Method::Cancel => Class::Cancel,
            _ => Class::Other,
        }
    }
}

/// The bytes by which a request of a peer and its repetitions are one transaction.
pub type ServerKey = Arc<[u8]>;

/// The key of `request` seen as a request of method `method`: its own for a repetition, INVITE for an ACK or CANCEL that
/// looks for its INVITE. `None` when the headers that make the key cannot be read.
pub fn server_key(request: &Message, method: &Method) -> Option<ServerKey> {
    let via = request.via().ok()?;
    let mut key = Vec::with_capacity(96);
    if via.has_rfc3261_branch() {
        key.push(b'3');
        key.extend_from_slice(via.branch.unwrap_or_default().as_bytes());
        key.push(0);
        match via.sent_by_host {
            HostRef::Name(name) => key.extend(name.bytes().map(|b| b.to_ascii_lowercase())),
            HostRef::V4(address) => key.extend_from_slice(&address.octets()),
            HostRef::V6(address) => key.extend_from_slice(&address.octets()),
        }
        key.extend_from_slice(&via.port.unwrap_or(0).to_be_bytes());
    } else {
        // Any other branch is no proof of identity: the fields that make a repetition (17.2.3), save the To tag, which
        // an ACK has and its INVITE has not.
        key.push(b'2');
        let from_tag = request.from().ok()?.tag().unwrap_or_default();
        for part in
            [request.request_uri(), from_tag.as_bytes(), call_id(request)?, request.list(HeaderName::Via).next()?]
        {
            key.extend_from_slice(part);
            key.push(0);
        }
        key.extend_from_slice(&request.cseq().ok()?.number.to_be_bytes());
    }
    key.push(0);
    key.extend_from_slice(method.as_str().as_bytes());
    Some(key.into())
}

/// What a request shares with a copy of itself that came by another path (8.2.2.2).
pub fn merge_key(request: &Message) -> Option<ServerKey> {
    let cseq = request.cseq().ok()?;
    let from_tag = request.from().ok()?.tag().unwrap_or_default();
    let mut key = Vec::with_capacity(96);
    for part in [from_tag.as_bytes(), call_id(request)?, cseq.method.as_str().as_bytes()] {
        key.extend_from_slice(part);
        key.push(0);
    }
    key.extend_from_slice(&cseq.number.to_be_bytes());
    Some(key.into())
}

fn call_id(request: &Message) -> Option<&[u8]> {
    request.header(HeaderName::CallId)
}
