//! A block of addresses, IPv4 or IPv6 (RFC 4632, RFC 4291 2.3).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `10.0.0.0/8`, `2001:db8::/32`; a bare address is a block of one. Addresses mapped into IPv6 count as IPv4, because the
/// same peer is seen in either form depending on the socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CidrError {
    /// Not `address` or `address/bits`.
    NotABlock,
    /// Bits are set behind the prefix; the block that was probably meant.
    HostBits(Cidr),
}

impl Cidr {
    /// `None` when there are more bits than the address has, or bits are set behind them.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let whole = Self::around(address, prefix)?;
        (whole.network == address.to_canonical()).then_some(whole)
    }

    /// The block of this length that an address lies in.
    pub fn around(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = address.to_canonical();
        let network = match address {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask_32(prefix)?)),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask_128(prefix)?)),
        };
        Some(Self { network, prefix })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && Self::around(address, self.prefix) == Some(*self)
    }

    pub fn address(&self) -> IpAddr {
        self.network
    }

    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

fn mask_32(prefix: u8) -> Option<u32> {
    (prefix <= 32).then(|| u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0))
}

fn mask_128(prefix: u8) -> Option<u128> {
    (prefix <= 128).then(|| u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0))
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, bits)) if !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(bits.parse::<u8>().map_err(|_| CidrError::NotABlock)?))
            }
            Some(_) => return Err(CidrError::NotABlock),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::NotABlock)?;
        // The prefix of a mapped address would count bits of the form that is dropped.
        if prefix.is_some() && address.to_canonical() != address {
            return Err(CidrError::NotABlock);
        }
        let longest = if address.to_canonical().is_ipv4() { 32 } else { 128 };
        let around = Self::around(address, prefix.unwrap_or(longest)).ok_or(CidrError::NotABlock)?;
        if around.network == address.to_canonical() { Ok(around) } else { Err(CidrError::HostBits(around)) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABlock => {
                f.write_str("not an address block; write it like 192.0.2.0/24, 192.0.2.7 or 2001:db8::/32")
            }
            Self::HostBits(block) => write!(f, "bits are set behind the prefix; write {block} or the single address"),
        }
    }
}

impl std::error::Error for CidrError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn has(text: &str, address: &str) -> bool {
        block(text).contains(address.parse().unwrap())
    }

    #[test]
    fn a_block_holds_its_first_and_last_address_and_not_the_next() {
        assert!(has("192.0.2.64/26", "192.0.2.64") && has("192.0.2.64/26", "192.0.2.127"));
        assert!(!has("192.0.2.64/26", "192.0.2.128") && !has("192.0.2.64/26", "192.0.2.63"));
        assert!(has("2001:db8::/32", "2001:db8:ffff::1") && !has("2001:db8::/32", "2001:db9::1"));
        assert!(has("0.0.0.0/0", "203.0.113.9") && !has("0.0.0.0/0", "::1"));
        assert!(has("::/0", "::1") && !has("::/0", "203.0.113.9"));
        assert!(has("127.0.0.1", "127.0.0.1") && !has("127.0.0.1", "127.0.0.2"));
    }

    #[test]
    fn an_ipv4_peer_on_an_ipv6_socket_is_the_same_peer() {
        assert!(has("192.0.2.0/24", "::ffff:192.0.2.9"));
        assert_eq!(block("::ffff:192.0.2.9"), block("192.0.2.9/32"));
    }

    #[test]
    fn what_is_no_block_is_refused_and_a_slip_is_named() {
        for text in
            ["", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0/8", "::/129", "host/8", "::ffff:10.0.0.0/104"]
        {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError::NotABlock), "{text}");
        }
        let error = "10.1.2.3/8".parse::<Cidr>().unwrap_err();
        assert_eq!(error, CidrError::HostBits(block("10.0.0.0/8")));
        assert!(error.to_string().contains("10.0.0.0/8"));
        assert_eq!(Cidr::new("10.1.2.3".parse().unwrap(), 8), None);
    }
}
