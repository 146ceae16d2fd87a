//! Real sockets on the loopback interface.

use super::{FRESH_QUEUE, NetEvent, Outlet, PATIENT_QUEUE, TcpTransport, UdpTransport, channel, size};
use crate::sip::message::Message;
use crate::sip::peer::Peer;
use std::net::{IpAddr, SocketAddr};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

async fn next_fresh(outlet: &mut Outlet) -> (Peer, Message) {
    match outlet.fresh.recv().await {
        Some(NetEvent::Message { peer, message, .. }) => (peer, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_datagram_to_a_wildcard_socket_names_an_address_that_its_sender_can_reach() {
    for (wildcard, sender) in [("0.0.0.0:0", "127.0.0.1:0"), ("0.0.0.0:0", "127.0.0.2:0"), ("[::]:0", "[::1]:0")] {
        let (inlet, mut outlet) = channel();
        let ours = UdpTransport::bind(at(wildcard), inlet).unwrap();
        let phone = UdpSocket::bind(at(sender)).await.unwrap();
        let loopback: IpAddr =
            if sender.starts_with('[') { [0, 0, 0, 0, 0, 0, 0, 1].into() } else { [127, 0, 0, 1].into() };
        phone.send_to(OPTIONS.as_bytes(), (loopback, ours.local().port())).await.unwrap();
        let (peer, _) = next_fresh(&mut outlet).await;
        assert_eq!(peer.remote, phone.local_addr().unwrap());
        let facing = UdpSocket::bind(at(wildcard)).await.unwrap();
        facing.connect(peer.remote).await.unwrap();
        assert_eq!(peer.local, SocketAddr::new(facing.local_addr().unwrap().ip(), ours.local().port()));
        assert!(!peer.local.ip().is_unspecified());
        ours.send(b"answer", peer.remote);
        let mut answer = [0; 64];
        let (length, from) = phone.recv_from(&mut answer).await.unwrap();
        assert_eq!(
            (&answer[..length], from),
            (&b"answer"[..], peer.local),
            "what we say of ourselves is where we send from"
        );
    }
}

#[tokio::test]
async fn a_connection_to_a_wildcard_listener_names_the_address_that_was_dialled() {
    for dialled in ["127.0.0.1", "127.0.0.2"] {
        let (inlet, mut outlet) = channel();
        let ours = TcpTransport::open(Some(at("0.0.0.0:0")), inlet, tokio::runtime::Handle::current()).await.unwrap();
        let dialled = SocketAddr::new(dialled.parse().unwrap(), ours.local().unwrap().port());
        let mut phone = TcpStream::connect(dialled).await.unwrap();
        phone.write_all(OPTIONS.as_bytes()).await.unwrap();
        assert_eq!(next_fresh(&mut outlet).await.0.local, dialled);
    }
}

#[tokio::test]
async fn a_phone_that_keeps_its_nat_open_by_stun_is_answered_at_the_port_of_sip_rfc5626_8() {
    let (inlet, mut outlet) = channel();
    let ours = UdpTransport::bind(at("127.0.0.1:0"), inlet).unwrap();
    let phone = UdpSocket::bind(at("127.0.0.1:0")).await.unwrap();
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    phone.send_to(&request, ours.local()).await.unwrap();
    let mut answer = [0; 64];
    let (length, from) = phone.recv_from(&mut answer).await.unwrap();
    assert_eq!((from, length), (ours.local(), 32));
    assert_eq!(answer[8..20], [7; 12], "to that very request");
    let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
    assert_eq!(port, phone.local_addr().unwrap().port());
    phone.send_to(OPTIONS.as_bytes(), ours.local()).await.unwrap();
    next_fresh(&mut outlet).await;
}

#[tokio::test]
async fn the_largest_datagram_is_read() {
    let (inlet, mut outlet) = channel();
    let ours = UdpTransport::bind(at("127.0.0.1:0"), inlet).unwrap();
    let phone = UdpSocket::bind(at("127.0.0.1:0")).await.unwrap();
    let head = OPTIONS.replace("Content-Length: 0", "Content-Length: 60000");
    let message = [head.as_bytes(), &[b'x'; 60_000]].concat();
    phone.send_to(b"\r\n\r\n", ours.local()).await.unwrap();
    phone.send_to(&message, ours.local()).await.unwrap();
    assert_eq!(next_fresh(&mut outlet).await.1.body().len(), 60_000, "RFC 3261 18.1.1");
}

#[test]
fn a_flood_of_the_largest_datagrams_leaves_room_for_usual_ones() {
    let (inlet, mut outlet) = channel();
    let message = |body: usize| {
        let head = OPTIONS.replace("Content-Length: 0", &format!("Content-Length: {body}"));
        let message = Message::parse([head.as_bytes(), &vec![b'x'; body]].concat().into()).unwrap();
        NetEvent::Message { peer: Peer::udp(at("192.0.2.1:5060"), at("192.0.2.2:5060")), message, trunk: None }
    };
    for _ in 0..FRESH_QUEUE {
        inlet.offer(message(60_000));
    }
    inlet.offer(message(500));
    let waiting = std::iter::from_fn(|| outlet.fresh.try_recv().ok()).map(|event| size(&event)).collect::<Vec<_>>();
    assert!(waiting.iter().sum::<usize>() < 20 << 20);
    assert!(waiting.last().is_some_and(|octets| *octets < 1_000));
}

#[test]
fn a_flood_of_registrations_takes_no_place_of_a_new_call() {
    let (inlet, mut outlet) = channel();
    let message = |method: &str| {
        let message = Message::parse(OPTIONS.replace("OPTIONS", method).into()).unwrap();
        NetEvent::Message { peer: Peer::udp(at("192.0.2.1:5060"), at("192.0.2.2:5060")), message, trunk: None }
    };
    for _ in 0..2 * PATIENT_QUEUE {
        inlet.offer(message("REGISTER"));
    }
    inlet.offer(message("INVITE"));
    inlet.offer(message("BYE"));
    let waiting = [outlet.urgent.len(), outlet.fresh.len(), outlet.patient.len()];
    assert_eq!(waiting, [1, 1, PATIENT_QUEUE]);
    assert!(outlet.patient.try_recv().is_ok());
}

#[test]
fn a_register_with_a_to_tag_waits_with_the_others_rfc3261_10_2() {
    let (inlet, outlet) = channel();
    for method in ["REGISTER", "INFO"] {
        let text = OPTIONS.replace("OPTIONS", method).replace("To: <sip:a@b>", "To: <sip:a@b>;tag=1");
        let message = Message::parse(text.into()).unwrap();
        inlet.offer(NetEvent::Message {
            peer: Peer::udp(at("192.0.2.1:5060"), at("192.0.2.2:5060")),
            message,
            trunk: None,
        });
    }
    assert_eq!([outlet.urgent.len(), outlet.fresh.len(), outlet.patient.len()], [1, 0, 1]);
}

#[test]
fn a_cancel_right_behind_its_invite_does_not_overtake_it() {
    let (inlet, mut outlet) = channel();
    let peer = Peer::udp(at("192.0.2.1:5060"), at("192.0.2.2:5060"));
    for method in ["INVITE", "CANCEL"] {
        let message = Message::parse(OPTIONS.replace("OPTIONS", method).into()).unwrap();
        inlet.offer(NetEvent::Message { peer, message, trunk: None });
    }
    let methods: Vec<_> = std::iter::from_fn(|| outlet.fresh.try_recv().ok())
        .map(|event| match event {
            NetEvent::Message { message, .. } => message.method().to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(methods, ["INVITE", "CANCEL"], "RFC 3261 9.2 matches a CANCEL to a transaction that is there");
}
