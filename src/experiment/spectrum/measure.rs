//! The spectrum of a mini-batch.

use num_bigint::BigUint;
use pathscope_analysis::record::{GradedGradient, PerLength, Record, SampledPath, Spectrum};
use pathscope_analysis::{Path, PathPolynomial, Seed};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::grade::{Grading, length};
use super::gradient::{Loss, norms, ordinary};
use super::recursion::{GradedStack, Recursion};
use super::{energy, not_finite, sampled};
use crate::data::Dataset;
use crate::experiment::batches::{Batches, MicroBatch};
use crate::experiment::share::share;
use crate::experiment::{ComputeOptions, ExperimentError, Journal};
use crate::network::{FrozenNetwork, Linearization, Plan};
use crate::team::Team;

/// Where the gradient is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// At the normalised image.
    #[default]
    Input,
    /// At the stem's output.
    Stem,
}

impl Place {
    /// Where the gradient begins to exist: at images, but not at tokens, which are numbers of rows
    /// of a table.
    #[must_use]
    pub fn of(data: &Dataset) -> Self {
        match data.tokens(0..0) {
            Some(_) => Self::Stem,
            None => Self::Input,
        }
    }
}

/// What to measure of the gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct SpectrumOptions {
    /// The exact sum by length.
    pub coherent: bool,
    /// Draws of signs for the sum of squared norms; 0 for none.
    pub draws: u64,
    /// Paths drawn of each length; 0 for none.
    pub samples: u64,
    /// Record the drawn paths themselves.
    pub record_paths: bool,
    /// What the gradient is taken of.
    pub loss: Loss,
    /// Where it is taken.
    pub place: Place,
    /// Longest paths to look at; all where `None`.
    pub longest: Option<usize>,
    /// Tell paths apart by stage or type of function as well.
    pub grading: Option<Grading>,
    /// Number of mini-batches.
    pub batches: usize,
    /// Examples in each.
    pub examples: usize,
    /// What draws derive from.
    pub seed: Seed,
}

/// What one example gives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Found {
    coherent: Vec<f64>,
    /// Squared norms, `[draws][lengths]`.
    energy: Vec<Vec<f64>>,
    /// Norms, `[paths]`.
    sampled: Vec<f64>,
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
            && finite(&self.sampled)
            && finite(&self.graded)
            && self.energy.iter().all(|draw| finite(draw))
    }
}

/// Examples that one thread works on at once. Fixed, so that the number of threads changes no
/// result; small, since their stacks are large.
const MICRO_BATCH: usize = 8;

/// Bytes of a part of the stack that goes through a branch at once.
const PART: i64 = 2 << 20;

impl SpectrumOptions {
    /// Measures `network` under `plan` on the first mini-batches of the data and records each in
    /// `journal`. `progress` is told of every mini-batch.
    ///
    /// # Errors
    /// Too few examples, a gradient that is not finite, or [`ExperimentError::Stopped`] with what
    /// was finished recorded.
    pub(in crate::experiment) fn measure(
        &self,
        network: &FrozenNetwork,
        plan: &Plan,
        batches: &Batches<'_>,
        journal: &mut Journal,
        progress: &dyn Fn(u64),
    ) -> Result<(), ExperimentError> {
        let examples = self.examples.max(1);
        let needed = self.batches.max(1) * examples;
        if batches.data.len() < needed {
            return Err(ExperimentError::Impossible {
                what: format!(
                    "{} mini-batches of {examples} examples need {needed} examples, but there are {}",
                    self.batches,
                    batches.data.len()
                ),
            });
        }
        let shard = journal.header().shard;
        let every = 0..self.batches.max(1);
        let missing: Vec<usize> = every
            .clone()
            .filter(|&batch| shard.is_none_or(|shard| shard.takes(batch)))
            .filter(|&batch| journal.get(&key(batch)).is_none())
            .collect();
        progress((every.len() - missing.len()) as u64);
        let team = batches.options.team;
        let alone = ComputeOptions {
            team: Team::ALONE,
            ..batches.options
        };
        // A mini-batch has work for the threads of one process: processes take one each. Few at
        // once, since what is not recorded is lost when a process is killed.
        let at_once = if team.size() == 1 { 1 } else { 2 * team.size() };
        for group in missing.chunks(at_once) {
            let works: Vec<Work<'_>> = group
                .iter()
                .map(|&batch| Work::new(self, network, plan, batch))
                .collect::<Result<_, _>>()?;
            let measured = share(team, group.len(), |place| {
                let first = group[place] * examples;
                let chosen: Vec<usize> = (first..first + examples).collect();
                let data = batches.data.select(&chosen)?;
                works[place].measure(&Batches {
                    data: &data,
                    options: alone,
                    ..*batches
                })
            })?;
            for (work, measured) in works.iter().zip(measured) {
                if self.record_paths {
                    for record in work.paths(&measured.examples) {
                        if journal.get(&record.key).is_none() {
                            journal.append(Record::SampledPath(record))?;
                        }
                    }
                }
                journal.append(Record::Spectrum(work.record(&measured)))?;
            }
            progress(group.len() as u64);
        }
        Ok(())
    }
}

