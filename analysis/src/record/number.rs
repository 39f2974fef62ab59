//! Numbers that may be infinite or not a number, which JSON cannot write as numbers.
//!
//! They are written as the strings `"NaN"`, `"Infinity"` and `"-Infinity"`. A `null` is read as
//! not a number: older files have it.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

const NAMES: [(&str, f64); 3] = [
    ("NaN", f64::NAN),
    ("Infinity", f64::INFINITY),
    ("-Infinity", f64::NEG_INFINITY),
];

pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let named = NAMES
        .into_iter()
        .find(|(_, special)| number.total_cmp(special).is_eq() || number.is_nan());
    match named {
        Some((name, _)) if !number.is_finite() => serializer.serialize_str(name),
        _ => serializer.serialize_f64(*number),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_any(Number)
}

pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let names = NAMES.map(|(name, _)| name);
    json_schema!({ "anyOf": [{ "type": "number" }, { "enum": names }] })
}

struct Number;

impl Visitor<'_> for Number {
    type Value = f64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_unit<E: Error>(self) -> Result<f64, E> {
        Ok(f64::NAN)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        match NAMES.into_iter().find(|(name, _)| *name == text) {
            Some((_, number)) => Ok(number),
            None => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Stated(#[serde(with = "super")] f64);

    #[test]
    fn what_json_cannot_write_is_read_back() {
        for (number, text) in [
            (0.25, "0.25"),
            (f64::NAN, "\"NaN\""),
            (-f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(serde_json::to_string(&Stated(number)).unwrap(), text);
            let Stated(found) = serde_json::from_str(text).unwrap();
            assert!(found == number || found.is_nan() && number.is_nan());
        }
        assert!(serde_json::from_str::<Stated>("null").unwrap().0.is_nan());
        assert!(serde_json::from_str::<Stated>("\"nan\"").is_err());
    }
}
