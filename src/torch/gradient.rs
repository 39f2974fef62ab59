//! Results whose backward pass is written in Rust.

use std::ffi::{CString, c_char, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{TorchError, operation, seam};

/// The gradients by the inputs, where they are wanted, for the gradient by the output.
type Backward = dyn Fn(&Tensor, &[bool]) -> Result<Vec<Option<Tensor>>, String> + Send;

/// Makes `output`, which was computed without autograd, the result of `inputs`: `backward` takes the
/// gradient by it and whether each input's gradient is wanted, and gives those gradients. It has no
/// derivative itself.
///
/// Where no input asks for a gradient, or autograd is off, `output` stays as it is.
///
/// ```
/// use pathscope_torch::with_gradient;
/// use tch::{Kind, Tensor};
///
/// let x = Tensor::from_slice(&[1.0_f32, 2.0]).set_requires_grad(true);
/// let double = |gradient: &Tensor, _: &[bool]| Ok::<_, tch::TchError>(vec![Some(gradient * 2.0)]);
/// let y = with_gradient(x.detach() * 2.0, &[&x], double)?;
/// y.sum(Kind::Float).backward();
/// assert_eq!(Vec::<f32>::try_from(x.grad()).unwrap(), [2.0, 2.0]);
/// # Ok::<(), pathscope_torch::TorchError>(())
/// ```
///
/// # Errors
/// Where libtorch refuses. What `backward` fails with is an error of the backward pass.
pub fn with_gradient<E: Display>(
    output: Tensor,
    inputs: &[&Tensor],
    backward: impl Fn(&Tensor, &[bool]) -> Result<Vec<Option<Tensor>>, E> + Send + 'static,
) -> Result<Tensor, TorchError> {
    let backward: Box<Backward> = Box::new(move |gradient, wanted| {
        backward(gradient, wanted).map_err(|error| error.to_string())
    });
    // A thin pointer to the fat one.
    let closure = Box::into_raw(Box::new(backward)).cast::<c_void>();
    let pointers: Vec<*const C_tensor> = inputs.iter().map(|input| input.as_ptr()).collect();
    // SAFETY: the tensors outlive the call; the closure is given away, with what frees it.
    operation::check(unsafe {
        seam::seam_set_gradient(
            output.as_ptr(),
            pointers.as_ptr(),
            pointers.len(),
            closure,
            run,
            release,
        )
    })?;
    Ok(output)
}

/// What the seam calls in the backward pass.
unsafe extern "C" fn run(
    closure: *const c_void,
    gradient: *const C_tensor,
    wanted: *const bool,
    found: *mut *mut C_tensor,
    inputs: usize,
) -> *mut c_char {
    // SAFETY: the seam hands back the closure that it was given, a gradient that is alive for the
    // call, and room for as many inputs as there are.
    let (backward, gradient, wanted, found) = unsafe {
        (
            &*closure.cast::<Box<Backward>>(),
            Tensor::clone_from_ptr(gradient.cast_mut()),
            std::slice::from_raw_parts(wanted, inputs),
            std::slice::from_raw_parts_mut(found, inputs),
        )
    };
    let work = AssertUnwindSafe(|| tch::no_grad(|| backward(&gradient, wanted)));
    let message = match catch_unwind(work) {
        Ok(Ok(gradients)) if gradients.len() == inputs => {
            for (place, gradient) in found.iter_mut().zip(gradients) {
                *place = gradient.map_or(std::ptr::null_mut(), into_pointer);
            }
            return std::ptr::null_mut();
        }
        Ok(Ok(_)) => "a backward pass gave another number of gradients".to_owned(),
        Ok(Err(message)) => message,
        Err(_) => "a backward pass panicked".to_owned(),
    };
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // SAFETY: a C string, copied there.
    unsafe { seam::seam_failure(message.as_ptr()) }
}

unsafe extern "C" fn release(closure: *mut c_void) {
    // SAFETY: made by `Box::into_raw` above; the seam frees it once.
    drop(unsafe { Box::from_raw(closure.cast::<Box<Backward>>()) });
}

/// The tensor without its owner: the seam takes it.
fn into_pointer(tensor: Tensor) -> *mut C_tensor {
    let pointer = tensor.as_ptr();
    std::mem::forget(tensor);
    pointer.cast_mut()
}
