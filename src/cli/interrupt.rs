//! Ctrl-C asks; the work in hand is finished and written, then the command ends.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Problem;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Begins to watch for Ctrl-C and requests to end.
///
/// # Errors
/// Where the system gives no handler.
pub(super) fn watch() -> Result<(), Problem> {
    ctrlc::set_handler(|| ASKED.store(true, Ordering::Relaxed))
        .map_err(|fault| Problem::Failed(format!("cannot watch for Ctrl-C: {fault}")))
}

/// Whether the person wants the command to end.
pub(super) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
