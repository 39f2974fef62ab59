//! How many paths and configurations a residual network has: exact integers.
//!
//! Two conventions, never mixed: *configurations* switch every function on or off, *paths* choose
//! in every block the skip or one function: the terms of the product of `I + J_1 + ... + J_k`.

use std::collections::BTreeMap;
use std::ops::Bound;

use num_bigint::{BigInt, BigUint};
use num_traits::{One, Zero};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blockwise::{BlockwiseLaw, WeightedTerm};
use crate::effective_range::LengthRange;
use crate::exact;
use crate::length_law::LengthLawError;
use crate::passage::{Channels, Passage};

/// Why a multiplicity has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultiplicityError {
    /// A network without blocks.
    #[error("multiplicity: the network has no blocks; give at least one")]
    NoBlocks,
    /// A network without functions.
    #[error("multiplicity: no block has a function; give k of at least 1")]
    NoFunctions,
    /// A block that the network does not have.
    #[error("multiplicity: there is no block {block}; the network has {blocks}, numbered from 0")]
    NoSuchBlock {
        /// The block asked for.
        block: usize,
        /// How many there are.
        blocks: usize,
    },
    /// A function that the block does not have.
    #[error(
        "multiplicity: there is no function {block}.{function}; block {block} has {functions}, \
         numbered from 0"
    )]
    NoSuchFunction {
        /// The block.
        block: usize,
        /// The function asked for.
        function: usize,
        /// How many the block has.
        functions: usize,
    },
    /// A length that no path has.
    #[error("multiplicity: no path has length {length}; the longest has {longest}")]
    NoSuchLength {
        /// The length asked for.
        length: usize,
        /// The greatest length.
        longest: usize,
    },
    /// A range whose ends are swapped.
    #[error(
        "multiplicity: the range from {} to {} is empty; give the smaller end first",
        .0.first, .0.last
    )]
    EmptyRange(LengthRange),
    /// Another number of passages than of ways.
    #[error(
        "multiplicity: block {block} has {passages} passages; give one for its skip and one for each \
         function, or none"
    )]
    Passages {
        /// The block.
        block: usize,
        /// How many it has.
        passages: usize,
    },
    /// More blocks, layers or functions than any network has.
    #[error(
        "multiplicity: {longest} blocks, layers or functions are too many; the limit is {limit}"
    )]
    TooLong {
        /// How many there would be.
        longest: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A sampler whose table of exact counts would not fit in memory.
    #[error(
        "multiplicity: sampling {blocks} unequal blocks exactly needs {bytes} bytes of counts; \
         sample equal blocks or a part of the network"
    )]
    TooLarge {
        /// Blocks.
        blocks: usize,
        /// Memory needed.
        bytes: usize,
    },
}

/// The longest path whose coefficients are worked out: far beyond any network, so that a typing
/// error is a message and not all of the memory.
pub(crate) const LONGEST: usize = 1 << 16;

/// The greatest number of functions, for the same reason.
const MOST_FUNCTIONS: usize = 1 << 20;

fn check_length(longest: usize, limit: usize) -> Result<(), MultiplicityError> {
    if longest > limit {
        return Err(MultiplicityError::TooLong { longest, limit });
    }
    Ok(())
}

/// The ways through one block, each with its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockPaths {
    /// Length of the skip: 0, or in layers 1 for a projection. None where the block has no skip, so that
    /// every path takes a function: `k z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<usize>,
    /// Length of each function: 1 in modules, its number of convolutions in layers; 2 in modules for a
    /// function after another one, so that a block of F and F after F is `1 + z + z^2`.
    pub functions: Vec<usize>,
    /// What each way takes of the channels before it and what it gives: first the skip where there is
    /// one, then each function. Empty where every way takes all that there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Passage>,
}

impl BlockPaths {
    /// A block whose ways all take what there is: a skip of this length, where there is one, and functions
    /// of these.
    #[must_use]
    pub fn new(skip: Option<usize>, functions: Vec<usize>) -> Self {
        Self {
            skip,
            functions,
            passages: Vec::new(),
        }
    }

