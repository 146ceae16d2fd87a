//! The side that challenges. A nonce carries its own time and proof, so a flood of requests without credentials costs no
//! memory; only a nonce with which somebody proved a password is remembered, to refuse a counter seen before.

use super::client::quoted;
use super::{Algorithm, Ha1Set, Proof, hmac_sha256};
use crate::sip::message::digest::Auth;
use crate::sip::message::{HeaderName, Message, UriRef};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Nonces whose counters are followed at once. A phone uses one an hour or so; at about 40 bytes each the table stays
/// under 3 MB. When it is full the oldest is given up together with everything issued before it.
const MAX_FOLLOWED: usize = 65_536;
/// Time, serial and 96 bits of proof.
const NONCE_BYTES: usize = 20;
/// Behind that, as many octets that tell to whom it was given.
const PLACE_BYTES: usize = 4;

pub struct Authenticator {
    realm: String,
    key: [u8; 32],
    ttl: u64,
    /// What is accepted: those that are offered.
    algorithms: Vec<Algorithm>,
    serial: u32,
    followed: BTreeMap<NonceId, Counter>,
    /// Nonces below this that are not followed may have been used and forgotten, so they count as expired.
    floor: NonceId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok {
        user: String,
    },
    /// Answer 401 with [`Authenticator::challenge`]. `stale` tells the client that its nonce is at fault, so that it tries
    /// again by itself (RFC 7616 3.3): not who is known to have the wrong password, which is all that is told.
    Challenge {
        stale: bool,
        why: Why,
    },
}

/// For logs and counters. The answer to the peer is the same for each, so that nobody learns which users exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    NoCredentials,
    /// Digest credentials, and none of them for our realm.
    OtherRealm,
    /// A field is missing, or names an algorithm or qop that was not offered.
    Malformed,
    UnknownUser,
    /// Made for a request to another host.
    WrongUri,
    WrongPassword,
    /// The nonce is not ours, was given to another address, or is too old.
    StaleNonce,
    /// This nonce was used with this counter before.
    Replayed,
}

/// Time and serial of a nonce: ordered by age.
type NonceId = (u32, u32);

/// Counters seen with one nonce: the highest, and the 64 below it, because datagrams overtake each other.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    highest: u32,
    seen: u64,
}

impl Authenticator {
    /// `nonce_ttl` in seconds. `key` proves our nonces; with a new key after a restart clients are told `stale`.
    pub fn new(realm: impl Into<String>, key: [u8; 32], nonce_ttl: u64) -> Self {
        let realm = realm.into();
        let algorithms = Algorithm::OFFERED.to_vec();
        Self { realm, key, ttl: nonce_ttl, algorithms, serial: 0, followed: BTreeMap::new(), floor: (0, 0) }
    }

    /// A reload changed them. A nonce proves its realm, so those of another realm are refused from now on, and phones
    /// are challenged for the new one.
    pub fn reconfigure(&mut self, realm: &str, nonce_ttl: u64, algorithms: &[Algorithm]) {
        self.realm = realm.to_owned();
        self.ttl = nonce_ttl;
        self.algorithms = algorithms.to_vec();
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The `WWW-Authenticate` headers of a 401, one for each algorithm offered. `now` in seconds of a clock that never goes back.
    /// `to` is who is challenged.
    pub fn challenge(
        &mut self,
        now: u64,
        stale: bool,
        offered: &[Algorithm],
        to: IpAddr,
    ) -> Vec<(&'static str, String)> {
        self.serial = self.serial.wrapping_add(1);
        let id = (now as u32, self.serial);
        let nonce = format!("{}{}", self.nonce(id), self.place(id, to));
        let stale = if stale { ", stale=true" } else { "" };
        let realm = quoted(&self.realm);
        let header = |algorithm: Algorithm| {
            let token = algorithm.token();
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={token}, qop=\"auth\"{stale}")
        };
        offered.iter().map(|algorithm| ("WWW-Authenticate", header(*algorithm))).collect()
    }

    /// Checks the `Authorization` for our realm. Takes the same work for a user that does not exist. The request's
    /// `uri` parameter is hashed as given and must name the host that the request is for (RFC 7616 3.4.6); user parts
    /// may differ, as deployed clients leave theirs out.
    ///
    /// A password is looked at only under a nonce that was given to `from`, the very address that the request comes from:
    /// whoever forges an address never sees one, and so neither guesses in its name nor uses up its guesses. A phone whose
    /// address has changed asks once more.
    pub fn verify(
        &mut self,
        now: u64,
        request: &Message,
        from: IpAddr,
        lookup: impl Fn(&str) -> Option<Ha1Set>,
    ) -> Verdict {
        let refused = |why| Verdict::Challenge { stale: false, why };
        let mut seen = false;
        let mut claims = request.credentials(HeaderName::Authorization).filter(|auth| {
            let ours = auth.is_digest() && auth.realm().is_some_and(|realm| realm == self.realm);
            seen |= ours;
            ours
        });
        let Some(claim) = claims.find_map(|auth| Claim::read(&auth, &self.algorithms)) else {
            drop(claims);
            return refused(match request.credentials(HeaderName::Authorization).any(|auth| auth.is_digest()) {
                _ if seen => Why::Malformed,
                true => Why::OtherRealm,
                false => Why::NoCredentials,
            });
        };
        drop(claims);
        if !names_same_host(&claim.uri, request.request_uri()) {
            return refused(Why::WrongUri);
        }
        let Some((id, young)) = self.nonce_id(now, claim.nonce.as_bytes(), from) else {
            return Verdict::Challenge { stale: true, why: Why::StaleNonce };
        };
        let known = lookup(&claim.user);
        let ha1 = known.as_ref().and_then(|set| set.of(claim.algorithm)).unwrap_or("00000000000000000000000000000000");
        let counted = Some((claim.nc.as_bytes(), claim.cnonce.as_bytes()));
        let (nonce, method) = (claim.nonce.as_bytes(), request.method().as_str().as_bytes());
        let proof = Proof { nonce, counted, method, uri: &claim.uri, body: None };
        let expected = proof.response(claim.algorithm, ha1);
        let given = claim.response.to_ascii_lowercase();
        let matches = bool::from(expected.as_str().as_bytes().ct_eq(given.as_bytes()));
        if known.is_none() {
            return refused(Why::UnknownUser);
        }
        if !matches {
            return refused(Why::WrongPassword);
        }
        if !young {
            return Verdict::Challenge { stale: true, why: Why::StaleNonce };
        }
        match self.count(now, id, claim.count) {
            Ok(()) => Verdict::Ok { user: claim.user },
            Err(why) => Verdict::Challenge { stale: true, why },
        }
    }

