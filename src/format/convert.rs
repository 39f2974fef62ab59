//! From one model file to another, with proof that both compute the same.

use std::path::Path;

use tch::{Kind, Tensor};

use super::model::{Model, save_proven_model, state_of};
use super::save::beside;
use super::{FormatError, open, save_pytorch};
use crate::network::{NetworkError, Pass, Plan, TrainableNetwork};

/// What a conversion was checked on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    /// Random inputs on which both models were run.
    pub examples: i64,
    /// Largest difference of their outputs over the largest output.
    pub difference: f64,
}

const EXAMPLES: i64 = 2;
/// The same numbers in the same operations differ by nothing; libtorch may still sum in another
/// order from one memory layout to the next.
const TOLERANCE: f64 = 1e-6;

/// Writes `model` to `file`: pathscope's own format for names in `.safetensors`, a dictionary of
/// tensors that `torch.load(file, weights_only=True)` reads for `.pt` and `.pth`. The file only
/// appears once it was read back and gave the same outputs on random inputs.
///
/// # Errors
/// Another name, a file that cannot be written, or outputs that differ.
pub fn convert(model: &Model, file: &Path) -> Result<Conversion, FormatError> {
    let ending = file.extension().and_then(std::ffi::OsStr::to_str);
    let own = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("safetensors") => true,
        Some("pt" | "pth") => false,
        _ => {
            return Err(FormatError::UnknownTarget {
                file: file.to_owned(),
            });
        }
    };
    let mut found = f64::NAN;
    let mut prove = |written: &TrainableNetwork| {
        found = difference(model, written).map_err(|fault| network(file, fault))?;
        if found.is_nan() || found > TOLERANCE {
            let file = file.to_owned();
            return Err(FormatError::NotTheSame {
                file,
                difference: found,
            });
        }
        Ok(())
    };
    if own {
        save_proven_model(file, &model.card, &model.network, |written| {
            prove(&written.network)
        })?;
    } else {
        let failed = |fault| FormatError::Write {
            file: file.to_owned(),
            fault,
        };
        let draft = beside(file).map_err(failed)?.into_temp_path();
        save_pytorch(&draft, &state_of(&model.network))?;
        let mut state = open(&draft)?;
        let written = TrainableNetwork::load(&model.card.specification, |name| state.take(name))
            .map_err(|fault| network(file, fault))?;
        prove(&written)?;
        draft.persist(file).map_err(|fault| failed(fault.error))?;
    }
    Ok(Conversion {
        examples: EXAMPLES,
        difference: found,
    })
}

fn network(file: &Path, fault: NetworkError) -> FormatError {
    FormatError::Network {
        file: file.to_owned(),
        fault,
    }
}

fn difference(model: &Model, written: &TrainableNetwork) -> Result<f64, NetworkError> {
    let specification = &model.card.specification;
    let batch = specification.random_batch(model.card.input, EXAMPLES, 0)?;
    let logits = |network: &TrainableNetwork| -> Result<Tensor, NetworkError> {
        let plan = Plan::intact(network.structure());
        let logits = tch::no_grad(|| network.forward(&batch, &plan, &Pass::EVALUATION))?;
        Ok(logits.f_to_kind(Kind::Double)?)
    };
    let (before, after) = (logits(&model.network)?, logits(written)?);
    let apart = before
        .f_sub(&after)?
        .f_abs()?
        .f_max()?
        .f_double_value(&[])?;
    let largest = before.f_abs()?.f_max()?.f_double_value(&[])?;
    Ok(if apart == 0.0 { 0.0 } else { apart / largest })
}
