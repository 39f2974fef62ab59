//! The `pathscope` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    pathscope::cli::run(std::env::args_os())
}
