//! What the steps of a greedy removal say together.

use pathscope_analysis::record::Removal;

/// For each step, whether it is on the Pareto front: no other step is at least as good in both
/// errors and parameters left, and better in one.
#[must_use]
pub fn on_front(removals: &[&Removal]) -> Vec<bool> {
    let beats = |a: &Removal, b: &Removal| {
        a.errors <= b.errors
            && a.parameters <= b.parameters
            && (a.errors < b.errors || a.parameters < b.parameters)
    };
    removals
        .iter()
        .map(|step| !removals.iter().any(|other| beats(other, step)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_errs_less_with_fewer_parameters_wins() {
        let step = |errors, parameters| Removal {
            key: String::new(),
            removed: Vec::new(),
            latency: 1.0,
            errors,
            examples: 100,
            positions: 1,
            parameters,
            multiply_adds: parameters,
        };
        let steps = [step(8, 100), step(7, 90), step(7, 85), step(20, 60)];
        let steps: Vec<&Removal> = steps.iter().collect();
        assert_eq!(on_front(&steps), [false, false, true, true]);
    }
}
