//! The processes that a launcher such as mpirun started together.

use std::process::ExitCode;
use std::sync::OnceLock;

use super::Problem;
use super::terminal::Terminal;
use crate::team::Team;

static TEAM: OnceLock<Team> = OnceLock::new();

/// The processes that work on this command together.
pub(crate) fn team() -> Team {
    TEAM.get().copied().unwrap_or(Team::ALONE)
}

/// Makes `team` the processes that work on this command together.
pub(crate) fn work_with(team: Team) {
    let _ = TEAM.set(team);
}

/// Where launchers tell a process how many there are: OpenMPI's; MPICH's, Intel's and Slurm's.
const SIZES: [&str; 2] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];

/// What keeps this process in its team, and the team.
#[cfg(feature = "mpi")]
pub(crate) type Joined = (Option<crate::team::Membership>, Team);

/// As with the feature `mpi`, but for the membership.
#[cfg(not(feature = "mpi"))]
pub(crate) type Joined = ((), Team);

/// Joins the processes that were started together with this one. Errors: an MPI that does not
/// suffice.
#[cfg(feature = "mpi")]
pub(crate) fn join() -> Result<Joined, Problem> {
    /// Slurm's, where it speaks PMIx, which does not tell how many there are.
    const PMIX: &str = "PMIX_RANK";
    let launched = |name: &&str| std::env::var_os(name).is_some();
    if !SIZES.iter().chain([&PMIX]).any(launched) {
        return Ok((None, Team::ALONE));
    }
    let (membership, team) = crate::team::join()?;
    Ok((Some(membership), team))
}

/// Refuses to be one of several: each would do all the work and write the same files. Errors: a
/// launcher that started several.
#[cfg(not(feature = "mpi"))]
pub(crate) fn join() -> Result<Joined, Problem> {
    let several = |name: &&str| {
        let size = std::env::var(name).ok();
        size.and_then(|size| size.parse().ok())
            .is_some_and(|size: usize| size > 1)
    };
    match SIZES.iter().find(|name| several(name)) {
        None => Ok(((), Team::ALONE)),
        Some(name) => Err(Problem::BadInput(format!(
            "this pathscope works alone, but was started as one of several processes ({name}); \
             build it with `cargo build --release --features mpi`"
        ))),
    }
}

/// Threads for this process: those `asked` for, or else its share of the cores of its machine, and
/// as many as the process with fewest, so that all cut the work into the same pieces. Errors:
/// processes that do not understand each other.
pub(crate) fn threads(asked: Option<usize>) -> Result<usize, Problem> {
    if let Some(threads) = asked {
        return Ok(threads);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let team = team();
    let neighbours = match team.size() {
        1 => 1,
        size => std::env::var("OMPI_COMM_WORLD_LOCAL_SIZE")
            .ok()
            .and_then(|size| size.parse().ok())
            .unwrap_or(size),
    };
    let share = (cores / neighbours.max(1)).max(1);
    Ok(team.everyones(share)?.into_iter().min().unwrap_or(share))
}

/// Makes libtorch compute with so many threads. Errors: more threads than any machine has.
pub(crate) fn use_threads(threads: usize) -> Result<(), Problem> {
    let threads = i32::try_from(threads)
        .map_err(|_| Problem::BadInput(format!("{threads} threads are too many")))?;
    tch::set_num_threads(threads);
    Ok(())
}

/// Prints the problem of this process, if it has one that the first process does not
/// have, and gives the exit code.
pub(crate) fn conclude(team: Team, outcome: Result<(), Problem>, terminal: &Terminal) -> ExitCode {
    let code = outcome.as_ref().map_or_else(Problem::exit_code, |()| 0);
    let explain = || {
        if let Err(problem) = &outcome {
            terminal.problem(problem);
        }
    };
    let ends = team.ends(code, &explain);
    if team.is_first() || ends.first() == Some(&0) {
        explain();
    }
    ExitCode::from(code)
}
