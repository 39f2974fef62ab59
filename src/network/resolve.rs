//! What a step of a plan makes of a block: the one place that interprets the states of functions.
//!
//! Forward passes, derivatives, costs, paths, smaller networks and shared prefixes are all folds
//! over the [`Resolved`] block, so they cannot disagree.

use pathscope_analysis::BlockPaths;
use pathscope_analysis::record::LesionKind;

use super::{Block, Function, FunctionState, Layer, NetworkError, Plan, ResidualNetwork, Step};

/// What a step computes.
#[derive(Debug)]
pub(super) enum Resolved<'a, L> {
    /// The input is handed on: all functions of a block without a skip are off.
    Passed,
    /// `post(skip(pre(x)) + sum of terms)`, weighted by the gate where there is one.
    Sum(Sum<'a, L>),
}

/// The sum that a step computes.
#[derive(Debug)]
pub(super) struct Sum<'a, L> {
    /// Applied before skip and functions.
    pub pre: &'a [L],
    /// The functions that contribute, in the order of the block.
    pub terms: Vec<Term<'a, L>>,
    /// What becomes of the skip.
    pub skip: Skip<'a, L>,
    /// The share of the sum that the terms have; the skip has the rest. None where no term contributes:
    /// a gated block whose functions are off carries all of its skip.
    pub gate: Option<&'a [L]>,
    /// Whether the terms' mean takes the place of their sum.
    pub mean: bool,
    /// Applied to the sum.
    pub post: &'a [L],
}

/// One function of a sum.
#[derive(Debug)]
pub(super) struct Term<'a, L> {
    /// Its number in the block.
    pub number: usize,
    /// The function.
    pub function: &'a Function<L>,
    /// Where its output comes from.
    pub source: Source,
}

/// Where the output of a function comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It is computed, and gradients flow back through it.
    Live,
    /// It is computed, and no gradient flows back.
    Held,
    /// Something measured beforehand stands in for it; no gradient flows back.
    Given(LesionKind),
}

/// The skip of a block in a sum.
#[derive(Debug)]
pub(super) enum Skip<'a, L> {
    /// Its value is added.
    Carried(&'a [L]),
    /// It contributes nothing, but still says which shape the sum has.
    Cut(&'a [L]),
    /// The block has none.
    Absent,
}

impl<L> Block<L> {
    /// What `step` makes of this block.
    pub(super) fn resolve(&self, step: &Step) -> Resolved<'_, L> {
        let skip = match &self.skip {
            None if step.is_silent() => return Resolved::Passed,
            None => Skip::Absent,
            Some(layers) if step.skip => Skip::Carried(layers),
            Some(layers) => Skip::Cut(layers),
        };
        let states = self.functions.iter().zip(&step.functions).enumerate();
        let terms = states.filter_map(|(number, (function, state))| {
            Some(Term {
                number,
                function,
                source: state.source()?,
            })
        });
        let terms: Vec<_> = terms.collect();
        Resolved::Sum(Sum {
            pre: &self.pre,
            gate: self.gate.as_deref().filter(|_| !terms.is_empty()),
            mean: self.mean,
            terms,
            skip,
            post: &self.post,
        })
    }
}

impl<L> ResidualNetwork<L> {
    /// Whether `step` hands on what it is given, so that it need not be computed.
    #[must_use]
    pub fn is_idle(&self, step: &Step) -> bool {
        let Ok(block) = self.block(step.block) else {
            return false;
        };
        match block.resolve(step) {
            Resolved::Passed => true,
            Resolved::Sum(sum) => {
                sum.terms.is_empty()
                    && matches!(sum.skip, Skip::Carried([]))
                    && sum.pre.is_empty()
                    && sum.post.is_empty()
            }
        }
    }
}

impl ResidualNetwork<Layer> {
    /// The ways through every step of `plan` that carry a gradient, with lengths in modules: the path
    /// polynomials of the blocks. A step that hands on its input has one way, of length 0.
    ///
    /// # Errors
    /// A block that the network lacks.
    pub fn block_paths(&self, plan: &Plan) -> Result<Vec<BlockPaths>, NetworkError> {
        let passages = self.passages();
        let paths = |step: &Step| {
            let block = self.block(step.block)?;
            let orders = block.orders();
            let Resolved::Sum(sum) = block.resolve(step) else {
                return Ok(BlockPaths::new(Some(0), Vec::new()));
            };
            let live = sum.terms.iter().filter(|term| term.source == Source::Live);
            let live: Vec<usize> = live.map(|term| term.number).collect();
            let carried = sum.carried().map(|_| 0);
            let functions = live
                .iter()
                .filter_map(|&number| orders.get(number).copied());
            let mut paths = BlockPaths::new(carried, functions.collect());
            let all = passages.get(step.block.position());
            if let Some(all) = all.filter(|all| !all.is_empty()) {
                let functions = live
                    .iter()
                    .map(|number| number + usize::from(block.skip.is_some()));
                let ways = carried.into_iter().chain(functions);
                paths.passages = ways.filter_map(|way| all.get(way).copied()).collect();
            }
            Ok(paths)
        };
        plan.steps().iter().map(paths).collect()
    }
}

impl<'a, L> Sum<'a, L> {
    /// The layers of the skip where it is added.
    pub fn carried(&self) -> Option<&'a [L]> {
        match self.skip {
            Skip::Carried(layers) => Some(layers),
            Skip::Cut(_) | Skip::Absent => None,
        }
    }

    /// The factor on every term; `None` where it is 1.
    pub fn weight(&self) -> Option<f64> {
        let terms = self.terms.len();
        #[expect(clippy::cast_precision_loss, reason = "a number of functions")]
        let weight = 1.0 / terms as f64;
        (self.mean && terms > 1).then_some(weight)
    }

    /// The functions that are computed.
    pub fn computed(&self) -> impl Iterator<Item = &'a Function<L>> {
        let computed = self.terms.iter().filter(|term| term.is_computed());
        computed.map(|term| term.function)
    }
}

impl<L> Term<'_, L> {
    /// Whether the function's layers run.
    pub fn is_computed(&self) -> bool {
        !matches!(self.source, Source::Given(_))
    }
}

impl FunctionState {
    /// Where the function's output comes from; `None` where it contributes nothing.
    fn source(self) -> Option<Source> {
        match self {
            Self::On => Some(Source::Live),
            Self::Detached => Some(Source::Held),
            Self::Substitute(kind) => Some(Source::Given(kind)),
            Self::Off => None,
        }
    }
}

impl Step {
    /// Whether no function contributes.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.functions.iter().all(|state| state.source().is_none())
    }

    /// Number of functions through which gradient flows.
    #[must_use]
    pub fn live_functions(&self) -> usize {
        let live = |state: &&FunctionState| state.source() == Some(Source::Live);
        self.functions.iter().filter(live).count()
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
