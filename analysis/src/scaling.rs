//! How a quantity grows over a family of networks: power laws.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use crate::interval::{Interval, Level};
use crate::least_squares::{fit, not_positive};

/// Why a power law cannot be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScalingError {
    /// Sizes and quantities in different numbers.
    #[error("scaling: {sizes} sizes but {quantities} quantities; give one quantity per size")]
    LengthsDiffer {
        /// How many sizes.
        sizes: usize,
        /// How many quantities.
        quantities: usize,
    },
    /// A number without a logarithm.
    #[error("scaling: the {what} of network {index} is {value}; it must be finite and above 0")]
    NotPositive {
        /// Size or quantity.
        what: &'static str,
        /// Which network, from 0.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// Too few networks for an exponent and its error.
    #[error("scaling: {0} networks of two sizes or more; an exponent with an error needs three")]
    TooFewNetworks(usize),
    /// All networks have one size.
    #[error("scaling: all networks have the same size, so nothing grows; vary it")]
    OneSize,
    /// Quantities that lie on the law to the last digit, as whole numbers may.
    #[error(
        "scaling: the quantities follow a power law exactly, which says nothing about its error; \
         whole numbers may do so by chance, so add networks"
    )]
    NoScatter,
    /// A comparison of no groups.
    #[error("scaling: no groups; give at least one")]
    NoGroups,
}

/// The fit of `quantity = factor size^exponent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PowerLaw {
    /// The exponent: 1 where the quantity grows in proportion.
    pub exponent: f64,
    /// Its standard error.
    pub exponent_standard_error: f64,
    /// Its interval.
    pub exponent_interval: Interval,
    /// The factor: the quantity at size 1.
    pub factor: f64,
    /// Its interval.
    pub factor_interval: Interval,
    /// Share of the variance of the logarithms that the law explains.
    pub r_squared: f64,
    /// Two-sided p-value of an exponent of 1.
    pub proportional_p_value: f64,
    /// The level of the intervals.
    pub level: Level,
}

/// Fits a power law by least squares on both logarithms.
///
/// # Errors
/// When slices differ in length, a number is not positive and finite, there are fewer than three
/// networks or two sizes, or nothing deviates from the law, so that its error is unknown.
///
/// ```
/// use pathscope_analysis::{Level, fit_power_law};
/// let law = fit_power_law(&[9.0, 27.0, 54.0], &[3.0, 5.2, 7.3], Level::P95)?;
/// assert!(law.exponent_interval.contains(0.5));
/// # Ok::<(), pathscope_analysis::ScalingError>(())
/// ```
pub fn fit_power_law(
    sizes: &[f64],
    quantities: &[f64],
    level: Level,
) -> Result<PowerLaw, ScalingError> {
    check(sizes, quantities)?;
    if sizes.len() < 3 {
        return Err(ScalingError::TooFewNetworks(sizes.len()));
    }
    let (x, y) = (logarithms(sizes), logarithms(quantities));
    let design = Array2::from_shape_fn((x.len(), 2), |(row, column)| match column {
        0 => 1.0,
        _ => x.get(row).copied().unwrap_or(0.0),
    });
    let line = fit(&design, &y, &vec![1.0; y.len()]).ok_or(ScalingError::OneSize)?;
    check_scatter(line.residual)?;
    let factor = line.interval(0, level);
    Ok(PowerLaw {
        exponent: line.coefficient(1).0,
        exponent_standard_error: line.coefficient(1).1,
        exponent_interval: line.interval(1, level),
        factor: line.coefficient(0).0.exp(),
        factor_interval: Interval::new(factor.lower.exp(), factor.upper.exp()),
        r_squared: line.r_squared(),
        proportional_p_value: line.p_value(1, 1.0),
        level,
    })
}

/// One exponent for several groups of networks, each with its own factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommonPowerLaw {
    /// The common exponent.
    pub exponent: f64,
    /// Its standard error.
    pub exponent_standard_error: f64,
    /// Its interval.
    pub exponent_interval: Interval,
    /// The factor of each group, in the order given.
    pub factors: Vec<f64>,
    /// Two-sided p-value of a common exponent of 1.
    pub proportional_p_value: f64,
    /// p-value of all groups having one exponent (F test); none for one group, or where too few
    /// networks are left to judge.
    pub equal_exponents_p_value: Option<f64>,
    /// The level of the interval.
    pub level: Level,
}

/// Fits one exponent over several groups of `(sizes, quantities)`, and tests that it is one.
///
/// # Errors
/// As [`fit_power_law`], for all groups together; and when there are no groups.
pub fn fit_common_power_law(
    groups: &[(&[f64], &[f64])],
    level: Level,
) -> Result<CommonPowerLaw, ScalingError> {
    if groups.is_empty() {
        return Err(ScalingError::NoGroups);
    }
    let mut points = Vec::new();
    for (group, (sizes, quantities)) in groups.iter().enumerate() {
        check(sizes, quantities)?;
        let pairs = logarithms(sizes).into_iter().zip(logarithms(quantities));
        points.extend(pairs.map(|(x, y)| (group, x, y)));
    }
    if points.len() < groups.len() + 2 || groups.iter().any(|(sizes, _)| sizes.is_empty()) {
        return Err(ScalingError::TooFewNetworks(points.len()));
    }
    let count = groups.len();
    let response: Vec<f64> = points.iter().map(|point| point.2).collect();
    let weights = vec![1.0; points.len()];
    // Columns: one factor a group, then one exponent for all, or one a group.
    let design = |columns: usize| {
        Array2::from_shape_fn((points.len(), columns), |(row, column)| {
            let Some(&(group, x, _)) = points.get(row) else {
                return 0.0;
            };
            let own = |value: f64, owner: usize| if group == owner { value } else { 0.0 };
            match column.checked_sub(count) {
                None => own(1.0, column),
                Some(_) if columns == count + 1 => x,
                Some(owner) => own(x, owner),
            }
        })
    };
    let common = fit(&design(count + 1), &response, &weights).ok_or(ScalingError::OneSize)?;
    check_scatter(common.residual)?;
    let separate = (count > 1).then(|| fit(&design(2 * count), &response, &weights));
    let equal_exponents_p_value = separate.flatten().and_then(|separate| {
        let gained = (count - 1) as f64;
        let law = FisherSnedecor::new(gained, separate.freedom as f64).ok()?;
        let ratio = (common.residual - separate.residual)
            / gained
            / (separate.residual / separate.freedom as f64);
        ratio.is_finite().then(|| law.sf(ratio.clamp(0.0, 1e100)))
    });
    Ok(CommonPowerLaw {
        exponent: common.coefficient(count).0,
        exponent_standard_error: common.coefficient(count).1,
        exponent_interval: common.interval(count, level),
        factors: (0..count)
            .map(|group| common.coefficient(group).0.exp())
            .collect(),
        proportional_p_value: common.p_value(count, 1.0),
        equal_exponents_p_value,
        level,
    })
}

