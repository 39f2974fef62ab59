//! What a training would take, before it begins.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use tch::Device;

use super::answer::Answer;
use super::network::blocks;
use crate::cli::args::Format;
use crate::cli::{Problem, Terminal};
use crate::data::Dataset;
use crate::network::{FeatureShape, Plan, TrainableNetwork};
use crate::training::{Recipe, Trainer};

/// Multiply-adds of the forward pass over one measured mini-batch, at most.
const MEASURED: u64 = 10_000_000_000;
/// Measured mini-batches, after one that warms up.
const STEPS: usize = 4;

/// Prints the layers of a recipe's network, what it takes, and how long an epoch lasts on this
/// machine, from a few mini-batches of random images. Errors: a recipe whose network cannot be
/// built, or a device that refuses.
pub(crate) fn run(
    recipe: &Recipe,
    limit: Option<usize>,
    device: Device,
    terminal: &Terminal,
) -> Result<(), Problem> {
    let shape = recipe.data.shape();
    let classes = recipe.data.classes();
    let architecture = recipe
        .architecture
        .build(shape.channels as i64, classes as i64)?;
    let specification = architecture.build()?;
    let input = FeatureShape {
        channels: shape.channels as i64,
        height: shape.height as i64,
        width: shape.width as i64,
    };
    let cost = specification.cost(&Plan::intact(&specification), input)?;
    let training = &recipe.training;
    let examples = limit.map_or(recipe.data.examples(), |n| n.min(recipe.data.examples()));

    let affordable = (MEASURED / cost.multiply_adds.max(1)) as usize;
    let batch = training.batch.min(affordable.max(2));
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut pixels = vec![0; batch * (STEPS + 1) * shape.pixels()];
    generator.fill_bytes(&mut pixels);
    let labels = (0..batch * (STEPS + 1))
        .map(|example| (example % classes) as u16)
        .collect();
    let data = Dataset::new(shape, pixels, labels, classes, "made-up images")?;
    let network = TrainableNetwork::initialized(&specification, training.seed)?;
    let mut options = training.clone();
    options.batch = batch;
    let normalization = recipe.normalization()?;
    let mut trainer = Trainer::new(network.to_device(device)?, options, normalization)?;
    trainer.step(&data)?;
    let start = Instant::now();
    let mut measured = 0;
    for _ in 0..STEPS {
        measured += trainer.step(&data)?.examples;
    }
    let rate = measured as f64 / start.elapsed().as_secs_f64();

    let bytes = if training.precision.is_full() { 4 } else { 2 };
    let copies = if training.average.is_some() { 4 } else { 3 };
    let weights = cost.parameters * 4 * copies;
    let activations = cost.activations * bytes * training.batch as u64;
    let mega = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let seconds = examples as f64 / rate;
    let layers: usize = specification.layers().count();
    let mut answer = Answer::default();
    answer.text(format!("{}: {}", recipe.name, recipe.about));
    let title = recipe.architecture.title();
    let shapes = specification.shapes(input)?;
    answer.table("blocks", blocks(&title, &specification, &shapes)?);
    answer.text(format!(
        "{layers} layers, depth {}; {} parameters; {:.1} million multiply-adds in the forward pass \
         for an image of {shape}, about three times as many in training\n\
         memory: about {} for weights, gradients and momenta, and {} for the activations of a \
         mini-batch of {} (all paths)\n\
         time: {rate:.0} images/s over {STEPS} mini-batches of {batch} on {}; an epoch of \
         {examples} about {}, {} epochs about {}",
        architecture.depth(),
        cost.parameters,
        cost.multiply_adds as f64 / 1e6,
        mega(weights),
        mega(activations),
        training.batch,
        format!("{device:?}").to_lowercase(),
        duration(seconds),
        training.epochs,
        duration(seconds * training.epochs as f64),
    ));
    answer.print(Format::Table, terminal)
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6_000.0 => format!("{:.0} min", s / 60.0),
        s if s < 360_000.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
