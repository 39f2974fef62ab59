//! Changes to a network, evaluated and recorded.

use num_bigint::BigUint;
use pathscope_analysis::record::{
    BatchNormStatistics, BlockIdentity, Change, DataIdentity, Header, ModelIdentity, Outcome,
    Record, SCHEMA_VERSION, WrongExamples,
};
use tch::Kind;

use super::batches::Batches;
use super::share::share;
use super::{
    ComputeOptions, ExperimentError, Journal, Outcomes, Place, SpectrumOptions, Sweep, check_fit,
};
use crate::data::{Dataset, Normalization};
use crate::network::{
    BlockShape, FeatureShape, FrozenNetwork, Plan, Specification, Substitutes, TrainableNetwork,
};
use crate::team::Team;

/// One measurement to make: a change, and the plan that carries it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Names the measurement within its journal.
    pub key: String,
    /// What is done to the network.
    pub change: Change,
    /// Number of the random draw that chose it.
    pub draw: Option<u64>,
    /// How it is computed.
    pub plan: Plan,
}

/// A trained network with the examples on which changes to it are measured.
#[derive(Debug)]
pub struct Laboratory<'a> {
    network: &'a TrainableNetwork,
    frozen: FrozenNetwork,
    data: &'a Dataset,
    /// Examples that statistics are measured on: never the labels, only the images.
    calibration: &'a Dataset,
    normalization: &'a Normalization,
    options: ComputeOptions,
    substitutes: Substitutes,
    shapes: Vec<BlockShape>,
    stop: Option<fn() -> bool>,
}

/// Cells that are evaluated together and then recorded: enough to share prefixes, few enough
/// that a killed run loses little.
pub(super) const CELLS_AT_ONCE: usize = 64;

impl<'a> Laboratory<'a> {
    /// Freezes `network` and checks that it takes the images or tokens of `data`. What changed networks
    /// need of statistics is measured on `calibration`.
    ///
    /// # Errors
    /// Data that do not fit the network.
    pub fn new(
        network: &'a TrainableNetwork,
        data: &'a Dataset,
        calibration: &'a Dataset,
        normalization: &'a Normalization,
        options: ComputeOptions,
    ) -> Result<Self, ExperimentError> {
        for data in [data, calibration] {
            check_fit(network.specification(), data)?;
        }
        let frozen = FrozenNetwork::freeze(network, Kind::Float)?;
        let batches = Batches {
            data,
            normalization,
            options,
            stop: None,
        };
        let shapes = network.specification().shapes(batches.input())?;
        Ok(Self {
            network,
            frozen,
            data,
            calibration,
            normalization,
            options,
            substitutes: Substitutes::default(),
            shapes,
            stop: None,
        })
    }

    /// Asks `stop` between micro-batches whether to give up.
    #[must_use]
    pub fn stopping_when(mut self, stop: fn() -> bool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Gives lesions that substitute outputs what stands in for them.
    #[must_use]
    pub fn with_substitutes(mut self, substitutes: Substitutes) -> Self {
        self.substitutes = substitutes;
        self
    }

    /// The frozen network.
    #[must_use]
    pub fn frozen(&self) -> &FrozenNetwork {
        &self.frozen
    }

    /// The network as it was given.
    pub(super) fn network(&self) -> &TrainableNetwork {
        self.network
    }

    /// The description of the network.
    #[must_use]
    pub fn specification(&self) -> &Specification {
        self.network.specification()
    }

    /// Shapes at the blocks.
    #[must_use]
    pub fn shapes(&self) -> &[BlockShape] {
        &self.shapes
    }

    /// The examples.
    #[must_use]
    pub fn data(&self) -> &'a Dataset {
        self.data
    }

    /// The processes that share the work.
    pub(super) fn team(&self) -> Team {
        self.options.team
    }

