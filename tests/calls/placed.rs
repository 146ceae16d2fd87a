//! Calls that the switch begins: an agent is connected with a number at somebody's wish.

use super::*;
use hotline::cdr::Direction;
use hotline::events::Placed;
use hotline::switch::Unplaced;

/// Agent 1001, a carrier that is called as 0555, and the wish to have both connected.
fn connected(change: impl FnOnce(&mut Settings)) -> (World, PhoneId, PhoneId) {
    let mut settings = Settings { dialled: vec![("0555", "carrier")], ..Settings::default() };
    settings.trunks.trunks.insert(TrunkId::new("carrier"), sim::config::trunk(1));
    change(&mut settings);
    let mut world = World::new(settings);
    let carrier = world.carrier("carrier");
    let agent = world.agent("1001");
    (world, carrier, agent)
}

fn connect(world: &mut World, to: &str) {
    world.command(Command::Connect { agent: AgentId::new("1001"), to: to.into() });
}

#[test]
fn an_agent_is_rung_first_and_then_the_number_as_if_the_agent_had_dialled_it() {
    let (mut world, carrier, agent) = connected(|_| {});
    world.manners(carrier, |manners| manners.taking = Taking::AnswerAfter(seconds(3.0)));
    connect(&mut world, "0555");
    world.until_rings(agent);
    assert!(world.call(agent).from.contains("0555"), "{}", world.call(agent).from);
    assert_eq!(world.view().calls[0].class, Some(Class::Outbound));
    world.until_rings(carrier);
    world.run(seconds(1.0));
    assert!(world.hears(agent, "tone"), "it hears the other ring: {}", world.story());
    assert!(world.call(carrier).from.contains("1001"), "{}", world.call(carrier).from);
    world.until_heard(agent, "voice of carrier");
    world.until_heard(carrier, "voice of 1001");
    world.hang_up(carrier);
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.run(seconds(3.0));
    let record = world.record();
    assert_eq!((record.direction, record.placed), (Direction::Outbound, Some(Placed::Asked)));
    assert_eq!((record.agent.as_ref().map(AgentId::as_str), record.to.as_str()), (Some("1001"), "0555"));
    assert!(record.answered.is_some() && record.talk_ms > 0 && record.connected_ms < record.duration_ms);
    assert!(!record.to_string().contains("0555"), "the number is masked: {record}");
    world.finish();
}

#[test]
fn a_number_whose_agent_does_not_answer_is_never_called() {
    let (mut world, carrier, agent) = connected(|_| {});
    for taking in [Taking::Refuse(486), Taking::Ring] {
        world.manners(agent, |manners| manners.taking = taking);
        connect(&mut world, "0555");
        world.run(seconds(70.0));
    }
    assert!(world.phones[carrier.0].calls.is_empty());
    let ends: Vec<Cause> = world.records.iter().map(|record| record.cause).collect();
    assert_eq!(ends, [Cause::Busy, Cause::NoAnswer]);
    world.finish();
}

#[test]
fn an_agent_who_hangs_up_while_the_number_rings_ends_the_call() {
    let (mut world, carrier, agent) = connected(|_| {});
    world.manners(carrier, |manners| manners.taking = Taking::Ring);
    connect(&mut world, "0555");
    world.until_rings(carrier);
    world.hang_up(agent);
    assert_eq!(world.until_over(carrier), Over::Cancelled);
    world.run(seconds(3.0));
    assert_eq!((world.record().end, world.record().answered), (EndedBy::Agent, None));
    world.finish();
}

#[test]
fn an_agent_who_is_being_connected_is_offered_no_caller() {
    let (mut world, _, agent) = connected(|_| {});
    world.manners(agent, |manners| manners.taking = Taking::Ring);
    connect(&mut world, "0555");
    world.until_rings(agent);
    assert_eq!(world.switch.may_connect(&AgentId::new("1001"), "0555"), Err(Unplaced::Busy));
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.run(seconds(5.0));
    assert!(world.hears(caller, "music"), "{}", world.story());
    world.manners(agent, |manners| manners.taking = Taking::AnswerAfter(seconds(1.0)));
    world.hang_up(agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn nobody_is_connected_with_what_it_may_not_dial_nor_without_a_phone() {
    let (mut world, _, agent) = connected(|_| {});
    let may = |world: &World, agent: &str, to: &str| world.switch.may_connect(&AgentId::new(agent), to);
    assert_eq!(may(&world, "1001", "900012345"), Err(Unplaced::NotOpen));
    assert_eq!(may(&world, "1002", "0555"), Err(Unplaced::NoPhone));
    assert_eq!(may(&world, "7777", "0555"), Err(Unplaced::NoPhone));
    connect(&mut world, "900012345");
    world.run(seconds(5.0));
    assert!(world.phones[agent.0].calls.is_empty() && world.records.is_empty());
    world.finish();
}

#[test]
fn a_switch_that_drains_or_is_full_begins_no_call() {
    let (mut world, _, agent) = connected(|settings| {
        settings.calls = 10;
        settings.reserves = Reserves { outbound: 10, ..Reserves::default() };
    });
    connect(&mut world, "0555");
    world.run(seconds(5.0));
    world.command(Command::Drain);
    connect(&mut world, "0555");
    world.run(seconds(5.0));
    assert!(world.phones[agent.0].calls.is_empty());
    let reasons: Vec<Refusal> = refusals(&world).into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, [Refusal::Reserved, Refusal::Draining]);
    world.finish();
}

#[test]
fn what_an_extension_may_not_have_called_outside_it_is_not_connected_with() {
    use hotline::routing::{NumberPattern, TollRules};
    let (mut world, carrier, agent) = connected(|settings| {
        settings.toll = TollRules { deny: vec![NumberPattern::prefix("05").unwrap()], ..TollRules::default() };
    });
    connect(&mut world, "0555");
    assert_eq!(world.until_over(agent), Over::Theirs);
    assert!(world.phones[carrier.0].calls.is_empty());
    assert_eq!(world.count(|kind| matches!(kind, EventKind::TollBarred { .. })), 1);
    world.finish();
}

#[test]
fn an_agent_is_connected_with_a_colleague_and_with_a_menu() {
    let (mut world, _, agent) = connected(|_| {});
    let other = world.agent("1002");
    connect(&mut world, "1002");
    world.until_rings(agent);
    world.until_heard(agent, "voice of 1002");
    world.hang_up(agent);
    world.until_over(other);
    world.run(seconds(2.0));
    connect(&mut world, "95598");
    world.until_rings(agent);
    world.until_heard(agent, "zh/main_menu");
    world.hang_up(agent);
    world.finish();
}

#[test]
fn whom_an_agent_was_connected_with_can_be_sent_on() {
    let (mut world, carrier, agent) = connected(|_| {});
    let other = world.agent("1002");
    connect(&mut world, "0555");
    world.until_rings(agent);
    world.until_heard(agent, "voice of carrier");
    world.refer(agent, "1002");
    world.until_heard(carrier, "voice of 1002");
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.hang_up(other);
    world.until_over(carrier);
    world.finish();
}
