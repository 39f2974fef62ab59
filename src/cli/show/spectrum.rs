//! The gradient by path length, as an answer.

use pathscope_analysis::record::{Header, Spectrum};

use super::answer::Answer;
use crate::report::gradient::{GradientSummary, middle_half};
use crate::report::lesions::layers_per_block;
use crate::report::quantity::count;
use crate::report::view::spectrum as view;

/// Lengths are left out whose share is smaller by every measure.
const LEAST: f64 = 5e-5;

/// Appends what a spectrum says: effective ranges, lengths, decay and the check of the sum.
pub(crate) fn add(
    answer: &mut Answer,
    header: &Header,
    summary: &GradientSummary,
    spectra: &[&Spectrum],
) {
    let layers = layers_per_block(header).map_or_else(String::new, |layers| {
        format!("; one block is {}", count(layers, "layer", "layers"))
    });
    answer.text(format!(
        "{} on {}: {} in {}\n\
         path lengths are in blocks (functions on the path){layers}\n\
         The gradient at an input is the sum over all paths; the forward pass is not.",
        header.model.title,
        header.data.description,
        count(summary.examples, "example", "examples"),
        count(summary.batches, "mini-batch", "mini-batches"),
    ));
    answer.table("ranges", view::ranges(header, summary));
    answer.table("lengths", view::lengths(header, summary, LEAST));
    answer.table("grades", view::grades(spectra));
    for measured in &summary.measures {
        for (ranges, what) in [
            (&measured.of_batches, "mini-batches"),
            (&measured.of_examples, "examples"),
        ] {
            if let (Some((from, to)), true) = (middle_half(ranges), ranges.len() > 3) {
                answer.text(format!(
                    "{}, effective ranges of single {what}, middle half: first length {} to {}, \
                     last {} to {}",
                    measured.measure.name(),
                    from.lower,
                    from.upper,
                    to.lower,
                    to.upper
                ));
            }
        }
    }
    answer.text(view::decay(summary).unwrap_or_else(|| {
        "The decay of single paths with their length needs --measure sampled or energy.".into()
    }));
    if let Some(check) = summary.sum_check {
        answer.text(format!(
            "check: the sum over lengths differs from the ordinary gradient by {check:.1e} of its norm"
        ));
    }
}
