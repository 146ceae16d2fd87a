//! What a caller is shown before the answer.

use super::*;

#[test]
fn early_media_is_not_rung_over() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    let address = world.answer_by_hand(called);
    world.dial(calling, "1002");
    let invite = request_within(&mut world, address, Method::Invite);
    let call = RawCall::called(address, &invite, "desk");
    let sdp = call.sdp();
    for (status, sdp) in [(183, Some(sdp.as_str())), (180, None), (183, None)] {
        world.send_by_hand(address, call.response(&invite, status, Some("desk"), sdp));
        world.run(seconds(1.0));
    }
    assert_eq!(world.call(calling).statuses, [183], "a bare 180 would make the phone play its own tone");
    world.send_by_hand(address, call.response(&invite, 486, Some("desk"), None));
    assert_eq!(world.until_over(calling), Over::Refused(486));
    world.finish();
}

/// A provisional response by hand that wants a PRACK.
fn reliable(response: bytes::Bytes, rseq: u32) -> bytes::Bytes {
    let text = String::from_utf8(response.to_vec()).unwrap();
    text.replacen("Contact:", &format!("Require: 100rel\r\nRSeq: {rseq}\r\nContact:"), 1).into()
}

#[test]
fn a_caller_that_wants_each_word_acknowledged_hears_it_ring_and_gives_up() {
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    for late in [false, true] {
        let mut call = RawCall::new(address, "9190");
        call.call_id = format!("reliable-{late}");
        call.headers = "Require: 100rel\r\n".into();
        let sdp = call.sdp();
        world.send_by_hand(address, call.invite(Some(&sdp).filter(|_| !late).map(|sdp| sdp.as_str())));
        let told = |world: &World, status| {
            let mine = |message: &&Message| sim::raw::header(message, HeaderName::CallId) == format!("reliable-{late}");
            let all = world.by_hand[&address].iter().filter(mine);
            all.filter(|message| !message.is_request() && message.status() == status).cloned().collect::<Vec<_>>()
        };
        world.until("the 180", |world| told(world, 180).len() == 3);
        let ringing = told(&world, 180).pop().unwrap();
        assert_eq!(ringing.body().is_empty(), !late, "RFC 3262 5: who brings no offer is made one");
        call.learn(&ringing);
        let prack = call.prack(&ringing, Some(&sdp).filter(|_| late).map(|sdp| sdp.as_str()));
        world.send_by_hand(address, prack);
        world.run(seconds(20.0));
        assert_eq!((told(&world, 200).len(), told(&world, 180).len()), (1, 3), "acknowledged, it is not repeated");
        call.to = "<sip:9190@hotline>".into();
        call.target_number();
        world.send_by_hand(address, call.cancel());
        world.run(seconds(1.0));
        let refusal = told(&world, 487).pop().expect("the call is over");
        call.learn(&refusal);
        call.target_number();
        world.send_by_hand(address, call.ack_refusal());
    }
    world.finish();
}

#[test]
fn a_caller_that_acknowledges_nothing_is_refused_and_holds_nothing() {
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9190");
    call.headers = "Require: 100rel\r\n".into();
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.run(seconds(33.0));
    assert_eq!(final_answer(&world, address).status(), 500, "RFC 3262 3");
    world.run(seconds(3.0));
    assert_eq!((world.record().cause, world.record().status), (Cause::AckTimeout, 500));
    world.finish();
}

#[test]
fn a_phone_that_describes_itself_reliably_and_moves_before_it_answers_is_heard_where_it_is() {
    // RFC 3262 5 and RFC 3311 5: 183 with the answer, UPDATE with an offer, 200 without SDP.
    let mut world = World::new(Settings { rtp_timeout: None, ..Settings::default() });
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    let address = world.answer_by_hand(called);
    world.dial(calling, "1002");
    let invite = request_within(&mut world, address, Method::Invite);
    let mut call = RawCall::called(address, &invite, "desk");
    let sdp = call.sdp();
    world.send_by_hand(address, reliable(call.response(&invite, 183, Some("desk"), Some(&sdp)), 4711));
    let prack = request_within(&mut world, address, Method::Prack);
    assert!(sim::raw::header(&prack, HeaderName::RAck).starts_with("4711 "));
    world.send_by_hand(address, call.ok_to(&prack));
    world.run(seconds(1.0));
    assert_eq!(world.call(calling).statuses, [183]);
    let moved = call.update(&sdp.replace("4000", "4002"));
    world.send_by_hand(address, moved);
    world.run(seconds(1.0));
    let answer = final_answer(&world, address);
    assert_eq!((answer.status(), sim::raw::header(&answer, HeaderName::CSeq)), (200, "2 UPDATE".into()));
    assert!(!answer.body().is_empty());
    world.send_by_hand(address, call.response(&invite, 200, Some("desk"), None));
    request_within(&mut world, address, Method::Ack);
    world.until_up(calling);
    let bye = call.bye();
    world.send_by_hand(address, bye);
    assert_eq!(world.until_over(calling), Over::Theirs);
    world.finish();
}

#[test]
fn a_bare_183_does_not_ring() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    let address = world.answer_by_hand(called);
    world.dial(calling, "1002");
    let invite = request_within(&mut world, address, Method::Invite);
    let call = RawCall::called(address, &invite, "desk");
    world.send_by_hand(address, call.response(&invite, 183, Some("desk"), None));
    world.run(seconds(1.0));
    assert!(!world.call(calling).statuses.contains(&180), "{:?}", world.call(calling).statuses);
    world.send_by_hand(address, call.response(&invite, 180, Some("desk"), None));
    world.run(seconds(1.0));
    assert_eq!(world.call(calling).statuses.last(), Some(&180));
    world.send_by_hand(address, call.response(&invite, 603, Some("desk"), None));
    assert_eq!(world.until_over(calling), Over::Refused(603));
    world.finish();
}

