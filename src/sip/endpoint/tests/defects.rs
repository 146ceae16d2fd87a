//! What other stacks were seen to get wrong, one test each. `tests/defects.rs` lists them all, with the tests elsewhere
//! that hold the rest.

use super::hand::{self, Hand, INVITE, message, request};
use super::world::*;
use crate::sip::endpoint::{EndReason, SipEvent, UsageId};
use crate::sip::message::{HeaderName, Message, Method};
use crate::sip::peer::Peer;
use bytes::Bytes;

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

fn statuses(hand: &mut Hand) -> Vec<u16> {
    hand.sent().iter().map(|message| message.status()).collect()
}

/// The call that `invite` asks for, accepted; our tag in it.
fn accepted(hand: &mut Hand, invite: &str) -> (UsageId, String) {
    hand.send(invite);
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let tag = hand.answer().to().unwrap().tag().unwrap().to_owned();
    hand.send(&request("ACK", 1, "ack", Some(&tag)));
    hand.events();
    (usage, tag)
}

/// Bytes with `\n` for CRLF, for what is no text.
fn raw(text: &[u8]) -> Message {
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    Message::parse(Bytes::from(lines.join(&b"\r\n"[..]))).unwrap()
}

#[test]
fn of_400_invites_each_with_its_cancel_right_behind_none_goes_on_ringing() {
    let mut hand = Hand::new();
    for n in 0..400 {
        let of = |text: &str| text.replace("hand-1", &format!("burst-{n}")).replace("by-hand", &format!("burst-{n}"));
        hand.send(&of(INVITE));
        hand.send(&of(&request("CANCEL", 1, "hand-1", None)));
    }
    let events = hand.events();
    let cancelled = |event: &&SipEvent| matches!(event, SipEvent::Ended { why: EndReason::Cancelled { .. }, .. });
    assert_eq!((events.len(), events.iter().filter(cancelled).count()), (800, 400));
    let statuses = statuses(&mut hand);
    for status in [200, 487] {
        assert_eq!(statuses.iter().filter(|sent| **sent == status).count(), 400, "{status}");
    }
    assert_eq!((statuses.len(), hand.endpoint.stats().usages), (800, 0));
}

#[test]
fn a_datagram_with_a_garbage_via_is_counted_and_the_next_one_is_answered() {
    let mut hand = Hand::new();
    for via in ["garbage", "SIP/2.0/UDP", ";;;", "SIP/2.0/UDP [::1;branch=z9hG4bKx", ","] {
        let text = request("OPTIONS", 1, "x", None);
        let line = text.lines().find(|line| line.starts_with("Via:")).unwrap();
        hand.send(&text.replace(line, &format!("Via: {via}")));
        assert!(hand.sent().is_empty(), "{via}");
    }
    hand.send(&request("OPTIONS", 1, "x", None).replace("Via: ", "X-Via: "));
    assert_eq!(hand.endpoint.stats().unanswerable, 6);
    hand.send(&request("OPTIONS", 1, "y", None));
    assert_eq!(statuses(&mut hand), [200]);
}

#[test]
fn a_call_with_a_latin_1_byte_in_its_subject_rings() {
    let mut hand = Hand::new();
    let at = INVITE.find("Contact:").unwrap();
    let text = [&INVITE.as_bytes()[..at], b"Subject: Entst\xf6rung\n", &INVITE.as_bytes()[at..]].concat();
    hand.endpoint.handle_message(hand.now, hand.peer, raw(&text));
    hand.invited();
    assert_eq!(statuses(&mut hand), [100]);
}

#[test]
fn a_feature_code_with_escaped_hashes_is_never_written_anew() {
    let code = "sip:%2321%23@192.0.2.2";
    let mut hand = Hand::new();
    hand.send(&INVITE.replace("sip:95598@192.0.2.2", code));
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let ok = hand.answer();
    assert_eq!(ok.to().unwrap().uri, code.as_bytes());
    assert_eq!(ok.contact().unwrap().uri, b"sip:%2321%23@192.0.2.2:5060");
    hand.send(&request("ACK", 1, "ack", ok.to().unwrap().tag()));
    hand.endpoint.hangup(hand.now, usage, None);
    assert_eq!(hand.answer().from().unwrap().uri, code.as_bytes());

    let mut world = World::new();
    let order = crate::sip::endpoint::Outgoing { request_uri: code.into(), to: code.into(), ..world.order() };
    world.ends[PHONE].invite(world.now, order).unwrap();
    world.drain();
    let invite = world.last(PHONE, "INVITE");
    assert_eq!((invite.request_uri(), invite.to().unwrap().uri), (code.as_bytes(), code.as_bytes()));
}

