//! Who is not listened to at all.

use super::*;
use crate::registration::Hand;
use hotline::admission::BanPolicy;
use hotline::sip::digest::{Credentials, Login, Secret};
use hotline::sip::peer::Peer;
use hotline::switch::EdgePolicy;

/// Ten wrong passwords within ten minutes, and nobody there is heard for an hour.
fn strict() -> World {
    let bans = BanPolicy { failures: 10, within: Duration::from_secs(600), lasts: Duration::from_secs(3600) };
    let scanners = EdgePolicy::SCANNERS.map(String::from).to_vec();
    World::new(Settings { edge: EdgePolicy { bans: Some(bans), allow: Vec::new(), scanners }, ..Settings::default() })
}

fn liar(from: &str, user: &'static str) -> Hand {
    let mut liar = Hand::udp(from, user);
    liar.login = Login::new(Credentials { user: user.into(), secret: Secret::Password("guess".into()) });
    liar
}

/// Whether an OPTIONS of this tool is answered there.
fn is_answered(world: &mut World, from: &str, tool: &str) -> bool {
    let address: SocketAddr = from.parse().unwrap();
    let before = world.by_hand.get(&address).map_or(0, Vec::len);
    let text = format!(
        "OPTIONS sip:100@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK-{before}-{tool};rport\r\nFrom: <sip:100@1.1.1.1>;tag=1\r\n\
         To: <sip:100@1.1.1.1>\r\nCall-ID: {before}{tool}\r\nCSeq: 1 OPTIONS\r\nUser-Agent: {tool}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    world.send_by_hand(address, text.into());
    world.run(seconds(0.2));
    world.by_hand[&address].len() > before
}

fn bans(world: &World) -> usize {
    world.count(|kind| matches!(kind, EventKind::SourceBanned { .. }))
}

#[test]
fn whoever_guesses_on_is_not_heard_for_an_hour_and_a_phone_that_is_registered_there_is() {
    let mut world = strict();
    let mut phone = Hand::udp("10.1.200.1:5060", "1001");
    assert_eq!(phone.register(&mut world, "Contact: <sip:1001@10.1.200.1>\r\n").status(), 200);
    let mut guesser = liar("10.1.200.1:6666", "1002");
    for _ in 0..10 {
        assert!(is_answered(&mut world, "10.1.200.1:6666", "x"));
        guesser.login = Login::new(Credentials { user: "1002".into(), secret: Secret::Password("guess".into()) });
        assert_eq!(guesser.register(&mut world, "Contact: <sip:x@10.1.200.1>\r\n").status(), 401);
    }
    assert_eq!(bans(&world), 1);
    assert!(!is_answered(&mut world, "10.1.200.1:6666", "x") && !is_answered(&mut world, "10.1.200.1:7777", "x"));
    assert!(is_answered(&mut world, "10.1.200.2:6666", "x"), "somebody else");
    assert_eq!(phone.register(&mut world, "Contact: <sip:1001@10.1.200.1>\r\n").status(), 200, "by its own way");
    let view = world.view();
    assert_eq!((view.bans.len(), view.bans[0].failures, view.gate.banned), (1, 10, 2));
    world.run(seconds(3_700.0));
    assert!(is_answered(&mut world, "10.1.200.1:6666", "x"));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::SourceFreed { .. })), 1);
    world.finish();
}

#[test]
fn nobody_is_banned_by_whoever_forges_his_address() {
    let mut world = strict();
    let mut guesser = liar("10.9.9.9:5060", "1002");
    let challenge = guesser.register_once(&mut world, "");
    let victim: SocketAddr = "10.1.200.7:5060".parse().unwrap();
    for nth in 0..20 {
        let mut forged = liar("10.1.200.7:5060", "1002");
        assert!(forged.login.take_challenge(&challenge, || format!("c{nth}")));
        forged.peer = Peer { remote: victim, ..forged.peer };
        assert_eq!(forged.register_once(&mut world, &format!("X-Nth: {nth}\r\n")).status(), 401);
        world.run(seconds(1.0));
    }
    assert_eq!(bans(&world), 0);
    assert!(is_answered(&mut world, "10.1.200.7:5060", "x"));
    world.finish();
}

