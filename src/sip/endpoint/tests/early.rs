//! Offers before the answer to the call (RFC 3311 5), from either side, and those that come too early.

use super::hand::{self, Hand, request};
use super::world::*;
use crate::sip::endpoint::{SipEvent, UsageId};
use crate::sip::message::{HeaderName, Message, response_to};
use bytes::{Bytes, BytesMut};

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");
const NEW: Bytes = Bytes::from_static(b"v=0 new\r\n");

/// Caller and callee who have exchanged offer and answer in a provisional response.
fn early() -> (World, UsageId, UsageId) {
    let mut world = World::new();
    let (caller, callee) = world.ring();
    world.ends[SWITCH].progress(world.now, callee, 183, Some(SDP));
    world.run(ms(10));
    world.events = [Vec::new(), Vec::new()];
    world.log.clear();
    (world, caller, callee)
}

#[test]
fn either_side_changes_the_session_before_the_answer() {
    for from in [PHONE, SWITCH] {
        let (mut world, caller, callee) = early();
        let ids = [caller, callee];
        world.ends[from].reinvite(world.now, ids[from], NEW).unwrap();
        assert!(world.ends[from].reinvite(world.now, ids[from], NEW).is_err(), "RFC 3311 5.1: one at a time");
        world.run(ms(5));
        let Some(SipEvent::Reoffer { sdp: Some(sdp), .. }) = world.events[1 - from].pop() else { panic!("{from}") };
        assert_eq!(sdp, NEW);
        world.ends[1 - from].answer_reoffer(world.now, ids[1 - from], Ok(SDP), &[]);
        world.run(ms(5));
        assert_eq!((world.sent(from), world.sent(1 - from)), (vec!["UPDATE".into()], vec!["200 UPDATE".into()]));
        assert_eq!(world.heard(from), ["ReofferAnswered"]);
        assert!(world.last(1 - from, "200 UPDATE").contact().is_ok());
        world.ends[SWITCH].accept(world.now, callee, SDP);
        world.run(ms(5));
        let Some(SipEvent::Answered { sdp: None, .. }) = world.events[PHONE].pop() else {
            panic!("the session is as the UPDATE made it")
        };
        world.ends[PHONE].hangup(world.now, caller, None);
        world.finish();
    }
}

#[test]
fn early_offers_that_cross_are_both_491() {
    let (mut world, caller, callee) = early();
    world.ends[PHONE].reinvite(world.now, caller, NEW).unwrap();
    world.ends[SWITCH].reinvite(world.now, callee, NEW).unwrap();
    world.run(ms(5));
    assert_eq!(world.sent(PHONE), ["UPDATE", "491 UPDATE"], "RFC 3311 5.2");
    assert_eq!(world.sent(SWITCH), ["UPDATE", "491 UPDATE"]);
    assert_eq!(
        (world.heard(PHONE), world.heard(SWITCH)),
        (vec!["ReofferFailed 491".into()], vec!["ReofferFailed 491".into()])
    );
    world.ends[PHONE].reinvite(world.now, caller, NEW).expect("the way is free again");
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn nothing_is_offered_before_the_first_offer_is_answered() {
    let mut world = World::new();
    let (caller, callee) = world.ring();
    world.ends[SWITCH].progress(world.now, callee, 180, None);
    world.run(ms(5));
    assert!(world.ends[PHONE].reinvite(world.now, caller, NEW).is_err(), "RFC 3311 5.1");
    assert!(world.ends[SWITCH].reinvite(world.now, callee, NEW).is_err());
    world.lose_all(&["PRACK"]);
    world.ends[SWITCH].progress(world.now, callee, 183, Some(SDP));
    world.run(ms(5));
    assert!(world.ends[SWITCH].reinvite(world.now, callee, NEW).is_err(), "its PRACK has not come");
    world.fate = Box::new(|_| vec![ms(1)]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn an_update_that_comes_while_the_one_before_waits_is_told_when_to_come_back() {
    let mut hand = Hand::new();
    hand.send(&hand::INVITE.replacen("Content-Type", "Supported: 100rel\nContent-Type", 1));
    let usage = hand.invited();
    hand.endpoint.progress(hand.now, usage, 183, Some(SDP));
    let first = hand.answer();
    let tag = first.to().unwrap().tag().unwrap().to_owned();
    let update = |number: u32| {
        request("UPDATE", number, &format!("update{number}"), Some(&tag))
            .replace("Content-Length: 0\n\n", "Content-Type: application/sdp\nContent-Length: 5\n\nv=3\n")
    };
    let rack = format!("RAck: {} 1 INVITE\nContact", first.rseq().unwrap());
    hand.send(&request("PRACK", 2, "prack", Some(&tag)).replacen("Contact", &rack, 1));
    assert_eq!(hand.answer().status(), 200);
    hand.send(&update(3));
    assert!(matches!(hand.events()[..], [SipEvent::Reoffer { .. }]));
    hand.send(&update(4));
    let refusal = hand.answer();
    assert_eq!(refusal.status(), 500, "RFC 3311 5.2");
    let wait: u32 = String::from_utf8_lossy(refusal.header(HeaderName::RetryAfter).unwrap()).parse().unwrap();
    assert!(wait <= 10);
    hand.endpoint.answer_reoffer(hand.now, usage, Err(488), &[]);
    assert_eq!(hand.answer().status(), 488);
    // The caller hangs up with an offer open.
    hand.send(&update(5));
    hand.events();
    hand.endpoint.hangup(hand.now, usage, None);
    assert_eq!(hand.sent().iter().map(name).collect::<Vec<_>>(), ["487 UPDATE", "480 INVITE"]);
}

#[test]
fn an_update_from_one_of_several_phones_that_ring_is_told_to_wait() {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    world.dial();
    let invite = world.last(PHONE, "INVITE");
    let (peer, now) = (world.peer(PHONE), world.now);
    let mut out = BytesMut::new();
    for tag in ["one", "two"] {
        let mut response = response_to(&mut out, &invite, 183, "x", Some(tag), None);
        response.header(HeaderName::Contact, "<sip:b@192.0.2.2>").header(HeaderName::Require, "100rel");
        response.number(HeaderName::RSeq, 1).body("application/sdp", b"v=0\r\n");
        world.ends[PHONE].handle_message(now, peer, Message::parse(response.finish()).unwrap());
    }
    let (our_tag, call_id) = (invite.from().unwrap().tag().unwrap(), invite.call_id().unwrap());
    world.ends[PHONE].handle_message(
        now,
        peer,
        hand::message(&format!(
            "UPDATE sip:1001@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKup\nFrom: <sip:b@x>;tag=one\nTo: <sip:a@x>;tag={our_tag}\nCall-ID: {call_id}\nCSeq: 1 UPDATE\nContact: <sip:b@192.0.2.2>\nContent-Type: application/sdp\nContent-Length: 5\n\nv=3\n"
        )),
    );
    world.drain();
    assert_eq!(world.sent(PHONE), ["INVITE", "PRACK", "PRACK", "491 UPDATE"]);
    assert_eq!(world.heard(PHONE), ["Progress 183", "Progress 183"]);
}
