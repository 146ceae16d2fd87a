//! Calls and requests that must prove who they are, in both directions.

use super::world::*;
use crate::sip::digest::{Algorithm, Authenticator, Credentials, Ha1Set, Secret, Verdict, Why};
use crate::sip::endpoint::{OutgoingRequest, SipEvent};
use crate::sip::message::{HeaderName, Message};
use bytes::Bytes;

const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");

fn users(user: &str) -> Option<Ha1Set> {
    (user == "1001").then(|| Ha1Set::new("1001", "hotline", "secret"))
}

fn check(door: &mut Authenticator, seconds: u64, message: &Message) -> Verdict {
    door.verify(seconds, message, HERE, users)
}

/// Lets the switch check each new call at `door`; returns the verdicts.
fn serve(world: &mut World, door: &mut Authenticator, seconds: impl Fn() -> u64, time: u64) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let end = world.now + ms(time);
    while world.step(end) {
        for event in std::mem::take(&mut world.events[SWITCH]) {
            let now = world.now;
            match event {
                SipEvent::Invited { usage, request, .. } => {
                    let verdict = check(door, seconds(), &request);
                    match &verdict {
                        Verdict::Ok { .. } => world.ends[SWITCH].accept(now, usage, SDP),
                        Verdict::Challenge { stale, .. } => {
                            let headers = door.challenge(seconds(), *stale, &[Algorithm::Sha256, Algorithm::Md5], HERE);
                            let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
                            world.ends[SWITCH].reject(now, usage, 401, None, &headers);
                        }
                    }
                    verdicts.push(verdict);
                }
                SipEvent::Request { id, message, .. } => {
                    let verdict = check(door, seconds(), &message);
                    let headers = match &verdict {
                        Verdict::Ok { .. } => vec![],
                        Verdict::Challenge { stale, .. } => {
                            door.challenge(seconds(), *stale, &[Algorithm::Sha256, Algorithm::Md5], HERE)
                        }
                    };
                    let status = if headers.is_empty() { 200 } else { 401 };
                    world.ends[SWITCH].respond(now, id, status, None, &headers, None);
                    verdicts.push(verdict);
                }
                _ => {}
            }
        }
    }
    verdicts
}

fn ok() -> Verdict {
    Verdict::Ok { user: "1001".into() }
}

fn challenge(stale: bool, why: Why) -> Verdict {
    Verdict::Challenge { stale, why }
}

#[test]
fn a_carrier_that_challenges_is_answered_once_and_the_call_goes_through() {
    let mut world = World::new();
    let mut door = Authenticator::new("hotline", [1; 32], 60);
    let order = world.with_credentials("1001", "secret");
    let caller = world.ends[PHONE].invite(world.now, order).unwrap();
    let verdicts = serve(&mut world, &mut door, || 0, 20);
    assert_eq!(verdicts, [challenge(false, Why::NoCredentials), ok()]);
    assert_eq!(world.sent(PHONE), ["INVITE", "ACK", "INVITE", "ACK"]);
    let invites: Vec<_> = world.log.iter().filter(|sent| name(&sent.message) == "INVITE").collect();
    let [first, second] = &invites[..] else { panic!() };
    assert_eq!(first.message.call_id().unwrap(), second.message.call_id().unwrap());
    assert_eq!(first.message.from().unwrap().tag(), second.message.from().unwrap().tag());
    assert_eq!((first.message.cseq().unwrap().number, second.message.cseq().unwrap().number), (1, 2), "22.2");
    let ack = world.last(PHONE, "ACK");
    let sent = second.message.header(HeaderName::Authorization);
    assert_eq!(ack.header(HeaderName::Authorization), sent, "22.1: the ACK carries the credentials of its INVITE");
    assert!(
        String::from_utf8_lossy(sent.unwrap()).contains("algorithm=SHA-256"),
        "RFC 8760 2.4: the topmost that we know"
    );
    assert_eq!(world.heard(PHONE), ["Answered"]);
    // The BYE carries them too, with the next count.
    world.ends[PHONE].hangup(world.now, caller, None);
    world.run(ms(5));
    let bye = world.last(PHONE, "BYE");
    assert_eq!(check(&mut door, 1, &bye), ok());
    assert_eq!(bye.authorization().unwrap().nonce_count(), Some(2));
    world.finish();
}

