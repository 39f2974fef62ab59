use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use pathscope_analysis::Seed;
use pathscope_analysis::record::{Measure, Options};
use tch::Kind;

use super::Execute;
use crate::cli::args::number::{duration, positive, share};
use crate::cli::args::{
    ComputeArguments, DataArguments, Format, OutputArguments, PICTURES, ReadingArguments,
    ResultsArguments, ShapeArguments, Subject,
};
use crate::cli::show::answer::Answer;
use crate::cli::show::outcomes::records;
use crate::cli::show::{picture_file, spectrum as show};
use crate::cli::{Problem, Session, Terminal};
use crate::data::{Dataset, Normalization};
use crate::experiment::{GradientPoint, Grading, Journal, Loss, SpectrumOptions, first_gradient};
use crate::format::Model;
use crate::network::BlockShape;
use crate::report::gradient::{GradientSummary, summarize};
use crate::report::plot::{SHARE, Subject as Plotted, spectrum};
use crate::report::table::Table;
use crate::report::view::spectrum::checkpoints;

/// Measure how much of the gradient flows through paths of each length
///
/// The gradient of a residual network at a fixed input is the sum of the gradients of all its paths
/// (the forward pass is not a sum over paths). The measures are exact or unbiased over all paths.
/// Without a model file, the command uses the trained network of the given shape that is shipped
/// with pathscope, or an untrained one.
///
/// Example: pathscope gradient-spectrum --depth 20 --k 1 --batches 1 --examples 4 --samples 20
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model: .safetensors, a PyTorch checkpoint (.pt, .pth), an exported network (.pt2), or a folder
    /// that transformers or timm saved
    model: Option<PathBuf>,
    #[command(flatten)]
    shape: ShapeArguments,
    #[command(flatten)]
    reading: ReadingArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Pattern of model files to measure instead, such as the checkpoints of a training
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["model", "depth", "blocks", "results", "plot"])]
    checkpoints: Option<String>,
    #[command(flatten)]
    measurement: Measurement,
    /// Format of the printed answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Plot file (.svg, .pdf or .png)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    outputs: OutputArguments,
    #[command(flatten)]
    results: ResultsArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What to measure")]
struct Measurement {
    /// Measures, separated by commas [default: coherent,energy, and sampled with --samples]
    #[arg(long, value_enum, value_delimiter = ',')]
    measure: Vec<MeasureChoice>,
    /// Where the gradient is taken [default: input; for tokens, which have no gradient, stem]
    #[arg(long, value_enum)]
    at: Option<GradientPoint>,
    /// Logit whose gradient is taken instead of that of the cross-entropy: a class's, or the largest
    /// one (max)
    #[arg(long, value_name = "CLASS|max", value_parser = logit)]
    logit: Option<Loss>,
    /// Longest paths to measure, in blocks [default: all]
    #[arg(long, value_name = "LENGTH")]
    max_length: Option<usize>,
    /// Draws of random signs for the path energy
    #[arg(long, value_name = "N", default_value_t = 4)]
    draws: u64,
    /// Paths drawn per length for the sampled estimate, by far the slowest measure [default: 100]
    #[arg(long, value_name = "N")]
    samples: Option<u64>,
    /// Number of mini-batches [default: 4, or fewer where there are not enough examples; with --budget,
    /// up to 16]
    #[arg(long, value_name = "N", value_parser = positive)]
    batches: Option<usize>,
    /// Examples per mini-batch [default: 16, or all where there are fewer]
    #[arg(long, value_name = "N", value_parser = positive)]
    examples: Option<usize>,
    /// Time after which no further mini-batch is begun, such as 90s or 10m [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    budget: Option<Duration>,
    /// Measure paths by their number of functions in each stage
    #[arg(long, conflicts_with = "by_function")]
    by_stage: bool,
    /// Measure paths by their number of first, second and further functions of the blocks
    #[arg(long, alias = "by-branch")]
    by_function: bool,
    /// Record the sampled paths (block, function) with their gradient norms (needs --results)
    #[arg(long, requires = "results")]
    sample_paths: bool,
    /// Share of the gradient that the effective range holds
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = share)]
    share: f64,
    /// Compute in 64 bits
    #[arg(long)]
    float64: bool,
    /// Seed of random choices
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Mini-batches where nothing else is asked for.
const BATCHES: usize = 4;
/// Most mini-batches that fill a budget.
const MOST_BATCHES: usize = 16;
/// Examples of a mini-batch where nothing else is asked for.
const EXAMPLES: usize = 16;
/// Paths drawn of each length where nothing else is asked for.
const SAMPLES: u64 = 100;
/// How to make the measurement shorter.
const HINT: &str = "--budget TIME ends it earlier, --batches, --examples, --draws and --samples make \
                    it smaller";

