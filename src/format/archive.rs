//! The format of `torch.save` since PyTorch 1.6: a zip archive of plain entries.
//!
//! `NAME/data.pkl` describes the object, `NAME/data/KEY` are the storages,
//! `NAME/byteorder` says in which order their bytes stand.

use std::{
    collections::HashSet,
    io::{self, Cursor},
    path::Path,
};

use zip::{
    CompressionMethod, ZipArchive,
    read::{ArchiveOffset, Config},
    result::ZipError,
};

use super::{
    checkpoint::collect,
    error::FormatError,
    note::LoadNote,
    pickle::{self, Budget},
    state_dict::StateDict,
    storage::{StoragePool, StorageSource},
    tensor::EntryError,
    value::shorten,
};

/// Whether the file starts with the header of a zip entry.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<StateDict, FormatError> {
    let archive = archive(file, bytes)?;
    let names = names(&archive);
    if graph(&names).is_some() {
        return Err(FormatError::ExportedProgram {
            file: file.to_owned(),
        });
    }
    let folder = folder(file, &names)?.to_owned();
    let mut entries = Entries::new(bytes, archive, folder);
    if entries
        .plain("byteorder")
        .is_ok_and(|order| order.trim_ascii() == b"big")
    {
        return Err(FormatError::BigEndian {
            file: file.to_owned(),
        });
    }
    let described = entries
        .plain("data.pkl")
        .map_err(|fault| FormatError::Entry {
            file: file.to_owned(),
            entry: "data.pkl".to_owned(),
            fault,
        })?;
    let object =
        pickle::read(described, Budget::default()).map_err(|fault| FormatError::Pickle {
            file: file.to_owned(),
            pickle: "data.pkl".to_owned(),
            fault,
        })?;
    let pool = StoragePool::new(entries, bytes.len());
    let (mut held, entries) = collect(file, &object.tree, object.root, pool)?;
    for entry in entries.mismatched {
        held.note(LoadNote::ChecksumMismatch { entry });
    }
    Ok(held)
}

/// The entries of an archive of `torch.export.save`; `None` where the file is none.
pub(super) fn exported<'a>(
    file: &Path,
    bytes: &'a [u8],
) -> Result<Option<Entries<'a>>, FormatError> {
    if !is_zip(bytes) {
        return Ok(None);
    }
    let archive = archive(file, bytes)?;
    let folder = graph(&names(&archive)).map(str::to_owned);
    Ok(folder.map(|folder| Entries::new(bytes, archive, folder)))
}

/// Where an exported graph stands below an archive's folder.
pub(super) const GRAPH: &str = "models/model.json";

/// The folder of an archive that holds an exported graph.
fn graph<'n>(names: &[&'n str]) -> Option<&'n str> {
    names.iter().find_map(|name| name.strip_suffix(GRAPH))
}

fn archive<'a>(file: &Path, bytes: &'a [u8]) -> Result<ZipArchive<Cursor<&'a [u8]>>, FormatError> {
    // The archive starts where the file does. Searching for its start, the default, finds
    // the archives that PyTorch stores inside archives instead.
    let whole = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    ZipArchive::with_config(whole, Cursor::new(bytes)).map_err(|fault: ZipError| {
        FormatError::Archive {
            file: file.to_owned(),
            fault: fault.to_string(),
        }
    })
}

fn names<'n>(archive: &'n ZipArchive<Cursor<&[u8]>>) -> Vec<&'n str> {
    archive
        .file_names_raw()
        .filter_map(|name| std::str::from_utf8(name).ok())
        .collect()
}

/// The folder of the archive that holds everything else, with its slash.
fn folder<'n>(file: &Path, names: &[&'n str]) -> Result<&'n str, FormatError> {
    let mut folders = names
        .iter()
        .filter_map(|name| name.strip_suffix("data.pkl"));
    let Some(folder) =
        folders.find(|folder| folder.find('/').is_none_or(|at| at + 1 == folder.len()))
    else {
        let first: Vec<String> = names.iter().take(4).map(|name| shorten(name)).collect();
        let appearance = format!(
            "is a zip archive of {} entries without a data.pkl ({})",
            names.len(),
            first.join(", ")
        );
        return Err(FormatError::Unrecognized {
            file: file.to_owned(),
            appearance,
        });
    };
    Ok(folder)
}

/// The entries of an archive, where they lie in the file.
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    archive: ZipArchive<Cursor<&'a [u8]>>,
    folder: String,
    checked: HashSet<usize>,
    mismatched: Vec<String>,
}

impl<'a> Entries<'a> {
    fn new(bytes: &'a [u8], archive: ZipArchive<Cursor<&'a [u8]>>, folder: String) -> Self {
        Self {
            bytes,
            archive,
            folder,
            checked: HashSet::new(),
            mismatched: Vec::new(),
        }
    }

    /// Whether there is such an entry.
    pub(super) fn contains(&self, inside: &str) -> bool {
        let name = format!("{}{inside}", self.folder);
        self.archive.index_for_name(&name).is_some()
    }

    /// The bytes of an entry that is stored as it is.
    pub(super) fn plain(&mut self, inside: &str) -> Result<&'a [u8], EntryError> {
        let missing = || EntryError::StorageMissing {
            key: shorten(inside),
        };
        let name = format!("{}{inside}", self.folder);
        let place = self.archive.index_for_name(&name).ok_or_else(missing)?;
        let entry = self.archive.by_index_raw(place).map_err(|_| missing())?;
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(EntryError::StorageCompressed {
                key: shorten(inside),
            });
        }
        let start = entry
            .data_start()
            .and_then(|start| usize::try_from(start).ok());
        let length = usize::try_from(entry.compressed_size()).ok();
        let bytes = self.bytes;
        let range = start
            .zip(length)
            .and_then(|(start, length)| bytes.get(start..start.checked_add(length)?));
        drop(entry);
        let range = range.ok_or_else(missing)?;
        // PyTorch ignores checksums (and can write wrong ones), hence a note, not an error.
        if self.checked.insert(place) && !self.matches_checksum(place) {
            self.mismatched.push(shorten(&name));
        }
        Ok(range)
    }

    fn matches_checksum(&mut self, place: usize) -> bool {
        let entry = self.archive.by_index(place);
        entry.is_ok_and(|mut entry| io::copy(&mut entry, &mut io::sink()).is_ok())
    }
}

impl<'a> StorageSource<'a> for Entries<'a> {
    fn bytes(&mut self, key: &str) -> Result<&'a [u8], EntryError> {
        self.plain(&format!("data/{key}"))
    }
}
