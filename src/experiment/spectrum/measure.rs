//! The spectrum of a mini-batch.

use std::collections::BTreeMap;
use std::time::Instant;

use num_bigint::BigUint;
use pathscope_analysis::record::{
    GradedGradient, GradientPoint, Grading, InputNormalization, Loss, Measure, PerLength, Record,
    SampledPath, Spectrum, SpectrumSettings,
};
use pathscope_analysis::{Path, PathPolynomial, PathsOfLength, Seed};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::grade::length;
use super::gradient::{cotangent, norms, ordinary};
use super::recursion::{GradedStack, Recursion};
use super::sampled::{Choices, PathWalk, choices};
use super::{energy, not_finite};
use crate::batches::{Batches, MicroBatch};
use crate::pulse::Pulse;
use crate::share::share;
use crate::{ComputeOptions, ExperimentError, Journal};
use pathscope_network::{FrozenNetwork, Linearization, Plan};
use pathscope_team::Team;

/// By how much the gradients of all path lengths may differ from the ordinary gradient in float32,
/// relative to it: rounding alone stays far below.
const LARGEST_SUM_CHECK: f64 = 1e-3;

/// What to measure of the gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct SpectrumOptions {
    /// The measures, each with its number of random draws: of signs, or of paths of each length;
    /// 1 where nothing is drawn.
    pub measures: BTreeMap<Measure, u64>,
    /// Record the drawn paths themselves.
    pub record_paths: bool,
    /// What the gradient is taken of.
    pub loss: Loss,
    /// Where it is taken.
    pub at: GradientPoint,
    /// Longest paths to look at; all where `None`.
    pub longest: Option<usize>,
    /// Group paths by stage or type of function as well.
    pub grading: Option<Grading>,
    /// Number of mini-batches.
    pub batches: usize,
    /// Examples in each.
    pub examples: usize,
    /// What draws derive from.
    pub seed: Seed,
    /// When to begin no further mini-batch.
    pub deadline: Option<Instant>,
}

/// What one example gives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Found {
    coherent: Vec<f64>,
    /// Squared norms, `[draws][lengths]`.
    energy: Vec<Vec<f64>>,
    /// Norms, `[draws][lengths]`.
    sampled: Vec<Vec<f64>>,
    gradient: f64,
    sum_check: f64,
    graded: Vec<f64>,
}

/// What the examples of a mini-batch give, or of a part of one.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Measured {
    examples: Vec<Found>,
    /// Functions of each type on the paths of a grade, for every grade.
    grades: Vec<Vec<u16>>,
}

impl Found {
    fn is_finite(&self) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        self.gradient.is_finite()
            && finite(&self.coherent)
            && finite(&self.graded)
            && (self.energy.iter().chain(&self.sampled)).all(|draw| finite(draw))
    }
}

/// Examples that one thread works on at once. Fixed, so that the number of threads changes no
/// result; small, since their stacks are large.
const MICRO_BATCH: usize = 8;

/// Bytes of a part of the stack that goes through a function at once.
const PART: i64 = 2 << 20;

/// Most bytes of cotangents of drawn paths that are carried together: larger ones do not stay in the
/// cache, and libtorch's memory for them would be cleared again for each block.
const TOGETHER: u64 = 24 << 20;

impl SpectrumOptions {
    /// What the results depend on, as the header of their file says it, for `bits` per number and
    /// this normalisation of the inputs.
    #[must_use]
    pub fn settings(&self, bits: u32, normalization: InputNormalization) -> SpectrumSettings {
        SpectrumSettings {
            at: self.at,
            batches: self.batches,
            bits,
            examples: self.examples,
            grading: self.grading.clone(),
            longest: self.longest,
            loss: self.loss,
            measures: self.measures.clone(),
            normalization,
            record_paths: self.record_paths,
        }
    }

    /// Draws of `measure`; 0 where it is not asked for.
    fn draws(&self, measure: Measure) -> u64 {
        self.measures.get(&measure).copied().unwrap_or(0)
    }

