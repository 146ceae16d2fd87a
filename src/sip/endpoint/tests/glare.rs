//! Changing a session that is up, from either side, from both at once, and while the call ends.

use super::hand::{self, Hand, request};
use super::world::*;
use crate::sip::endpoint::SipEvent;
use crate::sip::message::HeaderName;
use bytes::Bytes;

const HOLD: Bytes = Bytes::from_static(b"v=0 hold\r\n");
const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

fn reoffered(world: &mut World, end: usize) -> bool {
    world.drain();
    matches!(world.events[end].last(), Some(SipEvent::Reoffer { .. }))
}

#[test]
fn a_hold_is_offered_answered_and_acknowledged() {
    for from in [PHONE, SWITCH] {
        let mut world = World::new();
        let ids: [_; 2] = world.call().into();
        world.ends[from].reinvite(world.now, ids[from], HOLD).unwrap();
        world.run(ms(5));
        let Some(SipEvent::Reoffer { usage, sdp: Some(sdp), .. }) = world.events[1 - from].pop() else { panic!() };
        assert_eq!((usage, sdp), (ids[1 - from], HOLD));
        world.ends[1 - from].answer_reoffer(world.now, ids[1 - from], Ok(SDP), &[]);
        world.run(ms(5));
        assert_eq!(world.sent(from), ["INVITE", "ACK"]);
        assert_eq!(world.sent(1 - from), ["200 INVITE"]);
        assert_eq!((world.heard(from), world.heard(1 - from)), (vec!["ReofferAnswered".into()], vec!["Acked".into()]));
        world.ends[from].hangup(world.now, ids[from], None);
        world.finish();
    }
}

#[test]
fn a_refused_hold_leaves_the_call_as_it_was() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    world.ends[PHONE].reinvite(world.now, caller, HOLD).unwrap();
    world.run(ms(5));
    world.ends[SWITCH].answer_reoffer(world.now, callee, Err(488), &[]);
    world.run(ms(5));
    assert_eq!(world.heard(PHONE), ["ReofferFailed 488"]);
    world.ends[SWITCH].reinvite(world.now, callee, HOLD).expect("the way is free again");
    world.run(ms(5));
    assert!(reoffered(&mut world, PHONE));
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn offers_that_cross_are_both_491_and_both_succeed_later() {
    let mut world = World::new();
    let ids: [_; 2] = world.call().into();
    for end in [PHONE, SWITCH] {
        world.ends[end].reinvite(world.now, ids[end], HOLD).unwrap();
    }
    world.run(ms(5));
    assert_eq!(world.sent(PHONE), ["INVITE", "491 INVITE", "ACK"]);
    assert_eq!(world.sent(SWITCH), ["INVITE", "491 INVITE", "ACK"]);
    let mut answered = [false; 2];
    let end = world.now + secs(10);
    while world.step(end) {
        for to in [PHONE, SWITCH] {
            if reoffered(&mut world, to) {
                world.events[to].clear();
                answered[1 - to] = true;
                world.ends[to].answer_reoffer(world.now, ids[to], Ok(SDP), &[]);
            }
        }
    }
    assert_eq!(answered, [true, true]);
    let second = |times: Vec<u128>| times[1] - times[0];
    let (owner, other) = (second(world.times(PHONE, "INVITE")), second(world.times(SWITCH, "INVITE")));
    assert!((2_100..=4_010).contains(&owner), "14.1: who chose the Call-ID waits 2.1 to 4 s, not {owner} ms");
    assert!(other <= 2_010, "14.1: the other up to 2 s, not {other} ms");
    world.ends[PHONE].hangup(world.now, ids[PHONE], None);
    world.finish();
}

#[test]
fn an_offer_that_always_meets_491_is_given_up_and_the_call_goes_on() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    // The switch has an offer out that never reaches the phone.
    world.fate = Box::new(|sent| match sent.from == SWITCH && name(&sent.message) == "INVITE" {
        true => vec![],
        false => vec![ms(1)],
    });
    world.ends[SWITCH].reinvite(world.now, callee, HOLD).unwrap();
    world.ends[PHONE].reinvite(world.now, caller, HOLD).unwrap();
    world.run(secs(30));
    assert_eq!(world.heard(PHONE), ["ReofferFailed 491"]);
    world.run(secs(5));
    assert_eq!(world.heard(SWITCH), ["Ended Timeout"], "its own went unanswered for 64*T1 (12.2.1.2)");
    world.finish();
}

