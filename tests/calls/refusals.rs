//! Calls that are not taken in.

use super::*;
use std::sync::Arc;

#[test]
fn a_refused_offer_is_told_what_is_wrong_with_it() {
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9193");
    let g729 = call.sdp().replace("AVP 8 101", "AVP 18");
    world.send_by_hand(address, call.invite(Some(&g729)));
    world.run(seconds(1.0));
    let warning = |world: &World| {
        let refusal = world.by_hand[&address].iter().rev().find(|m| m.status() == 488).expect("a refusal");
        String::from_utf8_lossy(refusal.header(HeaderName::Warning).unwrap_or_default()).into_owned()
    };
    assert_eq!(warning(&world), "305 hotline \"Offer PCMA, PCMU, G722 or opus/48000/2\"");
    world.run(seconds(40.0));
    call.call_id += "-again";
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.until("the 200", |world| world.by_hand[&address].iter().any(|m| m.status() == 200));
    let ok = world.by_hand[&address].iter().find(|m| m.status() == 200).unwrap().clone();
    call.learn(&ok);
    world.send_by_hand(address, call.ack(None));
    world.by_hand.clear();
    let change = call.reinvite(Some(&sdp.replace("m=audio 4000 RTP/AVP", "m=audio 4000 RTP/SAVP")));
    world.send_by_hand(address, change);
    world.run(seconds(1.0));
    assert_eq!(
        warning(&world),
        "302 hotline \"SRTP needs a=crypto with AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32 or AEAD_AES_128_GCM\""
    );
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.finish();
}

#[test]
fn an_offer_without_a_codec_of_ours_is_refused_with_488_and_holds_nothing() {
    let mut world = world();
    let caller = world.caller("13800138000");
    let offer = "v=0\r\no=- 1 1 IN IP4 10.2.0.1\r\ns=-\r\nc=IN IP4 10.2.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n\
                 a=rtpmap:18 G729/8000\r\n";
    world.with(caller, |phone, now| phone.dial_offering(now, "95598", offer.into()));
    assert_eq!(world.until_over(caller), Over::Refused(488));
    assert_eq!(refusals(&world), [(Refusal::NoCodec, 488)]);
    world.finish();
}

#[test]
fn a_call_beyond_the_total_is_told_when_to_come_back_and_the_next_free_place_is_given_again() {
    let mut world = World::new(Settings { calls: 2, ..Settings::default() });
    let callers: Vec<PhoneId> = (0..3).map(|n| world.caller(&format!("1380013800{n}"))).collect();
    for caller in &callers {
        world.dial(*caller, "9193");
        world.run(seconds(1.0));
    }
    assert_eq!(world.state(callers[2]), Some(&State::Over(Over::Refused(503))));
    assert!(world.call(callers[2]).retry_after.is_some_and(|wait| (4..12).contains(&wait)));
    assert_eq!(refusals(&world), [(Refusal::TotalCap, 503)]);
    world.hang_up(callers[0]);
    world.run(seconds(1.0));
    world.dial(callers[2], "9193");
    world.until_heard(callers[2], "music");
    for caller in &callers[1..] {
        world.hang_up(*caller);
    }
    world.finish();
}

#[test]
fn a_call_without_a_free_port_is_told_when_to_come_back() {
    let mut world = World::new(Settings { ports: 1, ..Settings::default() });
    let callers: Vec<PhoneId> = (0..3).map(|n| world.caller(&format!("1380013800{n}"))).collect();
    for caller in &callers {
        world.dial(*caller, "9193");
        world.run(seconds(1.0));
    }
    assert_eq!(refusals(&world), [(Refusal::NoPort, 503)]);
    assert!(world.call(callers[2]).retry_after.is_some_and(|wait| (4..12).contains(&wait)));
    world.hang_up(callers[0]);
    world.hang_up(callers[1]);
    world.finish();
}

#[test]
fn while_draining_new_calls_are_refused_and_the_running_one_ends_in_its_own_time() {
    let (mut world, caller, agent) = talking();
    world.command(Command::Drain);
    let late = world.caller("13900139000");
    world.dial(late, "95598");
    assert_eq!(world.until_over(late), Over::Refused(503));
    assert!(world.call(late).retry_after.is_some_and(|wait| (4..12).contains(&wait)));
    world.with(late, |phone, now| phone.options(now));
    world.run(seconds(20.0));
    assert_eq!(world.phones[late.0].answers, [("OPTIONS", 503)]);
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    assert_eq!(world.switch.calls(), 1);
    world.hang_up(agent);
    world.until_over(caller);
    world.until("the drain has ended", |world| world.switch.calls() == 0);
    world.finish();
}

#[test]
fn a_drain_that_is_taken_back_lets_trunks_and_callers_in_again() {
    let mut world = world();
    let trunk = world.caller("13900139000");
    world.command(Command::Drain);
    world.with(trunk, |phone, now| phone.options(now));
    world.run(seconds(1.0));
    world.command(Command::Undrain);
    world.with(trunk, |phone, now| phone.options(now));
    world.run(seconds(1.0));
    assert_eq!(world.phones[trunk.0].answers, [("OPTIONS", 503), ("OPTIONS", 200)]);
    world.dial(trunk, "9196");
    world.until_up(trunk);
    world.hang_up(trunk);
    world.finish();
}

#[test]
fn more_calls_allowed_by_a_reload_find_room_everywhere() {
    let room_for = |max_usages| {
        let mut config = Settings::default().config();
        Arc::get_mut(&mut config).expect("nobody else's").endpoint.max_usages = max_usages;
        config
    };
    let mut world = world();
    world.reconfigure_to(room_for(1));
    let callers = [world.caller("13800138000"), world.caller("13900139000"), world.caller("13700137000")];
    world.dial(callers[0], "9196");
    world.until_up(callers[0]);
    world.dial(callers[1], "9196");
    assert_eq!(world.until_over(callers[1]), Over::Refused(503));
    world.reconfigure_to(room_for(10));
    world.dial(callers[2], "9196");
    world.until_up(callers[2]);
    world.hang_up(callers[0]);
    world.hang_up(callers[2]);
    world.finish();
}
