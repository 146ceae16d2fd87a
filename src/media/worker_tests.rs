//! A worker on real sockets of the loopback: what its neighbours on the network see.

use super::*;
use crate::ids::{CallId, LegId};
use crate::media::ring::{TapNote, tap_rings};
use crate::media::{Clip, PlayId, PlayItem, RecordingId};
use crate::sdp::{Codec, Direction, MediaSpec};
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// Longer than any machine takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Switch {
    worker: Option<WorkerHandle>,
    notices: mpsc::Receiver<MediaNotice>,
    ports: VecDeque<u16>,
    events: VecDeque<MediaEvent>,
}

impl Switch {
    fn new(taps: Option<TapWriter>) -> Self {
        Self::with_ports(PortRange::unused(10), 4, taps)
    }

    fn with_ports(ports: PortRange, ready_ports: usize, taps: Option<TapWriter>) -> Self {
        let (told, notices) = mpsc::channel();
        let config =
            WorkerConfig { id: WorkerId(0), bind: HERE, ports, ready_ports, seed: 1, real_time: false, identity: None };
        let notify: Notify = Arc::new(move |notice| drop(told.send(notice)));
        let worker = spawn(config, Arc::new(Sounds::new(1)), taps, notify).unwrap();
        Self { worker: Some(worker), notices, ports: VecDeque::new(), events: VecDeque::new() }
    }

    fn send(&mut self, command: MediaCmd) {
        let worker = self.worker.as_mut().unwrap();
        worker.send(command).unwrap();
        worker.wake();
    }

    fn listen(&mut self) {
        match self.notices.recv_timeout(PATIENCE).unwrap() {
            MediaNotice::Ports(leases) => self.ports.extend(leases.iter().map(|lease| lease.port)),
            MediaNotice::Event(event) => self.events.push_back(event),
            MediaNotice::Trouble(_, text) => panic!("{text}"),
            MediaNotice::Died(_) => panic!("the worker died"),
        }
    }

    fn lease(&mut self) -> u16 {
        while self.ports.is_empty() {
            self.listen();
        }
        self.ports.pop_front().unwrap()
    }

    /// The next event that `wanted` takes.
    fn event<T>(&mut self, wanted: impl Fn(&MediaEvent) -> Option<T>) -> T {
        loop {
            while let Some(event) = self.events.pop_front() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            self.listen();
        }
    }

    /// A leg and the phone at its other end.
    fn leg(&mut self, id: u64, codec: Codec) -> Phone {
        let port = self.lease();
        let phone = Phone::new(SocketAddr::new(HERE, port), codec);
        self.send(MediaCmd::Create { leg: LegId(id), call: CallId(1), port });
        self.send(MediaCmd::SetRemote { leg: LegId(id), via: phone.spec().remote.ip(), spec: phone.spec() });
        phone
    }
}

struct Phone {
    socket: UdpSocket,
    leg: SocketAddr,
    codec: Codec,
    sequence: u16,
}

#[derive(Debug, PartialEq)]
struct Packet {
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
}

