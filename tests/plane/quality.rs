//! How good a call was, and what was wrong with it, as its record and its events tell.

use crate::world::*;
use hotline::events::media::{MediaReport, MediaTrouble};
use hotline::ids::LegId;
use hotline::media::rtcp::{self, Compound, PeerClock};
use hotline::media::stream::Reception;
use hotline::media::{MediaCmd, MediaEvent};
use hotline::sdp::{Codec, Direction};
use std::net::SocketAddr;
use std::time::Duration;

const U: Codec = Codec::Pcmu;
const NAME: &[u8; 16] = b"the-peers-cname!";

fn account(world: &mut World, leg: LegId) -> MediaReport {
    world.command(MediaCmd::Drop { leg });
    let report = world.events().into_iter().find_map(|event| match event {
        MediaEvent::Dropped { leg: of, report } if of == leg => Some(report),
        _ => None,
    });
    report.expect("an account")
}

fn troubles(world: &mut World) -> Vec<(LegId, MediaTrouble)> {
    let trouble = |event| match event {
        MediaEvent::Trouble { leg, trouble } => Some((leg, trouble)),
        _ => None,
    };
    world.events().into_iter().filter_map(trouble).collect()
}

fn answered(world: &mut World) {
    for leg in [CALLER, AGENT] {
        world.command(MediaCmd::RtpTimeout { leg, after: Some(Duration::from_secs(30)) });
    }
}

/// A report of the caller about what it got of us; `None` = of nothing.
fn caller_reports(world: &mut World, about: Option<Reception>, clock: Option<PeerClock>, now_us: u64) {
    let compound =
        Compound { ssrc: 0x1000_0fa0, sent: None, heard: about.map(|about| (about, clock)), cname: NAME, bye: false };
    let mut packet = [0; rtcp::MAX_BUILT];
    let length = compound.write(now_us, &mut packet);
    world.deliver_rtcp(CALLER, "10.0.0.1:4001".parse().expect("an address"), &packet[..length]);
}

fn of_ours(world: &mut World, highest: u32, cumulative_lost: i32, jitter: u32) -> Reception {
    let ssrc = world.wire.sent.iter().find(|sent| sent.leg == CALLER).expect("audio").rtp.ssrc;
    Reception { ssrc, fraction_lost: 0, cumulative_lost, highest, jitter }
}

#[test]
fn a_clean_call_is_rated_as_good_as_the_telephone_gets() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(10_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let heard = account(&mut world, CALLER).heard.expect("a rating");
    assert!(heard.mos >= 4.3 && heard.r > 91.0 && heard.loss == 0.0, "{heard:?}");
}

#[test]
fn five_percent_of_loss_are_rated_as_g_107_rates_them_in_the_direction_that_lost_them() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    for n in 0..1000 {
        let packet = a.speak();
        if n % 20 != 7 {
            world.deliver(CALLER, a.addr, &packet);
        }
        world.talk(20, &mut [(AGENT, &mut b)]);
    }
    let (caller, agent) = (account(&mut world, CALLER), account(&mut world, AGENT));
    let (lossy, clean) = (caller.heard.expect("a rating"), agent.heard.expect("a rating"));
    assert!((lossy.loss - 0.05).abs() < 0.002, "{lossy:?}");
    // 95 * 5 / (5 + 25.1) = 15.8 off what a clean line has.
    assert!((clean.r - lossy.r - 15.8).abs() < 0.3, "{clean:?} {lossy:?}");
    assert_eq!(caller.sent, None, "the caller has not said how it hears us");
}

