use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pathscope_analysis::Seed;
use pathscope_analysis::record::{BatchNormStatistics, LesionKind};
use rand::seq::index::sample;
use serde_json::json;

use super::arguments::{ComputeArguments, DataArguments, JournalArguments, ModelArguments};
use super::selector::Selection;
use super::terminal::Terminal;
use super::{Problem, interrupt, outcome_table, picture_file, smaller_network};
use crate::data::{Dataset, Normalization};
use crate::experiment::{Cell, Journal, Laboratory, LesionOptions};
use crate::network::{BlockIndex, FunctionIndex, TrainableNetwork};
use crate::report::plot::{deletions, lesion_bars, removal, synergy};
use crate::report::{Picture, Theme};

/// Deletes blocks of a trained network and measures what that costs.
///
/// Prints the error with a 95 % Wilson interval, the difference from the intact network on the
/// same examples with McNemar's exact p-value (Holm-corrected over the sweep), the mean loss and
/// margin, the class that is hit most, and how many paths remain; for random sets the mean error
/// over draws with its 95 % bootstrap interval. Blocks count from 0; names such as layer2.3 work too. Without a question, every
/// block is deleted in turn.
///
/// Example: pathscope lesion assets/preresnet20.safetensors --drop-block 4 --limit 200
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    question: Question,
    /// How a function is put out of action.
    #[arg(long, value_enum, default_value_t = KindArgument::Delete)]
    kind: KindArgument,
    /// Whose statistics the normalisations of the changed network use.
    #[arg(long, value_enum, default_value_t = BatchNormArgument::Frozen)]
    bn: BatchNormArgument,
    /// Images on which statistics are measured (mean, resample, noise, recalibrate); without it
    /// the examples themselves, whose labels are not used.
    #[arg(long, value_name = "PLACE")]
    calibration: Option<PathBuf>,
    /// Draw the weights at random first: the control that no training happened.
    #[arg(long)]
    random_weights: bool,
    /// What random choices derive from.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Stop measuring a change as soon as the 95 % interval of its error difference is at most
    /// WIDTH percentage points wide. The interval is a confidence sequence over the examples in
    /// random order: it holds however often one looks.
    #[arg(long, value_name = "WIDTH", value_parser = width, conflicts_with = "greedy")]
    stop_at: Option<f64>,
    /// Print the errors of every class (of images or whole sequences) after every change.
    #[arg(long)]
    by_class: bool,
    /// Write a picture, .svg or .png: the curve of --greedy or --random, the synergy of --pairs,
    /// or a bar for each block or function.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Write the network without what --greedy, --drop-block or --keep deletes as a model file of
    /// its own, after checking that it gives the same logits.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    #[command(flatten)]
    journal: JournalArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

#[derive(Debug, Args)]
#[group(multiple = true)]
struct Question {
    /// Delete these blocks or functions together: 17, layer2.3, 3-5, 17.2 (function 2 of block 17).
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    drop_block: Vec<String>,
    /// Delete every block in turn.
    #[arg(long)]
    each: bool,
    /// Delete every single function in turn.
    #[arg(long)]
    branches: bool,
    /// Delete every pair of blocks.
    #[arg(long)]
    pairs: bool,
    /// Delete every run of this many neighbouring blocks.
    #[arg(long, value_name = "LENGTH")]
    span: Option<usize>,
    /// Delete all blocks but these.
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// Delete random sets of 1 to M blocks.
    #[arg(long, value_name = "M")]
    random: Option<usize>,
    /// Random sets of each size.
    #[arg(long, default_value_t = 10, value_name = "R")]
    count: u64,
    /// Delete the least harmful block, M times, measuring all that are left anew each time.
    #[arg(long, value_name = "M", conflicts_with_all = [
        "drop_block", "each", "branches", "pairs", "span", "keep", "random",
    ])]
    greedy: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArgument {
    /// Leave its output out; the skip stays.
    Delete,
    /// Replace its output by the mean output.
    Mean,
    /// Replace its output by that for another example.
    Resample,
    /// Cut the skip instead: the control.
    Skip,
    /// Replace its output by noise of equal mean and deviation per channel.
    Noise,
}

