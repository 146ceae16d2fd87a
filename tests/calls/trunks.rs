//! Calls to and from carriers: which trunk takes them, what happens when one does not, and who registers where.

use super::*;
use hotline::events::{TrunkFault, TrunkStateName};
use hotline::ids::TrunkId;
use hotline::sip::digest::{Credentials, Secret};
use hotline::trunks::{Caps, Group, Manners, Member, TrunkConfig, TrunksConfig};
use sim::config::trunk;
use sim::raw::header;

const OUTSIDE: &str = "01088886666";

/// `first` and then `second` of the group `both`, which [`OUTSIDE`] leads to; their far ends and an agent.
fn two_carriers(change: impl Fn(&mut TrunkConfig)) -> (World, [PhoneId; 2], PhoneId) {
    let make = |nth| {
        let mut config = trunk(nth);
        change(&mut config);
        config
    };
    let member = |name: &str, priority| Member { trunk: TrunkId::new(name), priority, weight: 1 };
    let trunks = TrunksConfig {
        trunks: [(TrunkId::new("first"), make(1)), (TrunkId::new("second"), make(2))].into(),
        groups: [(TrunkId::new("both"), Group { members: vec![member("first", 1), member("second", 2)] })].into(),
    };
    let mut world = World::new(Settings { trunks, dialled: vec![(OUTSIDE, "both")], ..Settings::default() });
    let carriers = [world.carrier("first"), world.carrier("second")];
    let agent = world.agent("1001");
    (world, carriers, agent)
}

/// Each trunk tried in the last call, and how many milliseconds after the call came.
fn tries(world: &World) -> Vec<(String, u64)> {
    let arrived = |event: &&hotline::events::SwitchEvent| matches!(event.kind, EventKind::CallArrived { .. });
    let begin = world.journal.iter().rfind(arrived).expect("a call").mono;
    let of = |event: &hotline::events::SwitchEvent| match &event.kind {
        EventKind::LegStarted { target, .. } if event.mono >= begin => {
            Some((target.expose().split('/').next()?.to_string(), event.mono - begin))
        }
        _ => None,
    };
    world.journal.iter().filter_map(of).collect()
}

fn failures(world: &World) -> Vec<(String, TrunkFault)> {
    let of = |kind: &EventKind| match kind {
        EventKind::TrunkFailed { trunk, why, .. } => Some((trunk.to_string(), *why)),
        _ => None,
    };
    world.events().filter_map(of).collect()
}

fn states(world: &World, name: &str) -> Vec<TrunkStateName> {
    let of = |kind: &EventKind| match kind {
        EventKind::TrunkState { trunk, state, .. } if trunk.as_str() == name => Some(*state),
        _ => None,
    };
    world.events().filter_map(of).collect()
}

// Failover.

#[test]
fn a_trunk_that_cannot_take_the_call_hands_it_to_the_next_at_once() {
    let (mut world, [first, second], agent) = two_carriers(|_| {});
    world.manners(first, |manners| manners.taking = Taking::Refuse(503));
    world.dial(agent, OUTSIDE);
    world.until_heard(agent, "voice of second");
    let tried = tries(&world);
    assert_eq!((tried[0].0.as_str(), tried[1].0.as_str(), tried.len()), ("first", "second", 2));
    assert!(tried[1].1 <= 100, "{tried:?}");
    assert_eq!(failures(&world), [("first".into(), TrunkFault::Unavailable)]);
    world.hang_up(second);
    world.until_over(agent);
    world.finish();
}

#[test]
fn an_address_that_a_trunk_has_lost_meanwhile_is_passed_over_and_the_next_trunk_tried() {
    let two = |config: &mut TrunkConfig| {
        let again = config.targets[0];
        config.targets.push(again);
    };
    let (mut world, [first, second], agent) = two_carriers(two);
    world.manners(first, |manners| manners.taking = Taking::Ring);
    world.dial(agent, OUTSIDE);
    world.until_rings(first);
    // Its name stands for one address now, and that one gives the call back.
    let mut settings = world.settings.clone();
    for config in settings.trunks.trunks.values_mut() {
        config.targets.truncate(1);
    }
    world.reconfigure(&settings);
    world.with(first, |phone, now| {
        let usage = phone.calls[0].usage;
        phone.endpoint.reject(now, usage, 503, None, &[]);
        phone.calls[0].state = State::Over(Over::Ours);
    });
    world.until_heard(agent, "voice of second");
    world.hang_up(second);
    world.until_over(agent);
    world.finish();
}

