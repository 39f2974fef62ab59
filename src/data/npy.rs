//! One array of a NumPy archive.

use super::DataError;
use ndarray_npy::npy::header::Header;
use pathscope_file::{sentence, shortened};
use std::fs::File;
use std::io::{BufReader, Read};
use zip::ZipArchive;

const ARRAY_LIMIT: u64 = 16 << 30;
/// NumPy's own headers take 128 bytes; longer ones would only exhaust the header's parser.
const HEADER_LIMIT: usize = 1024;

/// Brackets in each other: a dictionary of a list of pairs (fields) of a shape.
const HEADER_DEPTH: usize = 4;

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

/// Refuses the start of an array that the header's parser is no match for.
fn check_header(file: &str, bytes: &[u8]) -> Result<(), DataError> {
    // Format version 1 has two length bytes, later ones four (numpy.lib.format).
    let claimed = match *bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => u16::from_le_bytes([a, b]).into(),
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            u32::from_le_bytes([a, b, c, d]) as usize
        }
        _ => {
            return Err(DataError::WrongMagic {
                file: file.to_owned(),
                offset: 0,
                expected: "the start of a NumPy array (0x93 NUMPY)",
                found: format!("{:02x?}", &bytes[..bytes.len().min(8)]),
            });
        }
    };
    if claimed > HEADER_LIMIT {
        let (bytes, limit) = (claimed as u64, HEADER_LIMIT as u64);
        return Err(DataError::too_large(
            file,
            "the array's header",
            bytes,
            limit,
        ));
    }
    // The header's parser takes twice the time for each further level.
    let mut depth = 0_usize;
    for byte in bytes.iter().take(HEADER_LIMIT + 12) {
        match byte {
            b'[' | b'(' | b'{' => depth += 1,
            b']' | b')' | b'}' => depth = depth.saturating_sub(1),
            b'\n' => break,
            _ => {}
        }
        if depth > HEADER_DEPTH {
            let reason = "the array's header has more brackets in each other than any array";
            return Err(DataError::malformed(file, 0, reason));
        }
    }
    Ok(())
}

impl Array {
    /// Reads the array `name` of an archive that errors call `location`.
    pub fn read(archive: &mut Archive, location: &str, name: &str) -> Result<Self, DataError> {
        let file = format!("{location}: {}.npy", shortened(name));
        let failed = |source| DataError::io(&file, source);
        let mut bytes = Vec::new();
        archive
            .by_name(&format!("{name}.npy"))
            .map_err(|error| failed(error.into()))?
            .take(ARRAY_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > ARRAY_LIMIT {
            let bytes = bytes.len() as u64;
            return Err(DataError::too_large(file, "the array", bytes, ARRAY_LIMIT));
        }
        check_header(&file, &bytes)?;
        let mut rest = bytes.as_slice();
        let header = Header::from_reader(&mut rest)
            .map_err(|error| DataError::malformed(&file, 0, sentence(&error)))?;
        let offset = bytes.len() - rest.len();
        let kind = header.type_descriptor.to_string();
        let kind = kind.trim_matches('\'').to_owned();
        if kind.contains('O') {
            let reason = "the array holds pickled Python objects, which are never run; save it as \
                          numbers (`array.astype(numpy.int64)`)";
            return Err(DataError::malformed(&file, 0, reason));
        }
        if matches!(kind.get(1..2), Some("U" | "S")) {
            let reason = "the array holds text; save numbers: for labels, the number of each class \
                          in the order that the network was trained with";
            return Err(DataError::malformed(&file, 0, reason));
        }
        let sizes = header.shape;
        let width = kind.get(2..).and_then(|digits| digits.parse().ok());
        let Some(width) = width.filter(|&width: &usize| width > 0) else {
            let reason = format!("the array holds `{}`; save numbers", shortened(&kind));
            return Err(DataError::malformed(&file, 0, reason));
        };
        let times = |product: usize, &size: &usize| product.checked_mul(size);
        let claimed = sizes.iter().try_fold(width, times);
        let (claimed, found) = (claimed.unwrap_or(usize::MAX), rest.len());
        if claimed != found {
            let error = DataError::size_mismatch(file, offset, "elements", claimed, found);
            return Err(error);
        }
        bytes.drain(..offset);
        let mut array = Array {
            file,
            sizes,
            kind,
            elements: bytes,
            offset,
        };
        if header.layout.is_fortran() && array.sizes.len() > 1 {
            array.elements = last_axis_first(&array.elements, &array.sizes, width);
        }
        if let Some(rest) = array.kind.strip_prefix('>') {
            array.kind = format!("<{rest}");
            let elements = array.elements.chunks_exact_mut(width);
            elements.for_each(<[u8]>::reverse);
        }
        Ok(array)
    }

    /// The elements, with the place of each in the file: `None` where they are no integers.
    pub fn integers(&self) -> Option<impl Iterator<Item = (u64, i64)>> {
        let width = match self.kind.as_str() {
            "|u1" | "|i1" | "|b1" => 1,
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

    /// The elements as numbers: `None` where they are no floating-point numbers of 32 or 64 bits.
    pub fn floats(&self) -> Option<Vec<f32>> {
        match self.kind.as_str() {
            "<f4" => {
                let elements = self.elements.as_chunks().0.iter();
                Some(elements.map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
            "<f8" => {
                let wide = self.elements.as_chunks().0.iter();
                let wide = wide.map(|bytes| f64::from_le_bytes(*bytes));
                Some(wide.map(|number| number as f32).collect())
            }
            _ => None,
        }
    }

    /// Type and sizes, as errors state them.
    pub fn described(&self) -> String {
        format!(
            "type `{}` and sizes {:?}",
            shortened(&self.kind),
            self.sizes
        )
    }
}

/// Elements of `width` bytes that lie with the first axis running fastest, with the last axis
/// running fastest.
fn last_axis_first(elements: &[u8], sizes: &[usize], width: usize) -> Vec<u8> {
    let strides = sizes.iter().scan(1, |stride, size| {
        let own = *stride;
        *stride *= size;
        Some(own)
    });
    let strides: Vec<usize> = strides.collect();
    let mut index = vec![0; sizes.len()];
    let mut ordered = Vec::with_capacity(elements.len());
    while ordered.len() < elements.len() {
        let pairs = index.iter().zip(&strides);
        let place: usize = pairs.map(|(i, stride)| i * stride).sum();
        ordered.extend(&elements[place * width..(place + 1) * width]);
        for (i, size) in index.iter_mut().zip(sizes).rev() {
            *i += 1;
            if *i < *size {
                break;
            }
            *i = 0;
        }
    }
    ordered
}
