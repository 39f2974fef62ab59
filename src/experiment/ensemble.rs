//! Sub-networks as an ensemble: do they err like independent networks?

use pathscope_analysis::record::{Ensemble, Record, WrongExamples};
use pathscope_analysis::{Seed, disagreement, error_correlation, majority_vote};
use tch::{Kind, Tensor};

use super::error::predictions;
use super::outcomes::{count, wrong};
use super::{ExperimentError, Journal, Laboratory, LesionOptions, Measurement, Questions};
use pathscope_data::Dataset;
use pathscope_network::Plan;

impl Laboratory<'_> {
    /// Draws `members` different sub-networks, or all where there are fewer, each without `deleted`
    /// random blocks, and records what the first 2, 4, 8, ... and all of them are as an ensemble.
    ///
    /// # Errors
    /// More blocks than can be removed, fewer than two members, or
    /// [`ExperimentError::Stopped`].
    pub fn ensemble(
        &self,
        deleted: usize,
        members: usize,
        seed: Seed,
        journal: &mut Journal,
    ) -> Result<(), ExperimentError> {
        self.questions().check_removable(deleted)?;
        let members = members.min(ways(self.questions().removable().len(), deleted));
        if members < 2 {
            let what = "an ensemble needs at least 2 different members";
            return Err(ExperimentError::Impossible(what.into()));
        }
        let mut sizes: Vec<usize> = (1..)
            .map(|power| 1 << power)
            .take_while(|&size| size < members)
            .collect();
        sizes.push(members);
        let key = |size: usize| format!("ensemble of {size}, {deleted} deleted");
        sizes.retain(|&size| journal.get(&key(size)).is_none());
        if sizes.is_empty() {
            return Ok(());
        }
        let mut plans: Vec<Plan> = Vec::with_capacity(members);
        for draw in 0.. {
            let mut random = seed.stream(&format!("ensemble, {deleted} deleted"), draw);
            let plan = self
                .questions()
                .random_set(deleted, &mut random, LesionOptions::default())
                .plan;
            if !plans.contains(&plan) {
                plans.push(plan);
            }
            if plans.len() == members {
                break;
            }
        }
        let logits = self.sweep(self.frozen(), self.data()).logits(&plans)?;
        let what = match deleted {
            1 => "1 random block deleted".to_owned(),
            _ => format!("{deleted} random blocks deleted"),
        };
        for size in sizes {
            let members: Vec<&Tensor> = logits.iter().take(size).collect();
            let record = ensemble(key(size), what.clone(), &members, self.data())?;
            journal.append(Record::Ensemble(record))?;
        }
        Ok(())
    }

    /// Records what this network is as an ensemble with each of `others`, which were trained on
    /// their own, and with all of them. Every laboratory has the same examples.
    ///
    /// # Errors
    /// As [`Laboratory::ensemble`].
    pub fn independent(
        &self,
        others: &[(String, Laboratory<'_>)],
        journal: &mut Journal,
    ) -> Result<(), ExperimentError> {
        // Members by number: 0 is this network.
        let mut groups: Vec<(Vec<usize>, String)> = others
            .iter()
            .enumerate()
            .map(|(other, (title, _))| {
                (vec![0, other + 1], format!("the whole network and {title}"))
            })
            .collect();
        if others.len() > 1 {
            let what = format!("the whole network and {} others", others.len());
            groups.push(((0..=others.len()).collect(), what));
        }
        let key = |number: usize, what: &str| format!("independent {number}: {what}");
        let known =
            |(number, (_, what)): (usize, &(_, String))| journal.get(&key(number, what)).is_some();
        if groups.iter().enumerate().all(known) {
            return Ok(());
        }
        let whole = |laboratory: &Laboratory<'_>| -> Result<Tensor, ExperimentError> {
            let sweep = laboratory.sweep(laboratory.frozen(), laboratory.data());
            Ok(sweep.logits(&[laboratory.intact()])?.swap_remove(0))
        };
        let mut logits = vec![whole(self)?];
        for (_, other) in others {
            logits.push(whole(other)?);
        }
        for (number, (members, what)) in groups.into_iter().enumerate() {
            let key = key(number, &what);
            if journal.get(&key).is_none() {
                let members: Vec<&Tensor> = members.iter().map(|&m| &logits[m]).collect();
                let record = ensemble(key, what, &members, self.data())?;
                journal.append(Record::Ensemble(record))?;
            }
        }
        Ok(())
    }
}

impl Questions<'_> {
    /// `count` random sets of up to `most` blocks, each size equally likely, to see whether
    /// effects add up.
    ///
    /// # Errors
    /// More blocks than can be removed.
    pub fn subsets(
        &self,
        count: u64,
        most: usize,
        seed: Seed,
    ) -> Result<Vec<Measurement>, ExperimentError> {
        use rand::RngExt;
        self.check_removable(most)?;
        let subset = |draw: u64| {
            let mut random = seed.stream("subset for additivity", draw);
            let size = random.random_range(0..=most);
            let mut measurement = self.random_set(size, &mut random, LesionOptions::default());
            measurement.key = format!("subset {draw}");
            measurement.draw = Some(draw);
            measurement
        };
        Ok((0..count).map(subset).collect())
    }
}

/// Sets of `chosen` of `all`, as far as a number of this type counts them.
fn ways(all: usize, chosen: usize) -> usize {
    let factors = (0..chosen.min(all - chosen.min(all))).map(|one| (all - one, one + 1));
    factors
        .into_iter()
        .try_fold(1usize, |ways, (above, below)| {
            Some(ways.checked_mul(above)? / below)
        })
        .unwrap_or(usize::MAX)
}

fn ensemble(
    key: String,
    what: String,
    members: &[&Tensor],
    data: &Dataset,
) -> Result<Ensemble, ExperimentError> {
    let labels = data.labels();
    let predictions = members.iter().map(|logits| classes(logits));
    let predictions = predictions.collect::<Result<Vec<_>, _>>()?;
    let is_wrong = |found: &Vec<u32>| wrong(found, labels);
    let each_wrong: Vec<Vec<bool>> = predictions.iter().map(is_wrong).collect();
    let vote = is_wrong(&majority_vote(&predictions));
    let mean = Tensor::f_stack(members, 0)?.f_mean_dim([0].as_slice(), false, Kind::Double)?;
    let mean = is_wrong(&classes(&mean)?);
    let disagreement = disagreement(&predictions).ok_or_else(|| {
        ExperimentError::Internal(format!("{} members cannot disagree", members.len()))
    })?;
    Ok(Ensemble {
        key,
        members: what,
        size: members.len(),
        examples: labels.len(),
        positions: data.positions(),
        member_errors: each_wrong.iter().map(|wrong| count(wrong)).collect(),
        vote_errors: count(&vote),
        mean_errors: count(&mean),
        vote_wrong: WrongExamples::new(&vote),
        mean_wrong: WrongExamples::new(&mean),
        error_correlation: error_correlation(&each_wrong),
        disagreement,
    })
}

/// The class of the largest logit of every prediction.
fn classes(logits: &Tensor) -> Result<Vec<u32>, ExperimentError> {
    predictions(&logits.f_argmax(-1, false)?.f_reshape(-1)?)
}
