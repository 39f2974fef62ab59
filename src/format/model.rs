//! A trained network with everything that is needed to use it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::error::few;
use super::exported::{self, Exported};
use super::recognize::Recognition;
use super::safetensors::write_safetensors;
use super::subtree::{self, Found};
use super::{
    Assumptions, Fault, FloatStorage, FormatError, LoadNote, LoadOptions, ModelCard, Reading,
    StateDict, archive, fold, folder, normalizer, parameters, reading, saving, state_dict,
};
use pathscope_data::Normalization;
use pathscope_file::{Draft, hexadecimal, printable, sha256, shortened};
use pathscope_network::{FeatureShape, NetworkError, Specification, TrainableNetwork};

/// A network as it was found in a file.
#[derive(Debug)]
pub struct Model {
    /// What the network is and what it takes.
    pub card: ModelCard,
    /// The network with its parameters.
    pub network: TrainableNetwork,
    /// SHA-256 of the file, in hexadecimal.
    pub hash: String,
    /// What a person should know about how the file was read.
    pub notes: Vec<LoadNote>,
    /// What the file leaves open.
    pub open: Open,
    /// Weights of linear layers that the file holds as those of convolutions of one pixel.
    pub one_pixel_kernels: Vec<String>,
    /// What the graph of an exported program calls the operations of each block; empty for other
    /// files.
    pub graph_nodes: Vec<Vec<String>>,
}

impl Model {
    /// The same tensors as another network.
    ///
    /// # Errors
    /// A network that these tensors do not fit.
    pub fn read_as(&mut self, specification: &Specification) -> Result<(), NetworkError> {
        specification.check(self.card.input)?;
        let mut held: HashMap<String, Tensor> = state_of(&self.network).into_iter().collect();
        self.network = TrainableNetwork::load(specification, |name| held.remove(name))?;
        self.card.specification = specification.clone();
        Ok(())
    }

    /// Takes `normalization` of the inputs as known.
    pub(super) fn normalize_by(&mut self, normalization: Normalization) {
        self.card.normalization = normalization;
        self.open.normalization = false;
        let assumed = |note: &LoadNote| matches!(note, LoadNote::AssumedNormalization { .. });
        self.notes.retain(|note| !assumed(note));
    }
}

/// What a file does not say of its network, so that it was assumed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Open {
    /// What of the structure: the subjects of [`readings`](super::readings).
    pub subjects: Vec<&'static str>,
    /// Readings that only this network has.
    pub alternatives: Vec<Reading>,
    /// Whether the normalisation of the inputs is one of its family.
    pub normalization: bool,
}

/// Key of the model card in the metadata of a safetensors file.
pub(super) const CARD: &str = "pathscope";

/// Reads a model: pathscope's own, or one whose architecture is recognised from the names and
/// shapes of its tensors; also the folder that transformers or timm saved one in. `normalization`
/// wins over what the file or its family says.
///
/// # Errors
/// A file that cannot be read or recognised, or whose tensors do not fit its architecture.
pub fn load_model(file: &Path, normalization: Option<Normalization>) -> Result<Model, FormatError> {
    let options = LoadOptions {
        normalization,
        ..LoadOptions::default()
    };
    load_model_with(file, &options)
}

/// Reads a model as [`load_model`] does, or the part of the file that `options` name.
///
/// # Errors
/// A file that cannot be read or recognised, or whose tensors do not fit its architecture.
pub fn load_model_with(file: &Path, options: &LoadOptions) -> Result<Model, FormatError> {
    if file.is_dir() {
        return folder::load(file, options);
    }
    reading(file, |bytes| {
        let inflated = archive::inflated(bytes)?;
        let archived = inflated.as_deref().unwrap_or(bytes);
        let mut model = match archive::exported(archived)? {
            Some(entries) => {
                nothing_chosen(options)?;
                let exported =
                    exported::read(archive::GRAPH, entries, archived.len(), options.granularity)?;
                of_graph(exported, options.normalization.as_ref())?
            }
            None => of_tensors(state_dict(archived, options.weights.as_deref())?, options)?,
        };
        if let Some(normalization) = options.normalization.clone() {
            model.normalize_by(normalization);
        }
        model.hash = options.identity(sha256(bytes));
        Ok(model)
    })
}

/// A model from named tensors; its hash is empty.
pub(super) fn of_tensors(state: StateDict, options: &LoadOptions) -> Result<Model, Fault> {
    match state.metadata().get(CARD) {
        Some(text) => {
            nothing_chosen(options)?;
            let card = serde_json::from_str(text).map_err(Fault::ModelCard)?;
            built(card, state, Open::default(), Vec::new())
        }
        None => recognized(state, options),
    }
}

