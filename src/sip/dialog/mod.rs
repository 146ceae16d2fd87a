//! Dialogs: what two sides remember of each other so that either can send the next request (RFC 3261 section 12).
//!
//! A dialog holds names, numbers and the way to the peer. What may be done in it, and when, is the usage's business.

pub mod body;
pub mod reason;
pub mod route;
pub mod session_timer;

use crate::sip::message::{HeaderName, Message};
use crate::sip::peer::Peer;
use route::RouteSet;
use std::fmt;

/// Our side of a dialog's name: 64 random bits, so that nobody who has not seen a message of the dialog can speak in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

impl Tag {
    pub fn read(text: &str) -> Option<Self> {
        let ours = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        ours.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: Box<str>,
    /// The value of From in our requests, our tag included.
    pub local: Box<[u8]>,
    /// The value of To in our requests, the peer's tag included.
    pub remote: Box<[u8]>,
    /// Empty for a peer that has none (RFC 2543).
    remote_tag: Box<str>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    pub routes: RouteSet,
    /// Where the dialog's messages come from and, where the route set does not say better, go to.
    pub peer: Peer,
    /// The Contact that we gave.
    pub contact: Box<str>,
    /// We chose the Call-ID: decides who waits longer when both offer at once (14.1).
    pub ours: bool,
}

/// Why a request does not fit into its dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder;

impl Dialog {
    /// The callee's side, from an INVITE that has no To tag yet (12.1.1). `None` without a usable Contact, which only a
    /// client of RFC 2543 may leave out.
    pub fn of_callee(invite: &Message, tag: Tag, peer: Peer, contact: Box<str>) -> Option<Self> {
        let target = route::target_of(invite).or_else(|| route::target_of_old_client(invite))?;
        let mut local = unfolded(invite, HeaderName::To)?;
        local.extend_from_slice(format!(";tag={tag}").as_bytes());
        Some(Self {
            call_id: invite.call_id().ok()?.into(),
            local: local.into(),
            remote: unfolded(invite, HeaderName::From)?.into(),
            remote_tag: invite.from().ok()?.tag().unwrap_or_default().into(),
            local_cseq: 0,
            remote_cseq: Some(invite.cseq().ok()?.number),
            routes: RouteSet::of_callee(invite, target),
            peer,
            contact,
            ours: false,
        })
    }

    /// The caller's side, from its INVITE and a response with a To tag (12.1.2). A response without a Contact, which only
    /// a provisional one may be, leaves the target where the INVITE went.
    pub fn of_caller(invite: &Message, response: &Message, peer: Peer) -> Option<Self> {
        let target = route::target_of(response).unwrap_or_else(|| invite.request_uri().into());
        Some(Self {
            call_id: invite.call_id().ok()?.into(),
            local: unfolded(invite, HeaderName::From)?.into(),
            remote: unfolded(response, HeaderName::To)?.into(),
            remote_tag: response.to().ok()?.tag().unwrap_or_default().into(),
            local_cseq: invite.cseq().ok()?.number,
            remote_cseq: None,
            routes: RouteSet::of_caller(response, target),
            peer,
            contact: String::from_utf8_lossy(invite.header(HeaderName::Contact).unwrap_or_default()).into(),
            ours: true,
        })
    }

    /// Takes over what an early dialog with the same peer has counted.
    pub fn continue_from(&mut self, early: Dialog) {
        self.local_cseq = self.local_cseq.max(early.local_cseq);
        self.remote_cseq = early.remote_cseq;
    }

    /// Whether a request of the peer belongs here; its To tag has been matched already.
    pub fn owns(&self, request: &Message) -> bool {
        request.call_id().is_ok_and(|id| *id == *self.call_id)
            && request.from().is_ok_and(|from| from.tag().unwrap_or_default() == &*self.remote_tag)
    }

    /// The peer speaks from here now. What was said in secret is not said aloud for it.
    pub fn follow(&mut self, peer: Peer) {
        if peer.transport.secure() || !self.peer.transport.secure() {
            self.peer = peer;
        }
    }

    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// The number for our next request.
    pub fn next_cseq(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// What was sent in the early dialog is forgotten: goes on beyond all that it can have been. A BYE with too low a number
    /// would leave a phone in a call with nobody.
    pub fn skip_ahead(&mut self) {
        self.local_cseq += 1000;
    }

    /// Takes the number of a new request of the peer. Gaps are legal; what is lower than the last is out of order
    /// (12.2.2). So is a second INVITE of the same number: it can only be a straggler.
    pub fn take_cseq(&mut self, number: u32, is_invite: bool) -> Result<(), OutOfOrder> {
        match self.remote_cseq {
            Some(last) if number < last || (number == last && is_invite) => Err(OutOfOrder),
            _ => {
                self.remote_cseq = Some(number);
                Ok(())
            }
        }
    }

    /// A re-INVITE or UPDATE, or the 2xx to ours, may move the peer (12.2).
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(target) = route::target_of(message) {
            self.routes.target = target;
        }
    }

    /// Where the next request goes.
    pub fn next_hop(&self) -> Peer {
        self.routes.next_hop(self.peer)
    }
}

fn unfolded(message: &Message, name: HeaderName) -> Option<Vec<u8>> {
    message.text(name).map(|value| value.into_owned())
}

#[cfg(test)]
mod tests;
