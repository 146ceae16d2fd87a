//! Who is served by whom, and when somebody else will do.

use super::*;
use crate::timers::Now;

fn skilled(id: &str, queues: &[&str], skills: &[(&str, u8)]) -> AgentConfig {
    let skill = |(name, level): &(&str, u8)| AgentSkill { skill: SkillId::new(name), level: *level, until: None };
    AgentConfig {
        queues: queues.iter().copied().map(QueueId::from).collect(),
        skills: skills.iter().map(skill).collect(),
        ..AgentConfig::new(id)
    }
}

fn with(matching: Matching) -> QueueConfig {
    QueueConfig { matching, ..queue("service") }
}

/// Everybody logs in, a second apart.
fn centre(queues: Vec<QueueConfig>, people: Vec<AgentConfig>) -> Centre {
    let ids: Vec<String> = people.iter().map(|agent| agent.id.to_string()).collect();
    let mut centre = Centre::new(AcdConfig { queues, agents: people, ..AcdConfig::default() });
    for id in ids {
        centre.login(&id);
        centre.wait(1);
    }
    centre.told();
    centre
}

fn asking(skills: &[&str]) -> Enqueue {
    Enqueue { skills: skills.iter().map(SkillId::new).collect(), ..Centre::wish("service") }
}

fn from(number: &str) -> Enqueue {
    Enqueue { caller: Some(number.to_string().into()), ..Centre::wish("service") }
}

/// Answers, talks for a minute and wraps up.
fn serve(centre: &mut Centre, ticket: TicketId, id: &str) {
    assert!(centre.answer(ticket, id), "{:?}", centre.told());
    centre.wait(60);
    centre.acd.call_ended(centre.now, &agent(id));
    centre.wait(10);
    centre.told();
}

#[test]
fn a_caller_goes_to_an_agent_who_can_do_what_is_asked_for_and_not_to_one_who_is_idle_for_longer() {
    let people = vec![
        skilled("1001", &["service"], &[]),
        skilled("1002", &["service"], &[("billing", 30)]),
        skilled("1003", &["service"], &[("billing", 80), ("en", 50)]),
    ];
    let needs = Matching { skills: vec![(SkillId::new("billing"), 20)], min_level: 40, ..Matching::default() };
    let mut centre = centre(vec![with(needs)], people);
    centre.join(asking(&["en"]));
    centre.caller();
    centre.caller();
    assert_eq!(centre.told(), ["1003 rings for 1", "1002 rings for 2"], "nobody is left who can do billing");
}

#[test]
fn the_language_of_a_caller_counts_unless_no_agent_of_the_centre_speaks_it() {
    let people = vec![skilled("1001", &["service"], &[("zh", 100)]), skilled("1002", &["service"], &[("en", 100)])];
    let mut centre = centre(vec![queue("service")], people);
    centre.join(asking(&["en"]));
    centre.join(asking(&["fr"]));
    assert_eq!(centre.told(), ["1002 rings for 1", "1001 rings for 2"]);
}

#[test]
fn a_longer_wait_asks_for_less_and_then_for_agents_of_another_queue() {
    let steps = vec![
        Widening { after: seconds(30), min_level: Some(40), agents_of: Vec::new() },
        Widening { after: seconds(60), min_level: Some(0), agents_of: vec![QueueId::new("backoffice")] },
    ];
    let strict = Matching { skills: vec![(SkillId::new("billing"), 60)], widen: steps, ..Matching::default() };
    let people = vec![
        skilled("1001", &["service"], &[("billing", 40)]),
        skilled("1002", &["service"], &[("billing", 10)]),
        skilled("2001", &["backoffice"], &[]),
    ];
    let mut centre = centre(vec![with(strict), queue("backoffice")], people);
    (0..3).for_each(|_| _ = centre.caller());
    centre.wait(29);
    assert_eq!(centre.told(), [] as [&str; 0]);
    centre.wait(1);
    assert_eq!(centre.told(), ["1001 rings for 1"]);
    assert!(centre.answer(TicketId(1), "1001"));
    centre.wait(30);
    assert_eq!(centre.told(), ["1 Answered after 30", "1002 rings for 2", "2001 rings for 3"]);
}

