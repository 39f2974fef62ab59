//! Orders of the blocks that a reordered network can run: within classes of equal shape.

use num_bigint::BigUint;
use num_traits::One;
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kendall::inversions;
use crate::orders_at_tau::OrdersAtTau;

/// Why an order cannot be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PermutationError {
    /// A network without blocks.
    #[error("reordering: the network has no blocks; give one class label per block")]
    NoBlocks,
    /// No two blocks share a shape.
    #[error("reordering: no two blocks have equal shapes, so no two can change places")]
    NothingToReorder,
    /// A tau or tolerance that is not a number in range.
    #[error("reordering: {what} is {value}; give a tau in [-1, 1] and a tolerance of 0 or more")]
    NotATau {
        /// Which argument.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// No order has this tau.
    #[error(
        "reordering: no order has Kendall tau {tau} within {tolerance}; the nearest is {nearest}, \
         and {least} is the least of all: ask for one that an order has"
    )]
    Unreachable {
        /// The tau asked for.
        tau: f64,
        /// The tolerance given.
        tolerance: f64,
        /// The nearest tau that exists.
        nearest: f64,
        /// The tau of the reversal.
        least: f64,
    },
    /// A class whose blocks are not neighbours, so that tau over all blocks does not count only swaps.
    #[error(
        "reordering: blocks of class {0} stand between blocks of another class, so Kendall tau \
         over all blocks cannot be set exactly; set it over the pairs within classes instead"
    )]
    InterleavedClasses(usize),
    /// A table of exact counts that would not fit in memory.
    #[error(
        "reordering: exact counts for {inversions} inversions of {blocks} blocks need {bytes} bytes; \
         ask for a tau nearer to 1 or -1, or use random swaps"
    )]
    TooLarge {
        /// Blocks that can move.
        blocks: usize,
        /// Inversions asked for.
        inversions: usize,
        /// Memory needed.
        bytes: usize,
    },
    /// A list that is not a permutation.
    #[error("reordering: position {position} does not hold a new block number below {blocks}")]
    NotAPermutation {
        /// The first place at fault.
        position: usize,
        /// Number of blocks.
        blocks: usize,
    },
}

/// The order in which blocks run: at place `i` runs block `order[i]`, both numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct BlockOrder(Vec<usize>);

impl BlockOrder {
    /// The order that a list states.
    ///
    /// # Errors
    /// When the list is not a permutation of `0..order.len()`.
    pub fn new(order: Vec<usize>) -> Result<Self, PermutationError> {
        let mut seen = vec![false; order.len()];
        for (position, &block) in order.iter().enumerate() {
            match seen.get_mut(block) {
                Some(seen) if !*seen => *seen = true,
                _ => {
                    let blocks = order.len();
                    return Err(PermutationError::NotAPermutation { position, blocks });
                }
            }
        }
        Ok(Self(order))
    }

    /// The blocks in the order in which they run.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }

    /// Pairs of blocks that run in the opposite order.
    pub fn inversions(&self) -> u64 {
        inversions(&self.0)
    }

    /// Kendall's tau against the trained order, over all pairs of blocks; 1 for a single block.
    pub fn kendall_tau(&self) -> f64 {
        tau_of(self.inversions() as f64, pairs(self.0.len()))
    }
}

impl TryFrom<Vec<usize>> for BlockOrder {
    type Error = PermutationError;

    fn try_from(order: Vec<usize>) -> Result<Self, PermutationError> {
        Self::new(order)
    }
}

impl From<BlockOrder> for Vec<usize> {
    fn from(order: BlockOrder) -> Self {
        order.0
    }
}

/// Over which pairs of blocks Kendall's tau is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TauPairs {
    /// All pairs of the network, as Veit et al. (2016) do: tau cannot reach -1 with two classes.
    #[default]
    AllBlocks,
    /// Only pairs of one class, which can change places: tau reaches from -1 to 1.
    WithinClasses,
}