    /// Steps of the whole measurement of a network of so many blocks, as progress counts them: each
    /// example's cotangents of one recursion through a block.
    #[must_use]
    pub fn steps(&self, blocks: usize) -> u64 {
        let recursions = self.draws(Measure::Coherent)
            + self.draws(Measure::Energy)
            + u64::from(self.grading.is_some());
        let one = (blocks * (blocks + 1) / 2 * self.batches.max(1) * self.examples.max(1)) as u64;
        one * recursions + one * self.draws(Measure::Sampled) / 2
    }

    /// Measures `network` under `plan` on the first mini-batches of the data and records each in
    /// `journal`. `progress` is told of [`SpectrumOptions::steps`].
    ///
    /// # Errors
    /// Too few examples, a gradient that is not finite, or [`ExperimentError::Stopped`] with what
    /// was finished recorded.
    pub(crate) fn measure(
        &self,
        network: &FrozenNetwork,
        plan: &Plan,
        batches: &Batches<'_>,
        journal: &mut Journal,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ExperimentError> {
        let examples = self.examples.max(1);
        let needed = self.batches.max(1) * examples;
        if batches.data.len() < needed {
            return Err(ExperimentError::Impossible(format!(
                "{} mini-batches of {examples} examples need {needed} examples, but there are {}",
                self.batches,
                batches.data.len()
            )));
        }
        let shard = journal.header().shard;
        let every = 0..self.batches.max(1);
        let missing: Vec<usize> = every
            .clone()
            .filter(|&batch| shard.is_none_or(|shard| shard.takes(batch)))
            .filter(|&batch| journal.get(&key(batch)).is_none())
            .collect();
        let of_batch = self.steps(plan.steps().len()) / every.len() as u64;
        progress((every.len() - missing.len()) as u64 * of_batch);
        let team = batches.options.team;
        let alone = ComputeOptions {
            team: Team::ALONE,
            ..batches.options
        };
        // A mini-batch has work for the threads of one process: processes take one each. Few at
        // once, since what is not recorded is lost when a process is killed.
        let at_once = if team.size() == 1 { 1 } else { 2 * team.size() };
        // Other processes tell nothing on the way.
        let silent = |_: u64| {};
        let pulse = Pulse {
            progress: if team.size() == 1 { progress } else { &silent },
            stop: batches.stop,
        };
        for (number, group) in missing.chunks(at_once).enumerate() {
            let late = self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline);
            if number > 0 && team.firsts(late)? {
                break;
            }
            let works: Vec<Work<'_>> = group
                .iter()
                .map(|&batch| Work::new(self, network, plan, batch, pulse))
                .collect::<Result<_, _>>()?;
            let measured = share(team, group.len(), |place| {
                let first = group[place] * examples;
                let chosen: Vec<usize> = (first..first + examples).collect();
                let data = batches.data.select(&chosen)?;
                let batches = Batches {
                    data: &data,
                    options: alone,
                    ..*batches
                };
                works[place].measure(network, &batches)
            })?;
            for (work, measured) in works.iter().zip(measured) {
                if self.record_paths {
                    for record in work.paths(&measured.examples) {
                        if journal.get(&record.key).is_none() {
                            journal.append(Record::SampledPath(record))?;
                        }
                    }
                }
                let record = work.record(&measured);
                if let Some(check) = record.sum_check
                    && network.kind() == Kind::Float
                    && check > LARGEST_SUM_CHECK
                {
                    return Err(ExperimentError::SumCheck {
                        batch: record.batch,
                        check,
                    });
                }
                journal.append(Record::Spectrum(record))?;
            }
            if team.size() > 1 {
                progress(group.len() as u64 * of_batch);
            }
        }
        Ok(())
    }
}

/// What a mini-batch is called in a journal.
fn key(batch: usize) -> String {
    format!("mini-batch {batch}")
}

/// The measurement of one mini-batch. It holds no network: threads share nothing, and each has its own.
struct Work<'a> {
    options: &'a SpectrumOptions,
    plan: &'a Plan,
    number: usize,
    longest: usize,
    polynomial: PathPolynomial,
    /// Paths of each length.
    counts: Vec<BigUint>,
    /// The lengths that paths have: where blocks lack a skip, none takes few functions.
    lengths: Vec<usize>,
    /// Paths drawn, `[draws][lengths]`, and the function that each takes in each block.
    drawn: Vec<Vec<Path>>,
    choices: Vec<Vec<Choices>>,
    pulse: Pulse<'a>,
}

