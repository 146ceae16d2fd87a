//! Who somebody is taken for, and what somebody else can do about it.

use super::registration::Hand;
use super::*;
use hotline::sip::digest::{Credentials, Login, Secret};
use hotline::sip::peer::Peer;
use sim::raw::header;
use std::cell::RefCell;
use std::rc::Rc;

/// Every message from now on, as somebody on the way reads it.
fn eavesdrop(world: &mut World) -> Rc<RefCell<Vec<Message>>> {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let ear = heard.clone();
    world.filter(move |_, message| {
        ear.borrow_mut().push(message.clone());
        Fate::Passes
    });
    heard
}

#[test]
fn an_agents_own_phone_is_not_offered_the_call_that_it_makes_from_a_trunks_address() {
    // The demo: softphones and the demo trunk share the loopback.
    let mut world = world();
    let agent = world.agent_beside_trunk("1001");
    world.dial(agent, "95598");
    world.until_heard(agent, "zh/main_menu");
    world.press(agent, "0");
    world.until_heard(agent, "music");
    world.run(seconds(5.0));
    assert!(offers(&world).is_empty(), "{:?}", offers(&world));
    let other = world.agent("1002");
    world.until_heard(agent, "voice of 1002");
    assert_eq!(world.count(|kind| matches!(kind, EventKind::CallArrived { source: Source::Extension(_), .. })), 1);
    world.hang_up(other);
    world.until_over(agent);
    world.finish();
}

#[test]
fn nobody_speaks_in_an_extensions_name_from_a_trunks_address() {
    let mut world = world();
    let liar = world.caller("1001");
    world.dial(liar, "9000");
    assert_eq!(world.until_over(liar), Over::Refused(401));
    assert_eq!(world.model.arrived, 0);
    world.finish();
}

#[test]
fn credentials_overheard_and_sent_again_from_a_trunks_address_open_nothing() {
    let mut world = world();
    let heard = eavesdrop(&mut world);
    let agent = world.agent_beside_trunk("1001");
    world.dial(agent, "9193");
    world.until_heard(agent, "music");
    world.hang_up(agent);
    let proven = |message: &&Message| {
        message.is_request()
            && *message.method() == Method::Invite
            && message.header(HeaderName::Authorization).is_some()
    };
    let invite = heard.borrow().iter().find(proven).unwrap().clone();
    let address = "10.2.99.1:5060".parse().unwrap();
    // First the counter was seen before, in the end the nonce is too old: the phone itself would be told to try again.
    for (nth, after) in [(1, 1.0), (2, 400.0)] {
        world.run(seconds(after));
        let mut thief = RawCall::new(address, "9193");
        thief.call_id = format!("stolen-{nth}");
        thief.headers = format!("Authorization: {}\r\n", header(&invite, HeaderName::Authorization));
        let sdp = thief.sdp();
        let stolen = String::from_utf8(thief.invite(Some(&sdp)).to_vec()).unwrap();
        // Not even under a name that is no extension's.
        assert!(stolen.contains("From: <sip:hand@hotline>"));
        world.send_by_hand(address, stolen.replace("10.0.0.1 SIP", "10.0.0.1:5060 SIP").into());
        world.run(seconds(1.0));
        let answer = world.by_hand[&address].iter().rfind(|m| m.status() >= 200).unwrap().clone();
        assert_eq!(answer.status(), 401);
        assert!(header(&answer, HeaderName::WwwAuthenticate).contains("stale=true"));
    }
    assert_eq!(world.model.arrived, 1);
    world.finish();
}

#[test]
fn a_trunk_that_dials_a_number_that_is_not_its_own_is_told_and_written_down() {
    let mut world = world();
    world.agent("1001");
    let caller = world.caller("13800138000");
    for (number, status) in [("0015551234", 404), ("1001", 403)] {
        world.dial(caller, number);
        assert_eq!(world.until_over(caller), Over::Refused(status));
    }
    assert_eq!(refusals(&world), [(Refusal::NotOpen, 404), (Refusal::NotOpen, 403)]);
    assert_eq!(world.model.arrived, 0);
    world.finish();
}

