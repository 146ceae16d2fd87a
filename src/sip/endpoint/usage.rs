//! What an INVITE usage is doing: one state, with the data that only this state needs.

use super::config::Outgoing;
use super::refer::Referring;
use super::subscribe::SubscriptionId;
use crate::sip::dialog::session_timer::{Agreement, SessionTerms, SessionTimer};
use crate::sip::dialog::{Dialog, Tag};
use crate::sip::digest::Login;
use crate::sip::peer::Transmit;
use crate::sip::transaction::{ClientId, ServerId};
use bytes::Bytes;
use smallvec::SmallVec;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Usage {
    /// Our tag, the same in every dialog of this usage.
    pub tag: Tag,
    pub phase: Phase,
    /// What REFERs in the dialog began, in their order.
    pub subscriptions: SmallVec<[SubscriptionId; 1]>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// A caller waits for our final answer.
    Ringing(Box<Ringing>),
    /// We wait for a callee's.
    Calling(Box<Calling>),
    /// We gave up waiting: the INVITE must come to an end.
    Cancelling(Box<Cancelling>),
    /// The dialog is confirmed.
    Up(Box<Up>),
    /// We hung up: the BYE must come to an end.
    Leaving(Box<Leaving>),
    /// Nothing is left to do; the usage is forgotten.
    Over,
}

#[derive(Debug)]
pub(super) struct Ringing {
    pub tx: ServerId,
    pub dialog: Dialog,
    /// The INVITE brought an offer, so our 2xx carries the answer.
    pub offered: bool,
    pub session: Option<Agreement>,
    /// The caller takes UPDATE.
    pub updates: bool,
    /// What the caller was last told, to be told again each minute (13.3.1.1).
    pub shown: Option<(u16, Option<Bytes>)>,
}

#[derive(Debug)]
pub(super) struct Calling {
    pub tx: ClientId,
    pub order: Outgoing,
    pub session: Option<SessionTerms>,
    pub call_id: String,
    pub contact: Box<str>,
    pub cseq: u32,
    pub login: Option<Login>,
    /// A provisional response came, so a CANCEL may be sent (9.1).
    pub provisional: bool,
    pub forks: SmallVec<[Fork; 1]>,
}

/// An early dialog: one of the phones that an INVITE reached.
#[derive(Debug)]
pub(super) struct Fork {
    pub dialog: Dialog,
    /// It said BYE before its answer reached us.
    pub gone: bool,
}

#[derive(Debug)]
pub(super) struct Cancelling {
    pub tx: ClientId,
    /// The CANCEL waits for a provisional response (9.1) until it was sent.
    pub sent: bool,
    pub reason: Option<String>,
    pub login: Option<Login>,
}

#[derive(Debug)]
pub(super) struct Up {
    pub dialog: Dialog,
    pub owed_ack: Option<OwedAck>,
    pub offering: Offering,
    /// Our offer that met theirs and waits for its next try (14.1).
    pub postponed: Option<Postponed>,
    pub login: Option<Login>,
    pub session: Option<SessionTimer>,
    /// The peer takes UPDATE.
    pub updates: bool,
    /// We asked the peer to call somebody else, and that has not come to an end.
    pub referring: Option<Referring>,
}

/// Our 2xx is repeated until its ACK comes (13.3.1.4).
#[derive(Debug)]
pub(super) struct OwedAck {
    pub cseq: u32,
    pub ok: Transmit,
    pub pause: Duration,
    /// The 2xx carried our offer, so the ACK carries the answer.
    pub offered: bool,
}

