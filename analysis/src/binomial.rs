//! The binomial law, in both tails to full relative precision.
//!
//! Probabilities follow C. Loader, "Fast and accurate computation of binomial probabilities"
//! (2000): the deviance is computed without cancellation, so no digits go to log-gamma.

use crate::length_law::{LengthLaw, LengthLawError, check_probability};

/// `Binomial(n, p)`: the number of blocks, of `n`, whose function a random path takes.
///
/// ```
/// use pathscope_analysis::{Binomial, LengthLaw};
/// // All paths of 54 modules with one function each: the paper's range holds 0.454 % of them.
/// let law = Binomial::of_path_lengths(54, 1)?;
/// let share = law.cdf(17) - law.cdf(4);
/// assert!((100.0 * share - 0.454).abs() < 5e-4);
/// # Ok::<(), pathscope_analysis::LengthLawError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binomial {
    trials: usize,
    success: f64,
    failure: f64,
}

impl Binomial {
    /// The law of `trials` trials that each succeed with `probability`.
    ///
    /// # Errors
    /// When `trials` is zero or `probability` is not in `[0, 1]`.
    pub fn new(trials: usize, probability: f64) -> Result<Self, LengthLawError> {
        check_probability("the success probability", probability)?;
        Self::check_trials(trials)?;
        Ok(Self {
            trials,
            success: probability,
            failure: 1.0 - probability,
        })
    }

    /// The law whose success has `odds = p / (1 - p)`; with `odds = k rho` the predicted law of
    /// gradient magnitude over lengths.
    ///
    /// # Errors
    /// When `trials` is zero, or `odds` negative, infinite or not a number.
    pub fn from_odds(trials: usize, odds: f64) -> Result<Self, LengthLawError> {
        Self::check_trials(trials)?;
        if !(odds.is_finite() && odds >= 0.0) {
            return Err(LengthLawError::NotAWeight {
                what: "the odds",
                value: odds,
            });
        }
        // Each probability from the odds directly: `1 - p` would lose the digits of a small one.
        Ok(Self {
            trials,
            success: odds / (1.0 + odds),
            failure: 1.0 / (1.0 + odds),
        })
    }

    /// The law of path length for `blocks` blocks of `functions` functions:
    /// `Binomial(n, k / (k + 1))`.
    ///
    /// # Errors
    /// When there are no blocks or no functions.
    pub fn of_path_lengths(blocks: usize, functions: usize) -> Result<Self, LengthLawError> {
        if functions == 0 {
            return Err(LengthLawError::Empty("functions"));
        }
        Self::from_odds(blocks, functions as f64)
    }

    /// Probability of success of one trial.
    pub fn probability(&self) -> f64 {
        self.success
    }

    fn check_trials(trials: usize) -> Result<(), LengthLawError> {
        if trials == 0 {
            Err(LengthLawError::Empty("blocks"))
        } else {
            Ok(())
        }
    }

    /// `ln P(L <= length)` by summing downward from `length`, where terms only shrink below the
    /// mode: no cancellation.
    fn ln_lower_tail(&self, length: usize) -> f64 {
        let odds = self.failure / self.success;
        let ratios = (1..=length)
            .rev()
            .map(|l| l as f64 / (self.trials - l + 1) as f64 * odds);
        self.ln_pmf(length) + ln_of_series(ratios)
    }

    /// `ln P(L >= length)`, upward.
    fn ln_upper_tail(&self, length: usize) -> f64 {
        let odds = self.success / self.failure;
        let ratios =
            (length..self.trials).map(|l| (self.trials - l) as f64 / (l + 1) as f64 * odds);
        self.ln_pmf(length) + ln_of_series(ratios)
    }
}

impl LengthLaw for Binomial {
    fn max_length(&self) -> usize {
        self.trials
    }

    fn mean(&self) -> f64 {
        self.trials as f64 * self.success
    }

    fn variance(&self) -> f64 {
        self.trials as f64 * self.success * self.failure
    }

