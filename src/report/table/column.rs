/// On which side the text of a column lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// How long a column is kept where there is little room: those of the lowest priority go first, and
/// of these the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// In files only.
    FileOnly,
    /// Goes first.
    Low,
    /// Goes when those of low priority are gone.
    Medium,
    /// Goes last.
    High,
    /// Always shown.
    Essential,
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Heading for people.
    pub heading: String,
    /// Unit of the printed numbers.
    pub unit: Option<&'static str>,
    /// Where the text lies.
    pub alignment: Alignment,
    /// How long it is kept.
    pub priority: Priority,
    /// Names of the values in files: CSV headings, JSON keys.
    pub fields: Vec<String>,
}

impl Column {
    /// A column of words.
    pub fn words(field: &str, heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            unit: None,
            alignment: Alignment::Left,
            priority: Priority::Essential,
            fields: vec![field.to_owned()],
        }
    }

    /// A column of numbers.
    pub fn number(field: &str, heading: impl Into<String>) -> Self {
        Self {
            alignment: Alignment::Right,
            ..Self::words(field, heading)
        }
    }

    /// A column of intervals, in files the fields `FIELD_lower` and `FIELD_upper`.
    pub fn interval(field: &str, heading: impl Into<String>) -> Self {
        Self {
            fields: vec![format!("{field}_lower"), format!("{field}_upper")],
            ..Self::number(field, heading)
        }
    }

    /// A value that only files hold.
    pub fn file_only(field: &str) -> Self {
        Self::number(field, field).priority(Priority::FileOnly)
    }

    /// The unit of the printed numbers.
    #[must_use]
    pub fn unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// How long the column is kept where there is little room.
    #[must_use]
    pub fn priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// Low [priority](Self::priority).
    #[must_use]
    pub fn low(self) -> Self {
        self.priority(Priority::Low)
    }

    /// Medium [priority](Self::priority).
    #[must_use]
    pub fn medium(self) -> Self {
        self.priority(Priority::Medium)
    }

    /// High [priority](Self::priority).
    #[must_use]
    pub fn high(self) -> Self {
        self.priority(Priority::High)
    }

    /// `error, %`: the heading with its unit.
    pub fn title(&self) -> String {
        match self.unit {
            Some(unit) => format!("{}, {unit}", self.heading),
            None => self.heading.clone(),
        }
    }
}
