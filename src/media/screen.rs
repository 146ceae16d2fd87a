//! What of a peer's DTLS datagrams may reach the handshake (RFC 6347 4.1, 4.2.2, 4.2.3). Pure; knows neither keys nor states.
//!
//! Whoever can send to a leg can send these, before anything is proven, and `rtc-dtls` 0.21 believes their lengths: it puts
//! fragments together by calling itself once for each, and keeps those of messages to come without a bound. So what no
//! handshake sends is kept from it, and of the rest no more is let through than a handshake with many losses has.

const RECORD_HEADER: usize = 13;
const MESSAGE_HEADER: usize = 12;
/// RFC 6347 4.1, of a record's types.
const HANDSHAKE: u8 = 22;
/// A chain of certificates fits.
const LONGEST_MESSAGE: usize = 16 * 1024;
/// A client's Finished, after a HelloVerifyRequest and with a certificate, has the number 5.
const MESSAGES: usize = 16;
/// The only message under the new keys is Finished: 24 octets and what the suite adds. A longer one could hide fragments.
const LONGEST_SEALED: usize = 64;
/// A handshake has six, some more where its messages are cut small, and all of a flight again for each loss.
const DATAGRAMS: u16 = 96;
/// Fragments and records of other types, each of which costs memory and a look at all that came before.
const PIECES: u16 = 256;

/// Of one association.
#[derive(Debug)]
pub struct Screen {
    datagrams: u16,
    pieces: u16,
}

impl Default for Screen {
    fn default() -> Self {
        Self { datagrams: DATAGRAMS, pieces: PIECES }
    }
}

impl Screen {
    /// `false`: not part of any handshake, or more than one has.
    pub fn admit(&mut self, datagram: &[u8]) -> bool {
        spend(&mut self.datagrams).and_then(|()| self.records(datagram)).is_some()
    }

    fn records(&mut self, mut rest: &[u8]) -> Option<()> {
        while !rest.is_empty() {
            let (header, after) = rest.split_at_checked(RECORD_HEADER)?;
            let (body, after) = after.split_at_checked(number(header, 11..13)?)?;
            rest = after;
            let is_handshake = header.first() == Some(&HANDSHAKE);
            match number(header, 3..5)? {
                0 if is_handshake => self.fragments(body)?,
                0 => spend(&mut self.pieces)?,
                1 if !is_handshake || body.len() <= LONGEST_SEALED => spend(&mut self.pieces)?,
                _ => return None,
            }
        }
        Some(())
    }

    fn fragments(&mut self, mut rest: &[u8]) -> Option<()> {
        while !rest.is_empty() {
            spend(&mut self.pieces)?;
            let (header, after) = rest.split_at_checked(MESSAGE_HEADER)?;
            let (length, sequence) = (number(header, 1..4)?, number(header, 4..6)?);
            let (offset, size) = (number(header, 6..9)?, number(header, 9..12)?);
            let (_, after) = after.split_at_checked(size)?;
            let is_whole = size == length;
            let in_bounds = length <= LONGEST_MESSAGE && sequence < MESSAGES && offset + size <= length;
            // What follows a part in the same record would be taken for more of it.
            if !in_bounds || (!is_whole && (size == 0 || !after.is_empty())) {
                return None;
            }
            rest = after;
        }
        Some(())
    }
}

fn spend(left: &mut u16) -> Option<()> {
    *left = left.checked_sub(1)?;
    Some(())
}

fn number(octets: &[u8], at: std::ops::Range<usize>) -> Option<usize> {
    Some(octets.get(at)?.iter().fold(0, |number, octet| number << 8 | usize::from(*octet)))
}

#[cfg(test)]
#[path = "screen_tests.rs"]
pub(super) mod tests;