#[test]
fn a_silent_trunk_is_left_within_seconds_and_from_the_third_call_on_not_even_asked() {
    let (mut world, [first, second], agent) = two_carriers(|_| {});
    world.switch_off(first);
    world.manners(second, |manners| manners.taking = Taking::AnswerAfter(seconds(0.1)));
    for (call, limit) in [(1, 4000), (2, 4000), (3, 200), (4, 200)] {
        world.dial(agent, OUTSIDE);
        world.until_heard(agent, "voice of second");
        let tried = tries(&world);
        assert_eq!(tried.last().unwrap().0, "second");
        assert!(tried.last().unwrap().1 <= limit, "call {call}: {tried:?}");
        world.hang_up(second);
        world.until_over(agent);
    }
    assert_eq!(failures(&world), vec![("first".to_string(), TrunkFault::Silent); 2]);
    assert_eq!(states(&world, "first"), [TrunkStateName::Up, TrunkStateName::Down]);
    world.finish();
}

#[test]
fn what_the_callee_says_is_told_and_tried_nowhere_else() {
    for (says, told) in [(486, 486), (603, 603), (404, 404), (480, 480), (600, 486), (403, 403)] {
        let (mut world, [first, second], agent) = two_carriers(|_| {});
        world.manners(first, |manners| manners.taking = Taking::Refuse(says));
        world.dial(agent, OUTSIDE);
        assert_eq!(world.until_over(agent), Over::Refused(told));
        assert!(world.phones[second.0].calls.is_empty() && failures(&world).is_empty(), "{says}");
        world.finish();
    }
}

#[test]
fn with_every_trunk_down_the_caller_is_told_within_three_seconds() {
    for taking in [None, Some(Taking::Refuse(503)), Some(Taking::Refuse(500))] {
        let (mut world, carriers, agent) = two_carriers(|_| {});
        for carrier in carriers {
            match taking {
                None => world.switch_off(carrier),
                Some(taking) => world.manners(carrier, |manners| manners.taking = taking),
            }
        }
        for _ in 0..3 {
            world.dial(agent, OUTSIDE);
            let began = world.now;
            let over = world.until_over(agent);
            assert!(matches!(over, Over::Refused(502 | 503)), "{over:?}");
            assert!(world.now - began <= seconds(3.0), "{:?}", world.now - began);
        }
        world.finish();
    }
}

#[test]
fn a_trunk_that_comes_back_is_noticed_within_half_a_minute() {
    let (mut world, [first, second], agent) = two_carriers(|config| config.health = Some(seconds(30.0)));
    world.switch_off(first);
    world.run(seconds(80.0));
    assert_eq!(states(&world, "first"), [TrunkStateName::Up, TrunkStateName::Down]);
    world.phones[first.0].off = false;
    world.within(seconds(30.0), "recovery", |world| states(world, "first").last() == Some(&TrunkStateName::Up));
    world.dial(agent, OUTSIDE);
    world.until_heard(agent, "voice of first");
    assert!(world.phones[second.0].calls.is_empty());
    world.hang_up(agent);
    world.finish();
}

