use std::fmt;

use tch::Tensor;

use super::{FunctionIndex, NetworkError};

/// What happens at the borders of a block's functions where several processes share them out:
/// each computes some functions, and all compute the rest of the network alike.
///
/// The backward pass has the same borders, crossed the other way round.
pub trait Exchange: fmt::Debug {
    /// Whether this process computes a function.
    fn computes(&self, function: FunctionIndex) -> bool;

    /// The input `[N, C, H, W]` of a block's functions and skip, where its gradient is complete
    /// only once both have given theirs.
    ///
    /// # Errors
    /// Where libtorch refuses.
    fn enter(&self, input: &Tensor) -> Result<Tensor, NetworkError>;

    /// What the functions take of `input`; its gradient is the sum over processes.
    ///
    /// # Errors
    /// Where libtorch refuses.
    fn part(&self, input: &Tensor) -> Result<Tensor, NetworkError>;

    /// The sum over processes of the `partial` sums `[N, C, H, W]` of their functions.
    ///
    /// # Errors
    /// Where libtorch refuses.
    fn join(&self, partial: &Tensor) -> Result<Tensor, NetworkError>;
}
