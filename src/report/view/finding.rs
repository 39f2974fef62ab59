use pathscope_analysis::Interval;
use serde::Serialize;

use crate::quantity::significant;

/// A question that was asked of a network, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was asked, as a question.
    pub question: String,
    /// The answer in a sentence or a few, with its interval.
    pub answer: String,
}

/// `+1.25 points (95 % interval +0.4 to +2.1)`.
pub(super) fn points((difference, interval): (f64, Interval)) -> String {
    let signed = |value: f64| {
        let sign = if value > 0.0 { "+" } else { "" };
        format!("{sign}{}", significant(value, 3))
    };
    format!(
        "{} points (95 % interval {} to {})",
        signed(difference),
        signed(interval.lower),
        signed(interval.upper)
    )
}
