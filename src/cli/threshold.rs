use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use pathscope_analysis::record::{FamilyMember, SCHEMA_VERSION};
use pathscope_analysis::{BootstrapOptions, Seed};
use serde::Serialize;

use super::effective_range::named;
use super::terminal::Terminal;
use super::{Problem, answer_file, family_table, picture_file};
use crate::format::load_model;
use crate::report::Theme;
use crate::report::family::{WidthAgainstDepth, read_members, thresholds, trained_member};
use crate::report::plot::threshold;

/// Estimates the depth beyond which more functions per block beat more blocks at equal parameters.
///
/// Networks with k functions per block are paired with those of one function per block that have
/// as many parameters; the depth threshold n0 is where their curves of error against depth cross,
/// in layers of the network with one function. Several seeds of each design give an interval over
/// trainings; with one there is an interval over the held-out examples alone.
///
/// Example: pathscope threshold assets/results/family/members.csv
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Networks of a family: logs of trainings (log.jsonl), trained models that state their test,
    /// results with the intact network, or lists of depth, k, parameters, errors, examples and
    /// seed as CSV or JSON Lines.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Largest difference in parameters between two networks that count as equal.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = tolerance)]
    tolerance: f64,
    /// Resamples behind the interval.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    resamples: usize,
    /// What resamples derive from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Write the answer as JSON here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write pictures, .svg or .png: FILE names the first part of their names, to which -k2 and
    /// so on is added.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// The answer as a file.
#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    tolerance: f64,
    members: &'a [FamilyMember],
    thresholds: &'a [WidthAgainstDepth],
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let mut members = Vec::new();
    for file in &arguments.files {
        members.extend(read(file)?);
    }
    members.sort_by_key(|member| (member.k, member.depth, member.seed));
    let options = BootstrapOptions {
        replicates: arguments.resamples,
        seed: Seed(arguments.seed),
        ..BootstrapOptions::default()
    };
    family_table::members(&members, terminal)?;
    let found = each_k(&members, arguments.tolerance, &options, terminal)?;
    for found in &found {
        family_table::threshold(found, &members, terminal)?;
    }
    if let Some(file) = &arguments.json {
        let answer = Answer {
            schema: SCHEMA_VERSION,
            tolerance: arguments.tolerance,
            members: &members,
            thresholds: &found,
        };
        answer_file::write(&answer, file)?;
    }
    if let Some(file) = &arguments.plot {
        for found in &found {
            let file = named(file, &format!("k{}", found.k));
            picture_file::write(&threshold(found), Theme::Light, &file)?;
            terminal.remark(&format!("picture: {}", file.display()));
        }
    }
    Ok(())
}

/// The answer for every k that allows one; says why of the others.
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
        (true, Some(error)) => Err(error.into()),
        (true, None) => Ok(thresholds(members, tolerance, options)?),
    }
}

fn read(file: &Path) -> Result<Vec<FamilyMember>, Problem> {
    if file.extension().is_none_or(|end| end != "safetensors") {
        return Ok(read_members(file)?);
    }
    let model = load_model(file, None)?;
    let parameters = u64::try_from(model.card.specification.parameter_count()).unwrap_or(0);
    let training = model.card.training.as_ref();
    let member = training.and_then(|training| trained_member(training, parameters));
    member.map(|member| vec![member]).ok_or_else(|| {
        Problem::BadInput(format!(
            "{}: the model states no recipe and test; give the log of its training or a list of \
             members instead",
            file.display()
        ))
    })
}

fn tolerance(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|&share: &f64| (0.0..=1.0).contains(&share))
        .ok_or_else(|| "give a share between 0 and 1, such as 0.2".to_owned())
}
