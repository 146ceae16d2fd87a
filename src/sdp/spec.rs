//! What an offer and its answer agreed on, in the words of the media plane. No SDP syntax comes past this file.

use super::protection::Security;
use std::net::SocketAddr;

/// An audio codec this switch speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// ITU-T G.711, one octet a sample.
    Pcmu,
    Pcma,
    /// ITU-T G.722 at 64 kbit/s: 16 kHz sound under an RTP clock of 8000 (RFC 3551 4.5.2).
    G722,
    /// RFC 6716, always `opus/48000/2` in descriptions (RFC 7587 4.1).
    Opus,
}

impl Codec {
    /// Those that need the least work first.
    pub const ALL: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];

    /// The static payload type of RFC 3551 table 4, or for Opus the one that most telephones use; we offer these.
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
            Codec::G722 => 9,
            Codec::Opus => 111,
        }
    }

    /// The encoding name of `a=rtpmap`, compared without regard to case (RFC 8866 6.6).
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
        }
    }

    /// Ticks of the RTP clock in a millisecond.
    pub const fn clock_khz(self) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma | Codec::G722 => 8,
            Codec::Opus => 48,
        }
    }

    /// What `a=rtpmap` says after the name.
    pub const fn clock(self) -> &'static str {
        match self {
            Codec::Pcmu | Codec::Pcma | Codec::G722 => "8000",
            Codec::Opus => "48000/2",
        }
    }
}

/// Which way audio flows, from our point of view: `SendOnly` means that the peer listens and says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub const fn from_flags(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    pub const fn may_send(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    pub const fn may_receive(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same stream seen from the other end.
    pub const fn mirrored(self) -> Self {
        Self::from_flags(self.may_receive(), self.may_send())
    }

    /// What is left when both sides' wishes hold (RFC 3264 6.1).
    pub const fn and(self, other: Self) -> Self {
        Self::from_flags(self.may_send() && other.may_send(), self.may_receive() && other.may_receive())
    }
}

/// One leg's audio stream as agreed by the last offer and answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSpec {
    /// Where the peer's SDP says that RTP goes. Behind NAT the packets show another; see the latch.
    pub remote: SocketAddr,
    pub remote_rtcp: SocketAddr,
    /// RTCP shares the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// What we send.
    pub codec: Codec,
    /// The payload type for `codec` in what we send: the one the peer asked for.
    pub send_pt: u8,
    /// The payload type for `codec` in what we receive: the one we told the peer to use.
    pub recv_pt: u8,
    /// Every audio payload type that we may receive.
    pub accepted: Vec<(u8, Codec)>,
    /// telephone-event (RFC 4733), each way; `None` where the peer does not take it.
    pub event_send_pt: Option<u8>,
    pub event_recv_pt: Option<u8>,
    /// Of their durations, in ticks a millisecond: 8, or 48 beside Opus (RFC 4733 2.1).
    pub event_khz: u32,
    /// Comfort noise (RFC 3389), where both agreed to it: the peer may stop sending while nobody speaks.
    pub noise: Option<u8>,
    pub direction: Direction,
    /// Milliseconds of audio in a packet that we send.
    pub ptime_ms: u8,
    pub security: Security,
}
