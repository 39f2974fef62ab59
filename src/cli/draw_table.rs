//! Random draws as a table for people: one line for all draws of one kind.

use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::record::{Change, Outcome, ReorderMethod};

use crate::report::draws::mean_error;

/// The table of `outcomes` that were drawn at random; none where there are none.
pub(super) fn table(outcomes: &[&Outcome]) -> Option<Table> {
    let mut groups: Vec<(String, Vec<&Outcome>)> = Vec::new();
    for &outcome in outcomes.iter().filter(|outcome| outcome.draw.is_some()) {
        let name = kind(&outcome.change);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, draws)) => draws.push(outcome),
            None => groups.push((name, vec![outcome])),
        }
    }
    if groups.is_empty() {
        return None;
    }
    let reordered = groups.iter().flat_map(|(_, draws)| draws);
    let with_tau = reordered.clone().any(|outcome| tau(outcome).is_some());
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let titles = ["change", "draws", "mean error [95 %]", "least", "most"];
    let mut header: Vec<&str> = titles.to_vec();
    header.extend(["mean loss", "mean margin"]);
    if with_tau {
        header.insert(2, "mean tau");
    }
    table.set_header(header);
    for (name, draws) in groups {
        let errors = || draws.iter().map(|outcome| outcome.error());
        let (error, interval) = mean_error(&draws);
        let interval = interval.map_or_else(String::new, |interval| {
            format!(
                " [{:.2}, {:.2}]",
                100.0 * interval.lower,
                100.0 * interval.upper
            )
        });
        let mean = |value: fn(&Outcome) -> f64| {
            draws.iter().map(|outcome| value(outcome)).sum::<f64>() / draws.len() as f64
        };
        let mut row = vec![
            name,
            draws.len().to_string(),
            format!("{:.2} %{interval}", 100.0 * error),
            format!("{:.2} %", 100.0 * errors().fold(f64::INFINITY, f64::min)),
            format!("{:.2} %", 100.0 * errors().fold(0.0, f64::max)),
            format!("{:.4}", mean(|outcome| outcome.loss)),
            format!("{:.2}", mean(|outcome| outcome.margin)),
        ];
        if with_tau {
            let taus: Vec<f64> = draws.iter().filter_map(|outcome| tau(outcome)).collect();
            let mean = taus.iter().sum::<f64>() / taus.len().max(1) as f64;
            row.insert(2, format!("{mean:.4}"));
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Some(table)
}

fn tau(outcome: &Outcome) -> Option<f64> {
    match &outcome.change {
        Change::Reordering(reordering) => Some(reordering.kendall_tau),
        Change::Intact | Change::Lesion(_) => None,
    }
}

fn kind(change: &Change) -> String {
    match change {
        Change::Intact => "intact".to_owned(),
        Change::Lesion(lesion) => match lesion.blocks.len() {
            1 => "1 random block".to_owned(),
            several => format!("{several} random blocks"),
        },
        Change::Reordering(reordering) => method(reordering.method),
    }
}

/// How an order was made, in words.
pub(super) fn method(method: ReorderMethod) -> String {
    use ReorderMethod as M;
    match method {
        M::Swaps { swaps } => format!("{swaps} random swap(s)"),
        M::Adjacent { swaps } => format!("{swaps} swap(s) of neighbours"),
        M::Rotate { by } => format!("rotated by {by}"),
        M::Reverse => "reversed".to_owned(),
        M::Tau { tau } => format!("uniform at tau {tau}"),
        M::Exchange { first, second } => format!("{first} and {second} exchanged"),
    }
}
