//! Agents who talk to two parties and leave them to each other, phones that go on with a call of another, and colleagues who
//! take what rings elsewhere (RFC 3891).

use super::*;

/// The agent has a caller of the queue, and talks to `number` meanwhile.
pub(super) fn consulting(number: &str) -> (World, PhoneId, PhoneId, PhoneId) {
    let (mut world, caller, agent) = talking();
    let other = world.agent(number);
    world.hold(agent, true);
    world.run(seconds(1.0));
    world.dial(agent, number);
    world.until_rings(other);
    world.until_heard(other, "voice of 1001");
    world.until_heard(agent, &format!("voice of {number}"));
    assert!(world.hears(caller, "music"));
    (world, caller, agent, other)
}

fn join(world: &mut World, agent: PhoneId, nth: usize, other: usize) {
    world.with(agent, |phone, now| phone.join(now, nth, other, "1002"));
}

fn both_over(world: &World, agent: PhoneId) -> bool {
    world.phones[agent.0].calls.iter().all(|call| call.state == State::Over(Over::Theirs))
}

fn talk_to_each_other(world: &mut World, a: PhoneId, b: PhoneId) {
    let voice = |world: &World, phone: PhoneId| format!("voice of {}", world.phones[phone.0].number);
    let (of_a, of_b) = (voice(world, a), voice(world, b));
    world.until_heard(a, &of_b);
    world.until_heard(b, &of_a);
}

#[test]
fn a_caller_and_whom_the_agent_asked_talk_to_each_other_when_the_agent_joins_them() {
    for (nth, other) in [(0, 1), (1, 0)] {
        let (mut world, caller, agent, asked) = consulting("1002");
        join(&mut world, agent, nth, other);
        talk_to_each_other(&mut world, caller, asked);
        world.run(seconds(1.0));
        assert!(both_over(&world, agent), "{}", world.story());
        assert_eq!(world.phones[agent.0].calls[nth].referred, [202, 200]);
        assert_eq!(world.switch.calls(), 1);
        let reinvited = world.count(|kind| matches!(kind, EventKind::LegTaken { .. }));
        assert_eq!(reinvited, 1);
        // The agent is free; whom it asked is not.
        let next = world.caller("13900139000");
        world.dial(next, "9000");
        world.until_heard(next, "voice of 1001");
        world.hang_up(next);
        world.hang_up(caller);
        assert_eq!(world.until_over(asked), Over::Theirs);
        world.run(seconds(3.0));
        let of_caller = world.records.iter().find(|record| record.from.expose() == "13800138000").expect("a record");
        assert_eq!(of_caller.agent, Some(AgentId::new("1002")), "{of_caller:#?}");
        assert!(of_caller.segments.iter().all(|segment| segment.ended.is_some()));
        world.finish();
    }
}

#[test]
fn the_recording_of_a_caller_goes_on_with_whom_it_was_joined_to() {
    let (mut world, caller, agent, asked) = consulting("1002");
    join(&mut world, agent, 0, 1);
    talk_to_each_other(&mut world, caller, asked);
    world.run(seconds(2.0));
    world.hang_up(asked);
    world.until_over(caller);
    world.run(seconds(3.0));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::RecordingEnded { .. })), 2);
    world.finish();
}

#[test]
fn two_whom_an_agent_called_can_be_joined() {
    let mut world = world();
    let (agent, first, second) = (world.agent("1001"), world.agent("1002"), world.agent("1003"));
    world.dial(agent, "1002");
    world.until_rings(first);
    world.until_heard(first, "voice of 1001");
    world.dial(agent, "1003");
    world.until_rings(second);
    world.until_heard(second, "voice of 1001");
    join(&mut world, agent, 1, 0);
    talk_to_each_other(&mut world, first, second);
    world.run(seconds(1.0));
    assert!(both_over(&world, agent));
    world.hang_up(first);
    assert_eq!(world.until_over(second), Over::Theirs);
    world.finish();
}

#[test]
fn an_agent_of_the_queue_whom_another_asked_for_help_is_joined_to_the_caller() {
    let (mut world, caller, agent) = talking();
    let helper = world.agent("1002");
    world.dial(agent, "9000");
    world.until_rings(helper);
    world.until_heard(helper, "voice of 1001");
    join(&mut world, agent, 0, 1);
    talk_to_each_other(&mut world, caller, helper);
    world.hang_up(caller);
    assert_eq!(world.until_over(helper), Over::Theirs);
    world.run(seconds(5.0));
    // Its rest after a call of the queue is over too.
    let next = world.caller("13900139000");
    world.command(Command::AgentNotReady { agent: AgentId::new("1001"), reason: "lunch".into() });
    world.dial(next, "9000");
    world.until_heard(next, "voice of 1002");
    world.hang_up(next);
    world.finish();
}