/// What a mini-batch is called in a journal.
fn key(batch: usize) -> String {
    format!("mini-batch {batch}")
}

/// The measurement of one mini-batch.
struct Work<'a> {
    options: &'a SpectrumOptions,
    network: &'a FrozenNetwork,
    plan: &'a Plan,
    number: usize,
    longest: usize,
    polynomial: PathPolynomial,
    /// Paths drawn, and the function that each takes in each block.
    drawn: Vec<(Path, Vec<Option<usize>>)>,
}

impl<'a> Work<'a> {
    fn new(
        options: &'a SpectrumOptions,
        network: &'a FrozenNetwork,
        plan: &'a Plan,
        number: usize,
    ) -> Result<Self, ExperimentError> {
        let functions = plan.functions_on();
        let analysis = |fault: &dyn std::fmt::Display| ExperimentError::Analysis(fault.to_string());
        let polynomial = PathPolynomial::new(&functions).map_err(|fault| analysis(&fault))?;
        let longest = polynomial
            .longest()
            .min(options.longest.unwrap_or(usize::MAX));
        let mut drawn = Vec::new();
        if options.samples > 0 {
            for length in 0..=longest {
                let law = polynomial
                    .paths_of_length(length)
                    .map_err(|fault| analysis(&fault))?;
                let label = format!("paths of mini-batch {number}");
                let mut generator = options.seed.stream(&label, length as u64);
                for _ in 0..options.samples {
                    let path = law.sample(&mut generator);
                    let choices = sampled::choices(&path, functions.len());
                    drawn.push((path, choices));
                }
            }
        }
        Ok(Self {
            options,
            network,
            plan,
            number,
            longest,
            polynomial,
            drawn,
        })
    }

    fn measure(&self, batches: &Batches<'_>) -> Result<Measured, ExperimentError> {
        let widest = super::super::sweep::widest(self.network, batches)?;
        // Two stacks of all lengths, before and after a block, and the branches between.
        let stacks = 2 * (self.longest as u64 + 1) + 8;
        let mut options = batches.options;
        options.batch = Some(options.batch.unwrap_or(MICRO_BATCH));
        let size = options.micro_batch(widest * stacks, widest)?;
        let rows = self.options_rows(options.memory, options.workers(), size, widest);
        let states = (0..options.workers())
            .map(|_| self.network.shallow_clone())
            .collect();
        // The closure must not hold the network: threads share nothing.
        let shared = Shared {
            options: self.options,
            plan: self.plan,
            longest: self.longest,
            drawn: &self.drawn,
            number: self.number,
            rows,
        };
        let parts = batches.map(size, states, |network, batch| {
            shared.examples(network, batch)
        })?;
        let mut whole = Measured::default();
        for part in parts {
            whole.examples.extend(part.examples);
            whole.grades = part.grades;
        }
        Ok(whole)
    }

    /// Cotangents of drawn paths that are kept at once.
    fn options_rows(&self, memory: u64, workers: usize, examples: usize, widest: u64) -> usize {
        let each = widest * examples as u64 * workers as u64 * 6;
        usize::try_from((memory / each.max(1)).clamp(1, 4096)).unwrap_or(1)
    }

    fn record(&self, measured: &Measured) -> Spectrum {
        let found = &measured.examples;
        let options = self.options;
        let coherent = options.coherent.then(|| {
            per_length(
                found
                    .iter()
                    .map(|example| example.coherent.clone())
                    .collect(),
                None,
            )
        });
        let energy = (options.draws > 0).then(|| {
            let by_example: Vec<Vec<f64>> = found
                .iter()
                .map(|example| {
                    columns(&example.energy)
                        .map(|column| mean(&column))
                        .collect()
                })
                .collect();
            // Draws are shared by the examples: average those first, then look at the spread.
            let by_draw: Vec<Vec<f64>> = (0..options.draws as usize)
                .map(|draw| {
                    let rows: Vec<Vec<f64>> = found
                        .iter()
                        .filter_map(|example| example.energy.get(draw).cloned())
                        .collect();
                    columns(&rows).map(|column| mean(&column)).collect()
                })
                .collect();
            let errors = (options.draws > 1).then(|| {
                columns(&by_draw)
                    .map(|column| standard_error(&column))
                    .collect()
            });
            per_length(by_example, errors)
        });
        let sampled = (options.samples > 0).then(|| {
            let samples = options.samples as usize;
            let by_example = found
                .iter()
                .map(|example| example.sampled.chunks(samples).map(mean).collect())
                .collect();
            // Paths are shared by the examples, as signs are.
            let by_path = columns(
                &found
                    .iter()
                    .map(|example| example.sampled.clone())
                    .collect::<Vec<_>>(),
            )
            .map(|column| mean(&column))
            .collect::<Vec<f64>>();
            let errors =
                (samples > 1).then(|| by_path.chunks(samples).map(standard_error).collect());
            per_length(by_example, errors)
        });
        let whole = options.coherent && self.longest == self.polynomial.longest();
        let graded_norms: Vec<f64> = columns(
            &found
                .iter()
                .map(|example| example.graded.clone())
                .collect::<Vec<_>>(),
        )
        .map(|column| mean(&column))
        .collect();
        Spectrum {
            key: key(self.number),
            batch: self.number,
            examples: found.len(),
            paths: self
                .polynomial
                .counts()
                .iter()
                .take(self.longest + 1)
                .map(BigUint::to_string)
                .collect(),
            coherent,
            energy,
            sampled,
            sum_check: whole.then(|| {
                found
                    .iter()
                    .map(|example| example.sum_check)
                    .fold(0.0, f64::max)
            }),
            gradient: found.iter().map(|example| example.gradient).collect(),
            graded: measured
                .grades
                .iter()
                .zip(graded_norms)
                .map(|(grade, norm)| GradedGradient {
                    counts: grade.iter().map(|&count| usize::from(count)).collect(),
                    norm,
                })
                .collect(),
        }
    }

