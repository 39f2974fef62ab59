use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use ndarray::Array2;
use pathscope_analysis::record::{Change, Ensemble, Outcome, Record};
use pathscope_analysis::{
    AdditivityOptions, EffectOrder, Level, Seed, additivity, clustered_mcnemar, clustered_wilson,
    holm,
};
use serde_json::json;

use super::arguments::{ComputeArguments, DataArguments, JournalArguments, ModelArguments};
use super::terminal::Terminal;
use super::{Problem, interrupt, outcome_table};
use crate::data::Normalization;
use crate::experiment::{Cell, Journal, Laboratory};
use crate::format::load_model;

/// Tests whether a trained network behaves like an ensemble of its sub-networks.
///
/// Draws sub-networks without a few random blocks and asks how alike they err, and what their
/// majority vote and the mean of their logits make of the examples, against the whole network
/// and, with --against, against independently trained ones. The correlation is that between being
/// wrong, the disagreement the share of examples that two members put into different classes,
/// both means over pairs of members; p is McNemar's for the mean of the logits against the whole
/// network, Holm-corrected.
///
/// Example: pathscope ensemble assets/preresnet20.safetensors --members 4 --delete 1 --limit 200
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Sub-networks drawn.
    #[arg(long, value_name = "M", default_value_t = 10)]
    members: usize,
    /// Random blocks that each lacks; several numbers make several ensembles.
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "1,2"
    )]
    delete: Vec<usize>,
    /// Independently trained networks for the same images and classes.
    #[arg(long, value_name = "MODEL", num_args = 1..)]
    against: Vec<PathBuf>,
    /// Judge how well a sum over blocks, and a sum over blocks and pairs, predicts the loss of
    /// random sets of deleted blocks that it has not seen.
    #[arg(long)]
    additivity: bool,
    /// Random sets for --additivity; without it two for each term of a fit with pairs, but at most
    /// 1000.
    #[arg(long, value_name = "S")]
    subsets: Option<u64>,
    /// Most blocks deleted in a set for --additivity; a third of all without it.
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// What random choices derive from.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    journal: JournalArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let compute = arguments.compute.options()?;
    let model = arguments.model.load(terminal)?;
    let data = arguments.data.load(&model, &arguments.model.model)?;
    let normalization = &model.card.normalization;
    let network = model.network.to_device(compute.device)?;
    let laboratory = Laboratory::new(&network, &data, &data, normalization, compute)?
        .stopping_when(interrupt::asked);
    let seed = Seed(arguments.seed);

    let preset = arguments.model.normalize.as_deref();
    let mut others = Vec::new();
    for file in &arguments.against {
        let preset = preset.map(Normalization::preset).transpose()?;
        let other = load_model(file, preset)?;
        let (mine, its) = (
            model.card.specification.classes(),
            other.card.specification.classes(),
        );
        if mine != its {
            return Err(Problem::BadInput(format!(
                "{} tells {} classes apart, but the model {}",
                file.display(),
                its.unwrap_or(0),
                mine.unwrap_or(0)
            )));
        }
        let network = other.network.to_device(compute.device)?;
        others.push((other.card, other.hash, network));
    }
    let mut independent = Vec::new();
    for (card, _, network) in &others {
        let laboratory = Laboratory::new(network, &data, &data, &card.normalization, compute)?
            .stopping_when(interrupt::asked);
        independent.push((card.title.clone(), laboratory));
    }

    let hashes: Vec<&String> = others.iter().map(|(_, hash, _)| hash).collect();
    let header = laboratory.header(
        "ensemble",
        &model.card.title,
        &model.hash,
        arguments.seed,
        json!({ "normalization": normalization, "against": hashes, "most": arguments.most }),
    );
    let mut journal = arguments.journal.open(header, terminal)?;
    let whole = [laboratory.intact_cell()];
    let asked = &arguments.journal;
    asked.measure(&laboratory, &whole, &mut journal, terminal)?;
    asked.with_bar(terminal, arguments.delete.len(), |progress| {
        for &deleted in &arguments.delete {
            laboratory.ensemble(deleted, arguments.members, seed, &mut journal)?;
            progress(1);
        }
        if independent.is_empty() {
            return Ok(());
        }
        laboratory.independent(&independent, &mut journal)
    })?;
    outcome_table::print(&journal, &whole, data.class_names(), terminal)?;
    print(&journal, terminal)?;

    if arguments.additivity {
        let third = laboratory.removable().len().div_ceil(3);
        let most = arguments.most.unwrap_or(third);
        let enough = 2 * pair_terms(laboratory.removable().len()) as u64;
        let subsets = arguments.subsets.unwrap_or(enough.clamp(200, 1000));
        let cells = laboratory.subsets(subsets, most, seed)?;
        asked.measure(&laboratory, &cells, &mut journal, terminal)?;
        print_additivity(&laboratory, &journal, &cells, most, seed, terminal)?;
    }
    Ok(())
}

