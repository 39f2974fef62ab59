//! Families of networks.

use pathscope_analysis::record::{FamilyMember, Measure};
use pathscope_analysis::{Interval, Level, WidthAgainstDepth, wilson};

use super::spectrum::whole_interval;
use crate::family::{Growth, Quantity, RangeMember};
use crate::quantity::{hundredths, percent, significant};
use crate::table::{Cell, Column, Table};

/// The effective range of every network.
pub fn ranges(members: &[RangeMember], measure: Measure, share: f64) -> Option<Table> {
    let mut table = Table::new(
        format!(
            "Effective range: the shortest range of path lengths, in blocks, with {} of the gradient",
            percent(share)
        ),
        vec![
            Column::words("network", "network"),
            Column::number("n", "n"),
            Column::number("k", "k"),
            Column::number("first", "first"),
            Column::interval("first", "95 % interval").low(),
            Column::number("last", "last"),
            Column::interval("last", "95 % interval").low(),
            Column::number("width", "width"),
            Column::number("centre", "centre"),
            Column::number("rho", "rho"),
            Column::interval("rho", "95 % interval").medium(),
        ],
    );
    for member in members {
        let decay = member.decay.as_ref();
        let (first, last) = member.ends.unzip();
        table.push(vec![
            Cell::words(&member.title),
            Cell::count(member.blocks),
            Cell::count(member.functions),
            Cell::count(member.range.first),
            whole_interval(first),
            Cell::count(member.range.last),
            whole_interval(last),
            Cell::count(member.width),
            Cell::significant(member.centre, 3),
            decay.map_or_else(Cell::missing, |decay| Cell::significant(decay.rho, 3)),
            Cell::interval(decay.map(|decay| decay.rho_interval), |end| {
                significant(end, 3)
            }),
        ]);
    }
    table.notes = vec![measure.definition().to_owned()];
    table.unless_empty()
}

/// The power laws of a quantity, one for each value of what is held fixed, and the common one.
pub fn growth(growth: &Growth) -> Option<Table> {
    let (letter, fixed_letter) = growth.size.letters();
    let mut table = Table::new(
        format!("{} against {letter}", growth.quantity.definition()),
        vec![
            Column::words("fixed", "held fixed"),
            Column::number("exponent", format!("exponent of {letter}")),
            Column::interval("exponent", "95 % interval"),
            Column::number("r_squared", "R^2").low(),
            Column::number("p_proportional", "p (exponent 1)"),
            Column::number("p_equal_exponents", "p (equal exponents)").low(),
        ],
    );
    for (fixed, law) in &growth.laws {
        table.push(vec![
            Cell::words(format!("{fixed_letter} = {fixed}")),
            Cell::decimals(law.exponent, 2),
            exponents(law.exponent_interval),
            Cell::decimals(law.r_squared, 3),
            Cell::p(law.proportional_p_value),
            Cell::missing(),
        ]);
    }
    if let Some(common) = &growth.common {
        table.push(vec![
            Cell::words("one exponent for all"),
            Cell::decimals(common.exponent, 2),
            exponents(common.exponent_interval),
            Cell::missing(),
            Cell::p(common.proportional_p_value),
            common
                .equal_exponents_p_value
                .map_or_else(Cell::missing, Cell::p),
        ]);
        let verdict = verdict(growth.quantity, letter, common.exponent_interval);
        table.notes.push(verdict);
    }
    table.unless_empty()
}

