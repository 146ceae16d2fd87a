//! Whether a leg's audio is encrypted, and what its descriptions say about that: the transport of the `m=` line and the
//! attributes that go with it.
//!
//! Keys in a description (RFC 4568) are as secret as the signalling, which is why they are offered over TLS only unless
//! that is asked for. An offer that has them is answered in kind over any transport: to refuse would make nothing safer.
//! Browsers take none of these, but keys from a handshake (`handshake`), so they are offered that.

use super::crypto::{Line, MasterKey, SUITES, Suite};
use super::error::SdpError;
use super::handshake::{Attributes, Handshake, Own, Sha256, Theirs};
use super::parse::{Description, Media};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fmt;

/// What an admin wants of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Plain RTP only.
    Off,
    /// What the peer offers is answered in kind; to a peer on secure signalling we offer encryption and take plain RTP too.
    #[default]
    Optional,
    /// Nothing goes in the clear.
    Required,
    /// Nor that, and we offer keys by a handshake, as to a browser.
    Dtls,
}

/// Transport of an `m=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Avp,
    Avpf,
    Savp,
    Savpf,
    TlsSavp,
    TlsSavpf,
}

/// How our first offer on a leg is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offered {
    Plain,
    /// RTP/AVP with keys beside it: who has no SRTP answers without. RFC 4568 has no such thing; phones do.
    KeysToo,
    Keys,
    /// DTLS-SRTP: who has it has nothing else.
    Handshake,
}

/// A leg's side of the matter.
#[derive(Clone)]
pub struct Protection {
    policy: SrtpPolicy,
    offered: Offered,
    /// Of which our keys are made.
    secret: [u8; 32],
    /// What the last offer and answer agreed on.
    agreed: Option<Agreed>,
    /// What was agreed on when our last description was written: by that every answer to it is judged, as each branch of
    /// a forked call gives its own.
    standing: Option<Agreed>,
    /// Keys made new after a time without them, whose counters are lost (RFC 3711 9.1: no key twice from the start).
    generation: u64,
    used: bool,
    /// `None`: there is no certificate, and no handshake.
    own: Option<Own>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    Plain,
    Keys { tag: u32, suite: Suite },
    Handshake,
}

/// How a stream is protected, in the words of the media plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    #[default]
    Plain,
    /// SRTP with keys from the descriptions.
    Srtp { send: MasterKey, receive: MasterKey },
    /// SRTP with keys that a handshake on the media path gives.
    Handshake(Box<Handshake>),
}

/// What an offered stream asks for, as far as we can do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Plain,
    Keys(Line),
    Handshake(Theirs),
}

impl Transport {
    pub fn of(media: &Media<'_>) -> Option<Self> {
        [Self::Avp, Self::Avpf, Self::Savp, Self::Savpf, Self::TlsSavp, Self::TlsSavpf]
            .into_iter()
            .find(|known| media.transport.eq_ignore_ascii_case(known.name()))
    }

    /// AVPF (RFC 4585) adds feedback that a sender of plain reports may leave out.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Avp => "RTP/AVP",
            Transport::Avpf => "RTP/AVPF",
            Transport::Savp => "RTP/SAVP",
            Transport::Savpf => "RTP/SAVPF",
            Transport::TlsSavp => "UDP/TLS/RTP/SAVP",
            Transport::TlsSavpf => "UDP/TLS/RTP/SAVPF",
        }
    }

    const fn is_secure(self) -> bool {
        !matches!(self, Transport::Avp | Transport::Avpf)
    }

    /// RFC 5764 8.
    const fn is_tls(self) -> bool {
        matches!(self, Transport::TlsSavp | Transport::TlsSavpf)
    }
}

impl Asked {
    fn agreed(&self) -> Agreed {
        match self {
            Asked::Plain => Agreed::Plain,
            Asked::Keys(Line { tag, key }) => Agreed::Keys { tag: *tag, suite: key.suite },
            Asked::Handshake(_) => Agreed::Handshake,
        }
    }

