use rand::RngExt;

use super::*;
use crate::clustered::count;
use crate::record::{Change, Screened, WrongExamples};
use crate::seed::Seed;

/// Brute force over all outcomes of 60 examples, with the restricted maximum of the likelihood by
/// numerical search and 600 rates of newly right answers (scipy 1.17, numpy 2.4):
///
/// ```text
/// z = tango(b, c, n, m); rates = linspace(beta.ppf(1e-5, c, n-c+1), beta.ppf(1-1e-5, c+1, n-c), 600)
/// p = max(multinomial.pmf(outcomes, n, [q+m, q, 1-2*q-m])[scores <= z].sum() for q in rates) + 1e-5
/// ```
#[test]
fn p_values_agree_with_brute_force() {
    let golden = [
        // newly wrong, newly right, margin, score, at least, at most
        (0, 0, 0.05, -1.777046633, 0.046079799, 1.0),
        (1, 0, 0.10, -2.151657415, 0.016426072, 0.998212990),
        (2, 3, 0.10, -2.392775734, 0.008627817, 0.998366631),
        (12, 1, 0.05, 2.402108621, 0.999271956, 0.008164379),
        (5, 2, 0.05, 0.0, 0.647018343, 0.582574005),
        (20, 4, 0.10, 2.148810542, 0.986055902, 0.019187687),
    ];
    for (newly_wrong, newly_right, margin, score, at_least, at_most) in golden {
        let test = margin_test(newly_wrong, newly_right, 60, margin).unwrap();
        let close = |found: f64, wanted: f64| (found - wanted).abs() < 1e-4 * wanted.abs().max(0.1);
        assert!(close(test.score, score), "{test:?}");
        assert!(close(test.p_at_least, at_least), "{test:?} {at_least}");
        assert!(close(test.p_at_most, at_most), "{test:?} {at_most}");
    }
}

#[test]
fn refuse_what_is_no_question() {
    for margin in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(matches!(
            margin_test(1, 1, 10, margin),
            Err(VerdictError::Margin(_))
        ));
    }
    assert!(margin_test(0, 0, 0, 0.1).is_err());
    assert!(margin_test(6, 5, 10, 0.1).is_err());
}

/// The intact network or a changed one, on examples of which these are wrong.
fn outcome(wrong: &[bool], positions: usize) -> Outcome {
    Outcome {
        key: String::new(),
        change: Change::Intact,
        draw: None,
        errors: count(wrong),
        examples: wrong.len(),
        positions,
        loss: 0.0,
        margin: 0.0,
        errors_by_class: Vec::new(),
        wrong: WrongExamples::new(wrong),
        paths: "1".into(),
        parameters: 0,
        multiply_adds: 0,
        screened: None,
    }
}

/// Data sets drawn from a law under which half the blocks cost exactly the margin, where a false call
/// is most likely, and half cost nothing: in at most 5 % of them any block of the first half is
/// called removable.
#[test]
fn removable_is_wrong_in_at_most_one_data_set_of_twenty() {
    const DATA_SETS: u64 = 2_000;
    let margin = 0.02;
    for examples in [150, 250] {
        let (mut wrong_calls, mut right_calls) = (0, 0);
        for data_set in 0..DATA_SETS {
            let mut random = Seed(7).stream("data set", data_set);
            let mut draw = |chance: f64| random.random::<f64>() < chance;
            let intact: Vec<bool> = (0..examples).map(|_| draw(0.08)).collect();
            let blocks: Vec<Vec<bool>> = (0..6)
                .map(|block| {
                    // Newly right 1 %; newly wrong that and the margin, or only that.
                    let newly_wrong = if block < 3 { 0.01 + margin } else { 0.01 };
                    let changed = intact.iter().map(|&wrong| match wrong {
                        true => !draw(0.01 / 0.08),
                        false => draw(newly_wrong / 0.92),
                    });
                    changed.collect()
                })
                .collect();
            let intact = outcome(&intact, 1);
            let changed: Vec<Outcome> = blocks.iter().map(|wrong| outcome(wrong, 1)).collect();
            let changed: Vec<&Outcome> = changed.iter().collect();
            let found = verdicts(&intact, &changed, margin, Level::P95, false).unwrap();
            let removable = |verdict: &&Verdict| **verdict == Verdict::Removable;
            wrong_calls += u64::from(found[..3].iter().any(|verdict| removable(&verdict)));
            right_calls += found[3..].iter().filter(removable).count();
        }
        assert!(
            wrong_calls <= DATA_SETS / 20,
            "{wrong_calls} of {DATA_SETS} with {examples} examples"
        );
        // Few examples rarely decide; but the harmless blocks are called so again and again.
        assert!(right_calls > 100, "{right_calls}");
    }
}

