use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::Execute;
use crate::cli::args::OutputArguments;
use crate::cli::{Problem, Terminal, help};

/// Write manual pages, one per command
///
/// Example: pathscope man man1
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Output folder, created if it does not exist
    folder: PathBuf,
    #[command(flatten)]
    outputs: OutputArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let folder = &self.folder;
        let failed = |fault| Problem::Failed(format!("{}: {fault}", folder.display()));
        fs::create_dir_all(folder).map_err(failed)?;
        for name in pages(&help(), "pathscope") {
            self.outputs
                .check(&folder.join(format!("{name}.1")), &["1"], [])?;
        }
        clap_mangen::generate_to(help(), folder).map_err(failed)?;
        terminal.remark(&format!("manual pages: {}", folder.display()));
        Ok(())
    }
}

/// The names of the pages that clap writes.
fn pages(command: &clap::Command, name: &str) -> Vec<String> {
    let inner = command.get_subcommands();
    let below = inner.flat_map(|inner| pages(inner, &format!("{name}-{}", inner.get_name())));
    std::iter::once(name.to_owned()).chain(below).collect()
}
