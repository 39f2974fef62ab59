//! The gate of a block at a batch, and what its derivative needs.

use tch::Tensor;

use super::linearization::Chain;
use super::residual::closed;
use super::{FrozenLayer, NetworkError};

/// A gate at a batch; all values `[B, C, H, W]`.
///
/// With `g = gate(u)`, the sum `(1 - g) skip(u) + g f(u)` has the derivative `(1 - g) S - skip(u) G` by its
/// skip and `g J + f(u) G` by its function, where S, J and G are those of skip, function and gate.
#[derive(Debug)]
pub(super) struct Gate {
    chain: Chain,
    /// The share of the functions.
    open: Tensor,
    /// The share of the skip.
    closed: Tensor,
    /// The outputs that it multiplies: of the functions by number, and of the skip.
    functions: Vec<Option<Tensor>>,
    skip: Option<Tensor>,
}

impl Gate {
    /// The gate of `layers` at `u`, in a block of so many functions.
    pub fn at(layers: &[FrozenLayer], u: &Tensor, functions: usize) -> Result<Self, NetworkError> {
        let (open, chain) = Chain::of(layers, u)?;
        Ok(Self {
            chain,
            closed: closed(&open)?,
            open,
            functions: (0..functions).map(|_| None).collect(),
            skip: None,
        })
    }

    /// What function `number` with this output has of the sum.
    pub fn of_function(&mut self, number: usize, output: Tensor) -> Result<Tensor, NetworkError> {
        let share = output.f_mul(&self.open)?;
        if let Some(kept) = self.functions.get_mut(number) {
            *kept = Some(output);
        }
        Ok(share)
    }

    /// What the skip with this value has of the sum.
    pub fn of_skip(&mut self, output: Tensor) -> Result<Tensor, NetworkError> {
        let share = output.f_mul(&self.closed)?;
        self.skip = Some(output);
        Ok(share)
    }

    /// Cotangents at `u` from those at the sum, `[J B, C, H, W]`, by function `number` with the
    /// derivative `chain`.
    pub fn through_function(
        &self,
        number: usize,
        chain: &Chain,
        stack: &Tensor,
    ) -> Result<Tensor, NetworkError> {
        let through = chain.pull_back(times(stack, &self.open)?)?;
        match self.functions.get(number) {
            Some(Some(output)) => Ok(through.f_add(&self.chain.pull_back(times(stack, output)?)?)?),
            _ => Ok(through),
        }
    }

    /// The same by the skip.
    pub fn through_skip(&self, chain: &Chain, stack: &Tensor) -> Result<Tensor, NetworkError> {
        let through = chain.pull_back(times(stack, &self.closed)?)?;
        match &self.skip {
            Some(output) => Ok(through.f_sub(&self.chain.pull_back(times(stack, output)?)?)?),
            None => Ok(through),
        }
    }
}

/// A new stack `[J B, ...]`: the product of `stack` with `factor` `[B, ...]`.
fn times(stack: &Tensor, factor: &Tensor) -> Result<Tensor, NetworkError> {
    let mut shape = factor.size();
    shape.insert(0, -1);
    let product = stack.f_view(shape.as_slice())?.f_mul(factor)?;
    Ok(product.f_flatten(0, 1)?)
}
