//! Challenges and credentials as they stand in headers (RFC 3261 section 22, RFC 7616, RFC 8760). Reading only: no
//! hash, no nonce, no secret is known here.

use super::text::{self, unquote};
use std::borrow::Cow;
use std::fmt;

/// `scheme name=value, name="value"`: one Authorization or one challenge.
#[derive(Clone, Copy)]
pub struct Auth<'a> {
    pub scheme: &'a str,
    params: &'a [u8],
}

/// RFC 7616 section 6.1 and RFC 8760 section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
    Sha512_256,
    Sha512_256Sess,
    /// One that this reader does not know: such a challenge is passed over, not an error (RFC 8760 section 2.4).
    Unknown,
}

impl<'a> Auth<'a> {
    /// All of a header's value as one. `None` when it does not begin with a scheme.
    pub fn parse(value: &'a [u8]) -> Option<Auth<'a>> {
        let (scheme, params) = text::split_token(text::trim(value));
        if scheme.is_empty() || params.first().is_some_and(|b| !text::is_blank(*b)) {
            return None;
        }
        Some(Auth { scheme: std::str::from_utf8(scheme).ok()?, params: text::trim_start(params) })
    }

    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// A parameter's text, quotes and escapes undone. The first of a name counts.
    pub fn param(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.raw_param(name).map(unquote)
    }

    /// [`Auth::param`], when it is UTF-8.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        match self.param(name)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }

    pub fn username(&self) -> Option<Cow<'a, str>> {
        self.text("username")
    }

    pub fn realm(&self) -> Option<Cow<'a, str>> {
        self.text("realm")
    }

    pub fn nonce(&self) -> Option<Cow<'a, str>> {
        self.text("nonce")
    }

    pub fn opaque(&self) -> Option<Cow<'a, str>> {
        self.text("opaque")
    }

    pub fn cnonce(&self) -> Option<Cow<'a, str>> {
        self.text("cnonce")
    }

    pub fn response(&self) -> Option<Cow<'a, str>> {
        self.text("response")
    }

    /// The URI that was hashed, as written.
    pub fn uri(&self) -> Option<Cow<'a, [u8]>> {
        self.param("uri")
    }

    /// MD5 when nothing is said. Some phones quote the token; it is read either way.
    pub fn algorithm(&self) -> Algorithm {
        let Some(name) = self.param("algorithm") else { return Algorithm::Md5 };
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match () {
            _ if is("MD5") => Algorithm::Md5,
            _ if is("MD5-sess") => Algorithm::Md5Sess,
            _ if is("SHA-256") => Algorithm::Sha256,
            _ if is("SHA-256-sess") => Algorithm::Sha256Sess,
            _ if is("SHA-512-256") => Algorithm::Sha512_256,
            _ if is("SHA-512-256-sess") => Algorithm::Sha512_256Sess,
            _ => Algorithm::Unknown,
        }
    }

    /// Whether `qop` holds this option: in a challenge it is a list in quotes, in credentials one token.
    pub fn has_qop(&self, option: &str) -> bool {
        let qop = self.param("qop").unwrap_or_default();
        qop.split(|b| *b == b',').any(|o| text::trim(o).eq_ignore_ascii_case(option.as_bytes()))
    }

    /// Whether any `qop` is there at all; without one it is RFC 2069's short form.
    pub fn asks_qop(&self) -> bool {
        self.raw_param("qop").is_some()
    }

    /// The nonce count: eight hexadecimal digits.
    pub fn nonce_count(&self) -> Option<u32> {
        let nc = self.text("nc")?;
        let digits = nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit());
        digits.then(|| u32::from_str_radix(&nc, 16).ok()).flatten()
    }

    /// The challenge refuses the nonce only, not the password.
    pub fn stale(&self) -> bool {
        self.param("stale").is_some_and(|v| v.eq_ignore_ascii_case(b"true"))
    }

    fn raw_param(&self, name: &str) -> Option<&'a [u8]> {
        let mut pieces = CommaPieces { rest: self.params };
        pieces.find_map(|piece| {
            let eq = piece.iter().position(|b| *b == b'=')?;
            let (key, value) = (text::trim(&piece[..eq]), text::trim(&piece[eq + 1..]));
            key.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
        })
    }
}

/// The scheme only: the rest is for nobody's log.
impl fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auth({})", self.scheme)
    }
}

/// The challenges of one header line. Several may stand there, separated by commas just as their parameters are.
#[derive(Clone, Debug)]
pub struct Challenges<'a> {
    rest: &'a [u8],
}

impl<'a> Challenges<'a> {
    pub fn new(value: &'a [u8]) -> Self {
        Challenges { rest: value }
    }
}