    /// The peer looks for the way itself: what its description says of its address means nothing (RFC 8839 4.2.1.4).
    pub fn checks(&self) -> bool {
        matches!(self, Asked::Handshake(theirs) if theirs.checks())
    }
}

impl Protection {
    /// `secret` must come from the system's random source in production. `private` = nobody on the way can read the
    /// leg's signalling.
    pub fn new(policy: SrtpPolicy, private: bool, secret: [u8; 32]) -> Self {
        let offered = match policy {
            SrtpPolicy::Required | SrtpPolicy::Dtls => Offered::Keys,
            SrtpPolicy::Optional if private => Offered::KeysToo,
            SrtpPolicy::Optional | SrtpPolicy::Off => Offered::Plain,
        };
        Self { policy, offered, secret, agreed: None, standing: None, generation: 0, used: false, own: None }
    }

    /// Handshakes are answered too, with the certificate of that hash. `offered`: the peer is known to want one.
    pub fn with_handshake(self, certificate: Sha256, offered: bool) -> Self {
        if self.policy == SrtpPolicy::Off {
            return self;
        }
        let first = if offered || self.policy == SrtpPolicy::Dtls { Offered::Handshake } else { self.offered };
        Self { offered: first, own: Some(Own::new(certificate, self.secret)), ..self }
    }

    /// Of our first offer's `m=` line.
    pub(super) fn transport(&self) -> Transport {
        match self.offered {
            Offered::Plain | Offered::KeysToo => Transport::Avp,
            Offered::Keys => Transport::Savp,
            Offered::Handshake => Transport::TlsSavpf,
        }
    }

    /// What the peer's offered stream asks for, or why we cannot.
    pub(super) fn asked(&self, description: &Description<'_>, media: &Media<'_>) -> Result<Asked, SdpError> {
        let transport = Transport::of(media).ok_or(SdpError::Transport)?;
        // Older browsers name no TLS in the transport.
        let theirs = Theirs::read(description, media).filter(|_| transport.is_secure() && self.own.is_some());
        match theirs {
            Some(theirs) => return Ok(Asked::Handshake(theirs)),
            None if transport.is_tls() && self.own.is_some() => return Err(SdpError::NoFingerprint),
            None if transport.is_tls() => return Err(SdpError::Transport),
            None => {}
        }
        let line = lines(media).next().filter(|_| self.policy != SrtpPolicy::Off);
        match (line, transport.is_secure(), self.policy) {
            (Some(line), _, _) => Ok(Asked::Keys(line)),
            (None, false, SrtpPolicy::Required | SrtpPolicy::Dtls) => Err(SdpError::Unprotected),
            (None, false, _) => Ok(Asked::Plain),
            (None, true, SrtpPolicy::Off) => Err(SdpError::Transport),
            (None, true, _) => Err(SdpError::NoCommonCrypto),
        }
    }

    /// Agrees to what was asked for.
    pub(super) fn agree(&mut self, asked: &Asked) -> Security {
        self.agreed = Some(asked.agreed());
        match (asked, &mut self.own) {
            (Asked::Keys(Line { key, .. }), _) => {
                self.used = true;
                Security::Srtp { send: self.key(key.suite), receive: *key }
            }
            (Asked::Handshake(theirs), Some(own)) => Security::Handshake(Box::new(own.agree(theirs))),
            // Without a certificate no handshake is agreed to.
            (Asked::Plain | Asked::Handshake(_), _) => Security::Plain,
        }
    }

