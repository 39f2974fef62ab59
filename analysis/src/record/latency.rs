use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Record;
use super::check::{Fault, require};
use crate::Interval;
use crate::bootstrap::quantile;

/// How long the networks of a greedy removal take for one example, measured together: every round runs
/// each of them once, so that all meet the same machine. It differs from run to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Names the measurement within its file.
    pub key: String,
    /// Runs of each network.
    pub rounds: usize,
    /// The intact network, and that after every removal.
    pub networks: Vec<RunTime>,
}

/// Seconds that a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunTime {
    /// The median.
    pub median: f64,
    /// The first and third quartile.
    pub quartiles: Interval,
}

impl RunTime {
    /// Median and quartiles of the seconds of single runs; not a number without any.
    #[must_use]
    pub fn of(mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        let at = |probability| match runs.is_empty() {
            true => f64::NAN,
            false => quantile(&runs, probability),
        };
        Self {
            median: at(0.5),
            quartiles: Interval::new(at(0.25), at(0.75)),
        }
    }
}

impl Latency {
    /// That of most networks among records: a removal may have been continued.
    #[must_use]
    pub fn longest(records: &[Record]) -> Option<&Self> {
        let found = records.iter().filter_map(|record| match record {
            Record::Latency(latency) => Some(latency),
            _ => None,
        });
        found.max_by_key(|latency| latency.networks.len())
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let ordered = |time: &RunTime| time.quartiles.contains(time.median);
        require(self.networks.iter().all(ordered), || {
            "a median run time is not between its quartiles".into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_runs() {
        let time = RunTime::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(time.median, 3.0);
        assert_eq!(time.quartiles, Interval::new(2.0, 4.0));
        assert!(RunTime::of(Vec::new()).median.is_nan());
    }
}
