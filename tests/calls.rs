//! Calls as callers and agents live them, told in virtual time. Each story says who did what and what everybody heard and
//! saw; `finish` then waits until all is quiet and demands that nothing is left: no call, leg, permit, port or transaction.

mod sim;

use hotline::events::{Cause, EndedBy, EventKind, OfferResult, QueueOutcome, Refusal, Source};
use hotline::ids::AgentId;
use hotline::sdp::Codec;
use hotline::sip::message::{HeaderName, Method};
use hotline::switch::Command;
use sim::raw::RawCall;
use sim::world::seconds;
use sim::{Fate, Lookups, Loss, Over, PhoneId, Settings, State, Taking, Way, World};
use std::time::Duration;

fn world() -> World {
    World::new(Settings::default())
}

/// Straight to the queue `service`, until the agent's phone rings.
fn ringing_agent(world: &mut World, agent: PhoneId) -> PhoneId {
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(agent);
    caller
}

/// Caller and agent 1001 talk.
fn talking() -> (World, PhoneId, PhoneId) {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
    (world, caller, agent)
}

fn offers(world: &World) -> Vec<(String, OfferResult)> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::OfferEnded { agent, result, .. } => Some((agent.to_string(), *result)),
            _ => None,
        })
        .collect()
}

fn outcomes(world: &World) -> Vec<QueueOutcome> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::Dequeued { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect()
}

fn refusals(world: &World) -> Vec<(Refusal, u16)> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::CallRefused { reason, status, .. } => Some((*reason, *status)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_caller_dials_the_hotline_presses_keys_and_talks_to_an_agent() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/choose_language");
    world.press(caller, "1");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "music");
    world.until_rings(agent);
    assert!(world.call(agent).from.contains("13800138000"), "the agent sees who calls: {}", world.call(agent).from);
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
    world.run(seconds(5.0));
    let heard = world.heard(caller);
    assert_eq!(heard[..3], ["zh/welcome", "zh/choose_language", "zh/main_menu"], "{heard:?}");
    assert_eq!(heard.last().unwrap(), "voice of 1001");
    assert!(!heard.contains(&"en/main_menu".to_string()));

    world.hang_up(agent);
    // The flow says good-bye (`after_call: thanks`), then it hangs up.
    world.until_heard(caller, "zh/goodbye");
    assert_eq!(world.until_over(caller), Over::Theirs);
    world.run(seconds(3.0));
    let record = world.record();
    assert_eq!(record.agent, Some(AgentId::new("1001")));
    assert_eq!((record.end, record.cause, record.status), (EndedBy::Agent, Cause::Normal, 200));
    assert!((2_000..4_000).contains(&record.wait_ms), "{}", record.wait_ms);
    assert!((5_000..7_000).contains(&record.talk_ms), "{}", record.talk_ms);
    assert_eq!(record.keys, 2);
    assert!(record.recording.is_some() && record.recording_ms > 4_000);
    world.finish();
}

#[test]
fn a_caller_who_gives_up_while_the_phone_rings_stops_it() {
    let mut world = world();
    let called = world.agent("1002");
    let calling = world.agent("1001");
    world.manners(called, |manners| manners.taking = Taking::Ring);
    world.dial(calling, "1002");
    world.until_rings(called);
    world.run(seconds(3.0));
    assert_eq!(world.call(calling).statuses, [180]);
    world.hang_up(calling);
    assert_eq!(world.until_over(called), Over::Cancelled);
    world.run(seconds(3.0));
    assert_eq!(world.record().cause, Cause::Cancelled);
    assert_eq!(world.record().status, 487);
    world.finish();
}

#[test]
fn a_busy_agent_is_passed_over_for_the_next() {
    let mut world = world();
    let (busy, free) = (world.agent("1001"), world.agent("1002"));
    world.manners(busy, |manners| manners.taking = Taking::Refuse(486));
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1002");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Busy), ("1002".into(), OfferResult::Answered)]);
    world.hang_up(caller);
    assert_eq!(world.until_over(free), Over::Theirs);
    world.finish();
}

