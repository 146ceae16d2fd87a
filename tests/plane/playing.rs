//! Prompts, tones and music by the wheel.

use crate::world::*;
use hotline::ids::LegId;
use hotline::media::{MediaCmd, MediaEvent, PlayId, PlayItem, Tone};
use hotline::sdp::{Codec, Direction};
use std::collections::BTreeMap;

fn done(id: u32, heard_ms: u32, stopped: bool) -> MediaEvent {
    MediaEvent::PlayDone { leg: CALLER, id: PlayId(id), heard_ms, stopped }
}

fn answered(codec: Codec) -> (World, Phone) {
    let mut world = World::new();
    let a = Phone::new("10.0.0.1:4000", codec);
    world.answer(CALLER, &a);
    (world, a)
}

#[test]
fn a_prompt_is_heard_whole_in_the_law_of_the_phone_and_then_told_as_done() {
    for law in [Codec::Pcmu, Codec::Pcma] {
        let (mut world, _) = answered(law);
        world.play(CALLER, 1, vec![clip(130, 4000), PlayItem::Silence(40), clip(80, -4000)], true);
        world.run(400);
        assert_eq!(world.events(), [done(1, 250, false)]);
        let sent = world.sent_to(CALLER);
        assert_continuous(&sent[..13], 1);
        let octets: Vec<u8> = sent[..13].iter().flat_map(|s| s.payload.clone()).collect();
        let pcm: Vec<i16> = law_of(law, &octets);
        let near = |range: std::ops::Range<usize>, level: i16| pcm[range].iter().all(|x| x.abs_diff(level) < 150);
        assert!(near(0..1040, 4000) && near(1040..1360, 0) && near(1360..2000, -4000) && near(2000..2080, 0));
    }
}

#[test]
fn a_thousand_callers_each_hear_a_packet_every_20_ms_spread_evenly_over_the_time() {
    let mut world = World::new();
    for leg in 1..=1000 {
        let mut a = Phone::new("10.0.0.1:4000", Codec::Pcma);
        a.signalled.set_port(10_000 + leg);
        world.answer(LegId(u64::from(leg)), &a);
        world.play(LegId(u64::from(leg)), 1, vec![PlayItem::Tone(Tone::MusicOnHold)], false);
    }
    world.run(1000);
    let mut each: BTreeMap<LegId, Vec<_>> = BTreeMap::new();
    let mut at: BTreeMap<_, usize> = BTreeMap::new();
    for sent in std::mem::take(&mut world.wire.sent) {
        *at.entry(sent.at).or_default() += 1;
        each.entry(sent.leg).or_default().push(sent);
    }
    assert_eq!(each.len(), 1000);
    for sent in each.values() {
        assert_eq!(sent.len(), 50);
        assert!(sent.windows(2).all(|pair| (pair[1].at - pair[0].at).as_millis() == 20));
        assert_continuous(sent, 0);
    }
    assert!(at.values().all(|&packets| packets <= 51), "no burst: {:?}", at.values().max());
}

#[test]
fn a_new_prompt_replaces_the_old_and_a_late_stop_of_the_old_does_not_touch_it() {
    let (mut world, _) = answered(Codec::Pcma);
    world.play(CALLER, 1, vec![clip(5000, 4000)], true);
    world.run(200);
    world.play(CALLER, 2, vec![clip(300, 9000)], true);
    world.command(MediaCmd::StopPlay { leg: CALLER, id: PlayId(1) });
    world.run(500);
    assert_eq!(world.events(), [done(1, 200, true), done(2, 300, false)]);
    assert_continuous(&world.sent_to(CALLER)[..25], 21);
}

#[test]
fn a_stopped_prompt_is_told_with_how_much_of_it_was_heard() {
    let (mut world, _) = answered(Codec::Pcma);
    world.play(CALLER, 1, vec![clip(5000, 4000)], true);
    world.run(400);
    world.command(MediaCmd::StopPlay { leg: CALLER, id: PlayId(1) });
    assert_eq!(world.events(), [done(1, 400, true)]);
}

#[test]
fn an_empty_prompt_is_done_at_once_even_if_it_is_to_be_repeated() {
    let (mut world, _) = answered(Codec::Pcma);
    let items = vec![PlayItem::Silence(0)].into();
    world.command(MediaCmd::Play { leg: CALLER, id: PlayId(1), items, repeat: true, bargeable: false });
    world.run(20);
    assert_eq!(world.events(), [done(1, 0, false)]);
}

#[test]
fn a_prompt_that_was_asked_for_before_the_answer_begins_with_it() {
    let mut world = World::new();
    let a = Phone::new("10.0.0.1:4000", Codec::Pcma);
    world.create(CALLER);
    world.play(CALLER, 1, vec![clip(100, 4000)], true);
    world.run(1000);
    assert!(world.events().is_empty());
    world.offer(CALLER, a.spec());
    world.run(200);
    assert_eq!(world.events(), [done(1, 100, false)]);
}

