//! One party's stream: what is heard from it, and what it is sent when its turn of the wheel comes.
//!
//! A leg knows its own parts only; its reports are in `reports`, the watch for its silence in `silence`, what we make for it
//! to hear in `voice`. What concerns two legs is in `relay`, what concerns all of them in `plane`.

mod door;
mod fax;
mod guard;
mod hush;
mod inband;
mod noise;
mod reports;
mod silence;
mod voice;

use super::capture::Capture;
use super::command::{MediaEvent, RecordingId};
use super::dtmf::feature::Feature;
use super::dtmf::{EventPayload, KeySender, Keypad, Press, Presses, at_8_khz};
use super::egress::Egress;
use super::handshake::What;
use super::latch::{Latch, Verdict, Wiring};
use super::pcm::Input;
use super::player::Player;
use super::rtp::{self, HEADER, Received};
use super::sink::{LegSlot, Sink};
use super::stream::{Arrival, Stream};
use super::tap::{Side, TapFrame};
use super::wheel::Seat;
use super::{MS, Micros};
use crate::events::media::{MediaReport, MediaTrouble};
use crate::ids::LegId;
use crate::sdp::{Codec, MediaSpec, Security};
use door::Door;
use guard::Guard;
use hush::Hush;
use inband::Ear;
pub use inband::Found;
use reports::Rtcp;
pub use silence::Missed;
use silence::Silence;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use voice::Mouth;

/// A source that was still for this long is replaced by silence, because carriers and NATs close what goes quiet.
const GAP: Micros = 200 * MS;
/// Packets a peer may send in a burst (1 s of 10 ms packets, as after an outage), and the pace at which the allowance
/// comes back: twice that of 10 ms packets. What is beyond is dropped unheard.
const BURST: Micros = 100 * ALLOWANCE;
const ALLOWANCE: Micros = 5 * MS;
/// Silence that a peer fills itself is broken after this long.
const KEEP_ALIVE: Micros = 2_000 * MS;
/// RFC 3389: its number, also where it was not agreed on.
const COMFORT_NOISE: u8 = 13;
/// A leg can be in a call's recording and leave a message at the same time.
const MAX_TAPS: usize = 2;

#[derive(Debug)]
pub struct Leg {
    pub id: LegId,
    pub slot: LegSlot,
    pub seat: Seat,
    pub bridge: Option<LegSlot>,
    /// Hears, and is heard by, more than the bridged.
    pub conference: Option<usize>,
    pub echo: bool,
    pub player: Option<Player>,
    pub capture: Option<Capture>,
    /// What the peer says, as linear sound, where somebody takes it so.
    pub input: Option<Box<Input>>,
    /// A mixer or a detector takes it, whatever else becomes of the packets.
    pub wants_pcm: bool,
    /// The bridged party cannot be sent the peer's packets as they are.
    pub transcodes: bool,
    pub keys: KeySender,
    /// What the peer pressed lately.
    pub presses: Presses,
    /// What it presses for us and not for the other.
    pub feature: Option<Feature>,
    pub without_tones: bool,
    pub egress: Egress,
    mouth: Option<Box<Mouth>>,
    pub taps: [Option<(RecordingId, Side)>; MAX_TAPS],
    peer: Option<Peer>,
    guard: Guard,
    /// Where keys come from a handshake.
    door: Option<Box<Door>>,
    keypad: Keypad,
    /// Of the other party, while it says nothing else.
    noise: Option<noise::Noise>,
    /// Boxed: of few peers is anything expected there.
    ear: Option<Box<Ear>>,
    hush: Option<Box<Hush>>,
    stream: Stream,
    /// When the peer's allowance is full again.
    allowance: Micros,
    silence: Silence,
    /// When the next packet of our own is due; 0 = at the next turn.
    next_frame: Micros,
    rtcp: Rtcp,
    counts: MediaReport,
}

/// What the last offer and answer said, and where the peer was found since.
#[derive(Debug)]
struct Peer {
    spec: MediaSpec,
    latch: Latch,
    since: Micros,
    /// The stream is a fax now.
    fax: bool,
}

/// Random numbers a leg starts with (RFC 3550 5.1, 8; RFC 7022).
#[derive(Debug)]
pub struct Origin {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub cname: [u8; 16],
    pub dice: u64,
}

/// What a packet was.
#[derive(Debug)]
pub enum Heard {
    Audio(Received, Codec),
    Keys(Press),
    /// The peer is silent, and says how silent.
    Noise(Received),
    /// Refused, or without sound.
    Nothing,
}

