//! One cotangent for each grade of paths, carried back through the blocks.

use tch::Tensor;

use super::grade::{Grade, Grading, after_block, length, longer};
use crate::experiment::ExperimentError;
use crate::network::{Linearization, LinearizedBlock, NetworkError, Plan};

/// Cotangents of the same examples for several grades: rows `[G B, C, H, W]`, grade by grade.
#[derive(Debug)]
pub(super) struct GradedStack {
    pub grades: Vec<Grade>,
    pub rows: Tensor,
}

/// Factors on the functions of a network, by position in the plan and function: random signs for
/// energies. `None` leaves every function as it is.
pub(super) type Signs<'a> = Option<&'a [Vec<f64>]>;

/// How cotangents are carried back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recursion<'a> {
    pub plan: &'a Plan,
    pub grading: &'a Grading,
    /// Longer paths are left out, and what only they need is never computed.
    pub longest: usize,
    /// Examples of the batch.
    pub examples: i64,
    /// Bytes of a part of the stack that goes through a branch at once: small enough for the
    /// cache, large enough for the convolutions.
    pub part: i64,
}

impl Recursion<'_> {
    /// Carries `cotangent` `[B, C, H, W]`, of the last block's output, back to the first block's
    /// input: there one partial sum for each grade.
    pub fn carry(
        &self,
        linearization: &Linearization,
        cotangent: Tensor,
        signs: Signs<'_>,
    ) -> Result<GradedStack, ExperimentError> {
        let none = vec![0; self.grading.components(self.plan)];
        let mut stack = GradedStack {
            grades: vec![none],
            rows: cotangent,
        };
        for (position, (_, block)) in linearization.blocks().iter().enumerate().rev() {
            let signs = signs
                .and_then(|signs| signs.get(position))
                .map(Vec::as_slice);
            stack = self.through_block(block, position, stack, signs)?;
        }
        Ok(stack)
    }

    /// `v_g <- S^T v_g + sum_i J_i^T v_(g - i)` for every grade g.
    fn through_block(
        &self,
        block: &LinearizedBlock,
        position: usize,
        stack: GradedStack,
        signs: Option<&[f64]>,
    ) -> Result<GradedStack, ExperimentError> {
        let carrying: Vec<usize> = (0..block.functions())
            .filter(|&function| block.carries(function))
            .collect();
        let mut components: Vec<usize> = carrying
            .iter()
            .map(|&function| self.grading.component(position, function))
            .collect();
        components.sort_unstable();
        components.dedup();
        let before = stack.grades;
        let after = after_block(&before, block.has_skip(), &components, self.longest);
        let place = |grade: &Grade| after.iter().position(|other| other == grade);
        let growing = before
            .iter()
            .take_while(|grade| length(grade) < self.longest)
            .count();
        let mut out: Option<Tensor> = None;
        let total = after.len() as i64 * self.examples;
        for part in self.parts(&stack.rows, before.len()) {
            let rows = self.rows(&stack.rows, part.clone())?;
            let rows = block.through_post(rows)?;
            if let Some(kept) = block.through_skip(&rows)? {
                let target = target(&mut out, &kept, total)?;
                for (offset, grade) in before[part.clone()].iter().enumerate() {
                    if let Some(to) = place(grade) {
                        self.add(target, to, &kept, offset, 1)?;
                    }
                }
            }
            let grows = part.end.min(growing).saturating_sub(part.start);
            if grows == 0 {
                continue;
            }
            let rows = self.rows(&rows, 0..grows)?;
            for &function in &carrying {
                let Some(moved) = block.through_branch(function, &rows)? else {
                    continue;
                };
                let moved = match signs.and_then(|signs| signs.get(function)) {
                    Some(&sign) => moved.f_mul_scalar(sign)?,
                    None => moved,
                };
                let component = self.grading.component(position, function);
                let target = target(&mut out, &moved, total)?;
                let growing = before[part.start..part.start + grows].iter();
                for (offset, grade) in growing.enumerate() {
                    if let Some(to) = place(&longer(grade, component)) {
                        self.add(target, to, &moved, offset, 1)?;
                    }
                }
            }
        }
        let out = match out {
            Some(out) => out,
            // Nothing flows: neither skip nor function.
            None => stack.rows.f_zeros_like()?,
        };
        let mut through = Vec::new();
        for part in self.parts(&out, after.len()) {
            through.push(block.through_pre(self.rows(&out, part)?)?);
        }
        let rows = match through.len() {
            // The identity, or one part: nothing to join.
            1 => through.swap_remove(0),
            _ if block.passes_unchanged() => out,
            _ => Tensor::f_cat(&through, 0)?,
        };
        Ok(GradedStack {
            grades: after,
            rows,
        })
    }

    /// Ranges of grades whose rows go through a branch at once.
    fn parts(&self, rows: &Tensor, grades: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let elements: i64 = rows.size().iter().skip(1).product();
        let each = (elements * self.examples * 4).max(1);
        let size = usize::try_from((self.part / each).max(1)).unwrap_or(1);
        (0..grades)
            .step_by(size)
            .map(move |start| start..(start + size).min(grades))
    }

    fn rows(&self, rows: &Tensor, grades: std::ops::Range<usize>) -> Result<Tensor, NetworkError> {
        let start = grades.start as i64 * self.examples;
        Ok(rows.f_narrow(0, start, grades.len() as i64 * self.examples)?)
    }

    /// Adds `count` grades of `source`, from `offset` on, to `target`, from `to` on.
    fn add(
        &self,
        target: &Tensor,
        to: usize,
        source: &Tensor,
        offset: usize,
        count: usize,
    ) -> Result<(), NetworkError> {
        let source = self.rows(source, offset..offset + count)?;
        let _ = self.rows(target, to..to + count)?.f_add_(&source)?;
        Ok(())
    }
}

/// The stack after a block, made when the first rows for it come.
fn target<'a>(
    out: &'a mut Option<Tensor>,
    like: &Tensor,
    rows: i64,
) -> Result<&'a Tensor, NetworkError> {
    if out.is_none() {
        let mut size = like.size();
        if let Some(first) = size.first_mut() {
            *first = rows;
        }
        let zeros = like.f_new_zeros(size, (like.kind(), like.device()))?;
        *out = Some(crate::network::channels_last(&zeros)?);
    }
    out.as_ref()
        .ok_or_else(|| NetworkError::Torch("a stack was lost".into()))
}
