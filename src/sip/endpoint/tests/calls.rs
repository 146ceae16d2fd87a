//! Whole calls, in each of the ways in which they begin and end.

use super::world::*;
use crate::sip::endpoint::{EndReason, SipEvent};
use crate::sip::message::HeaderName;
use crate::sip::peer::Transport;
use bytes::Bytes;

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

#[test]
fn a_call_rings_is_answered_and_hung_up_by_the_caller() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Wss] {
        let mut world = World::over(transport);
        let (caller, callee) = world.ring();
        world.ends[SWITCH].progress(world.now, callee, 180, None);
        world.run(ms(5));
        world.ends[SWITCH].accept(world.now, callee, SDP);
        world.run(ms(5));
        world.ends[PHONE].hangup(world.now, caller, Some(("Q.850", 16, "Terminated")));
        world.run(ms(5));
        assert_eq!(world.sent(PHONE), ["INVITE", "ACK", "BYE"]);
        assert_eq!(world.sent(SWITCH), ["100 INVITE", "180 INVITE", "200 INVITE", "200 BYE"]);
        assert_eq!(world.heard(PHONE), ["Progress 180", "Answered"]);
        let reason = "Q.850;cause=16;text=\"Terminated\"";
        assert_eq!(world.heard(SWITCH), ["Invited", "Acked", &format!("Ended Bye {{ reason: Some({reason:?}) }}")]);
        world.finish();
    }
}

#[test]
fn an_answer_given_at_once_needs_no_100() {
    let mut world = World::new();
    world.dial();
    // The switch answers while it drains its events, before anything of its is sent.
    world.now += ms(1);
    let message = world.last(PHONE, "INVITE");
    let peer = world.peer(SWITCH);
    world.ends[SWITCH].handle_message(world.now, peer, message);
    let Some(SipEvent::Invited { usage, .. }) = world.ends[SWITCH].poll_event() else { panic!("no call") };
    world.ends[SWITCH].accept(world.now, usage, SDP);
    world.drain();
    assert_eq!(world.sent(SWITCH), ["200 INVITE"]);
    world.run(ms(10));
    world.ends[SWITCH].hangup(world.now, usage, None);
    world.finish();
}

#[test]
fn the_callee_hangs_up_an_answered_call() {
    let mut world = World::new();
    let (_, callee) = world.call();
    world.ends[SWITCH].hangup(world.now, callee, None);
    world.run(ms(5));
    assert_eq!((world.sent(SWITCH), world.sent(PHONE)), (vec!["BYE".into()], vec!["200 BYE".into()]));
    assert_eq!(world.heard(PHONE), ["Ended Bye { reason: None }"]);
    assert!(world.heard(SWITCH).is_empty(), "who hangs up hears no more of the call");
    world.finish();
}

#[test]
fn what_the_dialog_needs_is_in_each_message() {
    let mut world = World::new();
    let (caller, callee) = world.ring();
    world.ends[SWITCH].accept(world.now, callee, SDP);
    world.run(ms(5));
    let invite = world.last(PHONE, "INVITE");
    let ok = world.last(SWITCH, "200 INVITE");
    let ack = world.last(PHONE, "ACK");
    assert_eq!(invite.from().unwrap().display_name().unwrap(), &b"Ann \"A\" Lee"[..]);
    assert_eq!(invite.contact().unwrap().uri, b"sip:1001@192.0.2.1:5060");
    assert!(ok.header(HeaderName::Allow).is_some() && ok.header(HeaderName::Server).is_some());
    assert_eq!(ok.contact().unwrap().uri, b"sip:95598@192.0.2.2:5060");
    assert_eq!(ack.request_uri(), b"sip:95598@192.0.2.2:5060", "the ACK goes to the Contact of the answer");
    assert_eq!(ack.to().unwrap().tag(), ok.to().unwrap().tag());
    assert_eq!(ack.cseq().unwrap().number, invite.cseq().unwrap().number);
    assert_ne!(ack.via().unwrap().branch, invite.via().unwrap().branch, "the ACK for a 2xx is its own transaction");
    world.ends[PHONE].hangup(world.now, caller, None);
    world.run(ms(5));
    let bye = world.last(PHONE, "BYE");
    assert_eq!(bye.cseq().unwrap().number, invite.cseq().unwrap().number + 1);
    world.finish();
}