impl From<KindArgument> for LesionKind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Delete => Self::Delete,
            KindArgument::Mean => Self::Mean,
            KindArgument::Resample => Self::Resample,
            KindArgument::Skip => Self::Skip,
            KindArgument::Noise => Self::Noise,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BatchNormArgument {
    /// Those of the intact network.
    Frozen,
    /// Measured anew for each changed network.
    Recalibrate,
}

impl From<BatchNormArgument> for BatchNormStatistics {
    fn from(statistics: BatchNormArgument) -> Self {
        match statistics {
            BatchNormArgument::Frozen => Self::Frozen,
            BatchNormArgument::Recalibrate => Self::Recalibrated,
        }
    }
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    if let Some(file) = &arguments.plot {
        picture_file::check(file)?;
    }
    let dependent = match (arguments.question.greedy, arguments.stop_at) {
        (Some(_), _) => Some("--greedy"),
        (_, Some(_)) => Some("--stop-at"),
        _ => None,
    };
    arguments.journal.refuse_shard(dependent)?;
    let compute = arguments.compute.options()?;
    let model = arguments.model.load(terminal)?;
    let mut data = arguments.data.load(&model, &arguments.model.model)?;
    let calibration = match &arguments.calibration {
        Some(location) => Some(arguments.data.at(location, &model)?),
        None => None,
    };
    if arguments.by_class && data.positions() > 1 {
        return Err(Problem::BadInput(
            "--by-class does not apply where every position has a target: its classes are the \
             tokens; --json holds their errors"
                .into(),
        ));
    }
    let seed = Seed(arguments.seed);
    if arguments.stop_at.is_some() {
        data = shuffled(&data, seed)?;
    }
    let calibration = calibration.as_ref().unwrap_or(&data);
    let options = LesionOptions {
        kind: arguments.kind.into(),
        batch_norm: arguments.bn.into(),
        random_weights: arguments.random_weights,
    };

    let normalization = &model.card.normalization;
    let network = if arguments.random_weights {
        let drawn = TrainableNetwork::initialized(&model.card.specification, arguments.seed)?;
        let bench = Laboratory::new(&drawn, &data, calibration, normalization, compute)?;
        bench.recalibrated(&drawn, &bench.intact())?
    } else {
        model.network
    };
    let network = network.to_device(compute.device)?;
    let mut laboratory = Laboratory::new(&network, &data, calibration, normalization, compute)?
        .stopping_when(interrupt::asked);
    if let Some(kind) = options.substitution() {
        let substitutes = laboratory.measure_substitutes(kind, seed)?;
        laboratory = laboratory.with_substitutes(substitutes);
    }

    let mut cells = cells(&arguments.question, &laboratory, seed, options)?;
    if arguments.export.is_some() {
        smaller_network::check(&cells, arguments.question.greedy, options)?;
    }
    let mut described = describe(options, calibration, normalization);
    if let (Some(width), Some(described)) = (arguments.stop_at, described.as_object_mut()) {
        described.insert("stop_at".into(), json!(width));
    }
    let header = laboratory.header(
        "lesion",
        &model.card.title,
        &model.hash,
        arguments.seed,
        described,
    );
    let mut journal = arguments.journal.open(header, terminal)?;
    let asked = &arguments.journal;
    if let Some(most) = arguments.question.greedy {
        cells = asked.with_bar(terminal, greedy_cells(most, &laboratory), |progress| {
            laboratory.greedy(most, options, &mut journal, progress)
        })?;
    } else if let Some(width) = arguments.stop_at {
        asked.with_bar(terminal, cells.len(), |progress| {
            laboratory.measure_until(width / 100.0, &cells, &mut journal, progress)
        })?;
    } else {
        asked.measure(&laboratory, &cells, &mut journal, terminal)?;
    }
    if !compute.team.is_first() {
        return Ok(());
    }

    outcome_table::print(&journal, &cells, data.class_names(), terminal)?;
    if arguments.by_class {
        outcome_table::print_by_class(&journal, &cells, data.class_names(), terminal)?;
    }
    if arguments.question.greedy.is_some() {
        smaller_network::print_removals(&journal, terminal)?;
    }
    if let Some(file) = &arguments.plot {
        let picture = picture(&journal, &cells)?;
        picture_file::write(&picture, Theme::Light, file)?;
        terminal.remark(&format!("picture: {}", file.display()));
    }
    if let (Some(file), Some(cell)) = (&arguments.export, cells.last()) {
        let source = smaller_network::Source {
            card: &model.card,
            hash: &model.hash,
            file: &arguments.model.model,
        };
        smaller_network::export(file, &source, &laboratory, cell, options, terminal)?;
    }
    Ok(())
}

