//! Plans that begin alike, as a tree in which every common beginning is one way.

use pathscope_network::{Plan, ResidualNetwork, Step};

/// A node of the tree: the state after the steps on the way to it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Plans that are complete here, by their number.
    pub complete: Vec<usize>,
    /// What can come next; the way with most steps below it is the last, so that by then nobody
    /// else needs the state here.
    pub next: Vec<(Step, Tree)>,
}

impl Tree {
    /// The tree of `plans` over `network`. Steps that change nothing are left out, so that plans
    /// which delete different blocks share more.
    pub fn grow<L>(plans: &[Plan], network: &ResidualNetwork<L>) -> Self {
        let mut tree = Self::default();
        for (number, plan) in plans.iter().enumerate() {
            let mut node = &mut tree;
            for step in plan.steps().iter().filter(|step| !network.is_idle(step)) {
                let known = node.next.iter().position(|(next, _)| next == step);
                let position = known.unwrap_or_else(|| {
                    node.next.push((step.clone(), Self::default()));
                    node.next.len() - 1
                });
                node = &mut node.next[position].1;
            }
            node.complete.push(number);
        }
        tree.arrange();
        tree
    }

    /// Steps in the whole tree: the cost of evaluating it, in blocks.
    pub fn steps(&self) -> usize {
        self.next.iter().map(|(_, below)| 1 + below.steps()).sum()
    }

    /// States that are held at once while the tree is walked.
    pub fn states_held(&self) -> usize {
        let last = self.next.len().saturating_sub(1);
        let held = |(position, (_, below)): (usize, &(Step, Self))| {
            below.states_held() + usize::from(position < last)
        };
        self.next.iter().enumerate().map(held).max().unwrap_or(1)
    }

    fn arrange(&mut self) -> usize {
        let mut sized: Vec<(usize, (Step, Self))> = std::mem::take(&mut self.next)
            .into_iter()
            .map(|(step, mut below)| (1 + below.arrange(), (step, below)))
            .collect();
        sized.sort_by_key(|(size, _)| *size);
        let total = sized.iter().map(|(size, _)| size).sum();
        self.next = sized.into_iter().map(|(_, way)| way).collect();
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathscope_network::{Architecture, BlockIndex, Family, FunctionState, Specification, Unit};

    fn network(family: Family) -> Specification {
        let architecture = Architecture::cifar(family, Unit::Basic, 56, 1, 3, 10).unwrap();
        architecture.build().unwrap()
    }

    fn single_deletions(network: &Specification) -> Vec<Plan> {
        let intact = Plan::intact(network);
        let delete = |block| {
            let plan = intact.clone();
            plan.with_block(BlockIndex::new(block), FunctionState::Off)
        };
        (0..network.blocks.len()).map(delete).collect()
    }

    #[test]
    fn single_deletions_share_their_prefixes() {
        let post = network(Family::Resnet);
        let plans = single_deletions(&post);
        // After block l has been deleted 26 - l blocks remain; ReLU after the sum is a step.
        assert_eq!(Tree::grow(&plans, &post).steps(), 26 + 27 * 28 / 2);
        let pre = network(Family::Preresnet);
        let plans = single_deletions(&pre);
        // Deleting a block whose skip is the identity is no step; three blocks open a stage.
        assert_eq!(Tree::grow(&plans, &pre).steps(), 26 + 27 * 28 / 2 - 24);
    }

    #[test]
    fn walking_single_deletions_holds_two_states() {
        let network = network(Family::Resnet);
        let tree = Tree::grow(&single_deletions(&network), &network);
        assert_eq!(tree.states_held(), 2);
    }

    #[test]
    fn equal_plans_are_one_way() {
        let network = network(Family::Preresnet);
        let plan = Plan::intact(&network);
        let tree = Tree::grow(&[plan.clone(), plan], &network);
        assert_eq!(tree.steps(), 27);
    }
}
