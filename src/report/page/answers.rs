//! The answers of the first screen: what the records of a network say, in a line each.

use pathscope_analysis::Level;
use pathscope_analysis::record::{Journal, Outcome};
use serde::Serialize;

use crate::error_rate::mean_error;
use crate::gradient::summarize;
use crate::group::grouped;
use crate::lesions::{SingleLesion, Target, intact, reordering, single_lesions};
use crate::quantity::{count, percent, percent_interval, signed, significant, thousands};
use crate::view::reordered;
use crate::view::verdict::{MARGIN, in_points, ranges, sorted};

/// One answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// What was asked, in a few words.
    label: String,
    /// The answer; none where the records lack it.
    value: Option<String>,
    /// What it rests on.
    detail: String,
    /// Section that says more.
    section: String,
}

/// A file of results and the section about it.
pub(super) type Source<'a> = (&'a Journal, String);

/// The four answers about a network: its error, the blocks that it needs, the lengths that carry
/// `share` of the gradient, and what another order costs.
pub(super) fn answers(sources: &[Source<'_>], share: f64) -> Vec<Answer> {
    let first = |found: fn(&Journal, f64) -> Option<(String, String)>, label: String| {
        let answered = sources
            .iter()
            .find_map(|(journal, section)| Some((found(journal, share)?, section)));
        let (found, section) = answered.unzip();
        let (value, detail): (Option<String>, Option<String>) = found.unzip();
        Answer {
            label,
            value,
            detail: detail.unwrap_or_default(),
            section: section.cloned().unwrap_or_default(),
        }
    };
    vec![
        first(error, "Error of the intact network".into()),
        first(blocks, "Blocks that are needed".into()),
        first(
            lengths,
            format!("Path lengths with {} of the gradient", percent(share)),
        ),
        first(order, "Cost of another order".into()),
    ]
}

fn error(journal: &Journal, _share: f64) -> Option<(String, String)> {
    let outcomes = journal.outcomes();
    let intact = intact(&outcomes)?;
    let of = format!(
        "{} of {} {}",
        thousands(intact.errors as u64),
        thousands(intact.examples as u64),
        journal.header.data.unit()
    );
    let detail = match intact.error_interval(Level::P95) {
        Some(interval) => format!("{of}; 95 % interval {}", percent_interval(interval)),
        None => of,
    };
    Some((percent(intact.error()), detail))
}

fn blocks(journal: &Journal, _share: f64) -> Option<(String, String)> {
    let outcomes = journal.outcomes();
    let intact = intact(&outcomes)?;
    let methods = single_lesions(&outcomes);
    let judged = |(method, lesions): &(String, Vec<SingleLesion<'_>>)| {
        let sorted = sorted(&journal.header, intact, lesions, MARGIN)?;
        Some((method.clone(), lesions.len(), sorted))
    };
    let all = methods.iter().filter_map(judged);
    let (_, tested, sorted) = all.min_by_key(|(method, ..)| method != "deleted")?;
    let blocks = journal.header.model.blocks.len();
    let function = |target: &&Target| matches!(target, Target::Function(..));
    let of = match sorted.needed.iter().find(function) {
        Some(_) => count(tested, "function", "functions"),
        None if tested < blocks => format!("{tested} tested"),
        None => tested.to_string(),
    };
    let margin = in_points(MARGIN);
    let mut detail = match sorted.removable.as_slice() {
        [] => format!("None is shown to cost less than {margin}"),
        removable => format!(
            "Removable alone (less than {margin}): {}",
            ranges(removable)
        ),
    };
    if !sorted.undecided.is_empty() {
        detail += &format!("; undecided: {}", ranges(&sorted.undecided));
    }
    Some((format!("{} of {of}", sorted.needed.len()), detail))
}

fn lengths(journal: &Journal, share: f64) -> Option<(String, String)> {
    let summary = summarize(&journal.header, &journal.spectra(), share)?;
    let measured = summary.measures.first()?;
    let (first, last) = (measured.range.first, measured.range.last);
    let value = match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let detail = format!(
        "of 0 to {} blocks; {} of all paths ({})",
        summary.ln_paths.len().saturating_sub(1),
        percent(measured.paths_in_range),
        measured.measure.title(),
    );
    Some((value, detail))
}

/// The error in the orders that are closest to the trained one.
fn order(journal: &Journal, _share: f64) -> Option<(String, String)> {
    let outcomes = journal.outcomes();
    let intact = intact(&outcomes)?;
    // Swaps that undo one another leave the trained order.
    let orders = outcomes
        .iter()
        .filter_map(|&outcome| Some((reordering(outcome)?, outcome)))
        .filter(|(order, _)| order.kendall_tau < 1.0);
    let ways = grouped(orders.map(|(order, outcome)| (reordered(order.method), outcome)));
    let closest = ways
        .iter()
        .map(|(way, orders)| (way, orders, mean_tau(orders)))
        .max_by(|a, b| a.2.total_cmp(&b.2));
    let (way, orders, tau) = closest?;
    let (mean, _) = mean_error(orders);
    let points = 100.0 * (mean - intact.error());
    let of = match orders.len() {
        1 => String::new(),
        many => format!("mean of {many}, "),
    };
    let detail = format!(
        "error {} after {way} ({of}tau {})",
        percent(mean),
        significant(tau, 2)
    );
    Some((format!("{} points", signed(points, 3)), detail))
}

fn mean_tau(orders: &[&Outcome]) -> f64 {
    let taus = orders.iter().filter_map(|outcome| reordering(outcome));
    taus.map(|reordering| reordering.kendall_tau).sum::<f64>() / orders.len() as f64
}
