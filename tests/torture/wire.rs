//! What the whole switch does about each message: from a stranger's datagram, over a stranger's connection, and inside a
//! call that is up. After each it answers an OPTIONS at once, and nothing is left of it.

use super::sim::raw::RawCall;
use super::sim::stream::Stream;
use super::sim::world::seconds;
use super::sim::{Settings, World};
use super::*;
use hotline::sip::message::{HeaderName, Message, Method};
use hotline::sip::peer::Transport;
use std::net::SocketAddr;
use std::time::Duration;

const HUNDRED_MS: Duration = Duration::from_millis(100);

fn world() -> World {
    World::new(Settings { ports: 2, rtp_timeout: None, ..Settings::default() })
}

fn all() -> impl Iterator<Item = (&'static str, Bytes, Reaction)> {
    let names = RFC_4475.into_iter().map(|(name, _, reaction)| ("rfc4475", name, reaction));
    let names = names.chain(RFC_5118.into_iter().map(|(name, reaction)| ("rfc5118", name, reaction)));
    names.map(|(folder, name, reaction)| (name, fixture(folder, name), reaction))
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The final answers that an address has had.
fn finals(world: &World, address: SocketAddr) -> Vec<u16> {
    world.by_hand[&address].iter().map(Message::status).filter(|status| *status >= 200).collect()
}

/// Somebody else asks whether the switch is there, and is answered within 100 ms.
fn expect_alive(world: &mut World, name: &str) {
    let neighbour = at("10.9.0.77:5060");
    world.by_hand.remove(&neighbour);
    world.send_by_hand(neighbour, options(neighbour, "UDP", "alive"));
    world.run(HUNDRED_MS);
    assert_eq!(finals(world, neighbour), [200], "no answer to an OPTIONS after {name}");
}

fn options(from: SocketAddr, transport: &str, id: &str) -> Bytes {
    Bytes::from(format!(
        "OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bK{id}\r\nMax-Forwards: 70\r\n\
         From: <sip:{id}@{from}>;tag=1\r\nTo: <sip:10.0.0.1>\r\nCall-ID: {id}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    ))
}

fn owed(name: &str, raw: Bytes, reaction: &Reaction) -> Vec<u16> {
    match reaction {
        Owed(status) => vec![*status],
        Drop => vec![],
        Accept(_) => beyond(name, &Message::parse(raw).unwrap()),
    }
}

/// What the layers above owe a stranger for a request that can be read.
fn beyond(name: &str, message: &Message) -> Vec<u16> {
    if !message.is_request() {
        return vec![];
    }
    let in_dialog = message.to().unwrap().tag().is_some();
    match message.method() {
        Method::Ack => vec![],
        // Who sends it must show a password first (22.1); a To tag means nothing in it (10.2).
        Method::Register => vec![401],
        Method::Invite if !in_dialog => vec![401],
        Method::Options if !in_dialog => vec![200],
        Method::Invite | Method::Options | Method::Bye | Method::Info | Method::Update => vec![481],
        _ => {
            assert!(["intmeth", "esc02", "mpart01"].contains(&name), "{name}");
            vec![405]
        }
    }
}

#[test]
fn a_stranger_is_owed_the_same_status_for_each_message_by_datagram() {
    let stranger = at("10.9.0.66:5060");
    for (name, raw, reaction) in all() {
        let mut world = world();
        world.send_by_hand(stranger, raw.clone());
        world.run(HUNDRED_MS);
        assert_eq!(finals(&world, stranger), owed(name, raw, &reaction), "{name}");
        expect_alive(&mut world, name);
        world.finish();
    }
}

#[test]
fn a_stranger_is_owed_the_same_status_for_each_message_by_stream_and_keeps_the_connection_where_it_is_safe() {
    let stranger = at("10.9.0.66:40000");
    for (name, raw, reaction) in all() {
        let mut world = world();
        let mut stream = Stream::open(&mut world, stranger, Transport::Tcp);
        for piece in raw.chunks(11) {
            stream.write(&mut world, piece);
        }
        world.run(HUNDRED_MS);
        let statuses = match name {
            // On a stream it is not known yet that the rest of the body never comes (RFC 4475 3.1.2.2).
            "clerr" => vec![],
            // What follows the REGISTER is a message of its own there, an INVITE without a Contact (3.1.1.8).
            "dblreq" => vec![401, 400],
            _ => owed(name, raw.clone(), &reaction),
        };
        let got = finals(&world, stranger);
        assert_eq!(got, statuses, "{name}");
        // Without a Content-Length a message ends with its head on a stream (20.14), and what follows is a start line yet to
        // end; where it cannot be known, or what follows is no SIP, nothing more is read.
        let waits = ["clerr", "inv2543"].contains(&name);
        let unsafe_to_go_on = ["ncl", "mcl01", "dblreq"].contains(&name);
        assert_eq!(stream.open, !unsafe_to_go_on, "{name}: whether the connection may be read on");
        if stream.open && !waits {
            stream.write(&mut world, &options(stranger, "TCP", "next"));
            world.run(HUNDRED_MS);
            assert_eq!(finals(&world, stranger).len(), got.len() + 1, "{name}: the next message of the stream");
        }
        expect_alive(&mut world, name);
        stream.close(&mut world);
        world.finish();
    }
}

/// `raw` as a message of the dialog of `call`: its Call-ID, From, To and number, where the message has them, everything
/// else byte for byte.
fn within_dialog(raw: &Bytes, call: &RawCall, number: u32) -> Bytes {
    let message = Message::parse(raw.clone()).unwrap();
    let mut out = Vec::new();
    let mut copied = 0;
    let mut done = Vec::new();
    for (_, id, value) in message.all_headers() {
        let own = match id {
            HeaderName::CallId => call.call_id.clone(),
            HeaderName::From => call.from.clone(),
            HeaderName::To => call.to.clone(),
            // Where the number is what is wrong, it stays.
            HeaderName::CSeq if message.cseq().is_ok() => {
                let method = &value[value.iter().take_while(|b| b.is_ascii_digit()).count()..];
                format!("{number}{}", String::from_utf8_lossy(method))
            }
            _ => continue,
        };
        // A second one is what is wrong with it.
        if done.contains(&id) {
            continue;
        }
        done.push(id);
        let begin = value.as_ptr() as usize - message.raw().as_ptr() as usize;
        out.extend_from_slice(&message.raw()[copied..begin]);
        out.extend_from_slice(own.as_bytes());
        copied = begin + value.len();
    }
    out.extend_from_slice(&message.raw()[copied..]);
    out.into()
}

/// What a message is owed by whoever is in a call.
fn within(name: &str, raw: Bytes, reaction: &Reaction) -> Vec<u16> {
    let message = Message::parse(raw).unwrap();
    match name {
        // Names that cannot be read are those of nobody once they are the dialog's: sound.
        "quotbal" | "badaspec" | "baddn" => within_sound(&message),
        // Its Date is nobody's concern in a call.
        "baddate" => within_sound(&message),
        // Audio over IPv6 is nothing for a call whose media goes over IPv4.
        "ipv6-in-sdp" | "ipv4-mapped-ipv6" => vec![488],
        _ => match reaction {
            Owed(status) => vec![*status],
            Drop => vec![],
            Accept(_) => within_sound(&message),
        },
    }
}

fn within_sound(message: &Message) -> Vec<u16> {
    if !message.is_request() {
        return vec![];
    }
    match message.method() {
        Method::Invite => vec![200],
        Method::Options | Method::Bye => vec![200],
        Method::Register => vec![401],
        _ => vec![405],
    }
}

#[test]
fn whoever_is_in_a_call_is_owed_the_same_status_for_each_message_and_the_call_stays() {
    let address = at("10.2.99.1:5060");
    for (name, raw, reaction) in all() {
        let mut world = world();
        let mut call = RawCall::new(address, "9193");
        let sdp = call.sdp();
        world.send_by_hand(address, call.invite(Some(&sdp)));
        world.run(seconds(1.0));
        let ok = world.by_hand[&address].iter().find(|message| message.status() == 200).expect("a 200").clone();
        call.learn(&ok);
        world.send_by_hand(address, call.ack(None));
        world.run(seconds(1.0));
        world.by_hand.clear();

        let _ = call.reinvite(None);
        world.send_by_hand(address, within_dialog(&raw, &call, 2));
        world.run(HUNDRED_MS);
        let got = finals(&world, address);
        assert_eq!(got, within(name, raw.clone(), &reaction), "{name}");
        if got == [200] {
            world.send_by_hand(address, call.ack(None));
        }
        expect_alive(&mut world, name);
        world.run(seconds(40.0));
        if Message::parse(raw).unwrap().method() == &Method::Bye {
            world.finish();
            continue;
        }
        assert_eq!(world.switch.calls(), 1, "{name} ended the call\n{}", world.story());
        world.by_hand.clear();
        let bye = call.bye();
        world.send_by_hand(address, bye);
        world.run(HUNDRED_MS);
        assert_eq!(finals(&world, address), [200], "{name}: the BYE");
        world.finish();
    }
}

/// The list says what the switch does, and each entry is one that the RFC allows.
#[test]
fn the_list_of_deviations_is_true_and_short() {
    assert!(DEVIATIONS.len() <= 2);
    for (name, _, ours, _) in DEVIATIONS {
        let found = RFC_4475.iter().find(|(known, ..)| *known == name).map(|(.., reaction)| reaction);
        assert!(matches!(found, Some(Owed(status)) if *status == ours), "{name}");
    }
}