#[test]
fn guessed_passwords_are_counted_and_do_not_fill_the_journal() {
    let mut world = world();
    let liar = world.extension("1001", "not the secret");
    for _ in 0..30 {
        world.register(liar);
        world.run(seconds(1.0));
    }
    world.run(seconds(150.0));
    let told: Vec<u32> = world
        .events()
        .filter_map(|kind| match kind {
            EventKind::AuthFailed { count, .. } => Some(*count),
            _ => None,
        })
        .collect();
    assert!(told.len() <= 4, "{told:?}");
    assert!(told.iter().sum::<u32>() >= 30, "{told:?}");
    world.finish();
}

#[test]
fn a_guesser_is_heard_a_hundred_times_in_twelve_seconds_and_locks_nobody_out() {
    let mut world = world();
    let victim = world.agent("1002");
    let address = "10.9.9.9:5060".parse().unwrap();
    let mut thief = Hand::new(Peer::udp(address, "10.0.0.1:5060".parse().unwrap()), "1001");
    let challenge = thief.register_once(&mut world, "");
    let credentials = |secret: &str| Credentials { user: "1001".into(), secret: Secret::Password(secret.into()) };
    let knock = |world: &mut World, from: Peer, user: &str, secret: &str, nth: u32| {
        let mut login = Login::new(Credentials { user: user.into(), ..credentials(secret) });
        assert!(login.take_challenge(&challenge, || format!("cnonce-{nth}")));
        let proof = login
            .headers("REGISTER", b"sip:hotline", b"")
            .next()
            .unwrap()
            .1
            .replace("nc=00000001", &format!("nc={nth:08x}"));
        let text = format!(
            "REGISTER sip:hotline SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-{user}-{nth};rport\r\nFrom: <sip:{user}@hotline>;tag=1\r\n\
             To: <sip:{user}@hotline>\r\nCall-ID: guess-{user}\r\nCSeq: {nth} REGISTER\r\nMax-Forwards: 70\r\n\
             Authorization: {proof}\r\nContact: <sip:x@{}>\r\nContent-Length: 0\r\n\r\n",
            from.remote, from.remote
        );
        world.send_over(from, text.into());
        world.run(seconds(0.02));
    };
    let at = thief.peer;
    for nth in 1..=500 {
        knock(&mut world, at, "1001", &format!("guess {nth}"), nth);
    }
    let forged = Peer { remote: world.phones[victim.0].peer.local, ..at };
    for nth in 501..=540 {
        // As if they came from the way by which 1002 is registered: no answer reaches the guesser.
        knock(&mut world, forged, "1002", "guess", nth);
    }
    let refusals = world.by_hand[&address].iter().filter(|answer| answer.status() == 401).count();
    assert!(refusals >= 500, "all are refused alike");
    let why = |world: &World, wanted: &str| -> u32 {
        let told = world.events().filter_map(|kind| match kind {
            EventKind::AuthFailed { why, count, .. } if why == wanted => Some(*count),
            _ => None,
        });
        told.sum()
    };
    world.phones[victim.0].answers.clear();
    world.register(victim);
    world.run(seconds(1.0));
    assert_eq!(world.phones[victim.0].answers, [("REGISTER", 200)], "the real user is heard");
    let mut user = Hand::udp("10.1.200.1:5060", "1001");
    assert_eq!(
        user.register(&mut world, "Contact: <sip:1001@10.1.200.1>\r\n").status(),
        200,
        "and whoever is elsewhere"
    );
    world.run(seconds(130.0));
    let checked = why(&world, "wrong password");
    assert!((70..=100).contains(&checked), "{checked} of 500 guesses in 10 s were checked");
    assert_eq!(checked + why(&world, "too many guesses"), 500, "and none is uncounted");
    world.finish();
}

