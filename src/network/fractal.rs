//! Fractal networks (Larsson et al., arXiv 1605.07648) in the one structure. A stage has columns of 1, 2,
//! 4, ... layers between the same ends, and where several columns end a layer, the mean of what they give
//! goes on in all of them.
//!
//! What the columns have reached is carried side by side, as channels. A block is one layer of the deepest
//! column: each column that ends a layer there is one of its functions, and its skip keeps what other
//! columns still need.

use super::architecture::{batch_norm, classifier, convolution, function_prefix, relu};
use super::{Architecture, Block, Layer, Operation, ResidualNetwork, Specification};

/// Stages whose channels double; those after them keep theirs (section 4.1: 64, 128, 256, 512, 512).
const WIDENING: usize = 3;

/// Columns that end a layer with step `step` (from 1) of the deepest one: column c, which has the number
/// c as a function, does at every multiple of 2^c.
fn ending(step: usize) -> usize {
    1 + step.trailing_zeros() as usize
}

/// Functions of the blocks of stages of so many layers; `None` where these do not double from column to
/// column, alike in all stages.
pub(super) fn functions(stages: &[usize]) -> Option<Vec<usize>> {
    let mut alike = stages.windows(2).all(|pair| pair[0] == pair[1]);
    alike &= stages.iter().all(|count| count.is_power_of_two());
    let of_stage = |&count: &usize| (1..=count).map(ending);
    alike.then(|| stages.iter().flat_map(of_stage).collect())
}

/// Whether blocks of so many functions are those of a fractal network.
#[must_use]
pub fn is_fractal(functions: &[usize]) -> bool {
    let columns = functions.iter().copied().max().unwrap_or(0);
    let last = columns.checked_sub(1).and_then(|doublings| {
        let doublings = u32::try_from(doublings).ok()?;
        1_usize.checked_shl(doublings)
    });
    last.is_some_and(|last| {
        let stages = vec![last; functions.len() / last];
        self::functions(&stages).as_deref() == Some(functions)
    })
}

/// The layers of all stages, each behind a maximum over two by two pixels of the one before.
pub(super) fn build(architecture: &Architecture) -> Specification {
    let mut blocks = Vec::new();
    let mut inputs = architecture.channels;
    for (stage, &count) in architecture.stages.iter().enumerate() {
        let outputs = architecture.width << stage.min(WIDENING);
        // Which step made each value that is carried, and its channels; 0 is the input of the stage.
        let mut carried = vec![(0, inputs)];
        for step in 1..=count {
            let name = format!("layer{}.{}", stage + 1, step - 1);
            blocks.push(block(name, step, count, &mut carried, outputs));
        }
        inputs = outputs;
    }
    ResidualNetwork {
        stem: Vec::new(),
        blocks,
        head: classifier("fc", inputs, architecture.classes).to_vec(),
    }
}

/// Step `step` of the `last` ones of a stage.
fn block(
    name: String,
    step: usize,
    last: usize,
    carried: &mut Vec<(usize, i64)>,
    outputs: i64,
) -> Block<Layer> {
    let all: i64 = carried.iter().map(|value| value.1).sum();
    let narrow = |first: i64, count: i64| {
        let operation = Operation::Narrow { first, count };
        (count < all).then(|| Layer::new("", operation))
    };
    let pad = |before: i64, after: i64| {
        let operation = Operation::pad(1, before, after);
        (before + after > 0).then(|| Layer::new("", operation))
    };
    // Column c reads at the next multiple of 2^c what was made at the one before.
    let needed = |made: usize| {
        let columns = 0..=last.trailing_zeros();
        step < last && columns.into_iter().any(|c| (step >> c) << c == made)
    };
    let kept = carried.iter().take_while(|value| needed(value.0));
    let kept: Vec<(usize, i64)> = kept.copied().collect();
    let keeps: i64 = kept.iter().map(|value| value.1).sum();
    let columns = ending(step);
    let function = |column: usize| {
        let read = step - (1 << column);
        let before = carried.iter().take_while(|value| value.0 < read);
        let first: i64 = before.map(|value| value.1).sum();
        let read = carried.iter().find(|value| value.0 == read);
        let inputs = read.map_or(outputs, |value| value.1);
        let prefix = function_prefix(&name, columns, column);
        let layers = [
            convolution(format!("{prefix}.conv1"), inputs, outputs, 3, 1),
            batch_norm(format!("{prefix}.bn1"), outputs),
            relu(),
        ];
        let layers = narrow(first, inputs).into_iter().chain(layers);
        layers.chain(pad(keeps, 0)).collect()
    };
    let functions: Vec<Vec<Layer>> = (0..columns).map(function).collect();
    let pool = Operation::MaxPool {
        kernel: 2,
        stride: 2,
        padding: 0,
    };
    let skip = || {
        let kept = narrow(0, keeps).into_iter();
        kept.chain(pad(0, outputs)).collect()
    };
    let block = Block {
        mean: true,
        post: match step == last {
            true => vec![Layer::new("", pool)],
            false => Vec::new(),
        },
        ..Block::new(&name, (keeps > 0).then(skip), functions)
    };
    *carried = kept;
    carried.push((step, outputs));
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, Plan, Unit};
    use pathscope_analysis::PathPolynomial;

    #[test]
    fn blocks_are_the_steps_of_the_columns() {
        assert_eq!(functions(&[4, 4]), Some(vec![1, 2, 1, 3, 1, 2, 1, 3]));
        assert!(functions(&[4, 2]).is_none() && functions(&[3]).is_none());
        assert!(is_fractal(&[1, 2, 1, 3, 1, 2, 1, 3]) && is_fractal(&[1, 1]));
        assert!(!is_fractal(&[1, 2, 1, 2, 1]) && !is_fractal(&[4, 4]) && !is_fractal(&[]));
    }

    #[test]
    fn the_parameters_and_paths_of_the_published_network() {
        let fractal = Architecture::cifar(Family::Fractal, Unit::Basic, 20, 1, 3, 10).unwrap();
        let network = fractal.with_width(64).build().unwrap();
        // Seven convolutions a stage: three from the channels before, four among its own.
        let channels = [3, 64, 128, 256, 512, 512];
        let of_stage = |pair: &[i64]| 9 * (3 * pair[0] + 4 * pair[1]) * pair[1] + 7 * 2 * pair[1];
        let convolutions: i64 = channels.windows(2).map(of_stage).sum();
        assert_eq!(network.parameter_count(), convolutions + 512 * 10 + 10);
        let paths = network.block_paths(&Plan::intact(&network)).unwrap();
        let polynomial = PathPolynomial::with_lengths(paths).unwrap();
        // z + (z + z^2)^2 has five terms.
        assert_eq!(polynomial.paths(), 5u32.pow(5).into());
        assert_eq!(polynomial.longest(), 20);
    }
}
