//! RTCP, RTP timeout and the account that is given at the end.

use crate::world::*;
use hotline::events::MediaReport;
use hotline::media::rtcp::{self, Compound, PeerClock};
use hotline::media::{MediaCmd, MediaEvent, PlayItem, Tone};
use hotline::sdp::{Codec, Direction};
use std::net::SocketAddr;
use std::time::Duration;

const U: Codec = Codec::Pcmu;
const NAME: &[u8; 16] = b"the-peers-cname!";

fn report(world: &mut World) -> MediaReport {
    world.command(MediaCmd::Drop { leg: CALLER });
    let report = world.events().into_iter().find_map(|event| match event {
        MediaEvent::Dropped { leg: CALLER, report } => Some(report),
        _ => None,
    });
    report.expect("an account")
}

fn word(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(packet[at..at + 4].try_into().expect("a word"))
}

#[test]
fn reports_go_to_the_rtcp_address_about_every_5_s_not_in_step_with_each_other() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(60_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let ours = world.sent_to(CALLER)[0].rtp.ssrc;
    let to = |leg| world.wire.rtcp.iter().filter(|(who, ..)| *who == leg).collect::<Vec<_>>();
    let (caller, agent) = (to(CALLER), to(AGENT));
    assert!((8..=24).contains(&caller.len()), "{}", caller.len());
    let rtcp: SocketAddr = "10.0.0.1:4001".parse().expect("an address");
    assert!(caller.iter().all(|(_, to, packet)| *to == rtcp && packet[1] == 200));
    assert!(agent.iter().all(|(_, to, _)| to.port() == 5001));
    let (_, _, last) = caller.last().expect("a report");
    assert_eq!((word(last, 4), word(last, 28)), (ours, a.ssrc), "from us, about the caller");
    let times: Vec<_> = world.wire.rtcp_at.iter().filter(|(leg, _)| *leg == CALLER).map(|(_, at)| *at).collect();
    let gaps: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(gaps.iter().all(|gap| (2480..=7540).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| gap.abs_diff(gaps[0]) > 200), "at random: {gaps:?}");
}

#[test]
fn a_report_says_what_was_lost_and_how_much_was_sent() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    for n in 0..1000 {
        let packet = a.speak();
        if n % 10 != 9 {
            world.deliver(CALLER, a.addr, &packet);
        }
        world.talk(20, &mut [(AGENT, &mut b)]);
    }
    let (_, _, packet) = world.wire.rtcp.iter().rfind(|(leg, ..)| *leg == CALLER).expect("a report");
    let fraction = word(packet, 32) >> 24;
    assert!(fraction.abs_diff(26) <= 3, "10 % in 1/256: {fraction}");
    let (packets, octets) = (word(packet, 20), word(packet, 24));
    assert!(packets > 600 && octets == packets * 160, "{packets} packets, {octets} octets");
    let report = report(&mut world);
    assert!(report.lost.abs_diff(100) <= 1 && report.packets_in == 900 && report.octets_in == 144_000, "{report:?}");
    assert_eq!((report.packets_out, report.octets_out, report.jitter_us), (1000, 160_000, 0));
}

#[test]
fn a_leg_that_hears_but_sends_nothing_reports_as_a_receiver() {
    let (mut world, mut a, _) = World::bridged(U, U);
    a.direction = Direction::RecvOnly;
    world.offer(CALLER, a.spec());
    world.talk(8000, &mut [(CALLER, &mut a)]);
    assert!(world.wire.rtcp.iter().any(|(leg, _, packet)| *leg == CALLER && packet[1] == 201));
}

