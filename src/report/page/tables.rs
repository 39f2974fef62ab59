//! Records as tables.

use std::f64::consts::LN_10;

use pathscope_analysis::Level;
use pathscope_analysis::record::{Commutator, Ensemble, Header, Outcome, Removal};

use super::table::{Cell, Table, number, whole, words};
use crate::report::draws::mean_error;
use crate::report::findings::difference;
use crate::report::gradient::{GradientSummary, Measure};
use crate::report::lesions::{
    Target, block_name, intact, random_lesions, reordering, single_lesions, synergies,
};
use crate::report::quantity::{p_value, percent, percent_interval, significant, thousands};
use crate::report::training_log::TrainingLog;

fn share(value: f64) -> Cell {
    number(percent(value), value)
}

fn figures(value: f64) -> Cell {
    number(significant(value, 4), value)
}

fn nothing() -> Cell {
    words("")
}

/// Error rate and its interval.
fn error(outcome: &Outcome) -> [Cell; 2] {
    let interval = outcome.error_interval(Level::P95).map(|interval| {
        let text = format!("{} to {}", percent(interval.lower), percent(interval.upper));
        number(text, interval.lower)
    });
    [share(outcome.error()), interval.unwrap_or_else(nothing)]
}

/// Single lesions by method.
pub(super) fn singles(header: &Header, outcomes: &[&Outcome]) -> Vec<Table> {
    let intact = intact(outcomes);
    let table = |(method, lesions): &(String, Vec<_>)| {
        let rows = lesions
            .iter()
            .map(|single: &crate::report::lesions::SingleLesion<'_>| {
                let outcome = single.outcome;
                let identity = header.model.blocks.get(single.target.block());
                let place = match single.target {
                    Target::Block(block) => block as f64,
                    Target::Function(block, function) => block as f64 + function as f64 / 1e3,
                };
                let change = intact
                    .filter(|_| single.against_intact.is_some())
                    .and_then(|intact| difference(intact, outcome));
                let [rate, interval] = error(outcome);
                vec![
                    number(single.target.name(), place),
                    words(identity.map_or("", |identity| identity.name.as_str())),
                    words(identity.map_or("", |identity| identity.shape.as_str())),
                    words(match identity {
                        Some(identity) if identity.changes_shape => "yes",
                        _ => "no",
                    }),
                    whole(outcome.errors),
                    rate,
                    interval,
                    change.map_or_else(nothing, |(points, _)| {
                        number(format!("{points:+.2}"), points)
                    }),
                    change.map_or_else(nothing, |(_, interval)| {
                        let text = format!("{:+.2} to {:+.2}", interval.lower, interval.upper);
                        number(text, interval.lower)
                    }),
                    single
                        .adjusted_p
                        .map_or_else(nothing, |p| number(p_value(p), p)),
                    figures(outcome.loss),
                    number(
                        big(&outcome.paths),
                        outcome.paths.parse().unwrap_or(f64::NAN),
                    ),
                ]
            });
        Table::new(
            format!("One block or function out of action ({method})"),
            &[
                "Block",
                "Name",
                "Output shape",
                "Changes shape",
                "Errors",
                "Error",
                "95 % Wilson interval",
                "Difference, points",
                "95 % bootstrap interval",
                match header.data.positions {
                    1 => "p (McNemar, Holm)",
                    _ => "p (McNemar over sequences, Holm)",
                },
                "Loss, nats",
                "Paths left",
            ],
            rows.collect(),
        )
    };
    single_lesions(outcomes).iter().filter_map(table).collect()
}

/// A decimal number of any size.
fn big(digits: &str) -> String {
    match digits.parse::<u64>() {
        Ok(value) => thousands(value),
        Err(_) => format!("about 10^{}", digits.len().saturating_sub(1)),
    }
}

/// Random lesions by their number.
pub(super) fn random(outcomes: &[&Outcome]) -> Vec<Table> {
    let methods = random_lesions(outcomes);
    let table = |(method, sizes): &(String, std::collections::BTreeMap<usize, Vec<&Outcome>>)| {
        let rows = sizes.iter().map(|(&size, draws)| {
            let (mean, interval) = mean_error(draws);
            let errors = || draws.iter().map(|outcome| outcome.error());
            vec![
                whole(size),
                whole(draws.len()),
                share(mean),
                interval.map_or_else(nothing, |interval| {
                    number(percent_interval(interval), interval.lower)
                }),
                share(errors().fold(f64::INFINITY, f64::min)),
                share(errors().fold(0.0, f64::max)),
            ]
        });
        Table::new(
            format!("Random blocks out of action together ({method})"),
            &[
                "Blocks lost",
                "Draws",
                "Mean error",
                "95 % interval of the mean",
                "Least error",
                "Largest error",
            ],
            rows.collect(),
        )
    };
    methods.iter().filter_map(table).collect()
}

/// Orders of blocks.
pub(super) fn orders(outcomes: &[&Outcome]) -> Option<Table> {
    let rows = outcomes.iter().filter_map(|outcome| {
        let reordering = reordering(outcome)?;
        let order: Vec<String> = reordering.order.iter().map(usize::to_string).collect();
        let [rate, interval] = error(outcome);
        Some(vec![
            words(&outcome.key),
            figures(reordering.kendall_tau),
            whole(outcome.errors),
            rate,
            interval,
            figures(outcome.loss),
            words(order.join(" ")),
        ])
    });
    Table::new(
        "Blocks in another order",
        &[
            "Order",
            "Kendall's tau",
            "Errors",
            "Error",
            "95 % Wilson interval",
            "Loss, nats",
            "Block at each place",
        ],
        rows.collect(),
    )
}

