use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::{Interval, Level, Summary, equivalent_paired, wilson};

use super::Execute;
use crate::cli::args::{Format, FormatArguments, training_log};
use crate::cli::show::answer::Answer;
use crate::cli::show::paper;
use crate::cli::{Problem, Terminal};
use crate::report::quantity::hundredths;
use crate::report::table::{Cell, Column, Table};
use crate::training::{Evaluation, PaperRow, Restriction, RunHeader};

/// Print the test errors of trainings beside those of the paper
///
/// Runs that differ only in their seed share a row. The paper is Abdi & Nahavandi, arXiv
/// 1609.05672; --paper prints its Tables I to V.
///
/// Example: pathscope table assets/results/path-restricted/full-1.jsonl
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folders of trainings, or their logs (log.jsonl)
    #[arg(required_unless_present = "paper")]
    runs: Vec<PathBuf>,
    /// Print every row of the paper's Tables I to V, with the parameters of the network built here and
    /// the results of those trainings that follow a recipe of the row
    #[arg(long, conflicts_with = "margin")]
    paper: bool,
    #[command(flatten)]
    format: FormatArguments,
    /// Print the table in Markdown
    #[arg(long, hide = true)]
    markdown: bool,
    /// Largest difference in error that counts as equal: two one-sided t tests of the second of two
    /// designs against the first, paired by seed [unit: points]
    #[arg(long, value_name = "POINTS")]
    margin: Option<f64>,
}

/// The runs of one design.
struct Design {
    header: Box<RunHeader>,
    /// Seed and result of every run that came to its end.
    tests: Vec<(u64, Evaluation)>,
    unfinished: usize,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let mut designs: Vec<Design> = Vec::new();
        for run in &self.runs {
            let (header, result) = training_log(run)?;
            let test = result.and_then(|result| result.test);
            let seed = header.seed;
            let known = designs
                .iter()
                .position(|design| same_design(&design.header, &header));
            let place = known.unwrap_or_else(|| {
                designs.push(Design {
                    header,
                    tests: Vec::new(),
                    unfinished: 0,
                });
                designs.len() - 1
            });
            let design = &mut designs[place];
            match test {
                Some(test) => design.tests.push((seed, test)),
                None => design.unfinished += 1,
            }
        }
        let mut answer = Answer::default();
        if self.paper {
            for (name, table) in paper::tables(&results_by_recipe(&designs))? {
                answer.table(name, table);
            }
            answer.text(paper::LEGEND);
        } else {
            answer.table("trainings", table(&designs));
        }
        if let Some(margin) = self.margin {
            answer.text(equivalence(&designs, margin)?);
        }
        let format = match self.markdown {
            true => Format::Markdown,
            false => self.format.get(),
        };
        answer.print(format, terminal)
    }
}

/// Test errors of finished trainings that follow a recipe of the paper unchanged, by its name.
fn results_by_recipe(designs: &[Design]) -> Vec<(&str, String)> {
    let quoted =
        |design: &&Design| design.header.recipe.paper.is_some() && !design.tests.is_empty();
    let results = designs.iter().filter(quoted);
    results
        .map(|design| (design.header.recipe.name.as_str(), design.error()))
        .collect()
}

fn table(designs: &[Design]) -> Table {
    let mut table = Table::new(
        "Test errors of trainings",
        vec![
            Column::words("network", "network"),
            Column::words("recipe", "recipe").medium(),
            Column::words("trained_paths", "trained paths").high(),
            Column::number("parameters", "parameters").low(),
            Column::words("trained_on", "trained on").low(),
            Column::number("runs", "runs"),
            Column::number("error", "test error").unit("%"),
            Column::words("paper", "paper").unit("%"),
        ],
    );
    for design in designs {
        table.push(design.row());
    }
    table.notes = vec![
        "Test error: that of the last epoch; of several runs, the median (mean +- standard \
         deviation); of one run, its 95 % interval."
            .into(),
        "Paper: Abdi & Nahavandi, arXiv 1609.05672; its networks are trained for 200 epochs of \
         50,000 images (ImageNet: 90 epochs)."
            .into(),
    ];
    table
}

/// Whether two trainings differ in nothing but their seed.
fn same_design(one: &RunHeader, other: &RunHeader) -> bool {
    let mut recipe = other.recipe.clone();
    recipe.training.seed = one.recipe.training.seed;
    recipe == one.recipe && one.examples == other.examples
}

