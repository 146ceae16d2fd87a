//! Calls whose signalling is refreshed (RFC 4028): long ones go on, and those whose other side is gone end.

use super::*;
use hotline::sip::dialog::session_timer::SessionTerms;
use hotline::sip::endpoint::EndpointConfig;
use std::cell::RefCell;
use std::rc::Rc;

/// Both sides know session timers; the phones take UPDATE or not.
fn timed(phones_take_update: bool) -> World {
    World::new(settings(phones_take_update))
}

fn settings(phones_take_update: bool) -> Settings {
    let session = Some(SessionTerms { expires_s: 1800, min_s: 90 });
    let mut phones = EndpointConfig { session, ..EndpointConfig::default() };
    phones.allow.retain(|method| phones_take_update || *method != "UPDATE");
    Settings {
        session: SessionTerms { expires_s: 120, min_s: 90 },
        phones,
        rtp_timeout: None,
        tick: Duration::from_millis(20),
        ..Settings::default()
    }
}

/// RFC 4028 10: whatever way the phones are refreshed by, a talk that is longer than the interval goes on.
#[test]
fn a_talk_longer_than_the_session_interval_goes_on_and_so_does_a_hold() {
    for phones_take_update in [true, false] {
        let mut world = timed(phones_take_update);
        let agent = world.agent("1001");
        let caller = ringing_agent(&mut world, agent);
        for phone in [caller, agent] {
            world.manners(phone, |manners| manners.pace = seconds(1.0));
        }
        world.until_heard(caller, "voice of 1001");
        world.run(seconds(300.0));
        assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
        world.hold(caller, true);
        world.until_heard(agent, "music");
        world.run(seconds(1.0));
        let offers: Rc<RefCell<Vec<String>>> = Rc::default();
        let seen = offers.clone();
        world.filter(move |way, message| {
            if way == Way::ToPhone && *message.method() == Method::Invite && message.is_request() {
                seen.borrow_mut().push(String::from_utf8_lossy(message.body()).into_owned());
            }
            Fate::Passes
        });
        world.run(seconds(300.0));
        world.no_filter();
        let offers = offers.borrow();
        assert_eq!(offers.is_empty(), phones_take_update);
        let holds = |sdp: &&String| sdp.contains("a=recvonly");
        let (held, talking): (Vec<&String>, Vec<&String>) = offers.iter().partition(holds);
        for same in [held, talking] {
            assert!(same.iter().all(|sdp| *sdp == same[0]), "the same session, of the same version: {same:#?}");
        }
        assert!(phones_take_update || offers.iter().any(|sdp| holds(&sdp)), "the hold, as it was answered");
        assert!(world.hears(agent, "music"), "a refresh is no end of the hold");
        world.hold(caller, false);
        world.until_heard(agent, "voice of 13800138000");
        world.hang_up(caller);
        assert_eq!(world.until_over(agent), Over::Theirs);
        assert_eq!(world.count(|kind| matches!(kind, EventKind::LegHeld { .. })), 1);
        world.finish();
    }
}

#[test]
fn a_caller_who_vanishes_from_a_hold_is_found_and_the_agent_is_told() {
    for phones_take_update in [true, false] {
        let mut world = timed(phones_take_update);
        let agent = world.agent("1001");
        let caller = ringing_agent(&mut world, agent);
        for phone in [caller, agent] {
            world.manners(phone, |manners| manners.pace = seconds(1.0));
        }
        world.until_heard(caller, "voice of 1001");
        world.hold(caller, true);
        world.run(seconds(2.0));
        world.switch_off(caller);
        let before = world.elapsed();
        world.within(seconds(120.0), "the agent's phone is told", |world| world.is_over(agent));
        assert!(world.elapsed() - before < seconds(100.0), "half of the interval and 64*T1");
        assert_eq!(world.state(agent), Some(&State::Over(Over::Theirs)));
        world.run(seconds(3.0));
        assert_eq!(world.record().cause, Cause::Unreachable);
        world.finish();
    }
}

#[test]
fn an_agent_who_was_to_refresh_and_does_not_is_hung_up_on() {
    let mut world = timed(true);
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    for phone in [caller, agent] {
        world.manners(phone, |manners| manners.pace = seconds(1.0));
    }
    world.until_heard(caller, "voice of 1001");
    world.switch_off(agent);
    world.within(seconds(120.0), "the agent's leg ends", |world| {
        world.events().any(|kind| matches!(kind, EventKind::LegEnded { cause: Cause::Unreachable, .. }))
    });
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_caller_who_wants_a_refresh_too_often_is_told_how_seldom_and_calls_again() {
    let mut world = World::new(Settings {
        session: SessionTerms { expires_s: 1800, min_s: 300 },
        phones: EndpointConfig {
            session: Some(SessionTerms { expires_s: 120, min_s: 90 }),
            ..EndpointConfig::default()
        },
        ..Settings::default()
    });
    let caller = world.caller("13800138000");
    world.dial(caller, "9193");
    world.until_heard(caller, "music");
    assert_eq!(world.call(caller).statuses.last(), Some(&200));
    assert_eq!(refusals(&world), [], "no call was refused for it");
    world.hang_up(caller);
    world.finish();
}

/// RFC 3389: nothing is owed by who agreed to comfort noise, also after a refresh that repeats what was agreed to.
#[test]
fn a_caller_who_leaves_its_silence_out_may_listen_for_long_after_a_refresh() {
    let mut world = World::new(Settings { rtp_timeout: Some(seconds(10.0)), ..settings(false) });
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.manners(caller, |manners| manners.noise = true);
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1001");
    let refreshed: Rc<RefCell<usize>> = Rc::default();
    let seen = refreshed.clone();
    world.filter(move |way, message| {
        let offers_noise = String::from_utf8_lossy(message.body()).contains("CN/8000");
        if way == Way::ToPhone && *message.method() == Method::Invite && message.is_request() && offers_noise {
            *seen.borrow_mut() += 1;
        }
        Fate::Passes
    });
    for phone in [caller, agent] {
        world.manners(phone, |manners| manners.pace = seconds(1.0));
    }
    world.run(seconds(80.0));
    world.no_filter();
    assert!(*refreshed.borrow() > 0, "a re-INVITE with what was agreed to");
    world.manners(caller, |manners| manners.talks = false);
    world.run(seconds(30.0));
    world.until_heard(caller, "voice of 1001");
    assert_eq!(world.count(|kind| matches!(kind, EventKind::RtpTimeout { .. })), 0);
    world.hang_up(caller);
    world.until_over(agent);
    world.finish();
}
