//! The gradient by path length as tables for people.

use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::DecayShape;
use pathscope_analysis::record::{Header, Spectrum};

use super::Problem;
use super::terminal::Terminal;
use crate::report::gradient::{GradientSummary, Measure, MeasuredGradient, middle_half};
use crate::report::quantity::{percent, significant};

/// Prints what a spectrum says: the lengths, the effective range, the decay and the check.
pub(super) fn print(
    header: &Header,
    summary: &GradientSummary,
    terminal: &Terminal,
) -> Result<(), Problem> {
    terminal.result(&format!(
        "{} on {}: {} in {}\n\
         length counts modules (blocks whose function a path takes); {}\n\
         the gradient at a point is the sum over all paths; the forward pass is no such sum",
        header.model.title,
        header.data.description,
        counted(summary.examples, "example", "examples"),
        counted(summary.batches, "mini-batch", "mini-batches"),
        layers_of_a_module(header),
    ))?;
    terminal.result(&lengths(header, summary).to_string())?;
    for measured in &summary.measures {
        terminal.result(&range(header, summary, measured))?;
    }
    terminal.result(&fall(summary))?;
    if let Some(check) = summary.sum_check {
        terminal.result(&format!(
            "check: the sum over lengths differs from the ordinary gradient by {check:.1e} of its norm"
        ))?;
    }
    Ok(())
}

fn layers_of_a_module(header: &Header) -> String {
    let layers: Vec<usize> = header
        .model
        .blocks
        .iter()
        .map(|block| block.layers)
        .collect();
    match (layers.iter().min(), layers.iter().max()) {
        (Some(least), Some(most)) if least == most => format!("one module is {least} layers"),
        (Some(least), Some(most)) => format!("one module is {least} to {most} layers"),
        _ => "there are no blocks".to_owned(),
    }
}

fn find(summary: &GradientSummary, measure: Measure) -> Option<&MeasuredGradient> {
    let mut measures = summary.measures.iter();
    measures.find(|found| found.measure == measure)
}

fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Layers of a module, where all blocks have as many.
fn layers_per_module(header: &Header) -> Option<usize> {
    let mut layers = header.model.blocks.iter().map(|block| block.layers);
    let first = layers.next()?;
    layers.all(|other| other == first).then_some(first)
}

fn lengths(header: &Header, summary: &GradientSummary) -> Table {
    let mut table = table();
    let layers = layers_per_module(header);
    let mut titles = vec!["length".to_owned()];
    titles.extend(layers.map(|_| "layers".to_owned()));
    titles.extend(["paths".into(), "of all paths".into()]);
    for measured in &summary.measures {
        titles.push(format!("{} share", measured.measure.name()));
    }
    let coherent = find(summary, Measure::Coherent);
    let energy = find(summary, Measure::Energy);
    if coherent.is_some() && energy.is_some() {
        titles.push("cancellation".into());
    }
    table.set_header(titles);
    let shown = |length: usize| {
        let at = |measured: &MeasuredGradient| measured.shares.get(length).copied();
        summary
            .measures
            .iter()
            .filter_map(at)
            .any(|share| share >= 5e-5)
    };
    for (length, (ln_paths, share)) in summary
        .ln_paths
        .iter()
        .zip(&summary.path_shares)
        .enumerate()
    {
        if !shown(length) {
            continue;
        }
        let mut row = vec![length.to_string()];
        row.extend(layers.map(|layers| (length * layers).to_string()));
        row.extend([power_of_ten(*ln_paths), percent(*share)]);
        for measured in &summary.measures {
            let share = measured.shares.get(length);
            row.push(share.map_or_else(String::new, |share| percent(*share)));
        }
        if let (Some(coherent), Some(energy)) = (coherent, energy) {
            let ratio = coherent
                .recorded
                .get(length)
                .zip(energy.recorded.get(length));
            row.push(ratio.map_or_else(String::new, |(norm, energy)| {
                significant(norm / energy.max(0.0).sqrt(), 3)
            }));
        }
        table.add_row(row);
    }
    align(&mut table);
    table
}

fn power_of_ten(ln: f64) -> String {
    let log10 = ln / std::f64::consts::LN_10;
    if log10 < 6.0 {
        format!("{:.0}", ln.exp())
    } else {
        format!("10^{log10:.2}")
    }
}

