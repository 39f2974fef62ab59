//! Removals step by step, and the smaller network as a file.

use std::fs;
use std::path::{Path, PathBuf};

use pathscope_analysis::record::{Change, LesionKind, Removal};
use serde_json::json;

use super::file::write;
use crate::cli::args::OutputArguments;
use crate::cli::{Problem, Session};
use crate::experiment::{Laboratory, LesionOptions, Measurement};
use crate::format::{Model, ModelCard, PYTHON_MODULE, save_proven_model};
use crate::network::{Layer, Operation, Specification};
use crate::report::view::removal::on_front;

/// Largest difference of a logit, as a share of the largest logit, that rounding explains.
const TOLERANCE: f64 = 1e-5;

/// Refuses, before anything is measured, what cannot be exported after it. Errors: a question with
/// several answers, or a change that does not make the network smaller.
pub(crate) fn check(
    measurements: &[Measurement],
    greedy: bool,
    options: LesionOptions,
) -> Result<(), Problem> {
    if options.kind != LesionKind::Delete {
        return Err(Problem::BadInput(
            "--export writes a network without the deleted blocks: it needs --kind delete".into(),
        ));
    }
    if !greedy && measurements.len() != 2 {
        return Err(Problem::BadInput(
            "--export writes one smaller network; say which with --greedy M, --drop-block or --keep"
                .into(),
        ));
    }
    Ok(())
}

/// Which steps no other step beats.
pub(crate) fn pareto(removals: &[&Removal]) -> String {
    let steps = on_front(removals).into_iter().enumerate();
    let best = steps
        .filter(|(_, best)| *best)
        .map(|(step, _)| step.to_string());
    format!(
        "Pareto front (no other step has fewer errors with no more parameters): steps {}",
        best.collect::<Vec<_>>().join(", ")
    )
}

/// Writes the network that `measurement` leaves of that of `session`, read from `source`, to
/// `file`, once what is read back gives the same logits on all examples; says so in a sentence.
/// Errors: logits that differ by more than rounding, or a file that cannot be written.
pub(crate) fn export(
    file: &Path,
    session: &Session<'_>,
    source: &Path,
    laboratory: &Laboratory<'_>,
    measurement: &Measurement,
    options: LesionOptions,
) -> Result<String, Problem> {
    let of = &session.card;
    let network = laboratory.smaller(&measurement.plan, options)?;
    let removed = removed(laboratory, measurement);
    let mut training = of
        .training
        .clone()
        .filter(serde_json::Value::is_object)
        .unwrap_or_else(|| json!({}));
    if let Some(training) = training.as_object_mut() {
        let origin = json!({
            "title": of.title,
            "hash": session.hash,
            "removed": removed,
            "batch_norm": options.batch_norm,
        });
        training.insert("exported_from".to_owned(), origin);
    }
    // The evaluation set is named relative to the model file.
    let folder = |file: &Path| std::path::absolute(file).map(|f| f.parent().map(Path::to_owned));
    let same_folder = matches!((folder(file), folder(source)), (Ok(a), Ok(b)) if a == b);
    let card = ModelCard {
        title: format!("{} without {}", of.title, removed.join(", ")),
        specification: network.specification().clone(),
        evaluation: of.evaluation.clone().filter(|_| same_folder),
        training: Some(training),
        ..of.clone()
    };
    let mut largest = 0.0;
    save_proven_model(file, &card, &network, |read: &Model| {
        let difference = laboratory.difference(&read.network, &measurement.plan, options)?;
        if difference <= TOLERANCE {
            largest = difference;
            return Ok(());
        }
        Err(Problem::Failed(format!(
            "the exported network gives other logits (largest difference {difference:.1e} of the \
             largest logit), so {} was not written",
            file.display()
        )))
    })?;
    let module = write_module(file, network.specification())?;
    Ok(format!(
        "exported to {}: {} blocks, {} parameters; logits equal on all {} examples (largest \
         difference {largest:.0e} of the largest logit){module}",
        file.display(),
        network.specification().blocks.len(),
        network.specification().parameter_count(),
        laboratory.data().len(),
    ))
}

/// The Python module that opens the smaller network, beside its file.
fn module_beside(file: &Path) -> PathBuf {
    file.with_file_name("pathscope_network.py")
}

/// Refuses a place where another file has the name of the Python module. Errors: such a file,
/// unless it is to be replaced.
pub(crate) fn check_module(file: &Path, outputs: OutputArguments) -> Result<(), Problem> {
    let module = module_beside(file);
    match fs::read(&module) {
        Ok(bytes) if bytes == PYTHON_MODULE.as_bytes() => Ok(()),
        _ => outputs.check(&module, &[], []),
    }
}

/// Writes the Python module beside the file of a network, and says so in a clause; graphs have none.
fn write_module(file: &Path, specification: &Specification) -> Result<String, Problem> {
    let is_fragment = |layer: &Layer| matches!(layer.operation, Operation::Fragment(_));
    if specification.layers().any(is_fragment) {
        return Ok(String::new());
    }
    let module = module_beside(file);
    write(&module, PYTHON_MODULE.as_bytes())?;
    Ok(format!("; {} opens it in PyTorch", module.display()))
}

/// What `measurement` deletes, by the names of the blocks.
fn removed(laboratory: &Laboratory<'_>, measurement: &Measurement) -> Vec<String> {
    let Change::Lesion(lesion) = &measurement.change else {
        return Vec::new();
    };
    let blocks = &laboratory.specification().blocks;
    let name = |block: usize| blocks.get(block).map_or("", |block| block.name.as_str());
    let functions = lesion.functions.iter();
    lesion
        .blocks
        .iter()
        .map(|&block| name(block).to_owned())
        .chain(functions.map(|&(block, function)| format!("{}:{function}", name(block))))
        .collect()
}
