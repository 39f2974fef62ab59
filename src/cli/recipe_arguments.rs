use std::fs;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::Problem;
use crate::network::{Family, Unit};
use crate::report::Journal;
use crate::report::gradient::summarize;
use crate::report::plot::SHARE;
use crate::training::{Precision, Recipe, Restriction, Schedule, SurvivalMode};

/// Changes to a recipe: each wins over what the recipe says.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Changes to the recipe")]
pub(super) struct RecipeArguments {
    /// Order of operations in a block.
    #[arg(long, value_enum)]
    family: Option<FamilyName>,
    /// Layers of a residual function.
    #[arg(long, value_enum)]
    unit: Option<UnitName>,
    /// Number of layers by the usual count (2 n + 2 for n basic blocks).
    #[arg(long, value_name = "LAYERS")]
    depth: Option<usize>,
    /// Residual functions in each block.
    #[arg(long, value_name = "N")]
    k: Option<usize>,
    /// Channels of the stem and of the first stage.
    #[arg(long, value_name = "CHANNELS")]
    width: Option<i64>,
    /// Factor on the channels of every stage, not of the stem.
    #[arg(long, value_name = "FACTOR")]
    widening: Option<i64>,
    /// Normalisation of the inputs: imagenet, cifar10, cifar100, mnist, fashion-mnist, half or
    /// none.
    #[arg(long, value_name = "PRESET")]
    normalize: Option<String>,
    /// Times that every example is seen.
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Examples per mini-batch.
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Highest learning rate.
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// How the learning rate moves: to a tenth at 81/164 and 122/164 of the training, along half
    /// a cosine after 5 % of linear rise, or up to 25 % and down in straight lines.
    #[arg(long, value_enum)]
    schedule: Option<ScheduleName>,
    /// Share of the last step that the next one keeps.
    #[arg(long, value_name = "SHARE")]
    momentum: Option<f64>,
    /// Weight decay on every trained tensor.
    #[arg(long, value_name = "DECAY")]
    weight_decay: Option<f64>,
    /// Largest norm of the whole gradient.
    #[arg(long, value_name = "NORM")]
    clip: Option<f64>,
    /// Share of the probability that the other classes are given in the target.
    #[arg(long, value_name = "SHARE")]
    label_smoothing: Option<f64>,
    /// Keep a running average of the network that forgets 1 - DECAY per mini-batch, and evaluate
    /// and save that.
    #[arg(long, value_name = "DECAY")]
    average: Option<f64>,
    /// Mirror no images.
    #[arg(long)]
    no_flip: bool,
    /// Furthest random shift of an image.
    #[arg(long, value_name = "PIXELS")]
    shift: Option<usize>,
    /// Train exactly this many randomly chosen blocks per mini-batch (Veit et al. 2016: 23 of 54).
    #[arg(long, value_name = "BLOCKS", group = "restriction")]
    effective_paths: Option<usize>,
    /// Train exactly this many randomly chosen functions per mini-batch, whatever their blocks.
    #[arg(long, value_name = "FUNCTIONS", group = "restriction")]
    effective_functions: Option<usize>,
    /// Train numbers of blocks drawn so that path lengths centre between FROM and TO, or in the
    /// effective range of the spectrum in FILE, a journal of gradient-spectrum.
    #[arg(long, value_name = "FROM:TO|FILE", group = "restriction")]
    effective_range: Option<String>,
    /// Stochastic depth: the last block survives with probability P, earlier ones linearly more
    /// often (Huang et al. 2016).
    #[arg(long, value_name = "P", group = "restriction")]
    stochastic_depth: Option<f64>,
    /// Train every path, whatever the recipe says.
    #[arg(long, group = "restriction")]
    all_paths: bool,
    /// Compute what --effective-paths or --effective-functions leaves out in the forward pass;
    /// only the gradient is restricted.
    #[arg(long)]
    backward_only: bool,
    /// Draw --stochastic-depth for each example instead of each mini-batch; every block is
    /// computed.
    #[arg(long, requires = "stochastic_depth")]
    per_example: bool,
    /// In which numbers activations and convolutions are computed; weights stay in 32 bits.
    #[arg(long, value_enum)]
    precision: Option<PrecisionName>,
    /// Seed of every random choice.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum FamilyName {
    Resnet,
    Preresnet,
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum UnitName {
    Basic,
    Bottleneck,
    BottleneckStrideFirst,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum PrecisionName {
    /// 32 bits.
    Float32,
    /// bfloat16: for CUDA; slower on most CPUs.
    Bf16,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum ScheduleName {
    Step,
    Cosine,
    OneCycle,
}

impl RecipeArguments {
    /// Whether there is no change at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The recipe called `name`, or in the file of that name, with these changes.
    ///
    /// # Errors
    /// No such recipe, or one that cannot be read.
    pub fn recipe(&self, name: &str) -> Result<Recipe, Problem> {
        let file = Path::new(name);
        let mut recipe = if file
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = fs::read_to_string(file)
                .map_err(|fault| Problem::BadInput(format!("{name}: {fault}")))?;
            Recipe::parse(&text, name)?
        } else {
            Recipe::named(name)?
        };
        let seed_alone = Self {
            seed: self.seed,
            ..Self::default()
        };
        if *self != seed_alone {
            // A row of the paper is about the recipe as it is, over several seeds.
            recipe.paper = None;
        }
        self.change(&mut recipe)?;
        Ok(recipe)
    }

    fn change(&self, recipe: &mut Recipe) -> Result<(), Problem> {
        let architecture = &mut recipe.architecture;
        let training = &mut recipe.training;
        let optimizer = &mut training.optimizer;
        set(&mut architecture.family, self.family.map(family));
        set(&mut architecture.unit, self.unit.map(unit));
        set(&mut architecture.depth, self.depth);
        set(&mut architecture.k, self.k);
        set(&mut architecture.width, self.width.map(Some));
        set(&mut architecture.widening, self.widening);
        set(&mut recipe.normalization, self.normalize.clone().map(Some));
        set(&mut optimizer.momentum, self.momentum);
        set(&mut optimizer.weight_decay, self.weight_decay);
        set(&mut optimizer.clip, self.clip.map(Some));
        set(&mut training.epochs, self.epochs);
        set(&mut training.batch, self.batch);
        set(&mut training.learning_rate, self.learning_rate);
        set(&mut training.schedule, self.schedule.map(schedule));
        set(&mut training.label_smoothing, self.label_smoothing);
        set(&mut training.average, self.average.map(Some));
        set(&mut training.augmentation.shift, self.shift);
        set(
            &mut training.augmentation.flip,
            self.no_flip.then_some(false),
        );
        set(&mut training.restriction, self.restriction()?);
        set(&mut training.precision, self.precision.map(precision));
        set(&mut training.seed, self.seed);
        if self.backward_only {
            match &mut training.restriction {
                Restriction::EffectivePaths { backward_only, .. }
                | Restriction::EffectiveFunctions { backward_only, .. } => *backward_only = true,
                _ => {
                    return Err(Problem::BadInput(
                        "--backward-only needs --effective-paths or --effective-functions".into(),
                    ));
                }
            }
        }
        Ok(())
    }

    fn restriction(&self) -> Result<Option<Restriction>, Problem> {
        let mode = if self.per_example {
            SurvivalMode::Example
        } else {
            SurvivalMode::Batch
        };
        if self.all_paths {
            return Ok(Some(Restriction::None));
        }
        let paths = self
            .effective_paths
            .map(|blocks| Restriction::EffectivePaths {
                blocks,
                backward_only: false,
            });
        let functions = self
            .effective_functions
            .map(|functions| Restriction::EffectiveFunctions {
                functions,
                backward_only: false,
            });
        let range = self.effective_range.as_deref().map(range).transpose()?;
        let range = range.map(|(from, to)| Restriction::EffectiveRange { from, to });
        let depth = self
            .stochastic_depth
            .map(|last| Restriction::StochasticDepth { last, mode });
        Ok(paths.or(functions).or(range).or(depth))
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn family(name: FamilyName) -> Family {
    match name {
        FamilyName::Resnet => Family::Resnet,
        FamilyName::Preresnet => Family::Preresnet,
        FamilyName::Plain => Family::Plain,
    }
}

fn unit(name: UnitName) -> Unit {
    match name {
        UnitName::Basic => Unit::Basic,
        UnitName::Bottleneck => Unit::Bottleneck,
        UnitName::BottleneckStrideFirst => Unit::BottleneckStrideFirst,
    }
}

fn schedule(name: ScheduleName) -> Schedule {
    match name {
        ScheduleName::Step => Schedule::Step {
            milestones: vec![81.0 / 164.0, 122.0 / 164.0],
        },
        ScheduleName::Cosine => Schedule::Cosine { warm_up: 0.05 },
        ScheduleName::OneCycle => Schedule::OneCycle { peak: 0.25 },
    }
}

fn precision(name: PrecisionName) -> Precision {
    match name {
        PrecisionName::Float32 => Precision::Float32,
        PrecisionName::Bf16 => Precision::Bf16,
    }
}

/// `5:17`, or the effective range of a measured spectrum: of the exact sum of the gradient by
/// length where it was measured, or else of its energy, or else of the paths drawn.
fn range(text: &str) -> Result<(usize, usize), Problem> {
    let numbers = text
        .split_once(':')
        .and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    if let Some((from, to)) = numbers {
        return Ok((from, to));
    }
    let file = Path::new(text);
    if !file.exists() {
        return Err(Problem::BadInput(format!(
            "--effective-range {text}: give the shortest and the longest path length, such as \
             5:17, or a file that gradient-spectrum --json wrote"
        )));
    }
    let journal = Journal::read(file).map_err(|fault| Problem::BadInput(fault.to_string()))?;
    let summary = summarize(&journal.header, &journal.spectra(), SHARE);
    let measure = summary.and_then(|summary| summary.measures.into_iter().next());
    let range = measure.ok_or_else(|| {
        Problem::BadInput(format!(
            "{text} holds no spectrum of a gradient; measure one with gradient-spectrum --json"
        ))
    })?;
    Ok((range.range.first, range.range.last))
}
