//! Garbage, floods and forgery from whoever sends them.

use crate::world::*;
use hotline::media::{MediaCmd, MediaEvent, Part, Plane, PlayId, PlayItem, RecordingId, Tone};
use hotline::sdp::{Codec, Direction, MediaSpec};
use std::net::SocketAddr;
use std::time::Duration;

const U: Codec = Codec::Pcmu;

/// xorshift64*: the same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % sides
    }
    fn octets(&mut self, length: u64) -> Vec<u8> {
        (0..self.roll(length + 1)).map(|_| self.roll(256) as u8).collect()
    }
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn account(world: &mut World) -> hotline::events::MediaReport {
    world.command(MediaCmd::Drop { leg: CALLER });
    let dropped = world.events().into_iter().rev().find_map(|event| match event {
        MediaEvent::Dropped { report, .. } => Some(report),
        _ => None,
    });
    dropped.expect("an account")
}

#[test]
fn three_thousand_broken_packets_from_the_callers_own_address_cost_no_audio() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    world.wire.sent.clear();
    let mut dice = Dice(1);
    for _ in 0..100 {
        for _ in 0..30 {
            let garbage = dice.octets(300);
            world.deliver(CALLER, a.addr, &garbage);
            world.deliver_rtcp(CALLER, a.addr, &garbage);
        }
        world.talk(20, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    }
    let heard = world.sent_to(AGENT);
    assert!(heard.iter().filter(|s| s.payload == [a.voice; 160]).count() >= 99);
    let other = heard.iter().filter(|s| s.payload != [a.voice; 160]).count();
    assert!(other <= 1, "{other} broken packets were heard");
    let report = account(&mut world);
    assert!(report.malformed > 2900, "{report:?}");
}

#[test]
fn each_kind_of_malformed_packet_is_counted_and_none_is_heard() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(100, &mut [(CALLER, &mut a)]);
    world.wire.sent.clear();
    let good = a.speak();
    let bend = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        change(&mut packet);
        packet
    };
    let bad = [
        bend(&|p| p.truncate(11)),
        bend(&|p| p[0] = 0x40),
        bend(&|p| p[0] = 0x00),
        bend(&|p| {
            p[0] = 0x8f;
            p.truncate(71);
        }),
        bend(&|p| {
            p[0] = 0x90;
            p[14] = 0xff;
        }),
        bend(&|p| {
            p[0] = 0xa0;
            *p.last_mut().expect("a last octet") = 0;
        }),
        bend(&|p| {
            p[0] = 0xa0;
            *p.last_mut().expect("a last octet") = 200;
        }),
        bend(&|p| p.resize(3000, 0)),
        bend(&|p| p[1] = 77),
        vec![],
    ];
    bad.iter().for_each(|packet| world.deliver(CALLER, a.addr, packet));
    assert!(world.sent_to(AGENT).is_empty());
    assert_eq!(account(&mut world).malformed, bad.len() as u64);
}

#[test]
fn a_flood_of_a_hundred_times_the_rate_from_the_right_address_is_cut_to_a_few_times_it() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    world.wire.sent.clear();
    for _ in 0..5000 {
        for _ in 0..5 {
            let packet = a.speak();
            world.deliver(CALLER, a.addr, &packet);
        }
        world.run(1);
    }
    let passed = world.sent_to(AGENT).len();
    assert!(passed <= 100 + 5 * 200, "{passed} of 25 000 packets passed in 5 s");
    assert!(account(&mut world).malformed > 23_000, "and the rest is counted");
}

#[test]
fn a_burst_after_a_second_of_outage_is_no_flood() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let held: Vec<_> = (0..50).map(|_| a.speak()).collect();
    world.run(1000);
    held.iter().for_each(|packet| world.deliver(CALLER, a.addr, packet));
    assert_eq!(account(&mut world).packets_in, 100);
}

#[test]
fn a_sender_that_changes_its_ssrc_with_every_packet_leaves_the_caller_heard() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    world.wire.sent.clear();
    for n in 0..1000 {
        let forged = Phone { ssrc: n, sequence: n as u16, voice: 99, ..a.clone() };
        world.deliver(CALLER, a.addr, &forged.packet(0, false, &[99; 160]));
        if n % 2 == 0 {
            world.talk(20, &mut [(CALLER, &mut a)]);
        }
    }
    let sent = world.sent_to(AGENT);
    assert_eq!(sent.len(), 500);
    assert!(sent.iter().all(|s| s.payload == [a.voice; 160]));
    assert_continuous(&sent, 1);
}

