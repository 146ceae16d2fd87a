//! Codes that agents dial.

use super::*;
use hotline::acd::Dispositions;
use hotline::events::AgentStateName::{self, LoggedOut, NotReady, Ready, WrapUp};

fn state(world: &World) -> (AgentStateName, Option<String>) {
    let view = world.view().agents.into_iter().find(|view| view.agent.as_str() == "1001").unwrap();
    (view.state, view.reason)
}

/// To be given after each call.
fn codes() -> Dispositions {
    let codes = [("1", "billing"), ("11", "refund")].map(|(code, name)| (code.to_string(), name.to_string()));
    Dispositions { required: true, codes: codes.into() }
}

/// Dials a code, and says how the short call ended.
fn dials(world: &mut World, agent: PhoneId, code: &str) -> Over {
    world.dial(agent, code);
    let over = world.until_over(agent);
    world.run(seconds(1.0));
    over
}

#[test]
fn an_agent_pauses_comes_back_logs_out_and_logs_in_by_phone_and_hears_that_it_is_done() {
    let mut world = world();
    let agent = world.agent("1001");
    assert_eq!(dials(&mut world, agent, "*132"), Over::Theirs);
    assert!(world.heard(agent).contains(&"tone".to_string()), "{:?}", world.heard(agent));
    assert_eq!(state(&world), (NotReady, Some("lunch".into())));
    dials(&mut world, agent, "*14");
    assert_eq!(state(&world), (Ready, None));
    dials(&mut world, agent, "*12");
    assert_eq!(state(&world).0, LoggedOut, "though the phone is registered");
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.run(seconds(20.0));
    assert!(offers(&world).is_empty());
    // Also after a kill.
    world.hang_up(caller);
    world.run(seconds(2.0));
    world.restart(seconds(5.0));
    assert_eq!(state(&world).0, LoggedOut);
    dials(&mut world, agent, "*11");
    assert_eq!(state(&world), (Ready, None));
    world.finish();
}

#[test]
fn an_agent_who_dials_ready_while_callers_wait_is_rung_after_the_code_not_during_it() {
    let mut world = World::new(Settings { dispositions: codes(), wrap_up: seconds(5.0), ..Settings::default() });
    let agent = world.agent("1001");
    assert_eq!(dials(&mut world, agent, "*131"), Over::Theirs);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "music");
    world.dial(agent, "*14");
    world.until_heard(agent, "tone");
    assert_eq!((offers(&world).len(), world.phones[agent.0].calls.len()), (0, 2), "{}", world.story());
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.run(seconds(10.0));
    // So with the code that is owed.
    let next = world.caller("13900139000");
    world.dial(next, "9000");
    world.until_heard(next, "music");
    world.dial(agent, "*1611");
    world.until_heard(next, "voice of 1001");
    assert_eq!(offers(&world), [("1001".into(), OfferResult::Answered), ("1001".into(), OfferResult::Answered)]);
    world.hang_up(next);
    world.finish();
}

#[test]
fn a_code_that_a_full_switch_refuses_changes_nothing() {
    let mut world = World::new(Settings { calls: 1, ..Settings::default() });
    let (agent, caller) = (world.agent("1001"), world.caller("13800138000"));
    world.dial(caller, "9196");
    world.until_heard(caller, "voice of 13800138000");
    assert!(matches!(dials(&mut world, agent, "*131"), Over::Refused(_)));
    assert_eq!(state(&world), (Ready, None));
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_code_that_cannot_be_followed_is_refused_and_nothing_changes() {
    let mut world = world();
    let agent = world.agent("1001");
    for code in ["*139", "*1311", "*145", "*15", "*161", "*17"] {
        assert!(matches!(dials(&mut world, agent, code), Over::Refused(403 | 404)), "{code}: {}", world.story());
        assert_eq!(state(&world), (Ready, None), "{code}");
    }
    let stranger = world.caller("13800138000");
    world.dial(stranger, "*12");
    assert!(matches!(world.until_over(stranger), Over::Refused(_)));
    assert_eq!(state(&world), (Ready, None));
    world.finish();
}

#[test]
fn an_agent_says_by_phone_what_the_call_was_about_and_is_ready() {
    let mut world = World::new(Settings { dispositions: codes(), wrap_up: seconds(30.0), ..Settings::default() });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.until_over(agent);
    assert_eq!(dials(&mut world, agent, "*15"), Over::Refused(403), "the code comes first");
    assert_eq!(dials(&mut world, agent, "*1611"), Over::Theirs);
    assert_eq!(state(&world).0, WrapUp);
    dials(&mut world, agent, "*15");
    assert_eq!(state(&world).0, Ready);
    let code = world.events().find_map(|kind| match kind {
        EventKind::Disposed { code, .. } => Some(code.clone()),
        _ => None,
    });
    assert_eq!(code.as_deref(), Some("billing/refund"));
    world.finish();
}
