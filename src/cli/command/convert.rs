use std::path::PathBuf;

use clap::Args;

use super::Execute;
use crate::cli::args::{ModelArguments, OutputArguments};
use crate::cli::{Problem, Terminal};
use crate::format::{Fault, FormatError, convert};

/// Convert a model to another format and check that it computes the same
///
/// Reads pathscope's safetensors, PyTorch checkpoints and TorchScript archives of known
/// architectures, and exported networks (.pt2). Writes pathscope's safetensors (with architecture
/// and normalisation) or a PyTorch state dict, which opens with torch.load(OUT,
/// weights_only=True). Before the output appears, it is read back and compared with the original
/// on random inputs.
///
/// Example: pathscope convert assets/preresnet20.safetensors preresnet20.pt
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Output file (.safetensors, .pt or .pth)
    #[arg(value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    outputs: OutputArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let out = &self.out;
        self.outputs
            .check(out, &["safetensors", "pt", "pth"], [&self.model.model])?;
        let model = self.model.load(terminal)?;
        let conversion = convert(&model, out).map_err(|error| match *error.fault {
            Fault::OutputsNotFinite => FormatError {
                file: self.model.model.clone(),
                ..error
            },
            _ => error,
        })?;
        terminal.result(&format!(
            "{}: {}, {} blocks; its outputs on {} random inputs differ from the original's by \
             {:.1e} of the largest",
            out.display(),
            model.card.title,
            model.card.specification.blocks.len(),
            conversion.examples,
            conversion.difference,
        ))
    }
}
