//! Two endpoints, a wire between them that can lose, repeat and delay, and a clock that only the test moves.

use crate::sip::digest::Credentials;
use crate::sip::endpoint::{Endpoint, EndpointConfig, Outgoing, SipEvent, UsageId};
use crate::sip::message::{Message, Method};
use crate::sip::peer::{ConnectionId, Peer, Transmit, Transport};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub const PHONE: usize = 0;
pub const SWITCH: usize = 1;

/// One message as it left: when (since the start), from whom, what.
#[derive(Clone)]
pub struct Sent {
    pub at: Duration,
    pub from: usize,
    pub message: Message,
}

/// What becomes of a message on the wire: the delays of its copies. None: lost.
pub type Fate = Box<dyn FnMut(&Sent) -> Vec<Duration>>;

pub struct World {
    pub start: Instant,
    pub now: Instant,
    pub ends: [Endpoint; 2],
    pub events: [Vec<SipEvent>; 2],
    pub log: Vec<Sent>,
    pub fate: Fate,
    transport: Transport,
    flying: BTreeMap<(Instant, u64), (usize, Bytes)>,
    count: u64,
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn addr(end: usize) -> SocketAddr {
    ["192.0.2.1:5060", "192.0.2.2:5060"][end].parse().unwrap()
}

impl World {
    pub fn new() -> Self {
        Self::over(Transport::Udp)
    }

    pub fn over(transport: Transport) -> Self {
        Self::with(transport, |_, _| {})
    }

    pub fn with(transport: Transport, change: impl Fn(usize, &mut EndpointConfig)) -> Self {
        let start = Instant::now();
        let end = |end: usize| {
            let mut config = EndpointConfig { seed: [end as u8; 32], ..EndpointConfig::default() };
            change(end, &mut config);
            Endpoint::new(config)
        };
        Self {
            start,
            now: start,
            ends: [end(0), end(1)],
            events: [Vec::new(), Vec::new()],
            log: Vec::new(),
            fate: Box::new(|_| vec![ms(1)]),
            transport,
            flying: BTreeMap::new(),
            count: 0,
        }
    }

    /// The other side as `end` sees it.
    pub fn peer(&self, end: usize) -> Peer {
        let connection = self.transport.reliable().then_some(ConnectionId(7));
        Peer { transport: self.transport, remote: addr(1 - end), local: addr(end), connection }
    }

    pub fn order(&self) -> Outgoing {
        Outgoing {
            peer: self.peer(PHONE),
            request_uri: "sip:95598@192.0.2.2".into(),
            to: "sip:95598@192.0.2.2".into(),
            from: "sip:1001@192.0.2.1".into(),
            from_display: Some("Ann \"A\" Lee".into()),
            call_id: None,
            headers: vec![],
            offer: Bytes::from_static(b"v=0 offer\r\n"),
            credentials: None,
        }
    }

    pub fn with_credentials(&self, user: &str, password: &str) -> Outgoing {
        let secret = crate::sip::digest::Secret::Password(password.into());
        Outgoing { credentials: Some(Credentials { user: user.into(), secret }), ..self.order() }
    }

    pub fn dial(&mut self) -> UsageId {
        let order = self.order();
        let usage = self.ends[PHONE].invite(self.now, order).unwrap();
        self.drain();
        usage
    }

    /// Dials and lets the INVITE arrive.
    pub fn ring(&mut self) -> (UsageId, UsageId) {
        let caller = self.dial();
        self.run(ms(5));
        (caller, self.invited())
    }

    /// A call that is up on both sides.
    pub fn call(&mut self) -> (UsageId, UsageId) {
        let (caller, callee) = self.ring();
        self.ends[SWITCH].accept(self.now, callee, Bytes::from_static(b"v=0 answer\r\n"));
        self.run(ms(10));
        self.events = [Vec::new(), Vec::new()];
        self.log.clear();
        (caller, callee)
    }

    pub fn invited(&mut self) -> UsageId {
        self.drain();
        let found = self.events[SWITCH].iter().rev().find_map(|event| match event {
            SipEvent::Invited { usage, .. } => Some(*usage),
            _ => None,
        });
        found.expect("an INVITE should have arrived")
    }

