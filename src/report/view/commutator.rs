//! How far pairs of blocks are from commuting.

use pathscope_analysis::record::{Commutator, Header};

use super::finding::Finding;
use crate::lesions::block_name;
use crate::quantity::{count, percent};
use crate::table::{Cell, Column, Table};

/// The commutators of pairs of blocks; none without any.
pub fn table(header: &Header, found: &[&Commutator]) -> Option<Table> {
    let mut table = Table::new(
        "How far pairs of blocks are from commuting",
        vec![
            Column::words("first", "earlier block"),
            Column::words("second", "later block"),
            Column::number("norm", "norm"),
            Column::number("relative", "relative").unit("%"),
            Column::number("examples", "examples").low(),
        ],
    );
    for found in found {
        table.push(vec![
            Cell::integer(block_name(header, found.first), found.first as u64),
            Cell::integer(block_name(header, found.second), found.second as u64),
            Cell::significant(found.norm, 4),
            Cell::share(found.relative),
            Cell::count(found.examples),
        ]);
    }
    table.notes = vec![
        "norm: ||f_i f_j x - f_j f_i x|| for whole blocks at the input x of the earlier one, mean \
         over examples; relative: divided by ||f_j f_i x - x||, what both blocks change together"
            .into(),
    ];
    table.unless_empty()
}

/// The least and the most commuting pair.
pub(super) fn finding(header: &Header, commutators: &[&Commutator]) -> Option<Finding> {
    let by_size = |a: &&&Commutator, b: &&&Commutator| a.relative.total_cmp(&b.relative);
    let least = commutators.iter().min_by(by_size)?;
    let most = commutators.iter().max_by(by_size)?;
    let pair = |found: &Commutator| {
        format!(
            "{} for blocks {} and {}",
            percent(found.relative),
            block_name(header, found.first),
            block_name(header, found.second)
        )
    };
    Some(Finding {
        question: "How far are blocks from commuting?".into(),
        answer: format!(
            "Relative to what two blocks change together, exchanging them changes the result by {} \
             to {} (means over {}).",
            pair(least),
            pair(most),
            count(least.examples, "example", "examples"),
        ),
    })
}
