//! Which tensors of an exported graph share memory: what is overwritten under one name changes under
//! the others.

use std::collections::{HashMap, HashSet};

use super::schema::{self, TensorFacts, integer};

/// What an operation's output has of the memory of its operand.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Sharing {
    /// All: another name for the tensor.
    Same,
    /// What the operation says.
    View,
    /// All, a part, or nothing.
    Perhaps,
    /// Nothing.
    Nothing,
}

impl Sharing {
    /// Of an operation that gives the numbers of its operand as they are, `known` to libtorch as
    /// `name`.
    pub fn of_passing(name: &str, node: &schema::Node, operand: Option<&TensorFacts>) -> Self {
        let given = |name: &str| {
            let found = node.inputs.iter().find(|input| input.name == name);
            found.map(|input| &input.arg)
        };
        let format = given("memory_format").and_then(|arg| arg.get("as_memory_format")?.as_i64());
        match name {
            "clone" | "lift_fresh_copy" | "_to_copy" => Self::Nothing,
            "to" if given("copy")
                .is_some_and(|arg| arg.get("as_bool").is_some_and(|on| on == true)) =>
            {
                Self::Nothing
            }
            "to" | "type_as" => match format {
                None | Some(PRESERVED) => Self::Same,
                Some(_) => Self::Perhaps,
            },
            "contiguous" => match (format, operand.and_then(is_contiguous)) {
                (None | Some(CONTIGUOUS), Some(true)) => Self::Same,
                (None | Some(CONTIGUOUS), Some(false)) => Self::Nothing,
                _ => Self::Perhaps,
            },
            _ => Self::Same,
        }
    }

    /// Of an operation that gives a view of its operand, or several.
    pub fn of_view(name: &str, outputs: usize, operand: Option<&TensorFacts>) -> Self {
        match name {
            // Of another type, or else they pass.
            "to" | "_to_copy" | "type_as" => Self::Nothing,
            // Copies where no view will do.
            "reshape" | "reshape_as" | "flatten"
                if operand.and_then(is_contiguous) != Some(true) =>
            {
                Self::Perhaps
            }
            _ if outputs == 1 => Self::View,
            _ => Self::Perhaps,
        }
    }
}

/// Operations that may give their operand, or views of it, and do not say so in their schema.
pub(super) const UNDECLARED: [&str; 8] = [
    "_unsafe_view",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "einsum",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
];

/// Operations in place that change the shape, not the numbers: other names keep the old shape.
pub(super) const RESHAPING: [&str; 7] = [
    "squeeze_",
    "swapaxes_",
    "swapdims_",
    "t_",
    "transpose_",
    "unsqueeze_",
    "as_strided_",
];

/// `torch.contiguous_format` and `torch.preserve_format`, as archives number them.
const CONTIGUOUS: i64 = 1;
const PRESERVED: i64 = 4;

/// Whether the elements lie in the order of their indices, the last running fastest; `None` where
/// the archive does not tell.
fn is_contiguous(facts: &TensorFacts) -> Option<bool> {
    if facts.sizes.len() != facts.strides.len() {
        return None;
    }
    let mut expected = Some(1);
    for (size, stride) in facts.sizes.iter().zip(&facts.strides).rev() {
        let size = integer(size);
        if integer(stride)? != expected? {
            // The stride of an axis of one entry says nothing, unless there are more at another time.
            return (size != Some(1)).then_some(false);
        }
        expected = size.and_then(|size| expected?.checked_mul(size));
    }
    Some(true)
}

/// A tensor that holds a part of another one, and the operation that makes it.
pub(super) struct View {
    pub name: String,
    pub of: String,
    pub node: usize,
}

#[derive(Default)]
pub(super) struct Memory {
    /// The first name of a tensor that has several.
    first: HashMap<String, String>,
    /// In the order in which they are made.
    pub views: Vec<View>,
    /// Names that may share memory, each with the others.
    near: HashMap<String, Vec<String>>,
    /// Tensors that a subgraph was given.
    given: HashSet<String>,
    /// Tensors that may have been overwritten.
    lost: HashSet<String>,
}

impl Memory {
    /// That of a subgraph which is given `names`.
    pub fn of_subgraph<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            given: names.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// The first name of the tensor `name`.
    pub fn first(&self, name: &str) -> String {
        self.first.get(name).map_or(name, String::as_str).to_owned()
    }

    /// Notes that `name` has memory of `of`; `node` makes it.
    pub fn share(&mut self, name: &str, of: &str, sharing: Sharing, node: usize) {
        let (name, of) = (name.to_owned(), self.first(of));
        match sharing {
            Sharing::Nothing => return,
            Sharing::Same => drop(self.first.insert(name.clone(), of.clone())),
            Sharing::View => self.views.push(View {
                name: name.clone(),
                of: of.clone(),
                node,
            }),
            Sharing::Perhaps => {}
        }
        self.near.entry(name.clone()).or_default().push(of.clone());
        self.near.entry(of).or_default().push(name);
    }

