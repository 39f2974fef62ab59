//! Operations that make a tensor out of nothing: their results are constants of the graph.

use tch::{Device, Kind, Tensor};

use super::arguments::{Arguments, Refusal};
use crate::format::element::Element;

/// Elements that a graph may make out of nothing.
const MAX_ELEMENTS: i64 = 1 << 24;

/// The tensor that `operation` makes; `None` where it is no such operation.
pub(super) fn create(
    operation: &str,
    arguments: &Arguments<'_>,
) -> Result<Option<Tensor>, Refusal> {
    let kind = |default| match arguments.scalar_type("dtype") {
        None => Ok(default),
        Some(number) => Element::from_export(number)
            .map(Element::kind)
            .ok_or_else(|| format!("makes numbers of type {number}")),
    };
    let bounded = |count: Option<i64>| match count {
        Some(count) if (0..=MAX_ELEMENTS).contains(&count) => Ok(()),
        _ => Err("makes a tensor that is too large".to_owned()),
    };
    let filled = |value: f64, default| -> Result<Tensor, Refusal> {
        let size = arguments.integers("size").ok_or("has no fixed size")?;
        bounded(size.iter().try_fold(1_i64, |all, &n| all.checked_mul(n)))?;
        let options = (kind(default)?, Device::Cpu);
        Tensor::f_full(size, value, options).map_err(|fault| fault.to_string())
    };
    Ok(Some(match operation {
        "arange.default" | "arange.start" | "arange.start_step" => {
            let start = arguments.integer("start", 0);
            let end = arguments
                .optional_integer("end")
                .ok_or("has an end that is not fixed")?;
            let step = arguments.integer("step", 1);
            bounded(end.checked_sub(start).filter(|_| step > 0))?;
            let options = (kind(Kind::Int64)?, Device::Cpu);
            Tensor::f_arange_start_step(start, end, step, options)
                .map_err(|fault| fault.to_string())?
        }
        "full.default" => {
            let value = arguments.number("fill_value").ok_or("has no fixed value")?;
            filled(value, Kind::Float)?
        }
        "zeros.default" => filled(0.0, Kind::Float)?,
        "ones.default" => filled(1.0, Kind::Float)?,
        _ => return Ok(None),
    }))
}
