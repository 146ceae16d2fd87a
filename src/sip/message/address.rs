//! name-addr and addr-spec with header parameters: From, To, Contact, Route, Refer-To and their like (RFC 3261
//! sections 20.10 and 25.1).

use super::HeaderName;
use super::fields::{self, FieldError};
use super::text::{self, Params};
use super::uri::{UriError, UriRef};
use std::borrow::Cow;
use std::fmt;

/// An address with an optional name before it and parameters after it.
#[derive(Clone, Copy)]
pub struct NameAddr<'a> {
    /// As written, quotes included. [`NameAddr::display_name`] undoes them.
    pub display: Option<&'a [u8]>,
    /// As written, without the angle brackets.
    pub uri: &'a [u8],
    /// The header's parameters. Those of the URI stay in the URI.
    pub params: Params<'a>,
}

/// One element of a Contact header.
#[derive(Clone, Copy, Debug)]
pub enum Contact<'a> {
    /// `*`: all bindings, in a REGISTER that removes them.
    Star,
    Address(NameAddr<'a>),
}

impl<'a> NameAddr<'a> {
    /// Reads one element. `header` names it in the error.
    pub fn parse(element: &'a [u8], header: HeaderName) -> Result<NameAddr<'a>, FieldError> {
        let wrong = |what| FieldError { header, what };
        let element = text::trim(element);
        let (display, after_display) = if let [b'"', ..] = element {
            let end = text::quoted_end(element, 0).ok_or(wrong("has a quote that is never closed"))?;
            let (quoted, rest) = element.split_at(end);
            (Some(quoted), text::trim_start(rest))
        } else {
            let special = |b: &u8| matches!(b, b'<' | b';' | b':' | b'"' | b',' | b'@' | b'>');
            match element.iter().position(special) {
                // Tokens, in the grammar; any text in the field, as long as it cannot be mistaken for something else.
                Some(at) if element[at] == b'<' => {
                    let name = text::trim_end(&element[..at]);
                    ((!name.is_empty()).then_some(name), &element[at..])
                }
                Some(at) if element[at] == b':' => (None, element),
                _ => return Err(wrong("has a name that needs quotes, or no address")),
            }
        };
        let (uri, params) = match after_display {
            [b'<', rest @ ..] => {
                let close =
                    rest.iter().position(|b| *b == b'>').ok_or(wrong("has an angle bracket that is never closed"))?;
                (&rest[..close], text::trim_start(&rest[close + 1..]))
            }
            _ if display.is_some() => return Err(wrong("has a name without an address in angle brackets")),
            // Without brackets every parameter is the header's, and the URI may hold neither comma nor question mark.
            bare => {
                let (uri, params) = bare.split_at(bare.iter().position(|b| *b == b';').unwrap_or(bare.len()));
                let uri = text::trim_end(uri);
                if uri.iter().any(|b| matches!(b, b'?' | b',')) {
                    return Err(wrong("has an address that needs angle brackets"));
                }
                (uri, params)
            }
        };
        if !params.is_empty() && params[0] != b';' {
            return Err(wrong("has text after its address"));
        }
        if uri.is_empty() || !text::is_uri_text(uri) {
            return Err(wrong("has an address with blanks in it, or none"));
        }
        Ok(NameAddr { display, uri, params: Params::new(params) })
    }

    /// The tag that names one side of a dialog.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.find("tag")?.word()
    }

    /// The name as a person reads it, with quotes and escapes undone. Its bytes may be in any encoding.
    pub fn display_name(&self) -> Option<Cow<'a, [u8]>> {
        let name = match text::unquote(self.display?) {
            Cow::Borrowed(plain) => text::unfold(plain),
            owned => owned,
        };
        (!name.is_empty()).then_some(name)
    }

    pub fn parse_uri(&self) -> Result<UriRef<'a>, UriError> {
        UriRef::parse(self.uri)
    }

    /// Contact's own lifetime in seconds. Malformed counts as absent (RFC 3261 section 10.3 step 6 has a default then).
    pub fn expires(&self) -> Option<u32> {
        fields::seconds_of(self.params.value("expires")?)
    }

    /// Contact's preference in thousandths, 0 to 1000.
    pub fn q(&self) -> Option<u16> {
        let value = std::str::from_utf8(self.params.value("q")?).ok()?;
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let thousandths =
            fraction.bytes().chain(std::iter::repeat(b'0')).take(3).fold(0, |n, b| n * 10 + u16::from(b - b'0'));
        match whole {
            "0" | "" if !value.is_empty() => Some(thousandths),
            "1" if thousandths == 0 => Some(1000),
            _ => None,
        }
    }
}

