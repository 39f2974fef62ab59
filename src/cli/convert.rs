use std::path::PathBuf;

use clap::Args;

use super::Problem;
use super::arguments::ModelArguments;
use super::terminal::Terminal;
use crate::format::convert;

/// Writes a model in another format, and proves that it computes the same.
///
/// Reads whatever pathscope opens: its own safetensors, PyTorch checkpoints and TorchScript of
/// known architectures, and graphs of torch.export (.pt2). Writes pathscope's safetensors
/// (OUT.safetensors: with architecture and normalisation) or a PyTorch dictionary of tensors
/// (OUT.pt, OUT.pth: opens with torch.load(OUT, weights_only=True)). The result is read back and
/// compared with the original on random inputs before it appears.
///
/// Example: pathscope convert assets/preresnet20.safetensors preresnet20.pt
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// File to write: .safetensors, .pt or .pth.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Replace OUT if it exists.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let out = &arguments.out;
    if out.exists() && !arguments.force {
        return Err(Problem::BadInput(format!(
            "{} exists; choose another name, or replace it with --force",
            out.display()
        )));
    }
    let model = arguments.model.load(terminal)?;
    let conversion = convert(&model, out)?;
    terminal.result(&format!(
        "{} written: {} with {} blocks; its outputs on {} random inputs differ from the original's \
         by {:.1e} of the largest",
        out.display(),
        model.card.title,
        model.card.specification.blocks.len(),
        conversion.examples,
        conversion.difference,
    ))
}
