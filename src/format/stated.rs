//! What the modules of a whole pickled network state of themselves, beside their tensors.

use pathscope_file::{
    pickle::{Node, Tree, Value},
    shortened,
};

/// Attributes of `torch.nn` modules that decide what they compute.
const NUMBERS: [&str; 8] = [
    "stride",
    "padding",
    "dilation",
    "kernel_size",
    "groups",
    "num_groups",
    "eps",
    "momentum",
];

/// The class of one module and its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stated {
    /// Name of the class, without its Python module.
    pub class: String,
    numbers: Vec<(&'static str, Vec<f64>)>,
    /// How a convolution fills its border.
    pub padding_mode: Option<String>,
}

impl Stated {
    /// What the object at `node`, a `torch.nn.Module`, states.
    pub fn read(tree: &Tree<'_>, node: Node) -> Option<Self> {
        let object = tree.object(node)?;
        let (_, class) = tree.global(object.class)?;
        let attribute = |name: &str| tree.entry(object.state?, name);
        let number = |node: Node| match tree.value(node) {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        };
        let numbers = NUMBERS.into_iter().filter_map(|name| {
            let node = attribute(name)?;
            let values = match number(node) {
                Some(value) => vec![value],
                None => tree
                    .items(node)?
                    .iter()
                    .copied()
                    .map_while(number)
                    .collect(),
            };
            Some((name, values))
        });
        let numbers = numbers.collect();
        let mode = attribute("padding_mode").and_then(|mode| tree.text(mode));
        Some(Self {
            class: shortened(class),
            numbers,
            padding_mode: mode.map(shortened),
        })
    }

    /// A number, where both directions of the image have the same.
    pub fn number(&self, name: &str) -> Option<f64> {
        let (_, values) = self.numbers.iter().find(|(known, _)| *known == name)?;
        let (first, rest) = values.split_first()?;
        rest.iter().all(|value| value == first).then_some(*first)
    }

    /// A whole number, where both directions of the image have the same.
    pub fn whole(&self, name: &str) -> Option<i64> {
        let number = self.number(name)?;
        (number.fract() == 0.0 && number.abs() < 1e9).then_some(number as i64)
    }
}