impl Design {
    fn row(&self) -> Vec<Cell> {
        let RunHeader {
            recipe,
            parameters,
            examples,
            ..
        } = &*self.header;
        let runs = match self.unfinished {
            0 => self.tests.len().to_string(),
            unfinished => format!("{} ({unfinished} unfinished)", self.tests.len()),
        };
        let error = self.summary().map_or_else(Cell::missing, |summary| {
            Cell::number(self.error(), summary.median / 100.0)
        });
        vec![
            Cell::words(recipe.architecture.title()),
            Cell::words(&recipe.name),
            Cell::words(trained_paths(&recipe.training.restriction)),
            Cell::words(parameters.to_string()),
            Cell::words(format!("{} x {examples}", recipe.training.epochs)),
            Cell::integer(runs, self.tests.len() as u64),
            error,
            recipe
                .paper
                .as_ref()
                .map_or_else(Cell::missing, |row| Cell::words(printed(row))),
        ]
    }

    fn error(&self) -> String {
        match (self.summary(), self.tests.as_slice()) {
            (Some(_), [(_, test)]) => {
                let interval = wilson(test.errors, test.examples, Level::P95);
                let [lower, upper] = match interval {
                    Ok(Interval { lower, upper }) => [lower, upper].map(hundredths),
                    Err(_) => return format!("{:.2}", test.percent()),
                };
                format!("{:.2} [{lower}, {upper}]", test.percent())
            }
            (Some(summary), _) => summary.to_string(),
            (None, _) => "-".into(),
        }
    }

    /// Of the test errors in per cent.
    fn summary(&self) -> Option<Summary> {
        let percents: Vec<f64> = self.tests.iter().map(|(_, test)| test.percent()).collect();
        Summary::of(&percents)
    }
}

/// Whether the second design is as good as the first.
fn equivalence(designs: &[Design], margin: f64) -> Result<String, Problem> {
    let [first, second] = designs else {
        return Err(Problem::BadInput(format!(
            "--margin compares two designs, but these runs are of {}",
            designs.len()
        )));
    };
    let pairs: Vec<(f64, f64)> = first
        .tests
        .iter()
        .filter_map(|(seed, one)| {
            let other = second.tests.iter().find(|(other, _)| other == seed)?;
            Some((one.percent(), other.1.percent()))
        })
        .collect();
    let (one, other): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let bounds = Interval {
        lower: -margin,
        upper: margin,
    };
    let found = equivalent_paired(&one, &other, bounds, Level::P95).map_err(Problem::bad_input)?;
    Ok(format!(
        "second minus first design, {} pairs of equal seed: {:+.2} points, standard error {:.2}, \
         90 % interval {:+.2} to {:+.2}\n\
         two one-sided t tests at 5 % against {margin} points either way: p = {:.3}: {}",
        one.len(),
        found.difference,
        found.standard_error,
        found.interval.lower,
        found.interval.upper,
        found.p_value,
        if found.equivalent {
            "equivalent within this margin"
        } else if found.interval.lower > margin || found.interval.upper < -margin {
            "not equivalent: the whole interval lies beyond the margin"
        } else {
            "equivalence is not shown"
        },
    ))
}

/// Which paths a mini-batch trains, in few words.
fn trained_paths(restriction: &Restriction) -> String {
    let how = |backward_only| if backward_only { " backward" } else { "" };
    match *restriction {
        Restriction::None => "all".into(),
        Restriction::EffectivePaths {
            blocks,
            backward_only,
        } => format!("{blocks} blocks{}", how(backward_only)),
        Restriction::EffectiveFunctions {
            functions,
            backward_only,
        } => format!("{functions} functions{}", how(backward_only)),
        Restriction::EffectiveRange { from, to } => format!("lengths {from}:{to}"),
        Restriction::StochasticDepth { last, .. } => format!("stochastic depth {last}"),
        Restriction::DropPath { drop, .. } => format!("drop-path {drop}"),
    }
}

/// A row of the paper as it prints it.
fn printed(row: &PaperRow) -> String {
    let mut text = format!("{:.2}", row.error);
    if let (Some(mean), Some(deviation)) = (row.mean, row.deviation) {
        text += &format!(" ({mean:.2} +- {deviation:.2})");
    }
    if let Some(ten_crop) = row.ten_crop {
        text += &format!(", ten crops {ten_crop:.2}");
    }
    format!("{text} (Table {})", row.table)
}
