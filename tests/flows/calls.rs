//! The sample hotline as callers meet it.

use super::world::*;
use hotline::events::Cause;
use hotline::ids::Redacted;
use hotline::ivr::*;

const ACCOUNT: &str = "3101234569";

fn known_caller(call: &mut Call) {
    call.mock("account_by_phone", Reply::After(100, found(&[("account", Type::Digits, ACCOUNT)])));
}

#[test]
fn the_sample_hotline_passes_its_own_checks() {
    let sources = sample();
    assert_eq!(bundle(&sources).warnings, []);
    assert_eq!(bundle(&sources).entry_flows().collect::<Vec<_>>(), ["night", "power", "small-shop"]);
    assert_eq!(bundle(&sources).project("power"), Some("power"));
}

#[test]
fn a_caller_who_reports_an_emergency_is_in_the_first_queue_after_two_keys() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").hears("choose_language en/choose_language");
    call.presses("1").hears("main_menu").presses("1").hears("stay_away");
    call.waits(CLIP_MS);
    assert_eq!(call.in_queue(), Some("emergency"));
    assert_eq!(call.queue.as_ref().map(|q| q.3), Some(9));
    assert_eq!(call.music.as_deref(), Some("default"));
    call.queue_says(QueueEvent::Answered);
    assert_eq!(call.music, None);
    assert_eq!(call.timers_left(), 0, "nothing interrupts the talk");
    call.tell(Event::AgentGone);
    assert_eq!(call.ended, Some(Cause::Normal));
    assert!(call.traces.contains(&TraceEvent::Tagged { tag: "emergency".into() }));
}

#[test]
fn zero_reaches_an_agent_from_the_main_menu() {
    let bundle = bundle(&sample_in_full());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").hears("choose_language en/choose_language").presses("1").hears("main_menu");
    call.presses("0").hears("to_agent").waits(CLIP_MS);
    assert_eq!(call.in_queue(), Some("service"));
    assert_eq!(call.queue.as_ref().map(|q| q.2.clone()), Some(vec!["zh".to_string()]));
    assert_eq!(call.music.as_deref(), Some("calm"));
}

#[test]
fn a_caller_who_presses_nothing_at_all_reaches_an_agent_within_a_minute() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").hears("choose_language en/choose_language").hears("main_menu");
    call.hears("still_there main_menu").hears("still_there main_menu").hears("to_agent").waits(CLIP_MS);
    assert_eq!(call.in_queue(), Some("service"));
    assert!(call.now < 60_000, "{}", call.now);
}

#[test]
fn keys_typed_ahead_carry_a_hurried_caller_through_both_questions() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("11").hears("stay_away").waits(CLIP_MS);
    assert_eq!(call.in_queue(), Some("emergency"));
}

#[test]
fn an_english_speaker_hears_english_from_the_choice_on() {
    let bundle = bundle(&sample_in_full());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").hears("choose_language en/choose_language").presses("2").hears("en/main_menu");
    let chosen = TraceEvent::Language { lang: "en".into(), remember_s: None };
    assert!(call.traces.contains(&chosen));
    call.presses("0").hears("en/to_agent").waits(CLIP_MS);
    assert_eq!(call.queue.as_ref().map(|q| q.2.clone()), Some(vec!["en".to_string()]));
}

#[test]
fn the_balance_is_read_out_and_the_call_counts_as_resolved() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    known_caller(&mut call);
    call.mock("bill_by_account", Reply::After(300, found(&[("balance", Type::Money, "1205.30")])));
    call.hears("welcome").hears("choose_language en/choose_language").presses("1").hears("main_menu");
    call.presses("3").hears("is_this_your_account-1 三 幺 零 幺 二 三 四 五 六 九 is_this_your_account-2");
    call.presses("1").hears("balance_is-1 一 千 二 百 零 五 元 三 角").hears("anything_else");
    assert!(call.traces.contains(&TraceEvent::Resolved { topic: "bill_balance".into() }));
    call.presses("2").hears("rate_us").presses("5").hears("goodbye").waits(CLIP_MS);
    assert_eq!(call.ended, Some(Cause::Normal));
    let sent: Vec<_> = call.fetched.iter().map(|(lookup, args)| (lookup.as_str(), args[0].1.plain())).collect();
    assert_eq!(sent, [("account_by_phone", "13800138000".into()), ("bill_by_account", ACCOUNT.to_string())]);
}

