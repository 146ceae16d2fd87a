#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
mod diag;
mod expr;
mod source;
pub mod speech;
mod value;
mod yaml;
pub use diag::{Diagnostic, Level};
pub use source::{Name, Sources, Span};
