use clap::{Args, Subcommand};
use serde::Serialize;

use super::Execute;
use crate::cli::args::FormatArguments;
use crate::cli::args::number::positive;
use crate::cli::show::answer::Answer;
use crate::cli::{Problem, Terminal, ranks};
use crate::report::table::{Cell, Column, Table};
use crate::team::Team;
use crate::training::{Bench, Costs, Parallel};

/// Time trainings on random images
///
/// Example: pathscope bench parallel --depth 8 --functions 2 --batches 4 --steps 1 --width 4
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Parallel(ParallelArguments),
}

/// Compare depth with width over several processes, as Table V of the paper
///
/// Times a ResNet whose processes share the examples of a mini-batch (data parallel) against a
/// multi-resnet with as many parameters whose processes share the functions of every block (model
/// parallel). Start it with mpirun or srun. Each time is printed beside a prediction from measured
/// costs of computation and communication.
///
/// Example: pathscope bench parallel --depth 8 --functions 2 --batches 4 --steps 1 --width 4
#[derive(Debug, Args)]
struct ParallelArguments {
    /// Depth of the multi-resnets, from which that of the ResNets follows
    #[arg(long, value_name = "LAYERS", default_value_t = 110)]
    depth: usize,
    /// Numbers of functions per block of the multi-resnets
    #[arg(long, value_name = "K,...", value_delimiter = ',', default_values_t = [2, 4, 6])]
    functions: Vec<usize>,
    /// Examples per mini-batch
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [128, 32])]
    batches: Vec<usize>,
    /// Mini-batches timed after a warm-up, of which the fastest counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    steps: usize,
    /// Channels of the first stage
    #[arg(long, value_name = "CHANNELS", default_value_t = 16)]
    width: i64,
    /// Threads of each process [default: its share of the cores]
    #[arg(long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    #[command(flatten)]
    format: FormatArguments,
}

/// Milliseconds per mini-batch in Table V, two processors: batch, functions, ResNet by examples,
/// multi-resnet by functions.
const PAPER: [(usize, usize, f64, f64); 6] = [
    (128, 2, 413.0, 462.0),
    (128, 4, 838.0, 804.0),
    (128, 6, 1284.0, 1158.0),
    (32, 2, 137.0, 136.0),
    (32, 4, 273.0, 238.0),
    (32, 6, 402.0, 341.0),
];

/// One network, shared out one way.
#[derive(Serialize)]
struct Row {
    processes: usize,
    threads: usize,
    batch: usize,
    depth: usize,
    functions: usize,
    way: String,
    /// Seconds per mini-batch.
    measured: f64,
    predicted: f64,
    /// Time over that of the ResNet with as many parameters whose examples are shared.
    ratio: f64,
    /// The same ratio in the paper, where it is given.
    paper_ratio: Option<f64>,
}

impl Execute for Arguments {
    const SHARED: bool = true;

    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let What::Parallel(arguments) = &self.what;
        let team = ranks::team();
        let threads = ranks::threads(arguments.threads)?;
        ranks::use_threads(threads)?;
        if arguments
            .batches
            .iter()
            .any(|batch| batch / 2 < team.size())
        {
            return Err(Problem::BadInput(format!(
                "{} processes need mini-batches of at least two examples each; give larger \
                 --batches",
                team.size()
            )));
        }
        let bench = Bench::new(arguments.width, arguments.steps)?;
        let mut rows = Vec::new();
        let mut notes = Vec::new();
        for &batch in &arguments.batches {
            let costs =
                |groups: usize| Costs::measure(&bench, arguments.width, batch / groups, team);
            let comparison = Comparison {
                bench: &bench,
                team,
                threads,
                batch,
                depth: arguments.depth,
                whole: costs(1)?,
                part: costs(team.size())?,
                half: match team.size() {
                    size if size > 2 && size.is_multiple_of(2) => Some(costs(2)?),
                    _ => None,
                },
            };
            let Costs {
                latency,
                value,
                border,
                ..
            } = comparison.whole;
            notes.push(format!(
                "batch {batch}: a sum over {} processes takes {:.0} µs and {:.2} ns more for each \
                 value; the borders of a block {:.2} ns a value",
                team.size(),
                1e6 * latency,
                1e9 * value,
                1e9 * border
            ));
            for &k in &arguments.functions {
                rows.extend(comparison.rows(k)?);
            }
        }
        let mut answer = Answer::default();
        answer.document(serde_json::to_value(&rows)?);
        answer.text(notes.join("\n"));
        answer.table("times", table(&rows));
        answer.print(arguments.format.get(), terminal)
    }
}