#[test]
fn injection_of_the_right_ssrc_with_a_far_sequence_does_not_stop_the_caller() {
    // From an address the kernel cannot tell from the caller's: spoofed.
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    world.wire.sent.clear();
    for n in 0..50u16 {
        let forged = Phone { sequence: a.sequence.wrapping_add(20_000 + n * 7), voice: 99, ..a.clone() };
        world.deliver(CALLER, a.addr, &forged.packet(0, false, &[99; 160]));
        world.talk(20, &mut [(CALLER, &mut a)]);
    }
    let sent = world.sent_to(AGENT);
    assert_eq!(sent.iter().filter(|s| s.payload == [a.voice; 160]).count(), 50);
    assert_eq!(sent.len(), 50);
}

/// Anything in any order: no panic, one SSRC and a sequence that never repeats per leg, and nothing left at the end.
#[test]
fn random_commands_and_packets_never_break_a_stream() {
    let seed = env("HOTLINE_FUZZ_SEED", 1);
    let cases = env("HOTLINE_FUZZ_CASES", 60);
    for case in 0..cases {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(case) | 1;
        println!("HOTLINE_FUZZ_SEED for this case: {seed}");
        scenario(&mut Dice(seed));
    }
}

fn scenario(dice: &mut Dice) {
    let mut world = World::new();
    world.plane = Plane::with_sounds(dice.roll(u64::MAX), world.start, shared_sounds());
    let legs = [1, 2, 3].map(hotline::ids::LegId);
    let mut phones = [("10.0.0.1:4000", 0), ("10.0.0.2:5000", 0), ("10.0.0.3:6000", 0)]
        .map(|(addr, _)| Phone::new(addr, if dice.roll(2) == 0 { Codec::Pcmu } else { Codec::Pcma }));
    for _ in 0..400 {
        let n = dice.roll(3) as usize;
        let leg = legs[n];
        let other = legs[dice.roll(3) as usize];
        match dice.roll(24) {
            0 => world.create(leg),
            1 | 2 => {
                let mut spec = phones[n].spec();
                spec.direction = Direction::from_flags(dice.roll(4) > 0, dice.roll(4) > 0);
                spec.ptime_ms = dice.roll(256) as u8;
                spec.rtcp_mux = dice.roll(2) == 0;
                spec.event_send_pt = (dice.roll(3) > 0).then_some(101);
                world.offer(leg, odd_address(spec, dice));
            }
            3 => world.command(MediaCmd::Bridge { a: leg, b: other }),
            4 => world.command(MediaCmd::Unbridge { leg }),
            5 => {
                let tone = Tone::Cadence {
                    freqs: [440, 0],
                    level_dbm0: -10,
                    on_ms: 30,
                    off_ms: 0,
                    count: dice.roll(3) as u32,
                };
                let items =
                    [clip(dice.roll(90) as usize, 99), PlayItem::Silence(dice.roll(50) as u32), PlayItem::Tone(tone)];
                let items = items[..dice.roll(4) as usize].into();
                let (id, repeat, bargeable) = (PlayId(dice.roll(3) as u32), dice.roll(2) == 0, dice.roll(2) == 0);
                world.command(MediaCmd::Play { leg, id, items, repeat, bargeable });
            }
            6 => world.command(MediaCmd::StopPlay { leg, id: PlayId(dice.roll(3) as u32) }),
            7 => world.command(MediaCmd::Echo { leg, on: dice.roll(2) == 0 }),
            8 => {
                let key = char::from(dice.roll(128) as u8);
                world.command(MediaCmd::SendDtmf { leg, key, duration_ms: dice.roll(65536) as u16 });
            }
            9 => {
                let far = (dice.roll(2) == 0).then_some(other);
                let recording = RecordingId(dice.roll(3));
                world.command(MediaCmd::RecordStart { call: CALL, near: leg, far, recording });
            }
            10 => world.command(MediaCmd::RecordStop { recording: RecordingId(dice.roll(3)) }),
            11 => {
                let part = [Part::Talks, Part::Listens, Part::Whispers { to: other }][dice.roll(3) as usize];
                world.command(MediaCmd::Join { leg, to: other, part });
            }
            12 => {
                let after = (dice.roll(2) == 0).then(|| Duration::from_millis(dice.roll(3000)));
                world.command(MediaCmd::RtpTimeout { leg, after });
            }
            13 if dice.roll(4) == 0 => world.command(MediaCmd::Drop { leg }),
            14 => world.stall(dice.roll(300)),
            15 => {
                for packet in phones[n].key(dice.roll(20) as u8, 20 + 20 * dice.roll(10) as u16) {
                    if dice.roll(5) > 0 {
                        into(&mut world, leg, phones[n].addr, &packet);
                    }
                    world.run(20);
                }
            }
            16 => {
                let mut packet = phones[n].speak();
                let at = dice.roll(packet.len() as u64) as usize;
                packet[at] = dice.roll(256) as u8;
                packet.truncate(dice.roll(200) as usize);
                into(&mut world, leg, phones[n].addr, &packet);
            }
            17 => {
                let mut packet =
                    [&[0x81, 200 + dice.roll(5) as u8, 0, dice.roll(12) as u8], &dice.octets(60)[..]].concat();
                packet.resize(packet.len().next_multiple_of(4), 0);
                into(&mut world, leg, phones[n].addr, &packet);
                if let Some(slot) = world.find(leg) {
                    let now = world.now;
                    world.plane.handle_rtcp(now, slot, phones[n].addr, &mut packet, &mut world.wire);
                }
            }
            18 => phones[n].addr.set_port(4000 + dice.roll(3) as u16),
            19 => phones[n].pause(dice.roll(5000) as u32),
            _ => {
                for _ in 0..dice.roll(10) {
                    for (leg, phone) in legs.iter().zip(&mut phones) {
                        let packet = phone.speak();
                        if dice.roll(10) > 0 {
                            into(&mut world, *leg, phone.addr, &packet);
                        }
                    }
                    world.run(20);
                }
            }
        }
        if dice.roll(50) == 0 {
            check(&mut world);
        }
    }
    check(&mut world);
    legs.iter().for_each(|&leg| world.command(MediaCmd::Drop { leg }));
    assert!(world.plane.is_empty());
    let opened = world.wire.records.iter().filter(|(_, what)| *what == "open").count();
    assert_eq!(opened * 2, world.wire.records.len(), "each recording is closed");
}

