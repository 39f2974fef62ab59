//! The statistics audit: what a network's tensors leave open is decided by what reaches its
//! batch normalisations, and what contradicts them is told.

use std::fmt;

use pathscope_analysis::record::StatisticsAudit;
use serde_json::{Value, json};

use super::Problem;
use crate::data::{Dataset, ImageShape, Normalization};
use crate::experiment::{Audit, Auditor, Border, ComputeOptions, NEGLIGIBLE_AT_THE_INPUT};
use crate::format::{Model, Reading, readings};

/// How much smaller the discrepancy of another reading must be to be preferred.
const CLEARLY: f64 = 0.6;
/// A median discrepancy of a few blocks that leaves nothing to explain.
const NEGLIGIBLE: f64 = 0.04;
/// The largest discrepancy with which another reading is taken.
const ACCEPTABLE: f64 = 0.3;
/// Respects in which one reading can differ from another.
const MOST_CHANGES: usize = 4;

/// What an audit decided that the file leaves open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// The preset that the inputs are normalised by.
    Normalization(String),
    /// How the tensors are read, in words.
    Reading(String),
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normalization(name) => write!(formatter, "normalisation `{name}`"),
            Self::Reading(words) => formatter.write_str(words),
        }
    }
}

/// What an audit found.
pub(crate) struct Finding {
    /// The audit of the network as it is read now.
    pub audit: Audit,
    /// What it decided.
    pub decisions: Vec<Decision>,
    /// What records keep of it.
    pub summary: StatisticsAudit,
}

impl Finding {
    /// The finding with every normalisation, for JSON. Errors: a number that JSON cannot hold.
    pub fn document(&self) -> serde_json::Result<Value> {
        let layers = self.audit.agreements.iter().map(|agreement| {
            json!({
                "layer": agreement.layer,
                "block": agreement.block,
                "shift": agreement.shift,
                "spread": agreement.spread,
            })
        });
        let mut document = serde_json::to_value(&self.summary)?;
        if let Some(document) = document.as_object_mut() {
            document.insert("layers".into(), layers.collect());
        }
        Ok(document)
    }

    /// The finding in one line.
    pub fn line(&self) -> String {
        let StatisticsAudit {
            images,
            discrepancy,
            decided,
            disagreement,
        } = &self.summary;
        let figures = format!("median discrepancy {discrepancy:.2} over {images} images");
        let decided = match decided.as_slice() {
            [] => String::new(),
            decided => format!("; decided by it: {}", decided.join(", ")),
        };
        match disagreement {
            None => format!(
                "audit: the batch statistics agree with the stored ones ({figures}){decided}"
            ),
            Some(what) => format!("warning: the audit disagrees ({figures}){decided}: {what}"),
        }
    }
}

/// Where other readings of a network are tried.
#[derive(Clone, Copy)]
pub(crate) enum Search {
    /// Wherever one could fit clearly better: for networks that were guessed.
    Everywhere,
    /// Where the network disagrees with its statistics, for advice: its file states what it is.
    Disagreements,
}

/// Decides what `model` leaves open by the images of `data`; `None` where the network stores no
/// statistics, or the data are no images. Errors: images that do not fit the network.
pub(crate) fn audit(
    model: &mut Model,
    data: &Dataset,
    compute: ComputeOptions,
    search: Search,
) -> Result<Option<Finding>, Problem> {
    let mut decisions = Vec::new();
    let mut advice = None;
    for change in 0..=MOST_CHANGES {
        let Some(auditor) = Auditor::new(&model.network, data, compute) else {
            return Ok(None);
        };
        let input = Input::find(&auditor, &model.card.normalization, search)?;
        if let Some((name, better)) = input.better {
            match better {
                Some(normalization) if model.open.normalization => {
                    decisions.push(Decision::Normalization(name));
                    model.card.normalization = normalization;
                    model.open.normalization = false;
                    continue;
                }
                _ => advice = Some(format!("the normalisation `{name}`")),
            }
        }
        let found = auditor.audit(&model.card.normalization, input.border)?;
        let fits = match search {
            Search::Everywhere => found.is_close(),
            Search::Disagreements => found.disagreement().is_none(),
        };
        let better = match fits {
            true => None,
            false => better_reading(model, &auditor, &found)?,
        };
        match better {
            // What a network that is fed wrongly suggests is no reason to change it.
            Some(reading)
                if advice.is_none()
                    && change < MOST_CHANGES
                    && model.open.subjects.contains(&reading.subject()) =>
            {
                model.read_as(&reading.specification)?;
                decisions.push(Decision::Reading(reading.words));
            }
            other => {
                let advice = advice.or(other.map(|reading| reading.words));
                let disagreement = disagreement(model, &found, advice);
                let summary = StatisticsAudit {
                    images: found.images,
                    discrepancy: (100.0 * found.discrepancy()).round() / 100.0,
                    decided: decisions.iter().map(Decision::to_string).collect(),
                    disagreement,
                };
                return Ok(Some(Finding {
                    audit: found,
                    decisions,
                    summary,
                }));
            }
        }
        advice = None;
    }
    Err(Problem::Internal("an audit that does not end".into()))
}

