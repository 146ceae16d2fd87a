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
