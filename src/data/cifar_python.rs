//! CIFAR's Python batches: a pickled dict with `data`, bytes `[N, 3072]`, and `labels` (CIFAR-10) or
//! `fine_labels` (CIFAR-100).

use super::cifar::{self, Cifar, Examples, FILE_LIMIT, IMAGE_BYTES};
use super::container::Container;
use super::pickle::{self, Value, Values};
use super::{DataError, Dataset, ReadRequest};

/// A folder or archive with the official file names; `None` where it has none of them.
pub(super) fn open(
    container: &Container,
    request: &ReadRequest,
) -> Result<Option<Dataset>, DataError> {
    let Some(batches) = cifar::batches(container, request.split, "", "meta")? else {
        return Ok(None);
    };
    let mut examples = Examples::default();
    for (entry, bytes) in batches
        .files
        .iter()
        .zip(container.read(&batches.files, FILE_LIMIT)?)
    {
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
    if let Some(entry) = container
        .entries()
        .iter()
        .find(|entry| entry.file_name() == names_file)
    {
        let bytes = container.read(&[entry], 1 << 20)?.concat();
        names = read_names(&pickle::read(&container.shown_entry(entry), &bytes)?, key);
    }
    let dataset = examples.into_dataset(batches.cifar, names, &container.shown())?;
    Ok(Some(dataset.with_split(Some(request.split))))
}

/// One batch file, whatever its split; the kind of labels tells CIFAR-10 from CIFAR-100.
pub(super) fn open_file(container: &Container) -> Result<Dataset, DataError> {
    let Some(entry) = container.entries().first() else {
        return Err(DataError::Empty {
            file: container.shown(),
            wanted: "records",
        });
    };
    let file = container.shown_entry(entry);
    let bytes = container.read(&[entry], FILE_LIMIT)?.concat();
    let mut examples = Examples::default();
    let cifar = read_batch(&file, &bytes, &mut examples)?;
    examples.into_dataset(cifar, Vec::new(), &file)
}

fn read_names(values: &Values, key: &str) -> Vec<String> {
    let Some(Value::List(names)) = values.entry(key) else {
        return Vec::new();
    };
    names
        .iter()
        .filter_map(|&name| values.bytes(name))
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

fn read_batch(file: &str, bytes: &[u8], examples: &mut Examples) -> Result<Cifar, DataError> {
    let values = pickle::read(file, bytes)?;
    let wrong = |reason: String| DataError::malformed(file, 0, reason);
    let (cifar, labels) = match (values.entry("labels"), values.entry("fine_labels")) {
        (_, Some(Value::List(labels))) => (Cifar::Hundred, labels),
        (Some(Value::List(labels)), None) => (Cifar::Ten, labels),
        _ => {
            return Err(wrong(
                "the dict has no list `labels` or `fine_labels`".into(),
            ));
        }
    };
    let Some(Value::Array {
        sizes,
        elements,
        columns_first,
    }) = values.entry("data")
    else {
        return Err(wrong("the dict has no array `data`".into()));
    };
    if *sizes != [labels.len(), IMAGE_BYTES] {
        let count = labels.len();
        return Err(wrong(format!(
            "`data` has the sizes {sizes:?}; {count} labels need [{count}, {IMAGE_BYTES}]"
        )));
    }
    for (record, &label) in labels.iter().enumerate() {
        let &Value::Integer(label, offset) = values.get(label) else {
            return Err(wrong(format!("label {record} is not an integer")));
        };
        let known = u16::try_from(label)
            .ok()
            .filter(|&label| cifar.classes() > label.into());
        let Some(known) = known else {
            let (file, classes) = (file.into(), cifar.classes());
            let offset = offset as u64;
            return Err(DataError::LabelOutOfRange {
                file,
                record,
                offset,
                label,
                classes,
            });
        };
        examples.labels.push(known);
    }
    let pixels = values.bytes(*elements).unwrap_or_default();
    if *columns_first {
        let count = labels.len();
        let image = |record| pixels.iter().skip(record).step_by(count);
        examples.pixels.extend((0..count).flat_map(image));
    } else {
        examples.pixels.extend_from_slice(pixels);
    }
    Ok(cifar)
}
