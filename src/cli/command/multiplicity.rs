use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::{
    BlockPaths, LengthRange, PathCounts, PathCountsError, PathPolynomial, WeightedTerm,
};

use super::Execute;
use crate::cli::args::{FormatArguments, OutputArguments, PICTURES, Selection, ShapeArguments};
use crate::cli::show::answer::Answer;
use crate::cli::show::picture_file;
use crate::cli::{Problem, Terminal};
use crate::format::load_model;
use crate::network::{BlockFactors, FunctionIndex, Layer, Operation, Specification};
use crate::report::PathCountsFile;
use crate::report::plot::multiplicity;
use crate::report::view::multiplicity as view;

/// Count the paths and configurations of a network, and show their distribution by length
///
/// Counts are exact, in two conventions. A configuration computes or omits each function: 2^(k n),
/// the multiplicity of Abdi & Nahavandi (arXiv 1609.05672). A path is a term of the gradient's
/// product, which takes the skip or one function in every block: (k + 1)^n. The length of a path is
/// its number of functions, or in layers its number of convolutions (without stem and head).
///
/// Example: pathscope multiplicity --depth 110 --k 1 --between 5:17
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    shape: ShapeArguments,
    /// Number of functions in each block, if they differ (instead of --blocks and --k)
    #[arg(
        long,
        value_name = "K,K,...",
        value_delimiter = ',',
        conflicts_with_all = ["model", "depth", "blocks", "k"]
    )]
    functions: Vec<usize>,
    /// Model file to count instead
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Blocks or functions to delete first: 17, layer2.3, 3-5, or 17.2 (function 2 of block 17)
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    drop_block: Vec<String>,
    /// Path lengths whose share of all paths is printed
    #[arg(long, value_name = "FIRST:LAST", value_parser = range)]
    between: Option<LengthRange>,
    /// Networks to compare, as depth x functions per block: 110x1,30x4
    #[arg(long, value_name = "DEPTHxK,...", value_delimiter = ',', value_parser = design)]
    compare: Vec<(usize, usize)>,
    /// Print every length, not only those that hold nearly all paths
    #[arg(long)]
    full: bool,
    /// Plot file (.svg, .pdf or .png) of the distributions
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArguments,
    #[command(flatten)]
    outputs: OutputArguments,
}

/// Largest number of functions: beyond it, their names alone would fill the memory.
const MOST_FUNCTIONS: usize = 100_000;

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        if let Some(plot) = &self.plot {
            self.outputs.check(plot, PICTURES, &self.model)?;
        }
        let file = PathCountsFile::new(networks(self)?);
        if let Some(plot) = &self.plot {
            let picture = multiplicity(&file.networks)
                .ok_or_else(|| Problem::BadInput("there is no network to plot".into()))?;
            picture_file::write(&picture, plot, terminal)?;
        }
        let mut answer = answer(&file.networks, if self.full { 0.0 } else { SHOWN });
        answer.document(serde_json::to_value(&file)?);
        answer.print(self.format.get(), terminal)
    }
}

/// Lengths with a smaller share are left out, unless all are asked for.
const SHOWN: f64 = 1e-6;

/// Both conventions and the distributions of one network, or several side by side; lengths are left
/// out whose share is below `least`.
fn answer(networks: &[PathCounts], least: f64) -> Answer {
    let mut answer = Answer::default();
    let several = networks.len() > 1;
    if several {
        answer.table("networks", view::networks(networks));
    }
    for counts in networks {
        answer.table("conventions", view::conventions(counts));
        if several {
            continue;
        }
        if let Some(text) = view::between(counts) {
            answer.text(text);
        }
        answer.table("distributions", view::distributions(counts));
        answer.table("lengths", view::lengths(counts, least));
        if counts.layers_per_module().is_none() {
            answer.table("layers", view::layers(counts, least));
        }
    }
    answer
}