    /// The length of every way: of the skip, where there is one, and of each function.
    pub fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.skip.into_iter().chain(self.functions.iter().copied())
    }

    /// The channels that carry something behind way number `way`, the skip first, where `carried` did so
    /// before it; `None` where nothing comes through.
    pub(crate) fn through(&self, way: usize, carried: Channels) -> Option<Channels> {
        match self.passages.is_empty() {
            true => Some(carried),
            false => self.passages.get(way)?.through(carried),
        }
    }

    /// Deletes these of the functions; a block that then has neither function nor skip is passed over.
    ///
    /// # Panics
    /// A function that the block lacks.
    pub fn delete(&mut self, functions: impl std::ops::RangeBounds<usize>) {
        let before = self.functions.len();
        let start = match functions.start_bound() {
            Bound::Included(&first) => first,
            Bound::Excluded(&last) => last + 1,
            Bound::Unbounded => 0,
        };
        self.functions.drain(functions);
        let gone = before - self.functions.len();
        if !self.passages.is_empty() {
            let first = start + usize::from(self.skip.is_some());
            let end = (first + gone).min(self.passages.len());
            self.passages.drain(first.min(end)..end);
        }
        if self.functions.is_empty() {
            self.skip.get_or_insert(0);
        }
    }
}

/// The generating polynomial of path lengths: the coefficient of `z^l` is the number of paths of
/// length `l`.
///
/// In modules it is the product over blocks of `1 + k_l z` where each function takes the block's input;
/// in general, as in layers, of `z^skip + sum_i z^function_i`, without the first term where there is no
/// skip.
///
/// ```
/// use pathscope_analysis::{LengthRange, PathPolynomial};
/// let resnet_110 = PathPolynomial::uniform(54, 1)?;
/// assert_eq!(resnet_110.paths(), 1u64.checked_shl(54).unwrap().into());
/// let share = resnet_110.share(LengthRange { first: 5, last: 17 })?;
/// assert_eq!(format!("{:.3} %", 100.0 * share), "0.454 %");
/// # Ok::<(), pathscope_analysis::MultiplicityError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPolynomial {
    blocks: Vec<BlockPaths>,
}

impl PathPolynomial {
    /// Lengths in modules, for the number of functions of each block.
    ///
    /// # Errors
    /// When there are no blocks, or no functions in any.
    pub fn new(functions: &[usize]) -> Result<Self, MultiplicityError> {
        let longest = functions.iter().copied().fold(0, usize::saturating_add);
        check_length(longest, MOST_FUNCTIONS)?;
        Self::with_lengths(
            functions
                .iter()
                .map(|&k| BlockPaths::new(Some(0), vec![1; k]))
                .collect(),
        )
    }

    /// Lengths in modules, for `blocks` blocks of `functions` functions: `(1 + k z)^n`.
    ///
    /// # Errors
    /// When there are no blocks or no functions.
    pub fn uniform(blocks: usize, functions: usize) -> Result<Self, MultiplicityError> {
        check_length(blocks, LONGEST)?;
        check_length(blocks.saturating_mul(functions), MOST_FUNCTIONS)?;
        Self::new(&vec![functions; blocks])
    }

    /// Any lengths, such as layers: a basic block is two convolutions beside a skip of none.
    ///
    /// # Errors
    /// When there are no blocks, or no functions in any.
    pub fn with_lengths(blocks: Vec<BlockPaths>) -> Result<Self, MultiplicityError> {
        if blocks.is_empty() {
            return Err(MultiplicityError::NoBlocks);
        }
        if blocks.iter().all(|block| block.functions.is_empty()) {
            return Err(MultiplicityError::NoFunctions);
        }
        let complete = |block: &BlockPaths| {
            block.passages.is_empty() || block.passages.len() == block.lengths().count()
        };
        if let Some(block) = blocks.iter().position(|block| !complete(block)) {
            return Err(MultiplicityError::Passages {
                block,
                passages: blocks.get(block).map_or(0, |block| block.passages.len()),
            });
        }
        let greatest = |block: &BlockPaths| block.lengths().max().unwrap_or(0);
        let longest = blocks.iter().map(greatest).fold(0, usize::saturating_add);
        check_length(longest, LONGEST)?;
        Ok(Self { blocks })
    }

