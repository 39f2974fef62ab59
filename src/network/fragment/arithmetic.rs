//! Arithmetic on sizes, which an exported graph does in Python: it follows the number of examples.

use pathscope_torch::Value;

use crate::NetworkError;

/// The result of Python's operation `name` on numbers and truths, or the length of an axis.
///
/// # Errors
/// An unknown operation, operands of another type, or a result out of range.
pub(super) fn compute(name: &str, arguments: &[Value]) -> Result<Value, NetworkError> {
    if let ("sym_size", [Value::Tensor(tensor), Value::Int(axis)]) = (name, arguments) {
        let size = tensor.size();
        let from_end = usize::try_from(axis.unsigned_abs()).ok();
        let place = match axis {
            0.. => from_end,
            _ => from_end.and_then(|from_end| size.len().checked_sub(from_end)),
        };
        let length = place.and_then(|place| size.get(place)).copied();
        return length.map(Value::Int).ok_or_else(|| {
            NetworkError::Torch("a graph asks for the length of an axis that is not there".into())
        });
    }
    let refuse = || NetworkError::Torch(format!("`{name}` of sizes cannot be computed"));
    let whole: Option<Vec<i64>> = arguments
        .iter()
        .map(|argument| match argument {
            Value::Int(number) => Some(*number),
            Value::Bool(truth) => Some(i64::from(*truth)),
            _ => None,
        })
        .collect();
    let result = match whole {
        Some(whole) => of_integers(name, &whole),
        None => of_reals(name, arguments),
    };
    result.ok_or_else(refuse)
}

fn of_integers(name: &str, operands: &[i64]) -> Option<Value> {
    let integer = |number: Option<i64>| number.map(Value::Int);
    #[expect(clippy::cast_precision_loss, reason = "as Python does")]
    match (name, operands) {
        ("add", &[a, b]) => integer(a.checked_add(b)),
        ("sub", &[a, b]) => integer(a.checked_sub(b)),
        ("mul", &[a, b]) => integer(a.checked_mul(b)),
        ("floordiv", &[a, b]) => {
            let quotient = a.checked_div(b)?;
            let rounds_down = a % b != 0 && (a < 0) != (b < 0);
            integer(quotient.checked_sub(i64::from(rounds_down)))
        }
        ("mod", &[a, b]) => integer(a.checked_rem(b).map(|rest| match rest {
            0 => 0,
            rest if (rest < 0) == (b < 0) => rest,
            rest => rest + b,
        })),
        ("truediv", &[a, b]) if b != 0 => Some(Value::Float(a as f64 / b as f64)),
        ("pow", &[a, b]) => integer(a.checked_pow(u32::try_from(b).ok()?)),
        ("neg", &[a]) => integer(a.checked_neg()),
        ("eq", &[a, b]) => Some(Value::Bool(a == b)),
        ("ne", &[a, b]) => Some(Value::Bool(a != b)),
        ("lt", &[a, b]) => Some(Value::Bool(a < b)),
        ("le", &[a, b]) => Some(Value::Bool(a <= b)),
        ("gt", &[a, b]) => Some(Value::Bool(a > b)),
        ("ge", &[a, b]) => Some(Value::Bool(a >= b)),
        ("and_" | "__and__", &[a, b]) => Some(Value::Bool(a != 0 && b != 0)),
        ("or_" | "__or__", &[a, b]) => Some(Value::Bool(a != 0 || b != 0)),
        ("not_" | "sym_not", &[a]) => Some(Value::Bool(a == 0)),
        ("sym_max", &[a, b]) => integer(Some(a.max(b))),
        ("sym_min", &[a, b]) => integer(Some(a.min(b))),
        ("sym_int" | "floor" | "ceil" | "trunc" | "round", &[a]) => integer(Some(a)),
        ("sym_float", &[a]) => Some(Value::Float(a as f64)),
        ("sym_ite", &[condition, a, b]) => integer(Some(if condition == 0 { b } else { a })),
        _ => None,
    }
}

fn of_reals(name: &str, arguments: &[Value]) -> Option<Value> {
    #[expect(clippy::cast_precision_loss, reason = "as Python does")]
    let real = |value: &Value| match value {
        Value::Float(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        _ => None,
    };
    let operands: Vec<f64> = arguments.iter().map(real).collect::<Option<_>>()?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    let whole = |number: f64| {
        let fits = number.abs() < 9e15;
        fits.then_some(Value::Int(number as i64))
    };
    match (name, operands.as_slice()) {
        ("add", &[a, b]) => Some(Value::Float(a + b)),
        ("sub", &[a, b]) => Some(Value::Float(a - b)),
        ("mul", &[a, b]) => Some(Value::Float(a * b)),
        ("truediv", &[a, b]) => Some(Value::Float(a / b)),
        ("pow", &[a, b]) => Some(Value::Float(a.powf(b))),
        ("neg", &[a]) => Some(Value::Float(-a)),
        ("sym_sqrt" | "sqrt", &[a]) => Some(Value::Float(a.sqrt())),
        ("floor", &[a]) => whole(a.floor()),
        ("ceil", &[a]) => whole(a.ceil()),
        ("sym_int" | "trunc", &[a]) => whole(a.trunc()),
        ("round", &[a]) => whole(a.round_ties_even()),
        _ => None,
    }
}
