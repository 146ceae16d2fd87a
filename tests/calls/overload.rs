//! More new calls than a second may bring.

use super::*;
use hotline::admission::{Load, Overload};
use hotline::switch::Input;
use sim::raw::header;

/// So many INVITEs a second from one trunk, each a caller of its own, for a second. Gives how many got in.
fn flood(world: &mut World, round: u32, per_second: u32) -> usize {
    let address: SocketAddr = "10.2.200.1:5060".parse().unwrap();
    for nth in 0..per_second {
        let mut call = RawCall::new(address, "9000");
        call.call_id = format!("flood-{round}-{nth}");
        // Nobody to talk to: what is not refused for the rate is refused for its SDP, and needs no port.
        let invite = call.invite(Some("v=0\r\n"));
        world.send_by_hand(address, invite);
        world.run(Duration::from_secs(1) / per_second);
    }
    let of_round = format!("flood-{round}-");
    let answers =
        world.by_hand[&address].iter().filter(|answer| header(answer, HeaderName::CallId).starts_with(&of_round));
    let looked_at = answers.filter(|answer| answer.status() == 488 || answer.status() == 400);
    // Nobody acknowledges, so that an answer may come twice.
    looked_at.map(|answer| header(answer, HeaderName::CallId)).collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn a_flood_of_new_calls_gets_its_rate_and_the_rest_is_told_when_to_return() {
    let settings = Settings { calls_per_second: Some(50), ..Settings::default() };
    let mut world = World::new(settings);
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    for round in 0..3 {
        let taken = flood(&mut world, round, 300);
        assert!((47..=54).contains(&taken), "{taken} in second {round}");
    }
    let address = "10.2.200.1:5060".parse().unwrap();
    let refused = world.by_hand[&address].iter().filter(|answer| answer.status() == 503);
    let retry = refused.filter(|answer| answer.seconds(HeaderName::RetryAfter).is_some()).count();
    assert!(retry >= 740, "{retry}");
    // What is there already goes on: hold, resume, hang up.
    world.hold(caller, true);
    world.until_heard(agent, "music");
    flood(&mut world, 3, 300);
    world.hang_up(caller);
    world.run(seconds(0.1));
    assert_eq!(world.state(agent), Some(&State::Over(Over::Theirs)));
    // The journal has sums of those that nothing is known of, and an event of each that was looked at.
    world.run(seconds(2.0));
    let shed: Vec<u64> = world
        .events()
        .filter_map(|kind| match kind {
            EventKind::CallsShed { count, .. } => Some(*count),
            _ => None,
        })
        .collect();
    assert!(shed.len() <= 6 && shed.iter().sum::<u64>() >= 990, "{shed:?}");
    // And at once there is room again.
    let next = world.caller("13800138111");
    world.dial(next, "9193");
    world.until_heard(next, "music");
    world.hang_up(next);
    world.finish();
}

#[test]
fn a_call_that_was_let_in_is_not_refused_when_its_invite_is_repeated_in_a_flood() {
    let mut world = World::new(Settings { calls_per_second: Some(1), ..Settings::default() });
    let address: SocketAddr = "10.2.200.2:5060".parse().unwrap();
    let call = RawCall::new(address, "9190");
    let sdp = call.sdp();
    let invite = call.invite(Some(&sdp));
    for _ in 0..3 {
        world.send_by_hand(address, invite.clone());
        world.run(seconds(0.1));
    }
    assert!(world.by_hand[&address].iter().all(|answer| answer.status() < 200), "it rings");
    let mut other = RawCall::new(address, "9190");
    other.call_id = "another".into();
    world.send_by_hand(address, other.invite(Some(&sdp)));
    assert_eq!(final_answer_within(&mut world, address).status(), 503);
    world.send_by_hand(address, call.cancel());
    world.run(seconds(1.0));
    world.send_by_hand(address, call.ack(None));
    world.finish();
}

#[test]
fn strangers_use_up_nobodys_rate() {
    let mut world = World::new(Settings { calls_per_second: Some(2), ..Settings::default() });
    let address: SocketAddr = "10.9.9.9:5060".parse().unwrap();
    for nth in 0..100 {
        let mut call = RawCall::new(address, "9000");
        call.call_id = format!("stranger-{nth}");
        world.send_by_hand(address, call.invite(None));
    }
    world.run(seconds(0.1));
    let caller = world.caller("13800138000");
    world.dial(caller, "9193");
    world.until_heard(caller, "music");
    world.hang_up(caller);
    world.finish();
}

/// So many looks that find a new call to wait for a second.
fn strain(world: &mut World, looks: u32) {
    for _ in 0..looks {
        world.run(Overload::EVERY);
        world.input(Input::Load(Load { delay: seconds(1.0), media_late: Duration::ZERO }));
    }
}

#[test]
fn a_switch_that_falls_behind_turns_away_the_less_urgent_and_nobody_who_is_in() {
    let classed = [("9197", (None, Some(Class::Marketing))), ("95598", (None, Some(Class::Urgent)))].into();
    let mut world = World::new(Settings { classed, ..Settings::default() });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    strain(&mut world, 8);
    let try_number = |world: &mut World, number: &str, nth: u32| {
        let caller = world.caller(&format!("137{number}{nth:03}"));
        world.dial(caller, number);
        world.run(seconds(1.0));
        strain(world, 1);
        let refused = world.state(caller) == Some(&State::Over(Over::Refused(503)));
        if !refused {
            world.hang_up(caller);
        }
        refused
    };
    let mut refused = |number| (0..10).filter(|nth| try_number(&mut world, number, *nth)).count();
    assert!(refused("9197") >= 9, "marketing");
    assert_eq!(refused("95598"), 0, "the green channel");
    world.with(caller, |phone, now| phone.options(now));
    world.hold(caller, true);
    world.until_heard(agent, "music");
    assert_eq!(world.phones[caller.0].answers, [("OPTIONS", 200)], "a keep-alive");
    world.hang_up(caller);
    world.run(seconds(2.0));
    let shed = |world: &World, of: Class| -> u64 {
        let counts = world.events().filter_map(|kind| match kind {
            EventKind::CallsShed { count, why: Refusal::Overload, class } if *class == of => Some(*count),
            _ => None,
        });
        counts.sum()
    };
    assert!(shed(&world, Class::Marketing) >= 9);
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Alarm { text } if text.contains("falls behind"))), 1);
    // Calm: everybody is taken again.
    world.run(seconds(30.0));
    world.input(Input::Load(Load::default()));
    let level = world.view().admission.overload;
    assert_eq!(level, 0);
    let next = world.caller("13800138111");
    world.dial(next, "9197");
    world.until_up(next);
    world.hang_up(next);
    world.finish();
}

