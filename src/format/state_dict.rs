//! Named tensors, as a model file holds them.

use std::collections::{BTreeMap, HashMap, HashSet};

use indexmap::IndexMap;
use tch::{Kind, Tensor};

use super::{error::Fault, model::CARD, note::LoadNote, stated::Stated};

/// The tensors of a model file by name, in the order of the file.
///
/// Tensors that share memory in the file share it here, and they keep the strides
/// they were saved with.
#[derive(Debug)]
pub struct StateDict {
    tensors: IndexMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
    notes: Vec<LoadNote>,
    /// What pickled modules state of themselves, by their place.
    stated: HashMap<String, Stated>,
}

/// Words that wrappers put between two dots of a name, or before its first.
const WRAPPERS: [&str; 5] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
];

/// A prefix that says nothing where every name has it.
const MODEL: &str = "model.";

/// Stands for the tensors of a module.
const SUFFIX: &str = ".?";

/// `name` without the word `wrapper`, wherever it stands; `None` where it does not.
fn without(wrapper: &str, name: &str) -> Option<String> {
    let words = name.split('.');
    let kept: Vec<&str> = words.filter(|word| *word != wrapper).collect();
    let kept = kept.join(".");
    (kept.len() != name.len() && !kept.is_empty()).then_some(kept)
}

/// A prefix as it stands in names that are free of wrappers, with a dot at its end.
pub(super) fn unwrapped(prefix: &str) -> String {
    let words = prefix.split('.').filter(|word| !word.is_empty());
    let words = words.filter(|word| !WRAPPERS.contains(word));
    words.map(|word| format!("{word}.")).collect()
}

impl StateDict {
    pub(super) fn new(
        tensors: IndexMap<String, Tensor>,
        metadata: BTreeMap<String, String>,
        notes: Vec<LoadNote>,
        stated: HashMap<String, Stated>,
    ) -> Self {
        let mut dict = Self {
            tensors,
            metadata,
            notes,
            stated,
        };
        // Files of pathscope state the names of their network.
        if !dict.metadata.contains_key(CARD) {
            dict.strip_wrappers();
        }
        dict
    }

    /// Wrappers (data-parallel and sharded training, compilation, recomputation, Lightning) put
    /// a word of their own into names; the names of the network itself are what remains.
    fn strip_wrappers(&mut self) {
        for wrapper in WRAPPERS {
            self.strip(wrapper, |name| without(wrapper, name));
        }
        let rest = |name: &str| name.strip_prefix(MODEL).map(str::to_owned);
        let goes_on = |name: &str| rest(name).is_some_and(|rest| !rest.is_empty());
        while !self.is_empty() && self.names().all(goes_on) && self.strip("model", rest) {}
    }

    /// Gives tensors the names that `rename` finds, and notes that `part` was removed; whether
    /// that was possible without giving one name to two of them.
    fn strip(&mut self, part: &'static str, rename: impl Fn(&str) -> Option<String>) -> bool {
        let renamed = |name: &str| rename(name).unwrap_or_else(|| name.to_owned());
        let names: HashSet<String> = self.names().map(renamed).collect();
        let tensors = self.names().filter(|name| rename(name).is_some()).count();
        if tensors == 0 || names.len() != self.len() {
            return false;
        }
        self.rename(renamed);
        self.notes.push(LoadNote::PartStripped { part, tensors });
        true
    }

    /// Renames tensors, and modules as their tensors would be.
    pub(super) fn rename(&mut self, rename: impl Fn(&str) -> String) {
        let tensors = std::mem::take(&mut self.tensors).into_iter();
        let tensors = tensors.map(|(name, tensor)| (rename(&name), tensor));
        self.tensors = tensors.collect();
        let module = |name: &str| {
            let renamed = rename(&format!("{name}{SUFFIX}"));
            let renamed = renamed.strip_suffix(SUFFIX).unwrap_or_default();
            renamed.strip_suffix('.').unwrap_or(renamed).to_owned()
        };
        let stated = std::mem::take(&mut self.stated).into_iter();
        let stated = stated.map(|(name, stated)| (module(&name), stated));
        self.stated = stated.collect();
    }

    /// The tensors below `prefix`, such as `encoder.`, under their names there, and the same
    /// metadata; without notes.
    pub(super) fn below(&self, prefix: &str) -> Self {
        let inside = |name: &str| name.strip_prefix(prefix).map(str::to_owned);
        let tensors = self.tensors.iter().filter_map(|(name, tensor)| {
            let name = inside(name).filter(|name| !name.is_empty())?;
            Some((name, tensor.shallow_clone()))
        });
        let stated = self.stated.iter();
        let stated = stated.filter_map(|(name, stated)| Some((inside(name)?, stated.clone())));
        Self {
            tensors: tensors.collect(),
            metadata: self.metadata.clone(),
            notes: Vec::new(),
            stated: stated.collect(),
        }
    }

    /// What the pickled module at `name` states of itself.
    pub(super) fn stated(&self, name: &str) -> Option<&Stated> {
        self.stated.get(name)
    }

    /// What all pickled modules state of themselves, by their names.
    pub(super) fn modules(&self) -> impl Iterator<Item = (&str, &Stated)> {
        let modules = self.stated.iter();
        modules.map(|(name, stated)| (name.as_str(), stated))
    }

    /// Puts a tensor in, in the place of `after` where that is there.
    pub(super) fn put(&mut self, name: String, tensor: Tensor, after: &str) {
        let place = self.tensors.get_index_of(after);
        let place = place.map_or(self.tensors.len(), |place| place + 1);
        self.tensors.shift_insert(place, name, tensor);
    }

    /// Takes a tensor out; the others stay in their order.
    pub(super) fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.tensors.shift_remove(name)
    }

    pub(super) fn note(&mut self, note: LoadNote) {
        self.notes.push(note);
    }

    /// The tensors of two files.
    ///
    /// # Errors
    /// A name that both have.
    pub(super) fn joined(mut self, other: Self) -> Result<Self, Fault> {
        if let Some(name) = other.tensors.keys().find(|name| self.get(name).is_some()) {
            return Err(Fault::TwoShards(name.clone()));
        }
        self.tensors.extend(other.tensors);
        self.notes.extend(other.notes);
        Ok(self)
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
        self.tensors.keys().map(String::as_str)
    }

    /// The tensors with their names, in the order of the file.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        let tensors = self.tensors.iter();
        tensors.map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Takes the tensor of that name out, so that those that were not asked for remain, in any
    /// order.
    pub fn take(&mut self, name: &str) -> Option<Tensor> {
        self.tensors.swap_remove(name)
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

    pub(super) fn into_notes(self) -> Vec<LoadNote> {
        self.notes
    }

    /// The same tensors with every floating-point type turned into 32 bits.
    ///
    /// # Errors
    ///
    /// When libtorch cannot convert a tensor, for lack of memory.
    pub fn to_float32(mut self) -> Result<Self, Fault> {
        for (name, tensor) in &mut self.tensors {
            let kind = tensor.f_kind();
            if matches!(kind, Ok(Kind::Half | Kind::BFloat16 | Kind::Double)) {
                let converted = tensor.f_to_kind(Kind::Float);
                *tensor = converted.map_err(|fault| Fault::convert(name, fault))?;
            }
        }
        Ok(self)
    }
}
