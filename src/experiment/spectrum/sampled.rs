//! Gradients of single paths, drawn at random as Veit et al. (2016) did.
//!
//! All paths share one linearized forward pass, and paths that agree from the loss down to some
//! block share that part of the way back: a row of the stack stands for all of them until they
//! part. Paths of all lengths of one draw end alike (`PathsOfLength`), so those are computed together.

use pathscope_analysis::Path;
use pathscope_analysis::record::GradientPoint;
use tch::Tensor;

use super::gradient::norms;
use super::recursion::PartialSums;
use super::rows;
use crate::ExperimentError;
use crate::pulse::Pulse;
use pathscope_network::{Linearization, LinearizedBlock};

/// The function that a path takes in each block: `None` for the skip.
pub(super) type Choices = Vec<Option<usize>>;

pub(super) fn choices(path: &Path, blocks: usize) -> Choices {
    let mut choices = vec![None; blocks];
    for step in &path.0 {
        if let Some(choice) = choices.get_mut(step.block) {
            *choice = Some(step.function);
        }
    }
    choices
}

/// How paths are followed back.
pub(super) struct PathWalk<'a> {
    pub linearization: &'a Linearization,
    /// Cotangent of the last block's output, `[B, ...]`.
    pub cotangent: &'a Tensor,
    pub at: GradientPoint,
    /// Bytes of cotangents that are carried together.
    pub bytes: i64,
    /// Bytes of a part of them that goes through a function at once.
    pub part: i64,
    /// Told of each block for each path, half as much in all as of a recursion for each draw: so much is
    /// computed.
    pub pulse: Pulse<'a>,
}

/// Paths that are carried together, and the row of the stack that each of them has reached.
struct Front<'a> {
    paths: Vec<&'a Choices>,
    row_of: Vec<usize>,
    stack: Tensor,
}

impl PathWalk<'_> {
    /// Norms of the gradients of the paths of each draw, `[draws][lengths][examples]`.
    pub fn norms(&self, draws: &[Vec<Choices>]) -> Result<Vec<Vec<Vec<f64>>>, ExperimentError> {
        // Those that end alike lie together, however many are carried at once; equal ones are one.
        let by_end = |a: &Choices, b: &Choices| a.iter().rev().cmp(b.iter().rev());
        let mut different: Vec<&Choices> = draws.iter().flatten().collect();
        different.sort_by(|a, b| by_end(a, b));
        different.dedup();
        // Every path is at row 0: nothing has told them apart yet.
        let front = Front {
            row_of: vec![0; different.len()],
            paths: different.clone(),
            stack: pathscope_network::duplicate(self.cotangent)?,
        };
        let found = self.walk(front, self.linearization.blocks().len())?;
        let of = |path: &Choices| {
            let place = different.binary_search_by(|known| by_end(known, path));
            let place = place.map_err(|_| lost("row"))?;
            found.get(place).cloned().ok_or_else(|| lost("norm"))
        };
        let of_draw = |paths: &Vec<Choices>| paths.iter().map(of).collect();
        draws.iter().map(of_draw).collect()
    }

    /// Carries paths back from block `from` to the first, all together as long as their rows are few: ends
    /// that many paths share are short, and so are their rows.
    fn walk(&self, mut front: Front<'_>, from: usize) -> Result<Vec<Vec<f64>>, ExperimentError> {
        let examples = pathscope_network::length(self.cotangent, 0)?;
        let blocks = self.linearization.blocks();
        for (position, (_, block)) in blocks.iter().enumerate().take(from).rev() {
            let ways = front.ways(position);
            let most = rows::together(&front.stack, examples, self.bytes);
            if ways.different.len() > most && front.paths.len() > 1 {
                let (first, second) = front.split(examples)?;
                let mut found = self.walk(first, position + 1)?;
                found.extend(self.walk(second, position + 1)?);
                return Ok(found);
            }
            let stack = block.through_post(front.stack)?;
            let u = self.follow(block, position, &stack, &ways.different, examples)?;
            front.stack = block.through_pre(u)?;
            front.row_of = ways.row_of;
            let steps = (blocks.len() - position) * front.paths.len() / (2 * (blocks.len() + 1));
            self.pulse.beat(steps as u64 * examples as u64)?;
        }
        let stack = match self.at {
            GradientPoint::Input => self.linearization.through_stem(front.stack)?,
            GradientPoint::Stem => front.stack,
        };
        let norms = norms(&stack)?;
        let examples = pathscope_network::count(examples)?;
        let of = |row: usize| {
            let norms = norms.get(row * examples..(row + 1) * examples);
            norms.map(<[f64]>::to_vec).ok_or_else(|| lost("norm"))
        };
        front.row_of.into_iter().map(of).collect()
    }

    /// The cotangents behind `block` of every way through it, from those before it.
    fn follow(
        &self,
        block: &LinearizedBlock,
        position: usize,
        stack: &Tensor,
        ways: &[Way],
        examples: i64,
    ) -> Result<Tensor, ExperimentError> {
        let together = rows::together(stack, examples, self.part);
        let mut behind = PartialSums::new(ways.len(), examples);
        let mut place = 0;
        for same in ways.chunk_by(|a, b| a.0 == b.0) {
            for part in same.chunks(together) {
                let from: Vec<usize> = part.iter().map(|&(_, row)| row).collect();
                let before = rows::gather(stack, &from, examples)?;
                let moved = match part.first().and_then(|way| way.0) {
                    None => block.through_skip(&before)?,
                    Some(function) => block.through_function(function, &before)?,
                };
                let moved = moved.ok_or_else(|| {
                    ExperimentError::Impossible(format!(
                        "a path goes through block {position} where nothing flows"
                    ))
                })?;
                let to: Vec<_> = (place..place + part.len()).map(Some).collect();
                behind.add(&moved, &to)?;
                place += part.len();
            }
        }
        behind.finish()?.ok_or_else(|| lost("block"))
    }
}

