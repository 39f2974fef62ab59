//! One self-contained page about a run: questions, answers, pictures, tables, and how to repeat it.

mod error;
mod figure;
mod files;
mod network;
mod section;
mod table;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::journal::Journal;
use super::plot;
use super::quantity::{significant, thousands};
use super::run::Run;
use super::theme::{Colour, Theme};
use super::view::{self, View};
pub use error::PageError;
use figure::Figure;
use section::Section;

/// What the template is filled with.
#[derive(Debug, Serialize)]
struct Page {
    title: String,
    subjects: Vec<Subject>,
    sections: Vec<Section>,
    files: Vec<files::FileView>,
    passed_over: Vec<String>,
    style: &'static str,
    colours: String,
    script: &'static str,
    version: &'static str,
}

/// One network.
#[derive(Debug, Serialize)]
struct Subject {
    id: String,
    title: String,
    facts: Vec<(&'static str, String)>,
    network: Figure,
}

/// The page about `run` as HTML: the same bytes for the same results. Effective ranges hold
/// `share` of the gradient.
///
/// # Errors
/// A picture that cannot be drawn.
pub fn page(run: &Run, share: f64) -> Result<String, PageError> {
    let mut networks: Vec<Vec<&Journal>> = Vec::new();
    for journal in &run.journals {
        let same = |group: &&mut Vec<&Journal>| {
            let first = group.first();
            first.is_some_and(|first| first.header.model == journal.header.model)
        };
        match networks.iter_mut().find(same) {
            Some(group) => group.push(journal),
            None => networks.push(vec![journal]),
        }
    }
    let mut subjects = Vec::new();
    let mut sections = Vec::new();
    for (number, group) in networks.iter().enumerate() {
        subjects.extend(subject(number, group));
        for journal in group {
            let id = format!("results-{}", sections.len());
            sections.push(section::of(id, journal, share)?);
        }
    }
    if let Some(picture) = plot::training(&run.trainings) {
        let view = View {
            findings: Vec::new(),
            tables: run
                .trainings
                .iter()
                .filter_map(view::training::table)
                .collect(),
            pictures: vec![picture],
        };
        sections.push(Section::new("training", "Training", view)?);
    }
    let names: Vec<&str> = subjects
        .iter()
        .map(|subject| subject.title.as_str())
        .collect();
    let title = match names.as_slice() {
        [] => "Training".to_owned(),
        names => names.join(", "),
    };
    let passed_over: Vec<String> = run
        .passed_over
        .iter()
        .filter_map(|path| path.file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder().trim_blocks(true).build()?;
    environment.set_syntax(syntax);
    environment.add_template("report", include_str!("report.html"))?;
    Ok(environment.get_template("report")?.render(Serde(Page {
        title,
        subjects,
        sections,
        files: run
            .journals
            .iter()
            .map(files::view)
            .collect::<Result<_, _>>()?,
        passed_over,
        style: include_str!("style.css"),
        colours: dark_pictures(),
        script: include_str!("sort.js"),
        version: env!("CARGO_PKG_VERSION"),
    }))?)
}

fn subject(number: usize, journals: &[&Journal]) -> Option<Subject> {
    let header = &journals.first()?.header;
    let (model, data) = (&header.model, &header.data);
    let functions: usize = model.blocks.iter().map(|block| block.functions).sum();
    Some(Subject {
        id: format!("model-{number}"),
        title: format!("{} on {}", model.title, data.description),
        facts: vec![
            ("Blocks", model.blocks.len().to_string()),
            ("Residual functions", functions.to_string()),
            ("Parameters", thousands(model.parameters)),
            (
                "Multiply-adds for one image",
                format!(
                    "{} million",
                    significant(model.multiply_adds as f64 / 1e6, 4)
                ),
            ),
            (
                "Examples",
                match data.positions {
                    1 => thousands(data.examples as u64),
                    positions => format!(
                        "{} sequences of {positions} positions",
                        thousands(data.examples as u64)
                    ),
                },
            ),
            ("Classes", data.classes.to_string()),
        ],
        network: network::draw(header, journals),
    })
}

/// Pictures are drawn dark on white; these rules give each of their colours its counterpart where
/// the reader prefers light on black.
fn dark_pictures() -> String {
    let rule = |colour: &Colour| {
        let (light, dark) = (colour.hex(Theme::Light), colour.hex(Theme::Dark));
        format!("svg [fill=\"{light}\"]{{fill:{dark}}}svg [stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    Colour::ALL.iter().map(rule).collect()
}

#[cfg(test)]
mod tests;
