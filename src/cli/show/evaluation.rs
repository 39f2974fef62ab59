//! The error of a network on held-out examples, in one line.

use pathscope_analysis::{Level, wilson};

use crate::training::Evaluation;

/// `7.28 % (74 of 1017), 95 % interval 5.83 to 9.04 %, loss 0.3142`.
pub(crate) fn stated(evaluation: &Evaluation) -> String {
    let Evaluation {
        errors,
        examples,
        loss,
    } = *evaluation;
    let interval = wilson(errors, examples, Level::P95).map_or_else(
        |_| String::new(),
        |interval| {
            format!(
                ", 95 % interval {:.2} to {:.2} %",
                100.0 * interval.lower,
                100.0 * interval.upper
            )
        },
    );
    format!(
        "{:.2} % ({errors} of {examples}){interval}, loss {loss:.4}",
        evaluation.percent()
    )
}
