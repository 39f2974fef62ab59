//! What experiments recorded, as an answer.

use pathscope_analysis::record::{Header, Outcome, Record};

use super::answer::Answer;
use crate::experiment::{Journal, Measurement};
use crate::report::lesions::{single_lesions, synergies};
use crate::report::quantity::{count, large, rate, significant};
use crate::report::view::outcome::Shown;
use crate::report::view::verdict::verdict;
use crate::report::view::{draws, lesion, outcome};

/// The outcomes of `measurements` in `journal`, in the order of `measurements`.
pub(crate) fn outcomes<'a>(journal: &'a Journal, measurements: &[Measurement]) -> Vec<&'a Outcome> {
    let found = |measurement: &Measurement| match journal.get(&measurement.key) {
        Some(Record::Outcome(outcome)) => Some(outcome),
        _ => None,
    };
    measurements.iter().filter_map(found).collect()
}

/// The records of one kind, such as `records!(journal, Spectrum)`.
macro_rules! records {
    ($journal:expr, $kind:ident) => {{
        let records = $journal.records().iter();
        let found = records.filter_map(|record| match record {
            pathscope_analysis::record::Record::$kind(found) => Some(found),
            _ => None,
        });
        found.collect::<Vec<_>>()
    }};
}
pub(crate) use records;

/// What was measured of the intact network, the first of `outcomes`, and of the changed ones.
pub(crate) fn answer(
    header: &Header,
    outcomes: &[&Outcome],
    title: &str,
    shown: Shown<'_>,
) -> Answer {
    let mut answer = Answer::default();
    let Some((intact, changed)) = outcomes.split_first() else {
        return answer;
    };
    answer.text(format!(
        "{} on {} ({}); blocks are numbered from 0\n{}",
        header.model.title,
        header.data.description,
        examples(intact),
        stated(intact),
    ));
    for (_, lesions) in single_lesions(outcomes) {
        let verdict = |margin| verdict(header, intact, &lesions, margin);
        if let Some(verdict) = shown.margin.and_then(verdict) {
            answer.text(format!("\n{verdict}"));
        }
    }
    let changes = changed.iter().copied();
    let single: Vec<&Outcome> = changes.filter(|outcome| outcome.draw.is_none()).collect();
    answer.table(
        "changes",
        outcome::table(header, title, Some(intact), &single, shown),
    );
    let pairs = synergies(outcomes);
    if !pairs.is_empty() {
        let positive = pairs.iter().filter(|pair| pair.2 > 0.0).count();
        answer.text(format!(
            "Synergy of pairs: {positive} of {} pairs cost more loss together than one by one.",
            pairs.len(),
        ));
    }
    answer.table("synergies", lesion::synergy_table(header, outcomes));
    answer.table("draws", draws::table(changed));
    answer
}

/// `intact: error 7.28 % (74 of 1,017), ...`.
fn stated(intact: &Outcome) -> String {
    format!(
        "intact: error {}, loss {}, margin {}, {} paths",
        rate(intact.errors, intact.examples),
        significant(intact.loss, 4),
        significant(intact.margin, 3),
        large(&intact.paths),
    )
}

/// `1,017 examples`, or `768 positions of 64 sequences`: intervals and tests are over sequences.
pub(crate) fn examples(outcome: &Outcome) -> String {
    match outcome.positions {
        1 => count(outcome.examples, "example", "examples"),
        positions => format!(
            "{} of {}; intervals and tests are over sequences",
            count(outcome.examples, "position", "positions"),
            count(outcome.examples / positions.max(1), "sequence", "sequences")
        ),
    }
}
