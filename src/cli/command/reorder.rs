use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::Seed;
use pathscope_analysis::record::{Options, ReorderMethod, ReorderSettings};

use super::Execute;
use crate::cli::args::number::positive;
use crate::cli::args::{
    ComputeArguments, DataArguments, Format, ModelArguments, OutputArguments, PICTURES,
    ResultsArguments, TableArguments,
};
use crate::cli::show::outcomes::{answer, outcomes, records};
use crate::cli::show::picture_file;
use crate::cli::{Problem, Session, Terminal};
use crate::experiment::{Journal, Measurement, Questions};
use crate::report::plot::{Subject, commutators as matrix, order};
use crate::report::view::commutator;
use crate::report::view::outcome::Shown;

/// Run the blocks of a trained network in another order and measure the change in error
///
/// By default, swaps up to 5 random pairs. Only blocks whose input and output have equal shape
/// change places. Prints the error against Kendall's tau between the new order and the trained one
/// over all pairs of blocks (1 is the trained order); for random orders, the mean over draws with
/// its 95 % bootstrap interval. Blocks are numbered from 0.
///
/// Example: pathscope reorder assets/preresnet20.safetensors --swaps 3 --count 5 --limit 200
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    question: Orders,
    /// Seed of random choices
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Format of the printed answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Plot file (.svg, .pdf or .png): error against Kendall's tau, or the commutators
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    table: TableArguments,
    #[command(flatten)]
    outputs: OutputArguments,
    #[command(flatten)]
    results: ResultsArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

#[derive(Debug, Args)]
#[group(multiple = true)]
struct Orders {
    /// Largest number of swaps of random pairs, from 1 (Veit et al. 2016)
    #[arg(long, value_name = "K", value_parser = positive)]
    swaps: Option<usize>,
    /// Swap only neighbours of equal shape; without --swaps, exchange each such pair in turn
    #[arg(long)]
    adjacent: bool,
    /// Number of positions by which blocks of equal shape are rotated [without a number: each in turn]
    #[arg(long, value_name = "BY", num_args = 0..=1)]
    rotate: Option<Option<usize>>,
    /// Reverse the blocks of equal shape
    #[arg(long)]
    reverse: bool,
    /// Values of Kendall's tau: orders are drawn uniformly from all that come closest to each; a tau
    /// below that of every order is refused
    #[arg(
        long,
        value_name = "T,...",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    tau: Vec<f64>,
    /// Draws per number of swaps and per tau
    #[arg(long, default_value_t = 10, value_name = "R")]
    count: u64,
    /// Measure ||f_i f_j x - f_j f_i x|| for each pair of blocks of equal shape
    #[arg(long)]
    commutators: bool,
}

/// Swaps by default.
const SWAPS: usize = 5;

impl Execute for Arguments {
    const SHARED: bool = true;

    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        if let Some(file) = &self.plot {
            let inputs = [&self.model.model].into_iter().chain(&self.results.results);
            self.outputs.check(file, PICTURES, inputs)?;
        }
        let dependent = self.question.commutators.then_some("--commutators");
        self.results.refuse_shard(dependent)?;
        let session = Session::open(
            &self.model,
            &self.data,
            &self.compute,
            &self.results,
            terminal,
        )?;
        let laboratory = session.laboratory()?;
        let measurements = measurements(&self.question, laboratory.questions(), Seed(self.seed))?;
        let settings = ReorderSettings {
            normalization: laboratory.normalization(),
        };
        let mut journal = session.journal(&laboratory, Options::Reorder(settings), self.seed)?;
        session.measure(&laboratory, &measurements, &mut journal)?;
        if self.question.commutators {
            session.with_bar(1, "", |progress| {
                laboratory.commutators(&mut journal, progress)
            })?;
        }
        session.first(|| self.show(&session, &journal, &measurements))?;
        Ok(())
    }
}

impl Arguments {
    fn show(
        &self,
        session: &Session<'_>,
        journal: &Journal,
        measurements: &[Measurement],
    ) -> Result<(), Problem> {
        let header = journal.header();
        let measured = outcomes(journal, measurements);
        let shown = Shown {
            class_names: session.data.class_names(),
            ..Shown::default()
        };
        let commutators = records!(journal, Commutator);
        let mut answer = answer(header, &measured, "Blocks in another order", shown);
        answer.table("commutators", commutator::table(header, &commutators));
        let arranged = answer.arrange(&self.table);
        answer.print(self.format, session.terminal)?;
        arranged?;
        let outcomes = records!(journal, Outcome);
        let picture =
            order(&[Subject::new(header, &outcomes)]).or_else(|| matrix(header, &commutators));
        match (&self.plot, picture) {
            (Some(file), Some(picture)) => picture_file::write(&picture, file, session.terminal),
            _ => Ok(()),
        }
    }
}

fn measurements(
    question: &Orders,
    questions: &Questions<'_>,
    seed: Seed,
) -> Result<Vec<Measurement>, Problem> {
    questions.order_space()?;
    let mut measurements = vec![questions.intact_measurement()];
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
        measurements.extend(questions.orders(method, question.count, seed)?);
    }
    if question.adjacent && question.swaps.is_none() {
        measurements.extend(questions.each_exchange_of_neighbours()?);
    }
    match question.rotate {
        Some(Some(by)) => {
            measurements.extend(questions.orders(ReorderMethod::Rotate { by }, 1, seed)?)
        }
        Some(None) => measurements.extend(questions.each_rotation()?),
        None => {}
    }
    if question.reverse {
        measurements.extend(questions.orders(ReorderMethod::Reverse, 1, seed)?);
    }
    for &tau in &question.tau {
        measurements.extend(questions.orders(ReorderMethod::Tau { tau }, question.count, seed)?);
    }
    let mut seen = std::collections::HashSet::new();
    measurements.retain(|measurement| seen.insert(measurement.key.clone()));
    Ok(measurements)
}
