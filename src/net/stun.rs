//! The keep-alives of phones behind NAT that come as STUN (RFC 5626 3.5.2 and 8): a binding request at the port of SIP is
//! answered with the address that it came from, so that the phone notices when its NAT has given it another. Pure. Nothing
//! else of STUN (RFC 8489) is spoken here.

use crate::stun::{
    Answer, BINDING_REQUEST, FINGERPRINT, MESSAGE_INTEGRITY, Message, NONCE, OPTIONAL, REALM, USERNAME, Unknown,
};
use std::net::SocketAddr;

/// Attributes that a request may carry and that change nothing here: credentials are not asked for (RFC 5626 8), and who asks
/// for another way back is a tool that looks at NATs, not a phone.
const HARMLESS: [u16; 4] = [USERNAME, MESSAGE_INTEGRITY, REALM, NONCE];

/// The answer owed to `datagram` from `source`. `None` when it is no STUN, and when it is none that is answered.
pub(super) fn answer(datagram: &[u8], source: SocketAddr) -> Option<Answer> {
    let request = Message::read(datagram).filter(|message| message.kind == BINDING_REQUEST)?;
    let mut unknown = Unknown::default();
    let mut fingerprint = false;
    for attribute in request.attributes() {
        let attribute = attribute.ok()?;
        match attribute.kind {
            FINGERPRINT if attribute.is_right_fingerprint() => fingerprint = true,
            FINGERPRINT => return None,
            kind if kind < OPTIONAL && !HARMLESS.contains(&kind) => unknown.add(kind),
            _ => {}
        }
    }
    let made = match unknown.is_empty() {
        true => Answer::success(request.transaction(), source)?,
        false => Answer::not_understood(request.transaction(), &unknown)?,
    };
    if fingerprint { made.with_fingerprint() } else { Some(made) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| byte.is_ascii_hexdigit()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    const TRANSACTION: &str = "b7e7a701 bc34d686 fa87dfae";

    fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
        super::answer(datagram, source).map(|answer| answer.as_bytes().to_vec())
    }

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
        let asked = hex(&format!("0001 0008 2112a442 {TRANSACTION} 8028 0004 00000000"));
        assert_eq!(answer(&asked, from("192.0.2.1:32853")), None);
        // RFC 5769 2.1, without its credentials: the sum is that of zlib.
        let asked = hex(&format!("0001 0008 2112a442 {TRANSACTION} 8028 0004 fdf6ae02"));
        let answered = answer(&asked, from("192.0.2.1:32853")).unwrap();
        // It has to be the last (RFC 8489 14.7).
        let more = hex(&format!("0001 000c 2112a442 {TRANSACTION} 8028 0004 8efe89cd 8022 0000"));
        assert_eq!(answer(&more, from("192.0.2.1:32853")), None);
        assert_eq!((answered.len(), &answered[32..36]), (40, &[0x80, 0x28, 0, 4][..]));
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
