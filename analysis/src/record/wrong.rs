use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Fault, require};

/// Which examples are wrong, four to a hexadecimal digit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(!try_from, !into, with = "String")]
pub struct WrongExamples(Vec<u8>);

impl WrongExamples {
    /// Packs one flag per example.
    #[must_use]
    pub fn new(wrong: &[bool]) -> Self {
        let digit = |flags: &[bool]| {
            let flags = flags.iter().copied().chain(std::iter::repeat(false));
            let digit = flags.take(4);
            digit.fold(0, |digit, wrong| 2 * digit + u8::from(wrong))
        };
        Self(wrong.chunks(4).map(digit).collect())
    }

    /// One flag per example. Examples beyond what was packed are right.
    #[must_use]
    pub fn to_vec(&self, examples: usize) -> Vec<bool> {
        let bits = |digit: &u8| [8, 4, 2, 1].map(|bit| digit & bit != 0);
        let flags = self.0.iter().flat_map(bits);
        let flags = flags.chain(std::iter::repeat(false));
        flags.take(examples).collect()
    }

    /// That these are `errors` flags of `examples`.
    pub(super) fn check(&self, errors: usize, examples: usize) -> Result<(), Fault> {
        require(self.0.len() == examples.div_ceil(4), || {
            format!(
                "{} digits for which of {examples} examples are wrong, which are {}",
                self.0.len(),
                examples.div_ceil(4)
            )
        })?;
        let flags: u32 = self.0.iter().map(|digit| digit.count_ones()).sum();
        require(flags as usize == errors, || {
            format!("{errors} errors, but {flags} examples are marked as wrong")
        })
    }
}

impl TryFrom<String> for WrongExamples {
    type Error = String;

    fn try_from(digits: String) -> Result<Self, String> {
        let digit = |letter: char| {
            let value = letter.to_digit(16).and_then(|value| value.try_into().ok());
            value.ok_or_else(|| format!("`{}` is not a hexadecimal digit", letter.escape_default()))
        };
        let digits: Result<_, _> = digits.chars().map(digit).collect();
        digits.map(Self)
    }
}

impl From<WrongExamples> for String {
    fn from(wrong: WrongExamples) -> Self {
        let digit = |digit: u8| char::from_digit(digit.into(), 16);
        wrong.0.into_iter().filter_map(digit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn flags_survive_packing(flags in proptest::collection::vec(any::<bool>(), 0..70)) {
            prop_assert_eq!(WrongExamples::new(&flags).to_vec(flags.len()), flags);
        }
    }

    #[test]
    fn a_letter_that_is_no_digit_is_refused() {
        let read = |text| serde_json::from_str::<WrongExamples>(text);
        let written = serde_json::to_string(&read("\"0f\"").unwrap()).unwrap();
        assert_eq!(written, "\"0f\"");
        assert!(read("\"0g\"").unwrap_err().to_string().contains("`g`"));
    }
}
