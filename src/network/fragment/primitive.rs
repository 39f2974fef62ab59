//! The tensor operations that a graph may consist of.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::network::NetworkError;

/// One length in the shape that an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Always this many; -1 stands for what is left over, or for the length as it is.
    Fixed(i64),
    /// This many for each example of the batch.
    PerExample(i64),
}

/// A tensor operation by its name in libtorch. Operands come in libtorch's order; those that are
/// optional there may be absent at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "primitive", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "names and fields are those of libtorch's operations"
)]
pub enum Primitive {
    /// Operands: input, weight, bias.
    Convolution {
        stride: [i64; 2],
        padding: [i64; 2],
        dilation: [i64; 2],
        groups: i64,
    },
    /// With running statistics. Operands: input, scale, shift, mean, variance.
    BatchNorm {
        epsilon: f64,
    },
    /// Operands: input, scale, shift.
    LayerNorm {
        shape: Vec<i64>,
        epsilon: f64,
    },
    /// Operands: input, scale, shift.
    GroupNorm {
        groups: i64,
        epsilon: f64,
    },
    /// Operands: input, scale.
    RmsNorm {
        shape: Vec<i64>,
        epsilon: Option<f64>,
    },
    /// Operands: input, weight `[O, I]`, bias.
    Linear,
    Matmul,
    /// Operands: term, left, right: term + left right.
    AddMatmul,
    /// Operands: query, key, value, additive or Boolean mask.
    Attention {
        causal: bool,
        scale: Option<f64>,
    },
    /// Operands: table, numbers of its rows.
    Embedding,
    Add,
    Subtract,
    Multiply,
    Divide,
    AddScalar {
        value: f64,
    },
    MultiplyScalar {
        value: f64,
    },
    /// value - input.
    SubtractFrom {
        value: f64,
    },
    Power {
        exponent: f64,
    },
    Relu,
    Gelu {
        tanh: bool,
    },
    Silu,
    Sigmoid,
    Tanh,
    HardSwish,
    HardSigmoid,
    Mish,
    Exponential,
    Error,
    SquareRoot,
    ReciprocalSquareRoot,
    Clamp {
        #[serde(with = "number")]
        lowest: f64,
        #[serde(with = "number")]
        highest: f64,
    },
    Softmax {
        axis: i64,
    },
    Mean {
        axes: Vec<i64>,
        keep: bool,
    },
    Sum {
        axes: Vec<i64>,
        keep: bool,
    },
    /// Euclidean.
    Norm {
        axes: Vec<i64>,
        keep: bool,
    },
    MaxPool {
        kernel: [i64; 2],
        stride: [i64; 2],
        padding: [i64; 2],
        dilation: [i64; 2],
        ceiling: bool,
    },
    AveragePool {
        kernel: [i64; 2],
        stride: [i64; 2],
        padding: [i64; 2],
        ceiling: bool,
        count_padding: bool,
    },
    AdaptiveAveragePool {
        output: [i64; 2],
    },
    Reshape {
        shape: Vec<Length>,
    },
    Expand {
        shape: Vec<Length>,
    },
    Permute {
        axes: Vec<i64>,
    },
    Transpose {
        first: i64,
        second: i64,
    },
    Flatten {
        first: i64,
        last: i64,
    },
    Unsqueeze {
        axis: i64,
    },
    Squeeze {
        axis: i64,
    },
    Select {
        axis: i64,
        place: i64,
    },
    Slice {
        axis: i64,
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    Unbind {
        axis: i64,
    },
    Split {
        lengths: Vec<i64>,
        axis: i64,
    },
    SplitEvery {
        length: i64,
        axis: i64,
    },
    Chunk {
        parts: i64,
        axis: i64,
    },
    Concatenate {
        axis: i64,
    },
    Stack {
        axis: i64,
    },
    Pad {
        lengths: Vec<i64>,
        #[serde(with = "number")]
        value: f64,
    },
    Roll {
        shifts: Vec<i64>,
        axes: Vec<i64>,
    },
    /// Operands: input, Boolean mask.
    MaskedFill {
        #[serde(with = "number")]
        value: f64,
    },
    /// Operands: Boolean condition, where it holds, where it does not.
    Where,
}

impl Primitive {
    /// Whether the output may share storage with the first operand.
    pub(super) fn is_view(&self) -> bool {
        matches!(
            self,
            Self::Reshape { .. }
                | Self::Expand { .. }
                | Self::Permute { .. }
                | Self::Transpose { .. }
                | Self::Flatten { .. }
                | Self::Unsqueeze { .. }
                | Self::Squeeze { .. }
                | Self::Select { .. }
                | Self::Slice { .. }
                | Self::Unbind { .. }
                | Self::Split { .. }
                | Self::SplitEvery { .. }
                | Self::Chunk { .. }
        )
    }

