//! Random draws: one row for all draws of one kind.

use pathscope_analysis::record::{Change, Outcome};

use super::change::reordered as reordered_by;
use super::outcome::rate_interval;
use crate::error_rate::mean_error;
use crate::lesions::{self, reordering};
use crate::quantity::{count, hundredths, significant};
use crate::table::{Cell, Column, Priority, Table};

/// The outcomes that were drawn at random, by kind; none where there are none.
#[must_use]
pub fn table(outcomes: &[&Outcome]) -> Option<Table> {
    let mut groups: Vec<(String, Vec<&Outcome>)> = Vec::new();
    for &outcome in outcomes.iter().filter(|outcome| outcome.draw.is_some()) {
        let name = kind(&outcome.change);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, draws)) => draws.push(outcome),
            None => groups.push((name, vec![outcome])),
        }
    }
    let mut draws = groups.iter().flat_map(|(_, draws)| draws);
    let reordered = draws.any(|outcome| reordering(outcome).is_some());
    let mut columns = vec![
        Column::words("change", "change"),
        Column::number("draws", "draws"),
    ];
    columns.extend(reordered.then(|| Column::number("mean_tau", "mean tau")));
    columns.extend([
        Column::number("mean_error", "mean error").unit("%"),
        Column::interval("mean_error", "95 % interval").priority(Priority::High),
        Column::number("least_error", "least")
            .unit("%")
            .priority(Priority::Medium),
        Column::number("largest_error", "largest")
            .unit("%")
            .priority(Priority::Medium),
        Column::number("mean_loss", "mean loss")
            .unit("nats")
            .priority(Priority::Low),
        Column::number("mean_margin", "mean margin").priority(Priority::Low),
    ]);
    let mut table = Table::new("Random draws", columns);
    for (name, draws) in &groups {
        table.push(row(name, draws, reordered));
    }
    table.notes = vec!["95 % interval: bootstrap of the mean over draws".into()];
    table.unless_empty()
}

fn row(name: &str, draws: &[&Outcome], reordered: bool) -> Vec<Cell> {
    let (error, interval) = mean_error(draws);
    let errors = || draws.iter().map(|outcome| outcome.error());
    let rate = |value: f64| Cell::number(hundredths(value), value);
    let mean = |value: fn(&Outcome) -> f64| {
        draws.iter().map(|outcome| value(outcome)).sum::<f64>() / draws.len() as f64
    };
    let (loss, margin) = (mean(|outcome| outcome.loss), mean(|outcome| outcome.margin));
    let mut cells = vec![Cell::words(name), Cell::count(draws.len())];
    cells.extend(reordered.then(|| {
        let taus: Vec<f64> = draws
            .iter()
            .filter_map(|outcome| Some(reordering(outcome)?.kendall_tau))
            .collect();
        match taus.len() {
            0 => Cell::missing(),
            count => {
                let mean = taus.iter().sum::<f64>() / count as f64;
                Cell::number(format!("{mean:.4}"), mean)
            }
        }
    }));
    cells.extend([
        rate(error),
        interval.map_or_else(Cell::missing, rate_interval),
        rate(errors().fold(f64::INFINITY, f64::min)),
        rate(errors().fold(0.0, f64::max)),
        Cell::number(significant(loss, 4), loss),
        Cell::number(significant(margin, 3), margin),
    ]);
    cells
}

fn kind(change: &Change) -> String {
    match change {
        Change::Intact => "intact".to_owned(),
        Change::Lesion(lesion) => {
            let (size, one, many) = match lesion.functions.len() {
                0 => (lesion.blocks.len(), "random block", "random blocks"),
                functions => (
                    lesion.blocks.len() + functions,
                    "random function",
                    "random functions",
                ),
            };
            format!("{} {}", count(size, one, many), lesions::method(lesion))
        }
        Change::Reordering(reordering) => reordered_by(reordering.method),
    }
}
