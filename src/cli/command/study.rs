use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use pathscope_analysis::Seed;
use pathscope_analysis::record::{FolderLock, Options, ReorderSettings};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::Kind;

use super::Execute;
use crate::cli::args::number::duration;
use crate::cli::args::{
    ComputeArguments, DataArguments, FormatArguments, ModelArguments, OutputArguments,
    ResultsArguments,
};
use crate::cli::show::answer::Answer;
use crate::cli::show::{file, network, page};
use crate::cli::{Problem, Session, Terminal, interrupt};
use crate::data::Dataset;
use crate::experiment::{
    Allotment, Journal, Laboratory, LesionOptions, Measurement, PILOT_EXAMPLES, first_gradient,
};
use crate::report::plot::SHARE;
use crate::report::{Finding, findings};

/// Run all experiments on a trained network within a time budget, and write a report
///
/// Inspects the network, deletes each block, measures the gradient by path length, deletes random
/// sets of blocks, and runs the blocks in other orders. A short pilot run decides how many samples
/// fit the budget; study.json records the numbers, so that the same command resumes after an
/// interruption.
///
/// Example: pathscope study assets/preresnet20.safetensors -o study --budget 5s
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Output folder for results files and report
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Time to aim for, such as 90s, 10m or 1h30m
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    budget: Duration,
    /// Seed of random choices
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    format: FormatArguments,
    #[command(flatten)]
    outputs: OutputArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

/// Files of a study.
const SETTINGS: &str = "study.json";
const INSPECTION: &str = "inspect.json";
const REPORT: &str = "report.html";

/// What a study is, written before its first measurement.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct StudyFile {
    pathscope: String,
    model_hash: String,
    data_hash: String,
    seed: u64,
    budget_seconds: u64,
    /// What the pilot run found to fit the budget; absent until it has ended.
    allotment: Option<Allotment>,
}

impl Execute for Arguments {
    const SHARED: bool = true;

    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let begin = Instant::now();
        if !self.output.join(SETTINGS).exists() {
            for name in [REPORT, INSPECTION] {
                let file = self.output.join(name);
                if file.exists() {
                    self.outputs.check(&file, &[], [])?;
                }
            }
        }
        let nowhere = ResultsArguments::default();
        let session = Session::open(&self.model, &self.data, &self.compute, &nowhere, terminal)?;
        let folder = &self.output;
        interrupt::advise(self.results(folder.clone()).kept());
        let _lock = session.first(|| {
            fs::create_dir_all(folder).map_err(|fault| Problem::writing(folder, fault))?;
            Ok(FolderLock::take(folder)?)
        })?;
        let known = session.first(|| {
            let known = self.known(&session)?;
            let described = network::describe(
                &session.card,
                &session.hash,
                &session.notes,
                &self.model.model,
            )?;
            file::write_json(&folder.join(INSPECTION), &described)?;
            Ok(known)
        })?;
        let allotment = match session.compute.team.firsts(known.flatten())? {
            Some(allotment) => allotment,
            None => self.pilot(&session)?,
        };
        let study = Study {
            arguments: self,
            session: &session,
            allotment,
            deadline: begin + self.budget,
        };
        let data = &session.data;
        study.blocks(&spread(data, allotment.examples)?)?;
        let gradients = allotment.batches * allotment.batch_examples;
        study.gradients(&spread(data, gradients)?)?;
        let examples = spread(data, allotment.examples)?;
        study.deletions(&examples)?;
        study.orders(&examples)?;
        session.first(|| {
            conclude(self, terminal)?;
            terminal.remark(&format!(
                "{:.0} s of {} s",
                begin.elapsed().as_secs_f64(),
                self.budget.as_secs()
            ));
            Ok(())
        })?;
        Ok(())
    }
}

impl Arguments {
    /// A place for results.
    fn results(&self, place: PathBuf) -> ResultsArguments {
        ResultsArguments {
            results: Some(place),
            shard: None,
        }
    }

