//! Offer and answer of one audio stream (RFC 3264, RFC 8866), from text to [`MediaSpec`].
//!
//! Knows nothing of SIP, sockets or legs: it is given the other side's description and the address and port to announce.
//! The only folder that names an outside SDP crate.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod spec;

pub use spec::{Codec, Direction, MediaSpec};
