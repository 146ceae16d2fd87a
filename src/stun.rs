//! STUN (RFC 8489): the form of its messages, read with every length checked and written without allocation. Who answers
//! whom is the rooms' own: keep-alives of SIP in `net`, connectivity checks of audio in `media`. Pure.

use std::net::{IpAddr, SocketAddr};

pub const HEADER: usize = 20;
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

pub const BINDING_REQUEST: u16 = 0x0001;
pub const BINDING_SUCCESS: u16 = 0x0101;
pub const BINDING_ERROR: u16 = 0x0111;

pub const USERNAME: u16 = 0x0006;
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
pub const ERROR_CODE: u16 = 0x0009;
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
pub const REALM: u16 = 0x0014;
pub const NONCE: u16 = 0x0015;
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub const FINGERPRINT: u16 = 0x8028;
/// Types below it have to be understood (RFC 8489 14).
pub const OPTIONAL: u16 = 0x8000;

/// No more unknown attributes are named in an answer: it must not be much longer than what it answers.
const MOST_NAMED: usize = 2;
/// The longest answer: an error that names its cause, with integrity and fingerprint.
pub const MAX_ANSWER: usize = 96;

/// A message whose header is right and whose length is the datagram's.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub kind: u16,
    octets: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    pub kind: u16,
    pub value: &'a [u8],
    /// All of the message that stands before it.
    pub before: &'a [u8],
    pub is_last: bool,
}

/// An attribute that does not fit into its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn;

impl<'a> Message<'a> {
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let &[k0, k1, l0, l1, c0, c1, c2, c3, ..] = octets.get(..HEADER)? else { return None };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let whole = length.is_multiple_of(4) && length == octets.len() - HEADER && [c0, c1, c2, c3] == COOKIE;
        whole.then(|| Self { kind: u16::from_be_bytes([k0, k1]), octets })
    }

    /// What the answer repeats, and what addresses are masked with: cookie and transaction.
    pub fn transaction(&self) -> &'a [u8] {
        self.octets.get(4..HEADER).unwrap_or_default()
    }

    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Torn>> + use<'a> {
        let octets = self.octets;
        let mut at = HEADER;
        std::iter::from_fn(move || {
            if at >= octets.len() {
                return None;
            }
            let found = attribute(octets, at);
            at = match &found {
                Some(found) => at + 4 + found.value.len().next_multiple_of(4),
                None => octets.len(),
            };
            Some(found.ok_or(Torn))
        })
    }
}

fn attribute(octets: &[u8], at: usize) -> Option<Attribute<'_>> {
    let &[k0, k1, l0, l1] = octets.get(at..at + 4)? else { return None };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let value = octets.get(at + 4..at + 4 + length)?;
    let end = at + 4 + length.next_multiple_of(4);
    let fits = end <= octets.len();
    fits.then(|| Attribute {
        kind: u16::from_be_bytes([k0, k1]),
        value,
        before: &octets[..at],
        is_last: end == octets.len(),
    })
}

impl Attribute<'_> {
    /// Of a FINGERPRINT: whether it is that of what stands before it, and the last (RFC 8489 14.7).
    pub fn is_right_fingerprint(&self) -> bool {
        self.is_last && self.value == fingerprint_of(self.before)
    }
}

/// The first attributes of a request that have to be understood and are not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unknown {
    named: [u8; 2 * MOST_NAMED],
    octets: usize,
}

impl Unknown {
    pub fn add(&mut self, kind: u16) {
        if let Some(place) = self.named.get_mut(self.octets..self.octets + 2) {
            place.copy_from_slice(&kind.to_be_bytes());
            self.octets += 2;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.octets == 0
    }
}

/// A message that is being written.
#[derive(Clone, Debug)]
pub struct Answer {
    octets: [u8; MAX_ANSWER],
    length: usize,
}

impl Answer {
    /// That the request came from there.
    pub fn success(transaction: &[u8], from: SocketAddr) -> Option<Self> {
        let mut made = Self::begun(BINDING_SUCCESS, transaction)?;
        let (value, size) = mapped(from, transaction);
        made.attribute(XOR_MAPPED_ADDRESS, value.get(..size)?)?;
        Some(made)
    }

    /// `code` by class and number, as 420.
    pub fn error(transaction: &[u8], code: u16) -> Option<Self> {
        let mut made = Self::begun(BINDING_ERROR, transaction)?;
        // Classes go up to 6, numbers to 99.
        made.attribute(ERROR_CODE, &[0, 0, (code / 100) as u8, (code % 100) as u8])?;
        Some(made)
    }

