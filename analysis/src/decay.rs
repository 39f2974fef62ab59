//! How the norm of a path falls with its length, and the range that follows from it.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::binomial::Binomial;
use crate::effective_range::{EffectiveRange, EffectiveRangeError, effective_range};
use crate::interval::{Interval, Level};
use crate::least_squares::{Fit, fit, not_positive};
use crate::length_law::{LengthLaw, LengthLawError};
use crate::multiplicity::PathPolynomial;

/// Why a decay cannot be fitted or used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecayError {
    /// Measurements in different numbers.
    #[error("decay: {lengths} lengths but {others} {what}; give one per length")]
    LengthsDiffer {
        /// How many lengths.
        lengths: usize,
        /// What there is another number of.
        what: &'static str,
        /// How many of them.
        others: usize,
    },
    /// Too few different lengths for a line and its error.
    #[error("decay: {0} different lengths; a line with an error needs at least three")]
    TooFewLengths(usize),
    /// A norm or standard error without a logarithm or weight.
    #[error("decay: the {what} of measurement {index} is {value}; it must be finite and above 0")]
    NotPositive {
        /// Norm or standard error.
        what: &'static str,
        /// Which measurement, from 0.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// The measurements differ by too many orders of magnitude to be weighed against each other.
    #[error("decay: the weights span too many orders of magnitude; fit without standard errors")]
    IllConditioned,
    /// The predicted law does not exist.
    #[error(transparent)]
    Law(#[from] LengthLawError),
    /// The predicted range does not exist.
    #[error(transparent)]
    Range(#[from] EffectiveRangeError),
}

/// Whether the norm of a path falls as `rho^length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DecayShape {
    /// Nothing speaks against `rho^length`.
    Exponential,
    /// The fall steepens with length: one rho understates the loss of long paths.
    Steepening,
    /// The fall flattens with length: one rho overstates the loss of long paths.
    Flattening,
    /// The points scatter about the line by more than their errors allow.
    Irregular,
    /// Three points cannot tell a line from a curve.
    Undecided,
}

/// The fit of `ln(mean norm of one path) = intercept + length ln(rho)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decay {
    /// Factor by which one more function changes the norm of a path.
    pub rho: f64,
    /// Interval of rho.
    pub rho_interval: Interval,
    /// Natural logarithm of rho: the slope.
    pub ln_rho: f64,
    /// Standard error of the slope.
    pub ln_rho_standard_error: f64,
    /// Natural logarithm of the norm of the path of length 0.
    pub intercept: f64,
    /// Share of the weighted variance of the log norms that the line explains.
    pub r_squared: f64,
    /// Coefficient of length squared when it is fitted too; none for three lengths.
    pub curvature: Option<f64>,
    /// p-value of no curvature.
    pub curvature_p_value: Option<f64>,
    /// p-value of the line by chi-square; only where standard errors were given.
    pub lack_of_fit_p_value: Option<f64>,
    /// What the tests say at the level asked.
    pub shape: DecayShape,
    /// The level of interval and tests.
    pub level: Level,
}

