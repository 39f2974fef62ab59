//! What experiments write and everything else reads: JSON Lines, one header and then one record
//! per measurement.
//!
//! Blocks and functions count from 0, in the order in which data meets them. Losses are in nats,
//! shares and rates lie between 0 and 1, gradients are L2 norms of one example's gradient.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Interval, Level, McNemar, PairedError, clustered_mcnemar, clustered_wilson, wilson};

/// Version of the records that this crate writes. It grows when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// A line of a results file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The first line: what was measured, and how to do it again.
    Header(Header),
    /// A plan evaluated on every example: a lesion, a reordering, or the network as it is.
    Outcome(Outcome),
    /// How far two blocks are from commuting.
    Commutator(Commutator),
    /// The gradient by path length, over one mini-batch.
    Spectrum(Spectrum),
    /// One path drawn, with its gradient.
    SampledPath(SampledPath),
    /// What a set of sub-networks is as an ensemble.
    Ensemble(Ensemble),
    /// One step of a greedy removal, with measured latency.
    Removal(Removal),
}

/// What was measured, and how to do it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema: u32,
    /// Version of pathscope.
    pub pathscope: String,
    /// Which question: `lesion`, `reorder`, `gradient-spectrum`, ...
    pub experiment: String,
    /// The command that was given, without the program's own name.
    pub command: Vec<String>,
    /// The network.
    pub model: ModelIdentity,
    /// The examples.
    pub data: DataIdentity,
    /// What random draws derive from.
    pub seed: u64,
    /// Everything else that the results depend on.
    pub options: serde_json::Value,
    /// The part of the measurements that this file holds; all of them where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// A part of a sweep, written `3/8`: the third of eight, which takes every eighth measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which one, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Shard {
    /// Whether the measurement at `position` of the sweep, from 0, belongs to this part.
    #[must_use]
    pub fn takes(self, position: usize) -> bool {
        position % self.of.max(1) + 1 == self.number
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.number, self.of)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("give the number of the part and how many there are, such as 3/8".into()),
        }
    }
}

/// A network, as far as reports need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelIdentity {
    /// What it is called.
    pub title: String,
    /// SHA-256 of its file; of its parameters where it never was a file.
    pub hash: String,
    /// Its blocks, in order.
    pub blocks: Vec<BlockIdentity>,
    /// Trained values.
    pub parameters: u64,
    /// Multiply-adds of a forward pass over one image.
    pub multiply_adds: u64,
}

/// A block, as far as reports need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockIdentity {
    /// Its name in the checkpoint.
    pub name: String,
    /// Residual functions that it computes.
    pub functions: usize,
    /// Convolutions in its longest function: a module's length in layers.
    pub layers: usize,
    /// Shape at its output, `CxHxW`.
    pub shape: String,
    /// Whether its skip changes the shape.
    pub changes_shape: bool,
}

/// Predictions of an example that is classified as a whole.
const fn one() -> usize {
    1
}

fn is_one(positions: &usize) -> bool {
    *positions == 1
}

/// A set of examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataIdentity {
    /// Where it came from, in words.
    pub description: String,
    /// SHA-256 over shapes, labels and inputs.
    pub hash: String,
    /// How many there are: images or sequences.
    pub examples: usize,
    /// Predictions for each: 1 unless every position of a sequence has a target.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub positions: usize,
    /// How many classes they have.
    pub classes: usize,
}

impl DataIdentity {
    /// What errors are counted over: `examples`, or `positions` of sequences.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self.positions {
            1 => "examples",
            _ => "positions",
        }
    }
}

/// A plan evaluated on every example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Names the measurement within its file; a resumed run skips those it has.
    pub key: String,
    /// What was done to the network.
    pub change: Change,
    /// Number of the random draw that chose it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<u64>,
    /// Predictions that are wrong (top-1).
    pub errors: usize,
    /// Predictions measured: one for each example, or for each position of each sequence.
    pub examples: usize,
    /// Predictions that belong to one sequence and so are no independent examples; they lie
    /// together. 1 where absent: every example is one prediction.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub positions: usize,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Mean margin: logit of the right class less the largest other one.
    pub margin: f64,
    /// Wrong examples by class.
    pub errors_by_class: Vec<usize>,
    /// Which examples are wrong: four to a hexadecimal digit, the first one its highest bit.
    pub wrong: WrongExamples,
    /// Paths that remain, prod (1 + functions left), as a decimal number.
    pub paths: String,
    /// Trained values that are still used.
    pub parameters: u64,
    /// Multiply-adds that are still done.
    pub multiply_adds: u64,
}

