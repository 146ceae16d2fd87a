//! Provisional responses that are acknowledged (RFC 3262), as callee and as caller.

use super::hand::{self, Hand, request};
use super::world::*;
use crate::sip::endpoint::{EndReason, EndpointConfig, ReliableProvisional, SipEvent, UsageId};
use crate::sip::message::{HeaderName, Message, response_to};
use crate::sip::peer::Transport;
use bytes::{Bytes, BytesMut};

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

/// An INVITE by hand that says this of 100rel, and the call it makes.
fn called(hand: &mut Hand, said: &str) -> UsageId {
    hand.send(&hand::INVITE.replacen("Content-Type", &format!("{said}\nContent-Type"), 1));
    hand.invited()
}

fn rseq(message: &Message) -> u32 {
    message.rseq().expect("a reliable response has an RSeq")
}

fn tag(message: &Message) -> String {
    message.to().unwrap().tag().unwrap().to_owned()
}

fn prack(number: u32, rack: &str, to_tag: &str) -> String {
    let branch = format!("prack{number}");
    request("PRACK", number, &branch, Some(to_tag)).replacen("Contact", &format!("RAck: {rack}\nContact"), 1)
}

fn with_sdp(text: &str) -> String {
    text.replace("Content-Length: 0\n\n", "Content-Type: application/sdp\nContent-Length: 5\n\nv=2\n")
}

fn statuses(hand: &mut Hand) -> Vec<u16> {
    hand.sent().iter().map(Message::status).collect()
}

#[test]
fn who_has_to_acknowledge_what() {
    let (never, wanted, always) =
        (ReliableProvisional::Never, ReliableProvisional::Wanted, ReliableProvisional::Always);
    for (policy, said, bare, described) in [
        (wanted, "X: none", false, false),
        (wanted, "Supported: timer, 100rel", false, true),
        (wanted, "Require: 100rel", true, true),
        (always, "X: none", false, false),
        (always, "k: 100rel", true, true),
        (never, "Supported: 100rel", false, false),
    ] {
        for (sdp, reliable) in [(None, bare), (Some(SDP), described)] {
            let mut hand = Hand::with(|config| config.reliable = policy);
            let usage = called(&mut hand, said);
            hand.endpoint.progress(hand.now, usage, 183, sdp);
            let shown = hand.answer();
            assert_eq!(shown.rseq().is_some(), reliable, "{policy:?} {said} (RFC 3262 3)");
            assert_eq!(shown.has_token(HeaderName::Require, "100rel"), reliable);
        }
    }
    let mut hand = Hand::with(|config| config.reliable = never);
    hand.send(&hand::INVITE.replacen("Content-Type", "Require: 100rel\nContent-Type", 1));
    assert_eq!(hand.answer().status(), 420);
    assert!(hand.answer_to_options().header(HeaderName::Supported).is_none());
}

#[test]
fn early_media_is_repeated_until_its_prack_then_no_more() {
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Supported: 100rel");
    hand.endpoint.progress(hand.now, usage, 183, Some(SDP));
    let first = hand.answer();
    assert!((1..1 << 31).contains(&rseq(&first)), "7.1");
    assert!(first.contact().is_ok() && first.allows(&crate::sip::message::Method::Update), "RFC 3311 5.1");
    // T1, doubled each time without T2 (section 3).
    let times: Vec<u128> = hand.pass(secs(20)).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 15_500]);
    hand.send(&prack(2, &format!("{} 1 INVITE", rseq(&first)), &tag(&first)));
    assert_eq!(statuses(&mut hand), [200]);
    assert_eq!(hand.pass(secs(30)), []);
    assert!(hand.events().is_empty());
    // What was acknowledged once is not known a second time.
    hand.send(&prack(3, &format!("{} 1 INVITE", rseq(&first)), &tag(&first)));
    assert_eq!(statuses(&mut hand), [481], "section 3");
}

