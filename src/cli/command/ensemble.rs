use std::path::PathBuf;

use clap::Args;
use ndarray::Array2;
use pathscope_analysis::record::{Change, EnsembleSettings, Options, Outcome};
use pathscope_analysis::{AdditivityOptions, EffectOrder, Seed, additivity};

use super::Execute;
use crate::cli::args::number::positive;
use crate::cli::args::{ComputeArguments, DataArguments, Format, ModelArguments, ResultsArguments};
use crate::cli::show::answer::Answer;
use crate::cli::show::outcomes::{answer, outcomes, records};
use crate::cli::{Problem, Session, Terminal, interrupt};
use crate::experiment::{Journal, Laboratory, Measurement};
use crate::format::Model;
use crate::report::view::ensemble;
use crate::report::view::outcome::Shown;

/// Test whether a trained network behaves like an ensemble of its sub-networks
///
/// Draws sub-networks with a few random blocks deleted. Compares the error of their majority vote
/// and of their mean logits with that of the intact network and, with --against, of independently
/// trained networks. Error correlation (between being wrong) and disagreement (share of examples
/// given different classes) are means over pairs of members. The p-value is McNemar's for the mean
/// logits against the intact network, Holm-corrected.
///
/// Example: pathscope ensemble assets/preresnet20.safetensors --members 4 --delete 1 --limit 200
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Number of sub-networks to draw
    #[arg(long, value_name = "M", default_value_t = 10, value_parser = positive)]
    members: usize,
    /// Number of random blocks deleted in each sub-network; several numbers make several ensembles
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "1,2"
    )]
    delete: Vec<usize>,
    /// Model files of independently trained networks with the same inputs and classes
    #[arg(long, value_name = "MODEL", num_args = 1..)]
    against: Vec<PathBuf>,
    /// Test how well sums of effects of blocks, and of blocks and pairs, predict random deletions
    #[arg(long)]
    additivity: bool,
    /// Random sets for --additivity [default: two per term of a fit with pairs, 200 to 1000]
    #[arg(long, value_name = "S")]
    subsets: Option<u64>,
    /// Largest number of blocks deleted in a set for --additivity [default: a third of all]
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// Seed of random choices
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Format of the printed answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    results: ResultsArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let seed = Seed(self.seed);
        let session = Session::open(
            &self.model,
            &self.data,
            &self.compute,
            &self.results,
            terminal,
        )?;
        let laboratory = session.laboratory()?;
        let others = self.others(&session)?;
        let mut independent = Vec::new();
        for Model { card, network, .. } in &others {
            let (data, normalization) = (&session.data, &card.normalization);
            let laboratory = Laboratory::new(network, data, data, normalization, session.compute)?;
            independent.push((
                card.title.clone(),
                laboratory.stopping_when(interrupt::asked),
            ));
        }
        let settings = EnsembleSettings {
            against: others.iter().map(|other| other.hash.clone()).collect(),
            most: self.most,
            normalization: laboratory.normalization(),
        };
        let mut journal = session.journal(&laboratory, Options::Ensemble(settings), self.seed)?;
        let whole = [laboratory.questions().intact_measurement()];
        session.measure(&laboratory, &whole, &mut journal)?;
        session.with_bar(
            self.delete.len() as u64,
            "--limit N measures on fewer examples",
            |progress| {
                for &deleted in &self.delete {
                    laboratory.ensemble(deleted, self.members, seed, &mut journal)?;
                    progress(1);
                }
                match independent.is_empty() {
                    true => Ok(()),
                    false => laboratory.independent(&independent, &mut journal),
                }
            },
        )?;
        let removable = laboratory.questions().removable().len();
        let most = self.most.unwrap_or(removable.div_ceil(3));
        let subsets = if self.additivity {
            let enough = 2 * pair_terms(removable) as u64;
            let subsets = self.subsets.unwrap_or(enough.clamp(200, 1000));
            let subsets = laboratory.questions().subsets(subsets, most, seed)?;
            // The intact network has the first place of every sweep, so that parts can be merged.
            let sweep = [whole.as_slice(), &subsets].concat();
            session.measure(&laboratory, &sweep, &mut journal)?;
            subsets
        } else {
            Vec::new()
        };
        let shown = Shown {
            class_names: session.data.class_names(),
            ..Shown::default()
        };
        let whole = outcomes(&journal, &whole);
        let ensembles = records!(journal, Ensemble);
        let mut answer = answer(journal.header(), &whole, "", shown);
        answer.table(
            "ensembles",
            ensemble::table(&ensembles, whole.first().copied()),
        );
        if self.additivity {
            add_additivity(&mut answer, &laboratory, &journal, &subsets, most, seed)?;
        }
        answer.print(self.format, terminal)
    }
}