#[test]
fn a_trunk_that_fails_while_it_rings_hands_the_call_on_unless_the_caller_has_heard_it() {
    for heard in [false, true] {
        let (mut world, [first, second], agent) = two_carriers(|_| {});
        let address = world.answer_by_hand(first);
        world.dial(agent, OUTSIDE);
        let invite = request_within(&mut world, address, Method::Invite);
        let call = RawCall::called(address, &invite, "far");
        let sdp = call.sdp();
        let ringing = if heard { (183, Some(sdp.as_str())) } else { (180, None) };
        world.send_by_hand(address, call.response(&invite, ringing.0, Some("far"), ringing.1));
        world.until("progress", |world| !world.call(agent).statuses.is_empty());
        world.run(seconds(10.0));
        assert!(world.phones[second.0].calls.is_empty(), "one that rings is left to ring");
        world.send_by_hand(address, call.response(&invite, 503, Some("far"), None));
        if heard {
            assert_eq!(world.until_over(agent), Over::Refused(480));
            assert!(world.phones[second.0].calls.is_empty());
        } else {
            world.until_heard(agent, "voice of second");
            world.hang_up(agent);
        }
        world.finish();
    }
}

#[test]
fn a_trunk_that_names_a_time_is_not_asked_before() {
    let (mut world, [first, second], agent) = two_carriers(|_| {});
    let address = world.answer_by_hand(first);
    world.dial(agent, OUTSIDE);
    let invite = request_within(&mut world, address, Method::Invite);
    let call = RawCall::called(address, &invite, "far");
    let busy = String::from_utf8(call.response(&invite, 503, Some("far"), None).to_vec()).unwrap();
    world.send_by_hand(address, busy.replace("Contact:", "Retry-After: 60\r\nContact:").into());
    for _ in 0..2 {
        world.until_heard(agent, "voice of second");
        world.hang_up(second);
        world.until_over(agent);
        world.dial(agent, OUTSIDE);
    }
    let invited = |world: &World| {
        let of = |message: &&Message| message.is_request() && *message.method() == Method::Invite;
        world.by_hand[&address].iter().filter(of).count()
    };
    assert_eq!(invited(&world), 1);
    world.until_heard(agent, "voice of second");
    world.hang_up(agent);
    world.run(seconds(61.0));
    world.dial(agent, OUTSIDE);
    world.until("another try", |world| invited(world) > 1);
    world.hang_up(agent);
    world.finish();
}

#[test]
fn a_caller_who_gives_up_while_a_trunk_is_silent_leaves_nothing_behind() {
    let (mut world, [first, second], agent) = two_carriers(|_| {});
    world.switch_off(first);
    world.dial(agent, OUTSIDE);
    world.run(seconds(1.0));
    world.hang_up(agent);
    world.run(seconds(10.0));
    assert!(world.phones[second.0].calls.is_empty());
    world.finish();
}

// Caps.

#[test]
fn a_full_trunk_is_passed_over_and_calls_beyond_all_caps_are_refused() {
    let caps = Caps { calls_out: Some(1), ..Caps::default() };
    let (mut world, [first, second], agent) = two_carriers(|config| config.caps = caps);
    let others = [world.agent("1002"), world.agent("1003")];
    world.dial(agent, OUTSIDE);
    world.until_heard(agent, "voice of first");
    world.dial(others[0], OUTSIDE);
    world.until_heard(others[0], "voice of second");
    world.dial(others[1], OUTSIDE);
    assert_eq!(world.until_over(others[1]), Over::Refused(503));
    assert_eq!(world.records.last().unwrap().cause, Cause::Limit);
    let cap = |name: &str| (name.to_string(), TrunkFault::Cap);
    assert_eq!(failures(&world), [cap("first"), cap("first"), cap("second")]);
    // A place comes back with the call that took it.
    world.hang_up(first);
    world.until_over(agent);
    world.dial(others[1], OUTSIDE);
    world.until_heard(others[1], "voice of first");
    world.hang_up(others[1]);
    world.hang_up(second);
    world.finish();
}