#[test]
fn what_the_caller_reports_rates_the_other_direction_with_its_loss_jitter_and_delay() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(10_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let about = of_ours(&mut world, 0x1_0400, 25, 80);
    let sender = world.wire.rtcp.iter().rfind(|(leg, _, packet)| *leg == CALLER && packet[1] == 200).expect("a report");
    let middle = rtcp::parse(&sender.2, 0).expect("RTCP").clock.expect("a clock");
    let sent_at = *world.wire.rtcp_at.iter().rfind(|(leg, _)| *leg == CALLER).map(|(_, at)| at).expect("a time");
    // The caller held our report for all but 400 ms of the time that has passed since: 200 ms each way.
    let passed = (world.now - sent_at).as_micros() as u64;
    world.run(400_u64.saturating_sub(passed / 1000));
    let held = ((world.now - sent_at).as_micros() as u64).saturating_sub(400_000);
    caller_reports(&mut world, Some(about), Some(PeerClock { middle, arrived: 0 }), held);
    let report = account(&mut world, CALLER);
    let sent = report.sent.expect("a rating");
    assert_eq!((report.peer_lost, report.peer_jitter_us), (25, 10_000));
    assert!(report.round_trip_us.is_some_and(|us| us.abs_diff(400_000) < 3_000), "{report:?}");
    assert!((sent.loss - 0.05).abs() < 0.005, "{sent:?}");
    assert!((60.0..72.0).contains(&sent.r), "240 ms of delay and 5 % of loss: {sent:?}");
}

#[test]
fn a_report_that_lies_about_losses_stays_within_what_was_sent() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    for lost in [0x7f_ffff, -0x80_0000] {
        let about = of_ours(&mut world, 0x1_0400, lost, u32::MAX);
        caller_reports(&mut world, Some(about), None, 0);
    }
    let sent = account(&mut world, CALLER).sent.expect("a rating");
    assert_eq!((sent.loss, sent.r), (0.0, 0.0), "no loss, and a jitter that nobody can listen to");
}

#[test]
fn what_the_phones_own_meter_says_is_in_the_account() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let ssrc = world.sent_to(CALLER)[0].rtp.ssrc.to_be_bytes();
    let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0x0a, 0x0b, 0x80, 207, 0, 10, 0, 0, 0x0a, 0x0b, 7, 0, 0, 8];
    packet.extend(ssrc);
    packet.extend([26, 13, 0, 0, 0, 0, 0, 0, 0, 80, 0, 65, 0xd8, 0xc4, 90, 16]);
    packet.extend([78, 127, 39, 38, 0x10, 0, 0, 60, 0, 80, 0, 200]);
    world.deliver_rtcp(CALLER, "10.0.0.1:4001".parse().expect("an address"), &packet);
    let metrics = account(&mut world, CALLER).peer_metrics.expect("metrics");
    assert_eq!((metrics.r, metrics.mos_conversation, metrics.jitter_buffer_ms), (Some(78), Some(3.8), 60));
}

#[test]
fn a_caller_of_whom_nothing_is_heard_is_told_of_after_5_s_and_again_when_its_audio_comes() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    answered(&mut world);
    world.talk(4_900, &mut [(AGENT, &mut b)]);
    assert_eq!(troubles(&mut world), []);
    world.talk(200, &mut [(AGENT, &mut b)]);
    assert_eq!(troubles(&mut world), [(CALLER, MediaTrouble::NoAudio { one_way: true })]);
    world.talk(3_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    let [(CALLER, MediaTrouble::AudioBack { after_ms })] = troubles(&mut world)[..] else { panic!("not told") };
    assert!((5_000..5_300).contains(&after_ms), "{after_ms}");
    world.run(6_000);
    let stopped = MediaTrouble::AudioStopped { one_way: false };
    let mut both = troubles(&mut world);
    both.sort_by_key(|(leg, _)| *leg);
    assert_eq!(both, [(CALLER, stopped.clone()), (AGENT, stopped)]);
}

#[test]
fn silence_on_hold_and_before_the_answer_is_no_trouble() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.run(20_000);
    answered(&mut world);
    a.direction = Direction::SendOnly;
    world.offer(CALLER, a.spec());
    world.talk(25_000, &mut [(AGENT, &mut b)]);
    assert_eq!(troubles(&mut world), []);
}

