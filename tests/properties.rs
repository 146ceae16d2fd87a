//! What must hold of any message: read and written again it is the same bytes, and what an answer or a request in the
//! dialog repeats of the peer's is the peer's own bytes.

use bytes::{Bytes, BytesMut};
use hotline::sip::endpoint::{Endpoint, EndpointConfig, SipEvent, UsageId};
use hotline::sip::message::{Builder, HeaderName, Message, Method};
use hotline::sip::peer::Peer;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Instant;

/// Of RFC 3261 25.1.
const TOKEN: &str = "[A-Za-z0-9.!%*_+`'~-]{1,20}";

/// Anything that stands on one line: any octet but CR and LF, no blanks around it.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let octet = any::<u8>().prop_map(|b| if matches!(b, b'\r' | b'\n') { b'%' } else { b });
    vec(octet, 0..60)
        .prop_map(|line| line.trim_ascii().to_vec())
        .prop_filter("a NUL at the edge is no blank", |line| !line.first().is_some_and(|b| b.is_ascii_whitespace()))
}

/// `"..."` with everything that may stand in it: UTF-8, Latin-1, quoted pairs, brackets, commas, percent signs.
fn display_name() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(vec![
        &b"A"[..],
        b" ",
        b"\\\"",
        b"\\\\",
        b"<",
        b">",
        b",",
        b";tag=x",
        b"%41",
        b"%",
        b"\xe4",
        "é".as_bytes(),
        "停電".as_bytes(),
        b"@",
        b"sip:",
        b"\t",
    ]);
    vec(piece, 0..12).prop_map(|pieces| [&b"\""[..], &pieces.concat(), b"\""].concat())
}

fn uri() -> impl Strategy<Value = String> {
    let user = "([A-Za-z0-9+._~;=?/,&$!*'()-]|%[0-9A-F]{2}){1,16}";
    let host =
        select(vec!["192.0.2.1", "[2001:db8::1]", "pbx.example.com", "a_b", "pbx:5070", "[::ffff:192.0.2.1]:99"]);
    let params = select(vec!["", ";user=phone", ";transport=udp;x=%3B%2C", ";a;b=c", ";lr"]);
    (user, host, params).prop_map(|(user, host, params)| format!("sip:{user}@{host}{params}"))
}

#[derive(Clone, Debug)]
struct Called {
    request_uri: String,
    from: Vec<u8>,
    to: Vec<u8>,
    call_id: String,
    branches: Vec<String>,
    record_route: Vec<String>,
    others: Vec<(String, Vec<u8>)>,
}

fn called() -> impl Strategy<Value = Called> {
    let address = || (prop::option::of(display_name()), uri());
    let named =
        |(name, uri): (Option<Vec<u8>>, String)| [&name.unwrap_or_default(), &b" <"[..], uri.as_bytes(), b">"].concat();
    let params = select(vec!["", ";x=\"a;b\\\"c\"", ";y=%41", ";Z"]);
    let from = (address(), TOKEN, params.clone())
        .prop_map(move |(address, tag, params)| [&named(address), format!(";tag={tag}{params}").as_bytes()].concat());
    let to = (address(), params).prop_map(move |(address, params)| [&named(address), params.as_bytes()].concat());
    let branches = vec("[A-Za-z0-9.!%*_+`'~-]{1,20}", 1..4);
    let others = vec(("X-[A-Za-z0-9]{1,10}", line()), 0..5);
    (uri(), from, to, "[A-Za-z0-9.!%*_+`'~()<>:\\\\\"/\\[\\]?{}-]{1,30}", branches, vec(uri(), 0..3), others).prop_map(
        |(request_uri, from, to, call_id, branches, record_route, others)| Called {
            request_uri,
            from: from.trim_ascii().to_vec(),
            to: to.trim_ascii().to_vec(),
            call_id,
            branches,
            record_route,
            others,
        },
    )
}

impl Called {
    fn message(&self, method: &str, cseq: u32, to: &[u8], last_branch: &str) -> Bytes {
        let mut out = format!("{method} {} SIP/2.0\r\n", self.request_uri).into_bytes();
        let mut put = |name: &str, value: &[u8]| {
            out.extend_from_slice(format!("{name}: ").as_bytes());
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        };
        for (n, branch) in self.branches.iter().enumerate() {
            let text = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}{last_branch};ext=\"%41,\\\"{n}\"");
            put("Via", text.as_bytes());
        }
        put("Max-Forwards", b"70");
        self.record_route.iter().for_each(|route| put("Record-Route", format!("<{route}>").as_bytes()));
        put("From", &self.from);
        put("To", to);
        put("Call-ID", self.call_id.as_bytes());
        put("CSeq", format!("{cseq} {method}").as_bytes());
        put("Contact", b"<sip:peer@192.0.2.1:5060>");
        self.others.iter().for_each(|(name, value)| put(name, value));
        put("Content-Type", b"application/sdp");
        put("Content-Length", b"5");
        out.extend_from_slice(b"\r\nv=0\r\n");
        out.into()
    }
}

fn written_again(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    let mut copy = Builder::request(&mut out, message.method(), message.request_uri());
    copy.copy_all(message, |name| !matches!(name, HeaderName::ContentLength | HeaderName::ContentType));
    copy.body(message.header(HeaderName::ContentType).unwrap_or_default(), message.body()).finish()
}

