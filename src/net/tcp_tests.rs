//! Connections in virtual time, over pipes in memory.

use super::*;
use crate::net::NetEvent;
use crate::net::converse::{ANSWER_TIME, GUEST_LIMIT, MESSAGE_LIMIT};
use crate::net::places::{Bounds, WRITE_QUEUE};
use crate::net::{Outlet, channel};
use crate::sip::peer::ConnectionId;
use bytes::Bytes;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

const REGISTERED: &[u8] = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP c\r\nCSeq: 1 REGISTER\r\n\r\n";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Our side of the wire, with room for `bounds`.
struct Site {
    transport: TcpTransport,
    outlet: Outlet,
    callers: u16,
}

impl Site {
    fn new(bounds: Bounds) -> Site {
        let (inlet, outlet) = channel();
        Site {
            transport: TcpTransport {
                shared: Shared::new(bounds),
                inlet,
                local: None,
                tls: None,
                desk: Handle::current(),
            },
            outlet,
            callers: 0,
        }
    }

    /// A peer whose connection was just accepted, if it was; the pipe holds `room` octets that nobody has read.
    fn caller(&mut self, room: usize) -> Option<(DuplexStream, Peer)> {
        self.callers += 1;
        self.caller_from([192, 0, 2, self.callers as u8].into(), room)
    }

    fn caller_from(&mut self, ip: IpAddr, room: usize) -> Option<(DuplexStream, Peer)> {
        self.callers += 1;
        let remote = SocketAddr::new(ip, 10_000 + self.callers);
        let shared = self.transport.shared.clone();
        let line = shared.admit(Transport::Tcp, remote, OpenedBy::Peer)?;
        let local = ([192, 0, 2, 254], 5060).into();
        let peer = Peer { transport: Transport::Tcp, remote, local, connection: Some(line.id) };
        let (theirs, ours) = duplex(room);
        let (reader, writer) = split(ours);
        let wire = Wire { reader, writer, framing: Framing::stream() };
        tokio::spawn(converse(wire, peer, line, Standing::Stranger, shared, self.transport.inlet.clone()));
        Some((theirs, peer))
    }

    fn send(&mut self, peer: Peer, bytes: &'static [u8]) {
        self.transport.send(Transmit { peer, bytes: Bytes::from_static(bytes) });
    }

    /// The next message, garbage or loss, by its sender's connection.
    async fn news(&mut self) -> (&'static str, Option<ConnectionId>) {
        let event = tokio::select! {
            biased;
            event = self.outlet.fresh.recv() => event,
            event = self.outlet.patient.recv() => event,
            event = self.outlet.urgent.recv() => event,
        };
        match event.unwrap() {
            NetEvent::Message { peer, .. } => ("message", peer.connection),
            NetEvent::Garbage { peer, status, .. } => (if status == 413 { "413" } else { "garbage" }, peer.connection),
            NetEvent::Lost { peer } => ("lost", peer.connection),
        }
    }

    /// Everything that is told within a second.
    async fn quiet(&mut self) -> Vec<&'static str> {
        let mut told = Vec::new();
        while let Ok((news, _)) = timeout(seconds(1), self.news()).await {
            told.push(news);
        }
        told
    }
}

