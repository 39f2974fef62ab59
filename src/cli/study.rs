use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use pathscope_analysis::Seed;
use pathscope_analysis::record::Header;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::Kind;

use super::arguments::{ComputeArguments, DataArguments, JournalArguments, ModelArguments};
use super::terminal::Terminal;
use super::{Problem, gradient_spectrum, inspect, interrupt, lesion, report};
use crate::data::Dataset;
use crate::experiment::{
    Allotment, Cell, ComputeOptions, Journal, Laboratory, LesionOptions, PILOT_EXAMPLES, Place,
};
use crate::format::Model;
use crate::network::TrainableNetwork;
use crate::report::plot::SHARE;
use crate::report::{Finding, Run, findings};

/// Runs the whole protocol on a trained network within a time, and makes a report.
///
/// Inspects the network, deletes every block, measures the gradient by path length, deletes random
/// sets of blocks, and runs the blocks in other orders. A short pilot is timed first and the
/// samples are allotted to fit the budget; what was allotted is kept in study.json, so that the
/// same command goes on where an interrupted one stopped.
///
/// Example: pathscope study assets/preresnet20.safetensors -o study --budget 5s
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Folder for the results and the report.
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Time to aim at, such as 90s, 10m or 1h30m.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    budget: Duration,
    /// What random choices derive from.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: ComputeArguments,
}

/// What a study is, written before its first measurement.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    pathscope: String,
    model_hash: String,
    data_hash: String,
    seed: u64,
    budget_seconds: u64,
    allotment: Allotment,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let begin = Instant::now();
    let compute = arguments.compute.options()?;
    let model = arguments.model.load(terminal)?;
    let data = arguments.data.load(&model, &arguments.model.model)?;
    let folder = &arguments.output;
    let network = model.network.to_device(compute.device)?;
    if compute.team.is_first() {
        fs::create_dir_all(folder).map_err(|fault| failed(folder, &fault))?;
        let described = inspect::describe(&model, &arguments.model.model)?;
        save(&folder.join("inspect.json"), &described)?;
    }
    let allotment = allotted(arguments, &model, &network, &data, compute, terminal)?;
    let study = Study {
        arguments,
        model: &model,
        network: &network,
        compute,
        allotment,
        deadline: begin + arguments.budget,
        terminal,
    };
    study.blocks(&spread(&data, allotment.examples)?)?;
    let gradients = allotment.batches * allotment.batch_examples;
    study.gradients(&spread(&data, gradients)?)?;
    let examples = spread(&data, allotment.examples)?;
    study.deletions(&examples)?;
    study.orders(&examples)?;
    if !compute.team.is_first() {
        return Ok(());
    }
    conclude(arguments, terminal)?;
    terminal.remark(&format!(
        "{:.0} s of {} s",
        begin.elapsed().as_secs_f64(),
        arguments.budget.as_secs()
    ));
    Ok(())
}

/// The amounts that the folder's study began with, or new ones.
fn allotted(
    arguments: &Arguments,
    model: &Model,
    network: &TrainableNetwork,
    data: &Dataset,
    compute: ComputeOptions,
    terminal: &Terminal,
) -> Result<Allotment, Problem> {
    let file = arguments.output.join("study.json");
    let plan = |allotment| Plan {
        pathscope: env!("CARGO_PKG_VERSION").to_owned(),
        model_hash: model.hash.clone(),
        data_hash: data.content_hash(),
        seed: arguments.seed,
        budget_seconds: arguments.budget.as_secs(),
        allotment,
    };
    let team = compute.team;
    // Of several processes the first reads, times and decides.
    let known = match team.is_first() {
        true => known(&file, plan, arguments, terminal),
        false => Ok(None),
    };
    let told = known
        .as_ref()
        .map(|known| *known)
        .map_err(ToString::to_string);
    let told = team.firsts(told)?;
    let _mine = known?;
    if let Some(allotment) = told.map_err(Problem::Failed)? {
        return Ok(allotment);
    }
    let begin = Instant::now();
    let few = spread(data, PILOT_EXAMPLES)?;
    let normalization = &model.card.normalization;
    let bench = Laboratory::new(network, &few, &few, normalization, compute)?
        .stopping_when(interrupt::asked);
    let pilot = bench.pilot(Seed(arguments.seed)).map_err(|fault| {
        let nothing = JournalArguments {
            json: None,
            shard: None,
        };
        nothing.explain(fault)
    })?;
    let whole = Laboratory::new(network, data, data, normalization, compute)?;
    let left = arguments.budget.saturating_sub(begin.elapsed());
    let allotment = Allotment::new(&pilot, &whole.scope(), left.as_secs_f64());
    let allotment = team.firsts(allotment)?;
    if team.is_first() {
        save(&file, &plan(allotment))?;
    }
    Ok(allotment)
}

