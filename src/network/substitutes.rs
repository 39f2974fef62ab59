use std::collections::HashMap;
use std::fmt;

use pathscope_analysis::record::LesionKind;
use tch::Tensor;

use super::{BlockIndex, NetworkError};

/// What stands in for the output of one function.
pub trait StandIn: fmt::Debug + Send {
    /// What it gives `[N, ...]` for a batch whose functions take `input` `[N, ...]`. The batch
    /// begins with example `first_example` of the data set: what an example gets depends on the
    /// example, not on how the data were cut into batches.
    ///
    /// # Errors
    /// Where libtorch refuses.
    fn output(&self, input: &Tensor, first_example: usize) -> Result<Tensor, NetworkError>;

    /// Another handle on the same tensors, for another thread.
    fn shallow_clone(&self) -> Box<dyn StandIn>;
}

/// What stands in for function outputs, by function and kind.
#[derive(Debug, Default)]
pub struct Substitutes {
    measured: HashMap<(BlockIndex, usize, LesionKind), Box<dyn StandIn>>,
}

impl Substitutes {
    /// Sets what stands in for one function.
    pub fn insert(
        &mut self,
        block: BlockIndex,
        function: usize,
        kind: LesionKind,
        stand_in: Box<dyn StandIn>,
    ) {
        self.measured.insert((block, function, kind), stand_in);
    }

    /// What stands in for a function; `None` where nothing was measured for it.
    pub(super) fn get(
        &self,
        block: BlockIndex,
        function: usize,
        kind: LesionKind,
    ) -> Option<&dyn StandIn> {
        self.measured.get(&(block, function, kind)).map(Box::as_ref)
    }

    /// Another handle on the same tensors, for another thread.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let measured = self
            .measured
            .iter()
            .map(|(&key, stand_in)| (key, stand_in.as_ref().shallow_clone()))
            .collect();
        Self { measured }
    }
}
