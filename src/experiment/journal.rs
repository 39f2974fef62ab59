//! Results of processes that work together: the first one holds the file.

use std::path::Path;

use pathscope_analysis::record::{Header, JournalWriter};
use pathscope_team::Team;

use super::ExperimentError;

/// Opens the results in `file` for all processes of `team`: the first one reads and writes the
/// file, and tells the others what it holds.
///
/// # Errors
/// As [`JournalWriter::open`], in every process.
pub fn open_together(
    team: Team,
    file: &Path,
    header: Header,
) -> Result<JournalWriter, ExperimentError> {
    if team.size() == 1 {
        return Ok(JournalWriter::open(file, header)?);
    }
    if team.is_first() {
        let opened = JournalWriter::open(file, header);
        let known = match &opened {
            Ok(journal) => journal.text().map_err(|fault| fault.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let _told = team.firsts(known)?;
        return Ok(opened?);
    }
    let known: Result<Vec<u8>, String> = team.firsts(Ok(Vec::new()))?;
    let known = known.map_err(|what| ExperimentError::Elsewhere { rank: 0, what })?;
    Ok(JournalWriter::of_text(file, &known, header)?)
}
