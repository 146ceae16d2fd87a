//! Says what a bad message is owed. Apart from parsing, because a message that was refused there could not be answered.
//!
//! The order of the checks is that of RFC 3261: what makes the message unreadable (section 16.3 step 1, RFC 4475), then
//! Max-Forwards, then Require (8.2.2.3), then the body (8.2.3). Methods that are known but not served (405, 501) and
//! unknown users are the caller's to decide.

use super::fields::{FieldError, MediaType};
use super::scan::{ContentLength, Defects};
use super::text;
use super::uri::{Scheme, UriRef};
use super::view::View;
use super::{Contact, HeaderName, Method};
use smallvec::SmallVec;

/// What becomes of a request that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Answer(Rejection),
    /// No answer would arrive or is allowed: the top Via cannot be read, or it is an ACK. Count it and forget it.
    Drop(&'static str),
}

/// The response owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub status: u16,
    pub reason: &'static str,
    /// Headers that the response must carry, such as Unsupported in a 420.
    pub extra: SmallVec<[(HeaderName, String); 1]>,
}

impl Rejection {
    fn new(status: u16, reason: &'static str) -> Rejection {
        Rejection { status, reason, extra: SmallVec::new() }
    }

    fn with(mut self, name: HeaderName, value: impl Into<String>) -> Rejection {
        self.extra.push((name, value.into()));
        self
    }
}

/// A Request-URI longer than this is no number and no address. RFC 4475's longest is below 1 KiB.
const LONGEST_REQUEST_URI: usize = 4096;

/// Lines of Via and Record-Route together, all of which an answer has to repeat. Max-Forwards begins at 70, and a hop leaves
/// at most one of each.
const MOST_HOPS: usize = 140;

/// Headers that a request has once or not at all. A second one makes two readers see two messages.
const ONCE: [(HeaderName, &str); 8] = [
    (HeaderName::From, "More Than One From"),
    (HeaderName::To, "More Than One To"),
    (HeaderName::CallId, "More Than One Call-ID"),
    (HeaderName::CSeq, "More Than One CSeq"),
    (HeaderName::MaxForwards, "More Than One Max-Forwards"),
    (HeaderName::ContentType, "More Than One Content-Type"),
    (HeaderName::Expires, "More Than One Expires"),
    (HeaderName::Replaces, "More Than One Replaces"),
];

/// Checks a request. `supported` are the option tags that the product understands (Require).
pub fn validate_request<'m>(message: impl Into<View<'m>>, supported: &[&str]) -> Result<(), Refusal> {
    let message = message.into();
    if !message.is_request() {
        return Err(Refusal::Drop("not a request"));
    }
    if message.via().is_err() {
        return Err(Refusal::Drop("no Via to answer to"));
    }
    if message.count(HeaderName::Via) + message.count(HeaderName::RecordRoute) > MOST_HOPS {
        return Err(Refusal::Drop("more hops than any path has"));
    }
    let result = check_request(message, supported);
    match (result, message.method()) {
        (Ok(()), _) => Ok(()),
        // Section 17.1.1.3: an ACK is never answered.
        (Err(_), Some(Method::Ack)) => Err(Refusal::Drop("malformed ACK")),
        (Err(rejection), _) => Err(Refusal::Answer(rejection)),
    }
}

fn check_request(message: View<'_>, supported: &[&str]) -> Result<(), Rejection> {
    let bad = |reason| Err(Rejection::new(400, reason));
    let method = message.method().ok_or(Rejection::new(400, "Bad Method"))?;

    if !message.version().eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(Rejection::new(505, "Version Not Supported"));
    }
    check_defects(message.defects())?;
    check_length(message)?;

    for (name, reason) in ONCE {
        if message.count(name) > 1 {
            return bad(reason);
        }
    }
    check_vias(message)?;
    let from = message.from().map_err(|e| field(e, "Missing From", "Bad From"))?;
    let to = message.to().map_err(|e| field(e, "Missing To", "Bad To"))?;
    if !from.params.well_formed() || from.parse_uri().is_err() {
        return bad("Bad From");
    }
    if !to.params.well_formed() || to.parse_uri().is_err() {
        return bad("Bad To");
    }
    message.call_id().map_err(|e| field(e, "Missing Call-ID", "Bad Call-ID"))?;
    let cseq = message.cseq().map_err(|e| field(e, "Missing CSeq", "Bad CSeq"))?;
    if cseq.method != method {
        // A method that nobody here knows may have its own rules for CSeq (RFC 4475 section 3.1.2.18).
        if matches!(method, Method::Other(_)) {
            return Err(Rejection::new(501, "Not Implemented"));
        }
        return bad("CSeq Method Does Not Match");
    }
    check_request_uri(message.request_uri())?;
    check_addresses(message)?;
    check_scalars(message)?;

    // Owed by who would send it on (16.3), which here is a new call only: a request for this element is served (8.2 has
    // no such check), and a running call must not break over it.
    let goes_on = method == Method::Invite && to.tag().is_none();
    if let (true, Some(Ok(0))) = (goes_on, message.max_forwards()) {
        return Err(Rejection::new(483, "Too Many Hops"));
    }
    if !matches!(method, Method::Ack | Method::Cancel) {
        check_require(message, supported)?;
        check_body(message, &method)?;
    }
    Ok(())
}

