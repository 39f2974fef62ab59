//! Disabled blocks and functions: what each costs, and pairs and random sets of them.

use std::collections::BTreeMap;

use pathscope_analysis::record::{Header, Outcome};

use super::finding::{Finding, points};
use super::outcome;
use super::verdict::{MARGIN, verdict};
use crate::ALPHA;
use crate::error_rate::{difference, error, mean_error};
use crate::lesions::{
    SingleLesion, Target, block_name, intact, single_lesions, synergies, target_name,
};
use crate::quantity::{count, percent, percent_interval, rate, significant};
use crate::table::{Cell, Column, Table};

/// A table of single lesions for each method.
pub fn tables(header: &Header, outcomes: &[&Outcome]) -> Vec<Table> {
    let intact = intact(outcomes);
    single_lesions(outcomes)
        .iter()
        .filter_map(|(method, lesions)| {
            let changed: Vec<&Outcome> = lesions.iter().map(|single| single.outcome).collect();
            // Another network's intact outcome says nothing about a control.
            let comparable = lesions.iter().any(|single| single.against_intact.is_some());
            let intact = intact.filter(|_| comparable);
            let title = format!("One block or function disabled ({method})");
            let shown = outcome::Shown {
                margin: Some(MARGIN),
                ..outcome::Shown::default()
            };
            outcome::table(header, title, intact, &changed, shown)
        })
        .collect()
}

/// What disabling single blocks or functions costs.
pub(super) fn single_finding(
    header: &Header,
    intact: &Outcome,
    method: &str,
    lesions: &[SingleLesion<'_>],
) -> Option<Finding> {
    let by_error = |a: &&SingleLesion<'_>, b: &&SingleLesion<'_>| {
        a.outcome
            .error()
            .total_cmp(&b.outcome.error())
            .then(b.target.cmp(&a.target))
    };
    let worst = lesions.iter().max_by(by_error)?;
    let mildest = lesions.iter().min_by(by_error)?;
    let blocks = lesions
        .iter()
        .all(|single| matches!(single.target, Target::Block(_)));
    let what = if blocks { "block" } else { "function" };
    let change = |single: &SingleLesion<'_>| {
        let compared = single.against_intact.as_ref()?;
        (compared.both_right + compared.both_wrong < intact.examples)
            .then(|| difference(intact, single.outcome).map(points))
            .flatten()
    };
    let mut answer = format!(
        "The error of the intact network is {}. Disabling {} costs most: the error becomes {}",
        error(intact),
        target_name(header, worst.target),
        error(worst.outcome),
    );
    if let Some(change) = change(worst) {
        answer += &format!(", {change}");
    }
    answer += ".";
    if lesions.len() > 1 {
        let tested = || lesions.iter().filter_map(|single| single.adjusted_p);
        answer += &format!(
            " Disabling {} costs least: {}. Of {} single lesions, {} change the error \
             significantly (exact McNemar test{}, Holm's correction, p < {ALPHA}).",
            target_name(header, mildest.target),
            change(mildest).unwrap_or_else(|| "no prediction's correctness changes".into()),
            tested().count(),
            tested().filter(|p| *p < ALPHA).count(),
            match intact.positions {
                1 => "",
                _ => " over sequences",
            },
        );
    }
    if let Some(verdict) = verdict(header, intact, lesions, MARGIN) {
        answer += &format!("\n{verdict}");
    }
    Some(Finding {
        question: format!("What does disabling one {what} cost ({method})?"),
        answer,
    })
}

/// How the error grows with the number of blocks disabled at random.
pub(super) fn random_finding(
    intact: &Outcome,
    method: &str,
    sizes: &BTreeMap<usize, Vec<&Outcome>>,
) -> Option<Finding> {
    let numbers: Vec<usize> = sizes.keys().copied().collect();
    let (first, last) = (numbers.first()?, numbers.last()?);
    let middle = numbers.get(numbers.len() / 2)?;
    let mut shown = vec![first, middle, last];
    shown.dedup();
    let parts: Vec<String> = shown
        .into_iter()
        .filter_map(|size| {
            let draws = sizes.get(size)?;
            let (mean, interval) = mean_error(draws);
            let of = count(draws.len(), "draw", "draws");
            let mean = percent(mean);
            Some(match interval {
                Some(interval) => format!(
                    "{mean} with {size} (mean of {of}, 95 % interval {})",
                    percent_interval(interval)
                ),
                None => format!("{mean} with {size} (mean of {of})"),
            })
        })
        .collect();
    Some(Finding {
        question: format!("How does the error grow with the number of disabled blocks ({method})?"),
        answer: format!(
            "From {} intact to {}.",
            rate(intact.errors, intact.examples),
            parts.join(", "),
        ),
    })
}

/// Whether pairs of blocks cost more together than one by one.
pub(super) fn synergy_finding(header: &Header, outcomes: &[&Outcome]) -> Option<Finding> {
    let pairs = synergies(outcomes);
    let most = pairs.iter().max_by(|a, b| a.2.total_cmp(&b.2))?;
    let positive = pairs.iter().filter(|pair| pair.2 > 0.0).count();
    Some(Finding {
        question: "Do blocks stand in for each other?".into(),
        answer: format!(
            "{positive} of {} pairs cost more loss together than one by one. The strongest synergy, \
             {} nats, is that of blocks {} and {}. (No interval: the losses are those of these \
             examples.)",
            pairs.len(),
            significant(most.2, 3),
            block_name(header, most.0),
            block_name(header, most.1),
        ),
    })
}

/// Synergies of pairs, strongest first.
pub fn synergy_table(header: &Header, outcomes: &[&Outcome]) -> Option<Table> {
    let mut pairs = synergies(outcomes);
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut table = Table::new(
        "Synergy of pairs of blocks",
        vec![
            Column::words("first", "first block"),
            Column::words("second", "second block"),
            Column::number("synergy", "synergy").unit("nats"),
        ],
    );
    for (first, second, synergy) in pairs {
        table.push(vec![
            Cell::integer(block_name(header, first), first as u64),
            Cell::integer(block_name(header, second), second as u64),
            Cell::number(format!("{synergy:+.4}"), synergy),
        ]);
    }
    table.notes = vec!["synergy: loss(pair) - loss(first) - loss(second) + loss(intact)".into()];
    table.unless_empty()
}
