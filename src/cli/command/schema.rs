use clap::{Args, ValueEnum};
use pathscope_analysis::record::{FamilyMember, Record};
use schemars::schema_for;

use super::Execute;
use crate::cli::{Problem, Terminal};
use crate::report::PathCountsFile;

/// Print the JSON schema of the files that pathscope writes
///
/// A results file is JSON Lines: a header, then one record per line.
///
/// Example: pathscope schema records
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Schema to print
    #[arg(value_enum, default_value_t = SchemaName::Records)]
    of: SchemaName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SchemaName {
    /// A line of a results file
    Records,
    /// The output of `multiplicity --format json`
    Multiplicity,
    /// A line of a list of networks with their errors
    Family,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let schema = match self.of {
            SchemaName::Records => schema_for!(Record),
            SchemaName::Multiplicity => schema_for!(PathCountsFile),
            SchemaName::Family => schema_for!(FamilyMember),
        };
        terminal.result(&format!("{:#}", schema.to_value()))
    }
}
