//! The paths of one network, as results files hold them.

use num_bigint::BigUint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Binomial;
use crate::blockwise::{BlockwiseLaw, WeightedTerm};
use crate::effective_range::{EffectiveRangeError, LengthRange, effective_range};
use crate::exact;
use crate::length_law::{LengthLaw, LengthLawError};
use crate::multiplicity::{BlockPaths, MultiplicityError, PathPolynomial};

/// Lengths beyond which exact counts are no longer written out digit by digit.
const WRITTEN_OUT: usize = 1_000;

/// Why the paths of a network cannot be told.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathCountsError {
    /// The network or the range of lengths.
    #[error(transparent)]
    Multiplicity(#[from] MultiplicityError),
    /// The law of the configurations.
    #[error(transparent)]
    Law(#[from] LengthLawError),
    /// The shortest interval of a law.
    #[error(transparent)]
    Range(#[from] EffectiveRangeError),
    /// Lengths in modules and in layers of different networks.
    #[error("multiplicity: the blocks in modules and in layers have different functions")]
    Differ,
}

/// How many configurations and paths a network has, and the laws of their lengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathCounts {
    /// What the network is called.
    pub name: String,
    /// Functions of each block, in order.
    pub functions: Vec<usize>,
    /// Order of each function of each block, the functions that it takes one after another; left out
    /// where each is 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Vec<usize>>,
    /// Trained values, where the network is known well enough to count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Configurations, every function on or off: 2^(sum of k_l), as a decimal number.
    pub configurations: String,
    /// Base-10 logarithm of them.
    pub log10_configurations: f64,
    /// Paths, in every block the skip or one function: prod (1 + k_l), as a decimal number.
    pub paths: String,
    /// Base-10 logarithm of them.
    pub log10_paths: f64,
    /// Paths by length in modules, the functions that they take.
    pub modules: PathsByLength,
    /// Paths by length in layers, the convolutions that they pass; stem and head not counted.
    pub layers: PathsByLength,
    /// The law of length in modules where a path counts by the product of the factors on its ways, without
    /// their signs; left out of networks without such factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor_law: Option<ShareByLength>,
    /// Configurations by their number of functions.
    pub configuration_law: ShareByLength,
    /// The range of lengths asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<PathsBetween>,
}

/// Paths by their length, and the law that this makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathsByLength {
    /// Number of paths of length 0, 1, ... as decimal numbers; left out beyond length 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<String>>,
    /// The law.
    #[serde(flatten)]
    pub law: ShareByLength,
}

/// A law of lengths, with what describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareByLength {
    /// Share of all at length 0, 1, ...
    pub shares: Vec<f64>,
    /// Mean length.
    pub mean: f64,
    /// Its standard deviation.
    pub standard_deviation: f64,
    /// The smallest length that half of all do not exceed.
    pub median: usize,
    /// The shortest range of lengths that holds 95 % of all.
    pub shortest_95: LengthRange,
}

/// What lies in a range of lengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathsBetween {
    /// The range, in modules.
    pub range: LengthRange,
    /// Paths in it, as a decimal number.
    pub paths: String,
    /// Share of all paths.
    pub share: f64,
    /// Share of all configurations whose number of functions lies in it.
    pub share_of_configurations: f64,
}

impl PathCounts {
    /// Counts the paths of the network whose blocks have these lengths in layers, and those in
    /// `between` modules.
    ///
    /// # Errors
    /// A network without blocks or functions, or with too many; an empty range.
    ///
    /// ```
    /// use pathscope_analysis::{BlockPaths, LengthRange, PathCounts};
    /// let basic = BlockPaths::new(Some(0), vec![2]);
    /// let range = Some(LengthRange { first: 5, last: 17 });
    /// let resnet_110 = PathCounts::new("resnet-110", vec![basic; 54], None, range)?;
    /// assert!((resnet_110.modules.law.mean - 27.0).abs() < 1e-12);
    /// assert!((resnet_110.layers.law.mean - 54.0).abs() < 1e-12);
    /// assert_eq!(format!("{:.5}", resnet_110.between.unwrap().share), "0.00454");
    /// # Ok::<(), pathscope_analysis::PathCountsError>(())
    /// ```
    pub fn new(
        name: impl Into<String>,
        blocks: Vec<BlockPaths>,
        parameters: Option<u64>,
        between: Option<LengthRange>,
    ) -> Result<Self, PathCountsError> {
        let in_modules = |block: &BlockPaths| BlockPaths {
            skip: block.skip.map(|_| 0),
            functions: vec![1; block.functions.len()],
            passages: block.passages.clone(),
        };
        let modules = PathPolynomial::with_lengths(blocks.iter().map(in_modules).collect())?;
        let layers = PathPolynomial::with_lengths(blocks)?;
        Self::of(name, &modules, &layers, parameters, between)
    }

