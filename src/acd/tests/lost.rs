//! A phone that is gone in the middle of a call.

use super::*;

/// 1001 has talked to a caller, who joined at once, for 30 s; then its phone is gone. 1002 is at work, too.
fn cut_off() -> (Centre, Instant) {
    let mut centre = Centre::service(&["1001", "1002"]);
    let (joined, caller) = (centre.now, centre.caller());
    assert!(centre.answer(caller, "1001"));
    centre.wait(30);
    centre.told();
    assert_eq!(centre.acd.waiting_since(&agent("1001")), Some(joined));
    centre.acd.agent_lost(centre.now, &agent("1001"));
    (centre, joined)
}

fn again(since: Instant) -> Enqueue {
    let lost = Some(Lost { since, agent: Some(agent("1001")) });
    Enqueue { returning: true, lost, ..Centre::wish("service") }
}

#[test]
fn the_caller_of_a_lost_agent_waits_for_that_agent_though_another_is_idle() {
    let (mut centre, joined) = cut_off();
    assert_eq!(centre.state("1001"), (AgentStateName::NotReady, Some("lost".into())));
    let caller = centre.join(again(joined));
    centre.wait(19);
    assert_eq!(centre.told(), [] as [&str; 0]);
    centre.acd.agent_back(centre.now, &agent("1001"));
    assert_eq!(centre.told(), [format!("1001 rings for {caller}")]);
}

#[test]
fn a_lost_agent_who_stays_away_leaves_the_caller_to_the_others_in_time() {
    let (mut centre, joined) = cut_off();
    let caller = centre.join(again(joined));
    centre.wait(20);
    assert_eq!(centre.told(), [format!("1002 rings for {caller}")]);
    let next = centre.caller();
    centre.wait(3600);
    assert!(centre.told().iter().all(|told| !told.starts_with("1001")), "nothing is offered to a phone that is gone");
    assert_eq!(centre.state("1001").0, AgentStateName::NotReady);
    centre.acd.set_ready(centre.now, &agent("1001")).unwrap();
    let last = centre.caller();
    assert!(centre.told().contains(&format!("1001 rings for {last}")), "{next} has waited too long");
}

#[test]
fn who_comes_back_stands_before_all_who_came_since_and_is_let_into_a_full_queue() {
    let (mut centre, joined) = cut_off();
    centre.acd.set_not_ready(centre.now, &agent("1002"), "lunch").unwrap();
    let urgent = centre.join(Enqueue { priority: MAX_PRIORITY, ..Centre::wish("service") });
    let caller = centre.join(again(joined));
    let line = centre.acd.tickets(centre.now, &QueueId::new("service")).unwrap();
    assert_eq!([line[0].ticket, line[1].ticket], [caller, urgent]);
}

#[test]
fn nobody_waits_for_a_lost_agent_who_goes_away_or_where_the_queue_says_so() {
    let (mut centre, joined) = cut_off();
    let caller = centre.join(again(joined));
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    assert_eq!(centre.told(), [format!("1002 rings for {caller}")]);

    let (mut centre, joined) = cut_off();
    let mut at_once = config(vec![queue("service")], &[("1001", &["service"]), ("1002", &["service"])]);
    at_once.queues[0].matching.wait_for_lost = Duration::ZERO;
    centre.acd.reconfigure(centre.now, at_once);
    let caller = centre.join(again(joined));
    assert_eq!(centre.told(), [format!("1002 rings for {caller}")]);
}

#[test]
fn a_pause_that_was_wished_for_during_the_call_outlasts_the_loss_of_the_phone() {
    let mut centre = Centre::service(&["1001"]);
    let caller = centre.caller();
    assert!(centre.answer(caller, "1001"));
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    centre.acd.agent_lost(centre.now, &agent("1001"));
    centre.acd.agent_back(centre.now, &agent("1001"));
    assert_eq!(centre.state("1001"), (AgentStateName::NotReady, Some("lunch".into())));
}

#[test]
fn nobody_waits_for_a_lost_agent_whom_a_reload_takes_away() {
    let (mut centre, joined) = cut_off();
    let caller = centre.join(again(joined));
    centre.acd.reconfigure(centre.now, config(vec![queue("service")], &[("1002", &["service"])]));
    assert_eq!(centre.told(), [format!("1002 rings for {caller}")]);
}

#[test]
fn the_only_agents_browser_reloads_and_the_caller_is_given_back_to_it() {
    let mut centre = Centre::service(&["1001"]);
    let choosy = |lost| Enqueue { leave_when_empty: true, returning: true, lost, ..Centre::wish("service") };
    let cut = |centre: &mut Centre| {
        let (joined, caller) = (centre.now, centre.join(choosy(None)));
        assert!(centre.answer(caller, "1001"));
        centre.wait(30);
        centre.acd.agent_reachable(centre.now, &agent("1001"), false);
        centre.acd.agent_lost(centre.now, &agent("1001"));
        centre.told();
        centre.join(choosy(Some(Lost { since: joined, agent: Some(agent("1001")) })))
    };
    let caller = cut(&mut centre);
    assert_eq!(centre.state("1001").0, AgentStateName::LoggedOut, "its phone is gone");
    let impatient = centre.join(choosy(None));
    centre.wait(19);
    assert_eq!(centre.told(), [format!("{impatient} NoAgents after 0")], "the other waits for nobody");
    centre.login("1001");
    centre.acd.agent_back(centre.now, &agent("1001"));
    assert_eq!(centre.told(), [format!("1001 rings for {caller}")]);
    assert!(centre.answer(caller, "1001"));
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre.wait(10);
    centre.told();
    // It stays away: nobody else is there.
    let caller = cut(&mut centre);
    centre.wait(20);
    assert_eq!(centre.told(), [format!("{caller} NoAgents after 20")]);
}
