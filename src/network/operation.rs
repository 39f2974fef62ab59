use serde::{Deserialize, Serialize};

use super::{FeatureShape, Fragment, NetworkError};

/// A primitive operation, as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// Two-dimensional convolution with square kernels.
    Convolution {
        /// Channels in.
        inputs: i64,
        /// Channels out.
        outputs: i64,
        /// Side of the kernel.
        kernel: i64,
        /// Stride in both directions.
        stride: i64,
        /// Zero padding on every side.
        padding: i64,
        /// Groups of channels that are convolved apart.
        #[serde(default = "one")]
        groups: i64,
        /// Whether a bias is added.
        #[serde(default)]
        bias: bool,
        /// Where given, every kernel is brought to mean 0 and variance 1 first, with this added
        /// to its variance: weight standardisation (Qiao et al., arXiv 1903.10520).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standardization: Option<f64>,
    },
    /// Normalisation over groups of channels and all positions of one example, with scale and
    /// shift per channel (Wu & He, arXiv 1803.08494).
    GroupNorm {
        /// Groups of channels.
        groups: i64,
        /// Channels.
        channels: i64,
        /// Added to the variance.
        #[serde(default = "batch_norm_epsilon")]
        epsilon: f64,
    },
    /// Batch normalisation over channels, with scale and shift.
    BatchNorm {
        /// Channels.
        channels: i64,
        /// Added to the variance.
        #[serde(default = "batch_norm_epsilon")]
        epsilon: f64,
    },
    /// max(x, 0).
    Relu,
    /// 1 / (1 + exp(-(x + shift))): what a gate lets pass. A shift below 0 begins with a gate that lets
    /// little pass (Srivastava et al., arXiv 1505.00387).
    Sigmoid {
        /// Added to the input.
        #[serde(default)]
        shift: f64,
    },
    /// The product with one learned number.
    Factor {
        /// Whether training begins at 0 (SkipInit: De & Smith, arXiv 2002.10444) instead of 1.
        #[serde(default)]
        from_zero: bool,
    },
    /// Sums of streams: channel `c n + s` is channel c of stream s of n (Zhu et al., arXiv 2409.19606).
    Mix {
        /// Streams in.
        inputs: i64,
        /// Streams out.
        outputs: i64,
        /// A weight for every output and input, outputs first.
        base: Vec<f64>,
        /// Whether a learned number, which begins at 0, is added to each.
        learned: bool,
    },
    /// Every value times a random 0 or 1 in training, and times the mean of these numbers in evaluation
    /// (Swapout: Singh et al., arXiv 1605.06465).
    Bernoulli {
        /// Probability of 1.
        keep: f64,
    },
    /// Maximum over windows.
    MaxPool {
        /// Side of the window.
        kernel: i64,
        /// Stride in both directions.
        stride: i64,
        /// Padding on every side.
        padding: i64,
    },
    /// Zero pixels on every side.
    ZeroPad {
        /// Rows and columns of zeros on each side.
        padding: i64,
    },
    /// Mean over windows; windows that reach over the border count only what lies inside.
    AveragePool {
        /// Side of the window.
        kernel: i64,
        /// Stride in both directions.
        stride: i64,
        /// Whether a last window may reach over the border; without it, what is left there is dropped.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        ceiling: bool,
    },
    /// Mean over all positions, then `[N, C]`.
    GlobalAveragePool,
    /// Parameter-free shortcut (type A of He et al. 2015): every `stride`-th pixel, with zero
    /// channels before and after.
    PadShortcut {
        /// Step between the pixels that are kept.
        stride: i64,
        /// Zero channels in front.
        before: i64,
        /// Zero channels behind.
        after: i64,
    },
    /// Some neighbouring channels: one of several values that are carried side by side.
    Narrow {
        /// The first of them.
        first: i64,
        /// How many there are.
        count: i64,
    },
    /// Fully connected layer, `[N, inputs]` to `[N, outputs]`.
    Linear {
        /// Features in.
        inputs: i64,
        /// Features out.
        outputs: i64,
        /// Whether a bias is added.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// A piece of a graph, for what no operation above describes.
    Fragment(Box<Fragment>),
}

impl Operation {
    /// The maximum over three by three pixels, every second one: behind the stems of ImageNet networks.
    pub const STEM_POOL: Self = Self::MaxPool {
        kernel: 3,
        stride: 2,
        padding: 1,
    };

    /// Every `stride`-th pixel, with zero channels `before` and `after` those that there are.
    #[must_use]
    pub fn pad(stride: i64, before: i64, after: i64) -> Self {
        Self::PadShortcut {
            stride,
            before,
            after,
        }
    }

