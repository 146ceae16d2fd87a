//! Keys from a handshake on the media path (DTLS-SRTP, RFC 5763 and 5764), the way there (ICE, RFC 8445 and 8839) and the
//! group of streams that share it (RFC 8843): what descriptions say of them.
//!
//! We are a lite agent of ICE with one candidate, the leg's own port: the peer checks, we answer. A peer without ICE, as
//! some desk phones are, is found like any other.

use super::parse::{Description, Media, Section};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fmt::{self, Write as _};

/// SHA-256 of a certificate.
pub type Sha256 = [u8; 32];

/// Of a peer's fingerprints; a certificate has one, and one is to match.
const MAX_FINGERPRINTS: usize = 8;
/// Longer names are not repeated. Browsers count from 0.
const MAX_MID: usize = 32;
/// RFC 8842 4: 20 to 255.
const MAX_TLS_ID: usize = 255;
/// Streams of our random source, apart from those of SRTP keys.
const ICE_STREAMS: u64 = 1 << 63;

/// What the media plane has to know before the keys come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Another number is another handshake. The keys of the same go on (RFC 8842 3.1).
    pub association: u32,
    /// We begin it.
    pub active: bool,
    /// The certificate that the peer will show has one of them.
    pub fingerprints: Vec<Fingerprint>,
    /// `None`: the peer makes no checks, and is where its description says.
    pub ice: Option<Ice>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    pub hash: Hash,
    pub octets: Vec<u8>,
}

/// RFC 8122 5, by strength. MD5 and MD2 are not allowed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// By which one end is known in connectivity checks.
#[derive(Clone, PartialEq, Eq)]
pub struct Ice {
    pub ufrag: String,
    pub password: String,
}

impl fmt::Debug for Ice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ice").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

impl Hash {
    const ALL: [(Hash, &'static str, usize); 4] = [
        (Hash::Sha1, "sha-1", 20),
        (Hash::Sha256, "sha-256", 32),
        (Hash::Sha384, "sha-384", 48),
        (Hash::Sha512, "sha-512", 64),
    ];
}

/// What a stream says of its handshake, as far as it is usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Theirs {
    fingerprints: Vec<Fingerprint>,
    setup: Setup,
    /// Of its association (RFC 8842 4): another is a new one, though the certificate is the same.
    tls_id: Option<String>,
    /// What it is known by, where it makes checks.
    ice: Option<Ice>,
    mid: Option<String>,
    /// The stream is in a group (RFC 8843).
    bundled: bool,
}

/// RFC 4145 4: who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    Active,
    Passive,
    /// `actpass`, what nobody offers on this path (`holdconn`), and nothing at all.
    Either,
}

impl Theirs {
    /// `None` without a fingerprint that can be compared.
    pub fn read(description: &Description<'_>, media: &Media<'_>) -> Option<Theirs> {
        let session = description.session;
        let attribute = |name| media.section.attribute(name).or_else(|| session.attribute(name));
        let mut fingerprints = fingerprints(media.section);
        if fingerprints.is_empty() {
            fingerprints = self::fingerprints(session);
        }
        // RFC 8122 5: those of the strongest hash are the ones that count.
        let strongest = fingerprints.iter().map(|print| print.hash).max()?;
        fingerprints.retain(|print| print.hash == strongest);
        let setup = match attribute("setup") {
            Some(word) if word.eq_ignore_ascii_case("active") => Setup::Active,
            Some(word) if word.eq_ignore_ascii_case("passive") => Setup::Passive,
            Some(_) | None => Setup::Either,
        };
        let tls_id = attribute("tls-id").filter(|id| id.len() <= MAX_TLS_ID).map(str::to_owned);
        let known_by = attribute("ice-ufrag").zip(attribute("ice-pwd"));
        let ice = known_by.map(|(ufrag, password)| Ice { ufrag: ufrag.into(), password: password.into() });
        // Of two lite agents neither checks (RFC 8445 6.1.1).
        let ice = ice.filter(|_| session.attribute("ice-lite").is_none());
        let mid = mid(media);
        let group = |(name, value): (&str, &str)| {
            let mut words = value.split_ascii_whitespace();
            name.eq_ignore_ascii_case("group")
                && words.next().is_some_and(|kind| kind.eq_ignore_ascii_case("BUNDLE"))
                && words.any(|word| Some(word) == mid.as_deref())
        };
        let bundled = session.attributes().any(group);
        Some(Theirs { fingerprints, setup, tls_id, ice, mid, bundled })
    }

    pub fn checks(&self) -> bool {
        self.ice.is_some()
    }
}

/// The stream's name, if it can be repeated.
pub(super) fn mid(media: &Media<'_>) -> Option<String> {
    let mid = media.section.attribute("mid").filter(|mid| (1..=MAX_MID).contains(&mid.len()))?;
    mid.bytes().all(|octet| octet.is_ascii_graphic()).then(|| mid.into())
}

fn fingerprints(section: Section<'_>) -> Vec<Fingerprint> {
    section.attributes().filter_map(fingerprint).take(MAX_FINGERPRINTS).collect()
}