/// The other reading that fits best, if it fits clearly better.
fn better_reading(
    model: &Model,
    auditor: &Auditor<'_>,
    found: &Audit,
) -> Result<Option<Reading>, Problem> {
    let mut best = (CLEARLY, None);
    let others = model.open.alternatives.iter().cloned();
    for reading in others.chain(readings(&model.card.specification)) {
        let compared = auditor.compare(found, &reading.specification, &model.card.normalization)?;
        if let Some([own, other]) = compared
            && own > NEGLIGIBLE
            && other < ACCEPTABLE
            && other / own < best.0
        {
            best = (other / own, Some(reading));
        }
    }
    Ok(best.1)
}

/// How inputs fit the first normalisation.
struct Input {
    /// The shifts with which the current normalisation of inputs fits best.
    border: Border,
    /// The one that fits best, with its name, if it fits clearly better; without values where the
    /// channels are in the other order.
    better: Option<(String, Option<Normalization>)>,
}

impl Input {
    fn find(
        auditor: &Auditor<'_>,
        current: &Normalization,
        search: Search,
    ) -> Result<Self, Problem> {
        let (own, border) = auditor.at_the_input(current, false)?;
        let mut input = Self {
            border,
            better: None,
        };
        let fits = match search {
            Search::Everywhere => NEGLIGIBLE_AT_THE_INPUT,
            Search::Disagreements => ACCEPTABLE,
        };
        if own < fits {
            return Ok(input);
        }
        let mut best = CLEARLY * own;
        for (name, other) in normalizations(auditor.images()) {
            let (found, _) = auditor.at_the_input(&other, false)?;
            if found < best {
                best = found;
                input.better = Some((name.to_owned(), Some(other)));
            }
        }
        if auditor.images().channels > 1 && auditor.at_the_input(current, true)?.0 < best {
            input.better = Some(("channels in the order blue, green, red".to_owned(), None));
        }
        Ok(input)
    }
}

/// Normalisations in use for images of that shape.
fn normalizations(images: ImageShape) -> Vec<(&'static str, Normalization)> {
    let mut all: Vec<(&str, Normalization)> = Vec::new();
    for name in Normalization::preset_names() {
        let preset = Normalization::preset(name).ok();
        all.extend(preset.map(|preset| (*name, preset)));
    }
    // Of many people's networks for CIFAR-10.
    let values = "0.4914,0.4822,0.4465/0.2023,0.1994,0.2010";
    all.extend(values.parse().ok().map(|found| (values, found)));
    all.retain(|(_, preset)| preset.check(images).is_ok());
    all
}

/// Where the network first disagrees with its statistics, and what would fit better.
fn disagreement(model: &Model, audit: &Audit, advice: Option<String>) -> Option<String> {
    let blocks = &model.card.specification.blocks;
    let first = audit.disagreement();
    let place = first.map(|first| {
        let block = first
            .block
            .and_then(|number| Some((number, blocks.get(number)?)));
        let place = match block {
            Some((number, block)) => format!("block {number} ({})", block.name),
            None => format!("`{}`", first.layer),
        };
        let discrepancy = first.discrepancy();
        format!("it starts at {place}, with a discrepancy of {discrepancy:.2}")
    });
    let advice = advice.map(|advice| format!("{advice} would fit better"));
    match (place, advice) {
        (Some(place), Some(advice)) => Some(format!("{place}; {advice}")),
        (Some(place), None) => Some(format!("{place}; nothing that was tried fits better")),
        (None, advice) => advice,
    }
}
