//! The `pathscope` command.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

use std::process::ExitCode;

fn main() -> ExitCode {
    pathscope::cli::run(std::env::args_os())
}
