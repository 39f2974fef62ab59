//! What is asked of a file that a network is read from.

use pathscope_data::Normalization;
use pathscope_file::sha256;
use pathscope_network::Granularity;

use super::assumption::Assumptions;

/// What to take of a file, and what to assume of its network.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Wins over the normalisation that the file or its family states.
    pub normalization: Option<Normalization>,
    /// Only tensors whose names begin so.
    pub prefix: Option<String>,
    /// The entry of a checkpoint that holds the tensors.
    pub weights: Option<String>,
    /// What the file does not say.
    pub assumptions: Assumptions,
    /// What counts as a block of an exported graph.
    pub granularity: Granularity,
}

impl LoadOptions {
    /// What stands for the network that is taken of a file with the SHA-256 `file`: that, and where
    /// something was chosen, one of both. Results of different networks never resume each other.
    pub(super) fn identity(&self, file: String) -> String {
        let Self {
            normalization: _, // stated on its own in every header
            prefix,
            weights,
            assumptions,
            granularity,
        } = self;
        let mut chosen = String::new();
        for (what, choice) in [("prefix", prefix), ("weights", weights)] {
            chosen.extend(choice.iter().map(|choice| format!("\n{what} {choice}")));
        }
        chosen.extend(assumptions.texts().map(|text| format!("\nassume {text}")));
        if *granularity == Granularity::Layer {
            chosen += "\nlayers";
        }
        match chosen.is_empty() {
            true => file,
            false => sha256(format!("{file}{chosen}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_tells_networks_of_one_file_apart() {
        let identity = |options: LoadOptions| options.identity("f00d".into());
        assert_eq!(identity(LoadOptions::default()), "f00d");
        let weights = |name: &str| LoadOptions {
            weights: Some(name.to_owned()),
            ..LoadOptions::default()
        };
        let assumed = LoadOptions {
            assumptions: Assumptions::parse(["groups=16"]).unwrap(),
            ..LoadOptions::default()
        };
        let layers = LoadOptions {
            granularity: Granularity::Layer,
            ..LoadOptions::default()
        };
        let all = [weights("ema"), weights("model"), assumed, layers].map(identity);
        let different: std::collections::HashSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert!(!all.contains(&"f00d".to_owned()));
    }
}
