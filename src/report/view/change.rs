//! Changes of a network in words.

use pathscope_analysis::record::{Change, ReorderMethod};

use crate::quantity::count;

/// What was done, in a few words: `3, 5, 17.2`.
pub fn describe(change: &Change) -> String {
    match change {
        Change::Intact => "intact".to_owned(),
        Change::Lesion(lesion) if lesion.blocks.is_empty() && lesion.functions.is_empty() => {
            "none".to_owned()
        }
        Change::Lesion(lesion) => {
            let blocks = lesion.blocks.iter().map(usize::to_string);
            let functions = lesion.functions.iter();
            let functions = functions.map(|(block, function)| format!("{block}.{function}"));
            blocks.chain(functions).collect::<Vec<_>>().join(", ")
        }
        Change::Reordering(reordering) => reordered(reordering.method),
    }
}

/// How an order was made, in words.
pub fn reordered(method: ReorderMethod) -> String {
    use ReorderMethod as M;
    match method {
        M::Swaps { swaps } => count(swaps, "random swap", "random swaps"),
        M::Adjacent { swaps } => count(swaps, "swap of neighbours", "swaps of neighbours"),
        M::Rotate { by } => format!("rotated by {by}"),
        M::Reverse => "reversed".to_owned(),
        M::Tau { tau } => format!("uniform at tau {tau}"),
        M::Exchange { first, second } => format!("{first} and {second} exchanged"),
    }
}
