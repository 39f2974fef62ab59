//! What the commands that measure a network have open before their first measurement.

use pathscope_analysis::record::{Options, StatisticsAudit};

use super::args::{ComputeArguments, DataArguments, ModelArguments, ResultsArguments, Subject};
use super::{Problem, Terminal, interrupt};
use crate::data::{Dataset, Normalization};
use crate::experiment::{
    ComputeOptions, ExperimentError, Journal, Laboratory, Measurement, Origin,
};
use crate::format::{LoadNote, Model, ModelCard};
use crate::network::TrainableNetwork;

/// A network on its device, examples, and the place for results.
pub(crate) struct Session<'a> {
    /// What messages call the network: its file.
    name: String,
    pub card: ModelCard,
    pub hash: String,
    /// What was noted when the model was recognised.
    pub notes: Vec<LoadNote>,
    /// How its statistics agree with the examples.
    pub audit: Option<StatisticsAudit>,
    pub network: TrainableNetwork,
    pub data: Dataset,
    pub compute: ComputeOptions,
    results: &'a ResultsArguments,
    pub terminal: &'a Terminal,
}

impl<'a> Session<'a> {
    /// Reads the model and the examples. Errors: files that cannot be used, or a device that does
    /// not exist.
    pub fn open(
        model: &ModelArguments,
        data: &DataArguments,
        compute: &ComputeArguments,
        results: &'a ResultsArguments,
        terminal: &'a Terminal,
    ) -> Result<Self, Problem> {
        let compute = compute.options()?;
        let file = &model.model;
        let load = |read: &mut Model| data.load(read, file, terminal);
        let subject = model.reading.open(file, load, compute, terminal)?;
        Self::new(subject, compute, results, terminal)
    }

    /// A session with a model and examples that were read already. Errors: a device that refuses
    /// the network.
    pub fn new(
        Subject {
            name,
            model,
            data,
            audit,
        }: Subject,
        compute: ComputeOptions,
        results: &'a ResultsArguments,
        terminal: &'a Terminal,
    ) -> Result<Self, Problem> {
        let mut card = model.card;
        if data.is_normalized() {
            // Records state what was done here.
            card.normalization = Normalization::preset("none")?;
        }
        Ok(Self {
            name,
            network: model.network.to_device(compute.device)?,
            card,
            hash: model.hash,
            notes: model.notes,
            audit,
            data,
            compute,
            results,
            terminal,
        })
    }

    /// A laboratory on the examples, which stops on Ctrl-C. Errors: examples that do not fit the
    /// network.
    pub fn laboratory(&self) -> Result<Laboratory<'_>, Problem> {
        self.laboratory_on(&self.data, &self.data)
    }

    /// A laboratory on other examples. Errors: examples that do not fit the network.
    pub fn laboratory_on<'s>(
        &'s self,
        data: &'s Dataset,
        calibration: &'s Dataset,
    ) -> Result<Laboratory<'s>, Problem> {
        let normalization = &self.card.normalization;
        let laboratory = Laboratory::new(
            &self.network,
            data,
            calibration,
            normalization,
            self.compute,
        )?;
        Ok(laboratory.stopping_when(interrupt::asked))
    }

    /// Opens the records of an experiment: a results file, or memory where none was asked for.
    /// Errors: a file of another measurement, or one that cannot be written.
    pub fn journal(
        &self,
        laboratory: &Laboratory<'_>,
        options: Options,
        seed: u64,
    ) -> Result<Journal, Problem> {
        self.journal_in(self.results, laboratory, options, seed)
    }

    /// The same in another place. Errors: a file of another measurement, or one that cannot be
    /// written.
    pub fn journal_in(
        &self,
        results: &ResultsArguments,
        laboratory: &Laboratory<'_>,
        options: Options,
        seed: u64,
    ) -> Result<Journal, Problem> {
        let origin = Origin {
            title: &self.card.title,
            hash: &self.hash,
            seed,
            command: recorded(self.terminal.command()),
            audit: self.audit.clone(),
        };
        let header = laboratory.header(options, origin)?;
        results.open(header, self.terminal)
    }

    /// Measures `measurements` with a progress bar. Errors: a measurement that fails, or Ctrl-C.
    pub fn measure(
        &self,
        laboratory: &Laboratory<'_>,
        measurements: &[Measurement],
        journal: &mut Journal,
    ) -> Result<(), Problem> {
        self.results
            .measure(laboratory, measurements, journal, self.terminal)
            .map_err(|problem| problem.with_network(&self.name))
    }

    /// Does `work`, which reports finished steps, with a progress bar over so many `steps`; `hint`
    /// says how to make it shorter. Errors: work that fails, or Ctrl-C.
    pub fn with_bar<T>(
        &self,
        steps: u64,
        hint: &str,
        work: impl FnOnce(&(dyn Fn(u64) + Sync)) -> Result<T, ExperimentError>,
    ) -> Result<T, Problem> {
        self.results
            .with_bar(self.terminal, steps, hint, work)
            .map_err(|problem| problem.with_network(&self.name))
    }

    /// Does what only one of several processes may do, such as writing files: the first. Errors:
    /// whatever `work` meets.
    pub fn first<T>(
        &self,
        work: impl FnOnce() -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.compute.team.is_first().then(work).transpose()
    }
}

/// A command without what cannot change a result: where it is written, and how it is divided.
fn recorded(command: &[String]) -> Vec<String> {
    const LEFT_OUT: [&str; 3] = ["--json", "--results", "--shard"];
    let mut kept = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        let (name, holds_value) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word.as_str(), false),
        };
        if !LEFT_OUT.contains(&name) {
            kept.push(word.clone());
        } else if !holds_value {
            let _value = words.next();
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::recorded;

    #[test]
    fn a_recorded_command_leaves_out_where_results_go() {
        let given = "lesion m.pt --json a.jsonl --each --shard=1/3 --results b.jsonl --seed 4";
        let given: Vec<String> = given.split(' ').map(str::to_owned).collect();
        assert_eq!(recorded(&given).join(" "), "lesion m.pt --each --seed 4");
    }
}
