//! The loop that joins switch, planes, phones and network, and the words that stories are told in.

mod notices;
mod people;
mod unheard;

use self::unheard::Unheard;
use super::bundle::{self, Speech};
use super::config::{self, Settings};
use super::dice::{Dice, Line};
use super::model::Model;
use super::phone::{Loss, Manners, Over, Phone, PhoneCall, Plan, State};
use super::shell::{Shell, Worker};
use super::sound::{self, Heard};
use bytes::Bytes;
use hotline::cdr::{Cdr, Fold};
use hotline::events::{EventKind, SwitchEvent};
use hotline::ids::{AgentId, CallId, TrunkId};
use hotline::ivr::{LookupResult, Type, Value};
use hotline::media::{MediaCmd, MediaEvent, Plane, PortLease, WorkerId};
use hotline::sip::message::Message;
use hotline::sip::peer::{ConnectionId, Peer, Transport};
use hotline::switch::{Command, Input, KeptExtension, KeptWrapUp, Output, RememberedLanguage, Switch, SwitchView};
use hotline::timers::Now;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// 2026-03-10 10:00 in Shanghai, a Tuesday.
const MORNING: u64 = 1_773_108_000_000;
/// Between the owner task and a media worker.
const HANDOVER: Duration = Duration::from_micros(300);
/// Of the recorder, which completes a file long after the media worker has let the legs go.
const RECORDER: Duration = Duration::from_millis(60);
/// Of the mock that answers lookups.
const LOOKUP: Duration = Duration::from_millis(50);
const WORKERS: u16 = 2;
const FIRST_PORT: u16 = 20_000;
/// 64*T1 (RFC 3261 17): after it every exchange that got no answer is given up; and a margin for a lossy line.
pub const QUIET: Duration = Duration::from_secs(40);
const LISTEN_EVERY: Duration = Duration::from_secs(1);
/// Longer than any flow of the sample waits for a key without a word, and than 64*T1, for which a lossy line may keep a hold
/// or its end from being agreed on.
const LONGEST_SILENCE: Duration = Duration::from_secs(35);
/// No story has more to do at one moment.
const MOST_AT_ONCE: u32 = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhoneId(pub usize);

/// What a filter on the way sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToSwitch,
    ToPhone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Passes,
    Vanishes,
}

type Filter = Box<dyn FnMut(Way, &Message) -> Fate>;

/// How the mock answers lookups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookups {
    Found,
    NotFound,
    Failed,
    Silent,
}

/// What happens at a moment.
enum What {
    SipToSwitch(Peer, Bytes),
    SipToPhone(usize, Bytes),
    SipToHand(SocketAddr, Bytes),
    RtpToSwitch(u16, SocketAddr, Vec<u8>),
    RtpToPhone(usize, u16, Vec<u8>),
    Plan(usize, Plan),
    Command(u16, MediaCmd),
    Media(MediaEvent),
    Ports(Vec<PortLease>),
    Fact(CallId, EventKind),
    Fetched(CallId, u32, LookupResult),
    Posted(CallId, u32, Option<String>),
}

struct Due {
    at: Instant,
    nth: u64,
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.nth) == (other.at, other.nth)
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.nth).cmp(&(other.at, other.nth))
    }
}