/// What a look at the leg led to.
#[derive(Debug)]
pub struct Looked {
    /// Look again then; 0 = at the next turn.
    pub next: Micros,
    /// A key whose end was lost, held for so many samples; 0 = as long as it sounded here.
    pub released: Option<u32>,
    pub missed: Option<Missed>,
}

impl Leg {
    pub fn new(id: LegId, slot: LegSlot, seat: Seat, origin: Origin) -> Self {
        Self {
            id,
            slot,
            seat,
            bridge: None,
            conference: None,
            echo: false,
            player: None,
            capture: None,
            input: None,
            wants_pcm: false,
            transcodes: false,
            mouth: None,
            keys: KeySender::default(),
            presses: Presses::default(),
            feature: None,
            without_tones: false,
            egress: Egress::new(origin.ssrc, origin.sequence, origin.timestamp),
            taps: [None; MAX_TAPS],
            peer: None,
            guard: Guard::default(),
            door: None,
            keypad: Keypad::default(),
            ear: None,
            hush: None,
            noise: None,
            stream: Stream::default(),
            allowance: 0,
            silence: Silence::default(),
            next_frame: 0,
            rtcp: Rtcp::new(origin.cname, origin.dice),
            counts: MediaReport::default(),
        }
    }

    /// True = a key that was heard in the peer's voice is over, as nobody listens there any more.
    pub fn set_remote(&mut self, now: Micros, spec: MediaSpec, via: IpAddr, out: &mut impl Sink) -> bool {
        self.silence.restart(now);
        self.guard.agree(&spec.security);
        // Who agreed to telephone-event may leave the tones in its voice all the same: they would be keys twice.
        let released = match spec.event_recv_pt {
            Some(_) => self.ear.take().is_some_and(|ear| ear.is_down()),
            None => {
                self.ear.get_or_insert_default();
                false
            }
        };
        match &mut self.peer {
            Some(peer) => {
                let wiring = peer.latch.signal(now, spec.remote);
                if peer.spec.remote_rtcp != spec.remote_rtcp {
                    self.rtcp.forget_address();
                }
                peer.spec = spec;
                peer.fax = false;
                self.wire(wiring, out);
            }
            None => {
                self.peer = Some(Peer { latch: Latch::new(now, spec.remote, via), spec, since: now, fax: false });
                self.rtcp.schedule(now);
            }
        }
        if let Some((codec, security)) = self.peer.as_ref().map(|peer| (peer.spec.codec, peer.spec.security.clone())) {
            self.prepare(codec);
            match &security {
                Security::Handshake(handshake) => self.shut(handshake, out),
                Security::Plain | Security::Srtp { .. } => self.unhinge(out),
            }
        }
        if !self.can_be_sent_keys() {
            self.refuse_keys(out);
        }
        released
    }

    /// Judges one datagram of the RTP socket.
    pub fn hear(&mut self, now: Micros, from: SocketAddr, packet: &[u8], out: &mut impl Sink) -> Heard {
        let Some(peer) = &mut self.peer else { return Heard::Nothing };
        let Ok(rtp) = rtp::parse(packet) else {
            self.count_unusable(from);
            return Heard::Nothing;
        };
        let Some(kind) = Kind::of(rtp.payload_type, &peer.spec) else {
            self.count_unusable(from);
            return Heard::Nothing;
        };
        if !peer.spec.direction.may_receive() {
            return Heard::Nothing;
        }
        let event_khz = peer.spec.event_khz;
        if !self.is_from_peer(now, from, rtp.ssrc, rtp.sequence, out) {
            return Heard::Nothing;
        }
        if let Some(trouble) = self.silence.heard(now) {
            self.tell(trouble, out);
        }
        // Some gateways send keys under an SSRC of their own, beside the voice; a key is known by SSRC and time stamp.
        let keys_apart = matches!(kind, Kind::Keys) && self.stream.ssrc() != Some(rtp.ssrc);
        if !keys_apart && self.stream.arrive(now, rtp.ssrc, rtp.sequence) == Arrival::Unwanted {
            return Heard::Nothing;
        }
        if !self.is_allowed(now) {
            return Heard::Nothing;
        }
        self.counts.packets_in += 1;
        self.counts.octets_in += rtp.payload.len() as u64;
        match kind {
            Kind::Audio(codec) => {
                self.stream.time(now, rtp.timestamp, codec.clock_khz());
                // RFC 6263 4.1: an empty packet only keeps a NAT open.
                if rtp.payload.is_empty() { Heard::Nothing } else { Heard::Audio(rtp, codec) }
            }
            Kind::Keys => match EventPayload::parse(&packet[rtp.payload]) {
                Some(payload) => {
                    let press = self.keypad.receive(now, rtp.ssrc, rtp.timestamp, payload);
                    Heard::Keys(press.at_8_khz(event_khz))
                }
                None => {
                    self.counts.malformed += 1;
                    Heard::Nothing
                }
            },
            Kind::ComfortNoise => Heard::Noise(rtp),
        }
    }

