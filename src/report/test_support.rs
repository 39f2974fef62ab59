//! Results of a made-up network for tests: the right kinds and sizes, no measurement.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pathscope_analysis::record::*;
use pathscope_analysis::{OrderSpace, PathPolynomial, Seed};
use rand::RngExt;

use super::run::Run;

const BLOCKS: usize = 9;
const EXAMPLES: usize = 400;

/// A header for nine blocks, two of which change the shape.
pub fn header(options: Options) -> Header {
    let experiment = options.experiment();
    let block = |index: usize| BlockIdentity {
        name: format!("layer{}.{}", index / 3 + 1, index % 3),
        functions: 1,
        orders: Vec::new(),
        without_skip: false,
        passages: Vec::new(),
        layers: 2,
        shape: format!("{0}x{1}x{1}", 16 << (index / 3), 32 >> (index / 3)),
        changes_shape: index == 3 || index == 6,
    };
    Header {
        schema: SCHEMA_VERSION,
        pathscope: "0.1.0".into(),
        options,
        command: vec![experiment.into(), "model & <co>.safetensors".into()],
        model: ModelIdentity {
            title: "resnet20 <made up>".into(),
            hash: "ab".repeat(32),
            blocks: (0..BLOCKS).map(block).collect(),
            parameters: 270_896,
            multiply_adds: 40_813_184,
        },
        data: DataIdentity {
            description: "made-up examples".into(),
            hash: "cd".repeat(32),
            examples: EXAMPLES,
            positions: 1,
            classes: 10,
        },
        audit: None,
        seed: 0,
        shard: None,
    }
}

/// The line that a log of a training begins with.
pub const TRAINING: &str = r#"{"record":"header","schema":1,"version":"0.1.0","command":"pathscope train","recipe":{"architecture":{"depth":14,"k":2}},"seed":3,"source":{"place":"data","validation":0,"limit":null},"data_hash":"","examples":100,"parameters":77,"threads":1,"device":"cpu"}"#;

/// A line of an epoch in such a log, with more fields at its end.
pub fn epoch(epoch: usize, errors: usize, more: &str) -> String {
    format!(
        r#"{{"record":"epoch","epoch":{epoch},"loss":2.0,"errors":{errors},"examples":100,"learning_rate":0.1,"seconds":1.0,"images_per_second":9.0{more}}}"#
    )
}

fn outcome(key: String, change: Change, draw: Option<u64>, harm: f64) -> Outcome {
    let mut stream = Seed(7).stream(&key, 0);
    // The same examples are the hard ones, so that outcomes are correlated as real ones are.
    let wrong: Vec<bool> = (0..EXAMPLES)
        .map(|example| {
            let hardness = (example * 7_919 % EXAMPLES) as f64 / EXAMPLES as f64;
            hardness + 0.1 * stream.random::<f64>() > 1.0 - 0.85 * harm
        })
        .collect();
    let errors = wrong.iter().filter(|&&wrong| wrong).count();
    Outcome {
        key,
        change,
        draw,
        errors,
        examples: EXAMPLES,
        positions: 1,
        loss: 0.2 + 3.0 * harm,
        margin: 5.0 - 8.0 * harm,
        errors_by_class: vec![errors / 10; 10],
        wrong: WrongExamples::new(&wrong),
        paths: "256".into(),
        parameters: 250_000,
        multiply_adds: 36_000_000,
        screened: None,
    }
}

fn deletion(blocks: Vec<usize>, draw: Option<u64>) -> Outcome {
    let harm = |&block: &usize| match block {
        0 => 0.5,
        3 | 6 => 0.3,
        _ => 0.02 + 0.01 * block as f64,
    };
    let total: f64 = blocks.iter().map(harm).sum::<f64>() * (1.0 + 0.05 * blocks.len() as f64);
    let key = format!("delete {blocks:?} {draw:?}");
    let change = Change::Lesion(Lesion {
        blocks,
        functions: Vec::new(),
        kind: LesionKind::Delete,
        batch_norm: BatchNormStatistics::Frozen,
        random_weights: false,
    });
    outcome(key, change, draw, (0.07 + total).min(0.9))
}

fn journal(options: Options, records: Vec<Record>) -> Journal {
    Journal {
        path: PathBuf::from(format!("{}.jsonl", options.experiment())),
        header: header(options),
        records,
    }
}

fn intact() -> Outcome {
    outcome("intact".into(), Change::Intact, None, 0.07)
}

/// A run with these results.
pub fn run(journals: impl Into<Vec<Journal>>) -> Run {
    Run {
        journals: journals.into(),
        ..Run::default()
    }
}

/// Results of every kind that a study holds.
pub fn study() -> [Journal; 3] {
    [lesions(), reorderings(), spectrum()]
}

/// Every block deleted, every pair, and random sets.
pub fn lesions() -> Journal {
    let mut outcomes = vec![intact()];
    outcomes.extend((0..BLOCKS).map(|block| deletion(vec![block], None)));
    for first in 0..BLOCKS {
        outcomes.extend((first + 1..BLOCKS).map(|second| deletion(vec![first, second], None)));
    }
    for count in 1..=8 {
        for draw in 0..5 {
            let mut stream = Seed(3).stream("sets", count * 10 + draw);
            let mut blocks: Vec<usize> = (0..BLOCKS).collect();
            while blocks.len() > count as usize {
                blocks.remove(stream.random_range(0..blocks.len()));
            }
            outcomes.push(deletion(blocks, Some(draw)));
        }
    }
    let options = Options::Lesion(LesionSettings {
        batch_norm: BatchNormStatistics::Frozen,
        calibration: "cd".repeat(32),
        kind: LesionKind::Delete,
        normalization: InputNormalization::default(),
        random_weights: false,
        screen: None,
        stop_at: None,
        until: None,
    });
    journal(options, outcomes.into_iter().map(Record::Outcome).collect())
}

