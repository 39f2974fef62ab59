//! Single paths: all of a small network, or a fair sample of a large one.

use num_bigint::BigUint;
use num_traits::Zero;
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exact::ratio;
use crate::multiplicity::{BlockPaths, MultiplicityError, PathPolynomial, Prefix};
use crate::passage::Channels;

/// One function that a path takes; blocks that a path skips are not listed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct PathStep {
    /// The block, from 0.
    pub block: usize,
    /// The function inside the block, from 0.
    pub function: usize,
}

/// A path: the functions that it takes, in the order in which data meets them.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Path(pub Vec<PathStep>);

impl Path {
    /// Blocks whose skip it does not take: its length in modules where every function counts as one;
    /// otherwise see [`PathPolynomial::length_of`].
    pub fn length(&self) -> usize {
        self.0.len()
    }
}

impl PathPolynomial {
    /// All paths, one at a time, the one of skips only first and the last block fastest.
    pub fn enumerate(&self) -> impl Iterator<Item = Path> + '_ {
        let first: Vec<usize> = self.blocks().iter().map(first_way).collect();
        let ways = |block: &BlockPaths| block.lengths().next().is_some();
        let mut choices = self.blocks().iter().all(ways).then_some(first);
        let next = move || {
            let current = choices.take()?;
            choices = self.advance(current.clone());
            Some(current)
        };
        let choices = std::iter::from_fn(next).filter(|choices| self.is_connected(choices));
        choices.map(|current| {
            let steps = current.iter().enumerate();
            // Choice 0 is the skip, choice i function i - 1.
            let taken = steps.filter_map(|(block, choice)| {
                Some(PathStep {
                    block,
                    function: usize::checked_sub(*choice, 1)?,
                })
            });
            Path(taken.collect())
        })
    }

    /// The length of a path through this network. Steps to what the network lacks count nothing.
    ///
    /// ```
    /// use pathscope_analysis::{BlockPaths, PathPolynomial};
    /// // A function and itself again: 1 + z + z^2.
    /// let block = BlockPaths::new(Some(0), vec![1, 2]);
    /// let network = PathPolynomial::with_lengths(vec![block; 2])?;
    /// let longest = network.enumerate().map(|path| network.length_of(&path)).max();
    /// assert_eq!(longest, Some(4));
    /// # Ok::<(), pathscope_analysis::MultiplicityError>(())
    /// ```
    pub fn length_of(&self, path: &Path) -> usize {
        let taken = |index: usize| path.0.iter().find(|step| step.block == index);
        let blocks = self.blocks().iter().enumerate();
        blocks
            .map(|(index, block)| match taken(index) {
                None => block.skip.unwrap_or(0),
                Some(step) => block.functions.get(step.function).copied().unwrap_or(0),
            })
            .sum()
    }

    /// Whether each choice takes something that the one before gives.
    fn is_connected(&self, choices: &[usize]) -> bool {
        let mut steps = self.blocks().iter().zip(choices);
        let through = |carried, (block, &choice): (&BlockPaths, &usize)| {
            block.through(choice - first_way(block), carried)
        };
        steps.try_fold(Channels::ALL, through).is_some()
    }

    fn advance(&self, mut choices: Vec<usize>) -> Option<Vec<usize>> {
        for (choice, block) in choices.iter_mut().zip(self.blocks()).rev() {
            if *choice < block.functions.len() {
                *choice += 1;
                return Some(choices);
            }
            *choice = first_way(block);
        }
        None
    }

    /// A sampler of paths of `length`, each equally likely, whatever the `k_l`.
    ///
    /// Samplers of all lengths share a walk: from equal states of the generator, `n + 1` paths of
    /// lengths 0 to n over n blocks have at most `d + 1` different ends in the last d blocks, so that
    /// what depends on the ends alone is computed once for many paths.
    ///
    /// # Errors
    /// When no path has this length, or the exact counts of unequal blocks would need over 1 GiB.
    ///
    /// ```
    /// use pathscope_analysis::{PathPolynomial, Seed};
    /// let network = PathPolynomial::new(&[1, 3, 2])?;
    /// let path = network.paths_of_length(2)?.sample(&mut Seed(0).stream("paths", 0));
    /// assert_eq!(path.length(), 2);
    /// # Ok::<(), pathscope_analysis::MultiplicityError>(())
    /// ```
    pub fn paths_of_length(&self, length: usize) -> Result<PathsOfLength<'_>, MultiplicityError> {
        let longest = self.longest();
        let none = MultiplicityError::NoSuchLength { length, longest };
        if length > longest {
            return Err(none);
        }
        if let Some(functions) = self.equal_blocks() {
            return Ok(PathsOfLength {
                network: self,
                length,
                counts: Counts::Equal { functions },
            });
        }
        let prefixes = self.prefixes(length)?;
        let whole = prefixes.last().map(Prefix::by_length).unwrap_or_default();
        match whole.get(length) {
            Some(paths) if !paths.is_zero() => Ok(PathsOfLength {
                network: self,
                length,
                counts: Counts::Prefixes(prefixes),
            }),
            _ => Err(none),
        }
    }

    /// The `k` of all blocks, where it is one and every function counts as one.
    fn equal_blocks(&self) -> Option<usize> {
        let first = self.blocks().first()?;
        let plain = first.skip == Some(0)
            && first.functions.iter().all(|&length| length == 1)
            && first.passages.is_empty();
        (plain && self.blocks().iter().all(|block| block == first)).then_some(first.functions.len())
    }

    /// The beginnings of paths before each block, and behind the last, up to `length`.
    fn prefixes(&self, length: usize) -> Result<Vec<Prefix>, MultiplicityError> {
        const MEMORY: usize = 1 << 30;
        let blocks = self.blocks().len();
        let each = self.log10_paths() / std::f64::consts::LOG10_2 / 8.0 + 32.0;
        let bytes = blocks
            .saturating_mul(length + 1)
            .saturating_mul(each as usize);
        if bytes > MEMORY {
            return Err(MultiplicityError::TooLarge { blocks, bytes });
        }
        let mut prefixes = vec![Prefix::start()];
        for block in self.blocks() {
            let next = prefixes.last().map(|before| before.longer(block, length));
            prefixes.extend(next);
        }
        Ok(prefixes)
    }
}

