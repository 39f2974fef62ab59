use std::collections::HashMap;

use tch::Tensor;

use super::{BlockIndex, NetworkError, Pass, Substitution};

/// What stands in for branch outputs: for each function and kind, rows `[R, C, H, W]` of which
/// every example takes one, by its position in the data set.
///
/// One row is a mean; many rows are the outputs for other examples, or draws of noise.
#[derive(Debug, Default)]
pub struct Substitutes {
    banks: HashMap<(BlockIndex, usize, Substitution), Tensor>,
}

impl Substitutes {
    /// Sets the rows `[R, C, H, W]` for one function.
    pub fn insert(&mut self, block: BlockIndex, function: usize, kind: Substitution, rows: Tensor) {
        self.banks.insert((block, function, kind), rows);
    }

    /// The rows for the `examples` examples of `pass`, `[N, C, H, W]`; `None` where nothing was
    /// measured for that function.
    pub(super) fn rows(
        &self,
        block: BlockIndex,
        function: usize,
        kind: Substitution,
        pass: &Pass<'_>,
        examples: i64,
    ) -> Option<Result<Tensor, NetworkError>> {
        let bank = self.banks.get(&(block, function, kind))?;
        Some(choose(bank, pass.first_example, examples))
    }

    /// Another handle on the same tensors, for another thread.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let banks = self
            .banks
            .iter()
            .map(|(&key, rows)| (key, rows.shallow_clone()))
            .collect();
        Self { banks }
    }
}

fn choose(bank: &Tensor, first: usize, examples: i64) -> Result<Tensor, NetworkError> {
    let rows = bank.size().first().copied().unwrap_or(1).max(1);
    let first = i64::try_from(first).unwrap_or(0);
    // Half a bank away, so that an example of the calibration set does not meet itself.
    let taken: Vec<i64> = (first..first + examples)
        .map(|example| (example + rows / 2) % rows)
        .collect();
    let taken = Tensor::f_from_slice(&taken)?.f_to_device(bank.device())?;
    Ok(bank.f_index_select(0, &taken)?)
}