#[test]
fn an_operator_lifts_a_ban() {
    let mut world = strict();
    for _ in 0..10 {
        assert_eq!(liar("10.9.9.9:5060", "1002").register(&mut world, "").status(), 401);
    }
    assert!(!is_answered(&mut world, "10.9.9.9:5060", "x"));
    world.command(Command::LiftBans { address: Some("10.9.9.9".parse().unwrap()) });
    assert!(is_answered(&mut world, "10.9.9.9:5060", "x"));
    world.finish();
}

#[test]
fn scanners_get_no_answer_unless_they_are_trunks_and_are_told_once_a_minute() {
    let mut world = strict();
    for nth in 0..20 {
        assert!(!is_answered(&mut world, "10.9.9.9:5060", &format!("Friendly-Scanner{nth}")));
    }
    assert!(is_answered(&mut world, "10.9.9.9:5060", "Linphone"));
    assert!(is_answered(&mut world, "10.2.0.9:5060", "friendly-scanner"), "an admin tries the trunk");
    assert_eq!(world.view().gate.scanners, 20);
    let scanner = |kind: &EventKind| matches!(kind, EventKind::AuthFailed { why, .. } if why == "scanner");
    assert_eq!(world.count(scanner), 1);
    world.finish();
}

#[test]
fn an_operator_is_told_when_an_extension_registers_from_a_network_that_none_of_its_phones_is_in() {
    let mut world = world();
    let told = |world: &World| world.count(|kind| matches!(kind, EventKind::RegisteredElsewhere { .. }));
    let register = |world: &mut World, from: &str| {
        let contact = format!("Contact: <sip:1001@{from}>\r\n");
        assert_eq!(Hand::udp(from, "1001").register(world, &contact).status(), 200);
    };
    register(&mut world, "10.1.200.1:5060");
    register(&mut world, "10.1.200.9:5060");
    assert_eq!(told(&world), 0, "a second phone beside the first");
    liar("10.9.9.9:5060", "1001").register(&mut world, "Contact: <sip:1001@10.9.9.9>\r\n");
    assert_eq!(told(&world), 0, "who does not prove himself");
    register(&mut world, "10.9.9.9:5060");
    assert_eq!(told(&world), 1);
    register(&mut world, "10.9.9.9:5060");
    assert_eq!(told(&world), 1, "it is known now");
    world.finish();
}

#[test]
fn a_banned_guesser_is_not_heard_by_writing_a_to_tag() {
    let mut world = strict();
    for _ in 0..10 {
        assert_eq!(liar("10.9.9.9:5060", "1002").register(&mut world, "").status(), 401);
    }
    let address: SocketAddr = "10.9.9.9:5060".parse().unwrap();
    let before = world.by_hand[&address].len();
    for nth in 0..3 {
        // RFC 3261 10.2: a REGISTER makes no dialog, so a tag says nothing about what it belongs to.
        let text = format!(
            "REGISTER sip:hotline SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-t{nth};rport\r\nFrom: <sip:1002@hotline>;tag=1\r\n\
             To: <sip:1002@hotline>;tag=1\r\nCall-ID: t{nth}\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        world.send_by_hand(address, text.into());
        world.run(seconds(0.2));
    }
    assert_eq!((world.by_hand[&address].len(), world.view().gate.banned), (before, 3));
    world.finish();
}

#[test]
fn bans_that_are_switched_off_are_over() {
    let mut world = strict();
    for _ in 0..10 {
        assert_eq!(liar("10.9.9.9:5060", "1002").register(&mut world, "").status(), 401);
    }
    assert!(!is_answered(&mut world, "10.9.9.9:5060", "x"));
    let mut settings = world.settings.clone();
    settings.edge.bans = None;
    world.reconfigure(&settings);
    assert!(is_answered(&mut world, "10.9.9.9:5060", "x"));
    assert_eq!(world.count(|kind| matches!(kind, EventKind::SourceFreed { .. })), 1);
    assert!(world.view().bans.is_empty());
    world.finish();
}
