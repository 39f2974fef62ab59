//! Processes that work together: each has a rank, and all run the same program.
//!
//! A process alone is a team of one and exchanges nothing. With the feature `mpi`, a program
//! started by `mpirun` or `srun` joins the team of all processes that were started with it.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod error;
#[cfg(feature = "mpi")]
mod mpi;
mod queue;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::TeamError;
#[cfg(feature = "mpi")]
pub use mpi::{Membership, join};
pub use queue::Queue;

/// The processes that work together, seen from one of them.
///
/// Methods that exchange something must be called by every process of the team in the same order.
/// An exchange that fails ends all processes, as is usual with MPI.
#[derive(Clone, Copy)]
pub struct Team {
    rank: usize,
    size: usize,
    link: Option<&'static dyn Link>,
}

/// What carries messages between processes.
trait Link: Send + Sync {
    /// Gives everybody the bytes of `root`; all have room for them.
    fn broadcast(&self, root: usize, bytes: &mut [u8]);
    /// One number of each process, by rank.
    fn gather(&self, mine: u64) -> Vec<u64>;
    /// Replaces values by their sums over all processes.
    fn sum(&self, values: &mut [f32]);
    /// As `sum`.
    fn sum_wide(&self, values: &mut [f64]);
    /// The teams of those who give the same `colour`.
    fn split(&self, colour: usize) -> Team;
    /// Sends a number to one process.
    fn send(&self, to: usize, topic: Topic, number: u64);
    /// A number that has come, with its sender, if there is one.
    fn poll(&self, topic: Topic) -> Option<(usize, u64)>;
    /// The exit codes of all. Where this one is no success and others do not come to an end
    /// either within a moment, calls `explain` and ends them.
    fn ends(&self, code: u8, explain: &dyn Fn()) -> Vec<u8>;
}

/// What a number sent to one process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    /// A worker asks the first process for work.
    Request,
    /// The first process answers.
    Reply,
}

impl Team {
    /// A process on its own.
    pub const ALONE: Self = Self {
        rank: 0,
        size: 1,
        link: None,
    };

    /// Number of this process, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many processes there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether this is the process that writes files and prints.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// What every process gives, by rank.
    ///
    /// # Errors
    /// A value that cannot be sent.
    pub fn everyones<T: Serialize + DeserializeOwned>(&self, mine: T) -> Result<Vec<T>, TeamError> {
        let Some(link) = self.link else {
            return Ok(vec![mine]);
        };
        let bytes = postcard::to_stdvec(&mine)?;
        let lengths = link.gather(bytes.len() as u64);
        drop(mine);
        lengths
            .into_iter()
            .enumerate()
            .map(|(rank, length)| Ok(postcard::from_bytes(&self.bytes_of(rank, &bytes, length))?))
            .collect()
    }

    /// What the first process gives.
    ///
    /// # Errors
    /// A value that cannot be sent.
    pub fn firsts<T: Serialize + DeserializeOwned>(&self, mine: T) -> Result<T, TeamError> {
        let Some(link) = self.link else {
            return Ok(mine);
        };
        let bytes = match self.is_first() {
            true => postcard::to_stdvec(&mine)?,
            false => Vec::new(),
        };
        let mut length = (bytes.len() as u64).to_le_bytes();
        link.broadcast(0, &mut length);
        let bytes = self.bytes_of(0, &bytes, u64::from_le_bytes(length));
        match self.is_first() {
            true => Ok(mine),
            false => Ok(postcard::from_bytes(&bytes)?),
        }
    }

    /// The `length` bytes of process `rank`, which gives `mine`.
    fn bytes_of(&self, rank: usize, mine: &[u8], length: u64) -> Vec<u8> {
        let mut bytes = if rank == self.rank {
            mine.to_vec()
        } else {
            vec![0; usize::try_from(length).unwrap_or(usize::MAX)]
        };
        if let Some(link) = self.link {
            for part in bytes.chunks_mut(MESSAGE) {
                link.broadcast(rank, part);
            }
        }
        bytes
    }

    /// Replaces the values of `rank` by its own, everywhere.
    pub fn share(&self, rank: usize, values: &mut [u8]) {
        if let Some(link) = self.link {
            for part in values.chunks_mut(MESSAGE) {
                link.broadcast(rank, part);
            }
        }
    }

    /// Replaces values by their sums over the team.
    pub fn sum(&self, values: &mut [f32]) {
        if let Some(link) = self.link {
            link.sum(values);
        }
    }

    /// Replaces values by their sums over the team.
    pub fn sum_wide(&self, values: &mut [f64]) {
        if let Some(link) = self.link {
            link.sum_wide(values);
        }
    }

    /// Whether anybody's answer is yes.
    #[must_use]
    pub fn any(&self, mine: bool) -> bool {
        let mut count = [f64::from(u8::from(mine))];
        self.sum_wide(&mut count);
        count[0] > 0.0
    }

    /// The team of those who give the same `colour`, in the order of their ranks.
    #[must_use]
    pub fn split(&self, colour: usize) -> Self {
        self.link.map_or(*self, |link| link.split(colour))
    }

    /// The exit codes with which all end, by rank. A process that fails while others go on cannot
    /// be waited for: it calls `explain`, and all are ended.
    #[must_use]
    pub fn ends(&self, code: u8, explain: &dyn Fn()) -> Vec<u8> {
        self.link
            .map_or_else(|| vec![code], |link| link.ends(code, explain))
    }
}

/// Bytes of one message: MPI counts in 32 bits.
const MESSAGE: usize = 1 << 28;

impl PartialEq for Team {
    fn eq(&self, other: &Self) -> bool {
        (self.rank, self.size) == (other.rank, other.size)
    }
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} of {}", self.rank, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_everything_is_ones_own() {
        let team = Team::ALONE;
        assert_eq!(team.everyones(f32::NAN).unwrap().len(), 1);
        assert_eq!(team.firsts("mine".to_owned()).unwrap(), "mine");
        let mut values = [1.0, 2.0];
        team.sum(&mut values);
        assert_eq!(values, [1.0, 2.0]);
        assert!(team.any(true) && !team.any(false));
        assert_eq!(team.split(3), team);
        assert_eq!(team.ends(2, &|| ()), [2]);
    }
}
