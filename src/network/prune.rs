//! The smaller network that computes a plan without what the plan leaves out.

use std::collections::HashMap;

use super::resolve::{Resolved, Skip, Term};
use super::{Block, Layer, NetworkError, Operation, Plan, Specification, Step, TrainableNetwork};

impl TrainableNetwork {
    /// A network of its own that gives the logits of `plan`: functions that are off are gone, and
    /// so are blocks that would hand on what they are given. Blocks of a stage are renumbered,
    /// so that code which builds such a network with fewer blocks can load its tensors.
    ///
    /// # Errors
    /// A plan that substitutes outputs or cuts skips, which no smaller network does.
    pub fn pruned(&self, plan: &Plan) -> Result<Self, NetworkError> {
        let mut names = HashMap::new();
        let specification = self.specification().pruned(plan, &mut names)?;
        let tensors = self.named_parameters().into_iter();
        let tensors = tensors.map(|(name, _, tensor)| (name, tensor));
        let mut tensors: HashMap<String, tch::Tensor> = tensors.collect();
        Self::load(&specification, |name| {
            tensors.remove(names.get(name).map_or(name, String::as_str))
        })
    }
}

impl Specification {
    /// The description of that network; `names` is told today's name of each of its tensors.
    fn pruned(
        &self,
        plan: &Plan,
        names: &mut HashMap<String, String>,
    ) -> Result<Self, NetworkError> {
        let mut blocks = Vec::new();
        let mut counts = HashMap::new();
        let mut not_negative = ends_in_relu(&self.stem);
        for step in plan.steps() {
            let block = self.block(step.block)?;
            let Some(mut block) = without_what_is_off(block, step, not_negative)? else {
                continue;
            };
            not_negative = ends_in_relu(&block.post);
            renumber(&mut block, &mut counts, names);
            blocks.push(block);
        }
        Ok(Self {
            stem: self.stem.clone(),
            blocks,
            head: self.head.clone(),
        })
    }
}

/// The block with the functions that `step` computes; `None` where it hands on its input, of
/// which `not_negative` says whether it can be negative.
fn without_what_is_off(
    block: &Block<Layer>,
    step: &Step,
    not_negative: bool,
) -> Result<Option<Block<Layer>>, NetworkError> {
    let sum = match block.resolve(step) {
        Resolved::Passed => return Ok(None),
        Resolved::Sum(sum) => sum,
    };
    let refuse = |reason: &str| {
        Err(NetworkError::Architecture(format!(
            "block {} ({}) {reason}",
            step.block, block.name
        )))
    };
    if matches!(sum.skip, Skip::Cut(_)) {
        return refuse("has its skip cut, which no smaller network does");
    }
    if !sum.terms.iter().all(Term::is_computed) {
        return refuse("has an output substituted, which no smaller network does");
    }
    // ReLU changes nothing in what is not negative.
    let unchanged = |post: &[Layer]| {
        post.is_empty() || not_negative && post.iter().all(|l| l.operation == Operation::Relu)
    };
    let identity = matches!(sum.skip, Skip::Carried([])) && sum.pre.is_empty();
    if sum.terms.is_empty() && identity && unchanged(sum.post) {
        return Ok(None);
    }
    Ok(Some(Block {
        functions: sum.computed().cloned().collect(),
        gate: sum.gate.map(<[_]>::to_vec),
        ..block.clone()
    }))
}

/// Gives a block the next free number of its stage: `layer1.4` becomes `layer1.3` where one before
/// it is gone. Names that do not follow that pattern stay.
fn renumber(
    block: &mut Block<Layer>,
    counts: &mut HashMap<String, usize>,
    names: &mut HashMap<String, String>,
) {
    let Some((stage, number)) = block.name.rsplit_once('.') else {
        return;
    };
    let old = format!("{}.", block.name);
    let follows = block
        .layers()
        .all(|layer| layer.parameters().is_empty() || layer.name.starts_with(&old));
    if number.parse::<usize>().is_err() || !follows {
        return;
    }
    let next = counts.entry(stage.to_owned()).or_insert(0);
    let name = format!("{stage}.{next}");
    *next += 1;
    let rename = |layer: &mut Layer| {
        let before = layer.parameters();
        if let Some(rest) = layer.name.strip_prefix(&old) {
            layer.name = format!("{name}.{rest}");
        }
        for (before, after) in before.into_iter().zip(layer.parameters()) {
            names.insert(after.name, before.name);
        }
    };
    let functions = block.functions.iter_mut().flat_map(|b| &mut b.layers);
    block
        .pre
        .iter_mut()
        .chain(block.skip.iter_mut().flatten())
        .chain(functions)
        .chain(block.gate.iter_mut().flatten())
        .chain(&mut block.post)
        .for_each(rename);
    block.name = name;
}