/// What the interval of an exponent says; never more than that.
fn verdict(quantity: Quantity, letter: &str, exponent: Interval) -> String {
    let Interval { lower, upper } = exponent;
    if quantity == Quantity::Rho {
        return match (lower, upper) {
            (_, upper) if upper < 0.0 => format!("rho falls with {letter}"),
            (lower, _) if lower > 0.0 => format!("rho rises with {letter}"),
            _ => format!("the interval holds 0: no evidence that rho changes with {letter}"),
        };
    }
    match (lower, upper) {
        (_, upper) if upper < 0.0 => format!("falls with {letter}: the interval lies below 0"),
        (lower, upper) if lower <= 0.0 && upper >= 1.0 => format!(
            "the interval holds both 0 and 1: neither no growth nor linear growth in {letter} is \
             ruled out"
        ),
        (lower, _) if lower <= 0.0 => format!(
            "the interval holds 0: no evidence of growth with {letter}; linear growth is ruled out"
        ),
        (_, upper) if upper < 1.0 => format!("sub-linear in {letter}: the interval lies below 1"),
        (lower, _) if lower > 1.0 => {
            format!("faster than linear in {letter}: the interval lies above 1")
        }
        _ => format!("the interval holds 1: linear growth in {letter} is not ruled out"),
    }
}

/// The networks of a family with their errors.
pub fn members(members: &[FamilyMember]) -> Option<Table> {
    let mut table = Table::new(
        "Trained networks",
        vec![
            Column::number("k", "k"),
            Column::number("depth", "depth").unit("layers"),
            Column::number("parameters", "parameters"),
            Column::number("seed", "seed").medium(),
            Column::number("errors", "errors").low(),
            Column::number("examples", "examples").low(),
            Column::number("error", "test error").unit("%"),
            Column::interval("error", "95 % interval"),
        ],
    );
    for member in members {
        let error = member.errors as f64 / member.examples as f64;
        let interval = wilson(member.errors, member.examples, Level::P95);
        table.push(vec![
            Cell::count(member.k),
            Cell::count(member.depth),
            Cell::thousands(member.parameters),
            Cell::integer(member.seed.to_string(), member.seed),
            Cell::count(member.errors),
            Cell::count(member.examples),
            Cell::share(error),
            Cell::interval(interval.ok(), hundredths),
        ]);
    }
    table.unless_empty()
}

/// The designs of equal parameters that are compared for one k.
pub fn equal_designs(found: &WidthAgainstDepth, members: &[FamilyMember]) -> Option<Table> {
    let mut table = Table::new(
        format!("Designs of equal parameters, k = 1 and k = {}", found.k),
        vec![
            Column::number("deeper_depth", "k = 1").unit("layers"),
            Column::number("deeper_parameters", "parameters").low(),
            Column::number("deeper_error", "mean error").unit("%"),
            Column::number("wider_depth", format!("k = {}", found.k)).unit("layers"),
            Column::number("wider_parameters", "parameters").low(),
            Column::number("wider_error", "mean error").unit("%"),
        ],
    );
    let parameters = |k: usize, depth: usize| {
        let mut all = members.iter();
        let member = all.find(|member| member.k == k && member.depth == depth);
        member.map_or_else(Cell::missing, |member| Cell::thousands(member.parameters))
    };
    let mean = |runs: &[Vec<f64>], at: usize| {
        let errors: Vec<f64> = runs.iter().filter_map(|run| run.get(at).copied()).collect();
        Cell::share(errors.iter().sum::<f64>() / errors.len() as f64)
    };
    for (at, (&deep, &wide)) in found.depths.iter().zip(&found.wider_depths).enumerate() {
        table.push(vec![
            Cell::count(deep),
            parameters(1, deep),
            mean(&found.deeper, at),
            Cell::count(wide),
            parameters(found.k, wide),
            mean(&found.wider, at),
        ]);
    }
    table.unless_empty()
}

/// An exponent of 0 is as good as any, so decimals are fixed.
fn exponents(interval: Interval) -> Cell {
    Cell::interval(interval, |end| format!("{end:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_claims_no_more_than_its_interval() {
        let of = |lower, upper| verdict(Quantity::Width, "k", Interval { lower, upper });
        assert!(of(-0.26, 0.03).contains("no evidence of growth"));
        assert!(of(0.1, 0.8).starts_with("sub-linear"));
        assert!(of(0.1, 1.2).contains("not ruled out"));
        assert!(of(-0.1, 1.2).contains("both 0 and 1"));
        assert!(of(-0.5, -0.1).starts_with("falls"));
    }
}
