use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pathscope_analysis::record::SCHEMA_VERSION;
use serde::Serialize;

use super::arguments::share;
use super::terminal::Terminal;
use super::{Problem, answer_file, family_table, picture_file};
use crate::report::family::{Growth, Quantity, RangeMember, Size, growth};
use crate::report::gradient::Measure;
use crate::report::plot::{SHARE, scaling};
use crate::report::{Journal, Theme};

/// Estimates how the effective range of path lengths grows over a family of networks.
///
/// Gives the range of each network, and power laws with the number of blocks n (is the range
/// proportional to n, or sub-linear?) and with the functions per block k (is it linear in k?), and
/// whether the factor rho per function changes with n. Three networks that differ in n or k alone
/// allow a law.
///
/// Example: pathscope effective-range assets/results/family/spectrum-*.jsonl
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Results of pathscope gradient-spectrum, one file for each network.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Which measure of the gradient.
    #[arg(long, value_enum, default_value_t = MeasureName::Coherent)]
    measure: MeasureName,
    /// Share of the gradient that an effective range holds.
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = share)]
    share: f64,
    /// Write the answer as JSON here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write pictures, .svg or .png: FILE names the first part of their names, to which -width-n,
    /// -width-k, -centre-n and so on are added.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MeasureName {
    /// The norm of the exact sum of the paths of a length.
    Coherent,
    /// The root of their summed squared norms.
    Energy,
    /// The mean norm of drawn paths times their number.
    Sampled,
}

impl From<MeasureName> for Measure {
    fn from(name: MeasureName) -> Self {
        match name {
            MeasureName::Coherent => Self::Coherent,
            MeasureName::Energy => Self::Energy,
            MeasureName::Sampled => Self::Sampled,
        }
    }
}

/// The answer as a file.
#[derive(Serialize)]
struct Answer<'a> {
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

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let measure = Measure::from(arguments.measure);
    let mut members = Vec::new();
    for file in &arguments.files {
        let journal = Journal::read(file)?;
        members.push(RangeMember::new(&journal, measure, arguments.share)?);
    }
    members.sort_by_key(|member| (member.functions, member.blocks));
    family_table::ranges(&members, measure, arguments.share, terminal)?;
    let mut found = Vec::new();
    for (quantity, size) in QUESTIONS {
        match growth(&members, quantity, size) {
            Ok(growth) => found.push(growth),
            Err(refusal) => terminal.remark(&format!(
                "no law of the {} with {}: {refusal}",
                quantity.name(),
                size.letters().0
            )),
        }
    }
    for growth in &found {
        family_table::growth(growth, terminal)?;
    }
    if let Some(file) = &arguments.json {
        let answer = Answer {
            schema: SCHEMA_VERSION,
            measure: measure.name(),
            share: arguments.share,
            members: &members,
            growth: &found,
        };
        answer_file::write(&answer, file)?;
    }
    if let Some(file) = &arguments.plot {
        for growth in &found {
            if let Some(picture) = scaling(&members, growth) {
                let name = format!("{}-{}", growth.quantity.name(), growth.size.letters().0);
                let file = named(file, &name);
                picture_file::write(&picture, Theme::Light, &file)?;
                terminal.remark(&format!("picture: {}", file.display()));
            }
        }
    }
    Ok(())
}

/// `ranges.svg` and `width-n` make `ranges-width-n.svg`.
pub(super) fn named(file: &Path, name: &str) -> PathBuf {
    let part = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let (stem, end) = (part(file.file_stem()), part(file.extension()));
    file.with_file_name(format!("{stem}-{name}.{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_folder_and_ending() {
        let file = named(Path::new("out/ranges.v2.svg"), "width-n");
        assert_eq!(file, Path::new("out/ranges.v2-width-n.svg"));
    }
}
