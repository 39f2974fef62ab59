//! The epochs of a training.

use pathscope_analysis::record::TrainingLog;

use crate::table::{Cell, Column, Table};

/// The epochs of a training; none before the first is complete.
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
    let rate = |errors: usize, examples: usize| Cell::share(errors as f64 / examples as f64);
    for epoch in &log.epochs {
        let held_out = epoch.held_out();
        table.push(vec![
            Cell::count(epoch.epoch + 1),
            Cell::significant(epoch.loss, 4),
            rate(epoch.errors, epoch.examples),
            held_out.map_or_else(Cell::missing, |(errors, examples)| rate(errors, examples)),
        ]);
    }
    table.unless_empty()
}
