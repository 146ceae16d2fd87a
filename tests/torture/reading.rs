//! What the message layer reads in each message, and what it owes for it.

use super::*;
use bytes::Bytes;
use hotline::sip::message::frame::{Frame, Framer};
use hotline::sip::message::*;
use sha2::{Digest, Sha256};

const SUPPORTED: &[&str] = &["100rel", "replaces", "timer"];

#[test]
fn the_rfc_4475_fixtures_are_the_rfcs_own_bytes() {
    for (name, digest, _) in RFC_4475 {
        let found = Sha256::digest(fixture("rfc4475", name));
        let hex: String = found.iter().take(8).map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, digest, "{name}");
    }
}

#[test]
fn every_rfc_4475_message_gets_the_rfcs_reaction() {
    for (name, _, reaction) in RFC_4475 {
        expect(name, &fixture("rfc4475", name), reaction);
    }
}

#[test]
fn every_rfc_5118_message_gets_the_rfcs_reaction() {
    for (name, reaction) in RFC_5118 {
        expect(name, &fixture("rfc5118", name), reaction);
    }
}

/// The names of `baddn` are what is refused; cut short before its empty line, it is refused for that.
#[test]
fn baddn_is_refused_for_its_names_and_without_its_empty_line_for_that() {
    let whole = fixture("rfc4475", "baddn");
    let message = Message::parse(whole.clone()).unwrap();
    assert!(message.defects().none() && message.from().is_err() && message.to().is_err());
    assert_eq!(reaction_to(&message), "400 Bad From");
    let cut = Message::parse(whole.slice(..whole.len() - 2)).unwrap();
    assert_eq!(reaction_to(&cut), "400 Incomplete Message");
}

/// Each refusal can in fact be sent: it is a sound response that the sender can match.
#[test]
fn every_refusal_can_be_answered_and_the_answer_is_sound() {
    let mut out = bytes::BytesMut::new();
    for (name, _, reaction) in RFC_4475 {
        let Owed(status) = reaction else { continue };
        let request = Message::parse(fixture("rfc4475", name)).unwrap();
        let source = "203.0.113.9:7000".parse().ok();
        let answer = response_to(&mut out, &request, status, "No", Some("tag"), source).finish();
        let answer = Message::parse(answer).unwrap();
        assert_eq!(answer.status(), status, "{name}");
        assert!(answer.defects().none(), "{name}");
        assert_eq!(answer.via().unwrap().branch, request.via().unwrap().branch, "{name}");
        for header in [HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
            assert_eq!(answer.text(header), request.text(header), "{name} {header}");
        }
    }
}

/// On a stream each message comes out as it went in, whatever the cuts, unless its length cannot be known.
#[test]
fn on_a_stream_each_message_is_one_frame_or_an_error() {
    for (name, ..) in RFC_4475 {
        let raw = fixture("rfc4475", name);
        let whole = stream_frames(&raw, raw.len());
        for piece in [1, 2, 7, 64] {
            assert_eq!(stream_frames(&raw, piece), whole, "{name} in pieces of {piece}");
        }
        // The second message in dblreq is longer than it says, so that its last octets begin no message.
        let fault = match name {
            "ncl" | "mcl01" => Some(frame::FrameFault::ContentLength),
            "dblreq" => Some(frame::FrameFault::NotSip),
            _ => None,
        };
        let found = whole.iter().find_map(|frame| frame.as_ref().err()).map(|error| error.fault);
        assert_eq!(found, fault, "{name}");
        // It says that its body is longer than it is, so that a stream waits for more.
        let waits = name == "clerr";
        let messages = whole.iter().filter(|frame| matches!(frame, Ok(Frame::Message(_)))).count();
        assert_eq!(messages, if name == "dblreq" { 2 } else { usize::from(fault.is_none() && !waits) }, "{name}");
    }
}

fn stream_frames(raw: &[u8], piece: usize) -> Vec<Result<Frame, frame::FrameError>> {
    let mut framer = Framer::default();
    let mut frames = Vec::new();
    for chunk in raw.chunks(piece) {
        framer.push(chunk);
        frames.extend(std::iter::from_fn(|| framer.next()));
    }
    frames
}

fn expect(name: &str, raw: &Bytes, reaction: Reaction) {
    let message = Message::parse(raw.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let got = reaction_to(&message);
    match reaction {
        Accept(check) => {
            assert_eq!(got, "accept", "{name}");
            check(&message);
        }
        Owed(status) => assert!(got.starts_with(&format!("{status} ")), "{name} is owed {status}, got {got}"),
        Drop => assert!(got.starts_with("drop"), "{name} is to be dropped, got {got}"),
    }
}

fn reaction_to(message: &Message) -> String {
    if !message.is_request() {
        return validate_response(message).map_or_else(|why| format!("drop: {why}"), |()| "accept".into());
    }
    match validate_request(message, SUPPORTED) {
        Ok(()) => "accept".into(),
        Err(Refusal::Answer(rejection)) => format!("{} {}", rejection.status, rejection.reason),
        Err(Refusal::Drop(why)) => format!("drop: {why}"),
    }
}

fn uri_of(bytes: &[u8]) -> UriRef<'_> {
    UriRef::parse(bytes).unwrap()
}

