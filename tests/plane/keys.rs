//! Keys by RFC 4733, in, out, and from one party to the other.

use crate::world::*;
use hotline::events::media::KeySource;
use hotline::media::{MediaCmd, MediaEvent, PlayId, RecordingId};
use hotline::sdp::{Codec, Direction};

const U: Codec = Codec::Pcmu;

fn caller() -> (World, Phone) {
    let mut world = World::new();
    let mut a = Phone::new("10.0.0.1:4000", U);
    world.answer(CALLER, &a);
    world.talk(100, &mut [(CALLER, &mut a)]);
    (world, a)
}

/// Delivers packets 20 ms apart, those whose number `keep` says.
fn deliver(world: &mut World, a: &Phone, packets: &[Vec<u8>], keep: impl Fn(usize) -> bool) {
    for (n, packet) in packets.iter().enumerate() {
        if keep(n) {
            world.deliver(CALLER, a.addr, packet);
        }
        world.run(20);
    }
}

#[test]
fn a_key_is_told_at_its_first_packet_and_once() {
    let (mut world, mut a) = caller();
    let packets = a.key(5, 100);
    world.deliver(CALLER, a.addr, &packets[0]);
    assert_eq!(world.keys(), "5");
    deliver(&mut world, &a, &packets[1..], |_| true);
    assert_eq!(world.keys(), "");
}

#[test]
fn keys_survive_lost_beginnings_lost_ends_copies_swaps_and_the_lack_of_a_marker() {
    let (mut world, mut a) = caller();
    let end = 4;
    let keep: [&dyn Fn(usize) -> bool; 4] = [&|n| n > 0, &|n| n < end, &|n| n == end + 1, &|n| n == 2];
    for (event, keep) in keep.into_iter().enumerate() {
        let packets = a.key(event as u8, 100);
        deliver(&mut world, &a, &packets, keep);
        world.run(60);
    }
    let mut packets = a.key(9, 100);
    packets.swap(0, 2);
    packets.insert(1, packets[0].clone());
    packets.iter_mut().for_each(|packet| packet[1] &= 0x7f);
    deliver(&mut world, &a, &packets, |_| true);
    assert_eq!(world.keys(), "01239");
}

#[test]
fn with_a_fifth_of_all_packets_lost_a_card_number_arrives_whole() {
    let (mut world, mut a) = caller();
    let mut dice = 7u32;
    let number = [4, 5, 5, 6, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 9, 9, 11];
    for key in number {
        let packets = a.key(key, 80);
        let lost: Vec<bool> = packets
            .iter()
            .map(|_| {
                dice = dice.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                dice >> 16 & 0xff < 51
            })
            .collect();
        deliver(&mut world, &a, &packets, |n| !lost[n]);
        a.pause(80);
        world.run(80);
    }
    assert_eq!(world.keys(), "4556000001233399#");
}

#[test]
fn a_press_of_three_seconds_is_one_key_and_one_of_40_ms_is_too() {
    let (mut world, mut a) = caller();
    for (event, ms) in [(7, 3000), (8, 40)] {
        let packets = a.key(event, ms);
        deliver(&mut world, &a, &packets, |_| true);
    }
    assert_eq!(world.keys(), "78");
}

#[test]
fn a_key_stops_a_bargeable_prompt_at_once_and_is_still_told() {
    let (mut world, mut a) = caller();
    world.play(CALLER, 3, vec![clip(5000, 9000)], true);
    world.talk(500, &mut [(CALLER, &mut a)]);
    let key = a.key(1, 100);
    world.deliver(CALLER, a.addr, &key[0]);
    let events = world.events();
    assert_eq!(events[1], MediaEvent::Key { leg: CALLER, key: '1', via: KeySource::Rfc4733 });
    let MediaEvent::PlayDone { id: PlayId(3), heard_ms, stopped: true, .. } = events[2] else { panic!("{events:?}") };
    assert!((480..=500).contains(&heard_ms), "{heard_ms}");
    world.wire.sent.clear();
    world.run(100);
    assert!(world.sent_to(CALLER).is_empty(), "not one more packet of the prompt");
}

