//! Results as they come: an append-only file of JSON Lines that a killed run picks up again.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pathscope_analysis::record::{Header, Record};

use super::ExperimentError;
use crate::team::Team;

/// The records of one experiment, on disk where a file was asked for.
#[derive(Debug)]
pub struct Journal {
    file: Option<(PathBuf, File)>,
    header: Header,
    records: Vec<Record>,
    places: HashMap<String, usize>,
    repaired: bool,
}

impl Journal {
    /// A journal in memory only.
    #[must_use]
    pub fn in_memory(header: Header) -> Self {
        let (records, places) = (Vec::new(), HashMap::new());
        Self {
            file: None,
            header,
            records,
            places,
            repaired: false,
        }
    }

    /// Opens the journal in `file`, or begins it. Records that it holds are not measured again. A
    /// last line that a killed run left unfinished is cut off and measured anew.
    ///
    /// # Errors
    /// A file of another measurement, a damaged line other than the last, or a file that cannot
    /// be written.
    pub fn open(file: &Path, header: Header) -> Result<Self, ExperimentError> {
        let failed = |fault: io::Error| ExperimentError::Journal {
            file: file.to_owned(),
            fault,
        };
        let mut journal = Self::in_memory(header);
        let text = match fs::read(file) {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(fault) => return Err(failed(fault)),
        };
        let whole = journal.take_up(file, &text)?;
        if whole < text.len() {
            let existing = OpenOptions::new().write(true).open(file).map_err(failed)?;
            existing.set_len(whole as u64).map_err(failed)?;
            journal.repaired = true;
        }
        let handle = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .map_err(failed)?;
        journal.file = Some((file.to_owned(), handle));
        if whole == 0 {
            let header = Record::Header(journal.header.clone());
            journal.write(&header)?;
        }
        Ok(journal)
    }

    /// As [`Journal::open`] for processes that work together: the first one reads and writes the
    /// file, and tells the others what it holds.
    ///
    /// # Errors
    /// As [`Journal::open`], in every process.
    pub fn open_together(team: Team, file: &Path, header: Header) -> Result<Self, ExperimentError> {
        if team.size() == 1 {
            return Self::open(file, header);
        }
        if team.is_first() {
            let opened = Self::open(file, header);
            let known = match &opened {
                Ok(journal) => journal.lines().map_err(|fault| fault.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let _told = team.firsts(known)?;
            opened
        } else {
            let known: Result<Vec<u8>, String> = team.firsts(Ok(Vec::new()))?;
            let known = known.map_err(|what| ExperimentError::Elsewhere { rank: 0, what })?;
            let mut journal = Self::in_memory(header);
            let _whole = journal.take_up(file, &known)?;
            Ok(journal)
        }
    }

    /// The header and the records as they are written.
    fn lines(&self) -> Result<Vec<u8>, serde_json::Error> {
        let header = Record::Header(self.header.clone());
        let mut lines = Vec::new();
        for record in std::iter::once(&header).chain(&self.records) {
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        Ok(lines)
    }

    /// Reads the records of `text`; gives the length of its undamaged beginning.
    fn take_up(&mut self, file: &Path, text: &[u8]) -> Result<usize, ExperimentError> {
        let mut whole = 0;
        let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        for (number, line) in lines.iter().enumerate() {
            let last = number + 1 == lines.len();
            let record = match serde_json::from_slice::<Record>(line) {
                Ok(record) if line.ends_with(b"\n") => record,
                // What is no journal at all is somebody's file: it stays as it is.
                Ok(_) | Err(_) if number == 0 && !begins_a_header(line) => {
                    return Err(ExperimentError::OtherJournal {
                        file: file.to_owned(),
                        what: "its first line".into(),
                    });
                }
                // Only the line being written when a run was killed can be unfinished.
                Ok(_) | Err(_) if last => return Ok(whole),
                Ok(_) => return Ok(whole),
                Err(fault) => {
                    return Err(ExperimentError::DamagedJournal {
                        file: file.to_owned(),
                        line: number + 1,
                        fault: fault.to_string(),
                    });
                }
            };
            match record {
                Record::Header(header) if number == 0 => self.compare(file, &header)?,
                _ if number == 0 => {
                    return Err(ExperimentError::OtherJournal {
                        file: file.to_owned(),
                        what: "its first line".into(),
                    });
                }
                record => self.hold(record),
            }
            whole += line.len();
        }
        Ok(whole)
    }

    /// Refuses the journal of another measurement. The command may differ: threads and paths do
    /// not change results.
    fn compare(&self, file: &Path, found: &Header) -> Result<(), ExperimentError> {
        let mine = &self.header;
        let differs = [
            ("the experiment", mine.experiment != found.experiment),
            (
                "the version of pathscope",
                mine.pathscope != found.pathscope,
            ),
            ("the schema", mine.schema != found.schema),
            ("the model", mine.model.hash != found.model.hash),
            ("the data", mine.data.hash != found.data.hash),
            ("the seed", mine.seed != found.seed),
            ("an option", mine.options != found.options),
            ("the shard", mine.shard != found.shard),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            Some((what, _)) => Err(ExperimentError::OtherJournal {
                file: file.to_owned(),
                what: (*what).to_owned(),
            }),
            None => Ok(()),
        }
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
        &self.records
    }

    /// The record called `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Record> {
        self.places
            .get(key)
            .and_then(|&place| self.records.get(place))
    }

    /// Adds a record and writes it out before returning.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn append(&mut self, record: Record) -> Result<(), ExperimentError> {
        self.write(&record)?;
        self.hold(record);
        Ok(())
    }

    fn hold(&mut self, record: Record) {
        if let Some(key) = key(&record) {
            self.places.insert(key.to_owned(), self.records.len());
        }
        self.records.push(record);
    }

    fn write(&mut self, record: &Record) -> Result<(), ExperimentError> {
        let Some((name, file)) = &mut self.file else {
            return Ok(());
        };
        let failed = |fault| ExperimentError::Journal {
            file: name.clone(),
            fault,
        };
        let mut line = serde_json::to_vec(record).map_err(|fault| failed(fault.into()))?;
        line.push(b'\n');
        // One write a line: a kill leaves whole lines and at most one unfinished.
        file.write_all(&line).map_err(failed)
    }
}

/// Whether `line` is the beginning of a header, or could have become one.
fn begins_a_header(line: &[u8]) -> bool {
    const HEADER: &[u8] = br#"{"type":"header","#;
    line.iter()
        .zip(HEADER)
        .all(|(found, wanted)| found == wanted)
}

/// The name of a measurement within its file; a header has none.
fn key(record: &Record) -> Option<&str> {
    match record {
        Record::Header(_) => None,
        Record::Outcome(record) => Some(&record.key),
        Record::Commutator(record) => Some(&record.key),
        Record::Spectrum(record) => Some(&record.key),
        Record::SampledPath(record) => Some(&record.key),
        Record::Ensemble(record) => Some(&record.key),
        Record::Removal(record) => Some(&record.key),
    }
}
