//! Supervisors who hear a call, and third parties who join it; and recordings that pause.

use super::*;
use hotline::events::{LegRole, SupervisionMode};
use hotline::switch::{SupervisionNotice, Unfulfilled};

const SUPERVISOR: &str = "1004";

impl World {
    /// The call that is up; of several the first.
    fn only_call(&self) -> CallId {
        self.view().calls[0].id
    }

    fn supervise(&mut self, mode: SupervisionMode) {
        let (call, by) = (self.only_call(), AgentId::new(SUPERVISOR));
        assert_eq!(self.switch.may_supervise(call, &by), Ok(()));
        self.command(Command::Supervise { call, by, mode });
    }
}

/// Caller and agent 1001 talk, and 1004 supervises them.
fn supervised(mode: SupervisionMode) -> (World, PhoneId, PhoneId, PhoneId) {
    let (mut world, caller, agent) = talking();
    let supervisor = world.agent(SUPERVISOR);
    world.supervise(mode);
    world.until_rings(supervisor);
    world.until_heard(supervisor, "tone");
    (world, caller, agent, supervisor)
}

fn modes(world: &World) -> Vec<SupervisionMode> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::Supervised { mode, by, .. } if by.as_str() == SUPERVISOR => Some(*mode),
            _ => None,
        })
        .collect()
}

fn hear_each_other_alone(world: &World, caller: PhoneId, agent: PhoneId) -> bool {
    world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000")
}

#[test]
fn a_supervisor_listens_and_nobody_hears_it_and_the_record_keeps_its_talk_time() {
    let (mut world, caller, agent, supervisor) = supervised(SupervisionMode::Listen);
    world.run(seconds(2.0));
    assert!(hear_each_other_alone(&world, caller, agent), "{}", world.story());
    assert!(world.hears(supervisor, "tone"), "both at once");
    world.hang_up(supervisor);
    world.run(seconds(2.0));
    assert!(hear_each_other_alone(&world, caller, agent), "{}", world.story());
    world.hang_up(caller);
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.run(seconds(3.0));
    assert_eq!(modes(&world), [SupervisionMode::Listen]);
    assert!(world.events().any(|kind| matches!(kind, EventKind::SupervisionEnded { .. })));
    let record = world.record();
    assert_eq!(record.agent, Some(AgentId::new("1001")));
    let talked = record.connected_ms - record.wait_ms;
    assert_eq!((record.talk_ms, record.ring_ms <= record.wait_ms), (talked, true), "{record:#?}");
    assert!(record.segments.iter().any(|segment| segment.role == LegRole::Supervisor));
    world.finish();
}

#[test]
fn the_supervisor_changes_the_mode_by_a_key_or_the_operator_does() {
    let (mut world, caller, agent, supervisor) = supervised(SupervisionMode::Listen);
    world.press(supervisor, "5");
    world.run(seconds(1.5));
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "tone"), "whisper: {}", world.story());
    world.press(supervisor, "6");
    world.run(seconds(1.5));
    assert!(world.hears(caller, "tone") && world.hears(agent, "tone"), "barge: {}", world.story());
    world.supervise(SupervisionMode::Listen);
    world.run(seconds(1.5));
    assert!(hear_each_other_alone(&world, caller, agent), "{}", world.story());
    use SupervisionMode::{Barge, Listen, Whisper};
    assert_eq!(modes(&world), [Listen, Whisper, Barge, Listen]);
    world.hang_up(caller);
    assert_eq!(world.until_over(supervisor), Over::Theirs, "nobody is left to be heard");
    world.finish();
}

#[test]
fn a_supervisor_takes_the_caller_over_and_the_agent_is_let_go() {
    let (mut world, caller, agent, supervisor) = supervised(SupervisionMode::Whisper);
    let (call, by) = (world.only_call(), AgentId::new(SUPERVISOR));
    world.command(Command::TakeOver { call, by });
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.until_heard(caller, "voice of 1004");
    world.until_heard(supervisor, "voice of 13800138000");
    world.hang_up(caller);
    assert_eq!(world.until_over(supervisor), Over::Theirs);
    world.run(seconds(3.0));
    assert_eq!(world.record().agent, Some(AgentId::new(SUPERVISOR)));
    world.finish();
}

