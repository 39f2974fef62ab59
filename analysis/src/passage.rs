//! Which channels a way through a block takes and gives, where values are carried side by side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Neighbouring channels.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Channels {
    /// The first of them.
    pub first: usize,
    /// How many there are, at least one.
    pub count: usize,
}

impl Channels {
    /// All channels, however many.
    pub const ALL: Self = Self {
        first: 0,
        count: usize::MAX,
    };

    /// Those that are in both; `None` where there are none.
    #[must_use]
    pub fn in_both(self, other: Self) -> Option<Self> {
        let first = self.first.max(other.first);
        let end = |channels: Self| channels.first.saturating_add(channels.count);
        let count = end(self).min(end(other)).checked_sub(first)?;
        (count > 0).then_some(Self { first, count })
    }
}

/// What a way through a block takes of the channels before it, and where it puts what it gives.
///
/// In a network that carries several values side by side, such as the columns of a fractal network, a
/// function takes one of them, and a skip keeps those that are still needed. A choice of one way for each
/// block is a path where every one of them takes something that the one before gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Passage {
    /// The channels that it reads; it gives zero where the others alone carry something.
    pub takes: Channels,
    /// The channels that it writes; all others are zero.
    pub gives: Channels,
    /// Whether each channel that it gives depends on all that it takes, as behind a convolution. If not,
    /// each channel keeps its place.
    pub mixes: bool,
}

impl Passage {
    /// The channels that carry something behind this way where `carried` did so before it; `None` where
    /// nothing comes through.
    #[must_use]
    pub fn through(self, carried: Channels) -> Option<Channels> {
        let taken = self.takes.in_both(carried)?;
        let moved = Channels {
            first: (taken.first - self.takes.first).saturating_add(self.gives.first),
            ..taken
        };
        Some(if self.mixes { self.gives } else { moved })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_on_their_way() {
        let channels = |first, count| Channels { first, count };
        let second = Passage {
            takes: channels(4, 4),
            gives: channels(8, 2),
            mixes: true,
        };
        assert_eq!(second.through(Channels::ALL), Some(channels(8, 2)));
        assert_eq!(second.through(channels(7, 9)), Some(channels(8, 2)));
        assert_eq!(second.through(channels(0, 4)), None);
        assert_eq!(second.through(channels(8, 4)), None);
        let kept = Passage {
            takes: channels(2, 4),
            gives: channels(10, 4),
            mixes: false,
        };
        assert_eq!(kept.through(channels(3, 2)), Some(channels(11, 2)));
        assert_eq!(kept.through(channels(0, 3)), Some(channels(10, 1)));
        assert_eq!(kept.through(Channels::ALL), Some(channels(10, 4)));
    }
}