#[test]
fn a_caller_in_debt_is_told_the_amount_and_may_go_back_to_the_main_menu() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    known_caller(&mut call);
    call.mock("bill_by_account", Reply::After(0, found(&[("balance", Type::Money, "-35.20")])));
    call.hears("welcome")
        .presses("13")
        .hears("is_this_your_account-1 三 幺 零 幺 二 三 四 五 六 九 is_this_your_account-2");
    call.presses("1").hears("balance_owed-1 三 十 五 元 两 角").hears("pay_menu").presses("2").hears("main_menu");
}

#[test]
fn an_unknown_caller_types_the_account_and_a_slip_is_asked_again() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.mock("account_by_phone", Reply::After(0, LookupResult::NotFound));
    call.mock("bill_by_account", Reply::After(0, found(&[("balance", Type::Money, "2")])));
    call.hears("welcome").presses("13").hears("ask_account");
    call.presses("3101234567").hears("wrong_key ask_account");
    call.presses(ACCOUNT).hears("balance_is-1 两 元");
}

#[test]
fn the_hash_that_people_press_after_a_full_number_does_no_harm() {
    let bundle = bundle(&sample_with("{prompt: outage_filed, barge_in: false}", "outage_filed"));
    let mut call = Call::start(&bundle, "power");
    call.mock("account_by_phone", Reply::After(0, LookupResult::Failed));
    call.mock("outage_by_account", Reply::After(0, LookupResult::NotFound));
    call.hears("welcome").presses("12").hears("ask_account").presses(ACCOUNT);
    call.hears("outage_filed-1 幺 零 零 零 零 幺").presses("#").hears("outage_filed-1 幺 零 零 零 零 幺");
    call.hears("anything_else");
    assert_eq!(call.posted.len(), 1);
}

#[test]
fn zero_and_star_lead_out_of_a_subflow() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    known_caller(&mut call);
    call.hears("welcome").presses("13").forget_heard().presses("0").hears("to_agent");
    let last = call.outcomes().pop();
    assert_eq!(last.as_deref(), Some("start.menu 0"));
    assert!(!call.traces.iter().any(|event| matches!(event, TraceEvent::Limit { .. })), "{:?}", call.traces);
    let mut call = Call::start(&bundle, "power");
    known_caller(&mut call);
    call.hears("welcome").presses("13").forget_heard().presses("*").hears("main_menu").presses("1").hears("stay_away");
}

#[test]
fn a_number_that_failed_to_be_found_three_times_leads_to_the_way_out_of_the_subflow() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.mock("account_by_phone", Reply::After(0, LookupResult::NotFound));
    call.hears("welcome").presses("12").hears("ask_account");
    call.presses("1111111111").hears("wrong_key ask_account").presses("1111111111").hears("wrong_key ask_account");
    call.presses("1111111111").hears("ask_contact");
    call.presses("13900139000").hears("contact_is-1 幺 三 九 零 零 幺 三 九 零 零 零 contact_is-2");
    call.presses("2").hears("ask_contact").presses("13900139001");
    call.hears("contact_is-1 幺 三 九 零 零 幺 三 九 零 零 幺 contact_is-2").presses("1");
    call.hears("outage_filed-1 幺 零 零 零 零 幺");
}

#[test]
fn a_known_power_cut_is_told_with_the_time_of_its_end() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    known_caller(&mut call);
    let cut = found(&[("known", Type::Flag, "true"), ("restore_at", Type::Datetime, "2026-03-10 14:05")]);
    call.mock("outage_by_account", Reply::After(0, cut));
    call.hears("welcome").presses("12").forget_heard().presses("1");
    call.hears("outage_known-1 今天 下午 两 点 零 五 分 outage_known-2").hears("anything_else");
    call.waits(60_000).hears("goodbye").hears_nothing_more();
    assert_eq!(call.ended, Some(Cause::Normal));
}

