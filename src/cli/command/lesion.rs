use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::record::{
    BatchNormStatistics, Change, Distance, Latency, LesionKind, LesionSettings, Options, Outcome,
    Removal,
};
use pathscope_analysis::{BlockScores, Seed};
use rand::seq::index::sample;

use super::Execute;
use crate::cli::args::number::{margin, points, positive};
use crate::cli::args::{
    ComputeArguments, DataArguments, Format, ModelArguments, OutputArguments, PICTURES,
    ResultsArguments, Selection, TableArguments,
};
use crate::cli::show::outcomes::{answer, outcomes, records};
use crate::cli::show::{picture_file, smaller_network};
use crate::cli::{Problem, Session, Terminal};
use crate::data::Dataset;
use crate::experiment::{
    EarlyStop, Extent, Journal, Laboratory, LesionOptions, Measurement, Questions,
};
use crate::network::{BlockIndex, FunctionIndex, TrainableNetwork};
use crate::report::Picture;
use crate::report::lesions::{method, single_lesions};
use crate::report::plot::{self, deletions, removal as removal_plot, synergy};
use crate::report::view::outcome::{self, Shown};
use crate::report::view::scores::tables as score_tables;
use crate::report::view::{distance, removal};

/// Delete blocks of a trained network and measure the change in error
///
/// By default, deletes each block in turn. Prints the error with its 95 % interval (Wilson), the
/// difference from the intact network on the same examples with an exact p-value (McNemar,
/// Holm-corrected over the sweep), mean loss and margin, the worst-hit class, and the number of
/// remaining paths. For random sets: the mean error over draws with its 95 % bootstrap interval.
/// Blocks are numbered from 0; names such as layer2.3 also work.
///
/// Example: pathscope lesion assets/preresnet20.safetensors --drop-block 4 --limit 200
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    question: Lesions,
    /// How a function or skip is disabled
    #[arg(long, value_enum, default_value_t)]
    kind: LesionKind,
    /// Batch-norm statistics for the changed network
    #[arg(long, value_enum, default_value_t)]
    bn: BatchNormStatistics,
    /// Data set for means, other examples, noise and recalibrated statistics; labels are not used
    /// [default: the examples themselves]
    #[arg(long, value_name = "PLACE")]
    calibration: Option<PathBuf>,
    /// Replace the weights by random ones first (a control)
    #[arg(long)]
    random_weights: bool,
    /// Seed of random choices
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Width of the 95 % interval of a difference at which its measurement stops early: a
    /// confidence sequence over the examples in random order [unit: points]
    #[arg(long, value_name = "WIDTH", value_parser = points, conflicts_with = "greedy")]
    stop_at: Option<f64>,
    /// Increase of the error up to which a block counts as removable [unit: points]
    #[arg(long, value_name = "POINTS", default_value = "1pt", value_parser = margin)]
    margin: f64,
    /// Measure each block or function only until its verdict at --margin is settled whatever the other
    /// examples give, and not at all where its deletion changes no output
    #[arg(long, conflicts_with_all = [
        "drop_block", "pairs", "span", "distances", "keep", "random", "greedy", "stop_at", "scores",
    ])]
    screen: bool,
    /// Also print cheap scores of each block, and how well they rank the measured effects
    #[arg(long)]
    scores: bool,
    /// Also measure how long each block takes for one example
    #[arg(long)]
    latency: bool,
    /// Also print the errors of each class
    #[arg(long)]
    by_class: bool,
    /// Format of the printed answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Plot file (.svg, .pdf or .png): the curve of --greedy or --random, the synergies of --pairs, the
    /// error per block or function, or the matrix of --distances
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Model file (.safetensors) for the network that --greedy, --drop-block or --keep leaves, whose
    /// logits are checked; pathscope_network.py beside it opens it in PyTorch
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
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
struct Lesions {
    /// Blocks or functions to delete together: 17, layer2.3, 3-5, or 17.2 (function 2 of block 17)
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    drop_block: Vec<String>,
    /// Delete each block in turn
    #[arg(long)]
    each: bool,
    /// Delete each function in turn
    #[arg(long, alias = "branches")]
    functions: bool,
    /// Delete each pair of blocks
    #[arg(long)]
    pairs: bool,
    /// Number of consecutive blocks to delete, at each position in turn
    #[arg(long, value_name = "LENGTH", value_parser = positive)]
    span: Option<usize>,
    /// Measure the angle between the activations at each pair of depths (Gromov et al. 2024)
    #[arg(long)]
    distances: bool,
    /// Blocks to keep; all others are deleted
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// Largest size of random sets of blocks to delete, from 1
    #[arg(long, value_name = "M", value_parser = positive)]
    random: Option<usize>,
    /// Random sets per size
    #[arg(long, default_value_t = 10, value_name = "R")]
    count: u64,
    /// Number of blocks to delete one after another, each time the least harmful one [with --until:
    /// all]
    #[arg(long, value_name = "M", num_args = 0..=1, value_parser = positive, conflicts_with_all = [
        "drop_block", "each", "functions", "pairs", "span", "distances", "keep", "random",
    ])]
    greedy: Option<Option<usize>>,
    /// Increase of the error at which --greedy ends: one half of the examples chooses the blocks, the
    /// other half shows that the error grows by less (95 %) [unit: points]
    #[arg(long, value_name = "POINTS", value_parser = margin, requires = "greedy")]
    until: Option<f64>,
}

