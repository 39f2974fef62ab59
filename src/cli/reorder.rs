use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::Seed;
use pathscope_analysis::record::{Commutator, Record, ReorderMethod};
use serde_json::json;

use super::arguments::{ComputeArguments, DataArguments, JournalArguments, ModelArguments};
use super::outcome_table;
use super::picture_file;
use super::terminal::Terminal;
use super::{Problem, interrupt};
use crate::experiment::{Cell, Journal, Laboratory};
use crate::report::plot::{commutators, order};
use crate::report::{Picture, Theme};

/// Runs the blocks of a trained network in another order and measures what that costs.
///
/// Only blocks that take and give features of the same shape change places. Prints the error
/// against Kendall's tau between the new order and the trained one, over all pairs of blocks
/// (1: the trained order); for random orders the mean over draws with its 95 % bootstrap
/// interval. Blocks count from 0. Without a question, up to 5 random pairs are swapped.
///
/// Example: pathscope reorder assets/preresnet20.safetensors --swaps 3 --count 5 --limit 200
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    question: Question,
    /// What random choices derive from.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Write a picture of error against Kendall's tau, .svg or .png; of the commutators where
    /// they alone were asked for.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    journal: JournalArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

#[derive(Debug, Args)]
#[group(multiple = true)]
struct Question {
    /// Swap 1 to K random pairs, one after another (Veit et al. 2016).
    #[arg(long, value_name = "K")]
    swaps: Option<usize>,
    /// Let --swaps take neighbours of equal shape only; without --swaps, exchange each such pair
    /// in turn.
    #[arg(long)]
    adjacent: bool,
    /// Rotate every class of equal shape by so many places; without a number, by each in turn.
    #[arg(long, value_name = "BY", num_args = 0..=1)]
    rotate: Option<Option<usize>>,
    /// Reverse every class of equal shape.
    #[arg(long)]
    reverse: bool,
    /// Draw orders uniformly from all whose Kendall tau is the nearest possible to each of these.
    #[arg(
        long,
        value_name = "T,...",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    tau: Vec<f64>,
    /// Draws for each number of swaps and each tau.
    #[arg(long, default_value_t = 10, value_name = "R")]
    count: u64,
    /// Measure ||f_i f_j x - f_j f_i x|| for every pair of blocks of equal shape.
    #[arg(long)]
    commutators: bool,
}

/// Swaps without a question.
const SWAPS: usize = 5;

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    if let Some(file) = &arguments.plot {
        picture_file::check(file)?;
    }
    let dependent = arguments.question.commutators.then_some("--commutators");
    arguments.journal.refuse_shard(dependent)?;
    let compute = arguments.compute.options()?;
    let model = arguments.model.load(terminal)?;
    let data = arguments.data.load(&model, &arguments.model.model)?;
    let normalization = &model.card.normalization;
    let network = model.network.to_device(compute.device)?;
    let laboratory = Laboratory::new(&network, &data, &data, normalization, compute)?
        .stopping_when(interrupt::asked);
    let cells = cells(&arguments.question, &laboratory, Seed(arguments.seed))?;
    let header = laboratory.header(
        "reorder",
        &model.card.title,
        &model.hash,
        arguments.seed,
        json!({ "normalization": normalization }),
    );
    let mut journal = arguments.journal.open(header, terminal)?;
    arguments
        .journal
        .measure(&laboratory, &cells, &mut journal, terminal)?;
    outcome_table::print(&journal, &cells, data.class_names(), terminal)?;
    if arguments.question.commutators {
        let asked = &arguments.journal;
        asked.with_bar(terminal, 1, |progress| {
            laboratory.commutators(&mut journal, progress)
        })?;
        print_commutators(&journal, terminal)?;
    }
    if !compute.team.is_first() {
        return Ok(());
    }
    if let (Some(file), Some(picture)) = (&arguments.plot, picture(&journal)) {
        picture_file::write(&picture, Theme::Light, file)?;
        terminal.remark(&format!("picture: {}", file.display()));
    }
    Ok(())
}

fn cells(
    question: &Question,
    laboratory: &Laboratory<'_>,
    seed: Seed,
) -> Result<Vec<Cell>, Problem> {
    laboratory.order_space()?;
    let mut cells = vec![laboratory.intact_cell()];
    let asked = question.adjacent
        || question.rotate.is_some()
        || question.reverse
        || !question.tau.is_empty()
        || question.commutators;
    let swaps = question.swaps.unwrap_or(if asked { 0 } else { SWAPS });
    for swaps in 1..=swaps {
        let method = if question.adjacent {
            ReorderMethod::Adjacent { swaps }
        } else {
            ReorderMethod::Swaps { swaps }
        };
        cells.extend(laboratory.orders(method, question.count, seed)?);
    }
    if question.adjacent && question.swaps.is_none() {
        cells.extend(laboratory.each_exchange_of_neighbours()?);
    }
    match question.rotate {
        Some(Some(by)) => cells.extend(laboratory.orders(ReorderMethod::Rotate { by }, 1, seed)?),
        Some(None) => cells.extend(laboratory.each_rotation()?),
        None => {}
    }
    if question.reverse {
        cells.extend(laboratory.orders(ReorderMethod::Reverse, 1, seed)?);
    }
    for &tau in &question.tau {
        cells.extend(laboratory.orders(ReorderMethod::Tau { tau }, question.count, seed)?);
    }
    let mut seen = std::collections::HashSet::new();
    cells.retain(|cell| seen.insert(cell.key.clone()));
    Ok(cells)
}

fn measured(journal: &Journal) -> Vec<&Commutator> {
    journal
        .records()
        .iter()
        .filter_map(|record| match record {
            Record::Commutator(commutator) => Some(commutator),
            _ => None,
        })
        .collect()
}

fn print_commutators(journal: &Journal, terminal: &Terminal) -> Result<(), Problem> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let titles = [
        "blocks",
        "||f_i f_j x - f_j f_i x||",
        "over ||f_j f_i x - x||",
    ];
    table.set_header(titles);
    for pair in measured(journal) {
        table.add_row([
            format!("{}, {}", pair.first, pair.second),
            format!("{:.4}", pair.norm),
            format!("{:.4}", pair.relative),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    terminal.result(&format!(
        "commutators of whole blocks at the input x of the earlier one: means over examples\n{table}"
    ))
}

fn picture(journal: &Journal) -> Option<Picture> {
    let outcomes: Vec<_> = journal
        .records()
        .iter()
        .filter_map(|record| match record {
            Record::Outcome(outcome) => Some(outcome),
            _ => None,
        })
        .collect();
    order(journal.header(), &outcomes).or_else(|| commutators(journal.header(), &measured(journal)))
}
