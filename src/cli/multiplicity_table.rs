//! Counts and laws of paths as tables.

use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::{PathCounts, PathsByLength, ShareByLength};

use super::Problem;
use super::terminal::Terminal;
use crate::report::quantity::{percent, significant, thousands};

/// Digits beyond which numbers are told by their logarithm alone.
const READABLE: usize = 24;

/// Lengths whose share is below this are left out, unless all are asked for.
const SHOWN: f64 = 1e-6;

/// Prints both conventions and the laws of each network, and the networks side by side.
///
/// # Errors
/// A closed output.
pub(super) fn print(
    networks: &[PathCounts],
    full: bool,
    terminal: &Terminal,
) -> Result<(), Problem> {
    let mut parts = Vec::new();
    if networks.len() > 1 {
        parts.push(side_by_side(networks));
        for counts in networks {
            parts.push(format!("{}\n{}", heading(counts), conventions(counts)));
        }
        return terminal.result(&parts.join("\n\n"));
    }
    for counts in networks {
        parts.push(format!("{}\n{}", heading(counts), conventions(counts)));
        parts.extend(between(counts));
        parts.push(laws(counts));
        parts.push(lengths(counts, full));
        if counts.layers_per_module().is_none() {
            let title = "Skips with convolutions make lengths in layers a law of their own:";
            parts.push(format!("{title}\n{}", layers(&counts.layers, full)));
        }
    }
    terminal.result(&parts.join("\n\n"))
}

fn heading(counts: &PathCounts) -> String {
    let blocks = counts.functions.len();
    let functions = match (counts.functions.iter().min(), counts.functions.iter().max()) {
        (Some(least), Some(most)) if least == most => format!("k = {least}"),
        (Some(least), Some(most)) => format!("k = {least} to {most}"),
        _ => String::new(),
    };
    let mut text = format!("{}: n = {blocks} blocks, {functions}", counts.name);
    if let Some(layers) = counts.layers_per_module() {
        text += &format!(", {layers} layers in each function");
    }
    if let Some(parameters) = counts.parameters {
        text += &format!(", {} parameters", thousands(parameters));
    }
    text
}

fn conventions(counts: &PathCounts) -> String {
    let total: usize = counts.functions.iter().sum();
    let equal = counts.functions.windows(2).all(|pair| pair[0] == pair[1]);
    let paths = match counts.functions.first() {
        Some(functions) if equal => {
            format!("(k + 1)^n = {}^{}", functions + 1, counts.functions.len())
        }
        _ => "product of 1 + k_l".to_owned(),
    };
    let mut table = table(["convention", "formula", "number", "log10"]);
    table.add_row([
        "configurations (functions on or off)".to_owned(),
        format!("2^(sum of k) = 2^{total}"),
        readable(&counts.configurations),
        format!("{:.4}", counts.log10_configurations),
    ]);
    table.add_row([
        "paths (terms of the gradient)".to_owned(),
        paths,
        readable(&counts.paths),
        format!("{:.4}", counts.log10_paths),
    ]);
    table.to_string()
}

fn between(counts: &PathCounts) -> Option<String> {
    let found = counts.between.as_ref()?;
    let (first, last) = (found.range.first, found.range.last);
    let layers = counts.layers_per_module().map_or_else(String::new, |each| {
        format!(" ({} to {} layers)", first * each, last * each)
    });
    Some(format!(
        "{first} to {last} modules{layers}: {} of all paths ({} of {}), {} of all configurations",
        percent(found.share),
        readable(&found.paths),
        readable(&counts.paths),
        percent(found.share_of_configurations),
    ))
}

fn laws(counts: &PathCounts) -> String {
    let mut table = table(["law of", "mean", "deviation", "median", "shortest 95 %"]);
    let mut row = |what: &str, law: &ShareByLength| {
        table.add_row([
            what.to_owned(),
            significant(law.mean, 5),
            significant(law.standard_deviation, 4),
            law.median.to_string(),
            format!("{} to {}", law.shortest_95.first, law.shortest_95.last),
        ]);
    };
    row("path length in modules", &counts.modules.law);
    row("path length in layers", &counts.layers.law);
    row("functions in a configuration", &counts.configuration_law);
    table.to_string()
}

