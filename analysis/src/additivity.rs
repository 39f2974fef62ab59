//! Do effects of blocks add up? How well a sum over blocks predicts subsets that it has not seen.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cholesky::Cholesky;
use crate::seed::Seed;

/// Why additivity cannot be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AdditivityError {
    /// No blocks.
    #[error("additivity: no blocks; give one column per block")]
    NoBlocks,
    /// Subsets and responses in different numbers.
    #[error("additivity: {subsets} subsets but {responses} responses; give one per subset")]
    LengthsDiffer {
        /// How many subsets.
        subsets: usize,
        /// How many responses.
        responses: usize,
    },
    /// Fewer subsets than folds, or folds than two.
    #[error(
        "additivity: {subsets} subsets in {folds} folds; use two folds or more and a subset each"
    )]
    TooFewSubsets {
        /// How many subsets.
        subsets: usize,
        /// How many folds.
        folds: usize,
    },
    /// A response that is not a finite number.
    #[error("additivity: the response of subset {subset} is {value}; measure it again")]
    NotFinite {
        /// Which subset, from 0.
        subset: usize,
        /// Its response.
        value: f64,
    },
    /// Responses that do not vary.
    #[error("additivity: all responses are equal, so there is no variance to explain")]
    NoVariance,
    /// A ridge that is negative or not a number.
    #[error("additivity: the ridge is {0}; give a finite number of 0 or more")]
    Ridge(f64),
    /// More terms than a dense system holds.
    #[error("additivity: {terms} terms are too many; at most {limit}: leave out pairs or blocks")]
    TooManyTerms {
        /// How many terms.
        terms: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Terms that the subsets do not determine.
    #[error(
        "additivity: these subsets do not determine all terms; measure more of them, or raise the ridge"
    )]
    Singular,
}

/// Which terms the model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectOrder {
    /// One effect per block: additive.
    Blocks,
    /// One effect per block and one per pair of blocks.
    Pairs,
}

/// How to fit and hold out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdditivityOptions {
    /// Number of parts; each is predicted by a fit on the others.
    pub folds: usize,
    /// Ridge as a share of the variance of a block that is on in half of the subsets.
    pub ridge: f64,
    /// Fixes the parts.
    pub seed: Seed,
}

impl Default for AdditivityOptions {
    /// Five folds, a ridge of 1e-6, seed 0.
    fn default() -> Self {
        Self {
            folds: 5,
            ridge: 1e-6,
            seed: Seed(0),
        }
    }
}

/// How well a model of a given order predicts subsets held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Additivity {
    /// Terms of the model.
    pub order: EffectOrder,
    /// Share of the variance of held-out responses that is predicted; below 0 where the mean would
    /// have predicted better.
    pub r_squared: f64,
    /// Number of terms beside the mean.
    pub terms: usize,
    /// Number of subsets.
    pub subsets: usize,
    /// Effect of switching each block on, averaged over the other blocks; from all subsets.
    pub block_effects: Vec<f64>,
    /// How it was fitted.
    pub options: AdditivityOptions,
}

