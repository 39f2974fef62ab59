//! What records answer, in sentences.

use std::collections::BTreeMap;

use pathscope_analysis::record::{Commutator, Ensemble, Header, Outcome, Removal};
use pathscope_analysis::{
    BootstrapMethod, BootstrapOptions, Interval, Level, kendall_tau, paired_bootstrap,
    percentile_interval, resample,
};
use serde::Serialize;

use super::draws::mean_error;
use super::gradient::{GradientSummary, summarize};
use super::journal::Journal;
use super::lesions::{
    SingleLesion, Target, block_name, intact, random_lesions, reordering, single_lesions, synergies,
};
use super::plot::decay_shape;
use super::quantity::{count, percent, percent_interval, rate, significant};

/// A question that was asked of a network, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was asked, as a question.
    pub question: String,
    /// The answer in a sentence or a few, with its interval.
    pub answer: String,
}

/// A p-value below this counts as significant.
pub(super) const ALPHA: f64 = 0.05;

/// Every question that the records of a file answer; effective ranges hold `share` of the
/// gradient.
#[must_use]
pub fn findings(journal: &Journal, share: f64) -> Vec<Finding> {
    let header = &journal.header;
    let outcomes = journal.outcomes();
    let mut found = Vec::new();
    if let Some(intact) = intact(&outcomes) {
        for (method, lesions) in single_lesions(&outcomes) {
            found.extend(singles(header, intact, &method, &lesions));
        }
        for (method, sizes) in random_lesions(&outcomes) {
            found.extend(random(intact, &method, &sizes));
        }
        found.extend(order(intact, &outcomes));
    }
    found.extend(pairs(header, &outcomes));
    found.extend(commuting(header, &journal.commutators()));
    if let Some(summary) = summarize(header, &journal.spectra(), share) {
        found.extend(gradient(header, &summary));
    }
    found.extend(journal.ensembles().into_iter().map(ensemble));
    found.extend(removal(header, &journal.removals()));
    found
}

/// `7.28 % (74 of 1,017), 95 % interval 5.8 % to 9.0 %`.
pub(super) fn error(outcome: &Outcome) -> String {
    let interval = outcome.error_interval(Level::P95);
    let interval =
        interval.map(|interval| format!(", 95 % interval {}", percent_interval(interval)));
    rate(outcome.errors, outcome.examples) + &interval.unwrap_or_default()
}

/// The error in per cent of every example, or of every sequence of which each position is
/// predicted: what a bootstrap may draw from.
pub(super) fn error_of_each(outcome: &Outcome) -> Vec<f64> {
    let wrong = outcome.wrong.to_vec(outcome.examples);
    let share = |together: &[bool]| {
        let errors = together.iter().filter(|&&wrong| wrong).count();
        100.0 * errors as f64 / together.len().max(1) as f64
    };
    wrong.chunks(outcome.positions.max(1)).map(share).collect()
}

/// Difference between two error rates on the same examples, in percentage points, with its
/// paired bootstrap interval.
pub(super) fn difference(from: &Outcome, to: &Outcome) -> Option<(f64, Interval)> {
    let options = BootstrapOptions {
        replicates: 2_000,
        method: BootstrapMethod::Percentile,
        ..BootstrapOptions::default()
    };
    let found = paired_bootstrap(&error_of_each(from), &error_of_each(to), &options).ok()?;
    Some((found.estimate, found.interval))
}

/// `+1.25 points (95 % interval +0.4 to +2.1)`.
fn points((difference, interval): (f64, Interval)) -> String {
    let signed = |value: f64| {
        let sign = if value > 0.0 { "+" } else { "" };
        format!("{sign}{}", significant(value, 3))
    };
    format!(
        "{} points (95 % interval {} to {})",
        signed(difference),
        signed(interval.lower),
        signed(interval.upper)
    )
}

fn singles(
    header: &Header,
    intact: &Outcome,
    method: &str,
    lesions: &[SingleLesion<'_>],
) -> Option<Finding> {
    let by_error = |a: &&SingleLesion<'_>, b: &&SingleLesion<'_>| {
        a.outcome
            .errors
            .cmp(&b.outcome.errors)
            .then(b.target.cmp(&a.target))
    };
    let (worst, mildest) = (
        lesions.iter().max_by(by_error)?,
        lesions.iter().min_by(by_error)?,
    );
    let blocks = lesions
        .iter()
        .all(|single| matches!(single.target, Target::Block(_)));
    let what = if blocks { "block" } else { "function" };
    let name = |target: Target| match target {
        Target::Block(block) => format!("block {}", block_name(header, block)),
        Target::Function(block, function) => {
            format!("function {function} of block {}", block_name(header, block))
        }
    };
    let change = |single: &SingleLesion<'_>| {
        let compared = single.against_intact.as_ref()?;
        (compared.both_right + compared.both_wrong < intact.examples)
            .then(|| difference(intact, single.outcome).map(points))
            .flatten()
    };
    let significant = lesions
        .iter()
        .filter(|single| single.adjusted_p.is_some_and(|p| p < ALPHA))
        .count();
    let mut answer = format!(
        "Intact, the network errs on {}. It needs {} most: without it the error is {}",
        error(intact),
        name(worst.target),
        error(worst.outcome),
    );
    answer += &change(worst).map_or_else(String::new, |change| format!(", {change}"));
    answer += ".";
    if lesions.len() > 1 {
        answer += &format!(
            " It needs {} least: {}. Of {} single lesions, {significant} change the error \
             significantly (exact McNemar test{}, Holm's correction, p < {ALPHA}).",
            name(mildest.target),
            change(mildest).unwrap_or_else(|| "no prediction's correctness changes".into()),
            lesions.len(),
            match intact.positions {
                1 => "",
                _ => " over sequences",
            },
        );
    }
    Some(Finding {
        question: format!("What does putting one {what} out of action cost ({method})?"),
        answer,
    })
}