#[test]
fn a_slow_system_is_bridged_by_a_word_and_a_dead_one_by_an_agent() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    known_caller(&mut call);
    call.mock("bill_by_account", Reply::Never);
    call.hears("welcome").presses("13").forget_heard().presses("1");
    let asked = call.now;
    call.hears("please_wait").hears("system_busy").waits(CLIP_MS);
    assert_eq!(call.in_queue(), Some("service"));
    assert!(call.now - asked <= 3_000 + 2 * CLIP_MS + 500, "{}", call.now - asked);
}

#[test]
fn an_answer_during_please_wait_does_not_cut_the_word_in_half() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    known_caller(&mut call);
    call.mock("bill_by_account", Reply::After(1_000, found(&[("balance", Type::Money, "1")])));
    call.hears("welcome").presses("13").forget_heard().presses("1").hears("please_wait");
    let word = call.now;
    let stops = |call: &Call| call.log.iter().filter(|action| matches!(action, Action::StopPlay { .. })).count();
    let before = stops(&call);
    call.hears("balance_is-1 一 元");
    assert!(call.now >= word + CLIP_MS - 500);
    assert_eq!(stops(&call), before);
}

#[test]
fn who_waits_hears_the_place_in_the_queue_over_the_music() {
    let bundle = bundle(&sample_in_full());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("10").hears("to_agent").waits(CLIP_MS);
    call.queue_says(QueueEvent::Position { ahead: 2, wait_s: Some(130) });
    call.hears("you_are_number-1 两 you_are_number-2 your_wait_is-1 约 三 分钟");
    call.queue_says(QueueEvent::Position { ahead: 1, wait_s: None }).waits(45_000);
    call.hears("you_are_number-1 一 you_are_number-2");
    call.queue_says(QueueEvent::Position { ahead: 0, wait_s: None }).waits(45_000);
    call.hears("you_are_next");
    assert_eq!(call.music.as_deref(), Some("calm"));
    call.presses("159*#").hears_nothing_more();
    assert_eq!(call.recorded_keys(), "10.....");
    call.queue_says(QueueEvent::Answered);
    assert!(matches!(call.log.last(), Some(Action::Music { on: None })));
}

#[test]
fn a_caller_whose_agent_was_lost_waits_again_with_music_and_keeps_the_place() {
    let bundle = bundle(&sample_in_full());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("10").hears("to_agent").waits(CLIP_MS);
    let place = call.queue.clone();
    call.queue_says(QueueEvent::Answered).waits(60_000).queue_says(QueueEvent::Back);
    assert_eq!(call.music.as_deref(), Some("calm"));
    assert_eq!(call.queue, place);
    call.queue_says(QueueEvent::Answered);
    call.tell(Event::AgentGone);
    call.hears("rate_us");
}

#[test]
fn after_the_talk_the_caller_is_asked_how_it_was_and_thanked() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("10").hears("to_agent").waits(CLIP_MS).queue_says(QueueEvent::Answered);
    call.waits(3_600_000).hears_nothing_more();
    call.tell(Event::AgentGone);
    call.hears("rate_us").presses("5").hears("goodbye").waits(CLIP_MS);
    assert_eq!(call.ended, Some(Cause::Normal));
}

#[test]
fn an_emergency_that_no_agent_takes_rings_the_control_room_and_then_takes_a_message() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("11").hears("stay_away").waits(CLIP_MS);
    call.queue_says(QueueEvent::Ended(QueueEnd::Timeout));
    let control_room = Target::Trunk { trunk: "dispatch-24h".into(), number: "8001".into() };
    assert_eq!(call.dialled.as_ref().map(|d| d.1.clone()), Some(control_room));
    call.target_says(TransferResult::Failed(TransferFailure::Busy)).hears("dispatch_busy leave_message");
    call.waits(5 * CLIP_MS);
    let filed = call.recording.as_ref().and_then(|recording| recording.2.clone());
    assert_eq!(filed, Some(Mailbox { name: "emergency".into(), urgent: true }));
    call.presses("#").hears("goodbye").waits(CLIP_MS);
    assert_eq!(call.ended, Some(Cause::Normal));
}

