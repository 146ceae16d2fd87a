//! The sample flows and prompts as part of the program: what the demo plays, and what `hotline init` starts from.

use include_dir::{Dir, include_dir};

/// What to say to whoever would change them.
pub const BUILT_IN: &str = "the demo's flows are part of the program; `hotline init DIR` makes a project of one's own, `hotline serve` runs it";

pub static FLOWS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/ivr-flows");
pub static PROMPTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/prompts");