pub struct World {
    pub now: Instant,
    pub switch: Switch,
    pub phones: Vec<Phone>,
    pub dice: Dice,
    pub sip: Line,
    pub rtp: Line,
    pub lookups: Lookups,
    /// Files of spoken messages, as they were handed over.
    pub spoken: Vec<String>,
    pub remembered: Vec<RememberedLanguage>,
    /// Everything that the switch told, in order.
    pub journal: Vec<SwitchEvent>,
    pub records: Vec<Cdr>,
    pub model: Model,
    pub workers: Vec<Worker>,
    /// What came back to whoever writes SIP by hand.
    pub by_hand: BTreeMap<SocketAddr, Vec<Message>>,
    /// Sounds that came for an address without a phone.
    pub stray_sounds: BTreeMap<SocketAddr, Vec<Heard>>,
    /// Where the wall clock was put, once; 0 = far in the past.
    pub wall_jump: Option<Duration>,
    /// What media workers say of the legs that they let go gets lost.
    pub loses_reports: bool,
    /// Addresses whose connections show a trunk's certificate.
    pub certified: BTreeMap<IpAddr, TrunkId>,
    /// What the switch wants to find again after a restart.
    pub kept: BTreeMap<AgentId, KeptExtension>,
    pub pauses: BTreeMap<AgentId, String>,
    pub wrap_ups: BTreeMap<AgentId, KeptWrapUp>,
    connections: u64,
    pub settings: Settings,
    filter: Option<Filter>,
    speech: Vec<Arc<Speech>>,
    fold: Fold,
    start: Instant,
    due: BinaryHeap<Reverse<Due>>,
    nth: u64,
    /// Per worker: when it looks at its plane again.
    ticks: Vec<Option<Instant>>,
    at_once: u32,
    unheard: Unheard,
    /// When it was last looked whether every caller hears something.
    listened: Instant,
}

pub fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

fn switch_address() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060)
}

impl World {
    pub fn new(settings: Settings) -> World {
        let start = Instant::now();
        let speech = bundle::sample();
        let now = Now { at: start, wall: MORNING };
        let switch = Switch::new(now, 1_000, settings.config(), speech.bundle.clone());
        let workers = (0..WORKERS).map(|id| Worker {
            plane: Plane::with_sounds(settings.seed ^ u64::from(id), start, bundle::sounds()),
            shell: Shell::new(id),
        });
        let mut world = World {
            now: start,
            switch,
            phones: Vec::new(),
            dice: Dice::new(settings.seed),
            sip: Line::GOOD,
            rtp: Line::GOOD,
            lookups: Lookups::Found,
            spoken: Vec::new(),
            remembered: Vec::new(),
            journal: Vec::new(),
            records: Vec::new(),
            model: Model::default(),
            workers: workers.collect(),
            by_hand: BTreeMap::new(),
            certified: BTreeMap::new(),
            stray_sounds: BTreeMap::new(),
            wall_jump: None,
            loses_reports: false,
            kept: BTreeMap::new(),
            pauses: BTreeMap::new(),
            wrap_ups: BTreeMap::new(),
            connections: 0,
            filter: None,
            speech: vec![speech],
            fold: Fold::new(),
            start,
            due: BinaryHeap::new(),
            nth: 0,
            ticks: vec![None; usize::from(WORKERS)],
            at_once: 0,
            unheard: Unheard::default(),
            listened: start,
            settings,
        };
        world.lease_all();
        world
    }

    fn lease_all(&mut self) {
        for worker in 0..WORKERS {
            let leases = (0..self.settings.ports)
                .map(|nth| PortLease {
                    worker: WorkerId(worker),
                    port: FIRST_PORT + 2 * (worker * self.settings.ports + nth),
                })
                .collect();
            self.lease(leases);
        }
    }

    /// The process is killed while no call is up, and started again after a while.
    pub fn restart(&mut self, away: Duration) {
        self.due.retain(|Reverse(due)| matches!(due.what, What::Plan(..)));
        self.now += away;
        let bundle = self.speech[0].bundle.clone();
        let id_base = 1_000 + self.journal.len() as u64;
        self.switch = Switch::new(self.clock(), id_base, self.settings.config(), bundle);
        self.model = Model::default();
        self.lease_all();
        let pauses = self.pauses.clone().into_iter().collect();
        self.input(Input::Paused(pauses));
        self.input(Input::WrappingUp(self.wrap_ups.clone().into_iter().collect()));
        let kept = self.kept.values().filter(|extension| !extension.contacts.is_empty()).cloned().collect();
        self.input(Input::Kept(kept));
    }

    // Time.

    pub fn switch_started(&self) -> Instant {
        self.start
    }

