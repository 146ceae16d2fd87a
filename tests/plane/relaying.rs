//! Two parties and what passes between them.

use crate::world::*;
use hotline::ids::LegId;
use hotline::media::{MediaCmd, MediaEvent};
use hotline::sdp::{Codec, Direction};

const OTHER: LegId = LegId(3);

#[test]
fn bridged_parties_hear_each_other_octet_for_octet() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    for (leg, to, voice) in [(AGENT, b.addr, a.voice), (CALLER, a.addr, b.voice)] {
        let sent = world.sent_to(leg);
        assert_eq!(sent.len(), 50);
        assert!(sent.iter().all(|s| s.to == to && s.payload == [voice; 160] && s.rtp.payload_type == 0));
        assert!(sent[0].rtp.marker && sent[1..].iter().all(|s| !s.rtp.marker));
        assert_continuous(&sent, 0);
    }
}

#[test]
fn a_mu_law_caller_and_an_a_law_agent_hear_each_other() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcma);
    world.talk(40, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let heard = world.sent_to(AGENT).pop().expect("a packet");
    assert_eq!(heard.rtp.payload_type, 8);
    let level = |codec, octet: u8| law_of(codec, &[octet])[0];
    let (said, heard) = (level(Codec::Pcmu, a.voice), level(Codec::Pcma, heard.payload[0]));
    assert!(said.abs_diff(heard) <= said.unsigned_abs() / 16, "{said} {heard}");
    assert_eq!(world.sent_to(CALLER).pop().expect("a packet").rtp.payload_type, 0);
}

