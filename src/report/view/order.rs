//! Blocks in another order.

use pathscope_analysis::record::{Header, Outcome};
use pathscope_analysis::{BootstrapOptions, Level, kendall_tau, percentile_interval, resample};

use super::finding::Finding;
use super::outcome;
use crate::error_rate::error;
use crate::lesions::{intact, reordering};
use crate::quantity::{count, significant, significant_interval};
use crate::table::Table;

/// Orders from which a bootstrap interval of a correlation is worth its name.
const ENOUGH_ORDERS: usize = 10;

/// Every order against the trained one; none without reorderings.
pub fn table(header: &Header, outcomes: &[&Outcome]) -> Option<Table> {
    let orders = outcomes.iter().copied();
    let orders: Vec<&Outcome> = orders
        .filter(|outcome| reordering(outcome).is_some())
        .collect();
    let (title, shown) = ("Blocks in another order", outcome::Shown::default());
    outcome::table(header, title, intact(outcomes), &orders, shown)
}

/// Whether the order of the blocks matters.
pub(super) fn finding(intact: &Outcome, outcomes: &[&Outcome]) -> Option<Finding> {
    let lowest = outcomes
        .iter()
        .filter_map(|outcome| Some((reordering(outcome)?.kendall_tau, *outcome)))
        .min_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut answer = format!(
        "In the trained order the error is {}; at the lowest Kendall tau measured, {}, it is {}.",
        error(intact),
        significant(lowest.0, 3),
        error(lowest.1),
    );
    if let Some(related) = correlation(outcomes) {
        answer += &related;
    }
    Some(Finding {
        question: "Does the order of the blocks matter?".into(),
        answer,
    })
}

/// A draw, where there was one, and the (tau, error) of its orders.
type Chain = (Option<u64>, Vec<(f64, f64)>);

/// The rank correlation of error with tau. Orders of one chain of swaps are not independent, so the
/// interval resamples whole chains.
fn correlation(outcomes: &[&Outcome]) -> Option<String> {
    let mut chains: Vec<Chain> = Vec::new();
    for outcome in outcomes {
        let Some(reordering) = reordering(outcome) else {
            continue;
        };
        let point = (reordering.kendall_tau, outcome.error());
        // What was not drawn is a chain of its own.
        let known = chains
            .iter_mut()
            .find(|(draw, _)| draw.is_some() && *draw == outcome.draw);
        match known {
            Some((_, points)) => points.push(point),
            None => chains.push((outcome.draw, vec![point])),
        }
    }
    let of = |sample: &[usize]| {
        let chosen = sample.iter().filter_map(|&index| chains.get(index));
        let points = chosen.flat_map(|(_, points)| points.iter().copied());
        let (taus, errors): (Vec<f64>, Vec<f64>) = points.unzip();
        kendall_tau(&taus, &errors).ok()
    };
    let all: Vec<usize> = (0..chains.len()).collect();
    let estimate = of(&all)?;
    let orders: usize = chains.iter().map(|(_, points)| points.len()).sum();
    let interval = (orders >= ENOUGH_ORDERS && chains.len() > 2)
        .then(|| {
            let found =
                resample(chains.len(), &BootstrapOptions::with_replicates(1_000), of).ok()?;
            let replicates: Option<Vec<f64>> = found.into_iter().collect();
            percentile_interval(&replicates?, Level::P95).ok()
        })
        .flatten();
    let interval = match interval {
        Some(interval) => format!(", 95 % interval {}", significant_interval(interval, 2)),
        None => ", too few independent orders for an interval".into(),
    };
    Some(format!(
        " Over {} the rank correlation of error with tau is {}{interval} (Kendall's; -1: the error \
         always rises as the order is lost).",
        count(orders, "order", "orders"),
        significant(estimate, 2),
    ))
}
