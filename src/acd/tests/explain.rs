//! What somebody on the floor is told who asks why.

use super::*;

fn line(told: &Explained, who: &str) -> String {
    assert_eq!(told.en.len(), told.zh.len(), "the same in both languages");
    told.en.iter().find(|line| line.starts_with(who)).unwrap_or_else(|| panic!("{who}: {told:#?}")).clone()
}

/// A queue that asks for billing 60, and for 40 after half a minute; after a minute agents of another queue serve, too.
fn centre() -> Centre {
    let widen = vec![
        Widening { after: seconds(30), min_level: Some(40), agents_of: vec![] },
        Widening { after: seconds(60), min_level: None, agents_of: vec![QueueId::new("backoffice")] },
    ];
    let matching = Matching { skills: vec![("billing".into(), 60)], widen, ..Matching::default() };
    let mut config = config(
        vec![QueueConfig { matching, ..queue("service") }, queue("backoffice"), queue("other")],
        &[("1001", &["service"]), ("1002", &["service"]), ("1003", &["backoffice"]), ("1004", &["other"])],
    );
    for (agent, level) in config.agents.iter_mut().zip([80, 50, 90, 90]) {
        agent.skills = vec![AgentSkill { skill: "billing".into(), level, until: None }];
    }
    Centre::new(config)
}

#[test]
fn a_waiting_caller_is_explained_by_what_each_agent_does_or_lacks() {
    let mut centre = centre();
    let caller = centre.caller();
    let why = |centre: &Centre| centre.acd.explain_ticket(centre.now, caller).unwrap();
    assert_eq!(line(&why(&centre), "1001"), "1001 is not logged in: no phone is registered.");
    for id in ["1002", "1003", "1004"] {
        centre.login(id);
    }
    centre.wait(10);
    let told = why(&centre);
    assert_eq!(
        line(&told, "Caller"),
        "Caller 1 has waited in service for 10 s, with 0 ahead; the wait ends in 9 min 50 s."
    );
    assert_eq!(line(&told, "1002"), "1002 has billing 50 where 60 is asked for; will do after 20 s more.");
    assert_eq!(line(&told, "1003"), "1003 serves other queues; will do after 50 s more.");
    assert!(told.en.iter().all(|line| !line.starts_with("1004")), "never serves here: {told:#?}");
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    centre.login("1001");
    assert_eq!(line(&why(&centre), "1001"), "1001 is not ready: lunch.");
    centre.wait(20);
    assert_eq!(line(&why(&centre), "1002"), "1002 is being rung for this caller, for 20 s more.");
    assert_eq!(centre.acd.explain_ticket(centre.now, TicketId(99)), None);
}

#[test]
fn an_agent_is_explained_by_the_last_choice_and_by_who_waits() {
    let mut centre = centre();
    centre.login("1001");
    centre.wait(30);
    let first = centre.caller();
    assert!(centre.answer(first, "1001"));
    let second = centre.caller();
    centre.wait(5);
    let why = |centre: &Centre, id: &str| centre.acd.explain_agent(centre.now, &agent(id)).unwrap();
    let told = why(&centre, "1001");
    assert_eq!(line(&told, "1001"), "1001 talks to a caller, for 5 s.");
    let chosen = "The last caller, 1, came by the strategy longest_idle; the agent had been idle for 30 s.";
    assert_eq!(line(&told, "The last"), chosen);
    assert_eq!(line(&told, "Caller 2"), "Caller 2 in service waits for an agent like this one.");
    centre.login("1002");
    assert_eq!(line(&why(&centre, "1002"), "Caller 2"), "Caller 2 in service asks for billing 60; the agent has 50.");
    centre.acd.call_ended(centre.now, &agent("1001"));
    assert_eq!(line(&why(&centre, "1001"), "1001"), "1001 wraps up for 10 s more.");
    centre.wait(10);
    assert!(centre.answer(second, "1001"));
    let chosen = "The last caller, 2, stood first when the agent became free, after 15 s.";
    assert_eq!(line(&why(&centre, "1001"), "The last"), chosen);
    assert_eq!(line(&why(&centre, "1003"), "No caller"), "No caller waits whom this agent serves.");
    assert_eq!(centre.acd.explain_agent(centre.now, &agent("77")), None);
}