#[test]
fn a_prack_that_names_no_response_of_ours_is_481_and_one_without_a_name_400() {
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Supported: 100rel");
    hand.endpoint.progress(hand.now, usage, 183, Some(SDP));
    let first = hand.answer();
    let (number, tag) = (rseq(&first), tag(&first));
    for (cseq, rack, status) in [
        (2, format!("{} 1 INVITE", number + 1), 481),
        (3, format!("{number} 2 INVITE"), 481),
        (4, format!("{number} 1 UPDATE"), 400),
        (5, "soon".into(), 400),
    ] {
        hand.send(&prack(cseq, &rack, &tag));
        assert_eq!(statuses(&mut hand), [status], "{rack}");
    }
    hand.send(&request("PRACK", 6, "no-rack", Some(&tag)));
    hand.send(&prack(7, &format!("{number} 1 INVITE"), "0123456789abcdef"));
    assert_eq!(statuses(&mut hand), [400, 481]);
    assert_eq!(hand.endpoint.stats().refused, 6);
    assert!(hand.pass(secs(1)).len() == 1, "it is still repeated");
}

#[test]
fn a_caller_that_never_acknowledges_is_refused_after_64_t1() {
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Require: 100rel");
    hand.endpoint.progress(hand.now, usage, 180, None);
    hand.sent();
    let sent = hand.pass(secs(33));
    assert_eq!(sent.iter().map(|(_, status)| *status).collect::<Vec<_>>()[..7], [180, 180, 180, 180, 180, 180, 500]);
    assert_eq!(sent[6].0, 32_000, "section 3");
    assert!(matches!(hand.events()[..], [SipEvent::Ended { why: EndReason::PrackTimeout, .. }]));
}

#[test]
fn the_next_provisional_response_waits_for_the_prack_of_the_first() {
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Require: 100rel");
    hand.endpoint.progress(hand.now, usage, 180, None);
    let first = hand.answer();
    hand.endpoint.progress(hand.now, usage, 183, Some(SDP));
    hand.endpoint.progress(hand.now, usage, 181, None);
    assert!(hand.sent().is_empty(), "section 3");
    hand.send(&prack(2, &format!("{} 1 INVITE", rseq(&first)), &tag(&first)));
    let sent = hand.sent();
    assert_eq!(sent.iter().map(Message::status).collect::<Vec<_>>(), [200, 181]);
    assert_eq!((rseq(&sent[1]), sent[1].body()), (rseq(&first) + 1, &SDP[..]), "no SDP is lost");
}

#[test]
fn an_answer_never_overtakes_the_sdp_that_went_before_it() {
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Supported: 100rel");
    hand.endpoint.progress(hand.now, usage, 183, Some(SDP));
    let first = hand.answer();
    hand.endpoint.accept(hand.now, usage, SDP);
    assert!(hand.sent().is_empty(), "section 3: the 2xx is delayed");
    hand.send(&prack(2, &format!("{} 1 INVITE", rseq(&first)), &tag(&first)));
    let sent = hand.sent();
    assert_eq!(sent.iter().map(Message::status).collect::<Vec<_>>(), [200, 200]);
    assert!(sent[1].body().is_empty(), "RFC 6337 3.1.1: the answer has been given");
    hand.send(&request("ACK", 1, "ack", Some(&tag(&first))));
    assert!(matches!(hand.events()[..], [SipEvent::Acked { sdp: None, .. }]));

    // Hung up before the PRACK, it was never answered.
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Supported: 100rel");
    hand.endpoint.progress(hand.now, usage, 183, Some(SDP));
    hand.sent();
    hand.endpoint.accept(hand.now, usage, SDP);
    hand.endpoint.hangup(hand.now, usage, None);
    assert_eq!(statuses(&mut hand), [480]);
}

