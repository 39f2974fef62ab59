use clap::Args;
use clap_complete::Shell;

use super::Execute;
use crate::cli::{Problem, Terminal, help};

/// Print a completion script for a shell
///
/// Example: pathscope completions bash
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Shell
    shell: Shell,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut help(), "pathscope", &mut script);
        terminal.result(&String::from_utf8_lossy(&script))
    }
}
