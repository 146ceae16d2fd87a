//! Writes what the endpoint says: which headers a message of ours carries, in which order.

use super::config::{EndpointConfig, OutgoingRequest};
use super::reliable::REL100;
use super::session_id::Sessions;
use crate::sip::dialog::session_timer::{Agreement, SessionTerms, SessionTimer};
use crate::sip::dialog::{Dialog, Tag};
use crate::sip::digest::Login;
use crate::sip::message::{Builder, HeaderName, Message, Method, is_sips, response_to};
use crate::sip::peer::{Advertised, Peer, Transport};
use crate::sip::transaction::{Branch, derived::MAX_FORWARDS};
use bytes::{Bytes, BytesMut};
use std::fmt::Write;
use std::net::IpAddr;

pub(super) const SDP: &str = "application/sdp";

pub(super) struct Composer {
    out: BytesMut,
    server: String,
    allow: String,
    supported: String,
    events: String,
    advertised: Advertised,
    listen_ports: Vec<(Transport, u16)>,
    pub sessions: Sessions,
}

/// What a response says beyond what its request dictates.
#[derive(Clone, Copy, Default)]
pub(super) struct Reply<'a> {
    pub status: u16,
    /// The usual phrase unless given.
    pub reason: Option<&'a str>,
    pub to_tag: Option<Tag>,
    /// The whole Contact value, in what forms or moves a dialog.
    pub contact: Option<&'a str>,
    /// Of a provisional response that its receiver acknowledges (RFC 3262).
    pub rseq: Option<u32>,
    /// A 503 says when to come back.
    pub retry_after_s: Option<u32>,
    /// What a 2xx to an INVITE or UPDATE agrees to (RFC 4028).
    pub session: Option<Agreement>,
    pub headers: &'a [(&'a str, &'a str)],
    /// Content type and bytes.
    pub body: Option<(&'a str, &'a [u8])>,
}

impl<'a> Reply<'a> {
    pub fn plain(status: u16) -> Self {
        Self { status, ..Self::default() }
    }
}

/// The parts of an INVITE that are the same each time it is sent.
pub(super) struct Invitation<'a> {
    pub peer: Peer,
    pub request_uri: &'a str,
    pub to: &'a str,
    pub from: &'a str,
    pub from_display: Option<&'a str>,
    pub tag: Tag,
    pub call_id: &'a str,
    pub contact: &'a str,
    pub headers: &'a [(String, String)],
    pub offer: &'a [u8],
    pub session: Option<SessionTerms>,
}

impl Composer {
    pub fn new(config: &EndpointConfig) -> Self {
        Self {
            out: BytesMut::new(),
            server: config.server.clone(),
            allow: config.allow.join(", "),
            supported: config.supported.join(", "),
            events: config.events.join(", "),
            advertised: config.advertised.clone(),
            listen_ports: config.listen_ports.clone(),
            sessions: Sessions::default(),
        }
    }

    pub fn set_allow(&mut self, allow: &[&str]) {
        self.allow = allow.join(", ");
    }

    /// Host and port under which peers reach us on this pair's transport.
    fn own_address(&self, peer: &Peer) -> (String, u16) {
        let local = peer.local;
        let host = match self.advertised.to(peer.remote.ip()).unwrap_or(local.ip()) {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let listening = self.listen_ports.iter().find(|(transport, _)| *transport == peer.transport);
        (host, listening.map_or(local.port(), |(_, port)| *port))
    }

    pub fn via(&self, peer: &Peer, branch: Branch) -> String {
        let (host, port) = self.own_address(peer);
        let transport = peer.transport.via_name();
        // rport asks for symmetric answers (RFC 3581); streams answer over themselves.
        let rport = if peer.reliable() { "" } else { ";rport" };
        format!("SIP/2.0/{transport} {host}:{port};branch={}{rport}", branch.text())
    }

    /// The whole Contact value. `user` as it stands in a URI; `sips` where the dialog has to stay secure (12.1.1).
    pub fn contact(&self, peer: &Peer, user: Option<&str>, sips: bool) -> Box<str> {
        let (host, port) = self.own_address(peer);
        let mut contact = String::with_capacity(48);
        contact.push_str(if sips { "<sips:" } else { "<sip:" });
        if let Some(user) = user.filter(|user| user.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"@".contains(&b))) {
            contact.push_str(user);
            contact.push('@');
        }
        // Writing into a String does not fail.
        let _ = write!(contact, "{host}:{port}");
        // A sips URI says TLS already (RFC 3261 26.2.2).
        let transport = peer.transport.uri_param().filter(|_| !(sips && peer.transport == Transport::Tls));
        if let Some(transport) = transport {
            let _ = write!(contact, ";transport={transport}");
        }
        contact.push('>');
        contact.into()
    }

