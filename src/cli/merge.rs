use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use pathscope_analysis::record::Record;
use tempfile::NamedTempFile;

use super::Problem;
use super::terminal::Terminal;
use crate::report::{Journal, merge};

/// Joins the files of a sweep that several processes divided with --shard.
///
/// The result is the file that one process would have written, to the last byte. Every part must be
/// finished; one that was killed goes on where it stopped when its command is given again.
///
/// Example: pathscope merge --help
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The parts, in any order.
    #[arg(required = true, value_name = "FILE")]
    parts: Vec<PathBuf>,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let refuse = |fault: &dyn std::fmt::Display| Problem::BadInput(fault.to_string());
    let parts = arguments
        .parts
        .iter()
        .map(|part| Journal::read(part))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| refuse(&fault))?;
    let (header, records) = merge(&parts).map_err(|fault| refuse(&fault))?;
    let measurements = records.len();
    let lines = std::iter::once(Record::Header(header)).chain(records);
    write(&arguments.output, lines)
        .map_err(|fault| Problem::Failed(format!("{}: {fault}", arguments.output.display())))?;
    terminal.remark(&format!(
        "{measurements} measurements of {} parts in {}",
        parts.len(),
        arguments.output.display()
    ));
    Ok(())
}

/// Puts the lines in place in one step.
fn write(file: &Path, lines: impl Iterator<Item = Record>) -> std::io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut partial = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    for line in lines {
        serde_json::to_writer(&mut partial, &line)?;
        partial.write_all(b"\n")?;
    }
    partial.persist(file)?;
    Ok(())
}
