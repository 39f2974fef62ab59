//! A map of the network: every block in its stage, coloured by what its loss costs.

use std::collections::BTreeSet;

use pathscope_analysis::record::Header;
use serde::Serialize;

use super::effects::Effects;
use crate::lesions::{Target, block_name};
use crate::quantity::{count, signed};

/// The blocks of a network, stage by stage.
#[derive(Debug, Serialize)]
pub(super) struct Map {
    stages: Vec<Stage>,
    /// Blocks of the largest stage.
    widest: usize,
    /// What colours and numbers mean.
    words: String,
    /// The effect of the darkest colour; none without effects.
    most: Option<String>,
}

/// Blocks between two changes of shape.
#[derive(Debug, Serialize)]
struct Stage {
    shape: String,
    cells: Vec<BlockTile>,
}

/// One block.
#[derive(Debug, Serialize)]
struct BlockTile {
    index: usize,
    changes_shape: bool,
    /// Whether a table has a row about it.
    has_row: bool,
    /// The number stays where cells are too narrow for all numbers.
    is_tick: bool,
    /// Strength of the colour of each function, from 0 to 1; none where nothing was measured.
    functions: Vec<Option<String>>,
    /// What its loss costs.
    points: Option<String>,
    /// Its name and effects in words.
    words: String,
}

/// The map of the network of `header`. The colour of an effect of `most` points is the darkest;
/// blocks in `rows` have a row in a table.
pub(super) fn map(
    header: &Header,
    effects: Option<&Effects>,
    most: f64,
    rows: &BTreeSet<usize>,
) -> Map {
    let mut stages: Vec<Stage> = Vec::new();
    for (index, block) in header.model.blocks.iter().enumerate() {
        if block.changes_shape || stages.last().is_none_or(|stage| stage.shape != block.shape) {
            stages.push(Stage {
                shape: block.shape.clone(),
                cells: Vec::new(),
            });
        }
        let Some(stage) = stages.last_mut() else {
            continue;
        };
        let effect = |target| effects.and_then(|effects| effects.at(target));
        let whole = effect(Target::Block(index));
        let functions = (0..block.functions)
            .map(|function| effect(Target::Function(index, function)).or(whole))
            .map(|points| points.map(|points| strength(points, most)));
        stage.cells.push(BlockTile {
            index,
            changes_shape: block.changes_shape,
            has_row: rows.contains(&index),
            is_tick: stage.cells.is_empty() || index.is_multiple_of(10),
            functions: functions.collect(),
            points: whole.map(short),
            words: words(header, index, effects),
        });
    }
    let sizes = stages.iter().map(|stage| stage.cells.len());
    Map {
        widest: sizes.fold(1, usize::max),
        stages,
        words: describe(header, effects),
        most: effects.map(|_| signed(most, 3)),
    }
}

/// Of an effect of `most` points it is 1; a block that does no harm has no colour.
fn strength(points: f64, most: f64) -> String {
    let share = points.max(0.0) / most.max(f64::MIN_POSITIVE);
    format!("{:.3}", share.min(1.0))
}

fn describe(header: &Header, effects: Option<&Effects>) -> String {
    let shape = match header.model.blocks.iter().any(|block| block.changes_shape) {
        true => " A dashed edge marks a block that changes the shape.",
        false => "",
    };
    match effects {
        Some(effects) => format!(
            "Points of error added by disabling each block ({}).{shape}",
            effects.method
        ),
        None => format!("No block was disabled by itself, so no block has a colour.{shape}"),
    }
}

/// A block and its effects, as a screen reader says them and a pointer shows them.
fn words(header: &Header, index: usize, effects: Option<&Effects>) -> String {
    let Some(block) = header.model.blocks.get(index) else {
        return String::new();
    };
    let mut text = format!("block {}", block_name(header, index));
    let functions = (0..block.functions).map(|function| Target::Function(index, function));
    for target in std::iter::once(Target::Block(index)).chain(functions) {
        let points = effects.and_then(|effects| effects.at(target));
        text += &match (target, points) {
            (_, None) => String::new(),
            (Target::Block(_), Some(points)) => {
                format!(": {} points of error", signed(points, 3))
            }
            (Target::Function(_, function), Some(points)) => {
                format!("; function {function}: {} points", signed(points, 3))
            }
        };
    }
    text += &format!("; output {}", block.shape);
    if block.functions > 1 {
        text += &format!(", {}", count(block.functions, "function", "functions"));
    }
    text
}

/// Points as short as they fit below a block.
fn short(points: f64) -> String {
    match points.abs() {
        0.0 => "0".to_owned(),
        size if size < 9.95 => format!("{points:+.1}"),
        _ => format!("{points:+.0}"),
    }
}
