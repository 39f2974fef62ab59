use std::collections::HashMap;
use std::ops::Range;

use tch::{Kind, Tensor};

use super::TrainingError;
use pathscope_network::{Block, BlockIndex, FunctionIndex, TrainableNetwork};
use pathscope_team::Team;

/// How processes share the training of one network: groups of them share the examples of every
/// mini-batch, and within a group each process computes some functions of every block.
///
/// One process alone is one group of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parallel {
    /// All processes.
    pub whole: Team,
    /// Those that share the functions of blocks: one group.
    pub group: Team,
    /// Those that have the same functions, one of each group.
    pub peers: Team,
}

impl Parallel {
    /// One process.
    pub const ALONE: Self = Self {
        whole: Team::ALONE,
        group: Team::ALONE,
        peers: Team::ALONE,
    };

    /// Groups of one process share the examples: data parallelism.
    #[must_use]
    pub fn data(team: Team) -> Self {
        Self {
            whole: team,
            group: Team::ALONE,
            peers: team,
        }
    }

    /// One group shares the functions of every block: model parallelism.
    #[must_use]
    pub fn model(team: Team) -> Self {
        Self {
            whole: team,
            group: team,
            peers: Team::ALONE,
        }
    }

    /// So many `groups` share the examples, and the processes of each the functions.
    ///
    /// # Errors
    /// [`TrainingError::Parallel`] where the processes make no groups of equal size.
    pub fn hybrid(team: Team, groups: usize) -> Result<Self, TrainingError> {
        if groups == 0 || !team.size().is_multiple_of(groups) {
            return Err(TrainingError::Parallel(format!(
                "{} processes make no {groups} groups of equal size",
                team.size()
            )));
        }
        let members = team.size() / groups;
        Ok(Self {
            whole: team,
            group: team.split(team.rank() / members),
            peers: team.split(team.rank() % members),
        })
    }

    /// Does in the first process what only one may do, such as writing files; the others are told
    /// whether it worked, and get nothing.
    pub(super) fn first<T>(
        &self,
        work: impl FnOnce() -> Result<T, TrainingError>,
    ) -> Result<Option<T>, TrainingError> {
        if !self.whole.is_first() {
            return match self.whole.firsts(None)? {
                None => Ok(None),
                Some(what) => Err(TrainingError::Elsewhere(what)),
            };
        }
        let outcome = work();
        let fault = outcome.as_ref().err().map(ToString::to_string);
        self.whole.firsts(fault)?;
        outcome.map(Some)
    }

    /// Which process of a group computes a function: they take turns.
    #[must_use]
    pub fn owner(&self, function: FunctionIndex) -> usize {
        function.function % self.group.size()
    }

    /// Refuses what cannot be shared so.
    pub(super) fn check(&self, network: &TrainableNetwork) -> Result<(), TrainingError> {
        let refuse = |reason: &str| Err(TrainingError::Parallel(reason.to_owned()));
        if self.group.size() == 1 {
            return Ok(());
        }
        let blocks = &network.structure().blocks;
        if blocks.iter().all(|block| block.functions.len() < 2) {
            return refuse(
                "model parallelism shares out the functions of blocks, and every block of this \
                 network has one; share out the examples instead",
            );
        }
        let mut specified = network.specification().blocks.iter();
        if specified.any(Block::has_continuations) {
            return refuse(
                "model parallelism shares out functions of the block's input, and in this network \
                 some continue others; share out the examples instead",
            );
        }
        if blocks.iter().any(|block| block.skip.is_none()) {
            return refuse("model parallelism needs a skip in every block");
        }
        Ok(())
    }

    /// The examples of a mini-batch of `examples` that this process trains on, and their share of
    /// it. A normalisation needs two examples: in a mini-batch too small to give everybody two,
    /// the last groups train on the first two, with a share of nothing.
    pub(super) fn part(&self, examples: usize) -> (Range<usize>, f64) {
        let groups = self.peers.size().min(examples / 2).max(1);
        let group = self.peers.rank();
        if group >= groups {
            return (0..examples.min(2), 0.0);
        }
        let range = group * examples / groups..(group + 1) * examples / groups;
        let share = range.len() as f64 / examples.max(1) as f64;
        (range, share)
    }