#[test]
fn an_agent_who_lets_it_ring_out_is_passed_over_and_rests() {
    let mut world = world();
    let (silent, next) = (world.agent("1001"), world.agent("1002"));
    world.manners(silent, |manners| manners.taking = Taking::Ring);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(silent);
    assert_eq!(world.until_over(silent), Over::Cancelled);
    world.until_heard(caller, "voice of 1002");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::NoAnswer), ("1002".into(), OfferResult::Answered)]);
    let rested = world.count(|kind| {
        matches!(kind, EventKind::AgentState { agent, reason: Some(reason), .. } if agent.as_str() == "1001" && reason == "rona")
    });
    assert_eq!(rested, 1);
    world.hang_up(next);
    world.until_over(caller);
    world.finish();
}

#[test]
fn when_all_agents_let_it_ring_the_caller_keeps_the_place_until_one_returns() {
    let mut world = world();
    let (first, second) = (world.agent("1001"), world.agent("1002"));
    for agent in [first, second] {
        world.manners(agent, |manners| manners.taking = Taking::Ring);
    }
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(first);
    world.until_rings(second);
    world.until_over(second);
    assert!(world.hears(caller, "music"), "still waiting: {}", world.story());
    world.manners(first, |manners| manners.taking = Taking::AnswerAfter(seconds(1.0)));
    // 1001 rests for 30 s after it rang out, then it is offered the caller again.
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.until_over(first);
    assert_eq!(outcomes(&world), [QueueOutcome::Answered]);
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_in_the_menu_leaves_nothing_behind() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/choose_language");
    world.press(caller, "2");
    world.until_heard(caller, "en/main_menu");
    world.hang_up(caller);
    world.run(seconds(3.0));
    let record = world.record();
    assert_eq!((record.end, record.cause, record.agent.clone()), (EndedBy::Caller, Cause::Normal, None));
    assert_eq!(record.flow.as_deref(), Some("power"));
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_in_the_queue_is_written_down_as_abandoned() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "music");
    world.run(seconds(7.0));
    world.hang_up(caller);
    world.run(seconds(3.0));
    assert_eq!(outcomes(&world), [QueueOutcome::Abandoned]);
    assert!((6_900..7_200).contains(&world.record().wait_ms), "{}", world.record().wait_ms);
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_while_the_agent_rings_stops_the_phone() {
    let mut world = world();
    let agent = world.agent("1001");
    world.manners(agent, |manners| manners.taking = Taking::Ring);
    let caller = ringing_agent(&mut world, agent);
    world.run(seconds(2.0));
    world.hang_up(caller);
    assert_eq!(world.until_over(agent), Over::Cancelled);
    world.run(seconds(1.0));
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Withdrawn)]);
    // No fault of the agent's: the next caller rings at once.
    let next = world.caller("13900139000");
    world.dial(next, "9000");
    world.until_rings(agent);
    world.hang_up(next);
    world.until_over(agent);
    world.finish();
}

#[test]
fn whoever_is_put_on_hold_hears_music_until_the_return() {
    let (mut world, caller, agent) = talking();
    for (holder, held, voice) in [(agent, caller, "voice of 1001"), (caller, agent, "voice of 13800138000")] {
        world.hold(holder, true);
        world.until_heard(held, "music");
        world.run(seconds(15.0));
        assert!(world.hears(held, "music"), "longer than the RTP timeout: a party that holds owes no packets");
        world.hold(holder, false);
        world.until_heard(held, voice);
        world.run(seconds(1.0));
        assert!(world.hears(held, voice), "{}", world.story());
    }
    world.hang_up(caller);
    world.until_over(agent);
    world.run(seconds(3.0));
    assert!((30_000..31_000).contains(&world.record().hold_ms), "{}", world.record().hold_ms);
    world.finish();
}

