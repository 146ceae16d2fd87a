//! The 400, 413 or 513 for what no parser gets through: only if it is plainly a request and says whom to answer. What is
//! answered are five of its own headers, so that nobody can use us to multiply traffic: even the shortest request that
//! has them gets less than twice its length back.

use super::compose::phrase;
use crate::sip::message::{HeaderName, HostRef, Via};
use crate::sip::peer::Peer;
use bytes::Bytes;

/// Lines looked at for the five headers that an answer needs.
const MAX_LINES: usize = 64;

pub(super) fn refusal(peer: Peer, raw: &[u8], status: u16) -> Option<(Peer, Bytes)> {
    let mut lines = raw.trim_ascii_start().split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let start = lines.next()?;
    let is_request = start.trim_ascii_end().ends_with(b"SIP/2.0") && !start.starts_with(b"SIP/");
    // An ACK is never answered (17.1.1.3).
    if !is_request || start.starts_with(b"ACK ") {
        return None;
    }
    let mut via_lines: Vec<&[u8]> = Vec::new();
    let mut once: [(HeaderName, Option<&[u8]>); 4] =
        [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq].map(|name| (name, None));
    for line in lines.take(MAX_LINES).take_while(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = line[colon + 1..].trim_ascii();
        if value.is_empty() || value.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            continue;
        }
        if name == HeaderName::Via {
            via_lines.push(value);
        } else if let Some((_, slot)) = once.iter_mut().find(|(wanted, _)| *wanted == name) {
            slot.get_or_insert(value);
        }
    }
    let top = Via::parse(via_lines.first()?.split(|b| *b == b',').next()?.trim_ascii()).ok()?;
    // A datagram is answered only if the source itself says who it is from: a name or another address might be anybody's.
    let from_source = match top.sent_by_host {
        _ if peer.reliable() => true,
        HostRef::Name(_) => false,
        host => host.ip() == Some(peer.remote.ip()),
    };
    if !from_source {
        return None;
    }
    let mut out = format!("SIP/2.0 {status} {}\r\n", phrase(status)).into_bytes();
    let mut put = |name: HeaderName, value: &[u8]| {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    for via in &via_lines {
        put(HeaderName::Via, via);
    }
    for (name, value) in once {
        put(name, value?);
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    Some((peer, out.into()))
}
