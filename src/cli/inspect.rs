use std::path::Path;

use clap::Args;
use comfy_table::{Table, presets};
use serde_json::json;

use super::Problem;
use super::arguments::ModelArguments;
use super::terminal::Terminal;
use crate::format::Model;
use crate::network::{BlockShape, Layer, Operation, Plan, Specification};

/// Shows the blocks, shapes, branches and parameters of a model, and what was recognised.
///
/// Example: pathscope inspect assets/preresnet20.safetensors
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let model = arguments.model.load(terminal)?;
    let specification = &model.card.specification;
    let shapes = specification.shapes(model.card.input)?;
    let plan = Plan::intact(specification);
    let multiply_adds = specification.cost(&plan, model.card.input)?.multiply_adds;
    if arguments.json {
        let whole = describe(&model, &arguments.model.model)?;
        return terminal.result(&format!("{whole:#}"));
    }
    let table = blocks(specification, &shapes);
    terminal.result(&format!(
        "{}: {} blocks, numbered from 0\n{table}\n{} parameters, {:.1} million multiply-adds for {}",
        model.card.title,
        specification.blocks.len(),
        specification.parameter_count(),
        multiply_adds as f64 / 1e6,
        match (specification.sequence_length(), specification.vocabulary()) {
            (Some(length), Some(tokens)) =>
                format!("a sequence of {length} tokens (of {tokens} that it knows)"),
            _ => format!("an image of {}", model.card.input),
        },
    ))
}

/// Whether a layer is what the first block of a pre-activation stage shares with its skip.
fn is_bn_relu(layer: &Layer) -> bool {
    matches!(
        layer.operation,
        Operation::BatchNorm { .. } | Operation::Relu
    )
}

/// The blocks with their shapes, one a row.
pub(super) fn blocks(specification: &Specification, shapes: &[BlockShape]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "block",
        "name",
        "input",
        "output",
        "functions",
        "parameters",
        "skip",
    ]);
    for (index, (block, shape)) in specification.blocks.iter().zip(shapes).enumerate() {
        let skip = match &block.skip {
            None => "none",
            Some(layers) if layers.is_empty() && block.pre.is_empty() => "identity",
            Some(layers) if layers.is_empty() && block.pre.iter().all(is_bn_relu) => {
                "shared BN-ReLU"
            }
            Some(layers) if layers.is_empty() => "identity, behind shared layers",
            Some(_) if shape.is_preserving() => "projection",
            Some(_) => "changes shape",
        };
        table.add_row([
            index.to_string(),
            block.name.clone(),
            shape.input.to_string(),
            shape.output.to_string(),
            block.branches.len().to_string(),
            block.parameter_count().to_string(),
            skip.to_owned(),
        ]);
    }
    table
}

/// The model at `file` as one JSON object.
///
/// # Errors
/// A model whose layers do not fit together.
pub(super) fn describe(model: &Model, file: &Path) -> Result<serde_json::Value, Problem> {
    let specification = &model.card.specification;
    let shapes = specification.shapes(model.card.input)?;
    let plan = Plan::intact(specification);
    let multiply_adds = specification.cost(&plan, model.card.input)?.multiply_adds;
    let blocks: Vec<_> = specification
        .blocks
        .iter()
        .zip(&shapes)
        .enumerate()
        .map(|(index, (block, shape))| {
            json!({
                "block": index,
                "name": block.name,
                "input": shape.input.to_string(),
                "output": shape.output.to_string(),
                "functions": block.branches.len(),
                "parameters": block.parameter_count(),
                "changes_shape": !shape.is_preserving(),
            })
        })
        .collect();
    Ok(json!({
        "model": file.display().to_string(),
        "title": model.card.title,
        "model_hash": model.hash,
        "input": model.card.input.to_string(),
        "normalization": model.card.normalization,
        "parameters": specification.parameter_count(),
        "multiply_adds": multiply_adds,
        "notes": model.notes,
        "blocks": blocks,
    }))
}
