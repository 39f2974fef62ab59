use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use toml::{Table, Value};

use crate::cli::Problem;
use crate::report::Journal;
use crate::report::gradient::summarize;
use crate::report::plot::SHARE;
use crate::training::{Recipe, Restriction, SurvivalMode};

/// Changes to a recipe: each wins over what the recipe says.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Changes to the recipe")]
pub(crate) struct RecipeArguments {
    #[command(flatten)]
    fields: FieldArguments,
    /// Number of random blocks to train per mini-batch (Veit et al. 2016: 23 of 54)
    #[arg(long, value_name = "BLOCKS", group = "restriction")]
    effective_paths: Option<usize>,
    /// Number of random functions to train per mini-batch, from all blocks
    #[arg(long, value_name = "FUNCTIONS", group = "restriction")]
    effective_functions: Option<usize>,
    /// Path lengths to train: numbers of blocks are drawn so that lengths centre between FROM and
    /// TO, or in the effective range of the spectrum in a results file of gradient-spectrum
    #[arg(long, value_name = "FROM:TO|FILE", group = "restriction")]
    effective_range: Option<String>,
    /// Stochastic depth (Huang et al. 2016): probability that the last block survives, which rises
    /// linearly to 1 towards the first
    #[arg(long, value_name = "P", group = "restriction")]
    stochastic_depth: Option<f64>,
    /// Drop-path (Larsson et al. 2016), for fractal networks: probability that a function is dropped, in
    /// the half of the mini-batches that do not train a single column
    #[arg(long, value_name = "P", group = "restriction")]
    drop_path: Option<f64>,
    /// Train every path, whatever the recipe says
    #[arg(long, group = "restriction")]
    all_paths: bool,
    /// Restrict only the gradient: --effective-paths and --effective-functions leave the forward
    /// pass whole
    #[arg(long)]
    backward_only: bool,
    /// Draw --stochastic-depth per example instead of per mini-batch (every block is computed)
    #[arg(long, requires = "stochastic_depth")]
    per_example: bool,
}

/// Options that set one field of a recipe: their names, where the field lies in the TOML file, what
/// the value is called, and the help.
#[rustfmt::skip]
const FIELDS: [(&str, &str, &str, &str); 19] = [
    ("family", "architecture.family", "FAMILY", "Order of operations in a block: resnet, preresnet or plain"),
    ("unit", "architecture.unit", "UNIT", "Layers of a function: basic, bottleneck or bottleneck-stride-first"),
    ("depth", "architecture.depth", "LAYERS", "Depth by the usual count (2 n + 2 for n basic blocks)"),
    ("k", "architecture.k", "N", "Functions per block"),
    ("width", "architecture.width", "CHANNELS", "Channels of the stem and of the first stage"),
    ("widening", "architecture.widening", "FACTOR", "Factor on the channels of every stage, not of the stem"),
    ("normalize", "normalization", "NORMALISATION", "Normalisation of the inputs: imagenet, cifar10, cifar100, mnist, fashion-mnist, half, none, bytes (0 to 255), or means and deviations such as 0.49,0.48,0.45/0.20,0.20,0.20"),
    ("epochs", "training.epochs", "N", "Number of epochs"),
    ("batch", "training.batch", "N", "Examples per mini-batch"),
    ("learning-rate", "training.learning_rate", "RATE", "Highest learning rate"),
    ("schedule", "training.schedule", "SCHEDULE", "Learning rate over the training: step (a tenth at 81/164 and 122/164), cosine (after 5 % of linear rise) or one-cycle (linear rise to 25 %, then linear fall)"),
    ("momentum", "training.optimizer.momentum", "SHARE", "Momentum of the optimiser"),
    ("weight-decay", "training.optimizer.weight_decay", "DECAY", "Weight decay on every trained tensor"),
    ("clip", "training.optimizer.clip", "NORM", "Largest norm of the whole gradient"),
    ("label-smoothing", "training.label_smoothing", "SHARE", "Share of the target probability that goes to the other classes"),
    ("average", "training.average", "DECAY", "Decay per mini-batch of a running average of the weights, which is evaluated and saved"),
    ("shift", "training.augmentation.shift", "PIXELS", "Largest random shift of an image"),
    ("precision", "training.precision", "PRECISION", "Precision of activations and convolutions: float32 or bf16 (for CUDA; weights stay in float32)"),
    ("seed", SEED, "N", "Seed of random choices"),
];

const SEED: &str = "training.seed";

/// The fields that options set, in the order in which they are set.
#[derive(Clone, Debug, Default, PartialEq)]
struct FieldArguments {
    changes: Vec<Change>,
}

/// A field of a recipe and its new value.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    /// As it was given.
    text: String,
    path: String,
    value: Value,
}

