//! A program run on two and on three examples.

use pathscope_torch as torch;
use tch::{Kind, Tensor};

use super::Fragment;
use super::probe::{FEW, Shape};
use super::run::{Budget, bytes};
use crate::NetworkError;

/// What a node gives in a trial run: size and kind where it is a tensor, and the value where it is kept.
type Made = (Option<(Vec<i64>, Kind)>, Option<torch::Value>);

/// The lengths that an archive declares for each output of a node; `None` for those that follow
/// the number of examples.
pub type Sizes = Vec<Option<Vec<Option<i64>>>>;

/// Elementary steps that opening may do beside a multiple of the numbers held.
const FLOOR_WORK: f64 = 2e10;
const WORK_PER_NUMBER: f64 = 1e4;

/// What two runs of a program tell about one output of a node: what it looks like where it is a tensor,
/// and both values where they are kept.
type Seen = (Option<Shape>, Option<(torch::Value, torch::Value)>);

/// What the runs of a program tell.
pub(super) struct Trial {
    pub input: Shape,
    /// What the program gives for three examples.
    pub logits: Tensor,
    /// For every node whether a tensor of its follows from the input's numbers.
    pub follows: Vec<bool>,
    pub seen: Vec<Vec<Seen>>,
}

impl Trial {
    /// Runs `graph` on two and on three examples of `batch`, within `bound` bytes.
    pub fn run(
        graph: &Fragment,
        tensors: &[Tensor],
        declared: &[Sizes],
        batch: &Tensor,
        bound: usize,
    ) -> Result<Self, NetworkError> {
        let follows = graph.follows_input();
        let numbers = tensors.iter().map(Tensor::numel).sum::<usize>() + batch.numel();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let work = FLOOR_WORK + WORK_PER_NUMBER * numbers as f64;
        let mut runs = Vec::new();
        for examples in [FEW, FEW + 1] {
            let mut budget = Budget { bytes: bound, work };
            let mut values: Vec<Vec<Made>> = Vec::new();
            let mut folded = 0;
            let result = graph.run(
                tensors,
                &batch.f_narrow(0, 0, examples)?,
                &mut budget,
                &mut |place, made| {
                    agrees(graph, place, made, declared)?;
                    let keeps = !follows.get(place).copied().unwrap_or(true);
                    let row = made.iter().map(|value| {
                        let shape = value.tensor().map(|tensor| (tensor.size(), tensor.kind()));
                        (shape, keeps.then(|| value.shallow_clone()))
                    });
                    values.push(row.collect());
                    if keeps {
                        folded += made.iter().map(bytes).sum::<usize>();
                    }
                    match folded > bound {
                        true => Err(NetworkError::Torch(
                            "its constants need far more memory than the model has".into(),
                        )),
                        false => Ok(()),
                    }
                },
            )?;
            runs.push((result, values));
        }
        let too_few = || NetworkError::Torch("a graph was not run".into());
        let (logits, three) = runs.pop().ok_or_else(too_few)?;
        let (_, two) = runs.pop().ok_or_else(too_few)?;
        let seen = two.into_iter().zip(three).map(|(two, three)| {
            let pairs = two.into_iter().zip(three);
            let seen = pairs.map(|((two, first), (three, second))| {
                let sizes = two.zip(three);
                let shape = sizes.map(|((two, kind), (three, _))| Shape { two, three, kind });
                (shape, first.zip(second))
            });
            seen.collect()
        });
        let each = batch.size().split_off(1);
        Ok(Self {
            input: Shape {
                two: [vec![FEW], each.clone()].concat(),
                three: [vec![FEW + 1], each].concat(),
                kind: batch.kind(),
            },
            seen: seen.collect(),
            follows,
            logits,
        })
    }
}

/// Whether a node's outputs have the sizes that the archive declares.
fn agrees(
    graph: &Fragment,
    place: usize,
    made: &[torch::Value],
    declared: &[Sizes],
) -> Result<(), NetworkError> {
    let sizes = declared.get(place).into_iter().flatten();
    for (value, declared) in made.iter().zip(sizes) {
        let (Some(tensor), Some(declared)) = (value.tensor(), declared) else {
            continue;
        };
        let size = tensor.size();
        let fits = |(&length, declared): (&i64, &Option<i64>)| {
            declared.is_none_or(|declared| declared == length)
        };
        if size.len() != declared.len() || !size.iter().zip(declared).all(fits) {
            let node = graph.nodes.get(place);
            let operation = node.map_or("an operation", |node| node.operation.as_str());
            return Err(NetworkError::Architecture(format!(
                "`{operation}` gives the shape {size:?} where the archive declares another"
            )));
        }
    }
    Ok(())
}
