//! The safetensors format: a JSON header, then plain numbers.
//!
//! <https://github.com/huggingface/safetensors>

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Write,
    path::Path,
};

use ::safetensors::{SafeTensors, tensor::TensorInfo};
use indexmap::IndexMap;
use serde_json::Value as Json;
use tch::{Kind, TchError, Tensor};

use super::{
    element::Element,
    error::{EntryError, Fault, FormatError},
    raw::raw_bytes,
    saving,
    state_dict::StateDict,
    storage::shaped_tensor,
};

/// Whether the first bytes are those of a safetensors file: a length, then JSON.
pub(super) fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    rest.first() == Some(&b'{') && u64::from_le_bytes(*length) <= rest.len() as u64
}

pub(super) fn read(bytes: &[u8]) -> Result<StateDict, Fault> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let held = SafeTensors::deserialize(bytes)?;
    let mut tensors = IndexMap::with_capacity(held.len());
    for name in header.offset_keys() {
        let view = held.tensor(&name)?;
        let refused = |fault: EntryError| fault.of(&name);
        let element = Element::from_safetensors(view.dtype()).ok_or_else(|| {
            refused(EntryError::UnsupportedElement(format!(
                "{:?}",
                view.dtype()
            )))
        })?;
        let size = sizes(view.shape()).ok_or_else(|| refused(EntryError::Overflow))?;
        let tensor = shaped_tensor(view.data(), &size, element).map_err(refused)?;
        tensors.insert(name, tensor);
    }
    let metadata = header.metadata().clone().unwrap_or_default();
    let metadata = metadata.into_iter().collect();
    Ok(StateDict::new(
        tensors,
        metadata,
        Vec::new(),
        HashMap::new(),
    ))
}

/// `None` where libtorch's arithmetic would overflow, as with `[0, 2^62, 2^62]`.
fn sizes(shape: &[usize]) -> Option<Vec<i64>> {
    let size: Vec<i64> = shape
        .iter()
        .map(|&n| i64::try_from(n).ok())
        .collect::<Option<_>>()?;
    size.iter()
        .try_fold(8_i64, |product, &n| product.checked_mul(n.max(1)))?;
    Some(size)
}

/// How [`save_safetensors`] stores floating-point numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FloatStorage {
    /// In the type they have.
    #[default]
    AsTheyAre,
    /// In 16 bits (IEEE half precision) wherever all of a tensor's numbers stay finite.
    Half,
}

/// Writes tensors and text metadata as a safetensors file, which Python reads with
/// `safetensors.torch.load_file`. The old file, if any, is replaced in one step.
///
/// Wider types come first, as the format's alignment asks; within a type the given
/// order is kept.
///
/// # Errors
///
/// When the file cannot be written, a name occurs twice, or a tensor is of a type that
/// [`open`](super::open) does not read.
pub fn save_safetensors(
    file: &Path,
    tensors: &[(String, Tensor)],
    metadata: &BTreeMap<String, String>,
    floats: FloatStorage,
) -> Result<(), FormatError> {
    saving(file, |draft| {
        write_safetensors(draft, tensors, metadata, floats)
    })
}

pub(super) fn write_safetensors(
    writer: &mut impl Write,
    tensors: &[(String, Tensor)],
    metadata: &BTreeMap<String, String>,
    floats: FloatStorage,
) -> Result<(), Fault> {
    const METADATA: &str = "__metadata__";
    let mut stored = Vec::with_capacity(tensors.len());
    let mut names = BTreeSet::from([METADATA]);
    for (name, tensor) in tensors {
        let unwritable = |what: String| Fault::Unwritable {
            entry: name.clone(),
            what,
        };
        if !names.insert(name) {
            return Err(unwritable("its name is taken".to_owned()));
        }
        let tensor = narrowed(tensor, floats).map_err(|fault| unwritable(fault.to_string()))?;
        let element = Element::of(&tensor).map_err(unwritable)?;
        stored.push((name, element, tensor));
    }
    stored.sort_by_key(|(_, element, _)| std::cmp::Reverse(element.bytes()));

    let mut header = serde_json::Map::new();
    header.insert(METADATA.to_owned(), serde_json::json!(metadata));
    let mut end = 0;
    for (name, element, tensor) in &stored {
        let start = end;
        end += tensor.numel() * element.bytes();
        let size = tensor.size().into_iter();
        let info = TensorInfo {
            dtype: element.to_safetensors(),
            shape: size.map(|n| n.unsigned_abs() as usize).collect(),
            data_offsets: (start, end),
        };
        header.insert((*name).clone(), serde_json::json!(info));
    }
    let mut header = Json::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');

    let length = (header.len() as u64).to_le_bytes();
    writer.write_all(&length).map_err(Fault::Write)?;
    writer.write_all(&header).map_err(Fault::Write)?;
    for (name, _, tensor) in &stored {
        let bytes = raw_bytes(tensor).map_err(|fault| Fault::convert(name, fault))?;
        writer.write_all(&bytes).map_err(Fault::Write)?;
    }
    Ok(())
}

impl FloatStorage {
    /// The tensor as it is read back once it is stored, in the type that it has.
    ///
    /// # Errors
    /// Memory that libtorch cannot get.
    pub fn read_back(self, tensor: &Tensor) -> Result<Tensor, TchError> {
        narrowed(tensor, self)?.f_to_kind(tensor.f_kind()?)
    }
}

fn narrowed(tensor: &Tensor, floats: FloatStorage) -> Result<Tensor, TchError> {
    let wide = matches!(
        tensor.f_kind()?,
        Kind::Float | Kind::Double | Kind::BFloat16
    );
    if floats == FloatStorage::Half && wide {
        let narrow = tensor.f_to_kind(Kind::Half)?;
        // Beyond 65,504 half precision is infinite; such a tensor (a running variance,
        // say) stays as it is. Infinities that were there before may stay as well.
        if narrow.f_isfinite()?.f_equal(&tensor.f_isfinite()?)? {
            return Ok(narrow);
        }
    }
    Ok(tensor.shallow_clone())
}
