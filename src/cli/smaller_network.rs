//! Removals step by step, and the smaller network as a file.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::Level;
use pathscope_analysis::record::{Change, LesionKind, Record, Removal};
use serde_json::json;

use super::Problem;
use super::terminal::Terminal;
use crate::experiment::{Cell, Journal, Laboratory, LesionOptions};
use crate::format::{Model, ModelCard, save_proven_model};
use crate::report::removals::on_front;

/// Largest difference of a logit, as a share of the largest logit, that rounding explains.
const TOLERANCE: f64 = 1e-5;

/// The network that blocks are deleted from.
pub(super) struct Source<'a> {
    pub card: &'a ModelCard,
    pub hash: &'a str,
    /// Where it lies.
    pub file: &'a Path,
}

/// Refuses, before anything is measured, what cannot be exported after it.
///
/// # Errors
/// A question with several answers, or a change that is no smaller network.
pub(super) fn check(
    cells: &[Cell],
    greedy: Option<usize>,
    options: LesionOptions,
) -> Result<(), Problem> {
    if options.kind != LesionKind::Delete {
        return Err(Problem::BadInput(
            "--export writes a network without the deleted blocks: it needs --kind delete".into(),
        ));
    }
    if greedy.is_none() && cells.len() != 2 {
        return Err(Problem::BadInput(
            "--export writes one smaller network; say which with --greedy M, --drop-block or --keep"
                .into(),
        ));
    }
    Ok(())
}

/// The steps of a greedy removal, the intact network first.
pub(super) fn removals(journal: &Journal) -> Vec<&Removal> {
    journal
        .records()
        .iter()
        .filter_map(|record| match record {
            Record::Removal(removal) => Some(removal),
            _ => None,
        })
        .collect()
}

/// Prints what every step of a greedy removal leaves.
pub(super) fn print_removals(journal: &Journal, terminal: &Terminal) -> Result<(), Problem> {
    let removals = removals(journal);
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "removed",
        "error [95 %]",
        "parameters",
        "multiply-adds",
        "ms an example",
        "Pareto front",
    ]);
    let blocks = &journal.header().model.blocks;
    for (step, on_front) in removals.iter().zip(on_front(&removals)) {
        let removed = match step.removed.last() {
            None => "none".to_owned(),
            Some(&block) => {
                let name = blocks.get(block).map_or("", |block| block.name.as_str());
                format!("{}: {block} {name}", step.removed.len())
            }
        };
        let interval = step.error_interval(Level::P95);
        let interval = interval.map_or_else(String::new, |i| {
            format!(" [{:.2}, {:.2}]", 100.0 * i.lower, 100.0 * i.upper)
        });
        let error = 100.0 * step.errors as f64 / step.examples.max(1) as f64;
        table.add_row([
            removed,
            format!("{error:.2} %{interval}"),
            step.parameters.to_string(),
            step.multiply_adds.to_string(),
            format!("{:.3}", 1e3 * step.latency),
            if on_front { "yes" } else { "" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    terminal.result(&format!(
        "greedy removal; the latency is that of one example on one thread, the least of 30 runs; on \
         the front no other step has fewer errors with no more parameters\n{table}"
    ))
}

/// Writes the network that `cell` leaves of `source` to `file`, once what is read back gives the
/// same logits on all examples.
///
/// # Errors
/// Logits that differ by more than rounding, or a file that cannot be written.
pub(super) fn export(
    file: &Path,
    source: &Source<'_>,
    laboratory: &Laboratory<'_>,
    cell: &Cell,
    options: LesionOptions,
    terminal: &Terminal,
) -> Result<(), Problem> {
    let network = laboratory.smaller(&cell.plan, options)?;
    let removed = removed(laboratory, cell);
    let mut training = source
        .card
        .training
        .clone()
        .filter(serde_json::Value::is_object)
        .unwrap_or_else(|| json!({}));
    if let Some(training) = training.as_object_mut() {
        let origin = json!({
            "title": source.card.title,
            "hash": source.hash,
            "removed": removed,
            "batch_norm": options.batch_norm,
        });
        training.insert("exported_from".to_owned(), origin);
    }
    // The evaluation set is named relative to the model file.
    let folder = |file: &Path| std::path::absolute(file).map(|f| f.parent().map(Path::to_owned));
    let same_folder = matches!((folder(file), folder(source.file)), (Ok(a), Ok(b)) if a == b);
    let card = ModelCard {
        title: format!("{} without {}", source.card.title, removed.join(", ")),
        specification: network.specification().clone(),
        evaluation: source.card.evaluation.clone().filter(|_| same_folder),
        training: Some(training),
        ..source.card.clone()
    };
    let mut largest = 0.0;
    save_proven_model(file, &card, &network, |read: &Model| {
        let difference = laboratory.difference(&read.network, &cell.plan, options)?;
        if difference <= TOLERANCE {
            largest = difference;
            return Ok(());
        }
        Err(Problem::Failed(format!(
            "the exported network gives other logits (largest difference {difference:.1e} of the \
             largest logit), so {} was not written",
            file.display()
        )))
    })?;
    terminal.result(&format!(
        "exported to {}: {} blocks, {} parameters; logits equal on all {} examples (largest \
         difference {largest:.0e} of the largest logit)",
        file.display(),
        network.specification().blocks.len(),
        network.specification().parameter_count(),
        laboratory.data().len(),
    ))
}

/// What `cell` deletes, by the names of the blocks.
fn removed(laboratory: &Laboratory<'_>, cell: &Cell) -> Vec<String> {
    let Change::Lesion(lesion) = &cell.change else {
        return Vec::new();
    };
    let blocks = &laboratory.specification().blocks;
    let name = |block: usize| blocks.get(block).map_or("", |block| block.name.as_str());
    let functions = lesion.functions.iter();
    lesion
        .blocks
        .iter()
        .map(|&block| name(block).to_owned())
        .chain(functions.map(|&(block, function)| format!("{}:{function}", name(block))))
        .collect()
}