#[test]
fn a_skill_that_has_ended_counts_no_more() {
    let mut people = vec![skilled("1001", &["service"], &[("billing", 90)])];
    people[0].skills[0].until = Some(1_000_000);
    let needs = Matching { skills: vec![(SkillId::new("billing"), 20)], ..Matching::default() };
    let mut centre = centre(vec![with(needs)], people);
    let told = |centre: &mut Centre, wall| centre.acd.tell_time(Now { at: centre.now, wall });
    told(&mut centre, 999_999);
    let caller = centre.caller();
    assert_eq!(centre.told(), ["1001 rings for 1"]);
    serve(&mut centre, caller, "1001");
    told(&mut centre, 1_000_000);
    centre.caller();
    assert_eq!(centre.told(), [] as [&str; 0]);
    assert!(centre.acd.agent(centre.now, &agent("1001")).unwrap().skills.is_empty());
}

#[test]
fn priority_puts_a_caller_before_others_but_not_for_ever() {
    let mut centre = centre(vec![with(Matching { ageing: seconds(60), ..Matching::default() })], vec![]);
    let patient = centre.join(Enqueue { priority: 4, ..Centre::wish("service") });
    let order = |centre: &Centre| {
        let line = centre.acd.tickets(centre.now, &QueueId::new("service")).unwrap();
        line.into_iter().map(|view| view.ticket).collect::<Vec<_>>()
    };
    centre.wait(299);
    let urgent = centre.join(Enqueue { priority: 9, ..Centre::wish("service") });
    assert_eq!(order(&centre), [urgent, patient], "five steps count as much as 300 s");
    centre.wait(2);
    let late = centre.join(Enqueue { priority: 9, ..Centre::wish("service") });
    assert_eq!(order(&centre), [urgent, patient, late]);
}

