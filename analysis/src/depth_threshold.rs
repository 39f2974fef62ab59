//! The depth beyond which more functions per block beat more blocks.

use ndarray::{ArrayView2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{BootstrapError, BootstrapOptions, quantile, resample};

/// Why there is no depth threshold to look for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DepthThresholdError {
    /// Fewer than two depths.
    #[error("depth threshold: {0} depths; curves cross between two at least")]
    TooFewDepths(usize),
    /// Depths that do not rise.
    #[error("depth threshold: depth {index} is {value}; depths must be finite and rise")]
    NotRising {
        /// Which one, from 0.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A curve over another number of depths.
    #[error("depth threshold: the {which} curve has {columns} depths instead of {depths}")]
    DepthsDiffer {
        /// Which curve.
        which: &'static str,
        /// Its number of depths.
        columns: usize,
        /// The number of depths.
        depths: usize,
    },
    /// A curve without runs.
    #[error("depth threshold: the {0} curve has no runs; give at least one")]
    NoRuns(&'static str),
    /// An error rate that is not a finite number.
    #[error("depth threshold: run {run} of the {which} curve has error {value} at depth {depth}")]
    NotFinite {
        /// Which curve.
        which: &'static str,
        /// The run, from 0.
        run: usize,
        /// Number of the depth, from 0.
        depth: usize,
        /// The error.
        value: f64,
    },
    /// The bootstrap failed.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
}

/// What the curves say within the depths measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Crossing {
    /// From this depth on, more functions per block have the smaller error.
    At {
        /// The depth, linear between those measured.
        depth: f64,
    },
    /// None in the range measured: more blocks are as good or better to the end.
    DeeperToTheEnd,
    /// None in the range measured: more functions are better from the start.
    WiderFromTheStart,
}

impl Crossing {
    /// On the line of depths; beyond the range it lies at infinity.
    fn place(self) -> f64 {
        match self {
            Self::At { depth } => depth,
            Self::DeeperToTheEnd => f64::INFINITY,
            Self::WiderFromTheStart => f64::NEG_INFINITY,
        }
    }
}

/// The depth threshold with what resampling the runs says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DepthThreshold {
    /// The crossing of the mean curves.
    pub crossing: Crossing,
    /// Times that the mean curves change sides; above one, the crossing given is the last.
    pub sign_changes: usize,
    /// Lower end of the percentile interval; none where it lies below the range measured.
    pub lower: Option<f64>,
    /// Upper end; none where it lies above the range measured.
    pub upper: Option<f64>,
    /// Share of resamples whose curves cross within the range.
    pub share_crossing: f64,
    /// How it was resampled; crossings beyond the range have no mean, so always by percentiles.
    pub options: BootstrapOptions,
}

/// Where the error of the deeper family, `[run, depth]`, rises above that of the wider family for
/// good, at equal parameters; the runs of each are resampled on their own.
///
/// # Errors
/// When there are fewer than two rising depths, a curve has other depths or no runs, or an error is
/// not finite.
///
/// ```
/// use ndarray::array;
/// use pathscope_analysis::{BootstrapOptions, Crossing, depth_threshold};
/// let depths = [10.0, 20.0, 40.0];
/// let deeper = array![[8.0, 7.0, 7.0], [8.2, 7.1, 7.1]];
/// let wider = array![[9.0, 7.0, 6.0], [9.0, 7.1, 6.2]];
/// let options = BootstrapOptions::with_replicates(200);
/// let found = depth_threshold(&depths, deeper.view(), wider.view(), &options)?;
/// assert!(matches!(found.crossing, Crossing::At { depth } if (20.0 - depth).abs() < 1e-9));
/// # Ok::<(), pathscope_analysis::DepthThresholdError>(())
/// ```
pub fn depth_threshold(
    depths: &[f64],
    deeper_errors: ArrayView2<'_, f64>,
    wider_errors: ArrayView2<'_, f64>,
    options: &BootstrapOptions,
) -> Result<DepthThreshold, DepthThresholdError> {
    check_depths(depths)?;
    check_curve("deeper", depths.len(), deeper_errors)?;
    check_curve("wider", depths.len(), wider_errors)?;
    let all = |curve: ArrayView2<'_, f64>| (0..curve.nrows()).collect::<Vec<_>>();
    let excess = |deeper: &[usize], wider: &[usize]| -> Vec<f64> {
        let means = mean_curve(deeper_errors, deeper).into_iter();
        means
            .zip(mean_curve(wider_errors, wider))
            .map(|(a, b)| a - b)
            .collect()
    };
    let (crossing, sign_changes) =
        last_crossing(depths, &excess(&all(deeper_errors), &all(wider_errors)));
    // Two families are trained apart, so each is resampled with its own stream.
    let samples = |curve: ArrayView2<'_, f64>, label: &str| {
        let seed = crate::Seed(rand::RngExt::random(&mut options.seed.stream(label, 0)));
        resample(
            curve.nrows(),
            &BootstrapOptions { seed, ..*options },
            <[usize]>::to_vec,
        )
    };
    let deeper = samples(deeper_errors, "deeper runs")?;
    let wider = samples(wider_errors, "wider runs")?;
    let crossings = deeper
        .iter()
        .zip(&wider)
        .map(|(a, b)| last_crossing(depths, &excess(a, b)).0);
    Ok(summarize(crossing, sign_changes, crossings, options))
}