    fn nonce(&self, id: NonceId) -> String {
        let mut bytes = [0; NONCE_BYTES];
        bytes[..4].copy_from_slice(&id.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&id.1.to_be_bytes());
        let proof = hmac_sha256(&self.key, &[b"nonce", &bytes[..8], self.realm.as_bytes()]);
        bytes[8..].copy_from_slice(&proof[..NONCE_BYTES - 8]);
        super::Hex::of(&bytes).as_str().to_owned()
    }

    fn place(&self, id: NonceId, to: IpAddr) -> String {
        let (time, serial) = (id.0.to_be_bytes(), id.1.to_be_bytes());
        let address = to.to_canonical().to_string();
        let proof = hmac_sha256(&self.key, &[b"place", &time, &serial, address.as_bytes()]);
        super::Hex::of(&proof[..PLACE_BYTES]).as_str().to_owned()
    }

    /// Time and serial of a nonce that is ours and was given to this address, and whether it is young enough.
    fn nonce_id(&self, now: u64, nonce: &[u8], from: IpAddr) -> Option<(NonceId, bool)> {
        let number = |range| u32::from_str_radix(std::str::from_utf8(nonce.get(range)?).ok()?, 16).ok();
        let id = (number(0..8)?, number(8..16)?);
        let proven = nonce.get(..NONCE_BYTES * 2)?;
        let given = nonce.get(NONCE_BYTES * 2..)?;
        let ours = self.nonce(id).as_bytes().ct_eq(proven) & self.place(id, from).as_bytes().ct_eq(given);
        let age = now.checked_sub(u64::from(id.0))?;
        bool::from(ours).then_some((id, age <= self.ttl))
    }

    fn count(&mut self, now: u64, id: NonceId, count: u32) -> Result<(), Why> {
        while let Some((&oldest, _)) = self.followed.first_key_value() {
            let expired = u64::from(oldest.0) + self.ttl < now;
            let full = self.followed.len() >= MAX_FOLLOWED && !self.followed.contains_key(&id);
            if !expired && !full {
                break;
            }
            self.followed.pop_first();
            self.floor = self.floor.max((oldest.0, oldest.1.saturating_add(1)));
        }
        match self.followed.get_mut(&id) {
            Some(counter) => counter.take(count),
            None if id < self.floor => Err(Why::StaleNonce),
            None => self.followed.entry(id).or_default().take(count),
        }
    }
}

/// Without the key.
impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticator({}, {} nonces followed)", self.realm, self.followed.len())
    }
}

#[cfg(test)]
impl Authenticator {
    /// As many proven nonces as are followed at once, all newer than those issued before.
    pub(super) fn fill_for_test(&mut self, now: u64) {
        for _ in 0..MAX_FOLLOWED {
            self.serial += 1;
            assert_eq!(self.count(now, (now as u32, self.serial), 1), Ok(()));
        }
    }
}

impl Counter {
    fn take(&mut self, count: u32) -> Result<(), Why> {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead < 64 { self.seen << ahead } else { 0 } | 1;
            self.highest = count;
            return Ok(());
        }
        let bit = match self.highest - count {
            behind @ 0..64 => 1u64 << behind,
            _ => return Err(Why::Replayed),
        };
        if count == 0 || self.seen & bit != 0 {
            return Err(Why::Replayed);
        }
        self.seen |= bit;
        Ok(())
    }
}

/// What a client says of itself, unescaped and complete.
struct Claim {
    user: String,
    nonce: String,
    uri: Vec<u8>,
    response: String,
    algorithm: Algorithm,
    count: u32,
    nc: String,
    cnonce: String,
}

impl Claim {
    /// `None` when anything is missing or was not offered. Without `qop=auth` a captured answer could be played again.
    fn read(auth: &Auth<'_>, accepted: &[Algorithm]) -> Option<Self> {
        // A user name that is hashed is none that could be looked up; no challenge of ours offers it (RFC 7616 3.4.4).
        let hashed = auth.param("userhash").is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
        if !auth.has_qop("auth") || hashed {
            return None;
        }
        Some(Self {
            user: auth.username()?.into_owned(),
            nonce: auth.nonce()?.into_owned(),
            uri: auth.uri()?.into_owned(),
            response: auth.response()?.into_owned(),
            algorithm: Algorithm::of(auth.algorithm()).filter(|algorithm| accepted.contains(algorithm))?,
            count: auth.nonce_count()?,
            nc: auth.text("nc")?.into_owned(),
            cnonce: auth.cnonce()?.into_owned(),
        })
    }
}

fn names_same_host(claimed: &[u8], request_uri: &[u8]) -> bool {
    match (UriRef::parse(claimed), UriRef::parse(request_uri)) {
        (Ok(a), Ok(b)) if a.is_sip() && b.is_sip() => a.host() == b.host(),
        _ => claimed == request_uri,
    }
}
