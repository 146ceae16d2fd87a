//! Handshakes of DTLS 1.2 (RFC 6347) that give SRTP its keys (RFC 5764). The only file that knows `rtc-dtls`; RTP, SRTP and
//! the checks before it are our own.
//!
//! No packet's way leads through here: a worker hands on the few datagrams of a handshake as [`Note`]s, and what comes of
//! them goes back as [`Said`]. `now` is handed in; random numbers are the crate's, from the system.
//!
//! Both ends show self-made certificates. What makes the peer's good is its fingerprint in the description, which came by
//! the signalling (RFC 8122); any other ends the handshake before keys are made.

use super::screen::Screen;
use crate::events::media::NoKeys;
use crate::ids::LegId;
use crate::sdp::{Fingerprint, Handshake, Hash, MasterKey, Sha256, Suite};
use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use sha1::Digest;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// From the answer on. A browser needs half a second.
const LIMIT: Duration = Duration::from_secs(15);
/// Before it, as not every caller begins with what a 183 describes.
const RINGING: Duration = Duration::from_secs(300);
/// A lost flight is sent again after that. Ours have answers within a round trip, so the second of RFC 6347 4.2.4.1 would be
/// heard as a pause.
const FLIGHT: Duration = Duration::from_millis(400);
/// It doubles with each time up to that, so that the crate's seven times last beyond [`LIMIT`].
const LONGEST_GAP: Duration = Duration::from_millis(3200);
/// How long a peer that lost our last flight is answered.
const AFTERWARDS: Duration = Duration::from_secs(30);
/// RFC 5764 4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Those whose certificates are like ours. RSA would cost many times as much, and nobody needs it.
const CIPHERS: [CipherSuiteId; 2] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
];
const PROFILES: [(SrtpProtectionProfile, Suite); 2] = [
    (SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, Suite::AesGcm128),
    (SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80, Suite::AesCm80),
];

/// What a worker hands on.
#[derive(Debug)]
pub struct Note {
    pub leg: LegId,
    pub association: u32,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// `to` is where the peer is, if that is known.
    Begin {
        handshake: Box<Handshake>,
        to: Option<SocketAddr>,
    },
    /// The call is answered: it is time.
    Answered,
    /// The peer can be reached there.
    Way {
        to: SocketAddr,
    },
    Datagram {
        from: SocketAddr,
        octets: Box<[u8]>,
    },
    /// The leg is gone, or needs none any more.
    End,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Send { leg: LegId, to: SocketAddr, octets: Vec<u8> },
    Keys { leg: LegId, association: u32, send: MasterKey, receive: MasterKey },
    Failed { leg: LegId, association: u32, why: NoKeys },
}

/// Our certificate and its key, of which nothing is kept: it serves as long as the process.
#[derive(Clone)]
pub struct Identity {
    certificate: Certificate,
    provider: Arc<dyn RTCCryptoProvider>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

impl Identity {
    /// A new one, of the curve P-256.
    pub fn make() -> Result<Self, String> {
        let words = |error: &dyn fmt::Display| format!("no certificate for encrypted audio can be made: {error}");
        let provider = rtc_crypto::default_provider().map_err(|error| words(&error))?;
        // A name that says nothing of the machine (RFC 8827 6.5).
        let names = vec!["webrtc".to_string()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto()).map_err(|error| words(&error))?;
        Ok(Self { certificate, provider })
    }

    pub fn fingerprint(&self) -> Sha256 {
        self.certificate.certificate.first().map_or([0; 32], |der| sha2::Sha256::digest(der).into())
    }

    /// For one handshake. `mistaken` is set where the peer shows another certificate than announced.
    fn config(&self, handshake: &Handshake, mistaken: Arc<AtomicBool>) -> Result<HandshakeConfig, Error> {
        let announced = handshake.fingerprints.clone();
        let verify = move |shown: &[Vec<u8>], _: &[_]| {
            let right = shown.first().is_some_and(|der| announced.iter().any(|print| is_of(print, der)));
            mistaken.store(!right, Ordering::Relaxed);
            right.then_some(()).ok_or_else(|| Error::Other("not the certificate that was announced".into()))
        };
        ConfigBuilder::default()
            .with_crypto_provider(self.provider.clone())
            .with_certificates(vec![self.certificate.clone()])
            .with_cipher_suites(CIPHERS.to_vec())
            .with_srtp_protection_profiles(PROFILES.map(|(profile, _)| profile).to_vec())
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // No authority vouches for it; the fingerprint does.
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(verify)))
            .with_flight_interval(FLIGHT)
            .build(handshake.active, Some(PEER))
    }
}

/// Whether the certificate has that fingerprint.
fn is_of(print: &Fingerprint, der: &[u8]) -> bool {
    match print.hash {
        Hash::Sha1 => print.octets == sha1::Sha1::digest(der)[..],
        Hash::Sha256 => print.octets == sha2::Sha256::digest(der)[..],
        Hash::Sha384 => print.octets == sha2::Sha384::digest(der)[..],
        Hash::Sha512 => print.octets == sha2::Sha512::digest(der)[..],
    }
}