impl Arguments {
    /// The independently trained networks, on the device.
    fn others(&self, session: &Session<'_>) -> Result<Vec<Model>, Problem> {
        let mut others = Vec::new();
        for file in &self.against {
            let reading = &self.model.reading;
            let mut other = reading.read(file)?;
            reading.settle(
                &mut other,
                &session.data,
                session.compute,
                None,
                session.terminal,
            )?;
            let mine = session.card.specification.classes();
            let its = other.card.specification.classes();
            if mine != its {
                let classes = |number: Option<usize>| {
                    number.map_or("no classes".into(), |number| format!("{number} classes"))
                };
                return Err(Problem::BadInput(format!(
                    "{} has {}, but the model has {}",
                    file.display(),
                    classes(its),
                    classes(mine)
                )));
            }
            others.push(Model {
                network: other.network.to_device(session.compute.device)?,
                ..other
            });
        }
        Ok(others)
    }
}

/// Terms of a sum over blocks and pairs of them.
fn pair_terms(blocks: usize) -> usize {
    blocks * (blocks + 1) / 2
}

/// How well sums over blocks, and over blocks and pairs, predict sets that they have not seen.
fn add_additivity(
    answer: &mut Answer,
    laboratory: &Laboratory<'_>,
    journal: &Journal,
    measurements: &[Measurement],
    most: usize,
    seed: Seed,
) -> Result<(), Problem> {
    let outcomes = outcomes(journal, measurements);
    let blocks = laboratory.questions().removable();
    let deleted = |outcome: &Outcome, block: usize| match &outcome.change {
        Change::Lesion(lesion) => lesion.blocks.contains(&block),
        _ => false,
    };
    let active = Array2::from_shape_fn((outcomes.len(), blocks.len()), |(subset, block)| {
        let outcome = outcomes.get(subset).zip(blocks.get(block));
        !outcome.is_some_and(|(outcome, block)| deleted(outcome, block.position()))
    });
    let options = AdditivityOptions {
        seed,
        ..AdditivityOptions::default()
    };
    let enough = 2 * pair_terms(blocks.len());
    type Response = fn(&Outcome) -> f64;
    let responses: [(&str, Response); 3] = [
        ("loss", |outcome| outcome.loss),
        ("margin", |outcome| outcome.margin),
        ("error", Outcome::error),
    ];
    let mut rows = Vec::new();
    for (name, response) in responses {
        let response: Vec<f64> = outcomes.iter().map(|outcome| response(outcome)).collect();
        let fit = |order| {
            let fit = additivity(active.view(), &response, order, &options);
            fit.map(|fit| fit.r_squared).map_err(Problem::failed)
        };
        let pairs = match outcomes.len() >= enough {
            true => Some(fit(EffectOrder::Pairs)?),
            false => None,
        };
        rows.push((name, fit(EffectOrder::Blocks)?, pairs));
    }
    answer.table("additivity", ensemble::additivity(&rows));
    answer.text(format!(
        "{} random sets of 0 to {most} deleted blocks, {} folds",
        outcomes.len(),
        options.folds
    ));
    if outcomes.len() < enough {
        answer.text(format!(
            "A fit with pairs needs at least {enough} sets (--subsets {enough})."
        ));
    }
    Ok(())
}
