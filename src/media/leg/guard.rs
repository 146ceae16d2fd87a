//! Encryption of one leg: everything that leaves passes here last, everything that comes passes here first.

use super::Leg;
use crate::media::rtp::MAX_PACKET;
use crate::media::sink::Sink;
use crate::media::srtp::{MAX_OVERHEAD, Receiver, Sender};
use crate::sdp::{MasterKey, Security};
use std::net::SocketAddr;

#[derive(Debug, Default)]
pub(super) enum Guard {
    #[default]
    Plain,
    /// The keys are to come: nothing passes.
    Shut,
    Srtp(Box<Srtp>),
}

/// Each way with the key that it was made of.
#[derive(Debug)]
pub(super) struct Srtp {
    send: (MasterKey, Sender),
    receive: (MasterKey, Receiver),
}

impl Guard {
    /// After an offer/answer. Of a handshake the keys are to come, which is the door's to see to.
    pub fn agree(&mut self, security: &Security) {
        match security {
            Security::Srtp { send, receive } => self.open(send, receive),
            Security::Plain => *self = Guard::Plain,
            Security::Handshake(_) => {}
        }
    }

    /// A way whose key has not changed keeps its counters (RFC 3711 3.3.1: the rollover counter of a key never goes back).
    pub fn open(&mut self, send: &MasterKey, receive: &MasterKey) {
        match self {
            Guard::Plain | Guard::Shut => {
                let (sender, receiver) = (Sender::new(send), Receiver::new(receive));
                *self = Guard::Srtp(Box::new(Srtp { send: (*send, sender), receive: (*receive, receiver) }));
            }
            Guard::Srtp(srtp) => {
                if srtp.send.0 != *send {
                    srtp.send = (*send, Sender::new(send));
                }
                if srtp.receive.0 != *receive {
                    srtp.receive = (*receive, Receiver::new(receive));
                }
            }
        }
    }

    pub fn is_shut(&self) -> bool {
        matches!(self, Guard::Shut)
    }

    /// Whether a packet that was let in is proven to be the peer's.
    pub fn proves(&self) -> bool {
        matches!(self, Guard::Srtp(_))
    }

    /// Hands on what is to be sent, protected if the leg is.
    pub fn protect(&mut self, packet: &[u8], rtcp: bool, send: impl FnOnce(&[u8])) {
        let srtp = match self {
            Guard::Plain => return send(packet),
            Guard::Shut => return,
            Guard::Srtp(srtp) => srtp,
        };
        let mut buffer = [0; MAX_PACKET + MAX_OVERHEAD];
        let Some(room) = buffer.get_mut(..packet.len()) else { return };
        room.copy_from_slice(packet);
        let sender = &mut srtp.send.1;
        let length = match rtcp {
            false => sender.protect_rtp(&mut buffer, packet.len()),
            true => sender.protect_rtcp(&mut buffer, packet.len()),
        };
        if let Some(protected) = length.and_then(|length| buffer.get(..length)) {
            send(protected);
        }
    }
}

impl Leg {
    /// Takes off what protects a datagram. `None` = it is not the peer's, and is counted.
    pub fn admit<'p>(&mut self, packet: &'p mut [u8], rtcp: bool) -> Option<&'p mut [u8]> {
        let srtp = match &mut self.guard {
            Guard::Plain => return Some(packet),
            Guard::Shut => return None,
            Guard::Srtp(srtp) => srtp,
        };
        let receiver = &mut srtp.receive.1;
        let opened = if rtcp { receiver.open_rtcp(packet) } else { receiver.open_rtp(packet) };
        match opened {
            Ok(length) => packet.get_mut(..length),
            Err(_) => {
                self.counts.forged += 1;
                None
            }
        }
    }

    pub(super) fn send_rtcp(&mut self, to: SocketAddr, packet: &[u8], muxed: bool, out: &mut impl Sink) {
        let slot = self.slot;
        self.guard.protect(packet, true, |packet| match muxed {
            true => out.send_rtp(slot, to, packet),
            false => out.send_rtcp(slot, to, packet),
        });
    }
}