/// The amounts in `file`, where a study has begun.
fn known(
    file: &Path,
    plan: impl Fn(Allotment) -> Plan,
    arguments: &Arguments,
    terminal: &Terminal,
) -> Result<Option<Allotment>, Problem> {
    if !file.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(file).map_err(|fault| failed(file, &fault))?;
    let known: Plan = serde_json::from_slice(&bytes).map_err(|fault| {
        let file = file.display();
        Problem::BadInput(format!("{file}: {fault}; remove it to allot samples anew"))
    })?;
    if known != plan(known.allotment) {
        return Err(Problem::BadInput(format!(
            "{} is of a study with another model, data, seed, budget or version; give another \
             folder",
            file.display()
        )));
    }
    terminal.remark(&format!(
        "going on with the study in {}",
        arguments.output.display()
    ));
    Ok(Some(known.allotment))
}

/// So many examples, evenly spread over all: data are often sorted by class.
fn spread(data: &Dataset, count: usize) -> Result<Dataset, Problem> {
    let all = data.len();
    let count = count.min(all);
    let chosen: Vec<usize> = (0..count).map(|place| place * all / count.max(1)).collect();
    Ok(data.select(&chosen)?)
}

/// Writes a value as JSON, whole or not at all.
fn save(file: &Path, value: &impl Serialize) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(value).map_err(|fault| failed(file, &fault))?;
    let unfinished = file.with_extension("json.part");
    fs::write(&unfinished, text + "\n")
        .and_then(|()| fs::rename(&unfinished, file))
        .map_err(|fault| failed(file, &fault))
}

fn failed(file: &Path, fault: &dyn std::fmt::Display) -> Problem {
    Problem::Failed(format!("{}: {fault}", file.display()))
}

/// Cells that are measured between two looks at the clock.
const CELLS_AT_ONCE: usize = 16;

struct Study<'a> {
    arguments: &'a Arguments,
    model: &'a Model,
    network: &'a TrainableNetwork,
    compute: ComputeOptions,
    allotment: Allotment,
    deadline: Instant,
    terminal: &'a Terminal,
}

impl<'a> Study<'a> {
    fn laboratory<'d>(&'d self, data: &'d Dataset) -> Result<Laboratory<'d>, Problem>
    where
        'a: 'd,
    {
        let normalization = &self.model.card.normalization;
        let laboratory = Laboratory::new(self.network, data, data, normalization, self.compute)?;
        Ok(laboratory.stopping_when(interrupt::asked))
    }

    fn header(
        &self,
        laboratory: &Laboratory<'_>,
        experiment: &str,
        options: serde_json::Value,
    ) -> Header {
        let (title, hash) = (&self.model.card.title, &self.model.hash);
        laboratory.header(experiment, title, hash, self.arguments.seed, options)
    }

    fn file(&self, name: &str) -> JournalArguments {
        JournalArguments {
            json: Some(self.arguments.output.join(name)),
            shard: None,
        }
    }

    fn lesions(
        &self,
        laboratory: &Laboratory<'_>,
        data: &Dataset,
    ) -> Result<(JournalArguments, Journal), Problem> {
        let options = LesionOptions::default();
        let described = lesion::describe(options, data, &self.model.card.normalization);
        let header = self.header(laboratory, "lesion", described);
        let file = self.file("lesion.jsonl");
        let journal = file.open(header, self.terminal)?;
        Ok((file, journal))
    }

    /// The intact network, and every block deleted.
    fn blocks(&self, data: &Dataset) -> Result<(), Problem> {
        let laboratory = self.laboratory(data)?;
        let (file, mut journal) = self.lesions(&laboratory, data)?;
        let mut cells = vec![laboratory.intact_cell()];
        cells.extend(laboratory.each_block(LesionOptions::default()));
        file.measure(&laboratory, &cells, &mut journal, self.terminal)
    }