#[test]
fn a_name_in_a_via_is_answered_at_the_source_and_never_looked_up() {
    let mut hand = Hand::new();
    let source = "198.51.100.7:4321".parse().unwrap();
    let text = request("OPTIONS", 1, "x", None).replace(";rport", "");
    for name in ["no-such-name.invalid", "phone.example.com:5070", "localhost", "a_b"] {
        hand.send_from(Peer::udp(source, hand.peer.local), &text.replace("192.0.2.1:5060", name));
        let answer = hand.transmits().pop().unwrap();
        // 18.2.2 would have the port of the Via beside the address of `received`.
        assert_eq!(answer.peer.remote.ip(), source.ip(), "{name}");
        let answer = Message::parse(answer.bytes).unwrap();
        assert_eq!(answer.via().unwrap().received, Some(source.ip()), "{name}");
    }
}

#[test]
fn the_bye_of_a_peer_is_answered_and_no_bye_goes_back() {
    let mut hand = Hand::new();
    let (usage, tag) = accepted(&mut hand, INVITE);
    hand.send(&request("BYE", 90, "bye", Some(&tag)));
    assert_eq!(statuses(&mut hand), [200]);
    hand.endpoint.hangup(hand.now, usage, None);
    assert!(hand.sent().is_empty() && hand.pass(secs(100)).is_empty());
    assert!(matches!(hand.events()[..], [SipEvent::Ended { why: EndReason::Bye { .. }, .. }]));
}

