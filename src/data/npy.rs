//! One array of a NumPy archive.

use super::DataError;
use ndarray_npy::npy::header::Header;
use std::fs::File;
use std::io::{BufReader, Read};
use zip::ZipArchive;

const ARRAY_LIMIT: u64 = 16 << 30;
/// NumPy's own headers take 128 bytes; longer ones would only exhaust the header's parser.
const HEADER_LIMIT: usize = 1024;

pub(super) type Archive = ZipArchive<BufReader<File>>;

/// An array as it stands in the archive.
pub(super) struct Array {
    /// How errors call it: `archive.npz: x_test.npy`.
    pub file: String,
    pub sizes: Vec<usize>,
    /// Element type as NumPy writes it, such as `|u1` or `<i8`.
    pub kind: String,
    pub elements: Vec<u8>,
    /// Bytes of the header, before the elements.
    pub offset: usize,
}

impl Array {
    /// Reads the array `name` of an archive that errors call `location`.
    pub fn read(archive: &mut Archive, location: &str, name: &str) -> Result<Self, DataError> {
        let file = format!("{location}: {name}.npy");
        let failed = |source| DataError::io(&file, source);
        let mut bytes = Vec::new();
        archive
            .by_name(&format!("{name}.npy"))
            .map_err(|error| failed(error.into()))?
            .take(ARRAY_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > ARRAY_LIMIT {
            let (bytes, limit) = (bytes.len() as u64, ARRAY_LIMIT);
            return Err(DataError::TooLarge {
                file,
                what: "the array",
                bytes,
                limit,
            });
        }
        // Format version 1 has two length bytes, later ones four (numpy.lib.format).
        let claimed = match *bytes.as_slice() {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
                u16::from_le_bytes([a, b]).into()
            }
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
                u32::from_le_bytes([a, b, c, d]) as usize
            }
            _ => {
                return Err(DataError::WrongMagic {
                    file,
                    offset: 0,
                    expected: "the start of a NumPy array (0x93 NUMPY)",
                    found: format!("{:02x?}", &bytes[..bytes.len().min(8)]),
                });
            }
        };
        if claimed > HEADER_LIMIT {
            let (bytes, limit) = (claimed as u64, HEADER_LIMIT as u64);
            return Err(DataError::TooLarge {
                file,
                what: "the array's header",
                bytes,
                limit,
            });
        }
        let mut rest = bytes.as_slice();
        let header = Header::from_reader(&mut rest)
            .map_err(|error| DataError::malformed(&file, 0, error.to_string()))?;
        let offset = bytes.len() - rest.len();
        if header.layout.is_fortran() && header.shape.len() > 1 {
            let reason = "the array is in Fortran order; save `numpy.ascontiguousarray` of it";
            return Err(DataError::malformed(&file, 0, reason));
        }
        let kind = header
            .type_descriptor
            .to_string()
            .trim_matches('\'')
            .to_owned();
        let sizes = header.shape;
        let width = kind
            .get(2..)
            .and_then(|digits| digits.parse::<usize>().ok());
        let claimed = sizes
            .iter()
            .try_fold(width.unwrap_or(1), |product, &size| {
                product.checked_mul(size)
            })
            .unwrap_or(usize::MAX);
        if claimed != rest.len() {
            return Err(DataError::SizeMismatch {
                file,
                offset: offset as u64,
                what: "elements",
                claimed: claimed as u64,
                found: rest.len() as u64,
            });
        }
        bytes.drain(..offset);
        Ok(Array {
            file,
            sizes,
            kind,
            elements: bytes,
            offset,
        })
    }

    /// The elements, with the place of each in the file: `None` where they are no little-endian
    /// integers.
    pub fn integers(&self) -> Option<impl Iterator<Item = (u64, i64)>> {
        let width = match self.kind.as_str() {
            "|u1" | "|i1" => 1,
            "<u2" | "<i2" => 2,
            "<u4" | "<i4" => 4,
            "<u8" | "<i8" => 8,
            _ => return None,
        };
        let signed = self.kind.contains('i');
        let number = move |bytes: &[u8]| {
            let negative = signed && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut number = [if negative { 0xff } else { 0 }; 8];
            number[..width].copy_from_slice(bytes);
            i64::from_le_bytes(number)
        };
        let places = (self.offset as u64..).step_by(width);
        Some(places.zip(self.elements.chunks_exact(width).map(number)))
    }

    /// Type and sizes, as errors state them.
    pub fn described(&self) -> String {
        format!("type `{}` and sizes {:?}", self.kind, self.sizes)
    }
}
