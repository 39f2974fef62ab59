use super::*;
use crate::test_support::{self, run};
use pathscope_analysis::record::{Change, Measure, Record, WrongExamples};

fn whole() -> Run {
    run([test_support::lesions(), test_support::spectrum()])
}

/// The run of another network: its examples `extra` are wrong too whatever is done to it, and
/// its path lengths are moved by `moved`.
fn other(extra: usize, moved: usize) -> Run {
    let mut run = whole();
    for journal in &mut run.journals {
        journal.header.model.hash = "ef".repeat(32);
        for record in &mut journal.records {
            match record {
                Record::Outcome(outcome) => {
                    let mut wrong = outcome.wrong.to_vec(outcome.examples);
                    wrong.iter_mut().take(extra).for_each(|wrong| *wrong = true);
                    outcome.errors = wrong.iter().filter(|&&wrong| wrong).count();
                    outcome.wrong = WrongExamples::new(&wrong);
                }
                Record::Spectrum(spectrum) => {
                    let coherent = spectrum.measures.get_mut(&Measure::Coherent).unwrap();
                    coherent.mean.rotate_right(moved);
                    let rows = coherent.by_example.iter_mut();
                    rows.for_each(|row| row.rotate_right(moved));
                }
                _ => {}
            }
        }
    }
    run
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let same = Difference::new(&whole(), &whole(), 0.95).unwrap();
    assert_eq!(same.notes, Vec::<String>::new());
    for (name, value) in same.quantities() {
        let is_one = name.ends_with(".p") || name.ends_with(".ratio");
        assert_eq!(value, f64::from(u8::from(is_one)), "{name}");
    }
    assert_eq!(same.blocks.len(), 9);
    assert_eq!(same.effective_ranges.len(), 3);
}

#[test]
fn what_was_changed_is_found() {
    let found = Difference::new(&whole(), &other(40, 2), 0.95).unwrap();
    let error = found.error.as_ref().unwrap();
    assert!(error.change > 5.0 && error.interval.unwrap().contains(error.change));
    assert!(error.p_value.unwrap() < 0.001);
    let raw = error.mcnemar.as_ref().unwrap().p_value;
    assert!(error.p_value.unwrap() > raw, "corrected for 14 tests");
    // Where the first forty examples are wrong anyway, no deletion costs anything.
    let by_effect =
        |a: &&BlockDifference, b: &&BlockDifference| a.first_effect.total_cmp(&b.first_effect);
    let costly = found.blocks.iter().max_by(by_effect).unwrap();
    assert!(costly.effect_change < 0.0 && costly.p_value.unwrap() < 0.5);
    assert!(costly.interval.unwrap().contains(costly.effect_change));
    let coherent = &found.effective_ranges[0];
    let moved = [coherent.shift, coherent.first_change, coherent.last_change];
    assert_eq!(moved, [2; 3]);
    // 32 examples, 2,000 exchanges, 14 tests: no smaller p-value is possible.
    assert!(coherent.p_value.unwrap() < 0.01, "{:?}", coherent.p_value);
    assert!(coherent.first_interval.unwrap().contains(2.0));
    assert_eq!(found.effective_ranges[1].shift, 0);
    assert_eq!(found.effective_ranges[1].p_value, Some(1.0));
    assert_eq!(found.quantities()["effective_range.shift"], 2.0);
    assert_eq!(found.quantities()["effective_range.energy.shift"], 0.0);
}

/// A network that errs on more examples whatever is deleted needs its blocks as much as before.
#[test]
fn what_a_block_costs_is_tested_not_the_error_without_it() {
    let outcomes = |run: &Run| -> Vec<Vec<bool>> {
        let outcomes = run.journals.iter().flat_map(|journal| journal.outcomes());
        let wrong = outcomes.map(|outcome| outcome.wrong.to_vec(outcome.examples));
        wrong.collect()
    };
    let all = outcomes(&whole());
    let always_right = |example: usize| all.iter().all(|wrong| !wrong[example]);
    let mut second = whole();
    for journal in &mut second.journals {
        journal.header.model.hash = "ef".repeat(32);
        for record in &mut journal.records {
            if let Record::Outcome(outcome) = record {
                let wrong = outcome.wrong.to_vec(outcome.examples).into_iter();
                let wrong = wrong.enumerate();
                let wrong: Vec<bool> = wrong.map(|(i, wrong)| wrong || always_right(i)).collect();
                outcome.errors = wrong.iter().filter(|&&wrong| wrong).count();
                outcome.wrong = WrongExamples::new(&wrong);
            }
        }
    }
    let found = Difference::new(&whole(), &second, 0.95).unwrap();
    assert!(found.error.as_ref().unwrap().p_value.unwrap() < 0.01);
    assert_eq!(found.blocks.len(), 9);
    for block in &found.blocks {
        assert!(block.second.errors > block.first.errors + 5);
        assert_eq!(
            (block.p_value, block.effect_change.abs() < 1e-9),
            (Some(1.0), true)
        );
        assert!(block.interval.unwrap().contains(0.0));
    }
    assert_eq!(found.changed_blocks(), 0);
}

#[test]
fn deletions_that_ended_early_are_not_compared() {
    let mut second = other(40, 0);
    let journal = &mut second.journals[0];
    let deleted = journal
        .records
        .iter_mut()
        .filter_map(|record| match record {
            Record::Outcome(outcome) if outcome.change != Change::Intact => Some(outcome),
            _ => None,
        });
    for outcome in deleted.take(1) {
        let wrong = outcome.wrong.to_vec(outcome.examples);
        outcome.examples /= 2;
        outcome.wrong = WrongExamples::new(&wrong[..outcome.examples]);
    }
    let found = Difference::new(&whole(), &second, 0.95).unwrap();
    assert_eq!(found.blocks.len(), 8);
    assert!(found.notes[0].contains("1 deletions"), "{:?}", found.notes);
}

#[test]
fn other_examples_are_not_paired() {
    let mut second = other(40, 0);
    for journal in &mut second.journals {
        journal.header.data.hash = "01".repeat(32);
    }
    let found = Difference::new(&whole(), &second, 0.95).unwrap();
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert_eq!(found.error.as_ref().unwrap().p_value, None);
    assert!(found.blocks.iter().all(|block| block.interval.is_none()));
    assert!(!found.quantities().contains_key("error.p"));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let mut two = whole();
    two.journals[1].header.model.hash = "another".into();
    let fault = Difference::new(&whole(), &two, 0.95).unwrap_err();
    let reason = "the second run holds results of 2 networks";
    assert!(fault.to_string().contains(reason), "{fault}");
    let (lesions, gradient) = (test_support::lesions(), test_support::spectrum());
    let fault = Difference::new(&run([lesions]), &run([gradient]), 0.95).unwrap_err();
    assert!(matches!(fault, DifferenceError::NothingInCommon), "{fault}");
}