/// Without the name, and with the number masked: it may end up in a log.
impl fmt::Debug for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parse_uri() {
            Ok(uri) => write!(f, "NameAddr({uri:?}, tag {:?})", self.tag()),
            Err(error) => write!(f, "NameAddr({error}, tag {:?})", self.tag()),
        }
    }
}

impl<'a> Contact<'a> {
    pub fn parse(element: &'a [u8]) -> Result<Contact<'a>, FieldError> {
        if text::trim(element) == b"*" {
            return Ok(Contact::Star);
        }
        NameAddr::parse(element, HeaderName::Contact).map(Contact::Address)
    }

    pub fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            Contact::Star => None,
            Contact::Address(address) => Some(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NameAddr<'_> {
        NameAddr::parse(text.as_bytes(), HeaderName::From).unwrap()
    }

    fn name(text: &str) -> Option<String> {
        read(text).display_name().map(|n| String::from_utf8_lossy(&n).into_owned())
    }

    #[test]
    fn an_address_without_brackets_keeps_its_tag_in_the_header() {
        let from = read("sip:caller@example.net;tag=134161461246");
        assert_eq!(from.uri, b"sip:caller@example.net");
        assert_eq!(from.tag(), Some("134161461246"));
        assert_eq!(read("<sip:a@b;tag=not-this>; TAG = x").tag(), Some("x"));
    }

    #[test]
    fn brackets_and_semicolons_inside_quotes_are_part_of_the_name() {
        let text = r#""a > b < \"c\" ; tag=x" <sip:a@b;user=phone>;tag=1"#;
        assert_eq!(name(text).as_deref(), Some(r#"a > b < "c" ; tag=x"#));
        assert_eq!(read(text).uri, b"sip:a@b;user=phone");
        assert_eq!(read(text).tag(), Some("1"));
    }

    #[test]
    fn names_without_quotes_are_read_with_and_without_a_blank() {
        assert_eq!(name("caller<sip:a@b>").as_deref(), Some("caller"));
        assert_eq!(name("J. \u{738b}  Doe <sip:a@b>").as_deref(), Some("J. \u{738b}  Doe"));
        assert_eq!(name("\"\" <sip:a@b>"), None);
        assert_eq!(name("<sip:a@b>"), None);
        let latin = NameAddr::parse(b"J\xfcrgen <sip:a@b>;tag=1", HeaderName::From).unwrap();
        assert_eq!(latin.display_name().unwrap().as_ref(), b"J\xfcrgen");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            "",
            "sip",
            "<sip:a@b",
            "\"open <sip:a@b>",
            "\"name\" sip:a@b",
            "\"a\" b <sip:a@b>",
            "Bell, Alexander <sip:a@b>;tag=1",
            "< sip:a@b>",
            "<sip:a@b >",
            "<>",
            "<sip:a@b> junk",
            "sip:a@b?Route=x",
            "sip:a,b@c",
            "sip:a b@c",
            "<<sip:a@b>>",
            "a@b",
        ] {
            assert!(NameAddr::parse(bad.as_bytes(), HeaderName::From).is_err(), "{bad}");
        }
    }

    #[test]
    fn contact_has_lifetime_and_preference() {
        let of = |text: &'static str| match Contact::parse(text.as_bytes()).unwrap() {
            Contact::Address(a) => (a.expires(), a.q()),
            Contact::Star => (None, None),
        };
        assert_eq!(of("<sip:a@b>;expires=60;q=0.7"), (Some(60), Some(700)));
        assert_eq!(of("<sip:a@b>;expires=280297596632815;q=1.000"), (Some(u32::MAX), Some(1000)));
        assert_eq!(of("<sip:a@b>;expires=-1;q=1.1"), (None, None));
        assert_eq!(of("<sip:a@b>;q=."), (None, Some(0)));
        assert!(matches!(Contact::parse(b" * "), Ok(Contact::Star)));
    }
}
