//! Random choices within a pass: which values a network with random skips and functions keeps.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::NetworkError;
use super::error::count;

/// A tensor like `x` whose values are 1 with probability `keep` and else 0, drawn independently. The same
/// for the same seed, layer and shape, however many threads compute.
///
/// # Errors
/// Where libtorch cannot hold it.
pub(super) fn chosen(
    x: &Tensor,
    keep: f64,
    seed: u64,
    layer: &str,
) -> Result<Tensor, NetworkError> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(number(layer));
    // Of 2^32 equally likely numbers those below it; a share that is wrong by 2^-33 at most.
    let below = (keep * (1_u64 << 32) as f64).round() as u64;
    let size = x.size();
    let values: Vec<u8> = (0..count(size.iter().product::<i64>())?)
        .map(|_| u8::from(u64::from(generator.next_u32()) < below))
        .collect();
    let chosen = Tensor::f_from_slice(&values)?.f_view(size.as_slice())?;
    Ok(chosen.f_to_device(x.device())?.f_to_kind(x.kind())?)
}

/// A number for a name (FNV-1a), so that every layer draws from a stream of its own.
fn number(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn shares_and_streams() {
        let x = Tensor::zeros([4, 8, 32, 32], (Kind::Float, Device::Cpu));
        let draw = |keep, seed, layer| chosen(&x, keep, seed, layer).unwrap();
        assert_eq!(draw(0.7, 1, "a"), draw(0.7, 1, "a"));
        // 32,768 choices: the share has a standard deviation of 0.0025, agreements of two one of 0.0027.
        let share = |tensor: &Tensor| tensor.mean(Kind::Double).double_value(&[]);
        assert!((share(&draw(0.7, 1, "a")) - 0.7).abs() < 0.012);
        for other in [draw(0.7, 2, "a"), draw(0.7, 1, "b")] {
            let both = share(&(other * draw(0.7, 1, "a")));
            assert!((both - 0.49).abs() < 0.014, "{both}");
        }
        assert_eq!(share(&draw(1.0, 1, "a")), 1.0);
        assert_eq!(share(&draw(0.0, 1, "a")), 0.0);
    }
}
