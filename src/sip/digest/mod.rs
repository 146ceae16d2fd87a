//! Digest authentication: RFC 7616 with SHA-512-256, SHA-256 and MD5 (RFC 8760), `qop=auth`; challenges of others are
//! answered with `auth-int` too.
//!
//! [`Authenticator`] challenges and verifies, [`Credentials`] answer a challenge. Passwords are needed once, to make an
//! [`Ha1Set`]; only that is stored. Nothing here knows where users come from or what they may do.

mod authenticator;
mod client;
mod hmac;

pub use authenticator::{Authenticator, Verdict, Why};
pub use client::{Credentials, Login, Secret};

pub(crate) use hmac::hmac_sha256;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Sha256,
    Sha512_256,
    Md5,
}

impl Algorithm {
    pub const ALL: [Algorithm; 3] = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256];
    /// Those that we challenge with unless told otherwise, in the order in which we offer them. RFC 8760 2.4 would have the
    /// stronger one first; phones in the field read the first challenge only and give up when it is not MD5, so the one that
    /// all of them know leads.
    pub const OFFERED: [Algorithm; 2] = [Algorithm::Md5, Algorithm::Sha256];

    pub fn token(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512_256 => "SHA-512-256",
            Algorithm::Md5 => "MD5",
        }
    }

    /// Lower-case hex of the hash over `parts` joined by colons: H(A:B:C) of RFC 7616 3.4.
    pub(crate) fn hash(self, parts: &[&[u8]]) -> Hex {
        fn joined<D: Digest>(parts: &[&[u8]]) -> D {
            let mut digest = D::new();
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    digest.update(b":");
                }
                digest.update(part);
            }
            digest
        }
        match self {
            Algorithm::Sha256 => Hex::of(&joined::<Sha256>(parts).finalize()),
            Algorithm::Sha512_256 => Hex::of(&joined::<Sha512_256>(parts).finalize()),
            Algorithm::Md5 => Hex::of(&joined::<Md5>(parts).finalize()),
        }
    }
}

/// H(user:realm:password) in each algorithm: what a store keeps instead of the password. As good as the password for this
/// realm, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1Set {
    md5: String,
    sha256: String,
    /// Hashes that were stored for us may lack it.
    sha512_256: Option<String>,
}

impl Ha1Set {
    pub fn new(user: &str, realm: &str, password: &str) -> Self {
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Self {
            md5: Algorithm::Md5.hash(&parts).as_str().into(),
            sha256: Algorithm::Sha256.hash(&parts).as_str().into(),
            sha512_256: Some(Algorithm::Sha512_256.hash(&parts).as_str().into()),
        }
    }

    /// From stored hex. `None` when a length or digit is wrong.
    pub fn from_hex(md5: &str, sha256: &str, sha512_256: Option<&str>) -> Option<Self> {
        let ok = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
        (ok(md5, 32) && ok(sha256, 64) && sha512_256.is_none_or(|text| ok(text, 64))).then(|| Self {
            md5: md5.to_ascii_lowercase(),
            sha256: sha256.to_ascii_lowercase(),
            sha512_256: sha512_256.map(str::to_ascii_lowercase),
        })
    }

    pub fn md5(&self) -> &str {
        &self.md5
    }

    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// `None` for an algorithm that is not kept.
    pub fn of(&self, algorithm: Algorithm) -> Option<&str> {
        match algorithm {
            Algorithm::Sha256 => Some(&self.sha256),
            Algorithm::Md5 => Some(&self.md5),
            Algorithm::Sha512_256 => self.sha512_256.as_deref(),
        }
    }
}

impl fmt::Debug for Ha1Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1Set(..)")
    }
}

/// What a `response` proves: RFC 7616 3.4.1, or RFC 2617 3.2.2.1 where a challenge offered no `qop`.
pub(crate) struct Proof<'a> {
    pub nonce: &'a [u8],
    /// Nonce count and cnonce.
    pub counted: Option<(&'a [u8], &'a [u8])>,
    pub method: &'a [u8],
    pub uri: &'a [u8],
    /// With `qop=auth-int` the body is proven too.
    pub body: Option<&'a [u8]>,
}

impl Proof<'_> {
    pub(crate) fn response(&self, algorithm: Algorithm, ha1: &str) -> Hex {
        let body = self.body.map(|body| algorithm.hash(&[body]));
        let (ha2, qop) = match &body {
            Some(body) => (algorithm.hash(&[self.method, self.uri, body.as_str().as_bytes()]), &b"auth-int"[..]),
            None => (algorithm.hash(&[self.method, self.uri]), &b"auth"[..]),
        };
        let (ha1, ha2) = (ha1.as_bytes(), ha2.as_str().as_bytes());
        match self.counted {
            Some((nc, cnonce)) => algorithm.hash(&[ha1, self.nonce, nc, cnonce, qop, ha2]),
            None => algorithm.hash(&[ha1, self.nonce, ha2]),
        }
    }
}

/// Hex digits of a hash, without an allocation.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    digits: [u8; 64],
    length: usize,
}

impl Hex {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut digits = [0; 64];
        let length = bytes.len().min(32) * 2;
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[
                b"0123456789abcdef"[(byte >> 4) as usize],
                b"0123456789abcdef"[(byte & 15) as usize],
            ]);
        }
        Self { digits, length }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.length]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