    /// The ways through each block.
    pub fn blocks(&self) -> &[BlockPaths] {
        &self.blocks
    }

    /// The same network without the functions of these blocks; their skips stay, and blocks without one are
    /// passed over.
    ///
    /// # Errors
    /// When a block does not exist.
    pub fn without_blocks(mut self, deleted: &[usize]) -> Result<Self, MultiplicityError> {
        let blocks = self.blocks.len();
        for &block in deleted {
            let found = self.blocks.get_mut(block);
            let found = found.ok_or(MultiplicityError::NoSuchBlock { block, blocks })?;
            found.delete(..);
        }
        Ok(self)
    }

    /// The same network without these functions, each given as `(block, function)`; naming one
    /// twice deletes it once.
    ///
    /// # Errors
    /// When a block or a function does not exist.
    pub fn without_functions(
        mut self,
        deleted: &[(usize, usize)],
    ) -> Result<Self, MultiplicityError> {
        let blocks = self.blocks.len();
        // From the last, so that the numbers of those still to delete stay valid.
        let mut deleted = deleted.to_vec();
        deleted.sort_unstable();
        deleted.dedup();
        for (block, function) in deleted.into_iter().rev() {
            let found = self.blocks.get_mut(block);
            let found = found.ok_or(MultiplicityError::NoSuchBlock { block, blocks })?;
            let functions = found.functions.len();
            if function >= functions {
                return Err(MultiplicityError::NoSuchFunction {
                    block,
                    function,
                    functions,
                });
            }
            found.delete(function..=function);
        }
        Ok(self)
    }

    /// The law of path length where every function on a path changes its weight by the factor `rho`: a way
    /// of length l through a block counts `rho^l` times. With 1, the law of all paths.
    ///
    /// # Errors
    /// A factor that is negative or not finite.
    pub fn decayed(&self, rho: f64) -> Result<BlockwiseLaw, LengthLawError> {
        let decay = |length: usize| rho.powi(i32::try_from(length).unwrap_or(i32::MAX));
        if carries_several(&self.blocks) {
            // A product over blocks would count choices of ways that do not meet.
            let shares = self.shares();
            let shortest = shares.iter().position(|&share| share > 0.0).unwrap_or(0);
            let longer = shares.into_iter().enumerate().skip(shortest);
            let term = |(length, share): (usize, f64)| WeightedTerm {
                length,
                weight: share * decay(length - shortest),
            };
            return BlockwiseLaw::new(&[longer.map(term).collect()]);
        }
        let weighted = |block: &BlockPaths| {
            // By the shortest way first: a skip of some layers is on every path.
            let terms = terms(block);
            let shortest = terms.first().map_or(0, |term| term.0);
            let term = |(length, ways): (usize, usize)| WeightedTerm {
                length,
                weight: ways as f64 * decay(length - shortest),
            };
            terms.into_iter().map(term).collect()
        };
        BlockwiseLaw::new(&self.blocks.iter().map(weighted).collect::<Vec<_>>())
    }

    /// Number of functions in all blocks.
    pub fn functions(&self) -> usize {
        self.blocks.iter().map(|block| block.functions.len()).sum()
    }

    /// Number of paths: the product of `1 + k_l`, or `k_l` where there is no skip; `(k + 1)^n` for equal
    /// blocks with one. See [`path_count`].
    pub fn paths(&self) -> BigUint {
        path_count(&self.blocks)
    }

    /// Number of configurations: `2^(sum of k_l)`; the paper's multiplicity `2^(k n)`.
    pub fn configurations(&self) -> BigUint {
        BigUint::one() << self.functions()
    }

    /// Base-10 logarithm of [`Self::paths`].
    pub fn log10_paths(&self) -> f64 {
        exact::log10(&self.paths())
    }

