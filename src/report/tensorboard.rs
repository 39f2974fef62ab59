//! Trainings as TensorBoard reads them: records of a checksum each, with a protocol buffer `Event`.

use pathscope_analysis::record::{EpochRecord, TrainingLog};

/// The scalars of a training log by epoch, as the content of a TensorBoard event file: errors (as
/// shares) and losses of training and held-out examples, and the learning rate. Seconds of training
/// are its clock, so that the same log gives the same bytes.
pub fn events(log: &TrainingLog) -> Vec<u8> {
    let mut out = Vec::new();
    let mut clock = 0.0;
    let mut version = Vec::new();
    text(&mut version, 3, "brain.Event:2");
    record(&mut out, &event(clock, 0, &version));
    for epoch in &log.epochs {
        clock += epoch.seconds;
        let mut summary = Vec::new();
        for (name, value) in scalars(epoch) {
            let mut scalar = Vec::new();
            text(&mut scalar, 1, name);
            key(&mut scalar, 2, Wire::Four);
            scalar.extend((value as f32).to_le_bytes());
            bytes(&mut summary, 1, &scalar);
        }
        let mut content = Vec::new();
        bytes(&mut content, 5, &summary);
        record(&mut out, &event(clock, epoch.epoch as u64, &content));
    }
    out
}

fn scalars(epoch: &EpochRecord) -> Vec<(&'static str, f64)> {
    let share = |errors: usize, examples: usize| errors as f64 / examples.max(1) as f64;
    let mut found = vec![
        ("error/training", share(epoch.errors, epoch.examples)),
        ("loss/training", epoch.loss),
        ("learning_rate", epoch.learning_rate),
    ];
    if let Some(held_out) = &epoch.validation {
        let error = share(held_out.errors, held_out.examples);
        found.extend([("error/held_out", error), ("loss/held_out", held_out.loss)]);
    }
    found
}

/// How a field is written.
#[derive(Clone, Copy)]
enum Wire {
    Variable = 0,
    Eight = 1,
    Length = 2,
    Four = 5,
}

/// An `Event` at a time and a step.
fn event(seconds: f64, step: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    key(&mut out, 1, Wire::Eight);
    out.extend(seconds.to_le_bytes());
    key(&mut out, 2, Wire::Variable);
    number(&mut out, step);
    out.extend(content);
    out
}

fn key(out: &mut Vec<u8>, field: u64, wire: Wire) {
    number(out, field << 3 | wire as u64);
}

/// Seven bits a byte, the lowest first.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    key(out, field, Wire::Length);
    number(out, content.len() as u64);
    out.extend(content);
}

fn text(out: &mut Vec<u8>, field: u64, content: &str) {
    bytes(out, field, content.as_bytes());
}

/// A record of a file: its length and its content, each with a checksum.
fn record(out: &mut Vec<u8>, content: &[u8]) {
    let length = (content.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length).to_le_bytes());
    out.extend(content);
    out.extend(masked(content).to_le_bytes());
}

/// CRC-32C, turned and shifted as TensorFlow does for checksums of content that holds checksums.
fn masked(content: &[u8]) -> u32 {
    /// Castagnoli's polynomial, lowest bit first.
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    let step = |sum: u32, _| (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg());
    let add = |sum: u32, &byte: &u8| (0..8).fold(sum ^ u32::from(byte), step);
    let sum = !content.iter().fold(u32::MAX, add);
    sum.rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4: CRC-32C of 32 zeros is 8A9136AA; and of "123456789" E3069283.
    #[test]
    fn checksums_are_those_of_castagnoli() {
        let unmasked = |content: &[u8]| masked(content).wrapping_sub(0xA282_EAD8).rotate_left(15);
        assert_eq!(unmasked(&[0; 32]), 0x8A91_36AA);
        assert_eq!(unmasked(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn numbers_have_seven_bits_a_byte() {
        let mut out = Vec::new();
        number(&mut out, 300);
        assert_eq!(out, [0xAC, 0x02]);
    }
}
