//! Everything random that leaves the endpoint, from one seed.

use crate::sip::dialog::Tag;
use crate::sip::digest::hmac_sha256;
use crate::sip::transaction::Branch;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(super) struct Mint {
    rng: ChaCha12Rng,
    stateless_key: [u8; 32],
}

impl Mint {
    pub fn new(seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let mut stateless_key = [0; 32];
        rng.fill_bytes(&mut stateless_key);
        Self { rng, stateless_key }
    }

    pub fn branch(&mut self) -> Branch {
        Branch(self.rng.next_u64())
    }

    pub fn tag(&mut self) -> Tag {
        Tag(self.rng.next_u64())
    }

    pub fn call_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64())
    }

    pub fn cnonce(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    /// A number below `limit`, near enough to uniform for a back-off.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.rng.next_u32() % limit.max(1)
    }

    /// A To tag that is the same for each repetition of a request, without remembering it (8.2.7).
    pub fn stateless_tag(&self, parts: &[&[u8]]) -> Tag {
        let proof = hmac_sha256(&self.stateless_key, parts);
        let mut first = [0; 8];
        first.copy_from_slice(&proof[..8]);
        Tag(u64::from_be_bytes(first))
    }
}
