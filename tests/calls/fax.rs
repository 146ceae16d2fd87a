//! Fax machines behind the two parties of a call: T.38 where both take it, else the talk goes on as it was.

use super::*;
use sim::ATTRIBUTES;

/// Caller and agent 1001 talk, and behind both are fax machines.
fn machines() -> (World, PhoneId, PhoneId) {
    let (mut world, caller, agent) = talking();
    for phone in [caller, agent] {
        world.manners(phone, |manners| manners.takes_fax = true);
    }
    (world, caller, agent)
}

fn pages(world: &World, phone: PhoneId) -> &[u8] {
    &world.call(phone).pages_of
}

fn in_fax(caller: PhoneId, agent: PhoneId) -> impl Fn(&mut World) {
    move |world| {
        let both = |world: &World| pages(world, caller).len() == 1 && pages(world, agent).len() == 1;
        world.until("pages on both sides", both);
    }
}

fn faxes(world: &World, relayed: bool) -> usize {
    world.count(|kind| matches!(kind, EventKind::Fax { relayed: how, .. } if *how == relayed))
}

fn hear_each_other(world: &mut World, caller: PhoneId, agent: PhoneId) {
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
}

#[test]
fn a_fax_goes_through_to_the_other_machine_and_the_talk_goes_on_after_it() {
    let (mut world, caller, agent) = machines();
    world.ask_for_fax(caller);
    in_fax(caller, agent)(&mut world);
    let told = |world: &World, phone| world.call(phone).fax.clone().expect("a fax").told;
    let (to_caller, to_agent) = (told(&world, caller), told(&world, agent));
    assert!(to_caller.starts_with(ATTRIBUTES) && to_agent.starts_with(ATTRIBUTES), "every attribute is passed on");
    assert_ne!(to_caller, to_agent, "each is told what the other said of itself");
    assert_ne!(pages(&world, caller), pages(&world, agent));
    // A machine may be silent for long: that ends no call, and is no trouble.
    world.manners(caller, |manners| manners.talks = false);
    world.run(seconds(30.0));
    world.manners(caller, |manners| manners.talks = true);
    assert_eq!(world.count(|kind| matches!(kind, EventKind::MediaTrouble { .. } | EventKind::RtpTimeout { .. })), 0);
    // The last page is through.
    world.hold(caller, false);
    hear_each_other(&mut world, caller, agent);
    assert_eq!((faxes(&world, true), faxes(&world, false)), (1, 0));
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_fax_that_the_other_side_does_not_take_is_refused_and_the_talk_goes_on() {
    let (mut world, caller, agent) = machines();
    world.manners(agent, |manners| manners.takes_fax = false);
    world.ask_for_fax(caller);
    world.until("the refusal", |world| world.call(caller).statuses.last() == Some(&488));
    hear_each_other(&mut world, caller, agent);
    assert_eq!((faxes(&world, true), faxes(&world, false)), (0, 1));
    // It may ask again.
    world.manners(agent, |manners| manners.takes_fax = true);
    world.ask_for_fax(caller);
    in_fax(caller, agent)(&mut world);
    world.hang_up(agent);
    world.finish();
}

#[test]
fn who_was_called_may_ask_for_the_fax_and_either_may_end_the_call_within_it() {
    for by_caller in [true, false] {
        let (mut world, caller, agent) = machines();
        world.ask_for_fax(agent);
        in_fax(caller, agent)(&mut world);
        world.hang_up(if by_caller { caller } else { agent });
        world.finish();
    }
}

#[test]
fn a_caller_who_asks_for_a_fax_where_nobody_can_take_one_stays_with_sound() {
    let mut world = world();
    let caller = world.caller("13800138000");
    world.dial(caller, "9193");
    world.until_heard(caller, "music");
    world.ask_for_fax(caller);
    world.until("the refusal", |world| world.call(caller).statuses.last() == Some(&488));
    world.until_heard(caller, "music");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_side_that_is_gone_before_it_answers_leaves_the_other_its_call() {
    let (mut world, caller, agent) = machines();
    world.switch_off(agent);
    world.ask_for_fax(caller);
    world.until("the refusal", |world| world.call(caller).statuses.last() == Some(&488));
    world.until_heard(caller, "music");
    world.hang_up(caller);
    world.finish();
}

/// A caller by hand in a fax with agent 1001.
fn by_hand() -> (World, RawCall, PhoneId, String) {
    let mut world = World::new(Settings { rtp_timeout: None, ..Settings::default() });
    let agent = world.agent("1001");
    world.manners(agent, |manners| manners.takes_fax = true);
    let mut call = talks_by_hand(&mut world, agent);
    world.run(seconds(1.0));
    let sdp = call.sdp();
    let (head, _) = sdp.split_once("m=audio").expect("audio");
    let image = format!("{head}m=image 4000 udptl t38\r\n{ATTRIBUTES}");
    let ok = reinvited(&mut world, &mut call, Some(&image));
    assert!(ok.contains("m=image 2"), "{ok}");
    world.send_by_hand(BY_HAND.parse().unwrap(), call.ack(None));
    world.run(seconds(1.0));
    assert!(world.call(agent).fax.is_some());
    (world, call, agent, image)
}

/// The description in the 200 to a re-INVITE.
fn reinvited(world: &mut World, call: &mut RawCall, sdp: Option<&str>) -> String {
    world.by_hand.get_mut(&call.address).unwrap().clear();
    let again = call.reinvite(sdp);
    world.send_by_hand(call.address, again);
    let ok = final_answer_within(world, call.address);
    assert_eq!(ok.status(), 200);
    String::from_utf8_lossy(ok.body()).into_owned()
}

/// RFC 3264 8: what is offered to a re-INVITE without an offer is the session as it is.
#[test]
fn a_fax_goes_on_when_a_carrier_asks_amid_it_what_we_offer() {
    let (mut world, mut call, agent, image) = by_hand();
    let offered = reinvited(&mut world, &mut call, None);
    assert!(offered.contains("m=image 2") && !offered.contains("m=audio"), "{offered}");
    world.send_by_hand(call.address, call.ack(Some(&image)));
    world.run(seconds(2.0));
    assert!(world.call(agent).fax.is_some(), "{}", world.story());
    assert_eq!(faxes(&world, true), 1);
    let bye = call.bye();
    world.send_by_hand(call.address, bye);
    world.until_over(agent);
    world.finish();
}

#[test]
fn a_fax_that_a_carrier_does_not_go_on_with_is_a_talk_again_on_both_sides() {
    let (mut world, mut call, agent, image) = by_hand();
    reinvited(&mut world, &mut call, None);
    world.by_hand.get_mut(&call.address).unwrap().clear();
    let refused = image.replace("m=image 4000", "m=image 0");
    world.send_by_hand(call.address, call.ack(Some(&refused)));
    let asked = request_within(&mut world, call.address, Method::Invite);
    assert!(String::from_utf8_lossy(asked.body()).contains("m=audio 2"));
    let sdp = call.sdp();
    world.send_by_hand(call.address, call.response(&asked, 200, None, Some(&sdp)));
    world.until("the agent's machine is asked for sound too", |world| world.call(agent).fax.is_none());
    world.run(seconds(2.0));
    let bye = call.bye();
    world.send_by_hand(call.address, bye);
    world.until_over(agent);
    world.finish();
}