#[test]
fn a_key_is_heard_once_though_its_first_or_last_packets_are_lost() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "9198");
    world.until_heard(caller, "tone");
    for (keys, loss) in [("1", Loss::First), ("2", Loss::Ends), ("2", Loss::None), ("#", Loss::First)] {
        world.press_with(caller, keys, loss);
        world.run(seconds(0.5));
    }
    assert_eq!(world.until_over(caller), Over::Theirs);
    let typed: Vec<_> = world
        .events()
        .filter_map(|kind| match kind {
            EventKind::Collected { shown, .. } => Some(shown.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(typed, ["122"]);
    assert_eq!(world.heard(caller)[1..], ["zh/a_1", "zh/a_2"], "the two twos follow each other without a pause");
    world.finish();
}

#[test]
fn keys_by_info_choose_in_the_menu_like_others() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/choose_language");
    world.press_by_info(caller, '2');
    world.until_heard(caller, "en/main_menu");
    world.press_by_info(caller, '3');
    world.until_heard(caller, "en/is_this_your_account-1");
    world.press_by_info(caller, '1');
    world.until_heard(caller, "en/balance_is-1");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_key_pressed_in_a_talk_reaches_the_other_phone_and_not_the_flow() {
    let (mut world, caller, agent) = talking();
    world.press(caller, "5");
    world.run(seconds(1.0));
    world.press(agent, "7");
    world.run(seconds(1.0));
    assert_eq!((world.call(agent).keys_heard.as_str(), world.call(caller).keys_heard.as_str()), ("5", "7"));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Key { .. })), 0);
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_caller_without_an_offer_gets_ours_and_hears_the_answer() {
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9193");
    world.send_by_hand(address, call.invite(None));
    world.until("the 200 with an offer", |world| world.by_hand[&address].iter().any(|m| m.status() == 200));
    let ok = world.by_hand[&address].iter().find(|m| m.status() == 200).unwrap().clone();
    assert!(String::from_utf8_lossy(ok.body()).contains("m=audio"));
    call.learn(&ok);
    let sdp = call.sdp();
    world.send_by_hand(address, call.ack(Some(&sdp)));
    world.run(seconds(2.0));
    let ear = "10.2.99.1:4000".parse().unwrap();
    assert_eq!(world.stray_sounds[&ear], [sim::sound::Heard::Known(sim::sound::MUSIC)]);
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.run(seconds(1.0));
    assert_eq!(world.record().end, EndedBy::Caller);
    world.finish();
}

#[test]
fn a_refused_offer_is_told_what_is_wrong_with_it() {
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9193");
    let g729 = call.sdp().replace("AVP 8 101", "AVP 18");
    world.send_by_hand(address, call.invite(Some(&g729)));
    world.run(seconds(1.0));
    let warning = |world: &World| {
        let refusal = world.by_hand[&address].iter().rev().find(|m| m.status() == 488).expect("a refusal");
        String::from_utf8_lossy(refusal.header(HeaderName::Warning).unwrap_or_default()).into_owned()
    };
    assert_eq!(warning(&world), "305 hotline \"Offer PCMU or PCMA at 8000 Hz\"");
    world.run(seconds(40.0));
    call.call_id += "-again";
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.until("the 200", |world| world.by_hand[&address].iter().any(|m| m.status() == 200));
    let ok = world.by_hand[&address].iter().find(|m| m.status() == 200).unwrap().clone();
    call.learn(&ok);
    world.send_by_hand(address, call.ack(None));
    world.by_hand.clear();
    let change = call.reinvite(Some(&sdp.replace("m=audio 4000 RTP/AVP", "m=audio 4000 RTP/SAVP")));
    world.send_by_hand(address, change);
    world.run(seconds(1.0));
    assert_eq!(warning(&world), "302 hotline \"Audio must be offered as RTP/AVP\"");
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.finish();
}

