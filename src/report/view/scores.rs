//! Cheap scores of blocks beside what their deletion costs.

use pathscope_analysis::record::{Header, Outcome};
use pathscope_analysis::{BlockScores, SCORES, spearman, spearman_interval};

use crate::lesions::{SingleLesion, Target};
use crate::table::{Cell, Column, Table};

/// Headings of the scores, in the order of [`SCORES`].
const HEADINGS: [&str; SCORES.len()] = [
    "cosine distance",
    "angular distance",
    "norm ratio",
    "CKA distance",
    "first order",
    "gradient share",
];

/// The scores of each block beside its effect, and how well each score ranks the effects. `scores` are
/// those of all blocks.
pub fn tables(
    header: &Header,
    intact: &Outcome,
    lesions: &[SingleLesion<'_>],
    scores: &[BlockScores],
) -> (Option<Table>, Option<Table>) {
    let blocks: Vec<(usize, &BlockScores, f64)> = lesions
        .iter()
        .filter_map(|single| match single.target {
            Target::Block(block) => Some((block, scores.get(block)?, single)),
            Target::Function(..) => None,
        })
        .map(|(block, scores, single)| (block, scores, single.outcome.loss - intact.loss))
        .collect();
    let mut columns = vec![
        Column::number("block", "block"),
        Column::words("name", "name").low(),
    ];
    columns.extend(
        SCORES
            .iter()
            .zip(HEADINGS)
            .map(|(&(field, _), heading)| Column::number(field, heading).high()),
    );
    columns.push(Column::number("loss_increase", "loss increase").unit("nats"));
    let mut table = Table::new("Cheap scores and the measured effect", columns);
    for &(block, scores, effect) in &blocks {
        let name = header.model.blocks.get(block);
        let mut cells = vec![
            Cell::count(block),
            name.map_or_else(Cell::missing, |identity| Cell::words(&identity.name)),
        ];
        cells.extend(
            SCORES
                .iter()
                .map(|(_, score)| Cell::significant(score(scores), 3)),
        );
        cells.push(Cell::significant(effect, 3));
        table.push(cells);
    }
    table.notes.push(
        "distances and ratio: the block's output against what its deletion leaves; first order: the \
         gradient times that difference, in nats"
            .into(),
    );
    let effects: Vec<f64> = blocks.iter().map(|&(_, _, effect)| effect).collect();
    let mut ranking = Table::new(
        format!(
            "How well scores rank the increase of the loss of {} blocks",
            blocks.len()
        ),
        vec![
            Column::words("score", "score"),
            Column::number("spearman", "Spearman's correlation"),
            Column::interval("spearman", "95 % interval"),
        ],
    );
    for (&(_, score), heading) in SCORES.iter().zip(HEADINGS) {
        let values: Vec<f64> = blocks.iter().map(|(_, scores, _)| score(scores)).collect();
        let found = spearman(&values, &effects);
        let interval = found.and_then(|_| spearman_interval(&values, &effects));
        ranking.push(vec![
            Cell::words(heading),
            found.map_or_else(Cell::missing, |rho| Cell::decimals(rho, 2)),
            Cell::interval(interval, |end| format!("{end:.2}")),
        ]);
    }
    ranking
        .notes
        .push("intervals: bootstrap over blocks".into());
    (table.unless_empty(), ranking.unless_empty())
}
