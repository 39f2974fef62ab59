//! A network named by its shape instead of a file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::Problem;
use crate::data::{Dataset, Normalization, ReadRequest, Split, open};
use crate::experiment::{ComputeOptions, Laboratory};
use crate::format::{Model, ModelCard, Open, load_model, parameter_hash};
use crate::network::{Factors, Family, FeatureShape, Plan, Terms, TrainableNetwork, Unit};
use crate::training::{Recipe, RecipeArchitecture, Restriction};

/// The shape of a network that is not given as a file.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "A network by its shape")]
pub(crate) struct ShapeArguments {
    /// Depth by the usual count (2 n + 2 for n basic blocks, 3 n + 2 for bottlenecks)
    #[arg(long, value_name = "LAYERS", conflicts_with_all = ["model", "blocks"])]
    pub depth: Option<usize>,
    /// Number of blocks, instead of the depth
    #[arg(long, value_name = "N", conflicts_with = "model")]
    pub blocks: Option<usize>,
    /// Functions per block
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub k: usize,
    /// What the functions of a block take
    #[arg(long, value_enum, default_value_t = Terms::Ways)]
    pub terms: Terms,
    /// What multiplies skips and functions
    #[arg(long, value_enum, default_value_t = Factors::One)]
    pub factors: Factors,
    /// Order of operations and layers of a function
    #[arg(long, value_enum, default_value_t = ArchitectureName::Preresnet)]
    pub arch: ArchitectureName,
    /// Channels of the stem and of the first stage [default: those of a shipped network, or 16]
    #[arg(long, value_name = "CHANNELS")]
    pub width: Option<i64>,
}

/// Families by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArchitectureName {
    /// Pre-activation, two 3x3 convolutions (with k > 1, a multi-resnet)
    Preresnet,
    /// Post-activation, two 3x3 convolutions
    Resnet,
    /// Pre-activation bottlenecks
    PreresnetBottleneck,
    /// Post-activation bottlenecks
    ResnetBottleneck,
    /// Layers with gates between carrying and computing
    Highway,
    /// Columns of 1, 2, 4, ... layers joined by their mean
    Fractal,
}

impl ArchitectureName {
    fn family(self) -> (Family, Unit) {
        match self {
            Self::Preresnet => (Family::Preresnet, Unit::Basic),
            Self::Resnet => (Family::Resnet, Unit::Basic),
            Self::PreresnetBottleneck => (Family::Preresnet, Unit::Bottleneck),
            Self::ResnetBottleneck => (Family::Resnet, Unit::Bottleneck),
            Self::Highway => (Family::Highway, Unit::Basic),
            Self::Fractal => (Family::Fractal, Unit::Basic),
        }
    }

    /// Convolutions of a block's function.
    pub fn layers_per_block(self) -> usize {
        let (family, unit) = self.family();
        family.layers_per_block(unit)
    }

    /// Layers beside those of the blocks.
    pub fn layers_around(self) -> usize {
        self.family().0.layers_around(3)
    }
}

/// Name of the environment variable for the folder of shipped models.
const ASSETS: &str = "PATHSCOPE_ASSETS";

/// The evaluation set for shapes that no asset has.
const EVALUATION: &str = "fashion-mnist-2000";

/// Images that normalisations of untrained networks are measured on.
const CALIBRATION: usize = 256;

impl ShapeArguments {
    /// The depth asked for. Errors: neither depth nor blocks.
    pub fn depth(&self) -> Result<usize, Problem> {
        match (self.depth, self.blocks) {
            (Some(depth), _) => Ok(depth),
            (None, Some(blocks)) => {
                Ok(self.arch.layers_per_block() * blocks + self.arch.layers_around())
            }
            (None, None) => Err(Problem::BadInput(
                "give a model file, or the shape of a network as --depth LAYERS (or --blocks N) \
                 and --k N"
                    .into(),
            )),
        }
    }

    /// The architecture asked for. Errors: no shape.
    pub fn architecture(&self) -> Result<RecipeArchitecture, Problem> {
        let (family, unit) = self.arch.family();
        Ok(RecipeArchitecture {
            family,
            unit,
            depth: self.depth()?,
            k: self.k,
            terms: self.terms,
            factors: self.factors,
            width: self.width,
            widening: 1,
            stages: None,
            groups: None,
            shortcut: None,
        })
    }

