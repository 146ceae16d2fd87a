//! Legs whose packets are encrypted: what their parties hear, and what others can do to them.

use crate::world::*;
use hotline::media::srtp::{MAX_OVERHEAD, Receiver, Sender};
use hotline::media::{MediaCmd, MediaEvent};
use hotline::sdp::{Codec, MasterKey, MediaSpec, Security, Suite};

const SUITES: [Suite; 3] = [Suite::AesCm80, Suite::AesCm32, Suite::AesGcm128];

fn key(suite: Suite, octet: u8) -> MasterKey {
    let mut salt = [octet ^ 0xff; 14];
    salt[suite.salt()..].fill(0);
    MasterKey { suite, key: [octet; 16], salt, mki: 0 }
}

/// A phone that encrypts.
struct Secure {
    phone: Phone,
    sender: Sender,
    theirs: MasterKey,
    ours: MasterKey,
}

impl Secure {
    fn new(addr: &str, codec: Codec, suite: Suite) -> Self {
        let (theirs, ours) = (key(suite, 1), key(suite, 2));
        Self { phone: Phone::new(addr, codec), sender: Sender::new(&theirs), theirs, ours }
    }

    fn spec(&self) -> MediaSpec {
        MediaSpec { security: Security::Srtp { send: self.ours, receive: self.theirs }, ..self.phone.spec() }
    }

    /// Answers the leg, and opens from now on what is sent to it.
    fn answer(&self, world: &mut World, leg: hotline::ids::LegId) {
        world.create(leg);
        world.wire.openers.insert(leg, Receiver::new(&self.ours));
        world.offer(leg, self.spec());
    }

    fn protect(&mut self, packet: &[u8], rtcp: bool) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + MAX_OVERHEAD, 0);
        let length = match rtcp {
            false => self.sender.protect_rtp(&mut buffer, packet.len()),
            true => self.sender.protect_rtcp(&mut buffer, packet.len()),
        };
        buffer.truncate(length.expect("room"));
        buffer
    }

    fn speak(&mut self) -> Vec<u8> {
        let packet = self.phone.speak();
        self.protect(&packet, false)
    }
}

/// An encrypted caller and a plain agent, bridged.
fn bridged(suite: Suite) -> (World, Secure, Phone) {
    let mut world = World::new();
    let (a, b) = (Secure::new("10.0.0.1:4000", Codec::Pcmu, suite), Phone::new("10.0.0.2:5000", Codec::Pcma));
    a.answer(&mut world, CALLER);
    world.answer(AGENT, &b);
    world.command(MediaCmd::Bridge { a: CALLER, b: AGENT });
    (world, a, b)
}

fn talk(world: &mut World, ms: u64, a: &mut Secure, b: &mut Phone) {
    for _ in 0..ms / 20 {
        let packet = a.speak();
        world.deliver(CALLER, a.phone.addr, &packet);
        let packet = b.speak();
        world.deliver(AGENT, b.addr, &packet);
        world.run(20);
    }
}

fn report(world: &mut World, leg: hotline::ids::LegId) -> hotline::events::MediaReport {
    world.command(MediaCmd::Drop { leg });
    let dropped = world.events().into_iter().find_map(|event| match event {
        MediaEvent::Dropped { report, .. } => Some(report),
        _ => None,
    });
    dropped.expect("a report")
}

#[test]
fn an_encrypted_caller_and_a_plain_agent_hear_each_other_and_press_keys() {
    for suite in SUITES {
        let (mut world, mut a, mut b) = bridged(suite);
        talk(&mut world, 1_000, &mut a, &mut b);
        let (to_a, to_b) = (world.sent_to(CALLER), world.sent_to(AGENT));
        assert!(to_a.len() >= 49 && to_b.len() >= 49, "{suite:?}: {} and {}", to_a.len(), to_b.len());
        assert_continuous(&to_a, 40);
        assert_eq!((to_a[20].rtp.payload_type, to_b[20].rtp.payload_type), (0, 8));
        for packet in a.phone.key(5, 100) {
            let packet = a.protect(&packet, false);
            world.deliver(CALLER, a.phone.addr, &packet);
            world.run(20);
        }
        assert_eq!(world.keys(), "5");
        assert!(world.sent_to(AGENT).iter().any(|sent| sent.rtp.payload_type == 101), "the agent gets the key");
        // Reports both ways, also of the caller's own.
        let sender_report = [&[0x80, 200, 0, 6][..], &a.phone.ssrc.to_be_bytes(), &[0; 20]].concat();
        let sender_report = a.protect(&sender_report, true);
        world.deliver_rtcp(CALLER, "10.0.0.1:4001".parse().unwrap(), &sender_report);
        talk(&mut world, 8_000, &mut a, &mut b);
        let reported = world.wire.rtcp.iter().filter(|(leg, ..)| *leg == CALLER).count();
        assert!(reported > 0, "the caller is sent reports");
        let account = report(&mut world, CALLER);
        assert_eq!((account.forged, account.malformed, account.stray, account.lost), (0, 0, 0, 0), "{suite:?}");
    }
}

