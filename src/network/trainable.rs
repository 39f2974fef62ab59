use std::collections::{HashMap, HashSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tch::{Device, Kind, Tensor};

use super::chance::chosen;
use super::convolution::convolve;
use super::frozen::reals_in;
use super::initialize::initialize;
use super::streams::{matrix, mix};
use super::{
    Forward, Function, Geometry, Layer, Mode, NetworkError, Operation, Pass, Plan, ResidualNetwork,
    Role, Specification,
};

/// A layer with its parameters, computed under autograd.
#[derive(Debug)]
pub struct TrainableLayer {
    layer: Layer,
    parameters: Vec<Tensor>,
}

impl TrainableLayer {
    /// The description.
    #[must_use]
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// The tensors, in the order of [`Layer::parameters`].
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    fn parameter(&self, position: usize) -> Option<&Tensor> {
        self.parameters.get(position)
    }
}

impl Forward for TrainableLayer {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
        Ok(match (&self.layer.operation, self.parameters.as_slice()) {
            (
                Operation::Convolution {
                    stride,
                    padding,
                    groups,
                    standardization,
                    ..
                },
                [weight, ..],
            ) => {
                let weight = match standardization {
                    Some(epsilon) => &standardized(weight, *epsilon)?,
                    None => weight,
                };
                // Mixed precision: the activations' kind decides, the values stay in float32.
                let weight = &in_kind(weight, x.kind())?;
                let bias = self.parameter(1).map(|bias| in_kind(bias, x.kind()));
                let geometry = Geometry {
                    stride: *stride,
                    padding: *padding,
                    groups: *groups,
                };
                convolve(x, weight, bias.transpose()?.as_ref(), geometry)?
            }
            (Operation::BatchNorm { epsilon, .. }, [scale, shift, mean, variance]) => {
                let (training, momentum) = match mode {
                    Mode::Training { momentum, .. } => (true, momentum),
                    Mode::Sampled { .. } | Mode::Evaluation => (false, 0.0),
                };
                x.f_batch_norm(
                    Some(scale),
                    Some(shift),
                    Some(mean),
                    Some(variance),
                    training,
                    momentum,
                    *epsilon,
                    true,
                )?
            }
            (Operation::Linear { .. }, [weight, ..]) => {
                in_kind(x, weight.kind())?.f_linear(weight, self.parameter(1))?
            }
            (_, parameters) => plain(&self.layer, parameters, x, mode)?,
        })
    }

    fn forward_owned(&self, mut x: Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
        match self.layer.operation {
            Operation::Relu => Ok(x.f_relu_()?),
            _ => self.forward(&x, mode),
        }
    }

    fn output_may_be_overwritten(&self) -> bool {
        self.layer.operation.output_may_be_overwritten()
    }

    fn is_same(&self, other: &Self) -> bool {
        self.layer == other.layer
    }

    fn sum_of(
        functions: &[&Function<Self>],
        u: &Tensor,
        mode: Mode,
    ) -> Result<Option<Tensor>, NetworkError> {
        super::fused::sum(functions, u, mode)
    }
}

/// The tensor itself, or a copy in `kind` through which gradients flow back.
pub(super) fn in_kind(tensor: &Tensor, kind: Kind) -> Result<Tensor, NetworkError> {
    if tensor.kind() == kind {
        return Ok(tensor.shallow_clone());
    }
    Ok(tensor.f_to_kind(kind)?)
}

/// Every kernel of `weight` `[O, I, K, K]` with mean 0 and variance 1 (Qiao et al., arXiv
/// 1903.10520, equation 6; the variance is that of the kernel itself, not an estimate).
pub(super) fn standardized(weight: &Tensor, epsilon: f64) -> Result<Tensor, NetworkError> {
    let size = weight.size();
    let kernels = weight.f_flatten(1, -1)?;
    let centred = kernels.f_sub(&kernels.f_mean_dim([1].as_slice(), true, None)?)?;
    let variance = centred.f_square()?.f_mean_dim([1].as_slice(), true, None)?;
    let deviation = variance.f_add_scalar(epsilon)?.f_sqrt()?;
    Ok(centred.f_div(&deviation)?.f_view(size.as_slice())?)
}