fn networks(arguments: &Arguments) -> Result<Vec<PathCounts>, Problem> {
    let shape = &arguments.shape;
    let asked = shape.depth.is_some() || shape.blocks.is_some();
    let mut networks = Vec::new();
    let mut factors = None;
    if let Some(file) = &arguments.model {
        let model = load_model(file, None)?;
        factors = model.network.factors()?;
        networks.push((model.card.title, model.card.specification));
    } else if asked || !arguments.functions.is_empty() || arguments.compare.is_empty() {
        networks.push(of_shape(shape, &arguments.functions)?);
    } else if !arguments.drop_block.is_empty() {
        return Err(Problem::BadInput(
            "--drop-block needs a network: give --depth, --blocks or --model".into(),
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
        let whole = count(name.clone(), specification, &[], arguments.between)?;
        counted.push(match factors.take() {
            Some(factors) => whole.with_factors(&weights(specification, &factors))?,
            None => whole,
        });
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
        None => shape.depth()?.saturating_sub(shape.arch.layers_around()) / each,
    };
    let all = if functions.is_empty() {
        blocks.saturating_mul(shape.k)
    } else {
        functions.iter().copied().fold(0, usize::saturating_add)
    };
    if all.max(blocks) > MOST_FUNCTIONS {
        return Err(Problem::BadInput(format!(
            "{blocks} blocks with {all} functions are too many: at most {MOST_FUNCTIONS} can be \
             counted"
        )));
    }
    // Fewer than three blocks leave stages empty, which no trained network does.
    let whole = ShapeArguments {
        depth: match shape.depth {
            Some(depth) => Some(depth),
            None => Some(each * blocks.max(3) + shape.arch.layers_around()),
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
    let (mut modules, mut layers) = block_paths(specification)?;
    let mut deleted = Vec::new();
    for selector in drop {
        match Selection::find(selector, specification)? {
            Selection::Blocks(found) => {
                for block in found {
                    let functions = specification.block(block)?.functions.len();
                    let index = |function| FunctionIndex { block, function };
                    deleted.extend((0..functions).map(index));
                }
            }
            Selection::Function(function) => deleted.push(function),
        }
    }
    // From the last, so that the numbers of those still to delete stay valid.
    deleted.sort_unstable();
    deleted.dedup();
    for FunctionIndex { block, function } in deleted.into_iter().rev() {
        for blocks in [&mut modules, &mut layers] {
            if let Some(block) = blocks.get_mut(block.position()) {
                block.delete(function..=function);
            }
        }
    }
    let kept = match drop {
        [] => u64::try_from(specification.parameter_count()).ok(),
        _ => None,
    };
    let network = |blocks| PathPolynomial::with_lengths(blocks).map_err(PathCountsError::from);
    let (modules, layers) = (network(modules)?, network(layers)?);
    Ok(PathCounts::of(name, &modules, &layers, kept, between)?)
}

/// The ways through each block, in modules and in layers.
fn block_paths(
    specification: &Specification,
) -> Result<(Vec<BlockPaths>, Vec<BlockPaths>), Problem> {
    let blocks = specification.blocks.iter();
    if blocks.clone().all(|block| block.skip.is_none()) {
        let what = "no block has a skip: a network without skips has a single path";
        return Err(Problem::BadInput(what.into()));
    }
    let counted = blocks
        .zip(specification.passages())
        .map(|(block, passages)| {
            let functions = block.functions.iter();
            let layers = functions.map(|function| convolutions(&function.layers));
            let layers = BlockPaths {
                skip: block.skip.as_deref().map(convolutions),
                functions: layers.collect(),
                passages,
            };
            let modules = BlockPaths {
                skip: block.skip.as_ref().map(|_| 0),
                functions: block.orders(),
                passages: layers.passages.clone(),
            };
            (modules, layers)
        });
    Ok(counted.unzip())
}

/// The ways through each block with the sizes of the factors on them.
fn weights(specification: &Specification, factors: &[BlockFactors]) -> Vec<Vec<WeightedTerm>> {
    let blocks = specification.blocks.iter().zip(factors);
    let terms = blocks.map(|(block, factors)| {
        let functions = block.orders().into_iter().zip(&factors.functions);
        let skip = factors.skip.iter().map(|factor| (0, factor));
        let term = |(length, factor): (usize, &f64)| WeightedTerm {
            length,
            weight: factor.abs(),
        };
        skip.chain(functions).map(term).collect()
    });
    terms.collect()
}

fn convolutions(layers: &[Layer]) -> usize {
    let is_convolution = |layer: &&Layer| matches!(layer.operation, Operation::Convolution { .. });
    layers.iter().filter(is_convolution).count()
}

/// `5:17`.
fn range(text: &str) -> Result<LengthRange, String> {
    let ends = text.split_once(':').ok_or("give two ends, such as 5:17")?;
    let end = |text: &str| {
        text.parse::<usize>()
            .map_err(|_| format!("`{text}` is not a length; give two ends, such as 5:17"))
    };
    let (first, last) = (end(ends.0)?, end(ends.1)?);
    if first > last {
        return Err(format!("the range is reversed; give {last}:{first}"));
    }
    Ok(LengthRange { first, last })
}

/// `110x1`.
fn design(text: &str) -> Result<(usize, usize), String> {
    let parts = text
        .split_once('x')
        .and_then(|(depth, k)| Some((depth.parse::<usize>().ok()?, k.parse::<usize>().ok()?)));
    parts.ok_or_else(|| {
        format!("`{text}` is not a network; give depth and functions per block, such as 110x1")
    })
}
