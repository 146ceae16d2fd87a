//! Session timers (RFC 4028): who refreshes, when, by what, and what ends a call that nobody refreshed.

use super::hand::{self, Hand, request};
use super::world::*;
use crate::sip::dialog::session_timer::SessionTerms;
use crate::sip::endpoint::{EndReason, EndpointConfig, SipEvent, UsageId};
use crate::sip::message::{HeaderName, Message};
use crate::sip::peer::Transport;
use bytes::Bytes;

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");
const TERMS: SessionTerms = SessionTerms { expires_s: 1800, min_s: 90 };

fn timed(config: &mut EndpointConfig) {
    config.session = Some(TERMS);
}

/// An INVITE by hand with these lines more, answered 200; the usage, our tag and the 200.
fn up(hand: &mut Hand, lines: &str) -> (UsageId, String, Message) {
    hand.send(&hand::INVITE.replacen("Content-Type", &format!("{lines}Content-Type"), 1));
    let usage = hand.invited();
    hand.endpoint.accept(hand.now, usage, SDP);
    let ok = hand.answer();
    let tag = ok.to().unwrap().tag().unwrap().to_owned();
    hand.send(&request("ACK", 1, "ack", Some(&tag)));
    hand.events();
    (usage, tag, ok)
}

fn text(message: &Message, name: HeaderName) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

#[test]
fn what_a_caller_asks_for_decides_who_refreshes_and_how_often() {
    // RFC 4028 table 2 and section 9: interval never raised, never below the caller's Min-SE.
    for (lines, expires, require) in [
        ("", "", ""),
        ("Supported: timer\n", "1800;refresher=uas", ""),
        ("Supported: timer\nSession-Expires: 600\n", "600;refresher=uas", ""),
        ("Supported: timer\nx: 600;refresher=uac\n", "600;refresher=uac", "timer"),
        ("Require: timer\nSession-Expires: 4000;refresher=uac\n", "1800;refresher=uac", "timer"),
        ("Supported: timer\nSession-Expires: 9000\nMin-SE: 3600\n", "3600;refresher=uas", ""),
        ("Session-Expires: 600\n", "600;refresher=uas", ""),
        ("Session-Expires: 5\n", "", ""),
    ] {
        let mut hand = Hand::with(timed);
        let (_, _, ok) = up(&mut hand, lines);
        assert_eq!(text(&ok, HeaderName::SessionExpires), expires, "{lines}");
        assert_eq!(text(&ok, HeaderName::Require), require, "{lines}");
        assert_eq!(text(&ok, HeaderName::Supported), "timer, 100rel");
    }
}

#[test]
fn an_interval_below_our_minimum_is_refused_with_422_before_anybody_is_rung() {
    let mut hand = Hand::with(|config| config.session = Some(SessionTerms { min_s: 300, ..TERMS }));
    hand.send(&hand::INVITE.replacen("Content-Type", "Supported: timer\nSession-Expires: 120\nContent-Type", 1));
    let refusal = hand.answer();
    assert_eq!((refusal.status(), text(&refusal, HeaderName::MinSe).as_str()), (422, "300"));
    assert!(hand.events().is_empty());
}

#[test]
fn without_session_timers_nothing_is_said_of_them() {
    let mut hand = Hand::new();
    let (_, _, ok) = up(&mut hand, "Supported: timer\nSession-Expires: 600\n");
    assert!(ok.header(HeaderName::SessionExpires).is_none());
    assert_eq!(text(&ok, HeaderName::Supported), "100rel");
}

#[test]
fn a_peer_that_was_to_refresh_and_does_not_gets_a_bye_32_s_before_the_session_expires() {
    let mut hand = Hand::with(timed);
    up(&mut hand, "Supported: timer\nSession-Expires: 600;refresher=uac\n");
    assert_eq!(hand.pass(secs(567)), []);
    assert_eq!(hand.pass(secs(1))[..1], [(568_000, 0)], "a BYE");
    assert!(matches!(hand.events()[..], [SipEvent::Ended { why: EndReason::SessionExpired, .. }]));

    // Of a short interval it is a third.
    let mut hand = Hand::with(timed);
    up(&mut hand, "Supported: timer\nSession-Expires: 90;refresher=uac\n");
    assert_eq!(hand.pass(secs(61))[..1], [(60_000, 0)]);
}

