use super::super::{HeaderTable, Limits, Message, Rport};
use super::*;

fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const INVITE: &str = "INVITE sip:95598@pbx SIP/2.0
v: SIP/2.0/UDP 10.0.0.5:5062;rport;branch=z9hG4bK%66x;received=6.6.6.6, SIP/2.0/TCP edge;branch=z9hG4bKy
Via: SIP/2.0/TLS far:5061;branch=z9hG4bKz
Record-Route: <sip:edge;lr>,
 <sip:far;lr>
From: \"J\\\"r\u{fc}gen\" <sip:%2321@a>;tag=1;x=\"y;z\"
t: <sip:95598@pbx>
i: a@b
CSeq: 7 INVITE
Timestamp: 54.21
Content-Length: 0

";

#[test]
fn a_response_copies_what_belongs_to_the_request_byte_for_byte() {
    let request = message(INVITE);
    let mut out = BytesMut::new();
    let ringing = response_to(&mut out, &request, 180, "Ringing", Some("ours"), None).finish();
    assert_eq!(
        text(&ringing),
        "SIP/2.0 180 Ringing\r\n\
         v: SIP/2.0/UDP 10.0.0.5:5062;rport;branch=z9hG4bK%66x;received=6.6.6.6, SIP/2.0/TCP edge;branch=z9hG4bKy\r\n\
         Via: SIP/2.0/TLS far:5061;branch=z9hG4bKz\r\n\
         Record-Route: <sip:edge;lr>, <sip:far;lr>\r\n\
         From: \"J\\\"r\u{fc}gen\" <sip:%2321@a>;tag=1;x=\"y;z\"\r\n\
         t: <sip:95598@pbx>;tag=ours\r\n\
         i: a@b\r\n\
         CSeq: 7 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn a_100_has_no_tag_of_ours_and_gives_the_timestamp_back_but_not_the_route() {
    let mut out = BytesMut::new();
    let trying = response_to(&mut out, &message(INVITE), 100, "Trying", None, None).finish();
    let trying = Message::parse(trying).unwrap();
    assert_eq!(trying.header(HeaderName::Timestamp), Some(&b"54.21"[..]));
    assert_eq!(trying.to().unwrap().tag(), None);
    assert_eq!(trying.count(HeaderName::RecordRoute), 0);
}

#[test]
fn the_top_via_tells_where_the_request_came_from_and_a_claim_of_the_sender_is_dropped() {
    let mut out = BytesMut::new();
    let source = "198.51.100.7:40123".parse().ok();
    let busy = response_to(&mut out, &message(INVITE), 486, "Busy Here", Some("t"), source).finish();
    let busy = Message::parse(busy).unwrap();
    let via = busy.via().unwrap();
    assert_eq!((via.received, via.rport), ("198.51.100.7".parse().ok(), Rport::Port(40123)));
    assert_eq!(via.branch, Some("z9hG4bK%66x"));
    let rest: Vec<_> = busy.vias().skip(1).map(|v| v.unwrap().branch.unwrap().to_string()).collect();
    assert_eq!(rest, ["z9hG4bKy", "z9hG4bKz"]);
    assert_eq!(text(busy.raw()).matches("6.6.6.6").count(), 0);
}

#[test]
fn a_via_that_is_right_already_is_left_alone_and_received_is_added_where_the_name_is_not_the_address() {
    let via = |sent_by: &str, source: &str| {
        let request = message(&format!("OPTIONS sip:a SIP/2.0\nVia: SIP/2.0/UDP {sent_by};branch=z9hG4bKq\n\n"));
        let mut out = BytesMut::new();
        let answer = response_to(&mut out, &request, 200, "OK", None, source.parse().ok()).finish();
        String::from_utf8_lossy(Message::parse(answer).unwrap().header(HeaderName::Via).unwrap()).into_owned()
    };
    assert_eq!(via("10.0.0.5", "10.0.0.5:9"), "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKq");
    assert_eq!(via("phone.lan", "10.0.0.5:9"), "SIP/2.0/UDP phone.lan;received=10.0.0.5;branch=z9hG4bKq");
    assert_eq!(
        via("[2001:db8::1]", "[2001:db8::2]:9"),
        "SIP/2.0/UDP [2001:db8::1];received=2001:db8::2;branch=z9hG4bKq"
    );
}

#[test]
fn a_to_that_has_a_tag_keeps_it() {
    let mut out = BytesMut::new();
    let request = message("BYE sip:a SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\nTo: sip:a@b;tag=theirs\n\n");
    let gone = response_to(&mut out, &request, 481, "Gone", Some("ours"), None).finish();
    assert_eq!(Message::parse(gone).unwrap().to().unwrap().tag(), Some("theirs"));
}

#[test]
fn no_value_can_begin_a_header_or_a_message_of_its_own() {
    let evil = "x\r\nVia: evil\n\nINVITE\0\r";
    let mut out = BytesMut::new();
    let method = Method::Info;
    let mut builder = Builder::request(&mut out, &method, format!("sip:a b{evil}"));
    builder.header(HeaderName::Subject, evil).named("X-\r\nFoo: b", evil).cseq(1, &method);
    builder.formatted(HeaderName::UserAgent, format_args!("{evil}-{evil}")).number(HeaderName::Expires, u32::MAX);
    let written = builder.body(evil, b"body").finish();

    let mut table = HeaderTable::new();
    let scanned = super::super::scan(&written, &mut table, Limits::DEFAULT).unwrap();
    assert!(scanned.defects.none());
    let written = Message::parse(written).unwrap();
    let names: Vec<_> = written.all_headers().map(|(name, ..)| String::from_utf8_lossy(name).into_owned()).collect();
    assert_eq!(names, ["Subject", "X---Foo--b", "CSeq", "User-Agent", "Expires", "Content-Type", "Content-Length"]);
    assert_eq!(written.body(), b"body");
    assert_eq!(written.expires(), Some(u32::MAX));
    assert!(!written.raw().contains(&0));

    let mut out = BytesMut::new();
    let response = Builder::response(&mut out, 200, evil).finish();
    assert_eq!(Message::parse(response).unwrap().all_headers().count(), 1);
}

#[test]
fn what_was_read_and_written_again_reads_the_same() {
    let request = message(INVITE);
    let mut out = BytesMut::new();
    let mut builder = Builder::request(&mut out, request.method(), request.request_uri());
    let again = builder.copy_all(&request, |name| name != HeaderName::ContentLength).finish();
    let again = Message::parse(again).unwrap();
    let fields = |m: &Message| -> Vec<_> {
        m.all_headers().map(|(n, _, v)| (n.to_vec(), super::super::text::unfold(v).into_owned())).collect()
    };
    assert_eq!(fields(&request), fields(&again));
    assert_eq!(request.request_uri(), again.request_uri());
}

#[test]
fn an_abandoned_message_leaves_nothing_in_the_next() {
    let mut out = BytesMut::new();
    Builder::response(&mut out, 200, "OK").header(HeaderName::Subject, "left behind");
    let next = Builder::response(&mut out, 404, "Not Found").finish();
    assert_eq!(text(&next), "SIP/2.0 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn a_bare_cr_in_a_request_does_not_reach_the_response() {
    let request = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;x=a\rb;branch=z9hG4bKq\r\nFrom: \"a\rVia: evil\" <sip:a@b>\r\n\r\n";
    let request = Message::parse(Bytes::from(request)).unwrap();
    let mut out = BytesMut::new();
    for source in [None, "10.0.0.5:9".parse().ok()] {
        let answer = response_to(&mut out, &request, 400, "Bad Header Line", None, source).finish();
        assert!(Message::parse(answer.clone()).unwrap().defects().none(), "{}", text(&answer));
    }
}
