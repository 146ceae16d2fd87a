//! What an INVITE usage is doing: one state, with the data that only this state needs.

use super::config::Outgoing;
use super::refer::Referring;
use super::reliable::{Acknowledges, Reliable};
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
    pub exchange: Exchange,
    pub offering: Offering,
    pub reliable: Reliable,
    /// The app has answered with this SDP; the 2xx waits until nothing can overtake it (RFC 3262 3).
    pub accepted: Option<Bytes>,
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
    /// Of its last reliable provisional response.
    pub rseq: Option<u32>,
    pub exchange: Exchange,
    pub offering: Offering,
    /// Its SDP, once a provisional response brought any, until an UPDATE makes it old.
    pub answer: Option<Bytes>,
    /// It takes UPDATE.
    pub updates: bool,
}

/// How far offer and answer have come before the final answer to an INVITE (RFC 3264, RFC 3262 5, RFC 6337 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// The INVITE's offer has had no answer that is known to arrive.
    Offered,
    /// The INVITE had none: the callee's first reliable response owes it.
    Owed,
    /// The callee's offer is in a reliable provisional response; the answer is due in its PRACK.
    OfferedBack,
    /// Complete: from here on UPDATE or PRACK change the session, and the 2xx says nothing of it.
    Agreed,
}

impl Exchange {
    /// Whether the callee's next reliable response may carry SDP.
    pub fn is_open(self) -> bool {
        matches!(self, Exchange::Offered | Exchange::Owed)
    }

    /// After a reliable response with SDP.
    pub fn described(self) -> Self {
        match self {
            Exchange::Owed => Exchange::OfferedBack,
            Exchange::Offered | Exchange::OfferedBack | Exchange::Agreed => Exchange::Agreed,
        }
    }
}

#[derive(Debug)]
pub(super) struct Cancelling {
    pub tx: ClientId,
    /// The CANCEL waits for a provisional response (9.1) until it was sent.
    pub sent: bool,
    pub reason: Option<String>,
    pub login: Option<Login>,
    pub forks: Vec<Fork>,
}

#[derive(Debug)]
pub(super) struct Up {
    pub dialog: Dialog,
    /// Early dialogs of phones that did not answer first.
    pub others: Vec<Fork>,
    pub owed_ack: Option<OwedAck>,
    pub offering: Offering,
    /// Our offer that met theirs and waits for its next try (14.1).
    pub postponed: Option<Postponed>,
    /// Our reliable provisional response that the 2xx overtook; its PRACK may still come (RFC 3262 3).
    pub unacknowledged: Option<Acknowledges>,
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
    pub by: OfferBy,
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
    Prack,
}

impl Offering {
    pub fn is_idle(&self) -> bool {
        matches!(self, Offering::Idle)
    }

    pub fn is_ours(&self, tx: ClientId) -> bool {
        matches!(self, Offering::Ours(ours) if ours.tx == tx)
    }

    /// Ends our own offer if it is the one that `tx` carries.
    pub fn take_ours(&mut self, tx: ClientId) -> Option<Ours> {
        match std::mem::replace(self, Offering::Idle) {
            Offering::Ours(ours) if ours.tx == tx => Some(ours),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Ends the peer's offer if it waits for an answer, in `tx` if that is given.
    pub fn take_theirs(&mut self, tx: Option<ServerId>) -> Option<Theirs> {
        match *self {
            Offering::Theirs(theirs) if tx.is_none_or(|tx| tx == theirs.tx) => {
                *self = Offering::Idle;
                Some(theirs)
            }
            _ => None,
        }
    }
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
    /// Our reliable provisional response is repeated.
    RepeatProgress,
    /// Its PRACK is given up, 64*T1 after it was first sent (RFC 3262 3).
    PrackOverdue,
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
    pub const ALL: [Deadline; 10] = [
        Deadline::RepeatAnswer,
        Deadline::AckOverdue,
        Deadline::RepeatProgress,
        Deadline::PrackOverdue,
        Deadline::TellAgain,
        Deadline::Expired,
        Deadline::OfferAgain,
        Deadline::OfferOverdue,
        Deadline::Refresh,
        Deadline::SessionOver,
    ];
}

impl Up {
    pub fn new(dialog: Dialog, login: Option<Login>, updates: bool) -> Self {
        Self {
            dialog,
            others: Vec::new(),
            owed_ack: None,
            offering: Offering::Idle,
            postponed: None,
            unacknowledged: None,
            login,
            session: None,
            updates,
            referring: None,
        }
    }

    /// No change of the session is under way on either side.
    pub fn is_free(&self) -> bool {
        self.offering.is_idle() && self.owed_ack.is_none() && self.postponed.is_none()
    }
}

/// A dialog in which the session may change.
pub(super) struct Talk<'a> {
    pub dialog: &'a mut Dialog,
    pub offering: &'a mut Offering,
    /// Of a fork: what it described in a provisional response.
    pub answer: Option<&'a mut Option<Bytes>>,
}

impl Talk<'_> {
    /// The session is no longer what provisional responses said.
    pub fn outdate(&mut self) {
        if let Some(answer) = &mut self.answer {
            **answer = None;
        }
    }
}

impl Phase {
    /// The dialog of which `is` holds.
    pub fn talk(&mut self, is: impl Fn(&Talk<'_>) -> bool) -> Option<Talk<'_>> {
        match self {
            Phase::Ringing(ringing) => {
                Some(Talk { dialog: &mut ringing.dialog, offering: &mut ringing.offering, answer: None })
            }
            Phase::Calling(calling) => calling
                .forks
                .iter_mut()
                .map(|f| Talk { dialog: &mut f.dialog, offering: &mut f.offering, answer: Some(&mut f.answer) })
                .find(|talk| is(talk)),
            Phase::Up(up) => Some(Talk { dialog: &mut up.dialog, offering: &mut up.offering, answer: None }),
            Phase::Cancelling(_) | Phase::Leaving(_) | Phase::Over => None,
        }
        .filter(|talk| is(talk))
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
