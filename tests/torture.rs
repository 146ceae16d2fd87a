//! RFC 4475 and RFC 5118: each message, byte for byte, and what the RFC says to do with it.
//!
//! `Accept` means that the message layer has no objection; a method that is known to nobody or an unknown user is then
//! refused by the layers above (405, 501, 404), which test that themselves.

mod sim;

use bytes::Bytes;
use hotline::sip::message::frame::{Frame, Framer};
use hotline::sip::message::*;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

enum Reaction {
    Accept(fn(&Message)),
    /// The status owed.
    Owed(u16),
    Drop,
}
use Reaction::{Accept, Drop, Owed};

/// Name, first 16 hexadecimal digits of the SHA-256 of the file in RFC 4475's archive, and the reaction.
const RFC_4475: [(&str, &str, Reaction); 49] = [
    // 3.1.1 valid messages
    ("wsinv", "d6f6cdee99cd0a1f", Accept(wsinv)),
    ("intmeth", "b957a8292c1c0a98", Accept(intmeth)),
    ("esc01", "be3a316d4ce5f69c", Accept(esc01)),
    ("escnull", "263fe2ecd12a5ccb", Accept(escnull)),
    ("esc02", "9a9c59449f00327b", Accept(esc02)),
    ("lwsdisp", "d1b36b6316c12824", Accept(lwsdisp)),
    ("longreq", "185739292bc67676", Accept(longreq)),
    ("dblreq", "a6be48426565c2a7", Accept(dblreq)),
    ("semiuri", "87bbaed6b4b354db", Accept(semiuri)),
    ("transports", "33b4553a3b941812", Accept(transports)),
    ("mpart01", "92147c8e24997bac", Accept(mpart01)),
    ("unreason", "4f939d6ebf4817ee", Accept(unreason)),
    ("noreason", "07e11e470a69fffa", Accept(noreason)),
    // 3.1.2 invalid messages
    ("badinv01", "9ee2b88f2e0b5a9e", Owed(400)),
    ("clerr", "d9da629086a38df4", Owed(400)),
    ("ncl", "7ea6538edc1f054f", Owed(400)),
    ("scalar02", "53158177326568e9", Owed(400)),
    ("scalarlg", "0957eca31737e359", Drop),
    ("quotbal", "e61978a2ea359fc6", Owed(400)),
    ("ltgtruri", "bcacb2dc17610e8c", Owed(400)),
    ("lwsruri", "3e22ceeca585ad23", Owed(400)),
    ("lwsstart", "f884e5626c6c5b12", Owed(400)),
    ("trws", "64ae20694026e28c", Owed(400)),
    ("escruri", "c3cf30af13a9d107", Owed(400)),
    ("baddate", "1208a6e3e0c8a8c3", Owed(400)),
    ("regbadct", "575d27530275814c", Owed(400)),
    ("badaspec", "f8f6e2f4247287b0", Owed(400)),
    ("baddn", "4768517cb1c40f60", Owed(400)),
    ("badvers", "037d702d19e934bf", Owed(505)),
    ("mismatch01", "a2c285636e451e75", Owed(400)),
    ("mismatch02", "01b287f9a9c492f7", Owed(400)),
    ("bigcode", "f79450070975da54", Drop),
    // 3.2 transaction layer semantics
    ("badbranch", "cb049c727f16b5ec", Owed(400)),
    // 3.3 application layer semantics
    ("insuf", "1e3efd9f3b238c63", Owed(400)),
    ("unkscm", "81be1a6a566c7ab5", Owed(416)),
    ("novelsc", "9a50a7343fcf685e", Owed(416)),
    ("unksm2", "f6914409ced613ef", Accept(unksm2)),
    ("bext01", "57181987c02c4f57", Owed(420)),
    ("invut", "9b39e824947df46f", Owed(415)),
    ("regaut01", "885ba0488872cfc0", Accept(regaut01)),
    ("multi01", "d156ab12105b4bfd", Owed(400)),
    ("mcl01", "887191619bf003b7", Owed(400)),
    ("bcast", "073637c635971991", Drop),
    ("zeromf", "50954ef47acca4f9", Accept(|message| assert_eq!(message.max_forwards(), Some(Ok(0))))),
    ("cparam01", "dfa6b5cdb289adc6", Accept(cparam01)),
    ("cparam02", "e93574215bd1d804", Accept(cparam02)),
    ("regescrt", "dab4087c133348b0", Accept(regescrt)),
    ("sdp01", "497c5f1ced6c7b57", Owed(406)),
    // 3.4 backward compatibility
    ("inv2543", "76fac8afe22dee49", Accept(inv2543)),
];