#[test]
fn an_offer_without_a_codec_of_ours_is_refused_with_488_and_holds_nothing() {
    let mut world = world();
    let caller = world.caller("13800138000");
    let offer = "v=0\r\no=- 1 1 IN IP4 10.2.0.1\r\ns=-\r\nc=IN IP4 10.2.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n\
                 a=rtpmap:18 G729/8000\r\n";
    world.with(caller, |phone, now| phone.dial_offering(now, "95598", offer.into()));
    assert_eq!(world.until_over(caller), Over::Refused(488));
    assert_eq!(refusals(&world), [(Refusal::NoCodec, 488)]);
    world.finish();
}

#[test]
fn a_call_beyond_the_total_is_told_when_to_come_back_and_the_next_free_place_is_given_again() {
    let mut world = World::new(Settings { calls: 2, ..Settings::default() });
    let callers: Vec<PhoneId> = (0..3).map(|n| world.caller(&format!("1380013800{n}"))).collect();
    for caller in &callers {
        world.dial(*caller, "9193");
        world.run(seconds(1.0));
    }
    assert_eq!(world.state(callers[2]), Some(&State::Over(Over::Refused(503))));
    assert!(world.call(callers[2]).retry_after.is_some_and(|wait| (4..12).contains(&wait)));
    assert_eq!(refusals(&world), [(Refusal::TotalCap, 503)]);
    world.hang_up(callers[0]);
    world.run(seconds(1.0));
    world.dial(callers[2], "9193");
    world.until_heard(callers[2], "music");
    for caller in &callers[1..] {
        world.hang_up(*caller);
    }
    world.finish();
}

#[test]
fn a_call_without_a_free_port_is_told_when_to_come_back() {
    let mut world = World::new(Settings { ports: 1, ..Settings::default() });
    let callers: Vec<PhoneId> = (0..3).map(|n| world.caller(&format!("1380013800{n}"))).collect();
    for caller in &callers {
        world.dial(*caller, "9193");
        world.run(seconds(1.0));
    }
    assert_eq!(refusals(&world), [(Refusal::NoPort, 503)]);
    assert!(world.call(callers[2]).retry_after.is_some_and(|wait| (4..12).contains(&wait)));
    world.hang_up(callers[0]);
    world.hang_up(callers[1]);
    world.finish();
}

#[test]
fn while_draining_new_calls_are_refused_and_the_running_one_ends_in_its_own_time() {
    let (mut world, caller, agent) = talking();
    world.command(Command::Drain);
    let late = world.caller("13900139000");
    world.dial(late, "95598");
    assert_eq!(world.until_over(late), Over::Refused(503));
    assert!(world.call(late).retry_after.is_some_and(|wait| (4..12).contains(&wait)));
    world.with(late, |phone, now| phone.options(now));
    world.run(seconds(20.0));
    assert_eq!(world.phones[late.0].answers, [("OPTIONS", 503)]);
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    assert_eq!(world.switch.calls(), 1);
    world.hang_up(agent);
    world.until_over(caller);
    world.until("the drain has ended", |world| world.switch.calls() == 0);
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
    world.finish();
}

#[test]
fn a_stranger_is_asked_for_credentials_whatever_the_number_and_never_hears_a_ring() {
    let mut world = world();
    world.agent("1001");
    let stranger = world.stranger("13800138000");
    for number in ["95598", "1001", "0015551234", "9190"] {
        world.dial(stranger, number);
        assert_eq!(world.until_over(stranger), Over::Refused(401));
        assert_eq!(world.call(stranger).statuses, [401], "{number}");
    }
    // The trunk's callers may not dial extensions, and learn no more than strangers do.
    let caller = world.caller("13800138000");
    world.dial(caller, "1001");
    assert_eq!(world.until_over(caller), Over::Refused(401));
    assert_eq!(world.model.arrived, 0);
    world.finish();
}