    fn ln_pmf(&self, length: usize) -> f64 {
        if length > self.trials {
            return f64::NEG_INFINITY;
        }
        let n = self.trials as f64;
        if length == 0 {
            return n * ln_of_probability(self.failure, self.success);
        }
        if length == self.trials {
            return n * ln_of_probability(self.success, self.failure);
        }
        if self.success == 0.0 || self.failure == 0.0 {
            return f64::NEG_INFINITY;
        }
        let (x, y) = (length as f64, (self.trials - length) as f64);
        let correction = stirling_error(self.trials)
            - stirling_error(length)
            - stirling_error(self.trials - length);
        let deviance = deviance(x, n, self.success) + deviance(y, n, self.failure);
        correction - deviance - 0.5 * (std::f64::consts::TAU * x * (y / n)).ln()
    }

    fn ln_cdf(&self, length: usize) -> f64 {
        if length >= self.trials || self.success == 0.0 {
            0.0
        } else if self.failure == 0.0 {
            f64::NEG_INFINITY
        } else if (length as f64) < self.mean() {
            self.ln_lower_tail(length)
        } else {
            ln_of_complement(self.ln_upper_tail(length + 1))
        }
    }

    fn ln_sf(&self, length: usize) -> f64 {
        if length >= self.trials || self.success == 0.0 {
            f64::NEG_INFINITY
        } else if self.failure == 0.0 {
            0.0
        } else if (length as f64) < self.mean() {
            ln_of_complement(self.ln_lower_tail(length))
        } else {
            self.ln_upper_tail(length + 1)
        }
    }
}

/// `ln(1 - exp(ln_share))`.
pub(crate) fn ln_of_complement(ln_share: f64) -> f64 {
    if ln_share > -std::f64::consts::LN_2 {
        (-ln_share.exp_m1()).max(0.0).ln()
    } else {
        (-ln_share.exp()).ln_1p()
    }
}

/// `ln p`, from whichever of `p` and `1 - p` keeps more digits.
fn ln_of_probability(probability: f64, complement: f64) -> f64 {
    if complement < 0.5 {
        (-complement).ln_1p()
    } else {
        probability.ln()
    }
}

/// `ln(1 + r1 + r1 r2 + ...)`, up to where the terms vanish.
///
/// Near the mode the terms may first grow; they stop only once they shrink for good.
fn ln_of_series(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut term) = (1.0f64, 1.0f64);
    for ratio in ratios {
        term *= ratio;
        sum += term;
        if ratio < 1.0 && term < sum * 1e-18 {
            break;
        }
    }
    sum.ln()
}

/// `x ln(x / np) + np - x`, without cancellation where `x` is near `np`.
fn deviance(x: f64, n: f64, p: f64) -> f64 {
    let expected = n * p;
    // The rounding of `n p` would cost digits of the difference, so it is added back.
    let difference = (x - expected) - n.mul_add(p, -expected);
    let v = difference / (x + expected);
    if v.abs() > 0.3 {
        return x * (x / expected).ln() - difference;
    }
    let mut sum = difference * v;
    let mut power = 2.0 * x * v;
    for odd in (3..).step_by(2) {
        power *= v * v;
        let next = sum + power / f64::from(odd);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// `ln n! - ln(sqrt(2 pi n) (n / e)^n)`: what Stirling's formula leaves out.
fn stirling_error(n: usize) -> f64 {
    // [nstr(log(factorial(n)) - log(sqrt(2*pi*n)) - n*log(n) + n, 20) for n in range(1, 16)], mpmath
    #[allow(clippy::excessive_precision)]
    const SMALL: [f64; 15] = [
        0.0810614667953272582,
        0.0413406959554092941,
        0.0276779256849983391,
        0.0207906721037650931,
        0.0166446911898211922,
        0.013876128823070748,
        0.0118967099458917701,
        0.0104112652619720965,
        0.00925546218271273292,
        0.00833056343336287126,
        0.00757367548795184079,
        0.00694284010720952987,
        0.00640899418800420707,
        0.00595137011275884774,
        0.00555473355196280137,
    ];
    let Some(index) = n.checked_sub(1) else {
        return 0.0;
    };
    SMALL.get(index).copied().unwrap_or_else(|| {
        let n = n as f64;
        let square = n * n;
        let series = 1.0 / 1188.0 - 691.0 / 360_360.0 / square;
        let series = 1.0 / 1680.0 - series / square;
        let series = 1.0 / 1260.0 - series / square;
        let series = 1.0 / 360.0 - series / square;
        (1.0 / 12.0 - series / square) / n
    })
}
