//! Many plans over one data set, computing every common beginning once.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Tensor};

use super::batches::Batches;
use super::packed::Packed;
use super::tree::Tree;
use super::{ComputeOptions, ExperimentError, Outcomes};
use crate::data::{Dataset, Normalization};
use crate::network::{FrozenNetwork, NetworkError, Pass, Plan, Substitutes};
use crate::team::Team;

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

    /// Leaves nothing to other processes.
    pub(super) fn alone(mut self) -> Self {
        self.batches.options.team = Team::ALONE;
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
        let data = self.batches.data;
        let pending = Outcomes::pending(data.labels().len());
        let mut outcomes = vec![pending; plans.len()];
        for (first, found) in self.visit(plans, &Outcomes::measure, progress)? {
            for (plans, part) in found {
                for plan in plans {
                    outcomes[plan].place(first * data.positions(), &part);
                }
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
        for (_, found) in self.visit(plans, &fetch, &|_| {})? {
            for (plans, Packed(part)) in found {
                for plan in plans {
                    parts[plan].push(part.shallow_clone());
                }
            }
        }
        let join = |parts: Vec<Tensor>| Ok(Tensor::f_cat(&parts, 0)?);
        parts.into_iter().map(join).collect()
    }

    /// Measures the logits of every plan on every micro-batch: the first example of each, and what
    /// was found with the numbers of its plans.
    fn visit<T: Send + Serialize + DeserializeOwned>(
        &self,
        plans: &[Plan],
        measure: &Measure<'_, T>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<(usize, Found<T>)>, ExperimentError> {
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
            .map(size, states, |(network, substitutes), batch| {
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
                let found = tch::no_grad(|| walk.start(&tree, &batch.images))?;
                Ok((batch.first, found))
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
    // Logits count where there is a row of them for every position of a sequence.
    let positions = match network.specification().positions() {
        1 => 0,
        positions => positions as i64,
    };
    let classes = network.specification().classes().unwrap_or(0) as i64;
    let elements = shapes
        .iter()
        .flat_map(|shape| [shape.input.elements(), shape.output.elements()])
        .chain([batches.input().elements(), positions * classes])
        .max();
    Ok(4 * u64::try_from(elements.unwrap_or(1)).unwrap_or(1))
}

/// What is kept of the logits of examples with these labels.
type Measure<'m, T> = dyn Fn(&Tensor, &Tensor) -> Result<T, NetworkError> + Sync + 'm;

/// What was measured, with the plans that it belongs to.
type Found<T> = Vec<(Vec<usize>, T)>;

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
    fn start(&self, tree: &Tree, images: &Tensor) -> Result<Found<T>, ExperimentError> {
        let mut found = Vec::new();
        let x = self.network.structure().stem(images, &self.pass)?;
        self.descend(tree, x, &mut found)?;
        Ok(found)
    }

    fn descend(&self, tree: &Tree, x: Tensor, found: &mut Found<T>) -> Result<(), ExperimentError> {
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
            (self.progress)(1);
            self.descend(below, y, found)?;
        }
        let y = structure.step(last, &x, &self.pass)?;
        drop(x);
        (self.progress)(1);
        self.descend(below, y, found)
    }
}