/// The examples in an order drawn by `seed`: what an early stop needs to be valid.
fn shuffled(data: &Dataset, seed: Seed) -> Result<Dataset, Problem> {
    let mut random = seed.stream("order of examples", 0);
    let order = sample(&mut random, data.len(), data.len()).into_vec();
    Ok(data.select(&order)?)
}

/// Cells that a greedy removal of `most` blocks measures.
fn greedy_cells(most: usize, laboratory: &Laboratory<'_>) -> usize {
    let removable = laboratory.removable().len();
    1 + (0..most)
        .map(|step| removable.saturating_sub(step))
        .sum::<usize>()
}

/// The picture of what was asked.
fn picture(journal: &Journal, cells: &[Cell]) -> Result<Picture, Problem> {
    let header = journal.header();
    let outcomes = outcome_table::outcomes(journal, cells);
    let removals = smaller_network::removals(journal);
    removal(header, &removals)
        .or_else(|| deletions(header, &outcomes))
        .or_else(|| synergy(header, &outcomes))
        .or_else(|| lesion_bars(header, &outcomes))
        .ok_or_else(|| {
            Problem::BadInput(
                "there is no picture of this question; ask with --each, --branches, --pairs, \
                 --random or --greedy"
                    .into(),
            )
        })
}

/// A width in percentage points.
fn width(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(width) if width > 0.0 && width <= 200.0 => Ok(width),
        _ => Err("give a number of percentage points, such as 4".into()),
    }
}

/// What the results of lesions depend on, for the header of their journal.
pub(super) fn describe(
    options: LesionOptions,
    calibration: &Dataset,
    normalization: &Normalization,
) -> serde_json::Value {
    json!({
        "kind": options.kind,
        "batch_norm": options.batch_norm,
        "random_weights": options.random_weights,
        "calibration": calibration.content_hash(),
        "normalization": normalization,
    })
}

fn cells(
    question: &Question,
    laboratory: &Laboratory<'_>,
    seed: Seed,
    options: LesionOptions,
) -> Result<Vec<Cell>, Problem> {
    let mut cells = vec![laboratory.intact_cell()];
    let (blocks, functions) = pick(&question.drop_block, laboratory)?;
    if !blocks.is_empty() || !functions.is_empty() {
        cells.push(laboratory.lesion(&blocks, &functions, options));
    }
    if !question.keep.is_empty() {
        let (kept, _) = pick(&question.keep, laboratory)?;
        cells.push(laboratory.all_but(&kept, options));
    }
    if question.each || question.pairs {
        cells.extend(laboratory.each_block(options));
    }
    if question.branches {
        cells.extend(laboratory.each_function(options));
    }
    if question.pairs {
        cells.extend(laboratory.each_pair(options));
    }
    if let Some(length) = question.span {
        cells.extend(laboratory.each_span(length, options));
    }
    if let Some(most) = question.random {
        cells.extend(laboratory.random_sets(most, question.count, seed, options)?);
    }
    if cells.len() == 1 && question.greedy.is_none() {
        cells.extend(laboratory.each_block(options));
    }
    // A block may be asked for twice, by number and by sweep.
    let mut seen = std::collections::HashSet::new();
    cells.retain(|cell| seen.insert(cell.key.clone()));
    Ok(cells)
}

fn pick(
    selectors: &[String],
    laboratory: &Laboratory<'_>,
) -> Result<(Vec<BlockIndex>, Vec<FunctionIndex>), Problem> {
    let (mut blocks, mut functions) = (Vec::new(), Vec::new());
    for selector in selectors {
        match Selection::find(selector, laboratory.specification())? {
            Selection::Blocks(found) => blocks.extend(found),
            Selection::Function(found) => functions.push(found),
        }
    }
    blocks.sort_unstable();
    blocks.dedup();
    functions.sort_unstable();
    functions.dedup();
    Ok((blocks, functions))
}
