use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::terminal::Terminal;
use super::{Problem, ranks};
use crate::team::Team;
use crate::training::{Bench, Costs, Parallel};

/// Times trainings on made-up images.
///
/// Example: pathscope bench parallel --depth 8 --functions 2 --batches 4 --steps 1 --width 4
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Parallel(ParallelArguments),
}

/// Compares depth with width over several processes, as Table V of the paper: a ResNet whose
/// examples they share against a multi-resnet with as many parameters whose functions they share.
///
/// Start it with mpirun or srun. Each time stands beside what a planner predicts from the costs of
/// computing and exchanging that it measures first; the planner also tells how the multi-resnet is
/// best shared out.
///
/// Example: pathscope bench parallel --depth 8 --functions 2 --batches 4 --steps 1 --width 4
#[derive(Debug, Args)]
struct ParallelArguments {
    /// Layers of the multi-resnets; those of the ResNets follow from it.
    #[arg(long, value_name = "LAYERS", default_value_t = 110)]
    depth: usize,
    /// Functions in each block of the multi-resnets.
    #[arg(long, value_name = "K,...", value_delimiter = ',', default_values_t = [2, 4, 6])]
    functions: Vec<usize>,
    /// Examples per mini-batch.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [128, 32])]
    batches: Vec<usize>,
    /// Mini-batches of which the fastest counts, after one that warms up.
    #[arg(long, value_name = "N", default_value_t = 3)]
    steps: usize,
    /// Channels of the first stage.
    #[arg(long, value_name = "CHANNELS", default_value_t = 16)]
    width: i64,
    /// Threads of each process; its share of the cores without it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print one JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
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
    /// The same in the paper, where it tells.
    paper_ratio: Option<f64>,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let What::Parallel(arguments) = &arguments.what;
    let team = ranks::team();
    let threads = match arguments.threads {
        Some(threads) => threads.max(1),
        None => ranks::threads()?,
    };
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    let groups = arguments.batches.iter().map(|batch| batch / 2).min();
    if groups.unwrap_or(0) < team.size() {
        return Err(Problem::BadInput(format!(
            "{} processes need mini-batches of two examples each; give larger --batches",
            team.size()
        )));
    }
    let bench = Bench::new(arguments.width, arguments.steps)?;
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for &batch in &arguments.batches {
        let costs = |groups: usize| Costs::measure(&bench, arguments.width, batch / groups, team);
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
    if arguments.json {
        for row in &rows {
            let line = serde_json::to_string(row);
            let line = line.map_err(|fault| Problem::Failed(fault.to_string()))?;
            terminal.result(&line)?;
        }
        return Ok(());
    }
    terminal.result(&format!("{}\n{}", notes.join("\n"), table(&rows)))
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
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "batch",
        "layers x functions",
        "shared",
        "ms per mini-batch",
        "predicted",
        "off by",
        "ratio to ResNet",
        "in the paper",
    ]);
    for row in rows {
        let paper = row.paper_ratio;
        table.add_row([
            row.batch.to_string(),
            format!("{} x {}", row.depth, row.functions),
            row.way.clone(),
            format!("{:.0}", 1e3 * row.measured),
            format!("{:.0}", 1e3 * row.predicted),
            format!("{:+.0} %", 100.0 * (row.predicted / row.measured - 1.0)),
            format!("{:.2}", row.ratio),
            paper.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