    /// Whether it is what the length of a path in layers counts: a convolution or matrix of
    /// parameters.
    pub(super) fn is_counted(&self) -> bool {
        matches!(
            self,
            Self::Convolution { .. } | Self::Linear | Self::AddMatmul
        )
    }

    /// At most how many numbers the output has that may have far more than the operands.
    fn elements(&self, operands: &[&Tensor]) -> i64 {
        let sizes: Vec<Vec<i64>> = operands.iter().map(|operand| operand.size()).collect();
        let product = |size: &[i64]| size.iter().fold(1_i64, |all, &n| all.saturating_mul(n));
        let last = |size: Option<&Vec<i64>>| size.and_then(|size| size.last().copied());
        let largest = || sizes.iter().map(|size| product(size)).max().unwrap_or(0);
        match self {
            Self::Matmul | Self::Linear | Self::AddMatmul => {
                let left = usize::from(*self == Self::AddMatmul);
                let rows = sizes.get(left).map_or(0, |size| {
                    product(size.get(..size.len().saturating_sub(1)).unwrap_or_default())
                });
                let right = sizes.get(left + 1);
                let columns = match self {
                    Self::Linear => right.and_then(|size| size.first().copied()),
                    _ => last(right),
                };
                // A stack of matrices on the right may be broadcast.
                let stack = right.map_or(1, |size| {
                    product(size.get(..size.len().saturating_sub(2)).unwrap_or_default())
                });
                rows.saturating_mul(columns.unwrap_or(1))
                    .saturating_mul(if rows > 0 && stack > rows { stack } else { 1 })
            }
            Self::Add
            | Self::Subtract
            | Self::Multiply
            | Self::Divide
            | Self::MaskedFill { .. }
            | Self::Where => {
                let axes = sizes.iter().map(Vec::len).max().unwrap_or(0);
                (1..=axes).fold(1_i64, |all, axis| {
                    let length = sizes
                        .iter()
                        .filter_map(|size| size.len().checked_sub(axis).and_then(|at| size.get(at)))
                        .max();
                    all.saturating_mul(length.copied().unwrap_or(1))
                })
            }
            Self::Pad { lengths, .. } => {
                let added = lengths
                    .iter()
                    .fold(0_i64, |all, &n| all.saturating_add(n.max(0)));
                largest().saturating_mul(added.saturating_add(1))
            }
            _ => largest(),
        }
    }