    /// What the peer's answer to our offer agrees to; taken for agreed by [`Protection::agree`].
    pub(super) fn answered(&self, description: &Description<'_>, media: &Media<'_>) -> Result<Asked, SdpError> {
        let transport = Transport::of(media).ok_or(SdpError::Transport)?;
        if self.offers_handshake() {
            let theirs = Theirs::read(description, media).filter(|_| transport.is_secure());
            return theirs.map(Asked::Handshake).ok_or(SdpError::NoFingerprint);
        }
        // RFC 4568 5.1.3: one line, with the tag of one of ours.
        let offered = self.offered_lines();
        let taken = |line: &Line| offered.iter().any(|ours| ours.tag == line.tag && ours.key.suite == line.key.suite);
        let may_be_plain = match self.standing {
            None => self.offered != Offered::Keys,
            Some(agreed) => agreed == Agreed::Plain,
        };
        match lines(media).find(taken) {
            Some(line) => Ok(Asked::Keys(line)),
            None if may_be_plain && !transport.is_secure() => Ok(Asked::Plain),
            None => Err(SdpError::NoCommonCrypto),
        }
    }

    /// What an answer says to what was asked. `candidate` is where the peer is to send: address, blank, port.
    pub(super) fn write_answer(&mut self, asked: &Asked, candidate: &str) -> Attributes {
        let goes_on = |suite| matches!(self.agreed, Some(Agreed::Keys { suite: before, .. }) if before == suite);
        if matches!(asked, Asked::Keys(line) if self.used && !goes_on(line.key.suite)) {
            self.generation += 1;
        }
        self.standing = Some(asked.agreed());
        match (asked, &mut self.own) {
            (Asked::Keys(Line { tag, key }), _) => {
                let mut lines = Attributes::default();
                Line { tag: *tag, key: self.key(key.suite) }.write(&mut lines.stream);
                lines
            }
            (Asked::Handshake(theirs), Some(own)) => {
                own.offered(theirs);
                own.answer(theirs, candidate)
            }
            (Asked::Plain | Asked::Handshake(_), _) => Attributes::default(),
        }
    }

    /// What an offer of ours says. A peer that wants a handshake wants RTP and RTCP on one port too (RFC 8834 4.5).
    pub(super) fn write_offer(&mut self, candidate: &str) -> Attributes {
        self.standing = self.agreed;
        if let Some(own) = self.own.as_ref().filter(|_| self.offers_handshake()) {
            return own.offer(candidate);
        }
        let mut lines = Attributes::default();
        self.offered_lines().iter().for_each(|line| line.write(&mut lines.stream));
        lines
    }

    /// Whether the offer of ours that stands is of a handshake.
    pub(super) fn offers_handshake(&self) -> bool {
        match self.standing {
            None => self.offered == Offered::Handshake,
            Some(agreed) => agreed == Agreed::Handshake,
        }
    }

    /// The first time all suites, then what was agreed on.
    fn offered_lines(&self) -> Vec<Line> {
        match self.standing {
            Some(Agreed::Keys { tag, suite }) => vec![Line { tag, key: self.key(suite) }],
            None if self.offered != Offered::Plain => {
                SUITES.into_iter().zip(1..).map(|(suite, tag)| Line { tag, key: self.key(suite) }).collect()
            }
            Some(Agreed::Plain | Agreed::Handshake) | None => Vec::new(),
        }
    }

    /// Our own key for a suite: the same as long as its counter of packets goes on.
    fn key(&self, suite: Suite) -> MasterKey {
        let mut dice = ChaCha12Rng::from_seed(self.secret);
        dice.set_stream(self.generation);
        let mut made = MasterKey { suite, key: [0; 16], salt: [0; 14], mki: 0 };
        for each in SUITES {
            dice.fill_bytes(&mut made.key);
            made.salt = [0; 14];
            dice.fill_bytes(&mut made.salt[..each.salt()]);
            if each == suite {
                break;
            }
        }
        made
    }
}

/// The peer's keys that we can use, in its order.
fn lines<'a>(media: &Media<'a>) -> impl Iterator<Item = Line> + use<'a> {
    let section = media.section;
    section.attributes().filter(|(name, _)| name.eq_ignore_ascii_case("crypto")).filter_map(|(_, v)| Line::parse(v))
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").field("policy", &self.policy).field("agreed", &self.agreed).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "protection_tests.rs"]
mod tests;
