//! CIFAR's binary batches: records of one label byte (CIFAR-10) or a coarse and a fine label byte
//! (CIFAR-100), then 3,072 pixel bytes; any number of records, no header.

use super::cifar::{self, Cifar, Examples, FILE_LIMIT, IMAGE_BYTES};
use super::container::Container;
use super::reader::{FileReader, Match, Reader};
use super::{DataError, Dataset, ReadRequest};
use std::path::Path;

pub(super) const READER: Reader = Reader {
    what: "CIFAR-10/100 binary batches",
    open,
    file: Some(FileReader {
        recognises: |start| {
            if start.name.ends_with(".bin") {
                Match::Certain
            } else if fits(start.length) && !start.compressed {
                Match::Possible
            } else {
                Match::No
            }
        },
        open: open_file,
    }),
};

const COARSE_CLASSES: usize = 20;

impl Cifar {
    /// Bytes of a record before its pixels.
    fn label_bytes(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }

    fn record_bytes(self) -> usize {
        self.label_bytes() + IMAGE_BYTES
    }
}

/// A folder or archive with the official file names; `None` where it has none of them.
fn open(container: &Container, request: &ReadRequest) -> Result<Option<Dataset>, DataError> {
    let Some(batches) = cifar::batches(container, request.split, ".bin", "")? else {
        return Ok(None);
    };
    let mut examples = Examples::default();
    let contents = container.read(&batches.files, FILE_LIMIT)?;
    for (entry, bytes) in batches.files.iter().zip(contents) {
        let file = container.shown_entry(entry);
        read_records(&file, &bytes, batches.cifar, &mut examples)?;
    }
    let names_file = match batches.cifar {
        Cifar::Ten => "batches.meta.txt",
        Cifar::Hundred => "fine_label_names.txt",
    };
    let names = match container.named(names_file) {
        Some(entry) => container.read(&[entry], 1 << 16)?.concat(),
        None => Vec::new(),
    };
    let names = String::from_utf8_lossy(&names);
    let names = names.lines().map(str::trim);
    let names = names.filter(|name| !name.is_empty()).map(String::from);
    let dataset = examples.into_dataset(batches.cifar, names.collect(), &container.shown())?;
    Ok(Some(dataset.with_split(Some(request.split))))
}

/// One batch file, whatever its split.
///
/// The official names decide between CIFAR-10 and CIFAR-100; for other names the length does
/// (3,073 or 3,074 bytes a record), and where it fits both or neither, whether the first bytes of
/// all records of 3,073 are labels of CIFAR-10.
fn open_file(location: &Path, _: &ReadRequest) -> Result<Dataset, DataError> {
    let container = Container::file(location)?;
    let (entry, file, bytes) = cifar::only(&container)?;
    let cifar = recognise(entry.file_name(), &bytes);
    let mut examples = Examples::default();
    read_records(&file, &bytes, cifar, &mut examples)?;
    examples.into_dataset(cifar, Vec::new(), &file)
}

/// Whether a file of this length can be whole records.
fn fits(bytes: u64) -> bool {
    [Cifar::Ten, Cifar::Hundred]
        .iter()
        .any(|cifar| bytes.is_multiple_of(cifar.record_bytes() as u64))
}

fn recognise(file_name: &str, bytes: &[u8]) -> Cifar {
    let stem = file_name.strip_suffix(".bin").unwrap_or(file_name);
    let fits = |cifar: Cifar| bytes.len().is_multiple_of(cifar.record_bytes());
    if stem.starts_with("data_batch") || stem == "test_batch" {
        return Cifar::Ten;
    }
    match (fits(Cifar::Ten), fits(Cifar::Hundred)) {
        _ if stem == "train" || stem == "test" => Cifar::Hundred,
        (true, false) => Cifar::Ten,
        (false, true) => Cifar::Hundred,
        _ if bytes
            .chunks(Cifar::Ten.record_bytes())
            .all(|record| record[0] < 10) =>
        {
            Cifar::Ten
        }
        _ => Cifar::Hundred,
    }
}

fn read_records(
    file: &str,
    bytes: &[u8],
    cifar: Cifar,
    examples: &mut Examples,
) -> Result<(), DataError> {
    let size = cifar.record_bytes();
    let count = bytes.len() / size;
    examples.pixels.reserve_exact(count * IMAGE_BYTES);
    examples.labels.reserve_exact(count);
    for (record, content) in bytes.chunks(size).enumerate() {
        let offset = (record * size) as u64;
        if content.len() < size {
            return Err(DataError::ShortRecord {
                file: file.into(),
                record,
                offset,
                expected: size as u64,
                found: content.len() as u64,
            });
        }
        let (labels, pixels) = content.split_at(cifar.label_bytes());
        let bounds: &[usize] = match cifar {
            Cifar::Ten => &[10],
            Cifar::Hundred => &[COARSE_CLASSES, 100],
        };
        for (position, (&label, &classes)) in labels.iter().zip(bounds).enumerate() {
            if usize::from(label) >= classes {
                return Err(DataError::LabelOutOfRange {
                    file: file.into(),
                    record,
                    offset: offset + position as u64,
                    label: label.into(),
                    classes,
                });
            }
        }
        // The fine label of CIFAR-100 is the last one.
        examples
            .labels
            .extend(labels.last().map(|&label| u16::from(label)));
        examples.pixels.extend_from_slice(pixels);
    }
    Ok(())
}