    /// Moves what the endpoints have ready into the test's hands and onto the wire.
    pub fn drain(&mut self) {
        for from in [PHONE, SWITCH] {
            while let Some(event) = self.ends[from].poll_event() {
                if matches!(event, SipEvent::Trying { .. }) {
                    continue;
                }
                self.events[from].push(event);
            }
            while let Some(Transmit { bytes, .. }) = self.ends[from].poll_transmit() {
                let message = Message::parse(bytes.clone()).expect("what an endpoint sends parses");
                let sent = Sent { at: self.now - self.start, from, message };
                for delay in (self.fate)(&sent) {
                    self.count += 1;
                    self.flying.insert((self.now + delay, self.count), (1 - from, bytes.clone()));
                }
                self.log.push(sent);
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        let wire = self.flying.first_key_value().map(|((at, _), _)| *at);
        let timers = self.ends.iter().filter_map(|end| end.next_timeout()).min();
        [wire, timers].into_iter().flatten().min()
    }

    /// Advances to the next thing that happens, if it happens before `limit`.
    pub fn step(&mut self, limit: Instant) -> bool {
        self.drain();
        let Some(at) = self.next().filter(|at| *at <= limit) else { return false };
        self.now = self.now.max(at);
        if let Some((key, _)) = self.flying.first_key_value()
            && key.0 <= self.now
        {
            let key = *key;
            let (to, bytes) = self.flying.remove(&key).unwrap();
            let message = Message::parse(bytes).unwrap();
            let peer = self.peer(to);
            self.ends[to].handle_message(self.now, peer, message);
        } else {
            for end in &mut self.ends {
                end.handle_timeout(self.now);
            }
        }
        self.drain();
        true
    }

    pub fn run(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
        self.now = limit;
    }

    /// Lets everything end; then nothing may be left anywhere.
    pub fn finish(&mut self) {
        self.run(secs(400));
        for (end, events) in self.ends.iter().zip(&mut self.events) {
            events.clear();
            assert!(end.is_idle(), "something was left behind: {:?}", end.stats());
        }
        assert!(self.flying.is_empty());
    }

    /// `INVITE`, `200 INVITE` and so on, as `from` sent them.
    pub fn sent(&self, from: usize) -> Vec<String> {
        self.log.iter().filter(|sent| sent.from == from).map(|sent| name(&sent.message)).collect()
    }

    /// When `from` sent what is called `what`, in milliseconds.
    pub fn times(&self, from: usize, what: &str) -> Vec<u128> {
        let wanted = |sent: &&Sent| sent.from == from && name(&sent.message) == what;
        self.log.iter().filter(wanted).map(|sent| sent.at.as_millis()).collect()
    }

    /// The last message of that name.
    pub fn last(&self, from: usize, what: &str) -> Message {
        let wanted = |sent: &&Sent| sent.from == from && name(&sent.message) == what;
        self.log
            .iter()
            .rev()
            .find(wanted)
            .unwrap_or_else(|| panic!("no {what} in {:?}", self.sent(from)))
            .message
            .clone()
    }

    /// The events of one side by name, taken out.
    pub fn heard(&mut self, end: usize) -> Vec<String> {
        self.drain();
        std::mem::take(&mut self.events[end]).iter().map(title).collect()
    }

    /// Loses the first message of each of these names.
    pub fn lose_first(&mut self, names: &[&str]) {
        let mut left: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        self.fate = Box::new(move |sent| {
            let name = name(&sent.message);
            match left.iter().position(|lost| *lost == name) {
                Some(at) => {
                    left.remove(at);
                    vec![]
                }
                None => vec![ms(1)],
            }
        });
    }

    /// Loses every message of these names.
    pub fn lose_all(&mut self, names: &'static [&'static str]) {
        self.fate =
            Box::new(move |sent| if names.contains(&name(&sent.message).as_str()) { vec![] } else { vec![ms(1)] });
    }
}

pub fn name(message: &Message) -> String {
    match message.is_request() {
        true => message.method().to_string(),
        false => {
            let method: Method = message.cseq().unwrap().method;
            format!("{} {method}", message.status())
        }
    }
}

pub fn title(event: &SipEvent) -> String {
    match event {
        SipEvent::Invited { .. } => "Invited".into(),
        SipEvent::Trying { .. } => "Trying".into(),
        SipEvent::Progress { status, .. } => format!("Progress {status}"),
        SipEvent::Answered { .. } => "Answered".into(),
        SipEvent::Rejected { status, local, .. } => format!("Rejected {status}{}", if *local { " here" } else { "" }),
        SipEvent::Acked { .. } => "Acked".into(),
        SipEvent::EarlyAnswer { .. } => "EarlyAnswer".into(),
        SipEvent::Reoffer { .. } => "Reoffer".into(),
        SipEvent::ReofferWithdrawn { .. } => "ReofferWithdrawn".into(),
        SipEvent::RefreshDue { .. } => "RefreshDue".into(),
        SipEvent::ReofferAnswered { .. } => "ReofferAnswered".into(),
        SipEvent::ReofferFailed { status, .. } => format!("ReofferFailed {status}"),
        SipEvent::Info { .. } => "Info".into(),
        SipEvent::Referred { .. } => "Referred".into(),
        SipEvent::ReferAnswered { status, .. } => format!("ReferAnswered {status}"),
        SipEvent::Notified { status, over, .. } => {
            format!("Notified {}{}", status.unwrap_or(0), if *over { " over" } else { "" })
        }
        SipEvent::Resubscribed { over, .. } => format!("Resubscribed{}", if *over { " over" } else { "" }),
        SipEvent::SubscriptionOver { .. } => "SubscriptionOver".into(),
        SipEvent::Ended { why, .. } => format!("Ended {why:?}"),
        SipEvent::Request { message, .. } => format!("Request {}", message.method()),
        SipEvent::ResponseTo { status, .. } => format!("ResponseTo {status}"),
    }
}