#[test]
fn an_answer_overtakes_a_bare_180_whose_prack_may_still_come() {
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Require: 100rel");
    hand.endpoint.progress(hand.now, usage, 180, None);
    let first = hand.answer();
    hand.endpoint.accept(hand.now, usage, SDP);
    let ok = hand.answer();
    assert_eq!((ok.status(), ok.body()), (200, &SDP[..]));
    hand.send(&request("ACK", 1, "ack", Some(&tag(&first))));
    assert_eq!(hand.pass(secs(1)), [], "section 3: what was overtaken is not repeated");
    hand.send(&prack(2, &format!("{} 1 INVITE", rseq(&first)), &tag(&first)));
    hand.send(&prack(3, &format!("{} 1 INVITE", rseq(&first)), &tag(&first)));
    assert_eq!(statuses(&mut hand), [200, 481]);
}

#[test]
fn a_prack_may_offer_anew() {
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Supported: 100rel");
    hand.endpoint.progress(hand.now, usage, 183, Some(SDP));
    let first = hand.answer();
    hand.send(&with_sdp(&prack(2, &format!("{} 1 INVITE", rseq(&first)), &tag(&first))));
    let events = hand.events();
    assert!(matches!(&events[..], [SipEvent::Reoffer { sdp: Some(sdp), .. }] if &sdp[..] == b"v=2\r\n"), "{events:?}");
    // Answered meanwhile, the call waits for the answer to the offer too.
    hand.endpoint.accept(hand.now, usage, SDP);
    assert!(hand.sent().is_empty());
    hand.endpoint.answer_reoffer(hand.now, usage, Ok(SDP), &[]);
    let sent = hand.sent();
    assert_eq!(
        sent.iter().map(|m| (name(m), m.body().len())).collect::<Vec<_>>(),
        [("200 PRACK".to_owned(), 5), ("200 INVITE".to_owned(), 0)]
    );
}

#[test]
fn a_prack_that_offers_before_the_first_offer_is_answered_is_told_to_wait() {
    let mut hand = Hand::new();
    let usage = called(&mut hand, "Require: 100rel");
    hand.endpoint.progress(hand.now, usage, 180, None);
    let first = hand.answer();
    hand.send(&with_sdp(&prack(2, &format!("{} 1 INVITE", rseq(&first)), &tag(&first))));
    let refusal = hand.answer();
    assert_eq!(refusal.status(), 500);
    assert!(refusal.header(HeaderName::RetryAfter).is_some());
    assert!(hand.events().is_empty());
}

#[test]
fn a_caller_without_an_offer_is_offered_one_in_the_first_reliable_response() {
    let mut hand = Hand::new();
    let late = request("INVITE", 1, "late", None).replacen("Contact", "Require: 100rel\nContact", 1);
    hand.send(&late);
    let Some(SipEvent::Invited { usage, .. }) = hand.events().pop() else { panic!() };
    hand.sent();
    hand.endpoint.progress(hand.now, usage, 180, None);
    assert!(hand.sent().is_empty(), "section 5: without the offer it may not be the first");
    hand.endpoint.progress(hand.now, usage, 180, Some(SDP));
    let first = hand.answer();
    assert_eq!(first.body(), &SDP[..]);
    hand.send(&with_sdp(&prack(2, &format!("{} 1 INVITE", rseq(&first)), &tag(&first))));
    assert_eq!(statuses(&mut hand), [200]);
    let events = hand.events();
    assert!(matches!(&events[..], [SipEvent::EarlyAnswer { sdp: Some(sdp), .. }] if &sdp[..] == b"v=2\r\n"));
    hand.endpoint.accept(hand.now, usage, SDP);
    assert!(hand.answer().body().is_empty(), "the answer has been given");

    // One that cannot be told reliably gets our offer with the answer to its call.
    let mut hand = Hand::new();
    hand.send(&request("INVITE", 1, "late", None));
    let Some(SipEvent::Invited { usage, .. }) = hand.events().pop() else { panic!() };
    hand.sent();
    hand.endpoint.progress(hand.now, usage, 180, Some(SDP));
    assert!(hand.answer().body().is_empty(), "RFC 3261 13.2.1");
    hand.endpoint.accept(hand.now, usage, SDP);
    assert_eq!(hand.answer().body(), &SDP[..]);
}

/// A call of ours, and a way to make its callees say what they like.
struct Callees {
    world: World,
    invite: Message,
    usage: UsageId,
}

