//! What call control is told. It sees calls, not transactions.

use super::subscribe::SubscriptionId;
use crate::sip::dialog::reason::Reason;
use crate::sip::message::Message;
use crate::sip::message::uri::Uri;
use crate::sip::peer::Peer;
use crate::sip::slots::Slot;
use crate::sip::transaction::ServerId;
use bytes::Bytes;

/// A message that broke the rules of SIP so that nothing could be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable {
    pub peer: Peer,
    /// What its sender was told, if anything.
    pub answered: Option<u16>,
    pub why: &'static str,
}

/// One INVITE and the dialog that grows from it, on either side. Names nothing once the call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageId(pub(crate) Slot);

/// A request of a peer that the app answers with [`Endpoint::respond`](super::Endpoint::respond).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerRequest(pub(crate) ServerId);

/// A request of ours outside any call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// Requests of ours that go on from one another ([`Endpoint::open_series`](super::Endpoint::open_series)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub(crate) u64);

/// Each usage ends with exactly one [`Rejected`](SipEvent::Rejected) or [`Ended`](SipEvent::Ended), unless the app ended
/// it with `hangup` or `reject`: from that command on no new event names it.
#[derive(Clone, Debug)]
pub enum SipEvent {
    /// A new call. It has passed validation, is no repetition and no copy by another path (8.2.2.2). `sdp` is empty when
    /// the caller wants our offer. Drain the events before [`poll_transmit`](super::Endpoint::poll_transmit): a call that
    /// is answered or refused before that never sees a 100.
    Invited {
        usage: UsageId,
        request: Message,
        peer: Peer,
        sdp: Option<Bytes>,
    },
    /// The next hop has our INVITE in hand (100).
    Trying {
        usage: UsageId,
    },
    /// The callee rings (180) or speaks early (183 with SDP).
    Progress {
        usage: UsageId,
        status: u16,
        sdp: Option<Bytes>,
    },
    /// The callee answered. Our ACK is already queued. Without `sdp` the session is as it was changed to before the answer.
    Answered {
        usage: UsageId,
        sdp: Option<Bytes>,
        response: Message,
    },
    /// The callee, or the way to it, refused. `local`: no answer came (408) or the transport failed (503).
    Rejected {
        usage: UsageId,
        status: u16,
        reason: String,
        /// What its Reason header says.
        why: Option<Reason>,
        /// Where a 3xx says to try, the best first (RFC 3261 8.1.3.4).
        contacts: Vec<Uri>,
        /// Seconds.
        retry_after: Option<u32>,
        local: bool,
    },
    /// The ACK for our 2xx arrived; with SDP when our 2xx carried the offer.
    Acked {
        usage: UsageId,
        sdp: Option<Bytes>,
    },
    /// The caller answered the offer that we made in a provisional response.
    EarlyAnswer {
        usage: UsageId,
        sdp: Option<Bytes>,
    },
    /// The peer wants to change the session by re-INVITE, UPDATE or PRACK, also before the call is answered, or (`sdp`
    /// empty) asks for our offer. Answer with `answer_reoffer`. A second one meanwhile is refused by the core.
    Reoffer {
        usage: UsageId,
        sdp: Option<Bytes>,
        message: Message,
    },
    /// The peer took its re-INVITE back (CANCEL); no answer is owed any more.
    ReofferWithdrawn {
        usage: UsageId,
    },
    /// The session is due for a refresh that the peer wants by re-INVITE: call [`Endpoint::refresh`](super::Endpoint::refresh)
    /// with a description of the session as it is.
    RefreshDue {
        usage: UsageId,
    },
    ReofferAnswered {
        usage: UsageId,
        sdp: Option<Bytes>,
    },
    /// Our re-INVITE was refused for good; the session stays as it was (RFC 3261 14.1).
    ReofferFailed {
        usage: UsageId,
        status: u16,
    },
    /// An INFO arrived in the call and was answered 200.
    Info {
        usage: UsageId,
        content_type: String,
        body: Bytes,
    },
    /// The peer asks us to call somebody else in its stead (RFC 3515). Owes one answer, by
    /// [`accept_refer`](super::Endpoint::accept_refer) or a refusal.
    Referred {
        usage: UsageId,
        id: ServerRequest,
        message: Message,
    },
    /// What the peer said to our REFER; 408 or 503 also when nothing came back.
    ReferAnswered {
        usage: UsageId,
        status: u16,
    },
    /// How our REFER goes on; `status` is that of the call that the peer makes for it, as far as it says. `over`: that is all.
    Notified {
        usage: UsageId,
        status: Option<u16>,
        over: bool,
    },
    /// A watcher wants to be told on, and is owed the whole state; or (`over`) nothing after one last word.
    Resubscribed {
        subscription: SubscriptionId,
        over: bool,
    },
    /// Nobody watches any more: it was not refreshed in time, or the subscriber refused or was lost.
    SubscriptionOver {
        subscription: SubscriptionId,
    },
    Ended {
        usage: UsageId,
        why: EndReason,
    },
    /// A request outside any call that no OPTIONS is (those are answered by the core), or one in a call that the core has
    /// no use for. Owes exactly one final answer.
    Request {
        id: ServerRequest,
        message: Message,
        peer: Peer,
    },
    /// The final answer to a request of ours outside any call. `message` is `None` for 408 (no answer) and 503
    /// (transport) that were made here.
    ResponseTo {
        id: RequestId,
        status: u16,
        message: Option<Message>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The peer hung up; `reason` is its Reason header (RFC 3326).
    Bye { reason: Option<String> },
    /// The caller gave up before our final answer, by CANCEL or because the time in its Expires was over.
    Cancelled { reason: Option<String> },
    /// Our 2xx was never acknowledged (13.3.1.4); a BYE was sent.
    AckTimeout,
    /// A provisional response of ours was never acknowledged (RFC 3262 3); the call was refused.
    PrackTimeout,
    /// A request of ours inside the call was never answered (12.2.1.2); a BYE was sent.
    Timeout,
    /// The session was not refreshed in time (RFC 4028); a BYE was sent.
    SessionExpired,
    /// The peer no longer knows the call (481).
    Unknown,
    /// The connection to the peer is gone.
    Transport,
}

/// Counts since the start, and what is alive now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointStats {
    pub transactions: usize,
    pub usages: usize,
    pub subscriptions: usize,
    /// Messages of ours that were sent again because of a timer or a repeated message of the peer.
    pub retransmissions: u64,
    /// Responses that match no transaction.
    pub stray_responses: u64,
    /// ACKs that match nothing; ordinary after a refusal without a transaction.
    pub stray_acks: u64,
    /// Messages so broken that no answer is possible or safe.
    pub unanswerable: u64,
    /// Requests refused before they reached the app: malformed, unsupported, unknown dialog, merged.
    pub refused: u64,
    /// New calls answered 503 because more came than a second may bring.
    pub shed: u64,
    /// New work answered 503 because a table was full.
    pub overloaded: u64,
    /// Requests inside dialogs dropped at the hard limit.
    pub dropped: u64,
    /// Commands that named a usage or request which had already ended.
    pub stale_commands: u64,
}
