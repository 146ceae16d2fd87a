//! Numbers and callers as they cross a trunk: which form they have, whose is shown, and who is believed.

use super::*;
use hotline::events::NumberRole;
use hotline::ids::TrunkId;
use hotline::routing::{CallerId, Change, Form, Plan, Rule, TrunkNumbers};
use hotline::trunks::TrunksConfig;
use sim::config::trunk;
use sim::raw::header;

const OUTSIDE: &str = "01088886666";

fn beijing() -> TrunkNumbers {
    TrunkNumbers { plan: Some(Plan { area: Some("10".into()), ..Plan::china() }), ..TrunkNumbers::default() }
}

fn every(form: Form) -> Vec<Rule> {
    vec![Rule { when: None, then: Change::To(form) }]
}

/// A trunk `carrier` that [`OUTSIDE`] leads to, answered by hand; and the usual trunk, by which callers come.
fn world_with(outgoing: TrunkNumbers, incoming: TrunkNumbers) -> (World, SocketAddr) {
    let carrier = TrunkId::new("carrier");
    let settings = Settings {
        trunks: TrunksConfig { trunks: [(carrier.clone(), trunk(1))].into(), ..TrunksConfig::default() },
        trunk_numbers: [(carrier, outgoing), (TrunkId::new("demo-trunk"), incoming)].into(),
        dialled: vec![(OUTSIDE, "carrier")],
        ..Settings::default()
    };
    let mut world = World::new(settings);
    let carrier = world.carrier("carrier");
    let address = world.answer_by_hand(carrier);
    (world, address)
}

/// What the carrier gets of a call, which it then refuses.
fn sent(world: &mut World, address: SocketAddr, caller: PhoneId) -> Message {
    let invite = request_within(world, address, Method::Invite);
    let call = RawCall::called(address, &invite, "far");
    world.send_by_hand(address, call.response(&invite, 486, Some("far"), None));
    assert_eq!(world.until_over(caller), Over::Refused(486));
    invite
}

/// A call by the usual trunk, written by hand, with headers of its own.
fn call_by_trunk(world: &mut World, number: &str, from: &str, headers: &str) {
    let address = "10.2.50.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, number);
    call.from = format!("{from};tag=hand");
    call.headers = headers.into();
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.run(seconds(1.0));
}

fn arrived(world: &World) -> (String, String) {
    let of = |kind: &EventKind| match kind {
        EventKind::CallArrived { from, to, .. } => Some((from.expose().clone(), to.expose().clone())),
        _ => None,
    };
    world.events().filter_map(of).last().expect("a call")
}

fn known(world: &World) -> Option<(bool, bool, Option<String>)> {
    let of = |kind: &EventKind| match kind {
        EventKind::CallerKnown { asserted, private, redirecting } => {
            Some((*asserted, *private, redirecting.as_ref().map(|number| number.expose().clone())))
        }
        _ => None,
    };
    world.events().filter_map(of).last()
}

#[test]
fn numbers_have_the_carriers_form_on_its_side_and_ours_on_ours() {
    let outgoing = TrunkNumbers { called_out: every(Form::E164), ..beijing() };
    let strip = Rule { when: Some("+8610*".parse().unwrap()), then: Change::Edit { strip: 5, add: String::new() } };
    let incoming = TrunkNumbers { called_in: vec![strip], caller_in: every(Form::National), ..beijing() };
    let (mut world, address) = world_with(outgoing, incoming);
    let agent = world.agent("1001");
    world.dial(agent, "010-8888-6666");
    let invite = sent(&mut world, address, agent);
    assert_eq!(invite.request_uri(), b"sip:+861088886666@carrier.example");
    call_by_trunk(&mut world, "+86109193", "<sip:+8613800138000@hotline>", "");
    assert_eq!(arrived(&world), ("13800138000".into(), "9193".into()));
    let rewritten = |role: NumberRole| move |kind: &EventKind| matches!(kind, EventKind::NumberRewritten { role: told, rule: Some(1), .. } if *told == role);
    for role in [NumberRole::CalledOut, NumberRole::CalledIn, NumberRole::CallerIn] {
        assert_eq!(world.count(rewritten(role)), 1, "{role:?}");
    }
}

