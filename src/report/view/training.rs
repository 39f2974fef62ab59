//! The epochs of a training.

use crate::quantity::{hundredths, significant};
use crate::table::{Cell, Column, Table};
use crate::training_log::TrainingLog;

/// The epochs of a training; none before the first is complete.
#[must_use]
pub fn table(log: &TrainingLog) -> Option<Table> {
    let mut table = Table::new(
        format!("Training: {}", log.name),
        vec![
            Column::number("epoch", "epoch"),
            Column::number("training_loss", "training loss").unit("nats"),
            Column::number("training_error", "training error").unit("%"),
            Column::number("held_out_error", "held-out error").unit("%"),
        ],
    );
    let rate = |errors: usize, examples: usize| {
        let rate = errors as f64 / examples as f64;
        Cell::number(hundredths(rate), rate)
    };
    for epoch in &log.epochs {
        table.push(vec![
            Cell::count(epoch.epoch + 1),
            Cell::number(significant(epoch.loss, 4), epoch.loss),
            rate(epoch.errors, epoch.examples),
            epoch
                .held_out()
                .map_or_else(Cell::missing, |(errors, examples)| rate(errors, examples)),
        ]);
    }
    table.unless_empty()
}
