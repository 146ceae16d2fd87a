//! SIP messages as bytes: found, read, checked and built. RFC 3261 sections 7, 19, 20 and 25; RFC 4475 and RFC 5118
//! say what must be read and what must be refused.
//!
//! One scanner ([`scan`]) finds the lines of a message, whether it came as a datagram or out of a stream ([`frame`]).
//! It reads nearly everything, because a message that is refused here cannot be answered. Typed views read a header
//! when it is asked for and never change its bytes. [`validate`] then says what status a bad request is owed.
//! [`build`] writes messages and copies headers untouched.
//!
//! This folder never knows transactions, dialogs, addresses of peers, time or sockets.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod address;
pub mod build;
pub mod date;
pub mod digest;
pub mod fields;
pub mod frame;
mod header_name;
mod host;
mod method;
mod multipart;
mod owned;
pub mod scan;
mod text;
pub mod uri;
pub mod validate;
mod via;
mod view;

pub use address::{Contact, NameAddr};
pub use build::{Builder, response_to};
pub use fields::{CSeq, FieldError, MediaType, RAck, Refresher, Replaces, SessionExpires};
pub use header_name::HeaderName;
pub use host::{Host, HostRef};
pub use method::Method;
pub use owned::{Message, ParseError};
pub use scan::{HeaderTable, Limits, ScanError, scan};
pub use text::{Param, Params};
pub use uri::{Scheme, Uri, UriError, UriRef, is_sips};
pub use validate::{Refusal, Rejection, validate_request, validate_response};
pub use via::{Rport, Via};
pub use view::View;

#[cfg(test)]
mod tests;
