//! Agents who send a caller elsewhere by their phone's transfer key (RFC 3515), and what the caller hears meanwhile.

use super::*;

fn outcomes_of_transfers(world: &World) -> Vec<(TransferOutcome, u16)> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::TransferEnded { outcome, status, .. } => Some((*outcome, *status)),
            _ => None,
        })
        .collect()
}

fn told(world: &World, phone: PhoneId) -> &[u16] {
    &world.call(phone).referred
}

#[test]
fn a_caller_who_is_sent_on_hears_music_until_the_other_agent_answers() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.hold(agent, true);
    world.run(seconds(1.0));
    world.refer(agent, "1002");
    world.until_rings(other);
    world.run(seconds(1.0));
    assert!(world.hears(caller, "music"), "{}", world.story());
    assert!(world.call(other).from.contains("13800138000"), "{}", world.call(other).from);
    world.until_heard(caller, "voice of 1002");
    world.until_heard(other, "voice of 13800138000");
    assert_eq!(world.until_over(agent), Over::Theirs, "whoever is done is let go");
    assert_eq!(told(&world, agent), [202, 100, 180, 200]);
    assert_eq!(outcomes_of_transfers(&world), [(TransferOutcome::Completed, 200)]);
    world.hang_up(caller);
    assert_eq!(world.until_over(other), Over::Theirs);
    world.run(seconds(3.0));
    let stage = world.record().journey.iter().find(|stage| stage.outcome.as_deref() == Some("completed"));
    assert_eq!(stage.map(|stage| stage.name.as_str()), Some("1002"), "{:#?}", world.record().journey);
    assert_eq!(world.record().agent, Some(AgentId::new("1002")));
    world.finish();
}

#[test]
fn a_referrer_is_free_for_the_queue_again_only_when_it_is_let_go() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.manners(other, |manners| manners.taking = Taking::AnswerAfter(seconds(8.0)));
    world.refer(agent, "1002");
    let next = world.caller("13900139000");
    world.dial(next, "9000");
    world.run(seconds(6.0));
    assert!(world.hears(next, "music"), "the agent still waits for its transfer: {}", world.story());
    world.until_heard(next, "voice of 1001");
    world.hang_up(caller);
    world.hang_up(next);
    world.finish();
}

#[test]
fn a_caller_whom_a_busy_agent_refused_is_back_with_who_sent_it() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.manners(other, |manners| manners.taking = Taking::Refuse(486));
    world.refer(agent, "1002");
    world.run(seconds(2.0));
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"), "{}", world.story());
    assert_eq!(told(&world, agent).last(), Some(&486));
    assert_eq!(outcomes_of_transfers(&world), [(TransferOutcome::Returned, 486)]);
    // And may be sent on again.
    world.manners(other, |manners| manners.taking = Taking::AnswerAfter(seconds(1.0)));
    world.refer(agent, "1002");
    world.until_heard(caller, "voice of 1002");
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.hang_up(other);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_whom_nobody_answered_is_back_with_who_sent_it() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.manners(other, |manners| manners.taking = Taking::Ring);
    world.refer(agent, "1002");
    world.until_rings(other);
    world.run(seconds(58.0));
    assert!(world.hears(caller, "music"));
    world.run(seconds(5.0));
    assert_eq!(world.state(other), Some(&State::Over(Over::Cancelled)));
    assert!(world.hears(caller, "voice of 1001"));
    assert_eq!(outcomes_of_transfers(&world), [(TransferOutcome::Returned, 480)]);
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_whom_nobody_took_and_whose_agent_has_left_waits_in_front_of_the_queue() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.manners(other, |manners| manners.taking = Taking::Ring);
    world.refer(agent, "1002");
    world.until_rings(other);
    world.hang_up(agent);
    world.run(seconds(1.0));
    assert!(world.hears(caller, "music"));
    world.hang_up(other);
    world.run(seconds(0.5));
    assert_eq!(outcomes_of_transfers(&world), [(TransferOutcome::Queued, 486)]);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_referrer_who_hangs_up_at_once_has_sent_the_caller_on_all_the_same() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.refer(agent, "1002");
    world.hang_up(agent);
    world.until_heard(caller, "voice of 1002");
    assert_eq!(outcomes_of_transfers(&world), [(TransferOutcome::Completed, 200)]);
    world.hang_up(other);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_in_mid_transfer_stops_the_ringing_and_lets_the_referrer_go() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.manners(other, |manners| manners.taking = Taking::Ring);
    world.refer(agent, "1002");
    world.until_rings(other);
    world.hang_up(caller);
    assert_eq!(world.until_over(other), Over::Cancelled);
    assert_eq!(world.until_over(agent), Over::Theirs);
    assert_eq!(told(&world, agent), [202, 100, 180, 487]);
    assert_eq!(outcomes_of_transfers(&world), [(TransferOutcome::Abandoned, 487)]);
    world.finish();
}