/// Refuses a choice among the networks of a file that describes its only one.
fn nothing_chosen(options: &LoadOptions) -> Result<(), Fault> {
    match &options.prefix {
        Some(prefix) => Err(Fault::NothingToChoose(shortened(prefix))),
        None => Ok(()),
    }
}

/// A model of a network that is found among the tensors.
fn recognized(mut state: StateDict, options: &LoadOptions) -> Result<Model, Fault> {
    fold::parametrizations(&mut state)?;
    let Found {
        prefix,
        state: mut inner,
        recognition,
    } = subtree::find(&state, options).map_err(|fault| {
        let script = |note: &LoadNote| matches!(note, LoadNote::ScriptRead { .. });
        match fault {
            Fault::UnknownArchitecture { .. } if state.notes().iter().any(script) => {
                Fault::TorchScript
            }
            fault => fault,
        }
    })?;
    let Recognition {
        mut card,
        mut remarks,
        alternatives,
        renamed,
    } = recognition;
    for (held, name) in renamed {
        if let Some(tensor) = inner.remove(&held) {
            inner.put(name, tensor, "");
        }
    }
    let mut open = Open {
        subjects: open_subjects(&state, &options.assumptions),
        alternatives,
        normalization: true,
    };
    let outside =
        |name: &str| !name.starts_with(&prefix) || inner.get(&name[prefix.len()..]).is_some();
    let beside: Vec<(&str, &Tensor)> = state.tensors().filter(|(name, _)| outside(name)).collect();
    let own = normalizer::inside(&beside, card.input.channels)?;
    let mut taken = Vec::new();
    if let Some((names, normalization)) = own {
        taken = names.map(str::to_owned).to_vec();
        card.normalization = normalization;
        open.normalization = false;
        remarks.retain(|note| !matches!(note, LoadNote::AssumedNormalization { .. }));
        remarks.push(LoadNote::InsideNormalization(few(taken
            .iter()
            .map(String::as_str))));
    }
    if !prefix.is_empty() {
        remarks.insert(0, LoadNote::Below(shortened(&prefix)));
    }
    let is_left =
        |name: &&str| !name.starts_with(&prefix) && !taken.iter().any(|taken| taken == name);
    let left = state.names().filter(is_left).map(str::to_owned).collect();
    for name in &taken {
        if let Some(name) = name.strip_prefix(&prefix) {
            inner.remove(name);
        }
    }
    for note in state.into_notes() {
        inner.note(note);
    }
    remarks.iter().cloned().for_each(|note| inner.note(note));
    built(card, inner, open, left)
}

/// What the tensors leave open of the structure. Pickled modules state all but what functions do.
fn open_subjects(state: &StateDict, assumptions: &Assumptions) -> Vec<&'static str> {
    let stated = state.modules().next().is_some();
    let mut open = vec!["shortcut", "projection", "pairs"];
    if !stated {
        open = [vec!["pool", "stride"], open, vec!["epsilon"]].concat();
    }
    open.retain(|subject| !assumptions.decide(subject));
    open
}

/// The model that `card` describes, of the tensors of `state`; `left` are the names of tensors
/// beside them.
fn built(
    mut card: ModelCard,
    mut state: StateDict,
    open: Open,
    left: Vec<String>,
) -> Result<Model, Fault> {
    make_printable(&mut card);
    card.specification.check(card.input)?;
    let not_finite = parameters::check(&card.specification, |name| state.get(name))?;
    let one_pixel_kernels = card
        .specification
        .parameters()
        .into_iter()
        .filter(|parameter| parameter.shape.len() == 2)
        .map(|parameter| parameter.name)
        .filter(|name| state.get(name).is_some_and(|held| held.dim() == 4))
        .collect();
    let network = TrainableNetwork::load(&card.specification, |name| state.take(name))?;
    let mut surplus: Vec<&str> = state
        .names()
        .chain(left.iter().map(String::as_str))
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .collect();
    surplus.sort_unstable();
    let unused = (!surplus.is_empty()).then(|| LoadNote::Unused {
        tensors: surplus.len(),
        first: few(surplus.iter().copied()),
    });
    let mut notes = state.into_notes();
    notes.extend(not_finite);
    notes.extend(unused);
    Ok(Model {
        card,
        network,
        hash: String::new(),
        notes,
        open,
        one_pixel_kernels,
        graph_nodes: Vec::new(),
    })
}

