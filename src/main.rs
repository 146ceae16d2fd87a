//! The `hotline` command. Everything it does is in [`hotline::cli`].

use std::process::ExitCode;

/// Events and messages are made on one thread and freed on another, which is where it beats the system's allocator: a
/// fifth less CPU for a whole call.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hotline::cli::run()
}