/// Draws paths of one length, all equally likely.
///
/// Block by block from the last, each way through is taken with its exact share of the paths that
/// remain, counted by the polynomial of the blocks before it. A longer path takes a function wherever a
/// shorter one does that has as many blocks left, and two numbers are drawn for every block in any
/// case: this is what makes paths of neighbouring lengths end alike.
#[derive(Clone, Debug)]
pub struct PathsOfLength<'network> {
    network: &'network PathPolynomial,
    length: usize,
    counts: Counts,
}

#[derive(Clone, Debug)]
enum Counts {
    /// Equal blocks need no counts: the blocks used are a uniform subset.
    Equal {
        functions: usize,
    },
    Prefixes(Vec<Prefix>),
}

impl PathsOfLength<'_> {
    /// One path.
    pub fn sample<R: Rng + ?Sized>(&self, random: &mut R) -> Path {
        let blocks = self.network.blocks();
        let mut remaining = self.length;
        // What the path carries behind the block; unknown behind the last one.
        let mut carried = None;
        let mut steps = Vec::new();
        for (index, block) in blocks.iter().enumerate().rev() {
            let points: [f64; 2] = [random.random(), random.random()];
            let function = match &self.counts {
                Counts::Equal { functions } => {
                    let taken = points[0] * ((index + 1) as f64) < remaining as f64;
                    taken.then(|| ((points[1] * *functions as f64) as usize).min(functions - 1))
                }
                Counts::Prefixes(prefixes) => prefixes.get(index).and_then(|before| {
                    let (function, before) = choose(block, remaining, before, carried, points)?;
                    carried = Some(before);
                    function
                }),
            };
            let used = match function {
                Some(function) => block.functions.get(function).copied(),
                None => block.skip,
            };
            remaining = remaining.saturating_sub(used.unwrap_or(0));
            steps.extend(function.map(|function| PathStep {
                block: index,
                function,
            }));
        }
        steps.reverse();
        Path(steps)
    }
}

/// Choice 0 is the skip, choice i function i - 1.
fn first_way(block: &BlockPaths) -> usize {
    usize::from(block.skip.is_none())
}