/// The crate tells its peers apart by address. Each handshake has one peer, which may move, so all are called the same.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// All handshakes of one worker's legs.
pub struct Handshakes {
    identity: Identity,
    running: BTreeMap<LegId, Running>,
    said: VecDeque<Said>,
}

struct Running {
    association: u32,
    endpoint: Endpoint,
    screen: Screen,
    config: Arc<HandshakeConfig>,
    active: bool,
    /// It is ours to begin, and has not begun, as we do not know yet where the peer is.
    waits: bool,
    /// From a flight to when it is sent again.
    gap: Duration,
    to: Option<SocketAddr>,
    way: Way,
    mistaken: Arc<AtomicBool>,
    /// Another port of the peer's host, which has shown another certificate than the peer's.
    disowned: Option<SocketAddr>,
    /// The peer did or sent what cannot be gone on with.
    broken: bool,
    done: bool,
    ends: Instant,
    /// When it has something to do.
    due: Instant,
}

/// Where the peer's datagrams come from.
enum Way {
    /// Each address that they come from has passed a check.
    Checked,
    /// By its description the peer is at `home`; behind a NAT it is elsewhere on that host.
    Unchecked { home: Option<SocketAddr>, heard: Option<(SocketAddr, Instant)> },
}

/// How long who speaks first, of several on the peer's host, is listened to when it says nothing more.
const SPEAKS: Duration = Duration::from_secs(2);

impl Handshakes {
    pub fn new(identity: Identity) -> Self {
        Self { identity, running: BTreeMap::new(), said: VecDeque::new() }
    }

    /// Handshakes that are under way, or whose last flight may have to be sent again.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub fn handle(&mut self, now: Instant, note: Note) {
        let Note { leg, association, what } = note;
        match what {
            What::Begin { handshake, to } => self.begin(now, leg, &handshake, to),
            What::End => _ = self.running.remove(&leg),
            What::Answered => self.with(now, leg, association, |running| {
                if !running.done {
                    running.ends = now + LIMIT;
                    running.gap = FLIGHT;
                }
                Ok(false)
            }),
            What::Way { to } => self.with(now, leg, association, |running| {
                running.to = Some(to);
                running.start(now)
            }),
            What::Datagram { from, octets } => {
                self.with(now, leg, association, |running| running.hear(now, from, &octets));
            }
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<(LegId, u32)> = self
            .running
            .iter()
            .filter(|(_, running)| running.due <= now)
            .map(|(leg, running)| (*leg, running.association))
            .collect();
        for (leg, association) in due {
            self.with(now, leg, association, |running| {
                running.gap = (running.gap * 2).min(LONGEST_GAP);
                match running.endpoint.handle_timeout(PEER, now) {
                    Ok(()) => Ok(false),
                    Err(_) => running.begin_anew(now),
                }
            });
        }
    }

    /// When [`Handshakes::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.running.values().map(|running| running.due).min()
    }

    pub fn poll(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    fn begin(&mut self, now: Instant, leg: LegId, handshake: &Handshake, to: Option<SocketAddr>) {
        let mistaken = Arc::new(AtomicBool::new(false));
        let association = handshake.association;
        let config = catch_unwind(AssertUnwindSafe(|| self.identity.config(handshake, mistaken.clone())));
        let Ok(Ok(config)) = config else {
            return self.said.push_back(Said::Failed { leg, association, why: NoKeys::Refused });
        };
        let config = Arc::new(config);
        let running = Running {
            association,
            endpoint: endpoint(handshake.active, &config),
            screen: Screen::default(),
            config,
            active: handshake.active,
            waits: handshake.active,
            gap: FLIGHT,
            to,
            way: match handshake.ice {
                Some(_) => Way::Checked,
                None => Way::Unchecked { home: to, heard: None },
            },
            mistaken,
            disowned: None,
            broken: false,
            done: false,
            ends: now + RINGING,
            due: now,
        };
        self.running.insert(leg, running);
        self.with(now, leg, association, |running| running.start(now));
    }

    /// Runs a step of a handshake, and says what it came to.
    fn with(
        &mut self,
        now: Instant,
        leg: LegId,
        association: u32,
        step: impl FnOnce(&mut Running) -> Result<bool, Error>,
    ) {
        let Some(running) = self.running.get_mut(&leg).filter(|running| running.association == association) else {
            return;
        };
        let said = &mut self.said;
        // A fault in the crate ends this handshake and no other.
        let over = catch_unwind(AssertUnwindSafe(|| {
            let stepped = step(running);
            running.broken |= stepped.is_err();
            running.settle(now, leg, stepped.unwrap_or(false), said)
        }));
        let over = over.unwrap_or_else(|_| {
            said.push_back(Said::Failed { leg, association, why: NoKeys::Refused });
            true
        });
        if over {
            self.running.remove(&leg);
        }
    }
}

