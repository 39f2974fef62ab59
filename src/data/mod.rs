//! Images or tokens with labels, from the files in which they are found to batches that a network
//! takes.
//!
//! [`open`] recognises what lies at a location and reads one [`Dataset`] from it: unsigned bytes
//! `[N, C, H, W]` with one label each, or numbers of tokens `[N, T]`. [`Normalization`] turns bytes
//! into the numbers a network was trained on, and [`augmented_batch`] does so with random flips,
//! shifts, scales and colours.
//!
//! ```no_run
//! use pathscope_data::{self as data, Normalization, ReadRequest, Split};
//!
//! let request = ReadRequest::new(Split::Test);
//! let dataset = data::open("cifar-10-binary.tar.gz".as_ref(), &request)?;
//! let normalization = Normalization::preset("cifar10")?;
//! let batch = data::normalized_batch(&dataset, 0..64, &normalization)?;
//! assert_eq!(batch.len(), 64 * dataset.shape().pixels());
//! # Ok::<(), data::DataError>(())
//! ```

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod annotations;
mod arrivals;
mod augmentation;
mod cifar;
mod cifar_binary;
mod cifar_python;
mod container;
mod dataset;
mod error;
mod fetch;
mod framing;
mod idx;
mod image_file;
mod image_folder;
mod image_set;
mod normalization;
mod note;
mod npy;
mod npz;
mod open;
mod parquet;
mod pickled_array;
mod reader;
mod resample;
mod scale_and_colour;
mod tokens;
mod wordnet;

pub use augmentation::{
    Augmentation, Change, augmented_batch, normalized_batch, normalized_examples,
};
pub use dataset::{Dataset, ImageShape};
pub use error::DataError;
pub use fetch::{FetchError, FetchProgress, PublicData, RemoteFile, fetch, fetch_within};
pub use framing::{Framing, Scale};
pub use idx::write_idx_gz;
pub use normalization::Normalization;
pub use note::DataNote;
pub use open::{ClassOrder, ReadRequest, Split, open};
pub use resample::Interpolation;
