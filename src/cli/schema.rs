use clap::{Args, ValueEnum};
use pathscope_analysis::record::{FamilyMember, Record};
use schemars::schema_for;

use super::Problem;
use super::terminal::Terminal;
use crate::report::PathCountsFile;

/// Prints the JSON schema of what pathscope writes.
///
/// Results files are JSON Lines: each line is one record, and the first one the header.
///
/// Example: pathscope schema records
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Of what.
    #[arg(value_enum, default_value_t = SchemaName::Records)]
    of: SchemaName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SchemaName {
    /// A line of the results of experiments.
    Records,
    /// What `multiplicity --json` prints.
    Multiplicity,
    /// A line of a family of networks with their errors.
    Family,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let schema = match arguments.of {
        SchemaName::Records => schema_for!(Record),
        SchemaName::Multiplicity => schema_for!(PathCountsFile),
        SchemaName::Family => schema_for!(FamilyMember),
    };
    terminal.result(&format!("{:#}", schema.to_value()))
}
