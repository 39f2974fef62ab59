//! What reaches the batch normalisations of a network, beside the statistics that they store.

use std::cell::RefCell;

use tch::{Kind, Tensor};

use super::{
    Forward, Mode, NetworkError, Operation, Pass, Plan, ResidualNetwork, TrainableLayer,
    TrainableNetwork,
};

/// Mean and variance of each channel.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Moments {
    /// Means, over all examples and positions.
    pub mean: Vec<f64>,
    /// Variances, not corrected for the number of values.
    pub variance: Vec<f64>,
}

/// One batch normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredStatistics {
    /// Its name in the checkpoint.
    pub layer: String,
    /// The block it belongs to; `None` in stem and head.
    pub block: Option<usize>,
    /// What it stores.
    pub moments: Moments,
}

impl TrainableNetwork {
    /// The batch normalisations of the stem and the first `blocks` blocks, and of the head where
    /// these are all, in the order in which the network holds them.
    ///
    /// # Errors
    /// Where libtorch cannot read a tensor back.
    pub fn stored_statistics(&self, blocks: usize) -> Result<Vec<StoredStatistics>, NetworkError> {
        let mut all = Vec::new();
        for (block, layer) in first_layers(self.structure(), blocks) {
            let operation = &layer.layer().operation;
            if let (Operation::BatchNorm { .. }, [_, _, mean, variance]) =
                (operation, layer.parameters())
            {
                all.push(StoredStatistics {
                    layer: layer.layer().name.clone(),
                    block,
                    moments: Moments {
                        mean: numbers(mean)?,
                        variance: numbers(variance)?,
                    },
                });
            }
        }
        Ok(all)
    }

    /// Mean and variance of what reaches the same normalisations from `batch` `[N, C, H, W]`,
    /// where all of them use what they store.
    ///
    /// # Errors
    /// A batch that does not fit the network.
    pub fn reaching_statistics(
        &self,
        batch: &Tensor,
        blocks: usize,
    ) -> Result<Vec<Moments>, NetworkError> {
        tch::no_grad(|| {
            let probe = |layers| -> Result<Vec<Watched<'_>>, NetworkError> {
                let layers: &[TrainableLayer] = layers;
                Ok(layers.iter().map(Watched::of).collect())
            };
            let probes = self.structure().try_map(probe)?;
            let pass = Pass::EVALUATION;
            let mut x = probes.stem(batch, &pass)?;
            let plan = Plan::intact(&probes);
            for step in plan.steps().iter().take(blocks) {
                x = probes.step(step, &x, &pass)?;
            }
            if blocks >= probes.blocks.len() {
                let _logits = probes.head(&x, &pass)?;
            }
            let layers = first_layers(&probes, blocks);
            Ok(layers.filter_map(|(_, probe)| probe.seen.take()).collect())
        })
    }
}

/// The layers of the stem and the first blocks with the number of their block, and those of the
/// head where there are no more blocks.
fn first_layers<L>(
    network: &ResidualNetwork<L>,
    blocks: usize,
) -> impl Iterator<Item = (Option<usize>, &L)> {
    let inner = network.blocks.iter().take(blocks).enumerate();
    let inner =
        inner.flat_map(|(number, block)| block.layers().map(move |layer| (Some(number), layer)));
    let head: &[L] = match blocks >= network.blocks.len() {
        true => &network.head,
        false => &[],
    };
    let outside = |layer| (None, layer);
    let stem = network.stem.iter().map(outside);
    stem.chain(inner).chain(head.iter().map(outside))
}

/// A layer that remembers what reaches it, if it is a batch normalisation.
#[derive(Debug)]
struct Watched<'n> {
    layer: &'n TrainableLayer,
    seen: RefCell<Option<Moments>>,
}

impl<'n> Watched<'n> {
    fn of(layer: &'n TrainableLayer) -> Self {
        let seen = RefCell::default();
        Self { layer, seen }
    }
}

impl Forward for Watched<'_> {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
        if matches!(self.layer.layer().operation, Operation::BatchNorm { .. }) {
            let over = [0, 2, 3].as_slice();
            let (variance, mean) = x.f_var_mean_correction(over, 0, false)?;
            *self.seen.borrow_mut() = Some(Moments {
                mean: numbers(&mean)?,
                variance: numbers(&variance)?,
            });
        }
        self.layer.forward(x, mode)
    }

    fn forward_owned(&self, x: Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
        match self.layer.layer().operation {
            Operation::BatchNorm { .. } => self.forward(&x, mode),
            _ => self.layer.forward_owned(x, mode),
        }
    }

    fn output_may_be_overwritten(&self) -> bool {
        self.layer.output_may_be_overwritten()
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>, NetworkError> {
    let flat = tensor.f_detach()?.f_to_kind(Kind::Double)?.f_reshape(-1)?;
    Ok(Vec::try_from(flat)?)
}