    /// The outputs for `operands` in a batch of `examples`, each of at most `limit` numbers.
    ///
    /// # Errors
    /// Where libtorch refuses, or an operand is missing.
    pub(super) fn compute(
        &self,
        operands: &[&Tensor],
        examples: i64,
        limit: i64,
    ) -> Result<Vec<Tensor>, NetworkError> {
        let missing = || NetworkError::Torch(format!("an operand of {self:?} is missing"));
        let operand = |place: usize| operands.get(place).copied().ok_or_else(missing);
        let optional = |place: usize| operands.get(place).copied();
        let x = operand(0)?;
        if self.elements(operands) > limit {
            return Err(NetworkError::Torch(format!(
                "an operation would make more than {limit} numbers at once, far more than the \
                 model holds"
            )));
        }
        let lengths = |shape: &[Length]| -> Vec<i64> {
            let length = |length: &Length| match *length {
                Length::Fixed(length) => length,
                Length::PerExample(each) => each * examples,
            };
            shape.iter().map(length).collect()
        };
        Ok(vec![match self {
            Self::Convolution {
                stride,
                padding,
                dilation,
                groups,
            } => x.f_conv2d(operand(1)?, optional(2), stride, padding, dilation, *groups)?,
            Self::BatchNorm { epsilon } => {
                let (scale, shift) = (Some(operand(1)?), Some(operand(2)?));
                let (mean, variance) = (Some(operand(3)?), Some(operand(4)?));
                x.f_batch_norm(scale, shift, mean, variance, false, 0.0, *epsilon, false)?
            }
            Self::LayerNorm { shape, epsilon } => {
                x.f_layer_norm(shape, optional(1), optional(2), *epsilon, false)?
            }
            Self::GroupNorm { groups, epsilon } => {
                x.f_group_norm(*groups, optional(1), optional(2), *epsilon, false)?
            }
            Self::RmsNorm { shape, epsilon } => x.f_rms_norm(shape, optional(1), *epsilon)?,
            Self::Linear => x.f_linear(operand(1)?, optional(2))?,
            Self::Matmul => x.f_matmul(operand(1)?)?,
            Self::AddMatmul => x.f_addmm(operand(1)?, operand(2)?)?,
            Self::Attention { causal, scale } => Tensor::f_scaled_dot_product_attention(
                x,
                operand(1)?,
                operand(2)?,
                optional(3),
                0.0,
                *causal,
                *scale,
                false,
            )?,
            Self::Embedding => Tensor::f_embedding(x, operand(1)?, -1, false, false)?,
            Self::Add => x.f_add(operand(1)?)?,
            Self::Subtract => x.f_sub(operand(1)?)?,
            Self::Multiply => x.f_mul(operand(1)?)?,
            Self::Divide => x.f_div(operand(1)?)?,
            Self::AddScalar { value } => x.f_add_scalar(*value)?,
            Self::MultiplyScalar { value } => x.f_mul_scalar(*value)?,
            Self::SubtractFrom { value } => x.f_neg()?.f_add_scalar(*value)?,
            Self::Power { exponent } => x.f_pow_tensor_scalar(*exponent)?,
            Self::Relu => x.f_relu()?,
            Self::Gelu { tanh } => x.f_gelu(if *tanh { "tanh" } else { "none" })?,
            Self::Silu => x.f_silu()?,
            Self::Sigmoid => x.f_sigmoid()?,
            Self::Tanh => x.f_tanh()?,
            Self::HardSwish => x.f_hardswish()?,
            Self::HardSigmoid => x.f_hardsigmoid()?,
            Self::Mish => x.f_mish()?,
            Self::Exponential => x.f_exp()?,
            Self::Error => x.f_erf()?,
            Self::SquareRoot => x.f_sqrt()?,
            Self::ReciprocalSquareRoot => x.f_rsqrt()?,
            Self::Clamp { lowest, highest } => x.f_clamp(*lowest, *highest)?,
            Self::Softmax { axis } => x.f_softmax(*axis, None::<Kind>)?,
            Self::Mean { axes, keep } => x.f_mean_dim(axes.as_slice(), *keep, None)?,
            Self::Sum { axes, keep } => x.f_sum_dim_intlist(axes.as_slice(), *keep, None)?,
            Self::Norm { axes, keep } => x.f_norm_scalaropt_dim(2.0, axes.as_slice(), *keep)?,
            Self::MaxPool {
                kernel,
                stride,
                padding,
                dilation,
                ceiling,
            } => x.f_max_pool2d(kernel, stride, padding, dilation, *ceiling)?,
            Self::AveragePool {
                kernel,
                stride,
                padding,
                ceiling,
                count_padding,
            } => x.f_avg_pool2d(kernel, stride, padding, *ceiling, *count_padding, None)?,
            Self::AdaptiveAveragePool { output } => x.f_adaptive_avg_pool2d(output)?,
            Self::Reshape { shape } => x.f_reshape(lengths(shape))?,
            Self::Expand { shape } => x.f_expand(lengths(shape), false)?,
            Self::Permute { axes } => x.f_permute(axes)?,
            Self::Transpose { first, second } => x.f_transpose(*first, *second)?,
            Self::Flatten { first, last } => x.f_flatten(*first, *last)?,
            Self::Unsqueeze { axis } => x.f_unsqueeze(*axis)?,
            Self::Squeeze { axis } => x.f_squeeze_dim(*axis)?,
            Self::Select { axis, place } => x.f_select(*axis, *place)?,
            Self::Slice {
                axis,
                start,
                end,
                step,
            } => x.f_slice(*axis, *start, *end, *step)?,
            Self::Unbind { axis } => return Ok(x.f_unbind(*axis)?),
            Self::Split { lengths, axis } => return Ok(x.f_split_with_sizes(lengths, *axis)?),
            Self::SplitEvery { length, axis } => return Ok(x.f_split(*length, *axis)?),
            Self::Chunk { parts, axis } => return Ok(x.f_chunk(*parts, *axis)?),
            Self::Concatenate { axis } => Tensor::f_cat(operands, *axis)?,
            Self::Stack { axis } => Tensor::f_stack(operands, *axis)?,
            Self::Pad { lengths, value } => x.f_pad(lengths, "constant", *value)?,
            Self::Roll { shifts, axes } => x.f_roll(shifts, axes)?,
            Self::MaskedFill { value } => x.f_masked_fill(operand(1)?, *value)?,
            Self::Where => operand(1)?.f_where_self(x, operand(2)?)?,
        }])
    }
}

/// Numbers that may be infinite, which JSON cannot write: then as text.
mod number {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else {
            serializer.serialize_str(&value.to_string())
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(value) => Ok(value),
            Written::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}
