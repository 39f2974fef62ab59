//! Many plans over one data set, computing every common beginning once.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Tensor};

use super::batches::Batches;
use super::packed::Packed;
use super::pulse::Pulse;
use super::tree::Tree;
use super::{ComputeOptions, ExperimentError, Outcomes};
use pathscope_data::{Dataset, Normalization};
use pathscope_network::{FrozenNetwork, Pass, Plan, Specification, Step, Substitutes};
use pathscope_team::Team;

/// A frozen network with the examples to evaluate it on.
#[derive(Debug)]
pub struct Sweep<'a> {
    network: &'a FrozenNetwork,
    substitutes: Substitutes,
    batches: Batches<'a>,
}

/// Activations of the widest shape that one block needs at once: its input, the function with its
/// convolution's working memory, the skip.
const LIVE: u64 = 6;

impl<'a> Sweep<'a> {
    /// A sweep over `data`.
    #[must_use]
    pub fn new(
        network: &'a FrozenNetwork,
        data: &'a Dataset,
        normalization: &'a Normalization,
        options: ComputeOptions,
    ) -> Self {
        let batches = Batches {
            data,
            normalization,
            options,
            stop: None,
        };
        Self {
            network,
            substitutes: Substitutes::default(),
            batches,
        }
    }

    /// Gives plans that substitute function outputs what stands in for them.
    #[must_use]
    pub fn with_substitutes(mut self, substitutes: Substitutes) -> Self {
        self.substitutes = substitutes;
        self
    }

    /// Asks `stop`, where there is one, between micro-batches whether to give up.
    #[must_use]
    pub(super) fn stopping_when(mut self, stop: Option<fn() -> bool>) -> Self {
        self.batches.stop = stop;
        self
    }

    /// Leaves nothing to other processes.
    pub(super) fn alone(mut self) -> Self {
        self.batches.options.team = Team::ALONE;
        self
    }

    /// Evaluates every plan on every example. `progress` is told of blocks computed, out of
    /// [`Sweep::cost`].
    ///
    /// # Errors
    /// A plan that does not fit the network, or [`ExperimentError::Stopped`].
    pub fn evaluate(
        &self,
        plans: &[Plan],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Outcomes>, ExperimentError> {
        let mut outcomes = vec![Outcomes::default(); plans.len()];
        for (plans, part) in self.visit(plans, &Outcomes::measure, progress)? {
            for plan in plans {
                outcomes[plan].extend(&part);
            }
        }
        Ok(outcomes)
    }

    /// The logits `[N, classes]`, or `[N, T, classes]`, of every plan on every example, on the CPU.
    ///
    /// # Errors
    /// As [`Sweep::evaluate`].
    pub fn logits(&self, plans: &[Plan]) -> Result<Vec<Tensor>, ExperimentError> {
        let fetch = |logits: &Tensor, _: &Tensor| Ok(Packed(logits.f_to_device(Device::Cpu)?));
        let mut parts: Vec<Vec<Tensor>> = (0..plans.len()).map(|_| Vec::new()).collect();
        for (plans, Packed(part)) in self.visit(plans, &fetch, &|_| {})? {
            for plan in plans {
                parts[plan].push(part.shallow_clone());
            }
        }
        let join = |parts: Vec<Tensor>| Ok(Tensor::f_cat(&parts, 0)?);
        parts.into_iter().map(join).collect()
    }

    /// Measures the logits of every plan on every micro-batch, in the order of the examples: what was
    /// found with the numbers of its plans.
    fn visit<T: Send + Serialize + DeserializeOwned>(
        &self,
        plans: &[Plan],
        measure: &Reading<'_, T>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Readings<T>, ExperimentError> {
        let structure = self.network.structure();
        let shapes = self.network.specification().shapes(self.batches.input())?;
        for plan in plans {
            plan.check(structure, &shapes)?;
        }
        let tree = Tree::grow(plans, structure);
        let size = self.micro_batch(&tree)?;
        let pulse = Pulse {
            progress,
            stop: self.batches.stop,
        };
        let states = self.states(&());
        let found = self
            .batches
            .map(size, states, |(network, substitutes, ()), batch| {
                let walk = Walk {
                    network,
                    labels: &batch.labels,
                    pass: pass(substitutes, batch.first),
                    measure,
                    pulse,
                };
                tch::no_grad(|| walk.start(&tree, &batch.images))
            })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// For each of `plans`, whether it changes one step only, and not the output of that step on any
    /// example, bit for bit, so that the logits are those of the intact network. Looks at no step longer than
    /// it takes to see a difference.
    ///
    /// # Errors
    /// As [`Sweep::evaluate`].
    pub(super) fn without_effect(&self, plans: &[Plan]) -> Result<Vec<bool>, ExperimentError> {
        let intact = Plan::intact(self.network.structure());
        let changed: Vec<Option<(usize, &Step)>> = plans
            .iter()
            .map(|plan| only_change(&intact, plan))
            .collect();
        let alike: Vec<bool> = changed.iter().map(Option::is_some).collect();
        let size = self.micro_batch(&Tree::grow(plans, self.network.structure()))?;
        let states = self.states(&alike);
        let parts = self
            .batches
            .map(size, states, |(network, substitutes, alike), batch| {
                let structure = network.structure();
                let pass = pass(substitutes, batch.first);
                let open = changed.iter().flatten().zip(&*alike);
                let last = open.filter(|(_, alike)| **alike).map(|((at, _), _)| *at);
                let Some(last) = last.max() else {
                    return Ok(alike.clone());
                };
                tch::no_grad(|| {
                    let mut x = structure.stem(&batch.images, &pass)?;
                    for (place, step) in intact.steps().iter().enumerate().take(last + 1) {
                        let output = structure.step(step, &x, &pass)?;
                        for (alike, change) in alike.iter_mut().zip(&changed) {
                            if let Some((at, changed)) = change
                                && *alike
                                && *at == place
                            {
                                *alike = structure.step(changed, &x, &pass)?.f_equal(&output)?;
                            }
                        }
                        x = output;
                    }
                    Ok(alike.clone())
                })
            })?;
        let everywhere = |plan: usize| parts.iter().all(|alike| alike[plan]);
        Ok((0..plans.len()).map(everywhere).collect())
    }

    /// Blocks that [`Sweep::evaluate`] computes for `plans`, counted once per micro-batch.
    ///
    /// # Errors
    /// Memory too small for one example.
    pub fn cost(&self, plans: &[Plan]) -> Result<u64, ExperimentError> {
        let tree = Tree::grow(plans, self.network.structure());
        let batches = self.batches.data.len().div_ceil(self.micro_batch(&tree)?);
        Ok((tree.steps() * batches) as u64)
    }

    /// What each thread works with, and its own copy of `more`.
    fn states<M: Clone>(&self, more: &M) -> Vec<(FrozenNetwork, Substitutes, M)> {
        let state = |_| {
            let network = self.network.shallow_clone();
            (network, self.substitutes.shallow_clone(), more.clone())
        };
        (0..self.batches.options.workers()).map(state).collect()
    }

    fn micro_batch(&self, tree: &Tree) -> Result<usize, ExperimentError> {
        let widest = widest(self.network.specification(), &self.batches)?;
        let each = widest * (LIVE + tree.states_held() as u64);
        self.batches.options.micro_batch(each, widest)
    }
}

/// The pass of a micro-batch from example `first` on.
fn pass(substitutes: &Substitutes, first: usize) -> Pass<'_> {
    Pass {
        substitutes: Some(substitutes),
        first_example: first,
        ..Pass::EVALUATION
    }
}

/// The only step in which `changed` differs from `intact`, and its place.
fn only_change<'p>(intact: &Plan, changed: &'p Plan) -> Option<(usize, &'p Step)> {
    let pairs = intact.steps().iter().zip(changed.steps()).enumerate();
    let mut changes = pairs.filter(|(_, (before, after))| before != after);
    match (changes.next(), changes.next()) {
        (Some((place, (_, after))), None) => Some((place, after)),
        _ => None,
    }
}