#[test]
fn a_prompt_runs_on_while_the_caller_is_on_hold_but_only_what_was_sent_counts_as_heard() {
    let (mut world, mut a) = answered(Codec::Pcma);
    world.play(CALLER, 1, vec![clip(1000, 4000)], true);
    world.run(200);
    a.direction = Direction::Inactive;
    world.offer(CALLER, a.spec());
    world.wire.sent.clear();
    world.run(400);
    assert!(world.sent_to(CALLER).is_empty());
    a.direction = Direction::SendRecv;
    world.offer(CALLER, a.spec());
    world.run(600);
    assert_eq!(world.events(), [done(1, 600, false)]);
}

#[test]
fn a_codec_change_in_mid_prompt_goes_on_at_the_same_word() {
    let (mut world, mut a) = answered(Codec::Pcma);
    world.play(CALLER, 1, vec![clip(100, 4000), clip(100, 9000)], true);
    world.run(60);
    a.codec = Codec::Pcmu;
    world.offer(CALLER, a.spec());
    world.run(200);
    assert_eq!(world.events(), [done(1, 200, false)]);
    let sent = world.sent_to(CALLER);
    assert_continuous(&sent[..10], 1);
    let pts: Vec<_> = sent[..10].iter().map(|s| s.rtp.payload_type).collect();
    assert_eq!(pts, [8, 8, 8, 0, 0, 0, 0, 0, 0, 0]);
    let pcm: Vec<i16> =
        [&sent[4].payload, &sent[5].payload].into_iter().flat_map(|octets| law_of(Codec::Pcmu, octets)).collect();
    assert!(pcm[..160].iter().all(|x| x.abs_diff(4000) < 150) && pcm[160..].iter().all(|x| x.abs_diff(9000) < 300));
}

#[test]
fn packets_are_as_long_as_the_phone_asked_and_evenly_spaced() {
    for (asked, expected) in [(10, 20), (20, 20), (30, 20), (40, 40), (60, 60)] {
        let (mut world, a) = answered(Codec::Pcma);
        world.offer(CALLER, hotline::sdp::MediaSpec { ptime_ms: asked, ..a.spec() });
        world.play(CALLER, 1, vec![PlayItem::Tone(Tone::Ringback)], true);
        world.run(2000);
        let sent = world.sent_to(CALLER);
        assert!(sent.iter().all(|s| s.payload.len() == expected * 8), "asked for {asked}");
        let gaps: Vec<_> = sent.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis() as usize).collect();
        assert!(gaps.iter().all(|gap| *gap == expected), "asked for {asked}: {gaps:?}");
        assert_continuous(&sent, 1);
    }
}

#[test]
fn a_worker_held_up_for_a_second_catches_up_with_two_packets_and_a_gap_in_time() {
    let (mut world, _) = answered(Codec::Pcma);
    world.play(CALLER, 1, vec![clip(5000, 4000)], true);
    world.run(200);
    world.wire.sent.clear();
    world.stall(1000);
    let sent = world.sent_to(CALLER);
    assert_eq!(sent.len(), 2);
    assert!(sent[0].rtp.marker);
    world.run(200);
    let after = world.sent_to(CALLER);
    assert_eq!(after.len(), 10);
    assert_continuous(&[sent, after].concat(), 41);
}

#[test]
fn a_worker_held_up_for_30_ms_loses_nothing() {
    let (mut world, _) = answered(Codec::Pcma);
    world.play(CALLER, 1, vec![clip(600, 4000)], true);
    world.run(200);
    world.stall(30);
    world.run(500);
    assert_eq!(world.events(), [done(1, 600, false)]);
    assert_continuous(&world.sent_to(CALLER)[..30], 31);
}

#[test]
fn the_worker_need_not_wake_for_a_leg_that_has_nothing_due() {
    let (mut world, _) = answered(Codec::Pcma);
    let mut wakes = 0;
    world.play(CALLER, 1, vec![clip(1000, 4000)], true);
    for _ in 0..1000 {
        let due = world.plane.next_tick().expect("a leg");
        let ahead = due.saturating_duration_since(world.now).as_millis() as u64;
        wakes += 1;
        world.stall(ahead.max(1));
        if world.now.duration_since(world.start).as_millis() >= 1000 {
            break;
        }
    }
    assert!((49..=52).contains(&wakes), "{wakes} wake-ups for 50 packets");
    assert_eq!(world.sent_to(CALLER).len(), 50);
}

#[test]
fn when_calls_end_the_others_keep_their_turn_of_the_wheel() {
    let mut world = World::new();
    let mut a = Phone::new("10.0.0.1:4000", Codec::Pcma);
    for leg in 1..=60 {
        // On hold: asleep between its reports.
        a.direction = Direction::Inactive;
        world.answer(LegId(leg), &a);
    }
    world.run(100);
    (1..=40).for_each(|leg| world.command(MediaCmd::Drop { leg: LegId(leg) }));
    world.events();
    a.direction = Direction::SendRecv;
    for leg in 41..=60 {
        world.offer(LegId(leg), a.spec());
        world.play(LegId(leg), 1, vec![clip(60, 4000)], false);
    }
    world.run(81);
    let done = world.events().iter().filter(|e| matches!(e, MediaEvent::PlayDone { heard_ms: 60, .. })).count();
    assert_eq!(done, 20);
}
