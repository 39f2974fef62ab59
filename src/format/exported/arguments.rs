//! The arguments of a graph's node, by name.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use super::schema::{Node, TensorFacts};
use crate::network::{Length, Value};

/// Why a node is not understood: a piece of a sentence.
pub(super) type Refusal = String;

/// The arguments of one node. Those that a node leaves out have the default of the operation.
pub(super) struct Arguments<'g> {
    node: &'g Node,
    facts: &'g BTreeMap<String, TensorFacts>,
    values: &'g HashMap<String, Value>,
    /// Names of whole numbers that are the number of examples.
    batch_sizes: &'g HashMap<String, Length>,
    examples: Option<i64>,
}

impl<'g> Arguments<'g> {
    pub fn new(
        node: &'g Node,
        facts: &'g BTreeMap<String, TensorFacts>,
        values: &'g HashMap<String, Value>,
        batch_sizes: &'g HashMap<String, Length>,
        examples: Option<i64>,
    ) -> Self {
        Self {
            node,
            facts,
            values,
            batch_sizes,
            examples,
        }
    }

    fn get(&self, name: &str, tag: &str) -> Option<&'g Json> {
        let argument = self.node.inputs.iter().find(|input| input.name == name)?;
        argument.arg.get(tag)
    }

    pub fn has(&self, name: &str) -> bool {
        let argument = self.node.inputs.iter().find(|input| input.name == name);
        argument.is_some_and(|argument| argument.arg.get("as_none").is_none())
    }

    fn value(&self, name: &str) -> Result<Value, Refusal> {
        let found = self.values.get(name).copied();
        found.ok_or_else(|| format!("uses `{name}`, which nothing gives"))
    }

    /// The tensors of the named arguments, as long as they are given.
    pub fn tensors(&self, names: &[&str]) -> Result<Vec<Value>, Refusal> {
        let mut found = Vec::new();
        let mut absent = false;
        for name in names {
            match self.get(name, "as_tensor") {
                Some(_) if absent => return Err(format!("has `{name}` without what precedes it")),
                Some(tensor) => {
                    let inside = tensor.get("name").and_then(Json::as_str);
                    found.push(self.value(inside.unwrap_or_default())?);
                }
                None => absent = true,
            }
        }
        if found.is_empty() {
            return Err("has no tensor".into());
        }
        Ok(found)
    }

    /// The list of tensors called `name`.
    pub fn list(&self, name: &str) -> Result<Vec<Value>, Refusal> {
        let list = self.get(name, "as_tensors").and_then(Json::as_array);
        let list = list.ok_or_else(|| format!("has no list `{name}`"))?;
        list.iter()
            .map(|entry| {
                let inside = entry.get("name").and_then(Json::as_str);
                self.value(inside.unwrap_or_default())
            })
            .collect()
    }

    pub fn is_tensor(&self, name: &str) -> bool {
        self.get(name, "as_tensor").is_some()
    }

    pub fn integer(&self, name: &str, default: i64) -> i64 {
        self.get(name, "as_int")
            .and_then(Json::as_i64)
            .unwrap_or(default)
    }

    pub fn optional_integer(&self, name: &str) -> Option<i64> {
        // Slices to the end are written as the largest number.
        self.get(name, "as_int")
            .and_then(Json::as_i64)
            .filter(|&number| number != i64::MAX)
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        let float = self.get(name, "as_float").and_then(|json| match json {
            // JSON knows no infinity.
            Json::String(text) => text.parse().ok(),
            json => json.as_f64(),
        });
        float.or_else(|| self.get(name, "as_int").and_then(Json::as_f64))
    }

    pub fn scalar_type(&self, name: &str) -> Option<i64> {
        self.get(name, "as_scalar_type")?.as_i64()
    }

    /// The number of the type that the export saw the tensor called `name` have.
    pub fn type_of(&self, name: &str) -> Option<i64> {
        Some(self.facts.get(self.name_of(name)?)?.dtype)
    }

    /// The graph's name of the tensor called `name`.
    pub fn name_of(&self, name: &str) -> Option<&'g str> {
        self.get(name, "as_tensor")?.get("name")?.as_str()
    }

    pub fn truth(&self, name: &str) -> bool {
        self.get(name, "as_bool")
            .and_then(Json::as_bool)
            .unwrap_or(false)
    }

    pub fn text(&self, name: &str) -> Option<&'g str> {
        self.get(name, "as_string").and_then(Json::as_str)
    }

    pub fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let list = self.get(name, "as_ints")?.as_array()?;
        list.iter().map(Json::as_i64).collect()
    }

    /// Two numbers, or one for both.
    pub fn pair(&self, name: &str, default: [i64; 2]) -> Result<[i64; 2], Refusal> {
        match self.integers(name).as_deref() {
            None if self.has(name) => Err(format!("has `{name}` of another form")),
            None | Some([]) => Ok(default),
            Some(&[both]) => Ok([both; 2]),
            Some(&[height, width]) => Ok([height, width]),
            Some(other) => Err(format!("has {} values of `{name}`", other.len())),
        }
    }

    /// A shape. Where it `follows` the number of examples, its first length does if it is a
    /// multiple of what the export saw.
    pub fn shape(&self, name: &str, follows: bool) -> Result<Vec<Length>, Refusal> {
        if let Some(lengths) = self.integers(name) {
            let length = |(axis, &length): (usize, &i64)| match self.examples {
                Some(examples) if follows && axis == 0 && length > 0 && length % examples == 0 => {
                    Length::PerExample(length / examples)
                }
                _ => Length::Fixed(length),
            };
            return Ok(lengths.iter().enumerate().map(length).collect());
        }
        let list = self.get(name, "as_sym_ints").and_then(Json::as_array);
        let list = list.ok_or_else(|| format!("has no shape `{name}`"))?;
        list.iter()
            .map(|entry| match entry.get("as_int").and_then(Json::as_i64) {
                Some(length) => Ok(Length::Fixed(length)),
                None => {
                    let inside = entry.get("as_name").and_then(Json::as_str);
                    let inside = inside.unwrap_or_default();
                    let known = self.batch_sizes.get(inside).copied();
                    known.ok_or_else(|| format!("has a length `{inside}` that is not fixed"))
                }
            })
            .collect()
    }

    /// The graph's names of what the node gives.
    pub fn outputs(&self) -> Vec<&'g str> {
        let mut names = Vec::new();
        for output in &self.node.outputs {
            let single = output.get("as_tensor").into_iter();
            let many = output.get("as_tensors").and_then(Json::as_array);
            for tensor in single.chain(many.into_iter().flatten()) {
                names.push(
                    tensor
                        .get("name")
                        .and_then(Json::as_str)
                        .unwrap_or_default(),
                );
            }
        }
        names
    }

    /// The graph's name of the whole number that the node gives.
    pub fn integer_output(&self) -> Option<&'g str> {
        let output = self.node.outputs.first()?.get("as_sym_int")?;
        output.get("as_name")?.as_str()
    }
}