#[test]
fn a_transfer_that_is_answered_ends_the_call_when_the_target_hangs_up() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("11").hears("stay_away").waits(CLIP_MS);
    call.queue_says(QueueEvent::Ended(QueueEnd::NoAgents)).target_says(TransferResult::Answered);
    call.waits(3_600_000);
    assert_eq!(call.ended, None);
    call.tell(Event::AgentGone);
    assert_eq!(call.ended, Some(Cause::Normal));
}

#[test]
fn a_telephone_that_never_answers_the_dial_is_given_up() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("11").hears("stay_away").waits(CLIP_MS);
    call.queue_says(QueueEvent::Ended(QueueEnd::Full)).waits(46_000).hears("dispatch_busy leave_message");
    assert!(call.log.iter().any(|action| matches!(action, Action::DialCancel { .. })));
}

#[test]
fn a_queue_that_never_says_anything_still_lets_the_caller_go_in_the_end() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("10").hears("to_agent").waits(CLIP_MS + 13 * 60_000);
    call.hears_at_last("night_busy leave_message");
    assert!(call.log.iter().any(|action| matches!(action, Action::Dequeue { .. })));
    assert_eq!(call.in_queue(), None);
}

#[test]
fn a_caller_waits_for_agents_to_come_unless_the_flow_says_where_to_go_without_them() {
    for (outcomes, leaves) in [("not_answered: bye", false), ("not_answered: bye, no_agents: bye", true)] {
        let step = format!("    - queue: {{to: service, {outcomes}}}");
        let text = format!("ivr: 1\nlanguages: [zh]\nsections:\n  start:\n{step}\n  bye:\n    - hangup: goodbye\n");
        let bundle = bundle(&project(&text, &[]));
        let call = Call::start(&bundle, "test");
        let asked = call.log.iter().find_map(|action| match action {
            Action::Enqueue { leave_when_empty, .. } => Some(*leave_when_empty),
            _ => None,
        });
        assert_eq!(asked, Some(leaves), "{outcomes}");
    }
}

#[test]
fn a_queue_that_refuses_at_once_leaves_no_music_and_no_timer_behind() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.refuses_at_once = Some(QueueEnd::Closed);
    call.hears("welcome").presses("10").hears("to_agent").hears("night_busy leave_message");
    assert_eq!(call.music, None);
    assert_eq!(call.timers_left(), 2, "the prompt's and the call's");
    call.waits(5 * CLIP_MS).presses("#").hears("goodbye").waits(CLIP_MS);
    assert_eq!((call.ended, call.timers_left()), (Some(Cause::Normal), 0));
}

#[test]
fn a_caller_who_hangs_up_in_the_queue_gives_the_place_back() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").presses("10").hears("to_agent").waits(CLIP_MS);
    call.tell(Event::CallerHungUp);
    assert_eq!(call.in_queue(), None);
    assert!(call.state.is_ended());
    assert_eq!(call.timers_left(), 0);
    let ended = TraceEvent::Ended { flow: "power".into(), outcome: "caller_hung_up" };
    assert_eq!(call.traces.last(), Some(&ended));
    assert_eq!(call.ended, None, "there is nobody left to hang up on");
}

