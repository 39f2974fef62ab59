use clap::{Args, ValueEnum};

/// A format of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people, as wide as the terminal
    #[default]
    Table,
    /// One JSON value
    Json,
    /// The values of the first table, with a header line
    Csv,
    /// Text and tables in Markdown
    Markdown,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FormatArguments {
    /// Format of the printed answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Format of the printed answer: JSON
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,
}

impl FormatArguments {
    /// The format asked for.
    pub fn get(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}
