use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::Interval;

use super::Problem;
use super::report::read;
use super::terminal::Terminal;
use crate::report::difference::{Condition, Difference};
use crate::report::plot::SHARE;
use crate::report::quantity::{p_value, rate, significant};

/// Compares the results of two networks, such as two checkpoints of a training.
///
/// Differences are second less first. On the same examples they are paired: McNemar's exact test
/// for the intact networks and for each block deleted, a randomization test that exchanges single
/// examples for the effective range and rho, all corrected by Holm's method. Ends with exit code 1
/// where a condition of --fail-if is met.
///
/// Example: pathscope diff notebooks-rs/results notebooks-rs/results --fail-if blocks.changed>0
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder with results (.jsonl) of the first network, or one such file.
    #[arg(value_name = "RUN_A")]
    first: PathBuf,
    /// The same of the second network.
    #[arg(value_name = "RUN_B")]
    second: PathBuf,
    /// Fail where this holds: NAME COMPARISON NUMBER with <, <=, >, >=, == or !=; may be given
    /// several times. Names: error.change (points), error.p, blocks.changed,
    /// blocks.largest_change, block.N.change, block.N.p, effective_range.shift (the end that moved
    /// most), .first, .last, .width, .p, rho.change, rho.ratio, rho.p.
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
    /// Share of the gradient that effective ranges hold.
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = super::arguments::share)]
    share: f64,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    let difference = Difference::new(&first, &second, arguments.share)
        .map_err(|fault| Problem::BadInput(fault.to_string()))?;
    let quantities = difference.quantities();
    let mut met = Vec::new();
    for condition in &arguments.fail_if {
        let checked = condition.check(&quantities);
        let (value, holds) = checked.map_err(|fault| Problem::BadInput(fault.to_string()))?;
        if holds {
            met.push(format!("{condition} (it is {})", significant(value, 4)));
        }
    }
    if arguments.json {
        let mut whole = serde_json::to_value(&difference)
            .map_err(|fault| Problem::Failed(fault.to_string()))?;
        if let Some(object) = whole.as_object_mut() {
            object.insert("quantities".into(), serde_json::json!(quantities));
            object.insert("met".into(), serde_json::json!(met));
        }
        terminal.result(&format!("{whole:#}"))?;
    } else {
        print(&difference, terminal)?;
    }
    match met.as_slice() {
        [] => Ok(()),
        met => Err(Problem::Failed(format!("--fail-if: {}", met.join("; ")))),
    }
}

fn print(difference: &Difference, terminal: &Terminal) -> Result<(), Problem> {
    let [first, second] = &difference.models;
    let hash = |hash: &str| hash.chars().take(12).collect::<String>();
    terminal.result(&format!(
        "from {} ({}) to {} ({}) on {}; differences are second less first, p-values Holm-corrected",
        first.title,
        hash(&first.hash),
        second.title,
        hash(&second.hash),
        difference.data[0].description,
    ))?;
    for note in &difference.notes {
        terminal.result(&format!("note: {note}"))?;
    }
    let mut table = table(["", "first", "second", "difference", "95 % interval", "p"]);
    if let Some(error) = &difference.error {
        table.add_row([
            "error".to_owned(),
            rate(error.first.errors, error.first.examples),
            rate(error.second.errors, error.second.examples),
            format!("{:+.2} points", error.change),
            interval(error.interval),
            p(error.p_value),
        ]);
    }
    for range in &difference.effective_ranges {
        let ends = [range.first_interval, range.last_interval].map(interval);
        table.add_row([
            format!("effective range ({})", range.measure),
            format!("{} to {}", range.first.first, range.first.last),
            format!("{} to {}", range.second.first, range.second.last),
            format!(
                "{:+} and {:+} modules",
                range.first_change, range.last_change
            ),
            ends.join(" and "),
            p(range.p_value),
        ]);
    }
    if let Some(rho) = &difference.rho {
        table.add_row([
            format!("rho ({})", rho.measure),
            significant(rho.first, 3),
            significant(rho.second, 3),
            format!("{:+.3}", rho.change),
            interval(rho.interval),
            p(rho.p_value),
        ]);
    }
    terminal.result(&align(table))?;
    if difference.blocks.is_empty() {
        return Ok(());
    }
    let mut table = table_of_blocks();
    for block in &difference.blocks {
        table.add_row([
            block.target.clone(),
            rate(block.first.errors, block.first.examples),
            rate(block.second.errors, block.second.examples),
            format!("{:+.2}", block.first_effect),
            format!("{:+.2}", block.second_effect),
            format!("{:+.2}", block.effect_change),
            interval(block.interval),
            p(block.p_value),
        ]);
    }
    terminal.result(&align(table))?;
    terminal.result(&format!(
        "{} of {} lesions give significantly different errors (p < 0.05)",
        difference.changed_blocks(),
        difference.blocks.len()
    ))
}

fn table_of_blocks() -> Table {
    table([
        "without block",
        "first",
        "second",
        "cost in first, points",
        "in second",
        "difference",
        "95 % interval",
        "p (McNemar)",
    ])
}

fn table<const N: usize>(titles: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(titles);
    table
}

fn align(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || "-".to_owned(),
        |interval| {
            let end = |value: f64| {
                let sign = if value > 0.0 { "+" } else { "" };
                format!("{sign}{}", significant(value, 2))
            };
            format!("{} to {}", end(interval.lower), end(interval.upper))
        },
    )
}

fn p(value: Option<f64>) -> String {
    value.map_or_else(|| "not tested".to_owned(), p_value)
}
