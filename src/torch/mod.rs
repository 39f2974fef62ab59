//! What tch does not offer of libtorch: any operation by its name, backward passes written in Rust,
//! work on its threads, full float32 precision, and a bound on what one operation may allocate.
//!
//! [`call`] finds an operation in libtorch's dispatcher, fills in what is left out from its schema
//! and runs it; unlike tch's generated functions it needs no entry for each of them, and no scalar
//! of libtorch's that may panic when it is dropped.
//!
//! ```
//! use pathscope_torch::{Value, call_one};
//! use tch::Tensor;
//!
//! let x = Tensor::from_slice(&[1.0_f32, 2.0]);
//! let y = call_one("aten::add", "Tensor", &[(&x).into(), (&x).into()])?;
//! assert_eq!(Vec::<f32>::try_from(y).unwrap(), [2.0, 4.0]);
//! # Ok::<(), pathscope_torch::TorchError>(())
//! ```

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod cuda;
mod gradient;
mod operation;
mod parallel;
mod seam;
mod value;

use std::ffi::{CStr, c_char};

use tch::Tensor;
use thiserror::Error;

pub use self::cuda::CudaGraph;
pub use self::gradient::with_gradient;
pub use self::operation::{Operation, Schema, SchemaArgument, Storage};
pub use self::parallel::{parallel, threads};
pub use self::value::{Value, number_of};

/// What libtorch says of a call that failed, in one line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct TorchError(String);

impl TorchError {
    fn new(message: &str) -> Self {
        Self(message.lines().next().unwrap_or_default().to_owned())
    }
}

/// Calls the operation `name` (`aten::softmax`) with `overload` (`int`, or nothing) on `arguments`,
/// in the schema's order; what is missing at the end has its default.
///
/// # Errors
/// An operation that libtorch does not have, or what it says where the call fails.
pub fn call(name: &str, overload: &str, arguments: &[Value]) -> Result<Vec<Value>, TorchError> {
    let operation = Operation::find(name, overload)
        .ok_or_else(|| TorchError::new(&format!("libtorch has no operation {name}.{overload}")))?;
    operation.call(arguments)
}

/// [`call`] for an operation with one tensor as its output.
///
/// # Errors
/// As [`call`], and an operation with another output.
pub fn call_one(name: &str, overload: &str, arguments: &[Value]) -> Result<Tensor, TorchError> {
    match call(name, overload, arguments)?.as_slice() {
        [Value::Tensor(tensor)] => Ok(tensor.shallow_clone()),
        _ => Err(TorchError::new(&format!("{name} does not give one tensor"))),
    }
}

/// Makes libtorch multiply float32 matrices and convolutions in float32 on CUDA, in the whole
/// process; its default there is TF32, with 10 bits of fraction.
///
/// # Errors
/// Where libtorch refuses.
pub fn full_float32() -> Result<(), TorchError> {
    // SAFETY: no requirements.
    operation::check(unsafe { seam::seam_set_tf32(0) })
}

/// Runs `work` with [`full_float32`], and restores what was allowed before.
///
/// # Errors
/// Those of `work`, or where libtorch refuses.
pub fn with_full_float32<T, E: From<TorchError>>(
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    // SAFETY: no requirements.
    let allowed = unsafe { seam::seam_tf32() };
    full_float32()?;
    let outcome = work();
    // SAFETY: no requirements.
    operation::check(unsafe { seam::seam_set_tf32(allowed) })?;
    outcome
}

/// Runs `work` while no operation of this thread may allocate more than `bytes` at once on the CPU.
pub fn with_bounded_allocations<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    /// Restores the bound before it, also where `work` panics.
    struct Restored(usize);
    impl Drop for Restored {
        fn drop(&mut self) {
            // SAFETY: no requirements.
            unsafe { seam::seam_bound_allocations(self.0) };
        }
    }
    // SAFETY: no requirements.
    let _restored = Restored(unsafe { seam::seam_bound_allocations(bytes) });
    work()
}

/// Takes text that the seam allocated; `None` for null.
fn taken(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the seam gives C strings made with `malloc`, each to be freed once by
    // `seam_free_text`; it is copied before.
    unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        seam::seam_free_text(text);
        Some(copy)
    }
}

#[cfg(test)]
mod tests;
