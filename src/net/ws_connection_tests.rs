//! Browsers' connections in virtual time, over pipes in memory.

use super::*;
use crate::net::{NetCounters, NetEvent, Outlet, channel};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

const REGISTER: &str = "REGISTER sip:pbx.example.com SIP/2.0\r\nVia: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks\r\nMax-Forwards: 70\r\nFrom: sip:1001@pbx.example.com;tag=asdyka899\r\nTo: sip:1001@pbx.example.com\r\nCall-ID: asidkj3ss\r\nCSeq: 1 REGISTER\r\nContact: <sip:1001@df7jal23ls0d.invalid;transport=ws>\r\n\r\n";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Site {
    transport: TcpTransport,
    outlet: Outlet,
    counters: Arc<NetCounters>,
    callers: u16,
}

/// A page that speaks WebSocket by hand.
struct Page {
    pipe: DuplexStream,
    peer: Peer,
}

impl Site {
    fn new() -> Site {
        let (inlet, outlet) = channel();
        let counters = inlet.counters();
        let transport =
            TcpTransport { shared: Shared::new(BOUNDS), inlet, local: None, tls: None, desk: Handle::current() };
        Site { transport, outlet, counters, callers: 0 }
    }

    /// Connected, and nothing said yet.
    fn knock(&mut self) -> Page {
        self.callers += 1;
        let remote = SocketAddr::new([192, 0, 2, self.callers as u8].into(), 10_000);
        let shared = self.transport.shared.clone();
        let line = shared.admit(Transport::Ws, remote, OpenedBy::Peer).unwrap();
        let local = ([192, 0, 2, 254], 8088).into();
        let peer = Peer { transport: Transport::Ws, remote, local, connection: Some(line.id) };
        let (pipe, ours) = duplex(16_384);
        tokio::spawn(greet(ours, peer, line, self.transport.door(Transport::Ws, None, Some(Origins::any()))));
        Page { pipe, peer }
    }

    async fn page(&mut self) -> Page {
        let mut page = self.knock();
        page.write(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n").await;
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(page.pipe.read_u8().await.unwrap());
        }
        assert!(response.starts_with(b"HTTP/1.1 101 "));
        page
    }

    /// The next message or loss.
    async fn news(&mut self) -> (&'static str, Peer) {
        let event = tokio::select! {
            biased;
            event = self.outlet.fresh.recv() => event,
            event = self.outlet.patient.recv() => event,
            event = self.outlet.urgent.recv() => event,
        };
        match event.unwrap() {
            NetEvent::Message { peer, .. } => ("message", peer),
            NetEvent::Garbage { peer, .. } => ("garbage", peer),
            NetEvent::Lost { peer } => ("lost", peer),
        }
    }
}

impl Page {
    async fn write(&mut self, octets: &[u8]) {
        self.pipe.write_all(octets).await.unwrap();
    }

    async fn says(&mut self, frame: Frame) {
        self.write(&masked(frame)).await;
    }

    async fn hears(&mut self) -> Message {
        let mut octets = Vec::new();
        loop {
            octets.push(self.pipe.read_u8().await.unwrap());
            let mut cursor = std::io::Cursor::new(octets.clone());
            let Some((header, length)) = FrameHeader::parse(&mut cursor).unwrap() else { continue };
            let mut payload = vec![0; length as usize];
            self.pipe.read_exact(&mut payload).await.unwrap();
            return match header.opcode {
                OpCode::Data(Data::Text) => Message::text(String::from_utf8(payload).unwrap()),
                other => Message::text(format!("{other:?}")),
            };
        }
    }

    async fn until_closed(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        self.pipe.read_to_end(&mut heard).await.unwrap();
        heard
    }
}

/// As a client writes it (RFC 6455 5.3); a mask of noughts changes nothing.
fn masked(mut frame: Frame) -> Vec<u8> {
    frame.header_mut().mask = Some([0; 4]);
    let mut octets = Vec::new();
    frame.format(&mut octets).unwrap();
    octets
}

fn text(text: &'static str) -> Frame {
    Frame::message(text, OpCode::Data(Data::Text), true)
}

