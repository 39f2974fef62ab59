//! Counts of paths, and the distribution of their lengths.

use pathscope_analysis::{PathCounts, PathPolynomial, ShareByLength};

use crate::quantity::{count, large, percent, thousands};
use crate::table::{Cell, Column, Datum, Table};

fn share(share: f64) -> Cell {
    Cell::number(percent(share).trim_end_matches(" %"), share)
}

/// `resnet-110: n = 54 blocks, k = 1, 2 layers in each function`.
pub fn heading(counts: &PathCounts) -> String {
    let blocks = counts.functions.len();
    let functions = functions(counts).map_or_else(String::new, |k| format!(", k = {k}"));
    let mut text = format!("{}: n = {blocks} blocks{functions}", counts.name);
    if let Some(layers) = counts.layers_per_module() {
        let layers = count(layers, "layer", "layers");
        text += &format!(", {layers} in each function");
    }
    if let Some(parameters) = counts.parameters {
        text += &format!(", {} parameters", thousands(parameters));
    }
    text
}

fn least_and_most(counts: &PathCounts) -> Option<(usize, usize)> {
    let functions = counts.functions.iter().copied();
    functions.clone().min().zip(functions.max())
}

/// Functions of a block: `1`, or `1 to 4` where blocks differ.
fn functions(counts: &PathCounts) -> Option<String> {
    let (least, most) = least_and_most(counts)?;
    Some(match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    })
}

/// How many configurations and paths a network has.
pub fn conventions(counts: &PathCounts) -> Table {
    let total: usize = counts.functions.iter().sum();
    let product = PathPolynomial::new(&counts.functions).map(|network| network.paths().to_string());
    let paths = match least_and_most(counts) {
        // Blocks without skips, or ways that do not all meet.
        _ if product.as_ref() != Ok(&counts.paths) => "ways through all blocks".to_owned(),
        Some((least, most)) if least == most => {
            format!("(k + 1)^n = {}^{}", least + 1, counts.functions.len())
        }
        _ => "product of 1 + k_l".to_owned(),
    };
    let mut table = Table::new(
        heading(counts),
        vec![
            Column::words("convention", "convention"),
            Column::words("formula", "formula").medium(),
            Column::number("count", "number"),
            Column::number("log10", "log10"),
        ],
    );
    let mut row = |convention: &str, formula: String, digits: &str, log10: f64| {
        table.push(vec![
            Cell::words(convention),
            Cell::words(formula),
            Cell::large(digits),
            Cell::decimals(log10, 4),
        ]);
    };
    row(
        "configurations (functions on or off)",
        format!("2^(sum of k) = 2^{total}"),
        &counts.configurations,
        counts.log10_configurations,
    );
    row(
        "paths (terms of the gradient)",
        paths,
        &counts.paths,
        counts.log10_paths,
    );
    table
}

/// What lies in the range of lengths asked about, in a sentence; none where none was.
pub fn between(counts: &PathCounts) -> Option<String> {
    let found = counts.between.as_ref()?;
    let (first, last) = (found.range.first, found.range.last);
    let layers = counts.layers_per_module().map_or_else(String::new, |each| {
        format!(" ({} to {} layers)", first * each, last * each)
    });
    Some(format!(
        "{first} to {last} blocks{layers}: {} of all paths ({} of {}), {} of all configurations",
        percent(found.share),
        large(&found.paths),
        large(&counts.paths),
        percent(found.share_of_configurations),
    ))
}

/// The distributions of path length and of the functions in a configuration.
pub fn distributions(counts: &PathCounts) -> Table {
    let mut table = Table::new(
        "Distributions",
        vec![
            Column::words("of", "distribution of"),
            Column::number("mean", "mean"),
            Column::number("standard_deviation", "deviation").medium(),
            Column::number("median", "median").medium(),
            Column::interval("shortest_95", "shortest 95 %"),
        ],
    );
    let mut row = |what: &str, found: &ShareByLength| {
        table.push(vec![
            Cell::words(what),
            Cell::significant(found.mean, 5),
            Cell::significant(found.standard_deviation, 4),
            Cell::count(found.median),
            range(found),
        ]);
    };
    row("path length in blocks", &counts.modules.law);
    row("path length in layers", &counts.layers.law);
    if let Some(law) = &counts.factor_law {
        row("path length in blocks, by factors", law);
    }
    row("functions in a configuration", &counts.configuration_law);
    table
}

/// Both ends of the shortest range with 95 %.
fn range(found: &ShareByLength) -> Cell {
    let (first, last) = (found.shortest_95.first, found.shortest_95.last);
    Cell {
        text: format!("{first} to {last}"),
        values: vec![Datum::Integer(first as u64), Datum::Integer(last as u64)],
    }
}

