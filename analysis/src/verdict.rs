//! Can a block go? Tests of the difference of paired error rates against a margin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::function::beta::checked_beta_reg;
use statrs::function::factorial::ln_binomial;

use crate::comparison::{ComparisonError, holm};
use crate::interval::{IntervalError, Level, clopper_pearson};
use crate::length_law::first_length;
use crate::paired_sequence::observe_pairs;
use crate::record::Outcome;
use crate::sequential::{ConfidenceSequence, SequentialError};

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerdictError {
    /// A margin that no difference of rates can lie beyond.
    #[error("verdict: the margin is {0}; give a share of the examples between 0 and 1")]
    Margin(f64),
    /// No examples, or more discordant answers than examples.
    #[error(
        "verdict: {newly_wrong} newly wrong and {newly_right} newly right of {examples} examples; \
         give counts of the same examples"
    )]
    Counts {
        /// Examples that only the changed network gets wrong.
        newly_wrong: usize,
        /// Examples that only the intact network gets wrong.
        newly_right: usize,
        /// All examples.
        examples: usize,
    },
    /// A level that cannot be corrected for several tests.
    #[error(transparent)]
    Level(#[from] IntervalError),
    /// Observations that are no differences of errors.
    #[error(transparent)]
    Sequence(#[from] SequentialError),
    /// p-values that cannot be corrected.
    #[error(transparent)]
    Comparison(#[from] ComparisonError),
}

/// What a change costs, as far as the examples tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It costs more than the margin.
    Needed,
    /// It costs less than the margin.
    Removable,
    /// The examples do not decide.
    Undecided {
        /// About how many examples would, if they showed the same differences; none where even a hundred
        /// times as many would not.
        examples: Option<usize>,
    },
}

/// The discordant answers of a changed network and the intact one on the same independent examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pairs {
    newly_wrong: usize,
    newly_right: usize,
    examples: usize,
}

/// p-values of two one-sided tests of a difference of paired error rates against a margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarginTest {
    /// Of "the change costs at least the margin": small where it can be made.
    pub p_at_least: f64,
    /// Of "the change costs at most the margin": small where it cannot.
    pub p_at_most: f64,
    /// Tango's score statistic, below 0 where the difference is below the margin.
    pub score: f64,
}

/// Tests the difference `(newly_wrong - newly_right) / examples` against `margin`, a share of the
/// examples.
///
/// The score statistic of Tango (Statistics in Medicine 17, 1998) orders the outcomes; the p-value is
/// the largest chance of an outcome as extreme over the unknown rate of newly right answers, within
/// its interval of confidence `1 - 2e-5`, which is added (Berger and Boos, JASA 89, 1994). It is
/// exact: the chance of a p-value below alpha is at most alpha for any number of examples.
///
/// # Errors
/// A margin outside 0 to 1, or counts that do not fit the examples.
///
/// ```
/// use pathscope_analysis::margin_test;
/// // No answer changes on 1,000 examples: the true difference is hardly a point.
/// assert!(margin_test(0, 0, 1_000, 0.01)?.p_at_least < 0.001);
/// // On 200 examples it may well be.
/// assert!(margin_test(0, 0, 200, 0.01)?.p_at_least > 0.1);
/// # Ok::<(), pathscope_analysis::VerdictError>(())
/// ```
pub fn margin_test(
    newly_wrong: usize,
    newly_right: usize,
    examples: usize,
    margin: f64,
) -> Result<MarginTest, VerdictError> {
    check_margin(margin)?;
    Pairs::new(newly_wrong, newly_right, examples)?.test(margin)
}

fn check_margin(margin: f64) -> Result<(), VerdictError> {
    match margin > 0.0 && margin < 1.0 {
        true => Ok(()),
        false => Err(VerdictError::Margin(margin)),
    }
}

/// On which side of the margin outcomes speak against a hypothesis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Below,
    Above,
}

/// Chance that the rate of newly right answers is on one side of its interval.
const OUTSIDE: f64 = 1e-5;
/// Rates at which the chance of an outcome is computed, and then once more around the greatest.
const RATES: usize = 24;
/// Statistics that differ by no more are equal.
const ROUNDING: f64 = 1e-9;

impl Pairs {
    fn new(newly_wrong: usize, newly_right: usize, examples: usize) -> Result<Self, VerdictError> {
        let fits = newly_wrong.checked_add(newly_right);
        if examples == 0 || fits.is_none_or(|discordant| discordant > examples) {
            return Err(VerdictError::Counts {
                newly_wrong,
                newly_right,
                examples,
            });
        }
        Ok(Self {
            newly_wrong,
            newly_right,
            examples,
        })
    }

