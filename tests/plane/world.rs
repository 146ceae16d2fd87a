//! Phones, a kernel that filters connected sockets, and a clock, around one [`Plane`].

use hotline::ids::{CallId, LegId};
use hotline::media::handshake::Note;
use hotline::media::srtp::Receiver;
use hotline::media::{Clip, LegSlot, MediaCmd, MediaEvent, Plane, PlayId, PlayItem, RecordingId, Sink, TapFrame};
use hotline::media::{codec::Law, rtp, sounds::Sounds};
use hotline::sdp::{Codec, Direction, MediaSpec, Security};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

pub const CALLER: LegId = LegId(1);
pub const AGENT: LegId = LegId(2);
pub const CALL: CallId = CallId(7);

static SOUNDS: LazyLock<Arc<Sounds>> = LazyLock::new(|| Arc::new(Sounds::new(1)));

/// What the plane asked for, in order.
#[derive(Default)]
pub struct Wire {
    pub now: Option<Instant>,
    pub sent: Vec<Sent>,
    /// What is neither RTP nor RTCP: fax, checks, handshakes.
    pub datagrams: Vec<(LegId, SocketAddr, Vec<u8>)>,
    pub rtcp: Vec<(LegId, SocketAddr, Vec<u8>)>,
    pub rtcp_at: Vec<(LegId, Instant)>,
    pub events: Vec<MediaEvent>,
    pub taps: Vec<TapFrame>,
    /// Packets that could not be recorded.
    pub lost: u32,
    pub records: Vec<(RecordingId, &'static str)>,
    pub closed: Vec<LegId>,
    pub refuse_ports: bool,
    /// For who makes the handshakes.
    pub notes: Vec<Note>,
    /// Phones that open what they are sent.
    pub openers: BTreeMap<LegId, Receiver>,
    /// By slot: the leg, and what its socket is connected to.
    sockets: BTreeMap<LegSlot, (LegId, Option<SocketAddr>)>,
}

#[derive(Clone, Debug)]
pub struct Sent {
    pub leg: LegId,
    pub to: SocketAddr,
    pub at: Instant,
    pub rtp: rtp::Received,
    pub payload: Vec<u8>,
}

impl Wire {
    /// What the phone makes of a datagram. What it cannot open would be noise, and is a fault of ours.
    fn opened(&mut self, slot: LegSlot, packet: &[u8]) -> Vec<u8> {
        let leg = self.leg(slot);
        let mut packet = packet.to_vec();
        if let Some(receiver) = self.openers.get_mut(&leg) {
            let length = match rtp::is_rtcp(&packet) {
                true => receiver.open_rtcp(&mut packet),
                false => receiver.open_rtp(&mut packet),
            };
            packet.truncate(length.expect("the phone believes what it is sent"));
        }
        packet
    }

    fn leg(&self, slot: LegSlot) -> LegId {
        self.sockets[&slot].0
    }
}

impl Sink for Wire {
    fn open(&mut self, slot: LegSlot, port: u16) -> bool {
        if !self.refuse_ports {
            // Tests lease the leg's number as its port.
            self.sockets.insert(slot, (LegId(u64::from(port)), None));
        }
        !self.refuse_ports
    }
    fn close(&mut self, slot: LegSlot) {
        let leg = self.leg(slot);
        self.sockets.remove(&slot);
        self.closed.push(leg);
    }
    fn connect(&mut self, slot: LegSlot, remote: SocketAddr) {
        let connected = &mut self.sockets.get_mut(&slot).expect("an open slot").1;
        assert_eq!(*connected, None, "connected twice");
        *connected = Some(remote);
    }
    fn disconnect(&mut self, slot: LegSlot) {
        let connected = &mut self.sockets.get_mut(&slot).expect("an open slot").1;
        assert!(connected.take().is_some(), "disconnected twice");
    }
    fn send_rtp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]) {
        if packet.first().is_none_or(|first| first >> 6 != 2) {
            return self.datagrams.push((self.leg(slot), to, packet.to_vec()));
        }
        let packet = &self.opened(slot, packet)[..];
        if rtp::is_rtcp(packet) && packet[0] >> 6 == 2 {
            return self.send_rtcp(slot, to, packet);
        }
        let connected = self.sockets[&slot].1;
        assert!(connected.is_none_or(|connected| connected == to), "sent past the connection");
        let Ok(rtp) = rtp::parse(packet) else { return self.datagrams.push((self.leg(slot), to, packet.to_vec())) };
        let payload = packet[rtp.payload.clone()].to_vec();
        self.sent.push(Sent { leg: self.leg(slot), to, at: self.now.expect("a clock"), rtp, payload });
    }
    fn send_rtcp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]) {
        self.rtcp.push((self.leg(slot), to, packet.to_vec()));
        self.rtcp_at.push((self.leg(slot), self.now.expect("a clock")));
    }
    fn event(&mut self, event: MediaEvent) {
        self.events.push(event);
    }
    fn handshake(&mut self, note: Note) -> bool {
        self.notes.push(note);
        true
    }
    fn record_open(&mut self, _at: Instant, recording: RecordingId, _call: CallId) {
        self.records.push((recording, "open"));
    }
    fn record_close(&mut self, _at: Instant, recording: RecordingId) {
        self.records.push((recording, "close"));
    }
    fn tap(&mut self, frame: TapFrame) {
        self.taps.push(frame);
    }
    fn tap_lost(&mut self) {
        self.lost += 1;
    }
}

