//! SIP (RFC 3261), without a socket or a clock: parse and build ([`message`]), keep exchanges alive over a network that
//! loses and repeats ([`transaction`]), remember who is talking to whom ([`dialog`]), and give the call control calls
//! instead of messages ([`endpoint`]). [`locate`] finds where a name is served (RFC 3263). what watchers are told is in [`package`]. [`digest`] proves who a sender is (RFC 7616, RFC 8760); [`peer`] names the far end
//! of a datagram or a connection.
//!
//! It must never know about queues, agents, flows or audio: SDP bodies pass through as bytes.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod locate;
pub mod message;
pub mod package;
pub mod peer;
mod slots;
pub mod transaction;
