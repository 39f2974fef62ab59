//! Results files: a header and then the measurements, as JSON Lines.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::lines::{LineWriter, Lines};
use super::text::sentence;
use super::{
    Commutator, Distance, Ensemble, Header, JournalError, Outcome, Record, Removal, SCHEMA_VERSION,
    Spectrum,
};

/// What the records of one kind hold.
macro_rules! of_kind {
    ($records:expr, $kind:ident) => {{
        let found = $records.iter().filter_map(|record| match record {
            Record::$kind(found) => Some(found),
            _ => None,
        });
        found.collect()
    }};
}

/// A results file as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// Where it lies; empty where it is only in memory.
    pub path: PathBuf,
    /// What was measured, and how to do it again.
    pub header: Header,
    /// The measurements, in the order of the file.
    pub records: Vec<Record>,
}

impl Journal {
    /// Reads a results file. A last line without its end, as a run that was killed leaves it, is
    /// left out unless it is a whole record; lines that repeat a record are read once.
    ///
    /// # Errors
    /// An unreadable file, a line that is no record or contradicts another one, or no header or a
    /// second one.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let contents = Contents::read(Lines::open(path)?)?;
        let none = || JournalError::NoHeader(path.to_owned());
        let header = contents.header.ok_or_else(none)?;
        let mut records = contents.records.in_order;
        records.extend(contents.without_end);
        Ok(Self {
            path: path.to_owned(),
            header,
            records,
        })
    }

    /// The plans evaluated.
    #[must_use]
    pub fn outcomes(&self) -> Vec<&Outcome> {
        of_kind!(self.records, Outcome)
    }

    /// The gradients by path length, one per mini-batch.
    #[must_use]
    pub fn spectra(&self) -> Vec<&Spectrum> {
        of_kind!(self.records, Spectrum)
    }

    /// The pairs of blocks whose commuting was measured.
    #[must_use]
    pub fn commutators(&self) -> Vec<&Commutator> {
        of_kind!(self.records, Commutator)
    }

    /// The pairs of depths whose distance was measured.
    #[must_use]
    pub fn distances(&self) -> Vec<&Distance> {
        of_kind!(self.records, Distance)
    }

    /// The ensembles.
    #[must_use]
    pub fn ensembles(&self) -> Vec<&Ensemble> {
        of_kind!(self.records, Ensemble)
    }

    /// The steps of a greedy removal.
    #[must_use]
    pub fn removals(&self) -> Vec<&Removal> {
        of_kind!(self.records, Removal)
    }
}

/// A results file that grows, which a killed run picks up again; or the same in memory.
#[derive(Debug)]
pub struct JournalWriter {
    file: Option<LineWriter>,
    header: Header,
    records: Records,
    repaired: bool,
}

impl JournalWriter {
    /// Results in memory only.
    #[must_use]
    pub fn in_memory(header: Header) -> Self {
        Self {
            file: None,
            header,
            records: Records::default(),
            repaired: false,
        }
    }

    /// Opens the results in `file`, or begins them. A measurement that they hold need not be made
    /// again. A last line that a killed run left unfinished is cut off.
    ///
    /// # Errors
    /// A file of another measurement or that another process writes, a damaged line, or a file
    /// that cannot be written.
    pub fn open(file: &Path, header: Header) -> Result<Self, JournalError> {
        let mut writer = LineWriter::open(file)?;
        let contents = Contents::read(writer.lines())?;
        let is_new = contents.header.is_none();
        let mut journal = Self::resume(file, header, contents.header, contents.records)?;
        journal.repaired = contents.complete < contents.all;
        if is_new {
            writer.truncate(0)?;
            writer.append(&Record::Header(journal.header.clone()))?;
        } else if journal.repaired {
            writer.truncate(contents.complete)?;
        }
        journal.file = Some(writer);
        Ok(journal)
    }

    /// Results in memory that continue those which another process read from `file` and gave as
    /// `text`.
    ///
    /// # Errors
    /// As [`JournalWriter::open`].
    pub fn of_text(file: &Path, text: &[u8], header: Header) -> Result<Self, JournalError> {
        let contents = Contents::read(Lines::of(file, text))?;
        Self::resume(file, header, contents.header, contents.records)
    }

