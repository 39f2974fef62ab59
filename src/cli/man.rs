use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::terminal::Terminal;
use super::{Cli, Problem};

/// Writes the manual pages, one for each command.
///
/// Example: pathscope man man1
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder to write to; it is made where it is missing.
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let folder = &arguments.folder;
    let failed = |fault| Problem::Failed(format!("{}: {fault}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    terminal.remark(&format!("manual pages: {}", folder.display()));
    Ok(())
}
