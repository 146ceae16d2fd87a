//! SUBSCRIBE and NOTIFY outside calls (RFC 6665), message by message.

use super::hand::Hand;
use super::world::{ms, secs};
use crate::sip::endpoint::{Notice, SipEvent, SubscriptionId, SubscriptionTerms};
use crate::sip::message::{HeaderName, Message};

const KIND: &str = "application/dialog-info+xml";

fn subscribe(cseq: u32, to_tag: Option<&str>, lines: &str) -> String {
    let tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    format!(
        "SUBSCRIBE sip:1002@192.0.2.2 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsub{cseq};rport
Max-Forwards: 70
From: <sip:1001@192.0.2.2>;tag=me
To: <sip:1002@192.0.2.2>{tag}
Call-ID: watch
CSeq: {cseq} SUBSCRIBE
Contact: <sip:1001@192.0.2.1:5060>
{lines}Content-Length: 0

"
    )
}

fn text(message: &Message, name: HeaderName) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

/// Answers what was sent to the watcher.
fn answer(hand: &mut Hand, request: &Message, status: u16) {
    let copy = |name: HeaderName| text(request, name);
    hand.send(&format!(
        "SIP/2.0 {status} So\nVia: {}\nFrom: {}\nTo: {}\nCall-ID: {}\nCSeq: {}\nContent-Length: 0\n\n",
        copy(HeaderName::Via),
        copy(HeaderName::From),
        copy(HeaderName::To),
        copy(HeaderName::CallId),
        copy(HeaderName::CSeq),
    ));
}

fn state(body: &'static str) -> Notice {
    Notice::state(KIND, body)
}

/// A watcher for `seconds`; our tag in its dialog.
fn watching(hand: &mut Hand, seconds: u32) -> (SubscriptionId, String) {
    hand.send(&subscribe(1, None, "Event: dialog;id=7\n"));
    let Some(SipEvent::Request { id, peer, .. }) = hand.events().pop() else { panic!("no SUBSCRIBE") };
    let terms = SubscriptionTerms::default();
    let subscription = hand.endpoint.accept_subscription(hand.now, id, peer, seconds, terms).expect("room");
    let ok = hand.answer();
    assert_eq!((ok.status(), text(&ok, HeaderName::Expires)), (200, seconds.to_string()));
    assert!(ok.contact().is_ok());
    let tag = ok.to().expect("a To").tag().expect("a tag").to_owned();
    (subscription, tag)
}

fn told(hand: &mut Hand, subscription: SubscriptionId, notice: Notice) -> Vec<Message> {
    hand.endpoint.notify(hand.now, subscription, notice);
    hand.sent()
}

#[test]
fn a_watcher_is_told_the_state_in_a_dialog_of_its_own() {
    let mut hand = Hand::new();
    let (subscription, tag) = watching(&mut hand, 600);
    let notify = told(&mut hand, subscription, state("one")).remove(0);
    assert_eq!(notify.request_uri(), b"sip:1001@192.0.2.1:5060");
    assert_eq!(text(&notify, HeaderName::Event), "dialog;id=7");
    assert_eq!(text(&notify, HeaderName::SubscriptionState), "active;expires=600");
    assert_eq!(text(&notify, HeaderName::ContentType), KIND);
    assert_eq!(notify.from().unwrap().tag(), Some(tag.as_str()));
    assert_eq!(notify.to().unwrap().tag(), Some("me"));
    answer(&mut hand, &notify, 200);
    assert!(hand.events().is_empty());
    told(&mut hand, subscription, Notice::last("noresource", None));
    hand.pass(secs(40));
    assert!(hand.endpoint.is_idle());
}

#[test]
fn changes_in_quick_succession_are_told_once_a_second_and_the_last_wins() {
    let mut hand = Hand::new();
    let (subscription, _) = watching(&mut hand, 600);
    let first = told(&mut hand, subscription, state("one")).remove(0);
    answer(&mut hand, &first, 200);
    for body in ["two", "three", "four"] {
        assert!(told(&mut hand, subscription, state(body)).is_empty());
    }
    hand.now += ms(999);
    hand.endpoint.handle_timeout(hand.now);
    assert!(hand.sent().is_empty());
    hand.now += ms(1);
    hand.endpoint.handle_timeout(hand.now);
    let next = hand.answer();
    assert_eq!(next.body(), b"four");
    // An end is never held back.
    let last = told(&mut hand, subscription, Notice::last("noresource", None));
    assert_eq!(text(&last[0], HeaderName::SubscriptionState), "terminated;reason=noresource");
}

