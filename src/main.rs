//! The `hotline` command. Everything it does is in [`hotline::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    hotline::cli::run()
}
