//! Files that admins write: their text with places, YAML as a tree, and what is found wrong in them. `hotline.yaml`, flows
//! and prompts are all read and reported by this one room.
//!
//! Pure: it opens no file and knows no setting.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub(crate) mod allow;
pub(crate) mod diag;
pub(crate) mod layout;
pub(crate) mod text;
pub(crate) mod yaml;

pub use diag::{Allowed, Diagnostic, Level};
pub use text::{Sources, Span};