fn fingerprint((name, value): (&str, &str)) -> Option<Fingerprint> {
    let (hash, digits) = value.split_once(' ').filter(|_| name.eq_ignore_ascii_case("fingerprint"))?;
    let (hash, _, size) = Hash::ALL.into_iter().find(|(_, known, _)| hash.eq_ignore_ascii_case(known))?;
    let mut octets = Vec::with_capacity(size);
    for pair in digits.trim().split(':') {
        let hexadecimal = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        octets.push(u8::from_str_radix(pair, 16).ok().filter(|_| hexadecimal && octets.len() < size)?);
    }
    (octets.len() == size).then_some(Fingerprint { hash, octets })
}

/// A leg's side: its certificate, and what its handshakes have come to.
#[derive(Clone)]
pub(super) struct Own {
    certificate: Sha256,
    /// Of which what we are known by is made.
    secret: [u8; 32],
    association: u32,
    /// With whom the association is, and in what role.
    with: Option<With>,
    /// What the peer is known by, and how often it began its checks anew.
    ice: Option<Ice>,
    restarts: u64,
    mid: Option<String>,
    bundled: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct With {
    fingerprints: Vec<Fingerprint>,
    tls_id: Option<String>,
    active: bool,
}

/// Lines of a description, above its streams and below ours.
#[derive(Default)]
pub(super) struct Attributes {
    pub session: String,
    pub stream: String,
}

impl Own {
    /// Our own first offer names its stream 0 and groups it with itself, as a browser would.
    pub fn new(certificate: Sha256, secret: [u8; 32]) -> Self {
        Self {
            certificate,
            secret,
            association: 0,
            with: None,
            ice: None,
            restarts: 0,
            mid: Some("0".into()),
            bundled: true,
        }
    }

    /// The peer offers: before our answer is written.
    pub fn offered(&mut self, theirs: &Theirs) {
        // RFC 8839 4.4.1.1.1: who begins its checks anew is given new names for them too.
        if self.ice.is_some() && theirs.ice != self.ice {
            self.restarts += 1;
        }
        (self.mid, self.bundled) = (theirs.mid.clone(), theirs.bundled);
    }

    /// What was agreed on.
    pub fn agree(&mut self, theirs: &Theirs) -> Handshake {
        let active = self.is_active(theirs);
        let with = With { fingerprints: theirs.fingerprints.clone(), tls_id: theirs.tls_id.clone(), active };
        if self.with.as_ref() != Some(&with) {
            self.association += 1;
            self.with = Some(with);
        }
        self.ice.clone_from(&theirs.ice);
        Handshake {
            association: self.association,
            active,
            fingerprints: theirs.fingerprints.clone(),
            ice: theirs.ice.as_ref().map(|_| self.known_by()),
        }
    }

    /// Who may choose and has chosen keeps its role, or the keys would not go on (RFC 8842 5.3).
    fn is_active(&self, theirs: &Theirs) -> bool {
        match theirs.setup {
            Setup::Active => false,
            Setup::Passive => true,
            Setup::Either => self.with.as_ref().is_some_and(|with| {
                with.active && with.fingerprints == theirs.fingerprints && with.tls_id == theirs.tls_id
            }),
        }
    }

    pub fn answer(&self, theirs: &Theirs, candidate: &str) -> Attributes {
        let setup = if self.is_active(theirs) { "active" } else { "passive" };
        self.attributes(setup, theirs.checks(), candidate)
    }

    pub fn offer(&self, candidate: &str) -> Attributes {
        // To a peer that makes no checks none are offered again.
        self.attributes("actpass", self.with.is_none() || self.ice.is_some(), candidate)
    }

    /// `candidate` is the address and the port of the leg, with a blank between.
    fn attributes(&self, setup: &str, ice: bool, candidate: &str) -> Attributes {
        let Attributes { mut session, mut stream } = Attributes::default();
        // Writing to a String cannot fail; each result is dropped for that reason.
        if let Some(mid) = &self.mid {
            let _ = write!(stream, "a=mid:{mid}\r\n");
            if self.bundled {
                let _ = write!(session, "a=group:BUNDLE {mid}\r\n");
            }
        }
        let digits: Vec<String> = self.certificate.iter().map(|octet| format!("{octet:02X}")).collect();
        let _ = write!(stream, "a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n", digits.join(":"));
        if ice {
            session.push_str("a=ice-lite\r\n");
            let Ice { ufrag, password } = self.known_by();
            let _ = write!(stream, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n");
            // RFC 8445 5.1.2.1: the highest preferences, for the only candidate.
            let _ = write!(stream, "a=candidate:1 1 udp 2130706431 {candidate} typ host\r\na=end-of-candidates\r\n");
        }
        Attributes { session, stream }
    }

    /// RFC 8839 5.4: 24 bits of chance at least for the one, 128 for the other.
    fn known_by(&self) -> Ice {
        const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut dice = ChaCha12Rng::from_seed(self.secret);
        dice.set_stream(ICE_STREAMS | self.restarts);
        let mut word = |length| (0..length).map(|_| char::from(CHARACTERS[dice.next_u32() as usize % 64])).collect();
        Ice { ufrag: word(8), password: word(24) }
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
pub(super) mod tests;
