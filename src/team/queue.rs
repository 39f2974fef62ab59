use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{Team, Topic};

/// Pieces of work 0 to `count`, handed out one by one to whoever is free, in any process.
///
/// The first process counts: while there is work, one of its threads [`serve`](Queue::serve)s the
/// others.
#[derive(Debug)]
pub struct Queue {
    team: Team,
    count: usize,
    next: AtomicUsize,
}

/// Asks for a piece of work.
const ASK: u64 = 0;
/// Says that no more work shall be begun.
const CLOSE: u64 = 1;

/// How long one waits before looking for a message again. Short beside a piece of work; and
/// unlike a blocking call of MPI, which spins, sleeping leaves the core to those who compute.
const MOMENT: Duration = Duration::from_millis(1);

impl Queue {
    /// A queue of `count` pieces for `team`.
    #[must_use]
    pub fn new(team: Team, count: usize) -> Self {
        Self {
            team,
            count,
            next: AtomicUsize::new(0),
        }
    }

    /// The next piece of work; `None` when nothing is left, after which a worker asks no more.
    pub fn next(&self) -> Option<usize> {
        let number = match self.team.link {
            Some(link) if !self.team.is_first() => {
                link.send(0, Topic::Request, ASK);
                loop {
                    match link.poll(Topic::Reply) {
                        Some((_, number)) => break usize::try_from(number).unwrap_or(usize::MAX),
                        None => thread::sleep(MOMENT),
                    }
                }
            }
            _ => self.take(),
        };
        (number < self.count).then_some(number)
    }

    /// Leaves what was not begun undone, in every process.
    pub fn close(&self) {
        match self.team.link {
            Some(link) if !self.team.is_first() => link.send(0, Topic::Request, CLOSE),
            _ => self.next.store(self.count, Ordering::Relaxed),
        }
    }

    /// Answers the other processes, which have `workers` workers in all, until each of them knows
    /// that nothing is left. For the first process only.
    pub fn serve(&self, workers: usize) {
        let Some(link) = self.team.link else {
            return;
        };
        let mut working = workers;
        while working > 0 {
            match link.poll(Topic::Request) {
                Some((_, CLOSE)) => self.close(),
                Some((from, _)) => {
                    let number = self.take();
                    link.send(from, Topic::Reply, number as u64);
                    working -= usize::from(number >= self.count);
                }
                None => thread::sleep(MOMENT),
            }
        }
    }

    fn take(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}
