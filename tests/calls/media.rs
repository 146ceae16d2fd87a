//! What the parties of a call hear of each other.

use super::*;
use hotline::events::MediaTrouble;
use hotline::events::media::NoKeys;
use hotline::ids::LegId;
use hotline::media::MediaEvent;
use hotline::switch::Input;

#[test]
fn a_key_pressed_in_a_talk_reaches_the_other_phone_and_not_the_flow() {
    let (mut world, caller, agent) = talking();
    world.press(caller, "5");
    world.run(seconds(1.0));
    world.press(agent, "7");
    world.run(seconds(1.0));
    assert_eq!((world.call(agent).keys_heard.as_str(), world.call(caller).keys_heard.as_str()), ("5", "7"));
    // INFO goes no further than the switch; the other phone hears RFC 4733.
    world.press_by_info(caller, '6');
    world.run(seconds(1.0));
    world.press_by_info(agent, '8');
    world.run(seconds(1.0));
    assert_eq!((world.call(agent).keys_heard.as_str(), world.call(caller).keys_heard.as_str()), ("56", "78"));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Key { .. })), 0);
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_caller_without_an_offer_gets_ours_and_hears_the_answer() {
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9193");
    world.send_by_hand(address, call.invite(None));
    world.until("the 200 with an offer", |world| world.by_hand[&address].iter().any(|m| m.status() == 200));
    let ok = world.by_hand[&address].iter().find(|m| m.status() == 200).unwrap().clone();
    assert!(String::from_utf8_lossy(ok.body()).contains("m=audio"));
    call.learn(&ok);
    let sdp = call.sdp();
    world.send_by_hand(address, call.ack(Some(&sdp)));
    world.run(seconds(2.0));
    let ear = "10.2.99.1:4000".parse().unwrap();
    assert_eq!(world.stray_sounds[&ear], [sim::sound::Heard::Known(sim::sound::MUSIC)]);
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.run(seconds(1.0));
    assert_eq!(world.record().end, EndedBy::Caller);
    world.finish();
}

#[test]
fn a_caller_whose_audio_stops_is_let_go_and_the_agent_is_free_again() {
    let (mut world, caller, agent) = talking();
    world.switch_off(caller);
    let lost = world.now;
    assert_eq!(world.until_over(agent), Over::Theirs);
    let after = (world.now - lost).as_secs_f64();
    assert!((9.5..12.0).contains(&after), "{after}");
    let told = |kind: &EventKind| {
        matches!(kind, EventKind::MediaTrouble { text, .. }
        if text == "audio from the caller has stopped; the other side is heard: one-way audio")
    };
    assert_eq!(world.count(told), 1);
    world.run(seconds(40.0));
    assert_eq!(world.record().cause, Cause::RtpTimeout);
    let next = world.caller("13900139000");
    world.dial(next, "9000");
    world.until_heard(next, "voice of 1001");
    world.hang_up(next);
    world.finish();
}