/// Synergies of pairs.
pub(super) fn pairs(header: &Header, outcomes: &[&Outcome]) -> Option<Table> {
    let rows = synergies(outcomes)
        .into_iter()
        .map(|(first, second, synergy)| {
            vec![
                number(block_name(header, first), first as f64),
                number(block_name(header, second), second as f64),
                figures(synergy),
            ]
        });
    let titles = ["First block", "Second block", "Synergy, nats"];
    Table::new("Synergy of pairs of blocks", &titles, rows.collect())
}

/// Commutators of pairs.
pub(super) fn commutators(header: &Header, found: &[&Commutator]) -> Option<Table> {
    let rows = found.iter().map(|found| {
        vec![
            number(block_name(header, found.first), found.first as f64),
            number(block_name(header, found.second), found.second as f64),
            figures(found.norm),
            figures(found.relative),
        ]
    });
    let titles = [
        "Earlier block",
        "Later block",
        "Norm",
        "Relative to both changes",
    ];
    Table::new(
        "How far pairs of blocks are from commuting",
        &titles,
        rows.collect(),
    )
}

/// The gradient by path length.
pub(super) fn lengths(summary: &GradientSummary) -> Option<Table> {
    let mut titles = vec!["Length", "Paths", "Share of paths"];
    for measured in &summary.measures {
        titles.push(match measured.measure {
            Measure::Coherent => "Coherent share",
            Measure::Energy => "Energy share",
            Measure::Sampled => "Sampled share",
        });
    }
    let rows = summary
        .path_shares
        .iter()
        .enumerate()
        .map(|(length, paths)| {
            let ln_paths = summary.ln_paths.get(length).copied().unwrap_or(0.0);
            let count = if ln_paths < 6.0 * LN_10 {
                thousands(ln_paths.exp().round() as u64)
            } else {
                format!("10^{:.2}", ln_paths / LN_10)
            };
            let mut row = vec![whole(length), number(count, ln_paths), share(*paths)];
            for measured in &summary.measures {
                let found = measured.shares.get(length);
                row.push(found.map_or_else(nothing, |found| share(*found)));
            }
            row
        });
    Table::new("The gradient by path length", &titles, rows.collect())
}

/// The effective ranges.
pub(super) fn ranges(summary: &GradientSummary) -> Option<Table> {
    let rows = summary.measures.iter().map(|measured| {
        let end = |interval: Option<&pathscope_analysis::Interval>| {
            interval.map_or_else(nothing, |interval| {
                let text = format!("{:.0} to {:.0}", interval.lower, interval.upper);
                number(text, interval.lower)
            })
        };
        vec![
            words(measured.measure.definition()),
            whole(measured.range.first),
            end(measured.ends.as_ref().map(|(first, _)| first)),
            whole(measured.range.last),
            end(measured.ends.as_ref().map(|(_, last)| last)),
            share(measured.paths_in_range),
        ]
    });
    Table::new(
        format!(
            "Effective ranges: the shortest that hold {}",
            percent(summary.share)
        ),
        &[
            "Measure",
            "First length",
            "95 % interval",
            "Last length",
            "95 % interval",
            "Of all paths",
        ],
        rows.collect(),
    )
}

/// The ensembles.
pub(super) fn ensembles(found: &[&Ensemble]) -> Option<Table> {
    let rows = found.iter().map(|found| {
        let of = |errors: usize| share(errors as f64 / found.examples.max(1) as f64);
        let members: usize = found.member_errors.iter().sum();
        vec![
            words(&found.members),
            whole(found.size),
            of(members / found.size.max(1)),
            of(found.vote_errors),
            of(found.mean_errors),
            found.error_correlation.map_or_else(nothing, figures),
            share(found.disagreement),
        ]
    });
    Table::new(
        "Ensembles",
        &[
            "Members",
            "Size",
            "Mean error of members",
            "Error of the vote",
            "Error of the mean logits",
            "Correlation of errors",
            "Disagreement",
        ],
        rows.collect(),
    )
}

/// The steps of a greedy removal.
pub(super) fn removals(header: &Header, steps: &[&Removal]) -> Option<Table> {
    let rows = steps.iter().enumerate().map(|(step, found)| {
        let last = found.removed.last();
        vec![
            whole(step),
            words(last.map_or_else(String::new, |&block| block_name(header, block))),
            whole(found.errors),
            share(found.errors as f64 / found.examples.max(1) as f64),
            number(thousands(found.parameters), found.parameters as f64),
            number(thousands(found.multiply_adds), found.multiply_adds as f64),
            figures(1e3 * found.latency),
        ]
    });
    Table::new(
        "Greedy removal",
        &[
            "Step",
            "Block removed",
            "Errors",
            "Error",
            "Parameters",
            "Multiply-adds",
            "One image, ms",
        ],
        rows.collect(),
    )
}

/// The epochs of a training.
pub(super) fn epochs(log: &TrainingLog) -> Option<Table> {
    let rows = log.epochs.iter().map(|epoch| {
        let rate = |errors: usize, examples: usize| share(errors as f64 / examples.max(1) as f64);
        vec![
            whole(epoch.epoch + 1),
            figures(epoch.loss),
            rate(epoch.errors, epoch.examples),
            epoch
                .held_out()
                .map_or_else(nothing, |(errors, examples)| rate(errors, examples)),
        ]
    });
    let titles = [
        "Epoch",
        "Training loss, nats",
        "Training error",
        "Held-out error",
    ];
    Table::new(format!("Training: {}", log.name), &titles, rows.collect())
}
