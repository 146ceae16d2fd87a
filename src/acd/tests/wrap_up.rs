//! What agents do after a call.

use super::*;
use AgentStateName::{LoggedOut, NotReady, Ready, WrapUp};

/// A queue with codes and 10 s of wrap-up, which 1001 serves.
fn with_codes(required: bool) -> AcdConfig {
    let codes = [("1", "billing"), ("11", "refund"), ("2", "fault")];
    let codes = codes.map(|(code, name)| (code.to_string(), name.to_string())).into();
    let queue = QueueConfig { dispositions: Dispositions { required, codes }, ..queue("service") };
    config(vec![queue], &[("1001", &["service"])])
}

/// 1001 has had a call, whose wrap-up begins now.
fn after_a_call(required: bool) -> Centre {
    let mut centre = Centre::new(with_codes(required));
    centre.login("1001");
    let caller = centre.caller();
    assert!(centre.answer(caller, "1001"));
    centre.wait(30);
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre
}

/// The kept wrap-up that was told last.
fn kept(centre: &mut Centre) -> WrappingUp {
    let kept = std::iter::from_fn(|| centre.acd.poll()).filter_map(|output| match output {
        AcdOutput::WrapUp { wrap_up, .. } => wrap_up,
        _ => None,
    });
    kept.last().unwrap()
}

fn does(centre: &mut Centre, wish: AfterCall) -> Result<Option<String>, AfterCallRefused> {
    centre.acd.after_call(centre.now, &agent("1001"), &wish)
}

#[test]
fn a_wrap_up_is_made_longer_or_ended_by_the_agent() {
    let mut centre = after_a_call(false);
    centre.wait(4);
    does(&mut centre, AfterCall::Extend(seconds(60))).unwrap();
    centre.wait(65);
    assert_eq!(centre.state("1001").0, WrapUp);
    let too_long = AfterCall::Extend(LONGEST_WRAP_UP);
    assert_eq!(does(&mut centre, too_long), Err(AfterCallRefused::TooLong));
    centre.wait(1);
    assert_eq!(centre.state("1001").0, Ready);

    let mut centre = after_a_call(false);
    does(&mut centre, AfterCall::End).unwrap();
    assert_eq!(centre.state("1001").0, Ready);
    assert_eq!(does(&mut centre, AfterCall::End), Err(AfterCallRefused::NoWrapUp));
}

#[test]
fn who_owes_a_code_is_not_ready_before_giving_it() {
    let mut centre = after_a_call(true);
    assert_eq!(does(&mut centre, AfterCall::End), Err(AfterCallRefused::Owes));
    assert_eq!(centre.state("1001"), (WrapUp, Some("disposition".into())));
    centre.wait(3600);
    assert_eq!(centre.state("1001"), (NotReady, Some("disposition".into())));
    assert_eq!(does(&mut centre, AfterCall::End), Err(AfterCallRefused::Owes));
    centre.acd.set_ready(centre.now, &agent("1001")).unwrap();
    assert_eq!(centre.state("1001").0, NotReady);
    assert!(matches!(does(&mut centre, AfterCall::Dispose("1".into())), Err(AfterCallRefused::Code(_))));
    assert_eq!(does(&mut centre, AfterCall::Dispose("11".into())), Ok(Some("billing/refund".into())));
    assert_eq!(centre.state("1001").0, Ready);
    assert_eq!(does(&mut centre, AfterCall::Dispose("2".into())), Err(AfterCallRefused::NoCall));
}

#[test]
fn a_code_given_in_time_leaves_the_rest_of_the_wrap_up() {
    let mut centre = after_a_call(true);
    does(&mut centre, AfterCall::Dispose("2".into())).unwrap();
    assert_eq!(centre.state("1001"), (WrapUp, None), "nothing is owed any more");
    centre.wait(9);
    assert_eq!(centre.state("1001").0, WrapUp);
    centre.wait(1);
    assert_eq!(centre.state("1001").0, Ready);
}

#[test]
fn a_wrap_up_goes_on_for_the_rest_of_its_time_after_a_restart() {
    let mut before = after_a_call(false);
    before.wait(4);
    let kept = kept(&mut before);
    let mut centre = Centre::service(&["1001"]);
    let left = WrappingUp { until: centre.now + kept.until.saturating_duration_since(before.now), ..kept };
    centre.acd.restore_wrap_up(centre.now, &agent("1001"), left).unwrap();
    let caller = centre.caller();
    centre.wait(5);
    assert_eq!((centre.state("1001").0, centre.told()), (WrapUp, vec![]));
    centre.wait(1);
    assert_eq!(centre.told(), [format!("1001 rings for {caller}")]);
}

