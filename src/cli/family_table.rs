//! Answers about families as tables and sentences for people.

use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::record::FamilyMember;
use pathscope_analysis::{Interval, Level, wilson};

use super::Problem;
use super::terminal::Terminal;
use crate::report::family::{Growth, Quantity, RangeMember, WidthAgainstDepth};
use crate::report::gradient::Measure;
use crate::report::quantity::{percent, percent_interval, rate, significant, thousands};

/// Prints the effective range of every network.
pub(super) fn ranges(
    members: &[RangeMember],
    measure: Measure,
    share: f64,
    terminal: &Terminal,
) -> Result<(), Problem> {
    let mut table = table([
        "network",
        "n",
        "k",
        "effective range",
        "95 % interval",
        "width",
        "centre",
        "rho",
        "95 % interval",
    ]);
    for member in members {
        let decay = member.decay.as_ref();
        table.add_row([
            member.title.clone(),
            member.blocks.to_string(),
            member.functions.to_string(),
            format!("{} to {}", member.range.first, member.range.last),
            member.ends.map_or_else(String::new, |(first, last)| {
                format!("{}, {}", whole(first), whole(last))
            }),
            member.width.to_string(),
            significant(member.centre, 3),
            decay.map_or_else(String::new, |decay| significant(decay.rho, 3)),
            decay.map_or_else(String::new, |decay| interval(decay.rho_interval)),
        ]);
    }
    align(&mut table);
    terminal.result(&format!(
        "effective range: the shortest range of lengths, in modules, with {} of the gradient \
         ({}); intervals over mini-batches\n{table}",
        percent(share),
        measure.definition(),
    ))
}

/// Prints how a quantity grows: power laws, and whether growth is proportional.
pub(super) fn growth(growth: &Growth, terminal: &Terminal) -> Result<(), Problem> {
    let (letter, fixed_letter) = growth.size.letters();
    let mut text = format!("{} against {letter}:", growth.quantity.definition());
    for (fixed, law) in &growth.laws {
        text += &format!(
            "\n  {fixed_letter} = {fixed}: {letter}^{:.2} (95 % interval {}), R^2 {:.3}; exponent 1: p = {}",
            law.exponent,
            exponents(law.exponent_interval),
            law.r_squared,
            significant(law.proportional_p_value, 2),
        );
    }
    if let Some(common) = &growth.common {
        text += &format!(
            "\n  one exponent for all: {letter}^{:.2} (95 % interval {}); exponent 1: p = {}",
            common.exponent,
            exponents(common.exponent_interval),
            significant(common.proportional_p_value, 2),
        );
        if let Some(p) = common.equal_exponents_p_value {
            text += &format!("; equal exponents: p = {}", significant(p, 2));
        }
        text += &format!(
            "\n  {}",
            verdict(growth.quantity, letter, common.exponent_interval)
        );
    }
    terminal.result(&text)
}

fn verdict(quantity: Quantity, letter: &str, exponent: Interval) -> String {
    let Interval { lower, upper } = exponent;
    if quantity == Quantity::Rho {
        return match (lower, upper) {
            (_, upper) if upper < 0.0 => format!("rho falls with {letter}"),
            (lower, _) if lower > 0.0 => format!("rho rises with {letter}"),
            _ => {
                format!("the interval holds 0: nothing speaks for a rho that changes with {letter}")
            }
        };
    }
    match (lower, upper) {
        (_, upper) if upper < 1.0 => format!("sub-linear in {letter}: the interval lies below 1"),
        (lower, _) if lower > 1.0 => {
            format!("faster than linear in {letter}: the interval lies above 1")
        }
        _ => format!("the interval holds 1: linear growth in {letter} is not ruled out"),
    }
}

/// Prints the networks of a family with their errors.
pub(super) fn members(members: &[FamilyMember], terminal: &Terminal) -> Result<(), Problem> {
    let mut table = table([
        "k",
        "layers",
        "parameters",
        "seed",
        "test error",
        "95 % interval",
    ]);
    for member in members {
        let interval = wilson(member.errors, member.examples, Level::P95);
        table.add_row([
            member.k.to_string(),
            member.depth.to_string(),
            thousands(member.parameters),
            member.seed.to_string(),
            rate(member.errors, member.examples),
            interval.map_or_else(|_| String::new(), percent_interval),
        ]);
    }
    align(&mut table);
    terminal.result(&table.to_string())
}

/// Prints the pairs that are compared for one k, and where the curves cross.
pub(super) fn threshold(
    found: &WidthAgainstDepth,
    members: &[FamilyMember],
    terminal: &Terminal,
) -> Result<(), Problem> {
    let parameters = |k: usize, depth: usize| {
        let mut all = members.iter();
        let member = all.find(|member| member.k == k && member.depth == depth);
        member.map_or_else(String::new, |member| thousands(member.parameters))
    };
    let mean = |runs: &[Vec<f64>], at: usize| {
        let errors: Vec<f64> = runs.iter().filter_map(|run| run.get(at).copied()).collect();
        percent(errors.iter().sum::<f64>() / errors.len().max(1) as f64)
    };
    let wider = format!("k = {}: layers", found.k);
    let mut table = table([
        "k = 1: layers",
        "parameters",
        "mean error",
        wider.as_str(),
        "parameters",
        "mean error",
    ]);
    for (at, (&deep, &wide)) in found.depths.iter().zip(&found.wider_depths).enumerate() {
        table.add_row([
            deep.to_string(),
            parameters(1, deep),
            mean(&found.deeper, at),
            wide.to_string(),
            parameters(found.k, wide),
            mean(&found.wider, at),
        ]);
    }
    align(&mut table);
    terminal.result(&format!("{table}\n{}", found.answer()))
}

fn interval(interval: Interval) -> String {
    format!(
        "{} to {}",
        significant(interval.lower, 3),
        significant(interval.upper, 3)
    )
}

/// An exponent of 0 is as good as any, so decimals are fixed.
fn exponents(interval: Interval) -> String {
    format!("{:.2} to {:.2}", interval.lower, interval.upper)
}

fn whole(interval: Interval) -> String {
    format!("{:.0} to {:.0}", interval.lower, interval.upper)
}

fn table<'a>(titles: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(titles);
    table
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
