//! Conditions such as `effective_range.shift > 2`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a condition has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// Text that is not a condition.
    #[error(
        "`{0}` is not a valid condition; give NAME COMPARISON NUMBER with <, <=, >, >=, == or !=, such as \
         'effective_range.shift > 2'"
    )]
    NotACondition(String),
    /// A name that the comparison does not have.
    #[error("`{name}` is not among what was compared; these are: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
}

type Relation = fn(&f64, &f64) -> bool;

/// The longer signs first: `<=` begins with `<`.
const RELATIONS: [(&str, Relation); 6] = [
    ("<=", f64::le),
    (">=", f64::ge),
    ("==", f64::eq),
    ("!=", f64::ne),
    ("<", f64::lt),
    (">", f64::gt),
];

/// A named quantity compared with a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    name: String,
    /// One of [`RELATIONS`].
    sign: &'static str,
    number: f64,
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let refused = || ConditionError::NotACondition(text.to_owned());
        let at = text.find(['<', '>', '=', '!']).ok_or_else(refused)?;
        let (name, rest) = text.split_at_checked(at).ok_or_else(refused)?;
        let (sign, number) = RELATIONS
            .iter()
            .find_map(|(sign, _)| Some((*sign, rest.strip_prefix(sign)?)))
            .ok_or_else(refused)?;
        let name = name.trim();
        let of_a_name = |letter: char| letter.is_ascii_alphanumeric() || "._".contains(letter);
        let number: f64 = number.trim().parse().map_err(|_| refused())?;
        if name.is_empty() || !name.chars().all(of_a_name) || !number.is_finite() {
            return Err(refused());
        }
        Ok(Self {
            name: name.to_owned(),
            sign,
            number,
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, sign, number } = self;
        write!(formatter, "{name} {sign} {number}")
    }
}

impl Condition {
    /// The value that is compared, and whether the condition is met.
    ///
    /// # Errors
    /// A name that is not among `quantities`.
    pub fn check(&self, quantities: &BTreeMap<String, f64>) -> Result<(f64, bool), ConditionError> {
        let Some(&value) = quantities.get(&self.name) else {
            return Err(ConditionError::Unknown {
                name: self.name.clone(),
                known: listed(quantities),
            });
        };
        let mut relations = RELATIONS.iter();
        let relation = relations.find(|(sign, _)| *sign == self.sign);
        let met = relation.is_some_and(|(_, holds)| holds(&value, &self.number));
        Ok((value, met))
    }
}

/// The names, those of single blocks as one.
fn listed(quantities: &BTreeMap<String, f64>) -> String {
    let of_block = |name: &str| name.starts_with("block.");
    let of_measure =
        |name: &str| name.starts_with("effective_range.") && name.matches('.').count() > 1;
    let names = || quantities.keys().map(String::as_str);
    let example = |belongs: &dyn Fn(&str) -> bool, what: &str| {
        let first = names().find(|name| belongs(name));
        first.map(|name| format!("{name} and so on for each {what}"))
    };
    let alone = names().filter(|name| !of_block(name) && !of_measure(name));
    let mut listed: Vec<String> = alone.map(str::to_owned).collect();
    listed.extend(example(&of_measure, "measure"));
    listed.extend(example(&of_block, "block"));
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, value: f64) -> bool {
        let quantities = BTreeMap::from([("rho.change".to_owned(), value)]);
        let condition: Condition = text.parse().unwrap();
        condition.check(&quantities).unwrap().1
    }

    #[test]
    fn every_comparison() {
        for (sign, less, equal, greater) in [
            ("<", true, false, false),
            ("<=", true, true, false),
            (">", false, false, true),
            (">=", false, true, true),
            ("==", false, true, false),
            ("!=", true, false, true),
        ] {
            let text = format!("rho.change {sign} -0.5");
            assert_eq!(check(&text, -1.0), less, "{text}");
            assert_eq!(check(&text, -0.5), equal, "{text}");
            assert_eq!(check(&text, 2.0), greater, "{text}");
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
        }
        assert!(check("rho.change>1e-3", 0.01));
        assert!(!check("rho.change > 0", f64::NAN));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in [
            "",
            "rho",
            "> 2",
            "rho >",
            "rho = 2",
            "rho > two",
            "rho > 2 > 1",
            "rho => 2",
            "a b > 1",
            "rho > NaN",
            "rho ~ 1",
            "rho > inf",
            "rho ! 2",
        ] {
            let refused = ConditionError::NotACondition(text.into());
            assert_eq!(text.parse::<Condition>(), Err(refused));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let names = ["rho.p", "block.0.change", "block.0.p", "error.p"];
        let quantities = names.map(|name| (name.to_owned(), 1.0)).into();
        let condition: Condition = "rho.q > 1".parse().unwrap();
        let fault = condition.check(&quantities).unwrap_err().to_string();
        let expected = "`rho.q` is not among what was compared; these are: error.p, rho.p, \
                        block.0.change and so on for each block";
        assert_eq!(fault, expected);
    }
}