impl<'a> Work<'a> {
    fn new(
        options: &'a SpectrumOptions,
        network: &FrozenNetwork,
        plan: &'a Plan,
        number: usize,
        pulse: Pulse<'a>,
    ) -> Result<Self, ExperimentError> {
        let paths = network.specification().block_paths(plan)?;
        let blocks = paths.len();
        let analysis = |fault: &dyn std::fmt::Display| ExperimentError::Analysis(fault.to_string());
        let polynomial = PathPolynomial::with_lengths(paths).map_err(|fault| analysis(&fault))?;
        let whole = polynomial.longest();
        let longest = options.longest.map_or(whole, |longest| longest.min(whole));
        let counts = polynomial.counts();
        let exists = |&length: &usize| counts.get(length).is_some_and(|n| *n > BigUint::ZERO);
        let lengths: Vec<usize> = (0..=longest).filter(exists).collect();
        let mut drawn = Vec::new();
        if options.draws(Measure::Sampled) > 0 {
            let law = |&length: &usize| polynomial.paths_of_length(length);
            let laws: Result<Vec<_>, _> = lengths.iter().map(law).collect();
            let laws = laws.map_err(|fault| analysis(&fault))?;
            let label = format!("paths of mini-batch {number}");
            for draw in 0..options.draws(Measure::Sampled) {
                // From equal states of the generator, so that they end alike.
                let path = |law: &PathsOfLength| law.sample(&mut options.seed.stream(&label, draw));
                drawn.push(laws.iter().map(path).collect::<Vec<_>>());
            }
        }
        let of_draw = |paths: &Vec<Path>| paths.iter().map(|path| choices(path, blocks)).collect();
        Ok(Self {
            options,
            plan,
            number,
            longest,
            lengths,
            polynomial,
            counts,
            choices: drawn.iter().map(of_draw).collect(),
            drawn,
            pulse,
        })
    }

    fn measure(
        &self,
        network: &FrozenNetwork,
        batches: &Batches<'_>,
    ) -> Result<Measured, ExperimentError> {
        let widest = crate::sweep::widest(network.specification(), batches)?;
        // Two stacks of all lengths, before and after a block, and the functions between.
        let stacks = 2 * (self.longest as u64 + 1) + 8;
        let mut options = batches.options;
        options.batch = Some(options.batch.unwrap_or(MICRO_BATCH));
        let size = options.micro_batch(widest * stacks, widest)?;
        // Before and after a block, what the stem makes of them, and halves that wait.
        let together = options.memory / (8 * options.workers() as u64);
        let together = together.min(TOGETHER) as i64;
        let parts = batches.map(size, batches.copies(network), |network, batch| {
            self.examples(network, batch, together)
        })?;
        let mut whole = Measured::default();
        for part in parts {
            whole.examples.extend(part.examples);
            whole.grades = part.grades;
        }
        Ok(whole)
    }

    fn record(&self, measured: &Measured) -> Spectrum {
        let found = &measured.examples;
        let options = self.options;
        let is_coherent = options.draws(Measure::Coherent) > 0;
        let rows = |of: fn(&Found) -> &Vec<f64>| -> Vec<Vec<f64>> {
            found.iter().map(of).cloned().collect()
        };
        let coherent = is_coherent.then(|| per_length(rows(|example| &example.coherent), None));
        let drawn = |measure, values: fn(&Found) -> &[Vec<f64>]| {
            (options.draws(measure) > 0).then(|| averaged(found, values))
        };
        let energy = drawn(Measure::Energy, |example| &example.energy);
        let sampled = drawn(Measure::Sampled, |example| &example.sampled);
        let measures = [
            (Measure::Coherent, coherent),
            (Measure::Energy, energy),
            (Measure::Sampled, sampled),
        ];
        let measures = measures.into_iter();
        let whole = is_coherent && self.longest == self.polynomial.longest();
        let sum_checks = found.iter().map(|example| example.sum_check);
        let graded = rows(|example| &example.graded);
        let graded = measured.grades.iter().zip(columns(&graded));
        let paths = self.counts.iter().take(self.longest + 1);
        Spectrum {
            key: key(self.number),
            batch: self.number,
            examples: found.len(),
            paths: paths.map(BigUint::to_string).collect(),
            measures: measures
                .filter_map(|(measure, values)| Some((measure, values?)))
                .collect(),
            sum_check: whole.then(|| sum_checks.fold(0.0, f64::max)),
            gradient: found.iter().map(|example| example.gradient).collect(),
            graded: graded
                .map(|(grade, norms)| GradedGradient {
                    counts: grade.iter().map(|&count| usize::from(count)).collect(),
                    norm: mean(&norms),
                })
                .collect(),
        }
    }

