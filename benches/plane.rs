//! What one packet costs inside the media plane, sockets apart: `cargo bench --bench plane`.
//!
//! `one_call` stays in the cache; `500_calls` walks over a thousand legs, as a busy worker does, and so pays for memory.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hotline::ids::{CallId, LegId};
use hotline::media::codec::{Decoder, Encoder, MAX_PAYLOAD, MAX_SAMPLES, Rate};
use hotline::media::srtp::{Receiver, Sender};
use hotline::media::{
    LegSlot, MediaCmd, MediaEvent, Part, Plane, PlayId, PlayItem, RecordingId, Sink, TapFrame, Tone, rtp,
};
use hotline::sdp::{Codec, Direction, MasterKey, MediaSpec, Security, Suite};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Nowhere {
    slots: Vec<LegSlot>,
    octets: usize,
}

impl Sink for Nowhere {
    fn open(&mut self, slot: LegSlot, _: u16) -> bool {
        self.slots.push(slot);
        true
    }
    fn close(&mut self, _: LegSlot) {}
    fn connect(&mut self, _: LegSlot, _: SocketAddr) {}
    fn disconnect(&mut self, _: LegSlot) {}
    fn send_rtp(&mut self, _: LegSlot, _: SocketAddr, packet: &[u8]) {
        self.octets += black_box(packet).len();
    }
    fn send_rtcp(&mut self, _: LegSlot, _: SocketAddr, _: &[u8]) {}
    fn event(&mut self, _: MediaEvent) {}
    fn record_open(&mut self, _: Instant, _: RecordingId, _: CallId) {}
    fn record_close(&mut self, _: Instant, _: RecordingId) {}
    fn tap(&mut self, frame: TapFrame) {
        black_box(&frame);
    }
}

struct Bench {
    plane: Plane,
    out: Nowhere,
    now: Instant,
    sequence: u16,
    next: usize,
}

fn address(leg: usize) -> SocketAddr {
    ([10, 0, (leg >> 8) as u8, leg as u8], 4000).into()
}

impl Bench {
    /// `calls` bridged pairs; the second of each speaks `far`.
    fn new(calls: usize, far: Codec) -> Self {
        Self::of(calls, [Codec::Pcmu, far], Security::Plain)
    }

    fn between(near: Codec, far: Codec) -> Self {
        Self::of(1, [near, far], Security::Plain)
    }

    /// What the second of each pair is sent is encrypted as `security` says.
    fn secured(calls: usize, far: Codec, security: Security) -> Self {
        Self::of(calls, [Codec::Pcmu, far], security)
    }

    fn of(calls: usize, [near, far]: [Codec; 2], security: Security) -> Self {
        let now = Instant::now();
        let mut bench = Self { plane: Plane::new(1, now), out: Nowhere::default(), now, sequence: 0, next: 0 };
        for leg in 0..2 * calls {
            let codec = if leg % 2 == 0 { near } else { far };
            let (id, remote) = (LegId(leg as u64), address(leg));
            let spec = MediaSpec {
                remote,
                remote_rtcp: remote,
                rtcp_mux: false,
                codec,
                send_pt: codec.payload_type(),
                recv_pt: codec.payload_type(),
                accepted: vec![(codec.payload_type(), codec)],
                event_send_pt: Some(101),
                event_recv_pt: Some(101),
                event_khz: 8,
                noise: None,
                direction: Direction::SendRecv,
                ptime_ms: 20,
                security: if leg % 2 == 0 { Security::Plain } else { security.clone() },
            };
            bench.command(MediaCmd::Create { leg: id, call: CallId(1), port: 0 });
            bench.command(MediaCmd::SetRemote { leg: id, via: spec.remote.ip(), spec });
            if leg % 2 == 1 {
                bench.command(MediaCmd::Bridge { a: LegId(leg as u64 - 1), b: id });
            }
        }
        bench
    }

    fn command(&mut self, command: MediaCmd) {
        self.plane.command(self.now, command, &mut self.out);
    }

    /// The next caller's packet; all callers in turn, 20 ms for a round.
    fn packet(&mut self) {
        if self.next >= self.out.slots.len() {
            self.next = 0;
            self.sequence = self.sequence.wrapping_add(1);
            self.now += Duration::from_millis(20);
        }
        let mut packet = [0x55; 172];
        let header = rtp::Header {
            marker: false,
            payload_type: 0,
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: self.next as u32,
        };
        packet[..rtp::HEADER].copy_from_slice(&header.octets());
        self.plane.handle_rtp(self.now, self.out.slots[self.next], address(self.next), &mut packet, &mut self.out);
        self.next += 2;
    }
}

