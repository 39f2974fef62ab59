//! Outcomes as a table for people.

use comfy_table::{CellAlignment, Table, presets};
use pathscope_analysis::record::{Change, Outcome, Record};
use pathscope_analysis::{Level, holm};

use super::terminal::Terminal;
use super::{Problem, draw_table};
use crate::experiment::{Cell, Journal, paired_sequence};
use crate::report::lesions::synergies;

/// The outcomes of `cells` in `journal`, in the order of `cells`.
pub(super) fn outcomes<'a>(journal: &'a Journal, cells: &[Cell]) -> Vec<&'a Outcome> {
    let found = |cell: &Cell| match journal.get(&cell.key) {
        Some(Record::Outcome(outcome)) => Some(outcome),
        _ => None,
    };
    cells.iter().filter_map(found).collect()
}

/// Prints the outcomes of `cells` against that of the intact network, the first of them. Classes
/// are called by `class_names` where they are known.
pub(super) fn print(
    journal: &Journal,
    cells: &[Cell],
    class_names: &[String],
    terminal: &Terminal,
) -> Result<(), Problem> {
    let outcomes = outcomes(journal, cells);
    let Some((intact, changed)) = outcomes.split_first() else {
        return Ok(());
    };
    let header = journal.header();
    terminal.result(&format!(
        "{} on {} ({}){}; blocks count from 0\n\
         intact: error {}, loss {:.4}, margin {:.2}, {} paths",
        header.model.title,
        header.data.description,
        examples(intact),
        match intact.positions {
            1 => "",
            _ => "; intervals and tests are over sequences",
        },
        rate(intact),
        intact.loss,
        intact.margin,
        intact.paths,
    ))?;
    let single: Vec<&Outcome> = changed
        .iter()
        .copied()
        .filter(|outcome| outcome.draw.is_none())
        .collect();
    if !single.is_empty() {
        let table = table(journal, intact, &single, class_names)?;
        terminal.result(&table.to_string())?;
        if single.iter().any(|outcome| marks(&outcome.change, journal)) {
            terminal
                .result("* the block changes the shape; its projection or padding skip stays")?;
        }
        print_synergy(&outcomes, terminal)?;
    }
    match draw_table::table(changed) {
        Some(table) => terminal.result(&table.to_string()),
        None => Ok(()),
    }
}