#[test]
fn a_phone_that_rings_for_an_hour_is_not_abandoned() {
    let mut world = World::new();
    let (caller, callee) = world.ring();
    world.ends[SWITCH].progress(world.now, callee, 180, None);
    world.run(secs(3_600));
    assert_eq!(world.sent(PHONE), ["INVITE"]);
    assert!(world.heard(PHONE).iter().all(|event| event == "Progress 180"));
    world.ends[SWITCH].accept(world.now, callee, SDP);
    world.run(ms(10));
    assert_eq!(world.heard(PHONE).last().map(String::as_str), Some("Answered"));
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn each_method_that_allow_names_is_served_in_a_call() {
    let mut hand = Hand::new();
    let (_, tag) = accepted(&mut hand, INVITE);
    hand.send(&request("OPTIONS", 2, "what", Some(&tag)));
    let allowed = hand.answer().text(HeaderName::Allow).unwrap().into_owned();
    let allowed = String::from_utf8(allowed).unwrap();
    let methods: Vec<&str> = allowed.split(',').map(str::trim).collect();
    assert!(methods.contains(&"INFO") && methods.contains(&"UPDATE"), "{methods:?}");
    for (n, method) in methods.iter().enumerate() {
        // Those make, confirm or end calls, and have their own tests; a PRACK answers a response of ours, a NOTIFY a
        // subscription, and a SUBSCRIBE here prolongs one.
        if ["INVITE", "ACK", "CANCEL", "BYE", "PRACK", "NOTIFY", "SUBSCRIBE"].contains(method) {
            continue;
        }
        hand.send(&request(method, 10 + n as u32, &format!("{method}-allowed"), Some(&tag)));
        for status in statuses(&mut hand) {
            assert!(![404, 405, 481, 501].contains(&status), "{method} is allowed, and got {status}");
        }
    }
    hand.send(&request("BYE", 900, "bye", Some(&tag)));
    assert_eq!(statuses(&mut hand), [200]);
}

#[test]
fn a_tag_is_found_in_any_case_with_blanks_and_without_brackets() {
    for from in ["<sip:1001@192.0.2.1>;TAG=me", "<sip:1001@192.0.2.1> ; tag = me", "sip:1001@192.0.2.1;Tag=me"] {
        let mut hand = Hand::new();
        let (_, tag) = accepted(&mut hand, INVITE);
        let bye = request("BYE", 2, "bye", Some(&tag)).replace("<sip:1001@192.0.2.1>;tag=me", from);
        hand.send(&bye.replace(&format!(";tag={tag}"), &format!(" ;TAG= {tag}")));
        assert_eq!(statuses(&mut hand), [200], "{from}");
    }
}

#[test]
fn a_request_that_is_no_invite_and_only_hears_100_is_repeated_every_t2_and_given_up_in_time() {
    let mut world = World::new();
    let (caller, _) = world.call();
    world.lose_all(&["200 INFO", "BYE", "200 BYE"]);
    world.ends[PHONE].info(world.now, caller, "a/b", Bytes::new());
    world.run(ms(600));
    let mut out = bytes::BytesMut::new();
    let info = world.last(PHONE, "INFO");
    let trying = crate::sip::message::response_to(&mut out, &info, 100, "Trying", None, None).finish();
    let peer = world.peer(PHONE);
    world.ends[PHONE].handle_message(world.now, peer, Message::parse(trying).unwrap());
    world.run(secs(40));
    let first = world.times(PHONE, "INFO")[0];
    let after: Vec<u128> = world.times(PHONE, "INFO").iter().map(|at| at - first).collect();
    assert_eq!(after, [0, 500, 1500, 5500, 9500, 13_500, 17_500, 21_500, 25_500, 29_500], "17.1.2.2");
    assert_eq!(world.heard(PHONE), ["Ended Timeout"]);
}

#[test]
fn a_reason_phrase_or_none_in_any_bytes_is_no_ground_to_miss_a_response() {
    for phrase in [&b""[..], b" ", b" Besetzt \xe4\xf6", " 忙".as_bytes(), b" (busy) %s <>"] {
        let mut world = World::new();
        world.fate = Box::new(|_| vec![]);
        world.dial();
        let invite = world.last(PHONE, "INVITE");
        let mut out = bytes::BytesMut::new();
        let busy = crate::sip::message::response_to(&mut out, &invite, 486, "X", Some("t"), None).finish();
        let rest = busy.strip_prefix(&b"SIP/2.0 486 X"[..]).unwrap();
        let busy = [&b"SIP/2.0 486"[..], phrase, rest].concat();
        let peer = world.peer(PHONE);
        world.ends[PHONE].handle_message(world.now, peer, Message::parse(Bytes::from(busy)).unwrap());
        assert_eq!(world.heard(PHONE), ["Rejected 486"], "{:?}", String::from_utf8_lossy(phrase));
    }
}

#[test]
fn a_message_with_lone_line_feeds_and_blank_lines_before_it_is_a_call() {
    let mut hand = Hand::new();
    let text = format!("\r\n\n{}", INVITE.replace("Content-Length: 5", "Content-Length: 4"));
    hand.endpoint.handle_message(hand.now, hand.peer, Message::parse(Bytes::from(text)).unwrap());
    hand.invited();
}

#[test]
fn a_cseq_above_two_to_the_31_counts_on() {
    let mut hand = Hand::new();
    let high = 4_294_967_000u32;
    hand.send(&INVITE.replace("CSeq: 1 ", &format!("CSeq: {high} ")));
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let tag = hand.answer().to().unwrap().tag().unwrap().to_owned();
    hand.send(&request("ACK", high, "ack", Some(&tag)));
    hand.send(&request("BYE", high + 1, "bye", Some(&tag)));
    assert_eq!(statuses(&mut hand), [200]);
}

#[test]
fn what_a_digest_is_made_of_may_be_any_bytes() {
    for value in
        ["Digest algorithm=SHA\u{e9}-256, realm=\"\u{e9}", "Digest algorithm=SHA\u{e9}", "Digest \u{e9}", "Digest", ""]
    {
        let text = request("REGISTER", 1, "x", None).replace("Contact:", &format!("Authorization: {value}\nContact:"));
        let message = message(&text);
        std::hint::black_box(message.authorization());
        let mut hand = Hand::new();
        hand.endpoint.handle_message(hand.now, hand.peer, message);
        assert!(matches!(hand.events()[..], [SipEvent::Request { .. }]), "{value}");
    }
    // And in a challenge to us.
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    let order = world.with_credentials("a", "b");
    world.ends[PHONE].invite(world.now, order).unwrap();
    world.drain();
    let invite = world.last(PHONE, "INVITE");
    let mut out = bytes::BytesMut::new();
    let mut asked = crate::sip::message::response_to(&mut out, &invite, 401, "X", Some("t"), None);
    asked.header(HeaderName::WwwAuthenticate, "Digest algorithm=SHA\u{e9}-256, realm=\"\u{e9}\", nonce=\"\u{e9}\"");
    let asked = Message::parse(asked.finish()).unwrap();
    let peer = world.peer(PHONE);
    world.ends[PHONE].handle_message(world.now, peer, asked);
    assert_eq!(world.heard(PHONE), ["Rejected 401"]);
    assert_eq!(hand::message(INVITE).method(), &Method::Invite);
}

#[test]
fn an_update_with_a_body_that_is_no_sdp_is_a_refresh_and_gets_no_offer_rfc_3311_5_2() {
    let mut hand = Hand::new();
    hand.send(hand::INVITE);
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, Bytes::from_static(b"v=0\r\n"));
    let tag = hand.answer().to().unwrap().tag().unwrap().to_owned();
    hand.send(&request("ACK", 1, "ack", Some(&tag)));
    hand.events();
    let body = "--x\nContent-Type: application/pidf+xml\n\n<presence/>\n--x--\n";
    let head = request("UPDATE", 2, "update", Some(&tag));
    let length = body.replace('\n', "\r\n").len();
    let head = head
        .replace("Content-Length: 0", &format!("Content-Type: multipart/mixed;boundary=x\nContent-Length: {length}"));
    hand.send(&format!("{head}{body}"));
    let ok = hand.answer();
    assert_eq!((ok.status(), ok.body().len()), (200, 0));
    assert!(hand.events().is_empty(), "nothing to decide");
    // And the session is free for a change.
    hand.send(&request("INVITE", 3, "re-invite", Some(&tag)));
    assert!(matches!(hand.events()[..], [SipEvent::Reoffer { .. }]));
}
