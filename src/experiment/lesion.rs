//! Which lesions to make: every question is a list of measurements.

use pathscope_analysis::Seed;
use pathscope_analysis::record::{BatchNormStatistics, Change, Lesion, LesionKind};
use rand::Rng;
use rand::seq::SliceRandom;
use rand::seq::index::sample;

use super::{ExperimentError, Measurement, Questions};
use pathscope_network::{BlockIndex, FunctionIndex, FunctionState, Plan};

/// How lesions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LesionOptions {
    /// What happens to a function.
    pub kind: LesionKind,
    /// Whose statistics the normalisations use afterwards.
    pub batch_norm: BatchNormStatistics,
    /// Whether the weights are random instead of trained: a control, told in the records.
    pub random_weights: bool,
}

impl Default for LesionOptions {
    fn default() -> Self {
        Self {
            kind: LesionKind::Delete,
            batch_norm: BatchNormStatistics::Frozen,
            random_weights: false,
        }
    }
}

impl Questions<'_> {
    /// The lesion of these blocks and single functions.
    ///
    /// # Errors
    /// A block or function that the network lacks, or a single function whose skip is to be cut.
    pub fn lesion(
        &self,
        blocks: &[BlockIndex],
        functions: &[FunctionIndex],
        options: LesionOptions,
    ) -> Result<Measurement, ExperimentError> {
        if options.kind == LesionKind::Skip
            && let Some(function) = functions.first()
        {
            return Err(ExperimentError::Impossible(format!(
                "function {function} has no skip of its own: cut the skip of block {}",
                function.block
            )));
        }
        for &block in blocks {
            self.specification().block(block)?;
        }
        for &index in functions {
            self.specification().function(index)?;
        }
        Ok(self.affecting(blocks, functions, options))
    }

    /// The lesion of blocks and functions that the network has.
    fn affecting(
        &self,
        blocks: &[BlockIndex],
        functions: &[FunctionIndex],
        options: LesionOptions,
    ) -> Measurement {
        let state = match options.kind {
            LesionKind::Delete => FunctionState::Off,
            stand_in => FunctionState::Substitute(stand_in),
        };
        let affect = |plan: Plan, &block: &BlockIndex| match options.kind {
            LesionKind::Skip => plan.without_skip(block),
            _ => plan.with_block(block, state),
        };
        let plan = blocks.iter().fold(self.intact(), affect);
        let plan = functions
            .iter()
            .fold(plan, |plan, &function| plan.with_function(function, state));
        let lesion = Lesion {
            blocks: blocks.iter().map(|block| block.position()).collect(),
            functions: functions
                .iter()
                .map(|function| (function.block.position(), function.function))
                .collect(),
            kind: options.kind,
            batch_norm: options.batch_norm,
            random_weights: options.random_weights,
        };
        let named = blocks.iter().map(ToString::to_string);
        let named = named.chain(functions.iter().map(ToString::to_string));
        Measurement {
            key: format!("lesion {}", named.collect::<Vec<_>>().join(",")),
            change: Change::Lesion(lesion),
            draw: None,
            plan,
        }
    }

    /// Every block in turn.
    #[must_use]
    pub fn each_block(&self, options: LesionOptions) -> Vec<Measurement> {
        self.removable()
            .iter()
            .map(|&block| self.affecting(&[block], &[], options))
            .collect()
    }

    /// Every single function in turn.
    ///
    /// # Errors
    /// Skips are to be cut, which belong to whole blocks.
    pub fn each_function(
        &self,
        options: LesionOptions,
    ) -> Result<Vec<Measurement>, ExperimentError> {
        let functions = self.removable().into_iter().flat_map(|block| {
            let found = self.specification().blocks.get(block.position());
            let functions = found.map_or(0, |block| block.functions.len());
            (0..functions).map(move |function| FunctionIndex { block, function })
        });
        functions
            .map(|function| self.lesion(&[], &[function], options))
            .collect()
    }

    /// Every pair of blocks.
    #[must_use]
    pub fn each_pair(&self, options: LesionOptions) -> Vec<Measurement> {
        let blocks = self.removable();
        let pairs = blocks.iter().enumerate().flat_map(|(place, &first)| {
            let later = blocks.iter().skip(place + 1);
            later.map(move |&second| [first, second])
        });
        pairs
            .map(|pair| self.affecting(&pair, &[], options))
            .collect()
    }

    /// Every run of `length` neighbouring blocks.
    #[must_use]
    pub fn each_span(&self, length: usize, options: LesionOptions) -> Vec<Measurement> {
        let blocks = self.removable();
        let neighbours = |run: &&[BlockIndex]| {
            let mut pairs = run.windows(2);
            pairs.all(|pair| pair[1].position() == pair[0].position() + 1)
        };
        if length == 0 {
            return Vec::new();
        }
        blocks
            .windows(length)
            .filter(neighbours)
            .map(|run| self.affecting(run, &[], options))
            .collect()
    }

    /// All blocks but these.
    #[must_use]
    pub fn all_but(&self, kept: &[BlockIndex], options: LesionOptions) -> Measurement {
        let mut removed = self.removable();
        removed.retain(|block| !kept.contains(block));
        self.affecting(&removed, &[], options)
    }

    /// Random sets of 1 to `most` blocks, `draws` of each size (Veit et al. 2016, section 4.2).
    ///
    /// Draw d of m + 1 blocks is draw d of m blocks and one more: each size has its distribution,
    /// and from one to the next the mean changes by that block alone.
    ///
    /// # Errors
    /// More blocks than can be removed.
    pub fn random_sets(
        &self,
        most: usize,
        draws: u64,
        seed: Seed,
        options: LesionOptions,
    ) -> Result<Vec<Measurement>, ExperimentError> {
        self.check_removable(most)?;
        let sequences: Vec<Vec<BlockIndex>> = (0..draws)
            .map(|draw| {
                let mut blocks = self.removable();
                blocks.shuffle(&mut seed.stream("random lesion", draw));
                blocks
            })
            .collect();
        let mut measurements = Vec::new();
        for size in 1..=most {
            for (draw, sequence) in (0..).zip(&sequences) {
                let mut chosen: Vec<BlockIndex> = sequence.iter().take(size).copied().collect();
                chosen.sort_unstable();
                measurements.push(Measurement {
                    key: format!("random {size}, draw {draw}"),
                    draw: Some(draw),
                    ..self.affecting(&chosen, &[], options)
                });
            }
        }
        Ok(measurements)
    }

    /// `size` blocks drawn at random, deleted together.
    pub(super) fn random_set(
        &self,
        size: usize,
        random: &mut impl Rng,
        options: LesionOptions,
    ) -> Measurement {
        let blocks = self.removable();
        let size = size.min(blocks.len());
        let mut chosen: Vec<BlockIndex> = sample(random, blocks.len(), size)
            .into_iter()
            .filter_map(|place| blocks.get(place).copied())
            .collect();
        chosen.sort_unstable();
        self.affecting(&chosen, &[], options)
    }

    /// Refuses to remove more blocks than there are.
    pub(super) fn check_removable(&self, wanted: usize) -> Result<(), ExperimentError> {
        let removable = self.removable().len();
        if wanted <= removable {
            return Ok(());
        }
        Err(ExperimentError::Impossible(format!(
            "cannot remove {wanted} blocks: the network has {removable} that can be removed"
        )))
    }
}
