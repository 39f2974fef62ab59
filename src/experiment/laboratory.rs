//! Changes to a network, evaluated and recorded.

use pathscope_analysis::path_count;
use pathscope_analysis::record::{
    BatchNormStatistics, BlockIdentity, Change, DataIdentity, GradientPoint, Header,
    InputNormalization, LesionSettings, ModelIdentity, Options, Outcome, Record, SCHEMA_VERSION,
    StatisticsAudit, WrongExamples,
};
use tch::{Kind, Tensor};

use super::batches::Batches;
use super::error::predictions;
use super::not_finite::first_place;
use super::outcomes::count;
use super::pulse::Share;
use super::share::share;
use super::{
    ComputeOptions, ExperimentError, Journal, LesionOptions, Measurement, Outcomes, Questions,
    SpectrumOptions, Sweep, check_fit,
};
use pathscope_data::{Dataset, Normalization};
use pathscope_network::{
    FeatureShape, FrozenNetwork, Plan, Specification, Substitutes, TrainableNetwork,
};
use pathscope_team::Team;

/// Where results come from, beside the network and the examples themselves.
#[derive(Clone, Debug, Default)]
pub struct Origin<'a> {
    /// What the network is called.
    pub title: &'a str,
    /// SHA-256 of its file.
    pub hash: &'a str,
    /// What random draws derive from.
    pub seed: u64,
    /// The command that was given, without the program's own name.
    pub command: Vec<String>,
    /// How the network's statistics agree with the examples.
    pub audit: Option<StatisticsAudit>,
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
    questions: Questions<'a>,
    stop: Option<fn() -> bool>,
}

