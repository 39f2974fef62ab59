//! Whether tensors are such numbers as a network computes with.

use pathscope_file::shortened;
use pathscope_network::{Role, Specification};
use tch::Tensor;

use super::{EntryError, Fault, LoadNote};

/// Refuses parameters that are not floating-point numbers, and notes those that are not finite.
pub(super) fn check<'t>(
    specification: &Specification,
    find: impl Fn(&str) -> Option<&'t Tensor>,
) -> Result<Option<LoadNote>, Fault> {
    let mut first = None;
    let mut tensors = 0;
    for parameter in specification.parameters() {
        // Masks and numbers of positions are of any type, and masks may be infinite.
        let Some(tensor) = find(&parameter.name).filter(|_| parameter.role != Role::Constant)
        else {
            continue;
        };
        let refused = |fault: EntryError| fault.of(&parameter.name);
        if !tensor.is_floating_point() {
            let kind = tensor.f_kind().map_err(|fault| refused(fault.into()))?;
            return Err(refused(EntryError::NotFloat(format!("{kind:?}"))));
        }
        let finite = tensor.f_isfinite().and_then(|finite| finite.f_all());
        let finite = finite.and_then(|finite| finite.f_int64_value(&[]));
        if finite.map_err(|fault| refused(fault.into()))? == 0 {
            tensors += 1;
            first.get_or_insert_with(|| shortened(&parameter.name));
        }
    }
    Ok(first.map(|first| LoadNote::NotFinite { tensors, first }))
}