    fn paths(&self, found: &[Found]) -> Vec<SampledPath> {
        let mut records = Vec::new();
        for (draw, paths) in self.drawn.iter().enumerate() {
            for (&length, path) in self.lengths.iter().zip(paths) {
                let norm = |example: &Found| example.sampled.get(draw)?.get(length).copied();
                let steps = path.0.iter().map(|step| (step.block, step.function));
                records.push(SampledPath {
                    key: format!("mini-batch {}, path {}", self.number, records.len()),
                    batch: self.number,
                    path: steps.collect(),
                    norms: found.iter().filter_map(norm).collect(),
                });
            }
        }
        records
    }

    /// The norm of the gradient of each length, and how far their sum is from the ordinary one.
    fn coherent(
        &self,
        by_length: &Recursion<'_>,
        linearization: &Linearization,
        start: &Tensor,
        ordinary: &Tensor,
        found: &mut [Found],
    ) -> Result<(), ExperimentError> {
        let stack = by_length.carry(linearization, start.shallow_clone(), None, &self.pulse)?;
        let (by_example, sum) = self.arrive(linearization, &stack, by_length.examples)?;
        let differences = norms(&sum.f_sub(ordinary)?)?;
        for ((example, norms), difference) in found.iter_mut().zip(by_example).zip(differences) {
            example.coherent = self.at_lengths(stack.grades.iter().map(length), &norms);
            example.sum_check = difference / example.gradient.max(f64::MIN_POSITIVE);
        }
        Ok(())
    }

    /// What the examples of a micro-batch give; `together` bytes of cotangents of drawn paths are carried
    /// at once.
    fn examples(
        &self,
        network: &FrozenNetwork,
        batch: &MicroBatch,
        together: i64,
    ) -> Result<Measured, ExperimentError> {
        let options = self.options;
        let kind = network.kind();
        let images = batch.images_as(kind)?;
        tch::no_grad(|| {
            let linearization = Linearization::at(network, self.plan, &images)?;
            let cotangent = cotangent(options.loss, linearization.logits(), &batch.labels)?;
            let ordinary =
                tch::with_grad(|| ordinary(network, self.plan, &images, &cotangent, options.at))?;
            let start = linearization.through_head(cotangent)?;
            let examples = pathscope_network::length(&batch.labels, 0)?;
            let count = pathscope_network::count(examples)?;
            let mut found = vec![Found::default(); count];
            let mut grades = Vec::new();
            for (example, norm) in found.iter_mut().zip(norms(&ordinary)?) {
                example.gradient = norm;
            }
            let by_length = Recursion {
                plan: self.plan,
                grading: &Grading::Length,
                longest: self.longest,
                examples,
                part: PART,
            };
            if options.draws(Measure::Coherent) > 0 {
                self.coherent(&by_length, &linearization, &start, &ordinary, &mut found)?;
            }
            for draw in 0..options.draws(Measure::Energy) {
                let draw = self.number as u64 * options.draws(Measure::Energy) + draw;
                let signs = energy::signs(self.plan, options.seed, draw);
                let cotangent = start.shallow_clone();
                let stack =
                    by_length.carry(&linearization, cotangent, Some(&signs), &self.pulse)?;
                let (norms, _) = self.arrive(&linearization, &stack, examples)?;
                for (example, norms) in found.iter_mut().zip(norms) {
                    let squares: Vec<f64> = norms.iter().map(|norm| norm * norm).collect();
                    let lengths = stack.grades.iter().map(length);
                    example.energy.push(self.at_lengths(lengths, &squares));
                }
            }
            if !self.choices.is_empty() {
                let walk = PathWalk {
                    linearization: &linearization,
                    cotangent: &start,
                    at: options.at,
                    bytes: together,
                    part: PART,
                    pulse: self.pulse,
                };
                let norms = walk.norms(&self.choices)?;
                for (number, example) in found.iter_mut().enumerate() {
                    let of_draw = |paths: &Vec<Vec<f64>>| {
                        let of_path = |path: &Vec<f64>| path.get(number).copied();
                        let norms: Vec<f64> = paths.iter().filter_map(of_path).collect();
                        self.at_lengths(self.lengths.iter().copied(), &norms)
                    };
                    example.sampled = norms.iter().map(of_draw).collect();
                }
            }
            if let Some(grading) = &options.grading {
                let graded = Recursion {
                    grading,
                    ..by_length
                };
                let stack =
                    graded.carry(&linearization, start.shallow_clone(), None, &self.pulse)?;
                let (norms, _) = self.arrive(&linearization, &stack, examples)?;
                for (example, norms) in found.iter_mut().zip(norms) {
                    example.graded = norms;
                }
                grades = stack.grades;
            }
            if !found.iter().all(Found::is_finite) {
                return Err(not_finite::locate(
                    network,
                    self.plan,
                    &images,
                    &linearization,
                    &start,
                )?);
            }
            Ok(Measured {
                examples: found,
                grades,
            })
        })
    }

