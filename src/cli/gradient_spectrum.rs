use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pathscope_analysis::Seed;
use pathscope_analysis::record::{Record, Spectrum};
use serde_json::json;
use tch::Kind;

use super::arguments::{self, ComputeArguments, DataArguments, JournalArguments};
use super::shape_arguments::ShapeArguments;
use super::terminal::Terminal;
use super::{Problem, interrupt, picture_file, ranks, spectrum_table};
use crate::data::{Dataset, Normalization};
use crate::experiment::{Grading, Journal, Laboratory, Loss, Place, SpectrumOptions};
use crate::format::{Model, load_model};
use crate::network::BlockShape;
use crate::report::Theme;
use crate::report::gradient::{GradientSummary, summarize};
use crate::report::plot::{SHARE, spectrum};

/// Measures how much of the gradient flows through paths of each length, exactly, over all paths.
///
/// The gradient of a residual network at a fixed input is the sum of the gradients of all its
/// paths (the forward pass is not a sum of independent paths). Without a model file, the network
/// of the given shape that is shipped is used, or else an untrained one.
///
/// Example: pathscope gradient-spectrum --depth 20 --k 1 --batches 1 --examples 4 --samples 20
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Model file: pathscope's safetensors, or a PyTorch checkpoint of a known architecture.
    model: Option<PathBuf>,
    #[command(flatten)]
    shape: ShapeArguments,
    /// Normalisation of the inputs, where the file does not state it: imagenet, cifar10,
    /// cifar100, mnist, fashion-mnist, half or none.
    #[arg(long, value_name = "PRESET")]
    normalize: Option<String>,
    #[command(flatten)]
    data: DataArguments,
    /// Measure every model that matches this pattern instead: the spectrum over a training.
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["model", "depth", "blocks", "json", "plot"])]
    checkpoints: Option<String>,
    #[command(flatten)]
    measurement: Measurement,
    /// Write a picture of the spectrum, .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    journal: JournalArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What to measure")]