/// Paths and configurations by length in blocks; lengths are left out whose share is below `least`
/// in both.
pub fn lengths(counts: &PathCounts, least: f64) -> Table {
    let each = counts.layers_per_module();
    let mut columns = vec![Column::number("length", "length").unit("blocks")];
    columns.extend(each.map(|_| Column::number("layers", "length").unit("layers").low()));
    columns.extend([
        Column::number("paths", "paths").high(),
        Column::number("share_of_paths", "of all paths").unit("%"),
        Column::number("cumulated_share", "up to here").unit("%"),
        Column::number("share_of_configurations", "of all configurations").unit("%"),
    ]);
    let mut table = Table::new("Paths by length", columns);
    let (paths, both) = (&counts.modules.law.shares, &counts.configuration_law.shares);
    let (mut sum, mut left_out) = (0.0, 0);
    for length in 0..paths.len().max(both.len()) {
        // A path takes one function of a block at most, a configuration may take all.
        let (of_paths, of_configurations) = (paths.get(length), both.get(length));
        let [here, configurations] =
            [of_paths, of_configurations].map(|share| share.copied().unwrap_or_default());
        sum += here;
        if here.max(configurations) < least {
            left_out += 1;
            continue;
        }
        let written = counts.modules.counts.as_ref();
        let number = match written.and_then(|counts| counts.get(length)) {
            Some(digits) => Cell::large(digits),
            None if of_paths.is_none() => Cell::large("0"),
            None => {
                let log10 = counts.log10_paths + here.log10();
                Cell::number(format!("10^{log10:.2}"), 10f64.powf(log10))
            }
        };
        let mut cells = vec![Cell::count(length)];
        cells.extend(each.map(|each| match of_paths {
            Some(_) => Cell::count(length * each),
            None => Cell::missing(),
        }));
        cells.extend([
            number,
            share(here),
            share(sum.min(1.0)),
            share(configurations),
        ]);
        table.push(cells);
    }
    note_left_out(&mut table, left_out, least);
    table
}

/// Paths by length in layers; lengths are left out whose share is below `least`.
pub fn layers(counts: &PathCounts, least: f64) -> Table {
    let mut table = Table::new(
        "Paths by length in layers (skips with convolutions add to it)",
        vec![
            Column::number("layers", "length").unit("layers"),
            Column::number("paths", "paths"),
            Column::number("share_of_paths", "of all paths").unit("%"),
        ],
    );
    let mut left_out = 0;
    for (length, &here) in counts.layers.law.shares.iter().enumerate() {
        if here < least {
            left_out += 1;
            continue;
        }
        let written = counts.layers.counts.as_ref();
        let digits = written.and_then(|counts| counts.get(length));
        table.push(vec![
            Cell::count(length),
            digits.map_or_else(Cell::missing, |digits| Cell::large(digits)),
            share(here),
        ]);
    }
    note_left_out(&mut table, left_out, least);
    table
}

fn note_left_out(table: &mut Table, left_out: usize, least: f64) {
    if left_out > 0 {
        table.notes.push(format!(
            "{left_out} lengths with less than {} of all are left out",
            percent(least)
        ));
    }
}

/// Several networks side by side.
pub fn networks(networks: &[PathCounts]) -> Option<Table> {
    let asked = networks.iter().find_map(|counts| counts.between.as_ref());
    let mut columns = vec![
        Column::words("network", "network"),
        Column::number("n", "n"),
        Column::words("k", "k"),
        Column::number("parameters", "parameters").medium(),
        Column::number("relative_parameters", "to the first")
            .unit("%")
            .low(),
        Column::number("log10_configurations", "log10 configurations").low(),
        Column::number("log10_paths", "log10 paths"),
        Column::number("mean_length", "mean length").unit("blocks"),
        Column::interval("shortest_95", "95 % of paths").unit("blocks"),
    ];
    columns.extend(asked.map(|between| {
        let range = between.range;
        let heading = format!("{} to {} blocks", range.first, range.last);
        Column::number("share_between", heading).unit("%")
    }));
    let mut table = Table::new("Networks", columns);
    let first = networks.first().and_then(|counts| counts.parameters);
    for counts in networks {
        let ratio = counts.parameters.zip(first);
        let found = &counts.modules.law;
        let mut cells = vec![
            Cell::words(&counts.name),
            Cell::count(counts.functions.len()),
            functions(counts).map_or_else(Cell::missing, Cell::words),
            counts
                .parameters
                .map_or_else(Cell::missing, Cell::thousands),
            ratio.map_or_else(Cell::missing, |(here, first)| {
                let change = here as f64 / first as f64 - 1.0;
                Cell::number(format!("{:+.1}", 100.0 * change), change)
            }),
            Cell::decimals(counts.log10_configurations, 2),
            Cell::decimals(counts.log10_paths, 2),
            Cell::significant(found.mean, 4),
            range(found),
        ];
        cells.extend(asked.map(|_| {
            let found = counts.between.as_ref();
            found.map_or_else(Cell::missing, |found| share(found.share))
        }));
        table.push(cells);
    }
    table.notes = vec![
        "parameters for CIFAR-10 (3 channels, 10 classes), unless a model file has its own".into(),
    ];
    table.unless_empty()
}