impl Args for FieldArguments {
    fn augment_args(command: Command) -> Command {
        let options = FIELDS.into_iter().map(|(option, _, value, help)| {
            Arg::new(option).long(option).value_name(value).help(help)
        });
        command
            .args(options)
            .arg(
                Arg::new("no-flip")
                    .long("no-flip")
                    .action(ArgAction::SetTrue)
                    .help("Do not mirror images"),
            )
            .arg(
                Arg::new("set")
                    .long("set")
                    .value_name("FIELD=VALUE")
                    .action(ArgAction::Append)
                    .help("Any field of the recipe, such as training.epochs=30 (repeatable)"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FieldArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut changes = Vec::new();
        for (option, path, ..) in FIELDS {
            changes.extend(matches.get_one::<String>(option).map(|text| Change {
                text: format!("--{option} {text}"),
                path: path.to_owned(),
                value: value_of(option, text),
            }));
        }
        if matches.get_flag("no-flip") {
            changes.push(Change {
                text: "--no-flip".to_owned(),
                path: "training.augmentation.flip".to_owned(),
                value: Value::Boolean(false),
            });
        }
        for text in matches.get_many::<String>("set").into_iter().flatten() {
            let (path, value) = text.split_once('=').ok_or_else(|| {
                let why = format!(
                    "--set {text}: give a field and its value, such as training.epochs=30\n"
                );
                clap::Error::raw(clap::error::ErrorKind::ValueValidation, why)
            })?;
            changes.push(Change {
                text: format!("--set {text}"),
                path: path.trim().to_owned(),
                value: toml_value(value.trim()),
            });
        }
        Ok(Self { changes })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The value in TOML that `text` means for an option.
fn value_of(option: &str, text: &str) -> Value {
    let schedule = |name: &str, field: &str, value: Value| {
        let name = ("schedule".to_owned(), Value::from(name));
        Value::Table([name, (field.to_owned(), value)].into_iter().collect())
    };
    match (option, text) {
        ("schedule", "step") => schedule(
            "step",
            "milestones",
            Value::from(vec![81.0 / 164.0, 122.0 / 164.0]),
        ),
        ("schedule", "cosine") => schedule("cosine", "warm_up", Value::from(0.05)),
        ("schedule", "one-cycle") => schedule("one_cycle", "peak", Value::from(0.25)),
        ("normalize", _) => Value::from(text),
        ("family" | "unit" | "precision", _) => Value::from(text.replace('-', "_")),
        _ => toml_value(text),
    }
}

/// `text` as a value of TOML, or as a string if it is none.
fn toml_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let value = parsed.and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::from(text))
}

impl Change {
    /// The recipe with this change.
    fn apply(&self, recipe: &Recipe) -> Result<Recipe, Problem> {
        let refused = |fault: &dyn std::fmt::Display| {
            Problem::BadInput(format!("{}: {}", self.text, fault.to_string().trim_end()))
        };
        let mut whole = Table::try_from(recipe).map_err(|fault| refused(&fault))?;
        let mut table = &mut whole;
        let mut names: Vec<&str> = self.path.split('.').collect();
        let field = names.pop().unwrap_or_default();
        for name in names {
            let inner = table.entry(name).or_insert_with(|| Table::new().into());
            let inner = inner.as_table_mut();
            table = inner.ok_or_else(|| refused(&format!("`{name}` has no fields")))?;
        }
        table.insert(field.to_owned(), self.value.clone());
        let changed: Recipe = whole.try_into().map_err(|fault| refused(&fault))?;
        changed.training.check().map_err(|fault| refused(&fault))?;
        Ok(changed)
    }
}

impl RecipeArguments {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The recipe called `name`, or in the file of that name, with these changes. Errors: no such
    /// recipe, or one that cannot be read.
    pub fn recipe(&self, name: &str) -> Result<Recipe, Problem> {
        let file = Path::new(name);
        let mut recipe = if file.extension().is_some_and(|ending| ending == "toml") {
            let text = fs::read_to_string(file)
                .map_err(|fault| Problem::BadInput(format!("{name}: {fault}")))?;
            Recipe::parse(&text, name)?
        } else {
            Recipe::named(name)?
        };
        for change in &self.fields.changes {
            recipe = change.apply(&recipe)?;
        }
        if let Some(restriction) = self.restriction()? {
            recipe.training.restriction = restriction;
        }
        if self.backward_only {
            match &mut recipe.training.restriction {
                Restriction::EffectivePaths { backward_only, .. }
                | Restriction::EffectiveFunctions { backward_only, .. } => *backward_only = true,
                _ => {
                    return Err(Problem::BadInput(
                        "--backward-only needs --effective-paths or --effective-functions".into(),
                    ));
                }
            }
        }
        if !self.changes_seed_alone() {
            // A row of the paper is about the recipe as it is, over several seeds.
            recipe.paper = None;
        }
        Ok(recipe)
    }

    fn changes_seed_alone(&self) -> bool {
        let seed = |change: &Change| change.path == SEED;
        let without_fields = Self {
            fields: FieldArguments::default(),
            ..self.clone()
        };
        self.fields.changes.iter().all(seed) && without_fields.is_empty()
    }

    fn restriction(&self) -> Result<Option<Restriction>, Problem> {
        let mode = match self.per_example {
            true => SurvivalMode::Example,
            false => SurvivalMode::Batch,
        };
        if self.all_paths {
            return Ok(Some(Restriction::None));
        }
        let backward_only = false;
        let paths = self
            .effective_paths
            .map(|blocks| Restriction::EffectivePaths {
                blocks,
                backward_only,
            });
        let functions = self
            .effective_functions
            .map(|functions| Restriction::EffectiveFunctions {
                functions,
                backward_only,
            });
        let range = self.effective_range.as_deref().map(range).transpose()?;
        let range = range.map(|(from, to)| Restriction::EffectiveRange { from, to });
        let depth = self
            .stochastic_depth
            .map(|last| Restriction::StochasticDepth { last, mode });
        let drops = self.drop_path.map(Restriction::drop_path);
        Ok(paths.or(functions).or(range).or(depth).or(drops))
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
             5:17, or a results file of gradient-spectrum"
        )));
    }
    let journal = Journal::read(file)?;
    let summary = summarize(&journal.header, &journal.spectra(), SHARE);
    let measure = summary.and_then(|summary| summary.measures.into_iter().next());
    let range = measure.ok_or_else(|| {
        Problem::BadInput(format!(
            "{text} holds no spectrum of a gradient; measure one with gradient-spectrum --results"
        ))
    })?;
    Ok((range.range.first, range.range.last))
}