    /// The gradient by path length.
    fn gradients(&self, data: &Dataset) -> Result<(), Problem> {
        let laboratory = self.laboratory(data)?;
        let options = self
            .allotment
            .spectrum(Seed(self.arguments.seed), Place::of(data));
        let normalization = &self.model.card.normalization;
        let described = gradient_spectrum::describe(&options, false, normalization);
        let header = self.header(&laboratory, "gradient-spectrum", described);
        let file = self.file("spectrum.jsonl");
        let mut journal = file.open(header, self.terminal)?;
        let plan = laboratory.intact();
        file.with_bar(self.terminal, options.batches, |progress| {
            laboratory.spectrum(&plan, &options, Kind::Float, &mut journal, progress)
        })
    }

    /// Random sets of blocks deleted, as far as time allows.
    fn deletions(&self, data: &Dataset) -> Result<(), Problem> {
        let laboratory = self.laboratory(data)?;
        let (file, mut journal) = self.lesions(&laboratory, data)?;
        let cells = laboratory.allotted_deletions(&self.allotment, Seed(self.arguments.seed))?;
        // What the orders need is left to them.
        let now = Instant::now();
        let half = self.deadline.saturating_duration_since(now) / 2;
        self.until(
            now + half,
            "random deletions",
            &laboratory,
            &cells,
            &file,
            &mut journal,
        )
    }

    /// Blocks in another order, as far as time allows; a remark where none can change places.
    fn orders(&self, data: &Dataset) -> Result<(), Problem> {
        if self.allotment.swaps == 0 {
            self.terminal
                .remark("no two blocks have equal shape, so none can change places");
            return Ok(());
        }
        let laboratory = self.laboratory(data)?;
        let described = json!({ "normalization": self.model.card.normalization });
        let header = self.header(&laboratory, "reorder", described);
        let file = self.file("reorder.jsonl");
        let mut journal = file.open(header, self.terminal)?;
        let mut cells = vec![laboratory.intact_cell()];
        let seed = Seed(self.arguments.seed);
        cells.extend(laboratory.allotted_orders(&self.allotment, seed)?);
        self.until(
            self.deadline,
            "orders",
            &laboratory,
            &cells,
            &file,
            &mut journal,
        )
    }

    /// Measures `cells` in their order up to an instant; the first ones in any case.
    fn until(
        &self,
        end: Instant,
        what: &str,
        laboratory: &Laboratory<'_>,
        cells: &[Cell],
        file: &JournalArguments,
        journal: &mut Journal,
    ) -> Result<(), Problem> {
        let mut done = 0;
        for group in cells.chunks(CELLS_AT_ONCE) {
            let late = done > 0 && Instant::now() >= end;
            if self.compute.team.firsts(late).map_err(Problem::from)? {
                self.terminal.remark(&format!(
                    "time is up: {done} of {} {what} are measured; the same command measures more",
                    cells.len()
                ));
                return Ok(());
            }
            file.measure(laboratory, group, journal, self.terminal)?;
            done += group.len();
        }
        Ok(())
    }
}

/// Writes the report and prints what was found.
fn conclude(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let run: Run = report::read(&arguments.output)?;
    let page = arguments.output.join("report.html");
    report::write(&run, SHARE, &page)?;
    let found: Vec<Finding> = run
        .journals
        .iter()
        .flat_map(|journal| findings(journal, SHARE))
        .collect();
    if arguments.json {
        let files: Vec<String> = run
            .journals
            .iter()
            .map(|journal| journal.path.display().to_string())
            .collect();
        let whole = json!({
            "findings": found,
            "files": files,
            "report": page.display().to_string(),
        });
        return terminal.result(&format!("{whole:#}"));
    }
    for Finding { question, answer } in &found {
        terminal.result(&format!("{question}\n  {answer}"))?;
    }
    terminal.result(&format!("report: {}", page.display()))
}

/// `90s`, `10m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "give a time such as 90s, 10m or 1h30m".to_owned();
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .ok_or_else(refused)?;
        let (number, unit) = rest.split_at(end);
        let number: u64 = number.parse().map_err(|_| refused())?;
        let (unit, after) = unit.split_at_checked(1).ok_or_else(refused)?;
        let each = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(refused()),
        };
        let more = number.checked_mul(each).ok_or_else(refused)?;
        seconds = seconds.checked_add(more).ok_or_else(refused)?;
        rest = after;
    }
    match seconds {
        0 => Err(refused()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_write_them() {
        let seconds = |text| duration(text).map(|found| found.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        for text in [
            "",
            "10",
            "m",
            "10d",
            "-1s",
            "0s",
            "1.5m",
            "99999999999999999999s",
            "5é",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
