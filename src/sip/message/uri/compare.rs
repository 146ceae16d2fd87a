//! When two URIs are one (RFC 3261 section 19.1.4, RFC 3966 section 5), and what an escape stands for.

use super::{Scheme, UriRef};
use std::borrow::Cow;

/// Each parameter of one URI is looked for in the other, so that time grows with the square. Real URIs have up to ten.
pub const MOST_PARTS_COMPARED: usize = 32;

impl<'a> UriRef<'a> {
    /// RFC 3261 section 19.1.4 for sip and sips, RFC 3966 section 5 for tel, octets for the rest. A URI with more than
    /// [`MOST_PARTS_COMPARED`] parameters and headers is the same as its own text only.
    pub fn equivalent(&self, other: &UriRef<'_>) -> bool {
        if self.text == other.text {
            return true;
        }
        if self.divisions() > MOST_PARTS_COMPARED || other.divisions() > MOST_PARTS_COMPARED {
            return false;
        }
        if !self.scheme_text().eq_ignore_ascii_case(other.scheme_text()) {
            return false;
        }
        match self.parts.scheme {
            Scheme::Sip | Scheme::Sips => self.sip_equivalent(other),
            Scheme::Tel => self.tel_equivalent(other),
            Scheme::Other => {
                self.text[self.parts.scheme_end as usize..] == other.text[other.parts.scheme_end as usize..]
            }
        }
    }

    fn divisions(&self) -> usize {
        let tail = self.text.get(self.parts.params.0 as usize..).unwrap_or_default();
        tail.bytes().filter(|b| matches!(b, b';' | b'&')).count()
    }

    fn sip_equivalent(&self, other: &UriRef<'_>) -> bool {
        /// Parameters that must be on both sides or on neither. The rule names user, ttl, method and maddr; its
        /// examples add transport.
        const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
        let param_matches = |(name, value): (&str, Option<&str>), there: &UriRef<'_>| match there.find_param(name) {
            Some(matched) => same(value.unwrap_or(""), matched, Case::Ignored),
            None => !NEVER_IGNORED.iter().any(|n| same(name, n, Case::Ignored)),
        };
        let header_in = |pair: &str, there: &str| there.split('&').any(|p| same_header(pair, p));
        let all_headers_in = |a: &str, b: &str| a.split('&').all(|pair| header_in(pair, b));
        optional(self.user(), other.user(), Case::Kept)
            && optional(self.password(), other.password(), Case::Kept)
            && self.host() == other.host()
            && self.port() == other.port()
            && self.params().all(|param| param_matches(param, other))
            && other.params().all(|param| param_matches(param, self))
            && match (self.headers(), other.headers()) {
                (None, None) => true,
                (Some(a), Some(b)) => all_headers_in(a, b) && all_headers_in(b, a),
                _ => false,
            }
    }

    fn tel_equivalent(&self, other: &UriRef<'_>) -> bool {
        let digits = |uri: &UriRef<'a>| significant(uri.user().unwrap_or(""));
        let other_digits = significant(other.user().unwrap_or(""));
        let covers = |a: &UriRef<'_>, b: &UriRef<'_>| {
            a.params()
                .all(|(name, value)| b.find_param(name).is_some_and(|v| same(value.unwrap_or(""), v, Case::Ignored)))
        };
        digits(self) == other_digits && covers(self, other) && covers(other, self)
    }

    /// Like [`UriRef::param`], with escapes in the name taken into account.
    fn find_param(&self, name: &str) -> Option<&'a str> {
        self.params().find(|(key, _)| same(key, name, Case::Ignored)).map(|(_, value)| value.unwrap_or(""))
    }
}

/// Undoes escapes. A `%` that begins none stands for itself.
pub(super) fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('%') {
        Cow::Owned(Octets::new(text).map(|o| o.byte).collect())
    } else {
        Cow::Borrowed(text.as_bytes())
    }
}

/// An octet after unescaping. A reserved character and its escape are two things (section 19.1.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Octet {
    pub(super) byte: u8,
    escaped_reserved: bool,
}

pub(super) struct Octets<'a> {
    bytes: &'a [u8],
}

impl<'a> Octets<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Octets { bytes: text.as_bytes() }
    }
}

impl Iterator for Octets<'_> {
    type Item = Octet;

    fn next(&mut self) -> Option<Octet> {
        let hex = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
        if let [b'%', high, low, rest @ ..] = self.bytes
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            self.bytes = rest;
            let byte = high << 4 | low;
            return Some(Octet { byte, escaped_reserved: b";/?:@&=+$,".contains(&byte) });
        }
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(Octet { byte: *first, escaped_reserved: false })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Ignored,
}

fn same(a: &str, b: &str, case: Case) -> bool {
    let fold = |o: Octet| if case == Case::Ignored { Octet { byte: o.byte.to_ascii_lowercase(), ..o } } else { o };
    Octets::new(a).map(fold).eq(Octets::new(b).map(fold))
}

fn optional(a: Option<&str>, b: Option<&str>, case: Case) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b, case),
        _ => false,
    }
}

fn same_header(a: &str, b: &str) -> bool {
    let split = |pair: &'_ str| pair.find('=').unwrap_or(pair.len());
    let (name_a, value_a) = a.split_at(split(a));
    let (name_b, value_b) = b.split_at(split(b));
    same(name_a, name_b, Case::Ignored) && same(value_a, value_b, Case::Kept)
}

/// RFC 3966 section 5.1.1: separators are for the eye.
fn significant(number: &str) -> Vec<u8> {
    number.bytes().filter(|b| !matches!(b, b'-' | b'.' | b'(' | b')')).map(|b| b.to_ascii_lowercase()).collect()
}
