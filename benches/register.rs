//! A REGISTER with digest through the `Switch`, text in and text out, without sockets: a refresh, and what a stranger's
//! costs, with few registrations and with 100,000; and the memory of each.

#[path = "../tests/sim/mod.rs"]
mod sim;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hotline::ids::AgentId;
use hotline::sip::digest::{Credentials, Ha1Set, Login, Secret};
use hotline::sip::message::Message;
use hotline::sip::peer::Peer;
use hotline::switch::{Extension, Input, Output, Switch};
use hotline::timers::Now;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lifetimes of an hour, refreshed in half of it: 100,000 phones come every 18 ms.
const PACE: Duration = Duration::from_millis(18);

struct Bench {
    switch: Switch,
    now: Now,
    login: Login,
    cseq: u32,
}

impl Bench {
    fn new(phones: u32) -> Bench {
        let settings = sim::Settings::default();
        let mut config = Arc::into_inner(settings.config()).expect("nobody else has it");
        // One secret for all, so that one login answers for each.
        let ha1 = |id: &str| Ha1Set::new(id, sim::config::REALM, "secret");
        for nth in 0..phones {
            let id = name(nth);
            config.extensions.insert(AgentId::new(&id), Extension { name: id.clone(), ha1: ha1(&id) });
        }
        let now = Now { at: Instant::now(), wall: 1_700_000_000_000 };
        let switch = Switch::new(now, now.wall, Arc::new(config), sim::bundle::sample().bundle.clone());
        let login = Login::new(Credentials { user: String::new(), secret: Secret::Password("secret".into()) });
        let mut bench = Bench { switch, now, login, cseq: 0 };
        for nth in 0..phones {
            bench.refresh(nth);
        }
        bench
    }

    fn say(&mut self, nth: u32, text: String) -> Message {
        self.now.at += PACE;
        self.now.wall += PACE.as_millis() as u64;
        if self.switch.next_timeout().is_some_and(|at| at <= self.now.at) {
            self.switch.handle_timeout(self.now);
        }
        let message = Message::parse(Bytes::from(text)).expect("a message");
        self.switch.handle_input(self.now, Input::Sip { peer: peer(nth), message, trunk: None });
        let mut answer = None;
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Sip(transmit) => answer = Message::parse(transmit.bytes).ok(),
                other => drop(black_box(other)),
            }
        }
        answer.expect("an answer")
    }

    fn text(&mut self, nth: u32, proof: &str) -> String {
        self.cseq += 1;
        let (id, cseq, at) = (name(nth), self.cseq, peer(nth).remote);
        format!(
            "REGISTER sip:hotline SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{id}@hotline>;tag={cseq}\r\nTo: <sip:{id}@hotline>\r\nCall-ID: {id}@{at}\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:{id}@{at}>\r\n{proof}Expires: 3600\r\nUser-Agent: phone/1.0\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }

    /// A REGISTER with the answer to a fresh challenge.
    fn proven(&mut self, nth: u32) -> String {
        let asked = self.text(nth, "");
        let challenge = self.say(nth, asked);
        let user = name(nth);
        self.login = Login::new(Credentials { user, secret: Secret::Password("secret".into()) });
        assert!(self.login.take_challenge(&challenge, || "0123456789abcdef".into()));
        let proof = self.login.headers("REGISTER", b"sip:hotline", b"").next();
        let proof = proof.map(|(name, value)| format!("{}: {value}\r\n", name.as_str())).expect("an answer");
        self.text(nth, &proof)
    }

    fn refresh(&mut self, nth: u32) {
        let text = self.proven(nth);
        assert_eq!(self.say(nth, text).status(), 200);
    }
}

fn name(nth: u32) -> String {
    format!("2{nth:06}")
}

fn peer(nth: u32) -> Peer {
    let address = SocketAddr::new(Ipv4Addr::from_bits(0x0a01_0000 + nth).into(), 5060);
    Peer::udp(address, "10.0.0.1:5060".parse().expect("an address"))
}

/// Octets of this process in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn register(criterion: &mut Criterion) {
    for phones in [100, 100_000] {
        let before = resident();
        let mut bench = Bench::new(phones);
        let each = resident().saturating_sub(before) / u64::from(phones);
        println!(
            "{phones} registrations: {each} octets each, configuration and transactions of the last 32 s included"
        );
        let mut nth = 0;
        let bench = std::cell::RefCell::new(&mut bench);
        criterion.bench_function(&format!("register/refresh of {phones}"), |b| {
            b.iter_batched(
                || {
                    nth = (nth + 1) % phones;
                    (nth, bench.borrow_mut().proven(nth))
                },
                |(nth, text)| bench.borrow_mut().say(nth, text),
                BatchSize::PerIteration,
            )
        });
        criterion.bench_function(&format!("register/challenge among {phones}"), |b| {
            b.iter_batched(
                || bench.borrow_mut().text(0, ""),
                |text| bench.borrow_mut().say(0, text),
                BatchSize::PerIteration,
            )
        });
    }
}

criterion_group!(benches, register);
criterion_main!(benches);
