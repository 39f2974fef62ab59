//! Operations on whole lists of tensors: one or a few kernels on CUDA where a loop would launch
//! one for each tensor.

use std::borrow::Borrow;
use std::sync::LazyLock;

use pathscope_torch::{Operation, Value, call};
use tch::Tensor;

use super::{OptimizerOptions, TrainingError};

fn list(tensors: &[impl Borrow<Tensor>]) -> Value {
    let tensors = tensors.iter().map(|tensor| tensor.borrow().shallow_clone());
    Value::Tensors(tensors.collect())
}

/// Found once: the step calls it again and again.
fn known(
    operation: &LazyLock<Option<Operation>>,
    arguments: &[Value],
) -> Result<Vec<Value>, TrainingError> {
    let lacking = TrainingError::Internal("libtorch lacks an operation on lists of tensors");
    let operation = LazyLock::force(operation).ok_or(lacking)?;
    Ok(operation.call(arguments)?)
}

fn tensors(outputs: Vec<Value>) -> Result<Vec<Tensor>, TrainingError> {
    match <[Value; 1]>::try_from(outputs) {
        Ok([Value::Tensors(tensors)]) => Ok(tensors),
        _ => Err(TrainingError::Internal(
            "an operation on a list of tensors gives no list",
        )),
    }
}

/// Writes each of `from` into its place in `to`, in the kind of number and memory order there.
pub(super) fn copy<T: Borrow<Tensor>>(to: &[T], from: &[T]) -> Result<(), TrainingError> {
    static COPY: LazyLock<Option<Operation>> =
        LazyLock::new(|| Operation::find("aten::_foreach_copy_", ""));
    if !to.is_empty() {
        known(&COPY, &[list(to), list(from)])?;
    }
    Ok(())
}

/// Multiplies each of `tensors` in place by the number in `factor`.
pub(super) fn multiply(
    tensors: &[impl Borrow<Tensor>],
    factor: &Tensor,
) -> Result<(), TrainingError> {
    static MULTIPLY: LazyLock<Option<Operation>> =
        LazyLock::new(|| Operation::find("aten::_foreach_mul_", "Tensor"));
    known(&MULTIPLY, &[list(tensors), factor.into()])?;
    Ok(())
}

/// Moves each of `averages` towards its tensor in `current`: `average * kept + current * new`.
pub(super) fn follow(
    averages: &[Tensor],
    current: &[Tensor],
    kept: &Tensor,
    new: &Tensor,
) -> Result<(), TrainingError> {
    static SCALED: LazyLock<Option<Operation>> =
        LazyLock::new(|| Operation::find("aten::_foreach_mul", "Tensor"));
    static ADD: LazyLock<Option<Operation>> =
        LazyLock::new(|| Operation::find("aten::_foreach_add_", "List"));
    multiply(averages, kept)?;
    let moved = tensors(known(&SCALED, &[list(current), new.into()])?)?;
    known(&ADD, &[list(averages), Value::Tensors(moved)])?;
    Ok(())
}

/// The Euclidean norm of all values of `tensors` together, as a float64 tensor of no dimension.
pub(super) fn norm(tensors: &[&Tensor]) -> Result<Tensor, TrainingError> {
    if tensors.is_empty() {
        return Ok(Tensor::from(0.0_f64));
    }
    let norms = self::tensors(call("aten::_foreach_norm", "Scalar", &[list(tensors)])?)?;
    let norms = Tensor::f_stack(&norms, 0)?.f_to_kind(tch::Kind::Double)?;
    Ok(norms.f_square()?.f_sum(tch::Kind::Double)?.f_sqrt()?)
}

/// One step of stochastic gradient descent of `rate` (float32, no dimension) for all of
/// `parameters`; momenta of a `first` step are written, others moved.
pub(super) fn descend(
    parameters: &[&Tensor],
    gradients: &[&Tensor],
    momenta: &[&Tensor],
    rate: &Tensor,
    options: &OptimizerOptions,
    first: bool,
) -> Result<(), TrainingError> {
    static DESCEND: LazyLock<Option<Operation>> =
        LazyLock::new(|| Operation::find("aten::_fused_sgd_", "tensor_lr"));
    if parameters.is_empty() {
        return Ok(());
    }
    let dampening = 0.0;
    // Without momentum libtorch wants no momenta at all.
    let momenta = if options.momentum > 0.0 { momenta } else { &[] };
    known(
        &DESCEND,
        &[
            list(parameters),
            list(gradients),
            list(momenta),
            Value::Float(options.weight_decay),
            Value::Float(options.momentum),
            rate.into(),
            Value::Float(dampening),
            Value::Bool(options.nesterov),
            Value::Bool(false),
            Value::Bool(first),
        ],
    )?;
    Ok(())
}