fn relay(c: &mut Criterion) {
    let mut group = c.benchmark_group("relay a packet");
    group.throughput(Throughput::Elements(1));
    for (name, calls, far) in [
        ("passthrough, one call", 1, Codec::Pcmu),
        ("mu-law to A-law, one call", 1, Codec::Pcma),
        ("passthrough, 500 calls", 500, Codec::Pcmu),
        ("mu-law to A-law, 500 calls", 500, Codec::Pcma),
    ] {
        let mut bench = Bench::new(calls, far);
        group.bench_function(name, |b| b.iter(|| bench.packet()));
        assert!(bench.out.octets > 0, "packets were relayed");
    }
    let mut bench = Bench::new(1, Codec::Pcmu);
    let (near, far) = (LegId(0), Some(LegId(1)));
    bench.command(MediaCmd::RecordStart { call: CallId(1), near, far, recording: RecordingId(1) });
    group.bench_function("passthrough and recording, one call", |b| b.iter(|| bench.packet()));
    group.finish();
}

fn srtp(c: &mut Criterion) {
    let mut group = c.benchmark_group("encrypt a packet of 172 octets");
    for suite in [Suite::AesCm80, Suite::AesGcm128] {
        let key = MasterKey { suite, key: [1; 16], salt: [0; 14], mki: 0 };
        let mut bench = Bench::secured(1, Codec::Pcmu, Security::Srtp { send: key, receive: key });
        group.bench_function(format!("and relay it, {}", suite.name()), |b| b.iter(|| bench.packet()));
        let mut made = Made { sender: Sender::new(&key), sequence: 0, buffer: [0x55; 200] };
        group.bench_function(suite.name(), |b| b.iter(|| made.next().len()));
        let mut receiver = Receiver::new(&key);
        group.bench_function(format!("and open it, {}", suite.name()), |b| {
            b.iter(|| receiver.open_rtp(made.next()).expect("the sender's"))
        });
    }
    group.finish();
}

/// One packet after the other, encrypted.
struct Made {
    sender: Sender,
    sequence: u16,
    buffer: [u8; 200],
}

impl Made {
    fn next(&mut self) -> &mut [u8] {
        self.sequence = self.sequence.wrapping_add(1);
        let header = rtp::Header { marker: false, payload_type: 0, sequence: self.sequence, timestamp: 1, ssrc: 7 };
        self.buffer[..rtp::HEADER].copy_from_slice(&header.octets());
        let length = self.sender.protect_rtp(&mut self.buffer, 172).expect("room");
        &mut self.buffer[..length]
    }
}

fn playback(c: &mut Criterion) {
    let mut group = c.benchmark_group("play 20 ms to each of");
    for legs in [2, 1000] {
        let mut bench = Bench::new(legs / 2, Codec::Pcma);
        for leg in 0..legs as u64 {
            let items = vec![PlayItem::Tone(Tone::MusicOnHold)].into();
            bench.command(MediaCmd::Play { leg: LegId(leg), id: PlayId(1), items, repeat: false, bargeable: false });
        }
        group.throughput(Throughput::Elements(legs as u64));
        group.bench_function(format!("{legs} legs"), |b| {
            b.iter(|| {
                for _ in 0..20 {
                    bench.now += Duration::from_millis(1);
                    bench.plane.tick(bench.now, &mut bench.out);
                }
            })
        });
        assert!(bench.out.octets > 0, "packets were sent");
    }
    group.finish();
}

fn speech(ms: usize) -> Vec<i16> {
    (0..ms * 16).map(|n| (6000.0 * (n as f32 * 0.05).sin() + 2000.0 * (n as f32 * 0.37).sin()) as i16).collect()
}

