//! The gradient by path length: exact, by energy, and by drawing paths.
//!
//! At a fixed input the gradient of a residual network is the sum over all of its paths, since a
//! block's Jacobian is `S + J_1 + ... + J_k` and the chain rule multiplies these sums out. (Its
//! forward output is no such sum: the functions are not linear.) One backward recursion keeps a
//! cotangent for each length and gives every partial sum exactly.

mod energy;
mod grade;
mod gradient;
mod measure;
mod not_finite;
mod recursion;
mod rows;
mod sampled;

pub use gradient::first_gradient;
pub use measure::SpectrumOptions;
