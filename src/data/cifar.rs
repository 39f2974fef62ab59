//! What the binary and the Python form of CIFAR have in common (Krizhevsky, 2009).

use super::container::{Container, Entry};
use super::{DataError, Dataset, ImageShape, Split};

/// Bytes of one image: 32 x 32 red, then green, then blue.
pub(super) const IMAGE_BYTES: usize = 3 * 32 * 32;
/// The largest batch file that is read: some 700,000 images, fourteen times the official ones.
pub(super) const FILE_LIMIT: u64 = 2 << 30;

const TEN_NAMES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cifar {
    Ten,
    Hundred,
}

impl Cifar {
    pub(super) fn classes(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ten => "CIFAR-10",
            Self::Hundred => "CIFAR-100",
        }
    }
}

/// Images and labels of one or more batch files, as they are put together.
#[derive(Default)]
pub(super) struct Examples {
    pub(super) pixels: Vec<u8>,
    pub(super) labels: Vec<u16>,
}

impl Examples {
    pub(super) fn into_dataset(
        self,
        cifar: Cifar,
        names: Vec<String>,
        location: &str,
    ) -> Result<Dataset, DataError> {
        if self.labels.is_empty() {
            return Err(DataError::empty(location, "records"));
        }
        let shape = ImageShape::new(3, 32, 32);
        let description = format!("{} from {location}", cifar.name());
        let names = match cifar {
            Cifar::Ten if names.is_empty() => TEN_NAMES.map(String::from).to_vec(),
            _ => names,
        };
        let classes = cifar.classes();
        let dataset = Dataset::new(shape, self.pixels, self.labels, classes, description)?;
        Ok(dataset.with_class_names(names))
    }
}

/// The one file of a container, what errors call it, and its bytes.
pub(super) fn only(container: &Container) -> Result<(&Entry, String, Vec<u8>), DataError> {
    let first = container.entries().first();
    let entry = first.ok_or_else(|| DataError::empty(container.shown(), "records"))?;
    let bytes = container.read(&[entry], FILE_LIMIT)?.concat();
    Ok((entry, container.shown_entry(entry), bytes))
}

/// The official files of one split that lie in one folder of a container.
pub(super) struct Batches<'a> {
    pub(super) cifar: Cifar,
    pub(super) files: Vec<&'a Entry>,
}

/// Finds the batches of a split by their official names with an ending (`.bin` or none):
/// `data_batch_N` and `test_batch` (CIFAR-10), `train` and `test` (CIFAR-100, where a file named
/// `beside` in the same folder tells them from others of these common names).
pub(super) fn batches<'a>(
    container: &'a Container,
    split: Split,
    ending: &str,
    beside: &str,
) -> Result<Option<Batches<'a>>, DataError> {
    let mut found: Vec<(Cifar, Split, &Entry)> = Vec::new();
    for entry in container.entries() {
        let Some(stem) = entry.file_name().strip_suffix(ending) else {
            continue;
        };
        let number = stem.strip_prefix("data_batch_");
        let hundred = |split| {
            let is_it =
                |other: &Entry| other.folder() == entry.folder() && other.file_name() == beside;
            let known = beside.is_empty() || container.entries().iter().any(is_it);
            known.then_some((Cifar::Hundred, split))
        };
        let role = match stem {
            "test_batch" => Some((Cifar::Ten, Split::Test)),
            "train" => hundred(Split::Train),
            "test" => hundred(Split::Test),
            _ if number.is_some_and(|number| number.parse::<u32>().is_ok()) => {
                Some((Cifar::Ten, Split::Train))
            }
            _ => None,
        };
        found.extend(role.map(|(cifar, split)| (cifar, split, entry)));
    }
    let Some(&(cifar, _, first)) = found.first() else {
        return Ok(None);
    };
    let mut elsewhere = found.iter().map(|found| found.2);
    if let Some(other) = elsewhere.find(|entry| entry.folder() != first.folder()) {
        return Err(DataError::Ambiguous {
            file: container.shown(),
            candidates: format!("{}, {}", first.name, other.name),
        });
    }
    let of_split = found
        .iter()
        .filter(|found| (found.0, found.1) == (cifar, split));
    let mut files: Vec<&Entry> = of_split.map(|found| found.2).collect();
    // Batch 10 comes after batch 9.
    files.sort_by_key(|entry| (entry.name.len(), entry.name.clone()));
    if files.is_empty() {
        let present: Vec<&str> = found.iter().map(|found| found.2.file_name()).collect();
        return Err(DataError::MissingSplit {
            file: container.shown(),
            split,
            present: present.join(", "),
        });
    }
    Ok(Some(Batches { cifar, files }))
}
