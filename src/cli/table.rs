use std::path::{Path, PathBuf};

use clap::Args;
use comfy_table::{Table, presets};
use pathscope_analysis::{Interval, Level, Summary, equivalent_paired, wilson};

use super::Problem;
use super::terminal::Terminal;
use crate::training::{Evaluation, PaperRow, RunHeader, RunRecord, read_log};

/// Shows the results of trainings beside the numbers of the paper's tables.
///
/// Runs that differ in nothing but their seed share a row.
///
/// Example: pathscope table assets/results/path-restricted/full-1.jsonl
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folders of trainings, or their log files.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Write the table in Markdown.
    #[arg(long)]
    markdown: bool,
    /// Test whether the second of two designs is as good as the first, within so many points of
    /// error either way: two one-sided t tests, paired by seed.
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

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let mut designs: Vec<Design> = Vec::new();
    for run in &arguments.runs {
        let (header, test) = read(run)?;
        let seed = header.seed;
        let known = designs
            .iter_mut()
            .find(|design| same_design(&design.header, &header));
        let design = match known {
            Some(design) => design,
            None => {
                designs.push(Design {
                    header,
                    tests: Vec::new(),
                    unfinished: 0,
                });
                let last = designs.len() - 1;
                &mut designs[last]
            }
        };
        match test {
            Some(test) => design.tests.push((seed, test)),
            None => design.unfinished += 1,
        }
    }
    let mut table = Table::new();
    table.load_style(if arguments.markdown {
        presets::ASCII_MARKDOWN
    } else {
        presets::UTF8_HORIZONTAL_ONLY
    });
    table.set_header([
        "network",
        "recipe",
        "parameters",
        "trained on",
        "runs",
        "test error %",
        "paper %",
    ]);
    for design in &designs {
        table.add_row(design.row());
    }
    terminal.result(&format!(
        "{table}\nerror of the last epoch; of several runs the median (mean +- standard deviation), \
         of one its 95 % interval\nthe paper: Abdi & Nahavandi, arXiv 1609.05672; its networks are \
         trained for 200 epochs of 50,000 images (ImageNet: 90)"
    ))?;
    match arguments.margin {
        Some(margin) => terminal.result(&equivalence(&designs, margin)?),
        None => Ok(()),
    }
}

fn read(run: &Path) -> Result<(Box<RunHeader>, Option<Evaluation>), Problem> {
    let log = if run.is_dir() {
        run.join("log.jsonl")
    } else {
        run.to_owned()
    };
    let mut header = None;
    let mut test = None;
    for record in read_log(&log)? {
        match record {
            RunRecord::Header(found) => header = Some(found),
            RunRecord::Result(result) => test = result.test,
            RunRecord::Epoch(_) => {}
        }
    }
    let header = header.ok_or_else(|| {
        Problem::BadInput(format!("{}: no header of a training in it", log.display()))
    })?;
    Ok((header, test))
}

/// Whether two trainings differ in nothing but their seed.
fn same_design(one: &RunHeader, other: &RunHeader) -> bool {
    let mut recipe = other.recipe.clone();
    recipe.training.seed = one.recipe.training.seed;
    recipe == one.recipe && one.examples == other.examples
}

impl Design {
    fn row(&self) -> [String; 7] {
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
        [
            recipe.architecture.title(),
            recipe.name.clone(),
            parameters.to_string(),
            format!("{} x {examples}", recipe.training.epochs),
            runs,
            self.error(),
            recipe.paper.as_ref().map_or_else(|| "-".into(), printed),
        ]
    }

    fn error(&self) -> String {
        let percents: Vec<f64> = self.tests.iter().map(|(_, test)| test.percent()).collect();
        match (Summary::of(&percents), self.tests.as_slice()) {
            (Some(_), [(_, test)]) => {
                let interval = wilson(test.errors, test.examples, Level::P95);
                let interval = interval.map_or_else(
                    |_| String::new(),
                    |interval| {
                        format!(
                            " [{:.2}, {:.2}]",
                            100.0 * interval.lower,
                            100.0 * interval.upper
                        )
                    },
                );
                format!("{:.2}{interval}", test.percent())
            }
            (Some(summary), _) => summary.to_string(),
            (None, _) => "-".into(),
        }
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
    let found = equivalent_paired(&one, &other, bounds, Level::P95)
        .map_err(|fault| Problem::BadInput(fault.to_string()))?;
    Ok(format!(
        "second less first design, {} pairs of equal seed: {:+.2} points, standard error {:.2}, \
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
        } else {
            "equivalence is not shown"
        },
    ))
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
