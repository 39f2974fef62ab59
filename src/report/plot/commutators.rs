use pathscope_analysis::record::{Commutator, Header};

use crate::lesions::block_name;
use crate::picture::{Content, Matrix, MatrixEntry, Picture};
use crate::quantity::{percent, significant};

/// How far pairs of blocks are from commuting. None without commutators.
pub fn commutators(header: &Header, pairs: &[&Commutator]) -> Option<Picture> {
    let most = pairs
        .iter()
        .max_by(|a, b| a.relative.total_cmp(&b.relative))?;
    let entries = pairs.iter().flat_map(|pair| {
        let hover = format!(
            "blocks {} and {}: norm {}, {} of what both change together ({} examples)",
            block_name(header, pair.first),
            block_name(header, pair.second),
            significant(pair.norm, 3),
            percent(pair.relative),
            pair.examples,
        );
        MatrixEntry::of_pair(pair.first, pair.second, pair.relative, &hover)
    });
    Some(Picture {
        kind: "commutator",
        title: format!("How far blocks are from commuting: {}", header.model.title),
        description: format!(
            "Matrix of the norm of f_i f_j x - f_j f_i x over that of f_j f_i x - x, for {} pairs \
             of blocks; the largest, {}, is that of blocks {} and {}.",
            pairs.len(),
            percent(most.relative),
            most.first,
            most.second,
        ),
        content: Content::Matrix(Matrix {
            label: "block, numbered from 0 (grey: shapes differ, or not measured)".into(),
            size: header.model.blocks.len(),
            quantity: "commutator over the change of both".into(),
            signed: false,
            entries: entries.collect(),
        }),
    })
}
