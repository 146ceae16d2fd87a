//! Two who talk over a bad network: what is lost on the way is lost, and nothing else.

use crate::world::*;
use hotline::media::{MediaCmd, MediaEvent};
use hotline::sdp::Codec;
use std::collections::BTreeSet;
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
}

/// Packets of 20 ms on their way: each with the millisecond in which it comes, or several, or none.
fn on_the_way(packets: u64, loss: u64, jitter_ms: u64, doubled: u64, dice: &mut Dice) -> Vec<(u64, u64)> {
    let mut way = Vec::new();
    for nth in 0..packets {
        if dice.roll(100) < loss {
            continue;
        }
        let copies = 1 + u64::from(dice.roll(100) < doubled);
        way.extend((0..copies).map(|_| (nth * 20 + dice.roll(jitter_ms + 1), nth)));
    }
    way.sort_unstable();
    way
}

/// A minute of talk of which the caller's packets come so.
fn talk_over(world: &mut World, a: &mut Phone, way: &[(u64, u64)], packets: u64) {
    let spoken: Vec<Vec<u8>> = (0..packets).map(|_| a.speak()).collect();
    let mut at = 0;
    for (ms, nth) in way {
        world.run(ms - at);
        at = *ms;
        world.deliver(CALLER, a.addr, &spoken[*nth as usize]);
    }
    world.run(300);
}

#[test]
fn with_5_percent_loss_30_ms_jitter_swaps_and_copies_all_that_came_is_heard_once() {
    for seed in 1..=5 {
        let (mut world, mut a, mut b) = World::bridged(U, U);
        world.talk(200, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        world.wire.sent.clear();
        let mut dice = Dice(seed);
        let way = on_the_way(3000, 5, 30, 2, &mut dice);
        let came: BTreeSet<u64> = way.iter().map(|(_, nth)| *nth).collect();
        talk_over(&mut world, &mut a, &way, 3000);
        let heard: Vec<_> = world.sent_to(AGENT).into_iter().filter(|s| s.payload == [a.voice; 160]).collect();
        let places: BTreeSet<u32> = heard.iter().map(|s| s.rtp.timestamp).collect();
        assert_eq!(places.len(), heard.len(), "seed {seed}: a copy was passed on");
        // Of 60 s, 2 % is what we may cost beside the network.
        assert!(heard.len() + 60 >= came.len(), "seed {seed}: {} of {} came", heard.len(), came.len());
        assert!(came.len() >= 2800);
    }
}

#[test]
fn after_an_outage_of_5_s_the_call_is_there_and_both_hear_each_other_within_a_second() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    for leg in [CALLER, AGENT] {
        world.command(MediaCmd::RtpTimeout { leg, after: Some(Duration::from_secs(20)) });
    }
    world.talk(3000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    for _ in 0..250 {
        a.speak();
        b.speak();
    }
    world.run(5000);
    world.wire.sent.clear();
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    for (leg, voice) in [(AGENT, a.voice), (CALLER, b.voice)] {
        let sent = world.sent_to(leg);
        let heard = sent.iter().filter(|s| s.payload == [voice; 160]).count();
        assert!(heard >= 45, "{heard} of 50 packets");
        assert_continuous(&sent, 60);
    }
    assert!(!world.events().iter().any(|event| matches!(event, MediaEvent::RtpTimeout { .. })));
}

#[test]
fn a_sender_whose_numbers_or_time_jump_is_heard_again_at_once_and_the_other_side_sees_one_line() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    for (sequence, timestamp) in [(0u16, 0x4000_0000u32), (20_000, 0), (40_000, 0x8000_0000), (1, 0x7fff_ffff)] {
        world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        a.sequence = a.sequence.wrapping_add(sequence);
        a.timestamp = a.timestamp.wrapping_add(timestamp);
    }
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let sent = world.sent_to(AGENT);
    let heard = sent.iter().filter(|s| s.payload == [a.voice; 160]).count();
    assert!(heard >= 5 * 50 - 4 * 3, "{heard} of 250: a jump costs three packets at most");
    assert!(sent.windows(2).all(|p| p[1].rtp.sequence.wrapping_sub(p[0].rtp.sequence) <= 2), "no jump of ours");
}

#[test]
fn a_thousand_sources_on_one_port_do_not_push_the_talk_aside() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    world.wire.sent.clear();
    for n in 0..1000u32 {
        if n % 4 == 0 {
            world.talk(20, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        }
        let mut other = Phone { ssrc: 0x9000_0000 + n, voice: 0x77, ..a.clone() };
        let packet = other.speak();
        world.deliver(CALLER, a.addr, &packet);
    }
    let sent = world.sent_to(AGENT);
    let (ours, others): (Vec<_>, Vec<_>) = sent.iter().partition(|s| s.payload == [a.voice; 160]);
    assert!(ours.len() >= 248 && others.len() <= 2, "{} and {}", ours.len(), others.len());
}
