//! No packet allocates: not one that is relayed, converted, recorded, refused or forged, nor a turn of the wheel.

// A counting allocator has to be one.
#![allow(unsafe_code)]

use hmac::{Hmac, KeyInit, Mac};
use hotline::ids::{CallId, LegId};
use hotline::media::codec::{Encoder, MAX_PAYLOAD, Rate};
use hotline::media::handshake::Said;
use hotline::media::srtp::Sender;
use hotline::media::{
    Clip, LegSlot, MediaCmd, MediaEvent, Part, Plane, PlayId, PlayItem, RecordingId, Sink, TapFrame, Tone, rtp,
};
use hotline::sdp::{Codec, Direction, Handshake, Ice, MasterKey, MediaSpec, Security, Suite};
use sha1::Sha1;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches a thread-local that needs no
// allocation of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Counts, and keeps nothing.
#[derive(Default)]
struct Counts {
    slots: [Option<LegSlot>; 3],
    rtp: u64,
    rtcp: u64,
    keys: u64,
    taps: u64,
}

impl Sink for Counts {
    fn open(&mut self, slot: LegSlot, port: u16) -> bool {
        self.slots[usize::from(port)] = Some(slot);
        true
    }
    fn close(&mut self, _: LegSlot) {}
    fn connect(&mut self, _: LegSlot, _: SocketAddr) {}
    fn disconnect(&mut self, _: LegSlot) {}
    fn send_rtp(&mut self, _: LegSlot, _: SocketAddr, _: &[u8]) {
        self.rtp += 1;
    }
    fn send_rtcp(&mut self, _: LegSlot, _: SocketAddr, _: &[u8]) {
        self.rtcp += 1;
    }
    fn event(&mut self, event: MediaEvent) {
        self.keys += u64::from(matches!(event, MediaEvent::Key { .. }));
    }
    fn record_open(&mut self, _: Instant, _: RecordingId, _: CallId) {}
    fn record_close(&mut self, _: Instant, _: RecordingId) {}
    fn tap(&mut self, _: TapFrame) {
        self.taps += 1;
    }
}

fn spec(remote: SocketAddr, codec: Codec) -> MediaSpec {
    MediaSpec {
        remote,
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        rtcp_mux: false,
        codec,
        send_pt: codec.payload_type(),
        recv_pt: codec.payload_type(),
        accepted: vec![(0, Codec::Pcmu), (8, Codec::Pcma)],
        event_send_pt: Some(101),
        event_recv_pt: Some(101),
        event_khz: 8,
        noise: None,
        direction: Direction::SendRecv,
        ptime_ms: 20,
        security: Security::Plain,
    }
}

#[test]
fn no_packet_and_no_tick_allocates() {
    a_minute([None, None], false);
}

#[test]
fn nor_does_one_of_an_encrypted_leg() {
    a_minute([Some(Suite::AesCm80), None], false);
    a_minute([Some(Suite::AesCm32), Some(Suite::AesGcm128)], false);
}

#[test]
fn nor_a_browsers_nor_its_checks() {
    a_minute([Some(Suite::AesGcm128), None], true);
}

/// A check of RFC 8445 7.1 by who knows the password, in which the way is chosen.
fn check(ice: &Ice) -> Vec<u8> {
    let mut made = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 8];
    made.extend(format!("{}:abc", ice.ufrag).bytes());
    made.extend([0, 0x25, 0, 0]);
    made[3] = (made.len() - 20 + 24) as u8;
    let mut sum = Hmac::<Sha1>::new_from_slice(ice.password.as_bytes()).expect("any key");
    sum.update(&made);
    made.extend([0, 8, 0, 20]);
    made.extend(sum.finalize().into_bytes());
    made
}

