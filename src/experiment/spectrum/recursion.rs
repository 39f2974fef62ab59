//! One cotangent for each grade of paths, carried back through the blocks.

use std::collections::HashMap;

use pathscope_analysis::record::Grading;
use tch::Tensor;

use super::grade::{Grade, Growth, after_block, component, components, length, longer};
use super::rows;
use crate::ExperimentError;
use crate::pulse::Pulse;
use pathscope_network::{Linearization, LinearizedBlock, NetworkError, Plan};

/// Cotangents of the same examples for several grades: rows `[G B, C, H, W]`, grade by grade.
#[derive(Debug)]
pub(super) struct GradedStack {
    pub grades: Vec<Grade>,
    pub rows: Tensor,
}

/// How cotangents are carried back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recursion<'a> {
    pub plan: &'a Plan,
    pub grading: &'a Grading,
    /// Longer paths are left out, and what only they need is never computed.
    pub longest: usize,
    /// Examples of the batch.
    pub examples: i64,
    /// Bytes of a part of the stack that goes through a function at once: small enough for the
    /// cache, large enough for the convolutions.
    pub part: i64,
}

impl Recursion<'_> {
    /// Carries `cotangent` `[B, C, H, W]`, of the last block's output, back to the first block's
    /// input: there one partial sum for each grade. `pulse` is told of each block, as much as there are
    /// blocks from it to the end, times the examples. `signs` are factors on the functions, by position in
    /// the plan and function.
    pub fn carry(
        &self,
        linearization: &Linearization,
        cotangent: Tensor,
        signs: Option<&[Vec<f64>]>,
        pulse: &Pulse<'_>,
    ) -> Result<GradedStack, ExperimentError> {
        let none = vec![0; components(self.grading, self.plan)];
        let mut stack = GradedStack {
            grades: vec![none],
            rows: cotangent,
        };
        let blocks = linearization.blocks().len();
        for (position, (_, block)) in linearization.blocks().iter().enumerate().rev() {
            let signs = signs.and_then(|signs| signs.get(position));
            stack = self.through_block(block, position, stack, signs)?;
            pulse.beat(self.examples as u64 * (blocks - position) as u64)?;
        }
        Ok(stack)
    }

    /// `v_g <- S^T v_g + sum_i J_i^T v_(g - i)` for every grade g, where g - i lacks what function i adds.
    fn through_block(
        &self,
        block: &LinearizedBlock,
        position: usize,
        stack: GradedStack,
        signs: Option<&Vec<f64>>,
    ) -> Result<GradedStack, ExperimentError> {
        let carrying: Vec<(usize, Growth)> = (0..block.functions())
            .filter(|&function| block.carries(function))
            .map(|function| {
                let component = component(self.grading, position, function);
                (function, (component, block.order(function)))
            })
            .collect();
        let mut reached: Vec<Growth> = carrying.iter().map(|&(_, growth)| growth).collect();
        reached.sort_unstable();
        reached.dedup();
        let before = stack.grades;
        let after = after_block(&before, block.has_skip(), &reached, self.longest);
        let places: HashMap<&Grade, usize> = after.iter().zip(0..).collect();
        let mut out = PartialSums::new(after.len(), self.examples);
        for part in self.parts(&stack.rows, before.len()) {
            let rows = self.rows(&stack.rows, part.clone())?;
            let rows = block.through_post(rows)?;
            if let Some(kept) = block.through_skip(&rows)? {
                let grades = before.iter().take(part.end).skip(part.start);
                let to: Vec<_> = grades.map(|grade| places.get(grade).copied()).collect();
                out.add(&kept, &to)?;
            }
            for &(function, growth) in &carrying {
                let grades = before.iter().take(part.end).skip(part.start);
                let grows = grades
                    .take_while(|grade| length(grade) + growth.1 <= self.longest)
                    .count();
                if grows == 0 {
                    continue;
                }
                let rows = self.rows(&rows, 0..grows)?;
                let Some(moved) = block.through_function(function, &rows)? else {
                    continue;
                };
                let moved = match signs.and_then(|signs| signs.get(function)) {
                    Some(&sign) => moved.f_mul_scalar(sign)?,
                    None => moved,
                };
                let grades = before.iter().skip(part.start).take(grows);
                let to: Vec<_> = grades
                    .map(|grade| places.get(&longer(grade, growth)).copied())
                    .collect();
                out.add(&moved, &to)?;
            }
        }
        let out = match out.finish()? {
            Some(out) => out,
            // Nothing flows: neither skip nor function.
            None => block.through_nothing(&stack.rows)?,
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

    /// Ranges of grades whose rows go through a function at once.
    fn parts(&self, rows: &Tensor, grades: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let size = rows::together(rows, self.examples, self.part);
        (0..grades)
            .step_by(size)
            .map(move |start| start..(start + size).min(grades))
    }

    fn rows(&self, rows: &Tensor, grades: std::ops::Range<usize>) -> Result<Tensor, NetworkError> {
        let start = grades.start as i64 * self.examples;
        Ok(rows.f_narrow(0, start, grades.len() as i64 * self.examples)?)
    }
}

/// The stack after a block while its terms come in.
///
/// Where nothing has come yet a term is copied instead of added to zeros, and neighbouring grades
/// that move together are one operation: the memory traffic of the sums is what the recursion
/// costs beside its convolutions.
pub(super) struct PartialSums {
    rows: Option<Tensor>,
    /// Whether each grade has a term already.
    begun: Vec<bool>,
    examples: i64,
}

impl PartialSums {
    pub fn new(grades: usize, examples: i64) -> Self {
        Self {
            rows: None,
            begun: vec![false; grades],
            examples,
        }
    }

    /// Adds the grades of `terms`, one after another, each to the grade that `to` gives for it.
    pub fn add(&mut self, terms: &Tensor, to: &[Option<usize>]) -> Result<(), NetworkError> {
        let rows = match &self.rows {
            Some(rows) => rows.shallow_clone(),
            None => {
                let rows = rows::empty(terms, self.begun.len() as i64 * self.examples)?;
                self.rows = Some(rows.shallow_clone());
                rows
            }
        };
        let mut first = 0;
        while let Some(&place) = to.get(first) {
            let Some(place) = place else {
                first += 1;
                continue;
            };
            let begun = self.begun.get(place).copied().unwrap_or(false);
            let together = (first..to.len())
                .zip(place..)
                .take_while(|&(from, place)| {
                    to.get(from) == Some(&Some(place)) && self.begun.get(place) == Some(&begun)
                })
                .count()
                .max(1);
            let length = together as i64 * self.examples;
            let terms = terms.f_narrow(0, first as i64 * self.examples, length)?;
            let mut sums = rows.f_narrow(0, place as i64 * self.examples, length)?;
            if begun {
                let _ = sums.f_add_(&terms)?;
            } else {
                sums.f_copy_(&terms)?;
            }
            for begun in self.begun.iter_mut().skip(place).take(together) {
                *begun = true;
            }
            first += together;
        }
        Ok(())
    }

    /// The sums; none where no term came at all.
    pub fn finish(self) -> Result<Option<Tensor>, NetworkError> {
        let Some(rows) = self.rows else {
            return Ok(None);
        };
        for (place, _) in self.begun.iter().enumerate().filter(|(_, begun)| !**begun) {
            let _ = rows
                .f_narrow(0, place as i64 * self.examples, self.examples)?
                .f_zero_()?;
        }
        Ok(Some(rows))
    }
}
