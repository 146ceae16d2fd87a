//! Which session a message belongs to from end to end (Session-ID, RFC 7989): each end has a name, and whoever speaks of it
//! says its own and the other's. A call of two legs is one session, so each party is told the name of the other, and
//! not one of ours; that lets somebody who looks at the captures of three networks find one call in them.
//!
//! A party that does not speak of it is not told in return, but for our INVITE, when nobody knows yet.

use super::{Endpoint, UsageId};
use crate::sip::dialog::Tag;
use crate::sip::message::{HeaderName, Message};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;

const HEADER: &str = "Session-ID";

/// What one end of a session is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionUuid(u128);

impl SessionUuid {
    /// Of an end that gives none: made of its Call-ID (RFC 7989 4.2), in the form of a UUID of version 5.
    pub fn of_call(call_id: &[u8]) -> Self {
        let digest = Sha256::new_with_prefix(b"hotline session ").chain_update(call_id).finalize();
        let number = digest.iter().take(16).fold(0, |number, octet| number << 8 | u128::from(*octet));
        let (version, variant) = ((0xf << 76, 5 << 76), (3 << 62, 2 << 62));
        Self(number & !version.0 & !variant.0 | version.1 | variant.1)
    }

    fn of_sender(message: &Message) -> Option<Self> {
        message.header(HeaderName::SessionId).and_then(Self::read)
    }

    /// The sender's own. `None` also for the nil one, which says that it has none yet.
    fn read(value: &[u8]) -> Option<Self> {
        let own = std::str::from_utf8(value.split(|octet| *octet == b';').next()?).ok()?.trim();
        let written = own.len() == 32 && own.bytes().all(|octet| octet.is_ascii_hexdigit());
        u128::from_str_radix(own, 16).ok().filter(|number| written && *number != 0).map(Self)
    }

    /// The header of an INVITE by the end that has this name, as nobody knows the other's yet.
    pub fn header(self) -> (String, String) {
        (HEADER.into(), value(self, None))
    }
}

impl fmt::Display for SessionUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn value(ours: SessionUuid, theirs: Option<SessionUuid>) -> String {
    format!("{ours};remote={}", theirs.unwrap_or(SessionUuid(0)))
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    ours: SessionUuid,
    theirs: Option<SessionUuid>,
}

/// The ends of calls whose peers speak of sessions, or may do so yet, by our tag.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<Tag, Ends>);

impl Sessions {
    /// A call begins with this INVITE of the peer.
    pub fn begin(&mut self, tag: Tag, invite: &Message) {
        if let Some(theirs) = SessionUuid::of_sender(invite) {
            let call_id = invite.header(HeaderName::CallId).unwrap_or_default();
            self.0.insert(tag, Ends { ours: SessionUuid::of_call(call_id), theirs: Some(theirs) });
        }
    }

    /// A call begins with an INVITE of ours that has these headers.
    pub fn begin_ours(&mut self, tag: Tag, headers: &[(String, String)]) {
        let named = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(HEADER));
        if let Some(ours) = named.and_then(|(_, value)| SessionUuid::read(value.as_bytes())) {
            self.0.insert(tag, Ends { ours, theirs: None });
        }
    }

    /// What a message of the peer says.
    fn hear(&mut self, tag: &str, message: &Message) {
        if let Some(named) = SessionUuid::of_sender(message)
            && let Some(ends) = Tag::read(tag).and_then(|tag| self.0.get_mut(&tag))
        {
            ends.theirs = Some(named);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn end(&mut self, tag: Tag) {
        self.0.remove(&tag);
    }

    /// For a response to that request, which `tag` stands in as ours.
    pub fn of_response(&self, request: &Message, tag: Option<Tag>) -> Option<String> {
        let theirs = SessionUuid::of_sender(request)?;
        let said = || request.to().ok().and_then(|to| to.tag()).and_then(Tag::read);
        let ends = tag.or_else(said).and_then(|tag| self.0.get(&tag));
        let own = || request.header(HeaderName::CallId).map(SessionUuid::of_call);
        Some(value(ends.map(|ends| ends.ours).or_else(own)?, Some(theirs)))
    }

    /// For a request in the dialog in which this is the value of From.
    pub fn of_request(&self, from: &[u8]) -> Option<String> {
        let tag = from.get(from.len().checked_sub(16)?..).and_then(|tag| std::str::from_utf8(tag).ok())?;
        let ends = self.0.get(&Tag::read(tag)?)?;
        ends.theirs.map(|theirs| value(ends.ours, Some(theirs)))
    }
}

impl Endpoint {
    pub(super) fn hear_session(&mut self, message: &Message) {
        if message.header(HeaderName::SessionId).is_none() {
            return;
        }
        let ours = if message.is_request() { message.to() } else { message.from() };
        if let Some(tag) = ours.ok().and_then(|address| address.tag()) {
            self.composer.sessions.hear(tag, message);
        }
    }

    /// What the peer of this call is known by from end to end.
    pub fn session_of(&self, id: UsageId) -> Option<SessionUuid> {
        let usage = self.usages.get(id.0)?;
        let told = self.composer.sessions.0.get(&usage.tag).and_then(|ends| ends.theirs);
        told.or_else(|| Some(SessionUuid::of_call(self.dialog_name(id)?.call_id.as_bytes())))
    }

    /// The far end of this call is the one of that name from now on.
    pub fn join_session(&mut self, id: UsageId, with: SessionUuid) {
        if let Some(usage) = self.usages.get(id.0)
            && let Some(ends) = self.composer.sessions.0.get_mut(&usage.tag)
        {
            ends.ours = with;
        }
    }
}
