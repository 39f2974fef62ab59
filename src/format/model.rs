//! A trained network with everything that is needed to use it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::exported::Exported;
use super::recognize::{Recognition, recognize};
use super::save::beside;
use super::{
    FloatStorage, FormatError, LoadNote, StateDict, open, open_exported, save_safetensors,
};
use crate::data::Normalization;
use crate::network::{FeatureShape, NetworkError, Specification, TrainableNetwork};

/// What pathscope writes into the metadata of its model files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// What the network is called: its family, depth and functions.
    pub title: String,
    /// Every layer of the network.
    pub specification: Specification,
    /// Shape of the images.
    pub input: FeatureShape,
    /// What makes pixels into inputs.
    pub normalization: Normalization,
    /// Names of the classes, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// The evaluation set that is shipped for it, as a file name under `assets/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<String>,
    /// How it was trained: command, options, results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<serde_json::Value>,
}

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
    pub notes: Vec<String>,
}

/// Key of the model card in the metadata of a safetensors file.
const CARD: &str = "pathscope";

/// Reads a model: pathscope's own, or one whose architecture is recognised from the names and
/// shapes of its tensors. `normalization` wins over what the file or its family says.
///
/// # Errors
/// A file that cannot be read or recognised, or whose tensors do not fit its architecture.
pub fn load_model(file: &Path, normalization: Option<Normalization>) -> Result<Model, FormatError> {
    if let Some(exported) = open_exported(file)? {
        return load_exported(file, exported, normalization);
    }
    let mut state = open(file)?;
    let mut notes: Vec<String> = state.notes().iter().map(LoadNote::to_string).collect();
    let (mut card, network) = match state.metadata().get(CARD) {
        Some(text) => {
            let card: ModelCard =
                serde_json::from_str(text).map_err(|fault| FormatError::ModelCard {
                    file: file.to_owned(),
                    fault,
                })?;
            let network = fill(file, &card.specification, &mut state)?;
            (card, network)
        }
        None => {
            let script = state
                .notes()
                .iter()
                .any(|note| matches!(note, LoadNote::ScriptRead { .. }));
            let Recognition { card, remarks } =
                recognize(file, &state).map_err(|error| match error {
                    FormatError::UnknownArchitecture { file, .. } if script => {
                        FormatError::TorchScript { file }
                    }
                    error => error,
                })?;
            notes.extend(remarks);
            let network = fill(file, &card.specification, &mut state)?;
            (card, network)
        }
    };
    if let Some(normalization) = normalization {
        card.normalization = normalization;
    }
    let surplus: Vec<&str> = state
        .names()
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .collect();
    if !surplus.is_empty() {
        notes.push(format!(
            "{} tensor(s) not used: {}",
            surplus.len(),
            first_few(&surplus)
        ));
    }
    let hash = hash_of(file)?;
    Ok(Model {
        card,
        network,
        hash,
        notes,
    })
}

/// A model from an exported program.
fn load_exported(
    file: &Path,
    exported: Exported,
    normalization: Option<Normalization>,
) -> Result<Model, FormatError> {
    let Exported {
        specification,
        tensors,
        input,
        title,
    } = exported;
    let network = TrainableNetwork::load(&specification, |name| {
        tensors.get(name).map(Tensor::shallow_clone)
    })
    .map_err(|fault| FormatError::Network {
        file: file.to_owned(),
        fault,
    })?;
    let input = FeatureShape::of(&input);
    let mut notes = vec![format!(
        "{title}: {} residual blocks found in the exported graph",
        specification.blocks.len()
    )];
    let assumed = match (normalization, input.channels) {
        (Some(normalization), _) => normalization,
        (None, channels) => {
            let name = if channels == 3 { "imagenet" } else { "half" };
            // Tokens are not normalised.
            if specification.vocabulary().is_none() {
                notes.push(format!(
                    "the file states no normalisation; assuming `{name}` (choose with --normalize)"
                ));
            }
            Normalization::preset(name).map_err(|_| FormatError::Graph {
                file: file.to_owned(),
                what: "no normalisation is known for its input".into(),
            })?
        }
    };
    Ok(Model {
        card: ModelCard {
            title: format!("{title}, exported"),
            specification,
            input,
            normalization: assumed,
            class_names: Vec::new(),
            evaluation: None,
            training: None,
        },
        network,
        hash: hash_of(file)?,
        notes,
    })
}

fn hash_of(file: &Path) -> Result<String, FormatError> {
    file_hash(file).map_err(|fault| FormatError::Read {
        file: file.to_owned(),
        fault,
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
    let text = serde_json::to_string(card).map_err(|fault| FormatError::ModelCard {
        file: file.to_owned(),
        fault,
    })?;
    let metadata = BTreeMap::from([(CARD.to_owned(), text)]);
    save_safetensors(file, &state_of(network), &metadata, floats)
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
    let failed = |fault: io::Error| FormatError::Write {
        file: file.to_owned(),
        fault,
    };
    let partial = beside(file).map_err(failed)?.into_temp_path();
    save_model(&partial, card, network, FloatStorage::AsTheyAre)?;
    prove(&load_model(&partial, None)?)?;
    partial.persist(file).map_err(|fault| failed(fault.error))?;
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

fn fill(
    file: &Path,
    specification: &Specification,
    state: &mut StateDict,
) -> Result<TrainableNetwork, FormatError> {
    TrainableNetwork::load(specification, |name| state.take(name)).map_err(|fault| {
        FormatError::Network {
            file: file.to_owned(),
            fault,
        }
    })
}

fn first_few(names: &[&str]) -> String {
    let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        format!("{shown}, ...")
    } else {
        shown
    }
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
    Ok(hexadecimal(digest))
}

fn hexadecimal(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file_hash(file: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file)?);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        digest.update(bytes);
        let read = bytes.len();
        reader.consume(read);
    }
    Ok(hexadecimal(digest))
}