/// Measurements that are evaluated together and then recorded: enough to share prefixes, few enough
/// that a killed run loses little. Those with statistics of their own share nothing.
pub(super) const AT_ONCE: usize = 64;

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
        let questions = Questions::new(network.specification(), batches.input())?;
        Ok(Self {
            network,
            frozen,
            data,
            calibration,
            normalization,
            options,
            substitutes: Substitutes::default(),
            questions,
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

    /// What can be asked of the network.
    #[must_use]
    pub fn questions(&self) -> &Questions<'a> {
        &self.questions
    }

    /// The examples.
    #[must_use]
    pub fn data(&self) -> &'a Dataset {
        self.data
    }

    /// The normalisation of the inputs, as records state it.
    #[must_use]
    pub fn normalization(&self) -> InputNormalization {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        InputNormalization {
            mean: wide(self.normalization.mean()),
            standard_deviation: wide(self.normalization.standard_deviation()),
        }
    }

    /// What the results of lesions with these options depend on, for the header of their file.
    #[must_use]
    pub fn lesion_settings(&self, options: LesionOptions) -> LesionSettings {
        LesionSettings {
            batch_norm: options.batch_norm,
            calibration: self.calibration.content_hash(),
            kind: options.kind,
            normalization: self.normalization(),
            random_weights: options.random_weights,
            screen: None,
            stop_at: None,
            until: None,
        }
    }

    /// The processes that share the work.
    pub(super) fn team(&self) -> Team {
        self.options.team
    }

    /// The micro-batches of the examples.
    pub(super) fn batches(&self) -> Batches<'a> {
        Batches {
            data: self.data,
            normalization: self.normalization,
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
        self.questions.intact()
    }

    /// A sweep of the frozen network over `data`.
    pub(super) fn sweep<'s>(&'s self, network: &'s FrozenNetwork, data: &'s Dataset) -> Sweep<'s> {
        Sweep::new(network, data, self.normalization, self.options)
            .with_substitutes(self.substitutes.shallow_clone())
            .stopping_when(self.stop)
    }

    /// Measures every measurement that `journal` does not hold yet and records it there, in the order of
    /// `measurements`. `progress` is told of measurements done.
    ///
    /// # Errors
    /// A plan that does not fit, a journal that cannot be written, or
    /// [`ExperimentError::Stopped`] with what was finished recorded.
    pub fn measure(
        &self,
        measurements: &[Measurement],
        journal: &mut Journal,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ExperimentError> {
        // Whatever is compared with the intact network holds it.
        let shard = journal.header().shard;
        let mine = |(position, measurement): &(usize, &Measurement)| {
            measurement.change == Change::Intact || shard.is_none_or(|shard| shard.takes(*position))
        };
        let mine = measurements.iter().enumerate().filter(mine);
        let missing: Vec<&Measurement> = mine
            .map(|(_, measurement)| measurement)
            .filter(|measurement| journal.get(&measurement.key).is_none())
            .collect();
        progress((measurements.len() - missing.len()) as u64);
        let at_once = match missing.iter().copied().any(recalibrates) {
            true => self.options.team.size(),
            false => AT_ONCE,
        };
        for group in missing.chunks(at_once.max(1)) {
            for (measurement, outcomes) in group.iter().zip(self.outcomes(group, progress)?) {
                journal.append(Record::Outcome(self.record(measurement, &outcomes)?))?;
            }
        }
        Ok(())
    }

    /// The record of what one measurement gives on every example, written nowhere.
    ///
    /// # Errors
    /// As [`Laboratory::measure`].
    pub fn outcome(&self, measurement: &Measurement) -> Result<Outcome, ExperimentError> {
        let outcomes = self.outcomes(&[measurement], &|_| {})?.swap_remove(0);
        self.record(measurement, &outcomes)
    }

    /// How many examples the intact network classifies wrongly where only the classes that the data
    /// set holds are answers; `None` where it holds all.
    ///
    /// # Errors
    /// As [`Laboratory::measure`].
    pub fn errors_among_classes_held(&self) -> Result<Option<usize>, ExperimentError> {
        let held: Vec<i64> = self.data.classes_held().iter().map(|&c| c.into()).collect();
        if held.is_empty() {
            return Ok(None);
        }
        let sweep = self.sweep(&self.frozen, self.data);
        let logits = sweep.logits(&[self.intact()])?.swap_remove(0);
        let among = logits.f_index_select(1, &Tensor::f_from_slice(&held)?)?;
        let found = predictions(&among.f_argmax(1, false)?)?;
        let right = |(found, label): &(&u32, &u32)| {
            self.data.classes_held().get(**found as usize) == Some(label)
        };
        let labels = self.data.labels();
        let right = found.iter().zip(labels).filter(right).count();
        Ok(Some(labels.len() - right))
    }

    /// What every measurement gives on every example, recorded nowhere. `progress` is told of
    /// measurements done, each as soon as its part of the work is.
    ///
    /// # Errors
    /// As [`Laboratory::measure`].
    pub fn outcomes(
        &self,
        measurements: &[&Measurement],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Outcomes>, ExperimentError> {
        if !measurements.iter().copied().any(recalibrates) {
            let plans: Vec<Plan> = measurements.iter().map(|m| m.plan.clone()).collect();
            let sweep = self.sweep(&self.frozen, self.data);
            let share = Share::new(plans.len(), sweep.cost(&plans)?, progress);
            let outcomes = sweep.evaluate(&plans, &|blocks| share.add(blocks))?;
            share.complete();
            return Ok(outcomes);
        }
        // Each changed network has statistics of its own: nothing to share but the measurements.
        share(self.options.team, measurements.len(), |place| {
            let measurement = measurements[place];
            let plan = std::slice::from_ref(&measurement.plan);
            let recalibrated;
            let frozen = if recalibrates(measurement) {
                let network = self.recalibrated(self.network, &measurement.plan)?;
                recalibrated = FrozenNetwork::freeze(&network, Kind::Float)?;
                &recalibrated
            } else {
                &self.frozen
            };
            let sweep = self.sweep(frozen, self.data).alone();
            let outcomes = sweep.evaluate(plan, &|_| {})?.swap_remove(0);
            progress(1);
            Ok(outcomes)
        })
    }

    /// Measures the gradient by path length of the network under `plan`, in `kind`, and records
    /// every mini-batch in `journal`. `progress` is told of [`SpectrumOptions::steps`].
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
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ExperimentError> {
        if options.at == GradientPoint::Input && self.data.holds_tokens() {
            return Err(ExperimentError::GradientAtTokens);
        }
        let frozen = FrozenNetwork::freeze(self.network, kind)?;
        options.measure(&frozen, plan, &self.batches(), journal, progress)
    }

    /// The record of what `measurement` gave on the first examples: all, unless it was stopped early.
    pub(super) fn record(
        &self,
        measurement: &Measurement,
        outcomes: &Outcomes,
    ) -> Result<Outcome, ExperimentError> {
        let undefined = outcomes.losses.iter().position(|loss| !loss.is_finite());
        if let Some(prediction) = undefined {
            let example = prediction / self.data.positions().max(1);
            let images = self.batches().load(example, example + 1)?.images;
            let place = first_place(&self.frozen, &measurement.plan, &images)?;
            return Err(ExperimentError::LossNotFinite {
                example,
                change: measurement.key.clone(),
                place: place.unwrap_or_else(|| "behind the last block".to_owned()),
            });
        }
        let labels = self.data.labels();
        let wrong = outcomes.wrong(labels);
        let mut errors_by_class = vec![0; self.data.classes()];
        for (&label, _) in labels.iter().zip(&wrong).filter(|(_, wrong)| **wrong) {
            let errors = errors_by_class.get_mut(label as usize);
            let classes = self.data.classes();
            let fault = || ExperimentError::Internal(format!("label {label} of {classes} classes"));
            *errors.ok_or_else(fault)? += 1;
        }
        let measured = Outcome {
            key: String::new(),
            change: Change::Intact,
            draw: None,
            errors: count(&wrong),
            examples: wrong.len(),
            positions: self.data.positions(),
            loss: outcomes.mean_loss(),
            margin: outcomes.mean_margin(),
            errors_by_class,
            wrong: WrongExamples::new(&wrong),
            paths: String::new(),
            parameters: 0,
            multiply_adds: 0,
            screened: None,
        };
        self.described(measurement, measured)
    }

    /// What was `measured`, as the outcome of `measurement`, with what its plan leaves of the network.
    pub(super) fn described(
        &self,
        measurement: &Measurement,
        measured: Outcome,
    ) -> Result<Outcome, ExperimentError> {
        let cost = self.specification().cost(&measurement.plan, self.input())?;
        let paths = path_count(&self.specification().block_paths(&measurement.plan)?);
        Ok(Outcome {
            key: measurement.key.clone(),
            change: measurement.change.clone(),
            draw: measurement.draw,
            paths: paths.to_string(),
            parameters: cost.parameters,
            multiply_adds: cost.multiply_adds,
            ..measured
        })
    }

    /// The first line of a journal for this network and these examples.
    ///
    /// # Errors
    /// A network whose cost cannot be counted.
    pub fn header(&self, options: Options, origin: Origin<'_>) -> Result<Header, ExperimentError> {
        let specification = self.specification();
        let cost = specification.cost(&self.intact(), self.input())?;
        let blocks = specification.blocks.iter().zip(self.questions.shapes());
        let blocks = blocks
            .zip(specification.passages())
            .map(|((block, shape), passages)| BlockIdentity {
                name: block.name.clone(),
                functions: block.functions.len(),
                orders: match block.has_continuations() {
                    true => block.orders(),
                    false => Vec::new(),
                },
                without_skip: block.skip.is_none(),
                passages,
                layers: block.convolutions(),
                shape: shape.output.to_string(),
                changes_shape: !shape.is_preserving(),
            });
        Ok(Header {
            schema: SCHEMA_VERSION,
            pathscope: env!("CARGO_PKG_VERSION").to_owned(),
            options,
            command: origin.command,
            model: ModelIdentity {
                title: origin.title.to_owned(),
                hash: origin.hash.to_owned(),
                blocks: blocks.collect(),
                parameters: cost.parameters,
                multiply_adds: cost.multiply_adds,
            },
            data: DataIdentity {
                description: self.data.description().to_owned(),
                hash: self.data.content_hash(),
                examples: self.data.len(),
                positions: self.data.positions(),
                classes: self.data.classes(),
            },
            audit: origin.audit.map(Box::new),
            seed: origin.seed,
            shard: None,
        })
    }
}

/// Whether a measurement is of a network with statistics of its own.
fn recalibrates(measurement: &Measurement) -> bool {
    match &measurement.change {
        Change::Lesion(lesion) => lesion.batch_norm == BatchNormStatistics::Recalibrated,
        _ => false,
    }
}
