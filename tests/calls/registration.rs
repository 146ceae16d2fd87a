//! Where extensions can be reached, and what a REGISTER is answered.

use super::*;
use bytes::Bytes;
use hotline::events::AgentStateName;
use hotline::registrar::{RegistrarConfig, Ring};
use hotline::sip::digest::Algorithm;
use hotline::sip::digest::{Credentials, Login, Secret};
use hotline::sip::peer::Peer;
use hotline::switch::Input;
use sim::raw::header;
use std::cell::RefCell;
use std::rc::Rc;

/// A phone that writes its REGISTERs by hand.
pub struct Hand {
    pub peer: Peer,
    number: &'static str,
    call_id: String,
    cseq: u32,
    pub login: Login,
    /// Of the request line's address of record, if it registers another's.
    aor: &'static str,
}

impl Hand {
    pub fn new(peer: Peer, number: &'static str) -> Hand {
        let secret = Secret::Password(sim::config::secret_of(number));
        let login = Login::new(Credentials { user: number.into(), secret });
        Hand { peer, number, call_id: format!("hand-{}", peer.remote), cseq: 0, login, aor: number }
    }

    pub fn udp(from: &str, number: &'static str) -> Hand {
        Hand::new(Peer::udp(from.parse().unwrap(), "10.0.0.1:5060".parse().unwrap()), number)
    }

    /// The final answer to a REGISTER with these header lines, given after the challenge where there is one.
    pub fn register(&mut self, world: &mut World, lines: &str) -> Message {
        let answer = self.register_once(world, lines);
        match self.login.take_challenge(&answer, || "c0ffee".into()) {
            true => self.register_once(world, lines),
            false => answer,
        }
    }

    pub fn register_once(&mut self, world: &mut World, lines: &str) -> Message {
        self.cseq += 1;
        let Hand { peer, number, call_id, cseq, aor, .. } = self;
        let proof: String = self
            .login
            .headers("REGISTER", b"sip:hotline", b"")
            .map(|(name, value)| format!("{}: {value}\r\n", name.as_str()))
            .collect();
        let transport = peer.transport.via_name();
        let vias = match lines.contains("Via:") {
            true => String::new(),
            false => format!("Via: SIP/2.0/{transport} {};branch=z9hG4bK-{call_id}-{cseq};rport\r\n", peer.remote),
        };
        let text = format!(
            "REGISTER sip:hotline SIP/2.0\r\n{vias}Max-Forwards: 70\r\nFrom: <sip:{number}@hotline>;tag=hand\r\n\
             To: <sip:{aor}@hotline>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{proof}{lines}Content-Length: 0\r\n\r\n"
        );
        let before = world.by_hand.get(&peer.remote).map_or(0, Vec::len);
        let peer = *peer;
        world.send_over(peer, Bytes::from(text));
        world.run(seconds(0.2));
        world.by_hand[&peer.remote][before..].iter().find(|m| !m.is_request()).expect("an answer").clone()
    }

    /// INVITEs that have come, without repetitions.
    fn invites(&self, world: &World) -> Vec<Message> {
        let of = world.by_hand.get(&self.peer.remote).into_iter().flatten();
        let mut invites: Vec<Message> =
            of.filter(|m| m.is_request() && *m.method() == Method::Invite).cloned().collect();
        invites.dedup_by_key(|invite| header(invite, HeaderName::Via));
        invites
    }

    pub fn unregister(&mut self, world: &mut World) {
        assert_eq!(self.register(world, "Contact: *\r\nExpires: 0\r\n").status(), 200);
    }

    /// Answers one of them.
    fn answer(&self, world: &mut World, nth: usize, status: u16) {
        let invite = &self.invites(world)[nth];
        let call = RawCall::new(self.peer.remote, self.number);
        world.send_over(self.peer, call.response(invite, status, Some("hand"), None));
        world.run(seconds(0.2));
    }
}

const INSTANCE: &str = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"";