#[tokio::test(start_paused = true)]
async fn a_page_is_answered_and_called_over_the_connection_that_it_opened_and_no_other_rfc7118_5() {
    let mut site = Site::new();
    let mut page = site.page().await;
    page.says(text(REGISTER)).await;
    assert_eq!(site.news().await, ("message", page.peer));
    site.transport
        .send(Transmit { peer: page.peer, bytes: Bytes::from_static(b"INVITE sip:1001@df7jal23ls0d.invalid") });
    assert_eq!(page.hears().await, Message::text("INVITE sip:1001@df7jal23ls0d.invalid"));
    drop(page.pipe);
    assert_eq!(site.news().await, ("lost", page.peer), "so that the registrar forgets it");
    site.transport.send(Transmit { peer: page.peer, bytes: Bytes::from_static(b"INVITE") });
    assert_eq!(site.news().await, ("lost", page.peer), "nobody can connect to a page");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_there_is_kept_and_one_that_went_without_a_word_is_noticed() {
    let mut site = Site::new();
    let mut page = site.page().await;
    page.says(text(REGISTER)).await;
    assert_eq!(site.news().await.0, "message");
    let registered = Bytes::from_static(b"SIP/2.0 200 OK\r\nCSeq: 1 REGISTER\r\n\r\n");
    site.transport.send(Transmit { peer: page.peer, bytes: registered });
    page.hears().await;
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(page.hears().await, Message::text("Control(Ping)"));
        page.says(Frame::pong("")).await;
    }
    assert!(began.elapsed() >= seconds(3000));
    let last = Instant::now();
    assert_eq!(site.news().await, ("lost", page.peer));
    assert_eq!(last.elapsed(), seconds(45));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_ten_seconds_for_the_handshake_and_ten_for_a_message() {
    let mut site = Site::new();
    let began = Instant::now();
    let mut dribbling = site.knock();
    for octet in b"GET / HTTP/1.1\r\n" {
        if dribbling.pipe.write_all(&[*octet]).await.is_err() {
            break;
        }
        sleep(seconds(1)).await;
    }
    assert_eq!(dribbling.until_closed().await, b"");
    assert!(began.elapsed() <= seconds(11));
    assert_eq!(site.counters.handshakes_failed.load(Ordering::Relaxed), 1);
    let mut silent = site.page().await;
    let began = Instant::now();
    assert_eq!(silent.until_closed().await, b"");
    assert_eq!(began.elapsed(), seconds(10));
    // Pings of its own buy no more.
    let mut chatty = site.page().await;
    let began = Instant::now();
    for _ in 0..5 {
        chatty.says(Frame::ping("")).await;
        sleep(seconds(2)).await;
    }
    chatty.until_closed().await;
    assert_eq!(began.elapsed(), seconds(10));
    let table = site.transport.shared.table();
    assert!(table.by_id.is_empty() && table.shaking.is_empty() && table.unproven.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_drips_in_ends_the_connection() {
    let mut site = Site::new();
    let mut page = site.page().await;
    page.says(text(REGISTER)).await;
    assert_eq!(site.news().await.0, "message");
    let began = Instant::now();
    for octet in masked(text(REGISTER)) {
        if page.pipe.write_all(&[octet]).await.is_err() {
            break;
        }
        sleep(seconds(1)).await;
    }
    assert_eq!(site.news().await.0, "lost");
    assert!(began.elapsed() <= seconds(11));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_answered_and_so_is_what_breaks_the_rules() {
    let mut site = Site::new();
    let mut page = site.page().await;
    page.says(Frame::close(None)).await;
    assert_eq!(page.until_closed().await, [0x88, 0]);
    assert_eq!(site.news().await, ("lost", page.peer));
    let mut rude = site.page().await;
    let mut unmasked = Vec::new();
    text(REGISTER).format(&mut unmasked).unwrap();
    rude.write(&unmasked).await;
    assert_eq!(rude.until_closed().await, [0x88, 2, 3, 234], "1002");
    assert_eq!(site.news().await.0, "garbage");
}

#[tokio::test(start_paused = true)]
async fn whoever_speaks_something_else_is_told_so_and_counted() {
    let mut site = Site::new();
    for (said, status) in [("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 "), (REGISTER, "HTTP/1.1 400 ")] {
        let mut page = site.knock();
        page.write(said.as_bytes()).await;
        let answer = String::from_utf8(page.until_closed().await).unwrap();
        assert!(answer.starts_with(status), "{answer}");
    }
    sleep(seconds(1)).await;
    assert_eq!(site.counters.handshakes_failed.load(Ordering::Relaxed), 2);
    assert_eq!(site.counters.connections.load(Ordering::Relaxed), 0);
}
