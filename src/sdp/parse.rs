//! The lines of a session description that decide where audio goes: `v=`, `m=`, `c=` and `a=` (RFC 8866 5). Borrowed,
//! without allocation.
//!
//! A whole-grammar parser refuses offers that phones do send (an address book in Latin-1 in `s=`, a missing `o=`, `b=`
//! with a fraction). The lines that carry no decision are not looked at, so they cannot fail a call. Whatever is written
//! here is parsed again by `sdp-types` in the tests.

use super::error::SdpError;
use super::spec::Direction;
use smallvec::SmallVec;
use std::net::IpAddr;

/// A description of a call fits in one UDP datagram; 16 KiB leaves room for a browser's candidates.
pub const MAX_BYTES: usize = 16 * 1024;
/// Each `m=` line costs an answer line. Real offers have one to four.
pub const MAX_MEDIA: usize = 64;

/// A parsed description. `session` holds the attributes above the first `m=`, which are defaults for all streams.
pub(super) struct Description<'a> {
    pub session: Section<'a>,
    pub media: SmallVec<[Media<'a>; 2]>,
}

pub(super) struct Media<'a> {
    /// `audio`, `video`, `image` ...
    pub kind: &'a str,
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP`, `udptl` ...
    pub transport: &'a str,
    /// The rest of the line: payload types, for RTP.
    pub formats: &'a str,
    pub section: Section<'a>,
}

/// The lines below one `m=`, or above the first.
#[derive(Clone, Copy, Default)]
pub(super) struct Section<'a> {
    lines: &'a [u8],
}

impl<'a> Description<'a> {
    pub fn parse(text: &'a [u8]) -> Result<Self, SdpError> {
        if text.len() > MAX_BYTES {
            return Err(SdpError::TooLong);
        }
        let mut rest = text;
        match next_line(&mut rest) {
            Some((b'v', value)) if value == b"0" => {}
            _ => return Err(SdpError::Syntax("the first line is not v=0")),
        }
        let mut description = Description { session: Section { lines: rest }, media: SmallVec::new() };
        let mut section_start = rest;
        loop {
            let before = rest;
            let Some((key, value)) = next_line(&mut rest) else {
                description.close_section(section_start, before);
                return Ok(description);
            };
            if key == b'm' {
                description.close_section(section_start, before);
                section_start = rest;
                if description.media.len() == MAX_MEDIA {
                    return Err(SdpError::Syntax("more than 64 m= lines"));
                }
                description.media.push(Media::parse(value)?);
            }
        }
    }

    /// Where a stream of this description is to be sent, without its port.
    pub fn address(&self, media: &Media<'_>) -> Result<IpAddr, SdpError> {
        media.section.connection().or_else(|| self.session.connection()).ok_or(SdpError::NoAddress)?
    }

    fn close_section(&mut self, start: &'a [u8], end: &'a [u8]) {
        let lines = &start[..start.len() - end.len()];
        match self.media.last_mut() {
            Some(media) => media.section = Section { lines },
            None => self.session = Section { lines },
        }
    }
}

impl<'a> Media<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, SdpError> {
        const BAD: SdpError = SdpError::Syntax("an m= line is not: m=<media> <port> <transport> <formats>");
        let value = std::str::from_utf8(value).map_err(|_| BAD)?;
        let (kind, rest) = value.split_once(' ').ok_or(BAD)?;
        let (port, rest) = rest.trim_start().split_once(' ').ok_or(BAD)?;
        let (transport, formats) = rest.trim_start().split_once(' ').ok_or(BAD)?;
        // `<port>/<count>` announces more ports of the same stream (RFC 8866 5.14); the first is the one to use.
        let port = port.split('/').next().unwrap_or(port).parse().map_err(|_| BAD)?;
        let formats = formats.trim();
        if [kind, transport, formats].iter().any(|part| part.is_empty() || part.bytes().any(|b| b.is_ascii_control())) {
            return Err(BAD);
        }
        Ok(Media { kind, port, transport, formats, section: Section::default() })
    }

    pub fn is_audio(&self) -> bool {
        self.kind.eq_ignore_ascii_case("audio")
    }
}

impl<'a> Section<'a> {
    /// Every `a=name[:value]`, in order; `value` is empty for a flag. Lines that are not text are passed over.
    pub fn attributes(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.lines;
        std::iter::from_fn(move || next_line(&mut rest))
            .filter(|(key, _)| *key == b'a')
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
            .map(|text| text.split_once(':').map_or((text, ""), |(name, value)| (name.trim_end(), value.trim())))
    }

    pub fn attribute(self, name: &'static str) -> Option<&'a str> {
        self.attributes().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn direction(self) -> Option<Direction> {
        self.attributes().find_map(|(name, _)| match name {
            _ if name.eq_ignore_ascii_case("sendrecv") => Some(Direction::SendRecv),
            _ if name.eq_ignore_ascii_case("sendonly") => Some(Direction::SendOnly),
            _ if name.eq_ignore_ascii_case("recvonly") => Some(Direction::RecvOnly),
            _ if name.eq_ignore_ascii_case("inactive") => Some(Direction::Inactive),
            _ => None,
        })
    }

    /// The address of the section's first `c=`, if it has one.
    pub fn connection(self) -> Option<Result<IpAddr, SdpError>> {
        let mut rest = self.lines;
        let (_, value) = std::iter::from_fn(|| next_line(&mut rest)).find(|(key, _)| *key == b'c')?;
        Some(address(value))
    }
}

/// `IN IP4 192.0.2.1`, `IN IP6 2001:db8::1`, each possibly with `/ttl/count`, which mean nothing for unicast.
fn address(value: &[u8]) -> Result<IpAddr, SdpError> {
    const BAD: SdpError = SdpError::Syntax("a c= line is not: c=IN IP4|IP6 <address>");
    let value = std::str::from_utf8(value).map_err(|_| BAD)?;
    let mut parts = value.split_ascii_whitespace();
    let (net, family, host) = (parts.next().ok_or(BAD)?, parts.next().ok_or(BAD)?, parts.next().ok_or(BAD)?);
    let known =
        net.eq_ignore_ascii_case("IN") && (family.eq_ignore_ascii_case("IP4") || family.eq_ignore_ascii_case("IP6"));
    if !known {
        return Err(SdpError::AddressFamily);
    }
    parse_ip(host.split('/').next().unwrap_or(host))
}

/// An IP literal that one peer can be reached at. Names are refused: a look-up would put a stranger's DNS server on the
/// call path.
pub(super) fn parse_ip(host: &str) -> Result<IpAddr, SdpError> {
    let ip: IpAddr = host.parse().map_err(|_| SdpError::AddressIsName)?;
    let ip = ip.to_canonical();
    let one_peer = !ip.is_multicast() && !matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if one_peer { Ok(ip) } else { Err(SdpError::NotUnicast) }
}

/// The next `k=value` of `rest`. CR, LF and CRLF all end a line; anything that is not of that form is passed over.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    while !rest.is_empty() {
        let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
        let line = rest[..end].trim_ascii();
        *rest = rest.get(end + 1..).unwrap_or_default();
        if let [key, b'=', value @ ..] = line {
            return Some((key.to_ascii_lowercase(), value.trim_ascii()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_decide_nothing_cannot_fail_a_call() {
        let text = b"v=0\r\ns=\xe4\xf6\xfc\r\nb=AS:64.5\r\nnonsense\r\nt=now\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n";
        let description = Description::parse(text).unwrap();
        assert_eq!(description.media.len(), 1);
        assert_eq!(description.media[0].section.connection(), Some(Ok(IpAddr::from([192, 0, 2, 1]))));
        assert_eq!(description.session.connection(), None);
    }

    #[test]
    fn an_attribute_belongs_to_the_media_line_above_it() {
        let text = b"v=0\na=inactive\nm=video 2 RTP/AVP 31\na=sendonly\nm=audio 4 RTP/AVP 0\na=ptime:20\n";
        let description = Description::parse(text).unwrap();
        assert_eq!(description.session.direction(), Some(Direction::Inactive));
        assert_eq!(description.media[0].section.direction(), Some(Direction::SendOnly));
        assert_eq!(description.media[1].section.direction(), None);
        assert_eq!(description.media[1].section.attribute("PTIME"), Some("20"));
    }

    #[test]
    fn a_description_of_many_lines_is_bounded() {
        let mut text = String::from("v=0\r\n");
        text.push_str(&"m=audio 1 RTP/AVP 0\r\n".repeat(MAX_MEDIA));
        assert!(Description::parse(text.as_bytes()).is_ok());
        text.push_str("m=audio 1 RTP/AVP 0\r\n");
        assert!(matches!(Description::parse(text.as_bytes()), Err(SdpError::Syntax(_))));
        assert!(matches!(Description::parse(&vec![b'\n'; MAX_BYTES + 1]), Err(SdpError::TooLong)));
    }
}
