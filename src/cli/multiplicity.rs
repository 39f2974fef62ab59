use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::{BlockPaths, LengthRange, PathCounts, PathCountsError};

use super::selector::Selection;
use super::shape_arguments::ShapeArguments;
use super::terminal::Terminal;
use super::{Problem, multiplicity_table, picture_file};
use crate::format::load_model;
use crate::network::{Layer, Operation, Specification};
use crate::report::plot::multiplicity;
use crate::report::{PathCountsFile, Theme};

/// Counts the paths and the configurations of networks exactly, and shows the laws of their
/// lengths.
///
/// Two conventions, side by side. Configurations switch every function on or off: 2^(k n), the
/// multiplicity of Abdi & Nahavandi (arXiv 1609.05672). Paths are the terms of the gradient's
/// product, which take in every block the skip or one function: (k + 1)^n. Lengths are in modules
/// (functions taken) and in layers (convolutions passed; stem and head not counted).
///
/// Example: pathscope multiplicity --depth 110 --k 1 --between 5:17
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    shape: ShapeArguments,
    /// Residual functions of each block, where they differ; instead of --blocks and --k.
    #[arg(
        long,
        value_name = "K,K,...",
        value_delimiter = ',',
        conflicts_with_all = ["model", "depth", "blocks", "k"]
    )]
    functions: Vec<usize>,
    /// Take the network of this model file.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Delete these blocks or functions first: 17, layer2.3, 3-5, 17.2 (function 2 of block 17).
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    drop_block: Vec<String>,
    /// Tell which share of the paths has FIRST to LAST modules.
    #[arg(long, value_name = "FIRST:LAST", value_parser = range)]
    between: Option<LengthRange>,
    /// Set networks of so many layers and functions per block beside it: 110x1,30x4.
    #[arg(long, value_name = "DEPTHxK,...", value_delimiter = ',', value_parser = design)]
    compare: Vec<(usize, usize)>,
    /// Show every length instead of those that hold nearly all paths.
    #[arg(long, conflicts_with = "json")]
    full: bool,
    /// Write a picture of the laws, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print one JSON object instead of tables; `pathscope plot` reads it too.
    #[arg(long)]
    json: bool,
}

/// Functions beyond which nobody has a network, and their names would fill the memory.
const MOST_FUNCTIONS: usize = 100_000;

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let file = PathCountsFile::new(networks(arguments)?);
    if let Some(place) = &arguments.plot {
        let picture = multiplicity(&file.networks)
            .ok_or_else(|| Problem::BadInput("there is no network to draw".into()))?;
        picture_file::write(&picture, Theme::Light, place)?;
        terminal.remark(&format!("picture: {}", place.display()));
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&file);
        return terminal.result(&text.map_err(|fault| Problem::Failed(fault.to_string()))?);
    }
    multiplicity_table::print(&file.networks, arguments.full, terminal)
}

fn networks(arguments: &Arguments) -> Result<Vec<PathCounts>, Problem> {
    let shape = &arguments.shape;
    let asked = shape.depth.is_some() || shape.blocks.is_some();
    let mut networks = Vec::new();
    if let Some(file) = &arguments.model {
        let card = load_model(file, None)?.card;
        networks.push((card.title, card.specification));
    } else if asked || !arguments.functions.is_empty() || arguments.compare.is_empty() {
        networks.push(of_shape(shape, &arguments.functions)?);
    } else if !arguments.drop_block.is_empty() {
        return Err(Problem::BadInput(
            "--drop-block needs the network that it is about: give --depth, --blocks or --model"
                .into(),
        ));
    }
    let changed = usize::from(!arguments.drop_block.is_empty());
    for &(depth, k) in &arguments.compare {
        let design = ShapeArguments {
            depth: Some(depth),
            blocks: None,
            k,
            ..shape.clone()
        };
        networks.push(of_shape(&design, &[])?);
    }
    let mut counted = Vec::new();
    for (index, (name, specification)) in networks.iter().enumerate() {
        counted.push(count(name.clone(), specification, &[], arguments.between)?);
        if index < changed {
            let drop = &arguments.drop_block;
            let name = format!("{name} without {}", drop.join(", "));
            counted.push(count(name, specification, drop, arguments.between)?);
        }
    }
    Ok(counted)
}

