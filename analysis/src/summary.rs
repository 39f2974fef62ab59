//! Several runs in one line, as tables of papers print them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bootstrap::standard_deviation;

/// Median, mean and sample standard deviation of the runs of one design.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The middle run; the mean of the two middle ones of an even number.
    pub median: f64,
    /// The mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); 0 for a single run.
    pub deviation: f64,
    /// How many runs.
    pub runs: usize,
}

impl Summary {
    /// Summarises `values`; none without values, or where one is not finite.
    ///
    /// ```
    /// use pathscope_analysis::Summary;
    /// let summary = Summary::of(&[6.0, 6.2, 5.9]).unwrap();
    /// assert_eq!(summary.to_string(), "6.00 (6.03 +- 0.15)");
    /// ```
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let runs = values.len();
        if runs == 0 || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = |position: usize| sorted.get(position).copied();
        let median = f64::midpoint(middle((runs - 1) / 2)?, middle(runs / 2)?);
        Some(Self {
            median,
            mean: values.iter().sum::<f64>() / runs as f64,
            deviation: standard_deviation(values),
            runs,
        })
    }
}

impl fmt::Display for Summary {
    /// `median (mean +- deviation)`; the value alone for a single run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs == 1 {
            return write!(f, "{:.2}", self.median);
        }
        write!(
            f,
            "{:.2} ({:.2} +- {:.2})",
            self.median, self.mean, self.deviation
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn an_even_number_of_runs_has_two_middles() {
        let summary = Summary::of(&[4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((summary.median, summary.mean), (2.5, 2.5));
        assert!((summary.deviation - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(Summary::of(&[7.0]).unwrap().to_string(), "7.00");
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    }
}
