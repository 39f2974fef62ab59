use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Execute;
use crate::cli::args::number::share;
use crate::cli::args::{OutputArguments, PICTURES, PictureArguments};
use crate::cli::show::picture_file;
use crate::cli::{Problem, Terminal};
use crate::report::plot::{KINDS, SHARE, pictures_of, veit};
use crate::report::{Picture, Run, Source};

/// Plot results files, training logs, path counts or families of networks
///
/// Draws every plot that the records of the files allow. Lesions, deletions and orders of several
/// networks on the same data share a plot, and so do spectra, training logs and path counts. The
/// spectra of several networks also show how their effective ranges grow. Every .svg file contains
/// a text alternative for screen readers. The same files give the same bytes.
///
/// Example: pathscope plot notebooks-rs/results/lesion.jsonl -o lesion.svg
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Results files (.jsonl), training logs (log.jsonl), output of `multiplicity --format json`,
    /// or networks of a family (.csv with depth, k, parameters, errors, examples and seed)
    #[arg(required_unless_present = "veit")]
    files: Vec<PathBuf>,
    /// Folder of a study, for the figures of Veit et al. and of Abdi & Nahavandi: one sheet, and
    /// each of its panels
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    veit: Option<PathBuf>,
    /// Output file (.svg, .pdf or .png); of several plots, each has its kind before the ending
    /// [default: KIND.svg]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Kinds of plots to draw [default: all]
    #[arg(
        long,
        value_name = "KIND,...",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(KINDS)
    )]
    kind: Vec<String>,
    /// Share of the gradient that an effective range holds
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = share)]
    share: f64,
    #[command(flatten)]
    look: PictureArguments,
    #[command(flatten)]
    outputs: OutputArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        if let Some(output) = &self.output {
            self.outputs.check_ending(output, PICTURES)?;
        }
        let all = self.pictures()?;
        let kinds = |pictures: &[Picture]| {
            let mut kinds: Vec<&str> = pictures.iter().map(|picture| picture.kind).collect();
            kinds.dedup();
            kinds.join(", ")
        };
        let wanted = |picture: &&Picture| {
            self.kind.is_empty() || self.kind.iter().any(|kind| kind == picture.kind)
        };
        let pictures: Vec<&Picture> = all.iter().filter(wanted).collect();
        if pictures.is_empty() {
            let files = self.veit.iter().chain(&self.files);
            let files: Vec<_> = files.map(|file| file.display().to_string()).collect();
            let files = files.join(", ");
            return Err(Problem::BadInput(match all.is_empty() {
                true => format!("{files}: there is no measurement that has a plot"),
                false => format!(
                    "{files}: there is no plot of this kind, but {}",
                    kinds(&all)
                ),
            }));
        }
        let output = self.output.as_deref();
        let files = places(&pictures, output);
        for file in &files {
            self.outputs.check(file, PICTURES, &self.files)?;
        }
        let mut lines = Vec::new();
        for (picture, file) in pictures.iter().zip(&files) {
            picture_file::write_silently(picture, &self.look.look(), self.look.dpi, file)?;
            lines.push(format!("{}: {}", file.display(), picture.title));
        }
        terminal.result(&lines.join("\n"))
    }
}

impl Arguments {
    fn pictures(&self) -> Result<Vec<Picture>, Problem> {
        if let Some(folder) = &self.veit {
            let run = Run::read(folder)?;
            return veit(&run.journals, self.share).map_err(Problem::bad_input);
        }
        let sources = self.files.iter().map(|file| Source::read(file));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        pictures_of(&sources, self.share).map_err(Problem::bad_input)
    }
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
            let places = places(&all, output.map(Path::new)).into_iter();
            places.map(|place| place.display().to_string()).collect()
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
