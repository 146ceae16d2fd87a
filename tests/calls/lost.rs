//! An agent's phone is gone in the middle of a call.

use super::*;
use hotline::events::AgentStateName;
use hotline::sip::dialog::session_timer::SessionTerms;
use hotline::sip::endpoint::EndpointConfig;

fn state(world: &World, agent: &str) -> (AgentStateName, Option<String>) {
    let view = world.view().agents.into_iter().find(|view| view.agent.as_str() == agent).unwrap();
    (view.state, view.reason)
}

/// What the caller heard since the last time this agent's voice was heard.
fn since_voice(world: &World, caller: PhoneId, voice: &str) -> Vec<String> {
    let heard = world.heard(caller);
    let last = heard.iter().rposition(|sound| sound == voice).map_or(0, |at| at + 1);
    heard[last..].to_vec()
}

#[test]
fn the_agent_whose_cable_was_pulled_and_put_back_has_the_caller_again_after_a_notice_and_music() {
    let (mut world, caller, agent) = talking();
    let idle = world.agent("1002");
    world.switch_off(agent);
    world.until_heard(caller, "music");
    let heard = since_voice(&world, caller, "voice of 1001");
    assert_eq!(heard.last().map(String::as_str), Some("music"));
    assert!(heard.len() >= 2, "a notice before the music: {heard:?}");
    assert_eq!(state(&world, "1001"), (AgentStateName::NotReady, Some("lost".into())));
    world.run(seconds(5.0));
    // It has not even noticed, and registers again at its time only.
    world.phones[agent.0].off = false;
    world.until_heard(caller, "voice of 1001");
    assert_eq!(offers(&world).iter().filter(|(who, _)| who == "1002").count(), 0, "{:?}", offers(&world));
    world.hang_up(caller);
    let _ = idle;
    world.finish();
}

#[test]
fn the_caller_of_an_agent_who_stays_away_goes_to_another_before_who_came_later() {
    let (mut world, caller, agent) = talking();
    let other = world.caller("13900139000");
    world.dial(other, "9000");
    world.until_heard(other, "music");
    world.switch_off(agent);
    world.until_heard(caller, "music");
    let lost = world.now;
    let (idle, second) = (world.agent("1002"), world.agent("1003"));
    // Who came later does not wait for 1001.
    world.until_heard(other, "voice of 1002");
    world.until_heard(caller, "voice of 1003");
    assert!((19.0..22.0).contains(&(world.now - lost).as_secs_f64()), "{:?}", world.now - lost);
    for phone in [caller, other] {
        world.hang_up(phone);
    }
    let _ = (idle, second);
    world.finish();
}

#[test]
fn a_phone_that_is_lost_again_and_again_is_offered_no_more_callers_until_set_ready() {
    // Its signalling is well, its audio does not come through.
    let (mut world, caller, agent) = talking();
    world.manners(agent, |manners| manners.talks = false);
    world.until("1001 is lost for good", |world| {
        let lost = |kind: &EventKind| matches!(kind, EventKind::RtpTimeout { .. });
        world.count(lost) == 2
    });
    world.run(seconds(30.0));
    assert_eq!(state(&world, "1001"), (AgentStateName::NotReady, Some("lost".into())));
    let second = world.agent("1002");
    world.until_heard(caller, "voice of 1002");
    world.hang_up(caller);
    let _ = second;
    world.finish();
}

#[test]
fn a_session_that_its_agent_does_not_refresh_returns_the_caller_to_the_queue() {
    // RFC 4028 10: whoever does not refresh is given up with BYE.
    let session = SessionTerms { expires_s: 90, min_s: 90 };
    let phones = EndpointConfig { session: Some(session), ..Settings::default().phones };
    let mut world = World::new(Settings { session, phones, rtp_timeout: None, ..Settings::default() });
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.switch_off(agent);
    let second = world.agent("1002");
    world.within(seconds(240.0), "the caller is with 1002", |world| world.hears(caller, "voice of 1002"));
    world.hang_up(caller);
    let _ = second;
    world.finish();
}