/// What is the same for every number of functions.
struct Comparison<'a> {
    bench: &'a Bench,
    team: Team,
    threads: usize,
    batch: usize,
    /// Layers of the multi-resnet.
    depth: usize,
    /// Costs of all examples of a mini-batch in one process.
    whole: Costs,
    /// Costs of one process's share of the examples.
    part: Costs,
    /// Costs of half the examples, where two groups of processes can share them.
    half: Option<Costs>,
}

impl Comparison<'_> {
    /// The ResNet and the multi-resnet of `k` functions, measured and predicted.
    fn rows(&self, k: usize) -> Result<Vec<Row>, Problem> {
        let (team, wide) = (self.team, self.depth);
        let deep = wide.saturating_sub(2) * k + 2;
        let size = team.size();
        let mut found: Vec<Row> = Vec::new();
        let mut add = |depth: usize, k: usize, way: &str, parallel: Parallel, costs: &Costs| {
            // A row is a block of each of three stages, of two layers each.
            let blocks = depth.saturating_sub(2) / 6;
            let (groups, members) = (parallel.peers.size(), parallel.group.size());
            let measured = self.bench.seconds(depth, k, self.batch, parallel)?;
            let reference = found.first().map_or(measured, |row| row.measured);
            found.push(Row {
                processes: size,
                threads: self.threads,
                batch: self.batch,
                depth,
                functions: k,
                way: way.to_owned(),
                measured,
                predicted: costs.predict(blocks, k, groups, members),
                ratio: measured / reference,
                paper_ratio: None,
            });
            Ok::<_, Problem>(())
        };
        add(deep, 1, "data", Parallel::data(team), &self.part)?;
        add(wide, k, "model", Parallel::model(team), &self.whole)?;
        if size > 1 {
            add(wide, k, "data", Parallel::data(team), &self.part)?;
        }
        if let Some(half) = &self.half {
            add(wide, k, "hybrid:2", Parallel::hybrid(team, 2)?, half)?;
        }
        let paper = PAPER
            .iter()
            .find(|row| wide == 110 && (row.0, row.1) == (self.batch, k));
        if let (Some(paper), Some(row)) = (paper, found.get_mut(1)) {
            row.paper_ratio = Some(paper.3 / paper.2);
        }
        Ok(found)
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(
        "Time per mini-batch",
        vec![
            Column::number("batch", "batch"),
            Column::number("depth", "depth").unit("layers"),
            Column::number("functions", "functions"),
            Column::words("way", "shared"),
            Column::number("measured", "measured").unit("ms"),
            Column::number("predicted", "predicted").unit("ms"),
            Column::number("error", "off by").medium(),
            Column::number("ratio", "ratio to ResNet"),
            Column::number("paper_ratio", "paper"),
        ],
    );
    for row in rows {
        let error = row.predicted / row.measured - 1.0;
        table.push(vec![
            Cell::count(row.batch),
            Cell::count(row.depth),
            Cell::count(row.functions),
            Cell::words(&row.way),
            Cell::decimals(1e3 * row.measured, 0),
            Cell::decimals(1e3 * row.predicted, 0),
            Cell::number(format!("{:+.0} %", 100.0 * error), error),
            Cell::decimals(row.ratio, 2),
            row.paper_ratio
                .map_or_else(Cell::missing, |ratio| Cell::decimals(ratio, 2)),
        ]);
    }
    table
}
