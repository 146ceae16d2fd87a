//! The side that is challenged.

use super::{Algorithm, Ha1Set, Proof};
use crate::sip::message::{HeaderName, Message, digest as fields};
use std::fmt;

/// Challenges answered for one request and those after it: each realm once, and again when its nonce went stale. A server
/// that keeps asking would otherwise keep us trying.
const MAX_ROUNDS: u8 = 4;
const MAX_REALMS: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Password(String),
    /// For one realm only; a challenge of another is answered wrongly, and so refused.
    Ha1(Ha1Set),
}

impl Credentials {
    /// Whether a challenge of this algorithm can be answered.
    fn know(&self, algorithm: Algorithm) -> bool {
        match &self.secret {
            Secret::Password(_) => true,
            Secret::Ha1(set) => set.of(algorithm).is_some(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Credentials with the challenges that they have met, so that later requests of the same call carry them unasked.
#[derive(Clone, Debug)]
pub struct Login {
    credentials: Credentials,
    answers: Vec<Answer>,
    rounds: u8,
}

#[derive(Clone, Debug)]
struct Answer {
    header: HeaderName,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Absent where the challenge offered no qop (RFC 2069): no counter then.
    cnonce: Option<String>,
    /// The body is proven too: the challenge offers nothing but `auth-int`.
    with_body: bool,
    count: u32,
    /// The server took it once, so that a new challenge is about the nonce and not about the password.
    proven: bool,
}

impl Login {
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, answers: Vec::new(), rounds: 0 }
    }

    /// Takes in a 401 or 407. True when sending the request again, with [`Login::headers`], makes sense.
    pub fn take_challenge(&mut self, refusal: &Message, mut cnonce: impl FnMut() -> String) -> bool {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return false;
        }
        let (asked, header) = match refusal.status() {
            407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
            _ => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
        };
        let mut taken: Vec<String> = Vec::new();
        for challenge in refusal.challenges(asked) {
            let (Some(realm), Some(nonce)) = (challenge.realm(), challenge.nonce()) else { continue };
            // The topmost one that we can answer, for each realm (RFC 8760 2.4).
            let algorithm = Algorithm::of(challenge.algorithm()).filter(|algorithm| self.credentials.know(*algorithm));
            let Some(algorithm) = algorithm else { continue };
            let with_body = !challenge.has_qop("auth") && challenge.has_qop("auth-int");
            let counts = challenge.has_qop("auth") || with_body;
            if taken.iter().any(|t| *t == realm) || (challenge.asks_qop() && !counts) || !challenge.is_digest() {
                continue;
            }
            let known = self.answers.iter().position(|a| a.header == header && a.realm == realm);
            // Not every server says `stale` of a nonce that has run out.
            if known.is_some_and(|at| !self.answers[at].proven) && !challenge.stale() {
                return false; // the password was refused
            }
            if known.is_none() && self.answers.len() >= MAX_REALMS {
                return false;
            }
            taken.push(realm.clone().into_owned());
            let answer = Answer {
                header,
                realm: realm.into_owned(),
                nonce: nonce.into_owned(),
                opaque: challenge.opaque().map(Into::into),
                algorithm,
                cnonce: counts.then(&mut cnonce),
                with_body,
                count: 0,
                proven: false,
            };
            match known {
                Some(at) => self.answers[at] = answer,
                None => self.answers.push(answer),
            }
        }
        !taken.is_empty()
    }

    pub fn is_of(&self, credentials: &Credentials) -> bool {
        self.credentials == *credentials
    }

    /// What they proved was accepted: challenges to come are counted anew, as nonces go stale in a long series.
    pub fn accepted(&mut self) {
        self.rounds = 0;
        self.answers.iter_mut().for_each(|answer| answer.proven = true);
    }

    /// The headers for the next request; counts it.
    pub fn headers(&mut self, method: &str, uri: &[u8], body: &[u8]) -> impl Iterator<Item = (HeaderName, String)> {
        let credentials = &self.credentials;
        self.answers.iter_mut().map(move |answer| (answer.header, answer.write(credentials, method, uri, body)))
    }
}

impl Answer {
    fn write(&mut self, credentials: &Credentials, method: &str, uri: &[u8], body: &[u8]) -> String {
        self.count += 1;
        let user = &credentials.user;
        let ha1 = match &credentials.secret {
            Secret::Ha1(set) => set.of(self.algorithm).unwrap_or_default().to_owned(),
            Secret::Password(password) => {
                let parts = [user.as_bytes(), self.realm.as_bytes(), password.as_bytes()];
                self.algorithm.hash(&parts).as_str().to_owned()
            }
        };
        let nc = format!("{:08x}", self.count);
        let counted = self.cnonce.as_ref().map(|cnonce| (nc.as_bytes(), cnonce.as_bytes()));
        let (nonce, body) = (self.nonce.as_bytes(), Some(body).filter(|_| self.with_body));
        let proof = Proof { nonce, counted, method: method.as_bytes(), uri, body }.response(self.algorithm, &ha1);
        let mut text = format!(
            "Digest username={}, realm={}, nonce={}, uri=\"{}\", response=\"{}\", algorithm={}",
            quoted(user),
            quoted(&self.realm),
            quoted(&self.nonce),
            String::from_utf8_lossy(uri),
            proof.as_str(),
            self.algorithm.token(),
        );
        if let Some(cnonce) = &self.cnonce {
            let qop = if self.with_body { "auth-int" } else { "auth" };
            text.push_str(&format!(", cnonce=\"{cnonce}\", qop={qop}, nc={nc}"));
        }
        if let Some(opaque) = &self.opaque {
            text.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        text
    }
}

impl Algorithm {
    pub(crate) fn of(read: fields::Algorithm) -> Option<Self> {
        match read {
            fields::Algorithm::Sha256 => Some(Algorithm::Sha256),
            fields::Algorithm::Md5 => Some(Algorithm::Md5),
            fields::Algorithm::Sha512_256 => Some(Algorithm::Sha512_256),
            fields::Algorithm::Md5Sess
            | fields::Algorithm::Sha256Sess
            | fields::Algorithm::Sha512_256Sess
            | fields::Algorithm::Unknown => None,
        }
    }
}

/// A quoted-string of RFC 3261 25.1; control characters, which none may hold, are left out.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}