/// One packet of 20 ms of each codec, as the plane makes and reads it.
fn codecs(c: &mut Criterion) {
    let mut group = c.benchmark_group("20 ms of");
    for codec in [Codec::Pcma, Codec::G722, Codec::Opus] {
        let (pcm, mut payload) = (speech(20), [0; MAX_PAYLOAD]);
        let mut encoder = Encoder::default();
        let mut octets = 0;
        group.bench_function(format!("{codec:?} encode"), |b| {
            b.iter(|| octets = encoder.encode(codec, Rate::Wide, black_box(&pcm), &mut payload))
        });
        let (mut decoder, mut room) = (Decoder::default(), [0; MAX_SAMPLES]);
        group.bench_function(format!("{codec:?} decode"), |b| {
            b.iter(|| decoder.decode(codec, black_box(&payload[..octets]), &mut room))
        });
    }
    group.finish();
}

/// 20 ms of a call whose two phones speak different codecs, both ways: each 20 us are a thousandth of a core.
fn transcoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("20 ms of a call, both ways,");
    for (near, far) in [(Codec::Opus, Codec::Pcma), (Codec::G722, Codec::Pcma), (Codec::Opus, Codec::G722)] {
        let mut bench = Bench::between(near, far);
        let mut encoders = [Encoder::default(), Encoder::default()];
        let payloads: Vec<Vec<u8>> = [near, far]
            .into_iter()
            .zip(&mut encoders)
            .map(|(codec, encoder)| {
                let mut payload = [0; MAX_PAYLOAD];
                let octets = encoder.encode(codec, Rate::Wide, &speech(20), &mut payload);
                payload[..octets].to_vec()
            })
            .collect();
        group.bench_function(format!("{near:?} and {far:?}"), |b| {
            b.iter(|| {
                bench.sequence = bench.sequence.wrapping_add(1);
                for (n, codec) in [near, far].into_iter().enumerate() {
                    let header = rtp::Header {
                        marker: false,
                        payload_type: codec.payload_type(),
                        sequence: bench.sequence,
                        timestamp: u32::from(bench.sequence) * 20 * codec.clock_khz(),
                        ssrc: n as u32,
                    };
                    let mut packet = [0; rtp::HEADER + MAX_PAYLOAD];
                    let end = rtp::HEADER + payloads[n].len();
                    packet[..rtp::HEADER].copy_from_slice(&header.octets());
                    packet[rtp::HEADER..end].copy_from_slice(&payloads[n]);
                    let (slot, now) = (bench.out.slots[n], bench.now);
                    bench.plane.handle_rtp(now, slot, address(n), &mut packet[..end], &mut bench.out);
                }
                for _ in 0..20 {
                    bench.now += Duration::from_millis(1);
                    bench.plane.tick(bench.now, &mut bench.out);
                }
            })
        });
        assert!(bench.out.octets > 0, "packets were sent");
    }
    group.finish();
}

/// 20 ms of a conference of three, each of whom speaks: what its packets and its one turn of mixing cost.
fn conference(c: &mut Criterion) {
    let mut group = c.benchmark_group("20 ms of a conference,");
    for far in [Codec::Pcmu, Codec::G722] {
        let mut bench = Bench::new(2, far);
        // Of a second pair one joins the first pair and the other is let go.
        bench.command(MediaCmd::Join { leg: LegId(2), to: LegId(0), part: Part::Talks });
        bench.command(MediaCmd::Drop { leg: LegId(3) });
        group.bench_function(format!("two of PCMU and one of {far:?}"), |b| {
            b.iter(|| {
                bench.sequence = bench.sequence.wrapping_add(1);
                for n in 0..3 {
                    let codec = if n == 1 { far } else { Codec::Pcmu };
                    let header = rtp::Header {
                        marker: false,
                        payload_type: codec.payload_type(),
                        sequence: bench.sequence,
                        timestamp: u32::from(bench.sequence) * 160,
                        ssrc: n as u32,
                    };
                    let mut packet = [0x55; rtp::HEADER + 160];
                    packet[..rtp::HEADER].copy_from_slice(&header.octets());
                    let (slot, now) = (bench.out.slots[n], bench.now);
                    bench.plane.handle_rtp(now, slot, address(n), &mut packet, &mut bench.out);
                }
                for _ in 0..20 {
                    bench.now += Duration::from_millis(1);
                    bench.plane.tick(bench.now, &mut bench.out);
                }
            })
        });
        assert!(bench.out.octets > 0, "packets were sent");
    }
    group.finish();
}

criterion_group!(benches, relay, srtp, playback, codecs, transcoding, conference);
criterion_main!(benches);