fn range(header: &Header, summary: &GradientSummary, measured: &MeasuredGradient) -> String {
    let (first, last) = (measured.range.first, measured.range.last);
    let mut text = format!(
        "{}: {} of the gradient lies in lengths {first} to {last} modules",
        measured.measure.definition(),
        percent(summary.share),
    );
    if let Some(layers) = layers_per_module(header) {
        text += &format!(" ({} to {} layers)", first * layers, last * layers);
    }
    text += &format!(
        ", which hold {} of all paths",
        percent(measured.paths_in_range)
    );
    if let Some((from, to)) = &measured.ends {
        text += &format!(
            "; 95 % intervals over mini-batches: {:.0} to {:.0} and {:.0} to {:.0}",
            from.lower, from.upper, to.lower, to.upper
        );
    }
    for (ranges, what) in [
        (&measured.of_batches, "mini-batches"),
        (&measured.of_examples, "examples"),
    ] {
        if let (Some((from, to)), true) = (middle_half(ranges), ranges.len() > 3) {
            text += &format!(
                "\n  of single {what}, the middle half: first length {} to {}, last {} to {}",
                from.lower, from.upper, to.lower, to.upper
            );
        }
    }
    text
}

fn fall(summary: &GradientSummary) -> String {
    let Some((source, decay, predicted)) = &summary.decay else {
        return "decay: not measured (it needs --measure sampled or energy)".into();
    };
    let shape = match decay.shape {
        DecayShape::Exponential => "nothing speaks against an exponential",
        DecayShape::Steepening => "but it bends downwards with length: not exponential",
        DecayShape::Flattening => "but it bends upwards with length: not exponential",
        DecayShape::Irregular => "but the points scatter by more than their errors allow",
        _ => "too few points to tell a line from a curve",
    };
    let mut text = format!(
        "decay ({}): the norm of one path {} by the factor rho = {} per module (95 % interval {} to {}), R^2 {:.4}; {shape}",
        source.name(),
        if decay.rho < 1.0 { "falls" } else { "grows" },
        significant(decay.rho, 3),
        significant(decay.rho_interval.lower, 3),
        significant(decay.rho_interval.upper, 3),
        decay.r_squared,
    );
    if let Some(predicted) = predicted {
        text += &format!(
            "\nprediction from rho: lengths follow Binomial(n, {}), centre {:.1}, {} in {} to {}",
            significant(predicted.probability, 3),
            predicted.centre,
            percent(summary.share),
            predicted.effective.range.first,
            predicted.effective.range.last,
        );
    }
    text
}

/// Prints the gradient by functions of each stage or type, where it was asked for.
pub(super) fn print_grades(spectra: &[&Spectrum], terminal: &Terminal) -> Result<(), Problem> {
    let Some(first) = spectra
        .first()
        .filter(|spectrum| !spectrum.graded.is_empty())
    else {
        return Ok(());
    };
    let mut grades: Vec<(&[usize], f64)> = first
        .graded
        .iter()
        .enumerate()
        .map(|(place, grade)| {
            let norms = spectra
                .iter()
                .filter_map(|spectrum| Some(spectrum.graded.get(place)?.norm));
            (
                grade.counts.as_slice(),
                norms.sum::<f64>() / spectra.len() as f64,
            )
        })
        .collect();
    let total: f64 = grades.iter().map(|(_, norm)| norm).sum();
    grades.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut table = table();
    table.set_header(["functions of each stage or type", "mean norm", "share"]);
    for (counts, norm) in grades.iter().take(20) {
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        table.add_row([
            counts.join(", "),
            significant(*norm, 4),
            percent(norm / total),
        ]);
    }
    align(&mut table);
    terminal.result(&format!(
        "the {} strongest of {} kinds of paths\n{table}",
        grades.len().min(20),
        grades.len()
    ))
}

/// Prints one row for every checkpoint of a training.
pub(super) fn print_training(
    rows: &[(String, GradientSummary)],
    terminal: &Terminal,
) -> Result<(), Problem> {
    let mut table = table();
    table.set_header([
        "checkpoint",
        "measure",
        "effective range",
        "of all paths",
        "rho",
    ]);
    for (name, summary) in rows {
        for measured in &summary.measures {
            let rho = summary.decay.as_ref();
            table.add_row([
                name.clone(),
                measured.measure.name().to_owned(),
                format!("{} to {}", measured.range.first, measured.range.last),
                percent(measured.paths_in_range),
                rho.map_or_else(String::new, |(_, decay, _)| significant(decay.rho, 3)),
            ]);
        }
    }
    terminal.result(&table.to_string())
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
