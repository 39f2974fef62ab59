//! Work shared out among threads and processes: whoever is free takes the next piece, and in the
//! end everybody has the results of all, in the order of the pieces.

use std::panic::resume_unwind;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ExperimentError;
use pathscope_team::{Queue, Team};

/// Pieces done, with their numbers.
type Done<T> = Vec<(usize, T)>;

/// Why somebody could not go on.
#[derive(Serialize, Deserialize)]
enum Fault {
    Stopped,
    Other(String),
}

/// Does pieces 0 to `count` in this thread and in those of the other processes.
///
/// # Errors
/// The first that `work` gives in any process.
pub(super) fn share<T: Serialize + DeserializeOwned>(
    team: Team,
    count: usize,
    work: impl FnMut(usize) -> Result<T, ExperimentError>,
) -> Result<Vec<T>, ExperimentError> {
    let queue = Queue::new(team, count);
    let others = team.size() - 1;
    let outcome = std::thread::scope(|scope| {
        if team.is_first() {
            scope.spawn(|| queue.serve(others));
        }
        work_off(&queue, work)
    });
    gather(team, outcome)
}

/// Does pieces 0 to `count` with a thread for every state, and in the other processes.
///
/// # Errors
/// The first that `work` gives in any process.
pub(super) fn share_among<S: Send, T: Send + Serialize + DeserializeOwned>(
    team: Team,
    count: usize,
    states: Vec<S>,
    work: impl Fn(&mut S, usize) -> Result<T, ExperimentError> + Sync,
) -> Result<Vec<T>, ExperimentError> {
    let others: usize = team.everyones(states.len())?.iter().skip(1).sum();
    let queue = Queue::new(team, count);
    let (queue, work) = (&queue, &work);
    let outcome: Result<Vec<Done<T>>, _> = std::thread::scope(|scope| {
        let worker =
            |mut state: S| scope.spawn(move || work_off(queue, |number| work(&mut state, number)));
        let workers: Vec<_> = states.into_iter().map(worker).collect();
        if team.is_first() {
            queue.serve(others);
        }
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    gather(
        team,
        outcome.map(|parts| parts.into_iter().flatten().collect()),
    )
}

/// What one worker gets done; after its first error it takes no more, and tells the queue to give
/// none to anybody.
fn work_off<T>(
    queue: &Queue,
    mut work: impl FnMut(usize) -> Result<T, ExperimentError>,
) -> Result<Done<T>, ExperimentError> {
    let mut outcome = Ok(Vec::new());
    // To the end in any case: whoever serves the queue waits until everybody has seen it.
    while let Some(number) = queue.next() {
        if let Ok(done) = &mut outcome {
            match work(number) {
                Ok(result) => done.push((number, result)),
                Err(error) => {
                    queue.close();
                    outcome = Err(error);
                }
            }
        }
    }
    outcome
}

/// The results of all processes, in the order of the pieces.
fn gather<T: Serialize + DeserializeOwned>(
    team: Team,
    outcome: Result<Done<T>, ExperimentError>,
) -> Result<Vec<T>, ExperimentError> {
    let mut done = if team.size() == 1 {
        outcome?
    } else {
        let (mine, own_error) = match outcome {
            Ok(done) => (Ok(done), None),
            Err(error) => (Err(Fault::of(&error)), Some(error)),
        };
        let mut done = Vec::new();
        let mut fault = None;
        for (rank, part) in team.everyones(mine)?.into_iter().enumerate() {
            match part {
                Ok(part) => done.extend(part),
                Err(found) => {
                    fault.get_or_insert((rank, found));
                }
            }
        }
        match (own_error, fault) {
            (Some(error), _) => return Err(error),
            (None, Some((_, Fault::Stopped))) => return Err(ExperimentError::Stopped),
            (None, Some((rank, Fault::Other(what)))) => {
                return Err(ExperimentError::Elsewhere { rank, what });
            }
            (None, None) => done,
        }
    };
    done.sort_by_key(|&(number, _)| number);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

impl Fault {
    fn of(error: &ExperimentError) -> Self {
        match error {
            ExperimentError::Stopped => Self::Stopped,
            other => Self::Other(other.to_string()),
        }
    }
}