/// Fits `response` of each subset by which blocks are on, `active` of shape `[subset, block]`, and
/// judges the fit on subsets held out.
///
/// # Errors
/// When there are no blocks, too few subsets or too many terms, a response is not finite, all are
/// equal, or the subsets do not determine the terms.
///
/// ```
/// use ndarray::Array2;
/// use pathscope_analysis::{AdditivityOptions, EffectOrder, additivity};
/// let active = Array2::from_shape_fn((64, 6), |(subset, block)| subset >> block & 1 == 1);
/// let response: Vec<f64> =
///     active.rows().into_iter().map(|row| row.iter().filter(|on| **on).count() as f64).collect();
/// let fit = additivity(active.view(), &response, EffectOrder::Blocks, &Default::default())?;
/// assert!(fit.r_squared > 0.999 && (fit.block_effects[0] - 1.0).abs() < 1e-3);
/// # Ok::<(), pathscope_analysis::AdditivityError>(())
/// ```
pub fn additivity(
    active: ArrayView2<'_, bool>,
    response: &[f64],
    order: EffectOrder,
    options: &AdditivityOptions,
) -> Result<Additivity, AdditivityError> {
    const LIMIT: usize = 4_096;
    let (subsets, blocks) = active.dim();
    if blocks == 0 {
        return Err(AdditivityError::NoBlocks);
    }
    if response.len() != subsets {
        return Err(AdditivityError::LengthsDiffer {
            subsets,
            responses: response.len(),
        });
    }
    if options.folds < 2 || subsets < options.folds {
        return Err(AdditivityError::TooFewSubsets {
            subsets,
            folds: options.folds,
        });
    }
    if !(options.ridge.is_finite() && options.ridge >= 0.0) {
        return Err(AdditivityError::Ridge(options.ridge));
    }
    let mut numbers = response.iter().copied().enumerate();
    if let Some((subset, value)) = numbers.find(|(_, value)| !value.is_finite()) {
        return Err(AdditivityError::NotFinite { subset, value });
    }
    let terms = match order {
        EffectOrder::Blocks => blocks,
        EffectOrder::Pairs => blocks.saturating_mul(blocks.saturating_add(1)) / 2,
    };
    if terms > LIMIT {
        return Err(AdditivityError::TooManyTerms {
            terms,
            limit: LIMIT,
        });
    }
    let design = design(active, order, terms);
    let response = Array1::from(response.to_vec());
    let (mut missed, mut varied) = (0.0, 0.0);
    let parts = parts(subsets, options);
    for fold in 0..options.folds {
        let rows = |held_out: bool| -> Vec<usize> {
            let parts = parts.iter().enumerate();
            let chosen = parts.filter(|(_, part)| (**part == fold) == held_out);
            chosen.map(|(row, _)| row).collect()
        };
        let (seen, unseen) = (rows(false), rows(true));
        let take = |rows: &[usize]| (design.select(Axis(0), rows), response.select(Axis(0), rows));
        let (x, y) = take(&seen);
        let model = Model::fit(&x, &y, options.ridge)?;
        let (x, y) = take(&unseen);
        missed += (&y - &model.predict(&x)).mapv(|error| error * error).sum();
        varied += y.mapv(|y| (y - model.mean).powi(2)).sum();
    }
    if !(varied.is_finite() && varied > 0.0) {
        return Err(AdditivityError::NoVariance);
    }
    let all = Model::fit(&design, &response, options.ridge)?;
    Ok(Additivity {
        order,
        r_squared: 1.0 - missed / varied,
        terms,
        subsets,
        block_effects: all.effects.iter().take(blocks).copied().collect(),
        options: *options,
    })
}

/// Off is -1/2 and on +1/2, so that an effect is a change from off to on averaged over the others;
/// a pair is +1/2 where both agree.
fn design(active: ArrayView2<'_, bool>, order: EffectOrder, terms: usize) -> Array2<f64> {
    let mut design = Array2::zeros((active.nrows(), terms));
    for (mut row, on) in design.rows_mut().into_iter().zip(active.rows()) {
        let side: Vec<f64> = on.iter().map(|&on| if on { 0.5 } else { -0.5 }).collect();
        let pairs = side.iter().enumerate().flat_map(|(index, a)| {
            let later = match order {
                EffectOrder::Pairs => side.get(index + 1..),
                EffectOrder::Blocks => None,
            };
            later.unwrap_or_default().iter().map(move |b| 2.0 * a * b)
        });
        for (slot, value) in row.iter_mut().zip(side.iter().copied().chain(pairs)) {
            *slot = value;
        }
    }
    design
}

/// A random part for each subset, parts as equal as can be.
fn parts(subsets: usize, options: &AdditivityOptions) -> Vec<usize> {
    let mut random = options.seed.stream("additivity folds", 0);
    let mut parts: Vec<usize> = (0..subsets).map(|subset| subset % options.folds).collect();
    for last in (1..subsets).rev() {
        parts.swap(last, random.random_range(0..=last));
    }
    parts
}

/// A ridge regression about the means, so that the mean itself is never shrunk.
struct Model {
    centre: Array1<f64>,
    mean: f64,
    effects: Array1<f64>,
}

