use std::collections::BTreeSet;

use pathscope_analysis::record::Grading;
use pathscope_network::Plan;

/// Numbers of functions on a path, one for each component of a grading.
pub(super) type Grade = Vec<u16>;

/// Number of components of a grade.
pub(super) fn components(grading: &Grading, plan: &Plan) -> usize {
    match grading {
        Grading::Length => 1,
        Grading::Stage(stages) => stages.iter().max().map_or(1, |&last| last + 1),
        Grading::Function => plan
            .steps()
            .iter()
            .map(|step| step.functions.len())
            .max()
            .unwrap_or(1),
    }
}

/// The component that function `function` of step `position` of the plan counts towards.
pub(super) fn component(grading: &Grading, position: usize, function: usize) -> usize {
    match grading {
        Grading::Length => 0,
        Grading::Stage(stages) => stages.get(position).copied().unwrap_or(0),
        Grading::Function => function,
    }
}

/// Functions on a path of this grade, of all kinds.
pub(super) fn length(grade: &Grade) -> usize {
    grade.iter().map(|&count| usize::from(count)).sum()
}

/// What a function adds to a grade: a component and the functions taken one after another.
pub(super) type Growth = (usize, usize);

/// `grade` behind such a function.
pub(super) fn longer(grade: &Grade, (component, order): Growth) -> Grade {
    let mut grade = grade.clone();
    if let Some(count) = grade.get_mut(component) {
        *count = count.saturating_add(u16::try_from(order).unwrap_or(u16::MAX));
    }
    grade
}

/// The grades after a block: those before, where a skip keeps them, and those that its functions
/// make longer, up to `longest`; shortest first, so that what can still grow is a prefix.
pub(super) fn after_block(
    before: &[Grade],
    keeps: bool,
    growths: &[Growth],
    longest: usize,
) -> Vec<Grade> {
    let mut after: BTreeSet<(usize, Grade)> = BTreeSet::new();
    for grade in before {
        let reached = length(grade);
        if keeps {
            after.insert((reached, grade.clone()));
        }
        for &(component, order) in growths {
            if reached + order <= longest {
                after.insert((reached + order, longer(grade, (component, order))));
            }
        }
    }
    after.into_iter().map(|(_, grade)| grade).collect()
}
