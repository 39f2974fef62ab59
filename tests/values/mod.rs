//! Tensors whose values follow from their names, as the fixtures of PyTorch have them.

use tch::{Kind, Tensor};

/// Whole numbers from 0 to 255: FNV-1a of the name, SplitMix64 of the place.
fn steps(name: &str) -> impl Iterator<Item = f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (1_u64..).map(move |place| {
        let z = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 56) as f32
    })
}

/// The tensor called `name`: factors near 1/2 to 1, everything else around 0.
pub fn tensor(name: &str, shape: &[i64]) -> Tensor {
    let count = usize::try_from(shape.iter().product::<i64>()).unwrap();
    let is_factor = name.ends_with("weight") || name.ends_with("running_var");
    let value: Box<dyn Fn(f32) -> f32> = match shape {
        _ if name.ends_with("num_batches_tracked") => Box::new(|_| 0.0),
        [_] if is_factor => Box::new(|step| (128.0 + (step / 2.0).floor()) / 256.0),
        [_] => Box::new(|step| (2.0 * step - 255.0) / 2048.0),
        _ => {
            let inputs: i64 = shape[1..].iter().product();
            let scale = (6.0 / inputs as f64).sqrt().log2().floor().exp2() as f32;
            Box::new(move |step| (2.0 * step - 255.0) / 256.0 * scale)
        }
    };
    let values: Vec<f32> = steps(name).take(count).map(value).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// Largest difference over largest value.
pub fn difference(found: &Tensor, expected: &[f64]) -> f64 {
    let found = Vec::<f64>::try_from(found.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / largest
}
