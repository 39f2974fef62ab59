use pathscope_analysis::record::Outcome;

use super::*;
use crate::error_rate::difference;
use crate::table::{Cell, Line, LineKind, Mark};
use crate::test_support;

fn answers(journal: &Journal) -> Vec<(String, String)> {
    let found = findings(journal, 0.95);
    found.into_iter().map(|f| (f.question, f.answer)).collect()
}

#[test]
fn every_kind_answers_with_intervals() {
    let lesions = answers(&test_support::lesions());
    let orders = answers(&test_support::reorderings());
    let gradient = answers(&test_support::spectrum());
    assert_eq!(lesions.len(), 3);
    assert_eq!(
        lesions[0].0,
        "What does disabling one block cost (deleted)?"
    );
    assert!(orders[1].0.contains("commuting"), "{orders:?}");
    for ((_, answer), words) in [
        (&lesions[0], "Disabling block 0 (layer1.0) costs most"),
        (&lesions[0], "95 % interval"),
        (&lesions[0], "Of 9 single lesions, "),
        (&lesions[1], " with 8 (mean of 5 draws, 95 % interval "),
        (&lesions[2], "of 36 pairs"),
        (&orders[0], "the rank correlation of error with tau is -"),
        (
            &gradient[0],
            "multiplies the norm of its gradient by rho = 0.4",
        ),
        (&gradient[0], "95 % intervals over 4 mini-batches"),
    ] {
        assert!(answer.contains(words), "{answer}");
    }
}

#[test]
fn a_difference_is_that_of_the_counts() {
    let journal = test_support::lesions();
    let outcomes = journal.outcomes();
    let (intact, worst) = (outcomes[0], outcomes[1]);
    let (points, interval) = difference(intact, worst).unwrap();
    let expected = 100.0 * (worst.errors as f64 - intact.errors as f64) / 400.0;
    assert!((points - expected).abs() < 1e-9);
    assert!(interval.contains(points) && interval.lower > 0.0);
}

/// Every table fits 80 columns without a wrapped row, and has its values in every file format.
#[test]
fn every_table_fits_80_columns() {
    for journal in test_support::study() {
        let tables = view(&journal, 0.95).tables;
        assert!(!tables.is_empty());
        for table in tables {
            let lines = table.lines(80);
            let is_row = |line: &&Line| matches!(line.kind, LineKind::Row(_));
            let rows = lines.iter().filter(is_row);
            assert_eq!(rows.count(), table.rows.len(), "{}", table.text(80));
            for line in &lines {
                assert!(line.text.chars().count() <= 80, "{}", table.text(80));
            }
            assert_eq!(table.csv().unwrap().lines().count(), table.rows.len() + 1);
            let json: serde_json::Value = serde_json::from_str(&table.json().unwrap()).unwrap();
            assert_eq!(json.as_array().unwrap().len(), table.rows.len());
            assert!(table.markdown().lines().count() >= table.rows.len() + 4);
        }
    }
}

#[test]
fn the_table_of_lesions_is_golden_at_80_and_120_columns() {
    let journal = test_support::lesions();
    let tables = lesion::tables(&journal.header, &journal.outcomes());
    golden("lesions-80.txt", &tables[0].text(80));
    golden("lesions-120.txt", &tables[0].text(120));
    golden("lesions.csv", &tables[0].csv().unwrap());
    let journal = test_support::spectrum();
    let summary = summarize(&journal.header, &journal.spectra(), 0.95).unwrap();
    let lengths = spectrum::lengths(&journal.header, &summary, 5e-5).unwrap();
    golden("lengths-80.txt", &lengths.text(80));
    golden("lengths-120.txt", &lengths.text(120));
}

fn golden(name: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("view/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        text, expected,
        "{name}; UPDATE_GOLDEN=1 accepts it:\n{text}"
    );
}

#[test]
fn what_a_reader_of_the_csv_needs_is_there() {
    let journal = test_support::lesions();
    let outcomes = journal.outcomes();
    let singles: Vec<&Outcome> = outcomes[1..3].to_vec();
    let shown = outcome::Shown::default();
    let table = outcome::table(&journal.header, "two", Some(outcomes[0]), &singles, shown);
    let table = table.unwrap();
    let csv = table.csv().unwrap();
    let header = csv.lines().next().unwrap();
    for field in [
        "block",
        "error,error_lower,error_upper",
        "difference_points,difference_points_lower,difference_points_upper",
        "p,newly_wrong,newly_right",
    ] {
        assert!(header.contains(field), "{header}");
    }
    let error = table.column("error").unwrap();
    let cells: Vec<&Cell> = table.rows.iter().map(|row| &row.cells[error]).collect();
    assert_eq!(cells[0].number_value(), Some(singles[0].error()));
    assert_eq!(table.rows[0].mark, Some(Mark::Significant));
}
