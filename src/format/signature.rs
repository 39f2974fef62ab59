//! What a file that is no model file looks like, in words.

/// First bytes of files that people give by mistake.
const KNOWN: [(&[u8], &str); 11] = [
    (
        b"version https://git-lfs",
        "is a Git LFS pointer, not the file itself (run `git lfs pull`)",
    ),
    (b"<", "is a web page or XML (a download that failed?)"),
    (b"\x89HDF", "is an HDF5 file (Keras?)"),
    (b"\x1f\x8b", "is compressed by gzip"),
    (b"BZh", "is compressed by bzip2"),
    (b"\xfd7zXZ", "is compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd"),
    (b"\x93NUMPY", "is a NumPy array"),
    (b"GGUF", "is a GGUF file"),
    (b"PK", "is a zip archive without any file in it"),
    (b"{", "is JSON text"),
];

/// Whether a file is a program for ExecuTorch: `ET` and its version stand behind four bytes.
pub(super) fn is_executorch(bytes: &[u8]) -> bool {
    matches!(
        bytes.get(4..8),
        Some([b'E', b'T', b'0'..=b'9', b'0'..=b'9'])
    )
}

/// Completes the sentence "it ...".
pub(super) fn appearance(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "is empty".to_owned();
    }
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*what).to_owned();
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return "is a tar archive".to_owned();
    }
    if let [0x80, protocol @ 2..=5, ..] = bytes {
        return format!("is a Python pickle (protocol {protocol}) that torch.save did not write");
    }
    if bytes.len() > 9 && bytes.get(8) == Some(&b'{') {
        return "looks like a safetensors file that was cut short".to_owned();
    }
    let first: Vec<String> = bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("starts with the bytes {}", first.join(" "))
}
