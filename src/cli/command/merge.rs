use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::record::Record;

use super::Execute;
use crate::cli::args::OutputArguments;
use crate::cli::show::file;
use crate::cli::{Problem, Terminal};
use crate::report::{Journal, merge};

/// Join the results files of a sweep that --shard divided
///
/// The output is the file that a single process would have written, byte for byte. Every part must
/// be finished; to finish a part that was interrupted, repeat its command.
///
/// Example: pathscope merge part-1.jsonl part-2.jsonl -o lesion.jsonl
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Results files of all parts, in any order
    #[arg(required = true, value_name = "FILE")]
    parts: Vec<PathBuf>,
    /// Output file (.jsonl)
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    outputs: OutputArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        self.outputs.check(&self.output, &[], &self.parts)?;
        let parts = self.parts.iter().map(|part| Journal::read(part));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let (header, records) = merge(&parts)?;
        let measurements = records.len();
        let mut text = Vec::new();
        for line in std::iter::once(Record::Header(header)).chain(records) {
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
        file::write(&self.output, &text)?;
        terminal.remark(&format!(
            "{measurements} measurements of {} parts: {}",
            parts.len(),
            self.output.display()
        ));
        Ok(())
    }
}
