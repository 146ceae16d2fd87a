//! What an admin changes while calls are up: the next caller meets it, and nobody who is there does.

use super::*;
use std::collections::BTreeMap;

/// By this variable as many as a machine has memory for; 10,000 take some minutes.
const CALLS: &str = "HOTLINE_RELOAD_CALLS";
const RELOADS: u32 = 100;
/// Of the callers.
const TESTED: usize = 50;

/// What the `nth` edit makes of the centre: budgets, limits, queues, agents, numbers and trunks come, change and go.
fn edited(nth: u32, base: &Settings) -> Settings {
    let mut settings = base.clone();
    let odd = nth % 2 == 1;
    // Fewer calls than are up, and no rate at all.
    settings.calls = if nth.is_multiple_of(3) { 1 } else { base.calls };
    settings.calls_per_second = odd.then_some(1 + nth);
    settings.reserves.marketing = nth % 7;
    if nth.is_multiple_of(5) {
        settings.budgets.remove(&ProjectId::new("power"));
    } else if let Some(power) = settings.budgets.get_mut(&ProjectId::new("power")) {
        *power = Share { guarantee: nth, ceiling: nth + 1 };
    }
    settings.queues = if odd { &["service", "emergency", "complaints"] } else { &["service"] };
    settings.agents = if nth.is_multiple_of(4) { &["1001"] } else { base.agents };
    settings.max_len = 1 + nth;
    settings.ring_timeout = seconds(f64::from(5 + nth % 20));
    settings.dialled = if odd { vec![("0555", "carrier")] } else { Vec::new() };
    match settings.trunks.trunks.get_mut(&TrunkId::new("carrier")) {
        Some(carrier) if odd => carrier.caps.calls = Some(1),
        _ => drop(settings.trunks.trunks.remove(&TrunkId::new("carrier"))),
    }
    settings
}

/// So many callers by hand, one after the other: all in a queue but for the last few, who hear a test number for its two
/// minutes.
fn callers(world: &mut World, count: usize) -> Vec<RawCall> {
    let mut calls = Vec::new();
    for nth in 0..count {
        let [_, _, high, low] = (nth as u32).to_be_bytes();
        let address = SocketAddr::from(([10, 2, 100 + high, low], 5060));
        let mut call = RawCall::new(address, if nth + TESTED < count { "9000" } else { "9193" });
        let sdp = call.sdp();
        world.send_by_hand(address, call.invite(Some(&sdp)));
        world.run(Duration::from_millis(30));
        call.learn(&final_answer_within(world, address));
        world.send_by_hand(address, call.ack(None));
        calls.push(call);
    }
    calls
}

#[test]
fn a_hundred_reloads_disturb_none_of_the_calls_that_are_up_and_leave_the_permits_right() {
    let count = std::env::var(CALLS).ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut base = Settings {
        calls: count as u32 + 10,
        ports: count as u16 + 10,
        max_len: count as u32,
        rtp_timeout: None,
        tick: seconds(1.0),
        dialled: vec![("0555", "carrier")],
        budgets: BTreeMap::from([(ProjectId::new("power"), Share { guarantee: 1, ceiling: count as u32 })]),
        classed: BTreeMap::from([("9193", (Some(ProjectId::new("power")), Some(Class::Marketing)))]),
        ..Settings::default()
    };
    base.trunks.trunks.insert(TrunkId::new("carrier"), sim::config::trunk(1));
    let mut world = World::new(base.clone());
    world.carrier("carrier");
    let (agent, calls_out) = (world.agent("1001"), world.agent("1002"));
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.dial(calls_out, "0555");
    world.until_up(calls_out);
    let mut calls = callers(&mut world, count);
    world.run(seconds(2.0));
    let held = |world: &World| {
        let held = world.switch.holdings();
        (held.calls, held.legs, held.usages, held.tickets, held.permits, held.trunk_places, held.leases)
    };
    let heard = |world: &World| world.by_hand.values().map(Vec::len).sum::<usize>();
    let (before, told, sent) = (held(&world), world.journal.len(), heard(&world));
    assert_eq!((before.0, before.4), (count + 2, count + 2));

    for nth in 0..RELOADS {
        world.reconfigure(&edited(nth, &base));
        assert_eq!(held(&world), before, "after reload {nth}");
    }
    world.reconfigure(&base);
    world.run(seconds(65.0));
    assert_eq!(held(&world), before, "after the sweep");
    assert_eq!(heard(&world), sent, "nobody was sent anything");
    let disturbed = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::CallEnded { .. }
                | EventKind::CallArrived { .. }
                | EventKind::Dequeued { .. }
                | EventKind::Queued { .. }
                | EventKind::Bridged { .. }
                | EventKind::Alarm { .. }
        )
    };
    assert_eq!(world.journal[told..].iter().find(|event| disturbed(&event.kind)), None);
    let view = world.view();
    let power = &view.admission.budgets[0];
    assert_eq!((view.admission.in_use, power.in_use, view.admission.mended), (count as u32 + 2, TESTED as u32, 0));
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));

    for call in &mut calls {
        let bye = call.bye();
        world.send_by_hand(call.address, bye);
        world.run(Duration::from_millis(5));
    }
    world.hang_up(caller);
    world.hang_up(calls_out);
    world.run(seconds(3.0));
    world.finish();
}
