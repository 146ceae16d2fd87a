//! Calls that were, taken again through flows that were edited since.

use crate::world::*;
use hotline::events::Asked;
use hotline::ivr::trial::{Footstep, retrace};
use hotline::ivr::*;

/// The way of a caller who asks for the bill and hears it.
fn bill_call(bundle: &Bundle) -> Vec<Footstep> {
    let mut call = Call::start(bundle, "power");
    call.mock("account_by_phone", Reply::After(100, found(&[("account", Type::Digits, "4409876543")])));
    call.mock("bill_by_account", Reply::After(100, found(&[("balance", Type::Money, "12.30")])));
    call.waits(2_500).presses("1").waits(1_000).presses("5").waits(2_500).presses("3").waits(2_000).presses("1");
    call.waits(6_000);
    call.tell(Event::CallerHungUp);
    way(&call)
}

fn way(call: &Call) -> Vec<Footstep> {
    let steps = call.traces.iter().filter_map(|event| match event.clone() {
        TraceEvent::Step { section, verb, .. } => {
            Some(Footstep { section, verb: verb.into(), outcome: None, asked: Asked::default() })
        }
        TraceEvent::Outcome { section, verb, outcome, asked, .. } => {
            Some(Footstep { section, verb: verb.into(), outcome: Some(outcome), asked })
        }
        _ => None,
    });
    steps.collect()
}

#[test]
fn a_call_goes_the_same_way_through_the_flow_that_it_took_and_becomes_a_test() {
    let bundle = bundle(&sample());
    let way = bill_call(&bundle);
    assert!(way.iter().any(|step| step.outcome.as_deref() == Some("3") && step.asked.wrong == 1), "{way:?}");
    let again = retrace(&bundle, "power", &way).expect("the flow");
    assert_eq!((again.same, again.then.as_deref()), (way.len(), None), "{:?}", again.now);
    assert!(again.script.contains("flow: power") && again.script.contains("presses: \"3\""), "{}", again.script);
    assert!(!again.script.contains("4409876543"), "entries of callers are not in it: {}", again.script);
}

#[test]
fn the_first_step_that_differs_is_told_with_what_is_done_now() {
    let way = bill_call(&bundle(&sample()));
    let edited =
        bundle(&sample_with("keys: {1: emergency, 2: outage, 3: bill,", "keys: {1: emergency, 2: bill, 3: outage,"));
    let again = retrace(&edited, "power", &way).expect("the flow");
    assert!(again.same > 0 && again.same < way.len(), "{again:?}");
    assert!(again.then.as_deref().is_some_and(|then| then.contains("`bill`")), "{again:?}");
    assert!(again.now.iter().any(|now| now.contains("`outage`")), "{again:?}");
}

#[test]
fn a_flow_that_is_gone_takes_no_call() {
    assert!(retrace(&bundle(&sample()), "gone", &[]).is_none());
}