#[test]
fn a_carrier_that_sends_more_than_agreed_is_refused_with_a_reason_and_running_calls_are_not() {
    let mut usual = trunk(1);
    usual.targets.clear();
    usual.host.clear();
    usual.caps = Caps { calls_in: Some(1), ..Caps::default() };
    let trunks = TrunksConfig { trunks: [(TrunkId::new("demo-trunk"), usual)].into(), ..TrunksConfig::default() };
    let mut world = World::new(Settings { trunks, ..Settings::default() });
    let (one, two) = (world.caller("13800138000"), world.caller("13800138001"));
    world.dial(one, "9193");
    world.until_heard(one, "music");
    world.dial(two, "9193");
    assert_eq!(world.until_over(two), Over::Refused(503));
    assert!(world.call(two).retry_after.is_some());
    assert_eq!(refusals(&world), [(Refusal::TrunkCap, 503)]);
    // What belongs to the running call, and what only asks, is never counted.
    world.hold(one, true);
    world.with(two, |phone, now| phone.options(now));
    world.run(seconds(2.0));
    assert_eq!(world.phones[two.0].answers.last(), Some(&("OPTIONS", 200)));
    world.hang_up(one);
    world.run(seconds(2.0));
    world.dial(two, "9193");
    world.until_heard(two, "music");
    world.hang_up(two);
    world.finish();
}

// Registration.

fn registering(password: &str) -> (World, SocketAddr) {
    let secret = Secret::Password(password.into());
    let mut carrier = trunk(1);
    carrier.register = Some(600);
    carrier.credentials = Some(Credentials { user: "customer".into(), secret });
    let trunks = TrunksConfig { trunks: [(TrunkId::new("carrier"), carrier)].into(), ..TrunksConfig::default() };
    let mut world = World::new(Settings { trunks, dialled: vec![(OUTSIDE, "carrier")], ..Settings::default() });
    let carrier = world.carrier("carrier");
    let address = world.answer_by_hand(carrier);
    (world, address)
}

/// The `nth` REGISTER that came, counted from 0.
fn register_within(world: &mut World, address: SocketAddr, nth: usize) -> Message {
    let find = move |world: &World| {
        let mut all = world.by_hand.get(&address).into_iter().flatten();
        all.by_ref().filter(|m| m.is_request() && *m.method() == Method::Register).nth(nth).cloned()
    };
    world.within(seconds(600.0), "a REGISTER", |world| find(world).is_some());
    find(world).expect("waited for")
}

fn answer_register(world: &mut World, address: SocketAddr, register: &Message, status: u16, more: &str) {
    let call = RawCall::called(address, register, "registrar");
    let bytes = String::from_utf8(call.response(register, status, Some("registrar"), None).to_vec()).unwrap();
    let (start, rest) = bytes.split_once("Contact:").unwrap();
    let rest = rest.split_once("\r\n").unwrap().1;
    world.send_by_hand(address, format!("{start}{more}{rest}").into());
}

