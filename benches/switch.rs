//! Whole calls through the `Switch`, as text in and text out, without sockets and threads: a caller who is answered by a
//! flow and hangs up, and a caller who is put through to a trunk. Parsing and writing of every message is in it, and the
//! timers of all that is remembered afterwards.

#[path = "../tests/sim/mod.rs"]
mod sim;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use hotline::events::MediaReport;
use hotline::ids::{LegId, TrunkId};
use hotline::media::{MediaCmd, MediaEvent, PortLease, WorkerId};
use hotline::routing::{Cidr, Destination, NumberPattern, OpenTo, Route, RouteTable};
use hotline::sip::message::Message;
use hotline::sip::peer::Peer;
use hotline::switch::{Input, Output, Switch};
use hotline::timers::Now;
use hotline::trunks::TrunkConfig;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.2.0.1\r\ns=-\r\nc=IN IP4 10.2.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
/// A call every 5 ms: 6,400 calls' transactions are remembered.
const PACE: Duration = Duration::from_millis(5);

struct Bench {
    switch: Switch,
    now: Now,
    caller: Peer,
    far: Peer,
    count: u64,
    ports: BTreeMap<LegId, u16>,
}

impl Bench {
    fn new() -> Bench {
        let settings = sim::Settings { calls: 1_000, ..sim::Settings::default() };
        let trunk = TrunkId::new("demo-trunk");
        let local = "10.0.0.1:5060".parse().unwrap();
        let far = Peer::udp("10.3.0.1:5060".parse().unwrap(), local);
        let mut config = Arc::into_inner(settings.config()).expect("nobody else has it");
        config.routes = routes(&trunk);
        config.trunks.trunks.insert(trunk, TrunkConfig { targets: vec![far], ..sim::config::trunk(1) });
        let now = Now { at: Instant::now(), wall: 1_700_000_000_000 };
        let mut switch = Switch::new(now, now.wall, Arc::new(config), sim::bundle::sample().bundle.clone());
        let leases = (0..500).map(|nth| PortLease { worker: WorkerId(0), port: 20_000 + 2 * nth }).collect();
        switch.handle_input(now, Input::Ports(leases));
        Bench {
            switch,
            now,
            caller: Peer::udp("10.2.0.1:5060".parse().unwrap(), local),
            far,
            count: 0,
            ports: BTreeMap::new(),
        }
    }

    /// Hands a message over and gives back those that the switch sent. Media answers at once.
    fn say(&mut self, from: Peer, text: String) -> Vec<Message> {
        let message = Message::parse(Bytes::from(text)).expect("a message");
        self.switch.handle_input(self.now, Input::Sip { peer: from, message, trunk: None });
        let mut sent = Vec::new();
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Sip(transmit) => sent.push(Message::parse(transmit.bytes).expect("a message")),
                Output::Media(_, MediaCmd::Create { leg, port, .. }) => {
                    self.ports.insert(leg, port);
                }
                Output::Media(worker, MediaCmd::Drop { leg }) => {
                    let report = MediaReport::default();
                    self.switch.handle_input(self.now, Input::Media(MediaEvent::Dropped { leg, report }));
                    let port = self.ports.remove(&leg).expect("a leg");
                    self.switch.handle_input(self.now, Input::Ports(vec![PortLease { worker, port }]));
                }
                other => {
                    black_box(other);
                }
            }
        }
        sent
    }

    fn request(&self, method: &str, number: &str, to_tag: &str, cseq: u32) -> String {
        let (call, body) = (self.count, if method == "INVITE" { SDP } else { "" });
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:{number}@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.2.0.1:5060;branch=z9hG4bK-{call}-{method};rport\r\nMax-Forwards: 70\r\nFrom: \"Caller\" <sip:13900000000@10.2.0.1>;tag=from-{call}\r\nTo: <sip:{number}@10.0.0.1>{to_tag}\r\nCall-ID: {call}-abcdef@10.2.0.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:13900000000@10.2.0.1:5060>\r\nUser-Agent: bench\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn begin(&mut self) {
        self.count += 1;
        self.now.at += PACE;
        self.now.wall += PACE.as_millis() as u64;
        self.switch.handle_timeout(self.now);
    }

    fn end(&mut self, number: &str, ok: &Message) {
        let tag = format!(";tag={}", ok.to().unwrap().tag().unwrap());
        self.say(self.caller, self.request("ACK", number, &tag, 1));
        let sent = self.say(self.caller, self.request("BYE", number, &tag, 2));
        for request in sent.iter().filter(|message| message.is_request()) {
            self.say(self.far, answer(request, 200, "OK", ""));
        }
        assert_eq!(self.switch.calls(), 0, "the call is over");
    }

    fn answered_by_a_flow(&mut self) {
        self.begin();
        let sent = self.say(self.caller, self.request("INVITE", "95598", "", 1));
        let ok = sent.iter().find(|message| message.status() == 200).expect("answered");
        self.end("95598", ok);
    }

    fn put_through(&mut self) {
        self.begin();
        let sent = self.say(self.caller, self.request("INVITE", "7000", "", 1));
        let invite = sent.iter().find(|message| message.is_request()).expect("an INVITE to the trunk");
        self.say(self.far, answer(invite, 180, "Ringing", ""));
        let sent = self.say(self.far, answer(invite, 200, "OK", SDP));
        let ok = sent.iter().find(|message| message.status() == 200).expect("answered");
        self.end("7000", ok);
    }
}

fn routes(trunk: &TrunkId) -> RouteTable {
    let route = |number: &str, to| {
        Route::new(NumberPattern::exact(number).expect("a number"), to, OpenTo::trunks([trunk.clone()]))
    };
    let through = Destination::Trunk { trunk: trunk.clone(), number: None };
    let routes = vec![route("95598", Destination::Flow("power".into())), route("7000", through)];
    let callers = "10.2.0.0".parse().unwrap();
    RouteTable::new(routes, [(Cidr::new(callers, 16).expect("a block"), trunk.clone())]).expect("a table")
}

fn answer(request: &Message, status: u16, reason: &str, body: &str) -> String {
    let line = |name: &str| {
        let value =
            request.header_named(name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
        format!("{name}: {value}\r\n")
    };
    let tag = if request.to().unwrap().tag().is_some() { "" } else { ";tag=far" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} {reason}\r\n{}{}To: {}{tag}\r\n{}{}Contact: <sip:far@10.3.0.1:5060>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        line("Via"),
        line("From"),
        line("To").trim_start_matches("To: ").trim_end(),
        line("Call-ID"),
        line("CSeq"),
        body.len()
    )
}

fn calls(c: &mut Criterion) {
    let mut bench = Bench::new();
    c.bench_function("call_answered_by_a_flow", |b| b.iter(|| bench.answered_by_a_flow()));
    let mut bench = Bench::new();
    c.bench_function("call_put_through", |b| b.iter(|| bench.put_through()));
}

criterion_group!(benches, calls);
criterion_main!(benches);
