//! Names of the blocks that are found.

use std::collections::HashMap;

use crate::{Block, Layer, Parameter};

/// Names the blocks after what their functions have in common, and where that is the same for
/// several (attention and multilayer perceptron of one transformer layer) after where their
/// functions end.
pub(super) fn name_apart(blocks: &mut [Block<Layer>]) {
    let mut names: Vec<(String, String)> = blocks
        .iter()
        .map(|block| {
            let layers = block.functions.iter().flat_map(|function| &function.layers);
            // A mask may lie anywhere.
            let parameters: Vec<Parameter> = layers
                .flat_map(Layer::parameters)
                .filter(|parameter| parameter.role.is_trained())
                .collect();
            let common = common_module(&parameters).unwrap_or_else(|| block.name.clone());
            // The last matrix says more than the scale that may follow it.
            let last = parameters
                .iter()
                .rfind(|parameter| parameter.shape.len() > 1)
                .or(parameters.last());
            let longer = last
                .and_then(|last| last.name.strip_prefix(&common))
                .and_then(|rest| rest.trim_start_matches('.').split('.').next());
            let longer = match longer {
                Some(next) if common.is_empty() => next.to_owned(),
                Some(next) => format!("{common}.{next}"),
                None => common.clone(),
            };
            (common, longer)
        })
        .collect();
    let count =
        |names: &[(String, String)], of: &str| names.iter().filter(|(name, _)| name == of).count();
    let shared: Vec<bool> = names
        .iter()
        .map(|(name, _)| name.is_empty() || count(&names, name) > 1)
        .collect();
    for ((name, longer), shared) in names.iter_mut().zip(shared) {
        if shared {
            *name = longer.clone();
        }
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (block, (name, _)) in blocks.iter_mut().zip(names) {
        let times = seen.entry(name.clone()).or_insert(0);
        *times += 1;
        block.name = match (name.is_empty(), *times) {
            (true, times) => format!("block.{times}"),
            (false, 1) => name,
            (false, times) => format!("{name}.again{times}"),
        };
    }
}

/// The longest module path that all names share.
fn common_module(parameters: &[Parameter]) -> Option<String> {
    let mut shared: Vec<&str> = parameters.first()?.name.split('.').collect();
    shared.pop();
    for parameter in parameters {
        let same = shared
            .iter()
            .zip(parameter.name.split('.'))
            .take_while(|(left, right)| *left == right)
            .count();
        shared.truncate(same);
    }
    Some(shared.join("."))
}