fn field(error: FieldError, missing: &'static str, bad: &'static str) -> Rejection {
    let is_missing = error == FieldError::missing(error.header);
    Rejection::new(400, if is_missing { missing } else { bad })
}

fn check_defects(defects: Defects) -> Result<(), Rejection> {
    if defects.none() {
        return Ok(());
    }
    for (defect, status, reason) in [
        (Defects::TOO_MANY_HEADERS, 513, "Message Too Large"),
        (Defects::TOO_MANY_FOLDS, 513, "Message Too Large"),
        (Defects::START_LINE_BLANKS, 400, "Bad Request-Line"),
        (Defects::NO_EMPTY_LINE, 400, "Incomplete Message"),
        (Defects::BARE_CR, 400, "Bad Header Line"),
        (Defects::HEADER_LINE, 400, "Bad Header Line"),
    ] {
        if defects.has(defect) {
            return Err(Rejection::new(status, reason));
        }
    }
    Err(Rejection::new(400, "Bad Request"))
}

fn check_length(message: View<'_>) -> Result<(), Rejection> {
    match message.content_length() {
        ContentLength::Absent => Ok(()),
        ContentLength::Octets(octets) if octets as usize == message.body().len() => Ok(()),
        ContentLength::Octets(_) => Err(Rejection::new(400, "Body Shorter Than Content-Length")),
        ContentLength::Malformed => Err(Rejection::new(400, "Bad Content-Length")),
        ContentLength::Repeated => Err(Rejection::new(400, "More Than One Content-Length")),
    }
}

fn check_vias(message: View<'_>) -> Result<(), Rejection> {
    let bad = Rejection::new(400, "Bad Via");
    for via in message.vias() {
        let via = via.map_err(|_| bad.clone())?;
        if !via.params.well_formed() || via.version != "2.0" {
            return Err(bad);
        }
    }
    // The cookie promises a branch that names the transaction; with nothing after it, it names them all
    // (RFC 4475 section 3.2.1). No cookie is an RFC 2543 client and fine.
    match message.via() {
        Ok(via) if via.branch == Some(super::via::MAGIC_COOKIE) => Err(Rejection::new(400, "Bad Via Branch")),
        _ => Ok(()),
    }
}

fn check_request_uri(uri: &[u8]) -> Result<(), Rejection> {
    if uri.len() > LONGEST_REQUEST_URI {
        return Err(Rejection::new(414, "Request-URI Too Long"));
    }
    let uri = UriRef::parse(uri).map_err(|_| Rejection::new(400, "Bad Request-URI"))?;
    match uri.scheme() {
        Scheme::Other => Err(Rejection::new(416, "Unsupported URI Scheme")),
        // Section 19.1.1: headers have no place in a Request-URI (RFC 4475 section 3.1.2.11).
        Scheme::Sip | Scheme::Sips if uri.headers().is_some() => Err(Rejection::new(400, "Headers In Request-URI")),
        _ => Ok(()),
    }
}

/// Contact, Route and Record-Route are what the answer and the dialog depend on.
fn check_addresses(message: View<'_>) -> Result<(), Rejection> {
    let (mut stars, mut contacts) = (0, 0);
    for contact in message.contacts() {
        let bad = || Rejection::new(400, "Bad Contact");
        contacts += 1;
        match contact.map_err(|_| bad())? {
            Contact::Star => stars += 1,
            Contact::Address(address) if !address.params.well_formed() => return Err(bad()),
            // Whether the scheme is any use is decided by who has to send there.
            Contact::Address(address) => drop(address.parse_uri().map_err(|_| bad())?),
        }
    }
    // Section 10.2.2: a star stands alone, in a REGISTER.
    if stars > 0 && (contacts > 1 || message.method() != Some(Method::Register)) {
        return Err(Rejection::new(400, "Bad Contact"));
    }
    for (name, reason) in [(HeaderName::Route, "Bad Route"), (HeaderName::RecordRoute, "Bad Record-Route")] {
        for address in message.addresses(name) {
            let usable = address.is_ok_and(|a| a.parse_uri().is_ok());
            if !usable {
                return Err(Rejection::new(400, reason));
            }
        }
    }
    Ok(())
}