fn lengths(counts: &PathCounts, full: bool) -> String {
    let each = counts.layers_per_module();
    let mut table = table([
        "modules",
        "layers",
        "paths",
        "of all paths",
        "up to here",
        "of all configurations",
    ]);
    let (paths, both) = (&counts.modules.law.shares, &counts.configuration_law.shares);
    let mut sum = 0.0;
    let mut left_out = 0;
    for length in 0..paths.len().max(both.len()) {
        let share = paths.get(length).copied().unwrap_or(0.0);
        let of_configurations = both.get(length).copied().unwrap_or(0.0);
        sum += share;
        if !full && share.max(of_configurations) < SHOWN {
            left_out += 1;
            continue;
        }
        let written = counts.modules.counts.as_ref();
        let number = match written.and_then(|counts| counts.get(length)) {
            Some(count) => readable(count),
            None if length >= paths.len() => "0".into(),
            None => power(counts.log10_paths + share.log10()),
        };
        table.add_row([
            length.to_string(),
            each.filter(|_| length < paths.len())
                .map_or_else(String::new, |each| (length * each).to_string()),
            number,
            percent(share),
            percent(sum.min(1.0)),
            percent(of_configurations),
        ]);
    }
    with_remark(&table, left_out)
}

fn layers(counts: &PathsByLength, full: bool) -> String {
    let mut table = table(["layers", "paths", "of all paths"]);
    let mut left_out = 0;
    for (length, share) in counts.law.shares.iter().enumerate() {
        if !full && *share < SHOWN {
            left_out += 1;
            continue;
        }
        let written = counts.counts.as_ref();
        let number = written.and_then(|counts| counts.get(length));
        table.add_row([
            length.to_string(),
            number.map_or_else(String::new, |count| readable(count)),
            percent(*share),
        ]);
    }
    with_remark(&table, left_out)
}

fn with_remark(table: &Table, left_out: usize) -> String {
    let mut text = table.to_string();
    if left_out > 0 {
        text += &format!(
            "\n{left_out} lengths with less than {} of all are left out; --full shows them",
            percent(SHOWN)
        );
    }
    text
}

fn side_by_side(networks: &[PathCounts]) -> String {
    let asked = networks.iter().find_map(|counts| counts.between.as_ref());
    let range = asked.map(|between| between.range);
    let mut titles = vec![
        "network".to_owned(),
        "n".into(),
        "k".into(),
        "parameters".into(),
        "to the first".into(),
        "log10 configurations".into(),
        "log10 paths".into(),
        "mean modules".into(),
        "95 % of paths".into(),
    ];
    titles.extend(range.map(|range| format!("{} to {} modules", range.first, range.last)));
    let mut table = table(titles);
    let first = networks.first().and_then(|counts| counts.parameters);
    for counts in networks {
        let (least, most) = (counts.functions.iter().min(), counts.functions.iter().max());
        let k = match (least, most) {
            (Some(least), Some(most)) if least == most => least.to_string(),
            (Some(least), Some(most)) => format!("{least} to {most}"),
            _ => String::new(),
        };
        let ratio = counts.parameters.zip(first);
        let law = &counts.modules.law;
        let mut row = vec![
            counts.name.clone(),
            counts.functions.len().to_string(),
            k,
            counts.parameters.map_or_else(String::new, thousands),
            ratio.map_or_else(String::new, |(here, first)| {
                format!("{:+.1} %", 100.0 * (here as f64 / first as f64 - 1.0))
            }),
            format!("{:.2}", counts.log10_configurations),
            format!("{:.2}", counts.log10_paths),
            significant(law.mean, 4),
            format!("{} to {}", law.shortest_95.first, law.shortest_95.last),
        ];
        row.extend(counts.between.as_ref().map(|found| percent(found.share)));
        table.add_row(row);
    }
    format!(
        "{table}\nparameters for CIFAR-10 (3 channels, 10 classes), unless a model file has its own"
    )
}

/// A decimal number with separators, or as a power of ten.
fn readable(number: &str) -> String {
    if number.len() > READABLE {
        let leading = number
            .get(..15)
            .and_then(|digits| digits.parse::<f64>().ok());
        return leading.map_or_else(String::new, |digits| {
            power(digits.log10() + (number.len() - 15) as f64)
        });
    }
    let mut out = String::new();
    for (place, digit) in number.chars().enumerate() {
        if place > 0 && (number.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.80e16`.
fn power(log10: f64) -> String {
    if !log10.is_finite() {
        return "0".into();
    }
    let (mantissa, exponent) = (10f64.powf(log10 - log10.floor()), log10.floor());
    format!("{mantissa:.3}e{exponent}")
}

fn table<T: Into<comfy_table::Row>>(titles: T) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(titles);
    for (index, column) in table.column_iter_mut().enumerate() {
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