impl Callees {
    fn new() -> Self {
        let mut world = World::new();
        world.fate = Box::new(|_| vec![]);
        let usage = world.dial();
        let invite = world.last(PHONE, "INVITE");
        Self { world, invite, usage }
    }

    fn say(&mut self, status: u16, tag: &str, rseq: Option<u32>, sdp: Option<&[u8]>) -> Vec<String> {
        let mut out = BytesMut::new();
        let mut response = response_to(&mut out, &self.invite, status, "x", Some(tag), None);
        response.header(HeaderName::Contact, format!("<sip:{tag}@192.0.2.2>"));
        if let Some(rseq) = rseq {
            response.header(HeaderName::Require, "100rel").number(HeaderName::RSeq, rseq);
        }
        if let Some(sdp) = sdp {
            response.body("application/sdp", sdp);
        }
        let message = Message::parse(response.finish()).unwrap();
        let (peer, now) = (self.world.peer(PHONE), self.world.now);
        let before = self.world.log.len();
        self.world.ends[PHONE].handle_message(now, peer, message);
        self.world.drain();
        self.world.log[before..].iter().map(|sent| described(&sent.message)).collect()
    }
}

/// `PRACK 2 to one: 7 1 INVITE`.
fn described(message: &Message) -> String {
    let rack = message.text(HeaderName::RAck).map(|rack| format!(": {}", String::from_utf8_lossy(&rack)));
    let to = message.to().unwrap().tag().map(|tag| format!(" to {tag}")).unwrap_or_default();
    format!("{} {}{to}{}", name(message), message.cseq().unwrap().number, rack.unwrap_or_default())
}

#[test]
fn each_phone_of_a_forked_call_is_acknowledged_in_its_own_order() {
    let mut callees = Callees::new();
    assert!(callees.invite.has_token(HeaderName::Supported, "100rel"));
    assert_eq!(callees.say(183, "one", Some(7), Some(b"v=1\r\n")), ["PRACK 2 to one: 7 1 INVITE"]);
    assert_eq!(callees.say(180, "two", Some(900), None), ["PRACK 2 to two: 900 1 INVITE"]);
    assert_eq!(callees.say(183, "one", Some(7), Some(b"v=1\r\n")), [""; 0], "section 4: a repetition is discarded");
    assert_eq!(callees.say(180, "one", Some(9), None), [""; 0], "section 4: out of order");
    assert_eq!(callees.say(180, "one", Some(8), None), ["PRACK 3 to one: 8 1 INVITE"]);
    assert_eq!(callees.say(180, "one", Some(9), None), ["PRACK 4 to one: 9 1 INVITE"]);
    assert_eq!(callees.say(180, "one", None, None), [""; 0], "an ordinary one");
    let heard = callees.world.heard(PHONE);
    assert_eq!(heard, ["Progress 183", "Progress 180", "Progress 180", "Progress 180", "Progress 180"]);

    // The call's own answer says nothing of the session, so what was said before it counts.
    assert_eq!(callees.say(200, "one", None, Some(b"v=9\r\n")), ["ACK 1 to one"]);
    let Some(SipEvent::Answered { sdp: Some(sdp), .. }) = callees.world.events[PHONE].pop() else { panic!() };
    assert_eq!(&sdp[..], b"v=1\r\n", "RFC 3261 13.2.1: the first description is the answer");
    // Whoever answers too is let go, and goes on counting where its early dialog was.
    assert_eq!(callees.say(200, "two", None, Some(b"v=9\r\n")), ["ACK 1 to two", "BYE 3 to two"]);
    callees.world.ends[PHONE].hangup(callees.world.now, callees.usage, None);
    callees.world.drain();
    let bye = callees.world.last(PHONE, "BYE");
    assert_eq!(described(&bye), "BYE 5 to one");
    // When nothing is known of it any more, its number is beyond what it can have been.
    callees.world.run(secs(10));
    let _ = callees.say(200, "three", None, None);
    assert!(callees.world.last(PHONE, "BYE").cseq().unwrap().number > 100);
    callees.world.finish();
}

