//! Names of header fields: known ones as one byte, with their compact forms (RFC 3261 section 7.3.3, RFC 3265, 3515,
//! 3841, 3892, 4028, 8224).

use std::fmt;

macro_rules! header_names {
    ($($variant:ident $text:literal $(/ $compact:literal)?),+ $(,)?) => {
        /// A header field's name. Names not listed read as [`HeaderName::Other`]; their bytes are in the message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum HeaderName {
            $($variant,)+
            Other,
        }

        impl HeaderName {
            pub const KNOWN: &'static [HeaderName] = &[$(HeaderName::$variant),+];

            /// The long form as RFC writes it; empty for [`HeaderName::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(HeaderName::$variant => $text,)+
                    HeaderName::Other => "",
                }
            }

            const fn from_compact(letter: u8) -> HeaderName {
                match letter {
                    $($($compact => HeaderName::$variant,)?)+
                    _ => HeaderName::Other,
                }
            }
        }
    };
}

header_names! {
    Accept "Accept",
    AcceptContact "Accept-Contact" / b'a',
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AlertInfo "Alert-Info",
    Allow "Allow",
    AllowEvents "Allow-Events" / b'u',
    AuthenticationInfo "Authentication-Info",
    Authorization "Authorization",
    CallId "Call-ID" / b'i',
    CallInfo "Call-Info",
    Contact "Contact" / b'm',
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" / b'e',
    ContentLanguage "Content-Language",
    ContentLength "Content-Length" / b'l',
    ContentType "Content-Type" / b'c',
    CSeq "CSeq",
    Date "Date",
    Diversion "Diversion",
    ErrorInfo "Error-Info",
    Event "Event" / b'o',
    Expires "Expires",
    From "From" / b'f',
    HistoryInfo "History-Info",
    Identity "Identity" / b'y',
    InReplyTo "In-Reply-To",
    Join "Join",
    MaxForwards "Max-Forwards",
    MimeVersion "MIME-Version",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    Organization "Organization",
    PAccessNetworkInfo "P-Access-Network-Info",
    PAssertedIdentity "P-Asserted-Identity",
    PEarlyMedia "P-Early-Media",
    PPreferredIdentity "P-Preferred-Identity",
    Path "Path",
    Priority "Priority",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RAck "RAck",
    Reason "Reason",
    RecordRoute "Record-Route",
    ReferSub "Refer-Sub",
    ReferTo "Refer-To" / b'r',
    ReferredBy "Referred-By" / b'b',
    RejectContact "Reject-Contact" / b'j',
    Replaces "Replaces",
    ReplyTo "Reply-To",
    RequestDisposition "Request-Disposition" / b'd',
    Require "Require",
    ResourcePriority "Resource-Priority",
    RetryAfter "Retry-After",
    Route "Route",
    RSeq "RSeq",
    Server "Server",
    ServiceRoute "Service-Route",
    SessionExpires "Session-Expires" / b'x',
    SessionId "Session-ID",
    SipEtag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    Subject "Subject" / b's',
    SubscriptionState "Subscription-State",
    Supported "Supported" / b'k',
    TargetDialog "Target-Dialog",
    Timestamp "Timestamp",
    To "To" / b't',
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    UserToUser "User-to-User",
    Via "Via" / b'v',
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

/// Open hash of the known names, filled at compile time: length, first and last letter tell nearly all apart.
static SLOTS: [(HeaderName, &[u8]); SLOT_COUNT] = slots();
const SLOT_COUNT: usize = 256;

const fn slot(first: u8, last: u8, len: usize) -> usize {
    ((first | 0x20) as usize)
        .wrapping_mul(31)
        .wrapping_add(((last | 0x20) as usize).wrapping_mul(7))
        .wrapping_add(len * 5)
        % SLOT_COUNT
}

const fn slots() -> [(HeaderName, &'static [u8]); SLOT_COUNT] {
    let mut table: [(HeaderName, &[u8]); SLOT_COUNT] = [(HeaderName::Other, &[]); SLOT_COUNT];
    let mut n = 0;
    while n < HeaderName::KNOWN.len() {
        let text = HeaderName::KNOWN[n].as_str().as_bytes();
        let mut at = slot(text[0], text[text.len() - 1], text.len());
        while !matches!(table[at].0, HeaderName::Other) {
            at = (at + 1) % SLOT_COUNT;
        }
        table[at] = (HeaderName::KNOWN[n], text);
        n += 1;
    }
    table
}

impl HeaderName {
    /// Reads a name in any case, long or compact.
    #[inline]
    pub fn from_bytes(name: &[u8]) -> HeaderName {
        match name {
            [] => HeaderName::Other,
            [letter] => HeaderName::from_compact(letter.to_ascii_lowercase()),
            [first, .., last] => {
                let mut at = slot(*first, *last, name.len());
                loop {
                    let (known, text) = SLOTS[at];
                    // Nearly all senders write the name as RFCs do, and equality of bytes is found out faster.
                    if text == name || known == HeaderName::Other || text.eq_ignore_ascii_case(name) {
                        return known;
                    }
                    at = (at + 1) % SLOT_COUNT;
                }
            }
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_in_any_case() {
        for name in HeaderName::KNOWN {
            assert_eq!(HeaderName::from_bytes(name.as_str().as_bytes()), *name);
            assert_eq!(HeaderName::from_bytes(name.as_str().to_ascii_uppercase().as_bytes()), *name);
            assert_eq!(HeaderName::from_bytes(name.as_str().to_ascii_lowercase().as_bytes()), *name);
        }
    }

    #[test]
    fn compact_forms_are_the_same_header() {
        let compact: &[(&[u8], HeaderName)] = &[
            (b"v", HeaderName::Via),
            (b"F", HeaderName::From),
            (b"t", HeaderName::To),
            (b"i", HeaderName::CallId),
            (b"M", HeaderName::Contact),
            (b"l", HeaderName::ContentLength),
            (b"c", HeaderName::ContentType),
            (b"x", HeaderName::SessionExpires),
            (b"r", HeaderName::ReferTo),
        ];
        for (letter, name) in compact {
            assert_eq!(HeaderName::from_bytes(letter), *name);
        }
    }

    #[test]
    fn a_name_that_is_nearly_known_is_another_header() {
        for name in [&b"Vi"[..], b"Vib", b"Viaa", b"To ", b"C%6Fntact", b"", b"z", b"X-Via"] {
            assert_eq!(HeaderName::from_bytes(name), HeaderName::Other);
        }
    }
}