    /// `Supported` is written where an option is there to be named (RFC 3261 20.37 wants it left out otherwise): with no
    /// option supported, as long as [`EndpointConfig::supported`] is empty, its absence is the truth.
    pub fn response(&mut self, request: &Message, source: &Peer, reply: Reply<'_>) -> Bytes {
        let reason = reply.reason.unwrap_or_else(|| phrase(reply.status));
        let tag = reply.to_tag.map(|tag| tag.to_string());
        let mut builder =
            response_to(&mut self.out, request, reply.status, reason, tag.as_deref(), Some(source.remote));
        if let Some(contact) = reply.contact {
            builder.header(HeaderName::Contact, contact);
        }
        if let Some(session) = self.sessions.of_response(request, reply.to_tag) {
            builder.header(HeaderName::SessionId, session);
        }
        if let Some(rseq) = reply.rseq {
            builder.header(HeaderName::Require, REL100).number(HeaderName::RSeq, rseq);
        }
        let success = (200..300).contains(&reply.status);
        // A caller that is to send UPDATE before the answer has to know that we take it (RFC 3311 5.1).
        let describes = reply.rseq.is_some()
            || success && matches!(request.method(), Method::Invite | Method::Options | Method::Update);
        if describes || reply.status == 405 {
            builder.header(HeaderName::Allow, &self.allow);
        }
        if describes && !self.supported.is_empty() {
            builder.header(HeaderName::Supported, &self.supported);
        }
        if success && *request.method() == Method::Options {
            builder.header(HeaderName::Accept, SDP).header(HeaderName::AllowEvents, &self.events);
        }
        if let Some(seconds) = reply.retry_after_s {
            builder.number(HeaderName::RetryAfter, seconds);
        }
        for (name, value) in reply.session.iter().flat_map(Agreement::headers) {
            builder.named(name, value);
        }
        for (name, value) in reply.headers {
            builder.named(name, value);
        }
        builder.header(HeaderName::Server, &self.server);
        if let Some((content_type, body)) = reply.body {
            builder.body(content_type, body);
        }
        builder.finish()
    }

    pub fn invite(&mut self, call: &Invitation<'_>, branch: Branch, cseq: u32, login: Option<&mut Login>) -> Bytes {
        let via = self.via(&call.peer, branch);
        let from = address(call.from, call.from_display);
        let request_uri = uri(call.request_uri);
        let mut builder = Builder::request(&mut self.out, &Method::Invite, &request_uri);
        builder.header(HeaderName::Via, via);
        forwards(&mut builder, call.headers);
        builder
            .formatted(HeaderName::From, format_args!("{from};tag={}", call.tag))
            .header(HeaderName::To, address(call.to, None))
            .header(HeaderName::CallId, call.call_id)
            .cseq(cseq, &Method::Invite)
            .header(HeaderName::Contact, call.contact)
            .header(HeaderName::Allow, &self.allow);
        if !self.supported.is_empty() {
            builder.header(HeaderName::Supported, &self.supported);
        }
        for (name, value) in call.session.iter().flat_map(SessionTerms::ask) {
            builder.named(name, value);
        }
        extra(&mut builder, call.headers);
        credentials(&mut builder, login, &Method::Invite, request_uri.as_bytes(), call.offer);
        builder.header(HeaderName::UserAgent, &self.server).body(SDP, call.offer).finish()
    }

    /// A request outside any dialog. Its tag, Call-ID and number are those of its series.
    pub fn request(
        &mut self,
        order: &OutgoingRequest,
        branch: Branch,
        (tag, call_id, cseq): (Tag, &str, u32),
        login: Option<&mut Login>,
    ) -> Bytes {
        let via = self.via(&order.peer, branch);
        let method = Method::from_bytes(order.method.as_bytes()).unwrap_or(Method::Options);
        let request_uri = uri(&order.request_uri);
        let contact = self.contact(&order.peer, None, is_sips(order.request_uri.as_bytes()));
        let mut builder = Builder::request(&mut self.out, &method, &request_uri);
        builder.header(HeaderName::Via, via);
        forwards(&mut builder, &order.headers);
        builder
            .formatted(HeaderName::From, format_args!("{};tag={tag}", address(&order.from, None)))
            .header(HeaderName::To, address(&order.to, None))
            .header(HeaderName::CallId, call_id)
            .cseq(cseq, &method);
        if !order.headers.iter().any(|(name, _)| HeaderName::from_bytes(name.as_bytes()) == HeaderName::Contact) {
            builder.header(HeaderName::Contact, &*contact);
        }
        builder.header(HeaderName::Allow, &self.allow);
        for (name, value) in &order.headers {
            // A REGISTER says itself which contact it binds.
            if HeaderName::from_bytes(name.as_bytes()) == HeaderName::Contact {
                builder.named(name, value);
            }
        }
        extra(&mut builder, &order.headers);
        let body = order.body.as_ref().map_or(&[][..], |(_, body)| body);
        credentials(&mut builder, login, &method, request_uri.as_bytes(), body);
        builder.header(HeaderName::UserAgent, &self.server);
        if let Some((content_type, body)) = &order.body {
            builder.body(content_type, body);
        }
        builder.finish()
    }