    fn test(self, margin: f64) -> Result<MarginTest, VerdictError> {
        Ok(MarginTest {
            p_at_least: self.p_value(margin, Side::Below, self.newly_right)?,
            p_at_most: self.p_value(margin, Side::Above, self.newly_right)?,
            score: self.score(margin),
        })
    }

    /// Tango's score statistic at `margin`.
    fn score(self, margin: f64) -> f64 {
        let (b, c) = (self.newly_wrong as f64, self.newly_right as f64);
        let n = self.examples as f64;
        // The most likely rate of newly right answers if the difference is the margin: the root of
        // 2 n q^2 + linear q = c margin (1 - margin).
        let linear = (2.0 * n - b + c) * margin - b - c;
        let constant = c * margin * (1.0 - margin);
        let rate = ((linear * linear + 8.0 * n * constant).sqrt() - linear) / (4.0 * n);
        let variance = n * (2.0 * rate + margin * (1.0 - margin));
        (b - c - n * margin) / variance.sqrt()
    }

    /// The largest chance of the tail over the rates of newly right answers that are likely with `fewest`
    /// of them or as many as there are.
    fn p_value(self, margin: f64, side: Side, fewest: usize) -> Result<f64, VerdictError> {
        let level = Level::new(1.0 - 2.0 * OUTSIDE)?;
        let rates = |newly_right| clopper_pearson(newly_right, self.examples, level);
        let most = (1.0 - margin) / 2.0;
        let mut from = rates(fewest)?.lower.min(most);
        let mut to = rates(self.newly_right)?.upper.min(most);
        let mut tail = Tail::new(self, margin, side);
        let mut largest = 0.0_f64;
        for _ in 0..2 {
            let step = (to - from) / RATES as f64;
            let mut at = from;
            for place in 0..=RATES {
                let rate = from + step * place as f64;
                let chance = tail.chance(rate);
                if chance > largest {
                    (largest, at) = (chance, rate);
                }
            }
            (from, to) = ((at - step).max(from), (at + step).min(to));
        }
        Ok((largest + OUTSIDE).min(1.0))
    }
}

/// A change whose measurement has ended after the first examples.
struct Partial {
    /// As if it corrected all others that are wrong before it: what speaks least for its being needed.
    at_best: Pairs,
    /// The fewest answers that it corrects: those among the first.
    fewest: usize,
}

impl Partial {
    /// Given which answers are wrong before a change on all examples, and after it on the first ones.
    fn new(before: &[bool], after: &[bool]) -> Result<Self, VerdictError> {
        let (newly_wrong, fewest) = discordant(before, after);
        let others = before.iter().skip(after.len());
        let newly_right = fewest + others.filter(|&&wrong| wrong).count();
        Ok(Self {
            at_best: Pairs::new(newly_wrong, newly_right, before.len())?,
            fewest,
        })
    }

    /// A p-value of "it costs at most the margin" that none on all examples exceeds: more newly wrong or
    /// fewer newly right answers have a higher score, hence a smaller tail, and the rates are all that any
    /// of them allows.
    fn p_at_most(&self, margin: f64) -> Result<f64, VerdictError> {
        self.at_best.p_value(margin, Side::Above, self.fewest)
    }
}

/// The outcomes at least as extreme as the one observed.
struct Tail {
    observed: Pairs,
    margin: f64,
    side: Side,
    score: f64,
    /// For every number of newly right answers that was asked for, the number of newly wrong ones at which
    /// the tail ends (below) or begins (above).
    ends: Vec<Option<i64>>,
}

impl Tail {
    fn new(observed: Pairs, margin: f64, side: Side) -> Self {
        Self {
            observed,
            margin,
            side,
            score: observed.score(margin),
            ends: vec![None; observed.examples + 1],
        }
    }

    /// The chance of the tail where the rate of newly right answers is `rate` and the difference is
    /// the margin.
    fn chance(&mut self, rate: f64) -> f64 {
        let n = self.observed.examples;
        let mean = n as f64 * rate;
        let spread = 7.0 * (mean * (1.0 - rate)).sqrt() + 10.0;
        let first = (mean - spread).max(0.0) as usize;
        let last = ((mean + spread) as usize).min(n);
        // Of the examples that are not newly right, the share that is newly wrong.
        let share = ((rate + self.margin) / (1.0 - rate)).min(1.0);
        (first..=last)
            .map(|newly_right| {
                let others = n - newly_right;
                let end = self.end(newly_right);
                let beyond = match self.side {
                    Side::Below => binomial_cdf(others, share, end),
                    Side::Above => 1.0 - binomial_cdf(others, share, end - 1),
                };
                binomial_mass(n, rate, newly_right) * beyond
            })
            .sum()
    }