#[test]
fn a_refresh_lengthens_a_subscription_and_asks_for_the_state_again() {
    let mut hand = Hand::new();
    let (subscription, tag) = watching(&mut hand, 60);
    let first = told(&mut hand, subscription, state("one")).remove(0);
    answer(&mut hand, &first, 200);
    hand.pass(secs(50));
    hand.send(&subscribe(2, Some(&tag), "Event: dialog;id=7\nExpires: 7200\n"));
    let ok = hand.answer();
    assert_eq!((ok.status(), text(&ok, HeaderName::Expires).as_str()), (200, "3600"), "shortened to the most");
    assert!(matches!(hand.events()[..], [SipEvent::Resubscribed { over: false, .. }]));
    let again = told(&mut hand, subscription, state("one")).remove(0);
    assert_eq!(text(&again, HeaderName::SubscriptionState), "active;expires=3600");
    answer(&mut hand, &again, 200);
    assert!(hand.pass(secs(3_599)).is_empty());
    assert_eq!(hand.pass(secs(2)).first().map(|(_, status)| *status), Some(0), "then it is told that it is over");
    assert!(matches!(hand.events()[..], [SipEvent::SubscriptionOver { .. }]));
    hand.pass(secs(40));
    assert!(hand.endpoint.is_idle());
}

#[test]
fn what_does_not_fit_into_a_subscription_is_refused_and_changes_nothing() {
    let mut hand = Hand::new();
    let (subscription, tag) = watching(&mut hand, 600);
    let first = told(&mut hand, subscription, state("one")).remove(0);
    answer(&mut hand, &first, 200);
    let mut cseq = 1;
    let mut status = |hand: &mut Hand, tag: &str, lines: &str| {
        cseq += 1;
        hand.send(&subscribe(cseq, Some(tag), lines));
        hand.answer()
    };
    let brief = status(&mut hand, &tag, "Event: dialog;id=7\nExpires: 59\n");
    assert_eq!((brief.status(), text(&brief, HeaderName::MinExpires).as_str()), (423, "60"));
    assert_eq!(status(&mut hand, &tag, "Event: dialog;id=8\nExpires: 600\n").status(), 481, "another subscription");
    assert_eq!(status(&mut hand, &tag, "").status(), 481);
    assert_eq!(status(&mut hand, "0123456789abcdef", "Event: dialog;id=7\n").status(), 481);
    hand.send(&subscribe(1, Some(&tag), "Event: dialog;id=7\nExpires: 0\n").replace("bKsub1", "bKold"));
    assert_eq!(hand.answer().status(), 500, "12.2.2: an old number");
    assert_eq!(hand.endpoint.stats().subscriptions, 1);
    hand.send(&subscribe(9, Some(&tag), "Event: dialog;id=7\nExpires: 0\n"));
    assert_eq!(hand.answer().status(), 200);
    assert!(matches!(hand.events()[..], [SipEvent::Resubscribed { over: true, .. }]));
    let last = told(&mut hand, subscription, Notice::last("timeout", None)).remove(0);
    answer(&mut hand, &last, 200);
    hand.pass(secs(40));
    assert!(hand.endpoint.is_idle());
}

#[test]
fn a_fetch_gets_the_state_once() {
    let mut hand = Hand::new();
    let (subscription, _) = watching(&mut hand, 0);
    let body = Some((KIND, bytes::Bytes::from_static(b"one")));
    let only = told(&mut hand, subscription, Notice::last("timeout", body)).remove(0);
    assert_eq!(
        (only.body(), text(&only, HeaderName::SubscriptionState)),
        (&b"one"[..], "terminated;reason=timeout".into())
    );
    answer(&mut hand, &only, 200);
    hand.pass(secs(40));
    assert!(hand.endpoint.is_idle());
}

#[test]
fn a_watcher_that_refuses_a_notify_is_forgotten() {
    for status in [481, 405, 500, 603] {
        let mut hand = Hand::new();
        let (subscription, _) = watching(&mut hand, 600);
        let notify = told(&mut hand, subscription, state("one")).remove(0);
        answer(&mut hand, &notify, status);
        assert!(matches!(hand.events()[..], [SipEvent::SubscriptionOver { .. }]), "{status}");
        assert!(told(&mut hand, subscription, state("two")).is_empty());
        hand.pass(secs(40));
        assert!(hand.endpoint.is_idle());
    }
}

#[test]
fn more_watchers_than_there_is_room_for_are_told_to_come_back() {
    let mut hand = Hand::with(|config| config.max_subscriptions = 0);
    hand.send(&subscribe(1, None, "Event: dialog\n"));
    let Some(SipEvent::Request { id, peer, .. }) = hand.events().pop() else { panic!("no SUBSCRIBE") };
    let terms = SubscriptionTerms::default();
    assert!(hand.endpoint.accept_subscription(hand.now, id, peer, 600, terms).is_none());
    let refusal = hand.answer();
    assert_eq!(refusal.status(), 503);
    assert!(refusal.header(HeaderName::RetryAfter).is_some());
}

#[test]
fn options_tells_what_can_be_watched() {
    let mut hand = Hand::new();
    hand.send(&super::hand::request("OPTIONS", 1, "options", None));
    let ok = hand.answer();
    assert_eq!(text(&ok, HeaderName::AllowEvents), "dialog, message-summary, reg, refer");
}
