use rand::RngExt;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::TrainingError;
use pathscope_network::{BlockIndex, FunctionIndex, FunctionState, NetworkError, Plan, is_fractal};

/// Which paths a mini-batch trains. Blocks that are off are not computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "restriction", rename_all = "snake_case")]
pub enum Restriction {
    /// All of them.
    #[default]
    None,
    /// Exactly this many randomly chosen blocks per mini-batch (Veit et al. 2016: 23 of 54).
    EffectivePaths {
        /// Blocks that are computed.
        blocks: usize,
        /// Whether the others are still computed forward, so that only the gradient is restricted.
        #[serde(default)]
        backward_only: bool,
    },
    /// Exactly this many randomly chosen functions per mini-batch, whatever their blocks: the same
    /// by function, for k > 1.
    EffectiveFunctions {
        /// Functions that are computed.
        functions: usize,
        /// Whether the others are still computed forward, so that only the gradient is restricted.
        #[serde(default)]
        backward_only: bool,
    },
    /// A number of blocks drawn so that path lengths, Binomial(m, k / (k + 1)) for m blocks of k
    /// functions, centre in a range: m is uniform between (k + 1) / k times the bounds, twice for
    /// one function. Where k differs among blocks, it is their mean.
    EffectiveRange {
        /// Shortest length.
        from: usize,
        /// Longest length.
        to: usize,
    },
    /// Block l of n survives with probability 1 - l / n (1 - `last`), l from 1 (Huang et al.
    /// 2016).
    StochasticDepth {
        /// Survival probability of the last block.
        last: f64,
        /// Whether a draw holds for the mini-batch or for each example.
        mode: SurvivalMode,
    },
    /// Drop-path of a fractal network: a single column, or all but what is dropped of each mean (Larsson
    /// et al. 2016).
    DropPath {
        /// Probability that a function is dropped.
        drop: f64,
        /// Share of the mini-batches that train a single column instead.
        #[serde(default = "half")]
        columns: f64,
    },
}

/// As many mini-batches of one column as of the other kind (Larsson et al., section 4.1).
fn half() -> f64 {
    0.5
}

/// What one draw of stochastic depth holds for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurvivalMode {
    /// The mini-batch: dropped blocks cost nothing.
    #[default]
    Batch,
    /// Each example: every block is computed, then gated.
    Example,
}

/// The plan and gates of one mini-batch.
pub(super) struct Draw {
    pub plan: Plan,
    pub gates: Option<Vec<Tensor>>,
}

impl Restriction {
    /// Drop-path where half of the mini-batches train a single column.
    #[must_use]
    pub fn drop_path(drop: f64) -> Self {
        Self::DropPath {
            drop,
            columns: half(),
        }
    }

    /// Checks the restriction against a network with `functions` functions in each block.
    ///
    /// # Errors
    /// [`TrainingError::TooManyBlocks`], [`TrainingError::TooManyFunctions`], or
    /// [`TrainingError::Restriction`] for a range or probability that is none.
    pub fn check(&self, functions: &[usize]) -> Result<(), TrainingError> {
        let blocks = functions.len();
        let refuse = |reason: &str| Err(TrainingError::Restriction(reason.to_owned()));
        let asked = match *self {
            Self::EffectiveFunctions {
                functions: asked, ..
            } => {
                let there = functions.iter().sum();
                if asked > there {
                    return Err(TrainingError::TooManyFunctions {
                        asked,
                        functions: there,
                    });
                }
                0
            }
            Self::EffectivePaths { blocks, .. } => blocks,
            Self::EffectiveRange { from, to } if from > to => {
                return refuse("the range of path lengths ends before it begins");
            }
            Self::EffectiveRange { from, .. } => scaled(from, functions),
            Self::StochasticDepth { last, .. } if !(0.0..=1.0).contains(&last) => {
                return refuse("the survival probability of the last block lies between 0 and 1");
            }
            Self::DropPath { drop, columns } => {
                if !is_fractal(functions) {
                    return refuse(
                        "drop-path needs a fractal network, whose functions are averaged",
                    );
                }
                if ![drop, columns].iter().all(|p| (0.0..=1.0).contains(p)) {
                    return refuse("the probabilities of drop-path lie between 0 and 1");
                }
                0
            }
            Self::None | Self::StochasticDepth { .. } => 0,
        };
        if asked > blocks {
            return Err(TrainingError::TooManyBlocks { asked, blocks });
        }
        Ok(())
    }