    /// The values of `lengths` by length; 0 where no path has that length.
    fn at_lengths(&self, lengths: impl Iterator<Item = usize>, values: &[f64]) -> Vec<f64> {
        let mut all = vec![0.0; self.longest + 1];
        for (length, value) in lengths.zip(values) {
            if let Some(place) = all.get_mut(length) {
                *place = *value;
            }
        }
        all
    }

    /// Norms `[examples][grades]` where the gradient is taken, and the sum over all grades.
    fn arrive(
        &self,
        linearization: &Linearization,
        stack: &GradedStack,
        examples: i64,
    ) -> Result<(Vec<Vec<f64>>, Tensor), ExperimentError> {
        let count = pathscope_network::count(examples)?;
        let mut found = vec![Vec::with_capacity(stack.grades.len()); count];
        let mut sum: Option<Tensor> = None;
        for number in 0..stack.grades.len() {
            let rows = stack.rows.f_narrow(0, number as i64 * examples, examples)?;
            let rows = match self.options.at {
                // The stem's ReLU works in place, on rows of its own.
                GradientPoint::Input => {
                    linearization.through_stem(pathscope_network::duplicate(&rows)?)?
                }
                GradientPoint::Stem => rows,
            };
            for (example, norm) in found.iter_mut().zip(norms(&rows)?) {
                example.push(norm);
            }
            sum = Some(match sum {
                Some(sum) => sum.f_add(&rows)?,
                None => rows,
            });
        }
        let nothing = || ExperimentError::Analysis("no path at all".into());
        Ok((found, sum.ok_or_else(nothing)?))
    }
}

/// Means over draws of `values`, `[draws][lengths]` of every example. Examples share the draws:
/// those are averaged over the examples first, then their spread gives the standard error.
fn averaged(found: &[Found], values: fn(&Found) -> &[Vec<f64>]) -> PerLength {
    let means = |rows: &[Vec<f64>]| columns(rows).map(|column| mean(&column)).collect();
    let by_example = found.iter().map(|example| means(values(example))).collect();
    let draws = found.first().map_or(0, |example| values(example).len());
    let by_draw: Vec<Vec<f64>> = (0..draws)
        .map(|draw| {
            let of_draw = found.iter().filter_map(|example| values(example).get(draw));
            means(&of_draw.cloned().collect::<Vec<_>>())
        })
        .collect();
    let errors = columns(&by_draw).map(|column| standard_error(&column));
    per_length(by_example, (draws > 1).then(|| errors.collect()))
}

fn per_length(by_example: Vec<Vec<f64>>, standard_error: Option<Vec<f64>>) -> PerLength {
    PerLength {
        mean: columns(&by_example).map(|c| mean(&c)).collect(),
        standard_error,
        by_example,
    }
}

/// The columns of rows of equal length.
fn columns(rows: &[Vec<f64>]) -> impl Iterator<Item = Vec<f64>> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width).map(move |column| {
        let values = rows.iter().filter_map(|row| row.get(column).copied());
        values.collect()
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (squares / (n - 1.0).max(1.0) / n.max(1.0)).sqrt()
}
