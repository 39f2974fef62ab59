//! Weights that PyTorch keeps as several tensors: weight normalisation (Salimans & Kingma, arXiv
//! 1602.07868) and spectral normalisation (Miyato et al., arXiv 1802.05957), in the old form and
//! as parametrisations.

use pathscope_file::shortened;
use tch::{TchError, Tensor};

use super::{Fault, LoadNote, StateDict};

/// What makes a weight of tensors beside it.
#[derive(Clone, Copy)]
enum Rule {
    /// `g v / |v|`, the norm over all axes along which `g` has length 1.
    Weight,
    /// `w / (u^T w v)`, where `w` is a matrix of as many rows as outputs.
    Spectral,
}

/// What follows the name of a module in its tensors, the first of which is replaced.
const FORMS: [(&[&str], Rule); 4] = [
    (&["weight_v", "weight_g"], Rule::Weight),
    (&["weight_orig", "weight_u", "weight_v"], Rule::Spectral),
    (
        &[
            "parametrizations.weight.original1",
            "parametrizations.weight.original0",
        ],
        Rule::Weight,
    ),
    (
        &[
            "parametrizations.weight.original",
            "parametrizations.weight.0._u",
            "parametrizations.weight.0._v",
        ],
        Rule::Spectral,
    ),
];

/// Puts the weights themselves in the place of what they are computed from.
///
/// # Errors
/// Tensors that do not fit each other, or a parametrisation that is not known.
pub(super) fn parametrizations(state: &mut StateDict) -> Result<(), Fault> {
    let mut folded = 0;
    for (suffixes, rule) in FORMS {
        let [first, rest @ ..] = suffixes else {
            continue;
        };
        let modules = state.names().filter_map(|name| name.strip_suffix(first));
        let complete = modules.filter(|module| {
            let has = |suffix: &&str| state.get(&format!("{module}{suffix}")).is_some();
            rest.iter().all(has) && (module.is_empty() || module.ends_with('.'))
        });
        let modules: Vec<String> = complete.map(str::to_owned).collect();
        for module in modules {
            fold(state, &module, suffixes, rule)?;
            folded += 1;
        }
    }
    if folded > 0 {
        state.note(LoadNote::Folded(folded));
    }
    let mut names = state.names();
    match names.find(|name| name.contains(".parametrizations.")) {
        Some(name) => Err(Fault::Parametrization(shortened(name))),
        None => Ok(()),
    }
}

fn fold(state: &mut StateDict, module: &str, suffixes: &[&str], rule: Rule) -> Result<(), Fault> {
    let names: Vec<String> = suffixes
        .iter()
        .map(|suffix| format!("{module}{suffix}"))
        .collect();
    let tensors: Vec<&Tensor> = names.iter().filter_map(|name| state.get(name)).collect();
    let weight = match (rule, tensors.as_slice()) {
        (Rule::Weight, [direction, length]) => weight_normalized(direction, length),
        (Rule::Spectral, [weight, left, right]) => spectral_normalized(weight, left, right),
        _ => return Ok(()),
    };
    let name = format!("{module}weight");
    let weight = weight.map_err(|fault| Fault::convert(&shortened(&name), fault))?;
    if let [first, rest @ ..] = names.as_slice() {
        state.put(name, weight, first);
        for name in rest.iter().chain([first]) {
            state.remove(name);
        }
    }
    Ok(())
}

fn weight_normalized(direction: &Tensor, length: &Tensor) -> Result<Tensor, TchError> {
    let shape = length.size();
    let ones = (0..).zip(&shape).filter(|(_, n)| **n == 1);
    let axes: Vec<i64> = ones.map(|(axis, _)| axis).collect();
    let norm = direction
        .f_square()?
        .f_sum_dim_intlist(axes, true, None)?
        .f_sqrt()?;
    direction.f_mul(&length.f_div(&norm)?)
}

fn spectral_normalized(weight: &Tensor, left: &Tensor, right: &Tensor) -> Result<Tensor, TchError> {
    let matrix = weight.f_flatten(1, -1)?;
    let largest = left.f_dot(&matrix.f_mv(right)?)?;
    weight.f_div(&largest)
}