/// The function to take through a block, or none for its skip, and what the path then carries before the
/// block, where it carries `after` behind it: the first point decides between skip and functions, the
/// second between the functions.
fn choose(
    block: &BlockPaths,
    remaining: usize,
    before: &Prefix,
    after: Option<Channels>,
    points: [f64; 2],
) -> Option<(Option<usize>, Channels)> {
    let mut skips = Vec::new();
    let mut functions = Vec::new();
    for (way, length) in block.lengths().enumerate() {
        for (&carried, counts) in &before.0 {
            let behind = block.through(way, carried);
            let count = remaining.checked_sub(length).and_then(|l| counts.get(l));
            if behind.is_none() || after.is_some_and(|after| behind != Some(after)) {
                continue;
            }
            let function = (way + first_way(block)).checked_sub(1);
            let group = match function {
                Some(_) => &mut functions,
                None => &mut skips,
            };
            group.extend(count.map(|count| (count, (function, carried))));
        }
    }
    let total = |group: &[(&BigUint, _)]| group.iter().map(|way| way.0).sum::<BigUint>();
    let (taking, skipping) = (total(&functions), total(&skips));
    let (group, total) = match points[0] < ratio(&taking, &(&taking + &skipping))? {
        true => (functions, taking),
        false => (skips, skipping),
    };
    let mut reached = BigUint::ZERO;
    let chosen = group.into_iter().find(|(count, _)| {
        reached += *count;
        ratio(&reached, &total).is_some_and(|share| points[1] < share)
    });
    chosen.map(|(_, way)| way)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passage::Passage;
    use crate::seed::Seed;
    use std::collections::{BTreeMap, BTreeSet};

    /// Two values side by side: each block makes the second from one of both, and keeps the first; the last
    /// reads either.
    fn side_by_side() -> Vec<BlockPaths> {
        let channels = |first| Channels { first, count: 1 };
        let (first, second) = (channels(0), channels(1));
        let passage = |takes, gives, mixes| Passage {
            takes,
            gives,
            mixes,
        };
        let keeps = passage(first, first, false);
        let makes = |takes| passage(takes, second, true);
        let block = BlockPaths {
            skip: Some(0),
            functions: vec![1, 1, 2],
            passages: vec![keeps, makes(first), makes(second), makes(first)],
        };
        let last = BlockPaths {
            skip: None,
            functions: vec![1, 1],
            passages: vec![passage(first, first, true), passage(second, first, true)],
        };
        vec![block.clone(), block.clone(), block, last]
    }

    #[test]
    fn every_path_comes_once() {
        let network = PathPolynomial::new(&[1, 0, 3, 2]).unwrap();
        let all: Vec<Path> = network.enumerate().collect();
        assert_eq!(all.len(), 2 * 4 * 3);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all[0], Path::default());
        for (length, count) in network.counts().iter().enumerate() {
            let found = all.iter().filter(|path| path.length() == length).count();
            assert_eq!(*count, BigUint::from(found));
        }
    }

    #[test]
    fn samples_are_uniform() {
        let in_layers = PathPolynomial::with_lengths(vec![
            BlockPaths::new(Some(0), vec![2]),
            BlockPaths::new(Some(1), vec![2, 3]),
            BlockPaths::new(Some(0), vec![1, 2]),
        ])
        .unwrap();
        let orders = [vec![1, 2], vec![1, 1], vec![1, 2], vec![1, 2, 3]];
        let with_skips = |skips: [Option<usize>; 4]| {
            let blocks = skips.into_iter().zip(orders.clone());
            let blocks = blocks.map(|(skip, functions)| BlockPaths::new(skip, functions));
            PathPolynomial::with_lengths(blocks.collect()).unwrap()
        };
        let second_order = with_skips([Some(0); 4]);
        let without_a_skip = with_skips([None, Some(0), None, Some(1)]);
        let side_by_side = PathPolynomial::with_lengths(side_by_side()).unwrap();
        let cases = [
            (PathPolynomial::new(&[1, 3, 2, 4]).unwrap(), 2),
            (PathPolynomial::uniform(4, 2).unwrap(), 2),
            (in_layers, 4),
            (second_order, 4),
            (without_a_skip, 5),
            (side_by_side, 3),
        ];
        for (network, length) in cases {
            let all: BTreeSet<Path> = network
                .enumerate()
                .filter(|path| network.length_of(path) == length)
                .collect();
            let sampler = network.paths_of_length(length).unwrap();
            let mut random = Seed(2).stream("test", 0);
            let each = 2_000.0;
            let mut seen = BTreeMap::<Path, f64>::new();
            for _ in 0..all.len() * each as usize {
                *seen.entry(sampler.sample(&mut random)).or_default() += 1.0;
            }
            assert_eq!(seen.keys().cloned().collect::<BTreeSet<_>>(), all);
            let freedom = all.len() as f64 - 1.0;
            let square: f64 = seen.values().map(|c| (c - each).powi(2) / each).sum();
            assert!(
                square < freedom + 5.0 * (2.0 * freedom).sqrt(),
                "{square} for {freedom}"
            );
        }
    }

    #[test]
    fn paths_of_all_lengths_share_their_ends() {
        for network in [
            PathPolynomial::uniform(12, 2).unwrap(),
            PathPolynomial::new(&[1, 3, 2, 1, 2, 0, 4]).unwrap(),
        ] {
            let blocks = network.blocks().len();
            for draw in 0..50 {
                let paths: Vec<Path> = (0..=network.longest())
                    .map(|length| {
                        let sampler = network.paths_of_length(length).unwrap();
                        sampler.sample(&mut Seed(5).stream("paths", draw))
                    })
                    .collect();
                for last in 0..=blocks {
                    let end = |path: &Path| {
                        let steps = path.0.iter().filter(|step| step.block >= blocks - last);
                        steps.copied().collect::<Vec<_>>()
                    };
                    let ends: BTreeSet<Vec<PathStep>> = paths.iter().map(end).collect();
                    assert!(ends.len() <= last + 1, "{} ends", ends.len());
                }
            }
        }
    }

    #[test]
    fn refuse_what_has_no_answer() {
        let network = PathPolynomial::new(&[1, 2]).unwrap();
        assert!(network.paths_of_length(3).is_err());
        let gap = PathPolynomial::with_lengths(vec![
            BlockPaths::new(Some(0), vec![3]),
            BlockPaths::new(Some(0), vec![3, 3]),
        ])
        .unwrap();
        assert!(gap.paths_of_length(2).is_err());
        let functions: Vec<usize> = (0..9_000).map(|block| 1 + block % 2).collect();
        let deep = PathPolynomial::new(&functions).unwrap();
        let error = deep.paths_of_length(4_500).unwrap_err();
        let too_large = matches!(error, MultiplicityError::TooLarge { .. });
        assert!(too_large, "{error}");
    }
}
