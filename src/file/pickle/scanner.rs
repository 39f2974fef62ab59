//! The bytes of a pickle, taken from the front.

use super::PickleError;

/// What of a pickle has not been read yet.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Where the present instruction starts.
    start: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            start: 0,
        }
    }

    /// How many bytes have been taken.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Where the present instruction starts.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Takes the first byte of the next instruction.
    pub(super) fn instruction(&mut self) -> Result<u8, PickleError> {
        self.start = self.position;
        self.byte()
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let taken = *rest.first_chunk().ok_or_else(|| self.truncated())?;
        self.position += N;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, PickleError> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let end = self.position.checked_add(length);
        let slice = end.and_then(|end| self.bytes.get(self.position..end));
        let slice = slice.ok_or_else(|| self.truncated())?;
        self.position += length;
        Ok(slice)
    }

    /// What follows a little-endian length of `width` bytes, at most 8.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'a [u8], PickleError> {
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(self.slice(width)?) {
            *to = *from;
        }
        let length = usize::try_from(u64::from_le_bytes(wide)).map_err(|_| self.truncated())?;
        self.slice(length)
    }

    /// Everything up to the next line feed, which is taken as well.
    pub(super) fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = self.slice(end.ok_or_else(|| self.truncated())?)?;
        self.slice(1)?;
        Ok(line)
    }

    fn truncated(&self) -> PickleError {
        PickleError::Truncated(self.start)
    }
}