#[test]
fn a_carrier_that_calls_the_registered_user_has_the_number_in_to() {
    for (called_in_to, number) in [(true, "9193"), (false, "9196")] {
        let incoming = TrunkNumbers { called_in_to, ..TrunkNumbers::default() };
        let (mut world, _) = world_with(TrunkNumbers::default(), incoming);
        let address = "10.2.50.1:5060".parse().unwrap();
        let mut call = RawCall::new(address, "9196");
        call.to = "<sip:9193@carrier.example>".into();
        call.from = "<sip:13800138000@carrier.example>;tag=hand".into();
        let sdp = call.sdp();
        world.send_by_hand(address, call.invite(Some(&sdp)));
        world.run(seconds(1.0));
        assert_eq!(arrived(&world).1, number);
    }
}

#[test]
fn no_rule_makes_an_extension_of_a_stranger() {
    let strip = Rule { when: None, then: Change::Edit { strip: 1, add: String::new() } };
    let incoming = TrunkNumbers { caller_in: vec![strip], trusted: true, ..TrunkNumbers::default() };
    let (mut world, _) = world_with(TrunkNumbers::default(), incoming);
    call_by_trunk(&mut world, "9193", "<sip:91001@hotline>", "");
    assert_eq!(arrived(&world).0, "91001");
    call_by_trunk(&mut world, "9196", "<sip:95598@hotline>", "P-Asserted-Identity: <sip:1002@hotline>\r\n");
    assert_eq!(arrived(&world).0, "5598");
}

