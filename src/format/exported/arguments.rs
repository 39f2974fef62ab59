//! The arguments of a graph's node, resolved by the schema of its operation.

use std::collections::HashMap;

use pathscope_network::{Argument, Length};
use pathscope_torch::{Operation, Schema, Value as Given, number_of};
use serde_json::Value as Json;

use super::schema::NamedArgument;
use crate::element::Element;

/// Why a node is not understood: a piece of a sentence.
pub(super) type Refusal = String;

/// What the names of a graph stand for.
pub(super) type Names = HashMap<String, Argument>;

/// An operation, its schema and its defaults.
pub(super) struct Known {
    pub schema: Schema,
    defaults: Vec<Argument>,
}

impl Known {
    /// The operation `name` with `overload`; `None` where libtorch has none, or one whose defaults
    /// are of a type that no graph gives.
    pub fn of(name: &str, overload: &str) -> Option<Self> {
        let operation = Operation::find(name, overload)?;
        let defaults = operation.defaults().ok()?;
        Some(Self {
            schema: operation.schema().ok()?,
            defaults: defaults.into_iter().map(default).collect(),
        })
    }

    /// The arguments of a node in the schema's order.
    pub fn arguments(
        &self,
        given: &[NamedArgument],
        names: &Names,
        float: i64,
    ) -> Result<Vec<Argument>, Refusal> {
        let known = |name: &str| self.schema.arguments.iter().any(|known| known.name == name);
        if let Some(strange) = given.iter().find(|given| !known(&given.name)) {
            return Err(format!("has an argument `{}` of its own", strange.name));
        }
        let arguments = self.schema.arguments.iter().enumerate();
        arguments
            .map(|(place, argument)| {
                // Everything is computed where the input is.
                if argument.form.starts_with("Device") {
                    return Ok(Argument::WorkingDevice);
                }
                match given.iter().find(|given| given.name == argument.name) {
                    Some(given) => resolve(&given.arg, names, float),
                    None if argument.has_default => {
                        Ok(self.defaults.get(place).cloned().unwrap_or(Argument::None))
                    }
                    None => Err(format!("lacks `{}`", argument.name)),
                }
            })
            .collect()
    }
}

fn default(value: Given) -> Argument {
    match value {
        Given::Int(number) => Argument::fixed(number),
        Given::Float(number) => Argument::Real(number),
        Given::Bool(truth) => Argument::Truth(truth),
        Given::Text(text) => Argument::Text(text),
        Given::Ints(list) => Argument::all_fixed(list),
        Given::Floats(list) => Argument::List(list.into_iter().map(Argument::Real).collect()),
        Given::Bools(list) => Argument::List(list.into_iter().map(Argument::Truth).collect()),
        _ => Argument::None,
    }
}

/// What an argument of a graph says, such as `{"as_ints": [1, 2]}`.
pub(super) fn resolve(json: &Json, names: &Names, float: i64) -> Result<Argument, Refusal> {
    let single = json.as_object().and_then(|object| object.iter().next());
    let Some((tag, inside)) = single else {
        return Err("has an argument of an unknown form".into());
    };
    let wrong = || format!("has an argument of another form than `{tag}`");
    let named = |json: &Json| {
        let name = json.get("name").or_else(|| json.get("as_name"));
        let name = name.and_then(Json::as_str).unwrap_or_default();
        let found = names.get(name).cloned();
        found.ok_or_else(|| format!("uses `{name}`, which no earlier node produces"))
    };
    let list = |each: &dyn Fn(&Json) -> Result<Argument, Refusal>| {
        let list = inside.as_array().ok_or_else(wrong)?;
        let entries = list.iter().map(each);
        entries.collect::<Result<_, _>>().map(Argument::List)
    };
    let whole = |json: &Json| json.as_i64().map(Argument::fixed).ok_or_else(wrong);
    let real = |json: &Json| number(json).map(Argument::Real).ok_or_else(wrong);
    let truth = |json: &Json| json.as_bool().map(Argument::Truth).ok_or_else(wrong);
    let symbol = |json: &Json| match (
        json.get("as_int"),
        json.get("as_float"),
        json.get("as_bool"),
    ) {
        (Some(number), _, _) => whole(number),
        (_, Some(number), _) => real(number),
        (_, _, Some(value)) => truth(value),
        _ => named(json),
    };
    match tag.as_str() {
        "as_none" => Ok(Argument::None),
        "as_tensor" => named(inside),
        "as_tensors" => list(&named),
        "as_optional_tensors" => list(&|entry| match entry.get("as_tensor") {
            Some(tensor) => named(tensor),
            None => Ok(Argument::None),
        }),
        "as_int" => whole(inside),
        "as_ints" => list(&whole),
        "as_float" => real(inside),
        "as_floats" => list(&real),
        "as_bool" => truth(inside),
        "as_bools" => list(&truth),
        "as_sym_int" | "as_sym_float" | "as_sym_bool" => symbol(inside),
        "as_sym_ints" | "as_sym_floats" | "as_sym_bools" => list(&symbol),
        "as_string" => {
            let text = inside.as_str().ok_or_else(wrong)?;
            Ok(Argument::Text(text.to_owned()))
        }
        "as_scalar_type" => kind(inside.as_i64().ok_or_else(wrong)?, float),
        // How a result lies in memory changes no value.
        "as_memory_format" | "as_layout" | "as_device" => Ok(Argument::None),
        _ => Err(format!("has an argument of the form `{tag}`")),
    }
}

/// The kind of numbers that torch.export calls `number`. What the model's own real numbers
/// (`float`) are is what the network computes with; a model in half precision computes in float32.
pub(super) fn kind(number: i64, float: i64) -> Result<Argument, Refusal> {
    const FLOAT32: i64 = 7;
    if number == float || float != FLOAT32 && number == FLOAT32 {
        return Ok(Argument::WorkingKind);
    }
    let element = Element::from_export(number);
    let element = element.ok_or_else(|| format!("makes numbers of type {number}"))?;
    Ok(Argument::fixed(number_of(element.kind())))
}

fn number(json: &Json) -> Option<f64> {
    match json {
        // JSON knows no infinity.
        Json::String(text) => text.parse().ok(),
        json => json.as_f64(),
    }
}

/// Lengths that an export for a fixed batch of `examples` states: the first follows the examples
/// where it is a multiple of what the export saw.
pub(super) fn follow_examples(shape: &mut Argument, examples: i64) {
    if let Argument::List(lengths) = shape
        && let Some(Argument::Number(first)) = lengths.first_mut()
        && let Length::Fixed(length) = *first
        && length > 0
        && length % examples == 0
    {
        let each = length / examples;
        *first = Length::PerExample { each, plus: 0 };
    }
}
