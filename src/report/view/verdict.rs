//! Which blocks can go: the verdicts on single deletions, in sentences.

use pathscope_analysis::record::{Header, LesionKind, Outcome, Screened};
use pathscope_analysis::{Level, Verdict, verdicts};

use super::outcome::stops_early;
use crate::lesions::{SingleLesion, Target, lesion};
use crate::quantity::{count, significant, thousands};

/// The margin where nobody asks for another one: a share of the examples.
pub const MARGIN: f64 = 0.01;

/// The verdict on each of `changed` at `margin`, a share of the examples; none where the question does
/// not arise, as for skips that were cut.
pub(super) fn of(
    header: &Header,
    intact: &Outcome,
    changed: &[&Outcome],
    margin: f64,
) -> Option<Vec<Verdict>> {
    let asked = |outcome: &&Outcome| {
        lesion(outcome).is_some_and(|lesion| {
            lesion.kind != LesionKind::Skip
                && !lesion.random_weights
                && Target::of(lesion).is_some()
        })
    };
    if changed.is_empty() || !changed.iter().all(asked) {
        return None;
    }
    verdicts(intact, changed, margin, Level::P95, stops_early(header)).ok()
}

/// `1 point`, `0.5 points`.
pub(crate) fn in_points(margin: f64) -> String {
    let points = 100.0 * margin;
    let unit = if points == 1.0 { "point" } else { "points" };
    format!("{} {unit}", significant(points, 3))
}

/// What the verdicts rest on.
pub(super) fn method(header: &Header, changes: usize) -> String {
    match (stops_early(header), header.data.positions) {
        (false, 1) => format!(
            "95 % confidence, exact paired test, Holm's correction over {}",
            count(changes, "row", "rows")
        ),
        (early, positions) => format!(
            "95 % confidence sequence{}, Bonferroni's correction over {}",
            match (early, positions > 1) {
                (true, _) => "",
                (false, true) => " over sequences",
                (false, false) => " over",
            },
            count(changes, "row", "rows")
        ),
    }
}

/// Single lesions by the verdict on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// Those that cost less than the margin.
    pub removable: Vec<Target>,
    /// Those that cost more.
    pub needed: Vec<Target>,
    /// Those that the examples do not decide.
    pub undecided: Vec<Target>,
    /// For each of these, how many examples would; the greatest number where that is not known.
    deciding: Vec<usize>,
}

/// The single lesions by the verdict on them at `margin`; none where the question does not arise.
pub(crate) fn sorted(
    header: &Header,
    intact: &Outcome,
    lesions: &[SingleLesion<'_>],
    margin: f64,
) -> Option<Sorted> {
    let changed: Vec<&Outcome> = lesions.iter().map(|single| single.outcome).collect();
    let mut sorted = Sorted::default();
    for (single, verdict) in lesions.iter().zip(of(header, intact, &changed, margin)?) {
        let list = match verdict {
            Verdict::Removable => &mut sorted.removable,
            Verdict::Needed => &mut sorted.needed,
            Verdict::Undecided { examples } => {
                sorted.deciding.push(examples.unwrap_or(usize::MAX));
                &mut sorted.undecided
            }
        };
        list.push(single.target);
    }
    Some(sorted)
}

/// Which of the single lesions cost less than `margin`, which more, and which are undecided: a line each.
pub fn verdict(
    header: &Header,
    intact: &Outcome,
    lesions: &[SingleLesion<'_>],
    margin: f64,
) -> Option<String> {
    let Sorted {
        removable,
        needed,
        undecided,
        deciding: mut more,
    } = sorted(header, intact, lesions, margin)?;
    let list = |targets: &[Target]| match targets {
        [] => "none".to_owned(),
        targets => ranges(targets),
    };
    let margin = in_points(margin);
    let mut text = format!(
        "Removable one at a time (costs less than {margin}): {}\n\
         Needed (costs more than {margin}): {}",
        list(&removable),
        list(&needed),
    );
    if !undecided.is_empty() {
        let examples = match header.data.positions {
            1 => count(intact.examples, "example", "examples"),
            positions => count(intact.examples / positions, "sequence", "sequences"),
        };
        text += &format!("\nUndecided with {examples}: {}", ranges(&undecided));
        more.sort_unstable();
        let (half, of_them) = match more.len() {
            1 => (0, "it"),
            many => ((many - 1) / 2, "half of them"),
        };
        if let Some(&enough) = more.get(half).filter(|&&enough| enough < usize::MAX) {
            let enough = rounded(enough);
            text += &format!(" (about {enough} examples would decide {of_them})");
        }
    }
    text += &format!("\n({})", method(header, lesions.len()));
    text += &unmeasured(intact, lesions);
    Some(text)
}

/// Which lesions were not measured on all examples, and why their verdicts hold all the same.
fn unmeasured(intact: &Outcome, lesions: &[SingleLesion<'_>]) -> String {
    let of = |reason: Screened| -> Vec<&SingleLesion<'_>> {
        let is_such = |single: &&SingleLesion<'_>| single.outcome.screened == Some(reason);
        lesions.iter().filter(is_such).collect()
    };
    let targets = |found: &[&SingleLesion<'_>]| {
        ranges(&found.iter().map(|single| single.target).collect::<Vec<_>>())
    };
    let mut text = String::new();
    let idle = of(Screened::NoEffect);
    if !idle.is_empty() {
        text += &format!(
            "\nNot measured, since the output of the block stays the same on every example: {}",
            targets(&idle)
        );
    }
    let settled = of(Screened::Settled);
    if !settled.is_empty() {
        let measured: usize = settled.iter().map(|single| single.outcome.examples).sum();
        text += &format!(
            "\nMeasured in part, since the other examples cannot change the verdict: {} ({} of {})",
            targets(&settled),
            thousands(measured as u64),
            count(settled.len() * intact.examples, "prediction", "predictions"),
        );
    }
    text
}

/// Two digits of a number of examples that is an estimate.
fn rounded(examples: usize) -> String {
    let unit = 10_usize.pow(examples.max(1).ilog10().saturating_sub(1));
    thousands((examples.div_ceil(unit) * unit) as u64)
}

/// `4, 5, 10-14, 17.2`.
pub(crate) fn ranges(targets: &[Target]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = targets;
    while let Some((&first, others)) = rest.split_first() {
        let run = match first {
            Target::Block(block) => others
                .iter()
                .zip(block + 1..)
                .take_while(|&(&next, expected)| next == Target::Block(expected))
                .count(),
            Target::Function(..) => 0,
        };
        match run {
            0 | 1 => parts.push(first.name()),
            run => parts.push(format!("{}-{}", first.block(), first.block() + run)),
        }
        rest = others
            .get(if run > 1 { run } else { 0 }..)
            .unwrap_or_default();
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_ranges() {
        let blocks = [0, 1, 3, 4, 5, 9].map(Target::Block);
        assert_eq!(ranges(&blocks), "0, 1, 3-5, 9");
        let mixed = [Target::Block(2), Target::Function(2, 1), Target::Block(3)];
        assert_eq!(ranges(&mixed), "2, 2.1, 3");
        assert_eq!(
            (rounded(883), rounded(12_345)),
            ("890".into(), "13,000".into())
        );
    }
}
