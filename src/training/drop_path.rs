//! Drop-path (Larsson et al., arXiv 1605.07648, section 3.1): which inputs of each mean of a fractal network
//! a mini-batch keeps.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use pathscope_network::{FunctionIndex, FunctionState, Plan};

/// The plan of a mini-batch. With probability `columns` the network is one column, each equally likely;
/// else each function is dropped with probability `drop`, but one of every mean is kept.
pub(super) fn plan(intact: &Plan, drop: f64, columns: f64, generator: &mut ChaCha8Rng) -> Plan {
    let most = intact.steps().iter().map(|step| step.functions.len());
    let all = most.max().unwrap_or(0).max(1);
    let column = (generator.random::<f64>() < columns).then(|| generator.random_range(0..all));
    let mut plan = intact.clone();
    for step in intact.steps() {
        let ending = step.functions.len();
        let kept: Vec<bool> = match column {
            Some(column) => (0..ending).map(|function| function == column).collect(),
            None => {
                let mut kept: Vec<bool> = (0..ending)
                    .map(|_| generator.random::<f64>() >= drop)
                    .collect();
                if !kept.contains(&true) && ending > 0 {
                    kept[generator.random_range(0..ending)] = true;
                }
                kept
            }
        };
        let dropped = kept.iter().enumerate().filter(|(_, kept)| !**kept);
        for (function, _) in dropped {
            let block = step.block;
            plan = plan.with_function(FunctionIndex { block, function }, FunctionState::Off);
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathscope_analysis::PathPolynomial;
    use pathscope_network::{Architecture, Family, Specification, Unit};
    use rand::SeedableRng;

    fn network() -> Specification {
        let fractal = Architecture::cifar(Family::Fractal, Unit::Basic, 12, 1, 3, 10);
        fractal.unwrap().build().unwrap()
    }

    fn draws(drop: f64, columns: f64) -> Vec<Plan> {
        let intact = Plan::intact(&network());
        let draw = |seed| plan(&intact, drop, columns, &mut ChaCha8Rng::seed_from_u64(seed));
        (0..2_000).map(draw).collect()
    }

    fn lengths(plan: &Plan) -> Vec<usize> {
        let paths = network().block_paths(plan).unwrap();
        let counts = PathPolynomial::with_lengths(paths).unwrap().counts();
        let found = counts.iter().enumerate();
        let found = found.filter(|(_, count)| **count != 0u32.into());
        found.map(|(length, _)| length).collect()
    }

    #[test]
    fn a_column_is_one_path() {
        let mut times = [0; 3];
        for plan in draws(0.15, 1.0) {
            let found = lengths(&plan);
            // Three stages of a column of 1, 2 or 4 layers.
            let column = [12, 6, 3].iter().position(|&length| found == [length]);
            times[column.unwrap()] += 1;
        }
        // 667 each, standard deviation 21.
        assert!(
            times.iter().all(|&times| (570..770).contains(&times)),
            "{times:?}"
        );
    }

    #[test]
    fn local_drops_leave_one_of_each_mean() {
        let (mut kept, mut all) = (0, 0);
        for plan in draws(0.15, 0.0) {
            for step in plan.steps() {
                let live = step.live_functions();
                assert!(live > 0);
                if step.functions.len() == 3 {
                    kept += live;
                    all += 3;
                }
            }
        }
        // 0.85 of them, and one third more where all three would go (0.15^3 of the means).
        let share = f64::from(kept as u32) / f64::from(all as u32);
        let expected = 0.85 + 0.15_f64.powi(3) / 3.0;
        assert!((share - expected).abs() < 0.012, "{share}");
    }
}
