use pathscope_analysis::record::{Distance, Header};

use crate::lesions::depth_name;
use crate::picture::{Content, Matrix, MatrixEntry, Picture};
use crate::quantity::significant;

/// How far the activations at each pair of depths are apart. None without distances.
pub fn distances(header: &Header, pairs: &[&Distance]) -> Option<Picture> {
    let by_size = |a: &&&Distance, b: &&&Distance| a.distance.total_cmp(&b.distance);
    let least = pairs.iter().min_by(by_size)?;
    let most = pairs.iter().max_by(by_size)?;
    let depths = header.model.blocks.len() + 1;
    let same = (0..depths).map(|depth| MatrixEntry {
        row: depth,
        column: depth,
        ..MatrixEntry::default()
    });
    let entries = pairs.iter().flat_map(|pair| {
        let hover = format!(
            "{} and {}: angular distance {} (standard error {}, {} examples)",
            depth_name(header, pair.first),
            depth_name(header, pair.second),
            significant(pair.distance, 3),
            significant(pair.standard_error, 2),
            pair.examples,
        );
        MatrixEntry::of_pair(pair.first, pair.second, pair.distance, &hover)
    });
    let between = |pair: &Distance| {
        format!(
            "{} between depths {} and {}",
            significant(pair.distance, 2),
            pair.first,
            pair.second
        )
    };
    Some(Picture {
        kind: "distance",
        title: format!(
            "Angle between activations at two depths: {}",
            header.model.title
        ),
        description: format!(
            "Matrix of the angular distance between the inputs of blocks, mean over examples, for {} \
             pairs of depths of equal shape: from {} to {}, where 0.5 is a right angle.",
            pairs.len(),
            between(least),
            between(most),
        ),
        content: Content::Matrix(Matrix {
            label: format!(
                "depth: input of the block, {} of the head (grey: shapes differ)",
                depths - 1
            ),
            size: depths,
            quantity: "angular distance (0.5: right angle)".into(),
            signed: false,
            entries: same.chain(entries).collect(),
        }),
    })
}