#[test]
fn a_second_offer_waits_for_the_first() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    world.ends[PHONE].reinvite(world.now, caller, HOLD).unwrap();
    assert!(world.ends[PHONE].reinvite(world.now, caller, HOLD).is_err());
    world.run(ms(5));
    assert!(world.ends[SWITCH].reinvite(world.now, callee, HOLD).is_err(), "theirs waits for our answer");
    world.ends[SWITCH].answer_reoffer(world.now, callee, Ok(SDP), &[]);
    assert!(world.ends[SWITCH].reinvite(world.now, callee, HOLD).is_err(), "our 2xx waits for its ACK");
    world.run(ms(5));
    assert!(world.ends[SWITCH].reinvite(world.now, callee, HOLD).is_ok());
    world.run(ms(5));
    world.ends[SWITCH].hangup(world.now, callee, None);
    world.finish();
}

#[test]
fn hanging_up_with_the_peers_offer_open_refuses_it_and_says_bye() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    world.ends[PHONE].reinvite(world.now, caller, HOLD).unwrap();
    world.run(ms(5));
    world.ends[SWITCH].hangup(world.now, callee, None);
    world.run(ms(5));
    assert_eq!(world.sent(SWITCH), ["487 INVITE", "BYE"]);
    assert_eq!(world.sent(PHONE), ["INVITE", "ACK", "200 BYE"]);
    world.finish();
}

#[test]
fn hanging_up_with_our_offer_open_still_acknowledges_its_answer() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    world.ends[PHONE].reinvite(world.now, caller, HOLD).unwrap();
    world.run(ms(5));
    // The answer and the BYE cross.
    world.ends[SWITCH].answer_reoffer(world.now, callee, Ok(SDP), &[]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.run(ms(5));
    assert_eq!(world.sent(PHONE), ["INVITE", "BYE", "ACK"]);
    assert_eq!(world.sent(SWITCH), ["200 INVITE", "200 BYE"]);
    world.finish();
}

#[test]
fn a_changed_session_whose_ack_is_lost_for_good_ends_the_call() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    world.ends[PHONE].reinvite(world.now, caller, HOLD).unwrap();
    world.run(ms(5));
    world.lose_all(&["ACK"]);
    world.ends[SWITCH].answer_reoffer(world.now, callee, Ok(SDP), &[]);
    world.run(secs(33));
    assert_eq!(world.heard(SWITCH), ["Reoffer", "Ended AckTimeout"]);
    assert_eq!(world.heard(PHONE), ["ReofferAnswered", "Ended Bye { reason: None }"]);
    world.finish();
}

#[test]
fn an_offer_that_is_never_answered_for_good_is_cancelled_then_dropped() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    world.ends[PHONE].reinvite(world.now, caller, HOLD).unwrap();
    world.run(ms(5));
    // The switch says 100 by hand, so that only the limit of ours can end it, and nothing of it arrives afterwards.
    let invite = world.last(PHONE, "INVITE");
    let mut out = bytes::BytesMut::new();
    let trying = crate::sip::message::response_to(&mut out, &invite, 100, "Trying", None, None).finish();
    let peer = world.peer(PHONE);
    world.ends[PHONE].handle_message(world.now, peer, crate::sip::message::Message::parse(trying).unwrap());
    world.lose_all(&["487 INVITE"]);
    world.run(secs(63));
    assert!(world.heard(PHONE).is_empty());
    world.run(secs(2));
    assert_eq!(world.times(PHONE, "CANCEL").len(), 1);
    assert_eq!(world.heard(SWITCH), ["Reoffer", "ReofferWithdrawn"]);
    world.run(secs(33));
    assert_eq!(world.heard(PHONE), ["ReofferFailed 408"]);
    world.ends[SWITCH].hangup(world.now, callee, None);
    world.finish();
}

