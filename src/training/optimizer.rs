use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::TrainingError;
use crate::network::TrainableNetwork;
use crate::team::Team;

/// Stochastic gradient descent with momentum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerOptions {
    /// Share of the last step that the next one keeps.
    pub momentum: f64,
    /// Whether the gradient is taken where the momentum will lead (Nesterov).
    pub nesterov: bool,
    /// Weight decay, on every trained tensor as in the paper's code.
    pub weight_decay: f64,
    /// Largest Euclidean norm of the whole gradient; longer ones are shortened to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

impl Default for OptimizerOptions {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            nesterov: true,
            weight_decay: 1e-4,
            clip: None,
        }
    }
}

/// The trained tensors of a network with their momenta.
#[derive(Debug)]
pub struct Optimizer {
    options: OptimizerOptions,
    parameters: Vec<Tensor>,
    /// One per parameter once it has had a gradient.
    momenta: Vec<Option<Tensor>>,
    /// Which processes move each parameter.
    movers: Vec<Mover>,
}

/// Who moves a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mover {
    /// Every process of a group, alike.
    Everybody,
    /// This process alone.
    Me,
    /// Another process alone.
    Other,
}

impl Optimizer {
    /// An optimiser that has not moved yet.
    #[must_use]
    pub fn new(network: &TrainableNetwork, options: OptimizerOptions) -> Self {
        let named = network.named_parameters();
        let trained = named.into_iter().filter(|(_, role, _)| role.is_trained());
        let parameters: Vec<Tensor> = trained.map(|(_, _, tensor)| tensor).collect();
        let momenta = parameters.iter().map(|_| None).collect();
        let movers = vec![Mover::Everybody; parameters.len()];
        Self {
            options,
            parameters,
            momenta,
            movers,
        }
    }

    /// Leaves to other processes what they move, given for each trained tensor.
    pub(super) fn leave(&mut self, movers: Vec<Mover>) {
        self.movers = movers;
    }

    /// The momentum of each trained tensor, in the order of
    /// [`TrainableNetwork::named_parameters`].
    #[must_use]
    pub fn momenta(&self) -> &[Option<Tensor>] {
        &self.momenta
    }

    /// Takes up momenta that [`Optimizer::momenta`] gave before.
    pub fn restore(&mut self, momenta: Vec<Option<Tensor>>) {
        self.momenta = momenta;
    }

    /// Moves every tensor by one step of `rate` along the gradient of `loss`. Tensors of a block
    /// that was not computed have no gradient: they glide on by their momentum and decay, once
    /// they have had a first one.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn step(&mut self, loss: &Tensor, rate: f64) -> Result<(), TrainingError> {
        self.clear();
        loss.f_backward()?;
        self.descend(rate, Team::ALONE)
    }

    /// Forgets the gradients of the last step.
    pub(super) fn clear(&mut self) {
        for parameter in &mut self.parameters {
            parameter.zero_grad();
        }
    }

    /// The gradients that there are of what this process moves.
    pub(super) fn gradients(&self) -> Result<Vec<Tensor>, TrainingError> {
        let mut gradients = Vec::new();
        for (parameter, mover) in self.parameters.iter().zip(&self.movers) {
            let gradient = parameter.f_grad()?;
            if *mover != Mover::Other && gradient.defined() {
                gradients.push(gradient);
            }
        }
        Ok(gradients)
    }

    /// Moves what this process moves by one step of `rate` along its gradient; the processes of
    /// `group` move the rest.
    pub(super) fn descend(&mut self, rate: f64, group: Team) -> Result<(), TrainingError> {
        tch::no_grad(|| self.follow(rate, group))
    }

    fn follow(&mut self, rate: f64, group: Team) -> Result<(), TrainingError> {
        let factor = self.clipping(group)?;
        let moved = self.parameters.iter_mut().zip(&mut self.momenta);
        for ((parameter, momentum), mover) in moved.zip(&self.movers) {
            if *mover == Mover::Other {
                continue;
            }
            let mut gradient = parameter.f_grad()?;
            if !gradient.defined() {
                // After a pause, blocks not computed since have no gradient but may be moving.
                if momentum.is_none() {
                    continue;
                }
                gradient = parameter.f_zeros_like()?;
            }
            if let Some(factor) = factor {
                gradient = gradient.f_mul_scalar(factor)?;
            }
            let OptimizerOptions {
                momentum: kept,
                nesterov,
                weight_decay,
                ..
            } = self.options;
            let gradient = gradient.f_add(&parameter.f_mul_scalar(weight_decay)?)?;
            let moving = match momentum.take() {
                Some(mut momentum) => {
                    let _ = momentum.f_mul_scalar_(kept)?.f_add_(&gradient)?;
                    momentum
                }
                None => crate::network::duplicate(&gradient)?,
            };
            let step = if nesterov {
                gradient.f_add(&moving.f_mul_scalar(kept)?)?
            } else {
                moving.shallow_clone()
            };
            let _ = parameter.f_sub_(&step.f_mul_scalar(rate)?)?;
            *momentum = Some(moving);
        }
        Ok(())
    }

    /// The factor that brings the gradient to the permitted norm, where it is longer.
    fn clipping(&self, group: Team) -> Result<Option<f64>, TrainingError> {
        let Some(clip) = self.options.clip else {
            return Ok(None);
        };
        // What everybody moves counts once.
        let (mut common, mut own) = (0.0, [0.0]);
        for (parameter, mover) in self.parameters.iter().zip(&self.movers) {
            let gradient = parameter.f_grad()?;
            if gradient.defined() {
                let square = gradient.f_norm()?.f_double_value(&[])?.powi(2);
                match mover {
                    Mover::Everybody => common += square,
                    Mover::Me => own[0] += square,
                    Mover::Other => {}
                }
            }
        }
        group.sum_wide(&mut own);
        let norm = (common + own[0]).sqrt();
        Ok((norm > clip).then(|| clip / norm))
    }
}
