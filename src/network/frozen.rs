use tch::{Kind, Tensor};

use super::trainable::{plain, standardized};
use super::{
    Forward, Geometry, Kernel, Layer, Mode, NetworkError, Operation, Pass, Plan, ResidualNetwork,
    Specification, TrainableLayer, TrainableNetwork,
};

/// A layer for analysis: no autograd, batch normalisation folded into the convolution before it.
#[derive(Debug)]
pub enum FrozenLayer {
    /// Convolution with a kernel `[O, I, K, K]` and bias `[O]`.
    Convolution {
        /// What it does to its input.
        kernel: Kernel,
        /// Additive term; that of a folded normalisation too.
        bias: Option<Tensor>,
        /// The adjoint where that is a convolution too (stride 1).
        adjoint: Option<Kernel>,
    },
    /// A normalisation that stands alone: `scale * x + shift`, both `[1, C, 1, 1]`.
    Affine {
        /// Factor per channel.
        scale: Tensor,
        /// Term per channel.
        shift: Tensor,
    },
    /// Fully connected layer.
    Linear {
        /// Matrix `[O, I]`.
        weight: Tensor,
        /// Additive term `[O]`.
        bias: Option<Tensor>,
    },
    /// A layer that is computed as it stands.
    Plain {
        /// What is computed.
        layer: Layer,
        /// Its tensors, in the order of [`Layer::parameters`](super::Layer::parameters).
        parameters: Vec<Tensor>,
    },
}

impl Forward for FrozenLayer {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
        Ok(match self {
            Self::Convolution { kernel, bias, .. } => kernel.convolve(x, bias.as_ref())?,
            Self::Affine { scale, shift } => shift.f_addcmul(x, scale)?,
            Self::Linear { weight, bias } => x.f_linear(weight, bias.as_ref())?,
            Self::Plain { layer, parameters } => plain(layer, parameters, x, mode)?,
        })
    }

    fn forward_owned(&self, mut x: Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
        match self {
            Self::Plain { layer, .. } if layer.operation == Operation::Relu => Ok(x.f_relu_()?),
            _ => self.forward(&x, mode),
        }
    }

    fn output_may_be_overwritten(&self) -> bool {
        match self {
            Self::Convolution { .. } | Self::Affine { .. } | Self::Linear { .. } => true,
            Self::Plain { layer, .. } => layer.operation.output_may_be_overwritten(),
        }
    }
}

impl FrozenLayer {
    fn shallow_clone(&self) -> Self {
        let clone = |tensor: &Option<Tensor>| tensor.as_ref().map(Tensor::shallow_clone);
        match self {
            Self::Convolution {
                kernel,
                bias,
                adjoint,
            } => Self::Convolution {
                kernel: kernel.shallow_clone(),
                bias: clone(bias),
                adjoint: adjoint.as_ref().map(Kernel::shallow_clone),
            },
            Self::Affine { scale, shift } => Self::Affine {
                scale: scale.shallow_clone(),
                shift: shift.shallow_clone(),
            },
            Self::Linear { weight, bias } => Self::Linear {
                weight: weight.shallow_clone(),
                bias: clone(bias),
            },
            Self::Plain { layer, parameters } => Self::Plain {
                layer: layer.clone(),
                parameters: parameters.iter().map(Tensor::shallow_clone).collect(),
            },
        }
    }
}

/// A network for analysis.
#[derive(Debug)]
pub struct FrozenNetwork {
    specification: Specification,
    structure: ResidualNetwork<FrozenLayer>,
    kind: Kind,
}

impl FrozenNetwork {
    /// Freezes `network` as it is now, in `kind` (float32, or float64 for checks). On a CUDA
    /// device float32 means float32 from here on: libtorch's default there is TF32, with which
    /// sums of gradients differ from the gradient by several percent.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn freeze(network: &TrainableNetwork, kind: Kind) -> Result<Self, NetworkError> {
        if network.device().is_cuda() {
            pathscope_torch::full_float32()?;
        }
        tch::no_grad(|| {
            let structure = network.structure().try_map(|layers| fold(layers, kind))?;
            Ok(Self {
                specification: network.specification().clone(),
                structure,
                kind,
            })
        })
    }

    /// The description from which the network was built.
    #[must_use]
    pub fn specification(&self) -> &Specification {
        &self.specification
    }

    /// The kind of numbers that it computes with.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The structure with its layers.
    #[must_use]
    pub fn structure(&self) -> &ResidualNetwork<FrozenLayer> {
        &self.structure
    }

    /// Logits `[N, classes]` of a batch `[N, C, H, W]` under `plan`.
    ///
    /// # Errors
    /// A plan or batch that does not fit the network.
    pub fn forward(
        &self,
        batch: &Tensor,
        plan: &Plan,
        pass: &Pass<'_>,
    ) -> Result<Tensor, NetworkError> {
        tch::no_grad(|| self.structure.forward(batch, plan, pass))
    }

    /// Another handle on the same parameters, for another thread.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let clone = |layers: &[FrozenLayer]| -> Result<_, std::convert::Infallible> {
            Ok(layers.iter().map(FrozenLayer::shallow_clone).collect())
        };
        let Ok(structure) = self.structure.try_map(clone);
        Self {
            specification: self.specification.clone(),
            structure,
            kind: self.kind,
        }
    }
}

