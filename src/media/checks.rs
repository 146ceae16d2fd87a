//! Connectivity checks of ICE (RFC 8445 7.3), answered as a lite agent does: who knows the password of the leg is told the
//! address that it is seen at, and whether it chose that way. Consent to go on (RFC 7675) is asked by the same checks.
//!
//! Pure, without allocation. Forged and damaged requests get no answer at all: nobody is answered who was not given the
//! password, so that the port is no amplifier and tells a stranger nothing.

use crate::sdp::Ice;
use crate::stun::{Answer, BINDING_REQUEST, FINGERPRINT, MESSAGE_INTEGRITY, Message, OPTIONAL, USERNAME, Unknown};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const ICE_CONTROLLED: u16 = 0x8029;
/// No agent's request is longer; each one costs a hash of its length.
const MAX_REQUEST: usize = 576;

/// RFC 7983: which datagrams are STUN, and which are of a handshake.
pub fn is_stun(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| *first < 4)
}

pub fn is_dtls(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| (20..64).contains(first))
}

/// Our end of a leg, as its peer's checks name it.
#[derive(Clone)]
pub struct KnownBy {
    ufrag: String,
    keyed: Hmac<Sha1>,
}

impl std::fmt::Debug for KnownBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownBy").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// A check that has to be answered.
#[derive(Debug)]
pub struct Checked {
    pub answer: Answer,
    /// `None`: it was refused. Else the peer can be reached there, and `Some(true)`: it chose this way.
    pub proven: Option<bool>,
}

/// A request that names our end, before its proof is looked at.
pub struct Request<'a> {
    message: Message<'a>,
    /// What the sum is of, and the sum.
    signed: (&'a [u8], &'a [u8]),
    chosen: bool,
    /// The peer thinks that it is for us to choose (RFC 8445 7.3.1.1).
    conflict: bool,
    unknown: Unknown,
}

impl KnownBy {
    pub fn new(ice: &Ice) -> Self {
        // A key longer than a block is hashed first (RFC 2104 2); ours have 24 characters.
        let mut block = [0; 64];
        block.iter_mut().zip(ice.password.bytes()).for_each(|(place, octet)| *place = octet);
        Self { ufrag: ice.ufrag.clone(), keyed: Hmac::new(&block.into()) }
    }

    /// Costs little. `None`: it is no check, or not for this leg.
    pub fn read<'a>(&self, packet: &'a [u8]) -> Option<Request<'a>> {
        let message = Message::read(packet).filter(|message| message.kind == BINDING_REQUEST)?;
        if packet.len() > MAX_REQUEST {
            return None;
        }
        let (mut named, mut signed) = (false, None);
        let (mut chosen, mut conflict, mut unknown) = (false, false, Unknown::default());
        for attribute in message.attributes() {
            let attribute = attribute.ok()?;
            match attribute.kind {
                FINGERPRINT if attribute.is_right_fingerprint() => {}
                FINGERPRINT => return None,
                // RFC 8489 14.5: behind the proof only the fingerprint counts.
                _ if signed.is_some() => {}
                USERNAME => named = self.is_named(attribute.value),
                MESSAGE_INTEGRITY => signed = Some((attribute.before, attribute.value)),
                USE_CANDIDATE => chosen = true,
                ICE_CONTROLLED => conflict = true,
                PRIORITY => {}
                kind if kind < OPTIONAL => unknown.add(kind),
                _ => {}
            }
        }
        Some(Request { message, signed: signed.filter(|_| named)?, chosen, conflict, unknown })
    }

    /// `None`: its sender does not know the password.
    pub fn answer(&self, request: &Request<'_>, from: SocketAddr) -> Option<Checked> {
        let (before, sum) = request.signed;
        // The length in what is signed ends behind the sum (RFC 8489 14.5). It is that of a datagram.
        let length = ((before.len() + 24).saturating_sub(crate::stun::HEADER) as u16).to_be_bytes();
        let expected = self.sum(&[before.get(..2)?, &length, before.get(4..)?]);
        if !bool::from(expected.ct_eq(sum)) {
            return None;
        }
        let transaction = request.message.transaction();
        let (made, proven) = match (request.unknown.is_empty(), request.conflict) {
            (false, _) => (Answer::not_understood(transaction, &request.unknown)?, None),
            (true, true) => (Answer::error(transaction, 487)?, None),
            (true, false) => (Answer::success(transaction, from)?, Some(request.chosen)),
        };
        let answer = made.signed(|octets| self.sum(&[octets]))?.with_fingerprint()?;
        Some(Checked { answer, proven })
    }

    /// RFC 8445 7.2.2: our name, a colon, the peer's.
    fn is_named(&self, name: &[u8]) -> bool {
        name.strip_prefix(self.ufrag.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'))
    }

    fn sum(&self, parts: &[&[u8]]) -> [u8; 20] {
        let mut keyed = self.keyed.clone();
        parts.iter().for_each(|part| keyed.update(part));
        keyed.finalize().into_bytes().into()
    }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