/// A way through a block: by which function or the skip, from which row.
type Way = (Option<usize>, usize);

/// The ways that paths take through a block.
struct Ways {
    /// Each of them once, choice by choice, so that each choice is one convolution.
    different: Vec<Way>,
    /// The place of every path's way among them.
    row_of: Vec<usize>,
}

impl<'a> Front<'a> {
    /// The ways through the block at `position`.
    fn ways(&self, position: usize) -> Ways {
        let asked = self.paths.iter().zip(&self.row_of);
        let asked: Vec<Way> = asked
            .map(|(path, &row)| (path.get(position).copied().flatten(), row))
            .collect();
        let mut different = asked.clone();
        different.sort_unstable();
        different.dedup();
        let place = |way| different.partition_point(|known| known < way);
        Ways {
            row_of: asked.iter().map(place).collect(),
            different,
        }
    }

    /// Both halves of the paths, each with the rows that it needs.
    fn split(self, examples: i64) -> Result<(Self, Self), ExperimentError> {
        let middle = self.paths.len() / 2;
        let half = |paths: &[&'a Choices], row_of: &[usize]| -> Result<Self, ExperimentError> {
            let mut kept = row_of.to_vec();
            kept.sort_unstable();
            kept.dedup();
            let place = |row| kept.partition_point(|known| known < row);
            Ok(Self {
                paths: paths.to_vec(),
                row_of: row_of.iter().map(place).collect(),
                stack: rows::gather(&self.stack, &kept, examples)?,
            })
        };
        let (paths, row_of) = (self.paths.split_at(middle), self.row_of.split_at(middle));
        Ok((half(paths.0, row_of.0)?, half(paths.1, row_of.1)?))
    }
}

/// What every drawn path has, and this one lacks.
fn lost(part: &str) -> ExperimentError {
    ExperimentError::Internal(format!("a drawn path has lost its {part}"))
}