/// All orders of a network in which blocks move only within their class of equal shape.
///
/// ```
/// use pathscope_analysis::{OrderSpace, Seed, TauPairs};
/// let space = OrderSpace::new(&[0, 0, 0, 0, 1, 1, 1, 1])?;
/// let orders = space.at_tau(0.5, 0.0, TauPairs::AllBlocks)?;
/// let order = orders.sample(&mut Seed(0).stream("reorder", 0));
/// assert_eq!(order.kendall_tau(), 0.5);
/// # Ok::<(), pathscope_analysis::PermutationError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OrderSpace {
    pub(crate) blocks: usize,
    /// Places of each class, ascending.
    pub(crate) places: Vec<Vec<usize>>,
    interleaved: Option<usize>,
}

impl OrderSpace {
    /// The orders for one class label per block: blocks may change places where labels are equal.
    ///
    /// # Errors
    /// When there are no blocks.
    pub fn new(classes: &[usize]) -> Result<Self, PermutationError> {
        if classes.is_empty() {
            return Err(PermutationError::NoBlocks);
        }
        let mut by_class = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for (place, &class) in classes.iter().enumerate() {
            by_class.entry(class).or_default().push(place);
        }
        let gap = |places: &&Vec<usize>| places.windows(2).any(|pair| pair[1] != pair[0] + 1);
        let interleaved = by_class
            .iter()
            .find(|(_, places)| gap(places))
            .map(|(&class, _)| class);
        let places = by_class.into_values().collect();
        Ok(Self {
            blocks: classes.len(),
            places,
            interleaved,
        })
    }

    /// Number of pairs of blocks that can change places.
    pub fn movable_pairs(&self) -> usize {
        self.places.iter().map(|class| pairs(class.len())).sum()
    }

    /// Number of different orders: the product of the factorials of the class sizes.
    pub fn count(&self) -> BigUint {
        let sizes = self.places.iter().flat_map(|class| 1..=class.len());
        sizes.fold(BigUint::one(), |product, size| product * size)
    }

    /// The trained order.
    pub fn identity(&self) -> BlockOrder {
        BlockOrder((0..self.blocks).collect())
    }

    /// Each class in reverse.
    pub fn reversal(&self) -> BlockOrder {
        self.arrange(|class| class.reverse())
    }

    /// Each class rotated: the block `by` places later comes first.
    pub fn rotation(&self, by: usize) -> BlockOrder {
        self.arrange(|class| class.rotate_left(by % class.len().max(1)))
    }

    /// `swaps` swaps one after another, each of a pair drawn uniformly from all movable pairs
    /// (Veit et al. 2016).
    ///
    /// # Errors
    /// When no two blocks have equal shapes.
    pub fn random_swaps<R: Rng + ?Sized>(
        &self,
        swaps: usize,
        random: &mut R,
    ) -> Result<BlockOrder, PermutationError> {
        self.swap_pairs(swaps, random, pairs, |class, pair| {
            // Pairs (i, j), i < j, in the order of j: j is the triangular root of the number.
            let mut j = ((((8.0 * pair as f64 + 1.0).sqrt()) + 1.0) / 2.0) as usize;
            while pairs(j) > pair {
                j -= 1;
            }
            while pairs(j + 1) <= pair {
                j += 1;
            }
            (class.get(pair - pairs(j)).copied(), class.get(j).copied())
        })
    }

    /// `swaps` swaps one after another, each of neighbours within their class, drawn uniformly.
    ///
    /// # Errors
    /// When no two blocks have equal shapes.
    pub fn adjacent_swaps<R: Rng + ?Sized>(
        &self,
        swaps: usize,
        random: &mut R,
    ) -> Result<BlockOrder, PermutationError> {
        self.swap_pairs(
            swaps,
            random,
            |size| size.saturating_sub(1),
            |class, pair| (class.get(pair).copied(), class.get(pair + 1).copied()),
        )
    }