#[test]
fn a_caller_sent_to_a_queue_waits_there_and_is_served() {
    let (mut world, caller, agent) = talking();
    world.refer(agent, "9000");
    world.run(seconds(1.0));
    assert_eq!(world.state(agent), Some(&State::Over(Over::Theirs)));
    assert_eq!(told(&world, agent).last(), Some(&200));
    assert!(world.hears(caller, "music"));
    let other = world.agent("1002");
    world.until_heard(caller, "voice of 1002");
    world.hang_up(caller);
    world.until_over(other);
    world.finish();
}

#[test]
fn a_caller_sent_from_a_flow_to_another_number_hears_what_is_there() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "voice of 1001");
    world.refer(agent, "9197");
    world.until_heard(caller, "tone");
    assert_eq!(world.until_over(agent), Over::Theirs);
    assert_eq!(world.count(|kind| matches!(kind, EventKind::FlowEnded { .. })), 1, "the flow knows that it is over");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_caller_sent_back_to_the_menu_hears_it_from_its_beginning() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1001");
    world.refer(agent, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "voice of 1001");
    assert_eq!(world.phones[agent.0].calls.len(), 2);
    world.hang_up(caller);
    world.finish();
}

#[test]
fn who_called_and_has_its_partner_back_may_send_it_on_again() {
    let mut world = world();
    let (first, second, third) = (world.agent("1001"), world.agent("1002"), world.agent("1003"));
    world.manners(third, |manners| manners.taking = Taking::Refuse(486));
    world.dial(first, "1002");
    world.until_heard(first, "voice of 1002");
    world.refer(first, "1003");
    world.run(seconds(2.0));
    assert!(world.hears(second, "voice of 1001"), "{}", world.story());
    world.manners(third, |manners| manners.taking = Taking::AnswerAfter(seconds(1.0)));
    world.refer(first, "1003");
    world.until_heard(second, "voice of 1003");
    world.hang_up(second);
    world.until_over(third);
    world.finish();
}

#[test]
fn whom_an_agent_called_can_be_sent_on_too() {
    let mut world = world();
    let (first, second, third) = (world.agent("1001"), world.agent("1002"), world.agent("1003"));
    world.dial(first, "1002");
    world.until_heard(first, "voice of 1002");
    world.refer(first, "1003");
    world.until_rings(third);
    world.run(seconds(1.0));
    assert!(world.hears(second, "music"));
    assert!(world.call(third).from.contains("sip:1002@"), "{}", world.call(third).from);
    world.until_heard(second, "voice of 1003");
    world.until_heard(third, "voice of 1002");
    assert_eq!(world.until_over(first), Over::Theirs);
    assert_eq!(told(&world, first), [202, 100, 180, 200]);
    world.hang_up(second);
    assert_eq!(world.until_over(third), Over::Theirs);
    // All three are free again.
    for agent in [first, second, third] {
        let caller = world.caller("13800138000");
        world.dial(caller, "9000");
        world.until_rings(agent);
        world.hang_up(caller);
        world.run(seconds(1.0));
        let number = world.phones[agent.0].number.clone();
        world.command(Command::AgentNotReady { agent: AgentId::new(number), reason: "lunch".into() });
    }
    world.finish();
}

#[test]
fn an_agent_whom_the_queue_gave_can_be_sent_on_by_who_called_the_queue() {
    let mut world = world();
    let (served, third) = (world.agent("1002"), world.agent("1003"));
    world.command(Command::AgentNotReady { agent: AgentId::new("1003"), reason: "lunch".into() });
    let first = world.agent("1001");
    world.dial(first, "9000");
    world.until_heard(first, "voice of 1002");
    world.refer(first, "1003");
    world.until_heard(served, "voice of 1003");
    assert_eq!(world.until_over(first), Over::Theirs);
    world.hang_up(third);
    world.until_over(served);
    world.run(seconds(5.0));
    world.finish();
}