#[test]
fn a_wrong_password_registers_nobody_and_is_written_down() {
    let mut world = world();
    let liar = world.extension("1001", "not the secret");
    world.register(liar);
    world.dial(liar, "9000");
    world.run(seconds(5.0));
    assert_eq!(world.phones[liar.0].answers, [("REGISTER", 401)]);
    assert_eq!(world.state(liar), Some(&State::Over(Over::Refused(401))));
    let failed = |kind: &EventKind| matches!(kind, EventKind::AuthFailed { why, .. } if why == "wrong password");
    assert_eq!(world.count(failed), 2);
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Registered { .. })), 0);
    assert!(world.view().contacts.is_empty());
    world.finish();
}

#[test]
fn an_extension_cannot_call_in_another_name() {
    let mut world = world();
    let (liar, called) = (world.agent("1001"), world.agent("1002"));
    world.with(liar, |phone, now| phone.dial(now, "1002", Some("119")));
    world.until_rings(called);
    let from = world.call(called).from.clone();
    assert!(from.contains("1001") && !from.contains("119"), "{from}");
    let arrived = |kind: &EventKind| {
        matches!(kind, EventKind::CallArrived { from, source: Source::Extension(agent), .. }
            if from.expose() == "1001" && agent.as_str() == "1001")
    };
    assert_eq!(world.count(arrived), 1);
    world.hang_up(liar);
    world.until_over(called);
    world.finish();
}

#[test]
fn one_extension_calls_another_who_speaks_before_answering() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    world.manners(called, |manners| manners.taking = Taking::EarlyMedia(seconds(4.0)));
    world.dial(calling, "1002");
    world.until_heard(calling, "voice of 1002");
    assert!(!world.is_up(calling), "heard before the answer");
    world.until_up(calling);
    world.until_heard(called, "voice of 1001");
    assert_eq!(world.call(calling).statuses.last(), Some(&200));
    assert!(world.call(calling).statuses.contains(&183));
    world.hang_up(called);
    assert_eq!(world.until_over(calling), Over::Theirs);
    world.finish();
}

#[test]
fn one_extension_calls_another_who_is_busy_or_away() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    for (taking, told) in [(Taking::Refuse(486), 486), (Taking::Refuse(603), 603), (Taking::Refuse(480), 480)] {
        world.manners(called, |manners| manners.taking = taking);
        world.dial(calling, "1002");
        assert_eq!(world.until_over(calling), Over::Refused(told));
    }
    world.dial(calling, "1003");
    assert_eq!(world.until_over(calling), Over::Refused(480));
    // It rings for a minute, then nobody is there.
    world.manners(called, |manners| manners.taking = Taking::Ring);
    world.dial(calling, "1002");
    world.within(seconds(61.0), "the ring time", |world| world.is_over(calling));
    assert_eq!(world.call(calling).statuses, [180, 480]);
    assert_eq!(world.until_over(called), Over::Cancelled);
    world.finish();
}

#[test]
fn every_test_number_does_what_the_readme_says() {
    let mut world = world();
    let caller = world.caller("13800138000");
    let up_for = |world: &World| {
        let call = world.call(caller);
        (call.over_at.unwrap() - call.up_since.unwrap()).as_secs_f64()
    };

    world.dial(caller, "9190");
    world.within(seconds(62.0), "it gives up", |world| world.is_over(caller));
    assert_eq!(world.call(caller).statuses, [180, 480]);

    world.dial(caller, "9191");
    assert_eq!(world.until_over(caller), Over::Theirs);
    assert_eq!(world.heard(caller), ["zh/hello"]);
    assert!((1.9..2.2).contains(&up_for(&world)), "{}", up_for(&world));

    world.dial(caller, "9193");
    world.until_heard(caller, "music");
    world.within(seconds(121.0), "the music ends", |world| world.is_over(caller));
    assert_eq!(world.heard(caller), ["music"]);
    assert!((119.0..121.0).contains(&up_for(&world)), "{}", up_for(&world));

    world.dial(caller, "9196");
    world.until_heard(caller, "voice of 13800138000");
    world.hang_up(caller);

    world.dial(caller, "9197");
    world.until_heard(caller, "tone");
    world.within(seconds(61.0), "the tone ends", |world| world.is_over(caller));
    assert_eq!(world.heard(caller), ["tone"]);

    world.dial(caller, "9199");
    world.until_heard(caller, "tone");
    world.run(seconds(3.0));
    world.press(caller, "#");
    world.until_heard(caller, "voice of 13800138000");
    assert_eq!(world.until_over(caller), Over::Theirs);
    world.finish();
}