#[test]
fn the_trunks_policy_says_whose_number_a_call_shows() {
    let own = "01088886600".to_string();
    let only = CallerId::Only { allowed: vec!["1002".parse().unwrap()], otherwise: own.clone() };
    for (policy, agent, shown) in [
        (CallerId::Pass, "1001", "<sip:1001@10.0.0.1>"),
        (CallerId::Replace(own), "1001", "<sip:01088886600@10.0.0.1>"),
        (only.clone(), "1001", "<sip:01088886600@10.0.0.1>"),
        (only, "1002", "<sip:1002@10.0.0.1>"),
        (CallerId::Hide, "1001", "\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
    ] {
        let outgoing = TrunkNumbers { caller_id: policy.clone(), ..TrunkNumbers::default() };
        let (mut world, address) = world_with(outgoing, TrunkNumbers::default());
        let agent = world.agent(agent);
        world.dial(agent, OUTSIDE);
        let invite = sent(&mut world, address, agent);
        let from = header(&invite, HeaderName::From);
        assert!(from.starts_with(&format!("{shown};tag=")), "{policy:?}: {from}");
        for name in [HeaderName::PAssertedIdentity, HeaderName::Privacy] {
            assert!(invite.header(name).is_none(), "{name:?} is for trusted carriers only (RFC 3325 6)");
        }
        world.finish();
    }
}

#[test]
fn a_trusted_carrier_learns_who_calls_also_from_who_hides_and_nobody_else_does() {
    // RFC 3325 9.1 and RFC 3323 4.1: identity within the trust domain, an anonymous From everywhere.
    for trusted in [true, false] {
        let outgoing = TrunkNumbers { trusted, ..TrunkNumbers::default() };
        let (mut world, address) = world_with(outgoing, TrunkNumbers::default());
        let agent = world.agent("1001");
        let own = world.phones[agent.0].peer.local;
        world.with(agent, |phone, now| phone.dial(now, OUTSIDE, None));
        let plain = sent(&mut world, address, agent);
        assert_eq!(plain.header(HeaderName::PAssertedIdentity).is_some(), trusted);
        world.by_hand.clear();
        world.phones[agent.0].privacy = Some("id;critical".into());
        world.dial(agent, OUTSIDE);
        let hidden = sent(&mut world, address, agent);
        assert!(header(&hidden, HeaderName::From).contains("anonymous@anonymous.invalid"));
        assert!(!header(&hidden, HeaderName::Contact).contains("1001"), "{own}");
        if trusted {
            assert_eq!(header(&hidden, HeaderName::PAssertedIdentity), "<sip:1001@10.0.0.1>");
            assert_eq!(header(&hidden, HeaderName::Privacy), "id");
        } else {
            assert!(!String::from_utf8_lossy(hidden.raw()).contains("1001"));
        }
        assert_eq!(world.records.last().unwrap().from.expose(), "1001", "the record knows");
        world.finish();
    }
}

#[test]
fn an_asserted_identity_is_believed_from_trusted_carriers_only() {
    let headers = "P-Asserted-Identity: \"Bank\" <tel:+861012345678>, <sip:+861012345678@x>\r\n\
                   P-Preferred-Identity: <sip:110@x>\r\nPrivacy: id\r\n";
    for trusted in [true, false] {
        let incoming = TrunkNumbers { trusted, ..TrunkNumbers::default() };
        let (mut world, _) = world_with(TrunkNumbers::default(), incoming);
        call_by_trunk(&mut world, "9193", "\"Anonymous\" <sip:anonymous@anonymous.invalid>", headers);
        let from = if trusted { "+861012345678" } else { "anonymous" };
        assert_eq!(arrived(&world).0, from);
        assert_eq!(known(&world), Some((trusted, true, None)));
    }
}

#[test]
fn a_phone_that_asserts_an_identity_is_not_believed() {
    let (mut world, address) =
        world_with(TrunkNumbers { trusted: true, ..TrunkNumbers::default() }, TrunkNumbers::default());
    let agent = world.agent("1001");
    world.phones[agent.0].asserts = Some("<sip:110@police.example>".into());
    world.dial(agent, OUTSIDE);
    let invite = sent(&mut world, address, agent);
    assert_eq!(header(&invite, HeaderName::PAssertedIdentity), "<sip:1001@10.0.0.1>");
    assert!(!String::from_utf8_lossy(invite.raw()).contains("police"));
    world.finish();
}

#[test]
fn an_agent_is_not_shown_who_hides_and_is_given_the_callers_data() {
    let (mut world, _) = world_with(TrunkNumbers::default(), TrunkNumbers::default());
    let agent = world.agent("1001");
    let address = world.answer_by_hand(agent);
    let data = "56a390f3d2b7310023;encoding=hex";
    let headers = format!("Privacy: header;user\r\nUser-to-User: {data}\r\n");
    call_by_trunk(&mut world, "9000", "\"Li\" <sip:13800138000@hotline>", &headers);
    let invite = request_within(&mut world, address, Method::Invite);
    assert!(!String::from_utf8_lossy(invite.raw()).contains("13800138000"));
    assert_eq!(header(&invite, HeaderName::UserToUser), data);
    assert_eq!(arrived(&world).0, "13800138000");
}

#[test]
fn too_much_data_of_a_caller_goes_no_further() {
    for data in ["a".repeat(321), String::new(), "caf\u{e9}".into()] {
        let (mut world, _) = world_with(TrunkNumbers::default(), TrunkNumbers::default());
        let agent = world.agent("1001");
        let address = world.answer_by_hand(agent);
        call_by_trunk(&mut world, "9000", "<sip:13800138000@hotline>", &format!("User-to-User: {data}\r\n"));
        let invite = request_within(&mut world, address, Method::Invite);
        assert!(invite.header(HeaderName::UserToUser).is_none());
    }
}

#[test]
fn who_sent_a_call_on_to_us_is_known() {
    // RFC 5806: the latest first. RFC 7044: the last is who was called, the one before who sent the call on.
    let diversion = "Diversion: <sip:4001234567@c>;reason=no-answer, <sip:110@c>\r\n";
    let history = "History-Info: <sip:110@c>;index=1, <sip:4001234567@c?Reason=SIP%3Bcause%3D302>;index=1.1,\r\n \
                   <sip:9193@c;cause=302>;index=1.1.1;mp=1.1\r\n";
    for headers in [diversion, history] {
        let (mut world, _) = world_with(TrunkNumbers::default(), TrunkNumbers::default());
        call_by_trunk(&mut world, "9193", "<sip:13800138000@hotline>", headers);
        assert_eq!(known(&world), Some((false, false, Some("4001234567".into()))), "{headers}");
    }
    for headers in
        ["", "Diversion: nonsense\r\n", "History-Info: <sip:9193@c>;index=1\r\n", "Diversion: <\r\nPrivacy: none\r\n"]
    {
        let (mut world, _) = world_with(TrunkNumbers::default(), TrunkNumbers::default());
        call_by_trunk(&mut world, "9193", "<sip:13800138000@hotline>", headers);
        assert_eq!(known(&world), None, "{headers}");
    }
}

#[test]
fn who_dials_plus_86_95598_reaches_the_hotline() {
    let incoming = TrunkNumbers { called_in: every(Form::National), caller_in: every(Form::National), ..beijing() };
    let (mut world, _) = world_with(TrunkNumbers::default(), incoming);
    call_by_trunk(&mut world, "+8695598", "<sip:+8610086@hotline>", "");
    assert_eq!(arrived(&world), ("10086".into(), "95598".into()));
}
