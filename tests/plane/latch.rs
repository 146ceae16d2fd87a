//! Who is heard, and who is sent what is said (RFC 7362; the "RTP bleed" attacks).

use crate::world::*;
use hotline::media::{MediaCmd, MediaEvent};
use hotline::sdp::{Codec, Direction};
use std::net::SocketAddr;
use std::time::Duration;

const U: Codec = Codec::Pcmu;

fn heard(world: &mut World, voice: u8) -> usize {
    world.sent_to(AGENT).iter().filter(|s| s.payload == [voice; 160]).count()
}

fn sent_to_addr(world: &World, addr: SocketAddr) -> usize {
    world.wire.sent.iter().filter(|s| s.to == addr).count()
}

/// A caller at `a` bridged to an agent who speaks from the signalled address.
fn with_caller(a: &Phone) -> (World, Phone) {
    let mut world = World::new();
    let b = Phone::new("10.0.0.2:5000", U);
    world.answer(CALLER, a);
    world.answer(AGENT, &b);
    world.command(MediaCmd::Bridge { a: CALLER, b: AGENT });
    (world, b)
}

#[test]
fn a_caller_at_its_signalled_address_is_heard_from_the_first_packet_and_the_socket_is_connected() {
    let (mut world, mut a, _) = World::bridged(U, U);
    let packet = a.speak();
    world.deliver(CALLER, a.addr, &packet);
    assert_eq!(heard(&mut world, a.voice), 1);
    assert_eq!(world.connected(CALLER), Some(a.addr));
    assert_eq!(world.events(), [MediaEvent::Latched { leg: CALLER, remote: a.addr }]);
}

#[test]
fn a_caller_behind_a_nat_is_found_within_200_ms_and_sent_to_where_it_is() {
    let mut a = Phone::behind_nat("203.0.113.9:40000", "192.168.1.5:4000", U);
    let (mut world, mut b) = with_caller(&a);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert!(heard(&mut world, a.voice) >= 40);
    let to_nat = sent_to_addr(&world, a.addr);
    assert!(to_nat >= 40, "{to_nat}");
    assert!(world.events().contains(&MediaEvent::Latched { leg: CALLER, remote: a.addr }));
}

#[test]
fn a_caller_whose_nat_changed_only_the_port_is_heard_from_the_second_packet() {
    let mut a = Phone::behind_nat("10.0.0.1:40000", "10.0.0.1:4000", U);
    let (mut world, _) = with_caller(&a);
    world.talk(100, &mut [(CALLER, &mut a)]);
    assert_eq!(heard(&mut world, a.voice), 4);
}