/// RFC 5118 section 4. The three with SDP carry a true Content-Length; the RFC's own text gives other numbers there.
const RFC_5118: [(&str, Reaction); 12] = [
    ("ipv6-good", Accept(ipv6_good)),
    ("ipv6-bad", Owed(400)),
    ("port-ambiguous", Accept(port_ambiguous)),
    ("port-unambiguous", Accept(port_unambiguous)),
    ("via-received-param-with-delim", Accept(received_ipv6)),
    ("via-received-param-no-delim", Accept(received_ipv6)),
    ("ipv6-in-sdp", Accept(|message| assert_eq!(message.body().len(), 251))),
    ("mult-ip-in-header", Accept(mult_ip_in_header)),
    ("mult-ip-in-sdp", Accept(|message| assert!(message.body().ends_with(b"H263-1998/90000\r\n")))),
    ("ipv4-mapped-ipv6", Accept(ipv4_mapped)),
    ("ipv6-bug-abnf-3-colons", Accept(colons)),
    ("ipv6-correct-abnf-2-colons", Accept(colons)),
];

const SUPPORTED: &[&str] = &["100rel", "replaces", "timer"];

fn fixture(folder: &str, name: &str) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{folder}/{name}.dat"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into()
}

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

/// What a stranger hears who sends each message to the whole switch, beside the 100 of an INVITE.
#[test]
fn on_the_wire_each_message_gets_the_status_owed() {
    let names = RFC_4475.iter().map(|(name, _, reaction)| ("rfc4475", *name, reaction));
    for (folder, name, reaction) in names.chain(RFC_5118.iter().map(|(name, reaction)| ("rfc5118", *name, reaction))) {
        let raw = fixture(folder, name);
        let mut world = sim::World::new(sim::Settings { ports: 2, ..sim::Settings::default() });
        world.send_by_hand("10.9.0.66:5060".parse().unwrap(), raw.clone());
        world.run(std::time::Duration::from_millis(100));
        let answers = world.by_hand.values().flatten();
        let statuses: Vec<u16> = answers.map(Message::status).filter(|status| *status != 100).collect();
        let owed = match reaction {
            Owed(status) => vec![*status],
            Drop => vec![],
            Accept(_) => beyond(name, &Message::parse(raw).unwrap()),
        };
        assert_eq!(statuses, owed, "{name}");
        world.finish();
    }
}

