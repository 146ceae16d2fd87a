//! Clients who share a workforce: who helps whom, and what the day's figures say of it.

use super::*;
use hotline::acd::{LendPlan, Pressure};
use hotline::cdr::{Centre, Members, Terms};
use hotline::events::SwitchEvent;
use hotline::ids::{PlanId, QueueId};
use jiff::tz::TimeZone;

/// 1001 is at home in `power`, whose callers dial 9000; 1002 in `gas`, where nobody calls.
fn two_clients() -> World {
    let surge = LendPlan {
        id: PlanId::new("surge"),
        from: ProjectId::new("gas"),
        to: ProjectId::new("power"),
        skill: None,
        tier: 1,
        when: Pressure { longest_wait: Some(seconds(10.0)), waiting: None },
        clear: Pressure { longest_wait: Some(seconds(5.0)), waiting: None },
        cap: 1,
        leave: 0,
    };
    World::new(Settings {
        projects: &[("power", &["service"]), ("gas", &["emergency"])],
        posts: &[("1001", &["service"]), ("1002", &["emergency"])],
        lend: vec![surge],
        ..Settings::default()
    })
}

fn lent(world: &World) -> Vec<(String, bool)> {
    let of = |event: &SwitchEvent| match &event.kind {
        EventKind::AgentLent { agent, on, .. } => Some((agent.to_string(), *on)),
        _ => None,
    };
    world.journal.iter().filter_map(of).collect()
}

#[test]
fn in_a_surge_a_caller_is_served_by_an_agent_of_another_client_who_then_goes_home() {
    let mut world = two_clients();
    let (own, other) = (world.agent("1001"), world.agent("1002"));
    let (first, second) = (world.caller("13800138000"), world.caller("13800138001"));
    world.dial(first, "9000");
    world.until_heard(first, "voice of 1001");
    world.dial(second, "9000");
    world.run(seconds(8.0));
    assert_eq!(lent(&world), [], "not before its time");
    world.until_heard(second, "voice of 1002");
    world.run(seconds(6.0));
    assert_eq!(lent(&world), [("1002".to_string(), true), ("1002".to_string(), false)]);
    let cause = |event: &SwitchEvent| match event.kind {
        EventKind::Lending { on: true, longest_wait_ms, waiting, by_hand, .. } => {
            Some((longest_wait_ms / 1000, waiting, by_hand))
        }
        _ => None,
    };
    let causes: Vec<(u64, u32, bool)> = world.journal.iter().filter_map(cause).collect();
    assert!(matches!(causes[..], [(10..15, 1, false)]), "{causes:?}");
    world.hang_up(first);
    world.until_over(own);
    world.hang_up(second);
    world.until_over(other);
    world.run(seconds(3.0));

    let terms = Terms { within_s: 5, short_s: 5 };
    let members = Members {
        project: ProjectId::new("all"),
        terms,
        zone: TimeZone::UTC,
        queues: vec![QueueId::new("service")],
        agents: Vec::new(),
        weights: Default::default(),
    };
    let mut centre = Centre::new(vec![members]);
    world.journal.iter().for_each(|event| centre.apply(event));
    let wall = world.journal.last().unwrap().wall;
    let today = centre.of_queue(&QueueId::new("service"), wall).figures(terms);
    assert_eq!((today.offered, today.answered, today.service_level.f2), (2, 2, Some(0.5)), "{today:?}");
    assert!(today.aht_s > Some(2.0), "talk and two seconds of wrap-up: {today:?}");
    world.finish();
}