#[test]
fn what_is_in_the_clear_forged_or_said_before_is_not_heard_on_an_encrypted_leg() {
    for suite in SUITES {
        let (mut world, mut a, mut b) = bridged(suite);
        talk(&mut world, 200, &mut a, &mut b);
        let heard = a.speak();
        world.deliver(CALLER, a.phone.addr, &heard);
        world.run(20);
        world.sent_to(AGENT);
        let before = world.sent_to(CALLER).len();
        let stranger = "10.6.6.6:666".parse().unwrap();
        let clear = a.phone.clone().speak();
        let mut forger = Secure::new("10.0.0.1:4000", Codec::Pcmu, suite);
        forger.sender = Sender::new(&key(suite, 7));
        let forged = forger.speak();
        for from in [a.phone.addr, stranger] {
            for bad in [&heard, &clear, &forged, &heard[..11].to_vec(), &Vec::new(), &vec![0xff; 2000]] {
                world.deliver(CALLER, from, bad);
                world.deliver_rtcp(CALLER, from, bad);
            }
        }
        assert_eq!((world.sent_to(AGENT).len(), before > 0), (0, true), "{suite:?}: nothing of it is passed on");
        talk(&mut world, 200, &mut a, &mut b);
        assert!(world.sent_to(AGENT).len() >= 9, "and the caller is heard as before");
        assert!(world.sent_to(CALLER).iter().all(|sent| sent.to == a.phone.addr));
        assert!(report(&mut world, CALLER).forged >= 10);
    }
}

#[test]
fn an_encrypted_caller_behind_a_proxy_is_heard_from_its_first_packet_on() {
    let (mut world, mut a, mut b) = bridged(Suite::AesCm80);
    // Neither its description nor its signalling knows of this address; a plain caller would need eight packets.
    a.phone.addr = "203.0.113.9:61000".parse().unwrap();
    talk(&mut world, 20, &mut a, &mut b);
    assert_eq!(world.sent_to(AGENT).len(), 1);
    talk(&mut world, 100, &mut a, &mut b);
    assert!(world.sent_to(CALLER).iter().skip(1).all(|sent| sent.to == a.phone.addr));
    // Its NAT gives it another port while it talks.
    world.sent_to(AGENT);
    a.phone.addr = "203.0.113.9:61002".parse().unwrap();
    talk(&mut world, 100, &mut a, &mut b);
    assert!(world.sent_to(AGENT).len() >= 5);
    assert_eq!(world.sent_to(CALLER).last().unwrap().to, a.phone.addr);
}

#[test]
fn a_new_key_in_the_middle_of_a_call_is_taken_and_our_own_goes_on() {
    let (mut world, mut a, mut b) = bridged(Suite::AesCm80);
    talk(&mut world, 500, &mut a, &mut b);
    let before = world.sent_to(CALLER);
    // Hold and back, without a new key: neither side's counters start again.
    world.offer(CALLER, a.spec());
    talk(&mut world, 200, &mut a, &mut b);
    world.sent_to(AGENT);
    a.theirs = key(Suite::AesCm80, 9);
    a.sender = Sender::new(&a.theirs);
    world.offer(CALLER, a.spec());
    talk(&mut world, 200, &mut a, &mut b);
    assert!(world.sent_to(AGENT).len() >= 9, "heard under the new key");
    let all = [before, world.sent_to(CALLER)].concat();
    assert_continuous(&all, 40);
    // Another suite, as after a transfer to another phone.
    let mut other = Secure::new("10.0.0.1:4000", Codec::Pcmu, Suite::AesGcm128);
    (other.theirs, other.ours) = (key(Suite::AesGcm128, 20), key(Suite::AesGcm128, 21));
    other.sender = Sender::new(&other.theirs);
    other.phone.sequence = 100;
    world.wire.openers.insert(CALLER, Receiver::new(&other.ours));
    world.offer(CALLER, other.spec());
    world.run(300);
    world.sent_to(AGENT);
    talk(&mut world, 200, &mut other, &mut b);
    assert!(world.sent_to(AGENT).len() >= 8);
}

#[test]
fn a_call_is_heard_past_the_end_of_the_sequence() {
    let (mut world, mut a, mut b) = bridged(Suite::AesCm80);
    // The phone began near the end of its sequence, and much is lost on the way, so that it comes there twice.
    for n in 0..3_000u32 {
        if n % 100 == 0 {
            a.phone.sequence = a.phone.sequence.wrapping_add(2_500);
        }
        let packet = a.speak();
        world.deliver(CALLER, a.phone.addr, &packet);
        let packet = b.speak();
        world.deliver(AGENT, b.addr, &packet);
        world.stall(20);
        if n % 100 == 99 {
            assert!(world.sent_to(AGENT).len() >= 98 && world.sent_to(CALLER).len() >= 98, "packet {n}");
        }
    }
    assert_eq!(report(&mut world, CALLER).forged, 0);
}
