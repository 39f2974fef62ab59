//! The tables of the paper against the networks and recipes that are built for their rows.

use pathscope::training::{PaperTable, QuotedRow, Recipe};

/// The printed number of parameters, and half a unit of its last digit.
fn printed(parameters: &str) -> (f64, f64) {
    let digits = parameters.strip_suffix('M').unwrap();
    let decimals = digits.split_once('.').map_or(0, |(_, after)| after.len());
    let value: f64 = digits.parse().unwrap();
    (value * 1e6, 0.5e6 * 0.1_f64.powi(decimals as i32))
}

/// The paper's figure is that of the network here, rounded. Seven are not: the networks of Table II follow
/// from the authors' code, where 14 blocks do not divide by three; Zagoruyko & Komodakis (arXiv
/// 1605.07146) print 8.9M for 40-4; and 72M is cut off instead of rounded.
#[test]
fn parameters_are_those_of_the_paper() {
    let (mut differing, mut equal) = (Vec::new(), 0);
    let tables = PaperTable::all().unwrap();
    for row in tables.iter().flat_map(|table| &table.rows) {
        let here = row.parameters_here().unwrap();
        let (Some(quoted), Some(here)) = (&row.parameters, here) else {
            continue;
        };
        let (value, half) = printed(quoted);
        if (here as f64 - value).abs() <= half {
            equal += 1;
            continue;
        }
        let QuotedRow { method, depth, .. } = row;
        let (depth, k) = (depth.unwrap(), row.k.unwrap());
        differing.push(format!("{method}-{depth} k={k}: {quoted}, here {here}"));
    }
    let known = [
        "multi-resnet-8 k=4: 0.29M, here 297146",
        "multi-resnet-20 k=4: 1.0M, here 1074874",
        "multi-resnet-30 k=4: 1.7M, here 1556666",
        "pre-resnet-1001 k=1: 10.2M, here 10327706",
        "stoch-depth-1001 k=1: 10.2M, here 10328602",
        "wide-resnet-40 k=1: 8.7M, here 8949210",
        "multi-resnet-26 k=2: 72M, here 72690714",
    ];
    assert_eq!(differing, known);
    assert_eq!(equal, 21);
}

/// Networks that the paper names or is about, but prints no parameters of: those of their authors.
#[test]
fn parameters_are_those_of_other_authors() {
    for (name, millions, half) in [
        // Xie et al., arXiv 1611.05431, Table 7.
        ("resnext29-8x64d-cifar10", 34.4, 0.05),
        // Huang et al., arXiv 1608.06993, Table 2.
        ("densenet-bc100x12-cifar10", 0.8, 0.05),
    ] {
        let recipe = Recipe::named(name).unwrap();
        let found = recipe.architecture.parameters(recipe.data).unwrap() as f64 / 1e6;
        assert!((found - millions).abs() <= half, "{name}: {found} M");
    }
}

#[test]
fn rows_are_as_long_as_their_table_and_agree_with_their_recipes() {
    let tables = PaperTable::all().unwrap();
    let lengths: Vec<(&str, usize)> = tables
        .iter()
        .map(|table| (table.number.as_str(), table.rows.len()))
        .collect();
    assert_eq!(
        lengths,
        [("I", 4), ("II", 6), ("III", 24), ("IV", 4), ("V", 12)]
    );
    let mut quoted_by_a_recipe = Vec::new();
    for table in &tables {
        for row in &table.rows {
            assert_eq!(row.results.len(), table.results.len(), "{row:?}");
            assert!(
                row.recipes.is_empty() || row.architecture.is_none(),
                "{row:?}"
            );
            for (name, result) in row.recipes.iter().zip(&row.results) {
                let recipe = Recipe::named(name).unwrap();
                let quoted = recipe.paper.clone().unwrap();
                assert!(row.k.is_none_or(|k| k == recipe.architecture.k), "{name}");
                if quoted.table != table.number {
                    continue;
                }
                assert!(
                    result.starts_with(&format!("{:.2}", quoted.error)),
                    "{name}: {result}"
                );
                if let (Some(mean), Some(deviation)) = (quoted.mean, quoted.deviation) {
                    let printed = format!("({mean:.2} +- {deviation:.2})");
                    assert!(result.ends_with(&printed), "{name}: {result}");
                }
                quoted_by_a_recipe.push(name.clone());
            }
        }
    }
    // Every recipe that quotes the paper stands in the table that it names.
    for name in Recipe::names() {
        let quotes = Recipe::named(name).unwrap().paper.is_some();
        assert_eq!(
            quotes,
            quoted_by_a_recipe.iter().any(|known| known == name),
            "{name}"
        );
    }
}
