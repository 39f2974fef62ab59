//! What long loops do between two steps: they report, and they look whether to go on.

use std::sync::atomic::{AtomicU64, Ordering};

use super::ExperimentError;

/// Where a loop reports finished steps, and whom it asks whether to stop.
#[derive(Clone, Copy)]
pub(super) struct Pulse<'a> {
    /// Told of steps done.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Whether to give up.
    pub stop: Option<fn() -> bool>,
}

impl Pulse<'_> {
    /// Reports `steps` done.
    ///
    /// # Errors
    /// [`ExperimentError::Stopped`] where the loop is to end.
    pub fn beat(&self, steps: u64) -> Result<(), ExperimentError> {
        if self.stop.is_some_and(|stop| stop()) {
            return Err(ExperimentError::Stopped);
        }
        (self.progress)(steps);
        Ok(())
    }
}

/// Blocks computed for several measurements together, reported as measurements.
pub(super) struct Share<'a> {
    measurements: u64,
    /// Blocks of all measurements.
    whole: u64,
    done: AtomicU64,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<'a> Share<'a> {
    pub fn new(measurements: usize, whole: u64, progress: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self {
            measurements: measurements as u64,
            whole: whole.max(1),
            done: AtomicU64::new(0),
            progress,
        }
    }

    /// Reports as many measurements as `blocks` more blocks make.
    pub fn add(&self, blocks: u64) {
        let before = self.done.fetch_add(blocks, Ordering::Relaxed);
        let measurements = |blocks: u64| blocks.min(self.whole) * self.measurements / self.whole;
        match measurements(before + blocks) - measurements(before) {
            0 => {}
            more => (self.progress)(more),
        }
    }

    /// Reports what is left, such as the work of other processes.
    pub fn complete(&self) {
        self.add(self.whole);
    }
}
