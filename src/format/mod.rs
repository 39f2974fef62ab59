//! Model files, in and out.
//!
//! [`open`] turns a file into a [`StateDict`]: named tensors in the order of the file.
//! What the file is, its first bytes say, never its name. Nothing in a file is ever
//! executed, and no file costs more memory than a small multiple of its own length.

mod archive;
mod checkpoint;
mod convert;
mod element;
mod error;
mod exported;
mod legacy;
mod model;
mod note;
mod pickle;
mod pytorch;
mod raw;
mod recognize;
mod safetensors;
mod save;
mod signature;
mod state_dict;
mod storage;
mod tensor;
mod value;

use std::{fs::File, io, path::Path};

use memmap2::Mmap;

pub use self::convert::{Conversion, convert};
use self::exported::Exported;
pub use self::model::{
    Model, ModelCard, load_model, parameter_hash, save_model, save_proven_model, state_of,
};
pub use self::{
    error::FormatError,
    note::LoadNote,
    pickle::PickleError,
    pytorch::save_pytorch,
    safetensors::{FloatStorage, save_safetensors},
    state_dict::StateDict,
    tensor::EntryError,
};

/// Reads the tensors of a model file: safetensors, or what `torch.save` writes
/// (zip archives since PyTorch 1.6, pickles before).
///
/// # Errors
///
/// When the file is damaged, hostile, or none of these; the error names the file, the
/// offending entry and, where there is one, the way out.
///
/// ```no_run
/// let model = pathscope::format::open("resnet56.th".as_ref())?;
/// for name in model.names() {
///     println!("{name}: {:?}", model.get(name).map(tch::Tensor::size));
/// }
/// # Ok::<(), pathscope::format::FormatError>(())
/// ```
pub fn open(file: &Path) -> Result<StateDict, FormatError> {
    let bytes = contents(file)?;
    let bytes = bytes.as_deref().unwrap_or_default();
    if safetensors::is_safetensors(bytes) {
        safetensors::read(file, bytes)
    } else if archive::is_zip(bytes) {
        archive::read(file, bytes)
    } else if legacy::is_legacy(bytes) {
        legacy::read(file, bytes)
    } else {
        let appearance = signature::appearance(bytes);
        Err(FormatError::Unrecognized {
            file: file.to_owned(),
            appearance,
        })
    }
}

/// The network in an archive of `torch.export.save`; `None` where the file is none.
fn open_exported(file: &Path) -> Result<Option<Exported>, FormatError> {
    let bytes = contents(file)?;
    let bytes = bytes.as_deref().unwrap_or_default();
    match archive::exported(file, bytes)? {
        Some(entries) => exported::read(file, archive::GRAPH, entries, bytes.len()).map(Some),
        None => Ok(None),
    }
}

fn contents(file: &Path) -> Result<Option<Mmap>, FormatError> {
    map(file).map_err(|fault| FormatError::Read {
        file: file.to_owned(),
        fault,
    })
}

/// `None` for an empty file, which cannot be mapped.
fn map(file: &Path) -> io::Result<Option<Mmap>> {
    let file = File::open(file)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    if facts.len() == 0 {
        return Ok(None);
    }
    // SAFETY: the map is read-only and lives only while the file is read. A program that
    // shortens or rewrites the file meanwhile breaks the promise that its bytes stand
    // still, as it would for every reader that maps its input; model files are replaced
    // by renaming, not rewritten in place.
    unsafe { Mmap::map(&file) }.map(Some)
}