#[test]
fn a_line_that_comes_and_goes_does_not_fill_the_journal() {
    let (mut world, mut a, _) = World::bridged(U, U);
    answered(&mut world);
    world.command(MediaCmd::RtpTimeout { leg: AGENT, after: None });
    for _ in 0..60 {
        world.run(5_100);
        world.talk(100, &mut [(CALLER, &mut a)]);
    }
    assert_eq!(troubles(&mut world).len(), 40);
}

#[test]
fn audio_from_elsewhere_than_the_sdp_says_is_told_with_both_addresses() {
    let mut world = World::new();
    let mut a = Phone::behind_nat("203.0.113.9:40000", "192.168.1.5:4000", U);
    world.answer(CALLER, &a);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let expected = MediaTrouble::WrongAddress {
        signalled: a.signalled.to_string().into(),
        heard: a.addr.to_string().into(),
        private: true,
    };
    assert_eq!(troubles(&mut world), [(CALLER, expected)]);
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    assert_eq!(troubles(&mut world), [], "from where it said");
}

#[test]
fn a_phone_that_reports_that_nothing_reaches_it_is_told_of_once() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    world.talk(6_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
    caller_reports(&mut world, None, None, 0);
    assert_eq!(troubles(&mut world), [], "one report may have been written before our audio came");
    for _ in 0..3 {
        world.talk(5_000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        caller_reports(&mut world, None, None, 0);
    }
    assert_eq!(troubles(&mut world), [(CALLER, MediaTrouble::NotReceived)]);
}

#[test]
fn a_phone_whose_reports_show_that_our_audio_stopped_on_the_way_is_told_of() {
    let (mut world, mut a, mut b) = World::bridged(U, U);
    for (seconds, highest) in [(5, 300), (5, 550), (6, 560), (6, 560), (6, 560)] {
        world.talk(seconds * 1000, &mut [(CALLER, &mut a), (AGENT, &mut b)]);
        let about = of_ours(&mut world, highest, 0, 0);
        caller_reports(&mut world, Some(about), None, 0);
    }
    assert_eq!(troubles(&mut world), [(CALLER, MediaTrouble::NotReceived)]);
}

#[test]
fn packets_of_a_third_address_are_told_of_once_they_are_no_accident() {
    let mut world = World::new();
    let mut a = Phone::new("10.0.0.1:4000", U);
    world.answer(CALLER, &a);
    let stranger: SocketAddr = "6.6.6.6:666".parse().expect("an address");
    for n in 0..200 {
        let packet = a.speak();
        world.deliver(CALLER, stranger, &packet);
        if n == 48 {
            assert_eq!(troubles(&mut world), []);
        }
    }
    let strays: Vec<_> = troubles(&mut world).into_iter().filter(|(_, t)| t.name() == "strays").collect();
    assert_eq!(strays, [(CALLER, MediaTrouble::Strays { from: stranger.to_string().into() })]);
}

#[test]
fn a_source_that_says_goodbye_makes_room_for_the_next_at_once() {
    let (mut world, mut a, _) = World::bridged(U, U);
    world.talk(1000, &mut [(CALLER, &mut a)]);
    let compound = Compound { ssrc: a.ssrc, sent: None, heard: None, cname: NAME, bye: true };
    let mut packet = [0; rtcp::MAX_BUILT];
    let length = compound.write(0, &mut packet);
    let first_is_heard = |world: &mut World, a: &Phone| {
        let mut next = Phone { ssrc: 0xabcd, sequence: 9, voice: 0x33, ..a.clone() };
        world.wire.sent.clear();
        let packet = next.speak();
        world.deliver(CALLER, a.addr, &packet);
        world.sent_to(AGENT).len() == 1
    };
    assert!(!first_is_heard(&mut world, &a), "without a good-bye it must show two packets");
    world.talk(100, &mut [(CALLER, &mut a)]);
    world.deliver_rtcp(CALLER, "10.0.0.1:4001".parse().expect("an address"), &packet[..length]);
    assert!(first_is_heard(&mut world, &a));
}
