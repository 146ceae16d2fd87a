//! What extensions may have called outside.

use super::*;
use hotline::routing::{Change, NumberPattern, Rule, TollRules, TrunkNumbers};
use hotline::trunks::Manners;

fn limited(toll: TollRules) -> (World, PhoneId) {
    limited_where(toll, |_| {})
}

fn limited_where(toll: TollRules, change: impl Fn(&mut Settings)) -> (World, PhoneId) {
    let mut settings =
        Settings { dialled: vec![("0555", "carrier"), ("00555", "carrier")], toll, ..Settings::default() };
    change(&mut settings);
    settings.trunks.trunks.entry(TrunkId::new("carrier")).or_insert(sim::config::trunk(1));
    let mut world = World::new(settings);
    let carrier = world.carrier("carrier");
    (world, carrier)
}

fn at_once(calls: u32) -> TollRules {
    TollRules { calls: Some(calls), ..TollRules::default() }
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

#[test]
fn an_agent_cannot_have_a_carrier_take_its_caller_to_a_barred_number() {
    let (mut world, _) = limited_where(denied(), |settings| {
        let refers = Manners { refers: true, ..Manners::default() };
        let config = hotline::trunks::TrunkConfig { manners: refers, ..sim::config::trunk(1) };
        settings.trunks.trunks.insert(TrunkId::new("demo-trunk"), config);
        settings.dialled = vec![("0555", "demo-trunk"), ("00555", "demo-trunk")];
    });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.manners(caller, |manners| manners.follows_refer = Some(Some(200)));
    world.refer(agent, "00555");
    world.run(seconds(2.0));
    assert_eq!(world.call(agent).referred.last(), Some(&403));
    assert_eq!(barred(&world), [("1001".into(), "number".into())]);
    assert!(world.phones[caller.0].sent_to.is_empty(), "the carrier was not asked");
    world.until_heard(caller, "voice of 1001");
    world.refer(agent, "0555");
    assert_eq!(world.until_over(caller), Over::Theirs, "the carrier has it");
    world.until_over(agent);
    world.finish();
}

#[test]
fn a_carrier_that_refuses_its_caller_and_is_dialled_costs_one_call_of_the_hour() {
    let (mut world, _) = limited_where(TollRules { per_hour: Some(2), ..TollRules::default() }, |settings| {
        let refers = Manners { refers: true, ..Manners::default() };
        let config = hotline::trunks::TrunkConfig { manners: refers, ..sim::config::trunk(1) };
        settings.trunks.trunks.insert(TrunkId::new("demo-trunk"), config);
        settings.dialled = vec![("0555", "demo-trunk")];
    });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.refer(agent, "0555");
    world.until_over(agent);
    world.hang_up(caller);
    world.run(seconds(5.0));
    world.dial(agent, "0555");
    world.until_up(agent);
    world.hang_up(agent);
    world.run(seconds(1.0));
    world.dial(agent, "0555");
    assert_eq!(world.until_over(agent), Over::Refused(403));
    assert_eq!(barred(&world), [("1001".into(), "per_hour".into())]);
    world.finish();
}

#[test]
fn a_prefix_for_an_outside_line_opens_no_barred_number() {
    let (mut world, carrier) = limited_where(denied(), |settings| {
        let outside_line =
            Rule { when: Some("9*".parse().unwrap()), then: Change::Edit { strip: 1, add: String::new() } };
        let numbers = TrunkNumbers { called_out: vec![outside_line], ..TrunkNumbers::default() };
        settings.trunk_numbers = [(TrunkId::new("carrier"), numbers)].into();
        settings.dialled = vec![("90555", "carrier"), ("900555", "carrier")];
    });
    let agent = world.agent("1001");
    world.dial(agent, "900555");
    assert_eq!(world.until_over(agent), Over::Refused(403));
    assert_eq!(barred(&world), [("1001".into(), "number".into())]);
    assert!(world.phones[carrier.0].calls.is_empty());
    world.dial(agent, "90555");
    world.until_up(agent);
    world.hang_up(agent);
    world.finish();
}

#[test]
fn a_trunk_redirects_no_extension_to_a_barred_number() {
    let (mut world, carrier) = limited_where(denied(), |settings| {
        let manners = Manners { redirects: true, ..Manners::default() };
        let config = hotline::trunks::TrunkConfig { manners, ..sim::config::trunk(1) };
        settings.trunks.trunks.insert(TrunkId::new("carrier"), config);
    });
    let at = world.answer_by_hand(carrier);
    let agent = world.agent("1001");
    world.dial(agent, "0555");
    crate::trunks::names_another(&mut world, at, "<sip:0088@elsewhere.example>");
    assert_eq!(world.until_over(agent), Over::Refused(480));
    assert_eq!(barred(&world), [("1001".into(), "number".into())]);
    world.finish();
}

#[test]
fn joined_calls_still_count_for_who_made_them() {
    let (mut world, carrier) = limited(at_once(1));
    let (thief, second) = (world.agent("1001"), world.agent("1002"));
    world.dial(thief, "1002");
    world.until_rings(second);
    world.until_up(second);
    world.dial(thief, "0555");
    world.until_heard(thief, "voice of carrier");
    world.with(thief, |phone, now| phone.join(now, 1, 0, "1002"));
    world.until_heard(second, "voice of carrier");
    world.run(seconds(1.0));
    world.dial(thief, "0555");
    assert_eq!(world.until_over(thief), Over::Refused(403), "{}", world.story());
    assert_eq!(barred(&world), [("1001".into(), "calls".into())]);
    world.hang_up(second);
    world.until_over(carrier);
    world.dial(thief, "0555");
    world.until_up(thief);
    world.hang_up(thief);
    world.finish();
}

#[test]
fn a_transfer_that_came_to_nothing_does_not_count() {
    let (mut world, carrier) = limited(at_once(1));
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.manners(carrier, |manners| manners.taking = Taking::Refuse(486));
    world.refer(agent, "0555");
    world.run(seconds(2.0));
    world.until_heard(caller, "voice of 1001");
    world.manners(carrier, |manners| manners.taking = Taking::AnswerAfter(seconds(0.1)));
    world.hold(agent, true);
    world.run(seconds(1.0));
    world.dial(agent, "0555");
    world.until_heard(agent, "voice of carrier");
    assert!(barred(&world).is_empty());
    world.hang_up(caller);
    world.hang_up(carrier);
    world.finish();
}
