//! What agents do after a call.

use super::*;
use hotline::acd::{AfterCall, Dispositions};
use hotline::events::AgentStateName;

fn does(world: &mut World, wish: AfterCall) {
    world.command(Command::AfterCall { agent: AgentId::new("1001"), wish });
}

fn state(world: &World) -> AgentStateName {
    world.view().agents.into_iter().find(|view| view.agent.as_str() == "1001").unwrap().state
}

#[test]
fn a_code_given_while_the_call_is_up_is_in_its_record_and_one_given_later_is_told() {
    let codes = [("1", "billing"), ("2", "fault")].map(|(code, name)| (code.to_string(), name.to_string()));
    let dispositions = Dispositions { required: true, codes: codes.into() };
    let mut world = World::new(Settings { dispositions, ..Settings::default() });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    does(&mut world, AfterCall::Dispose("2".into()));
    world.hang_up(caller);
    world.run(seconds(3.0));
    assert_eq!(world.record().disposition.as_deref(), Some("fault"));
    assert_eq!(state(&world), AgentStateName::Ready);

    let next = ringing_agent(&mut world, agent);
    world.until_heard(next, "voice of 1001");
    world.hang_up(next);
    world.run(seconds(30.0));
    assert_eq!(state(&world), AgentStateName::NotReady, "owes a code");
    let call = world.records.last().and_then(|record| record.call_id);
    does(&mut world, AfterCall::Dispose("billing".into()));
    assert_eq!(state(&world), AgentStateName::Ready);
    let told = world.journal.iter().rfind(|event| matches!(&event.kind, EventKind::Disposed { .. })).unwrap();
    assert_eq!(told.call, call);
    world.finish();
}

#[test]
fn an_agent_who_wraps_up_when_the_process_is_killed_does_so_after_it_for_the_rest_of_the_time() {
    let mut world = World::new(Settings { wrap_up: seconds(60.0), ..Settings::default() });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.run(seconds(10.0));
    world.restart(seconds(20.0));
    assert_eq!(state(&world), AgentStateName::WrapUp);
    let waiting = world.caller("13900139000");
    world.dial(waiting, "9000");
    world.run(seconds(25.0));
    assert!(world.hears(waiting, "music"), "{}", world.story());
    world.until_heard(waiting, "voice of 1001");
    world.hang_up(waiting);
    world.run(seconds(5.0));
    does(&mut world, AfterCall::End);
    assert_eq!(state(&world), AgentStateName::Ready);
    world.finish();
}
