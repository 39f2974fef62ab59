//! The element types that checkpoints store, under each of their names.

use ::safetensors::Dtype;
use tch::{Kind, Tensor};

/// The type of one number in a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Element {
    F16,
    BF16,
    F32,
    F64,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

/// One row per type: PyTorch's storage class, PyTorch's dtype, libtorch's kind.
const NAMES: [(Element, &str, &str, Kind); 10] = [
    (Element::F16, "HalfStorage", "float16", Kind::Half),
    (Element::BF16, "BFloat16Storage", "bfloat16", Kind::BFloat16),
    (Element::F32, "FloatStorage", "float32", Kind::Float),
    (Element::F64, "DoubleStorage", "float64", Kind::Double),
    (Element::I64, "LongStorage", "int64", Kind::Int64),
    (Element::I32, "IntStorage", "int32", Kind::Int),
    (Element::I16, "ShortStorage", "int16", Kind::Int16),
    (Element::I8, "CharStorage", "int8", Kind::Int8),
    (Element::U8, "ByteStorage", "uint8", Kind::Uint8),
    (Element::Bool, "BoolStorage", "bool", Kind::Bool),
];

/// The same for the number that torch.export gives a type, and its name in safetensors.
const NUMBERS: [(Element, i64, Dtype); 10] = [
    (Element::F16, 6, Dtype::F16),
    (Element::BF16, 13, Dtype::BF16),
    (Element::F32, 7, Dtype::F32),
    (Element::F64, 8, Dtype::F64),
    (Element::I64, 5, Dtype::I64),
    (Element::I32, 4, Dtype::I32),
    (Element::I16, 3, Dtype::I16),
    (Element::I8, 2, Dtype::I8),
    (Element::U8, 1, Dtype::U8),
    (Element::Bool, 12, Dtype::BOOL),
];

impl Element {
    pub(super) fn from_storage_class(name: &str) -> Option<Self> {
        NAMES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// By the number that torch.export gives to a type.
    pub(super) fn from_export(number: i64) -> Option<Self> {
        NUMBERS.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    pub(super) fn from_safetensors(dtype: Dtype) -> Option<Self> {
        NUMBERS.iter().find(|row| row.2 == dtype).map(|row| row.0)
    }

    pub(super) fn from_dtype(name: &str) -> Option<Self> {
        NAMES.iter().find(|row| row.2 == name).map(|row| row.0)
    }

    /// The type of a tensor's numbers; the error completes "cannot be written: ...".
    pub(super) fn of(tensor: &Tensor) -> Result<Self, String> {
        let kind = tensor.f_kind().map_err(|fault| fault.to_string())?;
        let row = NAMES.iter().find(|row| row.3 == kind);
        row.map(|row| row.0)
            .ok_or_else(|| format!("its numbers are {kind:?}"))
    }

    pub(super) fn to_safetensors(self) -> Dtype {
        NUMBERS[self as usize].2
    }

    fn row(self) -> &'static (Element, &'static str, &'static str, Kind) {
        // The tables list every variant, in the order of the enum.
        &NAMES[self as usize]
    }

    pub(super) fn storage_class(self) -> &'static str {
        self.row().1
    }

    pub(super) fn kind(self) -> Kind {
        self.row().3
    }

    /// Size of one number in bytes.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Element, NAMES, NUMBERS};

    #[test]
    fn every_row_of_the_table_stands_at_its_own_place() {
        for (place, row) in NAMES.iter().enumerate() {
            assert_eq!((row.0 as usize, NUMBERS[place].0), (place, row.0));
            assert_eq!(row.0.bytes(), row.3.elt_size_in_bytes());
            assert_eq!(
                Element::from_safetensors(row.0.to_safetensors()),
                Some(row.0)
            );
        }
    }
}