    /// The same for any lengths of the ways through the blocks: `modules` and `layers` are the same
    /// network.
    ///
    /// # Errors
    /// Two networks; otherwise as [`PathCounts::new`].
    ///
    /// ```
    /// use pathscope_analysis::{BlockPaths, PathCounts, PathPolynomial};
    /// let block = |functions| vec![BlockPaths::new(Some(0), functions); 2];
    /// let (modules, layers) = (block(vec![1, 2]), block(vec![2, 4]));
    /// let modules = PathPolynomial::with_lengths(modules)?;
    /// let layers = PathPolynomial::with_lengths(layers)?;
    /// let counts = PathCounts::of("poly-2", &modules, &layers, None, None)?;
    /// assert_eq!(counts.modules.counts.unwrap(), ["1", "2", "3", "2", "1"]);
    /// # Ok::<(), pathscope_analysis::PathCountsError>(())
    /// ```
    pub fn of(
        name: impl Into<String>,
        modules: &PathPolynomial,
        layers: &PathPolynomial,
        parameters: Option<u64>,
        between: Option<LengthRange>,
    ) -> Result<Self, PathCountsError> {
        let count = |network: &PathPolynomial| -> Vec<usize> {
            let blocks = network.blocks().iter();
            blocks.map(|block| block.functions.len()).collect()
        };
        let functions = count(modules);
        if functions != count(layers) {
            return Err(PathCountsError::Differ);
        }
        let orders = modules.blocks().iter().map(|block| block.functions.clone());
        let mut orders: Vec<Vec<usize>> = orders.collect();
        if orders.iter().flatten().all(|&order| order == 1) {
            orders.clear();
        }
        let paths = modules.paths();
        let law = Binomial::new(modules.functions(), 0.5)?;
        let between = between
            .map(|range| PathsBetween::new(range, modules, &law))
            .transpose()?;
        Ok(Self {
            name: name.into(),
            parameters,
            configurations: modules.configurations().to_string(),
            log10_configurations: modules.log10_configurations(),
            log10_paths: modules.log10_paths(),
            modules: PathsByLength::new(&modules.counts(), &paths)?,
            layers: PathsByLength::new(&layers.counts(), &paths)?,
            factor_law: None,
            configuration_law: ShareByLength::new(law.probabilities()?)?,
            paths: paths.to_string(),
            functions,
            orders,
            between,
        })
    }

    /// The same with the law of paths that count by the factors on their ways, given for each block.
    ///
    /// # Errors
    /// Weights that make no law; see [`BlockwiseLaw::new`].
    ///
    /// ```
    /// use pathscope_analysis::{BlockPaths, PathCounts, WeightedTerm};
    /// let blocks = vec![BlockPaths::new(Some(0), vec![2]); 2];
    /// // Skips count three times as much as functions: a function is taken once in four times.
    /// let term = |length, weight| WeightedTerm { length, weight };
    /// let factors = vec![vec![term(0, 1.5), term(1, 0.5)]; 2];
    /// let counts = PathCounts::new("weighted", blocks, None, None)?.with_factors(&factors)?;
    /// assert!((counts.factor_law.unwrap().mean - 0.5).abs() < 1e-12);
    /// # Ok::<(), pathscope_analysis::PathCountsError>(())
    /// ```
    pub fn with_factors(mut self, blocks: &[Vec<WeightedTerm>]) -> Result<Self, PathCountsError> {
        let law = BlockwiseLaw::new(blocks)?;
        self.factor_law = Some(ShareByLength::new(law.probabilities()?)?);
        Ok(self)
    }

    /// Layers of each module, where that is one number and no skip has any.
    #[must_use]
    pub fn layers_per_module(&self) -> Option<usize> {
        let (modules, layers) = (&self.modules.law.shares, &self.layers.law.shares);
        let longest = |shares: &[f64]| shares.len().saturating_sub(1);
        let each = longest(layers).checked_div(longest(modules))?;
        let proportional = layers.iter().enumerate().all(|(length, share)| {
            let each = each.max(1);
            let expected = modules.get(length / each);
            let expected = expected.filter(|_| length.is_multiple_of(each));
            expected.map_or(*share == 0.0, |expected| expected == share)
        });
        (each > 0 && proportional).then_some(each)
    }
}