    /// Whether blocks that are left out are computed forward.
    fn is_backward_only(&self) -> bool {
        match *self {
            Self::EffectivePaths { backward_only, .. }
            | Self::EffectiveFunctions { backward_only, .. } => backward_only,
            _ => false,
        }
    }

    /// Probability that the functions of each block take part in a mini-batch: the factor on them
    /// when the whole network is evaluated.
    #[must_use]
    pub fn survival(&self, functions: &[usize]) -> Vec<f64> {
        let blocks = functions.len();
        let n = blocks.max(1) as f64;
        (1..=blocks)
            .map(|block| match *self {
                _ if self.is_backward_only() => 1.0,
                // A mean over fewer functions is as large.
                Self::None | Self::DropPath { .. } => 1.0,
                Self::EffectivePaths { blocks: m, .. } => m as f64 / n,
                Self::EffectiveFunctions { functions: m, .. } => {
                    m as f64 / functions.iter().sum::<usize>().max(1) as f64
                }
                Self::EffectiveRange { from, to } => {
                    let (low, high) = sizes(from, to, functions);
                    (low + high) as f64 / 2.0 / n
                }
                Self::StochasticDepth { last, .. } => 1.0 - block as f64 / n * (1.0 - last),
            })
            .collect()
    }

    /// What the restriction means for statistics and evaluation, in words; nothing where there is
    /// none.
    #[must_use]
    pub fn statement(&self, functions: &[usize]) -> Option<String> {
        let what = match *self {
            Self::None => return None,
            Self::DropPath { drop, columns } => {
                return Some(format!(
                    "{:.0} % of the mini-batches compute a single column, the others drop each function \
                     with probability {drop}; statistics of normalisation are those of such networks \
                     unless --recalibrate renews them, and the finished network averages all columns",
                    100.0 * columns
                ));
            }
            Self::EffectivePaths { blocks, .. } => {
                format!("{blocks} random blocks of {}", functions.len())
            }
            Self::EffectiveFunctions { functions: m, .. } => {
                let all: usize = functions.iter().sum();
                format!("{m} random functions of {all}")
            }
            Self::EffectiveRange { from, to } => {
                let (low, high) = sizes(from, to, functions);
                format!(
                    "{low} to {high} random blocks (path lengths that centre in {from} to {to})"
                )
            }
            Self::StochasticDepth { last, mode } => format!(
                "blocks that survive with a probability falling to {last}, drawn for each {}",
                match mode {
                    SurvivalMode::Batch => "mini-batch",
                    SurvivalMode::Example => "example",
                }
            ),
        };
        let survival = self.survival(functions);
        let most = survival.iter().copied().fold(0.0, f64::max);
        let least = survival.iter().copied().fold(1.0, f64::min);
        Some(if self.is_backward_only() {
            format!(
                "each mini-batch has gradients through {what} only; the forward pass, its \
                 statistics and the finished network are those of all"
            )
        } else {
            let factor = if (most - least).abs() < 1e-12 {
                format!("{most:.3}")
            } else {
                format!("{most:.3} (first block) to {least:.3} (last)")
            };
            format!(
                "each mini-batch computes {what}; statistics of normalisation are those of such \
                 networks unless --recalibrate renews them, and the finished network has its \
                 functions scaled by {factor}"
            )
        })
    }