#[test]
fn a_refresh_of_the_peer_starts_the_time_anew_by_update_and_by_re_invite() {
    let mut hand = Hand::with(timed);
    let lines = "Supported: timer\nSession-Expires: 90;refresher=uac\n";
    let (usage, tag, _) = up(&mut hand, lines);
    hand.pass(secs(45));
    let timed = |method, number, branch| {
        request(method, number, branch, Some(&tag)).replacen("Content-Length", &format!("{lines}Content-Length"), 1)
    };
    hand.send(&timed("UPDATE", 2, "update"));
    let ok = hand.answer();
    assert_eq!((ok.status(), text(&ok, HeaderName::SessionExpires).as_str()), (200, "90;refresher=uac"));
    assert_eq!(text(&ok, HeaderName::Require), "timer");
    assert_eq!(hand.pass(secs(45)), []);
    hand.send(&timed("INVITE", 3, "re-invite"));
    assert!(matches!(hand.events()[..], [SipEvent::Reoffer { sdp: None, .. }]));
    hand.endpoint.answer_reoffer(hand.now, usage, Ok(SDP), &[]);
    assert_eq!(text(&hand.answer(), HeaderName::SessionExpires), "90;refresher=uac");
    hand.send(&request("ACK", 3, "ack-3", Some(&tag)));
    assert_eq!(hand.pass(secs(59)), []);
    assert_eq!(hand.pass(secs(1))[..1], [(150_000, 0)], "45 + 45 + 60 s");

    // One that asks for too little changes nothing.
    let (_, tag, _) = up(&mut hand, lines);
    let brief = request("UPDATE", 2, "brief", Some(&tag)).replacen(
        "Content-Length",
        "Supported: timer\nSession-Expires: 30\nContent-Length",
        1,
    );
    hand.send(&brief);
    assert_eq!(hand.sent().last().map(Message::status), Some(422));
}

#[test]
fn we_refresh_at_half_the_interval_by_update_where_the_peer_takes_it() {
    let mut world = World::with(Transport::Udp, |_, config| timed(config));
    world.call();
    world.run(secs(899));
    assert!(world.sent(SWITCH).is_empty());
    world.run(secs(2));
    assert_eq!(world.sent(SWITCH), ["UPDATE"], "the callee refreshes");
    let update = world.last(SWITCH, "UPDATE");
    assert_eq!(text(&update, HeaderName::SessionExpires), "1800;refresher=uac");
    assert!(update.body().is_empty());
    assert_eq!(world.sent(PHONE), ["200 UPDATE"]);
    world.run(secs(4000));
    assert_eq!(world.sent(SWITCH).len(), 5);
    assert!(world.heard(PHONE).is_empty() && world.heard(SWITCH).is_empty(), "no decision is needed");
}

#[test]
fn a_peer_without_update_is_refreshed_by_re_invite() {
    let mut world = World::with(Transport::Udp, |_, config| {
        timed(config);
        config.allow.retain(|method| *method != "UPDATE");
    });
    let (caller, callee) = world.call();
    world.run(secs(900));
    assert_eq!(world.heard(SWITCH), ["RefreshDue"]);
    world.ends[SWITCH].refresh(world.now, callee, SDP).unwrap();
    world.run(secs(1));
    assert_eq!(text(&world.last(SWITCH, "INVITE"), HeaderName::SessionExpires), "1800;refresher=uac");
    assert_eq!(world.heard(PHONE), ["Reoffer"]);
    world.ends[PHONE].answer_reoffer(world.now, caller, Ok(SDP), &[]);
    world.run(secs(1));
    assert_eq!(text(&world.last(PHONE, "200 INVITE"), HeaderName::SessionExpires), "1800;refresher=uac");
    assert_eq!(world.heard(SWITCH), ["ReofferAnswered"]);
    world.run(secs(898));
    assert!(world.heard(SWITCH).is_empty());
    world.run(secs(2));
    assert_eq!(world.heard(SWITCH), ["RefreshDue"]);
    // An app that never comes to it loses the call as any refresher does, and so does the peer that waits for it.
    world.fate = Box::new(|sent| if name(&sent.message) == "BYE" && sent.from == PHONE { vec![] } else { vec![ms(1)] });
    world.run(secs(868));
    assert_eq!(world.heard(SWITCH), ["RefreshDue", "RefreshDue", "RefreshDue", "Ended SessionExpired"]);
    assert_eq!(world.heard(PHONE), ["Acked", "Ended SessionExpired"]);
    world.finish();
}

