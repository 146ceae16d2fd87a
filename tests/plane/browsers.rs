//! Legs of browsers: found by connectivity checks (ICE-lite), keyed by a handshake (DTLS-SRTP); and what strangers can do to
//! them.

use crate::world::*;
use hmac::{Hmac, KeyInit, Mac};
use hotline::events::media::{MediaTrouble, NoKeys};
use hotline::ids::LegId;
use hotline::media::handshake::{Handshakes, Identity, Note, Said, What};
use hotline::media::srtp::{MAX_OVERHEAD, Receiver, Sender};
use hotline::media::{MediaCmd, MediaEvent};
use hotline::sdp::{Codec, Fingerprint, Handshake, Hash, Ice, MediaSpec, Security};
use sha1::Sha1;
use std::net::SocketAddr;

const BROWSER: &str = "203.0.113.9:61000";
/// Where a browser finds the leg.
const US: &str = "192.0.2.1:1";
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt+5";

fn ice() -> Ice {
    Ice { ufrag: "evtjh6vY".into(), password: PASSWORD.into() }
}

/// A page with a phone, and the thread that makes our handshakes.
struct Browser {
    phone: Phone,
    identity: Identity,
    theirs: Handshakes,
    ours: Handshakes,
    our_print: Fingerprint,
    sender: Option<Sender>,
    association: u32,
}

fn print(of: &Identity) -> Fingerprint {
    Fingerprint { hash: Hash::Sha256, octets: of.fingerprint().to_vec() }
}

impl Browser {
    fn new() -> Self {
        let (identity, ours) = (Identity::make().unwrap(), Identity::make().unwrap());
        Self {
            phone: Phone::new(BROWSER, Codec::Pcmu),
            our_print: print(&ours),
            theirs: Handshakes::new(identity.clone()),
            ours: Handshakes::new(ours),
            identity,
            sender: None,
            association: 1,
        }
    }

    fn spec(&self, announced: Fingerprint) -> MediaSpec {
        let handshake =
            Handshake { association: self.association, active: false, fingerprints: vec![announced], ice: Some(ice()) };
        let nowhere = "0.0.0.0:9".parse().unwrap();
        MediaSpec {
            remote: nowhere,
            remote_rtcp: nowhere,
            rtcp_mux: true,
            security: Security::Handshake(Box::new(handshake)),
            ..self.phone.spec()
        }
    }

    /// Its offer was answered; it begins its handshake once a check was.
    fn answered(&mut self, world: &mut World, announced: Fingerprint) {
        world.create(CALLER);
        world.offer(CALLER, self.spec(announced));
        let fingerprints = vec![self.our_print.clone()];
        let theirs = Handshake { association: 1, active: true, fingerprints, ice: None };
        let what = What::Begin { handshake: Box::new(theirs), to: None };
        self.theirs.handle(world.now, Note { leg: CALLER, association: 1, what });
    }

    /// Checks the way, chooses it, and shakes hands.
    fn connect(&mut self, world: &mut World) {
        check(world, self.phone.addr, true);
        assert_eq!(world.wire.datagrams.len(), 1, "answered");
        let what = What::Way { to: US.parse().unwrap() };
        self.theirs.handle(world.now, Note { leg: CALLER, association: 1, what });
        self.shake(world);
    }

