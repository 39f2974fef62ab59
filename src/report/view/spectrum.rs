//! The gradient by path length.

use std::f64::consts::LN_10;

use pathscope_analysis::Interval;
use pathscope_analysis::record::{Header, Spectrum};

use super::finding::Finding;
use crate::gradient::{GradientSummary, decay_shape};
use crate::lesions::layers_per_block;
use crate::quantity::{large, percent, significant, significant_interval};
use crate::table::{Cell, Column, Table};

/// Kinds of paths that [`grades`] lists.
const MOST_GRADES: usize = 20;

/// What each measure holds of the whole at each length; lengths are left out whose share is below
/// `least` by every measure. None without a length.
pub fn lengths(header: &Header, summary: &GradientSummary, least: f64) -> Option<Table> {
    let layers = layers_per_block(header);
    let mut columns = vec![Column::number("length", "length").unit("blocks")];
    columns.extend(layers.map(|_| Column::number("layers", "length").unit("layers").low()));
    columns.extend([
        Column::number("ln_paths", "paths").medium(),
        Column::number("share_of_paths", "of all paths").unit("%"),
    ]);
    for measured in &summary.measures {
        let name = measured.measure.name();
        columns.push(Column::number(&format!("{name}_share"), name).unit("%"));
        columns.push(Column::interval(&format!("{name}_share"), "95 % interval").low());
    }
    let cancellation = summary.cancellation.as_ref();
    columns.extend(cancellation.map(|_| Column::number("cancellation", "cancellation").high()));
    let mut table = Table::new("The gradient by path length", columns);
    let mut left_out = 0;
    let lengths = summary.ln_paths.iter().zip(&summary.path_shares);
    for (length, (&ln_paths, &share)) in lengths.enumerate() {
        let mut measures = summary.measures.iter();
        let is_shown = |share: &f64| *share >= least;
        if !measures.any(|measured| measured.shares.get(length).is_some_and(is_shown)) {
            left_out += 1;
            continue;
        }
        let mut cells = vec![Cell::count(length)];
        cells.extend(layers.map(|layers| Cell::count(length * layers)));
        cells.extend([
            Cell::number(path_count(ln_paths), ln_paths),
            share_cell(share),
        ]);
        for measured in &summary.measures {
            let share = measured.shares.get(length).copied();
            let interval = measured.intervals.as_ref().and_then(|all| all.get(length));
            cells.push(share.map_or_else(Cell::missing, share_cell));
            cells.push(Cell::interval(interval.copied(), bare_percent));
        }
        cells.extend(cancellation.map(|ratios| {
            let ratio = ratios.get(length).filter(|ratio| ratio.is_finite());
            ratio.map_or_else(Cell::missing, |&ratio| Cell::significant(ratio, 3))
        }));
        table.push(cells);
    }
    if left_out > 0 {
        table.notes.push(format!(
            "{left_out} lengths with less than {} of each measure are left out",
            percent(least)
        ));
    }
    for measured in &summary.measures {
        table.notes.push(measured.measure.definition().to_owned());
    }
    if cancellation.is_some() {
        table.notes.push(
            "cancellation: coherent sum over the root of the path energy, of mean squares over \
             examples; below 1 where paths cancel, above where they agree"
                .into(),
        );
    }
    table.unless_empty()
}

/// Per cent without its sign: `12.3`, `0.0041`.
fn bare_percent(share: f64) -> String {
    percent(share).trim_end_matches(" %").to_owned()
}

fn share_cell(share: f64) -> Cell {
    Cell::number(bare_percent(share), share)
}

/// A number of paths from its natural logarithm.
fn path_count(ln: f64) -> String {
    // Above 2^50, a float no longer holds every integer.
    if ln < 50.0 * std::f64::consts::LN_2 {
        large(&format!("{:.0}", ln.exp()))
    } else {
        format!("10^{:.2}", ln / LN_10)
    }
}

/// The effective range by each measure, with the middle half of those of single mini-batches and
/// examples in files.
pub fn ranges(header: &Header, summary: &GradientSummary) -> Option<Table> {
    let layers = layers_per_block(header);
    let mut columns = vec![
        Column::words("measure", "measure"),
        Column::number("first", "first length").unit("blocks"),
        Column::interval("first", "95 % interval").medium(),
        Column::number("last", "last length").unit("blocks"),
        Column::interval("last", "95 % interval").medium(),
    ];
    columns.extend(layers.map(|_| Column::interval("layers", "lengths").unit("layers").low()));
    columns.push(Column::number("share_of_paths", "of all paths").unit("%"));
    let title = format!(
        "Effective ranges: the shortest that hold {}",
        percent(summary.share)
    );
    let mut table = Table::new(title, columns);
    for measured in &summary.measures {
        let (first, last) = (measured.range.first, measured.range.last);
        let (first_ends, last_ends) = measured.ends.unzip();
        let mut cells = vec![
            Cell::words(measured.measure.name()),
            Cell::count(first),
            whole_interval(first_ends),
            Cell::count(last),
            whole_interval(last_ends),
        ];
        cells.extend(layers.map(|layers| {
            let ends = Interval {
                lower: (first * layers) as f64,
                upper: (last * layers) as f64,
            };
            whole_interval(Some(ends))
        }));
        cells.push(share_cell(measured.paths_in_range));
        table.push(cells);
        table.notes.push(measured.measure.definition().to_owned());
    }
    if summary.batches > 1 {
        table.notes.push(format!(
            "95 % intervals: bootstrap over {} mini-batches",
            summary.batches
        ));
    }
    table.unless_empty()
}

