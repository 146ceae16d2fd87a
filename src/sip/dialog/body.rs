//! Finds the SDP in a message: the body itself, or the part of a multipart body that is SDP (RFC 5621 section 3), as
//! gateways send it beside ISUP or a location.

use crate::sip::message::{MediaType, Message};
use bytes::Bytes;

/// Parts of a multipart body that are looked at. Deployed messages have two or three.
const MAX_PARTS: usize = 8;

/// `None` when there is no SDP, an empty body included.
pub fn sdp_of(message: &Message) -> Option<Bytes> {
    let body = message.body();
    if body.is_empty() {
        return None;
    }
    match message.content_type() {
        // Absent: RFC 3261 20.15 wants it, and the only body that an INVITE is likely to have without is SDP.
        None => Some(message.body_bytes()),
        Some(Ok(kind)) if kind.is("application", "sdp") => Some(message.body_bytes()),
        Some(Ok(kind)) if kind.kind.eq_ignore_ascii_case(b"multipart") => {
            let boundary = kind.params.find("boundary")?.text();
            let part = sdp_part(body, &boundary)?;
            Some(message.raw().slice_ref(part))
        }
        Some(_) => None,
    }
}

fn sdp_part<'a>(body: &'a [u8], boundary: &[u8]) -> Option<&'a [u8]> {
    if boundary.is_empty() || boundary.len() > 70 {
        return None; // RFC 2046 5.1.1
    }
    let delimiter = [b"--", boundary].concat();
    let mut starts = Vec::with_capacity(MAX_PARTS);
    let mut at = 0;
    while let Some(found) = find(&body[at..], &delimiter) {
        let start = at + found;
        if start == 0 || body[start - 1] == b'\n' {
            starts.push(start);
        }
        at = start + delimiter.len();
        if starts.len() > MAX_PARTS {
            break;
        }
    }
    starts.windows(2).find_map(|pair| {
        let part = body.get(pair[0] + delimiter.len()..pair[1])?;
        let part = &part[find(part, b"\n")? + 1..];
        let (head, content) = match find(part, b"\r\n\r\n") {
            Some(end) => (&part[..end], &part[end + 4..]),
            None => {
                let end = find(part, b"\n\n")?;
                (&part[..end], &part[end + 2..])
            }
        };
        let is_sdp = head.split(|b| *b == b'\n').any(|line| {
            let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
            line[..colon].trim_ascii().eq_ignore_ascii_case(b"content-type")
                && line.get(colon + 1..).is_some_and(|value| {
                    MediaType::parse(value.trim_ascii()).is_ok_and(|kind| kind.is("application", "sdp"))
                })
        });
        // The line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1).
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        is_sdp.then(|| content.strip_suffix(b"\r").unwrap_or(content))
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
