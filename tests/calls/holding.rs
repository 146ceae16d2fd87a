//! Whoever is put on hold hears music until the return; also by a re-INVITE without an offer, where ours is in the 200
//! and the answer in the ACK (RFC 3261 14.1).

use super::*;

fn patient() -> World {
    // Who writes SIP by hand says nothing.
    World::new(Settings { rtp_timeout: None, ..Settings::default() })
}

/// Changes the session to `direction` as its party sees it.
fn change(world: &mut World, call: &mut RawCall, direction: &str) {
    world.by_hand.get_mut(&call.address).unwrap().clear();
    let again = call.reinvite(None);
    world.send_by_hand(call.address, again);
    let ok = final_answer_within(world, call.address);
    assert_eq!(ok.status(), 200);
    assert!(String::from_utf8_lossy(ok.body()).contains("m=audio"), "the offer is ours");
    let answer = call.sdp_saying(direction);
    world.send_by_hand(call.address, call.ack(Some(&answer)));
    world.run(seconds(2.0));
}

fn hold_and_resume(world: &mut World, call: &mut RawCall, other: PhoneId) {
    for _ in 0..2 {
        change(world, call, "sendonly");
        assert!(world.hears(other, "music"), "{}", world.story());
        change(world, call, "sendrecv");
        assert!(!world.hears(other, "music"), "{}", world.story());
    }
}

#[test]
fn a_caller_who_holds_by_an_answer_in_the_ack_leaves_the_agent_with_music_until_the_return() {
    let mut world = patient();
    let agent = world.agent("1001");
    let mut call = talks_by_hand(&mut world, agent);
    hold_and_resume(&mut world, &mut call, agent);
    let bye = call.bye();
    world.send_by_hand(BY_HAND.parse().unwrap(), bye);
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.finish();
}

#[test]
fn an_agent_who_holds_by_an_answer_in_the_ack_leaves_the_caller_with_music_until_the_return() {
    let mut world = patient();
    let agent = world.agent("1001");
    let address = world.answer_by_hand(agent);
    let caller = world.caller("13800138000");
    world.dial(caller, "9000");
    let invite = request_within(&mut world, address, Method::Invite);
    let mut call = RawCall::called(address, &invite, "desk");
    let sdp = call.sdp();
    world.send_by_hand(address, call.response(&invite, 200, Some("desk"), Some(&sdp)));
    request_within(&mut world, address, Method::Ack);
    hold_and_resume(&mut world, &mut call, caller);
    let bye = call.bye();
    world.send_by_hand(address, bye);
    assert_eq!(world.until_over(caller), Over::Theirs);
    world.finish();
}

/// RFC 3311 5: in a call that is up an UPDATE offers what a re-INVITE does, and no ACK follows.
#[test]
fn a_caller_who_holds_by_update_leaves_the_agent_with_music_until_the_return() {
    let mut world = patient();
    let agent = world.agent("1001");
    let address: SocketAddr = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9000");
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    let ok = final_answer_within(&mut world, address);
    assert!(ok.allows(&Method::Update));
    call.learn(&ok);
    world.send_by_hand(address, call.ack(None));
    world.until_up(agent);
    for (direction, answered, music) in [("sendonly", "recvonly", true), ("sendrecv", "sendrecv", false)] {
        world.by_hand.get_mut(&address).unwrap().clear();
        let sdp = call.sdp_saying(direction);
        let update = call.update(&sdp);
        world.send_by_hand(address, update);
        let ok = final_answer_within(&mut world, address);
        assert_eq!((ok.status(), ok.cseq().unwrap().method), (200, Method::Update));
        assert!(String::from_utf8_lossy(ok.body()).contains(&format!("a={answered}")));
        world.run(seconds(2.0));
        assert_eq!(world.hears(agent, "music"), music, "{}", world.story());
    }
    let bye = call.bye();
    world.send_by_hand(address, bye);
    assert_eq!(world.until_over(agent), Over::Theirs);
    world.finish();
}

/// RFC 3311 5.2: the caller's first offer is still unanswered, so another has to wait.
#[test]
fn an_update_with_an_offer_before_the_answer_is_told_to_come_back() {
    let mut world = patient();
    let address: SocketAddr = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9190");
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.until("a 180", |world| world.by_hand[&address].iter().any(|message| message.status() == 180));
    let ringing = world.by_hand[&address].iter().find(|message| message.status() == 180).unwrap().clone();
    call.learn(&ringing);
    let update = call.update(&sdp);
    world.send_by_hand(address, update);
    let refusal = final_answer_within(&mut world, address);
    assert_eq!(refusal.status(), 500);
    assert!(refusal.seconds(HeaderName::RetryAfter).is_some_and(|wait| wait <= 10));
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.finish();
}

#[test]
fn whoever_is_put_on_hold_hears_music_until_the_return() {
    let (mut world, caller, agent) = talking();
    for (holder, held, voice) in [(agent, caller, "voice of 1001"), (caller, agent, "voice of 13800138000")] {
        world.hold(holder, true);
        world.until_heard(held, "music");
        world.run(seconds(15.0));
        assert!(world.hears(held, "music"), "longer than the RTP timeout: a party that holds owes no packets");
        world.hold(holder, false);
        world.until_heard(held, voice);
        world.run(seconds(1.0));
        assert!(world.hears(held, voice), "{}", world.story());
    }
    world.hang_up(caller);
    world.until_over(agent);
    world.run(seconds(3.0));
    assert!((30_000..31_000).contains(&world.record().hold_ms), "{}", world.record().hold_ms);
    world.finish();
}

#[test]
fn an_agent_who_takes_a_caller_on_hold_hears_music_until_the_caller_is_back() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_up(caller);
    world.hold(caller, true);
    world.until_up(agent);
    world.until_heard(agent, "music");
    world.run(seconds(2.0));
    world.hold(caller, false);
    world.until_heard(agent, "voice of 13800138000");
    world.run(seconds(1.0));
    assert!(world.hears(agent, "voice of 13800138000") && world.hears(caller, "voice of 1001"));
    world.hang_up(agent);
    world.finish();
}
