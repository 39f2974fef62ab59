use serde::{Deserialize, Serialize};

/// How the learning rate moves, as a factor on its peak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schedule", rename_all = "snake_case")]
pub enum Schedule {
    /// A tenth more at each milestone, given as shares of the whole training (the paper: epochs
    /// 81 and 122 of 164).
    Step {
        /// Shares of the training after which the rate falls to a tenth.
        milestones: Vec<f64>,
    },
    /// Half a cosine from the peak to zero after a linear rise.
    Cosine {
        /// Share of the training that the rise takes.
        warm_up: f64,
    },
    /// A linear rise to the peak, then a linear fall to zero.
    OneCycle {
        /// Share of the training at which the peak lies.
        peak: f64,
    },
}

impl Schedule {
    /// The factor when the share `progress` of the training, from 0 to 1, is done.
    #[must_use]
    pub fn factor(&self, progress: f64) -> f64 {
        match self {
            Self::Step { milestones } => {
                let passed = milestones
                    .iter()
                    .filter(|&&milestone| progress >= milestone)
                    .count();
                0.1_f64.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
            Self::Cosine { warm_up } if progress < *warm_up => progress / warm_up,
            Self::Cosine { warm_up } => {
                let angle = std::f64::consts::PI * (progress - warm_up) / (1.0 - warm_up);
                f64::midpoint(1.0, angle.cos())
            }
            Self::OneCycle { peak } if progress < *peak => progress / peak,
            Self::OneCycle { peak } => ((1.0 - progress) / (1.0 - peak)).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn steps_fall_to_a_tenth_at_each_milestone() {
        let schedule = Schedule::Step {
            milestones: vec![81.0 / 164.0, 122.0 / 164.0],
        };
        let factors = [80.0, 81.0, 121.0, 122.0, 163.0].map(|epoch| schedule.factor(epoch / 164.0));
        for (found, expected) in factors.into_iter().zip([1.0, 0.1, 0.1, 0.01, 0.01]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn smooth_schedules_rise_peak_and_end_at_zero() {
        for schedule in [
            Schedule::Cosine { warm_up: 0.2 },
            Schedule::OneCycle { peak: 0.2 },
        ] {
            assert!(schedule.factor(0.0).abs() < 1e-12);
            assert!((schedule.factor(0.1) - 0.5).abs() < 1e-12);
            assert!((schedule.factor(0.2) - 1.0).abs() < 1e-12);
            assert!(schedule.factor(1.0).abs() < 1e-12);
            assert!(schedule.factor(0.5) > schedule.factor(0.6));
        }
    }
}
