//! SRTP and SRTCP (RFC 3711; AES-GCM by RFC 7714): packets are protected and opened where they lie, without allocation.
//!
//! A [`Sender`] or [`Receiver`] is one direction of one leg under one master key. It knows no leg, address or clock. Key
//! derivation rate 0 and no MKI of ours, as SDES and DTLS-SRTP ask for by default. What fails changes no state: the
//! receiver believes nothing before the tag is right.

use crate::sdp::{MasterKey, Suite};
use aes::Aes128;
use ctr::cipher::{InnerIvInit, KeyInit as _, StreamCipher};
use ctr::{Ctr128BE, CtrCore};
use hmac::{Hmac, Mac};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use sha1::Sha1;
use std::fmt;

/// The most that protection adds to a packet: the SRTCP index and the longest tag.
pub const MAX_OVERHEAD: usize = 4 + 16;
/// Sources told apart under one key. A peer has one, and another while it changes; of more, the longest silent is forgotten.
const SOURCES: usize = 4;
/// RFC 3711 3.3.2: at least 64; this wide, so that packets overtaken on a bad network are not taken for copies.
const WINDOW: u64 = 128;
const FIXED_HEADER: usize = 12;
const RTCP_HEADER: usize = 8;
/// RFC 3711 3.4: set in the index when the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;
/// Tags of SRTCP have 80 bits whatever those of SRTP have (RFC 4568 6.2).
const RTCP_TAG: usize = 10;

/// Why a packet is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrue {
    /// Too short, or its header lies about its length.
    Malformed,
    /// Forged, damaged, or under another key.
    Tag,
    /// Seen before, or too old to tell.
    Replayed,
}

pub struct Sender {
    rtp: Cipher,
    rtcp: Cipher,
    /// RFC 3711 3.3.1: of the one source that a leg sends.
    highest: Option<u64>,
    rtcp_index: u32,
}

pub struct Receiver {
    rtp: Cipher,
    rtcp: Cipher,
    /// Octets of a key identifier before the tag.
    mki: usize,
    sources: [Option<Source>; SOURCES],
    /// Counts what was believed, so that the longest silent source is known.
    turn: u64,
}

#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    turn: u64,
    rtp: Seen,
    rtcp: Seen,
}

/// Indices that were seen: the highest, and which of those below it.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// One above the highest; 0 = none.
    next: u64,
    /// Bit n = `next - 1 - n` was seen.
    below: u128,
}

/// Session keys of RTP or RTCP. Boxed: a key schedule is large, and a leg without protection carries none.
enum Cipher {
    Counter { cipher: Box<Aes128>, auth: Box<Hmac<Sha1>>, salt: [u8; 16], tag: usize },
    Gcm { key: Box<LessSafeKey>, salt: [u8; 12] },
}

#[derive(Clone, Copy)]
enum Kind {
    Rtp,
    Rtcp,
}

impl Sender {
    pub fn new(master: &MasterKey) -> Self {
        let (rtp, rtcp) = (Cipher::derive(master, Kind::Rtp), Cipher::derive(master, Kind::Rtcp));
        Self { rtp, rtcp, highest: None, rtcp_index: 0 }
    }

