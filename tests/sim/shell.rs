//! What a media worker is to its plane, without sockets: ports that are leased once, packets handed on, taps counted.

use hotline::ids::CallId;
use hotline::media::{LegSlot, MediaEvent, Plane, PortLease, RecordingId, Side, Sink, TapFrame, WorkerId, rtp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

pub struct Worker {
    pub plane: Plane,
    pub shell: Shell,
}

#[derive(Default)]
pub struct Shell {
    pub id: u16,
    /// Leased to the switch and not open.
    pub leased: BTreeSet<u16>,
    pub open: BTreeMap<u16, LegSlot>,
    slots: BTreeMap<LegSlot, (u16, Option<SocketAddr>)>,
    pub packets: Vec<(u16, SocketAddr, Vec<u8>)>,
    pub events: Vec<MediaEvent>,
    /// Ports whose legs are gone, to be leased again.
    pub returned: Vec<PortLease>,
    pub recordings: BTreeMap<RecordingId, Tape>,
    /// Recordings that began or ended, for the record.
    pub tapes: Vec<(CallId, RecordingId, bool)>,
}

/// What was recorded: packets of each side.
#[derive(Clone, Debug)]
pub struct Tape {
    pub call: CallId,
    pub near: u32,
    pub far: u32,
    pub began: Instant,
    pub ended: Option<Instant>,
}

impl Shell {
    pub fn new(id: u16) -> Shell {
        Shell { id, ..Shell::default() }
    }

    /// A connected socket takes packets only from whom it is connected to.
    pub fn takes(&self, slot: LegSlot, from: SocketAddr) -> bool {
        self.slots.get(&slot).is_some_and(|(_, connected)| connected.is_none_or(|connected| connected == from))
    }
}

impl Sink for Shell {
    fn open(&mut self, slot: LegSlot, port: u16) -> bool {
        assert!(self.leased.remove(&port), "port {port} was opened and not leased");
        self.open.insert(port, slot);
        self.slots.insert(slot, (port, None));
        true
    }

    fn close(&mut self, slot: LegSlot) {
        let (port, _) = self.slots.remove(&slot).expect("an open slot");
        self.open.remove(&port);
        self.returned.push(PortLease { worker: WorkerId(self.id), port });
    }

    fn connect(&mut self, slot: LegSlot, remote: SocketAddr) {
        self.slots.get_mut(&slot).expect("an open slot").1 = Some(remote);
    }

    fn disconnect(&mut self, slot: LegSlot) {
        self.slots.get_mut(&slot).expect("an open slot").1 = None;
    }

    fn send_rtp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]) {
        // RTCP, and not a fax.
        if !rtp::is_rtcp(packet) || packet[0] >> 6 != 2 {
            self.packets.push((self.slots[&slot].0, to, packet.to_vec()));
        }
    }

    // Phones of this world neither read nor send RTCP; `tests/plane` does.
    fn send_rtcp(&mut self, _slot: LegSlot, _to: SocketAddr, _packet: &[u8]) {}

    fn event(&mut self, event: MediaEvent) {
        self.events.push(event);
    }

    fn record_open(&mut self, at: Instant, recording: RecordingId, call: CallId) {
        let tape = Tape { call, near: 0, far: 0, began: at, ended: None };
        assert!(self.recordings.insert(recording, tape).is_none(), "{recording:?} began twice");
        self.tapes.push((call, recording, true));
    }

    fn record_close(&mut self, at: Instant, recording: RecordingId) {
        let tape = self.recordings.get_mut(&recording).expect("a recording that began");
        assert!(tape.ended.replace(at).is_none(), "{recording:?} ended twice");
        self.tapes.push((tape.call, recording, false));
    }

    fn tap(&mut self, frame: TapFrame) {
        let tape = self.recordings.get_mut(&frame.recording).expect("a recording that began");
        assert!(tape.ended.is_none(), "audio for a recording that ended");
        match frame.side {
            Side::Near => tape.near += 1,
            Side::Far => tape.far += 1,
        }
    }
}
