//! When to stop measuring: intervals that stay valid however often one looks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interval::{Interval, Level};

/// Why a confidence sequence cannot go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SequentialError {
    /// An observation beyond its bounds.
    #[error(
        "confidence sequence: observation {value} is outside {} to {}; the interval is valid only \
         within bounds that were fixed before",
        bounds.lower, bounds.upper
    )]
    OutOfBounds {
        /// The observation.
        value: f64,
        /// What it may be.
        bounds: Interval,
    },
}

/// A confidence sequence for the mean of bounded observations: with probability `level`, *all* its
/// intervals hold the mean at once, so a comparison may be watched and stopped at any time.
///
/// Predictable plug-in empirical Bernstein (Waudby-Smith and Ramdas, "Estimating means of bounded
/// random variables by betting", JRSS B 86(1), 2024, theorem 2), intersected over time. It asks
/// that each observation has the same mean given those before: visit examples in random order.
///
/// ```
/// use pathscope_analysis::{ConfidenceSequence, Level};
/// // Differences of two networks on one example: only the second wrong +1, only the first -1.
/// let mut sequence = ConfidenceSequence::paired_errors(Level::P95);
/// for example in 0..10_000 {
///     let difference = if example % 20 == 0 { 1.0 } else { 0.0 };
///     sequence.observe(difference)?;
///     if sequence.interval().width() < 0.06 {
///         break;
///     }
/// }
/// assert!(sequence.interval().contains(0.05) && sequence.observations() < 5_000);
/// # Ok::<(), pathscope_analysis::SequentialError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfidenceSequence {
    bounds: Interval,
    level: Level,
    observations: u64,
    /// Everything below is in units of the bounds, from 0 to 1.
    sum: f64,
    squares: f64,
    bets: f64,
    weighted_sum: f64,
    variation: f64,
    unit_interval: Interval,
}

impl ConfidenceSequence {
    /// A sequence for the difference of two error rates on the same examples: -1, 0 or 1 each.
    pub fn paired_errors(level: Level) -> Self {
        Self::within(Interval::new(-1.0, 1.0), level)
    }

    fn within(bounds: Interval, level: Level) -> Self {
        Self {
            bounds,
            level,
            observations: 0,
            sum: 0.0,
            squares: 0.0,
            bets: 0.0,
            weighted_sum: 0.0,
            variation: 0.0,
            unit_interval: Interval::new(0.0, 1.0),
        }
    }

    /// Takes one observation and gives the interval after it.
    ///
    /// # Errors
    /// When the observation is outside the bounds or not a number; the sequence is as before.
    pub fn observe(&mut self, value: f64) -> Result<Interval, SequentialError> {
        if !self.bounds.contains(value) {
            let bounds = self.bounds;
            return Err(SequentialError::OutOfBounds { value, bounds });
        }
        let unit = ((value - self.bounds.lower) / self.bounds.width()).clamp(0.0, 1.0);
        let evidence = (2.0 / self.level.alpha()).ln();
        let before = self.observations as f64;
        let time = before + 1.0;
        // Mean and variance of what came before only: a bet must not see its outcome.
        let mean = (0.5 + self.sum) / (before + 1.0);
        let variance = (0.25 + self.squares) / (before + 1.0);
        let bet = (2.0 * evidence / (variance * time * time.ln_1p())).sqrt();
        let bet = bet.min(0.5);
        self.bets += bet;
        self.weighted_sum += bet * unit;
        self.variation += (unit - mean).powi(2) * (-(-bet).ln_1p() - bet);
        self.observations += 1;
        self.sum += unit;
        let mean_now = (0.5 + self.sum) / (time + 1.0);
        self.squares += (unit - mean_now).powi(2);
        let centre = self.weighted_sum / self.bets;
        let half = (evidence + self.variation) / self.bets;
        // All intervals hold at once, so their intersection does. Should they ever miss each other
        // the mean has moved, and an empty interval is pinned to its last end.
        let old = self.unit_interval;
        let lower = old.lower.max(centre - half).min(old.upper);
        self.unit_interval = Interval::new(lower, old.upper.min(centre + half).max(lower));
        Ok(self.interval())
    }