    /// Replaces gradients by their sums over the groups, in buckets.
    pub(super) fn sum(&self, gradients: &mut [Tensor]) -> Result<(), TrainingError> {
        if self.peers.size() == 1 {
            return Ok(());
        }
        for bucket in buckets(gradients) {
            let flat = bucket.iter().map(|gradient| gradient.f_reshape([-1]));
            let flat: Vec<Tensor> = flat.collect::<Result<_, _>>()?;
            let mut values = Vec::<f32>::try_from(&Tensor::f_cat(&flat, 0)?)?;
            self.peers.sum(&mut values);
            let sums = Tensor::f_from_slice(&values)?;
            let mut begin = 0;
            for gradient in bucket {
                let length = gradient.numel() as i64;
                let sum = sums.f_narrow(0, begin, length)?;
                gradient.f_copy_(&sum.f_view(gradient.size().as_slice())?)?;
                begin += length;
            }
        }
        Ok(())
    }
}

/// Values that are summed with one message: enough that its length counts and not its number, few
/// enough for a cache.
const BUCKET: usize = 1 << 20;

/// Runs of tensors of at most a bucket's values, or of one tensor.
fn buckets(tensors: &mut [Tensor]) -> impl Iterator<Item = &mut [Tensor]> {
    let mut rest = tensors;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut values = 0;
        let fits = rest.iter().take_while(|tensor| {
            values += tensor.numel();
            values <= BUCKET
        });
        let count = fits.count().max(1);
        let (bucket, after) = std::mem::take(&mut rest).split_at_mut(count);
        rest = after;
        Some(bucket)
    })
}

/// The function that each tensor of a network belongs to, by name; those of stem, skips and head
/// belong to none.
pub(super) fn functions(network: &TrainableNetwork) -> HashMap<String, FunctionIndex> {
    let mut found = HashMap::new();
    for (position, block) in network.specification().blocks.iter().enumerate() {
        for (number, function) in block.functions.iter().enumerate() {
            let index = FunctionIndex {
                block: BlockIndex::new(position),
                function: number,
            };
            let parameters = function.layers.iter().flat_map(|layer| layer.parameters());
            found.extend(parameters.map(|parameter| (parameter.name, index)));
        }
    }
    found
}

/// Gives every process of `team` the values that `owner` has.
pub(super) fn share(team: Team, owner: usize, tensor: &mut Tensor) -> Result<(), TrainingError> {
    let kind = tensor.kind();
    let here = tensor
        .f_detach()?
        .f_to_device(tch::Device::Cpu)?
        .f_contiguous()?;
    let mut bytes = vec![0; here.numel() * kind.elt_size_in_bytes()];
    here.f_copy_data_u8(&mut bytes, here.numel())?;
    team.share(owner, &mut bytes);
    if team.rank() != owner {
        let values = Tensor::f_from_data_size(&bytes, &here.size(), kind)?;
        tch::no_grad(|| tensor.f_copy_(&values))?;
    }
    Ok(())
}

/// The sum of `tensor` over `team`, in the same layout.
pub(super) fn sum_of(team: Team, tensor: &Tensor) -> Result<Tensor, tch::TchError> {
    // Channels-last tensors are one piece of memory in this order of their dimensions.
    let image = tensor.dim() == 4;
    let rows = match image {
        true => tensor.f_permute([0, 2, 3, 1])?,
        false => tensor.shallow_clone(),
    };
    let rows = rows.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut values = vec![0.0_f32; rows.numel()];
    rows.f_to_device(tch::Device::Cpu)?
        .f_copy_data(&mut values, rows.numel())?;
    team.sum(&mut values);
    let sum = Tensor::f_from_slice(&values)?
        .f_view(rows.size().as_slice())?
        .f_to_device(tensor.device())?
        .f_to_kind(tensor.kind())?;
    match image {
        true => sum.f_permute([0, 3, 1, 2]),
        false => Ok(sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_tensor_once_and_in_order() {
        let sizes = [3, 1 << 20, 5, 6, 1 << 19, 1 << 19, 1 << 22];
        let mut tensors: Vec<Tensor> = sizes
            .iter()
            .map(|&size| Tensor::zeros([size], (Kind::Float, tch::Device::Cpu)))
            .collect();
        let found: Vec<usize> = buckets(&mut tensors).map(|bucket| bucket.len()).collect();
        assert_eq!(found, [1, 1, 3, 1, 1]);
    }

    #[test]
    fn alone_one_trains_on_everything() {
        assert_eq!(Parallel::ALONE.part(7), (0..7, 1.0));
    }
}
