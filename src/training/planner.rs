//! How long a mini-batch will take, split over processes one way or the other: predicted from a
//! few measured costs.

use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::borders::Borders;
use super::parallel::sum_of;
use super::{Parallel, Recipe, RecipeArchitecture, Trainer, TrainingError};
use pathscope_data::{Dataset, ImageShape};
use pathscope_network::{Exchange, TrainableNetwork};
use pathscope_team::Team;

/// Pre-activation CIFAR networks of one width, trained on made-up images: what Table V of the
/// paper times.
#[derive(Clone, Debug)]
pub struct Bench {
    recipe: Recipe,
    /// Mini-batches of which the fastest counts, after one that warms up.
    steps: usize,
}

impl Bench {
    /// Networks whose first stage has `width` channels; the fastest of `steps` mini-batches
    /// counts.
    ///
    /// # Errors
    /// None for a recipe that is shipped.
    pub fn new(width: i64, steps: usize) -> Result<Self, TrainingError> {
        let mut recipe = Recipe::named("preresnet110-cifar10")?;
        recipe.architecture.width = Some(width);
        Ok(Self {
            recipe,
            steps: steps.max(1),
        })
    }

    /// Seconds for a mini-batch of `batch` examples, of a network of `depth` layers with `k`
    /// functions in each block. Every process is waited for.
    ///
    /// # Errors
    /// A depth that no network has, or a network that cannot be shared so.
    pub fn seconds(
        &self,
        depth: usize,
        k: usize,
        batch: usize,
        parallel: Parallel,
    ) -> Result<f64, TrainingError> {
        let architecture = RecipeArchitecture {
            depth,
            k,
            ..self.recipe.architecture.clone()
        };
        let specification = architecture.build(3, 10)?.build()?;
        let mut options = self.recipe.training.clone();
        options.batch = batch;
        let network = TrainableNetwork::initialized(&specification, options.seed)?;
        let normalization = self.recipe.normalization()?;
        let trainer = Trainer::new(network, options, normalization)?;
        let mut trainer = trainer.in_parallel(parallel)?;
        let data = made_up(batch)?;
        trainer.step(&data)?;
        fastest(self.steps, parallel.whole, || {
            trainer.step(&data).map(|_| ())
        })
    }
}

/// Seconds of the fastest of so many runs, by the clock of the slowest process.
fn fastest(
    runs: usize,
    team: Team,
    mut run: impl FnMut() -> Result<(), TrainingError>,
) -> Result<f64, TrainingError> {
    let mut least = f64::INFINITY;
    for _ in 0..runs {
        // All begin together.
        let _ = team.any(false);
        let begin = Instant::now();
        run()?;
        let seconds = team.everyones(begin.elapsed().as_secs_f64())?;
        least = least.min(seconds.into_iter().fold(0.0, f64::max));
    }
    Ok(least)
}

/// Images of the shape of CIFAR's, whatever they show.
fn made_up(examples: usize) -> Result<Dataset, TrainingError> {
    let shape = ImageShape {
        channels: 3,
        height: 32,
        width: 32,
    };
    // Neighbours differ, and so do images.
    let pixels = 0..examples * shape.pixels();
    let pixels = pixels.map(|place| (place * place % 251) as u8).collect();
    let labels = (0..examples).map(|example| (example % 10) as u16).collect();
    Ok(Dataset::new(shape, pixels, labels, 10, "made-up images")?)
}

/// What an exchange and a computation cost, measured on this machine with all processes at work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Seconds until the smallest sum over all processes is there.
    pub latency: f64,
    /// Seconds for each further value of a sum.
    pub value: f64,
    /// Seconds of one process for the borders of a block, for each value that crosses them.
    pub border: f64,
    batch: usize,
    width: i64,
    /// Seconds of stem and head.
    base: f64,
    /// Seconds of a block of each stage, without their functions.
    blocks: f64,
    /// Seconds of one function in each of them.
    functions: f64,
}

/// Sizes of sums that are timed.
const SMALL: usize = 1 << 8;
const LARGE: usize = 1 << 20;

/// Stages of a CIFAR network; a row is a block of each.
const STAGES: usize = 3;