#[test]
fn a_peer_may_send_any_codec_it_was_offered_not_only_the_first() {
    let (mut world, mut a, b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    a.codec = Codec::Pcma;
    let packet = a.speak();
    world.deliver(CALLER, a.addr, &packet);
    let heard = world.sent_to(AGENT).pop().expect("a packet");
    assert_eq!((heard.to, heard.rtp.payload_type, heard.payload.len()), (b.addr, 0, 160));
    assert_ne!(heard.payload[0], a.voice, "changed into mu-law");
}

#[test]
fn extension_csrc_and_padding_of_one_side_do_not_reach_the_other() {
    let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    let mut packet = a.speak();
    packet[0] = 0xb1;
    let extra = [1, 1, 1, 1, 0xbe, 0xde, 0, 1, 9, 9, 9, 9];
    packet.splice(12..12, extra);
    packet.extend([0, 0, 0, 4]);
    world.deliver(CALLER, a.addr, &packet);
    assert_eq!(world.sent_to(AGENT).pop().expect("a packet").payload, [a.voice; 160]);
}

#[test]
fn loss_and_order_on_one_side_are_seen_on_the_other_so_that_it_can_conceal_them() {
    let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    let packets: Vec<_> = (0..6).map(|_| a.speak()).collect();
    for n in [0, 1, 3, 2, 2, 5] {
        world.deliver(CALLER, a.addr, &packets[n]);
        world.run(20);
    }
    let sent = world.sent_to(AGENT);
    let base = sent[0].rtp.sequence;
    let order: Vec<_> = sent.iter().map(|s| s.rtp.sequence.wrapping_sub(base)).collect();
    assert_eq!(order, [0, 1, 3, 2, 5], "one lost, two swapped, the copy left out");
    let base = sent[0].rtp.timestamp;
    let times: Vec<_> = sent.iter().map(|s| s.rtp.timestamp.wrapping_sub(base) / 160).collect();
    assert_eq!(times, [0, 1, 3, 2, 5]);
}

#[test]
fn a_party_on_hold_is_sent_nothing_and_not_heard() {
    for (direction, heard, hears) in [
        (Direction::SendRecv, true, true),
        (Direction::SendOnly, false, true),
        (Direction::RecvOnly, true, false),
        (Direction::Inactive, false, false),
    ] {
        let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
        world.talk(100, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        a.direction = direction;
        world.offer(CALLER, a.spec());
        world.wire.sent.clear();
        world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        let to_agent = world.sent_to(AGENT);
        assert_eq!(to_agent.iter().any(|s| s.payload == [a.voice; 160]), heard, "{direction:?}");
        let to_caller = world.sent_to(CALLER);
        assert_eq!(!to_caller.is_empty(), hears, "{direction:?}");
        assert!(to_caller.iter().all(|s| s.payload == [b.voice; 160]));
    }
}

#[test]
fn when_a_party_falls_silent_the_other_gets_silence_and_then_the_voice_again_on_one_time_line() {
    let (mut world, mut a, b) = World::bridged(Codec::Pcmu, Codec::Pcma);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    world.talk(3000, &mut []);
    a.pause(0); // Its clock stood still: a sender that stops and starts again.
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let sent = world.sent_to(AGENT);
    assert_continuous(&sent, 30);
    let silent = sent.iter().filter(|s| s.payload == [0xd5; 160]).count();
    assert!((138..=142).contains(&silent), "3 s less the 200 ms that are waited: {silent}");
    assert_eq!(sent.iter().filter(|s| s.rtp.marker).count(), 3, "voice, silence, voice");
    assert!(sent.iter().all(|s| s.to == b.addr));
}

#[test]
fn a_leg_that_nobody_speaks_to_still_sends_silence_so_that_its_nat_and_carrier_stay_open() {
    let mut world = World::new();
    world.answer(CALLER, &Phone::new("10.0.0.1:4000", Codec::Pcma));
    world.run(1000);
    let sent = world.sent_to(CALLER);
    assert!((39..=41).contains(&sent.len()), "{}", sent.len());
    assert!(sent.iter().all(|s| s.payload == [0xd5; 160]));
    assert_continuous(&sent, 1);
}

#[test]
fn prompt_hold_music_and_agent_are_one_unbroken_stream_to_the_caller() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    world.command(MediaCmd::Unbridge { leg: CALLER });
    world.play(CALLER, 1, vec![clip(505, 8000)], false);
    world.talk(700, &mut [(CALLER, &mut a)]);
    let music = hotline::media::PlayItem::Tone(hotline::media::Tone::MusicOnHold);
    world.play(CALLER, 2, vec![music], false);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    world.command(MediaCmd::StopPlay { leg: CALLER, id: hotline::media::PlayId(2) });
    world.command(MediaCmd::Bridge { a: CALLER, b: AGENT });
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let sent = world.sent_to(CALLER);
    assert_continuous(&sent, 41);
    assert!(sent.iter().rev().take(49).all(|s| s.payload == [b.voice; 160]));
    assert!(sent.iter().filter(|s| s.rtp.marker).count() <= 4);
}

#[test]
fn while_something_plays_to_a_party_the_other_is_not_mixed_in() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    world.play(CALLER, 1, vec![clip(400, 8000)], false);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let sent = world.sent_to(CALLER);
    assert_continuous(&sent, 21);
    assert!(sent[..20].iter().all(|s| s.payload[0] != b.voice) && sent[22..].iter().all(|s| s.payload[0] == b.voice));
}

#[test]
fn an_echo_leg_hears_itself_and_nobody_else() {
    let mut world = World::new();
    let mut a = Phone::new("10.0.0.1:4000", Codec::Pcma);
    world.answer(CALLER, &a);
    world.command(MediaCmd::Echo { leg: CALLER, on: true });
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let sent = world.sent_to(CALLER);
    assert_eq!(sent.len(), 50);
    assert!(sent.iter().all(|s| s.to == a.addr && s.payload == [a.voice; 160] && s.rtp.ssrc != a.ssrc));
}

