use pathscope_analysis::Interval;
use serde::Serialize;

use crate::quantity::{signed, span};

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
    let words = |value: f64| signed(value, 3);
    format!(
        "{} points (95 % interval {})",
        words(difference),
        span(interval, words)
    )
}