    /// Protects the RTP packet in the first `length` octets. Gives back how long it has become; `None` = it is no RTP
    /// packet, or there is no room.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let packet = buffer.get(..length)?;
        let (header, ssrc, sequence) = rtp_header(packet)?;
        let index = match self.highest {
            Some(highest) => index_of(sequence, highest)?,
            None => u64::from(sequence),
        };
        self.highest = self.highest.max(Some(index));
        match &self.rtp {
            Cipher::Counter { cipher, auth, salt, tag } => {
                let end = length.checked_add(*tag)?;
                let whole = buffer.get_mut(..end)?;
                counter(cipher, salt, ssrc, index).apply_keystream(&mut whole[header..length]);
                let sum = authenticate(auth, &whole[..length], rollover(index));
                whole[length..].copy_from_slice(&sum[..*tag]);
                Some(end)
            }
            Cipher::Gcm { key, salt } => seal(key, rtp_nonce(salt, ssrc, index), buffer, header, length),
        }
    }

    /// The same for an RTCP packet.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let ssrc = rtcp_ssrc(buffer.get(..length)?)?;
        // RFC 3711 3.4: 31 bits; a leg that sends a report each 5 s gets there after 340 years.
        self.rtcp_index = (self.rtcp_index + 1) & !ENCRYPTED;
        let word = (self.rtcp_index | ENCRYPTED).to_be_bytes();
        match &self.rtcp {
            Cipher::Counter { cipher, auth, salt, .. } => {
                let (index_end, end) = (length + word.len(), length + word.len() + RTCP_TAG);
                let whole = buffer.get_mut(..end)?;
                let index = u64::from(self.rtcp_index);
                counter(cipher, salt, ssrc, index).apply_keystream(&mut whole[RTCP_HEADER..length]);
                whole[length..index_end].copy_from_slice(&word);
                let sum = authenticate(auth, &whole[..index_end], None);
                whole[index_end..].copy_from_slice(&sum[..RTCP_TAG]);
                Some(end)
            }
            Cipher::Gcm { key, salt } => {
                let (head, body) = buffer.split_at_mut_checked(RTCP_HEADER)?;
                let aad = rtcp_aad(head, word)?;
                let content = body.get_mut(..length - RTCP_HEADER)?;
                let nonce = rtcp_nonce(salt, ssrc, self.rtcp_index);
                let sum = key.seal_in_place_separate_tag(nonce, Aad::from(aad), content).ok()?;
                let (tag_end, end) = (length + sum.as_ref().len(), length + sum.as_ref().len() + word.len());
                buffer.get_mut(length..tag_end)?.copy_from_slice(sum.as_ref());
                buffer.get_mut(tag_end..end)?.copy_from_slice(&word);
                Some(end)
            }
        }
    }
}

impl Receiver {
    pub fn new(master: &MasterKey) -> Self {
        let (rtp, rtcp) = (Cipher::derive(master, Kind::Rtp), Cipher::derive(master, Kind::Rtcp));
        Self { rtp, rtcp, mki: usize::from(master.mki), sources: [None; SOURCES], turn: 0 }
    }

    /// Opens the packet where it lies and gives back how long it is without its protection. What is refused may have
    /// been overwritten.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Untrue> {
        let (header, ssrc, sequence) = rtp_header(packet).ok_or(Untrue::Malformed)?;
        let seen = self.source(ssrc).map_or(Seen::default(), |source| source.rtp);
        let index = match seen.next.checked_sub(1) {
            Some(highest) => index_of(sequence, highest).ok_or(Untrue::Replayed)?,
            None => u64::from(sequence),
        };
        if seen.has(index) {
            return Err(Untrue::Replayed);
        }
        let length = match &self.rtp {
            Cipher::Counter { cipher, auth, salt, tag } => {
                let tag_at = packet.len().checked_sub(*tag).ok_or(Untrue::Malformed)?;
                let length = tag_at.checked_sub(self.mki).filter(|end| *end >= header).ok_or(Untrue::Malformed)?;
                let sum = authenticate(auth, &packet[..length], rollover(index));
                if !same(&sum[..*tag], &packet[tag_at..]) {
                    return Err(Untrue::Tag);
                }
                counter(cipher, salt, ssrc, index).apply_keystream(&mut packet[header..length]);
                length
            }
            Cipher::Gcm { key, salt } => {
                let end = packet.len().checked_sub(self.mki).filter(|end| *end >= header).ok_or(Untrue::Malformed)?;
                let (head, body) = packet[..end].split_at_mut(header);
                let content = key
                    .open_in_place(rtp_nonce(salt, ssrc, index), Aad::from(&*head), body)
                    .map_err(|_| Untrue::Tag)?;
                header + content.len()
            }
        };
        self.believed(ssrc).rtp.mark(index);
        Ok(length)
    }

    /// The same for an RTCP packet.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Untrue> {
        let ssrc = rtcp_ssrc(packet).ok_or(Untrue::Malformed)?;
        let tag = match &self.rtcp {
            Cipher::Counter { .. } => RTCP_TAG,
            Cipher::Gcm { .. } => 0,
        };
        let word_end = packet.len().checked_sub(tag + self.mki).ok_or(Untrue::Malformed)?;
        let length = word_end.checked_sub(4).filter(|end| *end >= RTCP_HEADER).ok_or(Untrue::Malformed)?;
        let word: [u8; 4] = packet[length..word_end].try_into().map_err(|_| Untrue::Malformed)?;
        let (encrypted, index) = (u32::from_be_bytes(word) & ENCRYPTED != 0, u32::from_be_bytes(word) & !ENCRYPTED);
        if self.source(ssrc).is_some_and(|source| source.rtcp.has(u64::from(index))) {
            return Err(Untrue::Replayed);
        }
        let length = match &self.rtcp {
            Cipher::Counter { cipher, auth, salt, .. } => {
                let sum = authenticate(auth, &packet[..word_end], None);
                if !same(&sum[..RTCP_TAG], &packet[packet.len() - RTCP_TAG..]) {
                    return Err(Untrue::Tag);
                }
                if encrypted {
                    counter(cipher, salt, ssrc, u64::from(index)).apply_keystream(&mut packet[RTCP_HEADER..length]);
                }
                length
            }
            // RFC 7714 9.3 has a form that is only authenticated; nobody agreed to it.
            Cipher::Gcm { .. } if !encrypted => return Err(Untrue::Tag),
            Cipher::Gcm { key, salt } => {
                let (head, body) = packet[..length].split_at_mut(RTCP_HEADER);
                let aad = rtcp_aad(head, word).ok_or(Untrue::Malformed)?;
                let nonce = rtcp_nonce(salt, ssrc, index);
                RTCP_HEADER + key.open_in_place(nonce, Aad::from(aad), body).map_err(|_| Untrue::Tag)?.len()
            }
        };
        self.believed(ssrc).rtcp.mark(u64::from(index));
        Ok(length)
    }

    fn source(&self, ssrc: u32) -> Option<&Source> {
        self.sources.iter().flatten().find(|source| source.ssrc == ssrc)
    }

    /// The source of a packet whose tag was right; a new one takes the place of the longest silent.
    fn believed(&mut self, ssrc: u32) -> &mut Source {
        self.turn += 1;
        let known = self.sources.iter().position(|place| place.is_some_and(|source| source.ssrc == ssrc));
        let silent = || (0..SOURCES).min_by_key(|at| self.sources[*at].map(|source| source.turn)).unwrap_or(0);
        let place = &mut self.sources[known.unwrap_or_else(silent)];
        if known.is_none() {
            *place = None;
        }
        let source = place.get_or_insert(Source { ssrc, turn: 0, rtp: Seen::default(), rtcp: Seen::default() });
        source.turn = self.turn;
        source
    }
}