    /// The interval so far; the bounds themselves before the first observation.
    pub fn interval(&self) -> Interval {
        let place = |unit: f64| self.bounds.lower + unit * self.bounds.width();
        Interval::new(
            place(self.unit_interval.lower),
            place(self.unit_interval.upper),
        )
    }

    /// Mean of the observations; none before the first.
    pub fn mean(&self) -> Option<f64> {
        let mean = self.sum / self.observations as f64;
        (self.observations > 0).then(|| self.bounds.lower + mean * self.bounds.width())
    }

    /// Number of observations.
    pub fn observations(&self) -> u64 {
        self.observations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use rand::RngExt;

    /// For an error rate: observations are 0 (right) or 1 (wrong).
    fn of_errors() -> ConfidenceSequence {
        ConfidenceSequence::within(Interval::new(0.0, 1.0), Level::P95)
    }

    #[test]
    fn first_interval_is_the_formula() {
        // One observation of 1: bet 1/2, v = 4 (1 - 1/2)^2 = 1, psi = (ln 2 - 1/2) / 4.
        let mut sequence = of_errors();
        sequence.observe(1.0).unwrap();
        let half = (40f64.ln() + (2f64.ln() - 0.5) / 4.0) / 0.5;
        assert!(half > 1.0 && sequence.interval() == Interval::new(0.0, 1.0));
        // Two tiny bets cannot exclude anything; thirty equal observations can.
        for _ in 0..29 {
            sequence.observe(1.0).unwrap();
        }
        assert!(sequence.interval().lower > 0.5 && sequence.interval().upper == 1.0);
        assert_eq!(sequence.mean(), Some(1.0));
    }

    /// numpy, the formulas of the paper all at once: `t = arange(1, 201)`, `x = arange(200)*37%101 < 12`,
    /// `m = r_[.5, (.5+x.cumsum())/(t+1)]`, `s = r_[.25, (.25+((x-m[1:])**2).cumsum())/(t+1)]`,
    /// `l = minimum(sqrt(2*log(40)/(s[:-1]*t*log(1+t))), .5)`, `c = (l*x).cumsum()/l.cumsum()`,
    /// `h = (log(40)+((x-m[:-1])**2*(-log(1-l)-l)).cumsum())/l.cumsum()`, greatest `c-h`, least `c+h`.
    #[test]
    fn agrees_with_the_paper_all_at_once() {
        let mut sequence = of_errors();
        for index in 0..200 {
            let wrong = f64::from(u8::from(index * 37 % 101 < 12));
            sequence.observe(wrong).unwrap();
        }
        let Interval { lower, upper } = sequence.interval();
        assert!((lower - 0.04098316914303256).abs() < 1e-12, "{lower}");
        assert!((upper - 0.20409762223140943).abs() < 1e-12, "{upper}");
    }

    /// Whoever looks after each of 1,000 observations is misled in at most 5 % of runs.
    #[test]
    fn peeking_does_not_mislead() {
        let (runs, rate) = (600, 0.1);
        let is_misled = |&run: &u64| {
            let mut random = Seed(9).stream("test", run);
            let mut sequence = of_errors();
            (0..1_000).any(|_| {
                let wrong = f64::from(u8::from(random.random_bool(rate)));
                !sequence.observe(wrong).unwrap().contains(rate)
            })
        };
        let misled = (0..runs).filter(is_misled).count();
        // 30 expected at most; 50 is 3.7 standard deviations above.
        assert!(misled < 50, "{misled} of {runs}");
    }

    #[test]
    fn narrows_as_the_square_root() {
        let mut sequence = ConfidenceSequence::paired_errors(Level::P95);
        let mut random = Seed(1).stream("test", 0);
        for _ in 0..20_000 {
            let value = if random.random_bool(0.06) {
                if random.random_bool(0.5) { 1.0 } else { -1.0 }
            } else {
                0.0
            };
            sequence.observe(value).unwrap();
        }
        // A fixed-time interval would be 0.0068 wide; looking all the time costs about twice that.
        let interval = sequence.interval();
        assert!(interval.width() < 0.02, "{interval:?}");
        assert!(interval.contains(0.0));
    }

    #[test]
    fn refuse_what_has_no_answer() {
        let mut sequence = of_errors();
        for value in [2.0, -0.1, f64::NAN] {
            assert!(sequence.observe(value).is_err());
        }
        assert_eq!((sequence.observations(), sequence.mean()), (0, None));
    }
}