fn random(
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
            let interval =
                interval.map(|interval| format!(", 95 % interval {}", percent_interval(interval)));
            Some(format!(
                "{} with {size} (mean of {}{})",
                percent(mean),
                count(draws.len(), "draw", "draws"),
                interval.unwrap_or_default()
            ))
        })
        .collect();
    Some(Finding {
        question: format!("How does the error grow with the number of blocks lost ({method})?"),
        answer: format!(
            "From {} intact to {}.",
            rate(intact.errors, intact.examples),
            parts.join(", "),
        ),
    })
}

fn order(intact: &Outcome, outcomes: &[&Outcome]) -> Option<Finding> {
    let orders: Vec<(f64, f64)> = outcomes
        .iter()
        .filter_map(|outcome| Some((reordering(outcome)?.kendall_tau, outcome.error())))
        .collect();
    let lowest = outcomes
        .iter()
        .filter_map(|outcome| Some((reordering(outcome)?.kendall_tau, *outcome)))
        .min_by(|a, b| a.0.total_cmp(&b.0))?;
    let correlation = |sample: &[usize]| {
        let chosen = sample.iter().filter_map(|&index| orders.get(index));
        let (taus, errors): (Vec<f64>, Vec<f64>) = chosen.copied().unzip();
        kendall_tau(&taus, &errors).ok()
    };
    let all: Vec<usize> = (0..orders.len()).collect();
    let options = BootstrapOptions {
        replicates: 1_000,
        ..BootstrapOptions::default()
    };
    let related = correlation(&all).map(|estimate| {
        let replicates: Option<Vec<f64>> = resample(orders.len(), &options, correlation)
            .ok()
            .and_then(|found| found.into_iter().collect());
        let interval = replicates.and_then(|found| percentile_interval(&found, Level::P95).ok());
        let interval = interval.map(|interval| {
            format!(
                ", 95 % interval {} to {}",
                significant(interval.lower, 2),
                significant(interval.upper, 2)
            )
        });
        format!(
            " Over {} the rank correlation of error with tau is {}{} (Kendall's; -1: the error \
             always rises as the order is lost).",
            count(orders.len(), "order", "orders"),
            significant(estimate, 2),
            interval.unwrap_or_default(),
        )
    });
    Some(Finding {
        question: "Does the order of the blocks matter?".into(),
        answer: format!(
            "In the trained order the error is {}; at the lowest Kendall tau measured, {}, it is \
             {}.{}",
            error(intact),
            significant(lowest.0, 3),
            error(lowest.1),
            related.unwrap_or_default(),
        ),
    })
}