#[test]
fn a_caller_whose_audio_stops_is_let_go_and_the_agent_is_free_again() {
    let (mut world, caller, agent) = talking();
    world.switch_off(caller);
    let lost = world.now;
    assert_eq!(world.until_over(agent), Over::Theirs);
    let after = (world.now - lost).as_secs_f64();
    assert!((9.5..12.0).contains(&after), "{after}");
    world.run(seconds(40.0));
    assert_eq!(world.record().cause, Cause::RtpTimeout);
    let next = world.caller("13900139000");
    world.dial(next, "9000");
    world.until_heard(next, "voice of 1001");
    world.hang_up(next);
    world.finish();
}

#[test]
fn a_caller_whose_agent_is_unplugged_waits_again_before_everybody_else() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "voice of 1001");
    let other = world.caller("13900139000");
    world.dial(other, "9000");
    world.until_heard(other, "music");
    world.switch_off(agent);
    let lost = world.now;
    world.until_heard(caller, "music");
    let after = (world.now - lost).as_secs_f64();
    assert!((9.5..12.0).contains(&after), "{after}");
    let second = world.agent("1002");
    world.until_heard(caller, "voice of 1002");
    assert!(world.hears(other, "music"), "who came later waits on");
    world.hang_up(second);
    world.until_heard(other, "voice of 1002");
    world.hang_up(other);
    world.finish();
}

