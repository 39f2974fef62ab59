use std::path::PathBuf;

use clap::{Args, value_parser};
use pathscope_analysis::{Interval, Level, Summary, wilson};
use serde_json::json;

use super::Execute;
use crate::cli::args::{
    ComputeArguments, DataArguments, FormatArguments, ReadingArguments, Subject,
};
use crate::cli::show::answer::Answer;
use crate::cli::{Problem, Terminal, ranks};
use crate::data::Dataset;
use crate::experiment::{ComputeOptions, Laboratory};
use crate::format::Model;
use crate::report::quantity::{percent, rate};
use crate::report::table::{Cell, Column, Table};
use crate::team::Team;
use crate::training::{View, evaluate};

/// Evaluate models on a test set (several models: median, mean and standard deviation)
///
/// Prints the top-1 error with its 95 % interval and the mean loss. For networks that predict every
/// position of a sequence, the interval is over sequences.
///
/// Example: pathscope eval assets/preresnet20.safetensors
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Models: .safetensors, PyTorch checkpoints (.pt, .pth), exported networks (.pt2), or folders that
    /// transformers or timm saved
    #[arg(required = true)]
    models: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadingArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Average the probabilities over ten crops (corners, centre and their mirror images), each 7/8
    /// of the image: 224 of 256 for folders of images, 28 of 32 for CIFAR
    #[arg(long, conflicts_with = "crop")]
    ten_crop: bool,
    /// Average the probabilities over PASSES in which random choices are drawn as in training: stochastic
    /// inference of Swapout networks
    #[arg(long, value_name = "PASSES", value_parser = value_parser!(u32).range(1..=10_000), conflicts_with = "ten_crop")]
    sampled: Option<u32>,
    /// Seed of the random choices
    #[arg(long, value_name = "N", default_value_t = 0, requires = "sampled")]
    seed: u64,
    #[command(flatten)]
    format: FormatArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let compute = ComputeOptions {
            // The other processes do not take part.
            team: Team::ALONE,
            ..self.compute.options()?
        };
        let mut percents = Vec::new();
        let mut lines = Vec::new();
        let mut table = table();
        let mut among = Vec::new();
        for file in &self.models {
            let load = |model: &mut Model| {
                if self.ten_crop {
                    // Folders of images are resized so that crops have the size of the input.
                    let input = &mut model.card.input;
                    (input.height, input.width) = (input.height * 8 / 7, input.width * 8 / 7);
                }
                self.data.load(model, file, terminal)
            };
            let Subject {
                name,
                model,
                data,
                audit,
            } = self.reading.open(file, load, compute, terminal)?;
            let found = match self.view(&data)? {
                View::Whole => of_whole(&model, &data, compute),
                view => averaged(&model, &data, compute, view),
            };
            let found = found.map_err(|problem| problem.with_network(&name))?;
            percents.push(100.0 * found.error());
            lines.push(json!({
                "model": file.display().to_string(),
                "title": model.card.title,
                "model_hash": model.hash,
                "data": data.description(),
                "data_hash": data.content_hash(),
                "ten_crop": self.ten_crop,
                "sampled": self.sampled,
                "errors": found.errors,
                "examples": found.predictions,
                "audit": audit,
                "positions": data.positions(),
                "interval": found.interval,
                "classes_held": data.classes_held(),
                "errors_among_classes_held": found.among_held,
                "loss": found.loss,
            }));
            table.push(vec![
                Cell::words(file.display().to_string()),
                Cell::words(&model.card.title),
                Cell::words(data.description()),
                Cell::number(rate(found.errors, found.predictions), found.error()),
                Cell::interval(found.interval, percent),
                Cell::significant(found.loss, 4),
                Cell::count(found.errors),
                Cell::count(found.predictions),
            ]);
            if let Some(errors) = found.among_held {
                among.push(format!(
                    "{}: error {} among the {} classes of the data set alone",
                    file.display(),
                    rate(errors, found.predictions),
                    data.classes_held().len(),
                ));
            }
            if data.positions() > 1 {
                table.notes =
                    vec!["The errors are of positions, the intervals over sequences.".into()];
            }
        }
        let mut answer = Answer::default();
        answer.table("models", table);
        among.into_iter().for_each(|line| answer.text(line));
        let summary = Summary::of(&percents).filter(|summary| summary.runs > 1);
        answer.document(json!({"models": lines, "summary_percent": summary}));
        if let Some(summary) = summary {
            answer.text(format!(
                "error of {} models in %, median (mean +- standard deviation): {summary}",
                summary.runs
            ));
        }
        answer.print(self.format.get(), terminal)
    }
}

impl Arguments {
    /// What the network sees of the examples.
    fn view(&self, data: &Dataset) -> Result<View, Problem> {
        let option = match (self.ten_crop, self.sampled) {
            (false, None) => return Ok(View::Whole),
            (true, _) => "--ten-crop",
            (false, _) => "--sampled",
        };
        if data.require_images().is_err() {
            let why = format!("{option} applies to images, but these are sequences of tokens");
            return Err(Problem::BadInput(why));
        }
        let shape = data.shape();
        Ok(match self.sampled {
            Some(passes) => View::Sampled {
                passes,
                seed: self.seed,
            },
            None => View::TenCrops {
                height: shape.height * 7 / 8,
                width: shape.width * 7 / 8,
            },
        })
    }
}

fn table() -> Table {
    Table::new(
        "Evaluated models",
        vec![
            Column::words("model", "model"),
            Column::words("network", "network").medium(),
            Column::words("data", "data set").low(),
            Column::number("error", "error"),
            Column::interval("error", "95 % interval"),
            Column::number("loss", "loss").unit("nats"),
            Column::file_only("errors"),
            Column::file_only("examples"),
        ],
    )
}

/// What a network gives on all examples.
struct Evaluated {
    errors: usize,
    predictions: usize,
    loss: f64,
    interval: Option<Interval>,
    /// Errors where only the classes that the data set holds are answers, if it holds some only.
    among_held: Option<usize>,
}

impl Evaluated {
    fn error(&self) -> f64 {
        self.errors as f64 / self.predictions as f64
    }
}

/// Every example as it is.
fn of_whole(model: &Model, data: &Dataset, compute: ComputeOptions) -> Result<Evaluated, Problem> {
    let network = model.network.to_device(compute.device)?;
    let normalization = &model.card.normalization;
    let laboratory = Laboratory::new(&network, data, data, normalization, compute)?;
    let outcome = laboratory.outcome(&laboratory.questions().intact_measurement())?;
    Ok(Evaluated {
        errors: outcome.errors,
        predictions: outcome.examples,
        loss: outcome.loss,
        interval: outcome.error_interval(Level::P95),
        among_held: laboratory.errors_among_classes_held()?,
    })
}

/// The mean over several views of every image.
fn averaged(
    model: &Model,
    data: &Dataset,
    compute: ComputeOptions,
    view: View,
) -> Result<Evaluated, Problem> {
    if matches!(view, View::Sampled { .. }) && !model.card.specification.draws() {
        let why = "--sampled asks for random choices, but this network has none";
        return Err(Problem::BadInput(why.into()));
    }
    ranks::use_threads(compute.threads)?;
    let network = model.network.to_device(compute.device)?;
    let found = evaluate(&network, data, &model.card.normalization, view)?;
    Ok(Evaluated {
        errors: found.errors,
        predictions: found.examples,
        loss: found.loss,
        interval: wilson(found.errors, found.examples, Level::P95).ok(),
        among_held: None,
    })
}