    fn resume(
        file: &Path,
        header: Header,
        found: Option<Header>,
        records: Records,
    ) -> Result<Self, JournalError> {
        match found.and_then(|found| header.difference(&found)) {
            Some(what) => Err(JournalError::Another {
                path: file.to_owned(),
                what,
            }),
            None => Ok(Self {
                records,
                ..Self::in_memory(header)
            }),
        }
    }

    /// The header and the records as they are written.
    ///
    /// # Errors
    /// A record that cannot be written.
    pub fn text(&self) -> serde_json::Result<Vec<u8>> {
        let header = Record::Header(self.header.clone());
        let mut text = Vec::new();
        for record in std::iter::once(&header).chain(&self.records.in_order) {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        Ok(text)
    }

    /// Whether an unfinished last line was cut off.
    #[must_use]
    pub fn was_repaired(&self) -> bool {
        self.repaired
    }

    /// What was measured.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Every record, in the order in which they were made.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records.in_order
    }

    /// The record called `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Record> {
        self.records.get(key)
    }

    /// The unchanged network, where it was measured.
    #[must_use]
    pub fn intact(&self) -> Option<&Outcome> {
        self.records().iter().find_map(|record| match record {
            Record::Outcome(outcome) if outcome.is_intact() => Some(outcome),
            _ => None,
        })
    }

    /// Adds a record and writes it out before returning.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn append(&mut self, record: Record) -> Result<(), JournalError> {
        if let Some(file) = &mut self.file {
            file.append(&record)?;
        }
        self.records.push(record);
        Ok(())
    }
}

/// Records by their keys.
#[derive(Debug, Default)]
struct Records {
    in_order: Vec<Record>,
    by_key: HashMap<String, usize>,
}

impl Records {
    fn get(&self, key: &str) -> Option<&Record> {
        self.in_order.get(*self.by_key.get(key)?)
    }

    fn push(&mut self, record: Record) {
        if let Some(key) = record.key() {
            self.by_key.insert(key.to_owned(), self.in_order.len());
        }
        self.in_order.push(record);
    }
}

/// What a results file holds.
#[derive(Debug, Default)]
struct Contents {
    header: Option<Header>,
    records: Records,
    /// A record whose line has no end.
    without_end: Option<Record>,
    /// Bytes of the lines that have their ends.
    complete: u64,
    /// Bytes of all lines.
    all: u64,
}

impl Contents {
    fn read<R: Read>(mut lines: Lines<R>) -> Result<Self, JournalError> {
        let mut contents = Self::default();
        while lines.advance()? {
            let length = lines.text().len() as u64;
            contents.all += length;
            if !lines.is_blank() {
                contents.take(&lines)?;
            }
            if lines.is_complete() {
                contents.complete += length;
            }
        }
        Ok(contents)
    }

    fn take<R: Read>(&mut self, lines: &Lines<R>) -> Result<(), JournalError> {
        let path = || lines.path().to_owned();
        let line = lines.number;
        let is_first = self.header.is_none();
        let record = match lines.parse::<Record>() {
            Ok(record) => record,
            Err(_) if is_first && !begins_a_header(lines.text()) => {
                return Err(JournalError::NoHeader(path()));
            }
            // Only the line being written when a run was killed can be unfinished.
            Err(_) if !lines.is_complete() => return Ok(()),
            Err(fault) => return Err(fault),
        };
        match record {
            Record::Header(_) if !is_first => Err(JournalError::TwoHeaders { path: path(), line }),
            Record::Header(found) if found.schema > SCHEMA_VERSION => Err(JournalError::Later {
                path: path(),
                found: found.schema,
            }),
            Record::Header(found) => {
                // Without its end it is written again.
                self.header = lines.is_complete().then_some(found);
                Ok(())
            }
            _ if is_first => Err(JournalError::NoHeader(path())),
            record => {
                let known = record.key().and_then(|key| self.records.get(key));
                match known {
                    Some(known) if known.is_same(&record) => {}
                    Some(known) => {
                        let (path, key) = (path(), sentence(known.key().unwrap_or_default()));
                        return Err(JournalError::Contradiction { path, line, key });
                    }
                    None if lines.is_complete() => self.records.push(record),
                    None => self.without_end = Some(record),
                }
                Ok(())
            }
        }
    }
}

/// Whether `line` is the beginning of a header, or could have become one.
fn begins_a_header(line: &[u8]) -> bool {
    const HEADER: &[u8] = br#"{"type":"header","#;
    let mut pairs = line.iter().zip(HEADER);
    pairs.all(|(found, wanted)| found == wanted)
}
