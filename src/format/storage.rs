//! Tensor storages: flat runs of numbers that tensors look into.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::{element::Element, error::EntryError};

/// Where the bytes of a storage lie.
pub(super) trait StorageSource<'a> {
    /// All bytes of the storage `key`, without copying them.
    fn bytes(&mut self, key: &str) -> Result<&'a [u8], EntryError>;
}

/// The storages of one file, each turned into memory of its own at most once,
/// so that tensors that share a storage in the file share it here too.
pub(super) struct StoragePool<S> {
    source: S,
    loaded: HashMap<(String, Element), Tensor>,
    /// Bytes that may still be allocated.
    allowance: usize,
}

impl<'a, S: StorageSource<'a>> StoragePool<S> {
    /// `file_length` in bytes. A file may name the same bytes again and again:
    /// twice its own length is what all storages together may take.
    pub(super) fn new(source: S, file_length: usize) -> Self {
        Self {
            source,
            loaded: HashMap::new(),
            allowance: file_length.saturating_mul(2),
        }
    }

    /// The storage `key` as a tensor `[numel]`; `numel` is what the pickle claims.
    pub(super) fn load(
        &mut self,
        key: &str,
        element: Element,
        numel: usize,
    ) -> Result<&Tensor, EntryError> {
        let place = (key.to_owned(), element);
        if !self.loaded.contains_key(&place) {
            let bytes = self.source.bytes(key)?;
            let held = bytes.len();
            let claimed = numel.checked_mul(element.bytes());
            let bytes = claimed
                .and_then(|claimed| bytes.get(..claimed))
                .ok_or_else(|| EntryError::StorageTooShort {
                    key: key.to_owned(),
                    claimed: numel,
                    held,
                })?;
            self.charge(key, bytes.len())?;
            let numel = i64::try_from(bytes.len() / element.bytes());
            let numel = numel.map_err(|_| EntryError::Overflow)?;
            let tensor = shaped_tensor(bytes, &[numel], element)?;
            self.loaded.insert(place.clone(), tensor);
        }
        self.loaded
            .get(&place)
            .ok_or_else(|| EntryError::StorageMissing(key.to_owned()))
    }

    /// Counts memory that a tensor takes, in bytes, where it repeats numbers of its storage `key`.
    pub(super) fn charge(&mut self, key: &str, bytes: usize) -> Result<(), EntryError> {
        let left = self.allowance.checked_sub(bytes);
        self.allowance = left.ok_or_else(|| EntryError::ClaimsTooMuch(key.to_owned()))?;
        Ok(())
    }

    /// How many `element`s the storage `key` holds.
    pub(super) fn numel(&mut self, key: &str, element: Element) -> Result<usize, EntryError> {
        Ok(self.source.bytes(key)?.len() / element.bytes())
    }

    pub(super) fn into_source(self) -> S {
        self.source
    }
}

/// A tensor of the shape `size` from exactly as many little-endian bytes.
pub(super) fn shaped_tensor(
    bytes: &[u8],
    size: &[i64],
    element: Element,
) -> Result<Tensor, EntryError> {
    if element == Element::Bool {
        // Any other byte than 0 and 1 in a C++ `bool` is undefined behaviour.
        let bytes = Tensor::f_from_data_size(bytes, size, Kind::Uint8)?;
        return Ok(bytes.f_ne(0)?);
    }
    Ok(Tensor::f_from_data_size(bytes, size, element.kind())?)
}