/// Of a call whose legs may be encrypted. The caller may be a browser.
fn a_minute(suites: [Option<Suite>; 2], browser: bool) {
    let ice = Ice { ufrag: "evtj".into(), password: "VOkJxbRl1RmTxUk/WvJxBt".into() };
    let checked = check(&ice);
    let key = |suite| MasterKey { suite, key: [1; 16], salt: [0; 14], mki: 0 };
    let mut senders = suites.map(|suite| suite.map(|suite| Sender::new(&key(suite))));
    let security = |n: usize| match suites[n] {
        Some(_) if browser => Security::Handshake(Box::new(Handshake {
            association: 1,
            active: false,
            fingerprints: Vec::new(),
            ice: Some(ice.clone()),
        })),
        Some(suite) => Security::Srtp { send: key(suite), receive: key(suite) },
        None => Security::Plain,
    };
    let (caller, agent) = (LegId(1), LegId(2));
    let addresses: [SocketAddr; 2] = [([10, 0, 0, 1], 4000).into(), ([10, 0, 0, 2], 5000).into()];
    let mut now = Instant::now();
    let mut out = Counts::default();
    let mut plane = Plane::new(1, now);
    for (n, (leg, codec)) in [(caller, Codec::Pcmu), (agent, Codec::Pcma)].into_iter().enumerate() {
        plane.command(now, MediaCmd::Create { leg, call: CallId(1), port: n as u16 }, &mut out);
        plane.command(
            now,
            MediaCmd::SetRemote {
                leg,
                spec: MediaSpec { security: security(n), ..spec(addresses[n], codec) },
                via: addresses[n].ip(),
            },
            &mut out,
        );
    }
    plane.command(now, MediaCmd::Bridge { a: caller, b: agent }, &mut out);
    let record = MediaCmd::RecordStart { call: CallId(1), near: caller, far: Some(agent), recording: RecordingId(1) };
    plane.command(now, record, &mut out);
    let slots = [0, 1].map(|n: usize| out.slots[n].expect("a leg"));
    if browser && let Some(suite) = suites[0] {
        plane.handle_rtp(now, slots[0], addresses[0], &mut checked.clone(), &mut out);
        let keys = Said::Keys { leg: caller, association: 1, send: key(suite), receive: key(suite) };
        plane.handshake(now, keys, &mut out);
    }
    let prompt: Arc<[PlayItem]> = vec![
        PlayItem::Clip(Arc::new(Clip::from_pcm("prompt", "en", &[1000; 16_000]))),
        PlayItem::Tone(Tone::Ringback),
        PlayItem::Silence(100),
    ]
    .into();

    let mut buffer = [0u8; 1500];
    let mut send = |plane: &mut Plane, now, n: usize, from, header: rtp::Header, payload: &[u8], out: &mut Counts| {
        let length = rtp::HEADER + payload.len();
        buffer[..rtp::HEADER].copy_from_slice(&header.octets());
        buffer[rtp::HEADER..length].copy_from_slice(payload);
        // The phone's own work does not allocate either. What it did not send is not encrypted.
        let ours = senders[n].as_mut().filter(|_| from == addresses[n] && header.ssrc < 100);
        let length = match ours {
            Some(sender) => sender.protect_rtp(&mut buffer, length).expect("room"),
            None => length,
        };
        plane.handle_rtp(now, slots[n], from, &mut buffer[..length], out);
    };
    let voice = [0x55u8; 160];
    let mut header = [0, 8].map(|pt| rtp::Header {
        marker: false,
        payload_type: pt,
        sequence: 65_000,
        timestamp: 1,
        ssrc: u32::from(pt) + 7,
    });

    // The first second is for warming up: the test harness itself may allocate once.
    let mut before = 0;
    for frame in 0..3000u32 {
        if frame == 50 {
            before = allocations();
        }
        if frame == 2000 {
            // A command may allocate; what it starts may not.
            let paused = allocations();
            let play =
                MediaCmd::Play { leg: caller, id: PlayId(1), items: prompt.clone(), repeat: true, bargeable: false };
            plane.command(now, play, &mut out);
            before += allocations() - paused;
        }
        if browser {
            // The peer's own check, one that is damaged, and a stranger's handshake.
            let mut packet = [0; 128];
            let packet = &mut packet[..checked.len()];
            for (from, damage) in [(addresses[0], 0), (addresses[0], 1), (([6, 6, 6, 6], 6).into(), 22)] {
                packet.copy_from_slice(&checked);
                packet[0] ^= damage;
                packet[40] ^= damage;
                plane.handle_rtp(now, slots[0], from, packet, &mut out);
            }
        }
        for n in 0..2 {
            header[n].sequence = header[n].sequence.wrapping_add(1);
            header[n].timestamp = header[n].timestamp.wrapping_add(160);
            send(&mut plane, now, n, addresses[n], header[n], &voice, &mut out);
            // Another law than agreed first, a late copy, a stranger, a new SSRC each time, garbage, RTCP.
            let other = rtp::Header { payload_type: 8 - header[n].payload_type, ..header[n] };
            send(&mut plane, now, n, addresses[n], other, &voice, &mut out);
            send(&mut plane, now, n, ([6, 6, 6, 6], frame as u16).into(), header[n], &voice, &mut out);
            let forged = rtp::Header { ssrc: frame.wrapping_mul(0x9e37_79b9), ..header[n] };
            send(&mut plane, now, n, addresses[n], forged, &voice, &mut out);
            let garbage = rtp::Header { payload_type: 99, ..header[n] };
            send(&mut plane, now, n, addresses[n], garbage, &voice[..3], &mut out);
            plane.handle_rtcp(now, slots[n], addresses[n], &mut [0x81, 201, 0, 1, 0, 0, 0, 7], &mut out);
        }
        if frame % 50 == 49 {
            let key = rtp::Header { payload_type: 101, sequence: header[0].sequence.wrapping_add(1), ..header[0] };
            send(&mut plane, now, 0, addresses[0], key, &[5, 0x8a, 3, 0x20], &mut out);
            header[0].sequence = key.sequence;
        }
        for _ in 0..20 {
            now += Duration::from_millis(1);
            plane.tick(now, &mut out);
        }
    }
    let counted = allocations() - before;
    assert!(out.rtp > 5500 && out.rtcp > 10 && out.taps > 5500 && out.keys == 60, "all of it happened");
    assert_eq!(counted, 0, "allocations in 60 s of a call");
}