#[test]
fn the_end_of_the_call_also_ends_the_ringing_of_a_supervisor_who_has_not_answered() {
    let (mut world, caller, agent) = talking();
    let supervisor = world.agent(SUPERVISOR);
    world.manners(supervisor, |manners| manners.taking = Taking::Ring);
    world.supervise(SupervisionMode::Listen);
    world.until_rings(supervisor);
    world.hang_up(agent);
    assert_eq!(world.until_over(supervisor), Over::Cancelled);
    world.until_over(caller);
    assert_eq!(modes(&world), []);
    world.finish();
}

#[test]
fn a_supervisor_who_does_not_answer_or_refuses_is_not_rung_for_ever_and_disturbs_nobody() {
    for taking in [Taking::Ring, Taking::Refuse(486)] {
        let (mut world, caller, agent) = talking();
        let supervisor = world.agent(SUPERVISOR);
        world.manners(supervisor, |manners| manners.taking = taking);
        world.supervise(SupervisionMode::Barge);
        world.run(seconds(32.0));
        assert!(matches!(world.state(supervisor), Some(State::Over(_))));
        assert!(hear_each_other_alone(&world, caller, agent), "{}", world.story());
        world.hang_up(caller);
        world.until_over(agent);
        world.finish();
    }
}

#[test]
fn caller_and_agent_hear_a_notice_if_that_is_the_policy() {
    let mut world = World::new(Settings { supervision: SupervisionNotice::Tone, ..Settings::default() });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    let supervisor = world.agent(SUPERVISOR);
    world.supervise(SupervisionMode::Listen);
    world.until_heard(caller, "tone");
    world.run(seconds(2.0));
    assert!(hear_each_other_alone(&world, caller, agent), "{}", world.story());
    world.hang_up(caller);
    world.until_over(supervisor);
    world.finish();
}

#[test]
fn an_operator_is_told_why_nobody_can_listen() {
    let (mut world, caller, agent) = talking();
    let call = world.only_call();
    let may = |world: &World, call, by: &str| world.switch.may_supervise(call, &AgentId::new(by));
    assert_eq!(may(&world, CallId(1), SUPERVISOR), Err(Unfulfilled::NoCall));
    assert_eq!(may(&world, call, "nobody"), Err(Unfulfilled::NoExtension));
    assert_eq!(may(&world, call, "1001"), Err(Unfulfilled::OwnCall));
    assert_eq!(may(&world, call, SUPERVISOR), Err(Unfulfilled::NoPhone));
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
    let mut world = super::world();
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.run(seconds(2.0));
    let call = world.only_call();
    assert_eq!(may(&world, call, SUPERVISOR), Err(Unfulfilled::NobodyTalks), "it waits in the queue");
    world.hang_up(caller);
    world.finish();
}

/// Agent 1001 has a caller of the queue, called 1002 meanwhile, and an operator lets the three talk in the first call.
fn three_talk() -> (World, PhoneId, PhoneId, PhoneId) {
    let (mut world, caller, agent, third) = super::joining::consulting("1002");
    let calls: Vec<CallId> = world.view().calls.iter().map(|call| call.id).collect();
    let (call, other) = (calls[0], calls[1]);
    assert_eq!(world.switch.may_join(call, call), Err(Unfulfilled::NobodyTalks));
    assert_eq!(world.switch.may_join(call, other), Ok(()));
    world.command(Command::Join { call, other });
    assert_eq!(world.until_over(agent), Over::Theirs, "its second line");
    world.run(seconds(0.5));
    assert_eq!(world.switch.calls(), 1, "it is one call now");
    // The agent fetches its caller back.
    world.phones[agent.0].calls.pop();
    world.hold(agent, false);
    for phone in [caller, agent, third] {
        world.until_heard(phone, "tone");
    }
    (world, caller, agent, third)
}

#[test]
fn an_agent_has_both_its_parties_in_one_call_and_they_go_on_when_it_leaves() {
    let (mut world, caller, agent, third) = three_talk();
    world.hang_up(agent);
    world.until_heard(caller, "voice of 1002");
    world.until_heard(third, "voice of 13800138000");
    let next = world.caller("13900139000");
    world.dial(next, "9000");
    world.until_heard(next, "voice of 1001");
    world.hang_up(next);
    world.hang_up(caller);
    assert_eq!(world.until_over(third), Over::Theirs);
    world.finish();
}

