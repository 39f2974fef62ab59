//! What stands in for function outputs, measured on calibration examples: one file for each kind.

use pathscope_analysis::Seed;
use pathscope_analysis::record::LesionKind;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::batches::Batches;
use super::packed::Packed;
use super::{ExperimentError, Laboratory};
use pathscope_network::{
    BlockIndex, FunctionIndex, NetworkError, Pass, Plan, StandIn, Substitutes, channels_last,
};

/// Declares the module of every kind, in which the unit type of its name does the work.
macro_rules! declare {
    ($($kind:ident in $module:ident),*) => {
        $(mod $module;)*

        /// What measures a kind; `None` where nothing stands in for the output.
        fn measure(kind: LesionKind) -> Option<&'static dyn Calibration> {
            match kind {
                $(LesionKind::$kind => Some(&$module::$kind),)*
                LesionKind::Delete | LesionKind::Skip => None,
            }
        }
    };
}

pathscope_analysis::stand_in_kinds!(declare);

/// Rows in a bank of stand-ins: other examples, or draws of noise.
const ROWS: usize = 64;

/// How a kind of stand-in is measured.
trait Calibration: Sync {
    /// What one micro-batch says about a function, on the CPU.
    fn observe(&self, seen: &Observation<'_>) -> Result<Vec<Tensor>, ExperimentError>;

    /// Adds what the next micro-batch says to what those before it said: by default these are sums
    /// over examples.
    fn add(&self, before: &mut Vec<Packed>, next: Vec<Packed>) -> Result<(), ExperimentError> {
        if before.is_empty() {
            *before = next;
            return Ok(());
        }
        for (Packed(total), Packed(tensor)) in before.iter_mut().zip(next) {
            *total = total.f_add(&tensor)?;
        }
        Ok(())
    }

    /// What stands in for the function, from all micro-batches.
    fn settle(&self, all: Observations) -> Result<Box<dyn StandIn>, ExperimentError>;
}

/// One function at one micro-batch.
struct Observation<'a> {
    /// Position of the first example in the data set.
    first: usize,
    /// What the function takes, `[N, ...]`.
    input: &'a Tensor,
    /// What it gives, `[N, ...]`.
    output: &'a Tensor,
}

/// What all micro-batches say about one function.
struct Observations {
    examples: i64,
    tensors: Vec<Tensor>,
    function: FunctionIndex,
    seed: Seed,
    device: Device,
}

/// What one or more micro-batches say about one function.
#[derive(Default, Serialize, Deserialize)]
struct Part {
    examples: i64,
    tensors: Vec<Packed>,
}

/// Micro-batches for each worker whose observations are kept before they are added up.
const AT_ONCE: usize = 8;

impl Observations {
    /// The tensors that [`Calibration::observe`] gives.
    fn exactly<const N: usize>(self) -> Result<[Tensor; N], ExperimentError> {
        let found = self.tensors.len();
        let fault = || format!("{found} statistics where {N} are measured");
        let tensors = self.tensors.try_into();
        tensors.map_err(|_| ExperimentError::Internal(fault()))
    }
}

/// A bank of the rows `[R, ...]`.
fn bank(rows: &Tensor, device: Device) -> Result<Box<dyn StandIn>, ExperimentError> {
    let rows = channels_last(&rows.f_to_kind(Kind::Float)?)?.f_to_device(device)?;
    Ok(Box::new(Bank(rows)))
}

fn nothing_seen() -> ExperimentError {
    ExperimentError::Impossible("there are no calibration examples to measure stand-ins on".into())
}

/// Rows `[R, ...]` of which every example takes one, by its position in the data set. One row is a
/// mean; many rows are the outputs for other examples, or draws of noise.
#[derive(Debug)]
struct Bank(Tensor);

impl StandIn for Bank {
    fn output(&self, input: &Tensor, first_example: usize) -> Result<Tensor, NetworkError> {
        let Self(bank) = self;
        let rows = count(bank)?;
        let first = i64::try_from(first_example)
            .map_err(|_| NetworkError::Internal(format!("there is no example {first_example}")))?;
        // Half a bank away, so that an example of the calibration set does not meet itself.
        let taken: Vec<i64> = (first..first + count(input)?)
            .map(|example| (example + rows / 2) % rows.max(1))
            .collect();
        let taken = Tensor::f_from_slice(&taken)?.f_to_device(bank.device())?;
        Ok(bank.f_index_select(0, &taken)?)
    }

