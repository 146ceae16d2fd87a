//! The seam between the pure plane and its shell: everything the plane wants done in the world, said as calls.
//!
//! The shell keeps one RTP and one RTCP socket per [`LegSlot`] and does what is asked, at once or at the end of its
//! batch, in the order of the calls. No call may block; a send that fails is the shell's to count.

use super::command::{MediaEvent, RecordingId};
use super::handshake::Note;
use super::tap::TapFrame;
use crate::ids::CallId;
use std::net::SocketAddr;
use std::time::Instant;

/// Where a leg lives in the plane. The generation makes a slot that was freed and used again a different one, so a
/// packet that was still queued for the old leg is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegSlot {
    pub index: u32,
    pub generation: u32,
}

pub trait Sink {
    /// A leg was made: the sockets leased as `port` now belong to `slot`, and what they receive goes to
    /// `Plane::handle_rtp` and `handle_rtcp` with that slot. `false` = no such lease; the plane forgets the leg.
    fn open(&mut self, slot: LegSlot, port: u16) -> bool;

    /// The leg is gone; its last packets were sent before this call. Its sockets hear nobody from
    /// here on.
    fn close(&mut self, slot: LegSlot);

    /// The peer's address is proven: connect the RTP socket to it, so that the kernel drops all others.
    fn connect(&mut self, slot: LegSlot, remote: SocketAddr);

    /// The address is to be learned (again): dissolve the connection.
    fn disconnect(&mut self, slot: LegSlot);

    /// On the RTP socket. RTCP too, when the peer multiplexes (RFC 5761).
    fn send_rtp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]);

    /// On the RTCP socket.
    fn send_rtcp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]);

    fn event(&mut self, event: MediaEvent);

    /// For who makes the handshakes. `false` = it has too much to do, or nobody does.
    fn handshake(&mut self, _note: Note) -> bool {
        false
    }

    /// A recording begins; its frames follow by `tap` until `record_close`.
    fn record_open(&mut self, at: Instant, recording: RecordingId, call: CallId);

    /// The recording is complete: by command, or because its near leg was dropped.
    fn record_close(&mut self, at: Instant, recording: RecordingId);

    /// Audio for a recording. A full ring means dropped and counted, never a wait.
    fn tap(&mut self, frame: TapFrame);

    /// A packet was too long to be recorded: counted as those that found the ring full.
    fn tap_lost(&mut self) {}
}