/// The same for curves of one run each, where redrawn curves come from elsewhere, such as from the
/// binomial law of the errors: `redrawn` holds pairs of a deeper and a wider curve.
///
/// # Errors
/// As [`depth_threshold`]; without redrawn curves there is nothing to resample.
///
/// ```
/// use pathscope_analysis::{BootstrapOptions, Crossing, depth_threshold_of_draws};
/// let redrawn = [(vec![8.1, 7.0, 7.0], vec![9.0, 7.1, 6.0])];
/// let found = depth_threshold_of_draws(
///     &[10.0, 20.0, 40.0],
///     (&[8.0, 7.0, 7.0], &[9.0, 7.0, 6.0]),
///     &redrawn,
///     &BootstrapOptions::default(),
/// )?;
/// assert!(matches!(found.crossing, Crossing::At { depth } if (20.0 - depth).abs() < 1e-9));
/// # Ok::<(), pathscope_analysis::DepthThresholdError>(())
/// ```
pub fn depth_threshold_of_draws(
    depths: &[f64],
    (deeper, wider): (&[f64], &[f64]),
    redrawn: &[(Vec<f64>, Vec<f64>)],
    options: &BootstrapOptions,
) -> Result<DepthThreshold, DepthThresholdError> {
    check_depths(depths)?;
    let pairs = std::iter::once((deeper, wider));
    let pairs = pairs.chain(redrawn.iter().map(|(a, b)| (a.as_slice(), b.as_slice())));
    for (deeper, wider) in pairs {
        for (which, curve) in [("deeper", deeper), ("wider", wider)] {
            let curve = ndarray::aview1(curve).insert_axis(Axis(0));
            check_curve(which, depths.len(), curve)?;
        }
    }
    if redrawn.is_empty() {
        return Err(BootstrapError::NoReplicates.into());
    }
    let crossing = |deeper: &[f64], wider: &[f64]| {
        let excess: Vec<f64> = deeper.iter().zip(wider).map(|(a, b)| a - b).collect();
        last_crossing(depths, &excess)
    };
    let (found, sign_changes) = crossing(deeper, wider);
    let crossings = redrawn
        .iter()
        .map(|(deeper, wider)| crossing(deeper, wider).0);
    Ok(summarize(found, sign_changes, crossings, options))
}

fn summarize(
    crossing: Crossing,
    sign_changes: usize,
    resampled: impl Iterator<Item = Crossing>,
    options: &BootstrapOptions,
) -> DepthThreshold {
    let mut places: Vec<f64> = resampled.map(Crossing::place).collect();
    places.sort_by(f64::total_cmp);
    let inside = places.iter().filter(|place| place.is_finite()).count();
    let beyond = options.level.alpha() / 2.0;
    // Between a finite end and an infinite one, or two infinite ones, there is no number.
    let end = |probability: f64| Some(quantile(&places, probability)).filter(|end| end.is_finite());
    DepthThreshold {
        crossing,
        sign_changes,
        lower: end(beyond),
        upper: end(1.0 - beyond),
        share_crossing: inside as f64 / places.len() as f64,
        options: BootstrapOptions {
            method: crate::BootstrapMethod::Percentile,
            ..*options
        },
    }
}

/// The last change from "deeper is as good" to "wider is better", and all changes of side.
fn last_crossing(depths: &[f64], excess: &[f64]) -> (Crossing, usize) {
    let wider_better = |&excess: &f64| excess > 0.0;
    let sides = excess
        .windows(2)
        .filter(|pair| wider_better(&pair[0]) != wider_better(&pair[1]));
    let changes = sides.count();
    let Some(before) = excess.iter().rposition(|excess| !wider_better(excess)) else {
        return (Crossing::WiderFromTheStart, changes);
    };
    let point = |i: usize| Some((*depths.get(i)?, *excess.get(i)?));
    let crossing = match (point(before), point(before + 1)) {
        (Some((x0, y0)), Some((x1, y1))) => Crossing::At {
            depth: x0 + (x1 - x0) * (-y0 / (y1 - y0)),
        },
        _ => Crossing::DeeperToTheEnd,
    };
    (crossing, changes)
}

