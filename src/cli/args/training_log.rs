use std::path::Path;

use crate::cli::Problem;
use crate::training::{RunHeader, RunRecord, RunResult, read_log};

/// What the log of a training says of it: its header, and its result once it has ended. `run` is
/// its folder, or the log itself. Errors: a file that is no such log.
pub(crate) fn training_log(run: &Path) -> Result<(Box<RunHeader>, Option<RunResult>), Problem> {
    let log = if run.is_dir() {
        run.join("log.jsonl")
    } else {
        run.to_owned()
    };
    let mut header = None;
    let mut result = None;
    for record in read_log(&log)? {
        match record {
            RunRecord::Header(found) => header = Some(found),
            RunRecord::Result(found) => result = Some(found),
            RunRecord::Epoch(_) => {}
        }
    }
    let header = header.ok_or_else(|| {
        Problem::BadInput(format!(
            "{}: not a training log: it has no header",
            log.display()
        ))
    })?;
    Ok((header, result))
}