#[test]
fn verdicts_name_what_can_go() {
    let intact: Vec<bool> = (0..1_000).map(|example| example % 20 == 0).collect();
    let broken: Vec<bool> = (0..1_000).map(|example| example % 5 == 0).collect();
    let mut doubtful = intact.clone();
    for example in [1, 2, 3, 4, 6] {
        doubtful[example] = true;
    }
    let intact = outcome(&intact, 1);
    let changed = [intact.clone(), outcome(&broken, 1), outcome(&doubtful, 1)];
    let changed: Vec<&Outcome> = changed.iter().collect();
    let found = verdicts(&intact, &changed, 0.01, Level::P95, false).unwrap();
    assert_eq!(found[..2], [Verdict::Removable, Verdict::Needed]);
    let Verdict::Undecided {
        examples: Some(examples),
    } = found[2]
    else {
        panic!("{found:?}");
    };
    assert!((1_500..20_000).contains(&examples), "{examples}");
    // Positions of sequences are no independent examples.
    let sequences: Vec<Outcome> = changed
        .iter()
        .map(|outcome| Outcome {
            positions: 100,
            ..(*outcome).clone()
        })
        .collect();
    let sequences: Vec<&Outcome> = sequences.iter().collect();
    let found = verdicts(sequences[0], &sequences, 0.01, Level::P95, false).unwrap();
    assert_eq!(found[0], Verdict::Undecided { examples: None });
}

/// Sweeps of harms of all sizes, each measured only until it is settled: no verdict changes.
#[test]
fn a_settled_verdict_is_that_on_all_examples() {
    const LOOK: usize = 50;
    let margin = 0.02;
    let mut unmeasured = 0;
    for sweep in 0..60 {
        let mut random = Seed(11).stream("sweep", sweep);
        let mut draw = |chance: f64| random.random::<f64>() < chance;
        let intact: Vec<bool> = (0..600).map(|_| draw(0.08)).collect();
        let whole: Vec<Vec<bool>> = [0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.5]
            .iter()
            .map(|&harm| {
                let changed = intact.iter().map(|&wrong| match wrong {
                    true => !draw(0.2),
                    false => draw(harm + 0.01),
                });
                changed.collect()
            })
            .collect();
        let level = Level::P95;
        let settled =
            |wrong: &[bool]| is_settled(&intact, wrong, 1, margin, level, whole.len()).unwrap();
        let screened: Vec<Outcome> = whole
            .iter()
            .map(|wrong| {
                let looks = (LOOK..wrong.len()).step_by(LOOK);
                let end = looks.into_iter().find(|&end| settled(&wrong[..end]));
                unmeasured += end.map_or(0, |end| wrong.len() - end);
                Outcome {
                    screened: end.map(|_| Screened::Settled),
                    ..outcome(&wrong[..end.unwrap_or(wrong.len())], 1)
                }
            })
            .collect();
        let whole: Vec<Outcome> = whole.iter().map(|wrong| outcome(wrong, 1)).collect();
        let intact = outcome(&intact, 1);
        let of = |changed: &[Outcome]| {
            let changed: Vec<&Outcome> = changed.iter().collect();
            let found = verdicts(&intact, &changed, margin, level, false).unwrap();
            found.iter().map(std::mem::discriminant).collect::<Vec<_>>()
        };
        assert_eq!(of(&screened), of(&whole));
    }
    // The worst harm, at least, is settled early.
    assert!(unmeasured > 60 * 300, "{unmeasured}");
}

/// What a settled verdict rests on: the score grows with newly wrong answers and falls with newly right
/// ones, and no p-value on all examples exceeds the one before the last of them are measured.
#[test]
fn no_answers_to_come_exceed_the_p_value_of_a_partial_measurement() {
    for (examples, margin) in [(40, 0.01), (90, 0.1), (300, 0.02)] {
        let pairs = |wrong, right| Pairs::new(wrong, right, examples).unwrap();
        for wrong in 0..examples / 2 {
            for right in 0..examples / 2 {
                let score = pairs(wrong, right).score(margin);
                assert!(score < pairs(wrong + 1, right).score(margin));
                assert!(score > pairs(wrong, right + 1).score(margin));
            }
        }
        let mut random = Seed(5).stream("answers", examples as u64);
        for _ in 0..60 {
            let fewest = random.random_range(0..examples / 8);
            let at_best = pairs(
                random.random_range(0..examples / 2),
                fewest + random.random_range(0..examples / 8),
            );
            let bound = Partial { at_best, fewest }.p_at_most(margin).unwrap();
            let found = pairs(
                at_best.newly_wrong + random.random_range(0..examples / 4),
                random.random_range(fewest..=at_best.newly_right),
            );
            let p = found.test(margin).unwrap().p_at_most;
            assert!(
                p <= bound + 1e-9,
                "{found:?} {at_best:?} {margin}: {p} {bound}"
            );
        }
    }
}