impl Seen {
    fn has(self, index: u64) -> bool {
        match self.next.checked_sub(index + 1) {
            None => false,
            Some(back) => back >= WINDOW || self.below >> back & 1 == 1,
        }
    }

    fn mark(&mut self, index: u64) {
        match self.next.checked_sub(index + 1) {
            Some(back) => self.below |= 1u128.checked_shl(u32::try_from(back).unwrap_or(u32::MAX)).unwrap_or(0),
            None => {
                let ahead = u32::try_from(index + 1 - self.next).unwrap_or(u32::MAX);
                self.below = self.below.checked_shl(ahead).unwrap_or(0) | 1;
                self.next = index + 1;
            }
        }
    }
}

impl Cipher {
    /// RFC 3711 4.3: session keys of the master key, by labels 0 to 2 for RTP and 3 to 5 for RTCP.
    fn derive(master: &MasterKey, kind: Kind) -> Self {
        let first = match kind {
            Kind::Rtp => 0,
            Kind::Rtcp => 3,
        };
        let prf = Aes128::new(&master.key.into());
        let keys = |label: u8, made: &mut [u8]| {
            let mut block = [0; 16];
            block[..14].copy_from_slice(&master.salt);
            block[7] ^= label;
            keystream(&prf, block).apply_keystream(made);
        };
        let (mut key, mut salt) = ([0; 16], [0; 16]);
        keys(first, &mut key);
        match master.suite {
            Suite::AesGcm128 => {
                let mut salt = [0; 12];
                keys(first + 2, &mut salt);
                match UnboundKey::new(&AES_128_GCM, &key) {
                    Ok(key) => Cipher::Gcm { key: Box::new(LessSafeKey::new(key)), salt },
                    Err(_) => unreachable!("a key of 16 octets"),
                }
            }
            Suite::AesCm80 | Suite::AesCm32 => {
                let mut auth = [0; 20];
                keys(first + 1, &mut auth);
                keys(first + 2, &mut salt[..14]);
                let tag = if master.suite == Suite::AesCm80 { 10 } else { 4 };
                let auth = Hmac::<Sha1>::new_from_slice(&auth).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
                Cipher::Counter { cipher: Box::new(Aes128::new(&key.into())), auth: Box::new(auth), salt, tag }
            }
        }
    }
}