pub fn wsinv(message: &Message) {
    assert_eq!(message.method(), &Method::Invite);
    assert_eq!(uri_of(message.request_uri()).param("unknownparam"), Some(""));
    assert_eq!(message.to().unwrap().tag(), Some("1918181833n"));
    let from = message.from().unwrap();
    assert_eq!(from.display_name().unwrap().as_ref(), b"J Rosenberg \\\"");
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(message.max_forwards(), Some(Ok(68)));
    assert_eq!(message.cseq().unwrap(), CSeq { number: 9, method: Method::Invite });
    let vias: Vec<_> = message.vias().map(|via| via.unwrap()).collect();
    assert_eq!(
        vias.iter().map(|via| via.branch.unwrap()).collect::<Vec<_>>(),
        ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    );
    assert_eq!(vias[1].sent_by_host.to_string(), "spindle.example.com");
    assert_eq!(message.header(HeaderName::Subject), Some(&b""[..]));
    assert!(message.header_named("NewFangledHeader").unwrap().ends_with(b"continued newfangled value"));
    assert_eq!(message.addresses(HeaderName::Route).count(), 1);
    let contact = message.contact().unwrap();
    assert_eq!(contact.display_name().unwrap().as_ref(), b"Quoted string \"\"");
    assert_eq!((contact.q(), contact.params.value("newparam")), (Some(330), Some(&b"newvalue"[..])));
    assert_eq!(message.body().len(), 150);
}

