//! Offer and answer of one audio stream, or of a fax in its place (RFC 3264, RFC 8866), from text to [`MediaSpec`].
//!
//! Knows nothing of SIP, sockets or legs: it is given the other side's description and the address and port to announce.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod crypto;
mod error;
mod fax;
mod handshake;
mod keys;
#[cfg(test)]
mod mutation_tests;
mod parse;
mod payload;
mod protection;
mod session;
pub mod spec;

pub use crypto::{MasterKey, Suite};
pub use error::SdpError;
pub use fax::Fax;
pub use handshake::{Fingerprint, Handshake, Hash, Ice, Sha256};
pub use keys::KeyPolicy;
pub use parse::{MAX_BYTES, MAX_MEDIA};
pub use protection::{Protection, Security, SrtpPolicy};
pub use session::Session;
pub use spec::{Codec, Direction, MediaSpec};
