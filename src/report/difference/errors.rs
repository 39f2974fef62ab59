use pathscope_analysis::record::Outcome;
use pathscope_analysis::{Interval, McNemar, exchange_p_value};
use serde::Serialize;

use crate::error_rate::{difference, intervals_of_means};
use crate::lesions::{intact as intact_of, single_lesions};
use crate::run::Run;

/// Wrong examples of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// Wrong ones.
    pub errors: usize,
    /// All.
    pub examples: usize,
}

impl Errors {
    fn of(outcome: &Outcome) -> Self {
        let (errors, examples) = (outcome.errors, outcome.examples);
        Self { errors, examples }
    }

    /// In percent.
    fn percent(self) -> f64 {
        100.0 * self.errors as f64 / self.examples.max(1) as f64
    }
}

/// The errors of two intact networks.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorDifference {
    /// Of the first network.
    pub first: Errors,
    /// Of the second.
    pub second: Errors,
    /// Difference of the error rates in percentage points.
    pub change: f64,
    /// Its paired 95 % bootstrap interval over examples.
    pub interval: Option<Interval>,
    /// McNemar's exact test, before any correction.
    pub mcnemar: Option<McNemar>,
    /// Its p-value after Holm's correction.
    pub p_value: Option<f64>,
}

/// One block or function disabled in two networks.
#[derive(Clone, Debug, Serialize)]
pub struct BlockDifference {
    /// The block, such as `17`, or function, such as `17.2`.
    pub target: String,
    /// Errors of the first network without it.
    pub first: Errors,
    /// Errors of the second network without it.
    pub second: Errors,
    /// What its loss costs the first network, in percentage points of error.
    pub first_effect: f64,
    /// What its loss costs the second.
    pub second_effect: f64,
    /// How much more it costs the second.
    pub effect_change: f64,
    /// The paired 95 % bootstrap interval of that over examples.
    pub interval: Option<Interval>,
    /// The exact paired test of it, after Holm's correction.
    pub p_value: Option<f64>,
}

/// What a run says of errors: on which examples, and the outcomes there. Results on other examples
/// than those of the first intact network are left out.
fn outcomes(run: &Run) -> (Option<&str>, Vec<&Outcome>) {
    let mut journals = run.journals.iter();
    let first = journals.find(|journal| intact_of(&journal.outcomes()).is_some());
    let data = first.map(|journal| journal.header.data.hash.as_str());
    let all = run.journals.iter();
    let same = all.filter(|journal| Some(journal.header.data.hash.as_str()) == data);
    (data, same.flat_map(|journal| journal.outcomes()).collect())
}

pub(super) fn intact(
    first: &Run,
    second: &Run,
    notes: &mut Vec<String>,
) -> Option<ErrorDifference> {
    let ((data, first), (other, second)) = (outcomes(first), outcomes(second));
    let (first, second) = (intact_of(&first)?, intact_of(&second)?);
    if data != other {
        notes.push(
            "the errors were measured on different examples, so they are not paired: their \
             differences have no interval and no test"
                .to_owned(),
        );
    }
    let mcnemar = (data == other)
        .then(|| second.against(first).ok())
        .flatten();
    let (one, other) = (Errors::of(first), Errors::of(second));
    Some(ErrorDifference {
        first: one,
        second: other,
        change: other.percent() - one.percent(),
        interval: mcnemar
            .as_ref()
            .and_then(|_| difference(first, second))
            .map(|(_, interval)| interval),
        p_value: mcnemar.as_ref().map(|test| test.p_value),
        mcnemar,
    })
}

pub(super) fn blocks(first: &Run, second: &Run, notes: &mut Vec<String>) -> Vec<BlockDifference> {
    let ((data, first), (other_data, second)) = (outcomes(first), outcomes(second));
    let (Some(intact_a), Some(intact_b)) = (intact_of(&first), intact_of(&second)) else {
        return Vec::new();
    };
    let (in_first, in_second) = (single_lesions(&first), single_lesions(&second));
    let methods = in_first.iter().filter_map(|(method, lesions)| {
        let (_, others) = in_second.iter().find(|(other, _)| other == method)?;
        Some((method, lesions, others))
    });
    // Deletion where both have it, and else what they have in common.
    let chosen = methods.min_by_key(|(method, _, _)| *method != "deleted");
    let Some((_, lesions, others)) = chosen else {
        return Vec::new();
    };
    let (mut found, mut changes) = (Vec::new(), Vec::new());
    let mut ended_early = 0;
    for lesion in lesions {
        let Some(other) = others.iter().find(|other| other.target == lesion.target) else {
            continue;
        };
        let (a, b) = (lesion.outcome, other.outcome);
        // The first examples alone may be harder, or easier, than all.
        let whole = |without: &Outcome, intact: &Outcome| {
            !without.is_settled() && without.examples == intact.examples
        };
        if !(whole(a, intact_a) && whole(b, intact_b)) {
            ended_early += 1;
            continue;
        }
        let change = (data == other_data)
            .then(|| change_of_each([intact_a, a], [intact_b, b]))
            .flatten();
        let effect = |without: &Outcome, intact: &Outcome| {
            Errors::of(without).percent() - Errors::of(intact).percent()
        };
        let (first_effect, second_effect) = (effect(a, intact_a), effect(b, intact_b));
        found.push(BlockDifference {
            target: lesion.target.name(),
            first: Errors::of(a),
            second: Errors::of(b),
            first_effect,
            second_effect,
            effect_change: second_effect - first_effect,
            interval: None,
            p_value: change.as_deref().map(exchange_p_value),
        });
        let percent = 100.0 / a.positions.max(1) as f64;
        changes.push(change.map(|of_each| {
            let of_each = of_each.into_iter();
            of_each.map(|change| percent * change as f64).collect()
        }));
    }
    for (difference, interval) in found.iter_mut().zip(intervals_of_means(changes)) {
        difference.interval = interval;
    }
    if ended_early > 0 {
        notes.push(format!(
            "not compared: {ended_early} deletions whose measurement ended before all examples"
        ));
    }
    found
}

/// How many more errors a lesion costs the second network on each example, or sequence; none where
/// there are not as many of both. Each pair is (intact, without).
fn change_of_each(first: [&Outcome; 2], second: [&Outcome; 2]) -> Option<Vec<i64>> {
    let costs = [first, second].map(|[intact, without]| {
        let pairs = errors_of_each(intact)
            .into_iter()
            .zip(errors_of_each(without));
        pairs
            .map(|(intact, without)| without - intact)
            .collect::<Vec<i64>>()
    });
    let [first, second] = costs;
    let changes = || {
        second
            .iter()
            .zip(&first)
            .map(|(second, first)| second - first)
            .collect()
    };
    (first.len() == second.len()).then(changes)
}

/// Errors on each example, or on each sequence.
fn errors_of_each(outcome: &Outcome) -> Vec<i64> {
    let wrong = outcome.wrong.to_vec(outcome.examples);
    let errors = |together: &[bool]| together.iter().map(|&wrong| i64::from(wrong)).sum();
    wrong.chunks(outcome.positions.max(1)).map(errors).collect()
}
