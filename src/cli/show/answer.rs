//! What a command prints, in any format.

use clap::builder::styling::{AnsiColor, Style};
use serde_json::{Map, Value};

use crate::cli::args::{Format, TableArguments};
use crate::cli::terminal::printable_lines;
use crate::cli::{Problem, Terminal};
use crate::report::table::{LineKind, Mark, Table, wrap};

/// Sentences and tables, in the order in which they are read.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    parts: Vec<Part>,
    /// What JSON holds instead of the tables.
    document: Option<Value>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// A table and its key in JSON.
    Table(String, Table),
}

impl Answer {
    /// Appends sentences; each line is wrapped by itself.
    pub fn text(&mut self, text: impl Into<String>) {
        let text = printable_lines(&text.into());
        self.parts.push(Part::Text(text));
    }

    /// Appends a table, which JSON calls `name`, where there is one.
    pub fn table(&mut self, name: impl Into<String>, table: impl Into<Option<Table>>) {
        let table = table.into().map(|table| Part::Table(name.into(), table));
        self.parts.extend(table);
    }

    /// Arranges the first table. Errors: a column that it lacks.
    pub fn arrange(&mut self, arguments: &TableArguments) -> Result<(), Problem> {
        let first = self.parts.iter_mut().find_map(|part| match part {
            Part::Table(_, table) => Some(table),
            Part::Text(_) => None,
        });
        first.map_or(Ok(()), |table| arguments.arrange(table))
    }

    /// Sets what JSON holds instead of the tables.
    pub fn document(&mut self, document: Value) {
        self.document = Some(document);
    }

    /// Prints everything in `format`. Errors: a closed output, or CSV of an answer without a table.
    pub fn print(self, format: Format, terminal: &Terminal) -> Result<(), Problem> {
        match format {
            Format::Table => self.print_text(terminal),
            Format::Json => terminal.result(&format!("{:#}", self.json()?)),
            Format::Csv => self.print_csv(terminal),
            Format::Markdown => {
                let parts = self.parts.iter().map(|part| match part {
                    Part::Text(text) => text.replace('\n', "\n\n") + "\n",
                    Part::Table(_, table) => table.markdown(),
                });
                terminal.result(&parts.collect::<Vec<_>>().join("\n"))
            }
        }
    }

    fn print_text(&self, terminal: &Terminal) -> Result<(), Problem> {
        let width = terminal.width();
        let mut text = String::new();
        let mut after_table = false;
        for part in &self.parts {
            let is_table = matches!(part, Part::Table(..));
            if !text.is_empty() && (is_table || after_table) {
                text.push('\n');
            }
            after_table = is_table;
            match part {
                Part::Text(lines) => {
                    let lines = lines.lines().flat_map(|line| wrap(line, width));
                    text.extend(lines.map(|line| line + "\n"));
                }
                Part::Table(_, table) => {
                    for line in table.lines(width) {
                        let style = style(line.kind);
                        text += &format!("{style}{}{style:#}\n", line.text);
                    }
                    let left_out = table.left_out(width);
                    if !left_out.is_empty() {
                        let note = format!("not shown for lack of width: {}", left_out.join(", "));
                        text.extend(wrap(&note, width).into_iter().map(|line| line + "\n"));
                    }
                }
            }
        }
        terminal.result(&text)
    }

    fn json(self) -> Result<Value, Problem> {
        if let Some(document) = self.document {
            return Ok(document);
        }
        let mut whole = Map::new();
        for part in &self.parts {
            if let Part::Table(name, table) = part {
                let rows = table.json().map_err(Problem::internal)?;
                whole.insert(name.clone(), serde_json::from_str(&rows)?);
            }
        }
        Ok(Value::Object(whole))
    }

    fn print_csv(&self, terminal: &Terminal) -> Result<(), Problem> {
        let mut tables = self.parts.iter().filter_map(|part| match part {
            Part::Table(_, table) => Some(table),
            Part::Text(_) => None,
        });
        let Some(first) = tables.next() else {
            return Err(Problem::BadInput(
                "this answer has no table to print as CSV; give --format json".into(),
            ));
        };
        terminal.result(&first.csv().map_err(Problem::internal)?)?;
        match tables.count() {
            0 => {}
            more => terminal.remark(&format!(
                "note: CSV holds the first of {} tables; --format json holds all",
                more + 1
            )),
        }
        Ok(())
    }
}

/// How a line of a table looks on a terminal.
fn style(kind: LineKind) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match kind {
        LineKind::Title | LineKind::Heading => Style::new().bold(),
        LineKind::Rule | LineKind::Note => Style::new().dimmed(),
        LineKind::Row(Some(mark)) | LineKind::Legend(mark) => match mark {
            Mark::Significant => Style::new().bold(),
            Mark::Needed => colour(AnsiColor::Red),
            Mark::Removable => colour(AnsiColor::Green),
            Mark::Intact => Style::new().dimmed(),
        },
        LineKind::Row(None) => Style::new(),
    }
}