#[test]
fn a_wrong_password_is_a_refusal_after_one_try() {
    let mut world = World::new();
    let mut door = Authenticator::new("hotline", [1; 32], 60);
    let order = world.with_credentials("1001", "guess");
    world.ends[PHONE].invite(world.now, order).unwrap();
    let verdicts = serve(&mut world, &mut door, || 0, 20);
    assert_eq!(verdicts, [challenge(false, Why::NoCredentials), challenge(false, Why::WrongPassword)]);
    assert_eq!(world.heard(PHONE), ["Rejected 401"]);
    world.finish();
}

#[test]
fn without_credentials_a_challenge_is_a_refusal() {
    let mut world = World::new();
    let mut door = Authenticator::new("hotline", [1; 32], 60);
    world.dial();
    serve(&mut world, &mut door, || 0, 20);
    assert_eq!(
        (world.sent(PHONE), world.heard(PHONE)),
        (vec!["INVITE".into(), "ACK".into()], vec!["Rejected 401".into()])
    );
    world.finish();
}

#[test]
fn a_nonce_that_aged_on_the_way_is_replaced_without_a_refusal() {
    let mut world = World::new();
    let mut door = Authenticator::new("hotline", [1; 32], 60);
    let order = world.with_credentials("1001", "secret");
    world.ends[PHONE].invite(world.now, order).unwrap();
    // The clock of the nonces jumps past their life between the challenge and its answer.
    let times = std::cell::Cell::new(0);
    let seconds = || {
        times.set(times.get() + 1);
        if times.get() <= 2 { 0 } else { 100 }
    };
    let verdicts = serve(&mut world, &mut door, seconds, 20);
    assert_eq!(verdicts, [challenge(false, Why::NoCredentials), challenge(true, Why::StaleNonce), ok()]);
    assert_eq!(world.heard(PHONE), ["Answered"]);
}

#[test]
fn a_server_that_never_stops_asking_is_left() {
    let mut world = World::new();
    let order = world.with_credentials("1001", "secret");
    world.ends[PHONE].invite(world.now, order).unwrap();
    let mut asked = 0;
    let end = world.now + ms(100);
    while world.step(end) {
        for event in std::mem::take(&mut world.events[SWITCH]) {
            let SipEvent::Invited { usage, .. } = event else { continue };
            asked += 1;
            let header = format!("Digest realm=\"hotline\", nonce=\"n{asked}\", stale=true, qop=\"auth\"");
            world.ends[SWITCH].reject(world.now, usage, 401, None, &[("WWW-Authenticate", &header)]);
        }
    }
    assert_eq!(asked, 5);
    assert_eq!(world.heard(PHONE), ["Rejected 401"]);
    world.finish();
}

#[test]
fn a_register_of_ours_is_challenged_and_accepted_with_a_stored_hash() {
    let mut world = World::new();
    let mut door = Authenticator::new("hotline", [1; 32], 60);
    let order = OutgoingRequest {
        peer: world.peer(PHONE),
        method: "REGISTER",
        request_uri: "sip:192.0.2.2".into(),
        to: "sip:1001@192.0.2.2".into(),
        from: "sip:1001@192.0.2.2".into(),
        headers: vec![("Expires".into(), "300".into())],
        body: None,
        credentials: Some(Credentials {
            user: "1001".into(),
            secret: Secret::Ha1(Ha1Set::new("1001", "hotline", "secret")),
        }),
    };
    world.ends[PHONE].request(world.now, order).unwrap();
    let verdicts = serve(&mut world, &mut door, || 0, 20);
    assert_eq!(verdicts, [challenge(false, Why::NoCredentials), ok()]);
    assert_eq!(world.heard(PHONE), ["ResponseTo 200"]);
    let (first, second) = (world.log[0].message.clone(), world.last(PHONE, "REGISTER"));
    assert_eq!(first.call_id().unwrap(), second.call_id().unwrap());
    assert_eq!(second.cseq().unwrap().number, 2);
    world.finish();
}

