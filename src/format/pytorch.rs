//! Writing what `torch.load(file, weights_only=True)` reads.

use std::{
    collections::BTreeSet,
    io::{Seek, Write},
    path::Path,
};

use tch::Tensor;
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{
    element::Element,
    error::{Fault, FormatError},
    raw::raw_bytes,
    saving,
};

/// Writes tensors as a PyTorch zip checkpoint: a plain dictionary of contiguous
/// tensors in the given order. The old file, if any, is replaced in one step.
///
/// # Errors
///
/// When the file cannot be written, a name occurs twice, or a tensor is of a type that
/// [`open`](super::open) does not read.
pub fn save_pytorch(file: &Path, tensors: &[(String, Tensor)]) -> Result<(), FormatError> {
    saving(file, |draft| write_pytorch(draft, tensors))
}

pub(super) fn write_pytorch(
    writer: &mut (impl Write + Seek),
    tensors: &[(String, Tensor)],
) -> Result<(), Fault> {
    let mut names = BTreeSet::new();
    let mut elements = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let unwritable = |what: String| Fault::Unwritable {
            entry: name.clone(),
            what,
        };
        if !names.insert(name) {
            return Err(unwritable("its name is taken".to_owned()));
        }
        elements.push(Element::of(tensor).map_err(unwritable)?);
    }
    let described = describe(tensors, &elements);
    let failed = |fault: ZipError| Fault::Write(fault.into());
    let mut archive = ZipWriter::new(writer);
    entry(&mut archive, "data.pkl", &described).map_err(failed)?;
    entry(&mut archive, "byteorder", b"little").map_err(failed)?;
    for (key, (name, tensor)) in tensors.iter().enumerate() {
        let bytes = raw_bytes(tensor).map_err(|fault| Fault::convert(name, fault))?;
        entry(&mut archive, &format!("data/{key}"), &bytes).map_err(failed)?;
    }
    entry(&mut archive, "version", b"3\n").map_err(failed)?;
    archive.finish().map_err(failed)?;
    Ok(())
}

fn entry<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    name: &str,
    bytes: &[u8],
) -> Result<(), ZipError> {
    /// PyTorch maps storages into memory and wants them aligned so.
    const ALIGNMENT: u16 = 64;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .with_alignment(ALIGNMENT)
        // The same tensors give the same bytes on any day.
        .last_modified_time(DateTime::default())
        .large_file(bytes.len() >= u32::MAX as usize);
    archive.start_file(format!("archive/{name}"), options)?;
    archive.write_all(bytes)?;
    Ok(())
}

/// The dictionary of tensors as a pickle of protocol 2.
fn describe(tensors: &[(String, Tensor)], elements: &[Element]) -> Vec<u8> {
    let mut pickle = PickleWriter(b"\x80\x02}(".to_vec());
    for (key, ((name, tensor), element)) in tensors.iter().zip(elements).enumerate() {
        let numel = tensor.numel() as i64;
        let size = tensor.size();
        pickle.text(name);
        pickle.global("torch._utils", "_rebuild_tensor_v2");
        pickle.raw(b"((");
        pickle.text("storage");
        pickle.global("torch", element.storage_class());
        pickle.text(&key.to_string());
        pickle.text("cpu");
        pickle.integer(numel);
        pickle.raw(b"tQ");
        pickle.integer(0);
        pickle.integers(&size);
        pickle.integers(&contiguous(&size));
        // No gradient wanted, no hooks; close the arguments and call.
        pickle.raw(b"\x89");
        pickle.global("collections", "OrderedDict");
        pickle.raw(b")RtR");
    }
    pickle.raw(b"u.");
    pickle.0
}

fn contiguous(size: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; size.len()];
    let mut step = 1;
    for (stride, n) in strides.iter_mut().zip(size).rev() {
        *stride = step;
        step *= n.max(&1);
    }
    strides
}

/// The few instructions that a dictionary of tensors needs.
struct PickleWriter(Vec<u8>);

impl PickleWriter {
    fn raw(&mut self, instructions: &[u8]) {
        self.0.extend_from_slice(instructions);
    }

    fn text(&mut self, text: &str) {
        // Names are far shorter than the 4 GiB that this instruction can hold.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.raw(b"X");
        self.raw(&length.to_le_bytes());
        self.raw(text.as_bytes());
    }

    fn global(&mut self, module: &str, name: &str) {
        self.raw(format!("c{module}\n{name}\n").as_bytes());
    }

    fn integer(&mut self, number: i64) {
        if let Ok(small) = i32::try_from(number) {
            self.raw(b"J");
            self.raw(&small.to_le_bytes());
        } else {
            self.raw(b"\x8a\x08");
            self.raw(&number.to_le_bytes());
        }
    }

    fn integers(&mut self, numbers: &[i64]) {
        self.raw(b"(");
        for &number in numbers {
            self.integer(number);
        }
        self.raw(b"t");
    }
}
