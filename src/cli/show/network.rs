//! A network's blocks, as a table and as JSON.

use std::path::Path;

use serde_json::json;

use crate::cli::Problem;
use crate::experiment::Audit;
use crate::format::{LoadNote, ModelCard};
use crate::network::{Block, BlockShape, Layer, Operation, Plan, Specification};
use crate::report::table::{Cell, Column, Table};

/// The blocks with their shapes, one a row. Errors: a network whose layers do not fit together.
pub(crate) fn blocks(
    title: &str,
    specification: &Specification,
    shapes: &[BlockShape],
) -> Result<Table, Problem> {
    let mut table = Table::new(
        format!("{title}: {} blocks, numbered from 0", shapes.len()),
        vec![
            Column::number("block", "block"),
            Column::words("name", "name"),
            Column::number("input", "input").low(),
            Column::number("output", "output").high(),
            Column::number("functions", "functions"),
            Column::number("parameters", "parameters"),
            Column::words("skip", "skip"),
        ],
    );
    for (index, (block, shape)) in specification.blocks.iter().zip(shapes).enumerate() {
        let parameters = u64::try_from(block.parameter_count())
            .map_err(|_| Problem::Internal("a negative number of parameters".into()))?;
        table.push(vec![
            Cell::count(index),
            Cell::words(&block.name),
            Cell::words(shape.input.to_string()),
            Cell::words(shape.output.to_string()),
            Cell::count(block.functions.len()),
            Cell::thousands(parameters),
            Cell::words(skip(block, shape)),
        ]);
    }
    Ok(table)
}

/// How the batch normalisations agree with what reaches them, one a row.
pub(crate) fn agreements(audit: &Audit) -> Table {
    let mut table = Table::new(
        format!(
            "audit: stored batch statistics against those of {} images",
            audit.images
        ),
        vec![
            Column::words("layer", "layer"),
            Column::number("shift", "shift of means"),
            Column::number("spread", "spread of variances"),
        ],
    );
    for agreement in &audit.agreements {
        table.push(vec![
            Cell::words(&agreement.layer),
            Cell::significant(agreement.shift, 2),
            Cell::significant(agreement.spread, 2),
        ]);
    }
    table
}

/// The skip of a block, in words.
fn skip(block: &Block<Layer>, shape: &BlockShape) -> &'static str {
    // What the first block of a pre-activation stage shares with its skip.
    let is_bn_relu = |layer: &Layer| {
        matches!(
            layer.operation,
            Operation::BatchNorm { .. } | Operation::Relu
        )
    };
    let is_mix = |layer: &Layer| matches!(layer.operation, Operation::Mix { .. });
    match &block.skip {
        None => "none",
        Some(_) if block.gate.is_some() => "gated",
        Some(layers) if layers.is_empty() && block.pre.is_empty() => "identity",
        Some(layers) if layers.is_empty() && block.pre.iter().all(is_bn_relu) => "shared BN-ReLU",
        Some(layers) if layers.is_empty() => "identity after shared layers",
        Some(layers) if layers.iter().all(Layer::is_factor) => "times a factor",
        Some(_) if block.mean => "other columns",
        Some(layers) if layers.iter().any(is_mix) => "mixes streams",
        Some(_) if shape.is_preserving() => "projection",
        Some(_) => "changes shape",
    }
}

/// The model at `file` as one JSON object. Errors: a model whose layers do not fit together.
pub(crate) fn describe(
    card: &ModelCard,
    hash: &str,
    notes: &[LoadNote],
    file: &Path,
) -> Result<serde_json::Value, Problem> {
    let specification = &card.specification;
    let shapes = specification.shapes(card.input)?;
    let plan = Plan::intact(specification);
    let multiply_adds = specification.cost(&plan, card.input)?.multiply_adds;
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
                "functions": block.functions.len(),
                "parameters": block.parameter_count(),
                "changes_shape": !shape.is_preserving(),
            })
        })
        .collect();
    Ok(json!({
        "model": file.display().to_string(),
        "title": card.title,
        "model_hash": hash,
        "input": card.input.to_string(),
        "normalization": card.normalization,
        "parameters": specification.parameter_count(),
        "multiply_adds": multiply_adds,
        "notes": notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "blocks": blocks,
    }))
}
