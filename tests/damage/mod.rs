//! Files damaged by a seed: bits, cuts, swaps, insertions and lies in lengths anywhere; and other
//! contents inside what wraps them, whose lengths and checksums then agree again.

mod structure;

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How the contents of a file are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing is known of it.
    Bytes,
    /// Lines of text.
    Text,
    /// A JSON value on each line.
    JsonLines,
    /// A length, a header in JSON, and numbers.
    Safetensors,
    /// An archive of entries, some of which are JSON or NumPy arrays.
    Zip,
    /// A stream that is compressed.
    Gzip,
}

/// Numbers by which lengths, counts and offsets are replaced.
const EXTREMES: [u64; 9] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// `whole` with some damage; `other` lends pieces.
pub fn damaged(whole: &[u8], form: Form, other: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let inside = random.random_bool(0.6);
    if inside && form != Form::Bytes {
        bytes = inner(&bytes, form, random).unwrap_or(bytes);
    }
    if !inside || form == Form::Bytes || random.random_bool(0.1) {
        for _ in 0..random.random_range(1..6) {
            if !bytes.is_empty() {
                outer(&mut bytes, other, random);
            }
        }
    }
    bytes
}

fn place(length: usize, random: &mut ChaCha8Rng) -> usize {
    random.random_range(0..length.max(1))
}

/// Damage that knows nothing of what the bytes are.
fn outer(bytes: &mut Vec<u8>, other: &[u8], random: &mut ChaCha8Rng) {
    let at = place(bytes.len(), random);
    let span = |most: usize, random: &mut ChaCha8Rng| at + 1 + random.random_range(0..most);
    match random.random_range(0..9) {
        0 => bytes[at] ^= 1 << random.random_range(0..8),
        1 => bytes[at] = random.random(),
        2 => {
            let end = span(16, random).min(bytes.len());
            bytes.drain(at..end);
        }
        3 => {
            let end = span(64, random).min(bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        4 => {
            let width = 1_usize << random.random_range(0..4_u32);
            let value = EXTREMES[place(EXTREMES.len(), random)].to_le_bytes();
            for (byte, new) in bytes[at..].iter_mut().zip(&value[..width]) {
                *byte = *new;
            }
        }
        5 => bytes.truncate(at),
        // Where headers and the directories of archives stand.
        6 => {
            let near = place(bytes.len().min(512), random);
            let at = match random.random::<bool>() {
                true => near,
                false => bytes.len() - 1 - near,
            };
            bytes[at] = random.random();
        }
        // Two pieces change places.
        7 => {
            let length = random.random_range(1..64_usize).min(bytes.len() / 2);
            let last = bytes.len() - length;
            let (a, b) = (place(last, random), place(last, random));
            for step in 0..length {
                bytes.swap(a + step, b + step);
            }
        }
        _ => {
            let from = place(other.len(), random);
            let end = (from + random.random_range(1..256_usize)).min(other.len());
            let length = end.saturating_sub(from).min(bytes.len() - at);
            bytes[at..at + length].copy_from_slice(&other[from..from + length]);
        }
    }
}

/// Other contents in a sound wrapping; nothing where the file has not the form.
fn inner(bytes: &[u8], form: Form, random: &mut ChaCha8Rng) -> Option<Vec<u8>> {
    match form {
        Form::Bytes => None,
        Form::Text => Some(structure::text(std::str::from_utf8(bytes).ok()?, random).into_bytes()),
        Form::JsonLines => {
            let text = std::str::from_utf8(bytes).ok()?;
            Some(structure::json_lines(text, random)?.into_bytes())
        }
        Form::Safetensors => structure::safetensors(bytes, random),
        Form::Zip => zip(bytes, random),
        Form::Gzip => {
            let mut plain = Vec::new();
            MultiGzDecoder::new(bytes).read_to_end(&mut plain).ok()?;
            outer(&mut plain, bytes, random);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&plain).ok()?;
            encoder.finish().ok()
        }
    }
}

/// The archive with one entry changed, left out or doubled.
fn zip(bytes: &[u8], random: &mut ChaCha8Rng) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut entries = Vec::new();
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).ok()?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        entries.push((entry.name().ok()?.into_owned(), content));
    }
    // Those that say what the others are decide most.
    let telling: Vec<usize> = (0..entries.len())
        .filter(|&at| {
            let name = &entries[at].0;
            [".json", ".pkl", ".npy"]
                .iter()
                .any(|end| name.ends_with(end))
        })
        .collect();
    let at = match telling.is_empty() || random.random_bool(0.2) {
        true => place(entries.len(), random),
        false => telling[place(telling.len(), random)],
    };
    match random.random_range(0..10) {
        0 => drop(entries.remove(at)),
        1 => {
            let content = entries[at].1.clone();
            let other = place(entries.len(), random);
            entries[other].1 = content;
        }
        _ => {
            let (name, content) = &mut entries[at];
            let changed = match name.ends_with(".json") {
                true => std::str::from_utf8(content)
                    .ok()
                    .and_then(|text| structure::json(text, random))
                    .map(String::into_bytes),
                false if name.ends_with(".npy") => structure::npy(content, random),
                false => None,
            };
            match changed {
                Some(changed) => *content = changed,
                None if content.is_empty() => content.push(0),
                None => outer(content, bytes, random),
            }
        }
    }
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(name, stored).ok()?;
        writer.write_all(&content).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}
