//! Writes the first examples of a test set as a pair of compressed IDX files.
//!
//! This made the evaluation set under `assets/`:
//!
//! ```text
//! cargo run --release --example evaluation_subset -- \
//!     /usr/share/datasets/fashion-mnist assets/fashion-mnist-2000 2000
//! ```
//!
//! The same examples give the same bytes.

use std::error::Error;
use std::path::Path;

use pathscope::data::{self, ReadRequest, Split, write_idx_gz};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, folder, count] = arguments.as_slice() else {
        return Err("usage: evaluation_subset SOURCE FOLDER COUNT".into());
    };
    let whole = data::open(Path::new(source), &ReadRequest::new(Split::Test))?;
    let (first, _) = whole.split_at(count.parse()?)?;
    write_idx_gz(&first, Path::new(folder))?;
    Ok(())
}
