//! Calls that end otherwise than by a party that hangs up a talk.

use super::*;

#[test]
fn a_call_that_waits_for_its_last_report_as_the_permits_are_counted_is_no_mismatch() {
    let (mut world, caller, agent) = talking();
    world.loses_reports = true;
    let counted = world.switch_started() + seconds(60.0);
    world.run(counted - seconds(1.0) - world.now);
    world.hang_up(caller);
    world.until_over(agent);
    world.run(seconds(1.5));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Alarm { text } if text.contains("permit"))), 0);
}

fn flow_ends(world: &World) -> Vec<String> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::FlowEnded { outcome, .. } => Some(outcome.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn an_operator_who_ends_a_call_that_rings_leaves_the_caller_with_480() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    world.manners(called, |manners| manners.taking = Taking::Ring);
    world.dial(calling, "1002");
    world.until_rings(called);
    let call = world.view().calls[0].id;
    world.command(Command::HangUp { call });
    assert_eq!(world.until_over(calling), Over::Refused(480));
    assert_eq!(world.until_over(called), Over::Cancelled);
    world.run(seconds(3.0));
    assert_eq!((world.record().end, world.record().status), (EndedBy::Operator, 480));
    world.finish();
}

#[test]
fn a_caller_who_says_bye_before_the_answer_has_cancelled() {
    // RFC 3261 15: a caller may end an early dialog by BYE.
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9190");
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.until("it rings", |world| world.by_hand[&address].iter().any(|m| m.status() == 180));
    let ringing = world.by_hand[&address].iter().find(|m| m.status() == 180).unwrap().clone();
    call.learn(&ringing);
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.run(seconds(3.0));
    let statuses: Vec<u16> = world.by_hand[&address].iter().map(|m| m.status()).collect();
    assert!(statuses.contains(&487) && statuses.contains(&200), "{statuses:?}");
    let record = world.record();
    assert_eq!((record.end, record.cause, record.status), (EndedBy::Caller, Cause::Cancelled, 487));
    world.finish();
}

#[test]
fn a_flow_whose_call_an_operator_or_the_stop_ends_is_written_down_as_ended() {
    for all in [false, true] {
        let mut world = world();
        let caller = world.caller("13800138000");
        world.dial(caller, "95598");
        world.until_heard(caller, "zh/choose_language");
        let call = world.view().calls[0].id;
        world.command(if all { Command::HangUpAll } else { Command::HangUp { call } });
        world.until_over(caller);
        world.run(seconds(3.0));
        assert_eq!(flow_ends(&world), ["call_ended"]);
        assert_eq!(world.record().journey[0].outcome.as_deref(), Some("call_ended"));
        world.finish();
    }
}

#[test]
fn a_flow_whose_call_reaches_the_longest_time_is_written_down_as_ended() {
    let mut world = World::new(Settings { tick: seconds(0.5), ..Settings::default() });
    let agent = world.agent("1001");
    for phone in [agent, world.caller("13800138000")] {
        world.manners(phone, |manners| manners.pace = seconds(5.0));
    }
    let caller = PhoneId(1);
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "voice of 1001");
    world.within(seconds(4.1 * 3600.0), "the longest time", |world| world.is_over(caller));
    world.run(seconds(3.0));
    assert_eq!((flow_ends(&world), world.record().cause), (vec!["call_ended".to_string()], Cause::Limit));
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_or_falls_silent_ends_the_flow_once() {
    let mut world = world();
    for silent in [false, true] {
        let caller = world.caller("13800138000");
        world.dial(caller, "95598");
        world.until_heard(caller, "zh/choose_language");
        if silent {
            world.switch_off(caller)
        } else {
            world.hang_up(caller)
        }
        world.run(seconds(40.0));
    }
    assert_eq!(flow_ends(&world), ["caller_hung_up", "caller_hung_up"]);
    world.finish();
}

#[test]
fn a_caller_whose_agent_is_lost_when_the_queue_is_gone_too_is_told_and_not_left_with_music() {
    let settings = Settings::default();
    let mut world = World::new(settings.clone());
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "voice of 1001");
    world.reconfigure(&Settings { queues: &["emergency"], ..settings });
    world.switch_off(agent);
    world.until_heard(caller, "zh/leave_message");
    world.run(seconds(5.0));
    world.press(caller, "#");
    assert_eq!(world.until_over(caller), Over::Theirs);
    world.finish();
}

#[test]
fn a_leg_whose_media_worker_forgets_it_is_found_and_told() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "9193");
    world.until_heard(caller, "music");
    world.loses_reports = true;
    world.hang_up(caller);
    world.run(seconds(5.0));
    assert_eq!((world.switch.calls(), world.switch.holdings().legs), (0, 1), "the record waits for no report");
    world.loses_reports = false;
    world.run(seconds(60.0));
    let faults = std::mem::take(&mut world.model.faults);
    assert!(matches!(&faults[..], [fault] if fault.contains("leg")), "{faults:?}");
    world.finish();
}

#[test]
fn an_operator_who_stops_the_switch_ends_every_call_with_bye() {
    let (mut world, caller, agent) = talking();
    let waiting = world.caller("13900139000");
    world.dial(waiting, "9000");
    world.until_heard(waiting, "music");
    world.command(Command::HangUpAll);
    for phone in [caller, agent, waiting] {
        assert_eq!(world.until_over(phone), Over::Theirs);
    }
    world.run(seconds(3.0));
    assert!(world.records.iter().all(|record| record.cause == Cause::Shutdown));
    assert!(world.records.iter().any(|record| record.recording_ms > 0), "and the recording's length is written down");
    world.finish();
}

#[test]
fn both_hang_up_at_once_and_both_are_content() {
    let (mut world, caller, agent) = talking();
    world.hang_up(agent);
    world.hang_up(caller);
    world.run(seconds(3.0));
    assert_eq!(
        (world.call(agent).state.clone(), world.call(caller).state.clone()),
        (State::Over(Over::Ours), State::Over(Over::Ours))
    );
    assert_eq!(world.record().cause, Cause::Normal);
    world.finish();
}

#[test]
fn a_caller_who_never_acknowledges_is_hung_up_on_after_64_t1() {
    // RFC 3261 13.3.1.4.
    let mut world = World::new(Settings { rtp_timeout: None, ..Settings::default() });
    let caller = world.caller("13800138000");
    world.filter(|way, message| match (way, message.method()) {
        (Way::ToSwitch, Method::Ack) => Fate::Vanishes,
        _ => Fate::Passes,
    });
    world.dial(caller, "9193");
    world.until_up(caller);
    let answered = world.now;
    assert_eq!(world.until_over(caller), Over::Theirs);
    let after = (world.now - answered).as_secs_f64();
    assert!((31.9..32.2).contains(&after), "{after}");
    assert_eq!(world.record().cause, Cause::AckTimeout);
    world.finish();
}

#[test]
fn a_wall_clock_that_jumps_by_a_day_moves_no_call_and_no_wait() {
    for jump in [Duration::from_secs(86_400), Duration::ZERO] {
        let (mut world, caller, agent) = talking();
        world.wall_jump = Some(jump);
        world.run(seconds(5.0));
        assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
        world.hang_up(caller);
        world.run(seconds(3.0));
        let talked = world.record().talk_ms;
        assert!((5_000..6_000).contains(&talked), "{talked}");
        world.finish();
    }
}