fn mean_curve(errors: ArrayView2<'_, f64>, runs: &[usize]) -> Vec<f64> {
    let mut sum = vec![0.0; errors.ncols()];
    for &run in runs {
        for (slot, error) in sum.iter_mut().zip(errors.row(run)) {
            *slot += error / runs.len() as f64;
        }
    }
    sum
}

fn check_depths(depths: &[f64]) -> Result<(), DepthThresholdError> {
    if depths.len() < 2 {
        return Err(DepthThresholdError::TooFewDepths(depths.len()));
    }
    let mut before = f64::NEG_INFINITY;
    for (index, &value) in depths.iter().enumerate() {
        if !value.is_finite() || value <= before {
            return Err(DepthThresholdError::NotRising { index, value });
        }
        before = value;
    }
    Ok(())
}

fn check_curve(
    which: &'static str,
    depths: usize,
    errors: ArrayView2<'_, f64>,
) -> Result<(), DepthThresholdError> {
    let (runs, columns) = errors.dim();
    if columns != depths {
        return Err(DepthThresholdError::DepthsDiffer {
            which,
            columns,
            depths,
        });
    }
    if runs == 0 {
        return Err(DepthThresholdError::NoRuns(which));
    }
    match errors.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((run, depth), &value)) => Err(DepthThresholdError::NotFinite {
            which,
            run,
            depth,
            value,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    const DEPTHS: [f64; 4] = [10.0, 20.0, 40.0, 80.0];

    fn run(deeper: &Array2<f64>, wider: &Array2<f64>) -> DepthThreshold {
        let options = BootstrapOptions::with_replicates(500);
        depth_threshold(&DEPTHS, deeper.view(), wider.view(), &options).unwrap()
    }

    #[test]
    fn crossing_is_where_the_lines_meet() {
        // Excess -1, -0.5, +0.5, +1: half way between 20 and 40.
        let deeper = array![
            [8.0, 7.0, 6.5, 6.5],
            [8.2, 7.2, 6.7, 6.7],
            [7.8, 6.8, 6.3, 6.3]
        ];
        let wider = array![[9.0, 7.5, 6.0, 5.5], [9.0, 7.5, 6.0, 5.5]];
        let found = run(&deeper, &wider);
        assert!(matches!(found.crossing, Crossing::At { depth } if (depth - 30.0).abs() < 1e-9));
        assert_eq!((found.sign_changes, found.share_crossing), (1, 1.0));
        assert!(found.lower.unwrap() < 30.0 && found.upper.unwrap() > 30.0);
    }

    #[test]
    fn no_crossing_is_an_answer() {
        let good = array![[5.0, 4.0, 3.0, 2.0]];
        let poor = array![[6.0, 5.0, 4.0, 3.0]];
        let deeper = run(&good, &poor);
        assert_eq!(deeper.crossing, Crossing::DeeperToTheEnd);
        assert_eq!(deeper.upper, None);
        let wider = run(&poor, &good);
        assert_eq!(wider.crossing, Crossing::WiderFromTheStart);
        assert_eq!(wider.share_crossing, 0.0);
        let twice = run(&array![[6.0, 4.0, 4.0, 3.0]], &array![[5.0, 5.0, 5.0, 2.0]]);
        assert_eq!(twice.sign_changes, 2);
        assert!(matches!(twice.crossing, Crossing::At { depth } if depth == 60.0));
    }

    #[test]
    fn refuse_what_has_no_answer() {
        let options = BootstrapOptions::default();
        let curve = Array2::<f64>::zeros((2, 4));
        let ask = |depths: &[f64], a: &Array2<f64>, b: &Array2<f64>| {
            depth_threshold(depths, a.view(), b.view(), &options).is_err()
        };
        assert!(ask(&[10.0], &curve, &curve));
        assert!(ask(&[10.0, 5.0, 20.0, 30.0], &curve, &curve));
        assert!(ask(&[10.0, f64::NAN, 20.0, 30.0], &curve, &curve));
        assert!(ask(&DEPTHS, &curve, &Array2::zeros((0, 4))));
        assert!(ask(&DEPTHS, &Array2::zeros((2, 3)), &curve));
        assert!(ask(&DEPTHS, &curve, &Array2::from_elem((1, 4), f64::NAN)));
    }
}