impl Execute for Arguments {
    const SHARED: bool = true;

    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        self.check()?;
        let seed = Seed(self.seed);
        let mut session = Session::open(
            &self.model,
            &self.data,
            &self.compute,
            &self.results,
            terminal,
        )?;
        if self.by_class && session.data.positions() > 1 {
            return Err(Problem::BadInput(
                "--by-class does not apply to networks that predict every position, whose \
                 classes are tokens; --results records their errors"
                    .into(),
            ));
        }
        let located = |place: &PathBuf| self.data.at(place, &session.card, terminal);
        let calibration = self.calibration.as_ref().map(located).transpose()?;
        if self.stop_at.is_some() {
            session.data = shuffled(&session.data, seed)?;
        }
        if self.random_weights {
            session.network = self.drawn(&session, calibration.as_ref())?;
        }
        let options = LesionOptions {
            kind: self.kind,
            batch_norm: self.bn,
            random_weights: self.random_weights,
        };
        let calibration = calibration.as_ref().unwrap_or(&session.data);
        let laboratory = session.laboratory_on(&session.data, calibration)?;
        let substitutes = laboratory.measure_substitutes(options.kind, seed)?;
        let laboratory = laboratory.with_substitutes(substitutes);
        let measurements = measurements(&self.question, laboratory.questions(), seed, options)?;
        if self.export.is_some() {
            smaller_network::check(&measurements, self.question.greedy.is_some(), options)?;
        }
        let settings = LesionSettings {
            screen: self.screen.then_some(self.margin),
            stop_at: self.stop_at,
            until: self.question.until,
            ..laboratory.lesion_settings(options)
        };
        let mut journal = session.journal(&laboratory, Options::Lesion(settings), self.seed)?;
        let measurements = if let Some(most) = self.question.greedy {
            let extent = Extent {
                most: most.unwrap_or(laboratory.questions().removable().len()),
                until: self.question.until.map(|points| points / 100.0),
            };
            session.with_bar(greedy_steps(extent.most, &laboratory), HINT, |progress| {
                laboratory.greedy(extent, options, &mut journal, progress)
            })?
        } else {
            session.with_bar(measurements.len() as u64, HINT, |progress| {
                match self.early_stop() {
                    Some(stop) => {
                        laboratory.measure_until(stop, &measurements, &mut journal, progress)
                    }
                    None => laboratory.measure(&measurements, &mut journal, progress),
                }
            })?;
            measurements
        };
        if self.question.distances {
            session.with_bar(1, "", |progress| {
                laboratory.distances(&mut journal, progress)
            })?;
        }
        session.first(|| {
            let seconds = match self.latency {
                true => laboratory.block_seconds()?,
                false => Vec::new(),
            };
            let scores = match self.scores {
                true => laboratory
                    .scores()
                    .map_err(|fault| self.results.explain(fault))?,
                false => Vec::new(),
            };
            self.show(&session, &journal, &measurements, &seconds, &scores)?;
            if let (Some(file), Some(measurement)) = (&self.export, measurements.last()) {
                let source = &self.model.model;
                let exported = smaller_network::export(
                    file,
                    &session,
                    source,
                    &laboratory,
                    measurement,
                    options,
                )?;
                match self.format {
                    Format::Table => terminal.result(&exported)?,
                    _ => terminal.remark(&exported),
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Arguments {
    /// Refuses, before anything is read, what could not be done after the measurement.
    fn check(&self) -> Result<(), Problem> {
        if self.question.greedy == Some(None) && self.question.until.is_none() {
            return Err(Problem::BadInput(
                "--greedy needs a number of blocks, or --until with a number of points".into(),
            ));
        }
        let inputs = [&self.model.model].into_iter().chain(&self.results.results);
        if let Some(file) = &self.plot {
            self.outputs.check(file, PICTURES, inputs.clone())?;
        }
        if let Some(file) = &self.export {
            self.outputs
                .check(file, &["safetensors"], inputs.chain(&self.plot))?;
            smaller_network::check_module(file, self.outputs)?;
        }
        let stands_in = !matches!(self.kind, LesionKind::Delete | LesionKind::Skip);
        if stands_in && self.bn == BatchNormStatistics::Recalibrated {
            return Err(Problem::BadInput(
                "--bn recalibrate renews statistics without what --kind puts in the place of a \
                 function; use it with --kind delete or skip"
                    .into(),
            ));
        }
        let dependent = [
            (self.question.greedy.is_some(), "--greedy"),
            (self.stop_at.is_some(), "--stop-at"),
            (self.screen, "--screen"),
            (self.question.distances, "--distances"),
        ];
        let asked = dependent.into_iter().find(|(asked, _)| *asked);
        self.results.refuse_shard(asked.map(|(_, name)| name))
    }

    /// When the measurement of a change is to end before all examples are measured.
    fn early_stop(&self) -> Option<EarlyStop> {
        let width = self.stop_at.map(|points| EarlyStop::Width(points / 100.0));
        width.or_else(|| {
            self.screen
                .then_some(EarlyStop::Verdict(self.margin / 100.0))
        })
    }

    /// The network with random weights, and with batch-norm statistics that fit them.
    fn drawn(
        &self,
        session: &Session<'_>,
        calibration: Option<&Dataset>,
    ) -> Result<TrainableNetwork, Problem> {
        let drawn = TrainableNetwork::initialized(&session.card.specification, self.seed)?;
        let (data, normalization) = (&session.data, &session.card.normalization);
        let calibration = calibration.unwrap_or(data);
        let laboratory =
            Laboratory::new(&drawn, data, calibration, normalization, session.compute)?;
        let network = laboratory.recalibrated(&drawn, &laboratory.intact())?;
        Ok(network.to_device(session.compute.device)?)
    }

    fn show(
        &self,
        session: &Session<'_>,
        journal: &Journal,
        measurements: &[Measurement],
        seconds: &[f64],
        scores: &[BlockScores],
    ) -> Result<(), Problem> {
        let names = session.data.class_names();
        let outcomes = outcomes(journal, measurements);
        let lesion = outcomes.iter().find_map(|outcome| match &outcome.change {
            Change::Lesion(lesion) => Some(method(lesion)),
            _ => None,
        });
        let title = match lesion {
            Some(method) => format!("Disabled blocks and functions ({method})"),
            None => "Disabled blocks and functions".to_owned(),
        };
        let shown = Shown {
            class_names: names,
            margin: Some(self.margin / 100.0),
            seconds,
        };
        let mut answer = answer(journal.header(), &outcomes, &title, shown);
        if self.by_class {
            answer.table("errors_by_class", outcome::by_class(&outcomes, names));
        }
        for (_, lesions) in single_lesions(&outcomes) {
            if let Some(&intact) = outcomes.first().filter(|_| !scores.is_empty()) {
                let header = journal.header();
                let (of_blocks, ranking) = score_tables(header, intact, &lesions, scores);
                answer.table("scores", of_blocks);
                answer.table("ranking", ranking);
            }
        }
        let distances = records!(journal, Distance);
        answer.table("distances", distance::table(&distances));
        // The intact network comes first.
        let removals = records!(journal, Removal);
        if !removals.is_empty() {
            let (header, latency) = (journal.header(), Latency::longest(journal.records()));
            if let Some(finding) = removal::finding(header, &removals, latency) {
                answer.text(finding.answer);
            }
            answer.table("removals", removal::table(header, &removals, latency));
            answer.text(smaller_network::pareto(&removals));
        }
        let arranged = answer.arrange(&self.table);
        answer.print(self.format, session.terminal)?;
        arranged?;
        match &self.plot {
            Some(file) => {
                let picture = picture(journal, &outcomes, &removals, &distances)?;
                picture_file::write(&picture, file, session.terminal)
            }
            None => Ok(()),
        }
    }
}

/// The examples in an order drawn by `seed`: what an early stop needs to be valid.
fn shuffled(data: &Dataset, seed: Seed) -> Result<Dataset, Problem> {
    let mut random = seed.stream("order of examples", 0);
    let order = sample(&mut random, data.len(), data.len()).into_vec();
    Ok(data.select(&order)?)
}

/// Measurements of a greedy removal of `most` blocks.
fn greedy_steps(most: usize, laboratory: &Laboratory<'_>) -> u64 {
    let removable = laboratory.questions().removable().len();
    let candidates = (0..most).map(|step| removable.saturating_sub(step));
    1 + candidates.sum::<usize>() as u64
}

/// How to make a sweep shorter.
const HINT: &str = "--limit N measures on fewer examples, --screen stops each comparison once its verdict \
                    is settled, and --stop-at WIDTH as soon as its interval is so narrow";

/// The plot of what was asked.
fn picture(
    journal: &Journal,
    outcomes: &[&Outcome],
    removals: &[&Removal],
    distances: &[&Distance],
) -> Result<Picture, Problem> {
    let header = journal.header();
    let subject = [plot::Subject::new(header, outcomes)];
    removal_plot(header, removals, Latency::longest(journal.records()))
        .or_else(|| deletions(&subject))
        .or_else(|| synergy(header, outcomes))
        .or_else(|| plot::lesion(&subject))
        .or_else(|| plot::distances(header, distances))
        .ok_or_else(|| {
            Problem::BadInput(
                "these measurements have no plot; measure with --each, --functions, --pairs, \
                 --random, --greedy or --distances"
                    .into(),
            )
        })
}

fn measurements(
    question: &Lesions,
    questions: &Questions<'_>,
    seed: Seed,
    options: LesionOptions,
) -> Result<Vec<Measurement>, Problem> {
    let mut measurements = vec![questions.intact_measurement()];
    let (blocks, functions) = pick(&question.drop_block, questions)?;
    if !blocks.is_empty() || !functions.is_empty() {
        measurements.push(questions.lesion(&blocks, &functions, options)?);
    }
    if !question.keep.is_empty() {
        let (kept, _) = pick(&question.keep, questions)?;
        measurements.push(questions.all_but(&kept, options));
    }
    if question.each || question.pairs {
        measurements.extend(questions.each_block(options));
    }
    if question.functions {
        measurements.extend(questions.each_function(options)?);
    }
    if question.pairs {
        measurements.extend(questions.each_pair(options));
    }
    if let Some(length) = question.span {
        measurements.extend(questions.each_span(length, options));
    }
    if let Some(most) = question.random {
        measurements.extend(questions.random_sets(most, question.count, seed, options)?);
    }
    if measurements.len() == 1 && question.greedy.is_none() && !question.distances {
        measurements.extend(questions.each_block(options));
    }
    // A block may be asked for twice, by number and by sweep.
    let mut seen = std::collections::HashSet::new();
    measurements.retain(|measurement| seen.insert(measurement.key.clone()));
    Ok(measurements)
}

fn pick(
    selectors: &[String],
    questions: &Questions<'_>,
) -> Result<(Vec<BlockIndex>, Vec<FunctionIndex>), Problem> {
    let (mut blocks, mut functions) = (Vec::new(), Vec::new());
    for selector in selectors {
        match Selection::find(selector, questions.specification())? {
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