    /// Whether a datagram comes from the peer, by its address and how its source goes on.
    fn is_from_peer(&mut self, now: Micros, from: SocketAddr, ssrc: u32, sequence: u16, out: &mut impl Sink) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        let verdict = match self.guard.proves() {
            true => peer.latch.judge_proven(now, from, ssrc, sequence),
            false => peer.latch.judge(now, from, ssrc, sequence),
        };
        match verdict {
            Verdict::Heard => {}
            Verdict::Moved => {
                let remote = peer.latch.believed().unwrap_or(from);
                let wiring = peer.latch.wiring(now, true);
                self.stream.peer_moved();
                let elsewhere = (!peer.latch.as_signalled()).then(|| peer.latch.signalled());
                out.event(MediaEvent::Latched { leg: self.id, remote });
                self.wire(wiring, out);
                if let Some(signalled) = elsewhere {
                    self.found_elsewhere(signalled, remote, out);
                }
            }
            Verdict::Stray => self.count_stray(from, out),
        }
        !matches!(verdict, Verdict::Stray)
    }

    /// Whether the peer may send one more datagram now. Asked behind the judgement of the source, so that forged ones cost
    /// the peer nothing of its own.
    fn is_allowed(&mut self, now: Micros) -> bool {
        self.allowance = self.allowance.max(now) + ALLOWANCE;
        let allowed = self.allowance <= now + BURST;
        if !allowed {
            self.allowance -= ALLOWANCE;
            self.counts.malformed += 1;
        }
        allowed
    }

    /// Copies what was heard into the recordings this leg is in.
    pub fn tap(&self, arrived: Instant, rtp: &Received, codec: Codec, payload: &[u8], out: &mut impl Sink) {
        for (recording, side) in self.taps.into_iter().flatten() {
            if !TapFrame::holds(codec, payload) {
                out.tap_lost();
            }
            let mut first = TapFrame::empty(recording, side, codec, arrived);
            (first.ssrc, first.timestamp, first.sequence) = (rtp.ssrc, rtp.timestamp, rtp.sequence);
            TapFrame::split(first, payload).for_each(|frame| out.tap(frame));
        }
    }

    /// Keeps what was heard, if that was asked for.
    pub fn keep(&mut self, codec: Codec, payload: &[u8], out: &mut impl Sink) {
        if self.capture.as_mut().is_some_and(|capture| !capture.take(codec, payload)) {
            self.end_capture(out);
        }
    }

    pub fn end_capture(&mut self, out: &mut impl Sink) {
        if let Some(capture) = self.capture.take() {
            out.event(MediaEvent::Captured { leg: self.id, clip: Arc::new(capture.finish()) });
        }
    }

    /// The leg's turn of the wheel, which was due at `turn`.
    pub fn look(&mut self, now: Micros, turn: Micros, out: &mut impl Sink) -> Looked {
        let released = self.keypad.look(now);
        let unheard = self.ear.as_mut().is_some_and(|ear| ear.look(now));
        let Some(peer) = &mut self.peer else { return Looked { next: now + GAP, released, missed: None } };
        let event_khz = peer.spec.event_khz;
        let released = released.map(|ticks| at_8_khz(ticks, event_khz)).or(unheard.then_some(0));
        let listening = peer.spec.direction.may_receive();
        let wiring = peer.latch.wiring(now, listening);
        let look_at_latch = peer.latch.next_look(now);
        self.wire(wiring, out);
        let mut next = look_at_latch.min(self.pace(now, turn, out)).min(self.look_for_silence(now, out));
        // Not while it is on hold, which is no silence of its own.
        let missed = listening.then(|| self.silence.look(now)).flatten();
        if listening {
            next = next.min(self.silence.next_look());
        }
        if self.rtcp.due() <= now {
            self.report(now, false, out);
            self.rtcp.schedule(now);
        }
        let waits = self.feature.as_ref().is_some_and(Feature::waits);
        if waits || self.keypad.is_down() || self.ear.as_ref().is_some_and(|ear| ear.is_down()) {
            next = 0;
        }
        Looked { next: next.min(self.rtcp.due()), released, missed }
    }

    pub fn play(&mut self, player: Player, out: &mut impl Sink) {
        self.stop_play(out);
        self.player = Some(player);
        self.next_frame = 0;
    }

    /// Ends what plays before its end.
    pub fn stop_play(&mut self, out: &mut impl Sink) {
        self.end_play(true, out);
    }

    /// Starts the watch for a silent peer anew.
    pub fn watch_silence(&mut self, now: Micros, after: Option<Duration>, out: &mut impl Sink) {
        self.silence.watch(now, after);
        if self.guard.is_shut() {
            self.note(What::Answered, out);
        }
    }

    /// Whether the peer sends now.
    pub fn speaks(&self, now: Micros) -> bool {
        self.silence.speaks(now)
    }

    pub fn tell(&self, trouble: MediaTrouble, out: &mut impl Sink) {
        out.event(MediaEvent::Trouble { leg: self.id, trouble });
    }

    /// Whether sound may be sent now: agreed, and to an address that can be sent to.
    pub fn can_send(&self) -> bool {
        let sends = |peer: &Peer| peer.spec.direction.may_send() && !peer.fax && peer.latch.target().is_some();
        self.peer.as_ref().is_some_and(sends) && !self.guard.is_shut()
    }

    /// Whether keys may be sent with the audio now, as events or as tones.
    pub fn can_be_sent_keys(&self) -> bool {
        self.can_send() && (self.takes_events() || !self.without_tones)
    }

    fn takes_events(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.spec.event_send_pt.is_some())
    }

    /// The codec and payload type of what is sent now; `None` while nothing may be.
    pub fn sends(&self) -> Option<(Codec, u8)> {
        let peer = self.peer.as_ref()?;
        self.can_send().then_some((peer.spec.codec, peer.spec.send_pt))
    }

    /// The codec that was agreed.
    pub fn codec(&self) -> Option<Codec> {
        self.peer.as_ref().map(|peer| peer.spec.codec)
    }

    /// Who is to be sent what the peer says, packet by packet.
    pub fn hearer(&self) -> Option<LegSlot> {
        match self.conference {
            _ if self.echo => Some(self.slot),
            Some(_) => None,
            None => self.bridge,
        }
    }

    /// Whether something of our own goes out, so that the other party is not passed on.
    pub fn is_occupied(&self) -> bool {
        self.player.is_some() || self.keys.is_active()
    }

    /// Sends a finished packet to wherever the peer is.
    pub fn emit(&mut self, packet: &[u8], out: &mut impl Sink) {
        if let Some(to) = self.peer.as_ref().and_then(|peer| peer.latch.target()) {
            self.egress.count(packet.len().saturating_sub(HEADER));
            let slot = self.slot;
            self.guard.protect(packet, false, |packet| out.send_rtp(slot, to, packet));
        }
    }

    fn refuse_keys(&mut self, out: &mut impl Sink) {
        let leg = self.id;
        self.keys.clear().for_each(|key| out.event(MediaEvent::KeyUnsent { leg, key }));
    }

    fn end_play(&mut self, stopped: bool, out: &mut impl Sink) {
        if let Some(player) = self.player.take() {
            out.event(MediaEvent::PlayDone { leg: self.id, id: player.id, heard_ms: player.heard_ms(), stopped });
        }
    }

    fn wire(&self, wiring: Option<Wiring>, out: &mut impl Sink) {
        match wiring {
            Some(Wiring::Connect(remote)) => out.connect(self.slot, remote),
            Some(Wiring::Disconnect) => out.disconnect(self.slot),
            None => {}
        }
    }

    /// A datagram that is not RTP as agreed: the peer's fault, or a stranger's.
    fn count_unusable(&mut self, from: SocketAddr) {
        let believed = self.peer.as_ref().and_then(|peer| peer.latch.believed());
        match believed.is_none_or(|remote| remote == super::latch::canonical(from)) {
            true => self.counts.malformed += 1,
            false => self.counts.stray += 1,
        }
    }
}

enum Kind {
    Audio(Codec),
    Keys,
    ComfortNoise,
}

impl Kind {
    fn of(payload_type: u8, spec: &MediaSpec) -> Option<Self> {
        if payload_type == spec.recv_pt {
            return Some(Self::Audio(spec.codec));
        }
        if spec.event_recv_pt == Some(payload_type) {
            return Some(Self::Keys);
        }
        let accepted = spec.accepted.iter().find(|(accepted, _)| *accepted == payload_type);
        match accepted {
            Some((_, codec)) => Some(Self::Audio(*codec)),
            None => (payload_type == COMFORT_NOISE || spec.noise == Some(payload_type)).then_some(Self::ComfortNoise),
        }
    }
}