/// Whether nothing negative leaves these layers.
fn ends_in_relu(layers: &[Layer]) -> bool {
    let mut backwards = layers.iter().rev().map(|layer| &layer.operation);
    loop {
        match backwards.next() {
            Some(Operation::Relu) => return true,
            // A maximum over what is not negative; padding counts as minus infinity.
            Some(Operation::MaxPool { .. }) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Architecture, BlockIndex, Family, FunctionIndex, FunctionState, Pass, Unit, channels_last,
    };
    use tch::{Device, Kind, Tensor};

    fn network(family: Family, k: usize) -> TrainableNetwork {
        let mut architecture = Architecture::cifar(family, Unit::Basic, 20, k, 3, 10).unwrap();
        architecture.stem_width = 4;
        architecture.width = 4;
        TrainableNetwork::initialized(&architecture.build().unwrap(), 1).unwrap()
    }

    fn off(plan: Plan, blocks: &[usize]) -> Plan {
        blocks.iter().fold(plan, |plan, &block| {
            plan.with_block(BlockIndex::new(block), FunctionState::Off)
        })
    }

    /// The smaller network, which gives the logits of `plan`.
    fn same_without(network: &TrainableNetwork, plan: &Plan, what: &str) -> TrainableNetwork {
        let batch = Tensor::rand([3, 3, 16, 16], (Kind::Float, Device::Cpu)) - 0.5;
        let batch = channels_last(&batch).unwrap();
        let small = network.pruned(plan).unwrap();
        let before = network.forward(&batch, plan, &Pass::EVALUATION).unwrap();
        let whole = Plan::intact(small.specification());
        let after = small.forward(&batch, &whole, &Pass::EVALUATION).unwrap();
        assert_eq!(before, after, "{what}");
        small
    }

    #[test]
    fn gives_the_same_logits_with_fewer_layers() {
        for (family, k) in [
            (Family::Resnet, 1),
            (Family::Preresnet, 2),
            (Family::Plain, 1),
        ] {
            let network = network(family, k);
            let deleted: &[usize] = match family {
                // A plain layer that changes the shape cannot go.
                Family::Plain => &[1, 4, 17],
                _ => &[1, 3, 8],
            };
            let mut plan = off(Plan::intact(network.specification()), deleted);
            if k > 1 {
                let (block, function) = (BlockIndex::new(5), 0);
                plan = plan.with_function(FunctionIndex { block, function }, FunctionState::Off);
            }
            let small = same_without(&network, &plan, &format!("{family:?}"));
            let count = |network: &TrainableNetwork| network.specification().parameter_count();
            assert!(count(&small) < count(&network));
        }
    }

    #[test]
    fn a_mean_is_over_the_functions_that_are_left() {
        let mut fractal = Architecture::cifar(Family::Fractal, Unit::Basic, 12, 1, 3, 10).unwrap();
        fractal.width = 4;
        let network = TrainableNetwork::initialized(&fractal.build().unwrap(), 1).unwrap();
        let lose = |plan: Plan, (block, function)| {
            let block = BlockIndex::new(block);
            plan.with_function(FunctionIndex { block, function }, FunctionState::Off)
        };
        // A layer of the deepest column alone, one of two, two of three.
        let lost = [(0, 0), (1, 0), (3, 1), (3, 2)];
        let intact = Plan::intact(network.specification());
        same_without(&network, &lost.into_iter().fold(intact, lose), "fractal");
    }

    #[test]
    fn blocks_are_numbered_anew() {
        let network = network(Family::Resnet, 1);
        let plan = off(Plan::intact(network.specification()), &[1, 3]);
        let small = network.pruned(&plan).unwrap();
        let blocks = small.specification().blocks.iter();
        let names: Vec<&str> = blocks.map(|block| block.name.as_str()).collect();
        let expected = [
            "layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer2.2", "layer3.0", "layer3.1",
            "layer3.2",
        ];
        assert_eq!(names, expected);
        assert!(small.specification().blocks[2].functions.is_empty());
        let stays = small.specification().blocks[1].layers().next().unwrap();
        assert_eq!(stays.name, "layer1.1.conv1");
    }

    #[test]
    fn refuses_what_no_smaller_network_does() {
        let network = network(Family::Resnet, 1);
        let plan = Plan::intact(network.specification()).without_skip(BlockIndex::new(2));
        assert!(network.pruned(&plan).is_err());
    }
}
