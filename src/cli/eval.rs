use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::record::Outcome;
use pathscope_analysis::{Level, Summary};
use serde_json::json;

use super::arguments::{ComputeArguments, DataArguments};
use super::terminal::Terminal;
use super::train::stated;
use super::{Problem, outcome_table};
use crate::data::{Dataset, Normalization};
use crate::experiment::{ComputeOptions, Laboratory};
use crate::format::{Model, load_model};
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
    /// Threads; all cores without it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let compute = ComputeArguments {
        device: "cpu".into(),
        batch: None,
        threads: arguments.threads,
        memory: 0,
    };
    let threads = compute.threads()?;
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
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
        if data.tokens(0..0).is_some() {
            let outcome = of_tokens(&model, &data, arguments.ten_crop, threads)?;
            percents.push(100.0 * outcome.error());
            if arguments.json {
                lines.push(json!({
                    "model": file.display().to_string(),
                    "title": model.card.title,
                    "model_hash": model.hash,
                    "data": data.description(),
                    "data_hash": data.content_hash(),
                    "errors": outcome.errors,
                    "examples": outcome.examples,
                    "positions": outcome.positions,
                    "interval": outcome.error_interval(Level::P95),
                    "loss": outcome.loss,
                }));
            } else {
                let error = outcome_table::error(&outcome);
                let (file, title) = (file.display(), &model.card.title);
                terminal.result(&format!("{file} ({title}): error {error}"))?;
            }
            continue;
        }
        let shape = data.shape();
        let view = if arguments.ten_crop {
            View::TenCrops {
                height: shape.height * 7 / 8,
                width: shape.width * 7 / 8,
            }
        } else {
            View::Whole
        };
        let evaluation = evaluate(&model.network, &data, &model.card.normalization, view)?;
        percents.push(evaluation.percent());
        if arguments.json {
            lines.push(json!({
                "model": file.display().to_string(),
                "title": model.card.title,
                "model_hash": model.hash,
                "data": data.description(),
                "data_hash": data.content_hash(),
                "ten_crop": arguments.ten_crop,
                "errors": evaluation.errors,
                "examples": evaluation.examples,
                "loss": evaluation.loss,
            }));
        } else {
            terminal.result(&format!(
                "{} ({}): error {}",
                file.display(),
                model.card.title,
                stated(&evaluation)
            ))?;
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

/// What the whole network gives on sequences of tokens.
fn of_tokens(
    model: &Model,
    data: &Dataset,
    ten_crop: bool,
    threads: usize,
) -> Result<Outcome, Problem> {
    if ten_crop {
        let why = "--ten-crop cuts images, but these are sequences of tokens; leave it out";
        return Err(Problem::BadInput(why.into()));
    }
    let options = ComputeOptions {
        threads,
        ..ComputeOptions::default()
    };
    let normalization = &model.card.normalization;
    let laboratory = Laboratory::new(&model.network, data, data, normalization, options)?;
    Ok(laboratory.outcome(&laboratory.intact_cell())?)
}
