//! Whether a leg's audio is encrypted, and what its descriptions say about that: the transport of the `m=` line and the
//! attributes that go with it.
//!
//! Keys in a description (RFC 4568) are as secret as the signalling, which is why they are offered over TLS only unless
//! that is asked for. An offer that has them is answered in kind over any transport: to refuse would make nothing safer.

use super::crypto::{Line, MasterKey, SUITES, Suite};
use super::error::SdpError;
use super::parse::Media;
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
}

/// Transport of an `m=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Avp,
    Avpf,
    Savp,
    Savpf,
}

/// How our first offer on a leg is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offered {
    Plain,
    /// RTP/AVP with keys beside it: who has no SRTP answers without. RFC 4568 has no such thing; phones do.
    KeysToo,
    Keys,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    Plain,
    Keys { tag: u32, suite: Suite },
}

/// How a stream is protected, in the words of the media plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    #[default]
    Plain,
    /// SRTP with keys from the descriptions.
    Srtp { send: MasterKey, receive: MasterKey },
}

/// What an offered stream asks for, as far as we can do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Plain,
    Keys(Line),
}

impl Transport {
    pub fn of(media: &Media<'_>) -> Option<Self> {
        [Transport::Avp, Transport::Avpf, Transport::Savp, Transport::Savpf]
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
        }
    }

    const fn is_secure(self) -> bool {
        matches!(self, Transport::Savp | Transport::Savpf)
    }
}

impl Asked {
    fn agreed(self) -> Agreed {
        match self {
            Asked::Plain => Agreed::Plain,
            Asked::Keys(Line { tag, key }) => Agreed::Keys { tag, suite: key.suite },
        }
    }
}

impl Protection {
    /// `secret` must come from the system's random source in production. `private` = nobody on the way can read the
    /// leg's signalling.
    pub fn new(policy: SrtpPolicy, private: bool, secret: [u8; 32]) -> Self {
        let offered = match policy {
            SrtpPolicy::Required => Offered::Keys,
            SrtpPolicy::Optional if private => Offered::KeysToo,
            SrtpPolicy::Optional | SrtpPolicy::Off => Offered::Plain,
        };
        Self { policy, offered, secret, agreed: None, standing: None, generation: 0, used: false }
    }

    /// Of our first offer's `m=` line.
    pub(super) fn transport(&self) -> Transport {
        match self.offered {
            Offered::Plain | Offered::KeysToo => Transport::Avp,
            Offered::Keys => Transport::Savp,
        }
    }

    /// What the peer's offered stream asks for, or why we cannot.
    pub(super) fn asked(&self, media: &Media<'_>) -> Result<Asked, SdpError> {
        let transport = Transport::of(media).ok_or(SdpError::Transport)?;
        let line = lines(media).next().filter(|_| self.policy != SrtpPolicy::Off);
        match (line, transport.is_secure(), self.policy) {
            (Some(line), _, _) => Ok(Asked::Keys(line)),
            (None, false, SrtpPolicy::Required) => Err(SdpError::Unprotected),
            (None, false, _) => Ok(Asked::Plain),
            (None, true, SrtpPolicy::Off) => Err(SdpError::Transport),
            (None, true, _) => Err(SdpError::NoCommonCrypto),
        }
    }

    /// Agrees to what was asked for.
    pub(super) fn agree(&mut self, asked: Asked) -> Security {
        self.agreed = Some(asked.agreed());
        match asked {
            Asked::Plain => Security::Plain,
            Asked::Keys(Line { key, .. }) => {
                self.used = true;
                Security::Srtp { send: self.key(key.suite), receive: key }
            }
        }
    }

    /// What the peer's answer to our offer agrees to; taken for agreed by [`Protection::agree`].
    pub(super) fn answered(&self, media: &Media<'_>) -> Result<Asked, SdpError> {
        let transport = Transport::of(media).ok_or(SdpError::Transport)?;
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

    /// The attributes of the stream in an answer to what was asked.
    pub(super) fn write_answer(&mut self, asked: Asked, text: &mut String) {
        let goes_on = |suite| matches!(self.agreed, Some(Agreed::Keys { suite: before, .. }) if before == suite);
        if matches!(asked, Asked::Keys(line) if self.used && !goes_on(line.key.suite)) {
            self.generation += 1;
        }
        self.standing = Some(asked.agreed());
        if let Asked::Keys(Line { tag, key }) = asked {
            Line { tag, key: self.key(key.suite) }.write(text);
        }
    }

    /// The attributes of the stream in an offer of ours.
    pub(super) fn write_offer(&mut self, text: &mut String) {
        self.standing = self.agreed;
        self.offered_lines().iter().for_each(|line| line.write(text));
    }

    /// The first time all suites, then what was agreed on.
    fn offered_lines(&self) -> Vec<Line> {
        match self.standing {
            Some(Agreed::Keys { tag, suite }) => vec![Line { tag, key: self.key(suite) }],
            None if self.offered != Offered::Plain => {
                SUITES.into_iter().zip(1..).map(|(suite, tag)| Line { tag, key: self.key(suite) }).collect()
            }
            Some(Agreed::Plain) | None => Vec::new(),
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
