//! The address of one device of an extension (RFC 5627): the extension's own, with the device's instance in `gr`.

use std::fmt::Write;

/// The public GRUU of an instance.
pub(super) fn public_gruu(aor: &str, realm: &str, instance: &str) -> String {
    let mut gruu = format!("sip:{aor}@{realm};gr=");
    for byte in instance.bytes() {
        // RFC 3261 25.1: param-unreserved and unreserved.
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&byte) {
            gruu.push(byte as char);
        } else {
            // Writing into a String does not fail.
            let _ = write!(gruu, "%{byte:02X}");
        }
    }
    gruu
}

/// The instance that the `gr` of a GRUU names.
pub(super) fn instance_of_gruu(gr: &str) -> String {
    let mut bytes = Vec::with_capacity(gr.len());
    let mut rest = gr.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_instance_is_called_its_gruu_leads_back_to_it() {
        for instance in ["urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "a b;c=d%41>\u{738b}", "%", ""] {
            let gruu = public_gruu("1001", "pbx.example", instance);
            let (_, gr) = gruu.split_once(";gr=").unwrap();
            assert!(gr.bytes().all(|b| b.is_ascii_graphic() && !b";<>\",".contains(&b)), "{gruu}");
            assert_eq!(instance_of_gruu(gr), instance);
        }
    }
}