#[test]
fn a_key_does_not_stop_a_prompt_that_must_be_heard() {
    let (mut world, mut a) = caller();
    world.play(CALLER, 3, vec![clip(500, 9000)], false);
    world.run(100);
    let packets = a.key(1, 100);
    deliver(&mut world, &a, &packets, |_| true);
    world.run(500);
    let done = MediaEvent::PlayDone { leg: CALLER, id: PlayId(3), heard_ms: 500, stopped: false };
    assert!(world.events().contains(&done));
}

#[test]
fn a_callers_key_is_pressed_anew_on_the_agents_leg_with_its_payload_type_and_numbers() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcma);
    b.events = Some(96);
    world.offer(AGENT, b.spec());
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let packets = a.key(6, 200);
    deliver(&mut world, &a, &packets, |n| n < 10);
    world.talk(400, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let sent = world.sent_to(AGENT);
    assert_continuous(&sent, 60);
    let keys: Vec<_> = sent.iter().filter(|s| s.rtp.payload_type == 96).collect();
    assert!(keys.iter().all(|s| s.payload[0] == 6 && s.rtp.timestamp == keys[0].rtp.timestamp));
    assert!(keys[0].rtp.marker && keys[1..].iter().all(|s| !s.rtp.marker));
    assert_eq!(keys.iter().filter(|s| s.payload[1] & 0x80 != 0).count(), 3, "three ends");
    let held = u16::from_be_bytes([keys.last().expect("a key").payload[2], keys.last().expect("a key").payload[3]]);
    assert!((1600..=1920).contains(&held), "200 ms were pressed, {} ms are sent", held / 8);
    let first = sent.iter().position(|s| s.rtp.payload_type == 96).expect("a key");
    assert!(sent[first..first + keys.len()].iter().all(|s| s.rtp.payload_type == 96), "no voice beside the key");
    assert_eq!(world.keys(), "6", "and the switch knows");
}

#[test]
fn a_relayed_key_whose_end_was_lost_is_let_go_on_the_other_side_too() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let packets = a.key(6, 100);
    deliver(&mut world, &a, &packets, |n| n < 3);
    world.talk(500, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let sent = world.sent_to(AGENT);
    assert_eq!(sent.iter().filter(|s| s.payload.len() == 4 && s.payload[1] & 0x80 != 0).count(), 3);
    assert!(sent.last().expect("voice").payload == [a.voice; 160]);
}

#[test]
fn keys_pressed_fast_all_reach_the_other_side_in_order() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    for key in [1, 1, 2, 3] {
        let packets = a.key(key, 40);
        deliver(&mut world, &a, &packets, |n| n < 3);
    }
    world.run(1000);
    let sent = world.sent_to(AGENT);
    let pressed: Vec<_> = sent.iter().filter(|s| s.payload.len() == 4 && s.rtp.marker).map(|s| s.payload[0]).collect();
    assert_eq!(pressed, [1, 1, 2, 3]);
    assert_continuous(&sent, 200);
}

#[test]
fn a_key_for_a_party_that_takes_neither_events_nor_tones_is_told_so_that_it_can_go_otherwise() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.command(MediaCmd::WithoutTones { leg: AGENT, on: true });
    b.events = None;
    world.offer(AGENT, b.spec());
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let packets = a.key(6, 100);
    deliver(&mut world, &a, &packets, |_| true);
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let keys: Vec<_> = world.events().into_iter().filter(|e| !matches!(e, MediaEvent::Latched { .. })).collect();
    let key = MediaEvent::Key { leg: CALLER, key: '6', via: KeySource::Rfc4733 };
    let expected = [key, MediaEvent::KeyUnsent { leg: AGENT, key: '6' }];
    assert_eq!(keys, expected);
    let sent = world.sent_to(AGENT);
    assert!(sent.iter().all(|s| s.payload == [a.voice; 160]), "no event it did not agree to");
    assert_continuous(&sent, 30);
}

