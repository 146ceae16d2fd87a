//! Flows and test numbers as callers hear them.

use super::*;
use std::cell::RefCell;
use std::rc::Rc;

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
    // The flow asks how it was (`after_call: survey`) and says good-bye, then it hangs up.
    world.until_heard(caller, "zh/rate_us");
    world.press(caller, "5");
    world.until_heard(caller, "zh/goodbye");
    assert_eq!(world.until_over(caller), Over::Theirs);
    world.run(seconds(3.0));
    let record = world.record();
    assert_eq!(record.agent, Some(AgentId::new("1001")));
    assert_eq!((record.end, record.cause, record.status), (EndedBy::Agent, Cause::Normal, 200));
    assert!((2_000..4_000).contains(&record.wait_ms), "{}", record.wait_ms);
    assert!((5_000..7_000).contains(&record.talk_ms), "{}", record.talk_ms);
    assert_eq!(record.keys, 3);
    assert!(record.recording.is_some() && record.recording_ms > 4_000);
    assert_eq!(record.service_end, Some(ServiceEnd::OptedOut));
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
    assert_eq!(record.service_end, Some(ServiceEnd::Short));
    world.finish();
}

#[test]
fn a_caller_who_chose_a_language_is_not_asked_again_the_next_day() {
    let mut world = world();
    world.reload(sim::bundle::edited("silence: zh}", "silence: zh, remember: 180d}"));
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/choose_language");
    world.press(caller, "2");
    world.until_heard(caller, "en/main_menu");
    world.hang_up(caller);
    world.run(seconds(3.0));
    assert_eq!(world.remembered.len(), 1);
    world.dial(caller, "95598");
    world.until_heard(caller, "en/main_menu");
    assert!(!world.heard(caller).contains(&"en/choose_language".to_string()), "{:?}", world.heard(caller));
    world.hang_up(caller);
    world.run(seconds(3.0));
    world.finish();
}

#[test]
fn a_spoken_message_reaches_its_box_by_hash_and_by_hanging_up_alike() {
    let mut world = world();
    world.reload(sim::bundle::edited(
        "    - say: welcome\n",
        "    - voicemail: {box: service, say: welcome, max: 1m}\n",
    ));
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/welcome");
    world.run(seconds(4.0));
    assert_eq!(world.spoken.len(), 0);
    world.press(caller, "#");
    world.until_heard(caller, "zh/choose_language");
    assert_eq!(world.spoken.len(), 1);
    world.hang_up(caller);

    let other = world.caller("13800138001");
    world.dial(other, "95598");
    world.until_heard(other, "zh/welcome");
    world.run(seconds(4.0));
    world.hang_up(other);
    world.run(seconds(3.0));
    assert_eq!(world.spoken.len(), 2);
    assert!(world.records.iter().all(|record| record.recording_ms > 1_000), "{:#?}", world.records);
    world.finish();
}

#[test]
fn a_message_is_complete_when_its_caller_has_said_nothing_for_a_while() {
    let mut world = world();
    let edited = "    - voicemail: {box: service, say: welcome, max: 20m, quiet: 3s}\n";
    world.reload(sim::bundle::edited("    - say: welcome\n", edited));
    let caller = world.caller("13800138000");
    world.manners(caller, |manners| manners.talks = false);
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/welcome");
    world.until_heard(caller, "zh/choose_language");
    assert_eq!(world.spoken.len(), 1);
    world.hang_up(caller);
    world.run(seconds(3.0));
    let length = world.records[0].recording_ms;
    assert!((2_500..4_500).contains(&length), "{length}");
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
fn digits_typed_into_the_beep_are_read_back() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "9198");
    world.until_up(caller);
    world.press_by_info(caller, '1');
    world.press_by_info(caller, '#');
    assert_eq!(world.until_over(caller), Over::Theirs);
    assert_eq!(world.heard(caller).last().unwrap(), "zh/a_1");
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
fn every_test_number_does_what_the_readme_says() {
    let mut world = world();
    let caller = world.caller("13800138000");
    let up_for = |world: &World| {
        let call = world.call(caller);
        (call.over_at.unwrap() - call.up_since.unwrap()).as_secs_f64()
    };

    world.dial(caller, "9190");
    world.within(seconds(62.0), "it gives up", |world| world.is_over(caller));
    assert_eq!((&world.call(caller).statuses[..], world.call(caller).unasked), (&[180, 480][..], 0));

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
fn an_emergency_that_no_agent_takes_is_put_through_to_the_control_room() {
    let mut world = world();
    let room = world.agent("1001");
    world.reload(sim::bundle::edited(
        "transfer: {trunk: dispatch-24h, number: \"8001\", ring: 40s,",
        "transfer: {ext: \"1001\", ring: 30s,",
    ));
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
fn an_emergency_that_nobody_takes_ends_with_a_message_and_not_in_silence() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "1");
    world.until_heard(caller, "zh/dispatch_busy");
    world.until_heard(caller, "zh/leave_message");
    world.run(seconds(20.0));
    world.press(caller, "#");
    world.until_over(caller);
    assert_eq!(world.heard(caller).last().unwrap(), "zh/goodbye");
    world.finish();
}

#[test]
fn what_a_flow_carries_stands_in_the_call_to_whom_it_sends_the_caller_and_in_no_other() {
    let mut world = world();
    world.reload(sim::bundle::edited(
        "transfer: {trunk: dispatch-24h, number: \"8001\", ring: 40s,",
        "transfer: {ext: \"1001\", ring: 30s, carry: [lang, account],",
    ));
    let agent = world.agent("1001");
    world.command(Command::AgentNotReady { agent: AgentId::new("1001"), reason: "control room".into() });
    let headers: Rc<RefCell<Vec<String>>> = Rc::default();
    let seen = headers.clone();
    world.filter(move |way, message| {
        if way == Way::ToPhone && message.is_request() && *message.method() == Method::Invite {
            let text = String::from_utf8_lossy(message.raw()).into_owned();
            seen.borrow_mut().extend(text.lines().filter(|line| line.starts_with("X-Flow-")).map(str::to_string));
        }
        Fate::Passes
    });
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/choose_language");
    world.press(caller, "2");
    world.until_heard(caller, "en/main_menu");
    world.press(caller, "1");
    world.within(seconds(120.0), "the control room rings", |world| !world.phones[agent.0].calls.is_empty());
    world.until_heard(caller, "voice of 1001");
    // The account was never asked for, so there is none to go along.
    assert_eq!(*headers.borrow(), ["X-Flow-lang: en"]);
    let other = world.agent("1002");
    world.refer(agent, "1002");
    world.until_rings(other);
    assert_eq!(headers.borrow().len(), 1, "an agent sends the caller on, and no flow does");
    world.hang_up(caller);
    world.until_over(other);
    world.finish();
}
