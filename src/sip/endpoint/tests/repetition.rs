//! What is sent again, when, and when it is given up: the timers of section 17 and of 13.3.1.4.

use super::hand::{self, Hand};
use super::world::*;
use crate::sip::endpoint::{EndReason, OutgoingRequest, SipEvent};
use crate::sip::peer::Transport;
use bytes::Bytes;

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

fn options(world: &World) -> OutgoingRequest {
    OutgoingRequest {
        peer: world.peer(PHONE),
        method: "OPTIONS",
        request_uri: "sip:192.0.2.2".into(),
        to: "sip:192.0.2.2".into(),
        from: "sip:hotline@192.0.2.1".into(),
        headers: vec![],
        body: None,
        credentials: None,
    }
}

#[test]
fn an_invite_without_an_answer_is_repeated_by_a_and_given_up_by_b() {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    world.dial();
    world.run(secs(31));
    assert!(world.heard(PHONE).is_empty());
    world.run(secs(2));
    assert_eq!(
        world.times(PHONE, "INVITE"),
        [0, 500, 1500, 3500, 7500, 15_500, 31_500],
        "17.1.1.2: A doubles without limit"
    );
    assert_eq!(world.heard(PHONE), ["Rejected 408 here"]);
    world.finish();
}

#[test]
fn a_request_without_an_answer_is_repeated_by_e_and_given_up_by_f() {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    let order = options(&world);
    world.ends[PHONE].request(world.now, order).unwrap();
    world.run(secs(40));
    let expected = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(world.times(PHONE, "OPTIONS"), expected, "17.1.2.2: E doubles up to T2");
    assert_eq!(world.heard(PHONE), ["ResponseTo 408"]);
    world.finish();
}

#[test]
fn nothing_is_repeated_over_a_stream_but_it_is_given_up_all_the_same() {
    let mut world = World::over(Transport::Tls);
    world.fate = Box::new(|_| vec![]);
    world.dial();
    let order = options(&world);
    world.ends[PHONE].request(world.now, order).unwrap();
    world.run(secs(33));
    assert_eq!((world.times(PHONE, "INVITE"), world.times(PHONE, "OPTIONS")), (vec![0], vec![0]));
    assert_eq!(world.heard(PHONE), ["Rejected 408 here", "ResponseTo 408"]);
    world.finish();
}

