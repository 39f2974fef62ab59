use pathscope_analysis::{Covers, Crossing, WidthAgainstDepth};

use crate::quantity::{percent, significant};

/// Share of the resamples that must cross for a threshold to count as established.
const ESTABLISHED: f64 = 0.95;

/// Where width begins to beat depth, in a sentence that claims no more than the resamples show.
pub fn answer(found: &WidthAgainstDepth) -> String {
    let result = &found.threshold;
    let within = match (found.depths.first(), found.depths.last()) {
        (Some(first), Some(last)) => format!("{first} to {last} layers"),
        _ => "no layers".into(),
    };
    let covers = match found.covers {
        Covers::Trainings => "over trainings",
        Covers::Examples => "over held-out examples, of one training each",
    };
    let crossing = format!("{} of the resamples", percent(result.share_crossing));
    let ends = |end: Option<f64>, open: &str| {
        end.map_or_else(|| open.to_owned(), |depth| significant(depth, 3))
    };
    match result.crossing {
        Crossing::At { depth } => {
            let depth = significant(depth, 3);
            let interval = format!(
                "95 % interval {covers} {} to {}",
                ends(result.lower, "below the range measured"),
                ends(result.upper, "above the range measured"),
            );
            if result.share_crossing >= ESTABLISHED {
                format!(
                    "From n0 = {depth} layers on, {} functions per block beat more blocks; \
                     {interval} ({crossing} cross within {within}).",
                    found.k
                )
            } else {
                format!(
                    "The error curves of k = 1 and k = {} cross at {depth} layers, but only \
                     {crossing} cross within {within}, so the threshold is not established; \
                     {interval}.",
                    found.k
                )
            }
        }
        Crossing::DeeperToTheEnd => format!(
            "No crossing in the range measured, {within}: at its end, more blocks are as good as \
             {} functions per block or better ({crossing} cross).",
            found.k,
        ),
        _ => format!(
            "No crossing in the range measured, {within}: {} functions per block are better from \
             the start ({crossing} cross).",
            found.k,
        ),
    }
}
