//! The one end that each call counts under.

use crate::world::*;
use hotline::events::{During, ServiceEnd};
use hotline::ivr::*;

const FLOW: &str = "ivr: 1
title: Bills
languages: [zh]
vars:
  account: {type: digits, private: true, optional: true}
  balance: {type: money}
defaults:
  input: {wait: 10s, tries: 2, silence: still_there, wrong_key: wrong_key, give_up: agent}
shortcuts: {0: agent}
sections:
  start:
    - say: welcome
    - goto: main
  main:
    - menu: {say: main_menu, keys: {1: bill, 2: sales, 3: report, 4: later, 5: note, 6: fire, 7: bye}}
  bill:
    - collect: {say: ask_account, save: account, digits: 4}
    - lookup: {name: bill_by_account, send: {account: account}, get: {balance: balance}, not_found: agent, failed: agent}
    - say: amount
    - resolved: bill
    - menu: {say: anything_else, keys: {1: main}, tries: 1, give_up: bye}
  sales:
    - queue: {to: service, not_answered: night}
  night:
    - transfer: {trunk: outsourced-night, number: \"4008\", failed: note}
  agent:
    - hours: {calendar: agents, closed: night}
    - queue: {to: service, not_answered: night}
  report:
    - form: {template: outage_report, fields: {account: caller.number, contact: caller.number}, failed: agent}
    - say: filed
    - resolved: outage
    - goto: bye
  later:
    - callback: {queue: service, failed: agent}
    - goto: bye
  note:
    - voicemail: {box: service, say: speak, max: 30s}
    - goto: bye
  fire:
    - queue: {to: emergency, priority: 9, not_answered: night}
  bye:
    - hangup: goodbye
";

const WORDS: [(&str, &str); 3] =
    [("filed", "已登记。"), ("speak", "请留言。"), ("amount", "您的余额为{balance:money}，感谢您的来电。")];

/// With recordings as long as the world plays them: a second for words, 200 ms for a part of a value.
fn hotline() -> Bundle {
    let audio = |_: &str, id: &str| Some(if id.starts_with("a_") { 200 } else { CLIP_MS as u32 });
    let mut sources = project(FLOW, &WORDS);
    // The sample's people answer day and night.
    sources.files.iter_mut().for_each(|(_, text)| *text = text.replace("00:00-24:00", "08:00-20:00"));
    load(&sources, None, &audio).expect("a good flow")
}

/// The end that `caller` makes of a call.
fn counts(caller: impl Fn(&mut Call)) -> (ServiceEnd, Vec<TraceEvent>) {
    counts_at(MORNING, caller)
}

fn counts_at(wall: u64, caller: impl Fn(&mut Call)) -> (ServiceEnd, Vec<TraceEvent>) {
    let bundle = hotline();
    let mut call = Call::new(&bundle, "test");
    call.mock("bill_by_account", Reply::After(100, found(&[("balance", Type::Money, "12.30")])));
    call.begin_at("13800138000", None, wall);
    caller(&mut call);
    let mut ends = call.traces.iter().filter_map(|event| match event {
        TraceEvent::Counted { end, .. } => Some(*end),
        _ => None,
    });
    let end = ends.next().expect("every call counts");
    assert_eq!(ends.next(), None, "and once");
    (end, call.traces.clone())
}

fn hangs_up(call: &mut Call) {
    call.tell(Event::CallerHungUp);
}

fn agent_answers(call: &mut Call) {
    call.queue_says(QueueEvent::Answered).waits(20_000);
    hangs_up(call);
}

fn resolved(traces: &[TraceEvent]) -> bool {
    traces.iter().any(|event| matches!(event, TraceEvent::Resolved { .. }))
}

/// To the moment at which the balance begins to be said.
fn asks_for_balance(call: &mut Call) {
    call.waits(1_500).presses("1").waits(500).presses("1234").waits(200);
}

#[test]
fn who_leaves_in_ten_seconds_or_inside_the_welcome_has_not_used_the_hotline() {
    assert_eq!(counts(|call| hangs_up(call.waits(9_000))).0, ServiceEnd::Short);
    let slow = FLOW.replace("- say: welcome", "- pause: 20s\n    - say: welcome");
    let bundle = bundle(&project(&slow, &WORDS));
    let mut call = Call::start(&bundle, "test");
    hangs_up(call.waits(20_500));
    assert!(call.traces.iter().any(|event| matches!(event, TraceEvent::Counted { end: ServiceEnd::Short, .. })));
}

#[test]
fn an_answer_counts_when_its_last_value_was_heard_and_not_before() {
    // A second of words, the amount in 1.0 s, a second of words; it began 100 ms before the wait.
    let cut = |after: u64| {
        counts(move |call| {
            call.waits(9_000);
            asks_for_balance(call);
            hangs_up(call.waits(after));
        })
    };
    let (end, traces) = cut(1_700);
    assert_eq!((end, resolved(&traces)), (ServiceEnd::LeftAtInput, false));
    let left = traces.iter().find_map(|event| match event {
        TraceEvent::Left { section, verb, during, .. } => Some((section.clone(), *verb, *during)),
        _ => None,
    });
    assert_eq!(left, Some(("bill".into(), "say", During::Prompt)));
    let (end, traces) = cut(2_100);
    assert_eq!((end, resolved(&traces)), (ServiceEnd::Resolved, true));
}

#[test]
fn an_answer_that_a_key_cut_off_was_not_heard() {
    let (end, traces) = counts(|call| {
        asks_for_balance(call);
        call.waits(300).presses("7").waits(30_000);
    });
    assert!(!resolved(&traces));
    assert_eq!(end, ServiceEnd::Forced, "and what followed was no answer");
}

#[test]
fn whoever_stays_silent_after_an_answer_stays_served() {
    let (end, _) = counts(|call| {
        asks_for_balance(call);
        call.waits(30_000);
    });
    assert_eq!(end, ServiceEnd::Resolved);
}

#[test]
fn a_later_wish_for_a_human_takes_the_success_back() {
    let (end, traces) = counts(|call| {
        asks_for_balance(call);
        call.waits(8_000).presses("0").waits(500);
        agent_answers(call);
    });
    assert!(resolved(&traces), "it had been");
    assert_eq!(end, ServiceEnd::OptedOut);
    let (end, _) = counts(|call| {
        asks_for_balance(call);
        hangs_up(call.waits(8_000).presses("0").waits(10_000));
    });
    assert_eq!(end, ServiceEnd::LeftWaiting);
}

#[test]
fn a_caller_who_leaves_at_a_question_left_there_and_after_a_mistake_after_an_error() {
    let (end, traces) = counts(|call| {
        call.waits(1_500).presses("1").waits(14_000);
        hangs_up(call);
    });
    assert_eq!(end, ServiceEnd::LeftAfterError, "the question had been said twice");
    assert!(traces.iter().any(|event| matches!(event, TraceEvent::Left { asked, .. } if asked.silent == 1)));
    let (end, _) = counts(|call| {
        call.waits(3_500).presses("1").waits(500).presses("12").waits(2_000).presses("3").waits(2_600).presses("4");
        hangs_up(call.waits(700));
    });
    assert_eq!(end, ServiceEnd::LeftAtInput);
}

#[test]
fn humans_are_reached_by_plan_by_wish_or_because_the_machine_gave_up() {
    let by = |keys: &'static str| counts(move |call| agent_answers(call.waits(1_500).presses(keys).waits(500))).0;
    assert_eq!(by("2"), ServiceEnd::Routed);
    assert_eq!(by("0"), ServiceEnd::OptedOut);
    assert_eq!(by("6"), ServiceEnd::Emergency);
    assert_eq!(counts(|call| agent_answers(call.waits(30_000))).0, ServiceEnd::Forced);
}

#[test]
fn a_queue_without_an_answer_or_a_closed_desk_flows_over_to_the_others() {
    let (end, _) = counts(|call| {
        call.waits(1_500).presses("2").waits(500).queue_says(QueueEvent::Ended(QueueEnd::Timeout)).waits(500);
        call.target_says(TransferResult::Answered).waits(20_000);
        hangs_up(call);
    });
    assert_eq!(end, ServiceEnd::Overflow);
    let (end, traces) = counts_at(MORNING + 13 * 3_600_000, |call| {
        call.waits(1_500).presses("0").waits(500).target_says(TransferResult::Answered).waits(20_000);
        hangs_up(call);
    });
    assert_eq!(end, ServiceEnd::Overflow);
    assert!(traces.iter().any(|event| matches!(event, TraceEvent::Counted { closed: true, .. })));
}

#[test]
fn what_is_filed_spoken_or_promised_counts_as_that() {
    let by = |keys: &'static str| counts(move |call| hangs_up(call.waits(1_500).presses(keys).waits(12_000))).0;
    assert_eq!(by("3"), ServiceEnd::Resolved, "filed, whether or not the thanks were heard");
    assert_eq!(counts(|call| hangs_up(call.waits(1_500).presses("3").waits(100))).0, ServiceEnd::Resolved);
    assert_eq!(by("4"), ServiceEnd::Callback);
    assert_eq!(by("5"), ServiceEnd::Message, "a message is kept when its caller hangs up");
    assert_eq!(by("7"), ServiceEnd::Dismissed);
}

#[test]
fn the_account_is_told_by_a_token_and_never_as_such() {
    let (_, traces) = counts(|call| {
        asks_for_balance(call);
        hangs_up(call);
    });
    let token = traces.iter().find_map(|event| match event {
        TraceEvent::Counted { account, .. } => account.clone(),
        _ => None,
    });
    let token = token.expect("an account was given");
    assert!(token.expose().len() == 16 && !token.expose().contains("1234"));
}

#[test]
fn of_a_secret_account_not_even_a_token_is_told() {
    let flow = "ivr: 1\ntitle: A card\ntimezone: Asia/Shanghai\nlanguages: [zh]\nvars:\n  account: {type: digits, secret: true}\n\
                sections:\n  start:\n    - collect: {say: ask_account, save: account, digits: 4, give_up: bye}\n    \
                - pause: 9s\n    - goto: bye\n  bye:\n    - hangup: goodbye\n";
    let bundle = bundle(&project(flow, &[]));
    let mut call = Call::start(&bundle, "test");
    call.waits(500).presses("1234").waits(2_000);
    hangs_up(&mut call);
    let told = call.traces.iter().find_map(|event| match event {
        TraceEvent::Counted { account, .. } => Some(account.clone()),
        _ => None,
    });
    assert_eq!(told, Some(None));
}