/// An interval of whole numbers.
pub(super) fn whole_interval(interval: Option<Interval>) -> Cell {
    Cell::interval(interval, |end| format!("{end:.0}"))
}

/// The gradient by functions of each stage or type, strongest first; none where that was not
/// measured.
pub fn grades(spectra: &[&Spectrum]) -> Option<Table> {
    let first = spectra.first()?;
    let mut grades: Vec<(&[usize], f64)> = first
        .graded
        .iter()
        .enumerate()
        .map(|(place, grade)| {
            let norms = spectra
                .iter()
                .filter_map(|spectrum| Some(spectrum.graded.get(place)?.norm));
            let mean = norms.sum::<f64>() / spectra.len() as f64;
            (grade.counts.as_slice(), mean)
        })
        .collect();
    let total: f64 = grades.iter().map(|(_, norm)| norm).sum();
    grades.sort_by(|a, b| b.1.total_cmp(&a.1));
    let title = format!(
        "The {} strongest of {} kinds of paths",
        grades.len().min(MOST_GRADES),
        grades.len()
    );
    let mut table = Table::new(
        title,
        vec![
            Column::words("functions", "functions of each stage or type"),
            Column::number("norm", "mean norm"),
            Column::number("share", "share").unit("%"),
        ],
    );
    for (counts, norm) in grades.iter().take(MOST_GRADES) {
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        table.push(vec![
            Cell::words(counts.join(", ")),
            Cell::significant(*norm, 4),
            share_cell(norm / total),
        ]);
    }
    table.unless_empty()
}

/// The effective range of every checkpoint of a training.
pub fn checkpoints(rows: &[(String, GradientSummary)]) -> Option<Table> {
    let mut table = Table::new(
        "The effective range during training",
        vec![
            Column::words("checkpoint", "checkpoint"),
            Column::words("measure", "measure"),
            Column::number("first", "first length").unit("blocks"),
            Column::number("last", "last length").unit("blocks"),
            Column::number("share_of_paths", "of all paths").unit("%"),
            Column::number("rho", "rho"),
        ],
    );
    for (name, summary) in rows {
        for measured in &summary.measures {
            let rho = summary.decay.as_ref().map(|(_, decay, _)| decay.rho);
            table.push(vec![
                Cell::words(name),
                Cell::words(measured.measure.name()),
                Cell::count(measured.range.first),
                Cell::count(measured.range.last),
                share_cell(measured.paths_in_range),
                rho.map_or_else(Cell::missing, |rho| Cell::significant(rho, 3)),
            ]);
        }
    }
    table.unless_empty()
}

/// How the norm of one path changes with its length, in a sentence or two; none where no measure
/// tells of single paths.
pub fn decay(summary: &GradientSummary) -> Option<String> {
    let (source, decay, predicted) = summary.decay.as_ref()?;
    let mut text = format!(
        "One more function on a path multiplies the norm of its gradient by rho = {} (95 % interval \
         {}, R^2 {:.3}; {}); {}.",
        significant(decay.rho, 3),
        significant_interval(decay.rho_interval, 3),
        decay.r_squared,
        source.title(),
        decay_shape(decay.shape),
    );
    if let Some(predicted) = predicted {
        let law = match predicted.probability {
            Some(probability) => format!("Binomial(n, {})", significant(probability, 3)),
            None => "the product of their blocks' polynomials in rho".to_owned(),
        };
        text += &format!(
            " If rho is constant, path lengths follow {law}: centre {:.1}, {} in {} to {}.",
            predicted.centre,
            percent(summary.share),
            predicted.effective.range.first,
            predicted.effective.range.last,
        );
    }
    Some(text)
}

/// Which path lengths carry the gradient.
pub(super) fn finding(header: &Header, summary: &GradientSummary) -> Option<Finding> {
    let measured = summary.measures.first()?;
    let (first, last) = (measured.range.first, measured.range.last);
    let in_layers = layers_per_block(header).map_or_else(String::new, |layers| {
        format!(" ({} to {} layers)", layers * first, layers * last)
    });
    let ends = match &measured.ends {
        Some((from, to)) => format!(
            "95 % intervals over {} mini-batches: {:.0} to {:.0} and {:.0} to {:.0}",
            summary.batches, from.lower, from.upper, to.lower, to.upper
        ),
        None => "one mini-batch, so no interval".into(),
    };
    let mut answer = format!(
        "{} of it ({}) lies in path lengths {first} to {last} blocks{in_layers}, {ends}; {} of all \
         paths have these lengths.",
        percent(summary.share),
        measured.measure.title(),
        percent(measured.paths_in_range),
    );
    if let Some(decay) = decay(summary) {
        answer += " ";
        answer += &decay;
    }
    Some(Finding {
        question: "Which path lengths carry the gradient?".into(),
        answer,
    })
}
