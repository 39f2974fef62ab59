//! The error of a network on held-out examples, in one line.

use pathscope_analysis::{Level, wilson};

use crate::report::quantity::{hundredths, span};
use crate::training::Evaluation;

/// `7.28 % (74 of 1017), 95 % interval 5.83 to 9.04 %, loss 0.3142`.
pub(crate) fn stated(evaluation: &Evaluation) -> String {
    let Evaluation {
        errors,
        examples,
        loss,
    } = *evaluation;
    let interval = match wilson(errors, examples, Level::P95) {
        Ok(interval) => format!(", 95 % interval {} %", span(interval, hundredths)),
        Err(_) => String::new(),
    };
    let percent = evaluation.percent();
    format!("{percent:.2} % ({errors} of {examples}){interval}, loss {loss:.4}")
}
