use tch::{Device, Kind, Tensor};

/// An argument or output of an operation.
#[derive(Debug)]
pub enum Value {
    /// The default that the operation's schema states. Never an output.
    Default,
    /// Nothing: an optional argument that is not given.
    None,
    /// A tensor.
    Tensor(Tensor),
    /// A whole number; element kinds, layouts and memory formats by their numbers too.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A truth.
    Bool(bool),
    /// Text, such as `"tanh"`.
    Text(String),
    /// Where a tensor is made.
    Device(Device),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Real numbers.
    Floats(Vec<f64>),
    /// Truths.
    Bools(Vec<bool>),
    /// Tensors.
    Tensors(Vec<Tensor>),
    /// Tensors, some of which may be absent.
    OptionalTensors(Vec<Option<Tensor>>),
}

impl Value {
    /// The same value; tensors as another handle on the same storage.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        match self {
            Self::Default => Self::Default,
            Self::None => Self::None,
            Self::Tensor(tensor) => Self::Tensor(tensor.shallow_clone()),
            Self::Int(value) => Self::Int(*value),
            Self::Float(value) => Self::Float(*value),
            Self::Bool(value) => Self::Bool(*value),
            Self::Text(text) => Self::Text(text.clone()),
            Self::Device(device) => Self::Device(*device),
            Self::Ints(values) => Self::Ints(values.clone()),
            Self::Floats(values) => Self::Floats(values.clone()),
            Self::Bools(values) => Self::Bools(values.clone()),
            Self::Tensors(tensors) => {
                Self::Tensors(tensors.iter().map(Tensor::shallow_clone).collect())
            }
            Self::OptionalTensors(tensors) => Self::OptionalTensors(
                tensors
                    .iter()
                    .map(|tensor| tensor.as_ref().map(Tensor::shallow_clone))
                    .collect(),
            ),
        }
    }

    /// The tensor, where it is one.
    pub fn tensor(&self) -> Option<&Tensor> {
        match self {
            Self::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }
}

impl From<&Tensor> for Value {
    fn from(tensor: &Tensor) -> Self {
        Self::Tensor(tensor.shallow_clone())
    }
}

impl From<Kind> for Value {
    fn from(kind: Kind) -> Self {
        Self::Int(number_of(kind))
    }
}

/// The number that libtorch gives to a kind of elements (`c10::ScalarType`).
#[must_use]
pub fn number_of(kind: Kind) -> i64 {
    match kind {
        Kind::Uint8 => 0,
        Kind::Int8 => 1,
        Kind::Int16 => 2,
        Kind::Int => 3,
        Kind::Int64 => 4,
        Kind::Half => 5,
        Kind::Float => 6,
        Kind::Double => 7,
        Kind::ComplexHalf => 8,
        Kind::ComplexFloat => 9,
        Kind::ComplexDouble => 10,
        Kind::Bool => 11,
        Kind::QInt8 => 12,
        Kind::QUInt8 => 13,
        Kind::QInt32 => 14,
        Kind::BFloat16 => 15,
        Kind::Float8e4m3fn => 24,
        Kind::Float8e5m2 => 23,
        Kind::Float8e4m3fnuz => 26,
        Kind::Float8e5m2fnuz => 25,
    }
}