    /// A request in a dialog (12.2.1.1).
    pub fn in_dialog(&mut self, dialog: &Dialog, via: &str, method: &Method, cseq: u32, with: Within<'_>) -> Bytes {
        let path = dialog.routes.path();
        let mut builder = Builder::request(&mut self.out, method, path.request_uri);
        builder.header(HeaderName::Via, via).number(HeaderName::MaxForwards, MAX_FORWARDS);
        for route in path.routes() {
            builder.header(HeaderName::Route, route);
        }
        builder
            .header(HeaderName::From, &dialog.local)
            .header(HeaderName::To, &dialog.remote)
            .header(HeaderName::CallId, dialog.call_id.as_bytes())
            .cseq(cseq, method);
        if let Some(session) = self.sessions.of_request(&dialog.local) {
            builder.header(HeaderName::SessionId, session);
        }
        if *method == Method::Notify {
            builder.header(HeaderName::Contact, dialog.contact.as_bytes()); // RFC 6665 4.2.2
        }
        if matches!(method, Method::Invite | Method::Update) {
            builder.header(HeaderName::Contact, dialog.contact.as_bytes()).header(HeaderName::Allow, &self.allow);
            if !self.supported.is_empty() {
                builder.header(HeaderName::Supported, &self.supported);
            }
        }
        for (name, value) in with.session.iter().flat_map(SessionTimer::ask) {
            builder.named(name, value);
        }
        if let Some(rack) = with.rack {
            builder.header(HeaderName::RAck, rack);
        }
        if let Some(invite) = with.credentials_of {
            builder.raw_copy(invite, HeaderName::Authorization).raw_copy(invite, HeaderName::ProxyAuthorization);
        }
        for (name, value) in with.headers {
            builder.named(name, value);
        }
        let body = with.body.map_or(&[][..], |(_, body)| body);
        credentials(&mut builder, with.login, method, path.request_uri, body);
        if let Some(reason) = with.reason {
            builder.header(HeaderName::Reason, reason);
        }
        builder.header(HeaderName::UserAgent, &self.server);
        if let Some((content_type, body)) = with.body {
            builder.body(content_type, body);
        }
        builder.finish()
    }
}

/// What a request in a dialog carries beyond what the dialog dictates.
#[derive(Default)]
pub(super) struct Within<'a> {
    /// An ACK repeats the credentials of its INVITE (22.1).
    pub credentials_of: Option<&'a Message>,
    pub login: Option<&'a mut Login>,
    /// A whole Reason value.
    pub reason: Option<&'a str>,
    /// A whole RAck value, in a PRACK.
    pub rack: Option<&'a str>,
    /// In an INVITE or UPDATE: the session timer to go on with (RFC 4028).
    pub session: Option<SessionTimer>,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Option<(&'a str, &'a [u8])>,
}

/// `Reason` of RFC 3326; without a text when that is empty.
pub(super) fn reason_value((protocol, cause, text): (&str, u16, &str)) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
    match text.is_empty() {
        true => format!("{protocol};cause={cause}"),
        false => format!("{protocol};cause={cause};text=\"{text}\""),
    }
}

/// Headers that the core writes itself; an app that names one would only contradict it.
fn is_own(name: HeaderName) -> bool {
    use HeaderName::*;
    matches!(
        name,
        Via | From
            | To
            | CallId
            | CSeq
            | Contact
            | ContentLength
            | ContentType
            | Allow
            | Supported
            | SessionExpires
            | MinSe
            | MaxForwards
            | UserAgent
            | Authorization
            | ProxyAuthorization
    )
}

fn extra(builder: &mut Builder<'_>, headers: &[(String, String)]) {
    for (name, value) in headers {
        if !is_own(HeaderName::from_bytes(name.as_bytes())) {
            builder.named(name, value);
        }
    }
}

/// Max-Forwards: a call that goes through us goes on counting, so that loops end.
fn forwards(builder: &mut Builder<'_>, headers: &[(String, String)]) {
    let given = headers.iter().find(|(name, _)| HeaderName::from_bytes(name.as_bytes()) == HeaderName::MaxForwards);
    let hops = given.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(MAX_FORWARDS);
    builder.number(HeaderName::MaxForwards, hops.min(MAX_FORWARDS));
}

fn credentials(builder: &mut Builder<'_>, login: Option<&mut Login>, method: &Method, uri: &[u8], body: &[u8]) {
    for (name, value) in login.into_iter().flat_map(|login| login.headers(method.as_str(), uri, body)) {
        builder.header(name, value);
    }
}

/// A URI without anything that could end it.
fn uri(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>' | '"' | ' ')).collect()
}

fn address(uri_text: &str, display: Option<&str>) -> String {
    match display {
        Some(name) if !name.is_empty() => {
            let mut quoted = String::with_capacity(name.len() + 2);
            for c in name.chars().filter(|c| !c.is_control()) {
                if matches!(c, '"' | '\\') {
                    quoted.push('\\');
                }
                quoted.push(c);
            }
            format!("\"{quoted}\" <{}>", uri(uri_text))
        }
        _ => format!("<{}>", uri(uri_text)),
    }
}

/// The phrases of RFC 3261 21 and the RFCs that added codes.
pub fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => match status / 100 {
            1 => "Progress",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failed",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