/// Fits the decay of mean per-path norms with length by weighted least squares on their logarithms.
///
/// With standard errors, the weights are `(norm / error)^2`, the inverse variances of the
/// logarithms (delta method); without, all lengths weigh the same.
///
/// # Errors
/// When slices differ in length, a norm or error is not positive and finite, or there are fewer
/// than three different lengths.
///
/// ```
/// use pathscope_analysis::{DecayShape, Level, fit_decay};
/// let lengths = [1, 2, 3, 4, 5, 6];
/// let norms = lengths.map(|l| 3.0 * 0.4f64.powi(l as i32));
/// let decay = fit_decay(&lengths, &norms, None, Level::P95)?;
/// assert!((decay.rho - 0.4).abs() < 1e-9);
/// assert_eq!(decay.shape, DecayShape::Exponential);
/// # Ok::<(), pathscope_analysis::DecayError>(())
/// ```
pub fn fit_decay(
    lengths: &[usize],
    mean_norms: &[f64],
    standard_errors: Option<&[f64]>,
    level: Level,
) -> Result<Decay, DecayError> {
    check("norm", lengths.len(), mean_norms)?;
    if let Some(errors) = standard_errors {
        check("standard error", lengths.len(), errors)?;
    }
    let mut different = lengths.to_vec();
    different.sort_unstable();
    different.dedup();
    if different.len() < 3 {
        return Err(DecayError::TooFewLengths(different.len()));
    }
    let logarithms: Vec<f64> = mean_norms.iter().map(|norm| norm.ln()).collect();
    let weights: Vec<f64> = match standard_errors {
        Some(errors) => {
            let pairs = mean_norms.iter().zip(errors);
            pairs.map(|(m, e)| (m / e).powi(2)).collect()
        }
        None => vec![1.0; lengths.len()],
    };
    // Lengths from their mean in units of their spread: the columns stay independent in f64.
    let count = lengths.len() as f64;
    let centre = lengths.iter().map(|&l| l as f64).sum::<f64>() / count;
    let squares = lengths.iter().map(|&l| (l as f64 - centre).powi(2));
    let spread = (squares.sum::<f64>() / count).sqrt();
    let powers = |columns: usize| {
        let power =
            |length: usize, power: usize| ((length as f64 - centre) / spread).powi(power as i32);
        let measurement = |(row, column)| {
            lengths
                .get(row)
                .map_or(0.0, |&length| power(length, column))
        };
        let design = Array2::from_shape_fn((lengths.len(), columns), measurement);
        fit(&design, &logarithms, &weights)
    };
    let line = powers(2).ok_or(DecayError::IllConditioned)?;
    let curve = if different.len() > 3 { powers(3) } else { None };
    let (slope, slope_error) = line.coefficient(1);
    let slope_interval = line.interval(1, level);
    let ln_rho = slope / spread;
    let bend = |curve: &Fit| curve.coefficient(2).0 / spread.powi(2);
    let curvature = curve.as_ref().map(bend);
    let curvature_p_value = curve.as_ref().map(|curve| curvature_p_value(&line, curve));
    let lack_of_fit_p_value = standard_errors.and_then(|_| {
        let law = ChiSquared::new(line.freedom as f64).ok()?;
        Some(match line.residual.is_finite() {
            true => law.sf(line.residual),
            false => 0.0,
        })
    });
    let rejected = |p: Option<f64>| p.is_some_and(|p| p < level.alpha());
    let shape = match (rejected(curvature_p_value), curvature) {
        (true, Some(bend)) if bend < 0.0 => DecayShape::Steepening,
        (true, _) => DecayShape::Flattening,
        _ if rejected(lack_of_fit_p_value) => DecayShape::Irregular,
        (_, None) => DecayShape::Undecided,
        _ => DecayShape::Exponential,
    };
    Ok(Decay {
        rho: ln_rho.exp(),
        rho_interval: Interval::new(
            (slope_interval.lower / spread).exp(),
            (slope_interval.upper / spread).exp(),
        ),
        ln_rho,
        ln_rho_standard_error: slope_error / spread,
        intercept: line.coefficient(0).0 - ln_rho * centre,
        r_squared: line.r_squared(),
        curvature,
        curvature_p_value,
        lack_of_fit_p_value,
        shape,
        level,
    })
}

/// The t-test of the bend; a line that leaves only rounding has none.
fn curvature_p_value(line: &Fit, curve: &Fit) -> f64 {
    if line.residual <= 1e-24 * line.total {
        1.0
    } else {
        curve.p_value(2, 0.0)
    }
}

/// The law of gradient magnitude over lengths that follows from a decay, and its range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PredictedRange {
    /// Probability `p = k rho / (1 + k rho)` where the law is binomial: all blocks have k functions.
    pub probability: Option<f64>,
    /// Its mean, `n p`.
    pub centre: f64,
    /// Its standard deviation.
    pub standard_deviation: f64,
    /// The law: the predicted share at each length.
    pub shares: Vec<f64>,
    /// The shortest interval of lengths that holds the share asked.
    pub effective: EffectiveRange,
}

/// If the norm of a path falls as `rho^l`, the magnitude at length `l`, `C(n, l) (k rho)^l`, is
/// `Binomial(n, k rho / (1 + k rho))`.
///
/// # Errors
/// When there are no blocks or functions, `rho` is negative or not finite, or the share is not in
/// `(0, 1]`.
pub fn predict_range(
    blocks: usize,
    functions: usize,
    rho: f64,
    share: f64,
) -> Result<PredictedRange, DecayError> {
    if functions == 0 {
        return Err(LengthLawError::Empty("functions").into());
    }
    let law = Binomial::from_odds(blocks, functions as f64 * rho)?;
    predicted(&law, Some(law.probability()), share)
}

/// The same for any network: a way of length l through a block has the weight `rho^l`, and the law is that
/// of [`PathPolynomial::decayed`].
///
/// # Errors
/// When `rho` is negative or not finite, or the share is not in `(0, 1]`.
pub fn predict_range_of(
    network: &PathPolynomial,
    rho: f64,
    share: f64,
) -> Result<PredictedRange, DecayError> {
    predicted(&network.decayed(rho)?, None, share)
}

fn predicted(
    law: &impl LengthLaw,
    probability: Option<f64>,
    share: f64,
) -> Result<PredictedRange, DecayError> {
    let shares = law.probabilities()?;
    Ok(PredictedRange {
        probability,
        centre: law.mean(),
        standard_deviation: law.variance().sqrt(),
        effective: effective_range(&shares, share)?,
        shares,
    })
}

