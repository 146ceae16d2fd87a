//! What agents do after a call.

use super::*;
use AgentStateName::{Ready, WrapUp};

/// 1001 has had a call of a queue with codes and 10 s of wrap-up, which begins now.
fn after_a_call(required: bool) -> Centre {
    let codes = [("1", "billing"), ("11", "refund"), ("2", "fault")];
    let codes = codes.map(|(code, name)| (code.to_string(), name.to_string())).into();
    let queue = QueueConfig { dispositions: Dispositions { required, codes }, ..queue("service") };
    let mut centre = Centre::new(config(vec![queue], &[("1001", &["service"])]));
    centre.login("1001");
    let caller = centre.caller();
    assert!(centre.answer(caller, "1001"));
    centre.wait(30);
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre
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
    centre.wait(3600);
    assert_eq!(centre.state("1001"), (WrapUp, Some("disposition".into())));
    assert!(matches!(does(&mut centre, AfterCall::Dispose("1".into())), Err(AfterCallRefused::Code(_))));
    assert_eq!(does(&mut centre, AfterCall::Dispose("11".into())), Ok(Some("billing/refund".into())));
    assert_eq!(centre.state("1001").0, Ready);
    assert_eq!(does(&mut centre, AfterCall::Dispose("2".into())), Err(AfterCallRefused::NoCall));
}

#[test]
fn a_code_given_in_time_leaves_the_rest_of_the_wrap_up() {
    let mut centre = after_a_call(true);
    does(&mut centre, AfterCall::Dispose("2".into())).unwrap();
    centre.wait(9);
    assert_eq!(centre.state("1001").0, WrapUp);
    centre.wait(1);
    assert_eq!(centre.state("1001").0, Ready);
}

#[test]
fn a_wrap_up_goes_on_for_the_rest_of_its_time_after_a_restart() {
    let mut before = after_a_call(false);
    before.wait(4);
    let kept = std::iter::from_fn(|| before.acd.poll()).filter_map(|output| match output {
        AcdOutput::WrapUp { wrap_up, .. } => wrap_up,
        _ => None,
    });
    let kept = kept.last().unwrap();
    let mut centre = Centre::service(&["1001"]);
    let left = WrappingUp { until: centre.now + kept.until.saturating_duration_since(before.now), ..kept };
    centre.acd.restore_wrap_up(centre.now, &agent("1001"), left).unwrap();
    let caller = centre.caller();
    centre.wait(5);
    assert_eq!((centre.state("1001").0, centre.told()), (WrapUp, vec![]));
    centre.wait(1);
    assert_eq!(centre.told(), [format!("1001 rings for {caller}")]);
}
