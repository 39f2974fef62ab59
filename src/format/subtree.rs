//! Which of a file's tensors form a network: all, or those below one prefix.

use std::collections::VecDeque;

use indexmap::IndexSet;
use pathscope_file::shortened;

use super::error::few;
use super::recognize::{Recognition, recognize};
use super::state_dict::unwrapped;
use super::{Fault, LoadOptions, StateDict};

/// A network and where its tensors stand.
pub(super) struct Found {
    /// What their names begin with; empty where all tensors are meant.
    pub prefix: String,
    /// The tensors below the prefix.
    pub state: StateDict,
    pub recognition: Recognition,
}

/// Parts of a file that are looked at, and how deep.
const MOST_PARTS: usize = 64;
const DEEPEST: usize = 6;
/// Tensors of the smallest network.
const FEWEST_TENSORS: usize = 8;

/// Finds the network in `state`: everything, or what one prefix has in common.
///
/// # Errors
/// Tensors that form no network, or several that differ.
pub(super) fn find(state: &StateDict, options: &LoadOptions) -> Result<Found, Fault> {
    if let Some(prefix) = &options.prefix {
        return chosen(state, &unwrapped(prefix), options);
    }
    let whole = match below(state, String::new(), options) {
        Ok(found) => return Ok(found),
        Err(fault) => fault,
    };
    let mut found: Vec<Found> = Vec::new();
    let mut reason: Option<Fault> = None;
    let mut open: VecDeque<String> = VecDeque::from([String::new()]);
    let mut tried = 0;
    while let Some(prefix) = open.pop_front() {
        for child in parts(state, &prefix) {
            tried += 1;
            if tried > MOST_PARTS {
                break;
            }
            match below(state, child.clone(), options) {
                Ok(network) => found.push(network),
                Err(fault) => {
                    if stops(&fault) && reason.is_none() {
                        reason = Some(fault);
                    }
                    if child.matches('.').count() < DEEPEST {
                        open.push_back(child);
                    }
                }
            }
        }
    }
    let mut networks = found.into_iter();
    let Some(first) = networks.next() else {
        return Err(match (stops(&whole), reason) {
            (false, Some(inner)) => inner,
            _ => whole,
        });
    };
    let others: Vec<Found> = networks.filter(|other| !same(&first, other)).collect();
    if others.is_empty() {
        return Ok(first);
    }
    let prefixes: Vec<&str> = [&first]
        .into_iter()
        .chain(&others)
        .map(|found| &*found.prefix)
        .collect();
    Err(Fault::SeveralNetworks {
        count: prefixes.len(),
        prefixes: few(prefixes.into_iter()),
    })
}

fn chosen(state: &StateDict, prefix: &str, options: &LoadOptions) -> Result<Found, Fault> {
    if state.below(prefix).is_empty() {
        let begins: IndexSet<String> = parts(state, "").into_iter().collect();
        return Err(Fault::NoSuchPrefix {
            prefix: shortened(prefix),
            names: few(begins.iter().map(String::as_str)),
        });
    }
    below(state, prefix.to_owned(), options)
}

fn below(state: &StateDict, prefix: String, options: &LoadOptions) -> Result<Found, Fault> {
    let inner = state.below(&prefix);
    let recognition = recognize(&inner, &options.assumptions)?;
    Ok(Found {
        prefix,
        state: inner,
        recognition,
    })
}

/// The prefixes one word longer than `prefix` that enough tensors have.
fn parts(state: &StateDict, prefix: &str) -> Vec<String> {
    let inner = state.names().filter_map(|name| name.strip_prefix(prefix));
    let words = inner.filter_map(|name| Some(name.split_once('.')?.0));
    let mut counts: indexmap::IndexMap<&str, usize> = indexmap::IndexMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let large = counts
        .into_iter()
        .filter(|(_, count)| *count >= FEWEST_TENSORS);
    large.map(|(word, _)| format!("{prefix}{word}.")).collect()
}

/// Whether a fault says more than that names are not known.
fn stops(fault: &Fault) -> bool {
    match fault {
        Fault::UnknownArchitecture { stop, .. } => !stop.is_empty(),
        _ => true,
    }
}

/// Whether both are one network that is stored twice.
fn same(one: &Found, other: &Found) -> bool {
    let specification = &one.recognition.card.specification;
    let equal = |name: &str| match (one.state.get(name), other.state.get(name)) {
        (Some(one), Some(other)) => {
            one.size() == other.size() && one.f_equal(other).unwrap_or(false)
        }
        (None, None) => true,
        _ => false,
    };
    *specification == other.recognition.card.specification
        && specification
            .parameters()
            .iter()
            .all(|parameter| equal(&parameter.name))
}
