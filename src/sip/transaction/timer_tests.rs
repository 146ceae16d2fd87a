//! The moments of every timer, A to M, in milliseconds of virtual time, over datagrams and over a stream: RFC 3261 table 4
//! as RFC 6026 amends it, and what RFC 4320 leaves unsaid to whoever never gets an answer.

use super::*;
use crate::sip::message::{Message, Method, response_to};
use crate::sip::peer::{ConnectionId, Peer, Transport};
use bytes::{Bytes, BytesMut};
use std::fmt::Write;
use std::time::{Duration, Instant};

const BRANCH: Branch = Branch(0x4a);
/// Long beyond all timers.
const END_MS: u64 = 3_600_000;

fn request(method: &str, branch: &str) -> Message {
    let text = format!(
        "{method} sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: timers\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

fn answer(request: &Message, status: u16) -> Message {
    let mut out = BytesMut::new();
    Message::parse(response_to(&mut out, request, status, "x", Some("2"), None).finish()).unwrap()
}

/// What a transaction meets, and when.
#[derive(Clone, Copy)]
enum Meets {
    /// From the peer of a client.
    Response(u16),
    /// From the user of a server.
    Answer(u16),
    /// The request once more, or its ACK.
    Again,
    Ack,
}
use Meets::*;

/// The life of one transaction: each thing that leaves it or is told of it, with its moments, and when it is forgotten.
struct Life {
    layer: Layer<()>,
    start: Instant,
    happened: Vec<(String, Vec<u64>)>,
    ended: Option<u64>,
}

impl Life {
    fn note(&mut self, what: String, at: u64) {
        match self.happened.iter_mut().find(|(known, _)| *known == what) {
            Some((_, moments)) => moments.push(at),
            None => self.happened.push((what, vec![at])),
        }
    }

    fn drain(&mut self, at: u64) {
        while let Some(transmit) = self.layer.poll_transmit() {
            let message = Message::parse(transmit.bytes).unwrap();
            let what = if message.is_request() { message.method().to_string() } else { message.status().to_string() };
            self.note(what, at);
        }
        while let Some(told) = self.layer.poll_told() {
            let (Told::ClientFailed { failure, .. } | Told::ServerFailed { failure, .. }) = told;
            self.note(format!("{failure:?}"), at);
        }
        if self.layer.is_empty() && self.ended.is_none() {
            self.ended = Some(at);
        }
    }

    fn pass(&mut self, until: u64) {
        while let Some(due) = self.layer.next_timeout().filter(|due| *due <= self.start + Duration::from_millis(until))
        {
            self.layer.handle_next_timeout(due);
            self.drain((due - self.start).as_millis() as u64);
        }
    }
}

fn live(method: &str, client: bool, reliable: bool, meets: &[(u64, Meets)]) -> String {
    let start = Instant::now();
    let transport = if reliable { Transport::Tcp } else { Transport::Udp };
    let connection = reliable.then_some(ConnectionId(1));
    let udp = Peer::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    let peer = Peer { transport, connection, ..udp };
    let mut life = Life { layer: Layer::new(TimerSet::default()), start, happened: Vec::new(), ended: None };
    let named = Method::from_bytes(method.as_bytes()).unwrap();
    let request_text = request(method, &BRANCH.text());
    let mut server = None;
    if client {
        life.layer.start_client(start, BRANCH, &named, peer, request_text.raw().clone(), ());
    } else {
        let Matched::New(fresh) = life.layer.receive_request(start, &request_text, &named) else { panic!("not new") };
        server = life.layer.start_server(start, request_text.clone(), fresh, peer, true, ());
    }
    life.drain(0);
    for (at, meets) in meets {
        life.pass(*at);
        let now = start + Duration::from_millis(*at);
        match meets {
            Response(status) => match life.layer.receive_response(now, &answer(&request_text, *status)) {
                Ok(_) => life.note(format!("heard {status}"), *at),
                Err(absorbed) => life.note(if absorbed { "absorbed" } else { "stray" }.into(), *at),
            },
            Answer(status) => {
                let answer = answer(&request_text, *status).raw().clone();
                life.layer.respond(now, server.unwrap(), *status, answer);
            }
            Again | Ack => {
                let method = if matches!(meets, Ack) { &Method::Ack } else { &named };
                let message = request(method.as_str(), &BRANCH.text());
                match life.layer.receive_request(now, &message, method) {
                    Matched::New(_) => life.note("new".into(), *at),
                    Matched::Acknowledged(()) => life.note("heard ACK".into(), *at),
                    Matched::Absorbed | Matched::Unanswered(_) => {}
                }
            }
        }
        life.drain(*at);
    }
    life.pass(END_MS);
    let mut told = String::new();
    for (what, moments) in &life.happened {
        let moments: Vec<String> = moments.iter().map(u64::to_string).collect();
        write!(told, "{what} {}; ", moments.join(" ")).unwrap();
    }
    match life.ended {
        Some(at) => told + &format!("over {at}"),
        None => told + "lives on",
    }
}

/// Timer, what it is for, whose transaction, what it meets; then its life over datagrams and over a stream.
type Row = (&'static str, &'static str, bool, &'static [(u64, Meets)], &'static str, &'static str);

const CLIENT: bool = true;
const SERVER: bool = false;

const TABLE: [Row; 17] = [
    (
        "A and B: an INVITE that nobody answers (17.1.1.2)",
        "INVITE",
        CLIENT,
        &[],
        "INVITE 0 500 1500 3500 7500 15500 31500; Timeout 32000; over 32000",
        "INVITE 0; Timeout 32000; over 32000",
    ),
    (
        "none: an INVITE that rings is its owner's to end",
        "INVITE",
        CLIENT,
        &[(600, Response(180))],
        "INVITE 0 500; heard 180 600; lives on",
        "INVITE 0; heard 180 600; lives on",
    ),
    (
        "D: a refusal that comes again is acknowledged again for 32 s (17.1.1.2)",
        "INVITE",
        CLIENT,
        &[(100, Response(486)), (20_000, Response(486)), (32_200, Response(486))],
        "INVITE 0; heard 486 100; ACK 100 20000; absorbed 20000; stray 32200; over 32100",
        "INVITE 0; heard 486 100; ACK 100; stray 20000 32200; over 100",
    ),
    (
        "M: a 2xx is heard for 64*T1, from however many forks (RFC 6026 7.2)",
        "INVITE",
        CLIENT,
        &[(100, Response(200)), (32_000, Response(200)), (32_200, Response(200))],
        "INVITE 0; heard 200 100 32000; stray 32200; over 32100",
        "INVITE 0; heard 200 100 32000; stray 32200; over 32100",
    ),
    (
        "M: a refusal after a 2xx is no news (RFC 6026 7.2)",
        "INVITE",
        CLIENT,
        &[(100, Response(200)), (200, Response(486)), (300, Response(180))],
        "INVITE 0; heard 200 100; absorbed 200 300; over 32100",
        "INVITE 0; heard 200 100; absorbed 200 300; over 32100",
    ),
    (
        "E and F: a request that nobody answers (17.1.2.2)",
        "OPTIONS",
        CLIENT,
        &[],
        "OPTIONS 0 500 1500 3500 7500 11500 15500 19500 23500 27500 31500; Timeout 32000; over 32000",
        "OPTIONS 0; Timeout 32000; over 32000",
    ),
    (
        "E in Proceeding: T2 between repetitions, and F all the same (17.1.2.2)",
        "OPTIONS",
        CLIENT,
        &[(600, Response(100))],
        "OPTIONS 0 500 1500 5500 9500 13500 17500 21500 25500 29500; heard 100 600; Timeout 32000; over 32000",
        "OPTIONS 0; heard 100 600; Timeout 32000; over 32000",
    ),
    (
        "K: an answer that comes again is absorbed for T4 (17.1.2.2)",
        "BYE",
        CLIENT,
        &[(100, Response(200)), (5_000, Response(200)), (5_200, Response(200))],
        "BYE 0; heard 200 100; absorbed 5000; stray 5200; over 5100",
        "BYE 0; heard 200 100; stray 5000 5200; over 100",
    ),
    (
        "G and H: a refusal without its ACK (17.2.1)",
        "INVITE",
        SERVER,
        &[(0, Answer(486))],
        "486 0 500 1500 3500 7500 11500 15500 19500 23500 27500 31500; Timeout 32000; over 32000",
        "486 0; Timeout 32000; over 32000",
    ),
    (
        "G: an INVITE that comes again has its refusal again (17.2.1)",
        "INVITE",
        SERVER,
        &[(0, Answer(486)), (100, Again), (700, Ack)],
        "486 0 100 500; over 5700",
        "486 0 100; over 700",
    ),
    (
        "I: ACKs that come again are absorbed for T4 (17.2.1)",
        "INVITE",
        SERVER,
        &[(0, Answer(486)), (100, Ack), (5_000, Ack), (5_200, Ack)],
        "486 0; new 5200; over 5100",
        "486 0; new 5000 5200; over 100",
    ),
    (
        "none: an INVITE that comes again while it rings has its 180 again (17.2.1)",
        "INVITE",
        SERVER,
        &[(0, Answer(180)), (500, Again), (1_500, Again)],
        "180 0 500 1500; lives on",
        "180 0 500 1500; lives on",
    ),
    (
        "L: an INVITE that comes again after its 2xx is absorbed for 64*T1, and its ACK is heard (RFC 6026 7.1)",
        "INVITE",
        SERVER,
        &[(0, Answer(200)), (500, Again), (31_900, Again), (31_950, Ack), (32_100, Again)],
        "200 0; heard ACK 31950; new 32100; over 32000",
        "200 0; heard ACK 31950; new 32100; over 32000",
    ),
    (
        "J: a request that comes again has its answer again for 64*T1 (17.2.2)",
        "BYE",
        SERVER,
        &[(0, Answer(200)), (500, Again), (31_900, Again), (32_100, Again)],
        "200 0 500 31900; new 32100; over 32000",
        "200 0; new 500 31900 32100; over 0",
    ),
    (
        "RFC 4320 4.1: no 1xx but 100, and none before the peer would repeat; here none at all",
        "BYE",
        SERVER,
        &[(500, Again), (1_500, Again), (3_500, Answer(200))],
        "200 3500; over 35500",
        "200 3500; over 3500",
    ),
    (
        "RFC 4320 4.2: no 408 to a request that was never answered, as nobody would wait for it",
        "BYE",
        SERVER,
        &[(31_900, Again)],
        "over 32000",
        "over 32000",
    ),
    (
        "RFC 4320 4.2: nor an answer too late for its client",
        "BYE",
        SERVER,
        &[(32_100, Answer(200))],
        "over 32000",
        "over 32000",
    ),
];

#[test]
fn each_timer_from_a_to_m_has_its_moments_over_datagrams_and_over_streams() {
    let mut wrong = String::new();
    for (what, method, client, meets, datagrams, stream) in TABLE {
        for (reliable, expected) in [(false, datagrams), (true, stream)] {
            let lived = live(method, client, reliable, meets);
            if lived != expected {
                let over = if reliable { "a stream" } else { "datagrams" };
                writeln!(wrong, "{what}, over {over}:\n  expected {expected}\n  lived    {lived}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
