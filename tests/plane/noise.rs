//! Comfort noise: what stands for the silence of a phone that stops sending while nobody speaks.

use crate::world::*;
use hotline::media::MediaCmd;
use hotline::sdp::Codec;
use std::time::Duration;

const U: Codec = Codec::Pcmu;

fn bridged(caller: Option<u8>, agent: Option<u8>, codec: Codec) -> (World, Phone, Phone) {
    let mut world = World::new();
    let a = Phone { noise: caller, ..Phone::new("10.0.0.1:4000", U) };
    let b = Phone { noise: agent, ..Phone::new("10.0.0.2:5000", codec) };
    world.answer(CALLER, &a);
    world.answer(AGENT, &b);
    world.command(MediaCmd::Bridge { a: CALLER, b: AGENT });
    (world, a, b)
}

/// The phone says that it is silent from now on, and how silent.
fn hush(world: &mut World, phone: &mut Phone, payload: &[u8]) {
    phone.sequence = phone.sequence.wrapping_add(1);
    phone.timestamp = phone.timestamp.wrapping_add(160);
    let packet = phone.packet(13, false, payload);
    world.deliver(CALLER, phone.addr, &packet);
}

/// Mean power to overload, in dB.
fn level(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * (power / 32_768f64.powi(2)).log10()
}

#[test]
fn comfort_noise_reaches_a_phone_that_agreed_to_it_as_it_came_and_the_voice_goes_on_behind_it() {
    let (mut world, mut a, _) = bridged(Some(13), Some(13), U);
    world.talk(400, &mut [(CALLER, &mut a)]);
    hush(&mut world, &mut a, &[60, 1, 2]);
    world.run(1000);
    a.pause(980);
    world.talk(400, &mut [(CALLER, &mut a)]);
    let sent = world.sent_to(AGENT);
    let quiet: Vec<_> = sent.iter().filter(|s| s.rtp.payload_type == 13).collect();
    assert_eq!(quiet.len(), 1);
    assert_eq!(quiet[0].payload, [60, 1, 2]);
    assert!(sent.iter().all(|s| s.rtp.payload_type == 13 || s.payload == [a.voice; 160]), "nothing beside it");
    let gap = |pair: &[Sent]| pair[1].rtp.timestamp.wrapping_sub(pair[0].rtp.timestamp);
    assert_eq!(sent.windows(2).map(gap).max(), Some(8000), "the pause has its length");
    assert!(sent.windows(2).all(|pair| pair[1].rtp.sequence == pair[0].rtp.sequence.wrapping_add(1)));
}

#[test]
fn a_phone_that_did_not_agree_to_it_hears_noise_of_that_level_until_the_voice_is_back() {
    for (agent, codec) in [(None, U), (None, Codec::Pcma), (Some(13), Codec::G722)] {
        for below in [40, 50, 60] {
            let (mut world, mut a, _) = bridged(Some(13), agent, codec);
            world.talk(400, &mut [(CALLER, &mut a)]);
            world.sent_to(AGENT);
            hush(&mut world, &mut a, &[below]);
            world.run(2000);
            let quiet = world.sent_to(AGENT);
            assert!(quiet.iter().all(|s| s.rtp.payload_type == codec.payload_type()));
            if codec != Codec::G722 {
                assert!(quiet.len() >= 98, "a packet each 20 ms: {}", quiet.len());
                assert_continuous(&quiet, 30);
                let sound: Vec<_> = quiet.iter().flat_map(|s| law_of(codec, &s.payload)).collect();
                assert!((level(&sound) + f64::from(below)).abs() < 1.5, "{below}: {:.1}", level(&sound));
            }
            a.pause(1980);
            world.talk(200, &mut [(CALLER, &mut a)]);
            let back = world.sent_to(AGENT);
            assert!(codec == Codec::G722 || back.iter().all(|s| s.payload == back[0].payload), "only the voice");
        }
    }
}

#[test]
fn a_packet_that_claims_deafening_noise_makes_a_background() {
    let (mut world, mut a, _) = bridged(None, None, U);
    world.talk(100, &mut [(CALLER, &mut a)]);
    world.sent_to(AGENT);
    for payload in [&[0][..], &[0x80], &[]] {
        hush(&mut world, &mut a, payload);
        world.run(500);
        let sound: Vec<_> = world.sent_to(AGENT).iter().flat_map(|s| law_of(U, &s.payload)).collect();
        assert!(level(&sound) < -29.0, "{payload:?}: {:.1}", level(&sound));
    }
}

#[test]
fn a_carrier_that_agreed_to_comfort_noise_is_never_left_without_packets_for_three_seconds() {
    let (mut world, mut a, _) = bridged(Some(13), Some(13), U);
    world.talk(400, &mut [(CALLER, &mut a)]);
    hush(&mut world, &mut a, &[60]);
    world.run(30_000);
    let sent = world.sent_to(AGENT);
    let longest = sent.windows(2).map(|pair| pair[1].at - pair[0].at).max();
    assert!(longest < Some(Duration::from_secs(3)), "{longest:?}");
    assert!(sent.last().is_some_and(|last| world.now - last.at < Duration::from_secs(3)));
}

#[test]
fn when_who_was_silent_has_hung_up_its_noise_is_over() {
    let (mut world, mut a, _) = bridged(None, None, U);
    world.talk(100, &mut [(CALLER, &mut a)]);
    hush(&mut world, &mut a, &[40]);
    world.run(300);
    world.command(MediaCmd::Drop { leg: CALLER });
    world.sent_to(AGENT);
    world.run(1000);
    assert!(world.sent_to(AGENT).iter().all(|s| s.payload == [0xff; 160]));
}