#[test]
fn keys_the_flow_sends_go_out_one_after_the_other_and_the_prompt_goes_on_behind_them() {
    let (mut world, mut a) = caller();
    world.play(CALLER, 1, vec![clip(3000, 9000)], false);
    world.talk(100, &mut [(CALLER, &mut a)]);
    for key in ['1', '#'] {
        world.command(MediaCmd::SendDtmf { leg: CALLER, key, duration_ms: 100 });
    }
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let sent = world.sent_to(CALLER);
    assert_continuous(&sent, 200);
    let keys: Vec<_> = sent.iter().filter(|s| s.payload.len() == 4 && s.rtp.marker).map(|s| s.payload[0]).collect();
    assert_eq!(keys, [1, 11]);
    assert!(sent.last().expect("sound").payload.len() == 160);
}

#[test]
fn keys_that_wait_are_given_back_when_the_party_goes_on_hold_and_unknown_keys_at_once() {
    let (mut world, mut a) = caller();
    world.events();
    world.command(MediaCmd::SendDtmf { leg: CALLER, key: '1', duration_ms: 100 });
    world.command(MediaCmd::SendDtmf { leg: CALLER, key: 'x', duration_ms: 100 });
    a.direction = Direction::Inactive;
    world.offer(CALLER, a.spec());
    world.command(MediaCmd::SendDtmf { leg: CALLER, key: '2', duration_ms: 100 });
    let unsent = |key| MediaEvent::KeyUnsent { leg: CALLER, key };
    assert_eq!(world.events(), [unsent('x'), unsent('1'), unsent('2')]);
}

#[test]
fn a_key_is_in_no_recording() {
    let (mut world, mut a) = caller();
    world.command(MediaCmd::RecordStart { call: CALL, near: CALLER, far: None, recording: RecordingId(1) });
    let packets = a.key(6, 100);
    deliver(&mut world, &a, &packets, |_| true);
    assert_eq!(world.keys(), "6");
    assert!(world.wire.taps.is_empty());
}

#[test]
fn a_key_that_is_held_when_the_parties_part_is_let_go() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let packets = a.key(6, 2000);
    deliver(&mut world, &a, &packets[..5], |_| true);
    world.command(MediaCmd::Drop { leg: CALLER });
    world.wire.sent.clear();
    world.run(200);
    let ends = world.sent_to(AGENT).iter().filter(|s| s.payload.len() == 4 && s.payload[1] & 0x80 != 0).count();
    assert_eq!(ends, 3);
}

#[test]
fn keys_under_an_ssrc_of_their_own_are_heard_and_do_not_disturb_the_voice() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let mut keypad = Phone { ssrc: 0xdead, sequence: 5, timestamp: 77, ..a.clone() };
    for packet in keypad.key(8, 60) {
        world.deliver(CALLER, a.addr, &packet);
        world.talk(20, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    }
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(world.keys(), "8");
    let voice = world.sent_to(AGENT).iter().filter(|s| s.payload == [a.voice; 160]).count();
    assert!(voice >= 18, "{voice}");
}

/// Keys of the agent, which the caller is sent, and how often it paused the recording by them.
fn pausing(presses: &[(u8, u64)]) -> (Vec<u8>, usize) {
    let (mut world, _, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    world.command(MediaCmd::Feature { leg: AGENT, keys: Some("*9".into()) });
    for (event, pause) in presses {
        for packet in b.key(*event, 100) {
            world.deliver(AGENT, b.addr, &packet);
            world.run(20);
        }
        world.run(*pause);
    }
    world.run(3000);
    let events = world.events();
    let told = events.iter().filter(|event| matches!(event, MediaEvent::Feature { leg: AGENT })).count();
    let sent = world.sent_to(CALLER).into_iter().filter(|sent| sent.rtp.payload_type == 101 && sent.rtp.marker);
    (sent.map(|sent| sent.payload[0]).collect(), told)
}

#[test]
fn keys_that_pause_a_recording_stay_with_us_and_all_others_reach_the_caller_in_order() {
    assert_eq!(pausing(&[(10, 100), (9, 100)]), (vec![], 1));
    assert_eq!(pausing(&[(10, 100), (5, 100), (9, 100)]), (vec![10, 5, 9], 0));
    assert_eq!(pausing(&[(10, 2000), (9, 100)]), (vec![10, 9], 0));
    assert_eq!(pausing(&[(1, 100), (10, 100), (10, 100), (9, 100)]), (vec![1, 10], 1));
}
