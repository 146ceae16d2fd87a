//! What an [`Endpoint`](super::Endpoint) is told once, and the orders that call control gives it.

use crate::sip::dialog::session_timer::SessionTerms;
use crate::sip::digest::Credentials;
use crate::sip::peer::{Advertised, Peer, Transport};
use crate::sip::transaction::TimerSet;
use bytes::Bytes;
use std::fmt;

#[derive(Clone)]
pub struct EndpointConfig {
    /// `Server` of our answers and `User-Agent` of our requests.
    pub server: String,
    /// Seeds tags, branches, Call-IDs and back-offs. Secret and new at each start in production, fixed in a replay.
    pub seed: [u8; 32],
    pub timers: TimerSet,
    /// Methods that calls and the app can handle; anything else is answered 405.
    pub allow: Vec<&'static str>,
    /// Option tags for `Supported`. Only what this core or the app really does; a `Require` of anything else is answered 420.
    pub supported: Vec<&'static str>,
    /// Which provisional responses of ours the caller has to acknowledge. Unless never, `100rel` is supported.
    pub reliable: ReliableProvisional,
    /// Event packages for `Allow-Events`: what the app tells its watchers, and `refer`.
    pub events: Vec<&'static str>,
    /// Calls agree on session timers (RFC 4028), and `timer` is supported. Absent: no call of ours is refreshed.
    pub session: Option<SessionTerms>,
    /// New work is answered 503 from here on. A call leaves about four behind for 32 seconds. Requests inside dialogs are let through up to twice as many.
    pub max_transactions: usize,
    pub max_usages: usize,
    /// More watchers than that get 503.
    pub max_subscriptions: usize,
    /// The host to write into Via and Contact, where it is not [`Peer::local`].
    pub advertised: Advertised,
    /// The port at which each stream transport listens: a connection that we opened leaves from another one, and peers
    /// must not be told that (RFC 3261 18.1.1). Absent: the port of [`Peer::local`].
    pub listen_ports: Vec<(Transport, u16)>,
}

/// Without the seed: whoever knows it knows every tag and branch to come.
impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConfig")
            .field("server", &self.server)
            .field("timers", &self.timers)
            .field("allow", &self.allow)
            .field("supported", &self.supported)
            .field("reliable", &self.reliable)
            .field("events", &self.events)
            .field("session", &self.session)
            .field("max_transactions", &self.max_transactions)
            .field("max_usages", &self.max_usages)
            .field("max_subscriptions", &self.max_subscriptions)
            .field("advertised", &self.advertised)
            .field("listen_ports", &self.listen_ports)
            .finish_non_exhaustive()
    }
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            server: concat!("hotline/", env!("CARGO_PKG_VERSION")).into(),
            seed: [0; 32],
            timers: TimerSet::default(),
            allow: [
                "INVITE",
                "ACK",
                "CANCEL",
                "BYE",
                "OPTIONS",
                "INFO",
                "UPDATE",
                "PRACK",
                "REGISTER",
                "REFER",
                "NOTIFY",
                "SUBSCRIBE",
            ]
            .into(),
            supported: Vec::new(),
            reliable: ReliableProvisional::default(),
            events: vec!["dialog", "message-summary", "reg", "refer"],
            session: None,
            max_transactions: 131_072,
            max_usages: 16_384,
            max_subscriptions: 8_192,
            advertised: Advertised::default(),
            listen_ports: Vec::new(),
        }
    }
}

/// Which provisional responses are sent reliably (RFC 3262): always those to a caller that requires it, and where it only
/// supports it ..
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReliableProvisional {
    /// None at all: 100rel is not supported, and a caller that requires it is refused with 420.
    Never,
    /// .. those with SDP.
    #[default]
    Wanted,
    /// .. each.
    Always,
}

/// An INVITE to send. Addresses are URIs without angle brackets; `headers` must not name what the core writes itself
/// (Via, From, To, Call-ID, CSeq, Contact, Content-*, Allow, Supported, Session-Expires, Min-SE): such entries are left out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub peer: Peer,
    pub request_uri: String,
    pub to: String,
    pub from: String,
    pub from_display: Option<String>,
    /// Ours to choose unless given. Must be new for each call.
    pub call_id: Option<String>,
    pub headers: Vec<(String, String)>,
    /// The SDP offer. The core never sends an INVITE without one.
    pub offer: Bytes,
    /// With these the core answers challenges, up to four in a row (a proxy's, then the callee's, each with a nonce that may
    /// be stale); without, a 401 or 407 is a rejection.
    pub credentials: Option<Credentials>,
}

/// A request outside any call: OPTIONS to a trunk, REGISTER to a carrier.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    pub peer: Peer,
    pub method: &'static str,
    pub request_uri: String,
    pub to: String,
    pub from: String,
    pub headers: Vec<(String, String)>,
    /// Content type and bytes.
    pub body: Option<(String, Bytes)>,
    pub credentials: Option<Credentials>,
}

/// No room for new work; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Another offer and answer of this call is still open (RFC 3261 14.1), or the call is not up; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;