impl Phone {
    fn new(leg: SocketAddr, codec: Codec) -> Self {
        let socket = UdpSocket::bind((HERE, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, leg, codec, sequence: 0 }
    }

    fn spec(&self) -> MediaSpec {
        let remote = self.socket.local_addr().unwrap();
        MediaSpec {
            remote,
            remote_rtcp: SocketAddr::new(HERE, 9),
            rtcp_mux: false,
            codec: self.codec,
            send_pt: self.codec.payload_type(),
            recv_pt: self.codec.payload_type(),
            accepted: vec![(self.codec.payload_type(), self.codec)],
            event_send_pt: None,
            event_recv_pt: None,
            event_khz: 8,
            noise: None,
            direction: Direction::SendRecv,
            ptime_ms: 20,
            security: crate::sdp::Security::Plain,
        }
    }

    fn say(&mut self, octet: u8) {
        let packet = self.packet(octet);
        self.socket.send_to(&packet, self.leg).unwrap();
    }

    fn packet(&mut self, octet: u8) -> Vec<u8> {
        self.sequence += 1;
        let mut packet = vec![0x80, self.codec.payload_type()];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend(0x5eed_u32.to_be_bytes());
        packet.extend([octet; 160]);
        packet
    }

    fn hear(&self) -> Packet {
        let mut buffer = [0; 2048];
        let (len, from) = self.socket.recv_from(&mut buffer).unwrap();
        assert_eq!(from, self.leg, "from the port that was announced");
        let word = |at: usize| u32::from_be_bytes(buffer[at..at + 4].try_into().unwrap());
        Packet {
            payload_type: buffer[1] & 0x7f,
            sequence: word(0) as u16,
            timestamp: word(4),
            ssrc: word(8),
            payload: buffer[12..len].to_vec(),
        }
    }

    /// What is heard up to a packet full of `octet`, which must come within a few seconds of audio.
    fn hear_until(&self, octet: u8) -> Vec<Packet> {
        let mut heard = Vec::new();
        while heard.len() < 500 {
            heard.push(self.hear());
            if heard.last().is_some_and(|packet| packet.payload == [octet; 160]) {
                return heard;
            }
        }
        let octets: Vec<_> = heard.iter().map(|packet| packet.payload[0]).collect();
        panic!("{octet} was not heard in 500 packets: {octets:?}");
    }
}

fn latched(event: &MediaEvent) -> Option<LegId> {
    match event {
        MediaEvent::Latched { leg, .. } => Some(*leg),
        _ => None,
    }
}

#[test]
fn caller_and_agent_hear_each_other_and_nobody_else() {
    let mut switch = Switch::new(None);
    let mut caller = switch.leg(1, Codec::Pcmu);
    let mut agent = switch.leg(2, Codec::Pcmu);
    switch.send(MediaCmd::Bridge { a: LegId(1), b: LegId(2) });
    let stranger = UdpSocket::bind((HERE, 0)).unwrap();
    stranger.set_nonblocking(true).unwrap();
    // Latching may take a few packets of each.
    let mut said = 0;
    while switch.events.iter().filter(|event| latched(event).is_some()).count() < 2 {
        caller.say(1);
        agent.say(2);
        said += 1;
        assert!(said < 1000, "never latched");
        while let Ok(notice) = switch.notices.recv_timeout(Duration::from_millis(20)) {
            if let MediaNotice::Event(event) = notice {
                switch.events.push_back(event);
            }
        }
    }
    // A stranger who has seen a packet sends the very next ones, to both. The phones speak just before and just after:
    // whoever is silent for long is believed to have moved.
    for phone in [&mut caller, &mut agent] {
        phone.say(3);
        let seen = phone.sequence;
        for _ in 0..20 {
            let forged = phone.packet(66);
            stranger.send_to(&forged, phone.leg).unwrap();
        }
        phone.sequence = seen;
    }
    for _ in 0..5 {
        caller.say(11);
        agent.say(22);
    }
    for (phone, octet) in [(&agent, 11), (&caller, 22)] {
        let heard = phone.hear_until(octet);
        assert!(heard.iter().all(|packet| packet.payload[0] != 66), "a third address was heard: {heard:?}");
    }
    assert!(stranger.recv(&mut [0; 2048]).is_err(), "a third address was sent something");
}

#[test]
fn a_prompt_comes_at_fifty_packets_a_second_without_a_gap() {
    let mut switch = Switch::new(None);
    let phone = switch.leg(1, Codec::Pcma);
    let tone: Vec<i16> = (0..8000).map(|n| ((n % 200) * 50) as i16).collect();
    let clip = Arc::new(Clip::from_pcm("x", "en", &tone));
    let items = [PlayItem::Clip(clip.clone())].into();
    switch.send(MediaCmd::Play { leg: LegId(1), id: PlayId(5), items, repeat: false, bargeable: true });
    let first = phone.hear();
    let mut sound = first.payload.clone();
    let mut before = first.timestamp;
    for nth in 1..50u16 {
        let packet = phone.hear();
        assert_eq!(packet.sequence, first.sequence.wrapping_add(nth));
        // More than 160 only where this machine stood still.
        assert!((160..80_000).contains(&packet.timestamp.wrapping_sub(before)));
        assert_eq!((packet.ssrc, packet.payload_type), (first.ssrc, 8));
        before = packet.timestamp;
        sound.extend(packet.payload);
    }
    assert!(sound == clip.pcma[..], "what is heard is what was recorded");
    let done = switch.event(|event| match event {
        MediaEvent::PlayDone { id, heard_ms, stopped, .. } => Some((*id, *heard_ms, *stopped)),
        _ => None,
    });
    assert_eq!(done, (PlayId(5), 1000, false));
}

#[test]
fn many_legs_are_served_in_the_millisecond_rhythm() {
    let mut switch = Switch::with_ports(PortRange::unused(150), 60, None);
    let mut phones: Vec<_> = (0..60).map(|id| switch.leg(id, Codec::Pcmu)).collect();
    for id in 0..60 {
        let items = [PlayItem::Tone(crate::media::Tone::Milliwatt)].into();
        switch.send(MediaCmd::Play { leg: LegId(id), id: PlayId(1), items, repeat: true, bargeable: false });
    }
    // Well past the first measurement; every stream stays whole.
    for phone in &phones {
        let first = phone.hear();
        for nth in 1..30u16 {
            assert_eq!(phone.hear().sequence, first.sequence.wrapping_add(nth));
        }
    }
    assert_eq!(switch.worker.as_ref().unwrap().counters().legs.load(Ordering::Relaxed), 60);
    // And their packets still pass.
    switch.send(MediaCmd::Echo { leg: LegId(7), on: true });
    switch.send(MediaCmd::StopPlay { leg: LegId(7), id: PlayId(1) });
    let phone = &mut phones[7];
    for _ in 0..10 {
        phone.say(99);
    }
    phone.hear_until(99);
}

#[test]
fn a_dropped_leg_reports_and_its_port_comes_back() {
    let mut switch = Switch::new(None);
    let mut seen = std::collections::BTreeSet::new();
    // More legs than the range has ports: each must have come back.
    for id in 0..25 {
        let mut phone = switch.leg(id, Codec::Pcmu);
        seen.insert(phone.leg.port());
        phone.say(1);
        switch.send(MediaCmd::Drop { leg: LegId(id) });
        let report = switch.event(|event| match event {
            MediaEvent::Dropped { leg, report } if *leg == LegId(id) => Some(*report),
            MediaEvent::CreateFailed { .. } => panic!("a leased port was refused"),
            _ => None,
        });
        assert_eq!(report.stray, 0);
    }
    assert!(seen.len() > 2, "a port rests before it is used again");
}

#[test]
fn a_port_that_was_never_leased_is_refused() {
    let mut switch = Switch::new(None);
    switch.send(MediaCmd::Create { leg: LegId(1), call: CallId(1), port: 4 });
    switch.event(|event| matches!(event, MediaEvent::CreateFailed { leg: LegId(1) }).then_some(()));
    let port = switch.lease();
    switch.send(MediaCmd::Create { leg: LegId(1), call: CallId(1), port });
    switch.send(MediaCmd::Create { leg: LegId(2), call: CallId(1), port });
    switch.event(|event| matches!(event, MediaEvent::CreateFailed { leg: LegId(2) }).then_some(()));
}

#[test]
fn what_the_caller_says_reaches_the_recorder_between_start_and_stop() {
    let (mut writers, mut readers) = tap_rings(1, 1024);
    let mut switch = Switch::new(writers.pop());
    let mut phone = switch.leg(1, Codec::Pcmu);
    let recording = RecordingId(9);
    switch.send(MediaCmd::RecordStart { call: CallId(1), near: LegId(1), far: None, recording });
    let TapNote::Open { call, .. } = readers.notes.recv_timeout(PATIENCE).unwrap() else { panic!("opened first") };
    assert_eq!(call, CallId(1));
    let end = Instant::now() + PATIENCE;
    while readers.rings[0].is_empty() && Instant::now() < end {
        phone.say(7);
        std::thread::yield_now();
    }
    assert_eq!(readers.rings[0].pop().unwrap().payload(), [7; 160]);
    switch.send(MediaCmd::Drop { leg: LegId(1) });
    let note = readers.notes.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(note, TapNote::Close { recording: RecordingId(9), .. }), "dropping the caller ends it");
}

