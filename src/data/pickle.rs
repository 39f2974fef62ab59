//! An inert reader for the pickles that CIFAR's Python batches are: it builds values and never
//! calls anything.
//!
//! Known are the opcodes that dicts of strings, numbers, lists and NumPy byte arrays take (protocols
//! 2 to 5), and the few constructors named in [`Constructor`]. Values live in one arena and refer
//! to each other by number, so that neither deep nor cyclic pickles recurse, and a repeated value
//! costs nothing.

mod machine;

use super::DataError;
use machine::Machine;

/// Number of a value in the arena.
pub(super) type Id = usize;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// `None` and floating-point numbers, which no batch needs.
    Other,
    Boolean(bool),
    /// A number, and where in the file it is written.
    Integer(i64, usize),
    /// A string or bytes, as they lie in the file.
    Bytes(&'a [u8]),
    /// Bytes that Python 3 wrote as text in protocol 2.
    Recoded(Vec<u8>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Constructor(Constructor),
    /// A NumPy element type by its code, such as `u1`.
    ElementType(&'a [u8]),
    Array {
        sizes: Vec<usize>,
        elements: Id,
        /// Whether the first index runs fastest (Fortran order) and not the last.
        columns_first: bool,
    },
}

/// The only names that a pickle may refer to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Constructor {
    Reconstruct,
    FromBuffer,
    NdArray,
    ElementType,
    Encode,
}

impl Constructor {
    fn named(module: &[u8], name: &[u8]) -> Option<Self> {
        Some(match (module, name) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => {
                Self::Reconstruct
            }
            (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Self::FromBuffer,
            (b"numpy", b"ndarray") => Self::NdArray,
            (b"numpy", b"dtype") => Self::ElementType,
            (b"_codecs", b"encode") => Self::Encode,
            _ => return None,
        })
    }
}

/// All values of a pickle.
pub(super) struct Values<'a> {
    arena: Vec<Value<'a>>,
    pub(super) top: Id,
}

impl<'a> Values<'a> {
    /// The value with a number; `Other` for a number that is none.
    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        self.arena.get(id).unwrap_or(&Value::Other)
    }

    /// The content of a string or bytes.
    pub(super) fn bytes(&self, id: Id) -> Option<&[u8]> {
        match self.get(id) {
            Value::Bytes(bytes) => Some(bytes),
            Value::Recoded(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of a key of the outermost dict.
    pub(super) fn entry(&self, key: &str) -> Option<&Value<'a>> {
        let Value::Dict(pairs) = self.get(self.top) else {
            return None;
        };
        let named = |pair: &&(Id, Id)| self.bytes(pair.0) == Some(key.as_bytes());
        pairs.iter().rev().find(named).map(|pair| self.get(pair.1))
    }
}

/// Reads a pickle; `file` is what errors call it.
///
/// # Errors
///
/// An opcode or constructor that data batches do not have, operands of the wrong kind, a file that
/// is cut off, or more values than any batch has; always with the byte offset.
pub(super) fn read<'a>(file: &str, bytes: &'a [u8]) -> Result<Values<'a>, DataError> {
    let mut machine = Machine::new(bytes);
    let mut start = 0;
    loop {
        match machine.step() {
            Ok(None) => start = machine.position(),
            Ok(Some(top)) => {
                return Ok(Values {
                    arena: machine.into_arena(),
                    top,
                });
            }
            Err(reason) => return Err(DataError::malformed(file, start, reason)),
        }
    }
}