/// Escapes what is shown of a card: see [`printable`].
fn make_printable(card: &mut ModelCard) {
    let blocks = card.specification.blocks.iter_mut();
    let names = blocks.map(|block| &mut block.name);
    for text in names.chain(&mut card.class_names).chain([&mut card.title]) {
        if let Cow::Owned(escaped) = printable(text) {
            *text = escaped;
        }
    }
}

/// A model from an exported program; its hash is empty.
fn of_graph(exported: Exported, given: Option<&Normalization>) -> Result<Model, Fault> {
    let Exported {
        opened,
        network,
        input,
        title,
    } = exported;
    let specification = opened.specification;
    let input = FeatureShape::of(&input);
    let held: HashMap<String, Tensor> = state_of(&network).into_iter().collect();
    let not_finite = parameters::check(&specification, |name| held.get(name))?;
    let mut notes = vec![LoadNote::GraphRead {
        title: title.clone(),
        blocks: specification.blocks.len(),
    }];
    notes.extend(not_finite);
    notes.extend(opened.notes.into_iter().map(LoadNote::Remark));
    let normalization = match given {
        Some(given) => given.clone(),
        None => {
            let name = match input.channels {
                3 => "imagenet",
                _ => "half",
            };
            // Tokens are not normalised.
            if specification.vocabulary().is_none() {
                notes.push(LoadNote::AssumedNormalization(name));
            }
            Normalization::preset(name)?
        }
    };
    Ok(Model {
        card: ModelCard {
            title: format!("{title}, exported"),
            specification,
            input,
            normalization,
            framing: None,
            class_names: Vec::new(),
            evaluation: None,
            training: None,
        },
        network,
        hash: String::new(),
        notes,
        open: Open::default(),
        one_pixel_kernels: Vec::new(),
        graph_nodes: opened.nodes,
    })
}

/// Writes a model in pathscope's own format: safetensors with the [`ModelCard`] as JSON under the
/// metadata key `pathscope`.
///
/// # Errors
/// A file that cannot be written.
pub fn save_model(
    file: &Path,
    card: &ModelCard,
    network: &TrainableNetwork,
    floats: FloatStorage,
) -> Result<(), FormatError> {
    saving(file, |draft| write_model(draft, card, network, floats))
}

fn write_model(
    writer: &mut impl Write,
    card: &ModelCard,
    network: &TrainableNetwork,
    floats: FloatStorage,
) -> Result<(), Fault> {
    let text = serde_json::to_string(card).map_err(Fault::ModelCard)?;
    let metadata = BTreeMap::from([(CARD.to_owned(), text)]);
    write_safetensors(writer, &state_of(network), &metadata, floats)
}

/// Writes a model as [`save_model`] does, but only puts it at `file` once `prove` has accepted what
/// is read back.
///
/// # Errors
/// A file that cannot be written, or what `prove` says; whatever was at `file` is still there then.
pub fn save_proven_model<E: From<FormatError>>(
    file: &Path,
    card: &ModelCard,
    network: &TrainableNetwork,
    prove: impl FnOnce(&Model) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |fault: io::Error| Fault::Write(fault).at(file);
    let mut draft = Draft::beside(file).map_err(failed)?;
    write_model(&mut draft, card, network, FloatStorage::AsTheyAre)
        .map_err(|fault| fault.at(file))?;
    draft.flush().map_err(failed)?;
    prove(&load_model(draft.path(), None)?)?;
    draft.publish().map_err(failed)?;
    Ok(())
}

/// The tensors of a network under their names, for writing.
#[must_use]
pub fn state_of(network: &TrainableNetwork) -> Vec<(String, Tensor)> {
    network
        .named_parameters()
        .into_iter()
        .map(|(name, _, tensor)| (name, tensor.detach()))
        .collect()
}

/// SHA-256 over names, shapes and values of a network's parameters, in hexadecimal: the identity
/// of a network that never was a file.
///
/// # Errors
/// Where libtorch cannot read a tensor back.
pub fn parameter_hash(network: &TrainableNetwork) -> Result<String, NetworkError> {
    let mut digest = Sha256::new();
    for (name, _, tensor) in network.named_parameters() {
        digest.update(name.as_bytes());
        for length in tensor.size() {
            digest.update(length.to_le_bytes());
        }
        let values = Vec::<f32>::try_from(tensor.detach().f_to_kind(Kind::Float)?.f_reshape(-1)?)?;
        for value in values {
            digest.update(value.to_le_bytes());
        }
    }
    Ok(hexadecimal(digest.finalize()))
}