#[test]
fn what_a_peer_does_with_re_invite_and_update() {
    let mut hand = Hand::new();
    hand.send(hand::INVITE);
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let tag = hand.answer().to().unwrap().tag().unwrap().to_owned();
    let send = |hand: &mut Hand, method: &str, number: u32, body: &str| {
        let head = request(method, number, &format!("{method}{number}"), Some(&tag));
        let fields = format!(
            "Content-Type: application/sdp\nContent-Length: {}\n\n{body}",
            body.len() + body.matches('\n').count()
        );
        hand.send(&if body.is_empty() { head } else { head.replace("Content-Length: 0\n\n", &fields) });
        hand.sent().iter().map(|m| m.status()).collect::<Vec<_>>()
    };
    assert_eq!(send(&mut hand, "INVITE", 2, "v=0\n"), [491], "our 2xx is not acknowledged yet");
    assert!(send(&mut hand, "ACK", 2, "").is_empty());
    assert!(send(&mut hand, "ACK", 1, "").is_empty());
    hand.events();

    // Without SDP an UPDATE refreshes; its Contact is where we call from now on.
    assert_eq!(send(&mut hand, "UPDATE", 3, ""), [200]);
    assert!(hand.events().is_empty());

    // With SDP it is an offer like any other.
    assert!(send(&mut hand, "UPDATE", 4, "v=0\n").is_empty());
    assert!(matches!(hand.events()[..], [SipEvent::Reoffer { sdp: Some(_), .. }]));
    assert_eq!(send(&mut hand, "INVITE", 5, "v=0\n"), [500], "14.2: one at a time");
    send(&mut hand, "ACK", 5, "");
    hand.endpoint.answer_reoffer(hand.now, usage, Ok(SDP), &[]);
    let answer = hand.answer();
    assert_eq!((answer.status(), answer.body()), (200, &SDP[..]));
    assert!(answer.header(HeaderName::Contact).is_some());

    // A re-INVITE that is taken back.
    assert!(send(&mut hand, "INVITE", 6, "v=0\n").is_empty());
    hand.send(&request("CANCEL", 6, "INVITE6", Some(&tag)));
    assert_eq!(hand.sent().iter().map(|m| m.status()).collect::<Vec<_>>(), [200, 487]);
    let events = hand.events();
    assert!(matches!(events[..], [SipEvent::Reoffer { .. }, SipEvent::ReofferWithdrawn { .. }]), "{events:?}");
    send(&mut hand, "ACK", 6, "");
    hand.endpoint.answer_reoffer(hand.now, usage, Ok(SDP), &[]);
    assert!(hand.sent().is_empty(), "no answer is owed any more");

    // One without an offer asks for ours, and answers it in the ACK.
    assert!(send(&mut hand, "INVITE", 7, "").is_empty());
    assert!(matches!(hand.events()[..], [SipEvent::Reoffer { sdp: None, .. }]));
    hand.endpoint.answer_reoffer(hand.now, usage, Ok(SDP), &[]);
    assert_eq!(hand.answer().status(), 200);
    send(&mut hand, "ACK", 7, "v=7\n");
    assert!(matches!(&hand.events()[..], [SipEvent::Acked { sdp: Some(sdp), .. }] if &sdp[..] == b"v=7\r\n"));

    assert_eq!(send(&mut hand, "BYE", 8, ""), [200]);
    hand.events();
    hand.pass(secs(40));
    assert!(hand.endpoint.is_idle());
}

#[test]
fn a_peer_that_moves_is_called_where_it_moved_to() {
    let mut hand = Hand::new();
    hand.send(hand::INVITE);
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let tag = hand.answer().to().unwrap().tag().unwrap().to_owned();
    hand.send(&request("ACK", 1, "ack", Some(&tag)));
    let moved = request("UPDATE", 2, "moved", Some(&tag))
        .replace("Contact: <sip:1001@192.0.2.1:5060>", "Contact: <sip:1001@192.0.2.77:5070>");
    hand.send(&moved);
    hand.sent();
    hand.endpoint.hangup(hand.now, usage, None);
    let bye = hand.transmits().remove(0);
    assert_eq!(bye.peer.remote.to_string(), "192.0.2.77:5070");
    let bye = crate::sip::message::Message::parse(bye.bytes).unwrap();
    assert_eq!(bye.request_uri(), b"sip:1001@192.0.2.77:5070");
}
