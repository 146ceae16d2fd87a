//! What extensions may have called outside.

use super::*;
use hotline::routing::{NumberPattern, TollRules};

fn limited(toll: TollRules) -> (World, PhoneId) {
    let mut settings =
        Settings { dialled: vec![("0555", "carrier"), ("00555", "carrier")], toll, ..Settings::default() };
    settings.trunks.trunks.insert(TrunkId::new("carrier"), sim::config::trunk(1));
    let mut world = World::new(settings);
    let carrier = world.carrier("carrier");
    (world, carrier)
}

fn denied() -> TollRules {
    TollRules { deny: vec![NumberPattern::prefix("00").unwrap()], ..TollRules::default() }
}

fn barred(world: &World) -> Vec<(String, String)> {
    let of = |kind: &EventKind| match kind {
        EventKind::TollBarred { by, why, .. } => Some((by.to_string(), why.clone())),
        _ => None,
    };
    world.events().filter_map(of).collect()
}

#[test]
fn an_extension_reaches_no_denied_number_and_the_reason_is_written_down() {
    let (mut world, _) = limited(denied());
    let agent = world.agent("1001");
    world.dial(agent, "00555");
    assert_eq!(world.until_over(agent), Over::Refused(403));
    assert_eq!(barred(&world), [("1001".into(), "number".into())]);
    world.dial(agent, "0555");
    world.until_up(agent);
    world.hang_up(agent);
    world.finish();
}

#[test]
fn an_extension_begins_so_many_calls_an_hour() {
    let (mut world, _) = limited(TollRules { per_hour: Some(2), ..TollRules::default() });
    let agent = world.agent("1001");
    for _ in 0..2 {
        world.dial(agent, "0555");
        world.until_up(agent);
        world.hang_up(agent);
        world.run(seconds(5.0));
    }
    world.dial(agent, "0555");
    assert_eq!(world.until_over(agent), Over::Refused(403));
    let other = world.agent("1002");
    world.dial(other, "0555");
    world.until_up(other);
    world.hang_up(other);
    world.run(seconds(3_600.0));
    world.dial(agent, "0555");
    world.until_up(agent);
    world.hang_up(agent);
    assert_eq!(barred(&world), [("1001".into(), "per_hour".into())]);
    world.finish();
}

#[test]
fn an_agent_cannot_send_a_caller_where_it_may_not_call_itself() {
    let (mut world, _) = limited(denied());
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    let id = world.view().calls[0].id;
    world.command(Command::Transfer { call: id, to: "00555".into() });
    world.run(seconds(5.0));
    assert_eq!(barred(&world), [("1001".into(), "number".into())]);
    world.hang_up(caller);
    world.finish();
}
