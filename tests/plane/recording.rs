//! What the recorder is told.

use crate::world::*;
use hotline::media::codec::Law;
use hotline::media::{MediaCmd, MediaEvent, RecordingId, Side};
use hotline::sdp::{Codec, Direction};
use std::time::Duration;

const REC: RecordingId = RecordingId(5);

fn start(world: &mut World) {
    world.command(MediaCmd::RecordStart { call: CALL, near: CALLER, far: Some(AGENT), recording: REC });
}

fn sides(world: &World) -> (usize, usize) {
    let near = world.wire.taps.iter().filter(|frame| frame.side == Side::Near).count();
    (near, world.wire.taps.len() - near)
}

#[test]
fn the_caller_is_recorded_on_the_near_side_and_the_agent_on_the_far_side_as_they_sent_it() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcma);
    start(&mut world);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(sides(&world), (50, 50));
    for frame in &world.wire.taps {
        let (voice, codec) = if frame.side == Side::Near { (a.voice, Codec::Pcmu) } else { (b.voice, Codec::Pcma) };
        assert_eq!((frame.payload(), frame.codec, frame.recording), (&[voice; 160][..], codec, REC));
    }
    let near: Vec<_> = world.wire.taps.iter().filter(|frame| frame.side == Side::Near).collect();
    assert_eq!((near[49].ssrc, near[49].sequence, near[49].timestamp), (a.ssrc, a.sequence, a.timestamp));
    assert_eq!((near[1].arrived - near[0].arrived).as_millis(), 20);
}

#[test]
fn a_packet_of_120_ms_is_recorded_whole() {
    let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    start(&mut world);
    a.speak();
    let long: Vec<u8> = (0..960).map(|n| n as u8).collect();
    let packet = a.packet(0, false, &long);
    world.deliver(CALLER, a.addr, &packet);
    let recorded: Vec<u8> = world.wire.taps.iter().flat_map(|frame| frame.payload().to_vec()).collect();
    assert_eq!(recorded, long);
    assert_eq!(world.wire.taps[1].timestamp.wrapping_sub(a.timestamp), 480);
}

#[test]
fn strangers_copies_and_parties_on_hold_are_not_recorded() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    start(&mut world);
    let packet = a.speak();
    world.deliver(CALLER, a.addr, &packet);
    world.deliver(CALLER, a.addr, &packet);
    let mut thief = Phone::new("6.6.6.6:666", Codec::Pcmu);
    let forged = thief.speak();
    world.deliver(CALLER, thief.addr, &forged);
    assert_eq!(sides(&world), (1, 0));
    b.direction = Direction::SendOnly;
    world.offer(AGENT, b.spec());
    world.talk(100, &mut [(AGENT, &mut b)]);
    assert_eq!(sides(&world), (1, 0));
}

#[test]
fn a_recording_goes_on_when_the_far_side_is_gone() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    start(&mut world);
    world.talk(100, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(sides(&world), (5, 5));
    world.command(MediaCmd::Drop { leg: AGENT });
    world.talk(100, &mut [(CALLER, &mut a)]);
    assert_eq!(sides(&world), (10, 5));
    assert_eq!(world.wire.records, [(REC, "open")]);
}

#[test]
fn a_recording_is_closed_once_by_command_or_with_its_caller() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    start(&mut world);
    world.command(MediaCmd::RecordStop { recording: REC });
    world.command(MediaCmd::RecordStop { recording: REC });
    world.talk(100, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(sides(&world), (0, 0));
    assert_eq!(world.wire.records, [(REC, "open"), (REC, "close")]);
    start(&mut world);
    world.command(MediaCmd::Drop { leg: CALLER });
    assert_eq!(world.wire.records[2..], [(REC, "open"), (REC, "close")]);
}

#[test]
fn a_message_may_be_left_while_the_call_is_recorded() {
    let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    start(&mut world);
    world.command(MediaCmd::RecordStart { call: CALL, near: CALLER, far: None, recording: RecordingId(6) });
    world.talk(100, &mut [(CALLER, &mut a)]);
    assert_eq!(world.wire.taps.len(), 10);
    world.command(MediaCmd::RecordStop { recording: REC });
    world.talk(100, &mut [(CALLER, &mut a)]);
    assert_eq!(world.wire.taps[10..].iter().filter(|frame| frame.recording == RecordingId(6)).count(), 5);
}

