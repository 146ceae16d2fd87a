//! Keys of SRTP in a description: `a=crypto` (RFC 4568; AES-GCM by RFC 7714 14).

use std::fmt::{self, Write as _};

/// How a stream is encrypted and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES in counter mode with 128 bits, HMAC-SHA1 cut to 80 bits: what every phone has.
    AesCm80,
    /// The same with tags of 32 bits.
    AesCm32,
    AesGcm128,
}

/// In the order in which we offer them: what most phones have first, as some take the first line or nothing.
pub const SUITES: [Suite; 3] = [Suite::AesCm80, Suite::AesGcm128, Suite::AesCm32];

impl Suite {
    pub const fn name(self) -> &'static str {
        match self {
            Suite::AesCm80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AesGcm128 => "AEAD_AES_128_GCM",
        }
    }

    /// Octets of the master salt.
    pub const fn salt(self) -> usize {
        match self {
            Suite::AesCm80 | Suite::AesCm32 => 14,
            Suite::AesGcm128 => 12,
        }
    }
}

/// The key that one side sends with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey {
    pub suite: Suite,
    pub key: [u8; 16],
    /// Zero behind the suite's own length.
    pub salt: [u8; 14],
    /// Octets of key identifier in each packet; 0 = none.
    pub mki: u8,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// One usable `a=crypto` of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub tag: u32,
    pub key: MasterKey,
}

impl Line {
    /// `None` for what we cannot use: another suite, several keys, or a parameter that changes what is sent (RFC 4568
    /// 6.3.7; one that begins with `-` may be ignored).
    pub fn parse(value: &str) -> Option<Line> {
        let mut parts = value.split_ascii_whitespace();
        let tag = parts.next().filter(|tag| (1..=9).contains(&tag.len()))?.parse().ok()?;
        let suite = parts.next()?;
        let suite = SUITES.into_iter().find(|known| suite.eq_ignore_ascii_case(known.name()))?;
        let key = key(suite, parts.next()?)?;
        let ignorable = |param: &str| param.starts_with('-') || param.starts_with("WSH=");
        parts.all(ignorable).then_some(Line { tag, key })
    }

    pub fn write(&self, text: &mut String) {
        let mut octets = [0; 30];
        octets[..16].copy_from_slice(&self.key.key);
        octets[16..].copy_from_slice(&self.key.salt);
        // Writing to a String cannot fail.
        let _ = write!(text, "a=crypto:{} {} inline:", self.tag, self.key.suite.name());
        encode(&octets[..16 + self.key.suite.salt()], text);
        text.push_str("\r\n");
    }
}

/// `inline:<key and salt in base64>[|lifetime][|MKI:length]`. The lifetime is not kept to: a call ends long before 2^31
/// packets, and who wants fewer sends a new key in time.
fn key(suite: Suite, param: &str) -> Option<MasterKey> {
    const METHOD: &str = "inline:";
    let inline = param.get(..METHOD.len()).filter(|method| method.eq_ignore_ascii_case(METHOD)).map(|_| METHOD.len());
    let mut parts = param.get(inline?..)?.split('|');
    let mut octets = [0; 30];
    let length = 16 + suite.salt();
    decode(parts.next()?, octets.get_mut(..length)?)?;
    let mut mki = 0;
    for part in parts {
        match part.split_once(':') {
            // Its packets carry the identifier; with one key its value says nothing.
            Some((_, size)) => mki = size.parse().ok().filter(|size| (1..=128).contains(size))?,
            None => _ = part.strip_prefix("2^").unwrap_or(part).parse::<u64>().ok()?,
        }
    }
    let (mut key, mut salt) = ([0; 16], [0; 14]);
    key.copy_from_slice(&octets[..16]);
    salt.copy_from_slice(&octets[16..]);
    Some(MasterKey { suite, key, salt, mki })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648 4).
fn encode(octets: &[u8], text: &mut String) {
    for chunk in octets.chunks(3) {
        let group = chunk.iter().fold(0, |group, octet| group << 8 | u32::from(*octet)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * place) & 0x3f) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
}

/// Fills `octets` exactly. The padding may be missing: some phones leave it out.
fn decode(text: &str, octets: &mut [u8]) -> Option<()> {
    let digits = text.trim_end_matches('=').as_bytes();
    if digits.len() != (octets.len() * 8).div_ceil(6) {
        return None;
    }
    let (mut held, mut bits, mut filled) = (0u32, 0, octets.iter_mut());
    for digit in digits {
        let value = ALPHABET.iter().position(|known| known == digit)?;
        // Below 64.
        held = held << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            *filled.next()? = (held >> bits & 0xff) as u8;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 4568 9.1.
    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn a_line_that_is_read_is_written_the_same() {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
        let line = Line::parse(&value).unwrap();
        assert_eq!(line.key.key, *b"YS___semctl () {");
        let mut text = String::new();
        line.write(&mut text);
        assert_eq!(text, format!("a=crypto:{value}\r\n"));
        let gcm = "2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0OD6ChoqOkpaanqKmqqw==";
        let mut text = String::new();
        Line::parse(gcm).unwrap().write(&mut text);
        assert_eq!(text, format!("a=crypto:{gcm}\r\n"));
        assert_eq!(Line::parse(gcm.trim_end_matches('=')), Line::parse(gcm), "padding left out");
    }

    #[test]
    fn lifetime_key_identifier_and_harmless_parameters_are_understood() {
        for (more, mki) in [("|2^20|1:4", 4), ("|1:32", 32), ("|1048576", 0), ("|2^31 WSH=64", 0), (" -NEW=1", 0)] {
            let line = Line::parse(&format!("3 aes_cm_128_hmac_sha1_32 INLINE:{KEY}{more}")).expect(more);
            assert_eq!((line.tag, line.key.suite, line.key.mki), (3, Suite::AesCm32, mki), "{more}");
        }
    }

    #[test]
    fn what_would_be_sent_otherwise_than_we_can_is_passed_over() {
        for value in [
            "",
            "1",
            "0x1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
            "1 AES_256_CM_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
            "1 AES_CM_128_HMAC_SHA1_80",
            "1 AES_CM_128_HMAC_SHA1_80 inline:",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGV",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVzAA",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewky*jA7fQp9CnVubGVz",
            "1 AES_CM_128_HMAC_SHA1_80 uri:https://example.org/key",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|1:999",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|1:1;inline:AAAA",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz UNENCRYPTED_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz KDR=1",
            "é AES_CM_128_HMAC_SHA1_80 é",
        ] {
            assert_eq!(Line::parse(value), None, "{value}");
        }
    }

    #[test]
    fn keys_are_in_no_debug_output() {
        let line = Line::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).unwrap();
        let shown = format!("{line:?} {:?}", line.key);
        assert!(!shown.contains("89"), "{shown}");
    }
}