    /// RFC 8489 6.3.1.
    pub fn not_understood(transaction: &[u8], unknown: &Unknown) -> Option<Self> {
        let mut made = Self::error(transaction, 420)?;
        made.attribute(UNKNOWN_ATTRIBUTES, unknown.named.get(..unknown.octets)?)?;
        Some(made)
    }

    fn begun(kind: u16, transaction: &[u8]) -> Option<Self> {
        let mut made = Self { octets: [0; MAX_ANSWER], length: HEADER };
        made.octets[..2].copy_from_slice(&kind.to_be_bytes());
        made.octets.get_mut(4..HEADER).filter(|place| place.len() == transaction.len())?.copy_from_slice(transaction);
        Some(made)
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) -> Option<()> {
        let end = self.length + 4 + value.len().next_multiple_of(4);
        let place = self.octets.get_mut(self.length..end)?;
        place[..2].copy_from_slice(&kind.to_be_bytes());
        // Ours have 20 octets at most.
        place[2..4].copy_from_slice(&(value.len() as u16).to_be_bytes());
        place[4..4 + value.len()].copy_from_slice(value);
        self.length = end;
        self.set_length(0);
        Some(())
    }

    fn set_length(&mut self, more: usize) {
        // Below MAX_ANSWER.
        let length = (self.length - HEADER + more) as u16;
        self.octets[2..4].copy_from_slice(&length.to_be_bytes());
    }

    /// With a MESSAGE-INTEGRITY over what is written so far, by a sum that counts it in the length already (RFC 8489 14.5).
    pub fn signed(mut self, sum: impl FnOnce(&[u8]) -> [u8; 20]) -> Option<Self> {
        self.set_length(24);
        let sum = sum(&self.octets[..self.length]);
        self.attribute(MESSAGE_INTEGRITY, &sum)?;
        Some(self)
    }

    pub fn with_fingerprint(mut self) -> Option<Self> {
        self.set_length(8);
        let check = fingerprint_of(&self.octets[..self.length]);
        self.attribute(FINGERPRINT, &check)?;
        Some(self)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// An address that no NAT rewrites on its way, and its length (RFC 8489 14.2).
fn mapped(address: SocketAddr, transaction: &[u8]) -> ([u8; 20], usize) {
    let mut value = [0; 20];
    let port = address.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    value[2..4].copy_from_slice(&port.to_be_bytes());
    let size = match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            value[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            value[4..].copy_from_slice(&ip.octets());
            20
        }
    };
    value[4..size].iter_mut().zip(transaction).for_each(|(octet, mask)| *octet ^= mask);
    (value, size)
}

/// The CRC-32 of what stands before the attribute, turned so that it is not taken for another protocol's (RFC 8489 14.7).
/// The header's length counts the attribute already.
fn fingerprint_of(before: &[u8]) -> [u8; 4] {
    let crc = before.iter().fold(u32::MAX, |crc, octet| CRC[usize::from(crc as u8 ^ octet)] ^ crc >> 8);
    (!crc ^ 0x5354_554e).to_be_bytes()
}

/// ITU-T V.42, by octets.
static CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_crc_of_what_stands_before() {
        // CRC-32 of "123456789" is cbf43926.
        assert_eq!(fingerprint_of(b"123456789"), (0xcbf4_3926_u32 ^ 0x5354_554e).to_be_bytes());
    }

    #[test]
    fn the_longest_answers_have_room() {
        let transaction = [COOKIE, [1; 4], [2; 4], [3; 4]].concat();
        let mut unknown = Unknown::default();
        (0..9).for_each(|kind| unknown.add(kind));
        let whole = |answer: Option<Answer>| answer?.signed(|_| [7; 20])?.with_fingerprint();
        let refused = whole(Answer::not_understood(&transaction, &unknown)).unwrap();
        let told = whole(Answer::success(&transaction, "[2001:db8::1]:9".parse().unwrap())).unwrap();
        for answer in [refused, told] {
            let message = Message::read(answer.as_bytes()).unwrap();
            assert_eq!(message.transaction(), transaction);
            let last = message.attributes().last().unwrap().unwrap();
            assert!(last.kind == FINGERPRINT && last.is_right_fingerprint());
        }
    }
}
