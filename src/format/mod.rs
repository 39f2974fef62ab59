//! Model files, in and out.
//!
//! [`open`] turns a file into a [`StateDict`]: named tensors in the order of the file.
//! The first bytes of a file decide what it is, never its name. Nothing in a file is ever
//! executed, and no file costs more memory than a small multiple of its own length.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod archive;
mod assumption;
mod card;
mod checkpoint;
mod convert;
mod element;
mod error;
mod exported;
mod fold;
mod folder;
mod legacy;
mod model;
mod module;
mod normalizer;
mod note;
mod options;
mod parameters;
mod pytorch;
mod raw;
mod reading;
mod recognize;
mod safetensors;
mod signature;
mod state_dict;
mod stated;
mod storage;
mod subtree;
mod tensor;

use std::path::Path;

use pathscope_file::{Contents, Draft, shortened};

pub use self::{
    assumption::Assumptions,
    card::ModelCard,
    convert::{Conversion, convert},
    error::{EntryError, Fault, FormatError},
    model::{
        Model, Open, load_model, load_model_with, parameter_hash, save_model, save_proven_model,
        state_of,
    },
    note::LoadNote,
    options::LoadOptions,
    pytorch::save_pytorch,
    reading::{Reading, readings},
    safetensors::{FloatStorage, save_safetensors},
    state_dict::StateDict,
};

/// A Python module whose `load` opens the files that [`save_model`] writes in PyTorch, for networks
/// that are no exported graphs.
pub const PYTHON_MODULE: &str = include_str!("pathscope_network.py");

/// Reads the tensors of a model file: safetensors, or what `torch.save` writes
/// (zip archives since PyTorch 1.6, pickles before).
///
/// # Errors
///
/// When the file is damaged, hostile, or none of these; the error names the file, the
/// offending entry and, where there is one, the way out.
///
/// ```no_run
/// let model = pathscope_format::open("resnet56.th".as_ref())?;
/// for name in model.names() {
///     println!("{name}: {:?}", model.get(name).map(tch::Tensor::size));
/// }
/// # Ok::<(), pathscope_format::FormatError>(())
/// ```
pub fn open(file: &Path) -> Result<StateDict, FormatError> {
    reading(file, |bytes| state_dict(bytes, None))
}

/// Hands the bytes of a file to `read`; errors then name the file.
fn reading<T>(file: &Path, read: impl FnOnce(&[u8]) -> Result<T, Fault>) -> Result<T, FormatError> {
    let all = || {
        let contents = Contents::read(file).map_err(Fault::Read)?;
        let result = read(&contents)?;
        contents.verify().map_err(Fault::Read)?;
        Ok(result)
    };
    all().map_err(|fault: Fault| fault.at(file))
}

/// Writes a file in one step by `write`; errors then name the file.
fn saving(
    file: &Path,
    write: impl FnOnce(&mut Draft) -> Result<(), Fault>,
) -> Result<(), FormatError> {
    let all = || {
        let mut draft = Draft::beside(file).map_err(Fault::Write)?;
        write(&mut draft)?;
        draft.publish().map_err(Fault::Write)
    };
    all().map_err(|fault: Fault| fault.at(file))
}

/// The tensors of a file, or of the entry `weights` of the checkpoint that it holds.
fn state_dict(bytes: &[u8], weights: Option<&str>) -> Result<StateDict, Fault> {
    if safetensors::is_safetensors(bytes) {
        match weights {
            Some(key) => Err(Fault::NoSuchWeights {
                key: shortened(key),
                held: "no entry".to_owned(),
            }),
            None => safetensors::read(bytes),
        }
    } else if archive::is_zip(bytes) {
        let inflated = archive::inflated(bytes)?;
        archive::read(inflated.as_deref().unwrap_or(bytes), weights)
    } else if legacy::is_legacy(bytes) {
        legacy::read(bytes, weights)
    } else if signature::is_executorch(bytes) {
        let kind = "an ExecuTorch program";
        Err(Fault::Compiled(kind))
    } else {
        let appearance = signature::appearance(bytes);
        Err(Fault::Unrecognized(appearance))
    }
}