pub struct World {
    pub plane: Plane,
    pub wire: Wire,
    pub start: Instant,
    pub now: Instant,
    /// Where each party's signalling comes from.
    via: BTreeMap<LegId, IpAddr>,
}

impl World {
    pub fn new() -> Self {
        let start = Instant::now();
        let wire = Wire { now: Some(start), ..Wire::default() };
        let mut world =
            Self { plane: Plane::with_sounds(1, start, SOUNDS.clone()), wire, start, now: start, via: BTreeMap::new() };
        // The worker was there before the call.
        world.run(1);
        world
    }

    /// Caller and agent, answered and bridged, both at their signalled addresses.
    pub fn bridged(caller: Codec, agent: Codec) -> (Self, Phone, Phone) {
        let mut world = Self::new();
        let (a, b) = (Phone::new("10.0.0.1:4000", caller), Phone::new("10.0.0.2:5000", agent));
        world.answer(CALLER, &a);
        world.answer(AGENT, &b);
        world.command(MediaCmd::Bridge { a: CALLER, b: AGENT });
        (world, a, b)
    }

    pub fn create(&mut self, leg: LegId) {
        self.command(MediaCmd::Create { leg, call: CALL, port: leg.0 as u16 });
    }

    pub fn answer(&mut self, leg: LegId, phone: &Phone) {
        self.create(leg);
        self.via.insert(leg, phone.via);
        self.offer(leg, phone.spec());
    }

    pub fn offer(&mut self, leg: LegId, spec: MediaSpec) {
        let via = self.via.get(&leg).copied().unwrap_or(spec.remote.ip());
        self.command(MediaCmd::SetRemote { leg, spec, via });
    }

    pub fn command(&mut self, command: MediaCmd) {
        self.plane.command(self.now, command, &mut self.wire);
    }

    pub fn play(&mut self, leg: LegId, id: u32, items: Vec<PlayItem>, bargeable: bool) {
        self.command(MediaCmd::Play { leg, id: PlayId(id), items: items.into(), repeat: false, bargeable });
    }

    pub fn find(&self, leg: LegId) -> Option<LegSlot> {
        self.wire.sockets.iter().find(|(_, (id, _))| *id == leg).map(|(slot, _)| *slot)
    }

    pub fn slot(&self, leg: LegId) -> LegSlot {
        self.find(leg).expect("an open leg")
    }

    pub fn connected(&self, leg: LegId) -> Option<SocketAddr> {
        self.wire.sockets[&self.slot(leg)].1
    }

    /// A datagram arrives; a connected socket takes it only from whom it is connected to.
    pub fn deliver(&mut self, leg: LegId, from: SocketAddr, packet: &[u8]) {
        let slot = self.slot(leg);
        if self.wire.sockets[&slot].1.is_none_or(|connected| connected == from) {
            let mut packet = packet.to_vec();
            self.plane.handle_rtp(self.now, slot, from, &mut packet, &mut self.wire);
        }
    }

    pub fn deliver_rtcp(&mut self, leg: LegId, from: SocketAddr, packet: &[u8]) {
        let slot = self.slot(leg);
        self.plane.handle_rtcp(self.now, slot, from, &mut packet.to_vec(), &mut self.wire);
    }

    /// Time passes, a tick each millisecond.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += Duration::from_millis(1);
            self.wire.now = Some(self.now);
            self.plane.tick(self.now, &mut self.wire);
        }
    }

    /// The worker is held up for so long, then ticks once.
    pub fn stall(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.wire.now = Some(self.now);
        self.plane.tick(self.now, &mut self.wire);
    }

    /// Phones speak for `ms`, a packet each 20 ms.
    pub fn talk(&mut self, ms: u64, phones: &mut [(LegId, &mut Phone)]) {
        for _ in 0..ms / 20 {
            for (leg, phone) in phones.iter_mut() {
                let packet = phone.speak();
                self.deliver(*leg, phone.addr, &packet);
            }
            self.run(20);
        }
    }

    /// What was sent to a leg's peer since the last look.
    pub fn sent_to(&mut self, leg: LegId) -> Vec<Sent> {
        let (ours, others) = std::mem::take(&mut self.wire.sent).into_iter().partition(|sent| sent.leg == leg);
        self.wire.sent = others;
        ours
    }

    pub fn events(&mut self) -> Vec<MediaEvent> {
        std::mem::take(&mut self.wire.events)
    }

    pub fn keys(&mut self) -> String {
        let key = |event| match event {
            MediaEvent::Key { key, .. } => Some(key),
            _ => None,
        };
        self.events().into_iter().filter_map(key).collect()
    }
}

