//! Bent messages, in and out of calls: nothing panics, nothing grows, and everything is forgotten in the end.
//!
//! `HOTLINE_FUZZ_CASES` sets how many messages, `HOTLINE_FUZZ_SEED` the seed, which a failure prints.

use super::hand::{self, Hand};
use super::hardship::Dice;
use super::world::ms;
use crate::sip::endpoint::{Outgoing, SipEvent};
use crate::sip::message::{Message, response_to};
use bytes::{Bytes, BytesMut};

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");
const SPLINTERS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b";",
    b"=",
    b"\"",
    b"<",
    b">",
    b",",
    b":",
    b"@",
    b"\0",
    b"\xff",
    b"99999999999",
    b"-1",
    b"%",
    b"[::1",
    b"z9hG4bK",
    b"sip:",
    b";tag=",
    b";branch=",
    b"Via: ",
    b"To: ",
    b"INVITE",
    b"ACK",
    b"CANCEL",
    b"BYE",
    b"SIP/2.0",
    b"0",
    b"Contact: *\r\n",
];

fn bend(dice: &mut Dice, text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    for _ in 0..1 + dice.below(4) {
        if out.is_empty() {
            break;
        }
        let at = dice.below(out.len() as u64) as usize;
        match dice.below(6) {
            0 => out[at] = dice.below(256) as u8,
            1 => drop(out.remove(at)),
            2 => {
                let splinter = SPLINTERS[dice.below(SPLINTERS.len() as u64) as usize];
                out.splice(at..at, splinter.iter().copied());
            }
            3 => {
                let end = (at + dice.below(40) as usize).min(out.len());
                out.drain(at..end);
            }
            4 => {
                // A line again, elsewhere.
                let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
                let line = lines[dice.below(lines.len() as u64) as usize];
                out.splice(at..at, line.iter().copied());
            }
            _ => {}
        }
    }
    out
}

#[test]
fn bent_messages_neither_panic_nor_stay() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cases, seed) = (number("HOTLINE_FUZZ_CASES", 6_000), number("HOTLINE_FUZZ_SEED", 1));
    eprintln!("seed {seed}: run again with HOTLINE_FUZZ_SEED={seed} HOTLINE_FUZZ_CASES={cases}");
    let mut dice = Dice::new(seed);
    let mut hand = Hand::with(|config| {
        config.max_transactions = 500;
        config.max_usages = 100;
    });
    let peer = hand.peer;
    // What the endpoint said last in each role, for the peer to bend.
    let (mut tag, mut asked): (String, Vec<Message>) = (String::new(), Vec::new());
    for _ in 0..cases {
        let cseq = 1 + dice.below(5) as u32;
        let branch = format!("b{}", dice.below(40));
        let to_tag = (dice.below(3) > 0).then_some(tag.as_str());
        let text = match dice.below(10) {
            0..3 => hand::INVITE.replace("hand-1", &branch).replace("by-hand", &format!("call{}", dice.below(30))),
            3 if !asked.is_empty() => {
                let request = &asked[dice.below(asked.len() as u64) as usize];
                let status = [100, 180, 183, 200, 302, 401, 407, 486, 491, 500, 603][dice.below(11) as usize];
                let mut out = BytesMut::new();
                let tag = format!("peer{}", dice.below(3));
                let mut response = response_to(&mut out, request, status, "Bent", Some(&tag), None);
                response
                    .named("Contact", "<sip:b@192.0.2.1>")
                    .named("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", stale=true");
                String::from_utf8_lossy(&response.body("application/sdp", &SDP).finish()).replace("\r\n", "\n")
            }
            n => {
                let method =
                    ["ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "INVITE", "REGISTER", "NOSUCH", "PRACK"]
                        [n as usize];
                hand::request(method, cseq, &branch, to_tag)
            }
        };
        let text = text.replace('\n', "\r\n").into_bytes();
        let bent = if dice.percent(70) { bend(&mut dice, &text) } else { text };
        match Message::parse(Bytes::from(bent.clone())) {
            Ok(message) => hand.endpoint.handle_message(hand.now, peer, message),
            Err(_) => hand.endpoint.handle_unreadable(peer, &bent, 400),
        }
        for event in hand.events() {
            let (now, roll) = (hand.now, dice.below(6));
            match event {
                SipEvent::Invited { usage, .. } => match roll {
                    0 => hand.endpoint.reject(now, usage, 486, None, &[]),
                    1 => hand.endpoint.hangup(now, usage, Some(("SIP", 200, "bent\r\n\""))),
                    2 => hand.endpoint.progress(now, usage, 183, Some(SDP)),
                    _ => hand.endpoint.accept(now, usage, SDP),
                },
                SipEvent::Acked { usage, .. } | SipEvent::Answered { usage, .. } if roll < 2 => {
                    let _ = hand.endpoint.reinvite(now, usage, SDP);
                }
                SipEvent::Reoffer { usage, .. } if roll > 0 => hand.endpoint.answer_reoffer(now, usage, Ok(SDP), &[]),
                SipEvent::Progress { usage, .. } | SipEvent::Info { usage, .. } if roll == 0 => {
                    hand.endpoint.hangup(now, usage, None)
                }
                SipEvent::Request { id, .. } if roll > 0 => hand.endpoint.respond(now, id, 200, None, &[], None),
                _ => {}
            }
        }
        if dice.percent(5) {
            let order = Outgoing { peer, ..super::world::World::new().with_credentials("1001", "secret") };
            let _ = hand.endpoint.invite(hand.now, order);
        }
        for message in hand.sent() {
            if let Some(new) = message.to().ok().and_then(|to| to.tag()).filter(|_| !message.is_request()) {
                tag = new.to_owned();
            } else if message.is_request() {
                asked.push(message);
                asked.truncate(50);
            }
        }
        let stats = hand.endpoint.stats();
        assert!(stats.transactions <= 1_000 && stats.usages <= 100, "{stats:?}");
        if dice.percent(20) {
            let time = ms(dice.below(3_000));
            hand.pass(time);
            hand.events();
        }
    }
    // The app hangs up what is left, in whatever state it is.
    for usage in hand.endpoint.usages_for_test() {
        hand.endpoint.hangup(hand.now, usage, None);
    }
    hand.sent();
    hand.pass(ms(200_000));
    hand.events();
    assert!(hand.endpoint.is_idle(), "left behind: {:?}", hand.endpoint.stats());
}