/// Name and description of the network of a shape, for CIFAR-10: 3 channels, 10 classes.
fn of_shape(
    shape: &ShapeArguments,
    functions: &[usize],
) -> Result<(String, Specification), Problem> {
    const CHANNELS: i64 = 3;
    const CLASSES: i64 = 10;
    let each = shape.arch.layers_per_block();
    let blocks = match shape.blocks {
        _ if !functions.is_empty() => functions.len(),
        Some(blocks) => blocks,
        None => shape.depth()?.saturating_sub(2) / each,
    };
    let all = if functions.is_empty() {
        blocks.saturating_mul(shape.k)
    } else {
        functions.iter().copied().fold(0, usize::saturating_add)
    };
    if all.max(blocks) > MOST_FUNCTIONS {
        return Err(Problem::BadInput(format!(
            "{blocks} blocks with {all} functions are too many; {MOST_FUNCTIONS} is the most"
        )));
    }
    // Fewer than three blocks leave stages empty, which no trained network does.
    let whole = ShapeArguments {
        depth: match shape.depth {
            Some(depth) => Some(depth),
            None => Some(each * blocks.max(3) + 2),
        },
        ..shape.clone()
    };
    let recipe = whole.architecture()?;
    let mut architecture = recipe.build(CHANNELS, CLASSES)?;
    let mut name = recipe.title();
    if blocks < 3 {
        architecture.stages = vec![1; blocks];
        architecture.functions.truncate(blocks);
        name = format!("{blocks} block(s) of k={}", shape.k);
    }
    if !functions.is_empty() {
        architecture.functions = functions.to_vec();
        name = format!("{blocks} block(s) of k={functions:?}");
    }
    Ok((name, architecture.build()?))
}

fn count(
    name: String,
    specification: &Specification,
    drop: &[String],
    between: Option<LengthRange>,
) -> Result<PathCounts, Problem> {
    let mut blocks = block_paths(specification)?;
    let mut single = Vec::new();
    for selector in drop {
        match Selection::find(selector, specification)? {
            Selection::Blocks(found) => {
                for block in found {
                    if let Some(block) = blocks.get_mut(block.position()) {
                        block.functions.clear();
                    }
                }
            }
            Selection::Function(function) => single.push(function),
        }
    }
    // From the last, so that the numbers of those still to delete stay valid.
    single.sort_unstable();
    single.dedup();
    let mut kept = specification.parameter_count();
    for function in single.into_iter().rev() {
        if let Some(block) = blocks.get_mut(function.block.position())
            && function.function < block.functions.len()
        {
            block.functions.remove(function.function);
        }
    }
    if !drop.is_empty() {
        kept = 0;
    }
    let parameters = u64::try_from(kept).ok().filter(|&kept| kept > 0);
    Ok(PathCounts::new(name, blocks, parameters, between)?)
}

/// The ways through each block, in layers.
fn block_paths(specification: &Specification) -> Result<Vec<BlockPaths>, Problem> {
    let blocks = specification.blocks.iter();
    let counted = blocks.map(|block| {
        let skip = block.skip.as_deref().ok_or_else(|| {
            Problem::BadInput(format!(
                "{} has no skip: a plain network has one path, and no law of lengths",
                block.name
            ))
        })?;
        Ok(BlockPaths {
            skip: convolutions(skip),
            functions: block
                .branches
                .iter()
                .map(|branch| convolutions(&branch.layers))
                .collect(),
        })
    });
    counted.collect()
}

fn convolutions(layers: &[Layer]) -> usize {
    let is_convolution = |layer: &&Layer| matches!(layer.operation, Operation::Convolution { .. });
    layers.iter().filter(is_convolution).count()
}

impl From<PathCountsError> for Problem {
    fn from(error: PathCountsError) -> Self {
        Self::BadInput(error.to_string())
    }
}

/// `5:17`.
fn range(text: &str) -> Result<LengthRange, String> {
    let ends = text.split_once(':').ok_or("give the two ends, as 5:17")?;
    let end = |text: &str| {
        text.parse::<usize>()
            .map_err(|_| format!("`{text}` is no length; give two ends, as 5:17"))
    };
    let (first, last) = (end(ends.0)?, end(ends.1)?);
    if first > last {
        return Err(format!("the range runs backwards; give {last}:{first}"));
    }
    Ok(LengthRange { first, last })
}

/// `110x1`.
fn design(text: &str) -> Result<(usize, usize), String> {
    let parts = text
        .split_once('x')
        .and_then(|(depth, k)| Some((depth.parse::<usize>().ok()?, k.parse::<usize>().ok()?)));
    parts.ok_or_else(|| format!("`{text}` is no design; give layers and functions, as 110x1"))
}
