//! What a file does not say of its network, and a person does.

/// Facts of a network that its tensors do not show, such as `groups=16`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assumptions {
    /// Groups of normalisations without running statistics.
    pub(super) groups: Option<Groups>,
    /// What normalisations add to the variance.
    pub(super) epsilon: Option<f64>,
    /// Readings by their names, such as `pool=yes`: see [`Reading`](super::Reading).
    pub(super) readings: Vec<String>,
}

/// Over what a normalisation without running statistics goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Groups {
    /// So many groups of channels.
    Number(i64),
    /// Every channel alone.
    Channels,
}

impl Groups {
    pub fn of(self, channels: i64) -> i64 {
        match self {
            Self::Number(groups) => groups,
            Self::Channels => channels,
        }
    }
}

impl Assumptions {
    /// What was assumed, in the form that [`Assumptions::parse`] reads.
    pub(super) fn texts(&self) -> impl Iterator<Item = String> + '_ {
        let groups = self.groups.map(|groups| match groups {
            Groups::Number(number) => format!("groups={number}"),
            Groups::Channels => "groups=channels".to_owned(),
        });
        let epsilon = self.epsilon.map(|epsilon| format!("epsilon={epsilon:e}"));
        let readings = self.readings.iter().cloned();
        groups.into_iter().chain(epsilon).chain(readings)
    }

    /// Reads assumptions of the form `groups=16`, `groups=channels`, `epsilon=1e-3`, or the name
    /// of a reading such as `pool=yes`.
    ///
    /// # Errors
    /// What is wrong with which one.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        let mut all = Self::default();
        for text in texts {
            match text.split_once('=') {
                Some(("groups", "channels")) => all.groups = Some(Groups::Channels),
                Some(("groups", number)) => {
                    let groups = number.parse().ok().filter(|groups| *groups > 0);
                    let groups = groups.ok_or_else(|| {
                        format!("`{text}`: give a number of groups, such as groups=32, or groups=channels")
                    })?;
                    all.groups = Some(Groups::Number(groups));
                }
                Some(("epsilon", number)) => {
                    let epsilon = number.parse().ok();
                    let epsilon = epsilon.filter(|e: &f64| e.is_finite() && *e > 0.0);
                    let epsilon = epsilon.ok_or_else(|| {
                        format!("`{text}`: give a positive number, such as epsilon=1e-3")
                    })?;
                    all.epsilon = Some(epsilon);
                }
                Some(_) => all.readings.push(text.to_owned()),
                None => {
                    return Err(format!(
                        "`{text}` is no assumption; they have the form groups=16, epsilon=1e-3 or \
                         pool=yes"
                    ));
                }
            }
        }
        Ok(all)
    }

    /// Whether what `subject` stands for is among them.
    pub(super) fn decide(&self, subject: &str) -> bool {
        let named = |reading: &String| reading.split('=').next() == Some(subject);
        self.readings.iter().any(named) || (subject == "epsilon" && self.epsilon.is_some())
    }
}
