//! One seed for a whole run, and an independent stream for every use of it.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The one number that fixes every random choice of a run.
///
/// Each use names its own stream, so adding one use never shifts the numbers of another, and each
/// replicate has its own index, so the answer does not depend on the number of threads.
///
/// ```
/// use pathscope_analysis::Seed;
/// use rand::RngExt;
/// let mut first = Seed(7).stream("bootstrap", 0);
/// let mut again = Seed(7).stream("bootstrap", 0);
/// let mut other = Seed(7).stream("reorder", 0);
/// let value: u64 = first.random();
/// assert_eq!(value, again.random::<u64>());
/// assert_ne!(value, other.random::<u64>());
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream called `label`, replicate `index`.
    ///
    /// The ChaCha key is the seed, a 128-bit hash of the label and a constant; the ChaCha stream
    /// number is the index: streams with different names or indices never overlap.
    pub fn stream(self, label: &str, index: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        let parts = self.0.to_le_bytes().into_iter();
        let parts = parts
            .chain(fowler_noll_vo(label).to_le_bytes())
            .chain(*b"pathscop");
        for (slot, byte) in key.iter_mut().zip(parts) {
            *slot = byte;
        }
        let mut stream = ChaCha8Rng::from_seed(key);
        stream.set_stream(index);
        stream
    }
}

/// FNV-1a with 128 bits: stable over releases, unlike the hasher of the standard library.
fn fowler_noll_vo(label: &str) -> u128 {
    label
        .bytes()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn streams_differ_by_seed_label_and_index() {
        let draw = |seed, label, index| Seed(seed).stream(label, index).random::<u64>();
        let draws = [
            draw(0, "a", 0),
            draw(1, "a", 0),
            draw(0, "b", 0),
            draw(0, "a", 1),
        ];
        for (i, a) in draws.iter().enumerate() {
            for b in &draws[i + 1..] {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn label_hash_is_the_published_one() {
        // Test vector "foobar" of the FNV reference: 343e1662793c64bf6f0d3597ba446f18.
        assert_eq!(
            fowler_noll_vo("foobar"),
            0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18
        );
    }
}
