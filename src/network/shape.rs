use std::fmt;

use serde::{Deserialize, Serialize};

/// Shape of one example's features: `[C, H, W]`, or `[C, 1, 1]` once pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeatureShape {
    /// Channels.
    pub channels: i64,
    /// Height in pixels.
    pub height: i64,
    /// Width in pixels.
    pub width: i64,
}

impl FeatureShape {
    /// The shape of features with `lengths` along their axes: `[C]`, `[T, D]` (tokens and
    /// features, as height and width of one channel are not) and `[C, H, W]` fill the three from
    /// the front, further axes count as width.
    #[must_use]
    pub fn of(lengths: &[i64]) -> Self {
        let length = |axis: usize| lengths.get(axis).copied().unwrap_or(1);
        Self {
            channels: length(0),
            height: length(1),
            width: lengths.iter().skip(2).product(),
        }
    }

    /// Number of values in one example.
    #[must_use]
    pub fn elements(self) -> i64 {
        self.channels * self.height * self.width
    }
}

impl fmt::Display for FeatureShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}x{}x{}",
            self.channels, self.height, self.width
        )
    }
}

/// Shapes at a block's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockShape {
    /// At the block's input.
    pub input: FeatureShape,
    /// At the block's output.
    pub output: FeatureShape,
}

impl BlockShape {
    /// Whether the block can be passed over or exchanged without changing any shape.
    #[must_use]
    pub fn is_preserving(self) -> bool {
        self.input == self.output
    }
}
