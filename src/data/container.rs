//! Named files, from a folder or from inside a tar archive: the formats read both alike.

use super::DataError;
use super::error::shown;
use flate2::read::MultiGzDecoder;
use pathscope_file::{open_regular, printable};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Deeper folders than any layout has.
const DEEPEST: usize = 8;
/// Bytes of all names together, some ten million files.
const NAME_BUDGET: usize = 1 << 30;
/// Bytes of one long name of an archive.
const NAME_LIMIT: u64 = 1 << 16;
/// Bytes, and files, that are in memory at once while many are read.
const BATCH_BYTES: u64 = 64 << 20;
const BATCH_FILES: usize = 4096;

pub(super) struct Container {
    location: PathBuf,
    archived: bool,
    entries: Vec<Entry>,
    /// Paths of folders below the location.
    folders: Vec<String>,
}

pub(super) struct Entry {
    /// Path below the location, with `/` between folders.
    pub(super) name: String,
    pub(super) bytes: u64,
    place: Place,
}

enum Place {
    File(PathBuf),
    /// Index of the archive member.
    Member(usize),
}

impl Entry {
    /// The part of the name after the last `/`.
    pub(super) fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The part of the name before the last `/`.
    pub(super) fn folder(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl Container {
    /// All files below a folder, hidden ones left out, sorted by name. A symbolic link to a folder
    /// is followed where it leads to one that is not read anyway.
    pub(super) fn folder(location: &Path) -> Result<Self, DataError> {
        let mut entries = Vec::new();
        let mut names = Vec::new();
        let mut folders = vec![(location.to_path_buf(), String::new(), 0)];
        let mut budget = NAME_BUDGET;
        let mut known = HashSet::new();
        known.extend(fs::canonicalize(location));
        while let Some((folder, prefix, depth)) = folders.pop() {
            let failed = |source| DataError::io(shown(&folder), source);
            for found in fs::read_dir(&folder).map_err(failed)? {
                let path = found.map_err(failed)?.path();
                let Some(name) = path.file_name() else {
                    continue;
                };
                let name = lossless(name.as_encoded_bytes());
                // A link that leads nowhere is no file of the data set.
                let Ok(metadata) = fs::metadata(&path) else {
                    continue;
                };
                if is_hidden(&name) {
                    continue;
                }
                let name = format!("{prefix}{name}");
                spend(&mut budget, name.len() + path.as_os_str().len(), location)?;
                if metadata.is_file() {
                    entries.push(Entry {
                        name,
                        bytes: metadata.len(),
                        place: Place::File(path),
                    });
                } else if metadata.is_dir() && depth < DEEPEST && leads_on(&path, &mut known) {
                    names.push(name.clone());
                    folders.push((path, name + "/", depth + 1));
                }
            }
        }
        Ok(Self {
            folders: names,
            ..Self::sorted(location, false, entries)
        })
    }

    /// One file.
    pub(super) fn file(location: &Path) -> Result<Self, DataError> {
        let name = location.file_name().map(|name| name.to_string_lossy());
        let folder = location.parent().unwrap_or(Path::new(""));
        Self::files(folder, &[&name.unwrap_or_default()])
    }

    /// The given files of one folder.
    pub(super) fn files(location: &Path, names: &[&str]) -> Result<Self, DataError> {
        let mut entries = Vec::new();
        for name in names {
            let path = location.join(name);
            let bytes = fs::metadata(&path)
                .map_err(|source| DataError::io(shown(&path), source))?
                .len();
            entries.push(Entry {
                name: (*name).into(),
                bytes,
                place: Place::File(path),
            });
        }
        Ok(Self::sorted(location, false, entries))
    }

    /// All files of a tar archive, plain or gzip, hidden ones left out, sorted by name.
    pub(super) fn archive(location: &Path) -> Result<Self, DataError> {
        let mut budget = NAME_BUDGET;
        let mut latest: HashMap<String, (usize, u64)> = HashMap::new();
        let folders = for_each_member(location, |member, name, _, bytes| {
            if !name.split('/').any(is_hidden) {
                spend(&mut budget, name.len(), location)?;
                // As when unpacking, a later member replaces an earlier one of the same name.
                latest.insert(name, (member, bytes));
            }
            Ok(())
        })?;
        let entry = |(name, (member, bytes))| Entry {
            name,
            bytes,
            place: Place::Member(member),
        };
        let entries = latest.into_iter().map(entry).collect();
        Ok(Self {
            folders,
            ..Self::sorted(location, true, entries)
        })
    }

    fn sorted(location: &Path, archived: bool, mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            location: location.to_path_buf(),
            archived,
            entries,
            folders: Vec::new(),
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The first entry whose file has this name.
    pub(super) fn named(&self, file_name: &str) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.file_name() == file_name)
    }

    /// Paths of the folders below the location, hidden ones left out.
    pub(super) fn folders(&self) -> &[String] {
        &self.folders
    }

    /// The location as errors and descriptions show it.
    pub(super) fn shown(&self) -> String {
        shown(&self.location)
    }

    /// An entry as errors show it.
    pub(super) fn shown_entry(&self, entry: &Entry) -> String {
        match &entry.place {
            Place::File(path) => shown(path),
            Place::Member(_) => format!("{}: {}", self.shown(), printable(&entry.name)),
        }
    }

    /// The whole content of a few entries, in the order asked for.
    pub(super) fn read(&self, wanted: &[&Entry], limit: u64) -> Result<Vec<Vec<u8>>, DataError> {
        let mut contents = vec![Vec::new(); wanted.len()];
        self.read_batches(wanted, limit, |batch| {
            for (position, bytes) in batch {
                contents[position] = bytes;
            }
            Ok(())
        })?;
        Ok(contents)
    }

    /// Hands over the content of the entries in batches of bounded size, each with its position
    /// in `wanted`, in whatever order they lie in.
    pub(super) fn read_batches(
        &self,
        wanted: &[&Entry],
        limit: u64,
        mut handle: impl FnMut(Vec<(usize, Vec<u8>)>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        if let Some(entry) = wanted.iter().find(|entry| entry.bytes > limit) {
            let file = self.shown_entry(entry);
            return Err(DataError::too_large(file, "the file", entry.bytes, limit));
        }
        if self.archived {
            return self.read_members(wanted, handle);
        }
        let mut start = 0;
        while start < wanted.len() {
            let mut bytes = 0;
            let count = wanted[start..]
                .iter()
                .take(BATCH_FILES)
                .take_while(|entry| {
                    bytes += entry.bytes;
                    bytes <= BATCH_BYTES
                })
                .count()
                .max(1);
            let batch = wanted[start..start + count]
                .par_iter()
                .enumerate()
                .map(|(i, entry)| Ok((start + i, read_file(entry, limit)?)))
                .collect::<Result<Vec<_>, DataError>>()?;
            handle(batch)?;
            start += count;
        }
        Ok(())
    }

    fn read_members(
        &self,
        wanted: &[&Entry],
        mut handle: impl FnMut(Vec<(usize, Vec<u8>)>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let positions: HashMap<usize, usize> = wanted
            .iter()
            .enumerate()
            .filter_map(|(position, entry)| match entry.place {
                Place::Member(member) => Some((member, position)),
                Place::File(_) => None,
            })
            .collect();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for_each_member(&self.location, |member, _, content, size| {
            let Some(&position) = positions.get(&member) else {
                return Ok(());
            };
            let mut buffer = Vec::new();
            content
                .read_to_end(&mut buffer)
                .map_err(|source| DataError::io(self.shown_entry(wanted[position]), source))?;
            if buffer.len() as u64 != size {
                let (file, found) = (self.shown_entry(wanted[position]), buffer.len());
                let claimed = size as usize;
                return Err(DataError::size_mismatch(file, 0, "content", claimed, found));
            }
            bytes += size;
            batch.push((position, buffer));
            if bytes >= BATCH_BYTES || batch.len() >= BATCH_FILES {
                bytes = 0;
                handle(std::mem::take(&mut batch))?;
            }
            Ok(())
        })?;
        match batch.is_empty() {
            true => Ok(()),
            false => handle(batch),
        }
    }
}

fn read_file(entry: &Entry, limit: u64) -> Result<Vec<u8>, DataError> {
    let Place::File(path) = &entry.place else {
        return Ok(Vec::new());
    };
    let failed = |source| DataError::io(shown(path), source);
    let mut bytes = Vec::new();
    open_regular(path)
        .map_err(failed)?
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

/// Whether a folder holds files that are not read by another way: a link may lead into a folder
/// that is known, or to one above it.
fn leads_on(folder: &Path, known: &mut HashSet<PathBuf>) -> bool {
    let is_link = fs::symlink_metadata(folder).is_ok_and(|facts| facts.is_symlink());
    let Ok(target) = fs::canonicalize(folder) else {
        return false;
    };
    let overlaps = |other: &PathBuf| other.starts_with(&target) || target.starts_with(other);
    if is_link && known.iter().any(overlaps) {
        return false;
    }
    // What lies below the location needs no entry: the location covers it.
    if is_link {
        known.insert(target);
    }
    true
}

fn spend(budget: &mut usize, bytes: usize, location: &Path) -> Result<(), DataError> {
    let limit = NAME_BUDGET as u64;
    *budget = budget.checked_sub(bytes).ok_or_else(|| {
        DataError::too_large(shown(location), "the list of file names", limit + 1, limit)
    })?;
    Ok(())
}

/// Whether a file or folder is no part of a data set: hidden, or left by macOS.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// A name as text in which different names stay different: bytes that are no UTF-8 are escaped.
fn lossless(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text
}

/// Visits each file of an archive: number of the member, name, content, size in bytes. Gives the
/// paths of its folders, hidden ones left out.
///
/// Long names are resolved here and not by the `tar` crate, which would read a name of any claimed
/// length into memory.
fn for_each_member(
    location: &Path,
    mut visit: impl FnMut(usize, String, &mut dyn Read, u64) -> Result<(), DataError>,
) -> Result<Vec<String>, DataError> {
    let failed = |source| DataError::io(shown(location), source);
    let mut file = open_regular(location).map_err(failed)?;
    let compressed = starts_with_gzip(&mut file).map_err(failed)?;
    let file = BufReader::new(file);
    let stream: Box<dyn Read> = if compressed {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut archive = tar::Archive::new(BufReader::new(stream));
    let mut long_name = None;
    let mut folders = Vec::new();
    let mut budget = NAME_BUDGET;
    for (member, entry) in archive.entries().map_err(failed)?.raw(true).enumerate() {
        let mut entry = entry.map_err(failed)?;
        let size = entry.size();
        match entry.header().entry_type() {
            kind if kind.is_gnu_longname() || kind.is_pax_local_extensions() => {
                let mut bytes = Vec::new();
                entry
                    .by_ref()
                    .take(NAME_LIMIT)
                    .read_to_end(&mut bytes)
                    .map_err(failed)?;
                if size > NAME_LIMIT {
                    let (file, what) = (shown(location), "a name in the archive");
                    return Err(DataError::too_large(file, what, size, NAME_LIMIT));
                }
                let name = if kind.is_gnu_longname() {
                    bytes.retain(|&byte| byte != 0);
                    Some(bytes)
                } else {
                    pax_path(&bytes)
                };
                long_name = name.or(long_name);
            }
            kind if kind.is_file() || kind.is_contiguous() || kind.is_dir() => {
                let bytes = long_name
                    .take()
                    .unwrap_or_else(|| entry.path_bytes().into_owned());
                let name = lossless(&bytes);
                let name = name.trim_start_matches("./").trim_matches('/').to_owned();
                if !kind.is_dir() {
                    visit(member, name, &mut entry, size)?;
                } else if !name.split('/').any(is_hidden) {
                    spend(&mut budget, name.len(), location)?;
                    folders.push(name);
                }
            }
            _ => long_name = None,
        }
    }
    Ok(folders)
}

fn pax_path(bytes: &[u8]) -> Option<Vec<u8>> {
    tar::PaxExtensions::new(bytes)
        .filter_map(Result::ok)
        .find(|extension| extension.key_bytes() == b"path")
        .map(|extension| extension.value_bytes().to_vec())
}

fn starts_with_gzip(file: &mut File) -> std::io::Result<bool> {
    use std::io::Seek;
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start == GZIP)
}

/// The first two bytes of a gzip file.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];