    /// The mean over two by two pixels; `ceiling` as in [`Operation::AveragePool`].
    #[must_use]
    pub fn mean_of_four(stride: i64, ceiling: bool) -> Self {
        Self::AveragePool {
            kernel: 2,
            stride,
            ceiling,
        }
    }

    /// Whether the output has storage that neither the input nor the gradient needs.
    pub(super) fn output_may_be_overwritten(&self) -> bool {
        match self {
            Operation::Convolution { .. }
            | Operation::GroupNorm { .. }
            | Operation::BatchNorm { .. }
            | Operation::MaxPool { .. }
            | Operation::AveragePool { .. }
            | Operation::GlobalAveragePool
            | Operation::Linear { .. } => true,
            // Its gradient is computed from its output.
            Operation::Relu | Operation::Sigmoid { .. } => false,
            Operation::Factor { .. } | Operation::Bernoulli { .. } => true,
            // May be a view of the input, or end in an operation like ReLU.
            Operation::ZeroPad { .. }
            | Operation::PadShortcut { .. }
            | Operation::Narrow { .. }
            | Operation::Mix { .. }
            | Operation::Fragment(_) => false,
        }
    }
}

fn one() -> i64 {
    1
}

fn yes() -> bool {
    true
}

/// As serde passes it: by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_true(value: &bool) -> bool {
    *value
}

fn batch_norm_epsilon() -> f64 {
    1e-5
}

/// An operation under the name that it has in checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Prefix of the layer's tensors, such as `layer2.0.conv1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it computes.
    #[serde(flatten)]
    pub operation: Operation,
}

/// What a tensor of a layer is for; decides its first value and whether training moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Kernel of a convolution or matrix of a linear layer.
    Weight,
    /// Additive term of a convolution or linear layer.
    Bias,
    /// Scale of a normalisation, or a factor that starts at 1.
    Scale,
    /// Shift of a normalisation, or a factor that starts at 0.
    Shift,
    /// Running mean of a normalisation: a statistic, not trained.
    RunningMean,
    /// Running variance of a normalisation: a statistic, not trained.
    RunningVariance,
    /// A tensor that is neither trained nor measured: a mask, or numbers of positions.
    Constant,
}

impl Role {
    /// Whether gradient descent moves the tensor.
    #[must_use]
    pub fn is_trained(self) -> bool {
        !matches!(
            self,
            Self::RunningMean | Self::RunningVariance | Self::Constant
        )
    }
}

/// A tensor that a layer needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its full name in a checkpoint.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its shape.
    pub shape: Vec<i64>,
}

