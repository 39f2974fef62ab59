use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use pathscope_analysis::record::{FamilyMember, SCHEMA_VERSION};
use pathscope_analysis::{BootstrapOptions, EQUAL_PARAMETERS, Seed, WidthAgainstDepth, thresholds};
use serde::Serialize;

use super::Execute;
use crate::cli::args::number::{positive, tolerance};
use crate::cli::args::{Format, OutputArguments, PICTURES};
use crate::cli::show::answer::Answer;
use crate::cli::show::{file, picture_file};
use crate::cli::{Problem, Terminal};
use crate::format::load_model;
use crate::report::family::{FamilyError, answer as answer_of, read_members, trained_member};
use crate::report::plot::threshold;
use crate::report::view::family;

/// Estimate from which depth more functions per block beat more blocks
///
/// Networks with k functions per block are paired with networks of one function per block that
/// have about as many parameters. The depth threshold n0, in layers of the network with one
/// function, is where their curves of error against depth cross. Several seeds of each design give
/// an interval over trainings; a single seed gives an interval over the test examples only.
///
/// Example: pathscope threshold assets/results/family/members.csv
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Networks of a family: training logs (log.jsonl), models trained by pathscope, results files,
    /// or lists of depth, k, parameters, errors, examples and seed (.csv or .jsonl)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Largest relative difference in parameters that counts as equal
    #[arg(long, value_name = "SHARE", default_value_t = EQUAL_PARAMETERS, value_parser = tolerance)]
    tolerance: f64,
    /// Bootstrap resamples behind the interval
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = positive)]
    resamples: usize,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Format of the printed answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Results file (JSON): the networks and their thresholds
    #[arg(long, alias = "json", value_name = "FILE")]
    results: Option<PathBuf>,
    /// Plot files (.svg, .pdf or .png), named FILE-k2, FILE-k3 and so on
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    outputs: OutputArguments,
}

/// The results file.
#[derive(Serialize)]
struct ThresholdResults<'a> {
    schema: u32,
    tolerance: f64,
    members: &'a [FamilyMember],
    thresholds: &'a [WidthAgainstDepth],
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        if let Some(file) = &self.results {
            self.outputs.check(file, &[], &self.files)?;
        }
        let mut members = Vec::new();
        for file in &self.files {
            members.extend(read(file)?);
        }
        members.sort_by_key(|member| (member.k, member.depth, member.seed));
        let plots = |k: usize| {
            self.plot
                .as_ref()
                .map(|file| picture_file::named(file, &format!("k{k}")))
        };
        for file in members.iter().filter_map(|member| plots(member.k)) {
            self.outputs.check(&file, PICTURES, &self.files)?;
        }
        let options = BootstrapOptions {
            replicates: self.resamples,
            seed: Seed(self.seed),
            ..BootstrapOptions::default()
        };
        let mut answer = Answer::default();
        answer.table("networks", family::members(&members));
        let found = each_k(&members, self.tolerance, &options, terminal)?;
        for found in &found {
            let name = format!("k{}", found.k);
            answer.table(name, family::equal_designs(found, &members));
            answer.text(answer_of(found));
        }
        let results = ThresholdResults {
            schema: SCHEMA_VERSION,
            tolerance: self.tolerance,
            members: &members,
            thresholds: &found,
        };
        let document = serde_json::to_value(&results);
        answer.document(document.map_err(|fault| Problem::Internal(fault.to_string()))?);
        answer.print(self.format, terminal)?;
        if let Some(file) = &self.results {
            file::write_json(file, &results)?;
        }
        for found in &found {
            if let Some(file) = plots(found.k) {
                picture_file::write(&threshold(found), &file, terminal)?;
            }
        }
        Ok(())
    }
}

/// The threshold for every k that allows one; the others get a note with the reason.
fn each_k(
    members: &[FamilyMember],
    tolerance: f64,
    options: &BootstrapOptions,
    terminal: &Terminal,
) -> Result<Vec<WidthAgainstDepth>, Problem> {
    let wider: BTreeSet<usize> = members.iter().map(|member| member.k).collect();
    let mut found = Vec::new();
    let mut refusal = None;
    for &k in wider.iter().filter(|&&k| k > 1) {
        let pair: Vec<FamilyMember> = members
            .iter()
            .filter(|member| member.k == 1 || member.k == k)
            .cloned()
            .collect();
        match thresholds(&pair, tolerance, options) {
            Ok(answers) => found.extend(answers),
            Err(error) => {
                terminal.remark(&error.to_string());
                refusal = Some(error);
            }
        }
    }
    match (found.is_empty(), refusal) {
        (false, _) => Ok(found),
        (true, Some(error)) => Err(FamilyError::from(error).into()),
        (true, None) => Ok(thresholds(members, tolerance, options).map_err(FamilyError::from)?),
    }
}

fn read(file: &Path) -> Result<Vec<FamilyMember>, Problem> {
    if file.extension().is_none_or(|end| end != "safetensors") {
        return Ok(read_members(file)?);
    }
    let model = load_model(file, None)?;
    let parameters = u64::try_from(model.card.specification.parameter_count())
        .map_err(|_| Problem::Internal("a negative number of parameters".into()))?;
    let training = model.card.training.as_ref();
    let member = training.and_then(|training| trained_member(training, parameters));
    member.map(|member| vec![member]).ok_or_else(|| {
        Problem::BadInput(format!(
            "{}: the model states no recipe and test error; give the log of its training or a \
             list of networks instead",
            file.display()
        ))
    })
}