fn print(journal: &Journal, terminal: &Terminal) -> Result<(), Problem> {
    let failed = |fault: &dyn std::fmt::Display| Problem::Failed(fault.to_string());
    let ensembles: Vec<&Ensemble> = journal
        .records()
        .iter()
        .filter_map(|record| match record {
            Record::Ensemble(ensemble) => Some(ensemble),
            _ => None,
        })
        .collect();
    let Some(Record::Outcome(whole)) = journal.get("intact") else {
        return Ok(());
    };
    let (positions, whole) = (whole.positions, whole.wrong.to_vec(whole.examples));
    let wrong = |one: &Ensemble| one.mean_wrong.to_vec(one.examples);
    let p_values = ensembles
        .iter()
        .map(|one| Ok(clustered_mcnemar(&whole, &wrong(one), positions)?.p_value))
        .collect::<Result<Vec<f64>, pathscope_analysis::PairedError>>()
        .map_err(|fault| failed(&fault))?;
    let corrected = holm(&p_values).map_err(|fault| failed(&fault))?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "members",
        "number",
        "error of one (least to most)",
        "majority vote",
        "mean of logits [95 %]",
        "p against the whole",
        "error correlation",
        "disagreement",
    ]);
    for (one, p) in ensembles.iter().zip(corrected) {
        let percent = |errors: f64| 100.0 * errors / one.examples.max(1) as f64;
        let errors = || one.member_errors.iter().map(|&errors| errors as f64);
        let interval = clustered_wilson(&wrong(one), one.positions, Level::P95);
        let interval = interval.map_or_else(
            |_| String::new(),
            |i| format!(" [{:.2}, {:.2}]", 100.0 * i.lower, 100.0 * i.upper),
        );
        table.add_row([
            one.members.clone(),
            one.size.to_string(),
            format!(
                "{:.2} % ({:.2} to {:.2})",
                percent(errors().sum::<f64>() / one.size.max(1) as f64),
                percent(errors().fold(f64::INFINITY, f64::min)),
                percent(errors().fold(0.0, f64::max)),
            ),
            format!("{:.2} %", percent(one.vote_errors as f64)),
            format!("{:.2} %{interval}", percent(one.mean_errors as f64)),
            if p < 1e-4 {
                format!("{p:.0e}")
            } else {
                format!("{p:.4}")
            },
            one.error_correlation
                .map_or_else(|| "none".to_owned(), |r| format!("{r:.3}")),
            format!("{:.2} %", 100.0 * one.disagreement),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    terminal.result(&table.to_string())
}

/// Terms of a sum over blocks and pairs of them.
fn pair_terms(blocks: usize) -> usize {
    blocks * (blocks + 1) / 2
}

/// How well sums over blocks, and over blocks and pairs, predict sets that they have not seen.
fn print_additivity(
    laboratory: &Laboratory<'_>,
    journal: &Journal,
    cells: &[Cell],
    most: usize,
    seed: Seed,
    terminal: &Terminal,
) -> Result<(), Problem> {
    let failed = |fault: &dyn std::fmt::Display| Problem::Failed(fault.to_string());
    let outcomes = outcome_table::outcomes(journal, cells);
    let blocks = laboratory.removable();
    let deleted = |outcome: &Outcome, block: usize| match &outcome.change {
        Change::Lesion(lesion) => lesion.blocks.contains(&block),
        _ => false,
    };
    let active = Array2::from_shape_fn((outcomes.len(), blocks.len()), |(subset, block)| {
        let outcome = outcomes.get(subset).zip(blocks.get(block));
        !outcome.is_some_and(|(outcome, block)| deleted(outcome, block.position()))
    });
    let options = AdditivityOptions {
        seed,
        ..AdditivityOptions::default()
    };
    let pair_terms = pair_terms(blocks.len());
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "response",
        "R^2, sum over blocks",
        "R^2, blocks and pairs",
        "what pairs add",
    ]);
    let of = |response: fn(&Outcome) -> f64| -> Vec<f64> {
        outcomes.iter().map(|outcome| response(outcome)).collect()
    };
    let responses = [
        ("loss", of(|outcome| outcome.loss)),
        ("margin", of(|outcome| outcome.margin)),
        ("error", of(Outcome::error)),
    ];
    for (name, response) in responses {
        let fit = |order| additivity(active.view(), &response, order, &options);
        let sum = fit(EffectOrder::Blocks).map_err(|fault| failed(&fault))?;
        let enough = outcomes.len() >= 2 * pair_terms;
        let pairs = enough
            .then(|| fit(EffectOrder::Pairs))
            .transpose()
            .map_err(|fault| failed(&fault))?;
        let number = |value: Option<f64>| value.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
        table.add_row([
            name.to_owned(),
            number(Some(sum.r_squared)),
            number(pairs.as_ref().map(|pairs| pairs.r_squared)),
            number(pairs.map(|pairs| pairs.r_squared - sum.r_squared)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    terminal.result(&format!(
        "additivity: share of the variance over unseen sets of 0 to {most} deleted blocks that is \
         predicted ({} sets, {} folds)\n{table}",
        outcomes.len(),
        options.folds,
    ))?;
    if outcomes.len() < 2 * pair_terms {
        terminal.remark(&format!(
            "note: a fit with pairs has {pair_terms} terms; give --subsets {} or more for it",
            2 * pair_terms
        ));
    }
    Ok(())
}