    /// The score grows with the number of newly wrong answers: where does it pass the one observed?
    fn end(&mut self, newly_right: usize) -> i64 {
        if let Some(Some(end)) = self.ends.get(newly_right) {
            return *end;
        }
        let score = |newly_wrong: usize| {
            let pairs = Pairs {
                newly_wrong,
                newly_right,
                ..self.observed
            };
            pairs.score(self.margin)
        };
        let most = self.observed.examples - newly_right;
        // The number of counts from 0 on whose score is below the tail above, or in the tail below.
        let inside = |newly_wrong: usize| match self.side {
            Side::Below => score(newly_wrong) <= self.score + ROUNDING,
            Side::Above => score(newly_wrong) < self.score - ROUNDING,
        };
        let first = first_length(most + 1, |newly_wrong| !inside(newly_wrong)) as i64;
        let end = match self.side {
            Side::Below => first - 1,
            Side::Above => first,
        };
        if let Some(known) = self.ends.get_mut(newly_right) {
            *known = Some(end);
        }
        end
    }
}

fn binomial_mass(trials: usize, rate: f64, successes: usize) -> f64 {
    let (n, k) = (trials as f64, successes as f64);
    let powers = match (successes, trials - successes) {
        (0, _) => n * (-rate).ln_1p(),
        (_, 0) => n * rate.ln(),
        _ => k * rate.ln() + (n - k) * (-rate).ln_1p(),
    };
    (ln_binomial(trials as u64, successes as u64) + powers).exp()
}

/// `P(X <= successes)`.
fn binomial_cdf(trials: usize, rate: f64, successes: i64) -> f64 {
    if successes < 0 {
        return 0.0;
    }
    if successes >= trials as i64 || rate <= 0.0 {
        return 1.0;
    }
    if rate >= 1.0 {
        return 0.0;
    }
    let (k, n) = (successes as f64, trials as f64);
    // Fails outside of 0 to 1 only.
    checked_beta_reg(n - k, k + 1.0, 1.0 - rate).unwrap_or(f64::NAN)
}

/// A test with the number of examples that it is of; none of a settled one.
type Test = (MarginTest, Option<usize>);

/// The verdict on each of several changes at `margin`, a share of the examples: which cost less, which
/// more? Each kind of claim is right in all of its cases at once with the confidence `level` (Holm's
/// correction of [`margin_test`]).
///
/// Where examples are positions of sequences, or `stops_early` says that a comparison ends when it is
/// decided, the verdict is that of a confidence sequence over the sequences or examples, whose
/// interval leaves the margin (Bonferroni's correction).
///
/// An outcome that [is settled](Outcome::is_settled) counts as if it corrected every error on the examples
/// that were not measured.
///
/// # Errors
/// A margin outside 0 to 1, or outcomes without common examples.
pub fn verdicts(
    intact: &Outcome,
    changed: &[&Outcome],
    margin: f64,
    level: Level,
    stops_early: bool,
) -> Result<Vec<Verdict>, VerdictError> {
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    check_margin(margin)?;
    let alpha = level.alpha() / changed.len() as f64;
    if stops_early || intact.positions > 1 {
        let level = Level::new(1.0 - alpha)?;
        let verdict = |outcome: &&Outcome| {
            let (before, after) = pair(intact, outcome);
            by_sequence(&before, &after, outcome.positions, margin, level)
        };
        return changed.iter().map(verdict).collect();
    }
    let tests = changed.iter().map(|outcome| {
        let (before, after) = pair(intact, outcome);
        if outcome.is_settled() {
            let partial = Partial::new(&intact.wrong.to_vec(intact.examples), &after)?;
            let test = MarginTest {
                p_at_least: 1.0,
                p_at_most: partial.p_at_most(margin)?,
                score: partial.at_best.score(margin),
            };
            return Ok((test, None));
        }
        let (newly_wrong, newly_right) = discordant(&before, &after);
        let test = margin_test(newly_wrong, newly_right, before.len(), margin)?;
        Ok((test, Some(before.len())))
    });
    let tests: Vec<Test> = tests.collect::<Result<_, VerdictError>>()?;
    let adjusted = |p: fn(&MarginTest) -> f64| {
        holm(&tests.iter().map(|(test, _)| p(test)).collect::<Vec<_>>())
    };
    let removable = adjusted(|test| test.p_at_least)?;
    let needed = adjusted(|test| test.p_at_most)?;
    let critical = Level::new(1.0 - 2.0 * alpha).unwrap_or(level);
    let critical = critical.normal_quantile();
    let decide = |((&(test, examples), removable), needed): ((&Test, &f64), &f64)| {
        if *removable < level.alpha() {
            Verdict::Removable
        } else if *needed < level.alpha() {
            Verdict::Needed
        } else {
            let times = (critical / test.score).powi(2).max(1.1);
            let examples = examples.filter(|_| times <= 100.0);
            Verdict::Undecided {
                examples: examples.map(|examples| (times * examples as f64).ceil() as usize),
            }
        }
    };
    let all = tests.iter().zip(&removable).zip(&needed);
    Ok(all.map(decide).collect())
}