    fn paths(&self, found: &[Found]) -> Vec<SampledPath> {
        let record = |(number, (path, _)): (usize, &(Path, Vec<Option<usize>>))| SampledPath {
            key: format!("mini-batch {}, path {number}", self.number),
            batch: self.number,
            path: path
                .0
                .iter()
                .map(|step| (step.block, step.function))
                .collect(),
            norms: found
                .iter()
                .filter_map(|example| example.sampled.get(number).copied())
                .collect(),
        };
        self.drawn.iter().enumerate().map(record).collect()
    }
}

/// What every thread needs beside a network of its own.
struct Shared<'a> {
    options: &'a SpectrumOptions,
    plan: &'a Plan,
    longest: usize,
    drawn: &'a [(Path, Vec<Option<usize>>)],
    number: usize,
    rows: usize,
}

impl Shared<'_> {
    fn examples(
        &self,
        network: &FrozenNetwork,
        batch: &MicroBatch,
    ) -> Result<Measured, ExperimentError> {
        let options = self.options;
        let kind = network.kind();
        let images = batch.images_as(kind)?;
        let ordinary = ordinary(
            network,
            self.plan,
            &images,
            &batch.labels,
            options.loss,
            options.place,
        )?;
        tch::no_grad(|| {
            let linearization = Linearization::at(network, self.plan, &images)?;
            let cotangent = options
                .loss
                .cotangent(linearization.logits(), &batch.labels)?;
            let start = linearization.through_head(cotangent)?;
            let examples = batch.labels.size().first().copied().unwrap_or(0);
            let count = usize::try_from(examples).unwrap_or(0);
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
            if options.coherent {
                let stack = by_length.carry(&linearization, start.shallow_clone(), None)?;
                let (norms, sum) = self.arrive(&linearization, &stack, examples)?;
                for (example, norms) in found.iter_mut().zip(norms) {
                    example.coherent = norms;
                }
                let difference = self::norms(&sum.f_sub(&ordinary)?)?;
                for (example, difference) in found.iter_mut().zip(difference) {
                    example.sum_check = difference / example.gradient.max(f64::MIN_POSITIVE);
                }
            }
            for draw in 0..options.draws {
                let draw = self.number as u64 * options.draws + draw;
                let signs = energy::signs(self.plan, options.seed, draw);
                let stack = by_length.carry(&linearization, start.shallow_clone(), Some(&signs))?;
                let (norms, _) = self.arrive(&linearization, &stack, examples)?;
                for (example, norms) in found.iter_mut().zip(norms) {
                    example
                        .energy
                        .push(norms.iter().map(|norm| norm * norm).collect());
                }
            }
            if !self.drawn.is_empty() {
                let choices: Vec<Vec<Option<usize>>> = self
                    .drawn
                    .iter()
                    .map(|(_, choices)| choices.clone())
                    .collect();
                let place = options.place;
                let norms =
                    sampled::path_norms(&linearization, &start, &choices, place, self.rows)?;
                for (number, example) in found.iter_mut().enumerate() {
                    example.sampled = norms
                        .iter()
                        .filter_map(|path| path.get(number).copied())
                        .collect();
                }
            }
            if let Some(grading) = &options.grading {
                let graded = Recursion {
                    grading,
                    ..by_length
                };
                let stack = graded.carry(&linearization, start.shallow_clone(), None)?;
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

    /// Norms `[examples][grades]` where the gradient is taken, and the sum over all grades.
    fn arrive(
        &self,
        linearization: &Linearization,
        stack: &GradedStack,
        examples: i64,
    ) -> Result<(Vec<Vec<f64>>, Tensor), ExperimentError> {
        let count = usize::try_from(examples).unwrap_or(0);
        let mut found = vec![Vec::with_capacity(stack.grades.len()); count];
        let mut sum: Option<Tensor> = None;
        let lengths = stack.grades.iter().map(length);
        for (number, _) in lengths.enumerate() {
            let rows = stack.rows.f_narrow(0, number as i64 * examples, examples)?;
            let rows = match self.options.place {
                // The stem's ReLU works in place, on rows of its own.
                Place::Input => linearization.through_stem(crate::network::duplicate(&rows)?)?,
                Place::Stem => rows,
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
        rows.iter()
            .filter_map(|row| row.get(column).copied())
            .collect()
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