/// The encoder of Opus makes room for each packet anew inside its crate; it is the one part that does.
#[test]
fn no_packet_that_is_decoded_and_encoded_anew_allocates() {
    for (said, heard) in [(Codec::Opus, Codec::G722), (Codec::G722, Codec::Pcma), (Codec::Pcma, Codec::G722)] {
        half_decoded_anew([said, said], heard);
    }
}

/// A peer may use any of the codecs that were agreed on, as it likes.
#[test]
fn nor_do_packets_of_two_codecs_in_turn() {
    half_decoded_anew([Codec::Pcma, Codec::Opus], Codec::G722);
}

/// A call in which the caller speaks in two codecs in turn, and the agent says nothing.
fn half_decoded_anew(said: [Codec; 2], heard: Codec) {
    let (caller, agent) = (LegId(1), LegId(2));
    let addresses: [SocketAddr; 2] = [([10, 0, 0, 1], 4000).into(), ([10, 0, 0, 2], 5000).into()];
    let mut now = Instant::now();
    let mut out = Counts::default();
    let mut plane = Plane::new(1, now);
    for (n, (leg, codec)) in [(caller, said[0]), (agent, heard)].into_iter().enumerate() {
        plane.command(now, MediaCmd::Create { leg, call: CallId(1), port: n as u16 }, &mut out);
        // The speaker takes no sound.
        let direction = if n == 0 { Direction::RecvOnly } else { Direction::SendRecv };
        let spec =
            MediaSpec { accepted: vec![(said[1].payload_type(), said[1])], direction, ..spec(addresses[n], codec) };
        plane.command(now, MediaCmd::SetRemote { leg, spec, via: addresses[n].ip() }, &mut out);
    }
    plane.command(now, MediaCmd::Bridge { a: caller, b: agent }, &mut out);
    let slot = out.slots[0].expect("a leg");
    let mut encoder = Encoder::default();
    let mut counted = 0;
    let mut before = 0;
    for frame in 0..500u32 {
        let said = said[frame as usize % 2];
        let pcm: [i16; 320] = std::array::from_fn(|k| (6000.0 * ((frame * 320 + k as u32) as f32 * 0.04).sin()) as i16);
        let mut packet = [0; rtp::HEADER + MAX_PAYLOAD];
        let octets = encoder.encode(said, Rate::Wide, &pcm, &mut packet[rtp::HEADER..]);
        let header = rtp::Header {
            marker: false,
            payload_type: said.payload_type(),
            sequence: frame as u16,
            timestamp: frame * 20 * said.clock_khz(),
            ssrc: 7,
        };
        packet[..rtp::HEADER].copy_from_slice(&header.octets());
        if frame == 50 {
            (counted, before) = (0, out.rtp);
        }
        let paused = allocations();
        // One packet in ten is lost.
        if frame % 10 != 9 {
            plane.handle_rtp(now, slot, addresses[0], &mut packet[..rtp::HEADER + octets], &mut out);
        }
        for _ in 0..20 {
            now += Duration::from_millis(1);
            plane.tick(now, &mut out);
        }
        counted += allocations() - paused;
    }
    assert!(out.rtp - before > 430, "all of it happened: {}", out.rtp - before);
    assert_eq!(counted, 0, "{said:?} to {heard:?}: allocations in 9 s of a call");
}