struct Wire {
    endpoint: Endpoint,
    now: Instant,
    peer: Peer,
}

impl Wire {
    fn send(&mut self, bytes: Bytes) -> Vec<Message> {
        let message = Message::parse(bytes).expect("sent by a test");
        self.endpoint.handle_message(self.now, self.peer, message);
        self.sent()
    }

    fn sent(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.endpoint.poll_transmit()).map(|t| Message::parse(t.bytes).expect("ours")).collect()
    }

    fn invited(&mut self) -> Option<UsageId> {
        std::iter::from_fn(|| self.endpoint.poll_event()).find_map(|event| match event {
            SipEvent::Invited { usage, .. } => Some(usage),
            _ => None,
        })
    }
}

fn header(message: &Message, name: HeaderName) -> &[u8] {
    message.header(name).unwrap_or_default()
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("HOTLINE_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    ProptestConfig { cases, failure_persistence: None, max_global_rejects: u32::MAX, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_message_read_and_written_again_is_the_same_bytes(called in called()) {
        let raw = called.message("INVITE", 1, &called.to, "");
        let message = Message::parse(raw.clone()).unwrap();
        prop_assert_eq!(written_again(&message), raw);
    }

    /// Lines in any order and of any content, cut anywhere: what is read once is read again, header by header.
    #[test]
    fn a_bent_message_read_and_written_again_has_the_same_headers(
        called in called(),
        at in any::<prop::sample::Index>(),
        put in vec(any::<u8>(), 0..8),
        cut in 0..12usize,
    ) {
        let mut raw = called.message("INVITE", 1, &called.to, "").to_vec();
        let begin = at.index(raw.len());
        let end = (begin + cut).min(raw.len());
        raw.splice(begin..end, put);
        let Ok(message) = Message::parse(Bytes::from(raw)) else { return Ok(()) };
        prop_assume!(message.is_request() && message.defects().none());
        // No URI has them, so that a request with one is refused; the builder writes them as %20.
        prop_assume!(!message.request_uri().iter().any(|b| *b <= b' ' || *b == 127));
        let kept = |name: &HeaderName| !matches!(name, HeaderName::ContentLength | HeaderName::ContentType);
        let list = |message: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
            let all = message.all_headers().filter(|(_, id, _)| kept(id));
            // A fold is a blank (7.3.1).
            all.map(|(name, _, value)| (name.to_vec(), value.split(|b| b"\r\n \t".contains(b)).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(&b' '))).collect()
        };
        let again = Message::parse(written_again(&message)).unwrap();
        prop_assert_eq!(again.method(), message.method());
        prop_assert_eq!(again.request_uri(), message.request_uri());
        prop_assert_eq!(list(&again), list(&message));
        prop_assert_eq!(again.body(), message.body());
    }

    /// 8.2.6.2 and 12.1.1: Via, From, Call-ID and CSeq of an answer, and To, From and Call-ID of our own requests in the
    /// dialog, are the caller's bytes.
    #[test]
    fn an_answer_and_a_bye_repeat_the_callers_own_bytes(called in called()) {
        let peer = Peer::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        let mut wire = Wire { endpoint: Endpoint::new(EndpointConfig::default()), now: Instant::now(), peer };
        let invite = Message::parse(called.message("INVITE", 7, &called.to, "")).unwrap();
        let mut answers = wire.send(invite.raw().clone());
        let Some(usage) = wire.invited() else {
            panic!("refused: {answers:?}\n{}", String::from_utf8_lossy(invite.raw()))
        };
        wire.endpoint.progress(wire.now, usage, 180, None);
        wire.endpoint.accept(wire.now, usage, Bytes::from_static(b"v=0\r\n"));
        answers.extend(wire.sent());
        prop_assert_eq!(answers.iter().map(|answer| answer.status()).collect::<Vec<_>>(), [100, 180, 200]);
        for answer in &answers {
            for name in [HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
                prop_assert_eq!(header(answer, name), header(&invite, name));
            }
            let lines = |message: &Message| message.headers(HeaderName::Via).map(<[u8]>::to_vec).collect::<Vec<_>>();
            prop_assert_eq!(lines(answer), lines(&invite));
            if answer.status() > 100 {
                let to = header(answer, HeaderName::To);
                prop_assert!(to.starts_with(&called.to) && to[called.to.len()..].starts_with(b";tag="));
                let routes = |message: &Message| message.headers(HeaderName::RecordRoute).map(<[u8]>::to_vec).collect::<Vec<_>>();
                prop_assert_eq!(routes(answer), routes(&invite));
            }
        }
        let to = header(&answers[2], HeaderName::To).to_vec();
        prop_assert!(wire.send(called.message("ACK", 7, &to, "ack")).is_empty());
        wire.endpoint.hangup(wire.now, usage, None);
        let bye = wire.sent().pop().expect("a BYE");
        prop_assert_eq!(bye.method(), &Method::Bye);
        prop_assert_eq!(header(&bye, HeaderName::To), header(&invite, HeaderName::From));
        prop_assert_eq!(header(&bye, HeaderName::From), &to[..]);
        prop_assert_eq!(header(&bye, HeaderName::CallId), header(&invite, HeaderName::CallId));
    }
}