#[test]
fn a_browser_logs_in_while_its_address_is_forged() {
    let mut world = world();
    let mut forger = Hand::udp("10.9.9.9:5060", "1002");
    let challenge = forger.register_once(&mut world, "");
    let text = String::from_utf8(challenge.raw().to_vec()).unwrap();
    let junk = Message::parse(text.replace("nonce=\"", "nonce=\"0").into()).unwrap();
    for nth in 0..100 {
        let mut forged = Hand::udp("10.1.200.1:6666", "1002");
        let secret = Secret::Password("guess".into());
        forged.login = Login::new(Credentials { user: "1002".into(), secret });
        // Under a nonce that the forger was given, or one that nobody was.
        let shown = if nth % 2 == 0 { &challenge } else { &junk };
        assert!(forged.login.take_challenge(shown, || format!("c{nth}")));
        assert_eq!(forged.register_once(&mut world, &format!("X-Nth: {nth}\r\n")).status(), 401);
        let connection = world.connection_by_hand(format!("10.1.200.1:{}", 40_000 + nth).parse().unwrap());
        let mut browser = Hand::new(connection, "1001");
        assert_eq!(browser.register(&mut world, "Contact: <sip:1001@x.invalid;transport=tcp>\r\n").status(), 200);
        browser.unregister(&mut world);
    }
    assert_eq!(world.count(|kind| matches!(kind, EventKind::AuthFailed { .. })), 0, "nobody there has guessed");
    world.finish();
}