/// The operations that are the same in every execution.
pub(super) fn plain(
    layer: &Layer,
    parameters: &[Tensor],
    x: &Tensor,
    mode: Mode,
) -> Result<Tensor, NetworkError> {
    Ok(match layer.operation {
        Operation::Fragment(ref fragment) => fragment.forward(parameters, x)?,
        Operation::GroupNorm {
            groups, epsilon, ..
        } => x.f_group_norm(
            groups,
            parameters.first(),
            parameters.get(1),
            epsilon,
            false,
        )?,
        Operation::ZeroPad { padding } => x.f_constant_pad_nd([padding; 4])?,
        Operation::Relu => x.f_relu()?,
        Operation::Sigmoid { shift: 0.0 } => x.f_sigmoid()?,
        Operation::Sigmoid { shift } => x.f_add_scalar(shift)?.f_sigmoid()?,
        Operation::Bernoulli { keep } => match mode {
            Mode::Evaluation => x.f_mul_scalar(keep)?,
            Mode::Training { seed, .. } | Mode::Sampled { seed } => {
                x.f_mul(&chosen(x, keep, seed, &layer.name)?)?
            }
        },
        Operation::MaxPool {
            kernel,
            stride,
            padding,
        } => x.f_max_pool2d([kernel; 2], [stride; 2], [padding; 2], [1, 1], false)?,
        Operation::AveragePool {
            kernel,
            stride,
            ceiling,
        } => x.f_avg_pool2d([kernel; 2], [stride; 2], [0, 0], ceiling, false, None)?,
        Operation::GlobalAveragePool => x.f_mean_dim([2, 3].as_slice(), false, None)?,
        Operation::PadShortcut {
            stride,
            before,
            after,
        } => {
            let x = x
                .f_slice(2, None, None, stride)?
                .f_slice(3, None, None, stride)?;
            x.f_constant_pad_nd([0, 0, 0, 0, before, after])?
        }
        // In storage of its own, in the order that convolutions want.
        Operation::Narrow { first, count } => super::channels_last(&x.f_narrow(1, first, count)?)?,
        Operation::Mix {
            outputs,
            ref base,
            learned,
            ..
        } => {
            let learned = match (learned, parameters) {
                (false, _) => None,
                (true, [weight]) => Some(weight),
                (true, _) => return Err(lost()),
            };
            mix(x, &matrix(base, outputs, learned, x)?)?
        }
        Operation::Factor { .. } => match parameters {
            [factor] => x.f_mul(&in_kind(factor, x.kind())?)?,
            _ => return Err(lost()),
        },
        Operation::Convolution { .. } | Operation::BatchNorm { .. } | Operation::Linear { .. } => {
            return Err(lost());
        }
    })
}

fn lost() -> NetworkError {
    NetworkError::Torch("a layer lost its parameters".into())
}

/// A network that can be trained, loaded and saved.
#[derive(Debug)]
pub struct TrainableNetwork {
    specification: Specification,
    structure: ResidualNetwork<TrainableLayer>,
}

impl TrainableNetwork {
    /// A network with first values drawn by `seed`.
    ///
    /// # Errors
    /// Where libtorch cannot hold a tensor.
    pub fn initialized(specification: &Specification, seed: u64) -> Result<Self, NetworkError> {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        Self::build(specification, |parameter| {
            initialize(parameter, &mut generator)
        })
    }

    /// A network with the tensors that `find` gives for the names of its parameters.
    ///
    /// # Errors
    /// A missing tensor or one of another shape, by name.
    pub fn load(
        specification: &Specification,
        mut find: impl FnMut(&str) -> Option<Tensor>,
    ) -> Result<Self, NetworkError> {
        Self::build(specification, |parameter| {
            let tensor = find(&parameter.name).ok_or_else(|| NetworkError::MissingParameter {
                name: parameter.name.clone(),
                what: format!("{:?}", parameter.role).to_lowercase(),
            })?;
            let tensor = match (tensor.size().as_slice(), parameter.shape.as_slice()) {
                // A linear layer kept as a convolution of one pixel holds the same matrix.
                (&[outputs, inputs, 1, 1], [_, _]) => tensor.f_view([outputs, inputs])?,
                _ => tensor,
            };
            if tensor.size() != parameter.shape {
                return Err(NetworkError::ParameterShape {
                    name: parameter.name.clone(),
                    expected: parameter.shape.clone(),
                    found: tensor.size(),
                });
            }
            // A copy: what was loaded may be shared or mapped from a file.
            super::duplicate(&reals_in(Kind::Float, &tensor)?)
        })
    }

    fn build(
        specification: &Specification,
        mut value: impl FnMut(&super::Parameter) -> Result<Tensor, NetworkError>,
    ) -> Result<Self, NetworkError> {
        // What several layers share is one tensor.
        let mut made: HashMap<String, Tensor> = HashMap::new();
        let structure = specification.try_map(|layers| {
            layers
                .iter()
                .map(|layer| {
                    let mut parameters = Vec::new();
                    for parameter in layer.parameters() {
                        let tensor = match made.get(&parameter.name) {
                            Some(shared) => shared.shallow_clone(),
                            None => super::channels_last(&value(&parameter)?)?
                                .f_set_requires_grad(parameter.role.is_trained())?,
                        };
                        made.insert(parameter.name, tensor.shallow_clone());
                        parameters.push(tensor);
                    }
                    Ok::<_, NetworkError>(TrainableLayer {
                        layer: layer.clone(),
                        parameters,
                    })
                })
                .collect()
        })?;
        Ok(Self {
            specification: specification.clone(),
            structure,
        })
    }