    /// The micro-batches of the examples.
    pub(super) fn batches(&self) -> Batches<'a> {
        let (data, normalization) = (self.data, self.normalization);
        Batches {
            data,
            normalization,
            options: self.options,
            stop: self.stop,
        }
    }

    /// The micro-batches of the calibration examples.
    pub(super) fn calibration(&self) -> Batches<'a> {
        Batches {
            data: self.calibration,
            ..self.batches()
        }
    }

    /// Shape of one image.
    #[must_use]
    pub fn input(&self) -> FeatureShape {
        self.batches().input()
    }

    /// The plan of the whole network.
    #[must_use]
    pub fn intact(&self) -> Plan {
        Plan::intact(self.frozen.structure())
    }

    /// The cell of the network as it is.
    #[must_use]
    pub fn intact_cell(&self) -> Cell {
        Cell {
            key: "intact".into(),
            change: Change::Intact,
            draw: None,
            plan: self.intact(),
        }
    }

    /// A sweep of the frozen network over `data`.
    pub(super) fn sweep<'s>(&'s self, network: &'s FrozenNetwork, data: &'s Dataset) -> Sweep<'s> {
        let sweep = Sweep::new(network, data, self.normalization, self.options)
            .with_substitutes(self.substitutes.shallow_clone());
        match self.stop {
            Some(stop) => sweep.stopping_when(stop),
            None => sweep,
        }
    }

    /// Measures every cell that `journal` does not hold yet and records it there, in the order of
    /// `cells`. `progress` is told of cells done.
    ///
    /// # Errors
    /// A plan that does not fit, a journal that cannot be written, or
    /// [`ExperimentError::Stopped`] with what was finished recorded.
    pub fn measure(
        &self,
        cells: &[Cell],
        journal: &mut Journal,
        progress: &dyn Fn(u64),
    ) -> Result<(), ExperimentError> {
        // Whatever is compared with the intact network holds it.
        let shard = journal.header().shard;
        let mine = |(position, cell): &(usize, &Cell)| {
            cell.change == Change::Intact || shard.is_none_or(|shard| shard.takes(*position))
        };
        let missing: Vec<&Cell> = cells
            .iter()
            .enumerate()
            .filter(mine)
            .map(|(_, cell)| cell)
            .filter(|cell| journal.get(&cell.key).is_none())
            .collect();
        progress((cells.len() - missing.len()) as u64);
        for group in missing.chunks(CELLS_AT_ONCE) {
            for (cell, outcomes) in group.iter().zip(self.outcomes(group)?) {
                journal.append(Record::Outcome(self.record(cell, &outcomes)?))?;
            }
            progress(group.len() as u64);
        }
        Ok(())
    }

    /// The record of what one cell gives on every example, written nowhere.
    ///
    /// # Errors
    /// As [`Laboratory::measure`].
    pub fn outcome(&self, cell: &Cell) -> Result<Outcome, ExperimentError> {
        self.record(cell, &self.outcomes(&[cell])?.swap_remove(0))
    }

    /// What every cell gives on every example, recorded nowhere.
    ///
    /// # Errors
    /// As [`Laboratory::measure`].
    pub fn outcomes(&self, cells: &[&Cell]) -> Result<Vec<Outcomes>, ExperimentError> {
        let recalibrates = |cell: &Cell| match &cell.change {
            Change::Lesion(lesion) => lesion.batch_norm == BatchNormStatistics::Recalibrated,
            _ => false,
        };
        if !cells.iter().any(|cell| recalibrates(cell)) {
            let plans: Vec<Plan> = cells.iter().map(|cell| cell.plan.clone()).collect();
            return self
                .sweep(&self.frozen, self.data)
                .evaluate(&plans, &|_| {});
        }
        // Each changed network has statistics of its own: nothing to share but the cells.
        share(self.options.team, cells.len(), |place| {
            let cell = cells[place];
            let plan = std::slice::from_ref(&cell.plan);
            let recalibrated;
            let frozen = if recalibrates(cell) {
                let network = self.recalibrated(self.network, &cell.plan)?;
                recalibrated = FrozenNetwork::freeze(&network, Kind::Float)?;
                &recalibrated
            } else {
                &self.frozen
            };
            let sweep = self.sweep(frozen, self.data).alone();
            Ok(sweep.evaluate(plan, &|_| {})?.swap_remove(0))
        })
    }

    /// Measures the gradient by path length of the network under `plan`, in `kind`, and records
    /// every mini-batch in `journal`. `progress` is told of each.
    ///
    /// # Errors
    /// Too few examples, the gradient at tokens, one that is not finite, or
    /// [`ExperimentError::Stopped`] with what was finished recorded.
    pub fn spectrum(
        &self,
        plan: &Plan,
        options: &SpectrumOptions,
        kind: Kind,
        journal: &mut Journal,
        progress: &dyn Fn(u64),
    ) -> Result<(), ExperimentError> {
        if options.place == Place::Input && self.data.tokens(0..0).is_some() {
            return Err(ExperimentError::Impossible {
                what:
                    "tokens are numbers of rows of a table, at which there is no gradient; take it \
                       at the stem's output (--at stem)"
                        .into(),
            });
        }
        let frozen = FrozenNetwork::freeze(self.network, kind)?;
        options.measure(&frozen, plan, &self.batches(), journal, progress)
    }

    /// The record of what `cell` gave on the first examples: all, unless it was stopped early.
    pub(super) fn record(
        &self,
        cell: &Cell,
        outcomes: &Outcomes,
    ) -> Result<Outcome, ExperimentError> {
        let labels = self.data.labels();
        let wrong = outcomes.wrong(labels);
        let mut errors_by_class = vec![0; self.data.classes()];
        for (&label, _) in labels.iter().zip(&wrong).filter(|(_, wrong)| **wrong) {
            if let Some(count) = errors_by_class.get_mut(label as usize) {
                *count += 1;
            }
        }
        let cost = self.specification().cost(&cell.plan, self.input())?;
        Ok(Outcome {
            key: cell.key.clone(),
            change: cell.change.clone(),
            draw: cell.draw,
            errors: wrong.iter().filter(|&&wrong| wrong).count(),
            examples: wrong.len(),
            positions: self.data.positions(),
            loss: outcomes.mean_loss(),
            margin: outcomes.mean_margin(),
            errors_by_class,
            wrong: WrongExamples::new(&wrong),
            paths: self.paths(&cell.plan).to_string(),
            parameters: u64::try_from(cost.parameters).unwrap_or(0),
            multiply_adds: u64::try_from(cost.multiply_adds).unwrap_or(0),
        })
    }

    /// Paths through the network under `plan`: the product over its blocks of functions on, and
    /// one more for the skip.
    fn paths(&self, plan: &Plan) -> BigUint {
        let ways = plan
            .steps()
            .iter()
            .zip(plan.functions_on())
            .map(|(step, on)| {
                let skips = self
                    .frozen
                    .structure()
                    .blocks
                    .get(step.block.position())
                    // A plain layer that is off is passed over.
                    .is_some_and(|block| step.skip && (block.skip.is_some() || on == 0));
                BigUint::from(on + usize::from(skips))
            });
        ways.product()
    }

    /// The first line of a journal for this network and these examples.
    #[must_use]
    pub fn header(
        &self,
        experiment: &str,
        title: &str,
        hash: &str,
        seed: u64,
        options: serde_json::Value,
    ) -> Header {
        let specification = self.specification();
        let cost = specification
            .cost(&self.intact(), self.input())
            .unwrap_or_default();
        let blocks = specification
            .blocks
            .iter()
            .zip(&self.shapes)
            .map(|(block, shape)| BlockIdentity {
                name: block.name.clone(),
                functions: block.branches.len(),
                layers: block.convolutions(),
                shape: shape.output.to_string(),
                changes_shape: !shape.is_preserving(),
            });
        Header {
            schema: SCHEMA_VERSION,
            pathscope: env!("CARGO_PKG_VERSION").to_owned(),
            experiment: experiment.to_owned(),
            command: command(std::env::args().skip(1)),
            model: ModelIdentity {
                title: title.to_owned(),
                hash: hash.to_owned(),
                blocks: blocks.collect(),
                parameters: u64::try_from(cost.parameters).unwrap_or(0),
                multiply_adds: u64::try_from(cost.multiply_adds).unwrap_or(0),
            },
            data: DataIdentity {
                description: self.data.description().to_owned(),
                hash: self.data.content_hash(),
                examples: self.data.len(),
                positions: self.data.positions(),
                classes: self.data.classes(),
            },
            seed,
            options,
            shard: None,
        }
    }
}

/// A command without what cannot change a result: where it is written, and how it is divided.
fn command(mut arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    while let Some(argument) = arguments.next() {
        let (name, holds_value) = match argument.split_once('=') {
            Some((name, _)) => (name, true),
            None => (argument.as_str(), false),
        };
        if !["--json", "--shard"].contains(&name) {
            kept.push(argument);
        } else if !holds_value {
            let _value = arguments.next();
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_leaves_out_where_results_go() {
        let given = "lesion m.pt --json a.jsonl --each --shard=1/3 --seed 4";
        let kept = command(given.split(' ').map(str::to_owned));
        assert_eq!(kept.join(" "), "lesion m.pt --each --seed 4");
    }
}