    fn shallow_clone(&self) -> Box<dyn StandIn> {
        Box::new(Self(self.0.shallow_clone()))
    }
}

/// Rows of a tensor `[N, ...]`.
fn count(tensor: &Tensor) -> Result<i64, NetworkError> {
    let size = tensor.size();
    size.first()
        .copied()
        .ok_or_else(|| NetworkError::Internal("a batch has no dimensions".into()))
}

impl Laboratory<'_> {
    /// Measures on the calibration examples what stands in for every function output of the
    /// intact network in lesions of this kind: nothing where the kind measures nothing.
    ///
    /// # Errors
    /// Calibration examples that do not fit the network.
    pub fn measure_substitutes(
        &self,
        kind: LesionKind,
        seed: Seed,
    ) -> Result<Substitutes, ExperimentError> {
        let mut substitutes = Substitutes::default();
        let Some(measure) = measure(kind) else {
            return Ok(substitutes);
        };
        let functions = self.frozen().structure().functions();
        let places: Vec<FunctionIndex> = functions
            .iter()
            .enumerate()
            .flat_map(|(block, &k)| {
                let block = BlockIndex::new(block);
                (0..k).map(move |function| FunctionIndex { block, function })
            })
            .collect();
        let mut totals = self.observe(measure, places.len())?.into_iter();
        for &function in &places {
            let Some(Part { examples, tensors }) = totals.next() else {
                return Err(nothing_seen());
            };
            let all = Observations {
                examples,
                tensors: tensors.into_iter().map(|Packed(tensor)| tensor).collect(),
                function,
                seed,
                device: self.calibration().options.device,
            };
            let stand_in = tch::no_grad(|| measure.settle(all))?;
            substitutes.insert(function.block, function.function, kind, stand_in);
        }
        Ok(substitutes)
    }

    /// What the calibration examples say about every one of the `count` functions, added up in
    /// their order: the same for any number of threads.
    fn observe(
        &self,
        measure: &dyn Calibration,
        count: usize,
    ) -> Result<Vec<Part>, ExperimentError> {
        let calibration = self.calibration();
        let widest = super::sweep::widest(self.specification(), &calibration)?;
        let options = calibration.options;
        let size = options.micro_batch(widest * (6 + count as u64), widest)?;
        let examples = calibration.data.len();
        let at_once = size * AT_ONCE * options.workers() * options.team.size();
        let mut totals: Vec<Part> = Vec::with_capacity(count);
        for begin in (0..examples).step_by(at_once) {
            let chosen: Vec<usize> = (begin..(begin + at_once).min(examples)).collect();
            let batches = Batches {
                data: &calibration.data.select(&chosen)?,
                ..calibration
            };
            for parts in self.observe_some(measure, &batches, begin, size)? {
                totals.resize_with(parts.len(), Part::default);
                for (total, part) in totals.iter_mut().zip(parts) {
                    total.examples += part.examples;
                    measure.add(&mut total.tensors, part.tensors)?;
                }
            }
        }
        Ok(totals)
    }

    /// What every micro-batch of `size` of these examples, the first of which is example `begin`,
    /// says about every function.
    fn observe_some(
        &self,
        measure: &dyn Calibration,
        batches: &Batches<'_>,
        begin: usize,
        size: usize,
    ) -> Result<Vec<Vec<Part>>, ExperimentError> {
        let states = batches.copies(self.frozen());
        batches.map(size, states, |network, batch| {
            tch::no_grad(|| {
                let structure = network.structure();
                let mut x = structure.stem(&batch.images, &Pass::EVALUATION)?;
                let mut parts = Vec::new();
                for step in Plan::intact(structure).steps() {
                    let block = structure.block(step.block)?;
                    let (input, outputs) = block.function_outputs(&x, &Pass::EVALUATION)?;
                    for output in &outputs {
                        let seen = Observation {
                            first: begin + batch.first,
                            input: &input,
                            output,
                        };
                        parts.push(Part {
                            examples: count(seen.input)?,
                            tensors: measure.observe(&seen)?.into_iter().map(Packed).collect(),
                        });
                    }
                    x = structure.step(step, &x, &Pass::EVALUATION)?;
                }
                Ok(parts)
            })
        })
    }
}

#[cfg(test)]
mod tests;
