//! Folders that `save_pretrained` of transformers and timm's hub write: `config.json`, perhaps
//! `preprocessor_config.json`, and weights in one file or in shards that an index lists. Nothing
//! else in them is read.

mod export;
mod preparation;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::export::Origin;
use self::preparation::Preparation;
use super::model::{Model, of_tensors};
use super::options::LoadOptions;
use super::{Fault, FormatError, StateDict, reading, state_dict};
use pathscope_file::sha256;

const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";
/// Weights in the order in which they are looked for; an index lists shards.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
const JSON_LIMIT: usize = 16 << 20;

/// Reads the model in a folder. What `options` state wins over what the folder says.
///
/// # Errors
/// A folder without these files, a family of networks that is not recognised from its tensors (with
/// the lines that export it), or files that cannot be used.
pub(super) fn load(folder: &Path, options: &LoadOptions) -> Result<Model, FormatError> {
    let at = |fault: Fault| fault.at(folder);
    let config = json(&folder.join(CONFIG)).map_err(|error| match *error.fault {
        Fault::Read(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            at(Fault::NoModelFolder)
        }
        _ => error,
    })?;
    let preprocessor = folder.join(PREPROCESSOR);
    let preprocessor = match preprocessor.exists() {
        true => Some(json(&preprocessor)?),
        false => None,
    };
    let origin = Origin::of(&config);
    if let Some(why) = origin.unknown(&config) {
        return Err(at(origin.must_be_exported(folder, &config, why)));
    }
    let preparation = Preparation::of(&config, preprocessor.as_ref()).map_err(at)?;
    let (state, hash) = weights(folder)?;
    let mut model = of_tensors(state, options).map_err(|fault| match fault {
        Fault::UnknownArchitecture { .. } => {
            let why = "their names and shapes fit no family".to_owned();
            at(origin.must_be_exported(folder, &config, why))
        }
        fault => at(fault),
    })?;
    model.hash = options.identity(hash);
    preparation.describe(&mut model);
    if let Some(normalization) = options.normalization.clone() {
        model.normalize_by(normalization);
    }
    Ok(model)
}

fn json(file: &Path) -> Result<Value, FormatError> {
    reading(file, |bytes| {
        if bytes.len() > JSON_LIMIT {
            return Err(Fault::TooMany {
                what: "bytes of JSON",
                limit: JSON_LIMIT,
            });
        }
        serde_json::from_slice(bytes).map_err(Fault::FolderJson)
    })
}

/// The tensors of a folder, and the SHA-256 of their file, or of those of all shards.
fn weights(folder: &Path) -> Result<(StateDict, String), FormatError> {
    let found = WEIGHTS.iter().map(|name| folder.join(name));
    let Some(file) = found.into_iter().find(|file| file.exists()) else {
        return Err(Fault::NoModelFolder.at(folder));
    };
    let one = |file: &Path| reading(file, |bytes| Ok((state_dict(bytes, None)?, sha256(bytes))));
    if file.extension().is_none_or(|ending| ending != "json") {
        return one(&file);
    }
    let mut joined: Option<StateDict> = None;
    let mut hashes = String::new();
    for shard in shards(&file)? {
        let (state, hash) = one(&shard)?;
        hashes += &hash;
        joined = Some(match joined {
            None => state,
            Some(before) => before.joined(state).map_err(|fault| fault.at(&shard))?,
        });
    }
    let joined = joined.ok_or_else(|| Fault::NoModelFolder.at(folder))?;
    Ok((joined, sha256(hashes.as_bytes())))
}

/// The files that an index lists: names in its own folder, and nothing beyond it.
fn shards(index: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let listed = json(index)?;
    let damaged = |what| Fault::FolderIndex(what).at(index);
    let map = listed.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| damaged("it lacks a `weight_map`"))?;
    let names = map.values().map(Value::as_str);
    let names: Option<BTreeSet<&str>> = names.collect();
    let names = names.ok_or_else(|| damaged("its `weight_map` names things that are no files"))?;
    let plain = |name: &str| !name.contains(['/', '\\']) && !name.starts_with('.');
    if !names.iter().all(|name| plain(name)) {
        return Err(damaged("it leads out of its folder"));
    }
    Ok(names
        .iter()
        .map(|name| index.with_file_name(name))
        .collect())
}