#[test]
fn no_answer_tells_whether_an_extension_exists() {
    let mut world = world();
    let told = |world: &mut World, user: &'static str| {
        let mut liar = Hand::udp("10.9.9.9:5060", user);
        liar.login = Login::new(Credentials { user: user.into(), secret: Secret::Password("guess".into()) });
        let answer = liar.register(world, "Contact: <sip:x@10.9.9.9>\r\n");
        let text = String::from_utf8_lossy(answer.raw()).replace(user, "USER");
        let lines = text.lines().map(|line| match line.split_once("nonce=\"") {
            Some((before, after)) => format!("{before}{}", &after[48..]),
            None => {
                line.split(";tag=").next().unwrap_or_default().split("branch=").next().unwrap_or_default().to_owned()
            }
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(told(&mut world, "1001"), told(&mut world, "9999"));
    world.finish();
}

#[test]
fn each_reason_of_a_failed_proof_is_written_down_once_a_minute() {
    let mut world = world();
    let mut hand = Hand::udp("10.9.9.9:5060", "1001");
    let challenge = hand.register_once(&mut world, "");
    hand.login.take_challenge(&challenge, || "c0ffee".into());
    let proof = hand.login.headers("REGISTER", b"sip:hotline", b"").next().unwrap().1;
    let mut say = |proof: String| {
        hand.login = Login::new(Credentials { user: "1001".into(), secret: Secret::Password(String::new()) });
        let answer =
            hand.register_once(&mut world, &format!("Contact: <sip:x@10.9.9.9>\r\nAuthorization: {proof}\r\n"));
        answer.status()
    };
    assert_eq!(say(proof.clone()), 200);
    for _ in 0..3 {
        assert_eq!(say(proof.clone()), 401);
        assert_eq!(say(proof.replace("realm=\"hotline\"", "realm=\"other\"")), 401);
        assert_eq!(say(proof.replace("sip:hotline", "sip:elsewhere")), 401);
        assert_eq!(say(proof.replace("username=\"1001\"", "username=\"9999\"")), 401);
        assert_eq!(say(proof.replace("response=\"", "response=\"0")), 401);
        assert_eq!(say(proof.replace(", qop=auth", "")), 401);
    }
    let mut told: Vec<String> = world
        .events()
        .filter_map(|kind| match kind {
            EventKind::AuthFailed { why, .. } => Some(why.clone()),
            _ => None,
        })
        .collect();
    told.sort();
    let reasons = ["another realm", "another uri", "malformed credentials", "replayed credentials", "unknown user"];
    assert_eq!(told, [&reasons[..], &["wrong password"]].concat());
    // Among several the right one is found (RFC 7616 3.7).
    let other = proof.replace("realm=\"hotline\"", "realm=\"other\"");
    let mut hand = Hand::udp("10.9.9.8:5060", "1002");
    let answer = hand.register(&mut world, &format!("Authorization: {other}\r\nContact: <sip:x@10.9.9.8>\r\n"));
    assert_eq!(answer.status(), 200);
    world.finish();
}

#[test]
fn a_new_realm_locks_no_phone_out() {
    let settings = Settings::default();
    let mut world = World::new(settings.clone());
    let agent = world.agent("1001");
    world.reconfigure(&Settings { realm: "new.example".into(), ..settings });
    world.register(agent);
    world.run(seconds(1.0));
    assert_eq!(world.phones[agent.0].answers.last(), Some(&("REGISTER", 200)));
    world.dial(agent, "9193");
    world.until_heard(agent, "music");
    world.hang_up(agent);
    world.finish();
}

#[test]
fn a_third_party_can_neither_end_a_call_nor_cancel_it() {
    let mut world = world();
    let heard = eavesdrop(&mut world);
    let agent = world.agent("1001");
    world.manners(agent, |manners| manners.taking = Taking::AnswerAfter(seconds(5.0)));
    let (calling, called) = (world.agent("1003"), world.agent("1002"));
    world.manners(called, |manners| manners.taking = Taking::Ring);
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    world.dial(calling, "1002");
    world.until_rings(called);

    let address = "10.9.0.66:5060".parse().unwrap();
    let sent = |wanted: &str, from: &str| {
        let heard = heard.borrow();
        let of = |m: &&Message| {
            m.is_request() && *m.method() == Method::Invite && header(m, HeaderName::From).contains(from)
        };
        let invites: Vec<_> = heard.iter().filter(of).filter(|m| header(m, HeaderName::To).contains(wanted)).collect();
        invites.last().map(|m| (*m).clone()).unwrap()
    };
    let answer = |to: &Message, status: u16| {
        let heard = heard.borrow();
        let of = |m: &&Message| {
            !m.is_request() && m.status() == status && header(m, HeaderName::CallId) == header(to, HeaderName::CallId)
        };
        heard.iter().find(of).unwrap().clone()
    };
    let mut tries: Vec<(&str, bytes::Bytes)> = Vec::new();

    // CANCEL for the call that rings, with its Call-ID, then with its branch too.
    let ringing = sent("1002", "1003");
    let mut thief = RawCall::new(address, "1002");
    thief.call_id = header(&ringing, HeaderName::CallId);
    tries.push(("CANCEL with the Call-ID", thief.cancel()));
    let branch = ringing.via().unwrap().branch.unwrap().to_string();
    thief.branch = Some(branch.clone());
    let cancel = String::from_utf8(thief.cancel().to_vec()).unwrap();
    let via = header(&ringing, HeaderName::Via);
    let own_via = format!("SIP/2.0/UDP {address};branch={branch}");
    tries.push(("CANCEL with the Via and a guessed From tag", cancel.replace(&own_via, &via).into()));

    // BYE for the talk: guessed tags, then our tag with a guessed one of the caller's.
    let invite = sent("9000", "13800138000");
    let mut thief = RawCall::new(address, "9000");
    thief.call_id = header(&invite, HeaderName::CallId);
    thief.to = format!("{};tag=guess", header(&invite, HeaderName::To));
    tries.push(("BYE with guessed tags", thief.bye()));
    thief.to = header(&answer(&invite, 200), HeaderName::To);
    tries.push(("BYE with our tag only", thief.bye()));

    for (what, bytes) in tries {
        world.by_hand.entry(address).or_default().clear();
        world.send_by_hand(address, bytes);
        world.run(seconds(1.0));
        let statuses: Vec<u16> = world.by_hand[&address].iter().map(|m| m.status()).collect();
        assert_eq!(statuses, [481], "{what}");
        assert_eq!(world.state(called), Some(&State::Ringing), "{what}");
        assert!(world.hears(caller, "voice of 1001") && world.hears(agent, "voice of 13800138000"), "{what}");
    }
    world.hang_up(calling);
    world.until_over(called);
    world.hang_up(caller);
    world.finish();
}

#[test]
fn a_stranger_is_asked_for_credentials_whatever_the_number_and_never_hears_a_ring() {
    let mut world = world();
    world.agent("1001");
    let stranger = world.stranger("13800138000");
    for number in ["95598", "1001", "0015551234", "9190"] {
        world.dial(stranger, number);
        assert_eq!(world.until_over(stranger), Over::Refused(401));
        assert_eq!(world.call(stranger).statuses, [401], "{number}");
    }
    assert!(refusals(&world).is_empty(), "what a stranger sends fills no journal");
    assert_eq!(world.model.arrived, 0);
    world.finish();
}

#[test]
fn a_wrong_password_registers_nobody_and_is_written_down() {
    let mut world = world();
    let liar = world.extension("1001", "not the secret");
    world.register(liar);
    world.dial(liar, "9000");
    world.run(seconds(5.0));
    assert_eq!(world.phones[liar.0].answers, [("REGISTER", 401)]);
    assert_eq!(world.state(liar), Some(&State::Over(Over::Refused(401))));
    let failed = |kind: &EventKind| matches!(kind, EventKind::AuthFailed { why, .. } if why == "wrong password");
    assert_eq!(world.count(failed), 1, "the second failure of a source within a minute is told after the minute");
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Registered { .. })), 0);
    assert!(world.view().contacts.is_empty());
    world.finish();
}

