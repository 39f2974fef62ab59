//! Sums over paths of squared norms, by random signs.
//!
//! Give every function an independent random sign. The sign of a path is the product of those of
//! its functions, and the signs of different paths are uncorrelated, so in the expectation of
//! ||sum of signed gradients||^2 every cross term vanishes: what is left is the sum over paths of
//! ||g_path||^2, over all of them.

use pathscope_analysis::Seed;
use rand::RngExt;

use pathscope_network::Plan;

/// The signs of draw `draw`: one for every function of every step of `plan`.
pub(super) fn signs(plan: &Plan, seed: Seed, draw: u64) -> Vec<Vec<f64>> {
    let mut generator = seed.stream("signs of functions", draw);
    let mut sign = || match generator.random::<bool>() {
        true => 1.0,
        false => -1.0,
    };
    let steps = plan.steps().iter();
    steps
        .map(|step| step.functions.iter().map(|_| sign()).collect())
        .collect()
}
