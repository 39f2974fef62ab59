//! The numbers of a tensor as bytes.

use tch::{TchError, Tensor};

/// Row-major, in the byte order of the machine (little-endian on all that are supported).
pub(super) fn raw_bytes(tensor: &Tensor) -> Result<Vec<u8>, TchError> {
    let numel = tensor.numel();
    let mut bytes = vec![0; numel * tensor.f_kind()?.elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, numel)?;
    Ok(bytes)
}