#[test]
fn a_provisional_response_stops_the_invite_from_being_repeated() {
    let mut world = World::new();
    let (caller, _) = world.ring();
    world.run(secs(50));
    assert_eq!(world.times(PHONE, "INVITE"), [0]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn a_lost_180_is_sent_again_when_the_invite_is() {
    let mut world = World::new();
    world.lose_all(&["100 INVITE"]);
    let (caller, callee) = world.ring();
    world.lose_first(&["180 INVITE"]);
    world.ends[SWITCH].progress(world.now, callee, 180, None);
    world.run(secs(1));
    assert_eq!(world.times(PHONE, "INVITE"), [0, 500]);
    assert_eq!(world.times(SWITCH, "180 INVITE"), [5, 501]);
    assert_eq!(world.heard(PHONE), ["Progress 180"]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn a_refusal_is_repeated_by_g_until_h_gives_up() {
    let mut world = World::new();
    let (_, callee) = world.ring();
    world.ends[SWITCH].progress(world.now, callee, 180, None);
    world.lose_all(&["ACK"]);
    world.ends[SWITCH].reject(world.now, callee, 486, None, &[]);
    world.run(secs(40));
    let from_the_first: Vec<u128> = world.times(SWITCH, "486 INVITE").iter().map(|at| at - 5).collect();
    let expected = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(from_the_first, expected, "17.2.1: G doubles up to T2");
    world.finish();
}

#[test]
fn a_refusal_to_a_stranger_is_repeated_within_three_times_what_he_sent() {
    let mut hand = Hand::new();
    hand.send(hand::INVITE);
    let usage = hand.invited();
    let received = hand::message(hand::INVITE).raw().len();
    hand.endpoint.reject(hand.now, usage, 403, None, &[]);
    let mut octets: usize = hand.transmits().iter().map(|t| t.bytes.len()).sum();
    assert!(octets > 0);
    let mut copies = 1;
    while let Some(at) = hand.endpoint.next_timeout() {
        hand.endpoint.handle_timeout(at);
        for transmit in hand.transmits() {
            octets += transmit.bytes.len();
            copies += 1;
        }
    }
    assert!(copies > 1 && octets <= 3 * received, "{copies} copies, {octets} octets for {received}");
    assert!(hand.endpoint.is_idle());
}

#[test]
fn an_answer_is_repeated_until_its_ack_over_any_transport() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::over(transport);
        let (caller, callee) = world.ring();
        world.lose_first(&["ACK", "ACK", "ACK"]);
        world.ends[SWITCH].accept(world.now, callee, SDP);
        world.run(secs(20));
        assert_eq!(world.times(SWITCH, "200 INVITE"), [5, 505, 1505, 3505], "13.3.1.4");
        assert_eq!(
            world.sent(PHONE),
            ["INVITE", "ACK", "ACK", "ACK", "ACK"],
            "each 2xx is acknowledged again (13.2.2.4)"
        );
        assert_eq!(world.heard(PHONE), ["Answered"]);
        assert_eq!(world.heard(SWITCH), ["Invited", "Acked"]);
        world.ends[PHONE].hangup(world.now, caller, None);
        world.finish();
    }
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_in_a_bye_after_64_t1() {
    let mut world = World::new();
    let (_, callee) = world.ring();
    world.lose_all(&["ACK"]);
    world.ends[SWITCH].accept(world.now, callee, SDP);
    world.run(secs(31));
    assert_eq!(world.heard(SWITCH), ["Invited"]);
    world.run(secs(2));
    let expected = [5, 505, 1505, 3505, 7505, 11_505, 15_505, 19_505, 23_505, 27_505, 31_505];
    assert_eq!(world.times(SWITCH, "200 INVITE"), expected);
    assert_eq!(world.times(SWITCH, "BYE"), [32_005]);
    assert_eq!(world.heard(SWITCH), ["Ended AckTimeout"]);
    assert_eq!(world.heard(PHONE), ["Answered", "Ended Bye { reason: None }"]);
    world.finish();
}

#[test]
fn a_repeated_request_gets_its_answer_again_and_is_not_processed_twice() {
    let mut world = World::new();
    let (caller, _) = world.call();
    world.lose_first(&["200 BYE", "200 INFO"]);
    world.ends[PHONE].info(world.now, caller, "a/b", Bytes::new());
    world.run(secs(1));
    assert_eq!(world.heard(SWITCH), ["Info"]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.run(secs(1));
    assert_eq!(world.sent(PHONE), ["INFO", "INFO", "BYE", "BYE"]);
    assert_eq!(world.sent(SWITCH), ["200 INFO", "200 INFO", "200 BYE", "200 BYE"]);
    assert_eq!(world.heard(SWITCH), ["Ended Bye { reason: None }"]);
    world.finish();
}

#[test]
fn transactions_end_when_their_last_timer_does() {
    // A BYE between two that hear each other: K after T4 on the one side, J after 64*T1 on the other.
    let mut world = World::new();
    let (caller, _) = world.call();
    world.run(secs(40)); // what is left of the INVITE: M and L
    assert_eq!((world.ends[PHONE].stats().transactions, world.ends[SWITCH].stats().transactions), (0, 0));
    world.ends[PHONE].hangup(world.now, caller, None);
    world.run(ms(4_900));
    assert_eq!(world.ends[PHONE].stats().transactions, 1);
    world.run(ms(200));
    assert_eq!(world.ends[PHONE].stats().transactions, 0, "K");
    world.run(ms(26_800));
    assert_eq!(world.ends[SWITCH].stats().transactions, 1);
    world.run(ms(200));
    assert_eq!(world.ends[SWITCH].stats().transactions, 0, "J");
    world.finish();
}

#[test]
fn a_request_that_the_app_never_answers_is_forgotten() {
    let mut hand = Hand::new();
    hand.send(&hand::request("REGISTER", 1, "reg", None));
    assert_eq!(hand.events().len(), 1);
    hand.pass(secs(33));
    assert!(hand.endpoint.is_idle(), "{:?}", hand.endpoint.stats());
}

#[test]
fn an_invitation_ends_when_the_caller_said_it_would() {
    let mut hand = Hand::new();
    hand.send(&hand::INVITE.replace("Contact:", "Expires: 20\nContact:"));
    hand.invited();
    hand.sent();
    assert_eq!(hand.pass(secs(21))[0], (20_000, 487), "13.3.1");
    assert!(matches!(hand.events()[..], [SipEvent::Ended { why: EndReason::Cancelled { reason: None }, .. }]));
    // An answer in time stands.
    hand.send(
        &hand::INVITE
            .replace("Contact:", "Expires: 20\nContact:")
            .replace("hand-1", "hand-2")
            .replace("by-hand", "second"),
    );
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    hand.pass(secs(25));
    assert_eq!(hand.endpoint.stats().usages, 1);
}

#[test]
fn an_old_client_without_branches_is_told_apart_by_the_rest() {
    // RFC 2543: no cookie in the branch. A repetition, its ACK and its CANCEL still find their INVITE (17.2.3).
    let mut hand = Hand::new();
    let old = |text: &str| text.replace("branch=z9hG4bKhand-1", "branch=1").replace("branch=z9hG4bKx", "branch=1");
    hand.send(&old(hand::INVITE));
    hand.send(&old(hand::INVITE));
    assert_eq!(hand.events().len(), 1);
    hand.sent();
    hand.send(&old(&hand::request("CANCEL", 1, "x", None)));
    let statuses: Vec<u16> = hand.sent().iter().map(|m| m.status()).collect();
    assert_eq!(statuses, [200, 487]);
    hand.send(&old(&hand::request("ACK", 1, "x", Some("whatever"))));
    assert!(hand.pass(secs(40)).is_empty(), "the ACK stopped the 487");
    hand.events();
    assert!(hand.endpoint.is_idle());
}