#[test]
fn the_strategy_of_a_queue_names_the_agent() {
    let people = || {
        vec![
            skilled("1001", &["service"], &[("billing", 50)]),
            skilled("1002", &["service"], &[("billing", 90)]),
            skilled("1003", &["service"], &[("billing", 70)]),
        ]
    };
    let first_three = |strategy| {
        let matching = Matching { strategy, skills: vec![(SkillId::new("billing"), 1)], ..Matching::default() };
        let mut centre = centre(vec![with(matching)], people());
        // One call before, and a short call of her own that costs 1001 the longest idle time.
        let caller = centre.caller();
        let first = centre.told()[0].split(' ').next().unwrap().to_string();
        serve(&mut centre, caller, &first);
        centre.acd.agent_call_started(centre.now, &agent("1001"));
        centre.acd.agent_call_ended(centre.now, &agent("1001"));
        (0..3).for_each(|_| _ = centre.caller());
        let told = centre.told().into_iter().map(|told| told.split(' ').next().unwrap().to_string());
        std::iter::once(first).chain(told).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(first_three(Strategy::LongestIdle), "1001 1002 1003 1001");
    assert_eq!(first_three(Strategy::RoundRobin), "1001 1002 1003 1001");
    assert_eq!(first_three(Strategy::FewestCalls), "1001 1002 1003 1001");
    assert_eq!(first_three(Strategy::SkillFit), "1002 1002 1003 1001");
}

#[test]
fn round_robin_goes_on_with_the_next_also_when_an_agent_was_idle_for_longer() {
    let matching = Matching { strategy: Strategy::RoundRobin, ..Matching::default() };
    let people = ["1001", "1002", "1003"].map(|id| skilled(id, &["service"], &[])).to_vec();
    let mut centre = centre(vec![with(matching)], people);
    for expected in ["1003", "1001", "1002", "1003"] {
        // Each returns to the end of the idle order but the one whose turn it is.
        for id in ["1001", "1002", "1003"].into_iter().filter(|id| *id != "1003") {
            centre.acd.agent_call_started(centre.now, &agent(id));
            centre.acd.agent_call_ended(centre.now, &agent(id));
        }
        let caller = centre.caller();
        assert_eq!(centre.told(), [format!("{expected} rings for {caller}")]);
        serve(&mut centre, caller, expected);
    }
}

#[test]
fn a_caller_who_calls_again_waits_a_while_for_the_agent_of_the_last_call() {
    let sticky = Some(Sticky { remember: seconds(3_600), wait: seconds(20) });
    let people = ["1001", "1002"].map(|id| skilled(id, &["service"], &[])).to_vec();
    let mut centre = centre(vec![with(Matching { sticky, ..Matching::default() })], people);
    let first = centre.join(from("13800138000"));
    serve(&mut centre, first, "1001");
    // 1002 is idle for longer, and yet it is 1001 who knows the caller.
    let again = centre.join(from("13800138000"));
    assert_eq!(centre.told(), ["1001 rings for 2"]);
    assert!(centre.answer(again, "1001"));
    centre.told();
    let third = centre.join(from("13800138000"));
    centre.wait(19);
    assert_eq!(centre.told(), [] as [&str; 0], "1001 is talking, and 1002 does not know the caller");
    centre.wait(1);
    assert_eq!(centre.told(), [format!("1002 rings for {third}")]);
    centre.acd.offer_failed(centre.now, third, &agent("1002"), OfferResult::Busy);
    centre.acd.leave(centre.now, third, Leave::Abandoned);
    centre.told();
    centre.wait(10);
    // An agent who is at lunch is not waited for, and one who is remembered no more neither.
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre.wait(10);
    let fourth = centre.join(from("13800138000"));
    assert_eq!(centre.told(), [format!("1002 rings for {fourth}")]);
    centre.acd.leave(centre.now, fourth, Leave::Abandoned);
    centre.acd.set_ready(centre.now, &agent("1001")).unwrap();
    centre.wait(3_600);
    centre.told();
    let fifth = centre.join(from("13800138000"));
    assert_eq!(centre.told(), [format!("1002 rings for {fifth}")], "1002 is idle for longer, and nobody is known");
}

#[test]
fn an_agent_who_goes_to_lunch_gives_up_the_callers_who_wait_for_nobody_else() {
    let sticky = Some(Sticky { remember: seconds(3_600), wait: seconds(300) });
    let people = ["1001", "1002"].map(|id| skilled(id, &["service"], &[])).to_vec();
    let mut centre = centre(vec![with(Matching { sticky, ..Matching::default() })], people);
    let first = centre.join(from("13800138000"));
    assert!(centre.answer(first, "1001"));
    centre.told();
    let again = centre.join(from("13800138000"));
    centre.acd.set_not_ready(centre.now, &agent("1001"), "lunch").unwrap();
    assert_eq!(centre.told(), [] as [&str; 0], "after the call only");
    centre.acd.call_ended(centre.now, &agent("1001"));
    centre.wait(10);
    assert_eq!(centre.told(), [format!("1002 rings for {again}")]);
}

#[test]
fn a_caller_who_was_cut_off_finds_the_place_again_for_a_while() {
    let keep_place = seconds(120);
    let mut centre = centre(vec![with(Matching { keep_place, ..Matching::default() })], vec![]);
    let first = centre.join(from("13800138000"));
    centre.wait(5);
    let other = centre.caller();
    centre.wait(60);
    centre.acd.leave(centre.now, first, Leave::Abandoned);
    centre.wait(119);
    let again = centre.join(from("13800138000"));
    let line = |centre: &Centre| {
        let line = centre.acd.tickets(centre.now, &QueueId::new("service")).unwrap();
        line.into_iter().map(|view| view.ticket).collect::<Vec<_>>()
    };
    assert_eq!(line(&centre), [again, other]);
    centre.acd.leave(centre.now, again, Leave::Abandoned);
    centre.wait(120);
    let late = centre.join(from("13800138000"));
    assert_eq!(line(&centre), [other, late]);
}

#[test]
fn a_reload_with_other_rules_puts_waiting_callers_in_the_order_of_the_new_ones() {
    let people = || vec![skilled("1001", &["service"], &[("billing", 10)])];
    let strict = Matching { skills: vec![(SkillId::new("billing"), 60)], ..Matching::default() };
    let mut centre = centre(vec![with(strict)], people());
    centre.join(Enqueue { priority: 0, ..Centre::wish("service") });
    centre.wait(10);
    centre.join(Enqueue { priority: 9, ..Centre::wish("service") });
    assert_eq!(centre.told(), [] as [&str; 0]);
    let mild = Matching { ageing: Duration::ZERO, ..Matching::default() };
    let config = AcdConfig { queues: vec![with(mild)], agents: people(), ..AcdConfig::default() };
    centre.acd.reconfigure(centre.now, config);
    assert_eq!(centre.told(), ["1001 rings for 1"], "who came first, now that priority counts for nothing");
}

#[test]
fn a_reload_that_brings_two_agents_for_one_caller_gives_the_caller_the_better_one() {
    let by_fit =
        Matching { skills: vec![(SkillId::new("billing"), 20)], strategy: Strategy::SkillFit, ..Matching::default() };
    let people =
        |queues| vec![skilled("1001", queues, &[("billing", 30)]), skilled("1002", queues, &[("billing", 90)])];
    let queues = || vec![with(by_fit.clone()), queue("other")];
    let mut centre = centre(queues(), people(&["other"]));
    centre.caller();
    let config = AcdConfig { queues: queues(), agents: people(&["service"]), ..AcdConfig::default() };
    centre.acd.reconfigure(centre.now, config);
    assert_eq!(centre.told(), ["1002 rings for 1"], "1001 is idle for longer");
}
