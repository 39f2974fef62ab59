//! TensorBoard event files: TFRecords of `Event` messages, written by hand.
//!
//! A TFRecord is the length of its data (64 bits), a masked CRC-32C of the length, the data, and a
//! masked CRC-32C of the data, little-endian. The fields used of the messages (`event.proto`,
//! `summary.proto` of TensorFlow):
//!
//! ```text
//! Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//! Summary { repeated Value value = 1; }    Value { string tag = 1; float simple_value = 2; }
//! ```

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{EpochRecord, TrainingError};

/// A file that TensorBoard shows while it grows.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: File,
}

impl EventLog {
    /// A new event file in `folder`, beside those that may be there.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn create(folder: &Path) -> Result<Self, TrainingError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let (seconds, nanoseconds) =
            since.map_or((0, 0), |since| (since.as_secs(), since.subsec_nanos()));
        // TensorBoard reads the files of a folder in the order of their names.
        let name = format!("events.out.tfevents.{seconds:010}.{nanoseconds:09}.pathscope");
        let path = folder.join(name);
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .map_err(|fault| TrainingError::File {
                file: path.clone(),
                fault,
            })?;
        let mut log = Self { path, file };
        let mut event = wall_time();
        bytes_field(&mut event, 3, b"brain.Event:2");
        log.append(&event)?;
        Ok(log)
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what an epoch gave; its step is the number of epochs done.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn epoch(&mut self, record: &EpochRecord) -> Result<(), TrainingError> {
        let summary = record.summary;
        let percent = 100.0 * summary.errors as f64 / summary.examples.max(1) as f64;
        let mut scalars = vec![
            ("loss/train", summary.loss),
            ("error_percent/train", percent),
            ("learning_rate", summary.learning_rate),
            ("images_per_second", record.images_per_second),
        ];
        if let Some(validation) = record.validation {
            scalars.push(("loss/validation", validation.loss));
            scalars.push(("error_percent/validation", validation.percent()));
        }
        self.scalars(summary.epoch as u64 + 1, &scalars)
    }

    /// Writes values under their tags at `step`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<(), TrainingError> {
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut message = Vec::new();
            bytes_field(&mut message, 1, tag.as_bytes());
            message.push(key(2, FIXED_32));
            message.extend((*value as f32).to_le_bytes());
            bytes_field(&mut summary, 1, &message);
        }
        let mut event = wall_time();
        event.push(key(2, VARINT));
        varint(&mut event, step);
        bytes_field(&mut event, 5, &summary);
        self.append(&event)
    }

    fn append(&mut self, data: &[u8]) -> Result<(), TrainingError> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(data.len() + 16);
        record.extend(length);
        record.extend(masked(crc32c(&length)).to_le_bytes());
        record.extend(data);
        record.extend(masked(crc32c(data)).to_le_bytes());
        // One write: a reader, or a kill, finds whole records.
        self.file
            .write_all(&record)
            .map_err(|fault| TrainingError::File {
                file: self.path.clone(),
                fault,
            })
    }
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const FIXED_32: u8 = 5;

fn key(field: u8, wire: u8) -> u8 {
    field << 3 | wire
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(key(field, LENGTH_DELIMITED));
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// The beginning of every event.
fn wall_time() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0.0, |now| now.as_secs_f64());
    let mut event = vec![key(1, FIXED_64)];
    event.extend(seconds.to_le_bytes());
    event
}

/// CRC-32C (Castagnoli), bit by bit: a record an epoch needs no table.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc: u32, _| {
            crc >> 1 ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

/// A checksum of data that may hold checksums itself (TFRecord).
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros, of ones, and rising; and the usual check value.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(
            crc32c(&std::array::from_fn::<u8, 32, _>(|i| i as u8)),
            0x46dd_794e
        );
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn varints_of_the_specification() {
        // protobuf.dev/programming-guides/encoding: 150 is 96 01.
        let mut out = Vec::new();
        varint(&mut out, 150);
        varint(&mut out, 1);
        assert_eq!(out, [0x96, 0x01, 0x01]);
    }
}
