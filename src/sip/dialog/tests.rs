//! Routes, targets and numbers of a dialog.

use super::*;
use crate::sip::message::Message;
use crate::sip::peer::{ConnectionId, Transport};
use bytes::Bytes;

fn message(start: &str, extra: &str) -> Message {
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: A <sip:a@192.0.2.1>;tag=from\r\nTo: <sip:b@192.0.2.2>;tag=to\r\nCall-ID: c\r\nCSeq: 10 INVITE\r\n{extra}Content-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

fn peer() -> Peer {
    Peer::udp("203.0.113.9:40000".parse().unwrap(), "192.0.2.2:5060".parse().unwrap())
}

fn callee(extra: &str) -> Dialog {
    let invite = message("INVITE sip:b@192.0.2.2 SIP/2.0", extra);
    Dialog::of_callee(&invite, Tag(1), peer(), "<sip:us>".into()).unwrap()
}

fn caller(extra: &str) -> Dialog {
    let invite = message("INVITE sip:b@192.0.2.2 SIP/2.0", "Contact: <sip:a@192.0.2.1>\r\n");
    let response = message("SIP/2.0 200 OK", extra);
    Dialog::of_caller(&invite, &response, peer()).unwrap()
}

fn path(dialog: &Dialog) -> (String, Vec<String>) {
    let path = dialog.routes.path();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(path.request_uri), path.routes().map(|route| text(&route)).collect())
}

const TWO_PROXIES: &str =
    "Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\nContact: <sip:a@phone.example.com>\r\n";

#[test]
fn the_route_set_stands_as_recorded_for_the_callee_and_backwards_for_the_caller() {
    let (uri, routes) = path(&callee(TWO_PROXIES));
    assert_eq!(uri, "sip:a@phone.example.com");
    assert_eq!(routes, ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"], "12.1.1");
    let (uri, routes) = path(&caller(TWO_PROXIES));
    assert_eq!(uri, "sip:a@phone.example.com");
    assert_eq!(routes, ["<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>"], "12.1.2");
}

#[test]
fn a_strict_router_gets_its_own_uri_and_the_target_comes_last() {
    let strict = "Record-Route: <sip:p1.example.com>\r\nRecord-Route: <sip:p2.example.com;lr>\r\nContact: <sip:a@phone.example.com>\r\n";
    let (uri, routes) = path(&callee(strict));
    assert_eq!(uri, "sip:p1.example.com", "12.2.1.1");
    assert_eq!(routes, ["<sip:p2.example.com;lr>", "<sip:a@phone.example.com>"]);
}

#[test]
fn the_next_hop_is_an_address_that_can_be_reached() {
    let hop = |contact: &str| callee(&format!("Contact: <{contact}>\r\n")).next_hop().remote.to_string();
    assert_eq!(hop("sip:a@203.0.113.9:5070"), "203.0.113.9:5070", "the peer itself, where it listens");
    assert_eq!(hop("sip:a@203.0.113.9"), "203.0.113.9:5060");
    assert_eq!(hop("sip:a@198.51.100.4"), "198.51.100.4:5060", "a public address");
    let source = "203.0.113.9:40000";
    for unreachable in [
        "sip:a@192.168.1.5:5060",
        "sip:a@10.0.0.1",
        "sip:a@100.64.1.1",
        "sip:a@127.0.0.1:5060",
        "sip:a@phone.local",
        "sip:a@[2001:db8::1]",
        "sip:a@0.0.0.0",
        "sip:a@224.0.0.1",
        "sip:a@198.51.100.4;transport=tcp",
    ] {
        assert_eq!(hop(unreachable), source, "{unreachable}");
    }
    let routed = callee("Record-Route: <sip:198.51.100.1:5080;lr>\r\nContact: <sip:a@192.168.1.5>\r\n");
    assert_eq!(routed.next_hop().remote.to_string(), "198.51.100.1:5080", "the first route before the target");
}

#[test]
fn a_stream_stays_on_its_connection() {
    let invite = message("INVITE sip:b@192.0.2.2 SIP/2.0", "Contact: <sip:a@198.51.100.4>\r\n");
    let stream = Peer { transport: Transport::Tls, connection: Some(ConnectionId(3)), ..peer() };
    let dialog = Dialog::of_callee(&invite, Tag(1), stream, "<sip:us>".into()).unwrap();
    assert_eq!(dialog.next_hop(), stream);
}

#[test]
fn a_peer_on_loopback_is_followed_on_loopback_only() {
    let loopback = Peer::udp("127.0.0.1:40000".parse().unwrap(), "127.0.0.1:5060".parse().unwrap());
    for (contact, expected) in [("sip:a@127.0.0.2:5070", "127.0.0.2:5070"), ("sip:a@203.0.113.9", "127.0.0.1:40000")] {
        let invite = message("INVITE sip:b@127.0.0.1 SIP/2.0", &format!("Contact: <{contact}>\r\n"));
        let dialog = Dialog::of_callee(&invite, Tag(1), loopback, "<sip:us>".into()).unwrap();
        assert_eq!(dialog.next_hop().remote.to_string(), expected);
    }
}

#[test]
fn from_and_to_are_those_of_the_first_request_with_the_tags() {
    let dialog = callee("Contact: <sip:a@x>\r\n");
    assert_eq!(&*dialog.remote, b"A <sip:a@192.0.2.1>;tag=from", "byte for byte");
    assert!(dialog.local.ends_with(b";tag=0000000000000001"));
    let dialog = caller("Contact: <sip:b@x>\r\n");
    assert_eq!(
        (&*dialog.local, &*dialog.remote),
        (&b"A <sip:a@192.0.2.1>;tag=from"[..], &b"<sip:b@192.0.2.2>;tag=to"[..])
    );
}

#[test]
fn numbers_may_leap_but_not_fall() {
    let mut dialog = callee("Contact: <sip:a@x>\r\n");
    assert_eq!(dialog.take_cseq(11, false), Ok(()));
    assert_eq!(dialog.take_cseq(900, true), Ok(()));
    assert_eq!(dialog.take_cseq(899, false), Err(OutOfOrder));
    assert_eq!(dialog.take_cseq(900, true), Err(OutOfOrder));
    assert_eq!(dialog.take_cseq(u32::MAX, false), Ok(()));
    assert_eq!((dialog.next_cseq(), dialog.next_cseq()), (1, 2));
    assert_eq!(caller("").next_cseq(), 11);
}

#[test]
fn without_a_usable_contact_there_is_no_dialog_for_a_callee() {
    for contact in ["", "Contact: <mailto:a@b>\r\n", "Contact: <tel:123>\r\n"] {
        let invite = message("INVITE sip:b@192.0.2.2 SIP/2.0", contact);
        assert!(Dialog::of_callee(&invite, Tag(1), peer(), "<sip:us>".into()).is_none());
    }
}