#[test]
fn a_registering_trunk_proves_itself_takes_its_number_of_seconds_and_brings_calls() {
    let (mut world, address) = registering("right");
    let first = register_within(&mut world, address, 0);
    // RFC 3261 10.2: no user in the Request-URI, our account in To and From, one Contact with its lifetime.
    assert_eq!(first.request_uri(), b"sip:carrier.example");
    assert_eq!(header(&first, HeaderName::To), "<sip:customer@carrier.example>");
    assert_eq!(header(&first, HeaderName::Contact), "<sip:customer@10.0.0.1:5060>;expires=600");
    let challenge = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n";
    answer_register(&mut world, address, &first, 401, challenge);
    let second = register_within(&mut world, address, 1);
    let proof = header(&second, HeaderName::Authorization);
    assert!(proof.contains("username=\"customer\"") && proof.contains("nonce=\"n1\""), "{proof}");
    assert_eq!(header(&second, HeaderName::CallId), header(&first, HeaderName::CallId));
    assert_eq!((first.cseq().unwrap().number, second.cseq().unwrap().number), (1, 2));
    let granted =
        "Contact: <sip:customer@10.0.0.1:5060>;expires=60\r\nService-Route: <sip:edge.carrier.example;lr>\r\n";
    answer_register(&mut world, address, &second, 200, granted);
    world.until("registered", |world| states(world, "carrier").last() == Some(&TrunkStateName::Up));

    // A call from the registrar's own address comes by the trunk, though no block of addresses names it.
    let incoming = RawCall::new(address, "9193");
    let sdp = incoming.sdp();
    world.send_by_hand(address, incoming.invite(Some(&sdp)));
    world.run(seconds(1.0));
    assert_ne!(final_answer(&world, address).status(), 401, "{}", world.story());

    // The refresh comes in time, in the same series, with what was learned of the nonce; a stale one is answered anew.
    let refresh = register_within(&mut world, address, 2);
    assert!(header(&refresh, HeaderName::Authorization).contains("nc=00000002"));
    assert_eq!(
        (header(&refresh, HeaderName::CallId), refresh.cseq().unwrap().number),
        (header(&first, HeaderName::CallId), 3)
    );
    let stale = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n2\", stale=true, qop=\"auth\", algorithm=MD5\r\n";
    answer_register(&mut world, address, &refresh, 401, stale);
    let again = register_within(&mut world, address, 3);
    assert!(header(&again, HeaderName::Authorization).contains("nonce=\"n2\""));
    answer_register(&mut world, address, &again, 200, granted);
    // Nor has a registrar that does not say `stale` forgotten us.
    let refresh = register_within(&mut world, address, 4);
    let fresh = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n3\", qop=\"auth\", algorithm=MD5\r\n";
    answer_register(&mut world, address, &refresh, 401, fresh);
    let again = register_within(&mut world, address, 5);
    assert!(header(&again, HeaderName::Authorization).contains("nonce=\"n3\""));
    answer_register(&mut world, address, &again, 200, granted);
    world.run(seconds(1.0));
    assert_eq!(states(&world, "carrier").last(), Some(&TrunkStateName::Up));

    // Calls take the route that the registrar named (RFC 3608 6.1).
    let agent = world.agent("1001");
    world.dial(agent, OUTSIDE);
    let invite = request_within(&mut world, address, Method::Invite);
    assert_eq!(header(&invite, HeaderName::Route), "<sip:edge.carrier.example;lr>");
    world.hang_up(agent);

    // A stop takes the binding away.
    world.command(Command::Drain);
    let last = register_within(&mut world, address, 6);
    assert_eq!(header(&last, HeaderName::Expires), "0");
    assert!(!world.switch.is_over());
    answer_register(&mut world, address, &last, 200, "");
    world.run(seconds(1.0));
    assert_eq!(states(&world, "carrier").last(), Some(&TrunkStateName::Unregistered));
}

#[test]
fn a_trunk_with_a_wrong_password_says_so_and_does_not_hammer() {
    let (mut world, address) = registering("wrong");
    let challenge = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n";
    let first = register_within(&mut world, address, 0);
    answer_register(&mut world, address, &first, 401, challenge);
    let second = register_within(&mut world, address, 1);
    answer_register(&mut world, address, &second, 401, challenge);
    world.run(seconds(25.0));
    assert_eq!(states(&world, "carrier"), [TrunkStateName::Unregistered]);
    let why = &world.view().trunks[0].why;
    assert!(why.contains("password"), "{why}");
    let asked = world.by_hand[&address].iter().filter(|m| m.is_request() && *m.method() == Method::Register).count();
    assert_eq!(asked, 2);
}

#[test]
fn a_callee_that_answers_before_our_offer_is_acknowledged_is_heard_all_the_same() {
    // RFC 3262 3: the 2xx waits for the PRACK, which brings the caller's answer to the offer in our 180.
    let (mut world, [callee, _], _) = two_carriers(|_| {});
    world.manners(callee, |manners| manners.taking = Taking::AnswerAfter(seconds(0.3)));
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, OUTSIDE);
    call.headers = "Supported: 100rel\r\n".into();
    world.send_by_hand(address, call.invite(None));
    let told = |world: &World, status| {
        let all = world.by_hand.get(&address).into_iter().flatten();
        all.filter(|message| !message.is_request() && message.status() == status).cloned().collect::<Vec<_>>()
    };
    world.until("the 180 with our offer", |world| told(world, 180).iter().any(|ringing| !ringing.body().is_empty()));
    let ringing = told(&world, 180).pop().unwrap();
    world.run(seconds(1.0));
    assert!(!told(&world, 200).iter().any(|ok| header(ok, HeaderName::CSeq).ends_with("INVITE")), "it waits");
    call.learn(&ringing);
    let sdp = call.sdp();
    let prack = call.prack(&ringing, Some(&sdp));
    world.send_by_hand(address, prack);
    world.run(seconds(0.5));
    assert!(told(&world, 200).iter().any(|ok| header(ok, HeaderName::CSeq).ends_with("INVITE")), "{}", world.story());
    world.send_by_hand(address, call.ack(None));
    world.run(seconds(2.0));
    assert!(world.is_up(callee), "nobody was hung up on: {}", world.story());
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.until_over(callee);
    world.finish();
}

