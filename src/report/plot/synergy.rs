use pathscope_analysis::record::{Header, Outcome};

use crate::lesions::{block_name, synergies};
use crate::picture::{Content, Matrix, MatrixEntry, Picture};
use crate::quantity::significant;

/// How much more loss each pair of blocks costs than its blocks one by one. None without pairs
/// whose blocks were disabled one by one too.
pub fn synergy(header: &Header, outcomes: &[&Outcome]) -> Option<Picture> {
    let pairs = synergies(outcomes);
    let most = pairs
        .iter()
        .max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()))?;
    let positive = pairs.iter().filter(|pair| pair.2 > 0.0).count();
    let entries = pairs.iter().flat_map(|&(first, second, value)| {
        let hover = format!(
            "blocks {} and {}: {} nats beyond the sum of their single effects",
            block_name(header, first),
            block_name(header, second),
            significant(value, 3),
        );
        MatrixEntry::of_pair(first, second, value, &hover)
    });
    Some(Picture {
        kind: "synergy",
        title: format!("Synergy of pairs of blocks: {}", header.model.title),
        description: format!(
            "Matrix of loss(pair) - loss(first) - loss(second) + loss(intact) in nats. {positive} \
             of {} pairs cost more together than one by one; the strongest, blocks {} and {}, is \
             {} nats.",
            pairs.len(),
            most.0,
            most.1,
            significant(most.2, 3),
        ),
        content: Content::Matrix(Matrix {
            label: "block, numbered from 0 (stroke: less than one by one)".into(),
            size: header.model.blocks.len(),
            quantity: "synergy of the pair, nats of loss".into(),
            signed: true,
            entries: entries.collect(),
        }),
    })
}