impl PathsByLength {
    fn new(counts: &[BigUint], paths: &BigUint) -> Result<Self, PathCountsError> {
        let share = |count| exact::ratio(count, paths).unwrap_or(0.0);
        let is_short = counts.len() <= WRITTEN_OUT + 1;
        Ok(Self {
            counts: is_short.then(|| counts.iter().map(ToString::to_string).collect()),
            law: ShareByLength::new(counts.iter().map(share).collect())?,
        })
    }
}

impl ShareByLength {
    fn new(shares: Vec<f64>) -> Result<Self, PathCountsError> {
        let moment = |centre: f64, power: i32| -> f64 {
            let term =
                |(length, share): (usize, &f64)| (length as f64 - centre).powi(power) * share;
            shares.iter().enumerate().map(term).sum()
        };
        let mean = moment(0.0, 1);
        let mut below = 0.0;
        // A sum of halves may end a rounding error below one half.
        let reached = |share: &f64| {
            below += share;
            below >= 0.5 - 1e-12
        };
        Ok(Self {
            mean,
            standard_deviation: moment(mean, 2).sqrt(),
            median: shares.iter().position(reached).unwrap_or(0),
            shortest_95: effective_range(&shares, 0.95)?.range,
            shares,
        })
    }
}

impl PathsBetween {
    fn new(
        range: LengthRange,
        modules: &PathPolynomial,
        configurations: &Binomial,
    ) -> Result<Self, PathCountsError> {
        let share = modules.share(range)?;
        let counts = modules.counts();
        let inside = counts.iter().take(range.last.saturating_add(1));
        let paths: BigUint = inside.skip(range.first).sum();
        let below = range.first.checked_sub(1);
        let below = below.map_or(0.0, |length| configurations.cdf(length));
        Ok(Self {
            range,
            paths: paths.to_string(),
            share,
            share_of_configurations: configurations.cdf(range.last) - below,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_traits::One;

    fn basic(functions: usize) -> BlockPaths {
        BlockPaths::new(Some(0), vec![2; functions])
    }

    #[test]
    fn the_laws_are_the_binomial_ones() {
        let counts = PathCounts::new("14 blocks of 4", vec![basic(4); 14], None, None).unwrap();
        assert_eq!(counts.configurations, (BigUint::one() << 56u32).to_string());
        assert_eq!(counts.paths, "6103515625"); // 5^14
        let law = Binomial::of_path_lengths(14, 4).unwrap();
        assert!((counts.modules.law.mean - law.mean()).abs() < 1e-12);
        let deviation = counts.modules.law.standard_deviation;
        assert!((deviation - law.variance().sqrt()).abs() < 1e-12);
        assert_eq!(counts.modules.law.median, law.quantile(0.5).unwrap());
        assert!((counts.configuration_law.mean - 28.0).abs() < 1e-12);
        assert_eq!(counts.configuration_law.median, 28);
        assert_eq!(counts.layers_per_module(), Some(2));
    }

    #[test]
    fn a_projection_makes_layers_more_than_modules() {
        let mut blocks = vec![basic(1); 3];
        blocks[1].skip = Some(1);
        let counts = PathCounts::new("with a projection", blocks, Some(9), None).unwrap();
        assert_eq!(counts.layers_per_module(), None);
        let written = counts.layers.counts.as_deref().unwrap();
        assert_eq!(written, ["0", "1", "1", "2", "2", "1", "1"]);
        assert_eq!(counts.modules.law.shares.len(), 4);
    }

    #[test]
    fn deep_networks_are_told_without_their_digits() {
        let counts = PathCounts::new("deep", vec![basic(8); 10_000], None, None).unwrap();
        assert!(counts.modules.counts.is_none());
        assert!((counts.modules.law.mean - 80_000.0 / 9.0).abs() < 1e-6);
        assert!(PathCounts::new("none", Vec::new(), None, None).is_err());
        let backwards = Some(LengthRange { first: 3, last: 2 });
        assert!(PathCounts::new("back", vec![basic(1)], None, backwards).is_err());
    }
}
