//! CIFAR's Python batches: a pickled dict with `data`, bytes `[N, 3072]`, and `labels` (CIFAR-10) or
//! `fine_labels` (CIFAR-100).

use super::cifar::{self, Cifar, Examples, FILE_LIMIT, IMAGE_BYTES};
use super::container::Container;
use super::pickled_array::{Order, PickledArray, check_imports, content};
use super::reader::{FileReader, Match, Reader};
use super::{DataError, Dataset, ReadRequest};
use pathscope_file::pickle::{self, Budget, Node, Pickle, Value};
use std::path::Path;

pub(super) const READER: Reader = Reader {
    what: "CIFAR-10/100 Python batches",
    open,
    file: Some(FileReader {
        recognises: |start| Match::certain(matches!(start.head.as_slice(), [0x80, 2..=5, ..])),
        open: open_file,
    }),
};

/// Values, marks and references of one batch: the official ones have some 100,000.
const BUDGET: Budget = Budget {
    opcodes: 4 << 20,
    memo: 4 << 20,
    depth: 4 << 20,
    bytes: FILE_LIMIT as usize,
};

/// A folder or archive with the official file names; `None` where it has none of them.
fn open(container: &Container, request: &ReadRequest) -> Result<Option<Dataset>, DataError> {
    let Some(batches) = cifar::batches(container, request.split, "", "meta")? else {
        return Ok(None);
    };
    let mut examples = Examples::default();
    let contents = container.read(&batches.files, FILE_LIMIT)?;
    for (entry, bytes) in batches.files.iter().zip(contents) {
        let file = container.shown_entry(entry);
        let cifar = read_batch(&file, &bytes, &mut examples)?;
        if cifar != batches.cifar {
            let reason = "the labels are not those that the file's name promises";
            return Err(DataError::malformed(&file, 0, reason));
        }
    }
    let (names_file, key) = match batches.cifar {
        Cifar::Ten => ("batches.meta", "label_names"),
        Cifar::Hundred => ("meta", "fine_label_names"),
    };
    let mut names = Vec::new();
    if let Some(entry) = container.named(names_file) {
        let bytes = container.read(&[entry], 1 << 20)?.concat();
        names = read_names(&unpickle(&container.shown_entry(entry), &bytes)?, key);
    }
    let dataset = examples.into_dataset(batches.cifar, names, &container.shown())?;
    Ok(Some(dataset.with_split(Some(request.split))))
}

/// One batch file, whatever its split; the kind of labels tells CIFAR-10 from CIFAR-100.
fn open_file(location: &Path, _: &ReadRequest) -> Result<Dataset, DataError> {
    let container = Container::file(location)?;
    let (_, file, bytes) = cifar::only(&container)?;
    let mut examples = Examples::default();
    let cifar = read_batch(&file, &bytes, &mut examples)?;
    examples.into_dataset(cifar, Vec::new(), &file)
}

fn unpickle<'a>(file: &str, bytes: &'a [u8]) -> Result<Pickle<'a>, DataError> {
    let pickle = pickle::read(bytes, BUDGET).map_err(|fault| DataError::Pickle {
        file: file.into(),
        fault,
    })?;
    check_imports(file, &pickle.tree)?;
    Ok(pickle)
}

/// The value under a key of the outermost dict. Python 3 writes Python 2's keys as bytes.
fn entry(Pickle { tree, root, .. }: &Pickle<'_>, key: &str) -> Option<Node> {
    let mut entries = tree.entries(*root)?.iter().rev();
    let found = entries.find(|(name, _)| content(tree, *name).as_deref() == Some(key.as_bytes()));
    found.map(|entry| entry.1)
}

fn read_names(pickle: &Pickle<'_>, key: &str) -> Vec<String> {
    let tree = &pickle.tree;
    let names = entry(pickle, key).and_then(|names| tree.items(names));
    let names = names.unwrap_or_default().iter();
    names
        .filter_map(|&name| content(tree, name))
        .map(|name| String::from_utf8_lossy(&name).into_owned())
        .collect()
}

fn read_batch(file: &str, bytes: &[u8], examples: &mut Examples) -> Result<Cifar, DataError> {
    let pickle = unpickle(file, bytes)?;
    let tree = &pickle.tree;
    let wrong = |reason: String| DataError::malformed(file, 0, reason);
    let list = |key| match tree.value(entry(&pickle, key)?) {
        Value::List(items) => Some(items),
        _ => None,
    };
    let (cifar, labels) = match (list("fine_labels"), list("labels")) {
        (Some(labels), _) => (Cifar::Hundred, labels),
        (None, Some(labels)) => (Cifar::Ten, labels),
        (None, None) => {
            let reason = "the dict has no list `labels` or `fine_labels`";
            return Err(wrong(reason.into()));
        }
    };
    let Some(data) = entry(&pickle, "data") else {
        return Err(wrong("the dict has no array `data`".into()));
    };
    let data = PickledArray::read(tree, data).map_err(|fault| wrong(format!("`data` {fault}")))?;
    let count = labels.len();
    if data.sizes != [count, IMAGE_BYTES] {
        return Err(wrong(format!(
            "`data` has the sizes {:?}; {count} labels need [{count}, {IMAGE_BYTES}]",
            data.sizes
        )));
    }
    for (record, &label) in labels.iter().enumerate() {
        let Some(number) = tree.integer(label) else {
            return Err(wrong(format!("label {record} is not an integer")));
        };
        let known = u16::try_from(number).ok();
        let known = known.filter(|&number| cifar.classes() > number.into());
        let known = known.ok_or_else(|| DataError::LabelOutOfRange {
            file: file.into(),
            record,
            offset: tree.offset(label) as u64,
            label: number,
            classes: cifar.classes(),
        })?;
        examples.labels.push(known);
    }
    match data.order {
        Order::Rows => examples.pixels.extend_from_slice(&data.elements),
        Order::Columns => {
            let image = |record| data.elements.iter().skip(record).step_by(count);
            examples.pixels.extend((0..count).flat_map(image));
        }
    }
    Ok(cifar)
}
