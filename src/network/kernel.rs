//! The linear part of a convolution, computed in the way that is fastest here.

use tch::{Kind, Tensor};

use super::NetworkError;
use super::error::length;
use super::winograd::Winograd;

/// A kernel `[O, I, K, K]` and how it walks over its input.
#[derive(Debug)]
pub struct Kernel {
    weight: Tensor,
    geometry: Geometry,
    winograd: Option<Winograd>,
}

/// How a convolution walks over its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Stride in both directions.
    pub stride: i64,
    /// Zero padding on every side.
    pub padding: i64,
    /// Groups of channels.
    pub groups: i64,
}

impl Kernel {
    /// The kernel with `weight` `[O, I, K, K]` in any kind of number and any order in memory.
    pub(super) fn new(weight: Tensor, geometry: Geometry) -> Self {
        Self {
            weight,
            geometry,
            winograd: None,
        }
    }

    /// The same with every output multiplied by its number in `scale` `[O]`.
    pub(super) fn scaled(&self, scale: &Tensor) -> Result<Self, NetworkError> {
        let weight = self.weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
        Ok(Self::new(weight, self.geometry))
    }

    /// The same in `kind`, prepared to be used many times.
    pub(super) fn settled(&self, kind: Kind) -> Result<Self, NetworkError> {
        let settled = Self::new(innermost_channels(&self.weight, kind)?, self.geometry);
        let winograd = settled.winograd()?;
        Ok(Self {
            winograd,
            ..settled
        })
    }

    /// The convolution with fewer products, where there is one.
    pub(super) fn winograd(&self) -> Result<Option<Winograd>, NetworkError> {
        match (self.geometry.stride, self.geometry.padding) {
            (1, 1) => Winograd::new(&self.weight.detach(), self.geometry.groups),
            _ => Ok(None),
        }
    }

    /// The adjoint, where it is a convolution too, `[I, O, K, K]`: for stride 1, with the kernel
    /// turned by 180 degrees and its channels exchanged within their groups.
    pub(super) fn adjoint(&self) -> Result<Option<Self>, NetworkError> {
        let groups = self.geometry.groups;
        let &[outputs, inputs, height, width] = self.weight.size().as_slice() else {
            return Ok(None);
        };
        if self.geometry.stride != 1 {
            return Ok(None);
        }
        let each = outputs / groups;
        let turned = self.weight.f_flip([2, 3])?;
        let turned = turned.f_view([groups, each, inputs, height, width])?;
        let turned = turned.f_transpose(1, 2)?;
        let weight = turned.f_reshape([groups * inputs, each, height, width])?;
        let geometry = Geometry {
            padding: width - 1 - self.geometry.padding,
            ..self.geometry
        };
        Ok(Some(Self::new(weight, geometry)))
    }

    /// Convolution `[N, O, H', W']` of `x` `[N, I, H, W]`, plus `bias` `[O]`.
    ///
    /// # Errors
    /// An input that does not fit the kernel.
    pub fn convolve(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, NetworkError> {
        // What autograd is to differentiate it has to see.
        if let Some(winograd) = self.winograd.as_ref().filter(|_| !x.requires_grad()) {
            return winograd.convolve(x, bias);
        }
        self.convolve_by_libtorch(x, bias)
    }

    /// The same as autograd sees it, to the last bit: a ReLU behind it is open for the same
    /// values.
    ///
    /// # Errors
    /// An input that does not fit the kernel.
    pub(super) fn convolve_by_libtorch(
        &self,
        x: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor, NetworkError> {
        let (stride, padding) = ([self.geometry.stride; 2], [self.geometry.padding; 2]);
        let groups = self.geometry.groups;
        Ok(x.f_conv2d(&self.weight, bias, stride, padding, [1, 1], groups)?)
    }

    /// The gradient `[N, C, H, W]` by an input of `height` and `width` for that by the output,
    /// `[N, O, H', W']`.
    ///
    /// # Errors
    /// A gradient that does not fit the kernel.
    pub(super) fn pull_back(
        &self,
        gradient: &Tensor,
        sides: [i64; 2],
    ) -> Result<Tensor, NetworkError> {
        match self.adjoint()? {
            Some(adjoint) => adjoint.settled(gradient.kind())?.convolve(gradient, None),
            None => self.transposed(gradient, sides),
        }
    }

    /// Transposed convolution of `stack` `[N, O, H', W']` to inputs of `height` and `width`:
    /// the adjoint for any stride.
    ///
    /// # Errors
    /// A stack that does not fit the kernel.
    pub fn transposed(
        &self,
        stack: &Tensor,
        [height, width]: [i64; 2],
    ) -> Result<Tensor, NetworkError> {
        let Geometry {
            stride,
            padding,
            groups,
        } = self.geometry;
        let kernel = length(&self.weight, 3)?;
        // Pixels at the far border that no window of the stride reached.
        let rest = |side: i64| (side + 2 * padding - kernel) % stride;
        let bias: Option<Tensor> = None;
        Ok(stack.f_conv_transpose2d(
            &self.weight,
            bias,
            [stride; 2],
            [padding; 2],
            [rest(height), rest(width)],
            groups,
            [1, 1],
        )?)
    }

    /// Another handle on the same numbers.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            geometry: self.geometry,
            winograd: self.winograd.clone(),
        }
    }
}

/// `weight` `[O, I, K, K]` in `kind` with the channels innermost in memory. libtorch chooses the
/// order of a convolution by the strides, which are open for a side of length 1 (one channel a
/// group, kernels of 1 by 1): here they are definite, since the other order is several times slower.
fn innermost_channels(weight: &Tensor, kind: Kind) -> Result<Tensor, NetworkError> {
    let sizes = weight.size();
    let &[_, inputs, height, width] = sizes.as_slice() else {
        return Ok(weight.f_to_kind(kind)?.f_detach()?);
    };
    let strides = [height * width * inputs, 1, width * inputs, inputs];
    let mut ordered = Tensor::f_empty_strided(&sizes, strides, (kind, weight.device()))?;
    ordered.f_copy_(&weight.detach())?;
    Ok(ordered)
}