#[test]
fn nobody_is_sent_where_the_agent_itself_may_not_call() {
    let (mut world, caller, agent) = talking();
    for (number, status) in [("900012345", 404), ("", 404)] {
        world.refer(agent, number);
        world.run(seconds(1.0));
        assert_eq!(told(&world, agent).last(), Some(&status), "{number}");
        assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    }
    assert_eq!(world.count(|kind| matches!(kind, EventKind::TransferRefused { .. })), 2);
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_from_the_trunk_sends_nobody_anywhere() {
    let (mut world, caller, agent) = talking();
    world.refer(caller, "1002");
    world.run(seconds(1.0));
    assert_eq!(told(&world, caller), [403]);
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
}

#[test]
fn an_agent_who_talks_to_a_machine_has_nobody_to_send_on() {
    let mut world = world();
    let agent = world.agent("1001");
    world.dial(agent, "9193");
    world.until_heard(agent, "music");
    world.refer(agent, "1002");
    world.run(seconds(1.0));
    assert_eq!(told(&world, agent), [603]);
    world.hang_up(agent);
    world.finish();
}

#[test]
fn a_referral_outside_a_call_and_one_that_names_nobody_or_two_are_refused() {
    let mut world = world();
    let address: SocketAddr = "10.2.99.1:5060".parse().unwrap();
    let mut stray = RawCall::new(address, "9193");
    stray.headers = "Refer-To: <sip:1001@hotline>\r\n".into();
    let refer = stray.refer();
    world.send_by_hand(address, refer);
    assert_eq!(final_answer_within(&mut world, address).status(), 403);

    let agent = world.agent("1001");
    let hand = world.answer_by_hand(agent);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    let invite = request_within(&mut world, hand, Method::Invite);
    let mut call = RawCall::called(hand, &invite, "hand");
    let sdp = call.sdp();
    world.send_by_hand(hand, call.response(&invite, 200, Some("hand"), Some(&sdp)));
    world.run(seconds(1.0));
    let headers = [
        ("", 400),
        ("Refer-To: <sip:1002@hotline>\r\nRefer-To: <sip:1003@hotline>\r\n", 400),
        ("Refer-To: <sip:1002@hotline\r\n", 400),
        ("Refer-To: <mailto:1002@hotline>\r\n", 416),
        ("Refer-To: <sip:1002@hotline;method=BYE>\r\n", 403),
        ("Refer-To: <sip:hotline>\r\n", 404),
    ];
    for (lines, status) in headers {
        call.headers = lines.into();
        let refer = call.refer();
        world.send_by_hand(hand, refer);
        world.run(seconds(1.0));
        assert_eq!(final_answer(&world, hand).status(), status, "{lines}");
    }
    call.headers.clear();
    let bye = call.bye();
    world.send_by_hand(hand, bye);
    world.until_over(caller);
    world.finish();
}

#[test]
fn who_wants_to_hear_nothing_of_its_transfer_is_told_nothing() {
    let mut world = world();
    let agent = world.agent("1001");
    let hand = world.answer_by_hand(agent);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    let invite = request_within(&mut world, hand, Method::Invite);
    let mut call = RawCall::called(hand, &invite, "hand");
    let sdp = call.sdp();
    world.send_by_hand(hand, call.response(&invite, 200, Some("hand"), Some(&sdp)));
    world.run(seconds(1.0));
    let other = world.agent("1002");
    // RFC 4488.
    call.headers = "Refer-To: <sip:1002@hotline>\r\nRefer-Sub: false\r\n".into();
    let refer = call.refer();
    world.send_by_hand(hand, refer);
    let bye = request_within(&mut world, hand, Method::Bye);
    call.headers.clear();
    world.send_by_hand(hand, call.ok_to(&bye));
    world.until_heard(caller, "voice of 1002");
    let accepted = world.by_hand[&hand].iter().find(|m| m.status() == 202).expect("accepted").clone();
    assert_eq!(accepted.header(HeaderName::ReferSub), Some(&b"false"[..]));
    let notified = |m: &&Message| m.is_request() && *m.method() == Method::Notify;
    assert_eq!(world.by_hand[&hand].iter().filter(notified).count(), 0);
    world.hang_up(other);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_referrer_who_answers_no_notify_loses_only_the_news() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.filter(|way, message| {
        let notify = message.is_request() && *message.method() == Method::Notify;
        if notify && way == Way::ToPhone { Fate::Vanishes } else { Fate::Passes }
    });
    world.refer(agent, "1002");
    world.until_heard(caller, "voice of 1002");
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.run(seconds(40.0));
    assert!(world.hears(caller, "voice of 1002"));
    world.hang_up(other);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_transfer_over_a_line_that_loses_every_third_packet_comes_to_its_end() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    let mut nth = 0;
    world.filter(move |_, _| {
        nth += 1;
        if nth % 3 == 0 { Fate::Vanishes } else { Fate::Passes }
    });
    world.refer(agent, "1002");
    world.until_heard(caller, "voice of 1002");
    world.until_over(agent);
    world.no_filter();
    world.hang_up(other);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_referrer_whose_phone_dies_in_mid_transfer_is_not_missed() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    world.manners(other, |manners| manners.taking = Taking::AnswerAfter(seconds(20.0)));
    world.refer(agent, "1002");
    world.until_rings(other);
    world.switch_off(agent);
    world.until_heard(caller, "voice of 1002");
    world.hang_up(caller);
    world.until_over(other);
    world.finish();
}

#[test]
fn a_second_referral_waits_for_the_end_of_the_first() {
    let mut world = world();
    let agent = world.agent("1001");
    let hand = world.answer_by_hand(agent);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    let invite = request_within(&mut world, hand, Method::Invite);
    let mut call = RawCall::called(hand, &invite, "hand");
    let sdp = call.sdp();
    world.send_by_hand(hand, call.response(&invite, 200, Some("hand"), Some(&sdp)));
    world.run(seconds(1.0));
    let other = world.agent("1002");
    world.manners(other, |manners| manners.taking = Taking::Ring);
    call.headers = "Refer-To: <sip:1002@hotline>\r\n".into();
    for status in [202, 491] {
        let refer = call.refer();
        world.send_by_hand(hand, refer);
        world.run(seconds(0.5));
        assert_eq!(final_answer(&world, hand).status(), status);
    }
    world.hang_up(caller);
    assert_eq!(world.until_over(other), Over::Cancelled);
    let bye = request_within(&mut world, hand, Method::Bye);
    call.headers.clear();
    world.send_by_hand(hand, call.ok_to(&bye));
    world.finish();
}

#[test]
fn an_operator_sends_a_caller_on_as_its_agent_could() {
    let (mut world, caller, agent) = talking();
    let other = world.agent("1002");
    let call = world.view().calls[0].id;
    assert_eq!(world.switch.may_transfer(call, "7777"), Err(Untransferable::NotOpen));
    assert_eq!(world.switch.may_transfer(CallId(7), "1002"), Err(Untransferable::NoCall));
    assert_eq!(world.switch.may_transfer(call, "1002"), Ok(()));
    world.command(Command::Transfer { call, to: "1002".into() });
    assert_eq!(world.switch.may_transfer(call, "1002"), Err(Untransferable::NobodyTalks));
    world.until_heard(caller, "voice of 1002");
    assert_eq!(world.until_over(agent), Over::Theirs);
    assert!(told(&world, agent).is_empty());
    world.hang_up(other);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_who_is_back_with_a_phone_that_hangs_up_by_itself_waits_in_front_of_the_queue() {
    // baresip says BYE to each end of a transfer, also to one that failed.
    let (mut world, caller, agent) = talking();
    world.refer(agent, "1004");
    world.until("the transfer failed", |world| !outcomes_of_transfers(world).is_empty());
    assert_eq!(outcomes_of_transfers(&world), [(TransferOutcome::Returned, 480)]);
    world.hang_up(agent);
    world.run(seconds(1.0));
    assert!(world.hears(caller, "music"), "{}", world.story());
    world.until_heard(caller, "voice of 1001");
    world.run(seconds(5.0));
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_caller_whose_second_transfer_comes_to_nothing_is_back_in_the_flow() {
    let mut world = world();
    // After the agent the flow puts the caller through to another extension, and asks what it thinks of that.
    world.reload(sim::bundle::edited(
        "        after_call: survey\n  callback_taken:\n",
        "        after_call: second\n  second:\n    - transfer: {ext: \"1002\", ring: 30s, failed: thanks, after_call: survey}\n  callback_taken:\n",
    ));
    let (agent, other, third) = (world.agent("1001"), world.agent("1002"), world.agent("1003"));
    for busy in ["1002", "1003"] {
        world.command(Command::AgentNotReady { agent: AgentId::new(busy), reason: "desk".into() });
    }
    world.manners(third, |manners| manners.taking = Taking::Ring);
    let caller = world.caller("13800138000");
    world.dial(caller, "95598");
    world.until_heard(caller, "zh/main_menu");
    world.press(caller, "0");
    world.until_heard(caller, "voice of 1001");
    world.hang_up(agent);
    world.until_heard(caller, "voice of 1002");
    world.refer(other, "1003");
    world.until_rings(third);
    world.hang_up(other);
    world.run(seconds(1.0));
    world.hang_up(third);
    world.until_heard(caller, "zh/rate_us");
    assert_eq!(outcomes_of_transfers(&world), [(TransferOutcome::Failed, 486)]);
    world.hang_up(caller);
    world.finish();
}