    /// Base-10 logarithm of [`Self::configurations`].
    pub fn log10_configurations(&self) -> f64 {
        self.functions() as f64 * std::f64::consts::LOG10_2
    }

    /// The greatest length of a path.
    pub fn longest(&self) -> usize {
        if carries_several(&self.blocks) {
            return self.counts().len().saturating_sub(1);
        }
        self.blocks
            .iter()
            .filter_map(|block| terms(block).last().map(|term| term.0))
            .sum()
    }

    /// Number of paths of each length: `counts[l]` for `l = 0..=longest`, exact.
    pub fn counts(&self) -> Vec<BigUint> {
        if carries_several(&self.blocks) {
            return Prefix::through(&self.blocks).by_length();
        }
        // The commonest block goes first, as a binomial power; the others are multiplied on.
        let mut kinds = BTreeMap::<Vec<(usize, usize)>, usize>::new();
        for block in &self.blocks {
            *kinds.entry(terms(block)).or_default() += 1;
        }
        let commonest = kinds.iter().max_by_key(|kind| *kind.1);
        let commonest = commonest.map(|kind| kind.0.clone()).unwrap_or_default();
        let times = kinds.remove(&commonest).unwrap_or(0);
        let mut counts = power(&commonest, times);
        for (terms, times) in kinds {
            for _ in 0..times {
                counts = multiply(&counts, &terms);
            }
        }
        counts
    }

    /// Share of all paths whose length lies in the range, from exact counts.
    ///
    /// # Errors
    /// When the range is empty.
    pub fn share(&self, range: LengthRange) -> Result<f64, MultiplicityError> {
        let LengthRange { first, last } = range;
        if first > last {
            return Err(MultiplicityError::EmptyRange(range));
        }
        let inside: BigUint = self
            .counts()
            .into_iter()
            .take(last.saturating_add(1))
            .skip(first)
            .sum();
        // There is always a path, so the ratio exists.
        Ok(exact::ratio(&inside, &self.paths()).unwrap_or(0.0))
    }

    /// Share of all paths at each length, from exact counts.
    pub fn shares(&self) -> Vec<f64> {
        let paths = self.paths();
        self.counts()
            .iter()
            .map(|count| exact::ratio(count, &paths).unwrap_or(0.0))
            .collect()
    }
}

/// Number of paths through `blocks`, whether any has a function or not: of the choices of a way through
/// each those whose ways meet, where they take some of the channels only.
pub fn path_count(blocks: &[BlockPaths]) -> BigUint {
    if !carries_several(blocks) {
        return product(blocks.iter().map(|block| block.lengths().count()));
    }
    Prefix::through(blocks).by_length().iter().sum()
}

/// Whether a way takes some of the channels only, so that not every choice of ways is a path.
fn carries_several(blocks: &[BlockPaths]) -> bool {
    blocks.iter().any(|block| !block.passages.is_empty())
}

/// The beginnings of paths through the first blocks: how many of each length there are, by the channels
/// that carry something behind them.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(pub BTreeMap<Channels, Vec<BigUint>>);

impl Prefix {
    /// Before the first block.
    pub fn start() -> Self {
        Self(BTreeMap::from([(Channels::ALL, vec![BigUint::one()])]))
    }

    /// Behind all of `blocks`.
    fn through(blocks: &[BlockPaths]) -> Self {
        let longer = |prefix: Self, block| prefix.longer(block, LONGEST);
        blocks.iter().fold(Self::start(), longer)
    }

    /// With one more block, up to length `longest`.
    pub fn longer(&self, block: &BlockPaths, longest: usize) -> Self {
        let mut after = BTreeMap::<Channels, Vec<BigUint>>::new();
        for (&carried, counts) in &self.0 {
            for (way, length) in block.lengths().enumerate() {
                let Some(carried) = block.through(way, carried) else {
                    continue;
                };
                let row = after.entry(carried).or_default();
                let end = (counts.len() + length).min(longest + 1);
                if row.len() < end {
                    row.resize(end, BigUint::ZERO);
                }
                for (slot, count) in row.iter_mut().skip(length).zip(counts) {
                    *slot += count;
                }
            }
        }
        Self(after)
    }

