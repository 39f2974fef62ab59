//! What all readers and writers of files share.
//!
//! [`Contents`] holds the bytes of a regular file, [`Draft`] writes one so that nobody sees half of
//! it, [`pickle`] reads Python's pickles without running them, [`sha256`] names contents, and
//! [`printable`] shows names from files on a terminal.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod contents;
mod draft;
mod hash;
pub mod pickle;
mod text;

pub use contents::{Contents, open_regular};
pub use draft::{Draft, write};
pub use hash::{hexadecimal, sha256, sha256_of_file};
pub use text::{printable, sentence, shortened};
