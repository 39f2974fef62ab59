//! Weighted least squares with few columns: the engine of the fits on a log scale.

use ndarray::{Array1, Array2, Axis};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::cholesky::Cholesky;
use crate::interval::{Interval, Level};

/// Coefficients of a fit and what is known of their errors.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    pub coefficients: Array1<f64>,
    pub standard_errors: Array1<f64>,
    /// Weighted sum of squared residuals.
    pub residual: f64,
    /// Weighted sum of squares about the weighted mean.
    pub total: f64,
    /// Observations less coefficients.
    pub freedom: usize,
}

impl Fit {
    pub(crate) fn r_squared(&self) -> f64 {
        if self.total > 0.0 {
            1.0 - self.residual / self.total
        } else {
            1.0
        }
    }

    /// The `index`th coefficient's t interval.
    pub(crate) fn interval(&self, index: usize, level: Level) -> Interval {
        let (value, error) = self.coefficient(index);
        let half = error * student_quantile(self.freedom as f64, level);
        Interval::new(value - half, value + half)
    }

    /// Two-sided p-value of the `index`th coefficient being `hypothesis`.
    pub(crate) fn p_value(&self, index: usize, hypothesis: f64) -> f64 {
        let (value, error) = self.coefficient(index);
        let distance = (value - hypothesis).abs();
        // Without residuals any distance beyond rounding is certain.
        if distance <= 1e-12 * (1.0 + hypothesis.abs()) {
            return 1.0;
        }
        (2.0 * upper_tail(distance / error, self.freedom as f64)).min(1.0)
    }

    /// A coefficient and its standard error.
    pub(crate) fn coefficient(&self, index: usize) -> (f64, f64) {
        let of = |values: &Array1<f64>| values.get(index).copied().unwrap_or(f64::NAN);
        (of(&self.coefficients), of(&self.standard_errors))
    }
}

/// Fits `response` by the columns of `design`, `[observation, column]`, and the weights; `None`
/// where there are too few observations or the columns depend on each other.
pub(crate) fn fit(design: &Array2<f64>, response: &[f64], weights: &[f64]) -> Option<Fit> {
    let freedom = design
        .nrows()
        .checked_sub(design.ncols())
        .filter(|&freedom| freedom > 0)?;
    let weights = Array1::from(weights.to_vec());
    let response = Array1::from(response.to_vec());
    if weights.len() != design.nrows() || response.len() != design.nrows() {
        return None;
    }
    let weighted = design * &weights.view().insert_axis(Axis(1));
    let normal = design.t().dot(&weighted);
    let factor = Cholesky::new(&normal)?;
    let coefficients = factor.solve(&weighted.t().dot(&response))?;
    let errors = &response - &design.dot(&coefficients);
    let mean = weights.dot(&response) / weights.sum();
    let total = (&weights * &response.mapv(|y| (y - mean).powi(2))).sum();
    let residual = (&weights * &errors.mapv(|e| e * e)).sum();
    let scale = residual / freedom as f64;
    let variances: Option<Vec<f64>> = (0..design.ncols())
        .map(|index| {
            let mut unit = Array1::zeros(design.ncols());
            *unit.get_mut(index)? = 1.0;
            factor
                .solve(&unit)?
                .get(index)
                .map(|inverse| (scale * inverse).sqrt())
        })
        .collect();
    Some(Fit {
        coefficients,
        standard_errors: variances?.into(),
        residual,
        total,
        freedom,
    })
}

/// The first value without a logarithm, and its place.
pub(crate) fn not_positive(values: &[f64]) -> Option<(usize, f64)> {
    let mut values = values.iter().copied().enumerate();
    values.find(|(_, value)| !(value.is_finite() && *value > 0.0))
}

/// `P(T > t)`; through the incomplete beta function, so that far tails keep their digits.
pub(crate) fn upper_tail(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    let share = freedom / (freedom + t * t);
    let both =
        statrs::function::beta::checked_beta_reg(freedom / 2.0, 0.5, share).unwrap_or(f64::NAN);
    if t >= 0.0 {
        both / 2.0
    } else {
        1.0 - both / 2.0
    }
}

/// The quantile of Student's t that leaves half of alpha above it.
pub(crate) fn student_quantile(freedom: f64, level: Level) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(law) => {
            let mut t = -law.inverse_cdf(level.alpha() / 2.0);
            // One Newton step or two: the library's root is looser than 1e-10 for some freedoms.
            for _ in 0..3 {
                let density = statrs::distribution::Continuous::pdf(&law, t);
                let step = (upper_tail(t, freedom) - level.alpha() / 2.0) / density;
                if step.is_finite() {
                    t += step;
                }
            }
            t
        }
        Err(_) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// scipy 1.17: `t.ppf([.975, .95], 2.7)`.
    #[test]
    fn quantiles_agree_with_scipy() {
        for (level, want) in [(0.95, 3.3921483831737507), (0.90, 2.4638889362708496)] {
            let got = student_quantile(2.7, Level::new(level).unwrap());
            assert!((got - want).abs() < 1e-10, "{got}");
        }
    }

    proptest! {
        #[test]
        fn quantile_inverts_the_tail(freedom in 1.0f64..2_000.0, level in 0.001f64..0.9999) {
            let level = Level::new(level).unwrap();
            let tail = upper_tail(student_quantile(freedom, level), freedom);
            prop_assert!((tail / (level.alpha() / 2.0) - 1.0).abs() < 1e-9);
        }
    }
}
