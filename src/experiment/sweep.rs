//! Many plans over one data set, computing every common beginning once.

use std::sync::{Mutex, PoisonError};

use tch::{Device, Tensor};

use super::batches::{Batches, lock};
use super::tree::Tree;
use super::{ComputeOptions, ExperimentError, Outcomes};
use crate::data::{Dataset, Normalization};
use crate::network::{FrozenNetwork, NetworkError, Pass, Plan, Substitutes};

/// A frozen network with the examples to evaluate it on.
#[derive(Debug)]
pub struct Sweep<'a> {
    network: &'a FrozenNetwork,
    substitutes: Substitutes,
    batches: Batches<'a>,
}

/// Activations of the widest shape that one block needs at once: its input, the branch with its
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

    /// Gives plans that substitute branch outputs what stands in for them.
    #[must_use]
    pub fn with_substitutes(mut self, substitutes: Substitutes) -> Self {
        self.substitutes = substitutes;
        self
    }

    /// Asks `stop` between micro-batches whether to give up.
    #[must_use]
    pub fn stopping_when(mut self, stop: fn() -> bool) -> Self {
        self.batches.stop = Some(stop);
        self
    }

    /// The examples.
    #[must_use]
    pub fn data(&self) -> &'a Dataset {
        self.batches.data
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &'a FrozenNetwork {
        self.network
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
        let pending = |_| Outcomes::pending(self.batches.data.len());
        let outcomes: Mutex<Vec<Outcomes>> = Mutex::new((0..plans.len()).map(pending).collect());
        self.visit(plans, &Outcomes::measure, progress, |plan, first, part| {
            lock(&outcomes)[plan].place(first, part);
        })?;
        Ok(outcomes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// The logits `[N, classes]` of every plan on every example, on the CPU.
    ///
    /// # Errors
    /// As [`Sweep::evaluate`].
    pub fn logits(&self, plans: &[Plan]) -> Result<Vec<Tensor>, ExperimentError> {
        let parts = (0..plans.len()).map(|_| Vec::new()).collect();
        let parts: Mutex<Vec<Vec<(usize, Tensor)>>> = Mutex::new(parts);
        let fetch = |logits: &Tensor, _: &Tensor| Ok(logits.f_to_device(Device::Cpu)?);
        self.visit(plans, &fetch, &|_| {}, |plan, first, part| {
            lock(&parts)[plan].push((first, part.shallow_clone()));
        })?;
        let join = |mut parts: Vec<(usize, Tensor)>| {
            parts.sort_by_key(|(first, _)| *first);
            let parts: Vec<Tensor> = parts.into_iter().map(|(_, part)| part).collect();
            Ok(Tensor::f_cat(&parts, 0)?)
        };
        let parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.into_iter().map(join).collect()
    }

    /// Measures the logits of every plan on every micro-batch, and gives what was found to `place`
    /// with the number of the plan and the first example.
    fn visit<T: Send>(
        &self,
        plans: &[Plan],
        measure: &Measure<'_, T>,
        progress: &(dyn Fn(u64) + Sync),
        place: impl Fn(usize, usize, &T) + Sync,
    ) -> Result<(), ExperimentError> {
        let structure = self.network.structure();
        let shapes = self.network.specification().shapes(self.batches.input())?;
        for plan in plans {
            plan.check(structure, &shapes)?;
        }
        let tree = Tree::grow(plans, structure);
        let size = self.micro_batch(&tree)?;
        let states = (0..self.batches.options.workers())
            .map(|_| {
                (
                    self.network.shallow_clone(),
                    self.substitutes.shallow_clone(),
                )
            })
            .collect();
        self.batches
            .for_each(size, states, |(network, substitutes), batch| {
                let pass = Pass {
                    substitutes: Some(substitutes),
                    first_example: batch.first,
                    ..Pass::EVALUATION
                };
                let walk = Walk {
                    network,
                    labels: &batch.labels,
                    pass,
                    measure,
                    progress,
                };
                for (plans, part) in tch::no_grad(|| walk.start(&tree, &batch.images))? {
                    for &plan in plans {
                        place(plan, batch.first, &part);
                    }
                }
                Ok(())
            })
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

    fn micro_batch(&self, tree: &Tree) -> Result<usize, ExperimentError> {
        let widest = widest(self.network, &self.batches)?;
        let each = widest * (LIVE + tree.states_held() as u64);
        self.batches.options.micro_batch(each, widest)
    }
}

/// Bytes of the widest activation of one example, in float32.
pub(super) fn widest(network: &FrozenNetwork, batches: &Batches<'_>) -> Result<u64, NetworkError> {
    let shapes = network.specification().shapes(batches.input())?;
    let elements = shapes
        .iter()
        .flat_map(|shape| [shape.input.elements(), shape.output.elements()])
        .chain([batches.input().elements()])
        .max();
    Ok(4 * u64::try_from(elements.unwrap_or(1)).unwrap_or(1))
}

/// What is kept of the logits `[N, classes]` of examples with labels `[N]`.
type Measure<'m, T> = dyn Fn(&Tensor, &Tensor) -> Result<T, NetworkError> + Sync + 'm;

/// What was measured, with the plans that it belongs to.
type Found<'t, T> = Vec<(&'t [usize], T)>;

/// One micro-batch on its way through the tree.
struct Walk<'a, T> {
    network: &'a FrozenNetwork,
    labels: &'a Tensor,
    pass: Pass<'a>,
    measure: &'a Measure<'a, T>,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<T> Walk<'_, T> {
    /// What is kept of every plan of the tree.
    fn start<'t>(&self, tree: &'t Tree, images: &Tensor) -> Result<Found<'t, T>, ExperimentError> {
        let mut found = Vec::new();
        let x = self.network.structure().stem(images, &self.pass)?;
        self.descend(tree, x, &mut found)?;
        Ok(found)
    }

    fn descend<'t>(
        &self,
        tree: &'t Tree,
        x: Tensor,
        found: &mut Found<'t, T>,
    ) -> Result<(), ExperimentError> {
        let structure = self.network.structure();
        if !tree.complete.is_empty() {
            let logits = structure.head(&x, &self.pass)?;
            found.push((&tree.complete, (self.measure)(&logits, self.labels)?));
        }
        let Some(((last, below), others)) = tree.next.split_last() else {
            return Ok(());
        };
        for (step, below) in others {
            let y = structure.step(step, &x, &self.pass)?;
            (self.progress)(1);
            self.descend(below, y, found)?;
        }
        let y = structure.step(last, &x, &self.pass)?;
        drop(x);
        (self.progress)(1);
        self.descend(below, y, found)
    }
}
