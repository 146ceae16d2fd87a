//! Phones that send their callers elsewhere (3xx): as far as they might call there themselves, and not for ever.

use super::*;

/// 1001 dials 1002, whose phone somebody answers by hand.
fn dialled() -> (World, PhoneId, SocketAddr) {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    let desk = world.answer_by_hand(called);
    world.dial(calling, "1002");
    (world, calling, desk)
}

/// Answers the INVITE at `desk` with a 302 to these Contacts.
fn redirect(world: &mut World, desk: SocketAddr, contacts: &str) {
    let invite = request_within(world, desk, Method::Invite);
    let call = RawCall::called(desk, &invite, "desk");
    let answer = String::from_utf8(call.response(&invite, 302, Some("desk"), None).to_vec()).unwrap();
    let own = format!("Contact: <sip:hand@{desk}>");
    assert!(answer.contains(&own));
    world.send_by_hand(desk, answer.replacen(&own, &format!("Contact: {contacts}"), 1).into());
}

fn redirected(world: &World) -> Vec<(String, String)> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::Redirected { by, to, .. } => Some((by.to_string(), to.expose().clone())),
            _ => None,
        })
        .collect()
}

fn refused(world: &World) -> Vec<u16> {
    world
        .events()
        .filter_map(|kind| match kind {
            EventKind::TransferRefused { status, .. } => Some(*status),
            _ => None,
        })
        .collect()
}

#[test]
fn a_caller_is_sent_on_to_another_phone_and_told_so() {
    let (mut world, calling, desk) = dialled();
    let third = world.agent("1003");
    let other = world.answer_by_hand(third);
    redirect(&mut world, desk, "<sip:1004@hotline>;q=0.1, <sip:1003@elsewhere.example>;q=0.8");
    let invite = request_within(&mut world, other, Method::Invite);
    assert_eq!(sim::raw::header(&invite, HeaderName::Diversion), "<sip:1002@hotline>;reason=deflection;counter=1");
    assert_eq!(invite.max_forwards(), Some(Ok(68)), "a hop for us, and one for the phone that sent it on");
    let call = RawCall::called(other, &invite, "other");
    world.send_by_hand(other, call.response(&invite, 180, Some("other"), None));
    world.send_by_hand(other, call.response(&invite, 200, Some("other"), Some(&call.sdp())));
    request_within(&mut world, other, Method::Ack);
    world.until_up(calling);
    assert_eq!(world.call(calling).statuses, [181, 180, 200]);
    assert_eq!(redirected(&world), [("1002".into(), "1003".into())]);
    world.hang_up(calling);
    let bye = request_within(&mut world, other, Method::Bye);
    world.send_by_hand(other, call.ok_to(&bye));
    world.finish();
}

#[test]
fn a_caller_is_sent_on_to_the_queue_or_the_flow_of_a_number() {
    let (mut world, calling, desk) = dialled();
    redirect(&mut world, desk, "<sip:9193@hotline>");
    world.until_heard(calling, "music");
    world.hang_up(calling);
    world.finish();
}

#[test]
fn a_phone_sends_nobody_where_it_may_not_call_itself() {
    // Toll fraud: whoever gets a phone to redirect must gain nothing by it.
    for (contacts, status) in [
        ("<sip:0015551234@hotline>", 404),
        ("<sip:0015551234@attacker.example>, <tel:+15551234>", 404),
        ("<sip:hotline>", 404),
        ("<sip:1002@hotline>", 482),
    ] {
        let (mut world, calling, desk) = dialled();
        redirect(&mut world, desk, contacts);
        assert_eq!(world.until_over(calling), Over::Refused(480), "{contacts}");
        assert_eq!((refused(&world), redirected(&world)), (vec![status], vec![]), "{contacts}");
        world.finish();
    }
}

#[test]
fn phones_that_send_a_caller_to_each_other_end_the_call() {
    let (mut world, calling, desk) = dialled();
    let third = world.agent("1003");
    let other = world.answer_by_hand(third);
    redirect(&mut world, desk, "<sip:1003@hotline>");
    redirect(&mut world, other, "<sip:1002@hotline>");
    assert_eq!(world.until_over(calling), Over::Refused(480));
    assert_eq!((refused(&world), redirected(&world).len()), (vec![482], 1));
    world.finish();
}

#[test]
fn a_redirection_with_no_hop_left_ends_the_call() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    world.agent("1003");
    let desk = world.answer_by_hand(called);
    world.phones[calling.0].hops = Some(2);
    world.dial(calling, "1002");
    redirect(&mut world, desk, "<sip:1003@hotline>");
    assert_eq!(world.until_over(calling), Over::Refused(480));
    assert_eq!((refused(&world), redirected(&world)), (vec![483], vec![]));
    world.finish();
}

#[test]
fn an_agent_whose_phone_sends_a_queues_caller_elsewhere_did_not_answer() {
    let mut world = world();
    let agent = world.agent("1001");
    let desk = world.answer_by_hand(agent);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    redirect(&mut world, desk, "<sip:1003@hotline>");
    world.run(seconds(1.0));
    assert_eq!(offers(&world), [("1001".into(), OfferResult::NoAnswer)]);
    assert!(world.is_up(caller) && redirected(&world).is_empty());
    world.hang_up(caller);
    world.finish();
}