#[test]
fn a_wrap_up_cannot_be_extended_beyond_an_hour_in_all() {
    let mut centre = after_a_call(false);
    does(&mut centre, AfterCall::Extend(seconds(3_000))).unwrap();
    centre.wait(1_800);
    assert_eq!(does(&mut centre, AfterCall::Extend(seconds(600))), Err(AfterCallRefused::TooLong));
    does(&mut centre, AfterCall::Extend(seconds(590))).unwrap();
    centre.wait(1_800);
    assert_eq!(centre.state("1001").0, Ready);
}

#[test]
fn an_agent_who_owes_a_code_is_free_when_a_reload_takes_the_codes_away() {
    let without_codes = || config(vec![queue("service")], &[("1001", &["service"])]);
    let without_queue = || config(vec![queue("other")], &[("1001", &["other"])]);
    for reloaded in [without_codes(), without_queue()] {
        let mut centre = after_a_call(true);
        centre.wait(60);
        centre.acd.reconfigure(centre.now, reloaded.clone());
        assert_eq!(centre.state("1001").0, Ready);

        let mut centre = after_a_call(true);
        centre.acd.reconfigure(centre.now, reloaded);
        assert_eq!(centre.state("1001"), (WrapUp, None));
        centre.wait(10);
        assert_eq!(centre.state("1001").0, Ready);
    }
    // The codes are gone while it talks, and after a restart.
    let mut centre = Centre::new(with_codes(true));
    centre.login("1001");
    let caller = centre.caller();
    assert!(centre.answer(caller, "1001"));
    centre.acd.reconfigure(centre.now, without_codes());
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre.wait(10);
    assert_eq!(centre.state("1001").0, Ready);
    let left = WrappingUp { queue: QueueId::new("service"), until: centre.now, owes: true };
    centre.acd.restore_wrap_up(centre.now, &agent("1001"), left).unwrap();
    assert_eq!(centre.state("1001").0, Ready);
}

#[test]
fn a_caller_does_not_wait_for_an_agent_who_went_home_without_giving_a_code() {
    let gone: [fn(&mut Centre); 2] = [
        |centre| centre.acd.set_not_ready(centre.now, &agent("1001"), LOGGED_OUT).unwrap(),
        |centre| centre.acd.agent_reachable(centre.now, &agent("1001"), false),
    ];
    for goes in gone {
        let mut centre = after_a_call(true);
        let choosy = Enqueue { leave_when_empty: true, ..Centre::wish("service") };
        let caller = centre.join(choosy.clone());
        goes(&mut centre);
        centre.told();
        assert_eq!(centre.state("1001").0, WrapUp, "as long as that lasts");
        centre.wait(10);
        assert_eq!((centre.state("1001").0, centre.told()), (LoggedOut, vec![format!("{caller} NoAgents after 10")]));
        let next = centre.join(choosy);
        assert_eq!(centre.told(), [format!("{next} NoAgents after 0")]);
        // It owes the code all the same.
        centre.login("1001");
        centre.acd.set_ready(centre.now, &agent("1001")).unwrap();
        assert_eq!(centre.state("1001"), (NotReady, Some("disposition".into())));
        does(&mut centre, AfterCall::Dispose("2".into())).unwrap();
        assert_eq!(centre.state("1001").0, Ready);
    }
}

#[test]
fn an_agent_who_is_none_any_more_owes_nothing_and_is_gone() {
    let mut centre = after_a_call(true);
    centre.wait(60);
    centre.acd.reconfigure(centre.now, config(vec![queue("service")], &[]));
    assert!(!centre.acd.is_agent(&agent("1001")));
}

fn handling(centre: &Centre) -> u64 {
    centre.acd.queues(centre.now)[0].handling_ms
}

#[test]
fn a_code_given_the_next_morning_changes_no_wait_that_is_told() {
    let mut centre = after_a_call(true);
    centre.wait(10);
    let evening = handling(&centre);
    assert!(evening < 180_000, "the call of 40 s counts: {evening}");
    centre.wait(14 * 3_600);
    does(&mut centre, AfterCall::Dispose("2".into())).unwrap();
    assert_eq!(handling(&centre), evening);
}

#[test]
fn wrap_ups_that_a_restart_brought_back_shorten_no_wait_that_is_told() {
    let mut centre = Centre::service(&["1001"]);
    let before = handling(&centre);
    let left = |until| WrappingUp { queue: QueueId::new("service"), until, owes: false };
    centre.acd.restore_wrap_up(centre.now, &agent("1001"), left(centre.now + seconds(5))).unwrap();
    centre.wait(5);
    centre.acd.restore_wrap_up(centre.now, &agent("1001"), left(centre.now)).unwrap();
    assert_eq!((centre.state("1001").0, handling(&centre)), (Ready, before));
}
