//! What the loss of each block costs.

use pathscope_analysis::record::Journal;

use crate::lesions::{Target, intact, single_lesions};

/// What the loss of blocks and functions costs, in percentage points of error.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Effects {
    /// How they were disabled.
    pub method: String,
    found: Vec<(Target, f64)>,
}

impl Effects {
    /// Those of the first method that was measured against the intact network, deletion first.
    pub fn of(journals: &[&Journal]) -> Option<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut data: Option<&str> = None;
        for journal in journals {
            let outcomes = journal.outcomes();
            let Some(intact) = intact(&outcomes) else {
                continue;
            };
            for (method, lesions) in single_lesions(&outcomes) {
                // Effects on different examples do not belong side by side.
                let hash = journal.header.data.hash.as_str();
                if *data.get_or_insert(hash) != hash {
                    continue;
                }
                let found: Vec<(Target, f64)> = lesions
                    .iter()
                    .filter(|single| single.against_intact.is_some())
                    .map(|single| {
                        let points = 100.0 * (single.outcome.error() - intact.error());
                        (single.target, points)
                    })
                    .collect();
                match all.iter_mut().find(|effects| effects.method == method) {
                    Some(effects) => effects.found.extend(found),
                    None => all.push(Self { method, found }),
                }
            }
        }
        all.retain(|effects| !effects.found.is_empty());
        all.into_iter()
            .min_by_key(|effects| effects.method != "deleted")
    }

    /// The effect of one target, where it was measured.
    pub fn at(&self, target: Target) -> Option<f64> {
        let mut found = self.found.iter();
        found
            .find(|(known, _)| *known == target)
            .map(|(_, points)| *points)
    }

    /// The largest effect, or 0 where none is harmful.
    pub fn largest(&self) -> f64 {
        let points = self.found.iter().map(|(_, points)| *points);
        points.fold(0.0, f64::max)
    }
}