#[test]
fn a_refusal_is_acknowledged_and_ends_both_sides() {
    let mut world = World::new();
    let (_, callee) = world.ring();
    world.ends[SWITCH].reject(world.now, callee, 486, None, &[("Retry-After", "30")]);
    world.run(ms(5));
    assert_eq!(world.sent(PHONE), ["INVITE", "ACK"]);
    let invite = world.last(PHONE, "INVITE");
    let ack = world.last(PHONE, "ACK");
    assert_eq!(ack.via().unwrap().branch, invite.via().unwrap().branch, "17.1.1.3");
    let rejected = world.events[PHONE].pop();
    assert!(
        matches!(&rejected, Some(SipEvent::Rejected { status: 486, reason, retry_after: Some(30), local: false, .. }) if reason == "Busy Here"),
        "{rejected:?}"
    );
    world.finish();
}

#[test]
fn a_redirection_brings_its_contacts_the_best_first() {
    let mut world = World::new();
    let (_, callee) = world.ring();
    let contacts =
        "<sip:2002@192.0.2.9>;q=0.2, \"Desk, B\" <sip:2003@192.0.2.9>, <sip:2004@192.0.2.9>;q=0.9, <tel:+123>;q=0.1";
    world.ends[SWITCH].reject(world.now, callee, 302, None, &[("Contact", contacts)]);
    world.run(ms(5));
    let Some(SipEvent::Rejected { contacts, .. }) = world.events[PHONE].pop() else { panic!() };
    let places: Vec<_> = contacts.iter().map(|uri| uri.as_str()).collect();
    assert_eq!(places, ["sip:2003@192.0.2.9", "sip:2004@192.0.2.9", "sip:2002@192.0.2.9", "tel:+123"]);
    world.finish();
}

#[test]
fn the_ack_for_a_refusal_takes_the_route_of_its_invite() {
    let mut world = World::new();
    let mut order = world.order();
    order.headers = vec![("Route".into(), "<sip:192.0.2.2;lr>".into()), ("Via".into(), "forged".into())];
    world.ends[PHONE].invite(world.now, order).unwrap();
    world.run(ms(5));
    let callee = world.invited();
    world.ends[SWITCH].reject(world.now, callee, 486, None, &[]);
    world.run(ms(5));
    let ack = world.last(PHONE, "ACK");
    assert_eq!(ack.header(HeaderName::Route), Some(&b"<sip:192.0.2.2;lr>"[..]));
    assert_eq!(ack.count(HeaderName::Via), 1, "the app cannot write what the core writes");
    world.finish();
}