/// A phone: speaks its own byte, so that it is known by what is heard.
#[derive(Clone)]
pub struct Phone {
    pub addr: SocketAddr,
    /// Where its SDP says it is.
    pub signalled: SocketAddr,
    /// Where its signalling comes from.
    pub via: IpAddr,
    pub codec: Codec,
    pub events: Option<u8>,
    /// It agreed to comfort noise.
    pub noise: Option<u8>,
    pub direction: Direction,
    pub voice: u8,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
}

impl Phone {
    pub fn new(addr: &str, codec: Codec) -> Self {
        let addr: SocketAddr = addr.parse().expect("an address");
        let voice = addr.port() as u8 | 1;
        Self {
            addr,
            signalled: addr,
            via: addr.ip(),
            codec,
            events: Some(101),
            noise: None,
            direction: Direction::SendRecv,
            voice,
            ssrc: 0x1000_0000 + u32::from(addr.port()),
            sequence: 65_530,
            timestamp: 0xffff_ff00,
        }
    }

    /// Behind a NAT: the SDP shows a private address, signalling and audio come from the NAT's own.
    pub fn behind_nat(addr: &str, signalled: &str, codec: Codec) -> Self {
        Self { signalled: signalled.parse().expect("an address"), ..Self::new(addr, codec) }
    }

    /// Behind a NAT, and its signalling comes by a proxy elsewhere: nothing tells where its audio will come from.
    pub fn behind_proxy(addr: &str, signalled: &str, codec: Codec) -> Self {
        Self { via: IpAddr::from([10, 99, 99, 99]), ..Self::behind_nat(addr, signalled, codec) }
    }

    pub fn spec(&self) -> MediaSpec {
        let rtcp = SocketAddr::new(self.signalled.ip(), self.signalled.port() + 1);
        let pt = self.codec.payload_type();
        MediaSpec {
            remote: self.signalled,
            remote_rtcp: rtcp,
            rtcp_mux: false,
            codec: self.codec,
            send_pt: pt,
            recv_pt: pt,
            accepted: Codec::ALL.map(|codec| (codec.payload_type(), codec)).to_vec(),
            event_send_pt: self.events,
            event_recv_pt: self.events,
            event_khz: 8,
            noise: self.noise,
            direction: self.direction,
            ptime_ms: 20,
            security: Security::Plain,
        }
    }

    pub fn packet(&self, payload_type: u8, marker: bool, payload: &[u8]) -> Vec<u8> {
        let header =
            rtp::Header { marker, payload_type, sequence: self.sequence, timestamp: self.timestamp, ssrc: self.ssrc };
        [&header.octets(), payload].concat()
    }

    /// The next 20 ms of its voice.
    pub fn speak(&mut self) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.packet(self.codec.payload_type(), false, &[self.voice; 160])
    }

    /// It is silent, but its clock runs.
    pub fn pause(&mut self, ms: u32) {
        self.timestamp = self.timestamp.wrapping_add(ms * 8);
    }

    /// All packets of a key of `ms`: an update each 20 ms, three ends. Its audio goes on behind it.
    pub fn key(&mut self, event: u8, ms: u16) -> Vec<Vec<u8>> {
        let updates = ms / 20;
        let mut packets = Vec::new();
        for n in 1..=updates + 2 {
            self.sequence = self.sequence.wrapping_add(1);
            let end = n >= updates;
            let [high, low] = (n.min(updates) * 160).to_be_bytes();
            let payload = [event, u8::from(end) << 7 | 10, high, low];
            packets.push(self.packet(self.events.unwrap_or(101), n == 1, &payload));
        }
        self.pause(u32::from(ms) + 40);
        packets
    }
}

/// The samples of G.711 octets.
pub fn law_of(codec: Codec, octets: &[u8]) -> Vec<i16> {
    let law = Law::of(codec).expect("G.711");
    octets.iter().map(|&octet| law.linear(octet)).collect()
}

/// A clip of `ms` whose every octet is `law`-encoded from `level`.
pub fn clip(ms: usize, level: i16) -> PlayItem {
    PlayItem::Clip(Arc::new(Clip::from_pcm("clip", "en", &vec![level; ms * 8])))
}

/// One SSRC; sequence by one; time stamps that do not overlap and keep within `slack_ms` of the clock.
pub fn assert_continuous(sent: &[Sent], slack_ms: u64) {
    let mut covered = None;
    for pair in sent.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        assert_eq!(one.rtp.ssrc, next.rtp.ssrc, "one SSRC for life");
        assert_eq!(next.rtp.sequence, one.rtp.sequence.wrapping_add(1), "sequence by one");
        let step = next.rtp.timestamp.wrapping_sub(one.rtp.timestamp);
        assert!(step < 8000 * 60, "time goes forward");
        let event = |sent: &Sent| sent.payload.len() == 4;
        if !event(one) {
            assert!(step as usize >= one.payload.len(), "packets overlap in time");
        }
        let first = covered.get_or_insert((one.at, one.rtp.timestamp));
        if !event(next) {
            let clock = next.at.duration_since(first.0).as_micros() as i64 / 125;
            let line = i64::from(next.rtp.timestamp.wrapping_sub(first.1));
            assert!((clock - line).abs() <= slack_ms as i64 * 8, "clock {clock}, time stamps {line}");
        }
    }
}
