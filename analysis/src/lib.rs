//! The mathematics of paths through residual networks: everything about them that needs no tensors.
//!
//! A residual network of `n` blocks with `k` functions each runs `x + f_1(x) + ... + f_k(x)` in
//! every block. Its gradient at a fixed input is exactly a sum over *paths*, each of which takes in
//! every block the skip or one function: there are `(k + 1)^n`, and `C(n, l) k^l` of them have
//! length `l`. (Its forward output is no such sum: the functions are not linear.) Switching every
//! function on or off instead gives the `2^(k n)` *configurations*. Both are counted here, under
//! their own names.
//!
//! From counts to a claim:
//!
//! ```
//! use pathscope_analysis::*;
//!
//! // 110 layers are 54 blocks of one function of two layers: 2^54 paths.
//! let network = PathPolynomial::uniform(54, 1)?;
//! assert_eq!(network.paths().to_string(), "18014398509481984");
//!
//! // Mean norms of single paths, measured at some lengths, fall by a factor rho per function.
//! let lengths = [1, 3, 5, 8, 12, 17];
//! let norms = [0.2511, 0.0160, 0.000975, 1.54e-5, 5.9e-8, 5.8e-11];
//! let decay = fit_decay(&lengths, &norms, None, Level::P95)?;
//! assert_eq!(decay.shape, DecayShape::Exponential);
//!
//! // If that holds, the gradient's magnitude by length is binomial: 95 % of it lies in
//! let predicted = predict_range(54, 1, decay.rho, 0.95)?.effective.range;
//! assert_eq!(predicted, LengthRange { first: 5, last: 16 });
//! // which few of the paths have.
//! assert!(network.share(predicted)? < 0.002);
//!
//! // And was that network, with 74 errors, worse than one with 60 of 1,017?
//! let first = (0..1_017).map(|example| example < 60).collect::<Vec<_>>();
//! let second = (0..1_017).map(|example| example < 74).collect::<Vec<_>>();
//! assert!(mcnemar(&first, &second)?.p_value < 0.001);
//! assert!(wilson(74, 1_017, Level::P95)?.contains(0.0661)); // its published error
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In the order in which an analysis meets them:
//!
//! - **Paths**: [`PathPolynomial`] counts exactly, whatever each block holds; it lists and samples
//!   single [`Path`]s, and [`PathCounts`] tells all about one network. [`Binomial`] and [`BlockwiseLaw`]
//!   are the laws of their length, with one vocabulary, [`LengthLaw`], and 12 digits in both tails;
//!   [`Multinomial`] that of the functions by type.
//! - **Gradient by length**: [`effective_range`], [`fit_decay`] and [`predict_range`] on one network;
//!   [`fit_power_law`] and [`depth_threshold`] over a family.
//! - **Orders of blocks**: [`OrderSpace`] draws reorderings within classes of equal shape, also
//!   uniformly at a given Kendall tau.
//! - **Statistics**: [`wilson`], [`clopper_pearson`], [`mcnemar`], [`bootstrap`](fn@bootstrap),
//!   [`holm`], [`equivalent_paired`]; [`clustered_wilson`] and [`clustered_mcnemar`] where answers come
//!   in clusters; [`exchange_p_value`] of any paired differences; [`ConfidenceSequence`] to stop early;
//!   [`additivity`](fn@additivity) of effects.
//!
//! Every random choice comes from a [`Seed`] through a named stream: the same answer on any number
//! of threads. What has no answer is a typed error that says what to change; nothing panics.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod additivity;
mod binomial;
mod block_scores;
mod blockwise;
mod bootstrap;
mod cholesky;
mod clustered;
mod comparison;
mod decay;
mod depth_threshold;
mod effective_range;
mod ensemble;
mod equivalence;
mod exact;
mod exchange;
#[cfg(test)]
mod golden;
mod interval;
mod kendall;
mod least_squares;
mod length_law;
mod lesion_kind;
mod multinomial;
mod multiplicity;
mod orders_at_tau;
mod paired;
mod paired_sequence;
mod passage;
mod path;
mod path_counts;
mod permutation;
mod scaling;
mod seed;
mod sequential;
mod shares_by_length;
mod summary;
mod verdict;
mod width_against_depth;

pub use multiplicity::{BlockPaths, MultiplicityError, PathPolynomial, path_count};
pub use passage::{Channels, Passage};
pub use path::{Path, PathStep, PathsOfLength};
pub use path_counts::{PathCounts, PathCountsError, PathsBetween, PathsByLength, ShareByLength};

pub use binomial::Binomial;
pub use blockwise::{BlockwiseLaw, WeightedTerm};
pub use length_law::{LengthLaw, LengthLawError};
pub use multinomial::Multinomial;

pub use decay::{
    Decay, DecayError, DecayShape, PredictedRange, fit_decay, predict_range, predict_range_of,
};
pub use depth_threshold::{
    Crossing, DepthThreshold, DepthThresholdError, depth_threshold, depth_threshold_of_draws,
};
pub use effective_range::{
    BootstrappedRange, EffectiveRange, EffectiveRangeError, LengthRange, bootstrap_effective_range,
    effective_range,
};
pub use scaling::{CommonPowerLaw, PowerLaw, ScalingError, fit_common_power_law, fit_power_law};
pub use width_against_depth::{
    Covers, EQUAL_PARAMETERS, WidthAgainstDepth, WidthAgainstDepthError, thresholds,
};

pub use shares_by_length::{BatchMagnitudes, SharesByLength, shares_by_length};

pub use kendall::{KendallError, inversions, kendall_tau};
pub use orders_at_tau::OrdersAtTau;
pub use permutation::{BlockOrder, OrderSpace, PermutationError, TauPairs};

pub use additivity::{Additivity, AdditivityError, AdditivityOptions, EffectOrder, additivity};
pub use block_scores::{BlockScores, SCORES, spearman, spearman_interval};
pub use bootstrap::{
    BootstrapError, BootstrapInterval, BootstrapMethod, BootstrapOptions, bca_interval, bootstrap,
    paired_bootstrap, percentile_interval, percentile_intervals_of_means, resample,
};
pub use clustered::{clustered_mcnemar, clustered_wilson};
pub use comparison::{ComparisonError, benjamini_hochberg, holm};
pub use ensemble::{disagreement, error_correlation, majority_vote};
pub use equivalence::{Equivalence, EquivalenceError, equivalent_paired};
pub use exchange::exchange_test;
pub use interval::{Interval, IntervalError, Level, clopper_pearson, wilson};
pub use paired::{McNemar, PairedError, exchange_p_value, mcnemar, mcnemar_p_value};
pub use paired_sequence::{observe_pairs, paired_sequence};
pub use seed::Seed;
pub use sequential::{ConfidenceSequence, SequentialError};
pub use summary::Summary;
pub use verdict::{
    MarginTest, Verdict, VerdictError, is_removable, is_settled, margin_test, verdicts,
};

pub mod record;
