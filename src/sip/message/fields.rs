//! Small header values: CSeq, RAck, Session-Expires, Replaces, media types and plain numbers.

use super::text::{self, NotANumber, Params};
use super::{HeaderName, Method};
use std::fmt;

/// A header that is missing or cannot be read. Displays as a sentence fit for a log or a reason phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub header: HeaderName,
    pub what: &'static str,
}

impl FieldError {
    pub(super) const fn missing(header: HeaderName) -> FieldError {
        FieldError { header, what: "is missing" }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.header, self.what)
    }
}

impl std::error::Error for FieldError {}

/// RFC 3261 section 20.16. The whole 32 bits are read, although a sender should stay below 2^31.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    pub number: u32,
    pub method: Method,
}

impl CSeq {
    pub fn parse(value: &[u8]) -> Result<CSeq, FieldError> {
        let wrong = |what| FieldError { header: HeaderName::CSeq, what };
        let (digits, method) = split_word(value);
        let number = text::decimal(digits).map_err(|e| match e {
            NotANumber::Malformed => wrong("has no number"),
            NotANumber::TooLarge => wrong("is beyond 32 bits"),
        })?;
        Ok(CSeq { number, method: Method::from_bytes(method).ok_or(wrong("has no method"))? })
    }
}

/// RFC 3262 section 7.2: which reliable provisional response a PRACK acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    pub rseq: u32,
    pub cseq: CSeq,
}

