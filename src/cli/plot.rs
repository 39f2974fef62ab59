use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::terminal::Terminal;
use super::{Problem, picture_file};
use crate::report::plot::{SHARE, pictures_of};
use crate::report::{Picture, Source, SourceError, Theme};

/// Draws what files hold: results of experiments, logs of trainings, counts of paths, families of
/// networks.
///
/// Each results file gives every picture that its records allow; trainings share one picture, and
/// so do counts of paths; the spectra of several networks also show how their effective ranges
/// grow. Every picture holds a text alternative for screen readers, and the same file gives the
/// same bytes.
///
/// Example: pathscope plot notebooks-rs/results/lesion.jsonl -o lesion.svg
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Results (.jsonl), training logs (log.jsonl), `multiplicity --json`, or a table of networks
    /// (.csv with depth, k, parameters, errors, examples and seed).
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where to: .svg or .png. Several pictures get their kind before the ending. Without it,
    /// KIND.svg in this folder.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Colours.
    #[arg(long, value_enum, default_value_t = ThemeName::Light)]
    theme: ThemeName,
    /// Draw these kinds only, such as lesion or spectrum.
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    kind: Vec<String>,
    /// Share of the gradient that effective ranges hold.
    #[arg(long, value_name = "SHARE", default_value_t = SHARE)]
    share: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ThemeName {
    Light,
    Dark,
}

impl From<ThemeName> for Theme {
    fn from(name: ThemeName) -> Self {
        match name {
            ThemeName::Light => Self::Light,
            ThemeName::Dark => Self::Dark,
        }
    }
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    if !(arguments.share > 0.0 && arguments.share <= 1.0) {
        return Err(Problem::BadInput(format!(
            "--share {} is no share; give a number above 0 and at most 1",
            arguments.share
        )));
    }
    let sources = arguments
        .files
        .iter()
        .map(|file| Source::read(file))
        .collect::<Result<Vec<_>, _>>()?;
    let bad = |fault: &dyn std::fmt::Display| Problem::BadInput(fault.to_string());
    let all = pictures_of(&sources, arguments.share).map_err(|fault| bad(&fault))?;
    let kinds = |pictures: &[Picture]| {
        let mut kinds: Vec<&str> = pictures.iter().map(|picture| picture.kind).collect();
        kinds.dedup();
        kinds.join(", ")
    };
    let wanted = |picture: &&Picture| {
        arguments.kind.is_empty() || arguments.kind.iter().any(|kind| kind == picture.kind)
    };
    let pictures: Vec<&Picture> = all.iter().filter(wanted).collect();
    if pictures.is_empty() {
        return Err(Problem::BadInput(match all.is_empty() {
            true => "there is nothing to draw: the files hold no measurement that a picture \
                     shows"
                .into(),
            false => format!(
                "there is no picture of this kind; the files give {}",
                kinds(&all)
            ),
        }));
    }
    let output = arguments.output.as_deref();
    let mut lines = Vec::new();
    for (picture, place) in pictures.iter().zip(places(&pictures, output)) {
        picture_file::write(picture, arguments.theme.into(), &place)?;
        lines.push(format!("{}: {}", place.display(), picture.title));
    }
    terminal.result(&lines.join("\n"))
}

/// A file for each picture.
fn places(pictures: &[&Picture], output: Option<&Path>) -> Vec<PathBuf> {
    if let (Some(output), [_]) = (output, pictures) {
        return vec![output.to_owned()];
    }
    let output = output.unwrap_or(Path::new(".svg"));
    let ending = match (output.extension(), output.file_name()) {
        (Some(ending), _) => ending.to_string_lossy().into_owned(),
        // A name that is an ending alone has none by the rules of paths.
        (None, Some(name)) => name.to_string_lossy().trim_start_matches('.').to_owned(),
        (None, None) => String::new(),
    };
    let stem = output.extension().and(output.file_stem());
    let mut seen = BTreeMap::<&str, usize>::new();
    let named = pictures.iter().map(|picture| {
        let number = seen.entry(picture.kind).or_default();
        *number += 1;
        let mut name = stem.map_or_else(String::new, |stem| format!("{}-", stem.to_string_lossy()));
        name += picture.kind;
        if *number > 1 {
            name += &format!("-{number}");
        }
        output.with_file_name(format!("{name}.{ending}"))
    });
    named.collect()
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        Self::BadInput(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::picture::{Chart, Content};

    fn picture(kind: &'static str) -> Picture {
        Picture {
            kind,
            title: String::new(),
            description: String::new(),
            content: Content::Chart(Chart::default()),
        }
    }

    #[test]
    fn several_pictures_are_told_apart_by_their_kind() {
        let all = [picture("lesion"), picture("order"), picture("lesion")];
        let all: Vec<&Picture> = all.iter().collect();
        let named = |output: Option<&str>| -> Vec<String> {
            let places = places(&all, output.map(Path::new));
            places
                .iter()
                .map(|place| place.display().to_string())
                .collect()
        };
        assert_eq!(named(None), ["lesion.svg", "order.svg", "lesion-2.svg"]);
        let expected = ["out/a-lesion.png", "out/a-order.png", "out/a-lesion-2.png"];
        assert_eq!(named(Some("out/a.png")), expected);
        assert_eq!(
            places(&all[..1], Some(Path::new("b.svg"))),
            [Path::new("b.svg")]
        );
    }
}