#[test]
fn a_worker_that_is_dropped_leaves_no_thread_and_no_socket() {
    let mut switch = Switch::new(None);
    let ports: Vec<_> = (0..6).map(|id| switch.leg(id, Codec::Pcmu).leg.port()).collect();
    let port = ports[0];
    assert!(UdpSocket::bind((HERE, port)).is_err(), "in use");
    switch.worker = None;
    let (first, last) = (*ports.iter().min().unwrap(), *ports.iter().max().unwrap());
    for port in first..=last + 1 {
        assert!(UdpSocket::bind((HERE, port)).is_ok(), "port {port} is still open");
    }
    // Both threads held the way to tell us; when it is closed, they are gone.
    while let Ok(notice) = switch.notices.recv_timeout(PATIENCE) {
        assert!(!matches!(notice, MediaNotice::Trouble(..)), "{notice:?}");
    }
    assert_eq!(switch.notices.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn an_overrun_worker_still_takes_what_ends_a_leg_pauses_a_recording_or_silences_a_supervisor() {
    let mut switch = Switch::new(None);
    // With its ports announced, nothing wakes the worker.
    switch.lease();
    let worker = switch.worker.as_mut().unwrap();
    let echo = || MediaCmd::Echo { leg: LegId(1), on: true };
    let Some(Full(refused)) = (0..2 * MAX_COMMANDS).find_map(|_| worker.send(echo()).err()) else { panic!("refused") };
    assert!(matches!(*refused, MediaCmd::Echo { .. }), "given back for another try");
    let pause = |paused| MediaCmd::RecordPause { recording: RecordingId(1), paused };
    let join = |part| MediaCmd::Join { leg: LegId(1), to: LegId(2), part };
    assert!(worker.send(MediaCmd::Drop { leg: LegId(1) }).is_ok());
    assert!(worker.send(pause(true)).is_ok() && worker.send(join(Part::Listens)).is_ok());
    assert!(worker.send(pause(false)).is_err() && worker.send(join(Part::Talks)).is_err());
}

#[test]
fn a_keeper_that_stands_still_while_it_hands_ports_over_holds_up_no_call() {
    let mut switch = Switch::new(None);
    let mut phone = switch.leg(1, Codec::Pcmu);
    let shared = switch.worker.as_ref().unwrap().shared.clone();
    let standing_still = shared.pairs.lock().unwrap();
    switch.send(MediaCmd::Echo { leg: LegId(1), on: true });
    // What comes before its leg is open is heard by nobody, so it says it again.
    let echoed = (0..500).any(|_| {
        phone.say(0x55);
        phone.hear().payload == [0x55; 160]
    });
    assert!(echoed);
    drop(standing_still);
}
