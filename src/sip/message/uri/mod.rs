//! URIs (RFC 3261 section 19.1, RFC 3966, RFC 5118). A URI keeps the text it was read from and prints it unchanged;
//! escapes are undone only to compare and to read, never to write.

mod compare;
mod parse;

pub use compare::MOST_PARTS_COMPARED;
use compare::{Octets, decode};
use parse::parse_parts;

use super::host::{Host, HostRef};
use crate::ids::Redacted;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// Any other. Its text is in [`UriRef::scheme_text`].
    Other,
}

/// Why text is not a URI that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriError {
    /// Not UTF-8, or with blanks, quotes, angle brackets or control bytes in it.
    Characters,
    NoScheme,
    /// A password without a user.
    EmptyUser,
    Host,
    Port,
    /// A second `@`: two readers could route it to two places.
    TwoAts,
    /// A tel: without a number.
    EmptyNumber,
    TooLong,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UriError::Characters => "the URI holds bytes that must be written as %XX",
            UriError::NoScheme => "the URI has no scheme such as sip:",
            UriError::EmptyUser => "the URI has a password without a user before it",
            UriError::Host => "the URI's host is not a name, an IPv4 address or an IPv6 address in brackets",
            UriError::Port => "the URI's port is not a number up to 65535",
            UriError::TwoAts => "the URI has more than one @; write it as %40 in the user part",
            UriError::EmptyNumber => "the tel: URI has no number",
            UriError::TooLong => "the URI is longer than 65535 octets",
        })
    }
}

impl std::error::Error for UriError {}

/// A URI inside a message.
#[derive(Clone, Copy)]
pub struct UriRef<'a> {
    text: &'a str,
    parts: Parts,
}

/// A URI of our own keeping; a clone shares the text. Equality and order are those of the text: for the equality of
/// RFC 3261 there is [`Uri::equivalent`].
#[derive(Clone)]
pub struct Uri {
    text: Arc<str>,
    parts: Parts,
}

/// Where the parts lie. A head is at most 64 KiB, so sixteen bits hold any position.
#[derive(Clone, Copy, Debug)]
struct Parts {
    scheme: Scheme,
    scheme_end: u16,
    user: Option<(u16, u16)>,
    password: Option<(u16, u16)>,
    host: (u16, u16),
    port: Option<u16>,
    params: (u16, u16),
    headers: Option<(u16, u16)>,
}

impl<'a> UriRef<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<UriRef<'a>, UriError> {
        let text = std::str::from_utf8(bytes).map_err(|_| UriError::Characters)?;
        Ok(UriRef { text, parts: parse_parts(text)? })
    }

    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    pub fn scheme_text(&self) -> &'a str {
        &self.text[..self.parts.scheme_end as usize]
    }

    /// sip or sips.
    pub fn is_sip(&self) -> bool {
        matches!(self.parts.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as written, its own parameters included; the number of a tel: URI.
    pub fn user(&self) -> Option<&'a str> {
        self.parts.user.map(|span| self.at(span))
    }

    /// The user part up to its first semicolon: `+90..` of `+90..;phone-context=example.com`.
    pub fn user_without_params(&self) -> Option<&'a str> {
        self.user().map(|user| user.split(';').next().unwrap_or(user))
    }

    /// A parameter inside the user part, such as `phone-context` (RFC 3261 section 19.1.6), or of a tel: URI.
    pub fn user_param(&self, name: &str) -> Option<&'a str> {
        if self.parts.scheme == Scheme::Tel {
            return self.param(name);
        }
        let (_, params) = self.user()?.split_once(';')?;
        find_param(params, name)
    }

    /// The user part up to its first semicolon with its escapes undone; `None` when that is not UTF-8. This is what
    /// routing and registration compare and people read.
    pub fn user_decoded(&self) -> Option<Cow<'a, str>> {
        let user = self.user_without_params()?;
        if !user.contains('%') {
            return Some(Cow::Borrowed(user));
        }
        String::from_utf8(Octets::new(user).map(|o| o.byte).collect()).ok().map(Cow::Owned)
    }

    pub fn password(&self) -> Option<&'a str> {
        self.parts.password.map(|span| self.at(span))
    }

    /// `None` for other schemes than sip and sips.
    pub fn host(&self) -> Option<HostRef<'a>> {
        if self.is_sip() { HostRef::parse(self.at(self.parts.host)) } else { None }
    }

    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// A URI parameter's value as written; empty when it has none.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        find_param(self.at(self.parts.params), name)
    }

    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        params_of(self.at(self.parts.params))
    }

    /// What stands after the question mark, as written.
    pub fn headers(&self) -> Option<&'a str> {
        self.parts.headers.map(|span| self.at(span))
    }

    /// One header of those after the question mark, with its escapes undone, as Refer-To carries Replaces.
    pub fn header(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let mut pairs = self.headers()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(decode(value))
    }

    pub fn as_str(&self) -> &'a str {
        self.text
    }

    pub fn to_owned(&self) -> Uri {
        Uri { text: self.text.into(), parts: self.parts }
    }

    fn at(&self, (start, end): (u16, u16)) -> &'a str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl Uri {
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Uri, UriError> {
        let text = text.into();
        let parts = parse_parts(&text)?;
        Ok(Uri { text, parts })
    }

    /// `sip:user@host:port`. `user` is plain text; what may not stand in a user part is escaped.
    pub fn sip(user: Option<&str>, host: &Host, port: Option<u16>) -> Result<Uri, UriError> {
        let mut text = String::from("sip:");
        if let Some(user) = user {
            push_escaped(user, &mut text);
            text.push('@');
        }
        text.push_str(&host.to_string());
        if let Some(port) = port {
            text.push_str(&format!(":{port}"));
        }
        Uri::parse(text)
    }

    pub fn as_ref(&self) -> UriRef<'_> {
        UriRef { text: &self.text, parts: self.parts }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    pub fn user(&self) -> Option<&str> {
        self.as_ref().user()
    }

    pub fn user_without_params(&self) -> Option<&str> {
        self.as_ref().user_without_params()
    }

    pub fn user_decoded(&self) -> Option<Cow<'_, str>> {
        self.as_ref().user_decoded()
    }

    pub fn host(&self) -> Option<HostRef<'_>> {
        self.as_ref().host()
    }

    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.as_ref().param(name)
    }

    pub fn equivalent(&self, other: &Uri) -> bool {
        self.as_ref().equivalent(&other.as_ref())
    }
}

impl FromStr for Uri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Uri, UriError> {
        Uri::parse(text)
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Uri {}

impl PartialOrd for Uri {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Uri {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for Uri {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl AsRef<[u8]> for Uri {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

impl fmt::Display for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// With the number masked, and without parameters: it may end up in a log.
impl fmt::Debug for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({}:", self.scheme_text())?;
        if let Some(user) = self.user() {
            write!(f, "{}", Redacted::new(user))?;
        }
        if let Some(host) = self.host() {
            write!(f, "@{host}")?;
        }
        f.write_str(")")
    }
}

fn params_of<'a>(text: &'a str) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
    text.split(';').filter(|p| !p.is_empty()).map(|p| match p.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (p, None),
    })
}

fn find_param<'a>(params: &'a str, name: &str) -> Option<&'a str> {
    params_of(params).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or(""))
}

/// `unreserved` and `user-unreserved` of section 25.1 stay; all else is escaped.
fn push_escaped(user: &str, out: &mut String) {
    for byte in user.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
        if plain {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Whether a URI may be followed over secure transports only.
pub fn is_sips(uri: &[u8]) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"))
}

#[cfg(test)]
mod tests;
