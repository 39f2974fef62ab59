//! Whether examples are what a network takes and gives.

use super::ExperimentError;
use pathscope_data::Dataset;
use pathscope_network::Specification;

/// Checks that `data` are of the kind that the network takes, images or tokens, and that tokens
/// and their labels are such as it knows.
///
/// # Errors
/// [`ExperimentError::Misfit`], which says what each of the two has.
pub fn check_fit(network: &Specification, data: &Dataset) -> Result<(), ExperimentError> {
    let place = data.description();
    let misfit = |what: String| Err(ExperimentError::Misfit(what));
    let (length, vocabulary, tokens) = match (
        network.sequence_length().zip(network.vocabulary()),
        data.tokens(0..data.len()),
    ) {
        (None, None) => return Ok(()),
        (None, Some(_)) => {
            return misfit(format!(
                "the network takes images, but there are {place}; give images with labels"
            ));
        }
        (Some((length, _)), None) => {
            return misfit(format!(
                "the network takes sequences of {length} tokens, but there are images: {place}; \
                 give an .npz with an array `tokens`"
            ));
        }
        (Some((length, vocabulary)), Some(tokens)) => (length, vocabulary, tokens),
    };
    let found = data.shape().pixels();
    if i64::try_from(found) != Ok(length) {
        return misfit(format!(
            "the network takes sequences of {length} tokens, but these have {found}: {place}; \
             without targets save rows of {} tokens, whose last is a target only",
            length + 1
        ));
    }
    let known = |token: u32| i64::from(token) < vocabulary;
    if let Some(number) = tokens.iter().position(|&token| !known(token)) {
        return misfit(format!(
            "sequence {}, place {} of {place}: token {}, but the network knows 0 to {}; was \
             another tokenizer used?",
            number / found,
            number % found,
            tokens[number],
            vocabulary - 1
        ));
    }
    let (gives, wanted) = (network.positions()?, data.positions());
    if gives != wanted {
        let labels = |positions| match positions {
            1 => "one label for each sequence".to_owned(),
            positions => format!("{positions} targets for each sequence"),
        };
        return misfit(format!(
            "the network answers {}, but there is {}: {place}",
            labels(gives),
            labels(wanted)
        ));
    }
    match network.classes() {
        Some(classes) if data.classes() > classes => misfit(format!(
            "the network has {classes} classes or tokens, but there is a label {}: {place}",
            data.classes() - 1
        )),
        _ => Ok(()),
    }
}
