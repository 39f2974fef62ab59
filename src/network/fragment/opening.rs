//! Opening a program: it is tried, rewritten, and cut into residual blocks.

use std::collections::HashMap;

use pathscope_torch::with_bounded_allocations;
use tch::Tensor;

use super::finder::Finder;
use super::rewriting::Rewriting;
use super::trial::{Sizes, Trial};
use super::{Fragment, Granularity, Value};
use crate::{NetworkError, Role, Specification};

/// A program that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The residual network in it.
    pub specification: Specification,
    /// Its parameters and folded constants by name.
    pub tensors: HashMap<String, Tensor>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// What the program calls the operations of each block.
    pub nodes: Vec<Vec<String>>,
    /// What the program gives for the batch it was tried on.
    pub logits: Tensor,
}
/// Bytes that opening may use beside a multiple of what the parameters and the input have.
const FLOOR_BYTES: usize = 1 << 28;
const BYTES_PER_BYTE: usize = 64;

impl Fragment {
    /// The residual network that a whole program computes with `tensors` as its parameters.
    /// `declared` says what the archive states about each node's outputs; `batch` `[3, ...]` is an
    /// input to try it on, and `granularity` says what its blocks are.
    ///
    /// # Errors
    /// A graph without residual blocks, one that cannot be run within bounds that follow from its
    /// size, or one whose values have other sizes than declared.
    pub fn open(
        self,
        tensors: Vec<Tensor>,
        declared: &[Sizes],
        batch: &Tensor,
        granularity: Granularity,
    ) -> Result<Opened, NetworkError> {
        tch::no_grad(|| {
            let bytes = |tensor: &Tensor| tensor.numel() * tensor.kind().elt_size_in_bytes();
            let held = tensors.iter().map(bytes).sum::<usize>() + bytes(batch);
            let bound = FLOOR_BYTES.saturating_add(held.saturating_mul(BYTES_PER_BYTE));
            let (mut graph, tensors, probe, logits) = with_bounded_allocations(bound, || {
                let trial = Trial::run(&self, &tensors, declared, batch, bound)?;
                Rewriting::of(self, tensors, trial).rewrite()
            })?;
            assign_roles(&mut graph);
            let finder = Finder::of(&graph, &probe);
            let (specification, nodes) = finder.network(granularity)?;
            let notes = finder.notes(&specification);
            let names = graph.parameters.into_iter().map(|parameter| parameter.name);
            Ok(Opened {
                specification,
                tensors: names.zip(tensors).collect(),
                notes,
                nodes,
                logits,
            })
        })
    }
}

/// A tensor's use says what it is for.
fn assign_roles(graph: &mut Fragment) {
    const MATRIX: [Role; 2] = [Role::Weight, Role::Bias];
    const NORM: [Role; 4] = [
        Role::Scale,
        Role::Shift,
        Role::RunningMean,
        Role::RunningVariance,
    ];
    for node in &graph.nodes {
        let (first, roles) = match node.name() {
            "conv1d" | "conv2d" | "conv3d" | "linear" => (1, MATRIX.as_slice()),
            "batch_norm" => (1, NORM.as_slice()),
            "rms_norm" | "layer_norm" | "group_norm" => (2, &NORM[..2]),
            _ => continue,
        };
        for (place, &role) in (first..).zip(roles) {
            if let Some(Value::Parameter(parameter)) = node.value(place)
                && let Some(parameter) = graph.parameters.get_mut(parameter)
                && (parameter.role != Role::Constant || !role.is_trained())
            {
                parameter.role = role;
            }
        }
    }
}