    pub fn run(&mut self, how_long: Duration) {
        let end = self.now + how_long;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until something is so; a minute is long enough for anything that a story waits for.
    pub fn until(&mut self, what: &str, so: impl Fn(&World) -> bool) {
        self.within(Duration::from_secs(60), what, so);
    }

    pub fn within(&mut self, limit: Duration, what: &str, so: impl Fn(&World) -> bool) {
        let end = self.now + limit;
        while !so(self) {
            if !self.step(end) {
                panic!("waited {limit:?} in vain: {what}\n{}", self.story());
            }
        }
    }

    pub fn until_heard(&mut self, phone: PhoneId, sound: &str) {
        let what = format!("{} hears {sound}", self.phones[phone.0].number);
        self.until(&what, |world| {
            world
                .call(phone)
                .heard
                .last()
                .is_some_and(|last| last.until == world.now && world.name(last.sound) == sound)
        });
    }

    pub fn until_over(&mut self, phone: PhoneId) -> Over {
        let what = format!("the call of {} is over", self.phones[phone.0].number);
        self.until(&what, |world| world.is_over(phone));
        match self.state(phone) {
            Some(State::Over(how)) => how.clone(),
            _ => unreachable!("waited for"),
        }
    }

    pub fn until_up(&mut self, phone: PhoneId) {
        let what = format!("the call of {} is up", self.phones[phone.0].number);
        self.until(&what, |world| world.is_up(phone));
    }

    pub fn until_rings(&mut self, phone: PhoneId) {
        let what = format!("the phone {} rings", self.phones[phone.0].number);
        self.until(&what, |world| world.state(phone) == Some(&State::Ringing));
    }

    /// After the last call: quiet, and then nothing may be left of anything.
    pub fn finish(mut self) {
        self.quieten();
        assert!(self.model.faults.is_empty(), "{}\n{}", self.model.faults.join("\n"), self.story());
    }

    /// What [`World::finish`] does, with what is wrong left in the model.
    pub fn quieten(&mut self) {
        self.filter = None;
        self.phones.iter_mut().for_each(|phone| phone.refreshes = false);
        if !self.settings.trunks.trunks.is_empty() {
            // Trunks are asked for as long as they are there.
            let without = Settings { trunks: Default::default(), ..self.settings.clone() };
            self.reconfigure(&without);
        }
        self.run(QUIET);
        let view = self.view();
        let ports = usize::from(self.settings.ports * WORKERS);
        let open: usize = self.workers.iter().map(|worker| worker.plane.len()).sum();
        self.model.quiet(&view, ports, open);
        for phone in self.phones.iter().filter(|phone| !phone.off) {
            let unheard = |call: &PhoneCall| call.sip_call_id.as_ref().is_some_and(|id| self.unheard.contains(id));
            for call in phone.calls.iter().filter(|call| !matches!(call.state, State::Over(_)) && !unheard(call)) {
                self.model.fault(format!("{} still thinks that a call is {:?}", phone.number, call.state));
            }
        }
        for worker in &self.workers {
            for (recording, tape) in worker.shell.recordings.iter().filter(|(_, tape)| tape.ended.is_none()) {
                self.model.fault(format!("{recording:?} of call {} never ended", tape.call));
            }
        }
    }

    /// The journal, for whoever has to find out what happened.
    pub fn story(&self) -> String {
        let mut lines: Vec<String> = self
            .journal
            .iter()
            .filter(|event| !matches!(event.kind, EventKind::MediaReport { .. }))
            .map(|event| {
                let call = event.call.map(|call| call.to_string()).unwrap_or_default();
                format!("{:>9.3} {call:>9} {:?}", event.mono as f64 / 1000.0, event.kind)
            })
            .collect();
        lines.push(format!("{:>9.3} now", self.elapsed().as_secs_f64()));
        for phone in &self.phones {
            for call in &phone.calls {
                let heard: Vec<_> = call.heard.iter().map(|stretch| self.name(stretch.sound)).collect();
                lines.push(format!("  {} {:?} {:?} heard {heard:?}", phone.number, call.statuses, call.state));
            }
        }
        lines.join("\n")
    }

    // The loop.

    fn clock(&self) -> Now {
        let set = match self.wall_jump {
            None => MORNING,
            Some(Duration::ZERO) => 0,
            Some(ahead) => MORNING + ahead.as_millis() as u64,
        };
        Now { at: self.now, wall: set + self.elapsed().as_millis() as u64 }
    }

    /// Does the next thing, if it is due by `end`. False when there is nothing.
    fn step(&mut self, end: Instant) -> bool {
        let mut next = self.due.peek().map(|Reverse(due)| due.at);
        let mut earlier = |at: Option<Instant>| {
            if let Some(at) = at {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        };
        earlier(self.switch.next_timeout());
        self.ticks.iter().for_each(|tick| earlier(*tick));
        self.phones.iter().filter(|phone| !phone.off).for_each(|phone| earlier(phone.endpoint.next_timeout()));
        let Some(next) = next.filter(|next| *next <= end) else { return false };
        if next > self.now {
            self.now = next;
            self.at_once = 0;
        }
        if self.now - self.listened >= LISTEN_EVERY {
            self.listen();
        }
        self.at_once += 1;
        assert!(self.at_once < MOST_AT_ONCE, "time stands still\n{}", self.story());

        if self.due.peek().is_some_and(|Reverse(due)| due.at <= self.now)
            && let Some(Reverse(due)) = self.due.pop()
        {
            self.happen(due.what);
        } else if self.switch.next_timeout().is_some_and(|at| at <= self.now) {
            self.switch.handle_timeout(self.clock());
            self.drain();
        } else if let Some(worker) = self.ticks.iter().position(|tick| tick.is_some_and(|at| at <= self.now)) {
            let Worker { plane, shell } = &mut self.workers[worker];
            plane.tick(self.now, shell);
            self.settle_worker(worker);
        } else {
            let now = self.now;
            let due = |phone: &Phone| !phone.off && phone.endpoint.next_timeout().is_some_and(|at| at <= now);
            if let Some(phone) = self.phones.iter().position(due) {
                self.phones[phone].endpoint.handle_timeout(now);
                self.settle_phone(phone);
            }
        }
        true
    }

    /// An answered caller who talks to nobody hears something, or a flow waits for keys, and not for long.
    fn listen(&mut self) {
        let since = std::mem::replace(&mut self.listened, self.now);
        let (now, model) = (self.now, &mut self.model);
        for phone in &mut self.phones {
            let number = phone.number.clone();
            for (id, call) in phone.unheard(now, since) {
                let attended = *call.attended.get_or_insert(now);
                if !model.owes_sound(&id) {
                    call.attended = Some(now);
                } else if now - attended > LONGEST_SILENCE {
                    call.attended = Some(now);
                    model.fault(format!("{number} has heard nothing in call {id} for {LONGEST_SILENCE:?}"));
                }
            }
        }
    }

    fn after(&mut self, delay: Duration, what: What) {
        self.at(self.now + delay, what);
    }

    fn at(&mut self, at: Instant, what: What) {
        self.nth += 1;
        self.due.push(Reverse(Due { at, nth: self.nth, what }));
    }

    fn happen(&mut self, what: What) {
        match what {
            What::SipToSwitch(peer, bytes) => match Message::parse(bytes.clone()) {
                Ok(message) => {
                    let trunk = self.certified.get(&peer.remote.ip()).cloned();
                    self.input(Input::Sip { peer, message, trunk });
                }
                Err(error) => self.input(Input::Garbage { peer, raw: bytes, status: error.status() }),
            },
            What::SipToPhone(phone, bytes) => {
                if !self.phones[phone].off {
                    self.phones[phone].receive(self.now, bytes);
                    self.settle_phone(phone);
                }
            }
            What::SipToHand(address, bytes) => {
                let message = Message::parse(bytes).expect("the switch sends messages that can be read");
                self.by_hand.entry(address).or_default().push(message);
            }
            What::RtpToSwitch(port, from, mut packet) => {
                let Some(at) = self.workers.iter().position(|worker| worker.shell.open.contains_key(&port)) else {
                    return;
                };
                let Worker { plane, shell } = &mut self.workers[at];
                let slot = shell.open[&port];
                if shell.takes(slot, from) {
                    plane.handle_rtp(self.now, slot, from, &mut packet, shell);
                }
                self.settle_worker(at);
            }
            What::RtpToPhone(phone, port, packet) => {
                if !self.phones[phone].off {
                    self.phones[phone].hear(self.now, port, &packet);
                }
            }
            What::Plan(phone, plan) => {
                self.phones[phone].carry_out(self.now, plan);
                self.settle_phone(phone);
            }
            What::Command(worker, command) => {
                let Worker { plane, shell } = &mut self.workers[usize::from(worker)];
                plane.command(self.now, command, shell);
                self.settle_worker(usize::from(worker));
            }
            What::Media(MediaEvent::Dropped { .. }) if self.loses_reports => {}
            What::Media(event) => self.input(Input::Media(event)),
            What::Ports(leases) => self.lease(leases),
            What::Fact(call, fact) => self.input(Input::Fact { call: Some(call), fact }),
            What::Fetched(call, id, result) => self.input(Input::Fetched { call, id, result }),
            What::Posted(call, id, reference) => self.input(Input::Posted { call, id, reference }),
        }
    }

    fn lease(&mut self, leases: Vec<PortLease>) {
        for lease in &leases {
            self.workers[usize::from(lease.worker.0)].shell.leased.insert(lease.port);
        }
        self.input(Input::Ports(leases));
    }

    pub fn input(&mut self, input: Input) {
        self.switch.handle_input(self.clock(), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Sip(transmit) => self.send_to_phone(transmit.peer, transmit.bytes),
                Output::Media(worker, command) => self.after(HANDOVER, What::Command(worker.0, command)),
                Output::Event(event) => self.learn(event),
                Output::Keep(extension) => drop(self.kept.insert(extension.id.clone(), extension)),
                Output::Fetch { call, id, lookup, .. } => {
                    if let Some(result) = self.look_up(&lookup) {
                        self.after(LOOKUP, What::Fetched(call, id, result));
                    }
                }
                Output::KeepWrapUp { agent, wrap_up: Some(wrap_up) } => drop(self.wrap_ups.insert(agent, wrap_up)),
                Output::KeepWrapUp { agent, wrap_up: None } => drop(self.wrap_ups.remove(&agent)),
                Output::KeepPause { agent, reason: Some(reason) } => drop(self.pauses.insert(agent, reason)),
                Output::KeepPause { agent, reason: None } => drop(self.pauses.remove(&agent)),
                Output::Remember(choice) => self.remembered.push(choice),
                Output::Spoken { kept, .. } => self.spoken.push(kept.file),
                Output::Post { call, id, .. } => {
                    let reference = Some(format!("{}", 100_000 + id));
                    self.after(LOOKUP, What::Posted(call, id, reference));
                }
            }
        }
        self.model.holds(self.switch.holdings());
    }

    fn learn(&mut self, event: SwitchEvent) {
        self.model.learn(&event);
        if let EventKind::LegStarted { sip_call_id, .. } = &event.kind {
            self.unheard.invited(sip_call_id, self.now);
        }
        self.records.extend(self.fold.apply(&event));
        self.journal.push(event);
    }

    fn look_up(&self, lookup: &str) -> Option<LookupResult> {
        let found = |fields: &[(&str, Type, &str)]| {
            let value = |(name, ty, text): &(&str, Type, &str)| (name.to_string(), ty.read(text).expect("a value"));
            LookupResult::Found(fields.iter().map(value).collect::<BTreeMap<String, Value>>())
        };
        Some(match self.lookups {
            Lookups::Silent => return None,
            Lookups::Failed => LookupResult::Failed,
            Lookups::NotFound => LookupResult::NotFound,
            Lookups::Found => match lookup {
                "account_by_phone" => found(&[("account", Type::Digits, "3101234569")]),
                "bill_by_account" => found(&[("balance", Type::Money, "1205.30")]),
                "outage_by_account" => {
                    found(&[("known", Type::Flag, "false"), ("restore_at", Type::Datetime, "2026-01-01 18:30")])
                }
                _ => found(&[]),
            },
        })
    }

    fn settle_worker(&mut self, at: usize) {
        let Worker { plane, shell } = &mut self.workers[at];
        let next = plane.next_tick();
        self.ticks[at] = next.map(|next| next.max(self.now + self.settings.tick));
        let packets = std::mem::take(&mut shell.packets);
        let events = std::mem::take(&mut shell.events);
        let returned = std::mem::take(&mut shell.returned);
        let tapes = std::mem::take(&mut shell.tapes);
        for (call, recording, begins) in tapes {
            let file = format!("{:x}.wav", recording.0);
            let fact = match shell.recordings[&recording].ended {
                Some(ended) if !begins => {
                    let length = ended - shell.recordings[&recording].began;
                    EventKind::RecordingEnded { file, length_ms: length.as_millis() as u64 }
                }
                _ => EventKind::RecordingStarted { file },
            };
            self.nth += 1;
            let what = What::Fact(call, fact);
            self.due.push(Reverse(Due { at: self.now + RECORDER, nth: self.nth, what }));
        }
        for event in events {
            self.after(HANDOVER, What::Media(event));
        }
        if !returned.is_empty() {
            self.after(HANDOVER, What::Ports(returned));
        }
        for (_, to, packet) in packets {
            self.send_rtp_to_phone(to, packet);
        }
    }

    fn send_rtp_to_phone(&mut self, to: SocketAddr, packet: Vec<u8>) {
        let Some(phone) = self.phones.iter().position(|phone| phone.peer.local.ip() == to.ip() && !phone.by_hand)
        else {
            if let Ok(rtp) = hotline::media::rtp::parse(&packet) {
                let codec = if rtp.payload_type == 0 { hotline::sdp::Codec::Pcmu } else { hotline::sdp::Codec::Pcma };
                let sound = sound::listen(codec, &packet[rtp.payload]);
                let heard = self.stray_sounds.entry(to).or_default();
                if heard.last() != Some(&sound) {
                    heard.push(sound);
                }
            }
            return;
        };
        for delay in self.rtp.carry(&mut self.dice) {
            self.after(delay, What::RtpToPhone(phone, to.port(), packet.clone()));
        }
    }

    fn send_to_phone(&mut self, peer: Peer, bytes: Bytes) {
        if self.vanishes(Way::ToPhone, &bytes) {
            return;
        }
        let at = |phone: &Phone| phone.peer.local.ip() == peer.remote.ip() && !phone.by_hand;
        let Some(phone) = self.phones.iter().position(at) else {
            return self.after(Line::GOOD.delay, What::SipToHand(peer.remote, bytes));
        };
        for delay in self.carry_sip(peer) {
            self.after(delay, What::SipToPhone(phone, bytes.clone()));
        }
    }

    fn carry_sip(&mut self, peer: Peer) -> Vec<Duration> {
        match peer.reliable() {
            // TCP repeats and sorts by itself.
            true => vec![self.sip.delay],
            false => self.sip.carry(&mut self.dice),
        }
    }

    fn vanishes(&mut self, way: Way, bytes: &Bytes) -> bool {
        let Some(filter) = &mut self.filter else { return false };
        let message = Message::parse(bytes.clone()).expect("a message of ours");
        filter(way, &message) == Fate::Vanishes
    }

    fn settle_phone(&mut self, at: usize) {
        let sent = self.phones[at].settle(self.now);
        let off = self.phones[at].off;
        let plans = std::mem::take(&mut self.phones[at].plans);
        let packets = std::mem::take(&mut self.phones[at].packets);
        for (when, plan) in plans {
            self.at(when.max(self.now), What::Plan(at, plan));
        }
        if off {
            return;
        }
        for transmit in sent {
            if self.vanishes(Way::ToSwitch, &transmit.bytes) {
                continue;
            }
            let own = self.phones[at].peer;
            let peer = Peer { remote: own.local, local: own.remote, ..own };
            let carried = self.carry_sip(peer);
            if !carried.is_empty() {
                self.unheard.carried(&transmit.bytes, self.now);
            }
            for delay in carried {
                self.after(delay, What::SipToSwitch(peer, transmit.bytes.clone()));
            }
        }
        let ip = self.phones[at].peer.local.ip();
        for (port, to, packet) in packets {
            for delay in self.rtp.carry(&mut self.dice) {
                self.after(delay, What::RtpToSwitch(to.port(), SocketAddr::new(ip, port), packet.clone()));
            }
        }
    }
}
