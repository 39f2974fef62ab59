//! Outcomes as a table for people.

use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::record::{Change, Outcome, Record};
use pathscope_analysis::{Level, holm};

use super::Problem;
use super::terminal::Terminal;
use crate::experiment::{Cell, Journal};

/// Prints the outcomes of `cells` against that of the intact network, which is among them.
pub(super) fn print(journal: &Journal, cells: &[Cell], terminal: &Terminal) -> Result<(), Problem> {
    let outcomes: Vec<&Outcome> = cells
        .iter()
        .filter_map(|cell| match journal.get(&cell.key) {
            Some(Record::Outcome(outcome)) => Some(outcome),
            _ => None,
        })
        .collect();
    let Some((intact, changed)) = outcomes.split_first() else {
        return Ok(());
    };
    let header = journal.header();
    terminal.result(&format!(
        "{} on {} ({} examples); blocks count from 0\nintact: error {}, loss {:.4}, {} paths",
        header.model.title,
        header.data.description,
        intact.examples,
        rate(intact),
        intact.loss,
        intact.paths,
    ))?;
    if changed.is_empty() {
        return Ok(());
    }
    let comparisons = changed
        .iter()
        .map(|outcome| outcome.against(intact))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| Problem::Failed(fault.to_string()))?;
    let p_values: Vec<f64> = comparisons
        .iter()
        .map(|comparison| comparison.p_value)
        .collect();
    let corrected = holm(&p_values).map_err(|fault| Problem::Failed(fault.to_string()))?;
    let several = changed.len() > 1;
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let p_title = if several {
        "p (McNemar, Holm)"
    } else {
        "p (McNemar)"
    };
    let titles = [
        "change",
        "errors",
        "error [95 %]",
        "difference",
        p_title,
        "loss",
        "paths left",
    ];
    table.set_header(titles);
    for ((outcome, comparison), p_value) in changed.iter().zip(&comparisons).zip(&corrected) {
        table.add_row([
            describe(&outcome.change, journal),
            outcome.errors.to_string(),
            interval(outcome),
            format!(
                "{:+.2} % (+{} -{})",
                100.0 * comparison.difference,
                comparison.only_second_wrong,
                comparison.only_first_wrong
            ),
            if *p_value < 1e-4 {
                format!("{p_value:.0e}")
            } else {
                format!("{p_value:.4}")
            },
            format!("{:.4}", outcome.loss),
            outcome.paths.clone(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    terminal.result(&table.to_string())?;
    if changed
        .iter()
        .any(|outcome| marks(&outcome.change, journal))
    {
        terminal.result("* the block changes the shape; its projection or padding skip stays")?;
    }
    Ok(())
}

/// `7.28 % (74 of 1,017) [5.84, 9.03]`.
fn rate(outcome: &Outcome) -> String {
    let (errors, examples) = (outcome.errors, outcome.examples);
    format!("{} ({errors} of {examples})", interval(outcome))
}

fn interval(outcome: &Outcome) -> String {
    let error = 100.0 * outcome.error();
    match outcome.error_interval(Level::P95) {
        Some(interval) => format!(
            "{error:.2} % [{:.2}, {:.2}]",
            100.0 * interval.lower,
            100.0 * interval.upper
        ),
        None => format!("{error:.2} %"),
    }
}

fn describe(change: &Change, journal: &Journal) -> String {
    let blocks = &journal.header().model.blocks;
    match change {
        Change::Intact => "intact".to_owned(),
        Change::Lesion(lesion) => {
            let single = |&block: &usize| {
                let identity = blocks.get(block);
                let name = identity.map_or("", |identity| identity.name.as_str());
                let mark = if identity.is_some_and(|identity| identity.changes_shape) {
                    " *"
                } else {
                    ""
                };
                format!("{block} {name}{mark}")
            };
            let blocks: Vec<String> = match lesion.blocks.as_slice() {
                [block] => vec![single(block)],
                several => several.iter().map(usize::to_string).collect(),
            };
            let functions = lesion
                .functions
                .iter()
                .map(|(block, f)| format!("{block}.{f}"));
            blocks
                .into_iter()
                .chain(functions)
                .collect::<Vec<_>>()
                .join(", ")
        }
        Change::Reordering(reordering) => {
            format!(
                "tau {:.4}: {}",
                reordering.kendall_tau,
                method(reordering.method)
            )
        }
    }
}

fn method(method: pathscope_analysis::record::ReorderMethod) -> String {
    use pathscope_analysis::record::ReorderMethod as M;
    match method {
        M::Swaps { swaps } => format!("{swaps} random swap(s)"),
        M::Adjacent { swaps } => format!("{swaps} swap(s) of neighbours"),
        M::Rotate { by } => format!("rotated by {by}"),
        M::Reverse => "reversed".to_owned(),
        M::Tau { tau } => format!("uniform at tau {tau}"),
        M::Exchange { first, second } => format!("{first} and {second} exchanged"),
    }
}

/// Whether the description of `change` carries the mark of a shape-changing block.
fn marks(change: &Change, journal: &Journal) -> bool {
    match change {
        Change::Lesion(lesion) => matches!(lesion.blocks.as_slice(), [block]
            if journal.header().model.blocks.get(*block).is_some_and(|b| b.changes_shape)),
        _ => false,
    }
}
