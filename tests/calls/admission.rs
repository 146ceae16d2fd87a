//! Who gets in when there is not room for all.

use super::*;
use hotline::events::SwitchEvent;
use std::collections::BTreeMap;

/// Ten calls: the hotline is guaranteed six, `9193` may hold three and `9197` is for marketing.
fn shared() -> Settings {
    let budget = |name: &str| Some(ProjectId::new(name));
    Settings {
        calls: 10,
        reserves: Reserves { marketing: 2, ..Reserves::default() },
        budgets: BTreeMap::from([
            (ProjectId::new("power"), Share { guarantee: 6, ceiling: 10 }),
            (ProjectId::new("bank"), Share { guarantee: 0, ceiling: 3 }),
        ]),
        classed: BTreeMap::from([
            ("9196", (budget("power"), None)),
            ("9193", (budget("bank"), None)),
            ("9197", (None, Some(Class::Marketing))),
        ]),
        ..Settings::default()
    }
}

/// So many callers dial a number one after the other; gives those who got in.
fn dial(world: &mut World, number: &str, count: usize) -> Vec<PhoneId> {
    let mut taken = Vec::new();
    for nth in 0..count {
        let caller = world.caller(&format!("139{number}{nth:04}"));
        world.dial(caller, number);
        world.run(seconds(0.3));
        if !matches!(world.state(caller), Some(State::Over(_))) {
            taken.push(caller);
        }
    }
    taken
}

fn hang_up_all(mut world: World, callers: Vec<PhoneId>) {
    for caller in callers {
        world.hang_up(caller);
    }
    world.finish();
}

#[test]
fn a_number_gets_its_guarantee_however_many_others_call_and_each_refusal_says_whose_budget_was_full() {
    let mut world = World::new(shared());
    let mut taken = dial(&mut world, "9193", 4);
    assert_eq!(taken.len(), 3, "its ceiling");
    taken.extend(dial(&mut world, "9190", 2));
    assert_eq!(taken.len(), 4, "six stay for the hotline");
    taken.extend(dial(&mut world, "9196", 7));
    assert_eq!(taken.len(), 10);
    assert_eq!(refusals(&world), [(Refusal::BudgetCeiling, 486), (Refusal::Reserved, 486), (Refusal::TotalCap, 503)]);
    let named: Vec<_> = world.journal.iter().filter_map(budget_of).collect();
    assert_eq!(named, [(Some("bank"), Class::Service), (None, Class::Service), (Some("power"), Class::Service)]);
    hang_up_all(world, taken);
}

fn budget_of(event: &SwitchEvent) -> Option<(Option<&str>, Class)> {
    match &event.kind {
        EventKind::CallRefused { budget, class, .. } => Some((budget.as_ref().map(ProjectId::as_str), (*class)?)),
        _ => None,
    }
}

#[test]
fn marketing_stops_while_others_still_get_in_and_the_list_of_calls_says_who_came_as_what() {
    let mut world = World::new(Settings {
        budgets: BTreeMap::new(),
        classed: [("9197", (None, Some(Class::Marketing)))].into(),
        ..shared()
    });
    let mut taken = dial(&mut world, "9197", 10);
    assert_eq!(taken.len(), 8, "two are kept free");
    taken.extend(dial(&mut world, "9193", 3));
    assert_eq!(taken.len(), 10);
    let view = world.view();
    let marketing = view.calls.iter().filter(|call| call.class == Some(Class::Marketing)).count();
    assert_eq!((marketing, view.calls.len(), view.admission.in_use), (8, 10, 10));
    hang_up_all(world, taken);
}

#[test]
fn an_extension_that_calls_out_is_outbound_and_leaves_the_reserve_to_callers() {
    let settings = Settings {
        calls: 3,
        reserves: Reserves { outbound: 2, ..Reserves::default() },
        dialled: vec![("0555", "carrier")],
        ..Settings::default()
    };
    let mut world = World::new(settings);
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "9193");
    world.until_heard(caller, "music");
    world.dial(agent, "0555");
    assert_eq!(world.until_over(agent), Over::Refused(486));
    assert_eq!(refusals(&world), [(Refusal::Reserved, 486)]);
    let next = world.caller("13800138001");
    world.dial(next, "9193");
    world.until_heard(next, "music");
    hang_up_all(world, vec![caller, next]);
}

/// A number for marketing, dialled by an emergency service that its carrier vouches for.
#[test]
fn a_trusted_carriers_word_on_an_emergency_lets_the_call_in_and_a_strangers_does_not() {
    for trusted in [true, false] {
        let mut settings = Settings { calls: 3, ..shared() };
        settings.budgets.clear();
        settings.classed = [("9197", (None, Some(Class::Marketing)))].into();
        let numbers = hotline::routing::TrunkNumbers { trusted, ..Default::default() };
        settings.trunk_numbers = [(TrunkId::new("demo-trunk"), numbers)].into();
        let mut world = World::new(settings);
        let mut taken = dial(&mut world, "9193", 1);
        let address = "10.2.200.7:5060".parse().unwrap();
        let call = RawCall::new(address, "9197");
        let invite = call.invite(Some(&call.sdp()));
        let urgent = String::from_utf8(invite.to_vec()).unwrap().replacen(
            "\r\n",
            "\r\nResource-Priority: q735.0, ESNET.0\r\n",
            1,
        );
        world.send_by_hand(address, urgent.into_bytes().into());
        let answer = final_answer_within(&mut world, address);
        assert_eq!(answer.status(), if trusted { 200 } else { 486 });
        if trusted {
            let mut call = call;
            call.learn(&answer);
            world.send_by_hand(address, call.ack(None));
            let bye = call.bye();
            world.send_by_hand(address, bye);
        } else {
            world.send_by_hand(address, call.ack(None));
        }
        world.run(seconds(1.0));
        taken.drain(..).for_each(|caller| world.hang_up(caller));
        world.finish();
    }
}