/// Which side's change of the session is under way. Never two (14.1, RFC 3311 5.1).
#[derive(Debug)]
pub(super) enum Offering {
    Idle,
    /// The peer's; the app owes the answer.
    Theirs(Theirs),
    Ours(Ours),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Theirs {
    pub tx: ServerId,
    pub by: OfferBy,
    /// It brought SDP; otherwise it asks for ours.
    pub offered: bool,
    /// What our 2xx agrees to.
    pub session: Option<Agreement>,
}

#[derive(Debug)]
pub(super) struct Ours {
    pub tx: ClientId,
    pub offer: Bytes,
    /// Counts from 1.
    pub attempt: u8,
    /// It took too long and was cancelled.
    pub cancelled: bool,
    /// It only refreshes the session, so the peer's own offer, if they meet, does as well.
    pub refresh: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfferBy {
    Invite,
    Update,
}

#[derive(Debug)]
pub(super) struct Postponed {
    pub offer: Bytes,
    pub attempt: u8,
}

#[derive(Debug)]
pub(super) struct Leaving {
    pub dialog: Dialog,
    pub login: Option<Login>,
    pub reason: Option<String>,
    pub bye: Bye,
}

#[derive(Debug)]
pub(super) enum Bye {
    /// Not allowed before the ACK for our 2xx came or was given up (15).
    AwaitsAck(OwedAck),
    Sent,
}

/// What may expire in a usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// Our 2xx is repeated.
    RepeatAnswer,
    /// Its ACK is given up, 64*T1 after it was first sent.
    AckOverdue,
    /// The caller is told again that we are still at it.
    TellAgain,
    /// The caller's Expires: it waits no longer (13.3.1).
    Expired,
    /// Our postponed offer is tried again.
    OfferAgain,
    /// Our re-INVITE has no final answer for too long.
    OfferOverdue,
    /// It is on us to refresh the session (RFC 4028 10).
    Refresh,
    /// Nobody refreshed the session in time (RFC 4028 10).
    SessionOver,
}

impl Deadline {
    pub const ALL: [Deadline; 8] = [
        Deadline::RepeatAnswer,
        Deadline::AckOverdue,
        Deadline::TellAgain,
        Deadline::Expired,
        Deadline::OfferAgain,
        Deadline::OfferOverdue,
        Deadline::Refresh,
        Deadline::SessionOver,
    ];
}

impl Up {
    pub fn new(dialog: Dialog, owed_ack: Option<OwedAck>, login: Option<Login>, updates: bool) -> Self {
        Self {
            dialog,
            owed_ack,
            offering: Offering::Idle,
            postponed: None,
            login,
            session: None,
            updates,
            referring: None,
        }
    }

    /// No change of the session is under way on either side.
    pub fn is_free(&self) -> bool {
        matches!(self.offering, Offering::Idle) && self.owed_ack.is_none() && self.postponed.is_none()
    }

    /// Ends our own offer if it is the one that `tx` carries.
    pub fn take_ours(&mut self, tx: ClientId) -> Option<Ours> {
        match std::mem::replace(&mut self.offering, Offering::Idle) {
            Offering::Ours(ours) if ours.tx == tx => Some(ours),
            other => {
                self.offering = other;
                None
            }
        }
    }

    /// Ends the peer's offer if it waits for an answer, in `tx` if that is given.
    pub fn take_theirs(&mut self, tx: Option<ServerId>) -> Option<Theirs> {
        match self.offering {
            Offering::Theirs(theirs) if tx.is_none_or(|tx| tx == theirs.tx) => {
                self.offering = Offering::Idle;
                Some(theirs)
            }
            _ => None,
        }
    }
}

impl Usage {
    /// The dialog of a call that is or was up.
    pub fn dialog(&self) -> Option<&Dialog> {
        match &self.phase {
            Phase::Up(up) => Some(&up.dialog),
            Phase::Leaving(leaving) => Some(&leaving.dialog),
            _ => None,
        }
    }

    pub fn session(&self) -> Option<SessionTimer> {
        match &self.phase {
            Phase::Up(up) => up.session,
            _ => None,
        }
    }

    /// The dialog that a request of the peer with our tag belongs to.
    pub fn dialog_of(&mut self, request: &crate::sip::message::Message) -> Option<&mut Dialog> {
        match &mut self.phase {
            Phase::Ringing(ringing) => Some(&mut ringing.dialog),
            Phase::Calling(calling) => calling.forks.iter_mut().map(|fork| &mut fork.dialog).find(|d| d.owns(request)),
            Phase::Up(up) => Some(&mut up.dialog),
            Phase::Leaving(leaving) => Some(&mut leaving.dialog),
            Phase::Cancelling(_) | Phase::Over => None,
        }
        .filter(|dialog| dialog.owns(request))
    }
}