#[test]
fn hanging_up_while_it_rings_cancels_and_the_callee_is_told() {
    let mut world = World::new();
    let (caller, callee) = world.ring();
    world.ends[SWITCH].progress(world.now, callee, 180, None);
    world.run(ms(5));
    world.ends[PHONE].hangup(world.now, caller, Some(("SIP", 200, "Call completed elsewhere")));
    world.run(ms(5));
    assert_eq!(world.sent(PHONE), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(world.sent(SWITCH)[2..], ["200 CANCEL", "487 INVITE"]);
    let (ok, refused) = (world.last(SWITCH, "200 CANCEL"), world.last(SWITCH, "487 INVITE"));
    assert_eq!(ok.to().unwrap().tag(), refused.to().unwrap().tag(), "9.2: the same To tag");
    let ended = world.events[SWITCH].pop();
    let expected = "SIP;cause=200;text=\"Call completed elsewhere\"";
    assert!(
        matches!(&ended, Some(SipEvent::Ended { why: EndReason::Cancelled { reason: Some(r) }, .. }) if r == expected),
        "{ended:?}"
    );
    assert_eq!(world.heard(PHONE), ["Progress 180"]);
    world.finish();
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut world = World::new();
    world.lose_all(&["100 INVITE"]);
    let (caller, callee) = world.ring();
    world.ends[PHONE].hangup(world.now, caller, None);
    world.run(ms(5));
    assert_eq!(world.sent(PHONE), ["INVITE"], "9.1: no CANCEL before a provisional response");
    world.ends[SWITCH].progress(world.now, callee, 180, None);
    world.run(ms(5));
    assert_eq!(world.sent(PHONE), ["INVITE", "CANCEL", "ACK"]);
    world.finish();
}

#[test]
fn hanging_up_on_a_callee_that_never_reacts_ends_with_the_invite() {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    let caller = world.dial();
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
    assert!(world.sent(PHONE).iter().all(|name| name == "INVITE"));
}

#[test]
fn a_callee_that_cancels_nothing_is_forgotten_after_64_t1() {
    let mut world = World::new();
    let (caller, _) = world.ring();
    world.lose_all(&["487 INVITE"]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.run(secs(31));
    assert_eq!(world.ends[PHONE].stats().usages, 1);
    world.run(secs(2));
    assert_eq!(world.ends[PHONE].stats().usages, 0, "9.1");
    world.finish();
}

#[test]
fn an_answer_that_crosses_a_cancel_is_acknowledged_and_hung_up() {
    let mut world = World::new();
    let (caller, callee) = world.ring();
    world.ends[PHONE].hangup(world.now, caller, None);
    world.ends[SWITCH].accept(world.now, callee, SDP);
    world.run(ms(10));
    assert_eq!(world.sent(PHONE), ["INVITE", "CANCEL", "ACK", "BYE"]);
    assert_eq!(world.sent(SWITCH), ["100 INVITE", "200 INVITE", "200 CANCEL", "200 BYE"]);
    assert!(world.heard(PHONE).is_empty());
    assert_eq!(world.heard(SWITCH), ["Invited", "Acked", "Ended Bye { reason: None }"]);
    world.finish();
}

#[test]
fn byes_that_cross_are_both_answered_200() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    world.ends[PHONE].hangup(world.now, caller, None);
    world.ends[SWITCH].hangup(world.now, callee, None);
    world.run(ms(10));
    assert_eq!(world.sent(PHONE), ["BYE", "200 BYE"]);
    assert_eq!(world.sent(SWITCH), ["BYE", "200 BYE"]);
    world.finish();
}

#[test]
fn the_callee_hangs_up_before_the_ack_and_says_bye_only_after_it() {
    let mut world = World::new();
    let (_, callee) = world.ring();
    world.lose_first(&["ACK"]);
    world.ends[SWITCH].accept(world.now, callee, SDP);
    world.ends[SWITCH].hangup(world.now, callee, None);
    world.run(ms(100));
    assert_eq!(world.sent(SWITCH), ["100 INVITE", "200 INVITE"], "15: no BYE before the ACK");
    world.run(secs(1));
    assert_eq!(world.sent(SWITCH), ["100 INVITE", "200 INVITE", "200 INVITE", "BYE"]);
    world.finish();
}

#[test]
fn a_caller_that_says_bye_while_it_rings_ends_the_call() {
    let mut world = super::hand::Hand::new();
    world.send(super::hand::INVITE);
    let usage = world.invited();
    world.endpoint.progress(world.now, usage, 180, None);
    let tag = world.sent().pop().unwrap().to().unwrap().tag().unwrap().to_owned();
    world.send(&super::hand::request("BYE", 2, "bye", Some(&tag)));
    let statuses: Vec<u16> = world.sent().iter().map(|m| m.status()).collect();
    assert_eq!(statuses, [200, 487], "15.1.2");
    assert!(matches!(world.events()[..], [SipEvent::Ended { why: EndReason::Bye { .. }, .. }]));
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut hand = super::hand::Hand::new();
    let no_offer = super::hand::request("INVITE", 1, "late", None);
    hand.send(&no_offer);
    let Some(SipEvent::Invited { usage, sdp, .. }) = hand.events().pop() else { panic!() };
    assert_eq!(sdp, None);
    hand.endpoint.accept(hand.now, usage, SDP);
    let tag = hand.sent().pop().unwrap().to().unwrap().tag().unwrap().to_owned();
    let ack = super::hand::request("ACK", 1, "ack", Some(&tag));
    hand.send(&ack.replace("Content-Length: 0\n\n", "Content-Type: application/sdp\nContent-Length: 5\n\nv=1\n"));
    let Some(SipEvent::Acked { sdp: Some(sdp), .. }) = hand.events().pop() else { panic!() };
    assert_eq!(&sdp[..], b"v=1\r\n");
}

#[test]
fn a_second_answer_of_a_fork_is_acknowledged_and_dismissed() {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    let caller = world.dial();
    let invite = world.last(PHONE, "INVITE");
    let answer = |tag: &str| {
        let mut out = bytes::BytesMut::new();
        let mut ok = crate::sip::message::response_to(&mut out, &invite, 200, "OK", Some(tag), None);
        ok.header(HeaderName::Contact, format!("<sip:{tag}@192.0.2.2>")).body("application/sdp", b"v=0\r\n");
        crate::sip::message::Message::parse(ok.finish()).unwrap()
    };
    let peer = world.peer(PHONE);
    for tag in ["first", "second", "first", "second"] {
        world.ends[PHONE].handle_message(world.now, peer, answer(tag));
    }
    world.drain();
    assert_eq!(world.sent(PHONE), ["INVITE", "ACK", "ACK", "BYE", "ACK", "ACK"]);
    let bye = world.last(PHONE, "BYE");
    assert_eq!(bye.request_uri(), b"sip:second@192.0.2.2", "13.2.2.4: only the second is hung up");
    assert_eq!(world.heard(PHONE), ["Answered"]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn a_phone_that_speaks_before_its_answer_is_heard() {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    world.dial();
    let invite = world.last(PHONE, "INVITE");
    let response = |status: u16, tag: &str| {
        let mut out = bytes::BytesMut::new();
        let mut response = crate::sip::message::response_to(&mut out, &invite, status, "x", Some(tag), None);
        crate::sip::message::Message::parse(response.header(HeaderName::Contact, "<sip:b@192.0.2.2>").finish()).unwrap()
    };
    let request = |method: &str, cseq: u32, tag: &str| {
        let our_tag = invite.from().unwrap().tag().unwrap();
        let call_id = invite.call_id().unwrap();
        super::hand::message(&format!(
            "{method} sip:1001@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{method}{tag}\nFrom: <sip:b@x>;tag={tag}\nTo: <sip:a@x>;tag={our_tag}\nCall-ID: {call_id}\nCSeq: {cseq} {method}\nContent-Length: 0\n\n"
        ))
    };
    let peer = world.peer(PHONE);
    let now = world.now;
    let mut hear = |message| world.ends[PHONE].handle_message(now, peer, message);
    hear(response(180, "one"));
    hear(response(183, "two"));
    hear(request("INFO", 1, "two"));
    hear(request("INFO", 1, "three"));
    // It answered, waited in vain for our ACK, and hung up; then its answer arrives.
    hear(request("BYE", 2, "one"));
    hear(response(200, "one"));
    assert_eq!(world.heard(PHONE), ["Progress 180", "Progress 183", "Info", "Ended Bye { reason: None }"]);
    assert_eq!(world.sent(PHONE), ["INVITE", "200 INFO", "481 INFO", "200 BYE", "ACK"]);
    world.finish();
}

#[test]
fn a_peer_that_no_longer_answers_is_given_up_with_a_bye() {
    let mut world = World::new();
    let (caller, _) = world.call();
    // Its voice is lost for good, and the first BYE too.
    let mut byes = 0;
    world.fate = Box::new(move |sent| {
        byes += u32::from(name(&sent.message) == "BYE");
        if sent.from == SWITCH || (name(&sent.message) == "BYE" && byes == 1) { vec![] } else { vec![ms(1)] }
    });
    world.ends[PHONE].info(world.now, caller, "text/plain", Bytes::new());
    world.run(secs(33));
    assert_eq!(world.heard(PHONE), ["Ended Timeout"], "12.2.1.2");
    assert_eq!(world.times(PHONE, "BYE").len(), 2);
    assert_eq!(world.heard(SWITCH), ["Info", "Ended Bye { reason: None }"]);
    world.finish();
}

#[test]
fn info_reaches_the_app_and_is_answered() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    let body = Bytes::from_static(b"Signal=5\r\nDuration=160\r\n");
    world.ends[PHONE].info(world.now, caller, "application/dtmf-relay", body.clone());
    world.run(ms(5));
    assert_eq!(world.sent(SWITCH), ["200 INFO"]);
    let Some(SipEvent::Info { usage, content_type, body: heard }) = world.events[SWITCH].pop() else { panic!() };
    assert_eq!((usage, content_type.as_str(), heard), (callee, "application/dtmf-relay", body));
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn a_peer_that_forgot_the_call_ends_it() {
    let mut world = World::new();
    let (caller, _) = world.call();
    // The switch restarted: a new endpoint at the old address.
    world.ends[SWITCH] = World::new().ends.into_iter().next_back().unwrap();
    world.ends[PHONE].info(world.now, caller, "text/plain", Bytes::new());
    world.run(ms(5));
    assert_eq!(world.heard(PHONE), ["Ended Unknown"]);
    world.finish();
}

#[test]
fn a_connection_that_breaks_ends_what_waits_on_it() {
    let mut world = World::over(Transport::Tcp);
    let (_, _) = world.ring();
    for end in [PHONE, SWITCH] {
        let peer = world.peer(end);
        world.ends[end].handle_transport_error(world.now, peer);
    }
    assert_eq!(world.heard(PHONE), ["Rejected 503 here"]);
    assert_eq!(world.heard(SWITCH), ["Invited", "Ended Transport"]);
    world.finish();
}

#[test]
fn a_call_on_a_connection_that_was_still_to_be_opened_fails_with_it() {
    let mut world = World::over(Transport::Tcp);
    let mut order = world.order();
    let opened = order.peer;
    order.peer.connection = None;
    world.ends[PHONE].invite(world.now, order).unwrap();
    world.ends[PHONE].handle_transport_error(world.now, opened);
    assert_eq!(world.heard(PHONE), ["Rejected 503 here"]);
    world.run(ms(5));
    let callee = world.invited();
    world.ends[SWITCH].hangup(world.now, callee, None);
    world.finish();
}

#[test]
fn commands_to_a_call_that_is_over_do_nothing_and_are_counted() {
    let mut world = World::new();
    let (caller, callee) = world.call();
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
    world.log.clear();
    let now = world.now;
    let switch = &mut world.ends[SWITCH];
    switch.accept(now, callee, SDP);
    switch.progress(now, callee, 180, None);
    switch.reject(now, callee, 486, None, &[]);
    switch.hangup(now, callee, None);
    switch.info(now, callee, "a/b", SDP);
    switch.answer_reoffer(now, callee, Ok(SDP), &[]);
    assert!(switch.reinvite(now, callee, SDP).is_err());
    assert_eq!(switch.stats().stale_commands, 6);
    world.drain();
    assert!(world.sent(SWITCH).is_empty());
    world.finish();
}

#[test]
fn a_waiting_caller_is_told_so_each_minute() {
    let mut world = World::new();
    let (caller, callee) = world.ring();
    world.ends[SWITCH].progress(world.now, callee, 183, Some(SDP));
    world.run(secs(125));
    assert_eq!(world.times(SWITCH, "183 INVITE"), [5, 60_005, 120_005], "13.3.1.1");
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}

#[test]
fn the_same_seed_says_the_same_things() {
    let run = || {
        let mut world = World::new();
        let (caller, _) = world.call();
        world.ends[PHONE].hangup(world.now, caller, None);
        world.run(secs(1));
        world.log.iter().map(|sent| sent.message.raw().clone()).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_phone_of_several_that_refused_is_forgotten_and_the_call_rings_on() {
    // RFC 6228: 199 ends one early dialog; requests in it find nothing, and the call is still answered by another.
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    let caller = world.dial();
    let invite = world.last(PHONE, "INVITE");
    let hear = |world: &mut World, status: u16, tag: &str| {
        let mut out = bytes::BytesMut::new();
        let mut response = crate::sip::message::response_to(&mut out, &invite, status, "x", Some(tag), None);
        response.header(HeaderName::Contact, "<sip:b@192.0.2.2>");
        let message = crate::sip::message::Message::parse(response.finish()).unwrap();
        let (peer, now) = (world.peer(PHONE), world.now);
        world.ends[PHONE].handle_message(now, peer, message);
    };
    hear(&mut world, 180, "one");
    hear(&mut world, 180, "two");
    hear(&mut world, 199, "one");
    let our_tag = invite.from().unwrap().tag().unwrap();
    let call_id = invite.call_id().unwrap();
    for tag in ["one", "two"] {
        let info = super::hand::message(&format!(
            "INFO sip:1001@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKinfo{tag}\nFrom: <sip:b@x>;tag={tag}\nTo: <sip:a@x>;tag={our_tag}\nCall-ID: {call_id}\nCSeq: 1 INFO\nContent-Length: 0\n\n"
        ));
        let (peer, now) = (world.peer(PHONE), world.now);
        world.ends[PHONE].handle_message(now, peer, info);
    }
    hear(&mut world, 200, "two");
    assert_eq!(world.heard(PHONE), ["Progress 180", "Progress 180", "Info", "Answered"]);
    assert_eq!(world.sent(PHONE), ["INVITE", "481 INFO", "200 INFO", "ACK"]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}