#[test]
fn what_the_peer_reports_of_us_is_in_the_account_with_the_round_trip() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(8000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    // The peer answers 500 ms after our last report, 40 ms of them on the way.
    let (_, _, ours) = world.wire.rtcp.iter().rfind(|(leg, ..)| *leg == CALLER).expect("a report").clone();
    world.wire.rtcp.clear();
    while world.wire.rtcp.iter().all(|(leg, ..)| *leg != CALLER) {
        world.talk(20, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    }
    let (_, _, ours) =
        (0, 0, world.wire.rtcp.iter().rfind(|(leg, ..)| *leg == CALLER).map_or(ours, |(.., p)| p.clone()));
    world.talk(500, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let clock = PeerClock { middle: word(&ours, 8) << 16 | word(&ours, 12) >> 16, arrived: 0 };
    let heard = hotline::media::stream::Reception {
        ssrc: word(&ours, 4),
        fraction_lost: 13,
        cumulative_lost: 5,
        highest: 1,
        jitter: 24,
    };
    let compound = Compound { ssrc: a.ssrc, sent: None, heard: Some((heard, Some(clock))), cname: NAME, bye: false };
    let mut packet = [0; rtcp::MAX_BUILT];
    let length = compound.write(460_000, &mut packet);
    world.deliver_rtcp(CALLER, "10.0.0.1:4001".parse().expect("an address"), &packet[..length]);
    let report = report(&mut world);
    assert_eq!((report.peer_loss_256, report.peer_jitter_us), (13, 3000));
    let trip = report.round_trip_us.expect("a round trip");
    assert!((39_000..=61_000).contains(&trip), "{trip}");
}

#[test]
fn a_stranger_cannot_write_into_the_account() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let heard = hotline::media::stream::Reception {
        ssrc: world.sent_to(CALLER).first().map_or(0, |s| s.rtp.ssrc),
        fraction_lost: 255,
        cumulative_lost: 5,
        highest: 1,
        jitter: 24,
    };
    let compound = Compound { ssrc: 1, sent: None, heard: Some((heard, None)), cname: NAME, bye: true };
    let mut packet = [0; rtcp::MAX_BUILT];
    let length = compound.write(0, &mut packet);
    world.deliver_rtcp(CALLER, "6.6.6.6:4001".parse().expect("an address"), &packet[..length]);
    let report = report(&mut world);
    assert_eq!((report.peer_loss_256, report.stray), (0, 1));
}

#[test]
fn a_dropped_leg_says_goodbye() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    report(&mut world);
    let (_, to, packet) = world.wire.rtcp.last().expect("a last word").clone();
    assert_eq!(to.port(), 4001);
    assert!(rtcp::parse(&packet, 0).expect("RTCP").bye.is_some());
}

#[test]
fn a_peer_that_multiplexes_gets_and_sends_its_reports_on_the_rtp_port() {
    let mut world = World::new();
    let a = Phone::new("10.0.0.1:4000", U);
    world.create(CALLER);
    world.offer(CALLER, hotline::sdp::MediaSpec { rtcp_mux: true, ..a.spec() });
    world.run(8000);
    assert!(world.wire.rtcp.iter().all(|(_, to, _)| *to == a.addr));
    assert!(!world.wire.rtcp.is_empty());
    let ssrc = world.sent_to(CALLER)[0].rtp.ssrc;
    let heard = hotline::media::stream::Reception { ssrc, fraction_lost: 9, cumulative_lost: 5, highest: 1, jitter: 0 };
    let compound = Compound { ssrc: 1, sent: None, heard: Some((heard, None)), cname: NAME, bye: false };
    let mut packet = [0; rtcp::MAX_BUILT];
    let length = compound.write(0, &mut packet);
    world.deliver(CALLER, a.addr, &packet[..length]);
    assert_eq!(report(&mut world).peer_loss_256, 9);
}