    fn shake(&mut self, world: &mut World) {
        loop {
            let mut quiet = true;
            for note in std::mem::take(&mut world.wire.notes) {
                self.ours.handle(world.now, note);
            }
            while let Some(said) = self.ours.poll() {
                quiet = false;
                world.plane.handshake(world.now, said, &mut world.wire);
            }
            for (_, to, octets) in std::mem::take(&mut world.wire.datagrams) {
                if to == self.phone.addr && octets[0] >= 20 {
                    let what = What::Datagram { from: US.parse().unwrap(), octets: octets.into() };
                    self.theirs.handle(world.now, Note { leg: CALLER, association: 1, what });
                }
            }
            while let Some(said) = self.theirs.poll() {
                quiet = false;
                match said {
                    Said::Send { octets, .. } => world.deliver(CALLER, self.phone.addr, &octets),
                    Said::Keys { send, receive, .. } => {
                        self.sender = Some(Sender::new(&send));
                        world.wire.openers.insert(CALLER, Receiver::new(&receive));
                    }
                    Said::Failed { .. } => {}
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn speak(&mut self) -> Vec<u8> {
        let mut packet = self.phone.speak();
        let length = packet.len();
        packet.resize(length + MAX_OVERHEAD, 0);
        let length = self.sender.as_mut().expect("keys").protect_rtp(&mut packet, length).expect("room");
        packet.truncate(length);
        packet
    }
}

fn check(world: &mut World, from: SocketAddr, chosen: bool) {
    check_as(world, "evtjh6vY", from, chosen);
}

fn check_as(world: &mut World, ufrag: &str, from: SocketAddr, chosen: bool) {
    let packet = request(ufrag, PASSWORD, chosen);
    world.deliver(CALLER, from, &packet);
}

/// A binding request with the attributes of RFC 8445 7.1.
fn request(ufrag: &str, password: &str, chosen: bool) -> Vec<u8> {
    let mut made = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    made.extend([0, 6, 0, 13]);
    made.extend(format!("{ufrag}:abcd\0\0\0").bytes());
    made.extend([0, 0x24, 0, 4, 0x6e, 0, 1, 0xff, 0x80, 0x2a, 0, 8, 1, 1, 1, 1, 1, 1, 1, 1]);
    if chosen {
        made.extend([0, 0x25, 0, 0]);
    }
    made[3] = (made.len() - 20 + 24) as u8;
    let mut sum = Hmac::<Sha1>::new_from_slice(password.as_bytes()).unwrap();
    sum.update(&made);
    made.extend([0, 8, 0, 20]);
    made.extend(sum.finalize().into_bytes());
    made
}

fn bridged() -> (World, Browser, Phone) {
    let (mut world, mut browser, agent) = (World::new(), Browser::new(), Phone::new("10.0.0.2:5000", Codec::Pcmu));
    let announced = print(&browser.identity);
    browser.answered(&mut world, announced);
    browser.connect(&mut world);
    world.answer(AGENT, &agent);
    world.command(MediaCmd::Bridge { a: CALLER, b: AGENT });
    (world, browser, agent)
}

fn talk(world: &mut World, ms: u64, browser: &mut Browser, agent: &mut Phone) {
    for _ in 0..ms / 20 {
        let packet = browser.speak();
        world.deliver(CALLER, browser.phone.addr, &packet);
        let packet = agent.speak();
        world.deliver(AGENT, agent.addr, &packet);
        world.run(20);
    }
}

fn troubles(world: &mut World) -> Vec<(LegId, MediaTrouble)> {
    let trouble = |event| match event {
        MediaEvent::Trouble { leg, trouble } => Some((leg, trouble)),
        _ => None,
    };
    world.events().into_iter().filter_map(trouble).collect()
}

fn report(world: &mut World) -> hotline::events::media::MediaReport {
    world.command(MediaCmd::Drop { leg: CALLER });
    let report = |event| match event {
        MediaEvent::Dropped { leg: CALLER, report } => Some(report),
        _ => None,
    };
    world.events().into_iter().find_map(report).expect("a report")
}

#[test]
fn a_browser_and_a_desk_phone_hear_each_other() {
    let (mut world, mut browser, mut agent) = bridged();
    talk(&mut world, 1000, &mut browser, &mut agent);
    let (heard, sent) = (world.sent_to(AGENT), world.sent_to(CALLER));
    assert!(heard.len() >= 49 && heard.iter().all(|packet| packet.payload == [browser.phone.voice; 160]));
    assert!(sent.len() >= 49 && sent.iter().all(|packet| packet.to == browser.phone.addr));
    assert_continuous(&sent, 40);
    assert!(world.wire.rtcp.iter().all(|(_, to, _)| !to.ip().is_unspecified()));
    assert_eq!(troubles(&mut world), [], "where it is was never said, so nothing is found elsewhere");
    assert_eq!(report(&mut world).forged, 0);
}

#[test]
fn a_greeting_begins_when_there_are_keys_and_not_before() {
    let (mut world, mut browser) = (World::new(), Browser::new());
    let announced = print(&browser.identity);
    browser.answered(&mut world, announced);
    world.play(CALLER, 1, vec![clip(200, 4000)], false);
    world.run(700);
    check(&mut world, browser.phone.addr, true);
    world.run(700);
    assert!(world.sent_to(CALLER).is_empty(), "nothing in the clear");
    browser.connect_again(&mut world);
    world.run(400);
    assert_eq!(world.sent_to(CALLER).iter().filter(|packet| packet.payload != [0xff; 160]).count(), 10, "all of it");
}

impl Browser {
    fn connect_again(&mut self, world: &mut World) {
        world.wire.datagrams.clear();
        self.connect(world);
    }
}

#[test]
fn another_certificate_than_announced_ends_the_leg_with_that_reason() {
    let (mut world, mut browser) = (World::new(), Browser::new());
    let other = Identity::make().unwrap();
    browser.answered(&mut world, print(&other));
    browser.connect(&mut world);
    assert_eq!(troubles(&mut world), [(CALLER, MediaTrouble::NoKeys { why: NoKeys::Certificate })]);
    let words = MediaTrouble::NoKeys { why: NoKeys::Certificate }.words("the caller");
    assert_eq!(
        words,
        "no keys for the audio of the caller: it showed another certificate than its description announced"
    );
}

#[test]
fn a_browser_whose_checks_never_come_is_told_apart_from_one_without_a_handshake() {
    for (checks, why) in [(false, NoKeys::Unreachable), (true, NoKeys::Unanswered)] {
        let (mut world, mut browser) = (World::new(), Browser::new());
        let announced = print(&browser.identity);
        browser.answered(&mut world, announced);
        if checks {
            check(&mut world, browser.phone.addr, true);
        }
        world.command(MediaCmd::RtpTimeout { leg: CALLER, after: None });
        for note in std::mem::take(&mut world.wire.notes) {
            browser.ours.handle(world.now, note);
        }
        world.run(15_000);
        browser.ours.handle_timeout(world.now);
        while let Some(said) = browser.ours.poll() {
            world.plane.handshake(world.now, said, &mut world.wire);
        }
        assert_eq!(troubles(&mut world), [(CALLER, MediaTrouble::NoKeys { why })]);
    }
}

#[test]
fn a_stranger_without_the_password_is_neither_answered_nor_does_it_cost_a_handshake() {
    let (mut world, mut browser) = (World::new(), Browser::new());
    let announced = print(&browser.identity);
    browser.answered(&mut world, announced);
    browser.shake(&mut world);
    let stranger: SocketAddr = "198.51.100.66:6666".parse().unwrap();
    let hello = [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100][..], &[1; 100]].concat();
    for packet in [
        request("evtjh6vY", "another password", true),
        request("evtjh6vY", PASSWORD, true)[..60].to_vec(),
        hello,
        vec![0; 20],
        vec![3],
    ] {
        for _ in 0..100 {
            world.deliver(CALLER, stranger, &packet);
        }
    }
    assert!(world.wire.datagrams.is_empty() && world.wire.notes.is_empty());
    // The browser is found as if nothing had been.
    world.run(1000);
    world.events();
    browser.connect(&mut world);
    assert!(browser.sender.is_some());
    let counted = report(&mut world);
    assert!(counted.forged >= 60 && counted.malformed >= 200 && counted.stray >= 100, "{counted:?}");
}

#[test]
fn a_flood_of_handshake_datagrams_from_the_browsers_own_address_is_bounded() {
    let (mut world, mut browser, mut agent) = bridged();
    world.wire.notes.clear();
    for second in 0..3 {
        for n in 0..5_000u32 {
            world.deliver(CALLER, browser.phone.addr, &[&[22, 0xfe, 0xfd][..], &n.to_be_bytes(), &[7; 1200]].concat());
        }
        let noted = std::mem::take(&mut world.wire.notes).len();
        assert!(noted <= if second == 0 { 64 } else { 21 }, "{noted}");
        talk(&mut world, 1000, &mut browser, &mut agent);
    }
    assert!(world.sent_to(AGENT).len() >= 149, "and it is heard all the while");
}

#[test]
fn checks_go_on_being_answered_and_one_from_elsewhere_that_is_chosen_moves_a_silent_browser() {
    let (mut world, mut browser, mut agent) = bridged();
    talk(&mut world, 200, &mut browser, &mut agent);
    world.wire.datagrams.clear();
    // Consent (RFC 7675), and a check of another way that is not chosen.
    let elsewhere: SocketAddr = "198.51.100.7:7000".parse().unwrap();
    check(&mut world, browser.phone.addr, false);
    check(&mut world, elsewhere, false);
    assert_eq!(world.wire.datagrams.iter().map(|(_, to, _)| *to).collect::<Vec<_>>(), [browser.phone.addr, elsewhere]);
    world.sent_to(CALLER);
    talk(&mut world, 200, &mut browser, &mut agent);
    assert!(world.sent_to(CALLER).iter().all(|packet| packet.to == browser.phone.addr));
    // A way that is chosen while its audio comes by another is not taken yet.
    check(&mut world, elsewhere, true);
    let packet = agent.speak();
    world.deliver(AGENT, agent.addr, &packet);
    assert_eq!(world.sent_to(CALLER).last().expect("a packet").to, browser.phone.addr);
    // From the office network to the telephone's: nothing for a while, then the new way is chosen.
    world.run(600);
    world.sent_to(CALLER);
    check(&mut world, elsewhere, true);
    let packet = agent.speak();
    world.deliver(AGENT, agent.addr, &packet);
    assert_eq!(world.sent_to(CALLER).last().expect("a packet").to, elsewhere);
    // Or its audio comes from there first.
    browser.phone.addr = "198.51.100.7:7002".parse().unwrap();
    talk(&mut world, 40, &mut browser, &mut agent);
    assert_eq!(world.sent_to(CALLER).last().expect("a packet").to, browser.phone.addr);
}

#[test]
fn a_hold_keeps_the_keys_and_checks_begun_anew_are_answered_by_their_new_names() {
    let (mut world, mut browser, mut agent) = bridged();
    talk(&mut world, 200, &mut browser, &mut agent);
    world.wire.notes.clear();
    let mut spec = browser.spec(print(&browser.identity));
    let Security::Handshake(handshake) = &mut spec.security else { panic!() };
    handshake.ice = Some(Ice { ufrag: "evtjh6vZ".into(), password: PASSWORD.into() });
    world.offer(CALLER, spec);
    assert!(world.wire.notes.is_empty(), "no new handshake");
    world.sent_to(AGENT);
    talk(&mut world, 200, &mut browser, &mut agent);
    assert!(world.sent_to(AGENT).len() >= 9);
    check(&mut world, browser.phone.addr, true);
    assert!(world.wire.datagrams.is_empty(), "by its old name it is not known any more");
    check_as(&mut world, "evtjh6vZ", browser.phone.addr, true);
    assert_eq!(world.wire.datagrams.len(), 1, "by its new one it is answered");
}

#[test]
fn old_packets_and_a_thousand_sources_change_nothing() {
    let (mut world, mut browser, mut agent) = bridged();
    talk(&mut world, 200, &mut browser, &mut agent);
    let old = browser.speak();
    world.deliver(CALLER, browser.phone.addr, &old);
    world.run(20);
    world.sent_to(AGENT);
    let stranger: SocketAddr = "198.51.100.66:6666".parse().unwrap();
    for n in 0..1_000u32 {
        let mut other = browser.phone.clone();
        other.ssrc = n;
        for from in [browser.phone.addr, stranger] {
            world.deliver(CALLER, from, &old);
            world.deliver(CALLER, from, &other.speak());
        }
    }
    assert!(world.sent_to(AGENT).is_empty());
    talk(&mut world, 200, &mut browser, &mut agent);
    assert!(
        world.sent_to(AGENT).len() >= 9 && world.sent_to(CALLER).iter().all(|packet| packet.to == browser.phone.addr)
    );
    assert!(report(&mut world).forged >= 4_000);
}

#[test]
fn nothing_of_a_handshake_is_left_when_the_leg_is_gone() {
    let (mut world, browser, _) = bridged();
    world.wire.notes.clear();
    world.command(MediaCmd::Drop { leg: CALLER });
    let ended = world.wire.notes.iter().any(|note| note.leg == CALLER && matches!(note.what, What::End));
    assert!(ended && browser.ours.len() == 1);
}
