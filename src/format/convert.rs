//! From one model file to another, with proof that both compute the same.

use std::io::Write as _;
use std::path::Path;

use tch::{Kind, Tensor};

use super::model::{Model, save_proven_model, state_of};
use super::pytorch::write_pytorch;
use super::{Fault, FormatError, open};
use pathscope_file::Draft;
use pathscope_network::{NetworkError, Pass, Plan, TrainableNetwork};

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
/// Another name, a file that cannot be written, outputs that differ, or [`Fault::OutputsNotFinite`],
/// which `model` is to blame for.
pub fn convert(model: &Model, file: &Path) -> Result<Conversion, FormatError> {
    let at = |fault: Fault| fault.at(file);
    let ending = file.extension().and_then(std::ffi::OsStr::to_str);
    let own = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("safetensors") => true,
        Some("pt" | "pth") => false,
        _ => return Err(at(Fault::UnknownTarget)),
    };
    let before = outputs(model, &model.network).map_err(|fault| at(fault.into()))?;
    let largest = largest_of(&before).map_err(|fault| at(fault.into()))?;
    if !largest.is_finite() {
        return Err(at(Fault::OutputsNotFinite));
    }
    let mut found = f64::NAN;
    let mut prove = |written: &TrainableNetwork| {
        let apart = || largest_of(&before.f_sub(&outputs(model, written)?)?);
        found = match apart().map_err(|fault| at(fault.into()))? {
            0.0 => 0.0,
            apart => apart / largest,
        };
        if found.is_nan() || found > TOLERANCE {
            return Err(at(Fault::NotTheSame(found)));
        }
        Ok(())
    };
    if own {
        save_proven_model(file, &model.card, &model.network, |written| {
            prove(&written.network)
        })?;
    } else {
        let failed = |fault| at(Fault::Write(fault));
        let mut draft = Draft::beside(file).map_err(failed)?;
        write_pytorch(&mut draft, &state_as_found(model).map_err(at)?).map_err(at)?;
        draft.flush().map_err(failed)?;
        let mut state = open(draft.path())?;
        let written = TrainableNetwork::load(&model.card.specification, |name| state.take(name))
            .map_err(|fault| at(fault.into()))?;
        prove(&written)?;
        draft.publish().map_err(failed)?;
    }
    Ok(Conversion {
        examples: EXAMPLES,
        difference: found,
    })
}

/// The tensors of a model in the shapes that they had in its file.
fn state_as_found(model: &Model) -> Result<Vec<(String, Tensor)>, Fault> {
    let mut state = state_of(&model.network);
    for (name, tensor) in &mut state {
        if model.one_pixel_kernels.contains(name) {
            let kernel = tensor.f_unsqueeze(-1);
            let kernel = kernel.and_then(|tensor| tensor.f_unsqueeze(-1));
            *tensor = kernel.map_err(|fault| Fault::convert(name, fault))?;
        }
    }
    Ok(state)
}

/// What a network answers to random inputs.
fn outputs(model: &Model, network: &TrainableNetwork) -> Result<Tensor, NetworkError> {
    let specification = &model.card.specification;
    let batch = specification.random_batch(model.card.input, EXAMPLES, 0)?;
    let plan = Plan::intact(network.structure());
    let logits = tch::no_grad(|| network.forward(&batch, &plan, &Pass::EVALUATION))?;
    Ok(logits.f_to_kind(Kind::Double)?)
}

/// The largest magnitude; not a number where one value is none.
fn largest_of(values: &Tensor) -> Result<f64, NetworkError> {
    Ok(values.f_abs()?.f_max()?.f_double_value(&[])?)
}