    /// What this study is.
    fn settings(&self, session: &Session<'_>, allotment: Option<Allotment>) -> StudyFile {
        StudyFile {
            pathscope: env!("CARGO_PKG_VERSION").to_owned(),
            model_hash: session.hash.clone(),
            data_hash: session.data.content_hash(),
            seed: self.seed,
            budget_seconds: self.budget.as_secs(),
            allotment,
        }
    }

    /// The amounts of the study in the folder, where its pilot run has ended; begins it where there
    /// is none.
    fn known(&self, session: &Session<'_>) -> Result<Option<Allotment>, Problem> {
        let file = self.output.join(SETTINGS);
        let this = |allotment| self.settings(session, allotment);
        if !file.is_file() {
            file::write_json(&file, &this(None))?;
            return Ok(None);
        }
        let bytes = fs::read(&file)
            .map_err(|fault| Problem::Failed(format!("{}: {fault}", file.display())))?;
        let known: StudyFile = serde_json::from_slice(&bytes).map_err(|fault| {
            let file = file.display();
            Problem::BadInput(format!(
                "{file}: {fault}; remove it to start the study again"
            ))
        })?;
        let allotment = known.allotment;
        if known != this(allotment) {
            return Err(Problem::BadInput(format!(
                "{} belongs to a study with another model, data set, seed, budget or version; give \
                 another folder",
                file.display()
            )));
        }
        let folder = self.output.display();
        session
            .terminal
            .remark(&format!("resuming the study in {folder}"));
        Ok(allotment)
    }

    /// The amounts that fit the budget, by a pilot run.
    fn pilot(&self, session: &Session<'_>) -> Result<Allotment, Problem> {
        let begin = Instant::now();
        let few = spread(&session.data, PILOT_EXAMPLES)?;
        let pilot = session.laboratory_on(&few, &few)?.pilot(Seed(self.seed));
        let pilot = pilot.map_err(|fault| self.results(self.output.clone()).explain(fault))?;
        let left = self.budget.saturating_sub(begin.elapsed());
        let scope = session.laboratory()?.scope();
        let allotment = Allotment::new(&pilot, &scope, left.as_secs_f64());
        // Of several processes the first decides.
        let allotment = session.compute.team.firsts(allotment)?;
        let settings = self.settings(session, Some(allotment));
        session.first(|| file::write_json(&self.output.join(SETTINGS), &settings))?;
        Ok(allotment)
    }
}

/// So many examples, evenly spread over all: data are often sorted by class.
fn spread(data: &Dataset, count: usize) -> Result<Dataset, Problem> {
    let all = data.len();
    let count = count.min(all);
    let chosen: Vec<usize> = (0..count).map(|place| place * all / count.max(1)).collect();
    Ok(data.select(&chosen)?)
}

/// Measurements between two looks at the clock.
const AT_ONCE: usize = 16;

struct Study<'a> {
    arguments: &'a Arguments,
    session: &'a Session<'a>,
    allotment: Allotment,
    deadline: Instant,
}