#[test]
fn behind_a_nat_reports_go_where_the_peers_own_reports_come_from() {
    let mut a = Phone::behind_nat("203.0.113.9:40000", "192.168.1.5:4000", U);
    let mut world = World::new();
    world.answer(CALLER, &a);
    world.talk(8000, &mut [(CALLER, &mut a)]);
    assert_eq!(world.wire.rtcp.last().expect("a report").1.to_string(), "203.0.113.9:40001");
    let compound = Compound { ssrc: 1, sent: None, heard: None, cname: NAME, bye: false };
    let mut packet = [0; rtcp::MAX_BUILT];
    let length = compound.write(0, &mut packet);
    let from: SocketAddr = "203.0.113.9:55555".parse().expect("an address");
    world.deliver_rtcp(CALLER, from, &packet[..length]);
    world.talk(8000, &mut [(CALLER, &mut a)]);
    assert_eq!(world.wire.rtcp.last().expect("a report").1, from);
}

fn watched() -> (World, Phone) {
    let mut world = World::new();
    let a = Phone::new("10.0.0.1:4000", U);
    world.answer(CALLER, &a);
    world.command(MediaCmd::RtpTimeout { leg: CALLER, after: Some(Duration::from_secs(10)) });
    (world, a)
}

fn timeouts(world: &mut World) -> Vec<MediaEvent> {
    world.events().into_iter().filter(|e| matches!(e, MediaEvent::RtpTimeout { .. })).collect()
}

#[test]
fn a_phone_that_goes_silent_is_told_once_for_each_silence() {
    let (mut world, mut a) = watched();
    world.talk(20_000, &mut [(CALLER, &mut a)]);
    assert_eq!(timeouts(&mut world), []);
    world.run(9_800);
    assert_eq!(timeouts(&mut world), []);
    world.run(20_000);
    assert_eq!(timeouts(&mut world), [MediaEvent::RtpTimeout { leg: CALLER }]);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    assert_eq!(timeouts(&mut world), []);
    world.run(11_000);
    assert_eq!(timeouts(&mut world), [MediaEvent::RtpTimeout { leg: CALLER }]);
}

#[test]
fn a_phone_that_never_sends_is_told_too() {
    let (mut world, _) = watched();
    world.run(10_600);
    assert_eq!(timeouts(&mut world), [MediaEvent::RtpTimeout { leg: CALLER }]);
}

#[test]
fn a_phone_on_hold_may_be_silent_for_ever_and_the_time_begins_anew_when_it_is_back() {
    for hold in [Direction::SendOnly, Direction::Inactive] {
        let (mut world, mut a) = watched();
        world.play(CALLER, 1, vec![PlayItem::Tone(Tone::MusicOnHold)], false);
        world.talk(1000, &mut [(CALLER, &mut a)]);
        a.direction = hold;
        world.offer(CALLER, a.spec());
        world.run(60_000);
        assert_eq!(timeouts(&mut world), []);
        a.direction = Direction::SendRecv;
        world.offer(CALLER, a.spec());
        world.run(9_000);
        assert_eq!(timeouts(&mut world), []);
        world.run(2_000);
        assert_eq!(timeouts(&mut world), [MediaEvent::RtpTimeout { leg: CALLER }]);
    }
}

#[test]
fn the_watch_can_be_turned_off_and_strangers_do_not_feed_it() {
    let (mut world, mut a) = watched();
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let mut thief = Phone::new("6.6.6.6:666", U);
    world.talk(12_000, &mut [(CALLER, &mut thief)]);
    assert!(timeouts(&mut world).starts_with(&[MediaEvent::RtpTimeout { leg: CALLER }]));
    let (mut world, _) = watched();
    world.command(MediaCmd::RtpTimeout { leg: CALLER, after: None });
    world.run(60_000);
    assert_eq!(timeouts(&mut world), []);
}

#[test]
fn jitter_in_the_account_is_that_of_the_network() {
    let (mut world, mut a, _) = World::bridged(U, U);
    for n in 0..500 {
        let packet = a.speak();
        // Every other packet is 8 ms late.
        let late = if n % 2 == 0 { 0 } else { 8 };
        world.run(late);
        world.deliver(CALLER, a.addr, &packet);
        world.run(20 - late);
    }
    let report = report(&mut world);
    assert!(report.jitter_us.abs_diff(8000) < 300, "{}", report.jitter_us);
}
