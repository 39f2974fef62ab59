//! Every picture against the drawing that is kept in `tests/golden`.
//!
//! After a change that is wanted, `UPDATE_GOLDEN=1 cargo test --release golden` rewrites them;
//! look at them before they are committed.

use std::fs;
use std::path::{Path, PathBuf};

use pathscope_analysis::record::{EpochRecord, Evaluation, FamilyMember};
use pathscope_analysis::{BlockPaths, LengthRange, PathCounts};

use super::{KINDS, pictures_of};
use crate::{PathCountsFile, Picture, Source, Theme, TrainingLog, test_support};

fn log(name: &str, slower: f64) -> Source {
    let epoch = |epoch: usize| {
        let share = 0.06 + 0.6 * (-(epoch as f64) / (4.0 * slower)).exp();
        EpochRecord {
            epoch,
            loss: 2.3 * share,
            errors: (1_000.0 * share) as usize,
            examples: 1_000,
            learning_rate: 0.1,
            seconds: 60.0,
            images_per_second: 100.0,
            validation: Some(Evaluation {
                loss: 1.0,
                errors: (200.0 * share + 5.0) as usize,
                examples: 200,
            }),
        }
    };
    Source::Training(TrainingLog {
        name: name.into(),
        epochs: (0..20).map(epoch).collect(),
        member: None,
    })
}

fn counts() -> Source {
    let count = |name: &str, blocks: usize, functions: usize| {
        let block = BlockPaths::new(Some(0), vec![2; functions]);
        let range = Some(LengthRange { first: 5, last: 17 });
        PathCounts::new(name, vec![block; blocks], None, range).unwrap()
    };
    Source::PathCounts(PathCountsFile::new(vec![
        count("preresnet-110", 54, 1),
        count("multi-resnet-30 k=4", 14, 4),
    ]))
}

fn family() -> Source {
    let member = |depth: usize, k: usize, size: u64, errors: usize, seed: u64| FamilyMember {
        depth,
        k,
        parameters: size * 1_000,
        errors: errors + 3 * seed as usize,
        examples: 1_000,
        seed,
    };
    let designs = [
        (24, 1, 290, 77),
        (68, 1, 1_000, 63),
        (110, 1, 1_700, 60),
        (8, 4, 290, 93),
        (20, 4, 1_010, 61),
        (30, 4, 1_690, 56),
    ];
    let runs = designs.into_iter().flat_map(|(depth, k, size, errors)| {
        (0..3).map(move |seed| member(depth, k, size, errors, seed))
    });
    Source::Family(runs.collect())
}

/// Results of the made-up network, and of deeper ones with the same spectrum for the family.
pub(super) fn sources() -> Vec<Source> {
    vec![
        Source::Results(Box::new(test_support::lesions())),
        Source::Results(Box::new(test_support::reorderings())),
        Source::Results(Box::new(test_support::spectrum())),
        Source::Results(Box::new(test_support::distances(9))),
        log("full", 1.0),
        log("restricted", 1.3),
        counts(),
        family(),
    ]
}

fn golden(picture: &Picture, theme: Theme) -> PathBuf {
    let dark = if theme == Theme::Dark { "-dark" } else { "" };
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join("tests/golden")
        .join(format!("{}{dark}.svg", picture.kind))
}

#[test]
fn golden_pictures_are_drawn_as_they_were() {
    let pictures = pictures_of(&sources(), 0.95).unwrap();
    let mut kinds: Vec<&str> = pictures.iter().map(|picture| picture.kind).collect();
    kinds.sort_unstable();
    // The others take several files or a study.
    let mut expected = KINDS.to_vec();
    expected.retain(|kind| !["removal", "scaling", "veit"].contains(kind));
    assert_eq!(kinds, expected);
    let mut differing = Vec::new();
    for picture in &pictures {
        let mut themes = vec![Theme::Light];
        if ["distance", "lesion", "synergy"].contains(&picture.kind) {
            themes.push(Theme::Dark);
        }
        for theme in themes {
            let svg = picture.svg(theme).unwrap();
            let file = golden(picture, theme);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, &svg).unwrap();
            }
            if fs::read_to_string(&file).unwrap_or_default() != svg {
                differing.push(file.display().to_string());
            }
        }
    }
    assert!(differing.is_empty(), "differ: {}", differing.join(", "));
}

#[test]
fn every_picture_has_a_text_alternative_and_words_as_words() {
    for picture in pictures_of(&sources(), 0.95).unwrap() {
        let svg = picture.svg(Theme::Light).unwrap();
        assert!(svg.starts_with("<svg"), "{}", picture.kind);
        for part in [
            "role=\"img\"",
            "aria-labelledby=",
            "<title id=",
            "<desc id=",
            "<text",
        ] {
            assert!(svg.contains(part), "{}: {part}", picture.kind);
        }
        assert!(picture.description.len() > 60, "{}", picture.description);
    }
}
