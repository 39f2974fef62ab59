//! The CIFAR-100 collection of weiaicunzai: `conv1.0/1`, stages `conv2_x` to `conv5_x`, layers
//! numbered inside `residual_function` (the ReLU takes a number too) and `shortcut`.

use super::layered::{FunctionNames, joined, post_activation, stages};
use super::run::Tensors;
use super::{Assumed, Candidate};
use pathscope_data::Normalization;
use pathscope_network::Family;

pub(super) fn candidate(tensors: Tensors<'_>) -> Option<Candidate> {
    let stem = tensors
        .images("conv1.0")?
        .convolution("conv1.0", 1)?
        .normalization("conv1.1")?
        .relu()
        .max_pool_if_stated();
    let (blocks, channels) = stages(
        tensors,
        4,
        stem.channels,
        |stage, position| format!("conv{}_x.{position}", stage + 2),
        "residual_function.0.weight",
        |place| {
            let layer = |number: usize| format!("{}.residual_function.{number}", place.name);
            let names = FunctionNames::counted(tensors, |n| layer(3 * n), |n| layer(3 * n + 1))?;
            let input = tensors.run(place.channels);
            let shortcut = |number: u8| format!("{}.shortcut.{number}", place.name);
            post_activation(place, &names, input, |input, _| {
                input.projected(&shortcut(0), &shortcut(1), place.stride)
            })
        },
    )?;
    let head = tensors.run(channels).classifier("fc")?;
    let statistics = Normalization::new(
        vec![0.507_075_16, 0.486_548_87, 0.440_917_84],
        vec![0.267_334_28, 0.256_438_46, 0.276_150_47],
    );
    Some(Candidate::new(
        joined(stem, blocks, head),
        Family::Resnet,
        "names of weiaicunzai, ReLU after the addition".into(),
        32,
        Assumed {
            name: "statistics of CIFAR-100, .5071 .4865 .4409 / .2673 .2564 .2762",
            values: statistics.ok(),
        },
    ))
}