#[test]
fn a_caller_moved_to_a_second_agent_no_longer_reaches_the_first() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    let mut c = Phone::new("10.0.0.3:6000", Codec::Pcmu);
    world.answer(OTHER, &c);
    world.talk(100, &mut [(CALLER, &mut a), (AGENT, &mut b), (OTHER, &mut c)]);
    world.command(MediaCmd::Bridge { a: CALLER, b: OTHER });
    world.wire.sent.clear();
    world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b), (OTHER, &mut c)]);
    assert!(world.sent_to(AGENT).iter().all(|s| s.payload[0] == 0xff));
    assert!(world.sent_to(CALLER).iter().all(|s| s.payload[0] == c.voice));
    assert!(world.sent_to(OTHER).iter().all(|s| s.payload[0] == a.voice));
}

#[test]
fn when_one_leg_is_dropped_the_other_goes_on_in_silence_and_the_slot_is_not_mixed_up() {
    let (mut world, mut a, mut b) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    world.talk(100, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let old = world.slot(AGENT);
    world.command(MediaCmd::Drop { leg: AGENT });
    // A new leg takes the freed place, for the same phone; what is still queued for the old one is not its own.
    world.answer(OTHER, &b);
    world.events();
    let mut late = b.speak();
    assert_eq!(world.slot(OTHER).index, old.index);
    world.plane.handle_rtp(world.now, old, b.addr, &mut late, &mut world.wire);
    assert!(world.events().is_empty());
    world.wire.sent.clear();
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let sent = world.sent_to(CALLER);
    assert!(sent.len() >= 39 && sent.iter().all(|s| s.payload[0] == 0xff));
}

#[test]
fn dropping_every_leg_leaves_nothing_and_each_is_told_once() {
    let (mut world, ..) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    world.command(MediaCmd::Drop { leg: CALLER });
    world.command(MediaCmd::Drop { leg: AGENT });
    world.command(MediaCmd::Drop { leg: AGENT });
    let dropped = world.events().iter().filter(|e| matches!(e, MediaEvent::Dropped { .. })).count();
    assert_eq!(dropped, 3, "also for a leg that is gone, so that nobody waits");
    assert_eq!(world.wire.closed, [CALLER, AGENT]);
    assert!(world.plane.is_empty() && world.plane.next_tick().is_none());
}

#[test]
fn a_leg_without_a_leased_port_or_with_a_used_name_is_refused() {
    let mut world = World::new();
    world.wire.refuse_ports = true;
    world.create(CALLER);
    world.wire.refuse_ports = false;
    world.create(AGENT);
    world.create(AGENT);
    assert_eq!(world.events(), [MediaEvent::CreateFailed { leg: CALLER }, MediaEvent::CreateFailed { leg: AGENT }]);
    assert_eq!(world.plane.len(), 1);
}

#[test]
fn a_payload_type_that_was_not_agreed_is_not_passed_on() {
    let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    a.speak();
    let g729 = a.packet(18, false, &[1; 20]);
    world.deliver(CALLER, a.addr, &g729);
    assert!(world.sent_to(AGENT).is_empty());
}

#[test]
fn a_voice_held_up_by_the_network_does_not_stay_late_for_the_rest_of_the_call() {
    let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let held: Vec<_> = (0..40).map(|_| a.speak()).collect();
    world.run(800);
    held.iter().for_each(|packet| world.deliver(CALLER, a.addr, packet));
    world.talk(1000, &mut [(CALLER, &mut a)]);
    assert_continuous(&world.sent_to(AGENT), 130);
}

#[test]
fn an_empty_packet_that_only_keeps_a_nat_open_is_a_sign_of_life_and_no_sound() {
    let (mut world, mut a, _) = World::bridged(Codec::Pcmu, Codec::Pcmu);
    a.speak();
    let empty = a.packet(0, false, &[]);
    world.deliver(CALLER, a.addr, &empty);
    assert!(world.sent_to(AGENT).is_empty());
    assert_eq!(world.events(), [MediaEvent::Latched { leg: CALLER, remote: a.addr }]);
}