#[test]
fn an_urgent_call_gets_in_beyond_the_rate() {
    let classed = [("9193", (None, Some(Class::Urgent)))].into();
    let mut world = World::new(Settings { calls_per_second: Some(1), classed, ..Settings::default() });
    let callers: Vec<PhoneId> = (0..4).map(|n| world.caller(&format!("1380013800{n}"))).collect();
    for (caller, number) in callers.iter().zip(["9190", "9190", "9193", "9193"]) {
        world.dial(*caller, number);
    }
    world.run(seconds(0.5));
    assert_eq!(world.state(callers[1]), Some(&State::Over(Over::Refused(503))));
    for caller in [callers[0], callers[2], callers[3]] {
        assert!(!matches!(world.state(caller), Some(State::Over(_))));
        world.hang_up(caller);
    }
    world.finish();
}

/// Whether an INVITE that follows another in the same second is turned away unread.
fn is_shed_after_another(world: &mut World, call: &RawCall) -> bool {
    let usual = world.caller("13800138000");
    world.dial(usual, "9193");
    world.until_up(usual);
    let sdp = call.sdp();
    world.send_by_hand(call.address, call.invite(Some(&sdp)));
    world.run(seconds(0.2));
    let shed = final_answer(world, call.address).status() == 503;
    world.hang_up(usual);
    shed
}