#[test]
fn a_third_who_leaves_leaves_the_two_to_themselves() {
    let (mut world, caller, agent, third) = three_talk();
    world.hang_up(third);
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_ends_the_call_for_all_three() {
    let (mut world, caller, agent, third) = three_talk();
    world.hang_up(caller);
    assert_eq!((world.until_over(agent), world.until_over(third)), (Over::Theirs, Over::Theirs));
    world.finish();
}

#[test]
fn a_recording_that_is_paused_and_resumed_is_told_of_and_goes_on() {
    let mut world = World::new(Settings { recording: true, ..Settings::default() });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    let call = world.only_call();
    for paused in [true, true, false] {
        world.command(Command::PauseRecording { call, paused });
        world.run(seconds(1.0));
        assert_eq!(world.view().calls[0].recording_paused, paused);
    }
    let told = |world: &World| {
        let events = world.events().filter_map(|kind| match kind {
            EventKind::RecordingPaused { by } => Some((true, by.clone())),
            EventKind::RecordingResumed { by } => Some((false, by.clone())),
            _ => None,
        });
        events.collect::<Vec<_>>()
    };
    assert_eq!(told(&world), [(true, None), (false, None)]);
    world.hang_up(caller);
    world.until_over(agent);
    world.finish();
}

#[test]
fn an_agent_pauses_and_resumes_by_keys_that_the_caller_never_gets_and_a_caller_cannot() {
    let mut world = World::new(Settings { pause_key: Some("*9"), ..Settings::default() });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    let paused = |world: &World| world.view().calls[0].recording_paused;
    for pressed in [true, false] {
        world.press(agent, "*9");
        world.run(seconds(2.0));
        assert_eq!(paused(&world), pressed);
    }
    world.press(caller, "*9");
    world.run(seconds(2.0));
    assert!(!paused(&world));
    let by: Vec<_> = world
        .events()
        .filter_map(|kind| match kind {
            EventKind::RecordingPaused { by } | EventKind::RecordingResumed { by } => by.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(by, [AgentId::new("1001"), AgentId::new("1001")]);
    world.hang_up(caller);
    world.until_over(agent);
    world.finish();
}

fn pause(world: &mut World, paused: bool) {
    let call = world.only_call();
    world.command(Command::PauseRecording { call, paused });
    world.run(seconds(1.0));
}

/// Packets in recordings, and the recordings.
fn recorded(world: &World) -> (u32, usize) {
    let tapes = || world.workers.iter().flat_map(|worker| worker.shell.recordings.values());
    (tapes().map(|tape| tape.near + tape.far).sum(), tapes().count())
}

#[test]
fn a_pause_goes_on_when_the_talk_goes_on_in_a_recording_made_anew() {
    type Change = fn(&mut World, PhoneId);
    let other_phone: Change = |world, agent| {
        let mobile = world.agent("1001");
        let named = world.phones[agent.0].replaces(0);
        world.with(mobile, |phone, now| {
            phone.headers = vec![("Replaces".into(), named)];
            phone.dial(now, "1001", None);
        });
        assert_eq!(world.until_over(agent), Over::Theirs);
    };
    let failed_transfer: Change = |world, agent| {
        let other = world.agent("1002");
        world.manners(other, |manners| manners.taking = Taking::Refuse(486));
        world.refer(agent, "1002");
    };
    let other_agent: Change = |world, agent| {
        world.agent("1002");
        world.refer(agent, "1002");
        assert_eq!(world.until_over(agent), Over::Theirs);
    };
    let takeover: Change = |world, agent| {
        let supervisor = world.agent(SUPERVISOR);
        world.supervise(SupervisionMode::Listen);
        world.until_rings(supervisor);
        world.until_heard(supervisor, "tone");
        world.command(Command::TakeOver { call: world.only_call(), by: AgentId::new(SUPERVISOR) });
        assert_eq!(world.until_over(agent), Over::Theirs);
    };
    for change in [other_phone, failed_transfer, other_agent, takeover] {
        let (mut world, caller, agent) = talking();
        pause(&mut world, true);
        let before = recorded(&world);
        change(&mut world, agent);
        world.run(seconds(3.0));
        assert!(world.view().calls[0].recording_paused, "{}", world.story());
        assert_eq!(recorded(&world), (before.0, 2), "nothing in the second recording");
        pause(&mut world, false);
        assert!(recorded(&world).0 > before.0);
        world.hang_up(caller);
        world.finish();
    }
}

#[test]
fn a_third_who_stays_talks_in_a_recording_that_is_still_paused() {
    let (mut world, caller, agent, third) = three_talk();
    pause(&mut world, true);
    let before = recorded(&world);
    world.hang_up(agent);
    world.until_heard(caller, "voice of 1002");
    world.run(seconds(2.0));
    assert!(world.view().calls[0].recording_paused);
    assert_eq!(recorded(&world).0, before.0);
    world.hang_up(caller);
    world.until_over(third);
    world.finish();
}

#[test]
fn a_supervisor_whose_phone_agrees_to_nothing_any_more_is_let_go_and_the_two_talk_on() {
    for answer in [None, Some("v=0\r\no=- 1 2 IN IP4 10.1.0.3\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n")] {
        let (mut world, caller, agent) = talking();
        let supervisor = world.agent(SUPERVISOR);
        let address = world.answer_by_hand(supervisor);
        world.supervise(SupervisionMode::Listen);
        let invite = request_within(&mut world, address, Method::Invite);
        let mut call = RawCall::called(address, &invite, "desk");
        let sdp = call.sdp();
        world.send_by_hand(address, call.response(&invite, 200, Some("desk"), Some(&sdp)));
        request_within(&mut world, address, Method::Ack);
        world.by_hand.get_mut(&address).unwrap().clear();
        let again = call.reinvite(None);
        world.send_by_hand(address, again);
        assert_eq!(final_answer_within(&mut world, address).status(), 200);
        world.send_by_hand(address, call.ack(answer));
        let bye = request_within(&mut world, address, Method::Bye);
        world.send_by_hand(address, call.ok_to(&bye));
        world.run(seconds(2.0));
        assert!(hear_each_other_alone(&world, caller, agent), "{}", world.story());
        assert!(world.events().any(|kind| matches!(kind, EventKind::SupervisionEnded { .. })));
        world.hang_up(caller);
        world.until_over(agent);
        world.finish();
    }
}

#[test]
fn the_pause_key_of_who_is_joined_to_another_is_passed_on_where_nothing_is_recorded() {
    let mut world = World::new(Settings { pause_key: Some("*9"), ..Settings::default() });
    let (asking, colleague) = (world.agent("1001"), world.agent("1003"));
    world.dial(asking, "1003");
    world.until_rings(colleague);
    world.until_heard(colleague, "voice of 1001");
    let helper = world.agent("1002");
    world.dial(asking, "9000");
    world.until_rings(helper);
    world.until_heard(helper, "voice of 1001");
    world.with(asking, |phone, now| phone.join(now, 0, 1, "1002"));
    world.until_heard(helper, "voice of 1003");
    world.run(seconds(1.0));
    assert_eq!(world.view().calls.len(), 1);
    world.press(helper, "*9");
    world.run(seconds(2.0));
    assert_eq!(world.call(colleague).keys_heard, "*9", "{}", world.story());
    world.hang_up(helper);
    world.until_over(colleague);
    world.finish();
}

#[test]
fn an_agent_whom_its_caller_sent_on_pauses_by_its_keys_as_before() {
    let mut world = World::new(Settings { pause_key: Some("*9"), ..Settings::default() });
    let (calling, agent) = (world.agent("1003"), world.agent("1001"));
    world.dial(calling, "9000");
    world.until_rings(agent);
    world.until_heard(agent, "voice of 1003");
    let other = world.agent("1002");
    world.refer(calling, "1002");
    world.until_heard(agent, "voice of 1002");
    world.run(seconds(1.0));
    for paused in [true, false] {
        world.press(agent, "*9");
        world.run(seconds(2.0));
        assert_eq!(world.view().calls[0].recording_paused, paused, "{}", world.story());
    }
    assert_eq!(world.call(other).keys_heard, "");
    world.hang_up(other);
    world.until_over(agent);
    world.finish();
}