#[test]
fn a_caller_joined_to_a_phone_that_only_rings_waits_for_it_in_the_agents_stead() {
    let (mut world, caller, agent) = talking();
    let asked = world.agent("1002");
    world.manners(asked, |manners| manners.taking = Taking::AnswerAfter(seconds(5.0)));
    world.dial(agent, "1002");
    world.until_rings(asked);
    world.run(seconds(0.5));
    join(&mut world, agent, 0, 1);
    world.run(seconds(1.0));
    assert!(world.hears(caller, "music"), "{}", world.story());
    talk_to_each_other(&mut world, caller, asked);
    world.run(seconds(1.0));
    assert!(world.phones[agent.0].calls.iter().all(|call| matches!(call.state, State::Over(_))));
    world.hang_up(asked);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_joined_to_a_queue_that_the_agent_waits_in_waits_there() {
    let (mut world, caller, agent) = talking();
    world.dial(agent, "9000");
    world.until_heard(agent, "music");
    join(&mut world, agent, 0, 1);
    world.run(seconds(1.0));
    assert!(both_over(&world, agent) && world.hears(caller, "music"), "{}", world.story());
    let helper = world.agent("1002");
    world.until_heard(caller, "voice of 1002");
    world.hang_up(caller);
    world.until_over(helper);
    world.finish();
}

#[test]
fn calls_that_are_not_the_agents_own_are_not_joined() {
    let (mut world, caller, agent, asked) = consulting("1002");
    let stranger = world.agent("1003");
    world.dial(stranger, "9193");
    world.until_heard(stranger, "music");
    let of_stranger = world.phones[stranger.0].replaces(0).replace(';', "%3B").replace('=', "%3D");
    let own = world.phones[agent.0].replaces(1).replace(';', "%3B").replace('=', "%3D");
    let itself = world.phones[agent.0].replaces(0).replace(';', "%3B").replace('=', "%3D");
    let cases = [
        (format!("?Replaces={of_stranger}"), 403),
        ("?Replaces=nobody%3Bto-tag%3D1%3Bfrom-tag%3D2".into(), 404),
        ("?Replaces=half".into(), 400),
        (format!("?Replaces={own}&Replaces={own}"), 400),
        (format!("?Replaces={itself}"), 400),
    ];
    for (query, status) in cases {
        world.with(agent, |phone, now| phone.refer(now, 0, "1002", &query));
        world.run(seconds(1.0));
        assert_eq!(world.phones[agent.0].calls[0].referred.last(), Some(&status), "{query}");
    }
    assert!(world.hears(asked, "voice of 1001") && world.hears(caller, "music"), "nothing has changed");
    world.hang_up(stranger);
    world.hang_up(asked);
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_party_who_hangs_up_as_the_two_are_joined_leaves_nothing_behind() {
    for leaves in 0..3 {
        let (mut world, caller, agent, asked) = consulting("1002");
        join(&mut world, agent, 0, 1);
        match leaves {
            0 => world.hang_up(caller),
            1 => world.hang_up(asked),
            // BYE and the REFER's outcome cross.
            _ => world.with(agent, |phone, now| {
                for call in 0..2 {
                    phone.endpoint.hangup(now, phone.calls[call].usage, None);
                    phone.calls[call].state = State::Over(Over::Ours);
                }
            }),
        }
        world.run(seconds(2.0));
        if leaves == 2 {
            assert!(world.hears(caller, "voice of 1002"), "{}", world.story());
            world.hang_up(caller);
        }
        world.run(seconds(2.0));
        assert_eq!(world.switch.calls(), 0, "{}", world.story());
        world.finish();
    }
}

#[test]
fn another_phone_of_the_agent_goes_on_with_its_call() {
    let (mut world, caller, desk) = talking();
    let mobile = world.agent("1001");
    let named = world.phones[desk.0].replaces(0);
    world.with(mobile, |phone, now| {
        phone.headers = vec![("Replaces".into(), named), ("Require".into(), "replaces".into())];
        phone.dial(now, "1001", None);
    });
    assert_eq!(world.until_over(desk), Over::Theirs);
    world.until_heard(mobile, "voice of 13800138000");
    world.run(seconds(1.0));
    assert!(world.hears(caller, "voice of 1001"));
    assert_eq!(world.switch.calls(), 1);
    world.hang_up(mobile);
    world.until_over(caller);
    world.run(seconds(3.0));
    assert_eq!(world.record().agent, Some(AgentId::new("1001")));
    world.finish();
}

#[test]
fn a_caller_who_is_an_extension_goes_on_from_its_other_phone() {
    let mut world = world();
    let (desk, asked) = (world.agent("1001"), world.agent("1002"));
    world.dial(desk, "1002");
    world.until_rings(asked);
    world.until_heard(asked, "voice of 1001");
    let mobile = world.agent("1001");
    let named = world.phones[desk.0].replaces(0);
    world.with(mobile, |phone, now| {
        phone.headers = vec![("Replaces".into(), named)];
        phone.dial(now, "1002", None);
    });
    assert_eq!(world.until_over(desk), Over::Theirs);
    world.until_heard(mobile, "voice of 1002");
    world.hang_up(asked);
    assert_eq!(world.until_over(mobile), Over::Theirs);
    world.finish();
}

#[test]
fn a_colleague_takes_a_call_that_rings_at_an_agents_phone() {
    let mut world = world();
    let (away, near, asking) = (world.agent("1001"), world.agent("1002"), world.agent("1003"));
    world.manners(away, |manners| manners.taking = Taking::Ring);
    world.dial(asking, "1001");
    world.until_rings(away);
    let named = world.phones[away.0].replaces(0);
    world.with(near, |phone, now| {
        phone.headers = vec![("Replaces".into(), format!("{named};early-only"))];
        phone.dial(now, "1001", None);
    });
    talk_to_each_other(&mut world, asking, near);
    assert_eq!(world.state(away), Some(&State::Over(Over::Cancelled)));
    world.hang_up(asking);
    assert_eq!(world.until_over(near), Over::Theirs);
    world.finish();
}

#[test]
fn nobody_takes_the_place_of_another_who_may_not() {
    let (mut world, caller, agent) = talking();
    let named = world.phones[agent.0].replaces(0);
    let other = world.agent("1002");
    let stranger = world.caller("13900139000");
    let attempts = [
        (stranger, named.clone(), 403),
        (other, named.clone(), 403),
        (other, "nobody;to-tag=1;from-tag=2".to_string(), 481),
        (other, "half".to_string(), 400),
    ];
    for (phone, value, status) in attempts {
        world.with(phone, |phone, now| {
            phone.headers = vec![("Replaces".into(), value)];
            phone.dial(now, "9193", None);
        });
        assert_eq!(world.until_over(phone), Over::Refused(status));
    }
    let mobile = world.agent("1001");
    for (headers, status) in [
        (vec![("Replaces".to_string(), format!("{named};early-only"))], 486),
        (vec![("Replaces".to_string(), named.clone()), ("Replaces".to_string(), named.clone())], 400),
        (vec![("Replaces".to_string(), named.clone()), ("Join".to_string(), named.clone())], 400),
    ] {
        world.with(mobile, |phone, now| {
            phone.headers = headers;
            phone.dial(now, "1001", None);
        });
        assert_eq!(world.until_over(mobile), Over::Refused(status));
    }
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
}

#[test]
fn who_asks_a_caller_of_the_flow_finds_nobody_to_take_the_place_of() {
    // An early dialog is replaced only by who began it (RFC 3891 3): the caller's own is not.
    let mut world = world();
    let (asking, away) = (world.agent("1003"), world.agent("1001"));
    world.manners(away, |manners| manners.taking = Taking::Ring);
    world.dial(asking, "1001");
    world.until_rings(away);
    world.run(seconds(0.5));
    let named = world.phones[asking.0].replaces(0);
    let mobile = world.agent("1003");
    world.with(mobile, |phone, now| {
        phone.headers = vec![("Replaces".into(), named)];
        phone.dial(now, "1001", None);
    });
    assert_eq!(world.until_over(mobile), Over::Refused(481));
    world.hang_up(asking);
    world.until_over(away);
    world.finish();
}

#[test]
fn who_was_called_by_an_agent_that_left_calls_on_under_its_own_number() {
    let mut world = world();
    let agent = world.agent("1001");
    let (first, second, third) = (world.agent("1002"), world.agent("1003"), world.agent("1004"));
    world.command(Command::AgentNotReady { agent: AgentId::new("1003"), reason: "lunch".into() });
    world.command(Command::AgentNotReady { agent: AgentId::new("1004"), reason: "lunch".into() });
    world.dial(agent, "9000");
    world.until_rings(first);
    world.until_heard(first, "voice of 1001");
    world.dial(agent, "1003");
    world.until_rings(second);
    world.until_heard(second, "voice of 1001");
    join(&mut world, agent, 0, 1);
    talk_to_each_other(&mut world, first, second);
    world.refer(second, "1004");
    world.until_rings(third);
    let from = world.call(third).from.clone();
    assert!(from.contains("1002") && !from.contains("9000") && !from.contains("1001"), "{from}");
    world.until_heard(first, "voice of 1004");
    world.hang_up(third);
    world.until_over(first);
    world.finish();
}

#[test]
fn the_record_of_a_caller_who_goes_on_from_another_phone_names_each_side_rightly() {
    let mut world = world();
    let (desk, asked) = (world.agent("1001"), world.agent("1002"));
    world.dial(desk, "1002");
    world.until_rings(asked);
    world.until_heard(asked, "voice of 1001");
    let mobile = world.agent("1001");
    let named = world.phones[desk.0].replaces(0);
    world.with(mobile, |phone, now| {
        phone.headers = vec![("Replaces".into(), named)];
        phone.dial(now, "1002", None);
    });
    world.until_heard(mobile, "voice of 1002");
    world.hang_up(mobile);
    world.until_over(asked);
    world.run(seconds(3.0));
    let record = world.record();
    assert_eq!(record.agent, Some(AgentId::new("1002")), "{record:#?}");
    let agents: Vec<_> = record.segments.iter().filter_map(|segment| segment.agent.as_ref()).collect();
    assert_eq!(agents, [&AgentId::new("1002")], "of the three legs one was called: {record:#?}");
    world.finish();
}