fn contacts(answer: &Message) -> Vec<String> {
    answer.list(HeaderName::Contact).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

fn state_of(world: &World, agent: &str) -> AgentStateName {
    world.view().agents.iter().find(|view| view.agent.as_str() == agent).expect("an agent").state
}

fn two_flows(world: &mut World) -> [Hand; 2] {
    [("10.1.200.1:40001", 1), ("10.1.200.2:40002", 2)].map(|(from, reg_id)| {
        let peer = world.connection_by_hand(from.parse().unwrap());
        let mut hand = Hand::new(peer, "1001");
        let lines = format!(
            "Contact: <sip:1001@{from};transport=tcp;ob>;reg-id={reg_id};{INSTANCE}\r\nSupported: outbound\r\n"
        );
        let answer = hand.register(world, &lines);
        assert_eq!(answer.status(), 200);
        hand
    })
}

#[test]
fn a_phone_with_two_flows_rings_once_and_by_the_other_when_the_first_is_broken_rfc_5626_5_3() {
    let mut world = world();
    let [old, new] = two_flows(&mut world);
    let caller = world.agent("1002");
    world.dial(caller, "1001");
    world.run(seconds(1.0));
    assert_eq!((old.invites(&world).len(), new.invites(&world).len()), (0, 1));
    world.input(Input::Lost { peer: new.peer });
    world.run(seconds(1.0));
    let invites = old.invites(&world);
    assert_eq!(invites.len(), 1, "by the flow that is left");
    assert_eq!(invites[0].request_uri(), b"sip:1001@10.1.200.1:40001;transport=tcp;ob");
    old.answer(&mut world, 0, 486);
    assert_eq!(world.until_over(caller), Over::Refused(486));
    world.finish();
}

#[test]
fn an_edge_proxy_that_lost_the_flow_says_430_and_the_next_flow_is_tried_rfc_5626_5_3() {
    let mut world = world();
    let [old, new] = two_flows(&mut world);
    let caller = world.agent("1002");
    world.dial(caller, "1001");
    world.run(seconds(1.0));
    new.answer(&mut world, 0, 430);
    assert_eq!(old.invites(&world).len(), 1);
    old.answer(&mut world, 0, 430);
    assert!(matches!(world.until_over(caller), Over::Refused(_)), "no third way");
    world.finish();
}

#[test]
fn a_flow_is_told_what_it_may_count_on_rfc_5626_6() {
    let mut world = world();
    let tcp = world.connection_by_hand("10.1.200.1:40001".parse().unwrap());
    let flow = |reg_id: u8| format!("Contact: <sip:1001@10.1.200.1:40001>;reg-id={reg_id};{INSTANCE}\r\n");
    let told = |answer: &Message| (header(answer, HeaderName::Require), answer.header_named("Flow-Timer").is_some());
    let mut hand = Hand::new(tcp, "1001");
    let answer = hand.register(&mut world, &format!("{}Supported: path, outbound\r\n", flow(1)));
    assert_eq!(told(&answer), ("outbound".into(), true));
    assert!(contacts(&answer)[0].ends_with(&format!(";{INSTANCE};reg-id=1")), "{:?}", contacts(&answer));
    // It does not say that it knows of flows.
    assert_eq!(told(&hand.register(&mut world, &flow(1))), (String::new(), false));
    assert_eq!(told(&hand.register(&mut world, "Contact: <sip:1001@10.1.200.1>\r\nSupported: outbound\r\n")).0, "");
    // A Require of what is there is no reason to refuse; a datagram's way is kept open by us.
    let mut udp = Hand::udp("10.1.200.3:5060", "1001");
    let answer =
        udp.register(&mut world, &format!("{}Supported: outbound\r\nRequire: outbound, gruu, path\r\n", flow(2)));
    assert_eq!((answer.status(), told(&answer)), (200, ("outbound".into(), false)));
    // A reg-id without an instance means nothing.
    let answer = udp.register(&mut world, "Contact: <sip:x@10.1.200.3>;reg-id=7\r\nSupported: outbound\r\n");
    assert_eq!(told(&answer).0, "");
    assert!(!contacts(&answer).iter().any(|contact| contact.contains("reg-id=7")));
    let two = format!("{}Contact: <sip:other@10.1.200.1>\r\n", flow(3));
    assert_eq!(hand.register(&mut world, &two).status(), 400);
    hand.unregister(&mut world);
    world.finish();
}

#[test]
fn a_flow_through_a_proxy_that_knows_nothing_of_flows_is_refused_439_rfc_5626_6() {
    let mut world = world();
    let mut hand = Hand::udp("10.1.200.9:5060", "1001");
    let through = |path: &str, n: u8| {
        format!(
            "Via: SIP/2.0/UDP 10.1.200.9;branch=z9hG4bK-edge-{n}\r\nVia: SIP/2.0/UDP 192.168.0.7;branch=z9hG4bK-phone-{n}\r\n\
             {path}Contact: <sip:1001@192.168.0.7>;reg-id=1;{INSTANCE}\r\nSupported: outbound, path\r\n"
        )
    };
    hand.register(&mut world, "");
    let refused = hand.register_once(&mut world, &through("", 1));
    assert_eq!((refused.status(), refused.reason()), (439, &b"First Hop Lacks Outbound Support"[..]));
    assert_eq!(hand.register_once(&mut world, &through("Path: <sip:10.1.200.9;lr>\r\n", 2)).status(), 439);
    assert_eq!(hand.register_once(&mut world, &through("Path: not an address\r\n", 3)).status(), 400);
    assert!(world.view().contacts.is_empty());
    let path = "Path: <sip:token@10.1.200.9;lr;ob>\r\n";
    let answer = hand.register_once(&mut world, &through(path, 4));
    assert_eq!((answer.status(), header(&answer, HeaderName::Require)), (200, "outbound".into()));
    assert_eq!(header(&answer, HeaderName::Path), "<sip:token@10.1.200.9;lr;ob>", "RFC 3327 5.3");

    let caller = world.agent("1002");
    world.dial(caller, "1001");
    world.run(seconds(1.0));
    let invite = hand.invites(&world)[0].clone();
    assert_eq!(header(&invite, HeaderName::Route), "<sip:token@10.1.200.9;lr;ob>", "RFC 3327 5.4");
    assert_eq!(invite.request_uri(), b"sip:1001@192.168.0.7");
    hand.answer(&mut world, 0, 486);
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_phone_that_comes_back_by_a_new_connection_outlives_the_old_one() {
    let mut world = world();
    let old = world.connection_by_hand("10.1.200.1:40001".parse().unwrap());
    let new = world.connection_by_hand("10.1.200.1:40777".parse().unwrap());
    for peer in [old, new] {
        let lines = format!("Contact: <sip:1001@{};ob>;reg-id=1;{INSTANCE}\r\nSupported: outbound\r\n", peer.remote);
        let answer = Hand { call_id: "same".into(), ..Hand::new(peer, "1001") }.register(&mut world, &lines);
        assert!(answer.status() == 200 || peer == new, "{}", answer.status());
    }
    // The phone has restarted: another Call-ID.
    let lines = format!("Contact: <sip:1001@{};ob>;reg-id=1;{INSTANCE}\r\nSupported: outbound\r\n", new.remote);
    assert_eq!(contacts(&Hand::new(new, "1001").register(&mut world, &lines)).len(), 1, "the same flow");
    world.input(Input::Lost { peer: old });
    assert_eq!(state_of(&world, "1001"), AgentStateName::Ready);
    world.input(Input::Lost { peer: new });
    assert_ne!(state_of(&world, "1001"), AgentStateName::Ready);
    world.finish();
}

#[test]
fn a_gruu_reaches_the_one_device_that_it_was_given_to_rfc_5627() {
    let mut world = world();
    let desk = world.agent("1001");
    let mut soft = Hand::udp("10.1.200.5:5060", "1001");
    let answer =
        soft.register(&mut world, &format!("Contact: <sip:1001@10.1.200.5>;{INSTANCE}\r\nSupported: gruu\r\n"));
    let told = contacts(&answer).into_iter().find(|contact| contact.contains("10.1.200.5")).unwrap();
    let gruu = "sip:1001@hotline;gr=urn:uuid:00000000-0000-1000-8000-000a95a0e128";
    assert!(told.contains(&format!("pub-gruu=\"{gruu}\"")), "{told}");
    let silent = soft.register(&mut world, &format!("Contact: <sip:1001@10.1.200.5>;{INSTANCE}\r\n"));
    assert!(!contacts(&silent).concat().contains("gruu"), "nobody asked");

    let caller = world.agent("1002");
    world.dial(caller, "1001");
    world.run(seconds(1.0));
    assert_eq!((soft.invites(&world).len(), world.phones[desk.0].calls.len()), (1, 1), "without gr all ring");
    world.hang_up(caller);
    world.run(seconds(1.0));
    world.dial(caller, "1001;gr=urn:uuid:00000000-0000-1000-8000-000a95a0e128");
    world.run(seconds(1.0));
    assert_eq!((soft.invites(&world).len(), world.phones[desk.0].calls.len()), (2, 1), "with it the one device");
    soft.answer(&mut world, 1, 486);
    assert_eq!(world.until_over(caller), Over::Refused(486));
    world.dial(caller, "1001;gr=urn:uuid:none");
    assert_eq!(world.until_over(caller), Over::Refused(480));
    world.finish();
}

#[test]
fn devices_ring_in_the_order_of_their_q_where_so_configured() {
    let registrar = RegistrarConfig { ring: Ring::ByPreference, ..RegistrarConfig::default() };
    let mut world = World::new(Settings { registrar, ..Settings::default() });
    let mut desk = Hand::udp("10.1.200.5:5060", "1001");
    let mut soft = Hand::udp("10.1.200.6:5060", "1001");
    let mut home = Hand::udp("10.1.200.7:5060", "1001");
    desk.register(&mut world, "Contact: <sip:1001@10.1.200.5>;q=0.9\r\n");
    soft.register(&mut world, "Contact: <sip:1001@10.1.200.6>;q=0.9\r\n");
    let answer = home.register(&mut world, "Contact: <sip:1001@10.1.200.7>;q=0.25\r\n");
    assert!(contacts(&answer).concat().contains(";q=0.250"), "{:?}", contacts(&answer));
    let rung = |world: &World, hands: [&Hand; 3]| hands.map(|hand| hand.invites(world).len());
    let caller = world.agent("1002");

    world.dial(caller, "1001");
    world.run(seconds(1.0));
    assert_eq!(rung(&world, [&desk, &soft, &home]), [1, 1, 0]);
    desk.answer(&mut world, 0, 486);
    assert_eq!(rung(&world, [&desk, &soft, &home]), [1, 1, 0], "one still rings");
    soft.answer(&mut world, 0, 180);
    world.run(seconds(10.0));
    assert_eq!(rung(&world, [&desk, &soft, &home]), [1, 1, 1], "after a while the next");
    home.answer(&mut world, 0, 404);
    assert_eq!(world.until_over(caller), Over::Refused(486), "the most telling of all answers");

    // Whoever declines, declines for all phones.
    world.dial(caller, "1001");
    world.run(seconds(1.0));
    desk.answer(&mut world, 1, 603);
    soft.answer(&mut world, 1, 603);
    assert_eq!(world.until_over(caller), Over::Refused(603));
    assert_eq!(rung(&world, [&desk, &soft, &home]), [2, 2, 1]);
    world.finish();
}

#[test]
fn a_caller_hears_that_it_rings_while_one_of_two_phones_already_speaks() {
    let mut world = world();
    let mut desk = Hand::udp("10.1.200.5:5060", "1001");
    let mut soft = Hand::udp("10.1.200.6:5060", "1001");
    desk.register(&mut world, "Contact: <sip:1001@10.1.200.5>\r\n");
    soft.register(&mut world, "Contact: <sip:1001@10.1.200.6>\r\n");
    let caller = world.agent("1002");
    world.dial(caller, "1001");
    world.run(seconds(1.0));
    let invite = desk.invites(&world).remove(0);
    let call = RawCall::called(desk.peer.remote, &invite, "desk");
    world.send_over(desk.peer, call.response(&invite, 183, Some("desk"), Some(&call.sdp())));
    world.run(seconds(1.0));
    assert_eq!(world.call(caller).statuses, [180]);
    for hand in [&desk, &soft] {
        hand.answer(&mut world, 0, 486);
    }
    assert_eq!(world.until_over(caller), Over::Refused(486));
    world.finish();
}

#[test]
fn an_agent_whose_connection_breaks_is_offered_nobody_and_the_next_call_goes_elsewhere() {
    let mut world = world();
    let lost = world.extension("1001", &sim::config::secret_of("1001"));
    world.use_tcp(lost);
    world.register(lost);
    world.run(seconds(1.0));
    world.phones[lost.0].refreshes = false;
    let other = world.agent("1002");
    assert_eq!(state_of(&world, "1001"), AgentStateName::Ready);
    world.lose_connection(lost);
    assert_eq!(state_of(&world, "1001"), AgentStateName::LoggedOut);
    ringing_agent(&mut world, other);
    assert!(world.phones[lost.0].calls.is_empty());
    world.until_up(other);
    world.hang_up(other);
    world.finish();
}

#[test]
fn a_phone_behind_nat_is_reached_where_it_sends_from_and_kept_open() {
    let mut world = world();
    let phone = world.extension("1001", &sim::config::secret_of("1001"));
    world.phones[phone.0].contact = Some("sip:1001@192.168.1.5:5060".into());
    let questions = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = questions.clone();
    world.filter(move |way, message| {
        if way == Way::ToPhone && message.is_request() && *message.method() == Method::Options {
            seen.set(seen.get() + 1);
        }
        Fate::Passes
    });
    world.register(phone);
    world.run(seconds(101.0));
    assert!((3..=4).contains(&questions.get()), "{}: each 25 s, from each REGISTER on", questions.get());
    let caller = ringing_agent(&mut world, phone);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    world.with(phone, |phone, now| phone.register(now, 0));
    world.finish();
}

#[test]
fn a_phone_behind_nat_that_gives_no_sign_of_life_is_called_no_more_until_it_does() {
    let mut world = world();
    let dead = world.extension("1001", &sim::config::secret_of("1001"));
    world.phones[dead.0].contact = Some("sip:1001@192.168.1.5:5060".into());
    world.phones[dead.0].expires_s = 3_600;
    world.register(dead);
    world.run(seconds(1.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::Ready);
    world.phones[dead.0].off = true;
    world.run(seconds(58.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::LoggedOut);
    assert_eq!(world.count(|kind| matches!(kind, EventKind::ContactSilent { .. })), 1);
    let other = world.agent("1002");
    ringing_agent(&mut world, other);
    world.until_up(other);
    world.hang_up(other);
    world.phones[dead.0].off = false;
    world.run(seconds(58.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::Ready, "it answers again");
    assert_eq!(world.count(|kind| matches!(kind, EventKind::ContactBack { .. })), 1);
    world.with(dead, |phone, now| phone.register(now, 0));
    world.finish();
}

#[test]
fn a_phone_that_listens_elsewhere_than_it_sends_from_is_called_where_it_listens() {
    let mut world = world();
    let mut hand = Hand::udp("10.1.200.8:49152", "1001");
    let lines = |n: u8| {
        format!("Via: SIP/2.0/UDP 10.1.200.8:49152;branch=z9hG4bK-{n}\r\nContact: <sip:1001@10.1.200.8:5060>\r\n")
    };
    assert_eq!(hand.register_once(&mut world, &lines(1)).status(), 401);
    let challenge = world.by_hand[&hand.peer.remote].last().unwrap().clone();
    assert!(hand.login.take_challenge(&challenge, || "c0ffee".into()));
    assert_eq!(hand.register_once(&mut world, &lines(2)).status(), 200);
    let caller = world.agent("1002");
    world.dial(caller, "1001");
    world.run(seconds(1.0));
    let at: SocketAddr = "10.1.200.8:5060".parse().unwrap();
    let invite = request_within(&mut world, at, Method::Invite);
    world.send_by_hand(at, RawCall::new(at, "1001").response(&invite, 486, Some("x"), None));
    world.until_over(caller);
    world.finish();
}

#[test]
fn a_register_that_cannot_be_granted_is_told_why() {
    let registrar = RegistrarConfig { min_expires_s: 120, max_contacts: 2, ..RegistrarConfig::default() };
    let mut world = World::new(Settings { registrar, ..Settings::default() });
    let mut hand = Hand::udp("10.1.200.5:5060", "1001");
    let brief = hand.register(&mut world, "Contact: <sip:1001@10.1.200.5>;expires=60\r\n");
    assert_eq!((brief.status(), header(&brief, HeaderName::MinExpires)), (423, "120".into()));
    let one = "Contact: <sip:1001@10.1.200.5>\r\n";
    assert_eq!(contacts(&hand.register(&mut world, one)), ["<sip:1001@10.1.200.5>;expires=3600"]);
    // RFC 3261 10.2.2: the star stands alone and with Expires 0.
    for bad in ["Contact: *\r\n", "Contact: *\r\nExpires: 60\r\n", "Contact: *, <sip:x@10.1.200.5>\r\nExpires: 0\r\n"] {
        assert_eq!(hand.register(&mut world, bad).status(), 400, "{bad}");
    }
    assert_eq!(world.view().contacts.len(), 1);
    let three = "Contact: <sip:b@10.1.200.5>, <sip:c@10.1.200.5>\r\n";
    assert_eq!(hand.register(&mut world, three).status(), 403);
    let gone = hand.register(&mut world, "Contact: *\r\nExpires: 0\r\n");
    assert_eq!((gone.status(), contacts(&gone).len()), (200, 0));
    assert!(world.view().contacts.is_empty());
    // RFC 3261 10.3 step 4: nobody registers for somebody else.
    hand.aor = "1002";
    assert_eq!(hand.register(&mut world, one).status(), 403);
    assert!(world.view().contacts.is_empty());
    world.finish();
}

#[test]
fn phones_are_called_after_a_restart_without_registering_again_rfc_3261_10_3() {
    let mut world = world();
    let (desk, soft) = (world.agent("1001"), world.extension("1002", &sim::config::secret_of("1002")));
    world.use_tcp(soft);
    world.register(soft);
    world.run(seconds(1.0));
    world.phones[desk.0].refreshes = false;
    world.phones[soft.0].refreshes = false;
    world.restart(seconds(60.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::Ready);
    assert_eq!(state_of(&world, "1002"), AgentStateName::LoggedOut, "its connection ended with the process");
    let registered = world.count(|kind| matches!(kind, EventKind::Registered { .. }));
    assert_eq!(registered, 2, "it is no news");
    let caller = ringing_agent(&mut world, desk);
    world.until_heard(caller, "voice of 1001");
    world.hang_up(caller);
    // It had asked for 120 s, of which some 62 are over.
    world.run(seconds(60.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::LoggedOut);
    assert!(world.kept[&AgentId::new("1001")].contacts.is_empty(), "and nothing is kept of it");
    world.restart(seconds(1.0));
    assert!(world.view().contacts.is_empty());
    world.finish();
}

#[test]
fn a_refresh_is_kept_too_and_a_clock_set_back_makes_no_registration_outlive_its_longest_time() {
    let mut world = world();
    let phone = world.agent("1001");
    world.run(seconds(100.0));
    world.phones[phone.0].refreshes = false;
    world.restart(seconds(15.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::Ready, "120 s after the first REGISTER");
    let before = world.kept.clone();
    world.wall_jump = Some(Duration::from_secs(3_600));
    world.restart(seconds(1.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::LoggedOut, "an hour may have passed");
    world.kept = before;
    // 1970: no calendar there.
    world.wall_jump = Some(Duration::ZERO);
    world.restart(seconds(1.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::Ready);
    world.run(seconds(3_601.0));
    assert_eq!(state_of(&world, "1001"), AgentStateName::LoggedOut);
    world.finish();
}

#[test]
fn phones_are_challenged_with_the_strongest_algorithm_first_where_that_is_wanted_rfc_8760_2_4() {
    let algorithms = &[Algorithm::Sha512_256, Algorithm::Sha256];
    let mut world = World::new(Settings { algorithms, ..Settings::default() });
    let offered: Rc<RefCell<Vec<String>>> = Rc::default();
    let seen = offered.clone();
    world.filter(move |way, message| {
        if way == Way::ToPhone && !message.is_request() && message.status() == 401 {
            let text = String::from_utf8_lossy(message.raw()).into_owned();
            let names =
                text.split("algorithm=").skip(1).map(|rest| rest.split(',').next().unwrap_or_default().to_string());
            seen.borrow_mut().extend(names);
        }
        Fate::Passes
    });
    let agent = world.agent("1001");
    assert_eq!(*offered.borrow(), ["SHA-512-256", "SHA-256"]);
    assert_eq!(world.phones[agent.0].answers.last(), Some(&("REGISTER", 200)));
    world.no_filter();
    world.finish();
}

#[test]
fn a_phone_with_the_old_password_is_not_rung_after_a_reload_or_a_restart() {
    for restarts in [false, true] {
        let mut world = world();
        let mut old = Hand::udp("10.9.9.9:5060", "1001");
        let mut other = Hand::udp("10.1.200.3:5060", "1003");
        assert_eq!(old.register(&mut world, "Contact: <sip:1001@10.9.9.9>\r\n").status(), 200);
        assert_eq!(other.register(&mut world, "Contact: <sip:1003@10.1.200.3>\r\n").status(), 200);
        world.settings.changed_passwords = &[("1001", "another")];
        match restarts {
            true => world.restart(seconds(5.0)),
            false => world.reconfigure(&world.settings.clone()),
        }
        let caller = world.agent("1002");
        world.dial(caller, "1001");
        assert_eq!(world.until_over(caller), Over::Refused(480));
        assert!(old.invites(&world).is_empty());
        world.dial(caller, "1003");
        world.run(seconds(1.0));
        other.answer(&mut world, 0, 486);
        assert_eq!(world.until_over(caller), Over::Refused(486), "whose password is as it was");
        let why = |kind: &EventKind| matches!(kind, EventKind::Unregistered { why, .. } if why == "password changed");
        assert_eq!(world.count(why), usize::from(!restarts));
        world.finish();
    }
}