/// A request of ours that meets these refusals in turn; the last one sent.
fn refused(world: &mut World, refusals: &[(u16, HeaderName, &str)]) -> Message {
    let mut out = bytes::BytesMut::new();
    for (status, header, challenge) in refusals {
        let invite = world.last(PHONE, "INVITE");
        let mut refusal = crate::sip::message::response_to(&mut out, &invite, *status, "x", Some("t"), None);
        refusal.header(*header, challenge);
        let refusal = Message::parse(refusal.finish()).unwrap();
        let (peer, now) = (world.peer(PHONE), world.now);
        world.ends[PHONE].handle_message(now, peer, refusal);
        world.drain();
    }
    world.last(PHONE, "INVITE")
}

fn login() -> World {
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    let order = world.with_credentials("1001", "secret");
    world.ends[PHONE].invite(world.now, order).unwrap();
    world.drain();
    world
}

/// What a client has to send: RFC 7616 3.4.1 written out.
fn expected(algorithm: Algorithm, message: &Message, header: HeaderName, body: Option<&[u8]>) -> bool {
    let auth = message.credentials(header).next().expect("credentials");
    let hash = |parts: &[&[u8]]| algorithm.hash(parts).as_str().to_owned();
    let realm = auth.realm().unwrap().into_owned();
    let ha1 = hash(&[b"1001", realm.as_bytes(), b"secret"]);
    let uri = auth.uri().unwrap();
    let ha2 = match body {
        Some(body) => hash(&[b"INVITE", &uri, hash(&[body]).as_bytes()]),
        None => hash(&[b"INVITE", &uri]),
    };
    let (nonce, cnonce) = (auth.nonce().unwrap(), auth.cnonce().unwrap());
    let qop: &[u8] = if body.is_some() { b"auth-int" } else { b"auth" };
    let proof = hash(&[ha1.as_bytes(), nonce.as_bytes(), b"00000001", cnonce.as_bytes(), qop, ha2.as_bytes()]);
    auth.response().unwrap() == proof && auth.has_qop(std::str::from_utf8(qop).unwrap())
}

#[test]
fn each_algorithm_of_rfc_8760_is_answered_and_the_topmost_known_one_chosen() {
    for (algorithm, challenge) in [
        (Algorithm::Sha512_256, "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256, qop=\"auth,auth-int\""),
        (Algorithm::Sha256, "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\", userhash=true"),
        (
            Algorithm::Sha256,
            "Digest realm=\"r\", nonce=\"x\", algorithm=SHA-3, qop=\"auth\", Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\", Digest realm=\"r\", nonce=\"m\", algorithm=MD5, qop=\"auth\"",
        ),
    ] {
        let mut world = login();
        let second = refused(&mut world, &[(401, HeaderName::WwwAuthenticate, challenge)]);
        assert!(expected(algorithm, &second, HeaderName::Authorization, None), "{challenge} (RFC 8760 2.4)");
        assert_eq!(second.credentials(HeaderName::Authorization).next().unwrap().nonce().unwrap(), "n");
    }
}

