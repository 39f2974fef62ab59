//! How far the activations at two depths are apart.

use std::collections::BTreeMap;

use pathscope_analysis::record::{Distance, Header};

use super::finding::Finding;
use crate::lesions::block_name;
use crate::quantity::{count, significant};
use crate::table::{Cell, Column, Table};

/// The closest pair of depths for each number of blocks between them; none without any.
pub fn table(found: &[&Distance]) -> Option<Table> {
    let mut table = Table::new(
        "Angular distance between the input and the output of consecutive blocks",
        vec![
            Column::number("blocks", "blocks"),
            Column::number("places", "places").low(),
            Column::number("mean", "mean distance"),
            Column::number("distance", "smallest distance"),
            Column::number("standard_error", "standard error").medium(),
            Column::number("first", "first block"),
            Column::number("last", "last block"),
        ],
    );
    for (blocks, pairs) in by_blocks(found) {
        let Some(closest) = closest(&pairs) else {
            continue;
        };
        let sum: f64 = pairs.iter().map(|pair| pair.distance).sum();
        table.push(vec![
            Cell::count(blocks),
            Cell::count(pairs.len()),
            Cell::significant(sum / pairs.len() as f64, 3),
            Cell::significant(closest.distance, 3),
            Cell::significant(closest.standard_error, 3),
            Cell::count(closest.first),
            Cell::count(closest.second - 1),
        ]);
    }
    table.notes = vec![
        "distance: arccos(cosine of the angle between both activations) / pi, mean over examples \
         (Gromov et al. 2024); 0: same direction, 0.5: right angle; input and output of equal shape only"
            .into(),
    ];
    table.unless_empty()
}

/// How much consecutive blocks turn the activations.
pub(super) fn finding(header: &Header, distances: &[&Distance]) -> Option<Finding> {
    let by_blocks = by_blocks(distances);
    let single = by_blocks.get(&1)?;
    let least = closest(single)?;
    let most = single
        .iter()
        .max_by(|a, b| a.distance.total_cmp(&b.distance))?;
    let at = |pair: &Distance| {
        format!(
            "{} (block {})",
            significant(pair.distance, 2),
            block_name(header, pair.first)
        )
    };
    let mut answer = format!(
        "A block turns the activations by {} to {} of half a turn (means over {}).",
        at(least),
        at(most),
        count(least.examples, "example", "examples"),
    );
    // The spans that Gromov et al. would delete.
    let spans = by_blocks
        .iter()
        .filter(|(blocks, _)| (2..=4).contains(*blocks));
    let spans = spans.filter_map(|(blocks, pairs)| {
        let pair = closest(pairs)?;
        Some(format!(
            "{blocks} blocks, {} to {} ({})",
            pair.first,
            pair.second - 1,
            significant(pair.distance, 2)
        ))
    });
    let spans: Vec<String> = spans.collect();
    if !spans.is_empty() {
        answer += &format!(
            " The blocks in a row that turn them least: {}.",
            spans.join("; ")
        );
    }
    Some(Finding {
        question: "How far apart are the activations at two depths?".into(),
        answer,
    })
}

fn by_blocks<'a>(found: &[&'a Distance]) -> BTreeMap<usize, Vec<&'a Distance>> {
    let mut groups: BTreeMap<usize, Vec<&Distance>> = BTreeMap::new();
    for &pair in found {
        let blocks = pair.second - pair.first;
        groups.entry(blocks).or_default().push(pair);
    }
    groups
}

fn closest<'a>(pairs: &[&'a Distance]) -> Option<&'a Distance> {
    let pairs = pairs.iter().copied();
    pairs.min_by(|a, b| a.distance.total_cmp(&b.distance))
}