/// A measure, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MeasureChoice {
    One(Measure),
    All,
}

impl MeasureChoice {
    fn measures(self) -> Vec<Measure> {
        match self {
            Self::One(measure) => vec![measure],
            Self::All => Measure::ALL.to_vec(),
        }
    }
}

impl ValueEnum for MeasureChoice {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<MeasureChoice>> = LazyLock::new(|| {
            let measures = Measure::ALL.into_iter().map(MeasureChoice::One);
            measures.chain([MeasureChoice::All]).collect()
        });
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::One(measure) => measure.to_possible_value(),
            Self::All => Some(PossibleValue::new("all")),
        }
    }
}

impl Measurement {
    fn options(&self, shapes: &[BlockShape], data: &Dataset) -> Result<SpectrumOptions, Problem> {
        let mut measures = BTreeMap::new();
        let mut asked: Vec<Measure> = self
            .measure
            .iter()
            .flat_map(|choice| choice.measures())
            .collect();
        if asked.is_empty() {
            asked = vec![Measure::Coherent, Measure::Energy];
            asked.extend((self.samples.is_some() || self.sample_paths).then_some(Measure::Sampled));
        }
        if self.samples.is_some() && !asked.contains(&Measure::Sampled) {
            return Err(Problem::BadInput(
                "--samples draws paths for the measure `sampled`; add it to --measure".into(),
            ));
        }
        for measure in asked {
            let (draws, what) = match measure {
                Measure::Energy => (self.draws, "--draws"),
                Measure::Sampled => (self.samples.unwrap_or(SAMPLES), "--samples"),
                _ => (1, ""),
            };
            if draws == 0 {
                return Err(Problem::BadInput(format!("{what} needs at least 1")));
            }
            measures.insert(measure, draws);
        }
        let examples = self.examples.unwrap_or(EXAMPLES.min(data.len()));
        let most = if self.budget.is_some() {
            MOST_BATCHES
        } else {
            BATCHES
        };
        Ok(SpectrumOptions {
            measures,
            record_paths: self.sample_paths,
            loss: self.logit.unwrap_or_default(),
            at: self.at.unwrap_or_else(|| first_gradient(data)),
            longest: self.max_length,
            grading: match (self.by_stage, self.by_function) {
                (true, _) => Some(Grading::Stage(stages(shapes))),
                (false, by_function) => by_function.then_some(Grading::Function),
            },
            batches: self
                .batches
                .unwrap_or(most.min(data.len() / examples.max(1)).max(1)),
            examples,
            seed: Seed(self.seed),
            deadline: self.budget.map(|budget| Instant::now() + budget),
        })
    }
}

/// The stage of every block: a new one begins where features change their shape.
fn stages(shapes: &[BlockShape]) -> Vec<usize> {
    let is_new = |pair: &[BlockShape]| matches!(pair, [a, b] if a.output != b.output);
    let begins = shapes.windows(2).map(is_new);
    let stages = std::iter::once(false)
        .chain(begins)
        .scan(0, |stage, is_new| {
            *stage += usize::from(is_new);
            Some(*stage)
        });
    stages.take(shapes.len()).collect()
}

impl Execute for Arguments {
    const SHARED: bool = true;

    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        if let Some(file) = &self.plot {
            let inputs = self.model.iter().chain(&self.results.results);
            self.outputs.check(file, PICTURES, inputs)?;
        }
        let mut answer = Answer::default();
        if let Some(pattern) = &self.checkpoints {
            answer.table("checkpoints", self.over_training(pattern, terminal)?);
            return answer.print(self.format, terminal);
        }
        let subject = self.subject(&mut answer, terminal)?;
        let session = Session::new(subject, self.compute.options()?, &self.results, terminal)?;
        let (journal, summary) = self.measure(&session)?;
        session.first(|| {
            show::add(
                &mut answer,
                journal.header(),
                &summary,
                &records!(journal, Spectrum),
            );
            answer.print(self.format, terminal)?;
            let plotted = Plotted::new(journal.header(), &[]);
            match (&self.plot, spectrum(&[(plotted, summary)])) {
                (Some(file), Some(picture)) => picture_file::write(&picture, file, terminal),
                _ => Ok(()),
            }
        })?;
        Ok(())
    }
}

