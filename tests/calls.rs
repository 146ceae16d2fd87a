//! Calls as callers and agents live them, told in virtual time. Each story says who did what and what everybody heard and
//! saw; `finish` then waits until all is quiet and demands that nothing is left: no call, leg, permit, port or transaction.

mod sim;

use hotline::events::{Cause, EndedBy, EventKind, OfferResult, QueueOutcome, Refusal, Source};
use hotline::ids::AgentId;
use hotline::sdp::Codec;
use hotline::sip::message::Method;
use hotline::switch::Command;
use sim::raw::RawCall;
use sim::world::seconds;
use sim::{Fate, Loss, Lookups, Over, PhoneId, Settings, State, Taking, Way, World};

fn world() -> World {
    World::new(Settings::default())
}

/// Straight to the queue `service`, until the agent's phone rings.
fn ringing_agent(world: &mut World, agent: PhoneId) -> PhoneId {
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(agent);
    caller
}

/// Caller and agent 1001 talk.
fn talking() -> (World, PhoneId, PhoneId) {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
    (world, caller, agent)
}

fn offers(world: &World) -> Vec<(String, OfferResult)> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::OfferEnded { agent, result, .. } => Some((agent.to_string(), *result)),
            _ => None,
        })
        .collect()
}

fn outcomes(world: &World) -> Vec<QueueOutcome> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::Dequeued { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect()
}

fn refusals(world: &World) -> Vec<(Refusal, u16)> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::CallRefused { reason, status, .. } => Some((*reason, *status)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_caller_dials_the_hotline_presses_keys_and_talks_to_an_agent() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/choose_language");
    world.press(caller, "1");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "music");
    world.until_rings(agent);
    assert!(world.call(agent).from.contains("13800138000"), "the agent sees who calls: {}", world.call(agent).from);
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
    world.run(seconds(5.0));
    let heard = world.heard(caller);
    assert_eq!(heard[..3], ["zh/welcome", "zh/choose_language", "zh/main_menu"], "{heard:?}");
    assert_eq!(heard.last().unwrap(), "voice of 1001");
    assert!(!heard.contains(&"en/main_menu".to_string()));

    world.hang_up(agent);
    // The flow says good-bye (`after_call: thanks`), then it hangs up.
    world.until_heard(caller, "zh/goodbye");
    assert_eq!(world.until_over(caller), Over::Theirs);
    world.run(seconds(3.0));
    let record = world.record();
    assert_eq!(record.agent, Some(AgentId::new("1001")));
    assert_eq!((record.end, record.cause, record.status), (EndedBy::Agent, Cause::Normal, 200));
    assert!((2_000..4_000).contains(&record.wait_ms), "{}", record.wait_ms);
    assert!((5_000..7_000).contains(&record.talk_ms), "{}", record.talk_ms);
    assert_eq!(record.keys, 2);
    assert!(record.recording.is_some() && record.recording_ms > 4_000);
    world.finish();
}

#[test]
fn a_caller_who_gives_up_while_the_phone_rings_stops_it() {
    let mut world = world();
    let called = world.agent("1002");
    let calling = world.agent("1001");
    world.manners(called, |manners| manners.taking = Taking::Ring);
    world.dial(calling, "1002");
    world.until_rings(called);
    world.run(seconds(3.0));
    assert_eq!(world.call(calling).statuses, [100, 180]);
    world.hang_up(calling);
    assert_eq!(world.until_over(called), Over::Cancelled);
    world.run(seconds(3.0));
    assert_eq!(world.record().cause, Cause::Cancelled);
    assert_eq!(world.record().status, 487);
    world.finish();
}

#[test]
fn a_busy_agent_is_passed_over_for_the_next() {
    let mut world = world();
    let (busy, free) = (world.agent("1001"), world.agent("1002"));
    world.manners(busy, |manners| manners.taking = Taking::Refuse(486));
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1002");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Busy), ("1002".into(), OfferResult::Answered)]);
    world.hang_up(caller);
    assert_eq!(world.until_over(free), Over::Theirs);
    world.finish();
}

#[test]
fn an_agent_who_lets_it_ring_out_is_passed_over_and_rests() {
    let mut world = world();
    let (silent, next) = (world.agent("1001"), world.agent("1002"));
    world.manners(silent, |manners| manners.taking = Taking::Ring);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(silent);
    assert_eq!(world.until_over(silent), Over::Cancelled);
    world.until_heard(caller, "voice of 1002");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::NoAnswer), ("1002".into(), OfferResult::Answered)]);
    let rested = world.count(|kind| {
        matches!(kind, EventKind::AgentState { agent, reason: Some(reason), .. } if agent.as_str() == "1001" && reason == "rona")
    });
    assert_eq!(rested, 1);
    world.hang_up(next);
    world.until_over(caller);
    world.finish();
}

#[test]
fn when_all_agents_let_it_ring_the_caller_keeps_the_place_until_one_returns() {
    let mut world = world();
    let (first, second) = (world.agent("1001"), world.agent("1002"));
    for agent in [first, second] {
        world.manners(agent, |manners| manners.taking = Taking::Ring);
    }
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_rings(first);
    world.until_rings(second);
    world.until_over(second);
    assert!(world.hears(caller, "music"), "still waiting: {}", world.story());
    world.manners(first, |manners| manners.taking = Taking::AnswerAfter(seconds(1.0)));
    // 1001 rests for 30 s after it rang out, then it is offered the caller again.
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.until_over(first);
    assert_eq!(outcomes(&world), [QueueOutcome::Answered]);
    world.finish();
}
