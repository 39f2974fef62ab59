//! Teams over MPI.

use std::thread;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::collective::{CommunicatorCollectives, Root, SystemOperation};
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, Source};
use mpi::topology::{Color, Communicator, SimpleCommunicator};

use super::{Link, Team, TeamError, Topic};

/// Keeps this process in its team; dropped, it leaves.
pub struct Membership {
    universe: Universe,
}

/// Joins the processes that a launcher started together with this one.
///
/// # Errors
/// An MPI that cannot be called from several threads, or a second call.
pub fn join() -> Result<(Membership, Team), TeamError> {
    let (universe, threading) =
        mpi::initialize_with_threading(Threading::Multiple).ok_or(TeamError::Joined)?;
    if threading != Threading::Multiple {
        return Err(TeamError::Threads);
    }
    let team = team(universe.world());
    Ok((Membership { universe }, team))
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.universe.world().rank())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // To leave in order one waits for the others, which may be waiting for this process.
        if thread::panicking() {
            self.universe.world().abort(101);
        }
    }
}

struct Group(SimpleCommunicator);

// SAFETY: a communicator is a handle that MPI itself looks after, and it never changes once made;
// `join` lets no team come about unless MPI permits calls from several threads at once.
unsafe impl Send for Group {}
// SAFETY: as above.
unsafe impl Sync for Group {}

/// A communicator lives as long as the process: there are a handful.
fn team(communicator: SimpleCommunicator) -> Team {
    let (rank, size) = (count(communicator.rank()), count(communicator.size()));
    if size == 1 {
        return Team::ALONE;
    }
    Team {
        rank,
        size,
        link: Some(Box::leak(Box::new(Group(communicator)))),
    }
}

/// How long others may take to end as well before a failed process ends them.
const PATIENCE: Duration = Duration::from_secs(3);

/// A rank or a number of ranks, which MPI never has negative.
fn count(number: i32) -> usize {
    number.unsigned_abs() as usize
}

fn rank(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl Topic {
    fn tag(self) -> i32 {
        match self {
            Self::Request => 1,
            Self::Reply => 2,
        }
    }
}

impl Link for Group {
    fn broadcast(&self, root: usize, bytes: &mut [u8]) {
        self.0.process_at_rank(rank(root)).broadcast_into(bytes);
    }

    fn gather(&self, mine: u64) -> Vec<u64> {
        let mut all = vec![0; count(self.0.size())];
        self.0.all_gather_into(&mine, &mut all[..]);
        all
    }

    fn sum(&self, values: &mut [f32]) {
        let mine = values.to_vec();
        self.0
            .all_reduce_into(&mine[..], values, SystemOperation::sum());
    }

    fn sum_wide(&self, values: &mut [f64]) {
        let mine = values.to_vec();
        self.0
            .all_reduce_into(&mine[..], values, SystemOperation::sum());
    }

    fn split(&self, colour: usize) -> Team {
        let colour = Color::with_value(rank(colour));
        self.0.split_by_color(colour).map_or(Team::ALONE, team)
    }

    fn send(&self, to: usize, topic: Topic, number: u64) {
        let process = self.0.process_at_rank(rank(to));
        process.send_with_tag(&number, topic.tag());
    }

    fn poll(&self, topic: Topic) -> Option<(usize, u64)> {
        let any = self.0.any_process();
        let (message, status) = any.immediate_matched_probe_with_tag(topic.tag())?;
        let (number, _) = message.matched_receive::<u64>();
        Some((count(status.source_rank()), number))
    }

    fn ends(&self, code: u8, explain: &dyn Fn()) -> Vec<u8> {
        let mut all = vec![0; count(self.0.size())];
        mpi::request::scope(|scope| {
            let begin = Instant::now();
            let mut request = self.0.immediate_all_gather_into(scope, &code, &mut all[..]);
            while let Err(unfinished) = request.test() {
                if code != 0 && begin.elapsed() > PATIENCE {
                    explain();
                    self.0.abort(i32::from(code));
                }
                request = unfinished;
                thread::sleep(Duration::from_millis(1));
            }
        });
        all
    }
}