fn check(what: &'static str, lengths: usize, values: &[f64]) -> Result<(), DecayError> {
    if values.len() != lengths {
        return Err(DecayError::LengthsDiffer {
            lengths,
            what,
            others: values.len(),
        });
    }
    match not_positive(values) {
        Some((index, value)) => Err(DecayError::NotPositive { what, index, value }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 8] = [1, 2, 3, 4, 5, 6, 8, 10];
    const NORMS: [f64; 8] = [0.9, 0.41, 0.2, 0.085, 0.04, 0.021, 0.0048, 0.0011];
    const ERRORS: [f64; 8] = [0.02, 0.01, 0.006, 0.003, 0.001, 0.001, 0.0004, 0.0002];

    /// statsmodels 0.15: `WLS(log(m), add_constant(l), weights=(m/e)**2).fit()`, and with `l**2`;
    /// scipy 1.17: `chi2.sf((r.wresid**2).sum(), 6)`.
    #[test]
    fn agrees_with_statsmodels() {
        let decay = fit_decay(&LENGTHS, &NORMS, Some(&ERRORS), Level::P95).unwrap();
        let golden = [
            (decay.intercept, 0.6440651272269703),
            (decay.ln_rho, -0.7637528399672894),
            (decay.ln_rho_standard_error, 0.009264975583618364),
            (decay.rho_interval.lower.ln(), -0.786423418523414),
            (decay.rho_interval.upper.ln(), -0.7410822614111647),
            (decay.r_squared, 0.9991178329283404),
            (decay.lack_of_fit_p_value.unwrap(), 0.037232834341887316),
            (decay.curvature.unwrap(), 0.006285991419835352),
            (decay.curvature_p_value.unwrap(), 0.143590760372373),
        ];
        for (got, want) in golden {
            assert!((got - want).abs() < 1e-10, "{got} {want}");
        }
        assert_eq!(decay.shape, DecayShape::Irregular);
    }

    #[test]
    fn a_bend_is_told_from_a_line() {
        let bent = |bend: f64| {
            let norm = |(i, &l): (usize, &usize)| {
                (bend * (l * l) as f64 - 0.7 * l as f64 + 0.01 * (i % 2) as f64).exp()
            };
            let norms: Vec<f64> = LENGTHS.iter().enumerate().map(norm).collect();
            fit_decay(&LENGTHS, &norms, None, Level::P95).unwrap().shape
        };
        assert_eq!(bent(-0.03), DecayShape::Steepening);
        assert_eq!(bent(0.03), DecayShape::Flattening);
        assert_eq!(bent(0.0), DecayShape::Exponential);
    }

    #[test]
    fn an_even_decay_predicts_the_law_of_all_paths() {
        let predicted = predict_range(54, 1, 1.0, 0.95).unwrap();
        assert_eq!((predicted.probability, predicted.centre), (Some(0.5), 27.0));
        let range = predicted.effective.range;
        assert_eq!((range.first, range.last), (20, 34));
        let decayed = predict_range(54, 1, 0.25, 0.95).unwrap();
        assert!((decayed.centre - 10.8).abs() < 1e-12);
    }

    #[test]
    fn a_network_of_equal_blocks_predicts_the_binomial_range() {
        let network = PathPolynomial::uniform(20, 3).unwrap();
        let (one, other) = (
            predict_range(20, 3, 0.3, 0.95).unwrap(),
            predict_range_of(&network, 0.3, 0.95).unwrap(),
        );
        assert_eq!(one.effective.range, other.effective.range);
        assert!((one.centre - other.centre).abs() < 1e-12);
        assert!((one.standard_deviation - other.standard_deviation).abs() < 1e-12);
        assert!(predict_range_of(&network, -1.0, 0.95).is_err());
        assert!(predict_range_of(&network, f64::NAN, 0.95).is_err());
    }

    #[test]
    fn refuse_what_has_no_answer() {
        assert!(fit_decay(&[], &[], None, Level::P95).is_err());
        assert!(fit_decay(&[1, 2, 2], &[1.0; 3], None, Level::P95).is_err());
        assert!(fit_decay(&[1, 2, 3], &[1.0, 2.0], None, Level::P95).is_err());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(fit_decay(&[1, 2, 3], &[1.0, bad, 1.0], None, Level::P95).is_err());
            let errors = [1.0, bad, 1.0];
            assert!(fit_decay(&[1, 2, 3], &[1.0; 3], Some(&errors), Level::P95).is_err());
        }
        let three = fit_decay(&[1, 2, 3], &[1.0, 0.5, 0.24], None, Level::P95).unwrap();
        assert_eq!(three.shape, DecayShape::Undecided);
        assert_eq!(three.curvature, None);
        assert!(predict_range(0, 1, 0.5, 0.9).is_err());
        assert!(predict_range(3, 0, 0.5, 0.9).is_err());
        assert!(predict_range(3, 1, f64::NAN, 0.9).is_err());
        assert!(predict_range(3, 1, 0.5, 0.0).is_err());
        let (lengths, norms) = ([1, usize::MAX, 3], [1e-300, 1.0, 1e300]);
        assert!(fit_decay(&lengths, &norms, Some(&[1e-300; 3]), Level::P95).is_err());
    }
}
