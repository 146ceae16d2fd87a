//! Values that no log, `Debug` print or API reply may show.

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

fn hex(bytes: &[u8]) -> String {
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
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
    }

    #[test]
    fn two_random_secrets_differ() {
        let (a, b) = (Secret::random(16).unwrap(), Secret::random(16).unwrap());
        assert_eq!(a.expose().len(), 32);
        assert_ne!(a, b);
    }
}
