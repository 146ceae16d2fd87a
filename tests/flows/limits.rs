//! Limits lead to a human and are told; only the second one ends a call.

use super::world::*;
use hotline::events::Cause;
use hotline::ivr::*;

const PROMPTS: [(&str, &str); 3] = [("q", "请选择"), ("ad", "广告"), ("lost", "放弃")];

fn flow(sections: &str) -> Bundle {
    let head = "ivr: 1\nlanguages: [zh]\ndefaults: {input: {give_up: way_out}}\nsections:\n";
    bundle(&project(&format!("{head}{sections}"), &PROMPTS))
}

fn limits(call: &Call) -> Vec<&'static str> {
    call.traces.iter().filter_map(|t| if let TraceEvent::Limit { which } = t { Some(*which) } else { None }).collect()
}

const WAY_OUT: &str = "  way_out:\n    - queue: {to: service, not_answered: bye}\n  bye:\n    - hangup: lost\n";

#[test]
fn a_loop_that_only_an_impatient_caller_can_enter_ends_at_an_agent() {
    // Each round says something, so the checker sees time pass; but a waiting key skips what is said.
    let start = "  start:\n    - say: ad\n    - choose: [{if: caller.mobile, goto: start}, {else: way_out}]\n";
    let bundle = flow(&format!("{start}{WAY_OUT}"));
    let mut call = Call::start(&bundle, "test");
    call.waits(10 * CLIP_MS);
    assert_eq!(limits(&call), [] as [&str; 0]);
    let actions = call.log.len();
    call.presses("1");
    assert_eq!(limits(&call), ["loop"]);
    assert_eq!(call.in_queue(), Some("service"));
    assert!(call.log.len() - actions < 5 * MAX_STEPS_IDLE as usize);
}

#[test]
fn a_queue_that_gives_up_at_once_again_and_again_does_not_spin() {
    let start = "  start:\n    - queue: {to: service, timeout: again, full: bye, closed: bye, no_agents: bye}\n  again:\n    - \
                 goto: start\n  way_out:\n    - goto: bye\n  bye:\n    - hangup: lost\n";
    let bundle = flow(start);
    let mut call = Call::new(&bundle, "test");
    call.refuses_at_once = Some(QueueEnd::Timeout);
    call.begin("13800138000", None);
    assert_eq!(limits(&call), ["loop"]);
    call.hears("lost");
    assert_eq!(call.music, None);
}

#[test]
fn a_call_of_too_many_steps_ends_at_an_agent() {
    let start = "  start:\n    - pause: 100ms\n    - choose: [{if: caller.mobile, goto: start}, {else: way_out}]\n";
    let bundle = flow(&format!("{start}{WAY_OUT}"));
    let mut call = Call::start(&bundle, "test");
    call.waits(110_000);
    assert_eq!(limits(&call), ["steps"]);
    assert_eq!(call.in_queue(), Some("service"));
}

#[test]
fn a_caller_who_stays_with_the_machine_for_a_quarter_of_an_hour_is_given_an_agent() {
    let start = "  start:\n    - menu: {say: q, keys: {1: start, 2: way_out}, wait: 30s, give_up: start}\n";
    let bundle = flow(&format!("{start}{WAY_OUT}"));
    let mut call = Call::start(&bundle, "test");
    call.waits(MAX_IVR_MS - 1);
    assert_eq!(limits(&call), [] as [&str; 0]);
    call.waits(1);
    assert_eq!(limits(&call), ["time"]);
    assert_eq!(call.in_queue(), Some("service"));
    assert!(call.timers_left() > 0, "the queue's own end is still timed");
}

#[test]
fn waiting_and_talking_do_not_count_as_time_with_the_machine() {
    let start = "  start:\n    - queue: {to: service, max_wait: 3h, not_answered: ask, after_call: ask}\n  ask:\n    - menu: {say: q, keys: {2: \
                 way_out}, wait: 60s, tries: 9}\n";
    let bundle = flow(&format!("{start}{WAY_OUT}"));
    let mut call = Call::start(&bundle, "test");
    call.waits(2 * 3_600_000).queue_says(QueueEvent::Answered).waits(3_600_000);
    call.tell(Event::AgentGone);
    call.waits(60_000);
    assert_eq!(limits(&call), [] as [&str; 0]);
    assert_eq!(call.ended, None);
}

#[test]
fn the_second_limit_says_goodbye_to_a_call_that_will_not_end() {
    let start = "  start:\n    - menu: {say: q, keys: {1: start, 2: bye}, wait: 30s, give_up: start}\n  way_out:\n    - menu: {say: q, keys: {1: \
                 way_out, 2: bye}, wait: 30s, give_up: start}\n  bye:\n    - hangup: lost\n";
    let bundle = flow(start);
    let mut call = Call::start(&bundle, "test");
    call.waits(MAX_IVR_MS + 1_000);
    assert_eq!(call.ended, None);
    call.waits(MAX_IVR_MS);
    assert_eq!(limits(&call), ["time", "time"]);
    assert_eq!(call.ended, Some(Cause::Limit));
    assert_eq!(call.timers_left(), 0);
}

#[test]
fn the_twenty_first_lookup_of_a_call_fails_without_being_asked() {
    let start = "  start:\n    - pause: 1s\n    - lookup: {name: account_by_phone, send: {phone: caller.number}, not_found: start, failed: way_out}\n    - \
                 goto: start\n";
    let bundle = flow(&format!("{start}{WAY_OUT}"));
    let mut call = Call::start(&bundle, "test");
    for _ in 0..MAX_LOOKUPS {
        call.mock("account_by_phone", Reply::After(0, LookupResult::NotFound));
    }
    call.waits(60_000);
    assert_eq!(call.fetched.len(), MAX_LOOKUPS as usize);
    assert_eq!(limits(&call), ["lookups"]);
    assert_eq!(call.in_queue(), Some("service"));
}

#[test]
fn arithmetic_that_goes_wrong_ends_at_an_agent_and_not_in_silence() {
    let text = format!(
        "ivr: 1\nlanguages: [zh]\nvars: {{n: {{type: int}}}}\ndefaults: {{input: {{give_up: way_out}}}}\nsections:\n  start:\n    - set: {{n: 1}}\n    - \
         choose: [{{if: 10 / (n - 1) > 3, goto: bye}}]\n    - hangup: lost\n{WAY_OUT}"
    );
    let bundle = bundle(&project(&text, &PROMPTS));
    let mut call = Call::start(&bundle, "test");
    assert_eq!(call.in_queue(), Some("service"));
    assert!(call.outcomes().contains(&"start.choose fault".to_string()));
    assert_eq!(limits(&call), ["fault"]);
    call.queue_says(QueueEvent::Ended(QueueEnd::Closed)).hears("lost");
}
