use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::{Interval, Level, Summary, wilson};
use serde_json::json;

use super::arguments::{ComputeArguments, DataArguments};
use super::terminal::Terminal;
use super::train::stated;
use super::{Problem, outcome_table};
use crate::data::{Dataset, Normalization};
use crate::experiment::{ComputeOptions, Laboratory};
use crate::format::{Model, load_model};
use crate::team::Team;
use crate::training::{View, evaluate};

/// Evaluates models on a test split: error with its interval (over sequences where the positions of
/// these are predicted), and of several runs the median with mean and deviation, as the paper prints
/// them.
///
/// Example: pathscope eval assets/preresnet20.safetensors
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Model files: pathscope's safetensors, or PyTorch checkpoints of known architectures.
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// Normalisation of the inputs, where a file does not state it: imagenet, cifar10, cifar100,
    /// mnist, fashion-mnist, half or none.
    #[arg(long, value_name = "PRESET")]
    normalize: Option<String>,
    #[command(flatten)]
    data: DataArguments,
    /// Average the probabilities over corners, centre and their mirror images, each 7/8 of the
    /// image: 224 of 256 for folders of images, 28 of 32 for CIFAR.
    #[arg(long)]
    ten_crop: bool,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: ComputeArguments,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let compute = ComputeOptions {
        // The other processes do not take part.
        team: Team::ALONE,
        ..arguments.compute.options()?
    };
    let preset = arguments.normalize.as_deref();
    let normalization = preset.map(Normalization::preset).transpose()?;
    let mut percents = Vec::new();
    let mut lines = Vec::new();
    for file in &arguments.models {
        let mut model = load_model(file, normalization.clone())?;
        for note in &model.notes {
            terminal.remark(&format!("note: {note}"));
        }
        if arguments.ten_crop {
            // Folders of images are brought to a size from which crops of the input's can be cut.
            let input = &mut model.card.input;
            (input.height, input.width) = (input.height * 8 / 7, input.width * 8 / 7);
        }
        let data = arguments.data.load(&model, file)?;
        let answer = if arguments.ten_crop {
            of_crops(&model, &data, compute)?
        } else {
            of_whole(&model, &data, compute)?
        };
        percents.push(100.0 * answer.errors as f64 / answer.predictions.max(1) as f64);
        if arguments.json {
            lines.push(json!({
                "model": file.display().to_string(),
                "title": model.card.title,
                "model_hash": model.hash,
                "data": data.description(),
                "data_hash": data.content_hash(),
                "ten_crop": arguments.ten_crop,
                "errors": answer.errors,
                "examples": answer.predictions,
                "positions": data.positions(),
                "interval": answer.interval,
                "loss": answer.loss,
            }));
        } else {
            let (file, title) = (file.display(), &model.card.title);
            terminal.result(&format!("{file} ({title}): error {}", answer.text))?;
        }
    }
    let summary = Summary::of(&percents).filter(|summary| summary.runs > 1);
    if arguments.json {
        let whole = json!({"models": lines, "summary_percent": summary});
        return terminal.result(&format!("{whole:#}"));
    }
    match summary {
        Some(summary) => terminal.result(&format!(
            "error of {} models in per cent, median (mean +- standard deviation): {summary}",
            summary.runs
        )),
        None => Ok(()),
    }
}

/// What a network gives on all examples.
struct Answer {
    errors: usize,
    predictions: usize,
    loss: f64,
    interval: Option<Interval>,
    /// All of it in words.
    text: String,
}

/// Every example as it is.
fn of_whole(model: &Model, data: &Dataset, compute: ComputeOptions) -> Result<Answer, Problem> {
    let network = model.network.to_device(compute.device)?;
    let normalization = &model.card.normalization;
    let laboratory = Laboratory::new(&network, data, data, normalization, compute)?;
    let outcome = laboratory.outcome(&laboratory.intact_cell())?;
    Ok(Answer {
        errors: outcome.errors,
        predictions: outcome.examples,
        loss: outcome.loss,
        interval: outcome.error_interval(Level::P95),
        text: outcome_table::error(&outcome),
    })
}

/// The mean over ten crops of every image.
fn of_crops(model: &Model, data: &Dataset, compute: ComputeOptions) -> Result<Answer, Problem> {
    if data.require_images().is_err() {
        let why = "--ten-crop cuts images, but these are sequences of tokens; leave it out";
        return Err(Problem::BadInput(why.into()));
    }
    tch::set_num_threads(i32::try_from(compute.threads).unwrap_or(i32::MAX));
    let shape = data.shape();
    let view = View::TenCrops {
        height: shape.height * 7 / 8,
        width: shape.width * 7 / 8,
    };
    let network = model.network.to_device(compute.device)?;
    let found = evaluate(&network, data, &model.card.normalization, view)?;
    Ok(Answer {
        errors: found.errors,
        predictions: found.examples,
        loss: found.loss,
        interval: wilson(found.errors, found.examples, Level::P95).ok(),
        text: stated(&found),
    })
}
