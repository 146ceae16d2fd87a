//! REFER and the NOTIFYs about it, between two endpoints (RFC 3515, RFC 6665, RFC 5057).

use super::world::*;
use crate::sip::endpoint::{Notice, ServerRequest, SipEvent, SubscriptionId, UsageId};
use crate::sip::message::{HeaderName, Message};

const SIPFRAG: &str = "message/sipfrag;version=2.0";

fn fragment(status: u16) -> Notice {
    Notice::state(SIPFRAG, format!("SIP/2.0 {status} So\r\n"))
}

fn outcome(status: u16) -> Notice {
    Notice::last("noresource", Some((SIPFRAG, format!("SIP/2.0 {status} So\r\n").into())))
}

/// The phone refers; what the switch is asked.
fn refer(world: &mut World, phone: UsageId) -> ServerRequest {
    world.ends[PHONE]
        .refer(world.now, phone, "sip:1002@192.0.2.2", Some("sip:1001@192.0.2.2"))
        .expect("a call that is up");
    world.run(ms(1500));
    let asked = world.events[SWITCH].iter().rev().find_map(|event| match event {
        SipEvent::Referred { id, .. } => Some(*id),
        _ => None,
    });
    asked.expect("a REFER should have arrived")
}

fn referred(world: &mut World) -> (UsageId, UsageId, SubscriptionId) {
    let (phone, switch) = world.call();
    let request = refer(world, phone);
    let subscription = world.ends[SWITCH].accept_refer(world.now, switch, request, true).expect("a subscription");
    (phone, switch, subscription)
}

fn text(message: &Message, name: HeaderName) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

fn tell(world: &mut World, subscription: SubscriptionId, notice: Notice) {
    world.ends[SWITCH].notify(world.now, subscription, notice);
    world.run(ms(10));
}

#[test]
fn the_referrer_is_told_each_step_and_the_subscription_ends_with_the_last() {
    let mut world = World::new();
    let (phone, switch, subscription) = referred(&mut world);
    for notice in [fragment(100), fragment(180), outcome(200)] {
        tell(&mut world, subscription, notice);
    }
    assert_eq!(world.heard(PHONE), ["ReferAnswered 202", "Notified 100", "Notified 180", "Notified 200 over"]);
    let refer = world.last(PHONE, "REFER");
    assert_eq!(text(&refer, HeaderName::ReferTo), "<sip:1002@192.0.2.2>");
    assert_eq!(text(&refer, HeaderName::ReferredBy), "<sip:1001@192.0.2.2>");
    let last = world.last(SWITCH, "NOTIFY");
    assert_eq!(text(&last, HeaderName::Event), "refer");
    assert_eq!(text(&last, HeaderName::SubscriptionState), "terminated;reason=noresource");
    assert!(last.contact().is_ok(), "RFC 6665 4.2.2 wants one");
    assert_eq!(world.ends[SWITCH].stats().subscriptions, 0);
    world.ends[PHONE].hangup(world.now, phone, None);
    world.run(ms(10));
    assert!(world.heard(SWITCH).iter().any(|event| event.starts_with("Ended Bye")), "{switch:?}");
    world.finish();
}

#[test]
fn of_two_states_while_a_notify_is_on_its_way_the_later_is_told() {
    let mut world = World::new();
    let (phone, _, subscription) = referred(&mut world);
    let now = world.now;
    for status in [100, 180, 183] {
        world.ends[SWITCH].notify(now, subscription, fragment(status));
    }
    world.run(ms(10));
    assert_eq!(world.heard(PHONE)[1..], ["Notified 100", "Notified 183"]);
    tell(&mut world, subscription, outcome(486));
    tell(&mut world, subscription, outcome(200));
    assert_eq!(world.heard(PHONE), ["Notified 486 over"], "after the last word there is none");
    world.ends[PHONE].hangup(world.now, phone, None);
    world.finish();
}

#[test]
fn a_lost_refer_and_lost_notifies_are_repeated_and_heard_once() {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![ms(1)]);
    let (phone, switch) = world.call();
    world.lose_first(&["REFER", "202 REFER", "NOTIFY", "200 NOTIFY", "NOTIFY"]);
    let request = refer(&mut world, phone);
    let subscription = world.ends[SWITCH].accept_refer(world.now, switch, request, true).expect("a subscription");
    world.run(secs(3));
    tell(&mut world, subscription, fragment(100));
    world.run(secs(5));
    tell(&mut world, subscription, outcome(200));
    world.run(secs(5));
    assert_eq!(world.heard(PHONE), ["ReferAnswered 202", "Notified 100", "Notified 200 over"]);
    assert_eq!(world.heard(SWITCH).iter().filter(|event| *event == "Referred").count(), 1);
    world.ends[PHONE].hangup(world.now, phone, None);
    world.finish();
}