fn check_scalars(message: View<'_>) -> Result<(), Rejection> {
    if let Some(Err(_)) = message.max_forwards() {
        return Err(Rejection::new(400, "Bad Max-Forwards"));
    }
    // Nothing here reads the Date, but what starts something new should be right (RFC 4475 section 3.1.2.12). Inside a
    // dialog it is let be: a running call must not break over it.
    let starts_something = message.to().is_ok_and(|to| to.tag().is_none());
    if let Some(date) = message.text(HeaderName::Date)
        && starts_something
        && !super::date::is_sip_date(&date)
    {
        return Err(Rejection::new(400, "Bad Date"));
    }
    Ok(())
}

/// Octets of option names that a 420 gives back. Nobody requires a hundred extensions in earnest.
const LONGEST_UNSUPPORTED: usize = 1024;

fn check_require(message: View<'_>, supported: &[&str]) -> Result<(), Rejection> {
    let mut unknown = String::new();
    for option in message.list(HeaderName::Require) {
        if supported.iter().any(|known| option.eq_ignore_ascii_case(known.as_bytes())) {
            continue;
        }
        if !text::is_token(option) {
            return Err(Rejection::new(400, "Bad Require"));
        }
        if unknown.len() + option.len() > LONGEST_UNSUPPORTED && !unknown.is_empty() {
            break;
        }
        if !unknown.is_empty() {
            unknown.push_str(", ");
        }
        unknown.push_str(&String::from_utf8_lossy(option));
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Rejection::new(420, "Bad Extension").with(HeaderName::Unsupported, unknown))
}

/// What an offer or answer may be written in. Other methods have bodies of their own, which their reader checks.
fn check_body(message: View<'_>, method: &Method) -> Result<(), Rejection> {
    if !matches!(method, Method::Invite | Method::Update | Method::Prack) {
        return Ok(());
    }
    let unsupported = || Rejection::new(415, "Unsupported Media Type").with(HeaderName::Accept, "application/sdp");
    let optional = message.header(HeaderName::ContentDisposition).is_some_and(|value| {
        super::fields::split_params(value).1.value("handling").is_some_and(|h| h.eq_ignore_ascii_case(b"optional"))
    });
    if !message.body().is_empty() && !optional {
        match message.content_type() {
            Some(Ok(kind)) if kind.is("application", "sdp") || kind.kind.eq_ignore_ascii_case(b"multipart") => {}
            Some(Ok(_)) => return Err(unsupported()),
            Some(Err(_)) => return Err(Rejection::new(400, "Bad Content-Type")),
            // Section 20.15 wants it with any body.
            None => return Err(Rejection::new(400, "Missing Content-Type")),
        }
        if message.list(HeaderName::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            return Err(unsupported().with(HeaderName::AcceptEncoding, "identity"));
        }
    }
    // Section 20.1: without Accept an INVITE takes SDP back; with one that leaves SDP out there is nothing to say.
    let mut accepted = message.list(HeaderName::Accept).filter_map(|range| MediaType::parse(range).ok()).peekable();
    if accepted.peek().is_some() && !accepted.any(|range| range.accepts("application", "sdp")) {
        return Err(Rejection::new(406, "Not Acceptable"));
    }
    Ok(())
}

/// Checks a response. `Err` says why to forget it (section 18.1.2: what matches nothing or cannot be read is dropped).
pub fn validate_response<'m>(message: impl Into<View<'m>>) -> Result<(), &'static str> {
    let message = message.into();
    if message.is_request() {
        return Err("not a response");
    }
    if message.status() == 0 {
        return Err("no status from 100 to 699");
    }
    if !message.version().eq_ignore_ascii_case(b"SIP/2.0") {
        return Err("another version of SIP");
    }
    if message.defects().has(Defects::BARE_CR) || message.defects().has(Defects::NO_EMPTY_LINE) {
        return Err("malformed head");
    }
    check_length(message).map_err(|rejection| rejection.reason)?;
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        if message.count(name) != 1 {
            return Err("From, To, Call-ID or CSeq is missing or stands twice");
        }
    }
    if message.via().is_err() {
        return Err("no readable Via");
    }
    // Section 8.1.3.3: with more than one Via it was meant for a proxy.
    if message.list(HeaderName::Via).count() > 1 {
        return Err("more than one Via");
    }
    if message.from().is_err() || message.to().is_err() || message.call_id().is_err() || message.cseq().is_err() {
        return Err("From, To, Call-ID or CSeq cannot be read");
    }
    Ok(())
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
