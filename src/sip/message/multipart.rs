//! Bodies of several parts (RFC 2046 section 5.1, RFC 5621): finds the one part that is asked for, such as the SDP beside
//! an ISUP body.

use super::HeaderName;
use super::fields::MediaType;
use super::scan::{Defects, header_line, next_line};
use super::text;

/// Parts looked at. Real bodies have two or three.
const MOST_PARTS: usize = 16;
/// RFC 2046 section 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// The first part of that type in `body`, whose own type is `content_type`: the whole body when it is that type itself.
/// Parts within parts are not looked into.
pub(super) fn find_part<'a>(
    body: &'a [u8],
    content_type: &MediaType<'_>,
    kind: &str,
    subtype: &str,
) -> Option<&'a [u8]> {
    if content_type.is(kind, subtype) {
        return Some(body);
    }
    if !content_type.kind.eq_ignore_ascii_case(b"multipart") {
        return None;
    }
    let boundary = text::unquote(content_type.params.value("boundary")?);
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        return None;
    }
    let mut rest = delimiter(body, &boundary)?.after;
    for _ in 0..MOST_PARTS {
        let next = delimiter(rest, &boundary);
        let part = next.as_ref().map_or(rest, |next| next.before);
        if let Some(content) = content_of(part, kind, subtype) {
            return Some(content);
        }
        rest = next?.after;
    }
    None
}

struct Delimiter<'a> {
    /// Without the line end, which belongs to the delimiter.
    before: &'a [u8],
    after: &'a [u8],
}

/// The next line that begins with two hyphens and the boundary.
fn delimiter<'a>(bytes: &'a [u8], boundary: &[u8]) -> Option<Delimiter<'a>> {
    let mut at = 0;
    while at < bytes.len() {
        let (end, next) = next_line(bytes, at, &mut Defects::default());
        let is_delimiter = bytes[at..end].strip_prefix(b"--").is_some_and(|line| line.starts_with(boundary));
        if is_delimiter {
            let before = &bytes[..at];
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            return Some(Delimiter { before, after: &bytes[next..] });
        }
        at = next;
    }
    None
}

/// The part without its header lines, when it is of that type. Without a Content-Type it is plain text.
fn content_of<'a>(part: &'a [u8], kind: &str, subtype: &str) -> Option<&'a [u8]> {
    let mut matches = false;
    let mut at = 0;
    loop {
        if at >= part.len() {
            return None;
        }
        let start = at;
        let (mut end, next) = next_line(part, at, &mut Defects::default());
        at = next;
        if end == start {
            return matches.then(|| &part[at..]);
        }
        while part.get(at).is_some_and(|b| matches!(b, b' ' | b'\t')) {
            (end, at) = next_line(part, at, &mut Defects::default());
        }
        if let Some((name, value)) = header_line(part, start, end)
            && HeaderName::from_bytes(name.of(part)) == HeaderName::ContentType
        {
            matches = MediaType::parse(value.of(part)).is_ok_and(|found| found.is(kind, subtype));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(content_type: &str, body: &str) -> Option<String> {
        let content_type = MediaType::parse(content_type.as_bytes()).unwrap();
        let found = find_part(body.as_bytes(), &content_type, "application", "sdp")?;
        Some(String::from_utf8_lossy(found).into_owned())
    }

    #[test]
    fn the_sdp_beside_an_isup_body_is_found() {
        let body = "preamble\r\n--x y\r\nContent-Type: application/ISUP;version=itu\r\n\r\n\u{1}\u{0}\r\n--x y\r\nContent-Disposition: session\r\nc:\r\n Application/SDP\r\n\r\nv=0\r\ns=-\r\n\r\n--x y--\r\nepilogue";
        assert_eq!(sdp("multipart/mixed;boundary=\"x y\"", body).as_deref(), Some("v=0\r\ns=-\r\n"));
        assert_eq!(sdp("multipart/mixed;boundary=\"x y\"", &body.replace("SDP", "other")), None);
    }

    #[test]
    fn a_body_that_is_not_of_parts_is_the_part() {
        assert_eq!(sdp("application/sdp", "v=0").as_deref(), Some("v=0"));
        assert_eq!(sdp("text/plain", "v=0"), None);
    }

    #[test]
    fn broken_parts_are_no_parts() {
        let only = "--x\r\nContent-Type: application/sdp\r\n\r\nv=0";
        assert_eq!(sdp("multipart/mixed;boundary=x", only).as_deref(), Some("v=0"), "a missing end is the body's end");
        for (content_type, body) in [
            ("multipart/mixed", only),
            ("multipart/mixed;boundary=\"\"", only),
            ("multipart/mixed;boundary=y", only),
            ("multipart/mixed;boundary=x", "--x\r\nContent-Type: application/sdp"),
            ("multipart/mixed;boundary=x", "--x"),
            ("multipart/mixed;boundary=x", ""),
        ] {
            assert_eq!(sdp(content_type, body), None, "{content_type} {body}");
        }
        let many = format!("{}{only}", "--x\r\n\r\n".repeat(100));
        assert_eq!(sdp("multipart/mixed;boundary=x", &many), None, "too many parts");
    }
}