#[test]
fn the_second_transfer_of_a_call_is_told_apart_by_its_number() {
    // RFC 3515 2.4.6.
    let mut world = World::new();
    let (phone, switch, first) = referred(&mut world);
    tell(&mut world, first, outcome(486));
    let request = refer(&mut world, phone);
    let number = world.last(PHONE, "REFER").cseq().expect("a number").number;
    let second = world.ends[SWITCH].accept_refer(world.now, switch, request, true).expect("a subscription");
    tell(&mut world, second, outcome(200));
    assert_eq!(text(&world.last(SWITCH, "NOTIFY"), HeaderName::Event), format!("refer;id={number}"));
    world.ends[PHONE].hangup(world.now, phone, None);
    world.finish();
}

#[test]
fn after_the_call_is_over_its_referrer_is_still_told_in_the_same_dialog() {
    // RFC 5057 4.1: the dialog lasts as long as anything in it does.
    let mut world = World::new();
    let (phone, switch, subscription) = referred(&mut world);
    tell(&mut world, subscription, fragment(100));
    let before = world.last(SWITCH, "NOTIFY").cseq().expect("a number").number;
    world.ends[PHONE].hangup(world.now, phone, None);
    world.run(ms(10));
    tell(&mut world, subscription, outcome(200));
    let last = world.last(SWITCH, "NOTIFY");
    assert_eq!(last.cseq().expect("a number").number, before + 1);
    assert_eq!(text(&last, HeaderName::CallId), text(&world.last(PHONE, "BYE"), HeaderName::CallId));
    assert_eq!(world.ends[SWITCH].stats().subscriptions, 0, "{switch:?}: its 481 is as good as an answer");
    world.finish();
}

#[test]
fn a_last_notify_and_our_bye_count_up_in_one_dialog() {
    let mut world = World::new();
    let (_, switch, subscription) = referred(&mut world);
    let now = world.now;
    world.ends[SWITCH].notify(now, subscription, fragment(100));
    world.ends[SWITCH].notify(now, subscription, outcome(200));
    world.ends[SWITCH].hangup(now, switch, None);
    world.run(ms(10));
    let heard = world.heard(PHONE);
    assert!(
        heard.contains(&"Notified 200 over".to_string()) && heard.iter().any(|e| e.starts_with("Ended Bye")),
        "{heard:?}"
    );
    world.finish();
}

#[test]
fn a_subscriber_who_answers_no_notify_is_forgotten_and_its_call_goes_on() {
    let mut world = World::new();
    let (phone, _, subscription) = referred(&mut world);
    world.lose_all(&["NOTIFY"]);
    tell(&mut world, subscription, fragment(100));
    world.run(secs(33));
    assert_eq!(world.heard(SWITCH).last().map(String::as_str), Some("SubscriptionOver"));
    assert_eq!((world.ends[SWITCH].stats().subscriptions, world.ends[SWITCH].stats().usages), (0, 1));
    tell(&mut world, subscription, outcome(200));
    world.ends[PHONE].hangup(world.now, phone, None);
    world.finish();
}

#[test]
fn a_transfer_that_never_ends_is_not_told_for_ever() {
    let mut world = World::new();
    let (phone, _, _) = referred(&mut world);
    world.run(secs(301));
    let last = world.last(SWITCH, "NOTIFY");
    assert_eq!(text(&last, HeaderName::SubscriptionState), "terminated;reason=timeout");
    assert_eq!(world.ends[SWITCH].stats().subscriptions, 0);
    world.ends[PHONE].hangup(world.now, phone, None);
    world.finish();
}

#[test]
fn a_notify_that_nobody_asked_for_is_481_inside_a_call_and_outside() {
    let mut hand = super::hand::Hand::new();
    hand.send(&super::hand::request("NOTIFY", 5, "stray", None));
    assert_eq!(hand.answer().status(), 481);
    hand.send(super::hand::INVITE);
    let call = hand.invited();
    hand.endpoint.accept(hand.now, call, bytes::Bytes::from_static(b"v=0\r\n"));
    let ok = hand.sent().pop().expect("an answer");
    let tag = ok.to().expect("a To").tag().expect("a tag").to_owned();
    hand.send(&super::hand::request("ACK", 1, "ack", Some(&tag)));
    hand.send(&super::hand::request("NOTIFY", 6, "within", Some(&tag)));
    assert_eq!(hand.answer().status(), 481);
    hand.send(&super::hand::request("BYE", 7, "bye", Some(&tag)));
    assert_eq!(hand.answer().status(), 200);
}