impl RAck {
    pub fn parse(value: &[u8]) -> Result<RAck, FieldError> {
        let wrong = FieldError { header: HeaderName::RAck, what: "is not `number number method`" };
        let (rseq, cseq) = split_word(value);
        let rseq = text::decimal(rseq).map_err(|_| wrong)?;
        Ok(RAck { rseq, cseq: CSeq::parse(cseq).map_err(|_| wrong)? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    Uac,
    Uas,
}

/// RFC 4028 section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    pub seconds: u32,
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    pub fn parse(value: &[u8]) -> Result<SessionExpires, FieldError> {
        let wrong = FieldError { header: HeaderName::SessionExpires, what: "is not a number of seconds" };
        let (seconds, params) = split_params(value);
        let refresher = match params.value("refresher") {
            Some(who) if who.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(SessionExpires { seconds: seconds_of(seconds).ok_or(wrong)?, refresher })
    }
}

/// RFC 3891: the dialog that an INVITE takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces<'a> {
    pub call_id: &'a str,
    pub to_tag: &'a str,
    pub from_tag: &'a str,
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    pub fn parse(value: &'a [u8]) -> Result<Replaces<'a>, FieldError> {
        let wrong = |what| FieldError { header: HeaderName::Replaces, what };
        let (call_id, params) = split_params(value);
        let word = |name| params.find(name).and_then(|p| p.word());
        Ok(Replaces {
            call_id: call_id_text(call_id).ok_or(wrong("has no Call-ID"))?,
            to_tag: word("to-tag").ok_or(wrong("has no to-tag"))?,
            from_tag: word("from-tag").ok_or(wrong("has no from-tag"))?,
            early_only: params.has("early-only"),
        })
    }
}

/// A media type with its parameters, as in Content-Type and Accept.
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    pub kind: &'a [u8],
    pub subtype: &'a [u8],
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    pub fn parse(value: &'a [u8]) -> Result<MediaType<'a>, FieldError> {
        let wrong = FieldError { header: HeaderName::ContentType, what: "is not type/subtype" };
        let (name, params) = split_params(value);
        let slash = name.iter().position(|b| *b == b'/').ok_or(wrong)?;
        let (kind, subtype) = (text::trim_end(&name[..slash]), text::trim_start(&name[slash + 1..]));
        if !text::is_token(kind) || !text::is_token(subtype) {
            return Err(wrong);
        }
        Ok(MediaType { kind, subtype, params })
    }

    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes()) && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// As an element of Accept: whether it takes in `kind/subtype`. `q=0` means not at all (RFC 9110 section 12.4.2).
    pub fn accepts(&self, kind: &str, subtype: &str) -> bool {
        let matches = |range: &[u8], name: &str| range == b"*" || range.eq_ignore_ascii_case(name.as_bytes());
        let refused = self.params.value("q").is_some_and(|q| q.iter().all(|b| matches!(b, b'0' | b'.')));
        matches(self.kind, kind) && matches(self.subtype, subtype) && !refused
    }
}

/// Delta-seconds. More than 32 bits hold is taken as the most they hold: RFC 3261 section 20.19 has the range 0 to
/// 2^32-1, and an over-large value is one that nobody will live to see (RFC 4475 section 3.1.2.4).
pub(super) fn seconds_of(bytes: &[u8]) -> Option<u32> {
    match text::decimal(bytes) {
        Ok(seconds) => Some(seconds),
        Err(NotANumber::TooLarge) => Some(u32::MAX),
        Err(NotANumber::Malformed) => None,
    }
}

/// A Call-ID: one word without blanks.
pub(super) fn call_id_text(bytes: &[u8]) -> Option<&str> {
    if text::is_call_id(bytes) { std::str::from_utf8(bytes).ok() } else { None }
}

/// Value and parameters of `value ;a=b`.
pub(super) fn split_params(value: &[u8]) -> (&[u8], Params<'_>) {
    let at = value.iter().position(|b| *b == b';').unwrap_or(value.len());
    let (value, params) = value.split_at(at);
    (text::trim(value), Params::new(params))
}

/// The first word, and the rest without the blanks between.
fn split_word(value: &[u8]) -> (&[u8], &[u8]) {
    let at = value.iter().position(|b| text::is_blank(*b)).unwrap_or(value.len());
    let (word, rest) = value.split_at(at);
    (word, text::trim_start(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cseq_is_a_number_of_32_bits_and_a_method() {
        let cseq = CSeq::parse(b"0009\r\n  INVITE").unwrap();
        assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
        assert_eq!(CSeq::parse(b"4294967295 BYE").unwrap().number, u32::MAX);
        for bad in [&b"36893488147419103232 INVITE"[..], b"-1 INVITE", b"INVITE", b"1", b"", b"1 IN VITE", b"1INVITE"] {
            assert!(CSeq::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_replaces_names_a_dialog_whatever_the_order_of_its_tags() {
        let replaces = Replaces::parse(b"98732@sip.example.com ;from-tag=r33th4x0r; to-tag=ff87ff;early-only").unwrap();
        assert_eq!(
            replaces,
            Replaces { call_id: "98732@sip.example.com", to_tag: "ff87ff", from_tag: "r33th4x0r", early_only: true }
        );
        assert!(Replaces::parse(b"98732@sip.example.com;to-tag=1").is_err());
        assert!(Replaces::parse(b";to-tag=1;from-tag=2").is_err());
    }

    #[test]
    fn over_large_seconds_are_the_most_there_are() {
        assert_eq!(seconds_of(b"10000000000000000000000000"), Some(u32::MAX));
        assert_eq!(seconds_of(b"-1"), None);
    }

    #[test]
    fn session_expires_and_rack_are_read() {
        let expires = SessionExpires::parse(b"1800 ; refresher = UAC").unwrap();
        assert_eq!(expires, SessionExpires { seconds: 1800, refresher: Some(Refresher::Uac) });
        let rack = RAck::parse(b"776656 1 INVITE").unwrap();
        assert_eq!((rack.rseq, rack.cseq.number, rack.cseq.method), (776656, 1, Method::Invite));
        assert!(RAck::parse(b"776656 INVITE").is_err());
    }

    #[test]
    fn a_media_type_is_compared_without_case_and_a_range_takes_in_its_members() {
        assert!(MediaType::parse(b"Application / SDP;level=1").unwrap().is("application", "sdp"));
        assert!(MediaType::parse(b"application/*").unwrap().accepts("application", "sdp"));
        assert!(MediaType::parse(b"*/*;q=0.1").unwrap().accepts("application", "sdp"));
        assert!(!MediaType::parse(b"application/sdp;q=0.0").unwrap().accepts("application", "sdp"));
        assert!(MediaType::parse(b"application").is_err());
    }
}