#[test]
fn an_agent_whose_registration_ran_out_is_never_offered_a_caller() {
    let mut world = world();
    let agent = world.agent("1001");
    world.phones[agent.0].refreshes = false;
    world.run(seconds(121.0));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Unregistered { .. })), 1);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.run(seconds(10.0));
    assert!(offers(&world).is_empty() && world.hears(caller, "music"));
    world.register(agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
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
fn an_agent_who_answers_as_the_offer_is_withdrawn_is_let_go_at_once() {
    // The agent's 200 and our CANCEL cross (RFC 3261 9.1): the call that nobody wants is acknowledged and ended.
    let mut world = World::new(Settings { ring_timeout: seconds(10.0), ..Settings::default() });
    let (late, next) = (world.agent("1001"), world.agent("1002"));
    world.manners(late, |manners| manners.taking = Taking::AnswerAfter(seconds(9.993)));
    world.manners(next, |manners| manners.taking = Taking::Ring);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until("1001 answers", |world| world.phones[late.0].calls.iter().any(|call| call.up_since.is_some()));
    world.run(seconds(1.0));
    assert_eq!(world.state(late), Some(&State::Over(Over::Theirs)), "{}", world.story());
    assert_eq!(offers(&world), [("1001".into(), OfferResult::NoAnswer)]);
    assert!(world.hears(caller, "music") && !world.heard(caller).contains(&"voice of 1001".into()));
    world.hang_up(caller);
    world.until_over(next);
    world.finish();
}

#[test]
fn two_callers_for_one_agent_are_served_in_order() {
    let (mut world, first, agent) = talking();
    let callers: Vec<PhoneId> = (0..2)
        .map(|n| {
            let caller = world.caller(&format!("1390013900{n}"));
            world.dial(caller, "9000");
            world.run(seconds(1.0));
            caller
        })
        .collect();
    world.hang_up(first);
    world.until_heard(callers[0], "voice of 1001");
    assert!(world.hears(callers[1], "music"));
    world.hang_up(agent);
    world.until_heard(callers[1], "voice of 1001");
    world.hang_up(callers[1]);
    world.finish();
}

#[test]
fn a_reload_in_mid_call_changes_the_next_call_and_not_this_one() {
    let mut world = world();
    let (old, new) = (world.caller("13800138000"), world.caller("13900139000"));
    world.dial(old, "95598");
    world.until_heard(old, "zh/choose_language");
    world.reload(sim::bundle::edited("    - say: welcome\n", "    - say: night_notice\n"));
    world.dial(new, "95598");
    world.until_heard(new, "zh/night_notice");
    world.until_heard(old, "zh/main_menu");
    assert_eq!(world.heard(old)[0], "zh/welcome");
    world.hang_up(old);
    world.hang_up(new);
    world.run(seconds(3.0));
    let versions: Vec<_> = world.records.iter().map(|record| record.flow_version.clone()).collect();
    assert_ne!(versions[0], versions[1]);
    world.finish();
}

#[test]
fn a_lookup_that_fails_or_never_answers_leads_to_an_agent() {
    for lookups in [Lookups::Failed, Lookups::Silent] {
        let mut world = world();
        world.lookups = lookups;
        let caller = world.caller("13800138000");
        world.dial(caller, "95598");
        world.until_heard(caller, "zh/main_menu");
        world.press(caller, "3");
        // The account is asked for instead, then the bill cannot be had.
        world.until_heard(caller, "zh/ask_account");
        world.press(caller, "3101234569");
        world.until_heard(caller, "zh/system_busy");
        world.until_heard(caller, "music");
        world.hang_up(caller);
        world.finish();
    }
}

#[test]
fn phones_of_either_law_hear_each_other() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.manners(agent, |manners| manners.codecs = &[Codec::Pcmu]);
    world.manners(caller, |manners| manners.codecs = &[Codec::Pcma]);
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_phone_behind_tcp_is_registered_called_and_heard() {
    let mut world = world();
    let agent = world.extension("1001", &sim::config::secret_of("1001"));
    world.use_tcp(agent);
    world.register(agent);
    world.run(seconds(1.0));
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
}

#[test]
fn an_agent_with_two_phones_answers_one_and_the_other_stops_ringing() {
    let mut world = world();
    let (slow, quick) = (world.agent("1001"), world.agent("1001"));
    world.manners(slow, |manners| manners.taking = Taking::AnswerAfter(seconds(5.0)));
    let caller = ringing_agent(&mut world, quick);
    world.until_rings(slow);
    world.until_up(quick);
    assert_eq!(world.until_over(slow), Over::Cancelled);
    world.until_heard(quick, "voice of 13800138000");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Answered)]);
    world.hang_up(caller);
    assert_eq!(world.until_over(quick), Over::Theirs);
    world.finish();
}

#[test]
fn two_phones_of_an_agent_that_answer_at_once_leave_one_talk() {
    let mut world = world();
    let phones = [world.agent("1001"), world.agent("1001")];
    let caller = ringing_agent(&mut world, phones[1]);
    world.until_heard(caller, "voice of 1001");
    world.run(seconds(1.0));
    let up: Vec<PhoneId> = phones.into_iter().filter(|phone| world.is_up(*phone)).collect();
    let [winner] = up[..] else { panic!("{}", world.story()) };
    let other = if winner == phones[0] { phones[1] } else { phones[0] };
    assert_eq!(world.state(other), Some(&State::Over(Over::Theirs)), "acknowledged, then hung up on");
    assert!(world.hears(winner, "voice of 13800138000"));
    world.hang_up(caller);
    world.finish();
}

