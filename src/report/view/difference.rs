//! What changed from one network to another.

use pathscope_analysis::Interval;

use crate::difference::Difference;
use crate::quantity::{rate, signed, span};
use crate::table::{Cell, Column, Datum, Table};

/// The intact networks against each other.
pub fn networks(difference: &Difference) -> Table {
    let mut table = Table::new(
        "Intact networks",
        vec![
            Column::words("quantity", "quantity"),
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
            Cell::words(format!(
                "{:+} and {:+} blocks",
                range.first_change, range.last_change
            )),
            Cell::words(ends.join(" and ")),
            p(range.p_value),
        ]);
    }
    if let Some(rho) = &difference.rho {
        table.push(vec![
            Cell::words(format!("rho ({})", rho.measure)),
            Cell::significant(rho.first, 3),
            Cell::significant(rho.second, 3),
            Cell::number(format!("{:+.3}", rho.change), rho.change),
            Cell::words(interval(rho.interval)),
            p(rho.p_value),
        ]);
    }
    table
}

/// What the loss of each block costs in both networks; none where blocks cannot be compared.
pub fn blocks(difference: &Difference) -> Option<Table> {
    let points = |field: &str, heading: &str| Column::number(field, heading).unit("points");
    let mut table = Table::new(
        "Deleted blocks, and the change in error that each deletion causes",
        vec![
            Column::words("target", "without block"),
            Column::number("first", "first").low(),
            Column::number("second", "second").low(),
            points("first_effect", "change in first").high(),
            points("second_effect", "change in second").high(),
            points("difference", "difference"),
            Column::interval("difference", "95 % interval"),
            Column::number("p", "p"),
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
            block.interval.map_or_else(Cell::missing, |found| Cell {
                text: interval(Some(found)),
                values: [found.lower, found.upper]
                    .map(|end| Datum::Number(end / 100.0))
                    .into(),
            }),
            p(block.p_value),
        ]);
    }
    table.notes = vec![format!(
        "{} of {} deletions change the error by significantly different amounts (p < 0.05)",
        difference.changed_blocks(),
        difference.blocks.len()
    )];
    table.unless_empty()
}

fn errors(errors: usize, examples: usize) -> Cell {
    Cell::number(rate(errors, examples), errors as f64 / examples as f64)
}

fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || "-".to_owned(),
        |interval| span(interval, |end| signed(end, 2)),
    )
}

fn p(value: Option<f64>) -> Cell {
    let untested = || Cell {
        text: "not tested".into(),
        values: Vec::new(),
    };
    value.map_or_else(untested, Cell::p)
}