pub fn intmeth(message: &Message) {
    let name = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(message.method(), &Method::Other(name.into()));
    let uri = uri_of(message.request_uri());
    assert_eq!(uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(uri.host(), Some(HostRef::Name("example.com")));
    assert_eq!(message.via().unwrap().branch, Some("z9hG4bK-.!%66*_+`'~"));
    assert_eq!(message.to().unwrap().display_name().unwrap().as_ref(), b"BEL:\x07 NUL:\0 DEL:\x7f");
    assert_eq!(message.from().unwrap().tag(), Some("_token~1'+`*%!-."));
    assert_eq!(message.call_id(), Ok("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"));
    assert_eq!(message.header_named("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電".as_bytes()));
}

pub fn esc01(message: &Message) {
    let uri = uri_of(message.request_uri());
    assert_eq!(uri.user_decoded().as_deref(), Some("sips:user@example.com"));
    assert_eq!(uri.host(), Some(HostRef::Name("example.net")));
    let to = message.to().unwrap();
    assert!(uri_of(to.uri).equivalent(&uri_of(b"sip:user@example.com")));
    let contact = message.contact().unwrap();
    assert!(uri_of(contact.uri).equivalent(&uri_of(b"sip:caller@host5.example.net;lr;name=value%2541")));
}

pub fn escnull(message: &Message) {
    assert_eq!(message.to().unwrap().parse_uri().unwrap().user_decoded().as_deref(), Some("null-\0-null"));
    let users: Vec<_> = message
        .addresses(HeaderName::Contact)
        .map(|contact| contact.unwrap().parse_uri().unwrap().user_decoded().unwrap().into_owned())
        .collect();
    assert_eq!(users, ["\0", "\0\0"]);
}

pub fn esc02(message: &Message) {
    assert_eq!(message.method(), &Method::Other("RE%47IST%45R".into()));
    assert_eq!(message.to().unwrap().display_name().unwrap().as_ref(), b"%Z%45");
    assert_eq!(message.contacts().count(), 2);
    assert_eq!(message.via().unwrap().branch, Some("z9hG4bK209%fzsnel234"));
}

pub fn lwsdisp(message: &Message) {
    let from = message.from().unwrap();
    assert_eq!(
        (from.display, from.uri, from.tag()),
        (Some(&b"caller"[..]), &b"sip:caller@example.com"[..], Some("323"))
    );
}

pub fn longreq(message: &Message) {
    assert_eq!(message.vias().filter(Result::is_ok).count(), 34);
    assert_eq!(message.to().unwrap().parse_uri().unwrap().port(), Some(6000));
    assert_eq!(message.from().unwrap().tag().map(str::len), Some(155));
    assert_eq!(message.body().len(), 150);
}

pub fn dblreq(message: &Message) {
    assert_eq!((message.method(), message.body().len()), (&Method::Register, 0));
    assert!(message.raw().ends_with(b"Content-Length: 0\r\n\r\n"), "what follows the REGISTER is noise");
}

pub fn semiuri(message: &Message) {
    let uri = uri_of(message.request_uri());
    assert_eq!(uri.user(), Some("user;par=u%40example.net"));
    assert_eq!((uri.host(), uri.user_param("par")), (Some(HostRef::Name("example.com")), Some("u%40example.net")));
    assert_eq!(message.list(HeaderName::Accept).count(), 6);
}

pub fn transports(message: &Message) {
    let transports: Vec<_> = message.vias().map(|via| via.unwrap().transport).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

pub fn mpart01(message: &Message) {
    assert_eq!(message.body().len(), 553);
    assert!(message.body().contains(&0));
    assert_eq!(message.part("text", "plain"), Some(&b"Hello"[..]));
    assert_eq!(message.part("application", "octet-stream").map(<[u8]>::len), Some(342));
    assert_eq!(message.via().unwrap().rport, Rport::Asked);
}

pub fn unreason(message: &Message) {
    assert_eq!(message.status(), 200);
    assert_eq!(message.reason(), "= 2**3 * 5**2 но сто девяносто девять - простое".as_bytes());
}

pub fn noreason(message: &Message) {
    assert_eq!((message.status(), message.reason()), (100, &b""[..]));
}

pub fn unksm2(message: &Message) {
    assert_eq!(message.to().unwrap().parse_uri().unwrap().scheme_text(), "isbn");
    assert_eq!(message.contact().unwrap().parse_uri().unwrap().scheme(), Scheme::Other);
}

pub fn regaut01(message: &Message) {
    let auth = message.authorization().unwrap();
    assert!(!auth.is_digest() && auth.scheme == "NoOneKnowsThisScheme");
}

pub fn cparam01(message: &Message) {
    let contact = message.contact().unwrap();
    assert!(contact.params.has("unknownparam") && !contact.uri.ends_with(b"unknownparam"));
}

pub fn cparam02(message: &Message) {
    let contact = message.contact().unwrap();
    assert!(!contact.params.has("unknownparam"));
    assert_eq!(contact.parse_uri().unwrap().param("unknownparam"), Some(""));
}

pub fn regescrt(message: &Message) {
    let contact = message.contact().unwrap();
    assert_eq!(contact.parse_uri().unwrap().header("Route").unwrap().as_ref(), b"<sip:sip.example.com>");
}

pub fn inv2543(message: &Message) {
    assert_eq!((message.via().unwrap().branch, message.from().unwrap().tag()), (None, None));
    assert_eq!(message.max_forwards(), None);
    assert!(message.body().starts_with(b"v=0") && message.body().ends_with(b"RTP/AVP 0\r\n"));
    assert_eq!(message.to().unwrap().uri, b"sip:+16505552222@ss1.example.net");
}

fn v6(text: &str) -> Option<HostRef<'static>> {
    Some(HostRef::V6(text.parse().unwrap()))
}

pub fn ipv6_good(message: &Message) {
    assert_eq!(uri_of(message.request_uri()).host(), v6("2001:db8::10"));
    assert_eq!(Some(message.via().unwrap().sent_by_host), v6("2001:db8::9:1"));
    assert_eq!(message.contact().unwrap().parse_uri().unwrap().host(), v6("2001:db8::1"));
}

pub fn port_ambiguous(message: &Message) {
    let uri = uri_of(message.request_uri());
    assert_eq!((uri.host(), uri.port()), (v6("2001:db8::10:5070"), None));
}

pub fn port_unambiguous(message: &Message) {
    let uri = uri_of(message.request_uri());
    assert_eq!((uri.host(), uri.port()), (v6("2001:db8::10"), Some(5070)));
}

pub fn received_ipv6(message: &Message) {
    assert_eq!(message.via().unwrap().received, "2001:db8::9:255".parse().ok());
}

pub fn mult_ip_in_header(message: &Message) {
    let vias: Vec<_> = message.vias().map(|via| via.unwrap()).collect();
    assert_eq!((Some(vias[0].sent_by_host), vias[0].port), (v6("2001:db8::9:1"), Some(6050)));
    assert_eq!(vias[1].sent_by_host.ip(), "192.0.2.1".parse().ok());
    assert_eq!(vias[2].received, "192.0.2.200".parse().ok());
}

pub fn ipv4_mapped(message: &Message) {
    let via = message.via().unwrap();
    assert_eq!((Some(via.sent_by_host), via.port), (v6("::ffff:192.0.2.10"), Some(19823)));
}

pub fn colons(message: &Message) {
    assert_eq!(uri_of(message.request_uri()).host(), v6("2001:db8::192.0.2.1"));
    assert_eq!(message.to().unwrap().parse_uri().unwrap().host(), v6("2001:db8::192.0.2.1"));
}
