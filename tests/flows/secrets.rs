//! What must not be seen: secrets anywhere, private values in the record, keys that may be either.

use super::world::*;
use hotline::ivr::*;

fn at_the_secret_question(bundle: &Bundle) -> Call<'_> {
    let mut call = Call::start(bundle, "power");
    call.mock("account_by_phone", Reply::After(0, found(&[("account", Type::Digits, "3101234569")])));
    call.mock("verify_owner", Reply::Never);
    call.hears("welcome").presses("14").forget_heard().presses("1").hears("ask_id_last6");
    call
}

fn everything_written(call: &Call) -> String {
    let state = serde_json::to_string(&call.state).unwrap();
    format!("{state} {:?} {:?} {:?}", call.state, call.log, call.traces)
}

#[test]
fn the_digits_of_a_secret_are_sent_to_the_lookup_and_seen_nowhere_else() {
    let bundle = bundle(&sample());
    let mut call = at_the_secret_question(&bundle);
    call.presses("73519");
    assert!(!everything_written(&call).contains("7351"), "while it is typed");
    call.presses("8").waits(100);
    let (lookup, args) = call.fetched.last().unwrap();
    assert_eq!((lookup.as_str(), args[1].1.plain().as_str()), ("verify_owner", "735198"));
    assert_eq!(call.recorded_keys(), "141......");
    let collected = TraceEvent::Collected { name: "id_last6".into(), shown: "******".into() };
    assert!(call.traces.contains(&collected));
    assert!(!format!("{:?}", call.state).contains("id_last6"), "it is not kept once it is sent");
    let written = everything_written(&call);
    assert!(!written.contains("735198") && !written.contains("'7'"), "{written}");
}

#[test]
fn a_secret_typed_before_it_is_asked_is_masked_and_not_used() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.mock("account_by_phone", Reply::After(2_500, found(&[("account", Type::Digits, "3101234569")])));
    call.hears("welcome").presses("141735198").forget_heard().waits(2_000).hears("ask_id_last6");
    assert_eq!(call.recorded_keys(), "141......");
    assert!(!everything_written(&call).contains("735198"));
    assert_eq!(call.fetched.len(), 1, "the owner is not checked with digits that nobody asked for");
}

#[test]
fn a_private_number_shows_its_last_two_digits_in_the_record() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.mock("account_by_phone", Reply::After(0, LookupResult::NotFound));
    call.mock("bill_by_account", Reply::Never);
    call.hears("welcome").presses("13").hears("ask_account").presses("3101234569");
    let collected = TraceEvent::Collected { name: "account".into(), shown: "********69".into() };
    assert!(call.traces.contains(&collected));
    assert_eq!(call.recorded_keys(), "13..........");
    assert!(!format!("{:?} {:?}", call.log, call.state).contains("31012345"));
}

#[test]
fn a_snapshot_comes_back_as_it_was_and_small() {
    let bundle = bundle(&sample());
    let mut call = Call::start(&bundle, "power");
    call.mock("account_by_phone", Reply::After(0, found(&[("account", Type::Digits, "3101234569")])));
    let mut sizes = Vec::new();
    let mut snap = |call: &Call| {
        let text = serde_json::to_string(&call.state).unwrap();
        let back: CallState = serde_json::from_str(&text).unwrap();
        assert_eq!(back, call.state);
        sizes.push(text.len());
    };
    snap(&call);
    call.hears("welcome").presses("13");
    snap(&call);
    call.mock("bill_by_account", Reply::Never).presses("1").waits(1_200);
    snap(&call);
    call.waits(6_000);
    snap(&call);
    assert_eq!(call.in_queue(), Some("service"));
    call.queue_says(QueueEvent::Answered);
    snap(&call);
    assert!(sizes.iter().all(|size| *size < 4_096), "{sizes:?}");
}