    /// What mini-batch number `iteration` computes; depends on nothing but its arguments.
    pub(super) fn draw(
        &self,
        intact: &Plan,
        seed: u64,
        iteration: u64,
        examples: usize,
        device: Device,
    ) -> Result<Draw, NetworkError> {
        let blocks = intact.steps().len();
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(iteration);
        let off = |chosen: &dyn Fn(usize) -> bool, state: FunctionState| {
            (0..blocks)
                .filter(|&block| !chosen(block))
                .fold(intact.clone(), |plan, block| {
                    plan.with_block(BlockIndex::new(block), state)
                })
        };
        let only = |generator: &mut ChaCha8Rng, count: usize, state: FunctionState| {
            let mut chosen = vec![false; blocks];
            for block in sample(generator, blocks, count.min(blocks)) {
                chosen[block] = true;
            }
            off(&|block| chosen[block], state)
        };
        let plan = match *self {
            Self::None => intact.clone(),
            Self::EffectivePaths {
                blocks,
                backward_only,
            } => only(&mut generator, blocks, left_out(backward_only)),
            Self::EffectiveFunctions {
                functions: count,
                backward_only,
            } => only_functions(intact, &mut generator, count, left_out(backward_only)),
            Self::DropPath { drop, columns } => {
                super::drop_path::plan(intact, drop, columns, &mut generator)
            }
            Self::EffectiveRange { from, to } => {
                let functions = intact.steps().iter().map(|step| step.functions.len());
                let (low, high) = sizes(from, to, &functions.collect::<Vec<_>>());
                let count = generator.random_range(low..=high);
                only(&mut generator, count, FunctionState::Off)
            }
            Self::StochasticDepth {
                mode: SurvivalMode::Batch,
                ..
            } => {
                let survival = self.survival(&vec![1; blocks]).into_iter();
                let survives = survival.map(|p| generator.random::<f64>() < p);
                let survives: Vec<bool> = survives.collect();
                off(&|block| survives[block], FunctionState::Off)
            }
            Self::StochasticDepth {
                mode: SurvivalMode::Example,
                ..
            } => {
                let gates = self.survival(&vec![1; blocks]).into_iter().map(|p| {
                    let gate: Vec<f32> = (0..examples)
                        .map(|_| f32::from(u8::from(generator.random::<f64>() < p)))
                        .collect();
                    Ok(Tensor::f_from_slice(&gate)?
                        .f_view([-1, 1, 1, 1])?
                        .f_to_device(device)?)
                });
                let gates = gates.collect::<Result<Vec<_>, NetworkError>>()?;
                return Ok(Draw {
                    plan: intact.clone(),
                    gates: Some(gates),
                });
            }
        };
        Ok(Draw { plan, gates: None })
    }
}

/// `intact` with all functions but `count` random ones in `state`.
fn only_functions(
    intact: &Plan,
    generator: &mut ChaCha8Rng,
    count: usize,
    state: FunctionState,
) -> Plan {
    let functions = intact.steps().iter().flat_map(|step| {
        (0..step.functions.len()).map(|function| FunctionIndex {
            block: step.block,
            function,
        })
    });
    let mut functions: Vec<Option<FunctionIndex>> = functions.map(Some).collect();
    for chosen in sample(generator, functions.len(), count.min(functions.len())) {
        functions[chosen] = None;
    }
    (functions.into_iter().flatten()).fold(intact.clone(), |plan, function| {
        plan.with_function(function, state)
    })
}

fn left_out(backward_only: bool) -> FunctionState {
    match backward_only {
        true => FunctionState::Detached,
        false => FunctionState::Off,
    }
}

/// Smallest and largest number of blocks for path lengths that centre between `from` and `to`.
fn sizes(from: usize, to: usize, functions: &[usize]) -> (usize, usize) {
    let blocks = functions.len();
    let low = scaled(from, functions).min(blocks);
    (low, scaled(to, functions).min(blocks).max(low))
}

