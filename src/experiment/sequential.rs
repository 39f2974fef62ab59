//! Comparisons that stop as soon as they are tight enough, or as their verdict is settled.

use pathscope_analysis::record::{
    BatchNormStatistics, Change, LesionKind, Outcome, Record, Screened,
};
use pathscope_analysis::{ConfidenceSequence, Level, is_settled, observe_pairs};

use super::{ExperimentError, Journal, Laboratory, Measurement, Outcomes};

/// Examples between two looks. A multiple of the rows in a bank of substitutes, so that an example
/// meets the same one however the data are cut.
const BETWEEN_LOOKS: usize = 256;

/// When the measurement of a change ends before all examples are measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EarlyStop {
    /// The 95 % confidence sequence of its paired error difference from the intact network is at most
    /// so wide. That interval holds however often one looks, if the examples are in random order.
    Width(f64),
    /// The verdict on it at this margin, a share of the examples, is settled whatever the other examples
    /// give. A change that leaves the output of its block as it is on every example is not measured at
    /// all. Every verdict is that on all examples, in any order.
    Verdict(f64),
}

impl Laboratory<'_> {
    /// As [`Laboratory::measure`], but every change is measured only until `stop` against the intact
    /// network, the first of `measurements`.
    ///
    /// # Errors
    /// As [`Laboratory::measure`]; [`ExperimentError::Impossible`] for recalibrated statistics,
    /// which belong to a set of examples as a whole, and for verdicts on changes that have none.
    pub fn measure_until(
        &self,
        stop: EarlyStop,
        measurements: &[Measurement],
        journal: &mut Journal,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ExperimentError> {
        let Some((intact, changed)) = measurements.split_first() else {
            return Ok(());
        };
        check(stop, changed)?;
        self.measure(std::slice::from_ref(intact), journal, progress)?;
        let Some(Record::Outcome(intact)) = journal.get(&intact.key).cloned() else {
            return Ok(());
        };
        let is_missing = |measurement: &&Measurement| journal.get(&measurement.key).is_none();
        let mut missing: Vec<&Measurement> = changed.iter().filter(is_missing).collect();
        if let EarlyStop::Verdict(_) = stop {
            missing = self.record_without_effect(&missing, &intact, journal)?;
        }
        progress((changed.len() - missing.len()) as u64);
        let rule = Rule {
            stop,
            intact: intact.wrong.to_vec(intact.examples),
            positions: intact.positions,
            changes: changed.len(),
        };
        for group in missing.chunks(super::laboratory::AT_ONCE) {
            for (measurement, outcomes) in group.iter().zip(self.until(&rule, group)?) {
                let mut outcome = self.record(measurement, &outcomes)?;
                let settled =
                    matches!(stop, EarlyStop::Verdict(_)) && outcome.examples < intact.examples;
                outcome.screened = settled.then_some(Screened::Settled);
                journal.append(Record::Outcome(outcome))?;
            }
            progress(group.len() as u64);
        }
        Ok(())
    }

    /// Records the outcome of every measurement that changes no output of its block, and gives the others.
    fn record_without_effect<'m>(
        &self,
        measurements: &[&'m Measurement],
        intact: &Outcome,
        journal: &mut Journal,
    ) -> Result<Vec<&'m Measurement>, ExperimentError> {
        let plans: Vec<_> = measurements.iter().map(|m| m.plan.clone()).collect();
        let sweep = self.sweep(self.frozen(), self.data());
        let idle = sweep.without_effect(&plans)?;
        let mut others = Vec::new();
        for (&measurement, idle) in measurements.iter().zip(idle) {
            if !idle {
                others.push(measurement);
                continue;
            }
            journal.append(Record::Outcome(Outcome {
                screened: Some(Screened::NoEffect),
                ..self.described(measurement, intact.clone())?
            }))?;
        }
        Ok(others)
    }

    /// What each measurement gives on the first examples, as many as it takes.
    fn until(
        &self,
        rule: &Rule,
        measurements: &[&Measurement],
    ) -> Result<Vec<Outcomes>, ExperimentError> {
        let examples = self.data().len();
        let mut found = vec![Outcomes::default(); measurements.len()];
        let mut open: Vec<usize> = (0..measurements.len()).collect();
        let mut first = 0;
        while first < examples && !open.is_empty() {
            let end = (first + BETWEEN_LOOKS).min(examples);
            let chosen: Vec<usize> = (first..end).collect();
            let part = self.data().select(&chosen)?;
            let plans: Vec<_> = open
                .iter()
                .map(|&measurement| measurements[measurement].plan.clone())
                .collect();
            let outcomes = self.sweep(self.frozen(), &part).evaluate(&plans, &|_| {})?;
            let mut left = Vec::new();
            for (&measurement, outcomes) in open.iter().zip(outcomes) {
                found[measurement].extend(&outcomes);
                if !rule.is_enough(&found[measurement].wrong(self.data().labels()))? {
                    left.push(measurement);
                }
            }
            (open, first) = (left, end);
        }
        Ok(found)
    }
}

/// Refuses changes on which `stop` can never decide.
fn check(stop: EarlyStop, changed: &[Measurement]) -> Result<(), ExperimentError> {
    let lesions = || {
        changed
            .iter()
            .filter_map(|measurement| match &measurement.change {
                Change::Lesion(lesion) => Some(lesion),
                _ => None,
            })
    };
    let what = if lesions().any(|lesion| lesion.batch_norm == BatchNormStatistics::Recalibrated) {
        "recalibrated statistics cannot be combined with an early stop; use frozen ones or \
         measure all examples"
    } else if matches!(stop, EarlyStop::Verdict(_))
        && lesions().any(|lesion| lesion.kind == LesionKind::Skip || lesion.random_weights)
    {
        "there is no verdict on skips that are cut or on random weights, so the sweep cannot be \
         screened by it; measure all examples"
    } else {
        return Ok(());
    };
    Err(ExperimentError::Impossible(what.into()))
}

/// When enough examples of a change are measured.
struct Rule {
    stop: EarlyStop,
    /// Which predictions of the intact network are wrong.
    intact: Vec<bool>,
    positions: usize,
    /// Changes in the sweep, over which verdicts are corrected.
    changes: usize,
}

impl Rule {
    /// Whether the first predictions after a change, of which these are wrong, suffice.
    fn is_enough(&self, wrong: &[bool]) -> Result<bool, ExperimentError> {
        let (intact, positions) = (&self.intact, self.positions);
        match self.stop {
            EarlyStop::Width(width) => {
                let mut sequence = ConfidenceSequence::paired_errors(Level::P95);
                observe_pairs(&mut sequence, intact, wrong, positions).map_err(analysis)?;
                Ok(sequence.interval().width() <= width)
            }
            EarlyStop::Verdict(margin) => {
                is_settled(intact, wrong, positions, margin, Level::P95, self.changes)
                    .map_err(analysis)
            }
        }
    }
}

fn analysis(fault: impl ToString) -> ExperimentError {
    ExperimentError::Analysis(fault.to_string())
}