impl<'a> Iterator for Challenges<'a> {
    type Item = Auth<'a>;

    fn next(&mut self) -> Option<Auth<'a>> {
        loop {
            let all = self.rest;
            let mut pieces = CommaPieces { rest: all };
            let mut found: Option<(usize, usize)> = None;
            self.rest = &[];
            loop {
                let begin = all.len() - pieces.rest.len();
                let Some(piece) = pieces.next() else { break };
                found = match found {
                    _ if text::trim(piece).is_empty() => found,
                    None => Some((begin, begin + piece.len())),
                    Some(_) if begins_challenge(piece) => {
                        self.rest = &all[begin..];
                        break;
                    }
                    Some((start, _)) => Some((start, begin + piece.len())),
                };
            }
            let (start, end) = found?;
            if let Some(auth) = Auth::parse(&all[start..end]) {
                return Some(auth);
            }
        }
    }
}

/// `Digest realm=..`: a token, a blank and another token, where a parameter has one token and `=`.
fn begins_challenge(piece: &[u8]) -> bool {
    let (scheme, rest) = text::split_token(text::trim(piece));
    let after = text::trim_start(rest);
    !scheme.is_empty() && after.len() < rest.len() && after.first().is_some_and(|b| text::is_token_byte(*b))
}

/// Pieces between commas outside quotes.
struct CommaPieces<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for CommaPieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut at = 0;
        while let Some(&byte) = self.rest.get(at) {
            match byte {
                b',' => break,
                b'"' => at = text::quoted_end(self.rest, at).unwrap_or(self.rest.len()),
                _ => at += 1,
            }
        }
        let (piece, rest) = self.rest.split_at(at.min(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha256_challenge_with_a_list_of_qops_is_read() {
        let auth = Auth::parse(
            br#"Digest realm="hot\"line", nonce="a,b=c", algorithm=SHA-256, qop="auth, auth-int", stale=TRUE,opaque="" "#,
        )
        .unwrap();
        assert!(auth.is_digest());
        assert_eq!(auth.realm().as_deref(), Some("hot\"line"));
        assert_eq!(auth.nonce().as_deref(), Some("a,b=c"));
        assert_eq!(auth.algorithm(), Algorithm::Sha256);
        assert!(auth.has_qop("auth") && auth.has_qop("AUTH-INT") && !auth.has_qop("auth-conf"));
        assert!(auth.stale());
        assert_eq!(auth.opaque().as_deref(), Some(""));
    }

    #[test]
    fn credentials_are_read_with_blanks_and_folds() {
        let auth = Auth::parse(
            b"digest username = \"1001\",\r\n realm=\"hotline\",nonce=\"n\", uri=\"sip:a,b@c\", response=\"00ff\", nc=0000000a, qop=auth, cnonce=\"x\"",
        )
        .unwrap();
        assert_eq!(auth.username().as_deref(), Some("1001"));
        assert_eq!(auth.uri().as_deref(), Some(&b"sip:a,b@c"[..]));
        assert_eq!(auth.nonce_count(), Some(10));
        assert_eq!(auth.algorithm(), Algorithm::Md5);
        assert!(auth.has_qop("auth") && auth.asks_qop());
    }

    #[test]
    fn two_challenges_on_one_line_are_two() {
        let line = br#"Digest realm="a, Digest x", nonce="1", algorithm=SHA-256, Digest realm="b", nonce="2", algorithm=MD5 , Basic realm="c""#;
        let all: Vec<_> = Challenges::new(line)
            .map(|a| (a.scheme.to_string(), a.realm().unwrap().into_owned(), a.algorithm()))
            .collect();
        assert_eq!(all[0], ("Digest".into(), "a, Digest x".into(), Algorithm::Sha256));
        assert_eq!(all[1], ("Digest".into(), "b".into(), Algorithm::Md5));
        assert_eq!(all[2].0, "Basic");
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn unknown_schemes_algorithms_and_broken_values_are_no_error() {
        let auth = Auth::parse(b"NoOneKnowsThisScheme opaque-data=here").unwrap();
        assert!(!auth.is_digest());
        let auth = Auth::parse("Digest algorithm=SHA\u{e9}-256, nc=+0000001, username=\"open".as_bytes()).unwrap();
        assert_eq!(auth.algorithm(), Algorithm::Unknown);
        assert_eq!(auth.nonce_count(), None);
        assert_eq!(auth.username().as_deref(), Some("\"open"));
        assert!(Auth::parse(b"").is_none());
        assert_eq!(Challenges::new(b" , ,, =").count(), 0);
    }
}