impl Study<'_> {
    /// Opens a results file of the study.
    fn journal(
        &self,
        name: &str,
        laboratory: &Laboratory<'_>,
        options: Options,
    ) -> Result<(ResultsArguments, Journal), Problem> {
        let file = self.arguments.results(self.arguments.output.join(name));
        let seed = self.arguments.seed;
        let journal = self.session.journal_in(&file, laboratory, options, seed)?;
        Ok((file, journal))
    }

    fn lesions(&self, laboratory: &Laboratory<'_>) -> Result<(ResultsArguments, Journal), Problem> {
        let settings = laboratory.lesion_settings(LesionOptions::default());
        self.journal("lesion.jsonl", laboratory, Options::Lesion(settings))
    }

    /// The intact network, and every block deleted.
    fn blocks(&self, data: &Dataset) -> Result<(), Problem> {
        let laboratory = self.session.laboratory_on(data, data)?;
        let (file, mut journal) = self.lesions(&laboratory)?;
        let mut measurements = vec![laboratory.questions().intact_measurement()];
        measurements.extend(laboratory.questions().each_block(LesionOptions::default()));
        file.measure(
            &laboratory,
            &measurements,
            &mut journal,
            self.session.terminal,
        )
    }

    /// The gradient by path length.
    fn gradients(&self, data: &Dataset) -> Result<(), Problem> {
        let laboratory = self.session.laboratory_on(data, data)?;
        let options = self
            .allotment
            .spectrum(Seed(self.arguments.seed), first_gradient(data));
        let settings = options.settings(32, laboratory.normalization());
        let options_of = Options::GradientSpectrum(settings);
        let (file, mut journal) = self.journal("spectrum.jsonl", &laboratory, options_of)?;
        let plan = laboratory.intact();
        let steps = options.steps(plan.steps().len());
        file.with_bar(
            self.session.terminal,
            steps,
            "give a shorter --budget",
            |progress| laboratory.spectrum(&plan, &options, Kind::Float, &mut journal, progress),
        )
    }

    /// Random sets of blocks deleted, as far as time allows.
    fn deletions(&self, data: &Dataset) -> Result<(), Problem> {
        let laboratory = self.session.laboratory_on(data, data)?;
        let (file, mut journal) = self.lesions(&laboratory)?;
        let measurements = laboratory
            .questions()
            .allotted_deletions(&self.allotment, Seed(self.arguments.seed))?;
        // What the orders need is left to them.
        let now = Instant::now();
        let half = self.deadline.saturating_duration_since(now) / 2;
        self.until(
            now + half,
            "random deletions",
            &laboratory,
            &measurements,
            &file,
            &mut journal,
        )
    }

    /// Blocks in another order, as far as time allows; a remark where none can change places.
    fn orders(&self, data: &Dataset) -> Result<(), Problem> {
        if self.allotment.swaps == 0 {
            self.session
                .terminal
                .remark("no two blocks have equal shape, so their order cannot change");
            return Ok(());
        }
        let laboratory = self.session.laboratory_on(data, data)?;
        let normalization = laboratory.normalization();
        let settings = ReorderSettings { normalization };
        let settings = Options::Reorder(settings);
        let (file, mut journal) = self.journal("reorder.jsonl", &laboratory, settings)?;
        let mut measurements = vec![laboratory.questions().intact_measurement()];
        let seed = Seed(self.arguments.seed);
        measurements.extend(
            laboratory
                .questions()
                .allotted_orders(&self.allotment, seed)?,
        );
        self.until(
            self.deadline,
            "orders",
            &laboratory,
            &measurements,
            &file,
            &mut journal,
        )
    }

    /// Measures `measurements` in their order up to an instant; the first ones in any case.
    fn until(
        &self,
        end: Instant,
        what: &str,
        laboratory: &Laboratory<'_>,
        measurements: &[Measurement],
        file: &ResultsArguments,
        journal: &mut Journal,
    ) -> Result<(), Problem> {
        let mut done = 0;
        for group in measurements.chunks(AT_ONCE) {
            let late = done > 0 && Instant::now() >= end;
            if self
                .session
                .compute
                .team
                .firsts(late)
                .map_err(Problem::from)?
            {
                self.session.terminal.remark(&format!(
                    "time is up: {done} of {} {what} measured; the same command measures more",
                    measurements.len()
                ));
                return Ok(());
            }
            file.measure(laboratory, group, journal, self.session.terminal)?;
            done += group.len();
        }
        Ok(())
    }
}

/// Writes the report and prints what was found.
fn conclude(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let run = page::read([&arguments.output])?;
    let page = arguments.output.join(REPORT);
    page::write(&run, SHARE, &page)?;
    let journals = run.journals.iter();
    let found: Vec<Finding> = journals
        .clone()
        .flat_map(|journal| findings(journal, SHARE))
        .collect();
    let files: Vec<String> = journals
        .map(|journal| journal.path.display().to_string())
        .collect();
    let mut answer = Answer::default();
    answer.document(json!({
        "findings": found,
        "files": files,
        "report": page.display().to_string(),
    }));
    for Finding {
        question,
        answer: found,
    } in &found
    {
        answer.text(format!("{question}\n  {found}"));
    }
    answer.text(format!("report: {}", page.display()));
    answer.print(arguments.format.get(), terminal)
}
