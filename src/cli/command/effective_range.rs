use std::path::{Path, PathBuf};

use clap::Args;
use pathscope_analysis::ScalingError;
use pathscope_analysis::record::{Measure, SCHEMA_VERSION};
use serde::Serialize;

use super::Execute;
use crate::cli::args::number::share;
use crate::cli::args::{Format, OutputArguments, PICTURES};
use crate::cli::show::answer::Answer;
use crate::cli::show::{file, picture_file};
use crate::cli::{Problem, Terminal};
use crate::report::Journal;
use crate::report::family::{Growth, Quantity, RangeMember, Size, growth};
use crate::report::plot::{SHARE, scaling};
use crate::report::view::family;

/// Estimate how the effective range of path lengths grows over a family of networks
///
/// The effective range is the shortest interval of path lengths that holds a stated share of the
/// gradient. Prints the range of each network, and fits power laws: of its width and centre against
/// the number of blocks n (proportional or sub-linear?) and the functions per block k (linear?),
/// and of rho, the factor per function on a path, against n and k. A fit needs at least three
/// networks that differ in n alone or in k alone.
///
/// Example: pathscope effective-range assets/results/family/spectrum-*.jsonl
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Results files of `pathscope gradient-spectrum`, one per network
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Measure of the gradient by path length
    #[arg(long, value_enum, default_value_t = Measure::Coherent)]
    measure: Measure,
    /// Share of the gradient that an effective range holds
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = share)]
    share: f64,
    /// Format of the printed answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Results file (JSON): the ranges and the fits
    #[arg(long, alias = "json", value_name = "FILE")]
    results: Option<PathBuf>,
    /// Plot files (.svg, .pdf or .png), named FILE-width-n, FILE-width-k, FILE-centre-n and so on
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    outputs: OutputArguments,
}

/// The results file.
#[derive(Serialize)]
struct GrowthResults<'a> {
    schema: u32,
    measure: &'static str,
    share: f64,
    members: &'a [RangeMember],
    growth: &'a [Growth],
}

/// What is asked of a family, in the order in which it is answered.
const QUESTIONS: [(Quantity, Size); 6] = [
    (Quantity::Width, Size::Blocks),
    (Quantity::Width, Size::Functions),
    (Quantity::Centre, Size::Blocks),
    (Quantity::Centre, Size::Functions),
    (Quantity::Rho, Size::Blocks),
    (Quantity::Rho, Size::Functions),
];

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let measure = self.measure;
        if let Some(file) = &self.results {
            self.outputs.check(file, &[], &self.files)?;
        }
        if let Some(file) = &self.plot {
            for (quantity, size) in QUESTIONS {
                self.outputs
                    .check(&plot_of(file, quantity, size), PICTURES, &self.files)?;
            }
        }
        let mut members = Vec::new();
        for file in &self.files {
            let journal = Journal::read(file)?;
            members.push(RangeMember::new(&journal, measure, self.share)?);
        }
        members.sort_by_key(|member| (member.functions, member.blocks));
        let mut answer = Answer::default();
        answer.table("ranges", family::ranges(&members, measure, self.share));
        let mut found = Vec::new();
        for (quantity, size) in QUESTIONS {
            let (along, fixed) = size.letters();
            let no_fit = format!("no fit of the {} against {along}", quantity.name());
            match growth(&members, quantity, size) {
                Ok(growth) => {
                    for (value, refusal) in &growth.refused {
                        // Groups too small for a law of their own are the rule.
                        if matches!(refusal, ScalingError::NoScatter) {
                            terminal.remark(&format!("{no_fit} at {fixed} = {value}: {refusal}"));
                        }
                    }
                    found.push(growth);
                }
                Err(refusal) => terminal.remark(&format!("{no_fit}: {refusal}")),
            }
        }
        for growth in &found {
            let name = format!("{}_{}", growth.quantity.name(), growth.size.letters().0);
            answer.table(name, family::growth(growth));
        }
        answer.print(self.format, terminal)?;
        if let Some(file) = &self.results {
            let results = GrowthResults {
                schema: SCHEMA_VERSION,
                measure: measure.name(),
                share: self.share,
                members: &members,
                growth: &found,
            };
            file::write_json(file, &results)?;
        }
        if let Some(file) = &self.plot {
            for growth in &found {
                if let Some(picture) = scaling(&members, growth) {
                    let file = plot_of(file, growth.quantity, growth.size);
                    picture_file::write(&picture, &file, terminal)?;
                }
            }
        }
        Ok(())
    }
}

fn plot_of(file: &Path, quantity: Quantity, size: Size) -> PathBuf {
    let name = format!("{}-{}", quantity.name(), size.letters().0);
    picture_file::named(file, &name)
}
