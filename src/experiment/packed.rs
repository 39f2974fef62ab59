//! Tensors as bytes, to travel between processes.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tch::{Kind, TchError, Tensor};

/// A tensor on the CPU that can be sent.
#[derive(Debug)]
pub(super) struct Packed(pub Tensor);

#[derive(Serialize, Deserialize)]
struct Bytes {
    double: bool,
    size: Vec<i64>,
    bytes: Vec<u8>,
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = || -> Result<Bytes, TchError> {
            let double = self.0.kind() == Kind::Double;
            let kind = kind(double);
            let tensor = self.0.f_to_kind(kind)?.f_contiguous()?;
            let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
            tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
            Ok(Bytes {
                double,
                size: tensor.size(),
                bytes,
            })
        };
        bytes().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Bytes {
            double,
            size,
            bytes,
        } = Bytes::deserialize(deserializer)?;
        Tensor::f_from_data_size(&bytes, &size, kind(double))
            .map(Self)
            .map_err(D::Error::custom)
    }
}

fn kind(double: bool) -> Kind {
    if double { Kind::Double } else { Kind::Float }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_arrive_as_they_left() {
        for kind in [Kind::Float, Kind::Double] {
            let tensor = Tensor::arange(6, (kind, tch::Device::Cpu))
                .view([2, 3])
                .transpose(0, 1);
            let bytes = postcard::to_stdvec(&Packed(tensor.shallow_clone())).unwrap();
            let Packed(found) = postcard::from_bytes(&bytes).unwrap();
            assert_eq!((found.kind(), found.size()), (kind, vec![3, 2]));
            assert_eq!(found, tensor);
        }
    }
}