#[test]
fn a_peer_that_is_gone_when_it_is_refreshed_ends_the_call() {
    let mut world = World::with(Transport::Udp, |_, config| timed(config));
    world.call();
    world.lose_all(&["UPDATE", "BYE"]);
    world.run(secs(933));
    assert_eq!(world.heard(SWITCH), ["Ended Timeout"]);
    world.run(secs(1000));
    assert_eq!(world.heard(PHONE), ["Ended SessionExpired"]);
    world.finish();
}

#[test]
fn a_refusal_of_a_refresh_is_tried_again_until_the_session_is_over() {
    let mut world = World::with(Transport::Udp, |_, config| timed(config));
    world.call();
    // The peer says 500 to each, by hand.
    let mut out = bytes::BytesMut::new();
    let mut tries = 0;
    let limit = world.now + secs(1767);
    while world.step(limit) {
        let updates = world.times(SWITCH, "UPDATE").len();
        if updates > tries {
            tries = updates;
            world.lose_all(&["UPDATE", "200 UPDATE"]);
            let update = world.last(SWITCH, "UPDATE");
            let refusal = crate::sip::message::response_to(&mut out, &update, 500, "No", None, None).finish();
            let peer = world.peer(SWITCH);
            world.ends[SWITCH].handle_message(world.now, peer, Message::parse(refusal).unwrap());
        }
    }
    assert_eq!(world.times(SWITCH, "UPDATE").len(), 4, "{:?}", world.times(SWITCH, "UPDATE"));
    world.now = limit;
    world.run(secs(3));
    assert_eq!(world.heard(SWITCH), ["Ended SessionExpired"]);
    world.fate = Box::new(|_| vec![ms(1)]);
    world.finish();
}

#[test]
fn a_422_to_our_invite_is_tried_again_with_the_interval_it_asks_for() {
    let mut world = World::with(Transport::Udp, |end, config| {
        let min_s = if end == SWITCH { 3600 } else { 90 };
        config.session = Some(SessionTerms { expires_s: 1800.max(min_s), min_s });
    });
    world.ring();
    assert_eq!(world.sent(PHONE), ["INVITE", "ACK", "INVITE"]);
    assert_eq!(world.sent(SWITCH)[..1], ["422 INVITE"]);
    let second = world.last(PHONE, "INVITE");
    assert_eq!(text(&second, HeaderName::SessionExpires), "3600");
    assert_eq!(text(&second, HeaderName::MinSe), "3600");
    assert_eq!(second.cseq().unwrap().number, 2);
}

#[test]
fn a_422_that_asks_for_no_more_than_we_did_is_a_refusal_and_so_is_one_too_many() {
    let mut hand = Hand::with(timed);
    let world = World::new();
    let mut order = world.order();
    order.peer = hand.peer;
    hand.endpoint.invite(hand.now, order).unwrap();
    let mut asked = 1800;
    let mut sent = 0;
    while let Some(invite) = hand.sent().into_iter().find(|message| message.status() == 0 && message.body().len() > 5) {
        sent += 1;
        asked += 100;
        let mut out = bytes::BytesMut::new();
        let mut refusal = crate::sip::message::response_to(&mut out, &invite, 422, "Too Small", Some("t"), None);
        refusal.number(HeaderName::MinSe, asked);
        let refusal = Message::parse(refusal.finish()).unwrap();
        hand.endpoint.handle_message(hand.now, hand.peer, refusal);
    }
    assert_eq!(sent, 8);
    assert!(matches!(hand.events()[..], [SipEvent::Rejected { status: 422, .. }]));
}