/// Which predictions on the examples that both measured are wrong: the first ones of the data.
fn pair(intact: &Outcome, changed: &Outcome) -> (Vec<bool>, Vec<bool>) {
    let examples = changed.examples.min(intact.examples);
    (
        intact.wrong.to_vec(examples),
        changed.wrong.to_vec(examples),
    )
}

/// Whether one change costs less than `margin`, a share of the examples, with the confidence `level`:
/// given which predictions are wrong before and after it, `positions` of them for each example.
///
/// # Errors
/// A margin outside 0 to 1, or no common examples.
pub fn is_removable(
    before: &[bool],
    after: &[bool],
    positions: usize,
    margin: f64,
    level: Level,
) -> Result<bool, VerdictError> {
    if positions > 1 {
        let verdict = by_sequence(before, after, positions, margin, level)?;
        return Ok(verdict == Verdict::Removable);
    }
    let (newly_wrong, newly_right) = discordant(before, after);
    let examples = before.len().min(after.len());
    let test = margin_test(newly_wrong, newly_right, examples, margin)?;
    Ok(test.p_at_least < level.alpha())
}

/// Whether the verdict on a change is settled before all examples are measured: given which predictions
/// are wrong before it on all examples, and after it on the first ones, `positions` of them for each
/// example. The others cannot take it back, whatever they give.
///
/// Of examples with one prediction, only "needed" is settled early: [`verdicts`] on all examples of any
/// `changes` changes gives it even if this change corrects every error to come. Of sequences, any
/// verdict is: the intervals of a confidence sequence only shrink.
///
/// # Errors
/// A margin outside 0 to 1, or no examples.
pub fn is_settled(
    before: &[bool],
    after: &[bool],
    positions: usize,
    margin: f64,
    level: Level,
    changes: usize,
) -> Result<bool, VerdictError> {
    check_margin(margin)?;
    let changes = changes.max(1) as f64;
    if positions > 1 {
        let level = Level::new(1.0 - level.alpha() / changes)?;
        let verdict = by_sequence(before, after, positions, margin, level)?;
        return Ok(matches!(verdict, Verdict::Needed | Verdict::Removable));
    }
    let partial = Partial::new(before, after)?;
    // Most looks come too early: no need for a p-value.
    let may_be = partial.at_best.score(margin) > 0.0;
    Ok(may_be && partial.p_at_most(margin)? * changes < level.alpha())
}

/// Numbers of newly wrong and newly right predictions.
fn discordant(before: &[bool], after: &[bool]) -> (usize, usize) {
    let count = |was: bool, is: bool| {
        let pairs = before.iter().zip(after);
        pairs.filter(|&(&a, &b)| (a, b) == (was, is)).count()
    };
    (count(false, true), count(true, false))
}

fn by_sequence(
    before: &[bool],
    after: &[bool],
    positions: usize,
    margin: f64,
    level: Level,
) -> Result<Verdict, VerdictError> {
    check_margin(margin)?;
    let mut sequence = ConfidenceSequence::paired_errors(level);
    observe_pairs(&mut sequence, before, after, positions)?;
    let interval = sequence.interval();
    Ok(if interval.upper < margin {
        Verdict::Removable
    } else if interval.lower > margin {
        Verdict::Needed
    } else {
        Verdict::Undecided { examples: None }
    })
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
