//! One self-contained page about a run: answers, pictures, tables, and how to repeat it.

mod answers;
mod effects;
mod error;
mod figure;
mod files;
mod map;
mod names;
mod section;
mod table;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use pathscope_analysis::record::{Header, Journal};
use serde::Serialize;

use super::difference::Difference;
use super::group::grouped;
use super::plot;
use super::quantity::{count, significant, thousands};
use super::run::Run;
use super::theme::{Colour, Theme};
use super::view::{self, View};
use answers::{Answer, Source, answers};
use effects::Effects;
pub use error::PageError;
use map::{Map, map};
use section::{Chapter, PageSubject, Section};

/// Templates by name; the first is the page, which includes the others.
const TEMPLATES: [(&str, &str); 4] = [
    ("report", include_str!("templates/report.html")),
    ("network", include_str!("templates/network.html")),
    ("table", include_str!("templates/table.html")),
    ("methods", include_str!("templates/methods.html")),
];

/// What the template is filled with.
#[derive(Debug, Serialize)]
struct Page {
    title: String,
    networks: Vec<Network>,
    chapters: Vec<Chapter>,
    files: Vec<files::FileView>,
    passed_over: Vec<String>,
    style: &'static str,
    colours: String,
    scripts: [&'static str; 3],
    version: &'static str,
}

/// What the first screen says of a network.
#[derive(Debug, Serialize)]
struct Network {
    number: usize,
    title: String,
    facts: Vec<String>,
    answers: Vec<Answer>,
    map: Map,
}

/// The page about `run` as HTML: the same bytes for the same results. Effective ranges hold
/// `share` of the gradient.
///
/// # Errors
/// A picture that cannot be drawn.
pub fn page(run: &Run, share: f64) -> Result<String, PageError> {
    let groups = by_network(&run.journals);
    let titles = names::titles(&groups);
    let effects: Vec<Option<Effects>> = groups.iter().map(|group| Effects::of(group)).collect();
    // One scale, so that colours of two networks can be compared.
    let most = effects.iter().flatten().map(Effects::largest);
    let most = most.fold(0.0, f64::max);
    let mut chapters: Vec<Chapter> = Vec::new();
    let mut networks = Vec::new();
    let mut sections = 0;
    for (number, ((group, title), effects)) in groups.iter().zip(&titles).zip(&effects).enumerate()
    {
        let mut subject = PageSubject {
            number,
            ..PageSubject::default()
        };
        let mut sources: Vec<Source<'_>> = Vec::new();
        for journal in group {
            let id = format!("results-{sections}");
            sections += 1;
            let section = Section::of(id.clone(), journal, share, &mut subject)?;
            let about = Chapter::about(&journal.header.options);
            let known = chapters.iter().position(|chapter| chapter.id == about.id);
            let place = known.unwrap_or_else(|| {
                chapters.push(about);
                chapters.len() - 1
            });
            if let Some(chapter) = chapters.get_mut(place) {
                chapter.push(number, title, section);
            }
            sources.push((journal, id));
        }
        networks.extend(group.first().map(|first| Network {
            number,
            title: title.clone(),
            facts: facts(&first.header),
            answers: answers(&sources, share),
            map: map(&first.header, effects.as_ref(), most, &subject.rows),
        }));
    }
    if let [first, second] = groups.as_slice() {
        chapters.splice(0..0, differences([first, second], &titles, share)?);
    }
    chapters.extend(training(run)?);
    let names = run.passed_over.iter().filter_map(|path| path.file_name());
    let passed_over = names.map(|name| name.to_string_lossy().into_owned());
    render(Page {
        title: names::heading(&titles, &groups),
        networks,
        chapters,
        files: run
            .journals
            .iter()
            .map(files::view)
            .collect::<Result<_, _>>()?,
        passed_over: passed_over.collect(),
        style: include_str!("style.css"),
        colours: dark_pictures(),
        scripts: [
            include_str!("sort.js"),
            include_str!("linked.js"),
            include_str!("copy.js"),
        ],
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// The results of each network, in the order in which they come.
fn by_network(journals: &[Journal]) -> Vec<Vec<&Journal>> {
    let groups = grouped(
        journals
            .iter()
            .map(|journal| (&journal.header.model, journal)),
    );
    groups.into_iter().map(|(_, journals)| journals).collect()
}

/// The chapter about trainings; none without any.
fn training(run: &Run) -> Result<Option<Chapter>, PageError> {
    let Some(picture) = plot::training(&run.trainings) else {
        return Ok(None);
    };
    let tables = run.trainings.iter().filter_map(view::training::table);
    let view = View {
        tables: tables.collect(),
        pictures: vec![picture],
        ..View::default()
    };
    Chapter::of("training", "Training", view).map(Some)
}

/// The chapter about what changed from one network to another; none where nothing can be compared.
fn differences(
    networks: [&[&Journal]; 2],
    titles: &[String],
    share: f64,
) -> Result<Option<Chapter>, PageError> {
    let run = |journals: &[&Journal]| Run {
        journals: journals.iter().map(|&journal| journal.clone()).collect(),
        ..Run::default()
    };
    let [first, second] = networks.map(run);
    let Ok(difference) = Difference::new(&first, &second, share) else {
        return Ok(None);
    };
    let mut tables = vec![view::difference::networks(&difference)];
    tables.extend(view::difference::blocks(&difference));
    for column in tables.iter_mut().flat_map(|table| &mut table.columns) {
        let title = match column.heading.as_str() {
            "first" => titles.first(),
            "second" => titles.get(1),
            _ => None,
        };
        if let Some(title) = title {
            column.heading.clone_from(title);
        }
    }
    if let Some(table) = tables.first_mut() {
        table.notes.extend(difference.notes.iter().cloned());
        table.notes.push(
            "differences are the second network minus the first; p-values have Holm's correction"
                .into(),
        );
    }
    let view = View {
        tables,
        ..View::default()
    };
    Chapter::of("differences", "What differs between the networks", view).map(Some)
}

/// Sizes of a network and of its data.
fn facts(header: &Header) -> Vec<String> {
    let (model, data) = (&header.model, &header.data);
    let functions: usize = model.blocks.iter().map(|block| block.functions).sum();
    let mut facts = vec![count(model.blocks.len(), "block", "blocks")];
    if functions != model.blocks.len() {
        facts.push(count(functions, "function", "functions"));
    }
    facts.extend([
        format!("{} parameters", thousands(model.parameters)),
        format!(
            "{} million multiply-adds",
            significant(model.multiply_adds as f64 / 1e6, 3)
        ),
        match data.positions {
            1 => count(data.examples, "example", "examples"),
            positions => format!(
                "{} of {positions} positions",
                count(data.examples, "sequence", "sequences")
            ),
        },
        count(data.classes, "class", "classes"),
    ]);
    facts
}

fn render(page: Page) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder().trim_blocks(true).build()?;
    environment.set_syntax(syntax);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment.get_template("report")?.render(Serde(page))?)
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