#[test]
fn an_urgent_call_by_a_trunk_we_are_registered_at_is_not_turned_away() {
    for (number, shed) in [("9197", false), ("9193", true)] {
        let classed = [("9197", (None, Some(Class::Urgent)))].into();
        let mut settings = Settings { calls_per_second: Some(1), classed, ..Settings::default() };
        // It comes from where we register, and no block of addresses names it.
        let registered = hotline::trunks::TrunkConfig { register: Some(600), ..sim::config::trunk(9) };
        settings.trunks.trunks.insert(TrunkId::new("demo-trunk"), registered);
        let mut world = World::new(settings);
        let call = RawCall::new("10.3.0.9:5060".parse().unwrap(), number);
        assert_eq!(is_shed_after_another(&mut world, &call), shed, "{number}: {}", world.story());
    }
}

#[test]
fn an_urgent_number_that_stands_in_to_is_not_turned_away() {
    let classed = [("9197", (None, Some(Class::Urgent)))].into();
    let mut settings = Settings { calls_per_second: Some(1), classed, ..Settings::default() };
    let numbers = hotline::routing::TrunkNumbers { called_in_to: true, ..Default::default() };
    settings.trunk_numbers = [(TrunkId::new("demo-trunk"), numbers)].into();
    let mut world = World::new(settings);
    let mut call = RawCall::new("10.2.200.1:5060".parse().unwrap(), "our-account");
    call.to = "<sip:9197@hotline>".into();
    assert!(!is_shed_after_another(&mut world, &call), "{}", world.story());
}

#[test]
fn a_flood_of_strangers_turns_no_caller_away() {
    let mut world = world();
    strain(&mut world, 5);
    let address: SocketAddr = "10.9.9.9:5060".parse().unwrap();
    for nth in 0..100 {
        let mut call = RawCall::new(address, "9000");
        call.call_id = format!("stranger-{nth}");
        world.send_by_hand(address, call.invite(None));
    }
    world.run(seconds(0.1));
    let shed = world.by_hand[&address].iter().filter(|answer| answer.status() == 503).count();
    assert!(shed >= 50, "{shed} of 100");
    for nth in 0..10 {
        let caller = world.caller(&format!("1380013800{nth}"));
        world.dial(caller, "9193");
        world.until_heard(caller, "music");
        world.hang_up(caller);
    }
    world.finish();
}

#[test]
fn who_takes_a_ringing_call_over_is_not_turned_away() {
    let mut world = World::new(Settings { calls_per_second: Some(1), ..Settings::default() });
    let (caller, called, colleague) = (world.agent("1003"), world.agent("1001"), world.agent("1002"));
    world.manners(called, |manners| manners.taking = Taking::Ring);
    world.dial(caller, "1001");
    world.until_rings(called);
    let named = world.phones[called.0].replaces(0);
    let (other, late) = (world.caller("13800138000"), world.caller("13800138001"));
    world.dial(other, "9193");
    world.run(seconds(0.1));
    world.dial(late, "9193");
    world.with(colleague, |phone, now| {
        phone.headers = vec![("Replaces".into(), named)];
        phone.dial(now, "1001", None);
    });
    assert_eq!(world.until_over(late), Over::Refused(503));
    world.until_heard(colleague, "voice of 1003");
    world.hang_up(other);
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_flood_to_a_number_that_is_not_there_is_turned_away_unread_and_fills_no_journal() {
    for limit in [Some(50), None] {
        let mut world = World::new(Settings { calls_per_second: limit, ..Settings::default() });
        let address: SocketAddr = "10.2.200.1:5060".parse().unwrap();
        for nth in 0..800 {
            let mut call = RawCall::new(address, "000");
            call.call_id = format!("nobody-{nth}");
            world.send_by_hand(address, call.invite(None));
            world.run(Duration::from_millis(1));
        }
        world.run(seconds(2.0));
        let unread = world.by_hand[&address].iter().filter(|answer| answer.status() == 503).count();
        assert_eq!(unread >= 740, limit.is_some(), "{unread} unread");
        let written = refusals(&world).len();
        assert!((40..=60).contains(&written), "{written} of 800 by themselves");
        let summed = |kind: &EventKind| if let EventKind::CallsShed { count, .. } = kind { Some(*count) } else { None };
        assert_eq!(written as u64 + world.events().filter_map(summed).sum::<u64>(), 800, "and none is uncounted");
        world.finish();
    }
}
