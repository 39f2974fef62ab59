//! Gradients of single paths, drawn at random as Veit et al. (2016) did.
//!
//! All paths share one linearized forward pass, and paths that agree from the loss down to some
//! block share that part of the way back: a row of the stack stands for all of them until they
//! part.

use std::collections::HashMap;

use pathscope_analysis::Path;
use tch::Tensor;

use super::gradient::norms;
use super::measure::Place;
use crate::experiment::ExperimentError;
use crate::network::{Linearization, NetworkError};

/// The function that each path takes in each block: `None` for the skip.
pub(super) fn choices(path: &Path, blocks: usize) -> Vec<Option<usize>> {
    let mut choices = vec![None; blocks];
    for step in &path.0 {
        if let Some(choice) = choices.get_mut(step.block) {
            *choice = Some(step.function);
        }
    }
    choices
}

/// Norms of the gradients of `paths`, `[paths][examples]`, of at most `rows` different
/// cotangents at once.
pub(super) fn path_norms(
    linearization: &Linearization,
    cotangent: &Tensor,
    paths: &[Vec<Option<usize>>],
    place: Place,
    rows: usize,
) -> Result<Vec<Vec<f64>>, ExperimentError> {
    let mut found = Vec::with_capacity(paths.len());
    for group in paths.chunks(rows.max(1)) {
        found.extend(group_norms(linearization, cotangent, group, place)?);
    }
    Ok(found)
}

fn group_norms(
    linearization: &Linearization,
    cotangent: &Tensor,
    paths: &[Vec<Option<usize>>],
    place: Place,
) -> Result<Vec<Vec<f64>>, ExperimentError> {
    let examples = cotangent.size().first().copied().unwrap_or(0);
    // Every path is at row 0: nothing has told them apart yet.
    let mut at = vec![0_usize; paths.len()];
    let mut stack = cotangent.shallow_clone();
    for (position, (_, block)) in linearization.blocks().iter().enumerate().rev() {
        let stacked = block.through_post(crate::network::duplicate(&stack)?)?;
        // The different (row, choice) pairs, choice by choice, so that each is one convolution.
        let mut wanted: Vec<(Option<usize>, usize)> = paths
            .iter()
            .zip(&at)
            .map(|(path, &row)| (path.get(position).copied().flatten(), row))
            .collect();
        let asked = wanted.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let mut parts = Vec::new();
        for same in wanted.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(choice, _)) = same.first() else {
                continue;
            };
            let rows = pick(&stacked, same.iter().map(|&(_, row)| row), examples)?;
            let moved = match choice {
                None => block.through_skip(&rows)?,
                Some(function) => block.through_branch(function, &rows)?,
            };
            parts.push(moved.ok_or_else(|| ExperimentError::Impossible {
                what: format!("a path goes through block {position} where nothing flows"),
            })?);
        }
        let u = Tensor::f_cat(&parts, 0)?;
        stack = block.through_pre(u)?;
        let places: HashMap<(Option<usize>, usize), usize> = wanted
            .iter()
            .enumerate()
            .map(|(place, &key)| (key, place))
            .collect();
        at = asked
            .iter()
            .map(|key| places.get(key).copied().unwrap_or(0))
            .collect();
    }
    let stack = match place {
        Place::Input => linearization.through_stem(stack)?,
        Place::Stem => stack,
    };
    let norms = norms(&stack)?;
    let examples = usize::try_from(examples).unwrap_or(0);
    let of = |row: usize| {
        norms
            .get(row * examples..(row + 1) * examples)
            .unwrap_or(&[])
            .to_vec()
    };
    Ok(at.into_iter().map(of).collect())
}

/// The rows of these cotangents, `[R B, C, H, W]`.
fn pick(
    stack: &Tensor,
    rows: impl Iterator<Item = usize>,
    examples: i64,
) -> Result<Tensor, NetworkError> {
    let index: Vec<i64> = rows
        .flat_map(|row| (0..examples).map(move |b| row as i64 * examples + b))
        .collect();
    let index = Tensor::f_from_slice(&index)?.f_to_device(stack.device())?;
    Ok(stack.f_index_select(0, &index)?)
}