impl Costs {
    /// Measures the costs of mini-batches of `batch` examples in processes of `team`, each of
    /// which does the same on its own for a while.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn measure(
        bench: &Bench,
        width: i64,
        batch: usize,
        team: Team,
    ) -> Result<Self, TrainingError> {
        // All at once: cores that share a memory slow each other down.
        let alone = |depth, k| -> Result<f64, TrainingError> {
            let _ = team.any(false);
            let seconds = bench.seconds(depth, k, batch, Parallel::ALONE)?;
            let all = team.everyones(seconds)?;
            Ok(all.iter().sum::<f64>() / all.len() as f64)
        };
        let (one_row, two_rows, two_functions) = (alone(8, 1)?, alone(14, 1)?, alone(14, 2)?);
        // The second network has a row more than the first, the third a function more in each of
        // its two rows.
        let row = (two_rows - one_row).max(0.0);
        let functions = (two_functions - two_rows).max(0.0) / 2.0;
        let sum = |values: usize| {
            let tensor = Tensor::f_zeros([values as i64], (Kind::Float, Device::Cpu))?;
            fastest(8, team, || Ok(sum_of(team, &tensor).map(|_| ())?))
        };
        let (small, large) = (sum(SMALL)?, sum(LARGE)?);
        let value = (large - small).max(0.0) / (LARGE - SMALL) as f64;
        Ok(Self {
            latency: small,
            value,
            border: borders(batch, width, team)?,
            batch,
            width,
            base: (one_row - row).max(0.0),
            blocks: (row - functions).max(0.0),
            functions,
        })
    }

    /// Seconds for a mini-batch of a network of `rows` blocks in each stage with `k` functions,
    /// whose examples `groups` share and whose functions the `members` of each group. The costs
    /// must be those of the examples of one group.
    #[must_use]
    pub fn predict(&self, rows: usize, k: usize, groups: usize, members: usize) -> f64 {
        let here = k.div_ceil(members) as f64;
        let computed = self.base + rows as f64 * (self.blocks + here * self.functions);
        let mut exchanged = 0.0;
        if members > 1 {
            for values in self.activations() {
                let sums = 2.0 * (self.latency + values * self.value);
                exchanged += rows as f64 * (sums + values * self.border);
            }
        }
        if groups > 1 {
            let weights = rows as f64 * here * self.weights();
            exchanged += self.latency + weights * self.value;
        }
        computed + exchanged
    }

    /// Values of a mini-batch at a block of each stage.
    fn activations(&self) -> [f64; STAGES] {
        let first = self.batch as f64 * self.width as f64 * 32.0 * 32.0;
        [first, first / 2.0, first / 4.0]
    }

    /// Weights of the functions of a row: two convolutions of 3x3 in each stage.
    fn weights(&self) -> f64 {
        let width = self.width as f64;
        2.0 * 9.0 * width * width * (1.0 + 4.0 + 16.0)
    }
}

/// Seconds of one process for the borders of a block, for each value that crosses them.
fn borders(batch: usize, width: i64, team: Team) -> Result<f64, TrainingError> {
    let size = [batch as i64, width, 32, 32];
    let input = Tensor::f_randn(size, (Kind::Float, Device::Cpu))?;
    let input = pathscope_network::channels_last(&input)?.f_set_requires_grad(true)?;
    let seconds = fastest(4, team, || {
        let borders = Borders::new(Parallel::ALONE);
        let entered = borders.enter(&input)?;
        let taken = borders.part(&entered)?;
        let loss = borders.join(&taken)?.f_add(&entered)?.f_sum(Kind::Float)?;
        borders.backward(&loss)
    })?;
    Ok(seconds / input.numel() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs {
        latency: 1e-4,
        value: 1e-9,
        border: 2e-9,
        batch: 32,
        width: 16,
        base: 0.01,
        blocks: 0.001,
        functions: 0.02,
    };

    #[test]
    fn splitting_functions_pays_where_exchange_is_cheap() {
        let serial = COSTS.predict(18, 4, 1, 1);
        assert!((serial - (0.01 + 18.0 * 0.081)).abs() < 1e-12);
        let split = COSTS.predict(18, 4, 1, 2);
        assert!(split < serial && split > serial / 2.0);
        // Of three functions one of two processes has two, and each of three has one.
        assert!(COSTS.predict(18, 3, 1, 3) < COSTS.predict(18, 3, 1, 2));
        let slow = Costs {
            latency: 1.0,
            ..COSTS
        };
        assert!(slow.predict(18, 4, 1, 2) > serial);
    }
}