fn keystream(cipher: &Aes128, block: [u8; 16]) -> Ctr128BE<&Aes128> {
    Ctr128BE::from_core(CtrCore::inner_iv_init(cipher, &block.into()))
}

/// RFC 3711 4.1.1.
fn counter<'c>(cipher: &'c Aes128, salt: &[u8; 16], ssrc: u32, index: u64) -> Ctr128BE<&'c Aes128> {
    let position = u128::from(ssrc) << 64 | u128::from(index) << 16;
    keystream(cipher, (u128::from_be_bytes(*salt) ^ position).to_be_bytes())
}

/// RFC 3711 4.2: over the packet and, for RTP, the rollover counter.
fn authenticate(keyed: &Hmac<Sha1>, packet: &[u8], rollover: Option<u32>) -> [u8; 20] {
    let mut sum = keyed.clone();
    sum.update(packet);
    if let Some(rollover) = rollover {
        sum.update(&rollover.to_be_bytes());
    }
    sum.finalize().into_bytes().into()
}

fn same(ours: &[u8], theirs: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(ours, theirs).into()
}

fn seal(key: &LessSafeKey, nonce: Nonce, buffer: &mut [u8], header: usize, length: usize) -> Option<usize> {
    let (head, body) = buffer.split_at_mut_checked(header)?;
    let sum: Tag = key.seal_in_place_separate_tag(nonce, Aad::from(&*head), body.get_mut(..length - header)?).ok()?;
    let end = length + sum.as_ref().len();
    buffer.get_mut(length..end)?.copy_from_slice(sum.as_ref());
    Some(end)
}

/// RFC 7714 8.1: two zero octets, SSRC, rollover counter, sequence.
fn rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    nonce(salt, u128::from(ssrc) << 48 | u128::from(index & 0xffff_ffff_ffff))
}

/// RFC 7714 9.1: two zero octets, SSRC, two zero octets, index.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    nonce(salt, u128::from(ssrc) << 48 | u128::from(index))
}

fn nonce(salt: &[u8; 12], position: u128) -> Nonce {
    let position = position.to_be_bytes();
    Nonce::assume_unique_for_key(std::array::from_fn(|at| salt[at] ^ position[at + 4]))
}

/// RFC 7714 9.2: the header and the index with its flag.
fn rtcp_aad(head: &[u8], word: [u8; 4]) -> Option<[u8; RTCP_HEADER + 4]> {
    let mut aad = [0; RTCP_HEADER + 4];
    aad[..RTCP_HEADER].copy_from_slice(head.get(..RTCP_HEADER)?);
    aad[RTCP_HEADER..].copy_from_slice(&word);
    Some(aad)
}

/// What stays in the clear, the source and the sequence. Padding is part of what is encrypted and cannot be looked at.
fn rtp_header(packet: &[u8]) -> Option<(usize, u32, u16)> {
    let &[first, _, s0, s1, _, _, _, _, c0, c1, c2, c3, ..] = packet else { return None };
    if first >> 6 != 2 {
        return None;
    }
    let mut header = FIXED_HEADER + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let &[_, _, high, low] = packet.get(header..header + 4)? else { return None };
        header += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    (header <= packet.len()).then_some((header, u32::from_be_bytes([c0, c1, c2, c3]), u16::from_be_bytes([s0, s1])))
}

fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let &[first, _, _, _, c0, c1, c2, c3, ..] = packet else { return None };
    (first >> 6 == 2).then_some(u32::from_be_bytes([c0, c1, c2, c3]))
}

/// RFC 3711 3.3.1: the index nearest to the highest known whose lower half is `sequence`. `None` = before the first.
fn index_of(sequence: u16, highest: u64) -> Option<u64> {
    let step = i64::from(sequence.wrapping_sub(highest as u16) as i16);
    highest.checked_add_signed(step).filter(|index| *index < 1 << 48)
}

fn rollover(index: u64) -> Option<u32> {
    Some((index >> 16) as u32)
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("highest", &self.highest).finish_non_exhaustive()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("turn", &self.turn).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "srtp_tests.rs"]
mod tests;