#[test]
fn of_two_phones_behind_one_contact_that_both_answer_one_is_let_go() {
    // A proxy forked our INVITE: each 200 is acknowledged, the second ended (RFC 3261 13.2.2.4).
    let mut world = World::new(Settings { rtp_timeout: None, ..Settings::default() });
    let agent = world.agent("1001");
    let address = world.answer_by_hand(agent);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    let invite = request_within(&mut world, address, Method::Invite);
    let mut call = RawCall::called(address, &invite, "first");
    let sdp = call.sdp();
    world.send_by_hand(address, call.response(&invite, 200, Some("first"), Some(&sdp)));
    world.send_by_hand(address, call.response(&invite, 200, Some("second"), Some(&sdp)));
    let bye = request_within(&mut world, address, Method::Bye);
    assert!(sim::raw::header(&bye, HeaderName::To).contains("tag=second"));
    world.send_by_hand(address, call.response(&bye, 200, None, None));
    let acked: Vec<_> = world.by_hand[&address]
        .iter()
        .filter(|message| message.is_request() && *message.method() == Method::Ack)
        .map(|ack| sim::raw::header(ack, HeaderName::To).contains("tag=first"))
        .collect();
    assert_eq!(acked, [true, false]);
    assert!(world.is_up(caller) && offers(&world) == [("1001".into(), OfferResult::Answered)]);
    let bye = call.bye();
    world.send_by_hand(address, bye);
    assert_eq!(world.until_over(caller), Over::Theirs);
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
    assert_eq!(world.call(calling).statuses, [180]);
    world.hang_up(calling);
    assert_eq!(world.until_over(called), Over::Cancelled);
    world.run(seconds(3.0));
    assert_eq!(world.record().cause, Cause::Cancelled);
    assert_eq!(world.record().status, 487);
    world.finish();
}

#[test]
fn one_extension_calls_another_who_speaks_before_answering() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    world.manners(called, |manners| manners.taking = Taking::EarlyMedia(seconds(4.0)));
    world.dial(calling, "1002");
    world.until_heard(calling, "voice of 1002");
    assert!(!world.is_up(calling), "heard before the answer");
    world.until_up(calling);
    world.until_heard(called, "voice of 1001");
    assert_eq!(world.call(calling).statuses, [183, 200]);
    world.hang_up(called);
    assert_eq!(world.until_over(calling), Over::Theirs);
    world.finish();
}

#[test]
fn one_extension_calls_another_who_is_busy_or_away() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    for (taking, told) in [(Taking::Refuse(486), 486), (Taking::Refuse(603), 603), (Taking::Refuse(480), 480)] {
        world.manners(called, |manners| manners.taking = taking);
        world.dial(calling, "1002");
        assert_eq!(world.until_over(calling), Over::Refused(told));
    }
    world.dial(calling, "1003");
    assert_eq!(world.until_over(calling), Over::Refused(480));
    // It rings for a minute, then nobody is there.
    world.manners(called, |manners| manners.taking = Taking::Ring);
    world.dial(calling, "1002");
    world.within(seconds(61.0), "the ring time", |world| world.is_over(calling));
    assert_eq!((&world.call(calling).statuses[..], world.call(calling).unasked), (&[180, 480][..], 0));
    assert_eq!(world.until_over(called), Over::Cancelled);
    world.finish();
}

#[test]
fn caller_and_agent_are_told_each_others_session_by_whatever_name_it_has_rfc_7989() {
    const CALLERS: &str = "ab30317f1a784dc48ff824d0d3715d86";
    const AGENTS: &str = "47755a9de7794ba387653f2099600ef2";
    let said = |message: &Message| sim::raw::header(message, HeaderName::SessionId);
    let mut world = world();
    let called = world.agent("1002");
    let desk = world.answer_by_hand(called);
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9000");
    call.headers = format!("Session-ID: {CALLERS};remote=00000000000000000000000000000000\r\n");
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    let invite = request_within(&mut world, desk, Method::Invite);
    assert_eq!(said(&invite), format!("{CALLERS};remote=00000000000000000000000000000000"));
    let answer = world.by_hand[&address].iter().find(|m| !m.is_request() && m.status() == 200).expect("music").clone();
    assert!(said(&answer).ends_with(&format!(";remote={CALLERS}")), "{}", said(&answer));
    call.learn(&answer);
    world.send_by_hand(address, call.ack(None));

    let mut agent = RawCall::called(desk, &invite, "desk");
    let taken = agent.response(&invite, 200, Some("desk"), Some(&agent.sdp()));
    let named = format!("Session-ID: {AGENTS};remote={CALLERS}\r\nContact:");
    world.send_by_hand(desk, String::from_utf8(taken.to_vec()).unwrap().replacen("Contact:", &named, 1).into());
    let ack = request_within(&mut world, desk, Method::Ack);
    assert_eq!(said(&ack), format!("{CALLERS};remote={AGENTS}"));
    world.run(seconds(1.0));
    world.send_by_hand(desk, agent.bye());
    let bye = request_within(&mut world, address, Method::Bye);
    assert_eq!(said(&bye), format!("{AGENTS};remote={CALLERS}"));
    world.send_by_hand(address, call.ok_to(&bye));
    world.run(seconds(1.0));
    world.finish();
}