#[test]
fn an_extension_cannot_call_in_another_name() {
    let mut world = world();
    let (liar, called) = (world.agent("1001"), world.agent("1002"));
    world.phones[liar.0].display = Some("Police".into());
    world.with(liar, |phone, now| phone.dial(now, "1002", Some("119")));
    world.until_rings(called);
    let from = world.call(called).from.clone();
    assert!(from.contains("sip:1001@") && !from.contains("119"), "{from}");
    assert!(from.contains("\"Agent 1001\"") && !from.contains("Police"), "{from}");
    let arrived = |kind: &EventKind| {
        matches!(kind, EventKind::CallArrived { from, source: Source::Extension(agent), .. }
            if from.expose() == "1001" && agent.as_str() == "1001")
    };
    assert_eq!(world.count(arrived), 1);
    world.hang_up(liar);
    world.until_over(called);
    world.finish();
}

#[test]
fn a_trunk_is_known_by_its_certificate_from_whatever_address() {
    let mut world = world();
    let (carrier, stranger) = (world.stranger("13800138000"), world.stranger("13800138001"));
    let address = world.phones[carrier.0].peer.local.ip();
    world.certified.insert(address, hotline::ids::TrunkId::new("demo-trunk"));
    world.dial(carrier, "9193");
    world.until_heard(carrier, "music");
    world.dial(stranger, "9193");
    assert_eq!(world.until_over(stranger), Over::Refused(401), "another's certificate proves nothing");
    let by_trunk = |kind: &EventKind| matches!(kind, EventKind::CallArrived { source: Source::Trunk(_), .. });
    assert_eq!(world.count(by_trunk), 1);
    world.hang_up(carrier);
    world.finish();
}

#[test]
fn an_operator_is_told_of_calls_from_an_address_that_no_trunk_has() {
    let mut world = world();
    let address = "10.9.9.9:5060".parse().unwrap();
    let mut call = RawCall::new(address, "95598");
    let sdp = call.sdp();
    for nth in 0..3 {
        call.call_id = format!("stranger-{nth}");
        world.send_by_hand(address, call.invite(Some(&sdp)));
        world.run(seconds(1.0));
    }
    let told = |kind: &EventKind| match kind {
        EventKind::AuthFailed { source, why, .. } => Some((source.expose().clone(), why.clone())),
        _ => None,
    };
    let told: Vec<_> = world.events().filter_map(told).collect();
    assert_eq!(told, [("10.9.9.9:5060".to_string(), "a call from no trunk's address".to_string())], "once a minute");
    let extension = world.extension("1001", &sim::config::secret_of("1001"));
    world.register(extension);
    world.run(seconds(1.0));
    world.dial(extension, "9196");
    world.run(seconds(1.0));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::AuthFailed { .. })), 1, "an extension's call is none");
}
