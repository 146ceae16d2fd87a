//! Values that no log, `Debug` print or API reply may show, and what an extension proves itself with.

use md5::{Digest as _, Md5};
use sha2::Sha256;
use std::fmt;

/// A password or token. `Debug` shows that it is there and nothing else; it has no `Display` and is not `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `octets * 8` bits from the operating system, as lower-case hex.
    pub fn random(octets: usize) -> Result<Self, getrandom::Error> {
        let mut bytes = vec![0; octets];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// H(user:realm:password) for the two digest algorithms (RFC 7616 3.4.2), in lower-case hex as they enter the
/// response. The password itself is not kept. One of them may be unknown when the file gives only the other.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    pub md5: Option<String>,
    pub sha256: Option<String>,
}

impl Ha1 {
    pub fn of(user: &str, realm: &str, password: &Secret) -> Self {
        let text = format!("{user}:{realm}:{}", password.expose());
        Self { md5: Some(hex(&Md5::digest(text.as_bytes()))), sha256: Some(hex(&Sha256::digest(text.as_bytes()))) }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(***)")
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_in_a_debug_print() {
        let shown = format!("{:?} {:?}", Secret::new("hunter2"), Ha1::of("1001", "hotline", &Secret::new("hunter2")));
        assert_eq!(shown, "Secret(***) Ha1(***)");
    }

    /// The user, realm and password of the example in RFC 2617 3.5.
    #[test]
    fn ha1_of_the_rfc_2617_example() {
        let ha1 = Ha1::of("Mufasa", "testrealm@host.com", &Secret::new("Circle Of Life"));
        assert_eq!(ha1.md5.as_deref(), Some("939e7578ed9e3c518a452acee763bce9"));
    }

    #[test]
    fn two_random_secrets_differ() {
        let (a, b) = (Secret::random(16).unwrap(), Secret::random(16).unwrap());
        assert_eq!(a.expose().len(), 32);
        assert_ne!(a, b);
    }
}