impl Model {
    fn fit(x: &Array2<f64>, y: &Array1<f64>, ridge: f64) -> Result<Self, AdditivityError> {
        let (Some(centre), Some(mean)) = (x.mean_axis(Axis(0)), y.mean()) else {
            return Err(AdditivityError::Singular);
        };
        let centred = x - &centre;
        let mut normal = centred.t().dot(&centred);
        // A block on in half of the rows has a sum of squares of a quarter of the rows.
        let more = ridge * x.nrows() as f64 / 4.0;
        normal.diag_mut().mapv_inplace(|square| square + more);
        let factor = Cholesky::new(&normal).ok_or(AdditivityError::Singular)?;
        let effects = factor.solve(&centred.t().dot(&(y - mean)));
        let effects = effects.ok_or(AdditivityError::Singular)?;
        Ok(Self {
            centre,
            mean,
            effects,
        })
    }

    fn predict(&self, x: &Array2<f64>) -> Array1<f64> {
        (x - &self.centre).dot(&self.effects) + self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn subsets(count: usize, blocks: usize) -> Array2<bool> {
        let mut random = Seed(4).stream("test", 0);
        Array2::from_shape_fn((count, blocks), |_| random.random_bool(0.5))
    }

    #[test]
    fn pairs_explain_what_a_sum_cannot() {
        let active = subsets(300, 8);
        let value = |row: ndarray::ArrayView1<'_, bool>| {
            let on = |block: usize| f64::from(u8::from(row[block]));
            2.0 * on(0) - on(3) + 3.0 * on(1) * on(5)
        };
        let response: Vec<f64> = active.rows().into_iter().map(value).collect();
        let fit = |order| additivity(active.view(), &response, order, &Default::default()).unwrap();
        let (sum, pairs) = (fit(EffectOrder::Blocks), fit(EffectOrder::Pairs));
        let told = pairs.r_squared > 0.999_999 && sum.r_squared < 0.95;
        assert!(told, "{sum:?}");
        assert!((pairs.block_effects[0] - 2.0).abs() < 1e-3);
        // Averaged over block 5, block 1 is worth 3/2.
        assert!((pairs.block_effects[1] - 1.5).abs() < 1e-3);
        assert_eq!((sum.terms, pairs.terms), (8, 36));
    }

    #[test]
    fn noise_is_not_predicted() {
        let active = subsets(400, 6);
        let mut random = Seed(5).stream("test", 0);
        let response: Vec<f64> = (0..400).map(|_| random.random::<f64>()).collect();
        let options = AdditivityOptions::default();
        let fit = additivity(active.view(), &response, EffectOrder::Pairs, &options);
        assert!(fit.unwrap().r_squared < 0.05);
    }

    #[test]
    fn refuse_what_has_no_answer() {
        let options = AdditivityOptions::default();
        let active = subsets(20, 3);
        let ask = |active: &Array2<bool>, response: &[f64], options: &AdditivityOptions| {
            additivity(active.view(), response, EffectOrder::Blocks, options)
        };
        let good: Vec<f64> = (0..20).map(f64::from).collect();
        let none = ask(&subsets(20, 0), &good, &options);
        assert_eq!(none, Err(AdditivityError::NoBlocks));
        assert!(ask(&active, &good[1..], &options).is_err());
        assert!(ask(&subsets(0, 3), &[], &options).is_err());
        assert!(ask(&active, &[f64::NAN; 20], &options).is_err());
        let equal = ask(&active, &[1.0; 20], &options);
        assert_eq!(equal, Err(AdditivityError::NoVariance));
        for folds in [0, 1, 21] {
            assert!(ask(&active, &good, &AdditivityOptions { folds, ..options }).is_err());
        }
        let ridge = AdditivityOptions {
            ridge: f64::NAN,
            ..options
        };
        assert!(ask(&active, &good, &ridge).is_err());
        let constant = Array2::from_elem((20, 3), true);
        let none = AdditivityOptions {
            ridge: 0.0,
            ..options
        };
        assert_eq!(ask(&constant, &good, &none), Err(AdditivityError::Singular));
        assert!(ask(&constant, &good, &options).is_ok());
        let wide = subsets(10, 100);
        let pairs = additivity(wide.view(), &good[..10], EffectOrder::Pairs, &options);
        assert!(matches!(pairs, Err(AdditivityError::TooManyTerms { .. })));
    }
}