/// Freezes a run of layers, folding each normalisation into the convolution before it.
fn fold(layers: &[TrainableLayer], kind: Kind) -> Result<Vec<FrozenLayer>, NetworkError> {
    let mut frozen: Vec<FrozenLayer> = Vec::with_capacity(layers.len());
    for layer in layers {
        let parameters = layer
            .parameters()
            .iter()
            // Folding in float64 keeps the folded network within rounding of the other.
            .map(|tensor| reals_in(Kind::Double, tensor))
            .collect::<Result<Vec<_>, _>>()?;
        match (&layer.layer().operation, parameters.as_slice()) {
            (Operation::BatchNorm { epsilon, .. }, [scale, shift, mean, variance]) => {
                let scale = scale.f_div(&variance.f_add_scalar(*epsilon)?.f_sqrt()?)?;
                let shift = shift.f_sub(&mean.f_mul(&scale)?)?;
                match frozen.last_mut() {
                    Some(FrozenLayer::Convolution { kernel, bias, .. }) => {
                        *kernel = kernel.scaled(&scale)?;
                        *bias = Some(match bias {
                            Some(bias) => bias.f_mul(&scale)?.f_add(&shift)?,
                            None => shift,
                        });
                    }
                    _ => frozen.push(FrozenLayer::Affine {
                        scale: scale.f_view([1, -1, 1, 1])?,
                        shift: shift.f_view([1, -1, 1, 1])?,
                    }),
                }
            }
            (_, parameters) => frozen.push(without_folding(layer.layer(), parameters)?),
        }
    }
    frozen
        .into_iter()
        .map(|layer| settle(layer, kind))
        .collect()
}

fn without_folding(layer: &Layer, parameters: &[Tensor]) -> Result<FrozenLayer, NetworkError> {
    let bias = parameters.get(1).map(Tensor::shallow_clone);
    Ok(match (&layer.operation, parameters.first()) {
        (
            &Operation::Convolution {
                stride,
                padding,
                groups,
                standardization,
                ..
            },
            Some(weight),
        ) => {
            let weight = match standardization {
                Some(epsilon) => standardized(weight, epsilon)?,
                None => weight.shallow_clone(),
            };
            let geometry = Geometry {
                stride,
                padding,
                groups,
            };
            FrozenLayer::Convolution {
                kernel: Kernel::new(weight, geometry),
                bias,
                adjoint: None,
            }
        }
        (Operation::Linear { .. }, Some(weight)) => FrozenLayer::Linear {
            weight: weight.shallow_clone(),
            bias,
        },
        (Operation::Fragment(fragment), Some(weight)) if fragment.is_linear() => {
            FrozenLayer::Linear {
                weight: weight.shallow_clone(),
                bias,
            }
        }
        _ => FrozenLayer::Plain {
            layer: layer.clone(),
            parameters: parameters.iter().map(Tensor::shallow_clone).collect(),
        },
    })
}

/// `tensor` in `kind`; masks and numbers of positions as they are.
pub(super) fn reals_in(kind: Kind, tensor: &Tensor) -> Result<Tensor, NetworkError> {
    Ok(match tensor.is_floating_point() {
        true => tensor.f_to_kind(kind)?,
        false => tensor.shallow_clone(),
    })
}

/// Brings the folded parameters into `kind` and channels-last order.
fn settle(layer: FrozenLayer, kind: Kind) -> Result<FrozenLayer, NetworkError> {
    let settle = |tensor: Tensor| -> Result<Tensor, NetworkError> {
        Ok(channels_last(&reals_in(kind, &tensor)?)?.f_detach()?)
    };
    Ok(match layer {
        FrozenLayer::Convolution { kernel, bias, .. } => FrozenLayer::Convolution {
            adjoint: kernel
                .adjoint()?
                .map(|adjoint| adjoint.settled(kind))
                .transpose()?,
            kernel: kernel.settled(kind)?,
            bias: bias.map(settle).transpose()?,
        },
        FrozenLayer::Affine { scale, shift } => FrozenLayer::Affine {
            scale: settle(scale)?,
            shift: settle(shift)?,
        },
        FrozenLayer::Linear { weight, bias } => FrozenLayer::Linear {
            weight: settle(weight)?,
            bias: bias.map(settle).transpose()?,
        },
        FrozenLayer::Plain { layer, parameters } => FrozenLayer::Plain {
            layer,
            parameters: parameters
                .into_iter()
                .map(settle)
                .collect::<Result<_, _>>()?,
        },
    })
}

/// The same values with the channels innermost in memory, where there are four dimensions: the
/// order in which libtorch's convolutions on the CPU are fastest.
///
/// # Errors
/// Where libtorch refuses.
pub fn channels_last(tensor: &Tensor) -> Result<Tensor, NetworkError> {
    if tensor.dim() != 4 {
        return Ok(tensor.shallow_clone());
    }
    Ok(tensor
        .f_permute([0, 2, 3, 1])?
        .f_contiguous()?
        .f_permute([0, 3, 1, 2])?)
}

/// A copy in storage of its own, in the same memory order.
///
/// # Errors
/// Where libtorch refuses.
pub fn duplicate(tensor: &Tensor) -> Result<Tensor, NetworkError> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}
