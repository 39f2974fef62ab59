//! Comparisons that stop as soon as they are tight enough.

use pathscope_analysis::record::{BatchNormStatistics, Change, Outcome, Record};
use pathscope_analysis::{ConfidenceSequence, Level, SequentialError};

use super::{Cell, ExperimentError, Journal, Laboratory};

/// Examples between two looks. A multiple of the rows in a bank of substitutes, so that an example
/// meets the same one however the data are cut.
const BETWEEN_LOOKS: usize = 256;

impl Laboratory<'_> {
    /// As [`Laboratory::measure`], but every change is measured only until the 95 % confidence
    /// sequence of its paired error difference from the intact network, the first of `cells`, is
    /// at most `width` wide. That interval holds however often one looks, if the examples are in
    /// random order.
    ///
    /// # Errors
    /// As [`Laboratory::measure`]; [`ExperimentError::Impossible`] for recalibrated statistics,
    /// which belong to a set of examples as a whole.
    pub fn measure_until(
        &self,
        width: f64,
        cells: &[Cell],
        journal: &mut Journal,
        progress: &dyn Fn(u64),
    ) -> Result<(), ExperimentError> {
        let recalibrated = |cell: &Cell| {
            matches!(&cell.change, Change::Lesion(lesion)
                if lesion.batch_norm == BatchNormStatistics::Recalibrated)
        };
        if cells.iter().any(recalibrated) {
            return Err(ExperimentError::Impossible {
                what: "recalibrated statistics cannot be combined with an early stop; use frozen \
                       ones or measure all examples"
                    .into(),
            });
        }
        let Some((intact, changed)) = cells.split_first() else {
            return Ok(());
        };
        self.measure(std::slice::from_ref(intact), journal, progress)?;
        let Some(Record::Outcome(intact)) = journal.get(&intact.key).cloned() else {
            return Ok(());
        };
        let (known, missing): (Vec<&Cell>, Vec<&Cell>) = changed
            .iter()
            .partition(|cell| journal.get(&cell.key).is_some());
        progress(known.len() as u64);
        for group in missing.chunks(super::laboratory::CELLS_AT_ONCE) {
            for (cell, outcomes) in group.iter().zip(self.until(width, group, &intact)?) {
                journal.append(Record::Outcome(self.record(cell, &outcomes)?))?;
            }
            progress(group.len() as u64);
        }
        Ok(())
    }

    /// What each cell gives on the first examples, as many as it takes.
    fn until(
        &self,
        width: f64,
        cells: &[&Cell],
        intact: &Outcome,
    ) -> Result<Vec<super::Outcomes>, ExperimentError> {
        let examples = self.data().len();
        let (labels, positions) = (self.data().labels(), self.data().positions());
        let intact = intact.wrong.to_vec(intact.examples);
        let mut found = vec![super::Outcomes::pending(0); cells.len()];
        let mut sequences = vec![ConfidenceSequence::paired_errors(Level::P95); cells.len()];
        let mut first = 0;
        while first < examples {
            let open: Vec<usize> = (0..cells.len())
                .filter(|&cell| sequences[cell].interval().width() > width)
                .collect();
            if open.is_empty() {
                break;
            }
            let end = (first + BETWEEN_LOOKS).min(examples);
            let chosen: Vec<usize> = (first..end).collect();
            let part = self.data().select(&chosen)?;
            let plans: Vec<_> = open.iter().map(|&cell| cells[cell].plan.clone()).collect();
            let outcomes = self.sweep(self.frozen(), &part).evaluate(&plans, &|_| {})?;
            for (&cell, outcomes) in open.iter().zip(outcomes) {
                let here = first * positions..end * positions;
                let wrong = outcomes.wrong(&labels[here.clone()]);
                let sequence = &mut sequences[cell];
                observe(sequence, &intact[here], &wrong, positions).map_err(analysis)?;
                found[cell].extend(outcomes);
            }
            first = end;
        }
        Ok(found)
    }
}

/// The confidence sequence of the error difference of `outcome` from `intact`, over the examples
/// that both measured.
///
/// # Errors
/// None for outcomes that were measured.
pub fn paired_sequence(
    intact: &Outcome,
    outcome: &Outcome,
) -> Result<ConfidenceSequence, SequentialError> {
    let examples = outcome.examples.min(intact.examples);
    let mut sequence = ConfidenceSequence::paired_errors(Level::P95);
    observe(
        &mut sequence,
        &intact.wrong.to_vec(examples),
        &outcome.wrong.to_vec(examples),
        outcome.positions,
    )?;
    Ok(sequence)
}

/// One observation for each example: its difference, the mean over the positions of a sequence.
fn observe(
    sequence: &mut ConfidenceSequence,
    intact: &[bool],
    changed: &[bool],
    positions: usize,
) -> Result<(), SequentialError> {
    let rate = |wrong: &[bool]| {
        let errors = wrong.iter().filter(|&&wrong| wrong).count();
        errors as f64 / wrong.len().max(1) as f64
    };
    let positions = positions.max(1);
    for (intact, changed) in intact.chunks(positions).zip(changed.chunks(positions)) {
        sequence.observe(rate(changed) - rate(intact))?;
    }
    Ok(())
}

fn analysis(fault: SequentialError) -> ExperimentError {
    ExperimentError::Analysis(fault.to_string())
}
