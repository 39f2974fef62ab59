//! Effects of blocks as Model Explorer lays them over a graph: its "node data".

use serde_json::{Map, Value, json};

use super::lesions::{SingleLesion, Target};

/// The error that disabling each block adds, in percentage points, for every operation of the block:
/// `{"graph": {"name": METHOD, "results": {NAME: {"value": POINTS}}}}`. `nodes` holds what the graph
/// calls the operations of each block. `None` where no lesion of a whole block was compared with the
/// intact network.
///
/// The form is that of `ModelNodeData` in Model Explorer's `node_data_builder.py`; its adapter for
/// exported programs calls the graph `graph`.
pub fn node_data(
    method: &str,
    lesions: &[SingleLesion<'_>],
    nodes: &[Vec<String>],
) -> Option<Value> {
    let mut results = Map::new();
    for lesion in lesions {
        if let (Target::Block(block), Some(compared)) = (lesion.target, &lesion.against_intact) {
            for node in nodes.get(block)? {
                let value = json!({ "value": 100.0 * compared.difference });
                results.insert(node.clone(), value);
            }
        }
    }
    let name = format!("{method}: error added by each block, points");
    (!results.is_empty()).then(|| json!({ "graph": { "name": name, "results": results } }))
}
