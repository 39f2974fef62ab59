//! The format of `torch.save` since PyTorch 1.6: a zip archive of plain entries.
//!
//! `NAME/data.pkl` describes the object, `NAME/data/KEY` are the storages,
//! `NAME/byteorder` says in which order their bytes stand.

use std::{
    collections::HashSet,
    io::{self, Cursor, Read},
};

use pathscope_file::{
    pickle::{self, Budget},
    shortened,
};
use zip::{
    CompressionMethod, ZipArchive, ZipWriter,
    read::{ArchiveOffset, Config},
    result::ZipError,
    write::SimpleFileOptions,
};

use super::{
    checkpoint::collect,
    error::{EntryError, Fault},
    note::LoadNote,
    state_dict::StateDict,
    storage::{StoragePool, StorageSource},
};

/// Whether the file starts with the header of a zip entry.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The tensors of the archive, or of the entry `weights` of what it holds.
pub(super) fn read(bytes: &[u8], weights: Option<&str>) -> Result<StateDict, Fault> {
    let archive = archive(bytes)?;
    let names = names(&archive);
    if graph(&names).is_some() {
        return Err(Fault::ExportedProgram);
    }
    let folder = folder(&names)?.to_owned();
    let mut entries = Entries::new(bytes, archive, folder);
    if entries
        .plain("byteorder")
        .is_ok_and(|order| order.trim_ascii() == b"big")
    {
        return Err(Fault::BigEndian);
    }
    let described = entries.plain("data.pkl");
    let described = described.map_err(|fault| fault.of("data.pkl"))?;
    let object = pickle::read(described, Budget::default()).map_err(|fault| Fault::Pickle {
        pickle: "data.pkl".to_owned(),
        fault,
    })?;
    let pool = StoragePool::new(entries, bytes.len());
    let (mut held, entries) = collect(&object.tree, object.root, pool, weights)?;
    for entry in entries.mismatched {
        held.note(LoadNote::ChecksumMismatch(entry));
    }
    Ok(held)
}

/// The entries of an archive of `torch.export.save`; `None` where the file is none.
pub(super) fn exported<'a>(bytes: &'a [u8]) -> Result<Option<Entries<'a>>, Fault> {
    if !is_zip(bytes) {
        return Ok(None);
    }
    let archive = archive(bytes)?;
    let folder = graph(&names(&archive)).map(str::to_owned);
    Ok(folder.map(|folder| Entries::new(bytes, archive, folder)))
}

/// The archive with its entries stored as they are; `None` where they already are, or where the
/// file is no archive of PyTorch. Compressed archives come from other tools than PyTorch, which
/// reads them too.
pub(super) fn inflated(bytes: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    /// What an entry may grow to, beside a multiple of the file: text shrinks a lot.
    const FLOOR: u64 = 1 << 26;
    const FACTOR: u64 = 16;
    if !is_zip(bytes) {
        return Ok(None);
    }
    let mut archive = archive(bytes)?;
    let is_pytorch = {
        let names = names(&archive);
        graph(&names).is_some() || folder(&names).is_ok()
    };
    if !is_pytorch {
        return Ok(None);
    }
    let is_deflated = |archive: &mut ZipArchive<Cursor<&[u8]>>, place| {
        let entry = archive.by_index_raw(place);
        entry.is_ok_and(|entry| entry.compression() == CompressionMethod::Deflated)
    };
    if !(0..archive.len()).any(|place| is_deflated(&mut archive, place)) {
        return Ok(None);
    }
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut stored = ZipWriter::new(Cursor::new(Vec::new()));
    let mut allowance = FLOOR.saturating_add((bytes.len() as u64).saturating_mul(FACTOR));
    for place in 0..archive.len() {
        let entry = archive.by_index(place)?;
        let name = entry.name()?.into_owned();
        stored.start_file(name, options)?;
        let mut entry = entry.take(allowance + 1);
        let written = io::copy(&mut entry, &mut stored).map_err(ZipError::Io)?;
        allowance = allowance
            .checked_sub(written)
            .ok_or(ZipError::InvalidArchive(
                "its entries are too large when decompressed".into(),
            ))?;
    }
    Ok(Some(stored.finish()?.into_inner()))
}

/// Where an exported graph stands below an archive's folder.
pub(super) const GRAPH: &str = "models/model.json";

/// The folder of an archive that holds an exported graph.
fn graph<'n>(names: &[&'n str]) -> Option<&'n str> {
    names.iter().find_map(|name| name.strip_suffix(GRAPH))
}

fn archive(bytes: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, Fault> {
    // The archive starts where the file does. Searching for its start, the default, finds
    // the archives that PyTorch stores inside archives instead.
    let whole = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    Ok(ZipArchive::with_config(whole, Cursor::new(bytes))?)
}

fn names<'n>(archive: &'n ZipArchive<Cursor<&[u8]>>) -> Vec<&'n str> {
    archive
        .file_names_raw()
        .filter_map(|name| std::str::from_utf8(name).ok())
        .collect()
}

/// The folder of the archive that holds everything else, with its slash.
fn folder<'n>(names: &[&'n str]) -> Result<&'n str, Fault> {
    let suffixed = |name: &&'n str| name.strip_suffix("data.pkl");
    let mut folders = names.iter().filter_map(suffixed);
    let is_outermost = |folder: &&str| folder.find('/').is_none_or(|at| at + 1 == folder.len());
    let Some(folder) = folders.find(is_outermost) else {
        if names.iter().any(|name| name.contains("/data/aotinductor/")) {
            let kind = "an AOTInductor package";
            return Err(Fault::Compiled(kind));
        }
        let first: Vec<String> = names.iter().take(4).map(|name| shortened(name)).collect();
        let appearance = format!(
            "is a zip archive of {} entries without a data.pkl ({})",
            names.len(),
            first.join(", ")
        );
        return Err(Fault::Unrecognized(appearance));
    };
    Ok(folder)
}

/// The entries of an archive, where they lie in the file.
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    archive: ZipArchive<Cursor<&'a [u8]>>,
    folder: String,
    checked: HashSet<usize>,
    /// Bytes of the file that no checked entry has claimed yet.
    unclaimed: usize,
    mismatched: Vec<String>,
}

impl<'a> Entries<'a> {
    fn new(bytes: &'a [u8], archive: ZipArchive<Cursor<&'a [u8]>>, folder: String) -> Self {
        Self {
            bytes,
            archive,
            folder,
            checked: HashSet::new(),
            unclaimed: bytes.len(),
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
        let missing = || EntryError::StorageMissing(shortened(inside));
        let name = format!("{}{inside}", self.folder);
        let place = self.archive.index_for_name(&name).ok_or_else(missing)?;
        let entry = self.archive.by_index_raw(place).map_err(|_| missing())?;
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(EntryError::StorageCompressed(shortened(inside)));
        }
        let bytes = self.bytes;
        let lies = || {
            let start = usize::try_from(entry.data_start()?).ok()?;
            let length = usize::try_from(entry.compressed_size()).ok()?;
            bytes.get(start..start.checked_add(length)?)
        };
        let range = lies();
        drop(entry);
        let range = range.ok_or_else(missing)?;
        if self.checked.insert(place) {
            // Entries that lie over each other would have the same bytes summed again and again.
            self.unclaimed = self
                .unclaimed
                .checked_sub(range.len())
                .ok_or_else(|| EntryError::StorageOverlaps(shortened(inside)))?;
            // PyTorch ignores checksums (and can write wrong ones), hence a note, not an error.
            if !self.matches_checksum(place) {
                self.mismatched.push(shortened(&name));
            }
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
