//! Scheme, host, port and first part of the path of a system that IT has named.

use crate::net::Resolver;
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub secure: bool,
    pub host: String,
    pub port: u16,
    /// Without its last `/`; empty when there is none.
    pub path: String,
}

impl Origin {
    /// Reads `https://billing.example.com:8443/api`. The error says what is wrong with it.
    pub fn parse(url: &str) -> Result<Origin, &'static str> {
        let (secure, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("it begins with `https://` or `http://`"),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if path.chars().any(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#' | '{' | '}' | '\\')) {
            return Err("it ends before any `?` or `#`");
        }
        if authority.contains('@') {
            return Err("a user and password go under `auth:`, not into the address");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("its `[` is never closed")?;
                (host, port.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or("its port is not from 1 to 65535")?,
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let numeric = host.parse::<IpAddr>().is_ok();
        if host.is_empty() || host.len() > 253 || !(numeric || host.chars().all(is_name)) {
            return Err("its host is neither a name nor an address");
        }
        // `0177.1` and the like would be an address to some and a name to others.
        if !numeric && host.rsplit('.').find(|label| !label.is_empty()).is_none_or(|last| last.parse::<u64>().is_ok()) {
            return Err("its host is neither a name nor an address");
        }
        Ok(Origin { secure, host: host.to_ascii_lowercase(), port, path: path.trim_end_matches('/').to_string() })
    }

    /// What the `Host` header says.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The address, where the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(super) async fn addresses(&self, resolver: &Resolver) -> Vec<IpAddr> {
        match self.address() {
            Some(address) => vec![address],
            None => resolver.addresses(&self.host).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_into_its_parts() {
        let origin = Origin::parse("https://Billing.example.com/api/").unwrap();
        assert_eq!((origin.host.as_str(), origin.port, origin.path.as_str()), ("billing.example.com", 443, "/api"));
        assert_eq!(origin.authority(), "billing.example.com");
        let origin = Origin::parse("http://[::1]:8080").unwrap();
        assert_eq!((origin.authority().as_str(), origin.secure), ("[::1]:8080", false));
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_address() {
        for bad in [
            "file:///etc/passwd",
            "billing.example.com",
            "https://user:pass@host",
            "https://host?x=1",
            "https://host:0",
            "https://host:99999",
            "https://0177.1/",
            "https://2130706433/",
            "https:///x",
            "https://[::1",
            "https://ho st/",
        ] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