#[test]
fn a_caller_whose_handshake_comes_to_nothing_is_let_go_and_the_reason_is_told() {
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9193");
    let print = ["12"; 32].join(":");
    let sdp = call.sdp().replace("RTP/AVP", "UDP/TLS/RTP/SAVPF");
    let sdp = format!(
        "{sdp}a=setup:actpass\r\na=fingerprint:sha-256 {print}\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    );
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.until("the 200", |world| world.by_hand[&address].iter().any(|m| m.status() == 200));
    let ok = world.by_hand[&address].iter().find(|m| m.status() == 200).unwrap().clone();
    let answer = String::from_utf8_lossy(ok.body()).into_owned();
    assert!(answer.contains("a=setup:passive") && answer.contains("a=ice-lite"), "{answer}");
    call.learn(&ok);
    world.send_by_hand(address, call.ack(None));
    // Nobody in this world makes handshakes.
    let bye = request_within(&mut world, address, Method::Bye);
    world.send_by_hand(address, call.ok_to(&bye));
    world.run(seconds(1.0));
    let told = |kind: &EventKind| matches!(kind, EventKind::MediaTrouble { text, .. } if text.starts_with("no keys for the audio of the caller: "));
    assert_eq!(world.count(told), 1);
    assert_eq!(world.record().cause, Cause::NotAcceptable);
    world.finish();
}

#[test]
fn phones_of_either_law_hear_each_other() {
    let mut world = world();
    let agent = world.agent("1001");
    let caller = world.caller("13800138000");
    world.manners(agent, |manners| manners.codecs = &[Codec::Pcmu]);
    world.manners(caller, |manners| manners.codecs = &[Codec::Pcma]);
    world.dial(caller, "9000");
    world.until_heard(caller, "voice of 1001");
    world.until_heard(agent, "voice of 13800138000");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_phone_behind_tcp_is_registered_called_and_heard() {
    let mut world = world();
    let agent = world.extension("1001", &sim::config::secret_of("1001"));
    world.use_tcp(agent);
    world.register(agent);
    world.run(seconds(1.0));
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(agent);
    world.until_over(caller);
    world.finish();
}

#[test]
fn garbage_disturbs_nobody() {
    let (mut world, caller, agent) = talking();
    let address = "10.9.0.66:5060".parse().unwrap();
    for length in 0..400 {
        let bytes: Vec<u8> = (0..length).map(|_| world.dice.below(256) as u8).collect();
        world.send_by_hand(address, bytes.into());
    }
    world.run(seconds(2.0));
    assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"));
    assert!(world.by_hand[&address].is_empty(), "what is no message gets no answer");
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_leaves_a_record_with_the_length_of_the_recording() {
    let (mut world, caller, agent) = talking();
    world.run(seconds(5.0));
    world.hang_up(caller);
    world.until_over(agent);
    world.run(seconds(3.0));
    let record = world.record();
    assert!((5_000..6_000).contains(&record.recording_ms), "{}", record.recording_ms);
    assert!(record.recording_ms.abs_diff(record.talk_ms) < 50, "{} {}", record.recording_ms, record.talk_ms);
    assert!(record.ended < record.started + record.duration_ms + 10, "and is not longer by the recorder's work");
    world.finish();
}

#[test]
fn a_fax_that_wants_t_38_is_refused_and_goes_on_in_g_711() {
    let mut world = world();
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9193");
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.until("the 200", |world| world.by_hand[&address].iter().any(|m| m.status() == 200));
    let ok = world.by_hand[&address].iter().find(|m| m.status() == 200).unwrap().clone();
    call.learn(&ok);
    world.send_by_hand(address, call.ack(None));
    world.run(seconds(1.0));
    let ip = address.ip();
    let head = format!("v=0\r\no=- 1 2 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n");
    let image = "m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";
    // In place of the audio, and beside an audio line that is switched off.
    for lines in [image.to_string(), format!("m=audio 0 RTP/AVP 8\r\n{image}")] {
        world.by_hand.get_mut(&address).unwrap().clear();
        world.send_by_hand(address, call.reinvite(Some(&(head.clone() + &lines))));
        world.until("an answer", |world| world.by_hand[&address].iter().any(|m| !m.is_request() && m.status() >= 200));
        let answer = world.by_hand[&address].iter().find(|m| !m.is_request() && m.status() >= 200).unwrap();
        assert_eq!(answer.status(), 488);
        world.send_by_hand(address, call.ack_refusal());
    }
    let ear = "10.2.99.1:4000".parse().unwrap();
    world.stray_sounds.remove(&ear);
    world.run(seconds(2.0));
    assert_eq!(world.stray_sounds[&ear], [sim::sound::Heard::Known(sim::sound::MUSIC)], "the audio goes on");
    // Audio beside an image and a video that are refused line by line.
    world.by_hand.get_mut(&address).unwrap().clear();
    let lines = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 4000 RTP/AVP 8\r\n".to_string() + image;
    world.send_by_hand(address, call.reinvite(Some(&(head.replace("o=- 1 2", "o=- 1 3") + &lines))));
    world.until("an answer", |world| world.by_hand[&address].iter().any(|m| !m.is_request() && m.status() >= 200));
    let ok = world.by_hand[&address].iter().find(|m| !m.is_request() && m.status() == 200).unwrap().clone();
    let body = String::from_utf8_lossy(ok.body()).into_owned();
    let media: Vec<&str> = body.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media.len(), 3, "{body}");
    assert!(media[0].starts_with("m=video 0 ") && media[2].starts_with("m=image 0 udptl"), "{media:?}");
    assert!(!media[1].starts_with("m=audio 0 "), "{media:?}");
    world.send_by_hand(address, call.ack(None));
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.run(seconds(1.0));
    world.finish();
}

#[test]
fn a_caller_that_agreed_to_comfort_noise_may_be_silent_for_long_and_another_may_not() {
    for noise in [true, false] {
        let mut world = world();
        let address = "10.2.99.1:5060".parse().unwrap();
        let mut call = RawCall::new(address, "9193");
        let plain = call.sdp();
        let sdp = if noise { plain.replace("RTP/AVP 8 101", "RTP/AVP 8 13 101") } else { plain };
        world.send_by_hand(address, call.invite(Some(&sdp)));
        let ok = final_answer_within(&mut world, address);
        assert_eq!(String::from_utf8_lossy(ok.body()).contains("a=rtpmap:13 CN/8000"), noise);
        call.learn(&ok);
        world.send_by_hand(address, call.ack(None));
        world.run(seconds(60.0));
        let bye = |message: &&Message| message.is_request() && *message.method() == Method::Bye;
        assert_eq!(world.by_hand[&address].iter().find(bye).is_none(), noise);
        if noise {
            let bye = call.bye();
            world.send_by_hand(address, bye);
        }
        world.run(seconds(40.0));
        world.finish();
    }
}

/// What the caller behind `carrier`, who did not agree to telephone-event, is told of a key that the agent presses: by INFO,
/// and by packets of telephone-event or of tones.
fn told_a_key(keys: KeyPolicy, events: bool) -> (Option<(String, String)>, bool) {
    let mut settings = Settings::default();
    settings.keys.trunks.insert(TrunkId::new("demo-trunk"), keys);
    let mut world = World::new(settings);
    let agent = world.agent("1002");
    let address = "10.2.50.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9000");
    let sdp = match events {
        true => call.sdp(),
        false => call.sdp().replace("8 101", "8").replace("a=rtpmap:101 telephone-event/8000\r\n", ""),
    };
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.until("an agent has the call", |world| world.count(|kind| matches!(kind, EventKind::Bridged { .. })) == 1);
    let ok = world.by_hand[&address].iter().find(|m| m.status() == 200).unwrap().clone();
    let agreed = String::from_utf8_lossy(ok.body()).contains("telephone-event");
    call.learn(&ok);
    world.send_by_hand(address, call.ack(None));
    world.run(seconds(1.0));
    world.press(agent, "5");
    world.run(seconds(2.0));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = |m: &&Message| m.is_request() && *m.method() == Method::Info;
    let info = world.by_hand[&address].iter().find(told);
    let kind = |m: &Message| text(m.header(HeaderName::ContentType).unwrap_or_default());
    (info.map(|m| (kind(m), text(m.body()))), agreed)
}

#[test]
fn each_party_is_told_keys_in_the_way_that_its_key_dtmf_says() {
    let relay = ("application/dtmf-relay".to_string(), "Signal=5\r\nDuration=160\r\n".to_string());
    let plain = ("application/dtmf".to_string(), "5".to_string());
    for (keys, events, info, agreed) in [
        (KeyPolicy::Auto, false, None, false),
        (KeyPolicy::Auto, true, None, true),
        (KeyPolicy::Rfc4733, false, None, false),
        (KeyPolicy::Info, false, Some(relay.clone()), false),
        (KeyPolicy::Info, true, None, true),
        (KeyPolicy::InfoPlain, false, Some(plain), false),
        (KeyPolicy::Inband, true, None, false),
    ] {
        assert_eq!(told_a_key(keys, events), (info, agreed), "{keys:?}, telephone-event offered: {events}");
    }
}

/// What a media worker says of a leg whose handshake gave no keys.
fn loses_keys(world: &mut World, leg: LegId) {
    let trouble = MediaTrouble::NoKeys { why: NoKeys::Certificate };
    world.input(Input::Media(MediaEvent::Trouble { leg, trouble }));
}

fn last_dialed(world: &World) -> LegId {
    let dialed = world.events().filter_map(|kind| match kind {
        EventKind::LegStarted { leg, .. } => Some(*leg),
        _ => None,
    });
    dialed.last().expect("a phone that was rung")
}

#[test]
fn an_agent_without_keys_is_let_go_and_a_caller_without_them_ends_the_call() {
    let (mut world, caller, agent) = talking();
    let leg = last_dialed(&world);
    loses_keys(&mut world, leg);
    assert_eq!(world.until_over(agent), Over::Theirs);
    assert!(world.is_up(caller), "waits for another agent: {}", world.story());
    world.hang_up(caller);
    world.finish();

    let (mut world, caller, agent) = talking();
    let arrived = world.events().find_map(|kind| match kind {
        EventKind::CallArrived { leg, .. } => Some(*leg),
        _ => None,
    });
    loses_keys(&mut world, arrived.expect("a call"));
    assert_eq!((world.until_over(caller), world.until_over(agent)), (Over::Theirs, Over::Theirs));
    world.run(seconds(3.0));
    assert_eq!(world.record().cause, Cause::NotAcceptable);
    world.finish();
}

/// A handshake may begin with early media; one that has failed is not begun again by the answer.
#[test]
fn a_phone_that_rings_and_has_no_keys_is_rung_no_more() {
    let mut world = world();
    let (caller, called) = (world.agent("1001"), world.agent("1002"));
    world.manners(called, |manners| manners.taking = Taking::EarlyMedia(seconds(20.0)));
    world.dial(caller, "1002");
    world.until_heard(caller, "voice of 1002");
    let leg = last_dialed(&world);
    loses_keys(&mut world, leg);
    assert_eq!(world.until_over(called), Over::Cancelled);
    world.until_over(caller);
    world.finish();
}