    /// The trained network of this shape that is shipped, with its file. Errors: no shape, or a
    /// shipped file that cannot be read.
    pub fn asset(&self) -> Result<Option<(PathBuf, Model)>, Problem> {
        let wanted = self.architecture()?;
        for folder in asset_folders() {
            let mut files: Vec<PathBuf> = folder
                .read_dir()?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
                .collect();
            files.sort();
            for file in files {
                let model = load_model(&file, None)?;
                if recipe(&model.card).is_some_and(|recipe| fits(&recipe, &wanted)) {
                    return Ok(Some((file, model)));
                }
            }
        }
        Ok(None)
    }

    /// The examples for shapes that no asset has: `location`, or the shipped evaluation set.
    /// Errors: no such data.
    pub fn examples(
        &self,
        location: Option<&Path>,
        limit: Option<usize>,
    ) -> Result<Dataset, Problem> {
        let shipped = || {
            asset_folders()
                .map(|folder| folder.join(EVALUATION))
                .find(|place| place.is_dir())
        };
        let place = location
            .map(Path::to_owned)
            .or_else(shipped)
            .ok_or_else(|| {
                Problem::BadInput(format!(
                    "no examples: give a data set with --data, or set {ASSETS} to the folder of the \
                     shipped assets"
                ))
            })?;
        let request = ReadRequest {
            limit,
            ..ReadRequest::new(Split::Test)
        };
        let data = open(&place, &request)?;
        data.require_images()?;
        Ok(data)
    }

    /// An untrained network of this shape: He-initialised, its normalisations measured on the first
    /// images of `data`. Errors: a shape that no network has, or data that do not fit it.
    pub fn untrained(
        &self,
        data: &Dataset,
        normalization: Normalization,
        seed: u64,
        compute: ComputeOptions,
    ) -> Result<Model, Problem> {
        let architecture = self.architecture()?;
        let [channels, height, width] = {
            let shape = data.shape();
            [shape.channels, shape.height, shape.width].map(|length| length as i64)
        };
        let classes = data.classes();
        let specification = architecture.build(channels, classes as i64)?.build()?;
        normalization.check(data.shape())?;
        let drawn = TrainableNetwork::initialized(&specification, seed)?;
        let few: Vec<usize> = (0..data.len().min(CALIBRATION)).collect();
        let few = data.select(&few)?;
        let laboratory = Laboratory::new(&drawn, &few, &few, &normalization, compute)?;
        let network = laboratory.recalibrated(&drawn, &Plan::intact(&specification))?;
        let hash = parameter_hash(&network)?;
        let card = ModelCard {
            title: format!("untrained {}", architecture.title()),
            specification,
            input: FeatureShape {
                channels,
                height,
                width,
            },
            normalization,
            framing: None,
            class_names: data.class_names().to_vec(),
            evaluation: None,
            training: None,
        };
        Ok(Model {
            card,
            network,
            hash,
            notes: Vec::new(),
            open: Open::default(),
            one_pixel_kernels: Vec::new(),
            graph_nodes: Vec::new(),
        })
    }
}

/// The recipe that a model states.
fn recipe(card: &ModelCard) -> Option<Recipe> {
    serde_json::from_value(card.training.as_ref()?.get("recipe")?.clone()).ok()
}

/// Whether a training by `recipe`, on all paths, makes a network of the shape `wanted`.
fn fits(recipe: &Recipe, wanted: &RecipeArchitecture) -> bool {
    let found = &recipe.architecture;
    let shape = RecipeArchitecture {
        width: wanted.width.and(found.width.or(Some(16))),
        shortcut: None,
        ..found.clone()
    };
    shape == *wanted && recipe.training.restriction == Restriction::None
}

/// Folders where shipped models may lie: named by the environment, here, or beside the program.
fn asset_folders() -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os(ASSETS).map(PathBuf::from);
    let program = std::env::current_exe().ok();
    let above: Vec<PathBuf> = program
        .iter()
        .flat_map(|program| program.ancestors().skip(1))
        .map(|folder| folder.join("assets"))
        .collect();
    named
        .into_iter()
        .chain([PathBuf::from("assets")])
        .chain(above)
        .filter(|folder| folder.join(EVALUATION).is_dir())
}
