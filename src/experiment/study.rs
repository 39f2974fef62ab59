//! How much to measure within a time: a small pilot is timed, then samples are allotted.

use std::collections::BTreeMap;
use std::time::Instant;

use pathscope_analysis::Seed;
use pathscope_analysis::record::{GradientPoint, Loss, Measure, Options, ReorderMethod};
use serde::{Deserialize, Serialize};
use tch::Kind;

use super::tree::Tree;
use super::{
    ExperimentError, Journal, Laboratory, LesionOptions, Measurement, Origin, Questions,
    SpectrumOptions, first_gradient,
};
use pathscope_network::Plan;

/// What single measurements took on this machine, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pilot {
    /// One block on one example.
    pub block: f64,
    /// The exact gradient by length of one example; a draw of signs takes the same.
    pub recursion: f64,
    /// One drawn path of every length for one example.
    pub paths: f64,
}

/// Examples that a pilot of whole networks needs to keep every thread at work.
pub const PILOT_EXAMPLES: usize = 256;

/// Examples of a gradient that a thread works on at once.
const GRADIENT_EXAMPLES: usize = 8;

/// What is asked of a network, in numbers that its size fixes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scope {
    /// Blocks.
    pub blocks: usize,
    /// Blocks that can be removed.
    pub removable: usize,
    /// Most random pairs to exchange; 0 where no two blocks can change places.
    pub swaps: usize,
    /// Block evaluations that the intact network and all single lesions need for one example.
    pub singles: usize,
    /// Examples that there are.
    pub examples: usize,
}

/// How much to measure. It is fixed once, so that an interrupted study goes on with the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allotment {
    /// Examples for lesions and orders.
    pub examples: usize,
    /// Random sets of 1 to so many blocks.
    pub deletions: usize,
    /// Draws of each size.
    pub deletion_draws: u64,
    /// Orders by 1 to so many exchanged pairs.
    pub swaps: usize,
    /// Draws of each number.
    pub order_draws: u64,
    /// Mini-batches of gradients.
    pub batches: usize,
    /// Examples of a mini-batch.
    pub batch_examples: usize,
    /// Draws of signs.
    pub sign_draws: u64,
    /// Paths drawn of each length.
    pub path_draws: u64,
}

/// Most draws of one size: more narrow an interval too little to wait for.
const MOST_DRAWS: u64 = 20;
/// Fewer draws than these have no interval.
const FEWEST_DRAWS: u64 = 3;
/// Most exchanged pairs: beyond, orders are as good as random.
const MOST_SWAPS: usize = 8;
/// Fewer examples than these tell too little.
const FEWEST_EXAMPLES: usize = 100;
const MOST_BATCHES: usize = 16;
const FEWEST_BATCHES: usize = 4;
/// Examples, draws of signs and drawn paths of a mini-batch, from the best on.
const GRADIENTS: [(usize, u64, u64); 5] = [
    (16, 8, 100),
    (16, 8, 50),
    (16, 4, 20),
    (8, 4, 10),
    (8, 2, 5),
];