    /// The description.
    #[must_use]
    pub fn specification(&self) -> &Specification {
        &self.specification
    }

    /// The structure with its layers.
    #[must_use]
    pub fn structure(&self) -> &ResidualNetwork<TrainableLayer> {
        &self.structure
    }

    /// Every tensor under its name in a checkpoint, with what it is for; those that several layers
    /// share once.
    #[must_use]
    pub fn named_parameters(&self) -> Vec<(String, Role, Tensor)> {
        let mut seen = HashSet::new();
        self.structure
            .layers()
            .flat_map(|layer| {
                layer
                    .layer
                    .parameters()
                    .into_iter()
                    .zip(&layer.parameters)
                    .map(|(parameter, tensor)| {
                        (parameter.name, parameter.role, tensor.shallow_clone())
                    })
            })
            .filter(|(name, _, _)| seen.insert(name.clone()))
            .collect()
    }

    /// Logits `[N, classes]` of a batch `[N, C, H, W]` under `plan`, with autograd.
    ///
    /// # Errors
    /// A plan or batch that does not fit the network.
    pub fn forward(
        &self,
        batch: &Tensor,
        plan: &Plan,
        pass: &Pass<'_>,
    ) -> Result<Tensor, NetworkError> {
        self.structure.forward(batch, plan, pass)
    }

    /// Where its parameters lie.
    #[must_use]
    pub fn device(&self) -> Device {
        let mut parameters = self.structure.layers().flat_map(|layer| &layer.parameters);
        parameters.next().map_or(Device::Cpu, Tensor::device)
    }

    /// The same network with its tensors on `device`.
    ///
    /// # Errors
    /// Where the device cannot hold them.
    pub fn to_device(&self, device: Device) -> Result<Self, NetworkError> {
        self.copied(|tensor| Ok(tensor.f_to_device(device)?))
    }

    /// The same network with floating-point tensors of `kind`.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn to_kind(&self, kind: Kind) -> Result<Self, NetworkError> {
        self.copied(|tensor| reals_in(kind, tensor))
    }

    /// A network that shares every tensor with this one but those of convolutions, of which it has
    /// copies in `kind`: for mixed precision, with gradients at the copies.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn with_convolutions_in(&self, kind: Kind) -> Result<Self, NetworkError> {
        // What several layers share stays one tensor.
        let mut made: HashMap<String, Tensor> = HashMap::new();
        let mut copy = |name: String, tensor: &Tensor| -> Result<Tensor, NetworkError> {
            if let Some(copy) = made.get(&name) {
                return Ok(copy.shallow_clone());
            }
            let copy = tensor.f_detach()?.f_to_kind(kind)?;
            let copy = copy.f_set_requires_grad(tensor.requires_grad())?;
            made.insert(name, copy.shallow_clone());
            Ok(copy)
        };
        let mut converted = |layer: &TrainableLayer| {
            let names = layer.layer.parameters().into_iter();
            let parameters = match layer.layer.operation {
                Operation::Convolution { .. } => names
                    .zip(&layer.parameters)
                    .map(|(parameter, tensor)| copy(parameter.name, tensor))
                    .collect::<Result<_, _>>()?,
                _ => layer.parameters.iter().map(Tensor::shallow_clone).collect(),
            };
            Ok::<_, NetworkError>(TrainableLayer {
                layer: layer.layer.clone(),
                parameters,
            })
        };
        let structure = self
            .structure
            .try_map(|layers| layers.iter().map(&mut converted).collect())?;
        Ok(Self {
            specification: self.specification.clone(),
            structure,
        })
    }

    fn copied(
        &self,
        change: impl Fn(&Tensor) -> Result<Tensor, NetworkError>,
    ) -> Result<Self, NetworkError> {
        let mut tensors = self.named_parameters().into_iter();
        Self::build(&self.specification, |parameter| {
            let next = tensors.next();
            let (name, _, tensor) = next.ok_or_else(|| NetworkError::MissingParameter {
                name: parameter.name.clone(),
                what: "copy to a device".into(),
            })?;
            debug_assert_eq!(name, parameter.name);
            super::duplicate(&change(&tensor.f_detach()?)?)
        })
    }
}
