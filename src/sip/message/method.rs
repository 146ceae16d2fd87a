//! Request methods. The set is open: a method that nobody knows is still a request, and is owed 405 or 501.

use super::text;
use std::fmt;

/// Methods compare case-sensitively (RFC 3261 section 7.1): `invite` is an unknown method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Info,
    Update,
    Prack,
    Refer,
    Subscribe,
    Notify,
    Message,
    Publish,
    Other(Box<str>),
}

impl Method {
    /// `None` when the bytes are not a token.
    #[inline]
    pub fn from_bytes(bytes: &[u8]) -> Option<Method> {
        Some(match bytes {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"OPTIONS" => Method::Options,
            b"REGISTER" => Method::Register,
            b"INFO" => Method::Info,
            b"UPDATE" => Method::Update,
            b"PRACK" => Method::Prack,
            b"REFER" => Method::Refer,
            b"SUBSCRIBE" => Method::Subscribe,
            b"NOTIFY" => Method::Notify,
            b"MESSAGE" => Method::Message,
            b"PUBLISH" => Method::Publish,
            other if text::is_token(other) => Method::Other(std::str::from_utf8(other).ok()?.into()),
            _ => return None,
        })
    }

    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Info => "INFO",
            Method::Update => "UPDATE",
            Method::Prack => "PRACK",
            Method::Refer => "REFER",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Message => "MESSAGE",
            Method::Publish => "PUBLISH",
            Method::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_token_is_a_method_and_case_counts() {
        for text in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK", "REFER"] {
            let method = Method::from_bytes(text.as_bytes()).unwrap();
            assert_eq!(method.as_str(), text);
            assert!(!matches!(method, Method::Other(_)));
        }
        assert_eq!(Method::from_bytes(b"invite"), Some(Method::Other("invite".into())));
        let odd = "!interesting-Method0123456789_*+`.%indeed'~";
        assert_eq!(Method::from_bytes(odd.as_bytes()).unwrap().to_string(), odd);
    }

    #[test]
    fn what_is_no_token_is_no_method() {
        for bad in [&b""[..], b"IN VITE", b"INVITE\r", b"INV\xc4TE", b"A,B"] {
            assert_eq!(Method::from_bytes(bad), None);
        }
    }
}
