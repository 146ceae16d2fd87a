//! The keep-alives of phones behind NAT that come as STUN (RFC 5626 3.5.2 and 8): a binding request at the port of SIP is
//! answered with the address that it came from, so that the phone notices when its NAT has given it another. Pure. Nothing
//! else of STUN (RFC 8489) is spoken here.

use std::net::{IpAddr, SocketAddr};

const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const HEADER: usize = 20;
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const FAILURE: u16 = 0x0111;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const FINGERPRINT: u16 = 0x8028;
/// Attributes that a request may carry and that change nothing here: credentials are not asked for (RFC 5626 8), and who asks
/// for another way back is a tool that looks at NATs, not a phone.
const HARMLESS: [u16; 4] = [0x0006, 0x0008, 0x0014, 0x0015];
/// Types below it have to be understood (RFC 8489 14).
const OPTIONAL: u16 = 0x8000;
/// No more of them are named in an answer: it must not be much longer than what it answers.
const MOST_NAMED: usize = 2;

/// The answer owed to `datagram` from `source`. `None` when it is no STUN, and when it is none that is answered.
pub(super) fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let (header, attributes) = datagram.split_at_checked(HEADER)?;
    let number = |at: usize| Some(u16::from_be_bytes(header.get(at..at + 2)?.try_into().ok()?));
    if number(0)? != REQUEST || usize::from(number(2)?) != attributes.len() || header.get(4..8)? != COOKIE {
        return None;
    }
    let transaction = header.get(8..HEADER)?;
    let mut unknown = Vec::new();
    let mut fingerprint = false;
    let mut rest = attributes;
    while !rest.is_empty() {
        if fingerprint {
            return None; // It has to be the last (14.7).
        }
        let (kind, length) = (rest.get(..2)?, rest.get(2..4)?);
        let kind = u16::from_be_bytes(kind.try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let value = rest.get(4..4 + length)?;
        if kind == FINGERPRINT {
            fingerprint = true;
            let before = datagram.get(..datagram.len() - rest.len())?;
            if value != fingerprint_of(before) {
                return None;
            }
        } else if kind < OPTIONAL && !HARMLESS.contains(&kind) {
            unknown.push(kind);
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
    let mut body = Vec::with_capacity(48);
    let kind = match unknown.is_empty() {
        true => {
            attribute(&mut body, XOR_MAPPED_ADDRESS, &mapped(source, transaction));
            SUCCESS
        }
        false => {
            attribute(&mut body, ERROR_CODE, &[0, 0, 4, 20]);
            let named: Vec<u8> = unknown.iter().take(MOST_NAMED).flat_map(|kind| kind.to_be_bytes()).collect();
            attribute(&mut body, UNKNOWN_ATTRIBUTES, &named);
            FAILURE
        }
    };
    let length = body.len() + if fingerprint { 8 } else { 0 };
    let mut out = Vec::with_capacity(HEADER + length);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
    out.extend_from_slice(&COOKIE);
    out.extend_from_slice(transaction);
    out.extend_from_slice(&body);
    if fingerprint {
        let value = fingerprint_of(&out);
        attribute(&mut out, FINGERPRINT, &value);
    }
    Some(out)
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    // Ours have 20 octets at most.
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// An address that no NAT rewrites on its way (RFC 8489 14.2).
fn mapped(source: SocketAddr, transaction: &[u8]) -> Vec<u8> {
    let key = COOKIE.iter().chain(transaction);
    let port = source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let (family, octets) = match source.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let [high, low] = port.to_be_bytes();
    [0, family, high, low].into_iter().chain(octets.iter().zip(key).map(|(octet, key)| octet ^ key)).collect()
}

/// The CRC-32 of what stands before the attribute, turned so that it is not taken for another protocol's (RFC 8489 14.7).
/// The header's length counts the attribute already.
fn fingerprint_of(before: &[u8]) -> [u8; 4] {
    let crc = before.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    (!crc ^ 0x5354_554e).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| byte.is_ascii_hexdigit()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    const TRANSACTION: &str = "b7e7a701 bc34d686 fa87dfae";

    fn request(attributes: &str) -> Vec<u8> {
        let attributes = hex(attributes);
        [hex(&format!("0001 {:04x} 2112a442 {TRANSACTION}", attributes.len())), attributes].concat()
    }

    fn from(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_phone_behind_nat_is_told_the_address_that_it_is_seen_at_rfc5769_2_2_and_2_3() {
        let v4 = answer(&request(""), from("192.0.2.1:32853")).unwrap();
        assert_eq!(v4, hex(&format!("0101 000c 2112a442 {TRANSACTION} 0020 0008 0001 a147 e112a643")));
        let v6 = answer(&request(""), from("[2001:db8:1234:5678:11:2233:4455:6677]:32853")).unwrap();
        let mapped = "0020 0014 0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9";
        assert_eq!(v6, hex(&format!("0101 0018 2112a442 {TRANSACTION} {mapped}")));
    }

    #[test]
    fn a_fingerprint_is_checked_and_returned() {
        let mut asked = [hex(&format!("0001 0008 2112a442 {TRANSACTION}"))].concat();
        let print = fingerprint_of(&asked);
        attribute(&mut asked, FINGERPRINT, &print);
        let answered = answer(&asked, from("192.0.2.1:32853")).unwrap();
        let (before, last) = answered.split_at(answered.len() - 8);
        assert_eq!(last[4..], fingerprint_of(before));
        *asked.last_mut().unwrap() ^= 1;
        assert_eq!(answer(&asked, from("192.0.2.1:32853")), None);
        // CRC-32 of "123456789" is cbf43926.
        assert_eq!(fingerprint_of(b"123456789"), (0xcbf4_3926_u32 ^ 0x5354_554e).to_be_bytes());
    }

    #[test]
    fn an_attribute_that_must_be_understood_and_is_not_is_named_rfc8489_6_3_1() {
        let answered = answer(&request("0024 0004 00000001 8022 0000 7f01 0000"), from("192.0.2.1:1")).unwrap();
        assert_eq!(answered, hex(&format!("0111 0010 2112a442 {TRANSACTION} 0009 0004 00000414 000a 0004 0024 7f01")));
        assert!(answer(&request("0006 0003 61626300"), from("192.0.2.1:1")).is_some(), "padded");
    }

    #[test]
    fn nothing_else_is_answered_and_no_answer_is_long() {
        let good = request("");
        for cut in 0..good.len() {
            assert_eq!(answer(&good[..cut], from("192.0.2.1:1")), None);
        }
        for (place, octet) in [(0, 1u8), (1, 0x11), (3, 4), (4, 0)] {
            let mut other = good.clone();
            other[place] = octet;
            assert_eq!(answer(&other, from("192.0.2.1:1")), None, "octet {place}");
        }
        assert_eq!(answer(&request("0006 0008 61"), from("192.0.2.1:1")), None, "cut inside an attribute");
        assert_eq!(answer(b"OPTIONS sip:a@b SIP/2.0\r\n", from("192.0.2.1:1")), None);
        for attributes in ["", "7f01 0000", "7f01 0000 7f02 0000 7f03 0000 7f04 0000"] {
            let asked = request(attributes);
            let longest = answer(&asked, from("[2001:db8::1]:1")).unwrap().len();
            assert!(longest <= asked.len() * 3, "no amplifier: {longest} for {}", asked.len());
        }
    }
}