// Callers who are given back.

/// Callers of [`hotline::ids::TrunkId`] `demo-trunk` come by it, and [`OUTSIDE`] leads to it; agent 1001 talks to one. The
/// third phone is the carrier's end for calls to it.
fn carrier_that(refers: bool) -> (World, PhoneId, PhoneId, PhoneId) {
    let config = TrunkConfig { manners: Manners { refers, ..Manners::default() }, ..trunk(1) };
    let trunks = TrunksConfig { trunks: [(TrunkId::new("demo-trunk"), config)].into(), groups: [].into() };
    let mut world = World::new(Settings { trunks, dialled: vec![(OUTSIDE, "demo-trunk")], ..Settings::default() });
    let outside = world.carrier("outside");
    let agent = world.agent("1001");
    let caller = ringing_agent(&mut world, agent);
    world.until_heard(caller, "voice of 1001");
    (world, caller, agent, outside)
}

fn transferred(world: &World) -> Vec<(TransferOutcome, u16)> {
    let of = |kind: &EventKind| match kind {
        EventKind::TransferEnded { outcome, status, .. } => Some((*outcome, *status)),
        _ => None,
    };
    world.events().filter_map(of).collect()
}

#[test]
fn a_carrier_takes_its_caller_back_and_the_call_leaves_us() {
    let (mut world, caller, agent, outside) = carrier_that(true);
    world.manners(caller, |manners| manners.follows_refer = Some(Some(200)));
    world.refer(agent, OUTSIDE);
    assert_eq!(world.until_over(caller), Over::Theirs);
    assert_eq!(world.until_over(agent), Over::Theirs);
    assert_eq!(world.phones[caller.0].sent_to, [format!("<sip:{OUTSIDE}@carrier.example>")]);
    assert!(world.phones[outside.0].calls.is_empty(), "no second line");
    assert_eq!(world.call(agent).referred.last(), Some(&200));
    assert_eq!(transferred(&world), [(TransferOutcome::Completed, 200)]);
    world.finish();
}

#[test]
fn a_carrier_that_follows_no_refer_is_dialled_instead() {
    for outcome in [None, Some(Some(486))] {
        let (mut world, caller, agent, outside) = carrier_that(true);
        world.manners(caller, |manners| manners.follows_refer = outcome);
        world.refer(agent, OUTSIDE);
        world.within(seconds(60.0), "the carrier is called", |world| !world.phones[outside.0].calls.is_empty());
        world.until_heard(caller, "voice of outside");
        assert_eq!(world.until_over(agent), Over::Theirs);
        assert_eq!(transferred(&world), [(TransferOutcome::Completed, 200)], "{outcome:?}");
        world.hang_up(caller);
        world.until_over(outside);
        world.finish();
    }
}

#[test]
fn a_carrier_that_agreed_and_says_no_more_is_not_dialled_and_the_agent_gets_the_caller_back() {
    let (mut world, caller, agent, outside) = carrier_that(true);
    world.manners(caller, |manners| manners.follows_refer = Some(None));
    world.refer(agent, OUTSIDE);
    world.run(seconds(100.0));
    assert!(world.hears(caller, "music"));
    world.run(seconds(100.0));
    assert!(world.phones[outside.0].calls.is_empty(), "it may ring there already");
    assert_eq!(transferred(&world), [(TransferOutcome::Returned, 480)]);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.until_over(agent);
    world.finish();
}

