//! Agents of one project who help another.

use super::*;

/// Two of each project, and a plan that lends to `power` after 30 s until its longest wait is below 10 s.
fn centre(cap: u32, leave: u32) -> Centre {
    let of = |name: &str, project: &str| QueueConfig { project: Some(ProjectId::new(project)), ..queue(name) };
    let people: Vec<(&str, &[&str])> =
        vec![("1001", &["power"]), ("2001", &["gas"]), ("2002", &["gas"]), ("2003", &["gas"])];
    let plan = LendPlan {
        id: PlanId::new("surge"),
        from: ProjectId::new("gas"),
        to: ProjectId::new("power"),
        skill: None,
        tier: 1,
        when: Pressure { longest_wait: Some(seconds(30)), waiting: None },
        clear: Pressure { longest_wait: Some(seconds(10)), waiting: None },
        cap,
        leave,
    };
    let mut config = config(vec![of("power", "power"), of("gas", "gas")], &people);
    config.lend = vec![plan];
    let mut centre = Centre::new(config);
    for (id, _) in people {
        centre.login(id);
        centre.wait(1);
    }
    centre.told();
    centre
}

#[test]
fn a_project_whose_callers_wait_too_long_gets_agents_of_another_and_gives_them_back() {
    let mut centre = centre(2, 1);
    (0..4).for_each(|_| _ = centre.join(Centre::wish("power")));
    assert!(centre.answer(TicketId(1), "1001"));
    centre.told();
    centre.wait(29);
    assert_eq!(centre.told(), [] as [&str; 0]);
    centre.wait(1);
    assert_eq!(
        centre.told(),
        ["power gets help at 30 s", "2001 helps power", "2001 rings for 2", "2002 helps power", "2002 rings for 3"],
        "two at most, the longest idle first, and one stays"
    );
    assert!(centre.answer(TicketId(2), "2001") && centre.answer(TicketId(3), "2002"));
    // The own project's callers are served, too, by whoever is free.
    let gas = centre.join(Centre::wish("gas"));
    assert_eq!(centre.told().last(), Some(&format!("2003 rings for {gas}")));
    centre.acd.leave(centre.now, TicketId(4), Leave::Abandoned);
    centre.told();
    centre.wait(5);
    let told = centre.told();
    assert_eq!(told, ["power needs no help at 0 s", "2002 leaves power", "2001 leaves power"], "{told:?}");
    assert_eq!(centre.state("2001").0, AgentStateName::Talking, "the call at hand goes on");
    assert_eq!(centre.acd.agent(centre.now, &agent("2001")).unwrap().queues, [QueueId::new("gas")]);
}

#[test]
fn a_wait_between_the_thresholds_changes_nothing() {
    let mut centre = centre(1, 0);
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    ["2001", "2002", "2003"].iter().for_each(|id| centre.acd.agent_call_started(centre.now, &agent(id)));
    centre.join(Centre::wish("power"));
    centre.wait(30);
    assert_eq!(centre.told(), ["power gets help at 30 s", "2001 helps power"]);
    // The oldest caller leaves; the next has waited for 15 s: not enough to begin, too much to end.
    centre.wait(10);
    centre.join(Centre::wish("power"));
    centre.wait(15);
    centre.acd.leave(centre.now, TicketId(1), Leave::Abandoned);
    centre.told();
    centre.wait(5);
    assert_eq!(centre.told(), [] as [&str; 0]);
}

#[test]
fn a_lent_agent_is_called_back_when_too_few_are_left_at_home() {
    let mut centre = centre(2, 1);
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    (0..3).for_each(|_| _ = centre.join(Centre::wish("power")));
    centre.wait(30);
    assert!(centre.answer(TicketId(1), "2001") && centre.answer(TicketId(2), "2002"));
    centre.told();
    centre.acd.set_not_ready(centre.now, &agent("2003"), "lunch").unwrap();
    assert_eq!(centre.told(), ["2002 leaves power"]);
    let view = centre.acd.lending(centre.now).remove(0);
    assert_eq!((view.lent, view.at_home, view.active), (vec![agent("2001")], 1, true));
    centre.acd.set_ready(centre.now, &agent("2003")).unwrap();
    assert_eq!(centre.told(), ["2003 helps power", "2003 rings for 3"], "as soon as it can be");
}

#[test]
fn a_tier_set_by_hand_lends_before_anybody_waits_and_takes_back_while_many_do() {
    let mut centre = centre(1, 0);
    let power = ProjectId::new("power");
    assert!(!centre.acd.set_tier(centre.now, &ProjectId::new("gas"), Some(3)), "no plan lends to gas");
    assert!(centre.acd.set_tier(centre.now, &power, Some(1)));
    assert_eq!(centre.told(), ["power gets help at 0 s", "2001 helps power"]);
    centre.wait(60);
    assert_eq!(centre.told(), [] as [&str; 0], "it is not for the waits to end");
    assert!(centre.acd.set_tier(centre.now, &power, Some(0)));
    assert_eq!(centre.told(), ["power needs no help at 0 s", "2001 leaves power"]);
    (0..2).for_each(|_| _ = centre.join(Centre::wish("power")));
    centre.told();
    centre.wait(60);
    assert!(!centre.told().iter().any(|told| told.contains("helps")));
    assert!(centre.acd.set_tier(centre.now, &power, None));
    assert!(centre.told().contains(&"2001 helps power".to_string()), "as hard as it is pressed");
}

#[test]
fn who_is_at_home_in_two_projects_counts_among_those_whom_both_must_keep() {
    let of = |name: &str| QueueConfig { project: Some(ProjectId::new(name)), ..queue(name) };
    let people: [(&str, &[&str]); 3] = [("1001", &["gas", "water"]), ("1002", &["gas"]), ("1003", &["gas"])];
    let mut config = config(vec![of("power"), of("gas"), of("water")], &people);
    let plan = |id: &str, from: &str, leave| LendPlan {
        id: PlanId::new(id),
        from: ProjectId::new(from),
        to: ProjectId::new("power"),
        skill: None,
        tier: 1,
        when: Pressure { waiting: Some(1), longest_wait: None },
        clear: Pressure { waiting: Some(1), longest_wait: None },
        cap: 3,
        leave,
    };
    config.lend = vec![plan("gas", "gas", 0), plan("water", "water", 1)];
    let mut centre = Centre::new(config);
    people.iter().for_each(|(id, _)| centre.login(id));
    (0..3).for_each(|_| _ = centre.join(Centre::wish("power")));
    centre.wait(5);
    let lent: Vec<AgentId> = centre.acd.lending(centre.now).into_iter().flat_map(|view| view.lent).collect();
    assert_eq!(lent, [agent("1002"), agent("1003")], "without 1001 nobody would be left for water");
}
