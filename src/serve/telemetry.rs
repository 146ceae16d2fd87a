//! Log lines: standard error, filtered by `HOTLINE_LOG` (a tracing filter; `info` when unset).

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

pub fn init() {
    let filter = EnvFilter::try_from_env("HOTLINE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logger =
        tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(std::io::stderr().is_terminal());
    let logger = logger.with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first logger.
    let _ = logger.try_init();
}