    /// How many there are of each length, whatever they carry; up to the longest.
    pub fn by_length(&self) -> Vec<BigUint> {
        let mut all = vec![BigUint::ZERO];
        for counts in self.0.values() {
            if all.len() < counts.len() {
                all.resize(counts.len(), BigUint::ZERO);
            }
            for (sum, count) in all.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        all
    }
}

/// The ways through a block as `(length, number of ways)`, shortest first.
pub(crate) fn terms(block: &BlockPaths) -> Vec<(usize, usize)> {
    let mut lengths: Vec<usize> = block.lengths().collect();
    lengths.sort_unstable();
    lengths
        .chunk_by(|a, b| a == b)
        .filter_map(|run| Some((*run.first()?, run.len())))
        .collect()
}

/// `(a z^i + b z^j)^times` by the binomial recurrence; other polynomials factor by factor.
fn power(terms: &[(usize, usize)], times: usize) -> Vec<BigUint> {
    match *terms {
        [(length, ways)] => {
            let mut counts = vec![BigUint::zero(); length * times];
            counts.push(num_traits::pow(BigUint::from(ways), times));
            counts
        }
        [(short, few), (long, many)] => {
            let mut counts = vec![BigUint::zero(); long * times + 1];
            let mut count = num_traits::pow(BigUint::from(few), times);
            for taken in 0..=times {
                if let Some(slot) = counts.get_mut(short * (times - taken) + long * taken) {
                    slot.clone_from(&count);
                }
                // C(n, t+1) b^(t+1) a^(n-t-1) from its neighbour; every division is exact.
                count = count * (times - taken) * many / ((taken + 1) * few);
            }
            counts
        }
        _ => power_of_many(terms, times),
    }
}

/// The power of a polynomial `p` of three or more terms, by the recurrence that follows from
/// `p q' = n p' q` for `q = p^n`: `k p_0 q_k = sum_i (i (n + 1) - k) p_i q_(k - i)`, after the common
/// factor `z^shortest` is taken out. Every division is exact.
fn power_of_many(terms: &[(usize, usize)], times: usize) -> Vec<BigUint> {
    let Some((&(shortest, fewest), others)) = terms.split_first() else {
        return vec![BigUint::one()];
    };
    let longest = others.last().map_or(0, |term| term.0 - shortest);
    let mut powers = vec![num_traits::pow(BigInt::from(fewest), times)];
    for k in 1..=longest * times {
        let term = |&(length, ways): &(usize, usize)| {
            let i = length - shortest;
            let before = powers.get(k.checked_sub(i)?)?;
            let factor = BigInt::from(i) * (times + 1) - k;
            Some(before * factor * ways)
        };
        let sum: BigInt = others.iter().filter_map(term).sum();
        powers.push(sum / (BigInt::from(fewest) * k));
    }
    let mut counts = vec![BigUint::zero(); shortest * times];
    counts.extend(powers.iter().map(|count| count.magnitude().clone()));
    counts
}

/// One more block.
pub(crate) fn multiply(counts: &[BigUint], terms: &[(usize, usize)]) -> Vec<BigUint> {
    let longest = terms.last().map_or(0, |term| term.0);
    let mut product = vec![BigUint::zero(); counts.len() + longest];
    for &(length, ways) in terms {
        for (slot, count) in product.iter_mut().skip(length).zip(counts) {
            *slot += count * ways;
        }
    }
    product
}

/// A product by halves, so that big integers meet big integers.
fn product(factors: impl Iterator<Item = usize>) -> BigUint {
    let mut factors: Vec<BigUint> = factors.map(BigUint::from).collect();
    while factors.len() > 1 {
        factors = factors
            .chunks(2)
            .map(|pair| pair.iter().product())
            .collect();
    }
    factors.pop().unwrap_or_else(BigUint::one)
}

#[cfg(test)]
#[path = "multiplicity_tests.rs"]
mod tests;