/// Blocks of which half, or the share k / (k + 1) for k functions a block, are `length`.
fn scaled(length: usize, functions: &[usize]) -> usize {
    let (all, blocks) = (functions.iter().sum::<usize>().max(1), functions.len());
    length.saturating_mul(all + blocks).div_ceil(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathscope_network::{Architecture, Family, Step, Unit};

    fn intact(depth: usize, k: usize) -> Plan {
        let architecture = Architecture::cifar(Family::Preresnet, Unit::Basic, depth, k, 3, 10);
        Plan::intact(&architecture.unwrap().build().unwrap())
    }

    /// What a restriction of 18 blocks of two functions leaves.
    fn drawn(restriction: &Restriction, seed: u64, iteration: u64) -> Plan {
        let draw = restriction.draw(&intact(38, 2), seed, iteration, 1, Device::Cpu);
        draw.unwrap().plan
    }

    fn paths(blocks: usize) -> Restriction {
        Restriction::EffectivePaths {
            blocks,
            backward_only: false,
        }
    }

    #[test]
    fn exactly_the_asked_number_of_blocks_and_each_equally_often() {
        let mut times = [0; 18];
        for iteration in 0..3000 {
            let plan = drawn(&paths(7), 3, iteration);
            let deleted: Vec<usize> = plan.deleted_blocks().map(BlockIndex::position).collect();
            assert_eq!(deleted.len(), 11);
            for (block, times) in times.iter_mut().enumerate() {
                *times += usize::from(!deleted.contains(&block));
            }
        }
        // Binomial(3000, 7/18): mean 1166.7, standard deviation 26.7.
        assert!(
            times.iter().all(|&times| (1050..1285).contains(&times)),
            "{times:?}"
        );
    }

    #[test]
    fn a_draw_depends_on_seed_and_iteration_alone() {
        let restriction = Restriction::StochasticDepth {
            last: 0.5,
            mode: SurvivalMode::Batch,
        };
        let draw = |seed, iteration| drawn(&restriction, seed, iteration);
        assert_eq!(draw(1, 5), draw(1, 5));
        assert_ne!(draw(1, 5), draw(1, 6));
        assert_ne!(draw(1, 5), draw(2, 5));
    }

    #[test]
    fn functions_are_restricted_whatever_their_blocks() {
        let intact = intact(8, 4);
        let restriction = Restriction::EffectiveFunctions {
            functions: 5,
            backward_only: false,
        };
        assert!(restriction.check(&[4; 3]).is_ok() && restriction.check(&[1; 3]).is_err());
        assert_eq!(restriction.survival(&[4; 3]), [5.0 / 12.0; 3]);
        for iteration in 0..20 {
            let draw = restriction.draw(&intact, 1, iteration, 1, Device::Cpu);
            let plan = draw.unwrap().plan;
            let live = plan.steps().iter().map(Step::live_functions);
            assert_eq!(live.sum::<usize>(), 5);
        }
    }

    #[test]
    fn lengths_become_numbers_of_blocks() {
        // Half of the blocks of one function are on a path, 4/5 of those of four.
        assert_eq!(sizes(5, 17, &[1; 54]), (10, 34));
        assert_eq!(sizes(4, 8, &[4; 14]), (5, 10));
        assert_eq!(sizes(5, 40, &[1; 54]), (10, 54));
        let range = Restriction::EffectiveRange { from: 5, to: 17 };
        assert_eq!(range.survival(&[1; 54]), [22.0 / 54.0; 54]);
        for iteration in 0..50 {
            let range = Restriction::EffectiveRange { from: 2, to: 4 };
            // Blocks of two functions: 2/3 of m blocks are on a path.
            let on = 18 - drawn(&range, 1, iteration).deleted_blocks().count();
            assert!((3..=6).contains(&on), "{on}");
        }
    }

    #[test]
    fn statements_tell_statistics_and_factor() {
        let text = paths(23).statement(&[1; 54]).unwrap();
        assert!(
            text.contains("23 random blocks of 54") && text.contains("0.426"),
            "{text}"
        );
        assert_eq!(Restriction::None.statement(&[1; 54]), None);
    }

    #[test]
    fn a_network_must_have_the_blocks() {
        assert!(paths(19).check(&[1; 18]).is_err());
        assert!(paths(19).check(&[1; 19]).is_ok());
    }
}
