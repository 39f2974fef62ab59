use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::Interval;

use super::Execute;
use crate::cli::args::FormatArguments;
use crate::cli::args::number::share;
use crate::cli::show::answer::Answer;
use crate::cli::show::page::read;
use crate::cli::{Problem, Terminal};
use crate::report::difference::{Condition, Difference};
use crate::report::plot::SHARE;
use crate::report::table::{Cell, Column, Priority, Table};
use crate::report::quantity::{p_value, rate, significant};

/// Compare the results of two networks, such as two checkpoints of a training
///
/// Differences are second minus first, paired by example: McNemar's exact test for the intact
/// networks and for each deleted block, and a randomisation test over examples for the effective
/// range and rho. All p-values are corrected together by Holm's method. The exit code is 1 if a
/// condition of --fail-if holds.
///
/// Example: pathscope diff notebooks-rs/results notebooks-rs/results --fail-if blocks.changed>0
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder of results files (.jsonl) of the first network, or one such file
    #[arg(value_name = "RUN_A")]
    first: PathBuf,
    /// The same for the second network
    #[arg(value_name = "RUN_B")]
    second: PathBuf,
    /// Condition for failure (repeatable): NAME OPERATOR NUMBER, where the operator is <, <=, >, >=,
    /// == or != and the name one of error.change (points), error.p, blocks.changed, blocks.largest_change, block.N.change,
    /// block.N.p, effective_range.shift (the larger change of its ends), .first, .last, .width, .p,
    /// rho.change, rho.ratio, rho.p
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
    /// Share of the gradient that an effective range holds
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = share)]
    share: f64,
    #[command(flatten)]
    format: FormatArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let (first, second) = (read([&self.first])?, read([&self.second])?);
        let difference = Difference::new(&first, &second, self.share)
            .map_err(Problem::bad_input)?;
        let quantities = difference.quantities();
        let mut met = Vec::new();
        for condition in &self.fail_if {
            let checked = condition.check(&quantities);
            let (value, holds) = checked.map_err(Problem::bad_input)?;
            if holds {
                met.push(format!("{condition} (it is {})", significant(value, 4)));
            }
        }
        let mut answer = answer(&difference);
        let mut whole = serde_json::to_value(&difference)?;
        if let Some(object) = whole.as_object_mut() {
            object.insert("quantities".into(), serde_json::json!(quantities));
            object.insert("met".into(), serde_json::json!(met));
        }
        answer.document(whole);
        answer.print(self.format.get(), terminal)?;
        match met.as_slice() {
            [] => Ok(()),
            met => Err(Problem::Failed(format!("--fail-if: {}", met.join("; ")))),
        }
    }
}

fn answer(difference: &Difference) -> Answer {
    let [first, second] = &difference.models;
    let hash = |hash: &str| hash.chars().take(12).collect::<String>();
    let mut answer = Answer::default();
    answer.text(format!(
        "from {} ({}) to {} ({}) on {}; differences are second minus first, p-values Holm-corrected",
        first.title,
        hash(&first.hash),
        second.title,
        hash(&second.hash),
        difference.data[0].description,
    ));
    for note in &difference.notes {
        answer.text(format!("note: {note}"));
    }
    answer.table("network", of_network(difference));
    if !difference.blocks.is_empty() {
        let mut blocks = of_blocks(difference);
        blocks.notes = vec![format!(
            "{} of {} deletions give significantly different errors (p < 0.05)",
            difference.changed_blocks(),
            difference.blocks.len()
        )];
        answer.table("blocks", blocks);
    }
    answer
}

fn of_network(difference: &Difference) -> Table {
    let mut table = Table::new(
        "Intact networks",
        vec![
            Column::words("quantity", ""),
            Column::number("first", "first"),
            Column::number("second", "second"),
            Column::number("difference", "difference"),
            Column::words("interval", "95 % interval"),
            Column::number("p", "p"),
        ],
    );
    if let Some(error) = &difference.error {
        table.push(vec![
            Cell::words("error"),
            errors(error.first.errors, error.first.examples),
            errors(error.second.errors, error.second.examples),
            Cell::number(format!("{:+.2} points", error.change), error.change / 100.0),
            Cell::words(interval(error.interval)),
            p(error.p_value),
        ]);
    }
    for range in &difference.effective_ranges {
        let ends = [range.first_interval, range.last_interval].map(interval);
        table.push(vec![
            Cell::words(format!("effective range ({})", range.measure)),
            Cell::words(format!("{} to {}", range.first.first, range.first.last)),
            Cell::words(format!("{} to {}", range.second.first, range.second.last)),
            Cell::words(format!("{:+} and {:+} blocks", range.first_change, range.last_change)),
            Cell::words(ends.join(" and ")),
            p(range.p_value),
        ]);
    }
    if let Some(rho) = &difference.rho {
        table.push(vec![
            Cell::words(format!("rho ({})", rho.measure)),
            Cell::number(significant(rho.first, 3), rho.first),
            Cell::number(significant(rho.second, 3), rho.second),
            Cell::number(format!("{:+.3}", rho.change), rho.change),
            Cell::words(interval(rho.interval)),
            p(rho.p_value),
        ]);
    }
    table
}

fn of_blocks(difference: &Difference) -> Table {
    let points = |field: &str, heading: &str| Column::number(field, heading).unit("points");
    let mut table = Table::new(
        "Deleted blocks, and the change in error that each deletion causes",
        vec![
            Column::words("target", "without block"),
            Column::number("first", "first").priority(Priority::Low),
            Column::number("second", "second").priority(Priority::Low),
            points("first_effect", "change in first").priority(Priority::High),
            points("second_effect", "change in second").priority(Priority::High),
            points("difference", "difference"),
            Column::interval("difference", "95 % interval"),
            Column::number("p", "p (McNemar)"),
        ],
    );
    let change = |value: f64| Cell::number(format!("{value:+.2}"), value / 100.0);
    for block in &difference.blocks {
        table.push(vec![
            Cell::words(&block.target),
            errors(block.first.errors, block.first.examples),
            errors(block.second.errors, block.second.examples),
            change(block.first_effect),
            change(block.second_effect),
            change(block.effect_change),
            block.interval.map_or_else(Cell::missing, |found| {
                let shares = Interval {
                    lower: found.lower / 100.0,
                    upper: found.upper / 100.0,
                };
                Cell::interval(interval(Some(found)), shares)
            }),
            p(block.p_value),
        ]);
    }
    table
}

fn errors(errors: usize, examples: usize) -> Cell {
    Cell::number(rate(errors, examples), errors as f64 / examples as f64)
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

fn p(value: Option<f64>) -> Cell {
    match value {
        Some(p) => Cell::number(p_value(p), p),
        None => Cell {
            text: "not tested".into(),
            values: Vec::new(),
        },
    }
}