impl Layer {
    /// A layer called `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, operation: Operation) -> Self {
        Self {
            name: name.into(),
            operation,
        }
    }

    /// The piece of a graph that it is.
    pub(super) fn fragment(&self) -> Option<&Fragment> {
        match &self.operation {
            Operation::Fragment(fragment) => Some(fragment),
            _ => None,
        }
    }

    /// Whether it multiplies by one number, or by random zeros and ones.
    #[must_use]
    pub fn is_factor(&self) -> bool {
        matches!(
            self.operation,
            Operation::Factor { .. } | Operation::Bernoulli { .. }
        )
    }

    /// The tensors that the layer needs, in a fixed order.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let parameter = |suffix: &str, role, shape| Parameter {
            name: format!("{}.{suffix}", self.name),
            role,
            shape,
        };
        let weighted = |shape, bias: Option<i64>| {
            let bias = bias.map(|outputs| parameter("bias", Role::Bias, vec![outputs]));
            let weight = parameter("weight", Role::Weight, shape);
            std::iter::once(weight).chain(bias).collect()
        };
        match self.operation {
            Operation::Convolution {
                inputs,
                outputs,
                kernel,
                groups,
                bias,
                ..
            } => {
                let shape = vec![outputs, inputs / groups.max(1), kernel, kernel];
                weighted(shape, bias.then_some(outputs))
            }
            Operation::GroupNorm { channels, .. } => vec![
                parameter("weight", Role::Scale, vec![channels]),
                parameter("bias", Role::Shift, vec![channels]),
            ],
            Operation::BatchNorm { channels, .. } => vec![
                parameter("weight", Role::Scale, vec![channels]),
                parameter("bias", Role::Shift, vec![channels]),
                parameter("running_mean", Role::RunningMean, vec![channels]),
                parameter("running_var", Role::RunningVariance, vec![channels]),
            ],
            Operation::Linear {
                inputs,
                outputs,
                bias,
            } => weighted(vec![outputs, inputs], bias.then_some(outputs)),
            Operation::Factor { from_zero } => {
                let role = if from_zero { Role::Shift } else { Role::Scale };
                vec![parameter("weight", role, vec![1])]
            }
            Operation::Mix {
                inputs,
                outputs,
                learned: true,
                ..
            } => vec![parameter("weight", Role::Shift, vec![outputs, inputs])],
            Operation::Fragment(ref fragment) => fragment.parameters.clone(),
            _ => Vec::new(),
        }
    }

    /// Shape of the output for one example of shape `input`.
    ///
    /// # Errors
    /// [`NetworkError::LayerShape`] where the layer cannot take that input.
    pub fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape, NetworkError> {
        let refuse = |reason: String| NetworkError::LayerShape {
            layer: self.name.clone(),
            found: input.to_string(),
            reason,
        };
        let shape = |channels, height, width| {
            Ok(FeatureShape {
                channels,
                height,
                width,
            })
        };
        let channels = |expected: i64| {
            if input.channels == expected {
                Ok(())
            } else {
                Err(refuse(format!("it expects {expected} channels")))
            }
        };
        let windows = |channels, kernel: i64, stride: i64, padding: i64| {
            let side = |length: i64| (length + 2 * padding - kernel) / stride + 1;
            let fits = |length: i64| stride > 0 && length + 2 * padding >= kernel;
            if fits(input.height) && fits(input.width) {
                shape(channels, side(input.height), side(input.width))
            } else {
                Err(refuse(format!("a window of {kernel} pixels does not fit")))
            }
        };
        match self.operation {
            Operation::Convolution {
                inputs,
                outputs,
                kernel,
                stride,
                padding,
                ..
            } => {
                channels(inputs)?;
                windows(outputs, kernel, stride, padding)
            }
            Operation::ZeroPad { padding } => {
                let side = |length: i64| length + 2 * padding;
                shape(input.channels, side(input.height), side(input.width))
            }
            Operation::GroupNorm { groups, .. } if groups < 1 || input.channels % groups != 0 => {
                Err(refuse(format!(
                    "{groups} groups do not divide its channels"
                )))
            }
            Operation::GroupNorm {
                channels: expected, ..
            }
            | Operation::BatchNorm {
                channels: expected, ..
            } => channels(expected).map(|()| input),
            Operation::Relu
            | Operation::Sigmoid { .. }
            | Operation::Factor { .. }
            | Operation::Bernoulli { .. } => Ok(input),
            Operation::MaxPool {
                kernel,
                stride,
                padding,
            } => windows(input.channels, kernel, stride, padding),
            Operation::AveragePool {
                kernel,
                stride,
                ceiling: false,
            } => windows(input.channels, kernel, stride, 0),
            Operation::AveragePool { kernel, stride, .. } => {
                // Ceiling mode: a window may begin inside and end outside.
                let side = |length: i64| (length - kernel + stride - 1).max(0) / stride + 1;
                shape(input.channels, side(input.height), side(input.width))
            }
            Operation::GlobalAveragePool => shape(input.channels, 1, 1),
            Operation::PadShortcut {
                stride,
                before,
                after,
            } => {
                let side = |length: i64| (length + stride - 1) / stride;
                let channels = before + input.channels + after;
                shape(channels, side(input.height), side(input.width))
            }
            Operation::Mix {
                inputs, outputs, ..
            } if inputs > 0 && input.channels % inputs == 0 => Ok(FeatureShape {
                channels: input.channels / inputs * outputs,
                ..input
            }),
            Operation::Mix { inputs, .. } => Err(refuse(format!(
                "{inputs} streams do not divide its channels"
            ))),
            Operation::Narrow { first, count } => match first.checked_add(count) {
                Some(end) if first >= 0 && count > 0 && end <= input.channels => Ok(FeatureShape {
                    channels: count,
                    ..input
                }),
                _ => Err(refuse(format!("it takes {count} channels from {first}"))),
            },
            Operation::Fragment(ref fragment) => {
                let expected = FeatureShape::of(&fragment.input);
                if input == expected {
                    Ok(FeatureShape::of(&fragment.output))
                } else {
                    Err(refuse(format!("it was exported for {expected}")))
                }
            }
            Operation::Linear {
                inputs, outputs, ..
            } => {
                channels(inputs)?;
                shape(outputs, 1, 1)
            }
        }
    }

    /// Multiply-adds for one example whose output has shape `output`; convolutions and linear
    /// layers count, as is usual.
    #[must_use]
    pub fn multiply_adds(&self, output: FeatureShape) -> i64 {
        match self.operation {
            Operation::Convolution {
                inputs,
                kernel,
                groups,
                ..
            } => output.elements() * inputs / groups.max(1) * kernel * kernel,
            Operation::Linear { inputs, .. } => output.elements() * inputs,
            Operation::Fragment(ref fragment) => fragment.multiply_adds,
            _ => 0,
        }
    }
}