fn pairs(header: &Header, outcomes: &[&Outcome]) -> Option<Finding> {
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

fn commuting(header: &Header, commutators: &[&Commutator]) -> Option<Finding> {
    let by_size = |a: &&&Commutator, b: &&&Commutator| a.relative.total_cmp(&b.relative);
    let least = commutators.iter().min_by(by_size)?;
    let most = commutators.iter().max_by(by_size)?;
    let pair = |found: &Commutator| {
        format!(
            "{} for blocks {} and {}",
            significant(found.relative, 3),
            block_name(header, found.first),
            block_name(header, found.second)
        )
    };
    Some(Finding {
        question: "How far are blocks from commuting?".into(),
        answer: format!(
            "Relative to what two blocks change together, exchanging them changes from {} to {} \
             (means over {}).",
            pair(least),
            pair(most),
            count(least.examples, "example", "examples"),
        ),
    })
}

fn gradient(header: &Header, summary: &GradientSummary) -> Option<Finding> {
    let measured = summary.measures.first()?;
    let layers: Vec<usize> = header
        .model
        .blocks
        .iter()
        .map(|block| block.layers)
        .collect();
    let in_layers = layers
        .first()
        .filter(|first| layers.iter().all(|layers| layers == *first))
        .map(|layers| {
            format!(
                " ({} to {} layers)",
                layers * measured.range.first,
                layers * measured.range.last
            )
        });
    let ends = match &measured.ends {
        Some((first, last)) => format!(
            "95 % intervals over {} mini-batches: {:.0} to {:.0} and {:.0} to {:.0}",
            summary.batches, first.lower, first.upper, last.lower, last.upper
        ),
        None => "one mini-batch, so no interval".into(),
    };
    let fall = summary.decay.as_ref().map(|(_, decay, _)| {
        format!(
            " One more function on a path multiplies its gradient by rho = {} (95 % interval {} to \
             {}); {}.",
            significant(decay.rho, 3),
            significant(decay.rho_interval.lower, 3),
            significant(decay.rho_interval.upper, 3),
            decay_shape(decay.shape),
        )
    });
    Some(Finding {
        question: "Which path lengths carry the gradient?".into(),
        answer: format!(
            "{} of it ({}) lies in lengths {} to {} modules{}, {ends}; {} of all paths have these \
             lengths.{}",
            percent(summary.share),
            measured.measure.name(),
            measured.range.first,
            measured.range.last,
            in_layers.unwrap_or_default(),
            percent(measured.paths_in_range),
            fall.unwrap_or_default(),
        ),
    })
}

fn ensemble(found: &Ensemble) -> Finding {
    let members = found.member_errors.iter().sum::<usize>() as f64;
    let mean = members / found.member_errors.len().max(1) as f64 / found.examples.max(1) as f64;
    Finding {
        question: format!(
            "Do {} behave like an ensemble ({})?",
            count(found.size, "member", "members"),
            found.members
        ),
        answer: format!(
            "Its members err on {} on average, their vote on {}, the mean of their logits on {}. \
             {} Members' classes differ on {} of the {}.",
            percent(mean),
            rate(found.vote_errors, found.examples),
            rate(found.mean_errors, found.examples),
            found.error_correlation.map_or_else(
                || "No two members are wrong sometimes, so their errors have no correlation."
                    .into(),
                |correlation| format!(
                    "Being wrong correlates by {} between members.",
                    significant(correlation, 2)
                ),
            ),
            percent(found.disagreement),
            if found.positions == 1 {
                "examples"
            } else {
                "positions"
            },
        ),
    }
}

fn removal(header: &Header, steps: &[&Removal]) -> Option<Finding> {
    let (first, last) = (steps.first()?, steps.last()?);
    let removed: Vec<String> = last
        .removed
        .iter()
        .map(|&block| block_name(header, block))
        .collect();
    Some(Finding {
        question: "How small can the network be made?".into(),
        answer: format!(
            "After removing {} ({}), it errs on {}, with {} of its parameters and {} of its \
             multiply-adds; one image takes {} ms (first step: {} ms).",
            count(removed.len(), "block", "blocks"),
            removed.join(", "),
            rate(last.errors, last.examples),
            percent(last.parameters as f64 / header.model.parameters.max(1) as f64),
            percent(last.multiply_adds as f64 / header.model.multiply_adds.max(1) as f64),
            significant(1e3 * last.latency, 3),
            significant(1e3 * first.latency, 3),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    fn answers(journal: &Journal) -> Vec<(String, String)> {
        let found = findings(journal, 0.95);
        found.into_iter().map(|f| (f.question, f.answer)).collect()
    }

    #[test]
    fn lesions_answer_with_intervals() {
        let found = answers(&example::lesions());
        assert_eq!(found.len(), 3);
        let (question, answer) = &found[0];
        assert_eq!(
            question,
            "What does putting one block out of action cost (deleted)?"
        );
        assert!(
            answer.contains("It needs block 0 (layer1.0) most"),
            "{answer}"
        );
        assert!(answer.contains("95 % interval"), "{answer}");
        assert!(answer.contains("Of 9 single lesions, "), "{answer}");
        assert!(
            found[1]
                .1
                .contains(" with 8 (mean of 5 draws, 95 % interval "),
            "{found:?}"
        );
        assert!(found[2].1.contains("of 36 pairs"), "{found:?}");
    }

    #[test]
    fn order_and_gradient_answer_with_intervals() {
        let found = answers(&example::reorderings());
        assert!(
            found[0]
                .1
                .contains("the rank correlation of error with tau is -"),
            "{found:?}"
        );
        assert!(found[1].0.contains("commuting"), "{found:?}");
        let found = answers(&example::spectrum());
        assert!(
            found[0].1.contains("multiplies its gradient by rho = 0.4"),
            "{found:?}"
        );
        assert!(
            found[0].1.contains("95 % intervals over 4 mini-batches"),
            "{found:?}"
        );
    }

    #[test]
    fn a_difference_is_that_of_the_counts() {
        let journal = example::lesions();
        let outcomes = journal.outcomes();
        let (intact, worst) = (outcomes[0], outcomes[1]);
        let (points, interval) = difference(intact, worst).unwrap();
        let expected = 100.0 * (worst.errors as f64 - intact.errors as f64) / 400.0;
        assert!((points - expected).abs() < 1e-9);
        assert!(interval.contains(points) && interval.lower > 0.0);
    }
}