fn logarithms(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.ln()).collect()
}

/// Refuses a sum of squared residuals, in squared logarithms, that is nothing but rounding.
fn check_scatter(residual: f64) -> Result<(), ScalingError> {
    if residual < 1e-20 {
        return Err(ScalingError::NoScatter);
    }
    Ok(())
}

fn check(sizes: &[f64], quantities: &[f64]) -> Result<(), ScalingError> {
    if sizes.len() != quantities.len() {
        let (sizes, quantities) = (sizes.len(), quantities.len());
        return Err(ScalingError::LengthsDiffer { sizes, quantities });
    }
    for (what, values) in [("size", sizes), ("quantity", quantities)] {
        if let Some((index, value)) = not_positive(values) {
            return Err(ScalingError::NotPositive { what, index, value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [f64; 5] = [9.0, 15.0, 27.0, 54.0, 110.0];
    const FIRST: [f64; 5] = [4.1, 5.9, 9.2, 15.5, 27.0];
    const SECOND: [f64; 5] = [5.0, 8.2, 13.6, 26.1, 48.0];

    fn all_close(pairs: &[(f64, f64)]) {
        for (got, want) in pairs {
            let close = (got - want).abs() < 1e-10 * want.abs().max(1.0);
            assert!(close, "{got} {want}");
        }
    }

    /// statsmodels 0.15: `OLS(log(y), add_constant(log(x))).fit()`, `.t_test("x1=1")`; groups with
    /// one dummy each, `compare_f_test` against separate slopes.
    #[test]
    fn agree_with_statsmodels() {
        let law = fit_power_law(&SIZES, &FIRST, Level::P95).unwrap();
        all_close(&[
            (law.exponent, 0.7538755661414412),
            (law.exponent_standard_error, 0.006221769713540949),
            (law.exponent_interval.lower, 0.7340751181042567),
            (law.exponent_interval.upper, 0.7736760141786257),
            (law.factor.ln(), -0.2583145777336591),
            (law.factor_interval.lower.ln(), -0.3274917903127506),
            (law.r_squared, 0.9997957034415728),
            (law.proportional_p_value, 3.5542679342452355e-05),
        ]);
        let common =
            fit_common_power_law(&[(&SIZES, &FIRST), (&SIZES, &SECOND)], Level::P95).unwrap();
        all_close(&[
            (common.exponent, 0.8284060367137815),
            (common.exponent_standard_error, 0.028686646699481604),
            (common.exponent_interval.lower, 0.7605728962313132),
            (common.factors[0].ln(), -0.5100870940838917),
            (common.factors[1].ln(), -0.10709539686861147),
            (common.proportional_p_value, 0.0005522742729216445),
            (
                common.equal_exponents_p_value.unwrap(),
                1.4418598956557669e-5,
            ),
        ]);
    }

    #[test]
    fn refuse_what_has_no_answer() {
        let ask = |sizes: &[f64], quantities: &[f64]| fit_power_law(sizes, quantities, Level::P95);
        assert!(ask(&[], &[]).is_err());
        assert!(ask(&[1.0, 2.0], &[1.0, 2.0]).is_err());
        assert_eq!(ask(&[2.0; 4], &[1.0; 4]), Err(ScalingError::OneSize));
        assert!(ask(&SIZES, &FIRST[1..]).is_err());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(ask(&[1.0, bad, 3.0], &[1.0; 3]).is_err());
        }
        let none = fit_common_power_law(&[], Level::P95);
        assert_eq!(none, Err(ScalingError::NoGroups));
        assert!(fit_common_power_law(&[(&SIZES, &FIRST), (&[], &[])], Level::P95).is_err());
    }

    /// Ranges of path lengths are whole numbers and may lie on a law: an interval of no width would
    /// be certain of what three networks cannot tell.
    #[test]
    fn no_scatter_gives_no_interval() {
        for quantities in [SIZES, [7.0; 5], SIZES.map(|size| 3.0 * size * size)] {
            let law = fit_power_law(&SIZES, &quantities, Level::P95);
            assert_eq!(law, Err(ScalingError::NoScatter));
            let common = fit_common_power_law(&[(&SIZES, &quantities)], Level::P95);
            assert_eq!(common, Err(ScalingError::NoScatter));
        }
        // Where one of two groups scatters, the common exponent has an error.
        let both = [(&SIZES[..], &SIZES[..]), (&SIZES[..], &FIRST[..])];
        assert!(fit_common_power_law(&both, Level::P95).is_ok());
    }
}