struct Measurement {
    /// The exact sum by length; the summed squared norms of single paths, without bias, by random
    /// signs; paths drawn at random (Veit et al. 2016); or all three.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    measure: Vec<MeasureName>,
    /// Where the gradient is taken: at the input unless told, or at the stem's output where the
    /// input is tokens, at which there is none.
    #[arg(long, value_enum)]
    at: Option<PlaceName>,
    /// What the gradient is of.
    #[arg(long, value_enum, default_value_t = LossName::CrossEntropy, conflicts_with = "logit")]
    loss: LossName,
    /// Take the gradient of a logit instead: of class CLASS, or of the largest one (max).
    #[arg(long, value_name = "CLASS|max", value_parser = logit)]
    logit: Option<Loss>,
    /// Leave out longer paths, and the work that only they need.
    #[arg(long, value_name = "LENGTH")]
    max_length: Option<usize>,
    /// Draws of random signs for the energy.
    #[arg(long, value_name = "N", default_value_t = 8)]
    draws: u64,
    /// Paths drawn of each length.
    #[arg(long, value_name = "N", default_value_t = 100)]
    samples: u64,
    /// Mini-batches.
    #[arg(long, value_name = "N", default_value_t = 4)]
    batches: usize,
    /// Examples of a mini-batch.
    #[arg(long, value_name = "N", default_value_t = 16)]
    examples: usize,
    /// Tell paths apart by the number of functions in each stage.
    #[arg(long, conflicts_with = "by_branch")]
    by_stage: bool,
    /// Tell paths apart by the number of first, second, ... functions of their blocks.
    #[arg(long)]
    by_branch: bool,
    /// Record the drawn paths (block, function) with their gradient norms; needs --json.
    #[arg(long, requires = "json")]
    sample_paths: bool,
    /// Share of the gradient that the effective range holds.
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = arguments::share)]
    share: f64,
    /// Compute in 64 bits.
    #[arg(long)]
    float64: bool,
    /// What random choices derive from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MeasureName {
    Coherent,
    Energy,
    Sampled,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlaceName {
    /// At the normalised image.
    Input,
    /// At the stem's output.
    Stem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LossName {
    /// Each example's cross-entropy.
    CrossEntropy,
}

impl Measurement {
    fn options(&self, shapes: &[BlockShape], data: &Dataset) -> Result<SpectrumOptions, Problem> {
        let measures =
            |name| self.measure.contains(&name) || self.measure.contains(&MeasureName::All);
        for (number, what) in [(self.batches, "--batches"), (self.examples, "--examples")] {
            if number == 0 {
                return Err(Problem::BadInput(format!("{what} needs at least 1")));
            }
        }
        let only = |wanted: bool, number: u64, what: &str| match (wanted, number) {
            (true, 0) => Err(Problem::BadInput(format!("{what} needs at least 1"))),
            (true, number) => Ok(number),
            (false, _) => Ok(0),
        };
        let LossName::CrossEntropy = self.loss;
        Ok(SpectrumOptions {
            coherent: measures(MeasureName::Coherent),
            draws: only(measures(MeasureName::Energy), self.draws, "--draws")?,
            samples: only(measures(MeasureName::Sampled), self.samples, "--samples")?,
            record_paths: self.sample_paths,
            loss: self.logit.unwrap_or_default(),
            place: match self.at {
                Some(PlaceName::Input) => Place::Input,
                Some(PlaceName::Stem) => Place::Stem,
                None => Place::of(data),
            },
            longest: self.max_length,
            grading: if self.by_stage {
                Some(Grading::Stage(stages(shapes)))
            } else if self.by_branch {
                Some(Grading::Function)
            } else {
                None
            },
            batches: self.batches,
            examples: self.examples,
            seed: Seed(self.seed),
        })
    }
}

/// The stage of every block: a new one begins where features change their shape.
fn stages(shapes: &[BlockShape]) -> Vec<usize> {
    let mut stage = 0;
    let outputs = shapes.iter().map(|shape| shape.output);
    let mut before = shapes.first().map(|shape| shape.output);
    outputs
        .map(|output| {
            if before.is_some_and(|before| before != output) {
                stage += 1;
            }
            before = Some(output);
            stage
        })
        .collect()
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    if let Some(pattern) = &arguments.checkpoints {
        return over_training(pattern, arguments, terminal);
    }
    let (model, data) = subject(arguments, terminal)?;
    let (journal, summary) = measure(&model, &data, arguments, terminal)?;
    if !ranks::team().is_first() {
        return Ok(());
    }
    spectrum_table::print(journal.header(), &summary, terminal)?;
    let spectra = spectra(&journal);
    spectrum_table::print_grades(&spectra, terminal)?;
    if let Some(file) = &arguments.plot {
        let picture = spectrum(journal.header(), &summary);
        picture_file::write(&picture, Theme::Light, file)?;
        terminal.remark(&format!("picture: {}", file.display()));
    }
    Ok(())
}

/// One row for every model that matches `pattern`.
fn over_training(pattern: &str, arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let files = glob::glob(pattern)
        .map_err(|fault| Problem::BadInput(format!("--checkpoints {pattern}: {fault}")))?
        .collect::<Result<Vec<PathBuf>, _>>()
        .map_err(|fault| Problem::BadInput(fault.to_string()))?;
    if files.is_empty() {
        return Err(Problem::BadInput(format!(
            "no file matches --checkpoints {pattern}"
        )));
    }
    let mut rows = Vec::new();
    for file in files {
        let model = load(&file, arguments, terminal)?;
        let data = arguments.data.load(&model, &file)?;
        let (_, summary) = measure(&model, &data, arguments, terminal)?;
        rows.push((file.display().to_string(), summary));
    }
    spectrum_table::print_training(&rows, terminal)
}

fn load(file: &Path, arguments: &Arguments, terminal: &Terminal) -> Result<Model, Problem> {
    let model = load_model(file, normalization(arguments)?)?;
    for note in &model.notes {
        terminal.remark(&format!("note: {note}"));
    }
    Ok(model)
}

fn normalization(arguments: &Arguments) -> Result<Option<Normalization>, Problem> {
    let preset = arguments.normalize.as_deref();
    Ok(preset.map(Normalization::preset).transpose()?)
}

/// The network asked for, and the examples.
fn subject(arguments: &Arguments, terminal: &Terminal) -> Result<(Model, Dataset), Problem> {
    let shape = &arguments.shape;
    if let Some(file) = &arguments.model {
        let model = load(file, arguments, terminal)?;
        let data = arguments.data.load(&model, file)?;
        return Ok((model, data));
    }
    if let Some((file, model)) = shape.asset()? {
        terminal.result(&format!(
            "the trained network of this shape that is shipped: {}",
            file.display()
        ))?;
        let data = arguments.data.load(&model, &file)?;
        return Ok((model, data));
    }
    let location = arguments.data.data.as_deref();
    let data = shape.examples(location, arguments.data.limit)?;
    let normalization = match normalization(arguments)? {
        Some(normalization) => normalization,
        None => Normalization::preset("half")?,
    };
    let compute = arguments.compute.options()?;
    let model = shape.untrained(&data, normalization, arguments.measurement.seed, compute)?;
    terminal.result(
        "an UNTRAINED network: no trained one of this shape is shipped, so the weights are \
         He-initialised and the normalisations measured on 256 images",
    )?;
    Ok((model, data))
}

fn measure(
    model: &Model,
    data: &Dataset,
    arguments: &Arguments,
    terminal: &Terminal,
) -> Result<(Journal, GradientSummary), Problem> {
    let Measurement {
        seed,
        share,
        float64,
        ..
    } = arguments.measurement;
    let compute = arguments.compute.options()?;
    let network = model.network.to_device(compute.device)?;
    let normalization = &model.card.normalization;
    let laboratory = Laboratory::new(&network, data, data, normalization, compute)?
        .stopping_when(interrupt::asked);
    let options = arguments.measurement.options(laboratory.shapes(), data)?;
    if let (Loss::Logit(class), Some(classes)) = (options.loss, model.card.specification.classes())
        && class >= classes
    {
        return Err(Problem::BadInput(format!(
            "--logit {class}: the model tells {classes} classes apart, which count from 0"
        )));
    }
    let described = describe(&options, float64, normalization);
    let title = &model.card.title;
    let header = laboratory.header("gradient-spectrum", title, &model.hash, seed, described);
    let mut journal = arguments.journal.open(header, terminal)?;
    let kind = if float64 { Kind::Double } else { Kind::Float };
    let bar = terminal.progress(options.batches as u64, "mini-batches");
    let plan = laboratory.intact();
    let outcome = laboratory.spectrum(&plan, &options, kind, &mut journal, &|done| bar.inc(done));
    bar.finish_and_clear();
    outcome.map_err(|error| arguments.journal.explain(error))?;
    let spectra = spectra(&journal);
    let summary = summarize(journal.header(), &spectra, share).ok_or_else(|| {
        Problem::Failed("the gradient is zero on every path: there is nothing to summarise".into())
    })?;
    Ok((journal, summary))
}

/// What the results depend on, for the header of their journal.
pub(super) fn describe(
    options: &SpectrumOptions,
    float64: bool,
    normalization: &Normalization,
) -> serde_json::Value {
    json!({
        "coherent": options.coherent,
        "draws": options.draws,
        "samples": options.samples,
        "record_paths": options.record_paths,
        "loss": format!("{:?}", options.loss),
        "at": format!("{:?}", options.place),
        "longest": options.longest,
        "grading": options.grading.as_ref().map(|grading| format!("{grading:?}")),
        "batches": options.batches,
        "examples": options.examples,
        "bits": if float64 { 64 } else { 32 },
        "normalization": normalization,
    })
}

fn spectra(journal: &Journal) -> Vec<&Spectrum> {
    let records = journal.records().iter();
    records
        .filter_map(|record| match record {
            Record::Spectrum(spectrum) => Some(spectrum),
            _ => None,
        })
        .collect()
}

fn logit(text: &str) -> Result<Loss, String> {
    match text {
        "max" => Ok(Loss::LargestLogit),
        class => class
            .parse()
            .map(Loss::Logit)
            .map_err(|_| "give the number of a class, or max".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Family, FeatureShape, Unit};

    #[test]
    fn stages_begin_where_shapes_change() {
        let architecture =
            Architecture::cifar(Family::Preresnet, Unit::Basic, 14, 1, 3, 10).unwrap();
        let image = FeatureShape {
            channels: 3,
            height: 32,
            width: 32,
        };
        let shapes = architecture.build().unwrap().shapes(image).unwrap();
        assert_eq!(stages(&shapes), [0, 0, 1, 1, 2, 2]);
    }
}