#[test]
fn a_carrier_that_agreed_and_hangs_up_has_taken_its_caller() {
    let (mut world, caller, agent, _) = carrier_that(true);
    world.manners(caller, |manners| manners.follows_refer = Some(None));
    world.refer(agent, OUTSIDE);
    world.run(seconds(2.0));
    assert!(world.hears(caller, "music"));
    world.hang_up(caller);
    assert_eq!(world.until_over(agent), Over::Theirs);
    assert_eq!(transferred(&world), [(TransferOutcome::Completed, 200)]);
    world.finish();
}

#[test]
fn a_carrier_that_is_not_known_to_follow_refer_is_never_asked() {
    let (mut world, caller, agent, outside) = carrier_that(false);
    world.refer(agent, OUTSIDE);
    world.until_rings(outside);
    world.until_heard(caller, "voice of outside");
    assert!(world.phones[caller.0].sent_to.is_empty());
    world.hang_up(outside);
    world.until_over(caller);
    world.until_over(agent);
    world.finish();
}

// Carriers that name another number.

/// The carrier's answer to what it is called with first.
pub(super) fn names_another(world: &mut World, at: SocketAddr, contact: &str) {
    let invite = request_within(world, at, Method::Invite);
    let call = RawCall::called(at, &invite, "far");
    let answer = String::from_utf8(call.response(&invite, 302, Some("far"), None).to_vec()).unwrap();
    let own = format!("Contact: <sip:hand@{at}>");
    world.send_by_hand(at, answer.replacen(&own, &format!("Contact: {contact}"), 1).into());
    world.by_hand.entry(at).or_default().clear();
}

#[test]
fn a_number_that_a_trunk_names_instead_is_called_there_if_that_is_wanted() {
    for follows in [true, false] {
        let (mut world, [first, second], agent) = two_carriers(|config| config.manners.redirects = follows);
        let at = world.answer_by_hand(first);
        world.dial(agent, OUTSIDE);
        names_another(&mut world, at, "<sip:%2B864001234567@elsewhere.example>");
        if follows {
            let invite = request_within(&mut world, at, Method::Invite);
            assert_eq!(invite.request_uri(), b"sip:+864001234567@carrier.example", "the host is the trunk's");
            let call = RawCall::called(at, &invite, "farther");
            world.send_by_hand(at, call.response(&invite, 200, Some("farther"), Some(&call.sdp())));
            world.until_up(agent);
            let told = |kind: &EventKind| matches!(kind, EventKind::TrunkRedirected { to, .. } if to.expose() == "+864001234567");
            assert_eq!(world.count(told), 1);
            world.hang_up(agent);
            let bye = request_within(&mut world, at, Method::Bye);
            world.send_by_hand(at, call.ok_to(&bye));
        } else {
            assert_eq!(world.until_over(agent), Over::Refused(480));
        }
        assert!(world.phones[second.0].calls.is_empty());
        world.finish();
    }
}

#[test]
fn a_trunk_that_names_number_after_number_is_left_and_the_next_gets_the_number_dialled() {
    let (mut world, [first, second], agent) = two_carriers(|config| config.manners.redirects = true);
    let at = world.answer_by_hand(first);
    world.dial(agent, OUTSIDE);
    names_another(&mut world, at, "<sip:1@elsewhere.example>");
    let invite = request_within(&mut world, at, Method::Invite);
    let call = RawCall::called(at, &invite, "busy");
    world.send_by_hand(at, call.response(&invite, 503, Some("busy"), None));
    world.until_rings(second);
    world.until_heard(agent, "voice of second");
    world.hang_up(second);
    world.until_over(agent);
    world.by_hand.entry(at).or_default().clear();
    world.dial(agent, OUTSIDE);
    for number in [1, 2, 3, 4, 5, 6] {
        names_another(&mut world, at, &format!("<sip:{number}@elsewhere.example>"));
    }
    assert_eq!(world.until_over(agent), Over::Refused(480), "{}", world.story());
    assert_eq!(world.count(|kind| matches!(kind, EventKind::TransferRefused { status: 483, .. })), 1);
    world.finish();
}