impl Allotment {
    /// Shares `seconds` out: up to 0.4 of them for the intact network and every single lesion,
    /// half of what is left for gradients, and a quarter each for random deletions and orders. A
    /// budget too small for the least that makes sense is exceeded.
    #[must_use]
    pub fn new(pilot: &Pilot, scope: &Scope, seconds: f64) -> Self {
        // The pilot saw a few examples once: keep a margin.
        let mut left = 0.85 * seconds.max(0.0);
        let one_example = scope.singles as f64 * pilot.block;
        let affordable = how_often(0.4 * left, one_example) as usize;
        let examples = affordable.max(FEWEST_EXAMPLES).min(scope.examples);
        left -= examples as f64 * one_example;

        let gradient = |(examples, signs, paths): (usize, u64, u64)| {
            let recursions = (1 + signs) as f64 * pilot.recursion;
            examples as f64 * (recursions + paths as f64 * pilot.paths)
        };
        let for_gradients = 0.5 * left.max(0.0);
        let fits = |level: &&(usize, u64, u64)| {
            let enough = FEWEST_BATCHES * level.0 <= scope.examples;
            enough && FEWEST_BATCHES as f64 * gradient(**level) <= for_gradients
        };
        let least = GRADIENTS[GRADIENTS.len() - 1];
        let level = GRADIENTS.iter().find(fits).copied().unwrap_or(least);
        let (wanted, sign_draws, path_draws) = level;
        let batch_examples = wanted.min(scope.examples).max(1);
        let batches = (how_often(for_gradients, gradient(level)) as usize)
            .clamp(FEWEST_BATCHES, MOST_BATCHES)
            .min(scope.examples / batch_examples)
            .max(1);
        left -= batches as f64 * gradient(level);

        let block = examples as f64 * pilot.block;
        let half = 0.5 * left.max(0.0);
        // Deleting m of n blocks leaves n - m to compute.
        let sizes = |most: usize| -> f64 {
            let blocks = (1..=most).map(|size| scope.blocks.saturating_sub(size).max(1));
            blocks.sum::<usize>() as f64 * block
        };
        // There is only one way to delete them all.
        let mut deletions = scope.removable.saturating_sub(1);
        while deletions > 2 && FEWEST_DRAWS as f64 * sizes(deletions) > half {
            deletions -= 1;
        }
        let orders = |swaps: usize| (swaps * scope.blocks) as f64 * block;
        let mut swaps = scope.swaps.min(MOST_SWAPS);
        while swaps > 2 && FEWEST_DRAWS as f64 * orders(swaps) > half {
            swaps -= 1;
        }
        let draws = |cost: f64| how_often(half, cost).clamp(FEWEST_DRAWS, MOST_DRAWS);
        Self {
            examples,
            deletions,
            deletion_draws: draws(sizes(deletions)),
            swaps,
            order_draws: draws(orders(swaps)),
            batches,
            batch_examples,
            sign_draws,
            path_draws,
        }
    }

    /// The gradients to measure.
    #[must_use]
    pub fn spectrum(&self, seed: Seed, at: GradientPoint) -> SpectrumOptions {
        SpectrumOptions {
            measures: [
                (Measure::Coherent, 1),
                (Measure::Energy, self.sign_draws),
                (Measure::Sampled, self.path_draws),
            ]
            .into_iter()
            .filter(|(_, draws)| *draws > 0)
            .collect(),
            record_paths: false,
            loss: Loss::default(),
            at,
            longest: None,
            grading: None,
            batches: self.batches,
            examples: self.batch_examples,
            seed,
            deadline: None,
        }
    }
}

/// How often `each` fits into `seconds`.
fn how_often(seconds: f64, each: f64) -> u64 {
    // A cast from a float saturates.
    (seconds / each.max(1e-12)) as u64
}

impl Laboratory<'_> {
    /// Times single measurements on the examples of this laboratory, which are best few.
    ///
    /// # Errors
    /// What the measurements say.
    pub fn pilot(&self, seed: Seed) -> Result<Pilot, ExperimentError> {
        let intact = self.questions().intact_measurement();
        let blocks = self.specification().blocks.len().max(1) as f64;
        // The first run also loads what the later ones find loaded.
        self.outcomes(&[&intact], &|_| {})?;
        let begin = Instant::now();
        self.outcomes(&[&intact], &|_| {})?;
        let block = begin.elapsed().as_secs_f64() / blocks / self.data().len().max(1) as f64;
        let examples = (GRADIENT_EXAMPLES * self.batches().options.workers())
            .min(self.data().len())
            .max(1);
        let time = |measure, draws| -> Result<f64, ExperimentError> {
            let options = SpectrumOptions {
                measures: BTreeMap::from([(measure, draws)]),
                ..Allotment::least(examples).spectrum(seed, first_gradient(self.data()))
            };
            let settings = options.settings(32, self.normalization());
            let origin = Origin {
                seed: seed.0,
                ..Origin::default()
            };
            let header = self.header(Options::GradientSpectrum(settings), origin)?;
            let mut journal = Journal::in_memory(header);
            let begin = Instant::now();
            self.spectrum(&intact.plan, &options, Kind::Float, &mut journal, &|_| {})?;
            Ok(begin.elapsed().as_secs_f64() / examples as f64)
        };
        Ok(Pilot {
            block,
            recursion: time(Measure::Coherent, 1)?,
            paths: time(Measure::Sampled, 4)? / 4.0,
        })
    }

    /// What is asked of this network on so many examples.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let questions = self.questions();
        let mut measurements = questions.each_block(LesionOptions::default());
        measurements.push(questions.intact_measurement());
        let plans: Vec<Plan> = measurements.into_iter().map(|m| m.plan).collect();
        Scope {
            blocks: self.specification().blocks.len(),
            removable: questions.removable().len(),
            swaps: questions.movable_pairs(false).len(),
            singles: Tree::grow(&plans, self.frozen().structure()).steps(),
            examples: self.data().len(),
        }
    }
}

