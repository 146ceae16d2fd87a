//! The Via header: who to answer, and how (RFC 3261 sections 18.2 and 20.42, RFC 3581).

use super::HeaderName;
use super::fields::FieldError;
use super::host::{self, HostRef};
use super::text::{self, Params};
use std::net::IpAddr;

/// One Via element. What is not needed to route an answer is read leniently: an unreadable `received` counts as none.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// `2.0`. Another version is kept, so that it can be answered with 505.
    pub version: &'a str,
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS` or another token, as written. Compare without case.
    pub transport: &'a str,
    pub sent_by_host: HostRef<'a>,
    pub port: Option<u16>,
    /// Never decoded: it has to come back byte for byte.
    pub branch: Option<&'a str>,
    pub received: Option<IpAddr>,
    pub rport: Rport,
    pub params: Params<'a>,
}

/// RFC 3581: whether the sender wants its answer at the port that the request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rport {
    Absent,
    Asked,
    Port(u16),
}

/// The branch of every RFC 3261 transaction begins with this (section 8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

impl<'a> Via<'a> {
    /// Reads one element, without blanks around it.
    pub fn parse(element: &'a [u8]) -> Result<Via<'a>, FieldError> {
        let wrong = |what| FieldError { header: HeaderName::Via, what };
        let (version, rest) = match element.strip_prefix(b"SIP/2.0/") {
            Some(rest) if rest.first().is_some_and(|b| text::is_token_byte(*b)) => (&element[4..7], rest),
            _ => {
                let rest = protocol_part(element, b"SIP").ok_or(wrong("does not begin with SIP/"))?;
                let (version, rest) = text::split_token(rest);
                (version, slash(rest).filter(|_| !version.is_empty()).ok_or(wrong("has no version"))?)
            }
        };
        let (transport, rest) = text::split_token(rest);
        let after = text::trim_start(rest);
        if transport.is_empty() || after.len() == rest.len() {
            return Err(wrong("has no transport"));
        }
        let semicolon = after.iter().position(|b| *b == b';').unwrap_or(after.len());
        let (sent_by, params) = after.split_at(semicolon);
        let (sent_by_host, port) = sent_by_parts(sent_by).ok_or(wrong("has no readable sent-by"))?;

        // Tokens are ASCII.
        let word = |token| std::str::from_utf8(token).map_err(|_| wrong("is not text"));
        let mut via = Via {
            version: word(version)?,
            transport: word(transport)?,
            sent_by_host,
            port,
            branch: None,
            received: None,
            rport: Rport::Absent,
            params: Params::new(params),
        };
        // The first of each name counts.
        for param in via.params {
            if via.branch.is_none() && param.is("branch") {
                via.branch = param.word();
            } else if via.received.is_none() && param.is("received") {
                via.received = param.word().and_then(received_address);
            } else if via.rport == Rport::Absent && param.is("rport") {
                let port = param.word().and_then(host::port_number);
                via.rport = port.map_or(Rport::Asked, Rport::Port);
            }
        }
        Ok(via)
    }

    /// Whether the branch names the transaction by itself, as RFC 3261 has it, with something after the cookie.
    pub fn has_rfc3261_branch(&self) -> bool {
        self.branch.is_some_and(|b| b.len() > MAGIC_COOKIE.len() && b.starts_with(MAGIC_COOKIE))
    }

    pub fn is_transport(&self, name: &str) -> bool {
        self.transport.eq_ignore_ascii_case(name)
    }
}

/// Takes `name` and a slash off the front.
fn protocol_part<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (token, rest) = text::split_token(bytes);
    if token.eq_ignore_ascii_case(name) { slash(rest) } else { None }
}

fn slash(bytes: &[u8]) -> Option<&[u8]> {
    text::trim_start(bytes).strip_prefix(b"/").map(text::trim_start)
}

fn sent_by_parts(sent_by: &[u8]) -> Option<(HostRef<'_>, Option<u16>)> {
    let sent_by = std::str::from_utf8(text::trim(sent_by)).ok()?;
    if let Some(parts) = host::split_host_port(sent_by) {
        return Some(parts);
    }
    // `host : port` is legal here (COLON is SWS ":" SWS), unlike in a URI.
    let (host, port) = sent_by.rsplit_once(':')?;
    let host = HostRef::parse(host.trim_ascii_end())?;
    Some((host, Some(host::port_number(port.trim_ascii_start())?)))
}

/// RFC 5118 section 4.5: IPv6 in `received` stands without brackets, and is read with them too.
fn received_address(word: &str) -> Option<IpAddr> {
    word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_read_with_blanks_folds_and_any_case() {
        let via = Via::parse(
            b"SIP  / 2.0\r\n /UDP\r\n    192.0.2.2 : 5090;BRANCH = z9hG4bK%66x ;rport; received=192.0.2.207",
        )
        .unwrap();
        assert!(via.is_transport("udp"));
        assert_eq!(via.sent_by_host.to_string(), "192.0.2.2");
        assert_eq!(via.port, Some(5090));
        assert_eq!(via.branch, Some("z9hG4bK%66x"));
        assert_eq!(via.rport, Rport::Asked);
        assert_eq!(via.received, "192.0.2.207".parse().ok());
    }

    #[test]
    fn ipv6_in_sent_by_and_received_is_read_with_and_without_brackets() {
        for received in ["2001:db8::9:255", "[2001:db8::9:255]"] {
            let text = format!("SIP/2.0/UDP [2001:db8::9:1]:6050;received={received};branch=z9hG4bKas3-111");
            let via = Via::parse(text.as_bytes()).unwrap();
            assert_eq!(via.sent_by_host, HostRef::V6("2001:db8::9:1".parse().unwrap()));
            assert_eq!((via.port, via.received), (Some(6050), "2001:db8::9:255".parse().ok()));
        }
    }

    #[test]
    fn garbage_is_refused_with_what_is_wrong() {
        for bad in [
            "",
            "x",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP//UDP h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/ h",
            "SIP/2.0/UDPh",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP ;branch=z9hG4bKa",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP \u{e4}",
        ] {
            assert!(Via::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cookie_alone_is_no_transaction_name() {
        let branch =
            |text: &str| Via::parse(format!("SIP/2.0/UDP h;branch={text}").as_bytes()).unwrap().has_rfc3261_branch();
        assert!(branch("z9hG4bKa") && !branch("z9hG4bK") && !branch("1"));
    }
}