#[test]
fn a_server_that_wants_the_body_proven_gets_it_proven() {
    let mut world = login();
    let challenge = "Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth-int\"";
    let second = refused(&mut world, &[(401, HeaderName::WwwAuthenticate, challenge)]);
    assert!(expected(Algorithm::Md5, &second, HeaderName::Authorization, Some(second.body())));
    // A stored hash cannot be turned into one of another algorithm: the next challenge is answered instead.
    let mut world = World::new();
    world.fate = Box::new(|_| vec![]);
    let known = Ha1Set::new("1001", "r", "secret");
    let secret = Secret::Ha1(Ha1Set::from_hex(known.md5(), known.sha256(), None).unwrap());
    let order = crate::sip::endpoint::Outgoing {
        credentials: Some(Credentials { user: "1001".into(), secret }),
        ..world.order()
    };
    world.ends[PHONE].invite(world.now, order).unwrap();
    world.drain();
    let challenges = "Digest realm=\"r\", nonce=\"m\", algorithm=SHA-512-256, qop=\"auth\", Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"";
    let second = refused(&mut world, &[(401, HeaderName::WwwAuthenticate, challenges)]);
    assert!(expected(Algorithm::Md5, &second, HeaderName::Authorization, None));
}

#[test]
fn a_proxy_and_the_callee_behind_it_are_both_answered() {
    let mut world = login();
    let proxy = "Digest realm=\"proxy\", nonce=\"p\", algorithm=MD5, qop=\"auth\"";
    let callee = "Digest realm=\"callee\", nonce=\"c\", algorithm=SHA-256, qop=\"auth\"";
    let third =
        refused(&mut world, &[(407, HeaderName::ProxyAuthenticate, proxy), (401, HeaderName::WwwAuthenticate, callee)]);
    assert!(expected(Algorithm::Sha256, &third, HeaderName::Authorization, None));
    let chain = third.credentials(HeaderName::ProxyAuthorization).next().unwrap();
    assert_eq!((chain.realm().as_deref(), chain.nonce_count()), (Some("proxy"), Some(2)), "22.3: both go along");
    assert_eq!(third.cseq().unwrap().number, 3);
    // The callee refuses the password: there is nothing to try again with.
    refused(&mut world, &[(401, HeaderName::WwwAuthenticate, callee)]);
    assert_eq!(world.heard(PHONE), ["Rejected 401"]);
}

/// A REGISTER of the carrier's user.
fn register(world: &World, expires_s: u32) -> OutgoingRequest {
    let order = world.with_credentials("1001", "secret");
    OutgoingRequest {
        peer: order.peer,
        method: "REGISTER",
        request_uri: "sip:192.0.2.2".into(),
        to: order.to,
        from: order.from,
        headers: vec![("Contact".into(), format!("<sip:1001@192.0.2.1>;expires={expires_s}"))],
        body: None,
        credentials: order.credentials,
    }
}

#[test]
fn a_binding_that_is_taken_away_and_made_anew_at_once_is_there_in_the_end_rfc_3261_10_2() {
    let mut world = World::new();
    let mut door = Authenticator::new("hotline", [1; 32], 60);
    let series = world.ends[PHONE].open_series();
    for expires_s in [0, 600] {
        let order = register(&world, expires_s);
        world.ends[PHONE].request_in(world.now, series, order).unwrap();
    }
    // Both are challenged, and only the last is tried again: nothing takes its binding away behind it.
    serve(&mut world, &mut door, || 0, 50);
    let sent: Vec<(u32, bool)> = world
        .log
        .iter()
        .filter(|sent| name(&sent.message) == "REGISTER")
        .map(|sent| {
            (sent.message.cseq().unwrap().number, sent.message.header(HeaderName::Contact).unwrap().ends_with(b"=0"))
        })
        .collect();
    assert_eq!(sent, [(1, true), (2, false), (3, false)]);
    let order = register(&world, 600);
    world.ends[PHONE].request_in(world.now, series, order).unwrap();
    serve(&mut world, &mut door, || 0, 50);
    assert_eq!(world.last(PHONE, "REGISTER").cseq().unwrap().number, 4, "no number twice");
}
