use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::Path;

/// A digest in hexadecimal, two lower-case digits a byte.
pub fn hexadecimal(digest: impl AsRef<[u8]>) -> String {
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in hexadecimal.
///
/// ```
/// assert_eq!(&pathscope_file::sha256(b"abc")[..8], "ba7816bf");
/// ```
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Sha256::digest(bytes))
}

/// SHA-256 of a file in hexadecimal.
///
/// # Errors
/// A file that cannot be read, or a path that is not a regular file.
pub fn sha256_of_file(file: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut file = crate::open_regular(file)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}