impl Questions<'_> {
    /// Random sets of blocks, one of every size before the second of any: a study that runs out
    /// of time has all sizes.
    ///
    /// # Errors
    /// As [`Questions::random_sets`].
    pub fn allotted_deletions(
        &self,
        allotment: &Allotment,
        seed: Seed,
    ) -> Result<Vec<Measurement>, ExperimentError> {
        let (most, draws) = (allotment.deletions, allotment.deletion_draws);
        let mut measurements = self.random_sets(most, draws, seed, LesionOptions::default())?;
        measurements.sort_by_key(|measurement| measurement.draw);
        Ok(measurements)
    }

    /// Random orders, one of every number of exchanges before the second of any.
    ///
    /// # Errors
    /// As [`Questions::orders`].
    pub fn allotted_orders(
        &self,
        allotment: &Allotment,
        seed: Seed,
    ) -> Result<Vec<Measurement>, ExperimentError> {
        let mut measurements = Vec::new();
        for swaps in 1..=allotment.swaps {
            let method = ReorderMethod::Swaps { swaps };
            measurements.extend(self.orders(method, allotment.order_draws, seed)?);
        }
        measurements.sort_by_key(|measurement| measurement.draw);
        Ok(measurements)
    }
}

impl Allotment {
    /// One mini-batch of gradients without draws.
    fn least(examples: usize) -> Self {
        Self {
            examples,
            batches: 1,
            batch_examples: examples,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PILOT: Pilot = Pilot {
        block: 1e-4,
        recursion: 0.02,
        paths: 0.002,
    };
    const SCOPE: Scope = Scope {
        blocks: 9,
        removable: 9,
        swaps: 9,
        singles: 48,
        examples: 2_000,
    };

    /// Seconds that an allotment takes if the pilot is right.
    fn cost(found: &Allotment) -> f64 {
        let deletions: usize = (1..=found.deletions).map(|size| 9 - size.min(8)).sum();
        let orders = 9 * found.swaps;
        let measurements =
            deletions as u64 * found.deletion_draws + orders as u64 * found.order_draws;
        let blocks = (SCOPE.singles as u64 + measurements) as f64 * found.examples as f64;
        let recursions = (1 + found.sign_draws) as f64 * PILOT.recursion;
        let gradients = (found.batches * found.batch_examples) as f64;
        blocks * PILOT.block + gradients * (recursions + found.path_draws as f64 * PILOT.paths)
    }

    #[test]
    fn what_is_allotted_fits_the_budget() {
        for seconds in [60.0, 180.0, 600.0, 3_600.0] {
            let found = Allotment::new(&PILOT, &SCOPE, seconds);
            let cost = cost(&found);
            assert!(cost <= seconds, "{cost} of {seconds}: {found:?}");
        }
        let short = Allotment::new(&PILOT, &SCOPE, 60.0);
        let long = Allotment::new(&PILOT, &SCOPE, 600.0);
        assert!(short.deletion_draws <= long.deletion_draws);
        assert!(short.path_draws < long.path_draws);
        assert_eq!((long.examples, long.deletions, long.swaps), (2_000, 8, 8));
    }

    #[test]
    fn a_budget_of_nothing_gives_the_least_that_makes_sense() {
        let found = Allotment::new(&PILOT, &SCOPE, 0.0);
        assert_eq!(found.examples, FEWEST_EXAMPLES);
        assert_eq!(found.batches, FEWEST_BATCHES);
        assert_eq!((found.deletions, found.deletion_draws), (2, FEWEST_DRAWS));
        let few = Scope {
            examples: 5,
            swaps: 0,
            ..SCOPE
        };
        let found = Allotment::new(&PILOT, &few, 600.0);
        assert_eq!((found.examples, found.swaps), (5, 0));
        assert!(found.batches * found.batch_examples <= 5);
    }
}