/// Distances between the depths of so many blocks in three stages, larger where more blocks lie
/// between them.
pub fn distances(blocks: usize) -> Journal {
    // The input of the first block of a stage has the shape of the stage before.
    let stage = |depth: usize| depth.saturating_sub(1) * 3 / blocks;
    let pairs = (0..=blocks).flat_map(|first| {
        let later = (first + 1..=blocks).map(move |second| (first, second));
        later.filter(move |&(first, second)| stage(first) == stage(second))
    });
    let records = pairs.map(|(first, second)| {
        let between = (second - first) as f64;
        Record::Distance(Distance {
            key: format!("distance {first},{second}"),
            first,
            second,
            distance: 0.5 - 0.42 * (-0.2 * between / (1.0 + 0.1 * first as f64)).exp(),
            standard_error: 0.001 * between,
            examples: EXAMPLES,
        })
    });
    let mut journal = Journal {
        records: records.collect(),
        ..lesions()
    };
    let known = journal.header.model.blocks;
    journal.header.model.blocks = known.into_iter().cycle().take(blocks).collect();
    journal
}

/// Random orders within classes, and commutators.
pub fn reorderings() -> Journal {
    let space = OrderSpace::new(&[0, 0, 0, 1, 2, 2, 3, 4, 4]).unwrap();
    let mut records = vec![Record::Outcome(intact())];
    for swaps in 1..6 {
        for draw in 0..4 {
            let mut stream = Seed(5).stream("swaps", swaps * 10 + draw);
            let order = space.random_swaps(swaps as usize, &mut stream).unwrap();
            let tau = order.kendall_tau();
            let change = Change::Reordering(Reordering {
                order: order.as_slice().to_vec(),
                method: ReorderMethod::Swaps {
                    swaps: swaps as usize,
                },
                kendall_tau: tau,
            });
            let key = format!("{swaps} swaps, draw {draw}");
            let harm = 0.07 + 0.8 * (1.0 - tau);
            records.push(Record::Outcome(outcome(key, change, Some(draw), harm)));
        }
    }
    for first in 0..3usize {
        records.extend((first + 1..3).map(|second| {
            Record::Commutator(Commutator {
                key: format!("commutator {first} {second}"),
                first,
                second,
                norm: 3.0 + first as f64,
                relative: 0.2 + 0.1 * second as f64,
                examples: EXAMPLES,
            })
        }));
    }
    let normalization = InputNormalization::default();
    journal(Options::Reorder(ReorderSettings { normalization }), records)
}

/// Four mini-batches whose paths fall by 0.4 a function.
pub fn spectrum() -> Journal {
    let counts = PathPolynomial::uniform(BLOCKS, 1).unwrap().counts();
    let paths: Vec<String> = counts.iter().map(ToString::to_string).collect();
    let number: Vec<f64> = paths.iter().map(|paths| paths.parse().unwrap()).collect();
    let per_length = |value: &dyn Fn(usize, f64) -> f64, batch: usize| {
        let by_example: Vec<Vec<f64>> = (0..8)
            .map(|example| {
                let size = 1.0 + 0.1 * ((batch * 8 + example) * 37 % 11) as f64;
                (0..=BLOCKS).map(|length| value(length, size)).collect()
            })
            .collect();
        let mean = (0..=BLOCKS)
            .map(|length| by_example.iter().map(|row| row[length]).sum::<f64>() / 8.0)
            .collect();
        PerLength {
            mean,
            standard_error: None,
            by_example,
        }
    };
    let records = (0..4).map(|batch| {
        let norm = |length: usize, size: f64| size * 0.4f64.powi(length as i32);
        let summed = |l: usize, size: f64| {
            norm(l, size) * number[l].powf(0.6) * (1.0 + 0.02 * (l * batch) as f64)
        };
        let squares = |l: usize, size: f64| norm(l, size).powi(2) * number[l];
        Record::Spectrum(Spectrum {
            key: format!("batch {batch}"),
            batch,
            examples: 8,
            paths: paths.clone(),
            measures: BTreeMap::from([
                (Measure::Coherent, per_length(&summed, batch)),
                (Measure::Energy, per_length(&squares, batch)),
                (Measure::Sampled, per_length(&norm, batch)),
            ]),
            sum_check: Some(3e-7),
            gradient: vec![1.0; 8],
            graded: Vec::new(),
        })
    });
    let options = Options::GradientSpectrum(SpectrumSettings {
        at: GradientPoint::Input,
        batches: 4,
        bits: 32,
        examples: 8,
        grading: None,
        longest: None,
        loss: Loss::CrossEntropy,
        measures: BTreeMap::from([(Measure::Coherent, 1), (Measure::Energy, 5)]),
        normalization: InputNormalization::default(),
        record_paths: false,
    });
    journal(options, records.collect())
}