#[test]
fn an_agent_who_takes_a_caller_on_hold_hears_music_until_the_caller_is_back() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_up(caller);
    world.hold(caller, true);
    world.until_up(agent);
    world.until_heard(agent, "music");
    world.run(seconds(2.0));
    world.hold(caller, false);
    world.until_heard(agent, "voice of 13800138000");
    world.run(seconds(1.0));
    assert!(world.hears(agent, "voice of 13800138000") && world.hears(caller, "voice of 1001"));
    world.hang_up(agent);
    world.finish();
}

#[test]
fn an_emergency_that_no_agent_takes_is_put_through_to_the_control_room() {
    let mut world = world();
    let room = world.agent("1001");
    // There, and not at work for the queues.
    world.command(Command::AgentNotReady { agent: "1001".into(), reason: "control room".into() });
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "1");
    world.until_heard(caller, "zh/stay_away");
    world.within(seconds(70.0), "the control room rings", |world| world.state(room) == Some(&State::Ringing));
    assert_eq!(outcomes(&world), [QueueOutcome::Timeout]);
    // Ringback (ITU-T E.180).
    world.until_heard(caller, "tone");
    world.until_heard(caller, "voice of 1001");
    world.until_heard(room, "voice of 13800138000");
    // Whoever talks to a caller put through is given no other, at work or not.
    world.command(Command::AgentReady { agent: "1001".into() });
    let other = world.caller("13900139000");
    world.dial(other, "9000");
    world.run(seconds(5.0));
    assert!(offers(&world).is_empty() && world.hears(other, "music"));
    world.hang_up(caller);
    assert_eq!(world.until_over(room), Over::Theirs);
    world.until_heard(other, "voice of 1001");
    world.hang_up(other);
    world.run(seconds(3.0));
    assert_eq!(world.records[0].tags, ["language:zh", "emergency"]);
    world.finish();
}

#[test]
fn an_emergency_that_nobody_takes_ends_with_a_word_and_not_in_silence() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "1");
    world.within(seconds(100.0), "the end", |world| world.is_over(caller));
    assert_eq!(world.heard(caller).last().unwrap(), "zh/dispatch_busy");
    world.finish();
}

#[test]
fn a_third_party_can_neither_end_a_call_nor_cancel_it() {
    let (mut world, caller, agent) = talking();
    let arrived = world.events().find_map(|kind| match kind {
        EventKind::CallArrived { sip_call_id, .. } => Some(sip_call_id.clone()),
        _ => None,
    });
    let address = "10.9.0.66:5060".parse().unwrap();
    let mut thief = RawCall::new(address, "9000");
    thief.call_id = arrived.unwrap();
    let bye = thief.bye();
    world.send_by_hand(address, bye);
    world.run(seconds(2.0));
    assert_eq!(world.by_hand[&address].last().unwrap().status(), 481);
    let invite = thief.invite(Some(&thief.sdp()));
    world.send_by_hand(address, invite);
    world.run(seconds(2.0));
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    world.hang_up(caller);
    world.finish();
}

#[test]
fn garbage_disturbs_nobody() {
    let (mut world, caller, agent) = talking();
    let address = "10.9.0.66:5060".parse().unwrap();
    for length in 0..400 {
        let bytes: Vec<u8> = (0..length).map(|_| world.dice.below(256) as u8).collect();
        world.send_by_hand(address, bytes.into());
    }
    world.run(seconds(2.0));
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    assert!(world.by_hand[&address].is_empty(), "what is no message gets no answer");
    world.hang_up(caller);
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

#[test]
fn a_lost_connection_takes_its_agent_out_of_the_queue() {
    let mut world = world();
    let agent = world.extension("1001", &sim::config::secret_of("1001"));
    world.use_tcp(agent);
    world.register(agent);
    world.run(seconds(1.0));
    let caller = ringing_agent(&mut world, agent);
    world.lose_connection(agent);
    world.run(seconds(1.0));
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Unreachable)]);
    assert!(world.hears(caller, "music"));
    // It comes back over another connection and is offered the caller who still waits.
    world.use_tcp(agent);
    world.register(agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.finish();
}