fn shared_sounds() -> std::sync::Arc<hotline::media::sounds::Sounds> {
    static SOUNDS: std::sync::LazyLock<std::sync::Arc<hotline::media::sounds::Sounds>> =
        std::sync::LazyLock::new(|| std::sync::Arc::new(hotline::media::sounds::Sounds::new(2)));
    SOUNDS.clone()
}

fn odd_address(mut spec: MediaSpec, dice: &mut Dice) -> MediaSpec {
    match dice.roll(8) {
        0 => spec.remote = "0.0.0.0:4000".parse().expect("an address"),
        1 => spec.remote.set_port(0),
        2 => spec.remote.set_port(65535),
        3 => spec.remote = "[::1]:9".parse().expect("an address"),
        _ => {}
    }
    spec
}

fn into(world: &mut World, leg: hotline::ids::LegId, from: SocketAddr, packet: &[u8]) {
    if world.find(leg).is_some() {
        world.deliver(leg, from, packet);
    }
}

/// No sequence number is used twice within the last half of its range (SRTP would break on it).
fn check(world: &mut World) {
    let sent = std::mem::take(&mut world.wire.sent);
    let mut legs: std::collections::BTreeMap<u32, Vec<u16>> = Default::default();
    for packet in sent {
        legs.entry(packet.rtp.ssrc).or_default().push(packet.rtp.sequence);
    }
    for sequences in legs.values() {
        let mut seen = std::collections::BTreeSet::new();
        assert!(sequences.iter().all(|sequence| seen.insert(*sequence)), "a sequence number was used twice");
    }
}
