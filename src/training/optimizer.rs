use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{TrainingError, foreach};
use pathscope_network::TrainableNetwork;
use pathscope_team::Team;

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
        let parameters = trained(network);
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
        let gradients = gradients(loss, &self.parameters)?;
        let rate = Tensor::f_from_slice(&[rate as f32])?.f_squeeze()?;
        self.descend(gradients, &rate, Team::ALONE)
    }

    /// Forgets the gradients that a backward pass left with the trained tensors.
    pub(super) fn clear(&mut self) {
        for parameter in &mut self.parameters {
            parameter.zero_grad();
        }
    }

    /// The gradients of a backward pass that left them with the trained tensors.
    pub(super) fn left_gradients(&self) -> Result<Vec<Option<Tensor>>, TrainingError> {
        let gradient = |parameter: &Tensor| Ok(defined(parameter.f_grad()?));
        self.parameters.iter().map(gradient).collect()
    }

    /// Moves what this process moves by one step of `rate` along its gradient; the processes of
    /// `group` move the rest.
    pub(super) fn descend(
        &mut self,
        gradients: Vec<Option<Tensor>>,
        rate: &Tensor,
        group: Team,
    ) -> Result<(), TrainingError> {
        tch::no_grad(|| self.follow(gradients, rate, group))
    }

    fn follow(
        &mut self,
        gradients: Vec<Option<Tensor>>,
        rate: &Tensor,
        group: Team,
    ) -> Result<(), TrainingError> {
        let mut moving = self.settled(gradients)?;
        self.shorten(&moving, group)?;
        // After a pause, blocks not computed since have no gradient but may be moving.
        let mut resting = vec![true; self.parameters.len()];
        for (number, _) in &moving {
            resting[*number] = false;
        }
        for (number, momentum) in self.momenta.iter().enumerate() {
            if resting[number] && momentum.is_some() && self.movers[number] != Mover::Other {
                moving.push((number, self.parameters[number].f_zeros_like()?));
            }
        }
        let (known, first): (Vec<_>, Vec<_>) = moving
            .iter()
            .partition(|(number, _)| self.momenta[*number].is_some());
        for (number, _) in &first {
            self.momenta[*number] = Some(self.parameters[*number].f_zeros_like()?);
        }
        for (moved, first) in [(known, false), (first, true)] {
            let parameters: Vec<&Tensor> =
                moved.iter().map(|(n, _)| &self.parameters[*n]).collect();
            let gradients: Vec<&Tensor> = moved.iter().map(|(_, gradient)| gradient).collect();
            let momenta = moved.iter().filter_map(|(n, _)| self.momenta[*n].as_ref());
            let momenta: Vec<&Tensor> = momenta.collect();
            let options = &self.options;
            foreach::descend(&parameters, &gradients, &momenta, rate, options, first)?;
        }
        Ok(())
    }

    /// The gradients that there are of what this process moves, with the numbers of their
    /// parameters, in the parameters' kind of number and memory order.
    fn settled(
        &self,
        gradients: Vec<Option<Tensor>>,
    ) -> Result<Vec<(usize, Tensor)>, TrainingError> {
        let mut settled = Vec::with_capacity(gradients.len());
        // Lists of one memory order are copied by one kernel.
        let (mut alike, mut turned) = (Vec::new(), Vec::new());
        for (number, gradient) in gradients.into_iter().enumerate() {
            let (parameter, mover) = (&self.parameters[number], self.movers[number]);
            let Some(gradient) = gradient.filter(|_| mover != Mover::Other) else {
                continue;
            };
            let is_alike = gradient.stride() == parameter.stride();
            if is_alike && gradient.kind() == parameter.kind() {
                settled.push((number, gradient));
                continue;
            }
            let room = parameter.f_detach()?.f_empty_like()?;
            settled.push((number, room.shallow_clone()));
            match is_alike {
                true => alike.push((room, gradient)),
                false => turned.push((room, gradient)),
            }
        }
        for pairs in [alike, turned] {
            let (to, from): (Vec<_>, Vec<_>) = pairs.iter().map(|(to, from)| (to, from)).unzip();
            foreach::copy(&to, &from)?;
        }
        Ok(settled)
    }

    /// Shortens the gradients, all together, to the permitted norm where they are longer.
    fn shorten(&self, gradients: &[(usize, Tensor)], group: Team) -> Result<(), TrainingError> {
        let Some(clip) = self.options.clip else {
            return Ok(());
        };
        let of = |mover: Mover| -> Vec<&Tensor> {
            let moved = gradients.iter().filter(|(n, _)| self.movers[*n] == mover);
            moved.map(|(_, gradient)| gradient).collect()
        };
        // What everybody moves counts once.
        let mut norm = foreach::norm(&of(Mover::Everybody))?;
        if group.size() > 1 {
            let mut own = [foreach::norm(&of(Mover::Me))?.f_double_value(&[])?.powi(2)];
            group.sum_wide(&mut own);
            norm = norm.f_square()?.f_add_scalar(own[0])?.f_sqrt()?;
        }
        let factor = norm.f_reciprocal()?.f_mul_scalar(clip)?.f_clamp_max(1.0)?;
        let factor = factor.f_to_kind(tch::Kind::Float)?;
        let all: Vec<&Tensor> = gradients.iter().map(|(_, gradient)| gradient).collect();
        if all.is_empty() {
            return Ok(());
        }
        foreach::multiply(&all, &factor)
    }
}

/// The gradient of `loss` at each of `leaves`; nothing where it does not depend on it.
pub(super) fn gradients(
    loss: &Tensor,
    leaves: &[Tensor],
) -> Result<Vec<Option<Tensor>>, TrainingError> {
    let (keep_graph, create_graph) = (false, false);
    let gradients = Tensor::f_run_backward(&[loss], leaves, keep_graph, create_graph)?;
    let gradients = gradients.into_iter();
    Ok(gradients.map(defined).collect())
}

fn defined(gradient: Tensor) -> Option<Tensor> {
    gradient.defined().then_some(gradient)
}

/// The trained tensors of a network, in the order of [`TrainableNetwork::named_parameters`].
pub(super) fn trained(network: &TrainableNetwork) -> Vec<Tensor> {
    let named = network.named_parameters().into_iter();
    let trained = named.filter(|(_, role, _)| role.is_trained());
    trained.map(|(_, _, tensor)| tensor).collect()
}