#[test]
fn no_packet_of_a_conference_allocates() {
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Pcma];
    let legs = [LegId(1), LegId(2), LegId(3)];
    let addresses: [SocketAddr; 3] = [1, 2, 3].map(|last| ([10, 0, 0, last], 4000).into());
    let mut now = Instant::now();
    let mut out = Counts::default();
    let mut plane = Plane::new(1, now);
    for n in 0..3 {
        plane.command(now, MediaCmd::Create { leg: legs[n], call: CallId(1), port: n as u16 }, &mut out);
        let spec = MediaSpec { accepted: Vec::new(), ..spec(addresses[n], codecs[n]) };
        plane.command(now, MediaCmd::SetRemote { leg: legs[n], spec, via: addresses[n].ip() }, &mut out);
    }
    plane.command(now, MediaCmd::Bridge { a: legs[0], b: legs[1] }, &mut out);
    plane.command(now, MediaCmd::Join { leg: legs[2], to: legs[0], part: Part::Talks }, &mut out);
    let mut before = 0;
    for frame in 0..500u32 {
        if frame == 50 {
            before = allocations();
        }
        for n in 0..3 {
            let header = rtp::Header {
                marker: false,
                payload_type: codecs[n].payload_type(),
                sequence: frame as u16,
                timestamp: frame * 160,
                ssrc: 7 + n as u32,
            };
            let mut packet = [0x55; rtp::HEADER + 160];
            packet[..rtp::HEADER].copy_from_slice(&header.octets());
            // One packet in ten is lost.
            if (frame as usize + n) % 10 != 9 {
                plane.handle_rtp(now, out.slots[n].expect("a leg"), addresses[n], &mut packet, &mut out);
            }
        }
        for _ in 0..20 {
            now += Duration::from_millis(1);
            plane.tick(now, &mut out);
        }
    }
    assert_eq!(allocations() - before, 0, "allocations in 9 s of a conference");
    assert!(out.rtp > 1400, "all of it happened: {}", out.rtp);
}
