//! The sample flows and prompts as part of the program: what the demo plays, and what `hotline init` starts from.

use include_dir::{Dir, include_dir};

pub static FLOWS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/ivr-flows");
pub static PROMPTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/prompts");
