//! Sub-networks as an ensemble.

use pathscope_analysis::record::{Ensemble, Outcome};
use pathscope_analysis::{Level, McNemar, clustered_mcnemar, clustered_wilson};

use super::finding::Finding;
use crate::ALPHA;
use crate::lesions::adjusted;
use crate::quantity::{count, hundredths, percent, rate, significant};
use crate::table::{Cell, Column, Mark, Priority, Table};

/// The ensembles, the mean of whose logits is compared with the whole network where that was
/// measured on the same examples; none without ensembles.
pub fn table(found: &[&Ensemble], whole: Option<&Outcome>) -> Option<Table> {
    let tests: Vec<Option<McNemar>> = found
        .iter()
        .map(|ensemble| {
            let whole = whole.filter(|whole| whole.examples == ensemble.examples)?;
            let of_whole = whole.wrong.to_vec(whole.examples);
            let of_mean = ensemble.mean_wrong.to_vec(ensemble.examples);
            clustered_mcnemar(&of_whole, &of_mean, ensemble.positions).ok()
        })
        .collect();
    let p_values = adjusted(&tests.iter().map(Option::as_ref).collect::<Vec<_>>());
    let mut table = Table::new(
        "Ensembles of sub-networks",
        vec![
            Column::words("members", "members"),
            Column::number("size", "number"),
            Column::number("mean_member_error", "error of one").unit("%"),
            Column::number("least_member_error", "least")
                .unit("%")
                .low(),
            Column::number("largest_member_error", "largest")
                .unit("%")
                .low(),
            Column::number("vote_error", "error of the vote").unit("%"),
            Column::number("mean_error", "error of the mean").unit("%"),
            Column::interval("mean_error", "95 % interval").high(),
            Column::number("p", "p").priority(match whole {
                Some(_) => Priority::Essential,
                None => Priority::FileOnly,
            }),
            Column::number("error_correlation", "error correlation").medium(),
            Column::number("disagreement", "disagreement")
                .unit("%")
                .medium(),
            Column::file_only("examples"),
        ],
    );
    for (ensemble, p) in found.iter().zip(p_values) {
        let mark = p.filter(|&p| p < ALPHA).map(|_| Mark::Significant);
        table.push_marked(row(ensemble, p), mark);
    }
    table.legend = vec![(
        Mark::Significant,
        format!(
            "p < {ALPHA}: the mean of the logits differs from the whole network (exact McNemar \
             test, Holm's correction)"
        ),
    )];
    table.unless_empty()
}

fn row(found: &Ensemble, p: Option<f64>) -> Vec<Cell> {
    let rate = |errors: f64| Cell::share(errors / found.examples as f64);
    let errors = || found.member_errors.iter().map(|&errors| errors as f64);
    let wrong = found.mean_wrong.to_vec(found.examples);
    let interval = clustered_wilson(&wrong, found.positions, Level::P95);
    vec![
        Cell::words(&found.members),
        Cell::count(found.size),
        rate(errors().sum::<f64>() / found.member_errors.len() as f64),
        rate(errors().fold(f64::INFINITY, f64::min)),
        rate(errors().fold(0.0, f64::max)),
        rate(found.vote_errors as f64),
        rate(found.mean_errors as f64),
        Cell::interval(interval.ok(), hundredths),
        p.map_or_else(Cell::missing, Cell::p),
        found
            .error_correlation
            .map_or_else(Cell::missing, |r| Cell::decimals(r, 3)),
        Cell::share(found.disagreement),
        Cell::count(found.examples),
    ]
}

/// Whether the members behave like an ensemble.
pub(super) fn finding(found: &Ensemble) -> Finding {
    let members = found.member_errors.iter().sum::<usize>() as f64;
    let mean = members / found.member_errors.len() as f64 / found.examples as f64;
    Finding {
        question: format!(
            "Do {} behave like an ensemble ({})?",
            count(found.size, "member", "members"),
            found.members
        ),
        answer: format!(
            "The mean error of its members is {}, that of their vote {}, that of the mean of their \
             logits {}. {} The classes of two members differ on {} of the {}.",
            percent(mean),
            rate(found.vote_errors, found.examples),
            rate(found.mean_errors, found.examples),
            found.error_correlation.map_or_else(
                || "No two members are wrong sometimes, so their errors have no correlation."
                    .into(),
                |correlation| format!(
                    "The correlation between their errors is {}.",
                    significant(correlation, 2)
                ),
            ),
            percent(found.disagreement),
            if found.positions == 1 {
                "examples"
            } else {
                "positions"
            },
        ),
    }
}

/// How well sums over blocks, and over blocks and pairs, predict unseen sets of deleted blocks:
/// for each response the share of the variance that they explain.
pub fn additivity(rows: &[(&str, f64, Option<f64>)]) -> Option<Table> {
    let mut table = Table::new(
        "Additivity: share of the variance over unseen sets of deleted blocks that is predicted",
        vec![
            Column::words("response", "response"),
            Column::number("r_squared_blocks", "R^2, sum over blocks"),
            Column::number("r_squared_pairs", "R^2, blocks and pairs"),
            Column::number("gain_of_pairs", "what pairs add"),
        ],
    );
    let number = |value: f64| Cell::decimals(value, 4);
    for &(response, blocks, pairs) in rows {
        table.push(vec![
            Cell::words(response),
            number(blocks),
            pairs.map_or_else(Cell::missing, number),
            pairs.map_or_else(Cell::missing, |pairs| number(pairs - blocks)),
        ]);
    }
    table.unless_empty()
}
