use thiserror::Error;

/// What can go wrong between processes without ending them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TeamError {
    /// A value that cannot be sent, or that arrived damaged.
    #[error(
        "a message between processes cannot be read ({0}); start the same program on every machine"
    )]
    Message(#[from] postcard::Error),
    /// Threads cannot all talk to the others.
    #[error(
        "this MPI does not let several threads call it; use one that was built with \
         MPI_THREAD_MULTIPLE"
    )]
    Threads,
    /// Joined twice.
    #[error("this process has joined a team already")]
    Joined,
}