/// What the layers above owe a stranger for a request that can be read.
fn beyond(name: &str, message: &Message) -> Vec<u16> {
    if !message.is_request() {
        return vec![];
    }
    let in_dialog = message.to().unwrap().tag().is_some();
    match message.method() {
        Method::Ack => vec![],
        // Who sends it must show a password first (22.1); a To tag means nothing in it (10.2).
        Method::Register => vec![401],
        // Without a Contact there is nowhere to send what follows in the call (8.1.1.8); RFC 2543 could do without.
        Method::Invite if name == "inv2543" => vec![400],
        Method::Invite if !in_dialog => vec![401],
        Method::Options if !in_dialog => vec![200],
        Method::Invite | Method::Options | Method::Bye | Method::Info | Method::Update => vec![481],
        _ => {
            assert!(["intmeth", "esc02", "mpart01"].contains(&name), "{name}");
            vec![405]
        }
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

fn wsinv(message: &Message) {
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

fn intmeth(message: &Message) {
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

fn esc01(message: &Message) {
    let uri = uri_of(message.request_uri());
    assert_eq!(uri.user_decoded().as_deref(), Some("sips:user@example.com"));
    assert_eq!(uri.host(), Some(HostRef::Name("example.net")));
    let to = message.to().unwrap();
    assert!(uri_of(to.uri).equivalent(&uri_of(b"sip:user@example.com")));
    let contact = message.contact().unwrap();
    assert!(uri_of(contact.uri).equivalent(&uri_of(b"sip:caller@host5.example.net;lr;name=value%2541")));
}

fn escnull(message: &Message) {
    assert_eq!(message.to().unwrap().parse_uri().unwrap().user_decoded().as_deref(), Some("null-\0-null"));
    let users: Vec<_> = message
        .addresses(HeaderName::Contact)
        .map(|contact| contact.unwrap().parse_uri().unwrap().user_decoded().unwrap().into_owned())
        .collect();
    assert_eq!(users, ["\0", "\0\0"]);
}

fn esc02(message: &Message) {
    assert_eq!(message.method(), &Method::Other("RE%47IST%45R".into()));
    assert_eq!(message.to().unwrap().display_name().unwrap().as_ref(), b"%Z%45");
    assert_eq!(message.contacts().count(), 2);
    assert_eq!(message.via().unwrap().branch, Some("z9hG4bK209%fzsnel234"));
}

fn lwsdisp(message: &Message) {
    let from = message.from().unwrap();
    assert_eq!(
        (from.display, from.uri, from.tag()),
        (Some(&b"caller"[..]), &b"sip:caller@example.com"[..], Some("323"))
    );
}

fn longreq(message: &Message) {
    assert_eq!(message.vias().filter(Result::is_ok).count(), 34);
    assert_eq!(message.to().unwrap().parse_uri().unwrap().port(), Some(6000));
    assert_eq!(message.from().unwrap().tag().map(str::len), Some(155));
    assert_eq!(message.body().len(), 150);
}

fn dblreq(message: &Message) {
    assert_eq!((message.method(), message.body().len()), (&Method::Register, 0));
    assert!(message.raw().ends_with(b"Content-Length: 0\r\n\r\n"), "what follows the REGISTER is noise");
}

fn semiuri(message: &Message) {
    let uri = uri_of(message.request_uri());
    assert_eq!(uri.user(), Some("user;par=u%40example.net"));
    assert_eq!((uri.host(), uri.user_param("par")), (Some(HostRef::Name("example.com")), Some("u%40example.net")));
    assert_eq!(message.list(HeaderName::Accept).count(), 6);
}

fn transports(message: &Message) {
    let transports: Vec<_> = message.vias().map(|via| via.unwrap().transport).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

fn mpart01(message: &Message) {
    assert_eq!(message.body().len(), 553);
    assert!(message.body().contains(&0));
    assert_eq!(message.part("text", "plain"), Some(&b"Hello"[..]));
    assert_eq!(message.part("application", "octet-stream").map(<[u8]>::len), Some(342));
    assert_eq!(message.via().unwrap().rport, Rport::Asked);
}

fn unreason(message: &Message) {
    assert_eq!(message.status(), 200);
    assert_eq!(message.reason(), "= 2**3 * 5**2 но сто девяносто девять - простое".as_bytes());
}

fn noreason(message: &Message) {
    assert_eq!((message.status(), message.reason()), (100, &b""[..]));
}

fn unksm2(message: &Message) {
    assert_eq!(message.to().unwrap().parse_uri().unwrap().scheme_text(), "isbn");
    assert_eq!(message.contact().unwrap().parse_uri().unwrap().scheme(), Scheme::Other);
}

fn regaut01(message: &Message) {
    let auth = message.authorization().unwrap();
    assert!(!auth.is_digest() && auth.scheme == "NoOneKnowsThisScheme");
}

fn cparam01(message: &Message) {
    let contact = message.contact().unwrap();
    assert!(contact.params.has("unknownparam") && !contact.uri.ends_with(b"unknownparam"));
}

fn cparam02(message: &Message) {
    let contact = message.contact().unwrap();
    assert!(!contact.params.has("unknownparam"));
    assert_eq!(contact.parse_uri().unwrap().param("unknownparam"), Some(""));
}

fn regescrt(message: &Message) {
    let contact = message.contact().unwrap();
    assert_eq!(contact.parse_uri().unwrap().header("Route").unwrap().as_ref(), b"<sip:sip.example.com>");
}

fn inv2543(message: &Message) {
    assert_eq!((message.via().unwrap().branch, message.from().unwrap().tag()), (None, None));
    assert_eq!(message.max_forwards(), None);
    assert!(message.body().starts_with(b"v=0") && message.body().ends_with(b"RTP/AVP 0\r\n"));
    assert_eq!(message.to().unwrap().uri, b"sip:+16505552222@ss1.example.net");
}

fn v6(text: &str) -> Option<HostRef<'static>> {
    Some(HostRef::V6(text.parse().unwrap()))
}

fn ipv6_good(message: &Message) {
    assert_eq!(uri_of(message.request_uri()).host(), v6("2001:db8::10"));
    assert_eq!(Some(message.via().unwrap().sent_by_host), v6("2001:db8::9:1"));
    assert_eq!(message.contact().unwrap().parse_uri().unwrap().host(), v6("2001:db8::1"));
}

fn port_ambiguous(message: &Message) {
    let uri = uri_of(message.request_uri());
    assert_eq!((uri.host(), uri.port()), (v6("2001:db8::10:5070"), None));
}

fn port_unambiguous(message: &Message) {
    let uri = uri_of(message.request_uri());
    assert_eq!((uri.host(), uri.port()), (v6("2001:db8::10"), Some(5070)));
}

fn received_ipv6(message: &Message) {
    assert_eq!(message.via().unwrap().received, "2001:db8::9:255".parse().ok());
}

fn mult_ip_in_header(message: &Message) {
    let vias: Vec<_> = message.vias().map(|via| via.unwrap()).collect();
    assert_eq!((Some(vias[0].sent_by_host), vias[0].port), (v6("2001:db8::9:1"), Some(6050)));
    assert_eq!(vias[1].sent_by_host.ip(), "192.0.2.1".parse().ok());
    assert_eq!(vias[2].received, "192.0.2.200".parse().ok());
}

fn ipv4_mapped(message: &Message) {
    let via = message.via().unwrap();
    assert_eq!((Some(via.sent_by_host), via.port), (v6("::ffff:192.0.2.10"), Some(19823)));
}

fn colons(message: &Message) {
    assert_eq!(uri_of(message.request_uri()).host(), v6("2001:db8::192.0.2.1"));
    assert_eq!(message.to().unwrap().parse_uri().unwrap().host(), v6("2001:db8::192.0.2.1"));
}