#[test]
fn a_third_address_is_never_heard_nor_sent_to_even_if_it_knows_ssrc_and_sequence() {
    for attacker in ["10.0.0.1:4001", "6.6.6.6:4000", "10.0.0.2:5001"] {
        for nat in [None, Some("192.168.1.5:4000")] {
            let mut a = Phone::behind_nat("10.0.0.1:4000", nat.unwrap_or("10.0.0.1:4000"), U);
            let (mut world, mut b) = with_caller(&a);
            world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
            let attacker: SocketAddr = attacker.parse().expect("an address");
            world.wire.sent.clear();
            for n in 0..3000u32 {
                // Its own voice, in step with the caller's numbers and ahead of them.
                let mut forged = Phone { voice: 99, ..a.clone() };
                forged.sequence = forged.sequence.wrapping_add((n % 4) as u16);
                let packet = forged.speak();
                world.deliver(CALLER, attacker, &packet);
                if n % 20 == 0 {
                    world.talk(20, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
                }
            }
            assert_eq!(sent_to_addr(&world, attacker), 0);
            let sent = world.sent_to(AGENT);
            assert!(sent.iter().all(|s| s.payload == [a.voice; 160]), "the forged voice was heard");
            assert_eq!(sent.len(), 150, "and the caller goes on being heard");
        }
    }
}

#[test]
fn a_third_address_is_not_heard_in_the_window_that_a_re_offer_opens() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(500, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    world.offer(CALLER, a.spec());
    world.wire.sent.clear();
    let mut thief = Phone::new("6.6.6.6:666", U);
    for _ in 0..100 {
        let forged = thief.speak();
        world.deliver(CALLER, thief.addr, &forged);
        world.talk(20, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    }
    assert_eq!(sent_to_addr(&world, thief.addr), 0);
    assert_eq!(heard(&mut world, thief.voice), 0);
}

#[test]
fn a_spray_before_the_first_real_packet_does_not_keep_the_caller_out() {
    // At the signalled address, at another port, behind a NAT; sprayed from one address and from thousands.
    for signalled in ["10.0.0.1:4000", "10.0.0.1:9999", "192.168.1.5:4000"] {
        for many in [false, true] {
            let mut a = Phone::behind_nat("10.0.0.1:4000", signalled, U);
            let (mut world, mut b) = with_caller(&a);
            world.run(100);
            let mut noise = 1u32;
            let mut spray = |world: &mut World| {
                for _ in 0..40 {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let port = if many { noise >> 16 | 1024 } else { 666 } as u16;
                    let from = SocketAddr::new([6, 6, 6, (noise >> 24) as u8 * u8::from(many)].into(), port);
                    let forged =
                        Phone { ssrc: noise, sequence: noise as u16, voice: 99, ..Phone::new("6.6.6.6:666", U) };
                    world.deliver(CALLER, from, &forged.packet(0, false, &[99; 160]));
                }
            };
            (0..50).for_each(|_| {
                spray(&mut world);
                world.run(20);
            });
            // It goes on while the caller begins to speak.
            for _ in 0..100 {
                spray(&mut world);
                world.talk(20, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
            }
            assert_eq!(heard(&mut world, 99), 0);
            world.wire.sent.clear();
            spray(&mut world);
            world.talk(20, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
            assert_eq!(heard(&mut world, a.voice), 1, "after 2 s: {signalled} {many}");
        }
    }
}

#[test]
fn an_impostor_that_was_believed_before_the_caller_spoke_loses_the_call_to_the_signalled_address_at_once() {
    let mut a = Phone::new("10.0.0.1:4000", U);
    let (mut world, mut b) = with_caller(&a);
    let mut thief = Phone::new("6.6.6.6:666", U);
    world.talk(3000, &mut [(CALLER, &mut thief), (AGENT, &mut b)]);
    world.wire.sent.clear();
    world.talk(200, &mut [(CALLER, &mut thief), (CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(heard(&mut world, a.voice), 10);
    assert!(heard(&mut world, thief.voice) == 0 && sent_to_addr(&world, thief.addr) <= 1);
}

#[test]
fn a_re_offer_with_a_new_address_moves_the_call_there_and_the_old_one_is_no_longer_heard() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(500, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let mut moved = Phone::new("10.9.9.9:7000", U);
    world.offer(CALLER, moved.spec());
    world.wire.sent.clear();
    world.talk(20, &mut [(AGENT, &mut b)]);
    assert_eq!(sent_to_addr(&world, moved.addr), 1, "sent there at once");
    world.talk(500, &mut [(CALLER, &mut moved), (CALLER, &mut a), (AGENT, &mut b)]);
    let sent = world.sent_to(AGENT);
    assert_eq!(sent.iter().filter(|s| s.payload == [moved.voice; 160]).count(), 25);
    assert!(sent.iter().all(|s| s.payload != [a.voice; 160]));
    assert_eq!(sent_to_addr(&world, a.addr), 0);
    assert_eq!(world.connected(CALLER), Some(moved.addr));
}

#[test]
fn a_session_refresh_does_not_interrupt_a_caller_behind_a_nat() {
    let mut a = Phone::behind_nat("203.0.113.9:40000", "192.168.1.5:4000", U);
    let (mut world, mut b) = with_caller(&a);
    world.talk(12_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(world.connected(CALLER), Some(a.addr), "settled after 10 s");
    world.wire.sent.clear();
    world.offer(CALLER, a.spec());
    world.talk(500, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(heard(&mut world, a.voice), 25);
    assert_eq!(sent_to_addr(&world, a.addr), 25);
}

#[test]
fn after_a_re_offer_a_caller_behind_a_nat_may_have_moved_to_another_host() {
    let mut a = Phone::behind_nat("203.0.113.9:40000", "192.168.1.5:4000", U);
    let (mut world, mut b) = with_caller(&a);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    world.offer(CALLER, a.spec());
    a.addr = "198.51.100.7:1234".parse().expect("an address");
    world.wire.sent.clear();
    world.talk(2000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert!(heard(&mut world, a.voice) >= 60);
    assert!(sent_to_addr(&world, a.addr) >= 60);
}

#[test]
fn a_nat_that_rebinds_the_port_in_mid_call_costs_less_than_a_second() {
    for signalled in ["10.0.0.1:4000", "192.168.1.5:4000"] {
        let mut a = Phone::behind_nat("10.0.0.1:4000", signalled, U);
        let (mut world, mut b) = with_caller(&a);
        world.talk(12_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        assert!(world.connected(CALLER).is_some());
        a.addr.set_port(41_234);
        world.wire.sent.clear();
        world.talk(2000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        let back = heard(&mut world, a.voice);
        assert!(back >= 50, "{back} of 100 packets heard");
        assert!(sent_to_addr(&world, a.addr) >= 50);
    }
}

#[test]
fn a_peer_that_starts_anew_on_another_port_is_heard_within_three_seconds() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let mut anew = Phone::new("10.0.0.1:4444", U);
    world.wire.sent.clear();
    world.talk(3000, &mut [(CALLER, &mut anew)]);
    assert!(heard(&mut world, anew.voice) >= 40);
}

#[test]
fn after_five_seconds_of_outage_the_caller_is_heard_with_the_next_packet() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    world.run(5000);
    (0..250).for_each(|_| drop(a.speak()));
    world.wire.sent.clear();
    world.talk(1000, &mut [(CALLER, &mut a)]);
    assert_eq!(heard(&mut world, a.voice), 50);
    assert_eq!(world.connected(CALLER), Some(a.addr), "connected again");
}

#[test]
fn after_an_rtp_timeout_nobody_from_elsewhere_is_heard() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.command(MediaCmd::RtpTimeout { leg: CALLER, after: Some(Duration::from_secs(10)) });
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let mut elsewhere = Phone::new("198.51.100.7:1234", U);
    world.talk(60_000, &mut [(CALLER, &mut elsewhere)]);
    assert_eq!((heard(&mut world, elsewhere.voice), sent_to_addr(&world, elsewhere.addr)), (0, 0));
}

#[test]
fn a_stranger_who_comes_late_to_a_silent_caller_is_neither_heard_nor_sent_to() {
    for signalled in ["10.0.0.1:4000", "192.168.1.5:4000"] {
        let a = Phone::behind_nat("10.0.0.1:4000", signalled, U);
        let (mut world, mut b) = with_caller(&a);
        world.talk(5_000, &mut [(AGENT, &mut b)]);
        let mut thief = Phone::new("6.6.6.6:666", U);
        world.talk(20_000, &mut [(CALLER, &mut thief), (AGENT, &mut b)]);
        assert_eq!((heard(&mut world, thief.voice), sent_to_addr(&world, thief.addr)), (0, 0));
        assert_eq!(world.connected(CALLER), None);
    }
}

#[test]
fn a_caller_behind_a_nat_who_is_silent_for_a_minute_is_heard_from_the_second_packet() {
    let mut a = Phone::behind_nat("203.0.113.9:40000", "192.168.1.5:4000", U);
    let (mut world, mut b) = with_caller(&a);
    world.talk(60_000, &mut [(AGENT, &mut b)]);
    world.talk(100, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(heard(&mut world, a.voice), 4);
}

#[test]
fn a_caller_behind_nat_and_proxy_is_found_at_first_and_nobody_else_afterwards() {
    let mut a = Phone::behind_proxy("203.0.113.9:40000", "192.168.1.5:4000", U);
    let (mut world, mut b) = with_caller(&a);
    world.talk(20_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    assert!(heard(&mut world, a.voice) >= 990);
    assert_eq!(world.connected(CALLER), None, "a stranger's address is not settled");
    let mut thief = Phone::new("6.6.6.6:666", U);
    world.talk(20_000, &mut [(CALLER, &mut thief), (AGENT, &mut b)]);
    assert_eq!((heard(&mut world, thief.voice), sent_to_addr(&world, thief.addr)), (0, 0));
}

#[test]
fn a_caller_behind_a_nat_takes_the_call_back_from_an_impostor_who_was_there_first() {
    let mut a = Phone::behind_nat("203.0.113.9:40000", "192.168.1.5:4000", U);
    let (mut world, mut b) = with_caller(&a);
    let mut thief = Phone::new("6.6.6.6:666", U);
    world.talk(15_000, &mut [(CALLER, &mut thief), (AGENT, &mut b)]);
    world.wire.sent.clear();
    world.talk(200, &mut [(CALLER, &mut thief), (CALLER, &mut a), (AGENT, &mut b)]);
    assert_eq!(heard(&mut world, a.voice), 9);
    assert!(heard(&mut world, thief.voice) <= 1 && sent_to_addr(&world, thief.addr) <= 2);
}

#[test]
fn old_style_hold_to_address_zero_and_port_zero_are_never_sent_to() {
    for zero in ["0.0.0.0:4000", "10.0.0.1:0"] {
        let (mut world, mut a, mut b) = World::bridged(U, U);
        a.signalled = zero.parse().expect("an address");
        // Before anything was heard: nowhere to send to.
        world.offer(CALLER, a.spec());
        world.talk(1000, &mut [(AGENT, &mut b)]);
        assert!(world.sent_to(CALLER).is_empty());
        assert!(world.wire.rtcp.iter().all(|(_, to, _)| to.port() != 0 && !to.ip().is_unspecified()));
    }
}

#[test]
fn a_dual_stack_socket_shows_the_same_ipv4_caller() {
    let (mut world, mut a, _) = World::bridged(U, U);
    let mapped: SocketAddr = "[::ffff:10.0.0.1]:4000".parse().expect("an address");
    let packet = a.speak();
    world.deliver(CALLER, mapped, &packet);
    assert_eq!(heard(&mut world, a.voice), 1);
}

#[test]
fn nothing_is_learned_while_the_peer_is_not_to_send() {
    let mut a = Phone::behind_nat("203.0.113.9:40000", "192.168.1.5:4000", U);
    let (mut world, _) = with_caller(&a);
    a.direction = Direction::SendOnly;
    world.offer(CALLER, a.spec());
    world.talk(1000, &mut [(CALLER, &mut a)]);
    assert!(world.events().is_empty());
}

#[test]
fn before_the_answer_nobody_is_heard() {
    let mut world = World::new();
    let mut a = Phone::new("10.0.0.1:4000", U);
    world.create(CALLER);
    world.talk(100, &mut [(CALLER, &mut a)]);
    assert!(world.events().is_empty() && world.wire.sent.is_empty());
}