    /// An order drawn uniformly from all.
    pub fn uniform<R: Rng + ?Sized>(&self, random: &mut R) -> BlockOrder {
        self.arrange(|class| {
            for last in (1..class.len()).rev() {
                class.swap(last, random.random_range(0..=last));
            }
        })
    }

    /// The orders whose Kendall tau is within `tolerance` of `tau`, ready to be drawn uniformly.
    ///
    /// # Errors
    /// When no order has such a tau (the message names the nearest), when classes interleave and
    /// `over` is all blocks, or when the exact counts would need more than 1 GiB.
    pub fn at_tau(
        &self,
        tau: f64,
        tolerance: f64,
        over: TauPairs,
    ) -> Result<OrdersAtTau, PermutationError> {
        let refuse = |what, value| Err(PermutationError::NotATau { what, value });
        if !(-1.0..=1.0).contains(&tau) {
            return refuse("tau", tau);
        }
        if tolerance.is_nan() || tolerance < 0.0 {
            return refuse("the tolerance", tolerance);
        }
        let movable = self.movable_pairs();
        if movable == 0 {
            return Err(PermutationError::NothingToReorder);
        }
        let counted = match (over, self.interleaved) {
            (TauPairs::WithinClasses, _) => movable,
            (TauPairs::AllBlocks, None) => pairs(self.blocks),
            (TauPairs::AllBlocks, Some(class)) => {
                return Err(PermutationError::InterleavedClasses(class));
            }
        };
        // A tau written in decimals is never exactly a fraction of pairs.
        let slack = tolerance + 1e-9;
        let inversions = |tau: f64| (1.0 - tau) / 2.0 * counted as f64;
        let first = inversions(tau + slack).ceil().max(0.0) as usize;
        let last = (inversions(tau - slack).floor().max(0.0) as usize).min(movable);
        if first > last {
            let exact = inversions(tau).round() as usize;
            return Err(PermutationError::Unreachable {
                tau,
                tolerance,
                nearest: tau_of(exact.min(movable) as f64, counted),
                least: tau_of(movable as f64, counted),
            });
        };
        OrdersAtTau::new(self, first, last)
    }

    /// Each class permuted by the same rule, and put back into its places.
    pub(crate) fn arrange(&self, mut permute: impl FnMut(&mut [usize])) -> BlockOrder {
        let mut order: Vec<usize> = (0..self.blocks).collect();
        for class in &self.places {
            let mut moved = class.clone();
            permute(&mut moved);
            for (&place, block) in class.iter().zip(moved) {
                if let Some(slot) = order.get_mut(place) {
                    *slot = block;
                }
            }
        }
        BlockOrder(order)
    }

    fn swap_pairs<R: Rng + ?Sized>(
        &self,
        swaps: usize,
        random: &mut R,
        pairs_of: impl Fn(usize) -> usize,
        places_of: impl Fn(&[usize], usize) -> (Option<usize>, Option<usize>),
    ) -> Result<BlockOrder, PermutationError> {
        let total: usize = self.places.iter().map(|class| pairs_of(class.len())).sum();
        if total == 0 {
            return Err(PermutationError::NothingToReorder);
        }
        let BlockOrder(mut order) = self.identity();
        for _ in 0..swaps {
            let mut pair = random.random_range(0..total);
            for class in &self.places {
                let here = pairs_of(class.len());
                if pair < here {
                    if let (Some(a), Some(b)) = places_of(class, pair) {
                        order.swap(a, b);
                    }
                    break;
                }
                pair -= here;
            }
        }
        Ok(BlockOrder(order))
    }
}

fn pairs(items: usize) -> usize {
    items * items.saturating_sub(1) / 2
}

fn tau_of(inversions: f64, pairs: usize) -> f64 {
    if pairs == 0 {
        1.0
    } else {
        1.0 - 2.0 * inversions / pairs as f64
    }
}

#[cfg(test)]
#[path = "permutation_tests.rs"]
mod tests;