    /// All tensors that may share memory with one of `names`, themselves included.
    pub fn reached(&self, names: impl IntoIterator<Item = String>) -> HashSet<String> {
        let mut open: Vec<String> = names.into_iter().collect();
        let mut reached = HashSet::new();
        while let Some(name) = open.pop() {
            if !reached.contains(&name) {
                open.extend(self.near.get(&name).into_iter().flatten().cloned());
                reached.insert(name);
            }
        }
        reached
    }

    /// Whether other tensors may share memory with `name`.
    pub fn is_shared(&self, name: &str) -> bool {
        let first = self.first(name);
        let mut reached = self.reached([first.clone()]).into_iter();
        reached.any(|other| self.first(&other) != first)
    }

    /// Whether a subgraph was given `name`.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Notes that `name` may have been overwritten.
    pub fn lose(&mut self, name: String) {
        self.lost.insert(name);
    }

    /// Whether what `refusal` lacks may have been overwritten.
    pub fn explains(&self, refusal: &str) -> bool {
        let named = refusal.split('`').nth(1);
        named.is_some_and(|name| self.lost.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Of these sizes and strides, the first size dynamic where it is 0.
    fn facts(sizes: &[i64], strides: &[i64]) -> TensorFacts {
        let numbers = |numbers: &[i64]| -> Vec<Value> {
            let number = |&number: &i64| match number {
                0 => json!({"as_expr": {"expr_str": "s0"}}),
                number => json!({"as_int": number}),
            };
            numbers.iter().map(number).collect()
        };
        let (sizes, strides) = (numbers(sizes), numbers(strides));
        serde_json::from_value(json!({"dtype": 7, "sizes": sizes, "strides": strides})).unwrap()
    }

    fn node(arguments: Value) -> schema::Node {
        let node = json!({"target": "", "inputs": arguments, "outputs": []});
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn what_is_in_order_is_not_copied() {
        let plain = node(json!([]));
        let [in_order, dynamic] = [
            facts(&[2, 3, 4], &[12, 4, 1]),
            facts(&[0, 3, 4], &[12, 4, 1]),
        ];
        let transposed = facts(&[2, 4, 3], &[12, 1, 4]);
        for in_order in [&in_order, &dynamic, &facts(&[2, 1, 4], &[4, 4, 1])] {
            assert!(Sharing::of_view("reshape", 1, Some(in_order)) == Sharing::View);
            let passing = Sharing::of_passing("contiguous", &plain, Some(in_order));
            assert!(passing == Sharing::Same);
        }
        assert!(Sharing::of_view("flatten", 1, Some(&transposed)) == Sharing::Perhaps);
        assert!(Sharing::of_view("transpose", 1, Some(&transposed)) == Sharing::View);
        assert!(Sharing::of_view("chunk", 2, Some(&in_order)) == Sharing::Perhaps);
        let passing =
            |facts: Option<&TensorFacts>| Sharing::of_passing("contiguous", &plain, facts);
        assert!(passing(Some(&transposed)) == Sharing::Nothing);
        assert!(passing(None) == Sharing::Perhaps);
        assert!(passing(Some(&facts(&[8, 1, 4], &[4, 32, 1]))) == Sharing::Perhaps);
        // The size of an inner axis is not known.
        assert!(passing(Some(&facts(&[2, 0, 4], &[12, 4, 1]))) == Sharing::Perhaps);
    }

    #[test]
    fn conversions_copy_where_they_say_so() {
        let to = |arguments: Value| Sharing::of_passing("to", &node(arguments), None);
        assert!(to(json!([])) == Sharing::Same);
        let copy = json!([{"name": "copy", "arg": {"as_bool": true}}]);
        assert!(to(copy) == Sharing::Nothing);
        let format = json!([{"name": "memory_format", "arg": {"as_memory_format": 2}}]);
        assert!(to(format) == Sharing::Perhaps);
        let plain = node(json!([]));
        assert!(Sharing::of_passing("_to_copy", &plain, None) == Sharing::Nothing);
        assert!(Sharing::of_passing("dropout", &plain, None) == Sharing::Same);
    }

    #[test]
    fn what_shares_is_reached_over_any_number_of_names() {
        let mut memory = Memory::of_subgraph(["x"]);
        memory.share("y", "x", Sharing::Same, 0);
        memory.share("z", "y", Sharing::View, 1);
        memory.share("w", "z", Sharing::Perhaps, 2);
        memory.share("v", "w", Sharing::Nothing, 3);
        assert_eq!(
            (memory.first("y"), memory.first("z")),
            ("x".into(), "z".into())
        );
        let reached = memory.reached(["w".to_owned()]);
        let all = ["w", "x", "y", "z"].map(str::to_owned);
        assert_eq!(reached, all.into());
        assert!(memory.is_given("x") && !memory.is_given("y"));
        memory.lose("z".into());
        assert!(memory.explains("uses `z`, which") && !memory.explains("uses `w`, which"));
    }
}
