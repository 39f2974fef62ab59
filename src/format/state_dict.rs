//! Named tensors, as a model file holds them.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::{error::FormatError, note::LoadNote};

/// The tensors of a model file by name, in the order of the file.
///
/// Tensors that share memory in the file share it here, and they keep the strides
/// they were saved with.
#[derive(Debug)]
pub struct StateDict {
    tensors: Vec<(String, Tensor)>,
    metadata: BTreeMap<String, String>,
    notes: Vec<LoadNote>,
}

impl StateDict {
    pub(super) fn new(
        tensors: Vec<(String, Tensor)>,
        metadata: BTreeMap<String, String>,
        notes: Vec<LoadNote>,
    ) -> Self {
        let mut dict = Self {
            tensors,
            metadata,
            notes,
        };
        dict.strip_prefixes();
        dict
    }

    /// Wrappers (data-parallel training, compilation, Lightning) put one word before
    /// every name; the names of the network itself are what remains.
    fn strip_prefixes(&mut self) {
        const PREFIXES: [&str; 3] = ["module.", "_orig_mod.", "model."];
        /// The counter of PyTorch's averaged models stands beside what it wraps.
        const COUNTER: &str = "n_averaged";
        while let Some(prefix) = PREFIXES.into_iter().find(|prefix| {
            let mut wrapped = self
                .tensors
                .iter()
                .filter(|(name, _)| name != COUNTER)
                .peekable();
            wrapped.peek().is_some()
                && wrapped.all(|(name, _)| {
                    name.strip_prefix(prefix)
                        .is_some_and(|rest| !rest.is_empty() && rest != COUNTER)
                })
        }) {
            let mut tensors = 0;
            for (name, _) in &mut self.tensors {
                if let Some(rest) = name.strip_prefix(prefix) {
                    *name = rest.to_owned();
                    tensors += 1;
                }
            }
            self.notes
                .push(LoadNote::PrefixStripped { prefix, tensors });
        }
    }

    pub(super) fn note(&mut self, note: LoadNote) {
        self.notes.push(note);
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|(name, _)| name.as_str())
    }

    /// The tensors with their names, in the order of the file.
    pub fn tensors(&self) -> &[(String, Tensor)] {
        &self.tensors
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, tensor)| tensor)
    }

    /// Takes the tensor of that name out, so that what remains is what nobody asked for.
    pub fn take(&mut self, name: &str) -> Option<Tensor> {
        let place = self.tensors.iter().position(|(held, _)| held == name)?;
        Some(self.tensors.remove(place).1)
    }

    /// What the file says about itself: the metadata of a safetensors file, or the
    /// plain values (`epoch`, `arch`, ...) beside the tensors of a checkpoint.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What was done or left out on the way from the file to these tensors.
    pub fn notes(&self) -> &[LoadNote] {
        &self.notes
    }

    /// The same tensors with every floating-point type turned into 32 bits.
    ///
    /// # Errors
    ///
    /// When libtorch cannot convert a tensor, for lack of memory.
    pub fn to_float32(mut self) -> Result<Self, FormatError> {
        for (name, tensor) in &mut self.tensors {
            if matches!(
                tensor.f_kind(),
                Ok(Kind::Half | Kind::BFloat16 | Kind::Double)
            ) {
                *tensor = tensor
                    .f_to_kind(Kind::Float)
                    .map_err(|fault| FormatError::Convert {
                        entry: name.clone(),
                        fault,
                    })?;
            }
        }
        Ok(self)
    }
}