#[test]
fn a_phone_that_answers_as_we_give_up_is_hung_up_with_a_number_above_its_pracks() {
    let mut callees = Callees::new();
    callees.say(183, "one", Some(1), Some(b"v=1\r\n"));
    callees.world.ends[PHONE].hangup(callees.world.now, callees.usage, None);
    callees.world.drain();
    assert_eq!(callees.say(180, "one", Some(2), None), [""; 0], "we gave up");
    assert_eq!(callees.say(200, "one", None, None), ["ACK 1 to one", "BYE 3 to one"]);
    callees.world.finish();
}

#[test]
fn a_provisional_response_without_a_number_or_a_tag_is_only_progress() {
    let mut callees = Callees::new();
    let mut out = BytesMut::new();
    for (lines, tag) in [(&[("Require", "100rel")][..], Some("one")), (&[("Require", "100rel"), ("RSeq", "5")], None)] {
        let mut response = response_to(&mut out, &callees.invite, 180, "x", tag, None);
        for (name, value) in lines {
            response.named(name, value);
        }
        let message = Message::parse(response.finish()).unwrap();
        let (peer, now) = (callees.world.peer(PHONE), callees.world.now);
        callees.world.ends[PHONE].handle_message(now, peer, message);
    }
    assert_eq!(callees.world.heard(PHONE), ["Progress 180", "Progress 180"]);
    assert_eq!(callees.world.sent(PHONE), ["INVITE"]);
}

#[test]
fn early_media_arrives_though_the_network_loses_it_and_its_prack() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::over(transport);
        if transport == Transport::Udp {
            world.lose_first(&["183 INVITE", "PRACK", "200 PRACK"]);
        }
        let (caller, callee) = world.ring();
        world.ends[SWITCH].progress(world.now, callee, 183, Some(SDP));
        world.ends[SWITCH].accept(world.now, callee, SDP);
        world.run(secs(3));
        assert_eq!(world.heard(PHONE), ["Progress 183", "Answered"], "{transport:?}");
        assert_eq!(world.heard(SWITCH), ["Invited", "Acked"]);
        world.ends[PHONE].hangup(world.now, caller, None);
        world.finish();
    }
}

#[test]
fn a_carrier_that_challenges_a_prack_is_answered() {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    let order = world.with_credentials("carol", "secret");
    let usage = world.ends[PHONE].invite(world.now, order).unwrap();
    world.drain();
    let invite = world.last(PHONE, "INVITE");
    let mut callees = Callees { world, invite, usage };
    callees.say(183, "one", Some(1), None);
    let prack = callees.world.last(PHONE, "PRACK");
    let mut out = BytesMut::new();
    let mut refusal = response_to(&mut out, &prack, 407, "x", None, None);
    refusal.header(HeaderName::ProxyAuthenticate, "Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"");
    let refusal = Message::parse(refusal.finish()).unwrap();
    let (peer, now) = (callees.world.peer(PHONE), callees.world.now);
    callees.world.ends[PHONE].handle_message(now, peer, refusal);
    callees.world.drain();
    let again = callees.world.last(PHONE, "PRACK");
    assert_eq!(described(&again), "PRACK 3 to one: 1 1 INVITE");
    assert!(again.header(HeaderName::ProxyAuthorization).is_some());
}

#[test]
fn two_endpoints_that_always_acknowledge_tell_ringing_reliably() {
    let always = |_: usize, config: &mut EndpointConfig| config.reliable = ReliableProvisional::Always;
    let mut world = World::with(Transport::Udp, always);
    let (caller, callee) = world.ring();
    world.lose_first(&["180 INVITE"]);
    world.ends[SWITCH].progress(world.now, callee, 180, None);
    world.run(secs(1));
    assert_eq!(world.heard(PHONE), ["Progress 180"], "a lost 180 is sent again");
    assert_eq!(world.sent(PHONE), ["INVITE", "PRACK"]);
    world.ends[PHONE].hangup(world.now, caller, None);
    world.finish();
}