fn endpoint(active: bool, config: &Arc<HandshakeConfig>) -> Endpoint {
    Endpoint::new(PEER, TransportProtocol::UDP, (!active).then(|| config.clone()))
}

impl Running {
    fn start(&mut self, now: Instant) -> Result<bool, Error> {
        if self.waits && self.to.is_some() {
            self.waits = false;
            self.endpoint.connect(now, PEER, self.config.clone(), None)?;
        }
        Ok(false)
    }

    /// The crate has given up. A peer that was away, or did not listen before it was answered, is there now perhaps.
    fn begin_anew(&mut self, now: Instant) -> Result<bool, Error> {
        self.endpoint = endpoint(self.active, &self.config);
        self.waits = self.active;
        self.gap = FLIGHT;
        self.start(now)
    }

    /// A datagram, if it is of who we shake hands with. `true`: it is complete.
    fn hear(&mut self, now: Instant, from: SocketAddr, octets: &[u8]) -> Result<bool, Error> {
        if self.disowned == Some(from) {
            return Ok(false);
        }
        if let Way::Unchecked { home, heard } = self.way {
            // Only who was spoken to has something to answer.
            if self.active && self.to.is_some_and(|to| to != from) {
                return Ok(false);
            }
            let another = heard.filter(|(known, _)| *known != from);
            let gives_way = |(_, last): (SocketAddr, Instant)| home == Some(from) || now >= last + SPEAKS;
            if another.is_some_and(|known| self.done || !gives_way(known)) {
                return Ok(false);
            }
            if another.is_some() {
                // Another's words are no part of this peer's handshake.
                self.begin_anew(now)?;
            }
            self.way = Way::Unchecked { home, heard: Some((from, now)) };
        }
        self.to = Some(from);
        let read = self.read(now, octets);
        match self.way {
            // A neighbour behind the same NAT, who came first: the peer itself may still come, as long as there is time.
            Way::Unchecked { home, .. } if home != Some(from) && !self.done && self.is_mistaken() => {
                self.mistaken.store(false, Ordering::Relaxed);
                self.disowned = Some(from);
                self.way = Way::Unchecked { home, heard: None };
                self.to = home;
                self.begin_anew(now)?;
                Ok(false)
            }
            _ => read,
        }
    }

    fn is_mistaken(&self) -> bool {
        self.mistaken.load(Ordering::Relaxed)
    }

    /// `true`: it is complete.
    fn read(&mut self, now: Instant, octets: &[u8]) -> Result<bool, Error> {
        if !self.screen.admit(octets) {
            return Err(Error::ErrInvalidPacketLength);
        }
        self.gap = FLIGHT;
        let events = self.endpoint.read(now, PEER, None, BytesMut::from(octets))?;
        Ok(events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)))
    }

    /// Says what a step came to. `true`: it is over.
    fn settle(&mut self, now: Instant, leg: LegId, completed: bool, said: &mut VecDeque<Said>) -> bool {
        let association = self.association;
        while let Some(message) = self.endpoint.poll_transmit() {
            if let Some(to) = self.to {
                said.push_back(Said::Send { leg, to, octets: message.message.to_vec() });
            }
        }
        if completed && !self.done {
            self.done = true;
            self.ends = now + AFTERWARDS;
            said.push_back(match self.keys() {
                Some((send, receive)) => Said::Keys { leg, association, send, receive },
                None => Said::Failed { leg, association, why: NoKeys::Refused },
            });
        }
        // The crate's gap is always the same.
        let again = self.endpoint.poll_timeout(&PEER).filter(|_| !self.done).map(|again| again + self.gap - FLIGHT);
        self.due = again.map_or(self.ends, |again| again.min(self.ends));
        if !self.is_mistaken() && now < self.ends {
            return false;
        }
        let why = match (self.is_mistaken() || self.disowned.is_some(), self.broken) {
            (true, _) => NoKeys::Certificate,
            (false, true) => NoKeys::Refused,
            (false, false) => NoKeys::Unanswered,
        };
        if !self.done {
            said.push_back(Said::Failed { leg, association, why });
        }
        true
    }

    /// Ours and the peer's (RFC 5764 4.2): the keys of client and server, then their salts.
    fn keys(&self) -> Option<(MasterKey, MasterKey)> {
        let state: &State = self.endpoint.get_connection_state(PEER)?;
        let agreed = state.srtp_protection_profile();
        let (_, suite) = PROFILES.into_iter().find(|(profile, _)| *profile == agreed)?;
        let size = suite.salt();
        let material = state.export_keying_material(LABEL, &[], 2 * (16 + size)).ok()?.into_bytes();
        let key = |nth: usize| {
            let mut made = MasterKey { suite, key: [0; 16], salt: [0; 14], mki: 0 };
            made.key.copy_from_slice(material.get(16 * nth..16 * nth + 16)?);
            made.salt.get_mut(..size)?.copy_from_slice(material.get(32 + size * nth..32 + size * (nth + 1))?);
            Some(made)
        };
        let (client, server) = (key(0)?, key(1)?);
        Some(if self.active { (client, server) } else { (server, client) })
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