#[test]
fn outside_the_hours_the_contractor_rings_and_gets_the_account_along() {
    let mut sources = sample();
    for (path, text) in &mut sources.files {
        if path.ends_with("calendars.yaml") {
            *text = text.replace("daily: \"00:00-24:00\"", "mon-fri: \"12:00-13:00\"");
        }
    }
    let bundle = bundle(&sources);
    let mut call = Call::start(&bundle, "power");
    known_caller(&mut call);
    call.mock("bill_by_account", Reply::After(0, LookupResult::NotFound));
    call.hears("welcome").presses("13").forget_heard().presses("1");
    call.hears("to_agent").hears("night_notice").waits(CLIP_MS);
    let (_, target, carried) = call.dialled.clone().unwrap();
    assert_eq!(target, Target::Trunk { trunk: "outsourced-night".into(), number: "4008".into() });
    let carried: Vec<_> = carried.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
    assert_eq!(carried, [("account", ACCOUNT), ("lang", "zh")]);
    assert!(call.outcomes().contains(&"agent_queue.hours closed".to_string()));
}

#[test]
fn a_call_keeps_the_path_it_took_in_its_record() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.hears("welcome").hears("choose_language en/choose_language").waits(1_000).presses("1");
    call.hears("main_menu").waits(3_000).presses("0").waits(2_000).queue_says(QueueEvent::Answered);
    call.forget_heard().tell(Event::AgentGone);
    call.hears("rate_us").presses("5").waits(2_000);
    assert_eq!(
        call.outcomes(),
        [
            "start.say heard",
            "start.language 1",
            "start.say skipped",
            "start.goto goto",
            "main.menu 0",
            "agent.say heard",
            "agent.goto goto",
            "agent_queue.hours open",
            "agent_queue.queue after_call",
            "survey.survey answered",
            "survey.goto goto",
            "thanks.hangup hangup",
        ]
    );
    assert_eq!(call.recorded_keys(), "105");
}

/// In the sample's queue, with a call back offered.
fn offered(call: &mut Call) {
    call.hears("welcome").presses("10").hears("to_agent").waits(CLIP_MS + 119_000).hears_nothing_more();
    call.waits(1_500).hears("offer_callback");
}

#[test]
fn who_has_waited_long_may_have_a_call_back_and_gives_the_place_up_once_it_is_kept() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    offered(&mut call);
    // Other keys do nothing.
    call.presses("7").hears_nothing_more();
    assert_eq!(call.in_queue(), Some("service"));
    call.presses("1").hears("callback_taken");
    let number = Redacted::new("13800138000".to_string());
    assert_eq!(call.posted, [(Post::Callback { queue: "service".into(), number, within_s: None }, Vec::new())]);
    assert_eq!((call.in_queue(), call.music.as_deref()), (None, None));
    let at = |wanted: fn(&Action) -> bool| call.log.iter().position(wanted).expect("done");
    assert!(at(|act| matches!(act, Action::Post { .. })) < at(|act| matches!(act, Action::Dequeue { .. })));
    assert!(call.outcomes().contains(&"agent_queue.queue callback".to_string()));
    call.hears("goodbye").waits(CLIP_MS);
    assert_eq!((call.ended, call.timers_left()), (Some(Cause::Normal), 0));
}

#[test]
fn a_call_back_that_is_not_kept_is_offered_again_and_costs_nobody_the_place() {
    let bundle = bundle(&sample());
    for hangs in [false, true] {
        let mut call = Call::start(&bundle, "power");
        (call.post_fails, call.post_hangs) = (!hangs, hangs);
        offered(&mut call);
        call.presses("1").waits(6_000).hears("offer_callback");
        assert_eq!((call.in_queue(), call.music.as_deref()), (Some("service"), Some("default")));
        call.queue_says(QueueEvent::Answered).waits(300_000).hears_nothing_more();
    }
}

#[test]
fn nobody_is_promised_a_call_back_to_a_number_that_is_none() {
    let bundle = bundle(&sample());
    for caller in ["", "anon1", "anonymous", "12", "+86x", "123456789012345678901"] {
        let mut call = Call::new(&bundle, "power");
        call.begin(caller, None);
        call.hears("welcome").presses("10").hears("to_agent").waits(300_000).presses("1").hears_nothing_more();
        assert!(call.posted.is_empty(), "{caller}");
    }
    let mut call = Call::new(&bundle, "power");
    call.begin("+8613800138000", None);
    offered(&mut call);
}
