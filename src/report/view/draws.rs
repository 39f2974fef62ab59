//! Random draws: one row for all draws of one kind.

use pathscope_analysis::record::{Change, Outcome};

use super::change::reordered as reordered_by;
use crate::error_rate::mean_error;
use crate::group::grouped;
use crate::lesions::{self, reordering};
use crate::quantity::{count, hundredths};
use crate::table::{Cell, Column, Table};

/// The outcomes that were drawn at random, by kind; none where there are none.
pub fn table(outcomes: &[&Outcome]) -> Option<Table> {
    let drawn = outcomes.iter().filter(|outcome| outcome.draw.is_some());
    let groups = grouped(drawn.map(|&outcome| (kind(&outcome.change), outcome)));
    let mut draws = groups.iter().flat_map(|(_, draws)| draws);
    let reordered = draws.any(|outcome| reordering(outcome).is_some());
    let mut columns = vec![
        Column::words("change", "change"),
        Column::number("draws", "draws"),
    ];
    columns.extend(reordered.then(|| Column::number("mean_tau", "mean tau")));
    columns.extend([
        Column::number("mean_error", "mean error").unit("%"),
        Column::interval("mean_error", "95 % interval").high(),
        Column::number("least_error", "least").unit("%").medium(),
        Column::number("largest_error", "largest")
            .unit("%")
            .medium(),
        Column::number("mean_loss", "mean loss").unit("nats").low(),
        Column::number("mean_margin", "mean margin").low(),
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
            count => Cell::decimals(taus.iter().sum::<f64>() / count as f64, 4),
        }
    }));
    cells.extend([
        Cell::share(error),
        Cell::interval(interval, hundredths),
        Cell::share(errors().fold(f64::INFINITY, f64::min)),
        Cell::share(errors().fold(0.0, f64::max)),
        Cell::significant(loss, 4),
        Cell::significant(margin, 3),
    ]);
    cells
}

fn kind(change: &Change) -> String {
    match change {
        Change::Intact => "intact".to_owned(),
        Change::Lesion(lesion) => {
            let size = lesion.blocks.len() + lesion.functions.len();
            let (one, many) = match lesion.functions.len() {
                0 => ("random block", "random blocks"),
                _ => ("random function", "random functions"),
            };
            format!("{} {}", count(size, one, many), lesions::method(lesion))
        }
        Change::Reordering(reordering) => reordered_by(reordering.method),
    }
}
