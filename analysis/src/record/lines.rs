//! Files of JSON Lines: read without a lock, written by one process at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::JournalError;
use super::lock::lock;
use super::text::{escape, may_be_unsafe, sentence};

/// The lines of a file as they are on disk.
#[derive(Debug)]
pub(super) struct Lines<R> {
    path: PathBuf,
    reader: BufReader<R>,
    /// The number of the line that was read last, from 1.
    pub number: usize,
    /// Its text, with its end.
    text: Vec<u8>,
}

impl Lines<File> {
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let metadata = fs::metadata(path).map_err(at(path))?;
        if !metadata.is_file() {
            return Err(JournalError::NotAFile(path.to_owned()));
        }
        Ok(Self::of(path, File::open(path).map_err(at(path))?))
    }
}

impl<R: Read> Lines<R> {
    pub fn of(path: &Path, reader: R) -> Self {
        Self {
            path: path.to_owned(),
            reader: BufReader::new(reader),
            number: 0,
            text: Vec::new(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the next line; `false` at the end of the file.
    pub fn advance(&mut self) -> Result<bool, JournalError> {
        self.text.clear();
        let read = self.reader.read_until(b'\n', &mut self.text);
        self.number += 1;
        Ok(read.map_err(at(&self.path))? > 0)
    }

    /// The text of this line.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether the line has its end: a run that was killed leaves one without.
    pub fn is_complete(&self) -> bool {
        self.text.ends_with(b"\n")
    }

    /// Whether there is nothing on the line.
    pub fn is_blank(&self) -> bool {
        self.text.trim_ascii().is_empty()
    }

    /// The record on this line; its texts are escaped, so that they can be printed.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, JournalError> {
        let parsed = match may_be_unsafe(&self.text) {
            false => serde_json::from_slice(&self.text),
            true => serde_json::from_slice(&self.text).and_then(|mut value| {
                escape(&mut value);
                serde_json::from_value(value)
            }),
        };
        parsed.map_err(|fault| JournalError::NotARecord {
            path: self.path.clone(),
            line: self.number,
            problem: sentence(&fault.to_string()),
        })
    }
}

/// A file of JSON Lines to append to. No other process can open it so at the same time; whoever
/// reads need not wait.
#[derive(Debug)]
pub struct LineWriter {
    path: PathBuf,
    file: File,
}

impl LineWriter {
    /// Opens `path`, or makes it.
    ///
    /// # Errors
    /// A file that another process writes, or that cannot be written.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true);
        let file = options.open(path).map_err(at(path))?;
        let path = path.to_owned();
        if !file.metadata().map_err(at(&path))?.is_file() {
            return Err(JournalError::NotAFile(path));
        }
        lock(&file, &path)?;
        Ok(Self { path, file })
    }

    pub(super) fn lines(&self) -> Lines<&File> {
        Lines::of(&self.path, &self.file)
    }

    /// Cuts the file off behind its first `length` bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn truncate(&mut self, length: u64) -> Result<(), JournalError> {
        self.file.set_len(length).map_err(at(&self.path))
    }

    /// Writes `record` as one line, before returning.
    ///
    /// # Errors
    /// What the system says.
    pub fn append(&mut self, record: &impl Serialize) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(record).map_err(|fault| at(&self.path)(fault.into()))?;
        line.push(b'\n');
        // One write a line: a kill leaves whole lines and at most one unfinished.
        self.file.write_all(&line).map_err(at(&self.path))
    }
}

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    move |source| JournalError::Unreadable {
        path: path.clone(),
        source,
    }
}