impl Arguments {
    /// One row for every model that matches `pattern`.
    fn over_training(&self, pattern: &str, terminal: &Terminal) -> Result<Option<Table>, Problem> {
        let files = glob::glob(pattern)
            .map_err(|fault| Problem::BadInput(format!("--checkpoints {pattern}: {fault}")))?
            .collect::<Result<Vec<PathBuf>, _>>()
            .map_err(Problem::bad_input)?;
        if files.is_empty() {
            return Err(Problem::BadInput(format!(
                "no file matches --checkpoints {pattern}"
            )));
        }
        let compute = self.compute.options()?;
        let mut rows = Vec::new();
        for file in files {
            let load = |model: &mut Model| self.data.load(model, &file, terminal);
            let subject = self.reading.open(&file, load, compute, terminal)?;
            let session = Session::new(subject, compute, &self.results, terminal)?;
            let (_, summary) = self.measure(&session)?;
            rows.push((file.display().to_string(), summary));
        }
        Ok(checkpoints(&rows))
    }

    /// The network asked for, and the examples; `answer` says which network it is.
    fn subject(&self, answer: &mut Answer, terminal: &Terminal) -> Result<Subject, Problem> {
        let shape = &self.shape;
        if let Some(file) = &self.model {
            let load = |model: &mut Model| self.data.load(model, file, terminal);
            return self
                .reading
                .open(file, load, self.compute.options()?, terminal);
        }
        if let Some((file, model)) = shape.asset()? {
            answer.text(format!(
                "trained network of this shape, shipped with pathscope: {}",
                file.display()
            ));
            let data = self.data.load(&model, &file, terminal)?;
            return Ok(Subject {
                name: file.display().to_string(),
                model,
                data,
                audit: None,
            });
        }
        let location = self.data.data.as_deref();
        let data = shape.examples(location, self.data.limit)?;
        for note in data.notes() {
            terminal.remark(&format!("note: {note}"));
        }
        let normalization = match self.reading.preset()? {
            Some(normalization) => normalization,
            None => Normalization::preset("half")?,
        };
        let compute = self.compute.options()?;
        let model = shape.untrained(&data, normalization, self.measurement.seed, compute)?;
        answer.text(
            "an UNTRAINED network: pathscope ships no trained one of this shape; the weights are \
             He-initialised and the batch-norm statistics measured on 256 images",
        );
        Ok(Subject {
            name: "the untrained network".into(),
            model,
            data,
            audit: None,
        })
    }

    fn measure(&self, session: &Session<'_>) -> Result<(Journal, GradientSummary), Problem> {
        let Measurement {
            seed,
            share,
            float64,
            ..
        } = self.measurement;
        let laboratory = session.laboratory()?;
        let options = self
            .measurement
            .options(laboratory.questions().shapes(), &session.data)?;
        let classes = session.card.specification.classes();
        if let (Loss::Logit(class), Some(classes)) = (options.loss, classes)
            && class >= classes
        {
            return Err(Problem::BadInput(format!(
                "--logit {class}: the model has {classes} classes, numbered from 0"
            )));
        }
        let (bits, kind) = match float64 {
            true => (64, Kind::Double),
            false => (32, Kind::Float),
        };
        let settings = options.settings(bits, laboratory.normalization());
        let mut journal =
            session.journal(&laboratory, Options::GradientSpectrum(settings), seed)?;
        let plan = laboratory.intact();
        session.with_bar(options.steps(plan.steps().len()), HINT, |progress| {
            laboratory.spectrum(&plan, &options, kind, &mut journal, progress)
        })?;
        let spectra = records!(journal, Spectrum);
        if spectra.len() < options.batches && self.results.shard.is_none() {
            session.terminal.remark(&format!(
                "time is up: {} of {} mini-batches measured; {}",
                spectra.len(),
                options.batches,
                match self.results.results {
                    Some(_) => "the same command measures more",
                    None => "--results FILE would keep them, and the same command measure more",
                }
            ));
        }
        let summary = summarize(journal.header(), &spectra, share).ok_or_else(|| {
            Problem::Failed("the gradient is zero on every path, so there is no spectrum".into())
        })?;
        Ok((journal, summary))
    }
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
