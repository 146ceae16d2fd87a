//! HMAC-SHA256 (RFC 2104), for nonces that prove themselves ours without being stored.

use sha2::{Digest, Sha256};

pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // The key is shorter than the block of 64 bytes, so it is padded with zeros and never hashed first.
    let (mut inner, mut outer) = ([0x36u8; 64], [0x5cu8; 64]);
    for (i, byte) in key.iter().enumerate() {
        inner[i] ^= byte;
        outer[i] ^= byte;
    }
    let mut digest = Sha256::new_with_prefix(inner);
    for part in parts {
        digest.update(part);
    }
    let inside = digest.finalize();
    let mut digest = Sha256::new_with_prefix(outer);
    digest.update(inside);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_4231_test_case_1_and_2_with_keys_zero_padded() {
        // HMAC pads a short key with zeros, so a zero-padded key of 32 bytes is the same key.
        let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            hex(hmac_sha256(&key, &[b"Hi ", b"There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex(hmac_sha256(&key, &[b"what do ya want for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