fn table(
    journal: &Journal,
    intact: &Outcome,
    changed: &[&Outcome],
    class_names: &[String],
) -> Result<Table, Problem> {
    let failed = |fault: &dyn std::fmt::Display| Problem::Failed(fault.to_string());
    let comparisons = changed
        .iter()
        .map(|outcome| outcome.against(intact))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| failed(&fault))?;
    let p_values: Vec<f64> = comparisons
        .iter()
        .map(|comparison| comparison.p_value)
        .collect();
    let corrected = holm(&p_values).map_err(|fault| failed(&fault))?;
    let sequential = journal.header().options.get("stop_at").is_some();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let evidence_title = match (sequential, intact.positions, changed.len()) {
        (true, ..) => "difference [95 % whenever looked at]",
        (false, 1, 1) => "p (McNemar)",
        (false, 1, _) => "p (McNemar, Holm)",
        (false, _, 1) => "p (McNemar over sequences)",
        (false, _, _) => "p (McNemar over sequences, Holm)",
    };
    table.set_header([
        "change",
        if sequential { "errors of" } else { "errors" },
        "error [95 %]",
        "difference",
        evidence_title,
        "loss",
        "margin",
        "hits most",
        "paths left",
    ]);
    for ((outcome, comparison), p_value) in changed.iter().zip(&comparisons).zip(&corrected) {
        let evidence = if sequential {
            let interval = paired_sequence(intact, outcome)
                .map_err(|fault| failed(&fault))?
                .interval();
            format!(
                "[{:+.2}, {:+.2}]",
                100.0 * interval.lower,
                100.0 * interval.upper
            )
        } else if *p_value < 1e-4 {
            format!("{p_value:.0e}")
        } else {
            format!("{p_value:.4}")
        };
        table.add_row([
            describe(&outcome.change, journal),
            if sequential {
                format!("{} of {}", outcome.errors, outcome.examples)
            } else {
                outcome.errors.to_string()
            },
            interval(outcome),
            format!(
                "{:+.2} % (+{} -{})",
                100.0 * comparison.difference,
                comparison.only_second_wrong,
                comparison.only_first_wrong
            ),
            evidence,
            format!("{:.4}", outcome.loss),
            format!("{:.2}", outcome.margin),
            hit_most(outcome, intact, class_names),
            outcome.paths.clone(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Ok(table)
}

/// `1017 examples`, or `768 positions of 64 sequences`: intervals and tests are over sequences.
fn examples(outcome: &Outcome) -> String {
    match outcome.positions {
        1 => format!("{} examples", outcome.examples),
        positions => format!(
            "{} positions of {} sequences",
            outcome.examples,
            outcome.examples / positions.max(1)
        ),
    }
}

/// `5.21 % [3.10, 8.62] (40 of 768 positions of 64 sequences), loss 0.3142`.
pub(super) fn error(outcome: &Outcome) -> String {
    let (interval, errors, loss) = (interval(outcome), outcome.errors, outcome.loss);
    format!(
        "{interval} ({errors} of {}), loss {loss:.4}",
        examples(outcome)
    )
}

/// The class that gains most errors: `cat +12`.
fn hit_most(outcome: &Outcome, intact: &Outcome, class_names: &[String]) -> String {
    if outcome.examples != intact.examples {
        return String::new();
    }
    let gains = outcome.errors_by_class.iter().zip(&intact.errors_by_class);
    let most = gains
        .enumerate()
        .filter_map(|(class, (now, before))| Some((now.checked_sub(*before)?, class)))
        .filter(|(gain, _)| *gain > 0)
        // Of several, the first.
        .max_by_key(|&(gain, class)| (gain, std::cmp::Reverse(class)));
    match most {
        Some((gain, token)) if outcome.positions > 1 => format!("token {token} +{gain}"),
        Some((gain, class)) => format!("{} +{gain}", class_name(class, class_names)),
        None => "none".to_owned(),
    }
}

/// The errors of every class, after each change and before: for `--by-class`.
pub(super) fn print_by_class(
    journal: &Journal,
    cells: &[Cell],
    class_names: &[String],
    terminal: &Terminal,
) -> Result<(), Problem> {
    let outcomes = outcomes(journal, cells);
    let Some(intact) = outcomes.first() else {
        return Ok(());
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let classes = 0..intact.errors_by_class.len();
    let mut header = vec!["change".to_owned()];
    header.extend(classes.map(|class| class_name(class, class_names)));
    table.set_header(header);
    for outcome in &outcomes {
        let mut row = vec![describe(&outcome.change, journal)];
        if let Some(draw) = outcome.draw {
            row = vec![format!("{} (draw {draw})", row.concat())];
        }
        row.extend(outcome.errors_by_class.iter().map(ToString::to_string));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    terminal.result(&format!("errors by class\n{table}"))
}

fn class_name(class: usize, class_names: &[String]) -> String {
    let name = class_names.get(class);
    name.map_or_else(|| format!("class {class}"), Clone::clone)
}

/// Pairs that are shown at each end.
const SHOWN: usize = 5;

/// How much more or less pairs cost together than one by one.
fn print_synergy(outcomes: &[&Outcome], terminal: &Terminal) -> Result<(), Problem> {
    let mut pairs = synergies(outcomes);
    if pairs.is_empty() {
        return Ok(());
    }
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
    let list = |pairs: &mut dyn Iterator<Item = &(usize, usize, f64)>| {
        let shown = |&(first, second, value): &(usize, usize, f64)| {
            format!("{first} and {second} {value:+.3}")
        };
        pairs.take(SHOWN).map(shown).collect::<Vec<_>>().join("; ")
    };
    let positive = pairs.iter().filter(|pair| pair.2 > 0.0).count();
    terminal.result(&format!(
        "synergy of pairs, loss(i, j) - loss(i) - loss(j) + loss(intact) in nats: {positive} of {} \
         cost more together than one by one\n  most:  {}\n  least: {}",
        pairs.len(),
        list(&mut pairs.iter()),
        list(&mut pairs.iter().rev()),
    ))
}

/// `7.28 % (74 of 1,017) [5.84, 9.03]`.
fn rate(outcome: &Outcome) -> String {
    let (errors, examples) = (outcome.errors, outcome.examples);
    format!("{} ({errors} of {examples})", interval(outcome))
}

fn interval(outcome: &Outcome) -> String {
    let error = 100.0 * outcome.error();
    match outcome.error_interval(Level::P95) {
        Some(interval) => format!(
            "{error:.2} % [{:.2}, {:.2}]",
            100.0 * interval.lower,
            100.0 * interval.upper
        ),
        None => format!("{error:.2} %"),
    }
}

fn describe(change: &Change, journal: &Journal) -> String {
    let blocks = &journal.header().model.blocks;
    match change {
        Change::Intact => "intact".to_owned(),
        Change::Lesion(lesion) => {
            let single = |&block: &usize| {
                let identity = blocks.get(block);
                let name = identity.map_or("", |identity| identity.name.as_str());
                let mark = if identity.is_some_and(|identity| identity.changes_shape) {
                    " *"
                } else {
                    ""
                };
                format!("{block} {name}{mark}")
            };
            let blocks: Vec<String> = match lesion.blocks.as_slice() {
                [block] => vec![single(block)],
                several => several.iter().map(usize::to_string).collect(),
            };
            let functions = lesion
                .functions
                .iter()
                .map(|(block, f)| format!("{block}.{f}"));
            blocks
                .into_iter()
                .chain(functions)
                .collect::<Vec<_>>()
                .join(", ")
        }
        Change::Reordering(reordering) => {
            format!(
                "tau {:.4}: {}",
                reordering.kendall_tau,
                draw_table::method(reordering.method)
            )
        }
    }
}

/// Whether the description of `change` carries the mark of a shape-changing block.
fn marks(change: &Change, journal: &Journal) -> bool {
    match change {
        Change::Lesion(lesion) => matches!(lesion.blocks.as_slice(), [block]
            if journal.header().model.blocks.get(*block).is_some_and(|b| b.changes_shape)),
        _ => false,
    }
}
