//! Greedy removal, one block at a time.

use pathscope_analysis::Level;
use pathscope_analysis::record::{Header, Latency, Options, Removal, RunTime};

use super::finding::Finding;
use super::verdict::in_points;
use crate::lesions::block_name;
use crate::quantity::{count, hundredths, percent, rate, scaled, significant};
use crate::table::{Cell, Column, Table};

/// The steps of a greedy removal with the latency of their networks; none without any step.
pub fn table(header: &Header, steps: &[&Removal], latency: Option<&Latency>) -> Option<Table> {
    let mut table = Table::new(
        "Greedy removal",
        vec![
            Column::number("step", "step"),
            Column::words("block", "block removed"),
            Column::number("errors", "errors").medium(),
            Column::file_only("examples"),
            Column::number("error", "error").unit("%"),
            Column::interval("error", "95 % interval").high(),
            Column::number("parameters", "parameters").medium(),
            Column::number("multiply_adds", "multiply-adds").low(),
            Column::number("latency_ms", "one image").unit("ms"),
            Column::interval("latency_ms", "quartiles").medium(),
        ],
    );
    for (step, found) in steps.iter().enumerate() {
        let error = found.errors as f64 / found.examples as f64;
        let mut cells = Vec::from([
            Cell::count(step),
            found.removed.last().map_or_else(Cell::missing, |&block| {
                Cell::integer(block_name(header, block), block as u64)
            }),
            Cell::count(found.errors),
            Cell::count(found.examples),
            Cell::share(error),
            Cell::interval(found.error_interval(Level::P95), hundredths),
            Cell::thousands(found.parameters),
            Cell::thousands(found.multiply_adds),
        ]);
        let time = latency.and_then(|latency| latency.networks.get(step));
        cells.extend(time_cells(time));
        table.push(cells);
    }
    if let Some(latency) = latency {
        table.notes.push(format!(
            "one image: median of {}, interleaved over all steps",
            count(latency.rounds, "run", "runs")
        ));
    }
    if until(header).is_some() {
        table.notes.push(
            "every second example chooses the block to remove; the errors are those on the others"
                .into(),
        );
    }
    table.unless_empty()
}

/// Median and quartiles of a run time, in milliseconds.
fn time_cells(time: Option<&RunTime>) -> [Cell; 2] {
    let Some(time) = time else {
        return [Cell::missing(), Cell::missing()];
    };
    let milliseconds = 1e3 * time.median;
    let quartiles = scaled(time.quartiles, 1e3);
    [
        Cell::significant(milliseconds, 3),
        Cell::interval(quartiles, |end| significant(end, 3)),
    ]
}

/// The points of error that a removal may cost, where it ends there.
fn until(header: &Header) -> Option<f64> {
    match &header.options {
        Options::Lesion(settings) => settings.until,
        _ => None,
    }
}

/// How small the network became, and what that costs.
pub fn finding(header: &Header, steps: &[&Removal], latency: Option<&Latency>) -> Option<Finding> {
    let last = steps.last()?;
    let removed = last.removed.iter();
    let removed: Vec<String> = removed.map(|&block| block_name(header, block)).collect();
    if let Some(points) = until(header).filter(|_| removed.is_empty()) {
        return Some(Finding {
            question: "How small can the network be made?".into(),
            answer: format!(
                "No removal could be shown to cost less than {} ({} judge); more examples may show it.",
                in_points(points / 100.0),
                count(last.examples, "example", "examples"),
            ),
        });
    }
    // Not a number without a whole: it is printed as such.
    let left = |left: u64, whole: u64| percent(left as f64 / whole as f64);
    Some(Finding {
        question: "How small can the network be made?".into(),
        answer: format!(
            "{}After removing {} ({}), its error is {}, with {} of its parameters and {} of its \
             multiply-adds{}.",
            until(header).map_or_else(String::new, |points| format!(
                "The error grows by less than {} (95 % confidence, exact paired test on the examples \
                 that did not choose). ",
                in_points(points / 100.0)
            )),
            count(removed.len(), "block", "blocks"),
            removed.join(", "),
            rate(last.errors, last.examples),
            left(last.parameters, header.model.parameters),
            left(last.multiply_adds, header.model.multiply_adds),
            latency.map_or_else(String::new, faster),
        ),
    })
}

/// How long the last network takes for an image, beside the intact one.
fn faster(latency: &Latency) -> String {
    let words = |time: &RunTime| {
        let [median, quartiles] = time_cells(Some(time)).map(|cell| cell.text);
        format!("{median} ms (quartiles {quartiles})")
    };
    match (latency.networks.first(), latency.networks.last()) {
        (Some(intact), Some(last)) => format!(
            "; one image takes {}, and the intact network {}, medians of {}",
            words(last),
            words(intact),
            count(latency.rounds, "interleaved run", "interleaved runs")
        ),
        _ => String::new(),
    }
}

/// For each step, whether it is on the Pareto front: no other step is at least as good in both
/// errors and parameters left, and better in one.
pub fn on_front(removals: &[&Removal]) -> Vec<bool> {
    let beats = |a: &Removal, b: &Removal| {
        a.errors <= b.errors
            && a.parameters <= b.parameters
            && (a.errors < b.errors || a.parameters < b.parameters)
    };
    removals
        .iter()
        .map(|step| !removals.iter().any(|other| beats(other, step)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_errs_less_with_fewer_parameters_wins() {
        let step = |errors, parameters| Removal {
            key: String::new(),
            removed: Vec::new(),
            errors,
            examples: 100,
            positions: 1,
            parameters,
            multiply_adds: parameters,
        };
        let steps = [step(8, 100), step(7, 90), step(7, 85), step(20, 60)];
        let steps: Vec<&Removal> = steps.iter().collect();
        assert_eq!(on_front(&steps), [false, false, true, true]);
    }
}