impl Outcome {
    /// Error rate.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.errors as f64 / self.examples.max(1) as f64
    }

    /// Wilson's interval for the error rate, over sequences where positions are predicted; `None`
    /// without examples.
    #[must_use]
    pub fn error_interval(&self, level: Level) -> Option<Interval> {
        match self.positions {
            1 => wilson(self.errors, self.examples, level).ok(),
            positions => clustered_wilson(&self.wrong.to_vec(self.examples), positions, level).ok(),
        }
    }

    /// This outcome against `intact` on the examples that both measured: the first ones of
    /// the data, fewer than all where a comparison was stopped early.
    ///
    /// # Errors
    /// Where one of the two measured no examples.
    pub fn against(&self, intact: &Self) -> Result<McNemar, PairedError> {
        let examples = self.examples.min(intact.examples);
        clustered_mcnemar(
            &intact.wrong.to_vec(examples),
            &self.wrong.to_vec(examples),
            self.positions,
        )
    }
}

/// What was done to a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Nothing.
    Intact,
    /// Functions were put out of action.
    Lesion(Lesion),
    /// Blocks ran in another order.
    Reordering(Reordering),
}

/// Functions put out of action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lesion {
    /// Blocks all of whose functions are affected.
    pub blocks: Vec<usize>,
    /// Single functions, as (block, function).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<(usize, usize)>,
    /// How.
    pub kind: LesionKind,
    /// Whose statistics the normalisations use.
    pub batch_norm: BatchNormStatistics,
    /// Whether the weights were drawn at random instead of trained: a control.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub random_weights: bool,
}

/// How a function is put out of action.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LesionKind {
    /// Its output is left out; the skip stays.
    Delete,
    /// Its output is replaced by its mean over a calibration set.
    Mean,
    /// Its output is replaced by that for another example.
    Resample,
    /// Its output is replaced by Gaussian noise of its mean and deviation per channel.
    Noise,
    /// The skip is cut instead.
    Skip,
}

/// Whose statistics the normalisations of a changed network use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchNormStatistics {
    /// Those of the intact network.
    #[default]
    Frozen,
    /// Those of the changed network, measured anew.
    Recalibrated,
}

/// Blocks in another order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reordering {
    /// Block that runs at each place.
    pub order: Vec<usize>,
    /// How the order was made.
    pub method: ReorderMethod,
    /// Kendall's tau against the trained order, over all pairs of blocks.
    pub kendall_tau: f64,
}

/// How an order was made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum ReorderMethod {
    /// Random pairs of equal shape exchanged one after another (Veit et al. 2016).
    Swaps {
        /// How many.
        swaps: usize,
    },
    /// Random neighbours exchanged one after another.
    Adjacent {
        /// How many.
        swaps: usize,
    },
    /// Each class of equal shape rotated.
    Rotate {
        /// By how many places.
        by: usize,
    },
    /// Each class reversed.
    Reverse,
    /// Uniform among the orders with this tau.
    Tau {
        /// The tau asked for.
        tau: f64,
    },
    /// Two given blocks exchanged.
    Exchange {
        /// The earlier one.
        first: usize,
        /// The later one.
        second: usize,
    },
}

/// How far two blocks are from commuting: ||f_i f_j x - f_j f_i x|| where f is a whole block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Commutator {
    /// Names the measurement within its file.
    pub key: String,
    /// The earlier block.
    pub first: usize,
    /// The later block.
    pub second: usize,
    /// Mean over examples of the norm, at the input of the earlier block.
    pub norm: f64,
    /// The same divided by the norm of f_j f_i x - x, what both blocks change together.
    pub relative: f64,
    /// Examples.
    pub examples: usize,
}

/// The gradient by path length over one mini-batch. Entry l of each list is for length l.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spectrum {
    /// Names the measurement within its file.
    pub key: String,
    /// Number of the mini-batch.
    pub batch: usize,
    /// Examples in it.
    pub examples: usize,
    /// Paths of each length, as decimal numbers.
    pub paths: Vec<String>,
    /// ||G_l||: norm of the exact sum of all paths of length l, per example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coherent: Option<PerLength>,
    /// Sum over the paths of length l of ||g_path||^2, per example, by random signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<PerLength>,
    /// Mean norm over paths drawn at random, per example (Veit et al. 2016).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<PerLength>,
    /// ||sum_l G_l - ordinary gradient|| / ||ordinary gradient||, the largest over examples;
    /// absent where lengths were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_check: Option<f64>,
    /// Norm of the ordinary gradient, per example.
    pub gradient: Vec<f64>,
    /// ||G|| by number of functions of each stage, or of each type, on the path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub graded: Vec<GradedGradient>,
}

/// A quantity by path length and example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerLength {
    /// Mean over the examples, by length.
    pub mean: Vec<f64>,
    /// Standard error of that mean from the random draws alone, by length, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<Vec<f64>>,
    /// The quantity for every example: `[examples][lengths]`.
    pub by_example: Vec<Vec<f64>>,
}

/// Mean over examples of the gradient of all paths with the same numbers of functions by grade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GradedGradient {
    /// Functions on the path in each stage, or of each type.
    pub counts: Vec<usize>,
    /// Mean over examples of the norm.
    pub norm: f64,
}