async fn until_closed(pipe: &mut DuplexStream) -> Vec<u8> {
    let mut heard = Vec::new();
    pipe.read_to_end(&mut heard).await.unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_ten_seconds_for_a_message_and_line_ends_buy_no_more() {
    let mut site = Site::new(BOUNDS);
    let began = Instant::now();
    let (mut pipe, peer) = site.caller(1024).unwrap();
    for _ in 0..3 {
        sleep(seconds(3)).await;
        pipe.write_all(b"\r\n\r\n").await.unwrap();
    }
    assert_eq!(site.news().await, ("lost", peer.connection));
    assert_eq!(began.elapsed(), MESSAGE_LIMIT);
    assert_eq!(site.transport.inlet.counters().connections_slow.load(Ordering::Relaxed), 1);
    assert_eq!(until_closed(&mut pipe).await, b"\r\n\r\n\r\n", "each pair was answered by one (RFC 5626 4.4.1)");
}

#[tokio::test(start_paused = true)]
async fn a_connection_outlives_a_registration_and_a_call_without_a_word() {
    let mut site = Site::new(BOUNDS);
    let (mut pipe, peer) = site.caller(1024).unwrap();
    pipe.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", peer.connection));
    site.send(peer, REGISTERED);
    pipe.read_exact(&mut [0; REGISTERED.len()]).await.unwrap();
    for hours in [1, 4] {
        sleep(seconds(hours * 3600 + 60)).await;
        site.send(peer, b"INVITE");
        let mut heard = [0; 6];
        pipe.read_exact(&mut heard).await.unwrap();
        pipe.write_all(OPTIONS).await.unwrap();
        assert_eq!(site.news().await, ("message", peer.connection));
    }
    assert_eq!(site.news().await, ("lost", peer.connection), "but not for ever");
}

#[tokio::test(start_paused = true)]
async fn whoever_has_nothing_here_is_let_go_after_two_minutes_of_silence() {
    let mut site = Site::new(BOUNDS);
    for answer in [
        &b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP c\r\nCSeq: 1 OPTIONS\r\n\r\n"[..],
        b"SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n",
        b"SIP/2.0 403 Forbidden\r\nCSeq: 1 INVITE\r\n\r\n",
    ] {
        let (mut pipe, peer) = site.caller(1024).unwrap();
        pipe.write_all(OPTIONS).await.unwrap();
        assert_eq!(site.news().await, ("message", peer.connection));
        site.send(peer, answer);
        let began = Instant::now();
        assert_eq!(site.news().await, ("lost", peer.connection));
        assert_eq!(began.elapsed(), GUEST_LIMIT);
    }
    assert_eq!(site.transport.inlet.counters().connections_slow.load(Ordering::Relaxed), 0, "no fault of theirs");
    // Keep-alives are no reason to stay.
    let (mut pipe, peer) = site.caller(1024).unwrap();
    pipe.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", peer.connection));
    let mut keeping = tokio::time::interval(seconds(50));
    let gone = loop {
        tokio::select! {
            news = site.news() => break news,
            _ = keeping.tick() => drop(pipe.write_all(b"\r\n\r\n").await),
        }
    };
    assert_eq!(gone, ("lost", peer.connection));
    // A caller who hears it ring, and whose call then takes long.
    let (mut pipe, peer) = site.caller(1024).unwrap();
    pipe.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", peer.connection));
    site.send(peer, b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n");
    assert!(timeout(seconds(4 * 3600), site.news()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_drips_in_ends_the_connection() {
    let mut site = Site::new(BOUNDS);
    let (mut pipe, peer) = site.caller(1024).unwrap();
    pipe.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", peer.connection));
    let began = Instant::now();
    for octet in OPTIONS {
        if pipe.write_all(&[*octet]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(site.news().await, ("lost", peer.connection));
    assert!(began.elapsed() < MESSAGE_LIMIT + seconds(1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_lost_although_it_goes_on_talking() {
    let mut site = Site::new(BOUNDS);
    let (mut pipe, peer) = site.caller(1024).unwrap();
    pipe.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", peer.connection));
    site.send(peer, &[b'x'; 2000]);
    for _ in 0..9 {
        sleep(seconds(1)).await;
        pipe.write_all(OPTIONS).await.unwrap();
        assert_eq!(site.news().await.0, "message");
    }
    assert_eq!(site.news().await, ("lost", peer.connection));
    assert_eq!(site.transport.inlet.counters().send_failed.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_ends_the_connection_at_once_and_says_so() {
    let mut site = Site::new(BOUNDS);
    let (mut pipe, peer) = site.caller(64).unwrap();
    pipe.write_all(&OPTIONS[..40]).await.unwrap();
    let began = Instant::now();
    for _ in 0..=WRITE_QUEUE {
        site.send(peer, &[b'x'; 200]);
    }
    assert_eq!(site.news().await, ("lost", peer.connection));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(until_closed(&mut pipe).await.len() <= 64);
}

#[tokio::test(start_paused = true)]
async fn who_stops_talking_still_hears_the_answers() {
    let mut site = Site::new(BOUNDS);
    let (mut pipe, peer) = site.caller(64).unwrap();
    let talking = async {
        pipe.write_all(OPTIONS).await.unwrap();
        pipe.shutdown().await.unwrap();
        until_closed(&mut pipe).await
    };
    let answering = async {
        assert_eq!(site.news().await, ("message", peer.connection));
        sleep(ANSWER_TIME / 2).await;
        for _ in 0..3 {
            site.send(peer, &[b'x'; 200]);
        }
        site.news().await
    };
    let (heard, lost) = tokio::join!(talking, answering);
    assert_eq!(heard.len(), 600);
    assert_eq!(lost, ("lost", peer.connection));
}

#[tokio::test(start_paused = true)]
async fn one_address_has_its_share_of_connections_and_gets_it_back() {
    let mut site = Site::new(Bounds { per_address: 2, ..BOUNDS });
    let here = [192, 0, 2, 1].into();
    let (pipe, _) = site.caller_from(here, 64).unwrap();
    let _second = site.caller_from(here, 64).unwrap();
    assert!(site.caller_from(here, 64).is_none());
    assert!(site.caller_from([192, 0, 2, 2].into(), 64).is_some(), "others are not concerned");
    drop(pipe);
    assert_eq!(site.news().await.0, "lost");
    assert!(site.caller_from(here, 64).is_some());
}

#[tokio::test(start_paused = true)]
async fn when_all_places_are_taken_the_longest_silent_stranger_makes_room() {
    let mut site = Site::new(Bounds { connections: 3, ..BOUNDS });
    let (mut known, phone) = site.caller(1024).unwrap();
    known.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", phone.connection));
    let (_first, oldest) = site.caller(64).unwrap();
    let (_second, newer) = site.caller(64).unwrap();
    let (mut third, newest) = site.caller(1024).unwrap();
    assert_eq!(site.news().await, ("lost", oldest.connection));
    third.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", newest.connection));
    let (mut fourth, last) = site.caller(1024).unwrap();
    assert_eq!(site.news().await, ("lost", newer.connection));
    fourth.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", last.connection));
    for peer in [phone, newest, last] {
        site.send(peer, b"still here");
    }
    assert!(site.caller(64).is_none(), "who has something here is not displaced");
    let mut heard = [0; 10];
    known.read_exact(&mut heard).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unfinished_messages_of_all_connections_together_are_bounded() {
    let mut site = Site::new(Bounds { unfinished: 20_000, ..BOUNDS });
    let announced = [&OPTIONS[..OPTIONS.len() - 21], b"Content-Length: 60000\r\n\r\n", &[b'x'; 9_000]].concat();
    let mut pipes = Vec::new();
    for _ in 0..2 {
        let (mut pipe, _) = site.caller(16_000).unwrap();
        pipe.write_all(&announced).await.unwrap();
        pipes.push(pipe);
    }
    assert!(site.quiet().await.is_empty(), "two find room");
    let (mut short, _) = site.caller(16_000).unwrap();
    short.write_all(&OPTIONS[..50]).await.unwrap();
    let (mut third, _) = site.caller(16_000).unwrap();
    third.write_all(&announced).await.unwrap();
    assert_eq!(site.quiet().await, ["lost"], "the third does not");
    short.write_all(&OPTIONS[50..]).await.unwrap();
    assert_eq!(site.quiet().await, ["message"], "usual messages are not concerned");
    pipes.clear();
    assert_eq!(site.quiet().await, ["lost", "lost"]);
    let (mut fourth, _) = site.caller(16_000).unwrap();
    fourth.write_all(&announced).await.unwrap();
    assert!(site.quiet().await.is_empty(), "their room is free again");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_announced_too_long_is_told_so_before_the_end() {
    let mut site = Site::new(BOUNDS);
    let (mut pipe, peer) = site.caller(1024).unwrap();
    pipe.write_all(&[&OPTIONS[..OPTIONS.len() - 21], b"Content-Length: 1048576\r\n\r\n"].concat()).await.unwrap();
    assert_eq!(site.news().await, ("413", peer.connection));
    site.send(peer, b"answer");
    assert_eq!(until_closed(&mut pipe).await, b"answer");
    assert_eq!(site.news().await, ("lost", peer.connection));
}

#[tokio::test]
async fn a_message_for_a_peer_that_refuses_connections_is_reported_lost() {
    // A port of the system's own that nothing serves and no other test can be given.
    let gone: SocketAddr = ([127, 0, 0, 1], 1).into();
    let mut site = Site::new(BOUNDS);
    let peer = Peer { transport: Transport::Tcp, remote: gone, local: gone, connection: None };
    site.send(peer, b"INVITE");
    assert_eq!(site.news().await, ("lost", None));
    let mut full = Site::new(Bounds { connections: 0, ..BOUNDS });
    full.send(peer, b"INVITE");
    assert_eq!(full.news().await, ("lost", None), "no room to open one");
}

#[tokio::test]
async fn the_kernel_watches_over_a_silent_connection() {
    let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let stream = prepared(accepted.unwrap().0);
    let socket = SockRef::from(&stream);
    assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED_LIMIT));
    drop(dialled);
}

fn own_tls() -> Tls {
    let authority = tls::testing::Authority::new();
    let own = authority.issue(&["hotline.example"]);
    let files = tls::TlsFiles {
        certificate: own.certificate,
        key: own.key,
        client_ca: None,
        clients: Vec::new(),
        gateways: Vec::new(),
    };
    Tls::new(files.load().unwrap())
}

/// A peer that connects to us for TLS and says nothing.
fn silent_caller(site: &mut Site, tls: &Tls) -> DuplexStream {
    site.callers += 1;
    let remote = SocketAddr::new([192, 0, 2, site.callers as u8].into(), 10_000);
    let shared = site.transport.shared.clone();
    let line = shared.admit(Transport::Tls, remote, OpenedBy::Peer).unwrap();
    let local = ([192, 0, 2, 254], 5061).into();
    let peer = Peer { transport: Transport::Tls, remote, local, connection: Some(line.id) };
    let (theirs, ours) = duplex(1024);
    tokio::spawn(greet(ours, peer, line, site.transport.door(Transport::Tls, Some(tls.clone()), None)));
    theirs
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_ten_seconds_and_many_at_once_make_the_oldest_give_way() {
    let tls = own_tls();
    let mut site = Site::new(Bounds { handshakes: 2, ..BOUNDS });
    let failed = site.transport.inlet.counters();
    let began = Instant::now();
    let mut first = silent_caller(&mut site, &tls);
    let mut second = silent_caller(&mut site, &tls);
    let _third = silent_caller(&mut site, &tls);
    assert_eq!(until_closed(&mut first).await, b"");
    assert_eq!(began.elapsed(), Duration::ZERO, "made room");
    assert_eq!(until_closed(&mut second).await, b"");
    assert_eq!(began.elapsed(), HANDSHAKE_LIMIT);
    sleep(seconds(1)).await;
    assert_eq!(failed.handshakes_failed.load(Ordering::Relaxed), 3);
    let table = site.transport.shared.table();
    assert!(table.by_id.is_empty() && table.shaking.is_empty() && table.unproven.is_empty());
}

#[tokio::test(start_paused = true)]
async fn six_hundred_peers_that_say_nothing_or_drip_are_gone_in_forty_seconds_and_disturb_nobody() {
    let tls = own_tls();
    let mut site = Site::new(BOUNDS);
    let (mut phone, of_phone) = site.caller(4096).unwrap();
    phone.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", of_phone.connection));
    site.send(of_phone, REGISTERED);
    let attacker = [198, 51, 100, 7].into();
    let silent: Vec<DuplexStream> = (0..200).map(|_| silent_caller(&mut site, &tls)).collect();
    let mut dripping: Vec<DuplexStream> = (0..400).map(|_| site.caller_from(attacker, 4096).unwrap().0).collect();
    assert!(site.transport.shared.table().by_id.len() == 601);
    // One octet a second each; none of it comes to an end in time.
    let (mut lost, mut served) = (0, 0);
    for second in 0..40 {
        for pipe in &mut dripping {
            let _ = pipe.write_all(&OPTIONS[second..=second]).await;
        }
        phone.write_all(OPTIONS).await.unwrap();
        let until = Instant::now() + seconds(1);
        while let Ok((news, connection)) = tokio::time::timeout_at(until, site.news()).await {
            served += usize::from(news == "message" && connection == of_phone.connection);
            lost += usize::from(news == "lost");
        }
    }
    assert_eq!(served, 40, "the phone is heard each time");
    assert_eq!(lost, 400, "those who shook no hands never were anybody");
    assert_eq!(site.transport.shared.table().by_id.len(), 1);
    let counters = site.transport.inlet.counters();
    assert_eq!(counters.connections_slow.load(Ordering::Relaxed), 600);
    assert_eq!(counters.handshakes_failed.load(Ordering::Relaxed), 200);
    assert_eq!(counters.connections.load(Ordering::Relaxed), 1);
    assert_eq!(site.transport.shared.too_slow(), None, "the log was told a moment ago");
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn handshakes_have_a_pace_that_lets_a_site_back_in_and_no_flood() {
    let site = Site::new(BOUNDS);
    let shared = &site.transport.shared;
    let phones: Vec<Option<Duration>> = (0..2_000).map(|_| shared.turn([192, 0, 2, 1].into())).collect();
    assert_eq!(phones[..50], [Some(Duration::ZERO); 50], "those of a small site at once");
    let served: Vec<Duration> = phones.iter().flatten().copied().collect();
    assert!((300..=400).contains(&served.len()), "{} of a large one in three seconds", served.len());
    assert!(served.is_sorted() && served.last() <= Some(&seconds(3)));
    assert!(shared.turn([192, 0, 2, 2].into()).unwrap() < seconds(3), "others do not wait for that site");
    // However many addresses a customer of IPv6 has, it is one.
    let of_one_site = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
    sleep(seconds(20)).await;
    let turns = (0..2_000).filter_map(|n| shared.turn(of_one_site(n))).count();
    assert!(turns <= 400, "{turns}");
    // And all together get no more than half of a core.
    sleep(seconds(20)).await;
    let from_everywhere = (0..20_000u32).filter_map(|n| shared.turn(IpAddr::from(n.to_be_bytes()))).count();
    assert!((1_500..=1_600).contains(&from_everywhere), "{from_everywhere}");
    assert!(from_everywhere < BOUNDS.handshakes, "who waits for its turn does not push others out");
}

#[tokio::test(start_paused = true)]
async fn guests_make_room_for_a_trunk_and_for_phones_whoever_was_silent_longest_first() {
    let mut site = Site::new(Bounds { connections: 3, ..BOUNDS });
    let mut callers = Vec::new();
    for _ in 0..3 {
        let (mut pipe, peer) = site.caller(1024).unwrap();
        pipe.write_all(OPTIONS).await.unwrap();
        assert_eq!(site.news().await, ("message", peer.connection));
        callers.push((pipe, peer));
    }
    callers[0].0.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await.0, "message");
    site.send(callers[2].1, REGISTERED);
    let trunk = ([192, 0, 2, 99], 5060).into();
    let line = site.transport.shared.admit(Transport::Tcp, trunk, OpenedBy::Us);
    assert!(line.is_some());
    assert_eq!(site.news().await, ("lost", callers[1].1.connection), "it said nothing since");
    let phone = site.caller(1024);
    assert!(phone.is_some());
    assert_eq!(site.news().await, ("lost", callers[0].1.connection));
    let (mut pipe, peer) = phone.unwrap();
    pipe.write_all(OPTIONS).await.unwrap();
    assert_eq!(site.news().await, ("message", peer.connection));
    site.send(peer, REGISTERED);
    assert!(site.caller(1024).is_none(), "a phone and a trunk stay");
    assert!(site.transport.shared.table().guests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_known_shakes_hands_during_a_flood() {
    let mut site = Site::new(BOUNDS);
    let agents: IpAddr = [203, 0, 113, 7].into();
    let (mut pipe, peer) = site.caller_from(agents, 1024).unwrap();
    pipe.write_all(OPTIONS).await.unwrap();
    site.news().await;
    site.send(peer, REGISTERED);
    let shared = site.transport.shared.clone();
    let flood = || (0..60_000u32).map(|nth| shared.turn(IpAddr::V4((0xc612_0000 + nth % 64).into())));
    let turned_away = flood().filter(Option::is_none).count();
    assert!(turned_away > 50_000, "{turned_away}");
    assert_eq!(shared.turn(agents), Some(Duration::ZERO));
    drop(pipe);
    assert_eq!(site.news().await.0, "lost");
    assert_eq!(shared.turn(agents), None, "a stranger again");
}
