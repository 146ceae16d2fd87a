//! Where the parts of a URI lie: one pass over its bytes (RFC 3261 section 25.1, RFC 3966 section 3).

use super::super::host::{self, HostRef};
use super::{Parts, Scheme, UriError};

/// Bytes that [`parse_parts`] stops at: those that divide a URI, and those that have no place in one.
static STOPS: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = b <= 32 || b == 127 || matches!(b as u8, b':' | b'@' | b';' | b'?' | b'"' | b'<' | b'>');
        b += 1;
    }
    table
};

/// Finds all dividers in one pass.
pub(super) fn parse_parts(text: &str) -> Result<Parts, UriError> {
    let bytes = text.as_bytes();
    let end = u16::try_from(bytes.len()).map_err(|_| UriError::TooLong)?;
    let mut scheme_end = None;
    let mut at = None;
    // First colon, semicolon or question mark, and question mark since the scheme, or since the `@` once there is one:
    // the user part may hold them all (section 25.1), so the `@` is what decides.
    let (mut colon, mut params, mut query) = (None, None, None);
    let mut user_colon = None;
    let mut two_ats = false;
    for (n, byte) in bytes.iter().enumerate() {
        if !STOPS[*byte as usize] {
            continue;
        }
        let n = n as u16;
        match byte {
            b':' if scheme_end.is_none() => scheme_end = Some(n),
            b':' => colon = colon.or(Some(n)),
            b'@' if at.is_none() => {
                at = Some(n);
                user_colon = colon;
                (colon, params, query) = (None, None, None);
            }
            // After the question mark it can be nothing but a part of a header, as in a careless Replaces.
            b'@' => two_ats |= query.is_none(),
            b';' => params = params.or(Some(n)),
            b'?' => {
                params = params.or(Some(n));
                query = query.or(Some(n));
            }
            _ => return Err(UriError::Characters),
        }
    }
    let scheme_end = scheme_end.ok_or(UriError::NoScheme)?;
    let scheme_text = &bytes[..scheme_end as usize];
    let scheme_byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if !scheme_text.first().is_some_and(u8::is_ascii_alphabetic) || !scheme_text.iter().all(scheme_byte) {
        return Err(UriError::NoScheme);
    }
    let scheme = match scheme_text {
        s if s.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        s if s.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        s if s.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    };
    let begin = scheme_end + 1;
    let mut parts = Parts {
        scheme,
        scheme_end,
        user: None,
        password: None,
        host: (begin, end),
        port: None,
        params: (end, end),
        headers: None,
    };
    match scheme {
        Scheme::Other => Ok(parts),
        Scheme::Tel => {
            let number_end = text[begin as usize..].find(';').map_or(end, |n| begin + n as u16);
            if number_end == begin {
                return Err(UriError::EmptyNumber);
            }
            parts.user = Some((begin, number_end));
            parts.params = (number_end, end);
            Ok(parts)
        }
        Scheme::Sip | Scheme::Sips => {
            let mut host_start = begin;
            if let Some(at) = at {
                let user_end = user_colon.unwrap_or(at);
                if user_end == begin && user_colon.is_some() {
                    return Err(UriError::EmptyUser);
                }
                // `sip:@host` is not in the grammar, but callers without a number come as it: no user.
                parts.user = (user_end > begin).then_some((begin, user_end));
                parts.password = user_colon.map(|colon| (colon + 1, at));
                host_start = at + 1;
            }
            if two_ats {
                return Err(UriError::TwoAts);
            }
            let params_start = params.unwrap_or(end);
            let params_end = query.unwrap_or(end);
            let host_port = &text[host_start as usize..params_start as usize];
            let Some((_, port)) = host::split_host_port(host_port) else {
                let host = host_port.rsplit_once(':').map_or(host_port, |(host, _)| host);
                return Err(if HostRef::parse(host).is_some() { UriError::Port } else { UriError::Host });
            };
            let port_colon = port.and_then(|_| host_port.rfind(':')).map_or(params_start, |n| host_start + n as u16);
            parts.host = (host_start, port_colon);
            parts.port = port;
            parts.params = (params_start, params_end);
            parts.headers = query.map(|query| (query + 1, end));
            Ok(parts)
        }
    }
}