/// One path drawn at random, with the norm of its gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampledPath {
    /// Names the measurement within its file.
    pub key: String,
    /// Number of the mini-batch.
    pub batch: usize,
    /// The path as (block, function) from the input on.
    pub path: Vec<(usize, usize)>,
    /// Norm of its gradient for every example.
    pub norms: Vec<f64>,
}

/// What a set of sub-networks is as an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ensemble {
    /// Names the measurement within its file.
    pub key: String,
    /// What the members are.
    pub members: String,
    /// How many.
    pub size: usize,
    /// Predictions, as in [`Outcome`].
    pub examples: usize,
    /// Predictions that belong to one sequence; 1 where absent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub positions: usize,
    /// Errors of each member.
    pub member_errors: Vec<usize>,
    /// Errors of the vote of the majority; ties go to the lowest class.
    pub vote_errors: usize,
    /// Errors of the mean of the logits.
    pub mean_errors: usize,
    /// Which examples the vote gets wrong.
    pub vote_wrong: WrongExamples,
    /// Which examples the mean of the logits gets wrong.
    pub mean_wrong: WrongExamples,
    /// Mean over pairs of members of the correlation between being wrong; absent where no pair
    /// has one, since a member is never or always wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_correlation: Option<f64>,
    /// Mean over pairs of members of the share of examples on which their classes differ.
    pub disagreement: f64,
}

/// One step of a greedy removal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Removal {
    /// Names the measurement within its file.
    pub key: String,
    /// Blocks removed so far, in order.
    pub removed: Vec<usize>,
    /// Seconds for one image, the least of several runs; differs from run to run.
    pub latency: f64,
    /// Wrong predictions after it.
    pub errors: usize,
    /// Predictions, as in [`Outcome`].
    pub examples: usize,
    /// Predictions that belong to one sequence; 1 where absent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub positions: usize,
    /// Trained values left.
    pub parameters: u64,
    /// Multiply-adds left.
    pub multiply_adds: u64,
}

impl Removal {
    /// Wilson's interval for the error rate; `None` where positions are predicted, since the errors
    /// alone do not tell how much sequences vary: the outcome of the same cell does.
    #[must_use]
    pub fn error_interval(&self, level: Level) -> Option<Interval> {
        (self.positions == 1)
            .then(|| wilson(self.errors, self.examples, level).ok())
            .flatten()
    }
}

/// One trained network of a family, for the depth threshold: a line of its own, without header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FamilyMember {
    /// Layers with weights on its longest path.
    pub depth: usize,
    /// Residual functions per block.
    pub k: usize,
    /// Trained values.
    pub parameters: u64,
    /// Wrong held-out examples.
    pub errors: usize,
    /// Held-out examples.
    pub examples: usize,
    /// Seed of its training: networks that differ in it alone are runs of one design.
    #[serde(default)]
    pub seed: u64,
}

/// Which examples are wrong, four to a hexadecimal digit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct WrongExamples(String);

impl WrongExamples {
    /// Packs one flag per example.
    #[must_use]
    pub fn new(wrong: &[bool]) -> Self {
        let digit = |flags: &[bool]| {
            let value = (0..4).fold(0, |value, bit| {
                2 * value + u32::from(flags.get(bit).copied().unwrap_or(false))
            });
            char::from_digit(value, 16).unwrap_or('0')
        };
        Self(wrong.chunks(4).map(digit).collect())
    }

    /// One flag per example. Examples beyond what was packed are right.
    #[must_use]
    pub fn to_vec(&self, examples: usize) -> Vec<bool> {
        let digits = self.0.chars().map(|digit| digit.to_digit(16).unwrap_or(0));
        let flags = digits.flat_map(|value| (0..4).map(move |bit| value >> (3 - bit) & 1 == 1));
        flags
            .chain(std::iter::repeat(false))
            .take(examples)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn flags_survive_packing(flags in proptest::collection::vec(any::<bool>(), 0..70)) {
            prop_assert_eq!(WrongExamples::new(&flags).to_vec(flags.len()), flags);
        }
    }

    #[test]
    fn a_record_is_one_tagged_object() {
        let record = Record::Outcome(Outcome {
            key: "delete 3".into(),
            change: Change::Lesion(Lesion {
                blocks: vec![3],
                functions: Vec::new(),
                kind: LesionKind::Delete,
                batch_norm: BatchNormStatistics::Frozen,
                random_weights: false,
            }),
            draw: None,
            errors: 1,
            examples: 5,
            positions: 1,
            loss: 0.5,
            margin: 2.0,
            errors_by_class: vec![1, 0],
            wrong: WrongExamples::new(&[false, true, false, false, false]),
            paths: "256".into(),
            parameters: 10,
            multiply_adds: 20,
        });
        let line = serde_json::to_string(&record).unwrap();
        assert!(
            line.starts_with(
                r#"{"type":"outcome","key":"delete 3","change":{"change":"lesion","blocks":[3]"#
            ),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
    }
}