/// Bytes of the widest activation of one example, in float32.
pub(super) fn widest(
    specification: &Specification,
    batches: &Batches<'_>,
) -> Result<u64, ExperimentError> {
    let shapes = specification.shapes(batches.input())?;
    // Logits count where there is a row of them for every position of a sequence.
    let logits = match (specification.positions()?, specification.classes()) {
        (1, _) => 0,
        (positions, Some(classes)) => (positions * classes) as i64,
        (_, None) => {
            let what = "a head with a row of logits for each position has no classes";
            return Err(ExperimentError::Internal(what.into()));
        }
    };
    let elements = shapes
        .iter()
        .flat_map(|shape| [shape.input.elements(), shape.output.elements()])
        .fold(batches.input().elements().max(logits), i64::max);
    Ok(4 * pathscope_network::count(elements)? as u64)
}

/// What is kept of the logits of examples with these labels.
type Reading<'m, T> = dyn Fn(&Tensor, &Tensor) -> Result<T, ExperimentError> + Sync + 'm;

/// What was measured, with the plans that it belongs to.
type Readings<T> = Vec<(Vec<usize>, T)>;

/// One micro-batch on its way through the tree.
struct Walk<'a, T> {
    network: &'a FrozenNetwork,
    labels: &'a Tensor,
    pass: Pass<'a>,
    measure: &'a Reading<'a, T>,
    pulse: Pulse<'a>,
}

impl<T> Walk<'_, T> {
    /// What is kept of every plan of the tree.
    fn start(&self, tree: &Tree, images: &Tensor) -> Result<Readings<T>, ExperimentError> {
        let mut found = Vec::new();
        let x = self.network.structure().stem(images, &self.pass)?;
        self.descend(tree, x, &mut found)?;
        Ok(found)
    }

    fn descend(
        &self,
        tree: &Tree,
        x: Tensor,
        found: &mut Readings<T>,
    ) -> Result<(), ExperimentError> {
        let structure = self.network.structure();
        if !tree.complete.is_empty() {
            let logits = structure.head(&x, &self.pass)?;
            let kept = (self.measure)(&logits, self.labels)?;
            found.push((tree.complete.clone(), kept));
        }
        let Some(((last, below), others)) = tree.next.split_last() else {
            return Ok(());
        };
        for (step, below) in others {
            let y = structure.step(step, &x, &self.pass)?;
            self.pulse.beat(1)?;
            self.descend(below, y, found)?;
        }
        let y = structure.step(last, &x, &self.pass)?;
        drop(x);
        self.pulse.beat(1)?;
        self.descend(below, y, found)
    }
}