#[test]
fn what_is_said_while_a_recording_is_paused_is_in_it_on_neither_side() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    start(&mut world);
    let mut counted = Vec::new();
    for paused in [false, true, true, false, false] {
        world.command(MediaCmd::RecordPause { recording: REC, paused });
        world.talk(100, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        counted.push(sides(&world));
    }
    assert_eq!(counted, [(5, 5), (5, 5), (5, 5), (10, 10), (15, 15)]);
    assert_eq!(world.wire.records, [(REC, "open")], "it is one recording");
    // Where the packets after the pause belong, their time stamps say.
    let near: Vec<_> = world.wire.taps.iter().filter(|frame| frame.side == Side::Near).collect();
    assert_eq!(near[5].timestamp.wrapping_sub(near[4].timestamp), 160 * 11);
}

#[test]
fn a_packet_that_no_recording_can_hold_is_counted_and_those_beside_it_are_recorded() {
    let (mut world, mut a, _) = World::bridged(Codec::Opus, Codec::Opus);
    start(&mut world);
    for octets in [60, 480, 481, 60] {
        a.speak();
        // A frame of 20 ms, of a length as it may be asked for by music.
        let mut payload = vec![0x55; octets];
        payload[0] = 0xf8;
        let packet = a.packet(Codec::Opus.payload_type(), false, &payload);
        world.deliver(CALLER, a.addr, &packet);
        world.run(20);
    }
    let lengths: Vec<_> = world.wire.taps.iter().map(|frame| frame.payload().len()).collect();
    assert_eq!((lengths, world.wire.lost), (vec![60, 480, 60], 1));
}

/// What a phone says at that level for so long, in words of 300 ms with 200 ms between them; 0 = nothing but packets.
fn say(world: &mut World, phone: &mut Phone, ms: u64, amplitude: f64) {
    for packet in 0..ms / 20 {
        let word = packet % 25 < 15;
        let sound: Vec<u8> = (0..160)
            .map(|n| match word {
                true => Law::Mu.octet((amplitude * f64::from(n).sin()) as i16),
                false => Law::Mu.silence(),
            })
            .collect();
        phone.speak();
        let datagram = phone.packet(0, false, &sound);
        world.deliver(CALLER, phone.addr, &datagram);
        world.run(20);
    }
}

fn fell_silent(world: &mut World) -> bool {
    let told = world.wire.events.iter().filter(|event| matches!(event, MediaEvent::FellSilent { leg: CALLER })).count();
    assert!(told < 2, "told once");
    told == 1
}

#[test]
fn a_caller_who_has_stopped_speaking_is_told_of_once_and_one_who_pauses_or_speaks_softly_is_not() {
    for loud in [8_000.0, 900.0] {
        let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
        world.command(MediaCmd::AwaitSilence { leg: CALLER, after: Some(Duration::from_secs(3)) });
        say(&mut world, &mut a, 10_000, loud);
        say(&mut world, &mut a, 2_000, 0.0);
        say(&mut world, &mut a, 2_000, loud);
        say(&mut world, &mut a, 2_500, 0.0);
        assert!(!fell_silent(&mut world), "{loud}");
        say(&mut world, &mut a, 700, 0.0);
        assert!(fell_silent(&mut world), "{loud}");
        say(&mut world, &mut a, 5_000, 0.0);
        assert!(fell_silent(&mut world));
    }
}

#[test]
fn a_caller_who_sends_nothing_at_all_has_fallen_silent_too_and_nobody_is_waited_for_who_need_not_be() {
    let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    world.command(MediaCmd::AwaitSilence { leg: CALLER, after: Some(Duration::from_secs(3)) });
    say(&mut world, &mut a, 1_000, 8_000.0);
    world.run(2_500);
    assert!(!fell_silent(&mut world));
    world.run(700);
    assert!(fell_silent(&mut world));
    world.wire.events.clear();
    world.command(MediaCmd::AwaitSilence { leg: CALLER, after: Some(Duration::from_secs(3)) });
    world.command(MediaCmd::AwaitSilence { leg: CALLER, after: None });
    world.run(10_000);
    assert!(!fell_silent(&mut world));
}
