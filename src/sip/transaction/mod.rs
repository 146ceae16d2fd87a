//! Transactions: a request and its responses, kept alive over a network that loses, repeats and reorders. RFC 3261
//! section 17 and RFC 6026; timers A to M.
//!
//! Each of the four machines is a table ([`invite_client`], [`other_client`], [`invite_server`], [`other_server`]);
//! [`Layer`] finds the transaction of a message, runs its table and carries out what it asks. It knows nothing of
//! dialogs: whoever starts a transaction leaves an owner in it and is told by that.

pub mod derived;
pub mod invite_client;
pub mod invite_server;
mod key;
mod layer;
pub mod machine;
pub mod other_client;
pub mod other_server;
mod timing;

pub use key::{Branch, Class};
pub use layer::{Delivery, Fresh, Layer, Matched, Told};
pub use machine::Failure;
pub use timing::TimerSet;

use super::slots::Slot;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(super) Slot);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub(super) Slot);

#[cfg(test)]
mod tests;
#[cfg(test)]
mod timer_tests;
