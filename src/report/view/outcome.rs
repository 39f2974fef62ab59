//! Changes of a network against the intact one.

use pathscope_analysis::record::{Change, Header, Options, Outcome, Screened};
use pathscope_analysis::{Interval, Level, McNemar, Verdict, paired_sequence};

use super::change::{describe, reordered};
use super::verdict::{self, in_points};
use crate::ALPHA;
use crate::error_rate::intervals;
use crate::lesions::{Target, adjusted, lesion, reordering};
use crate::quantity::{hundredths, points, scaled, significant};
use crate::table::{Cell, Column, Datum, Mark, Priority, Table};

/// Marks a block whose skip changes the shape.
const CHANGES_SHAPE: &str = "†";

/// Whether the comparisons of a file stop as soon as they are decided, so that only intervals that
/// hold at every stop are valid.
pub(super) fn stops_early(header: &Header) -> bool {
    matches!(&header.options, Options::Lesion(settings) if settings.stop_at.is_some())
}

/// What the rows of a table of changes are named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// One block, or one function of a block.
    Target { functions: bool },
    /// An order of the blocks.
    Order,
    /// Several blocks and functions together.
    Several,
}

impl Naming {
    fn of(changed: &[&Outcome]) -> Self {
        let target = |outcome: &&Outcome| lesion(outcome).and_then(Target::of);
        let targets: Vec<Target> = changed.iter().filter_map(target).collect();
        if targets.len() == changed.len() {
            let function = |target: &Target| matches!(target, Target::Function(..));
            Self::Target {
                functions: targets.iter().any(function),
            }
        } else if changed.iter().all(|outcome| reordering(outcome).is_some()) {
            Self::Order
        } else {
            Self::Several
        }
    }

    fn columns(self) -> Vec<Column> {
        match self {
            Self::Target { functions } => {
                let mut columns = vec![Column::number("block", "block")];
                columns.extend(functions.then(|| Column::number("function", "function")));
                columns.extend([
                    Column::words("name", "name").medium(),
                    Column::words("output_shape", "output shape").low(),
                    Column::file_only("changes_shape"),
                ]);
                columns
            }
            Self::Order => vec![
                Column::words("order", "order"),
                Column::number("kendall_tau", "tau"),
                Column::file_only("block_at_each_place"),
            ],
            Self::Several => vec![Column::words("change", "disabled")],
        }
    }

    fn cells(self, header: &Header, change: &Change) -> Vec<Cell> {
        match (self, change) {
            (Self::Target { functions }, Change::Lesion(lesion)) => {
                let Some(target) = Target::of(lesion) else {
                    return vec![Cell::missing(); self.columns().len()];
                };
                let block = target.block();
                let mut cells = vec![Cell::count(block)];
                cells.extend(functions.then(|| match target {
                    Target::Function(_, function) => Cell::count(function),
                    Target::Block(_) => Cell::missing(),
                }));
                cells.extend(match header.model.blocks.get(block) {
                    Some(identity) => {
                        let mark = if identity.changes_shape {
                            CHANGES_SHAPE
                        } else {
                            ""
                        };
                        [
                            Cell {
                                text: format!("{} {mark}", identity.name).trim_end().to_owned(),
                                values: vec![Datum::Text(identity.name.clone())],
                            },
                            Cell::words(&identity.shape),
                            Cell::truth(identity.changes_shape),
                        ]
                    }
                    None => [Cell::missing(), Cell::missing(), Cell::missing()],
                });
                cells
            }
            (Self::Order, Change::Reordering(reordering)) => {
                let order: Vec<String> = reordering.order.iter().map(usize::to_string).collect();
                vec![
                    Cell::words(reordered(reordering.method)),
                    Cell::decimals(reordering.kendall_tau, 4),
                    Cell::words(order.join(" ")),
                ]
            }
            (Self::Several, change) => vec![Cell::words(describe(change))],
            (Self::Target { .. } | Self::Order, _) => {
                vec![Cell::missing(); self.columns().len()]
            }
        }
    }
}

/// How an outcome differs from that of the intact network.
struct Comparison {
    test: Option<McNemar>,
    adjusted_p: Option<f64>,
    /// In percentage points, over the examples that both measured.
    difference: Option<f64>,
    /// Its interval.
    interval: Option<Interval>,
    verdict: Option<Verdict>,
}

impl Comparison {
    fn all(
        header: &Header,
        intact: Option<&Outcome>,
        changed: &[&Outcome],
        margin: Option<f64>,
    ) -> Vec<Self> {
        let mut verdicts = intact
            .zip(margin)
            .and_then(|(intact, margin)| verdict::of(header, intact, changed, margin))
            .into_iter()
            .flatten();
        let tests: Vec<Option<McNemar>> = changed
            .iter()
            .map(|outcome| outcome.against(intact?).ok())
            .collect();
        let adjusted = match stops_early(header) {
            // A test after looking whenever one likes would find too much.
            true => vec![None; tests.len()],
            false => {
                let whole = tests
                    .iter()
                    .zip(changed)
                    .map(|(test, outcome)| test.as_ref().filter(|_| !outcome.is_settled()));
                adjusted(&whole.collect::<Vec<_>>())
            }
        };
        let intervals = match intact {
            // It may stop at any time.
            Some(intact) if stops_early(header) => {
                let sequence = |outcome: &&Outcome| paired_sequence(intact, outcome).ok();
                let interval = |outcome| Some(scaled(sequence(outcome)?.interval(), 100.0));
                changed.iter().map(interval).collect()
            }
            // None where a settled one measured fewer examples.
            Some(intact) => intervals(intact, changed),
            None => vec![None; changed.len()],
        };
        changed
            .iter()
            .zip(tests)
            .zip(adjusted)
            .zip(intervals)
            .map(|(((outcome, test), adjusted_p), interval)| Self {
                difference: intact.map(|intact| in_common(intact, outcome)),
                interval,
                test,
                adjusted_p,
                verdict: verdicts.next(),
            })
            .collect()
    }

    fn mark(&self) -> Option<Mark> {
        match self.verdict {
            Some(Verdict::Needed) => return Some(Mark::Needed),
            Some(Verdict::Removable) => return Some(Mark::Removable),
            Some(Verdict::Undecided { .. }) => return None,
            None => {}
        }
        let significant = match self.adjusted_p {
            Some(p) => p < ALPHA,
            None => self.interval.is_some_and(|found| !found.contains(0.0)),
        };
        significant.then_some(Mark::Significant)
    }
}

/// The difference of the error rates on the examples that both measured, in percentage points.
fn in_common(intact: &Outcome, outcome: &Outcome) -> f64 {
    let examples = outcome.examples.min(intact.examples);
    let errors = |outcome: &Outcome| {
        let wrong = outcome.wrong.to_vec(examples);
        wrong.into_iter().filter(|&wrong| wrong).count() as f64
    };
    100.0 * (errors(outcome) - errors(intact)) / examples as f64
}

/// What a table of changes shows beside the outcomes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// What classes are called, where it is known.
    pub class_names: &'a [String],
    /// The margin of the verdicts on single blocks and functions, a share of the examples.
    pub margin: Option<f64>,
    /// Seconds that each block takes, where they were measured.
    pub seconds: &'a [f64],
}

/// The outcomes of changes that were not drawn at random, each against the intact network on the
/// same examples; none without changes.
pub fn table(
    header: &Header,
    title: impl Into<String>,
    intact: Option<&Outcome>,
    changed: &[&Outcome],
    shown: Shown<'_>,
) -> Option<Table> {
    let margin = shown.margin;
    let subject = Naming::of(changed);
    let mut columns = subject.columns();
    let comparisons = Comparison::all(header, intact, changed, margin);
    let decided = comparisons
        .iter()
        .any(|comparison| comparison.verdict.is_some());
    let early = stops_early(header) || changed.iter().any(|outcome| outcome.is_settled());
    let settled = changed.iter().all(|outcome| outcome.is_settled());
    columns.extend(common_columns(early, stops_early(header) || settled));
    columns.extend(decided.then(verdict_column));
    let screened = changed.iter().any(|outcome| outcome.screened.is_some());
    columns.extend(screened.then(|| Column::file_only("screened")));
    let costs = matches!(subject, Naming::Target { .. }) && intact.is_some();
    if costs {
        columns.extend(cost_columns(!shown.seconds.is_empty()));
    }
    let mut table = Table::new(title, columns);
    for (outcome, comparison) in changed.iter().zip(&comparisons) {
        let mut cells = subject.cells(header, &outcome.change);
        cells.extend(common_cells(outcome, intact, comparison, shown.class_names));
        cells.extend(decided.then(|| verdict_cell(comparison.verdict)));
        cells.extend(screened.then(|| match outcome.screened {
            None => Cell::missing(),
            Some(Screened::NoEffect) => Cell::words("no_effect"),
            Some(Screened::Settled) => Cell::words("settled"),
        }));
        if let Some(intact) = intact.filter(|_| costs) {
            cells.extend(cost_cells(outcome, intact, shown.seconds));
        }
        table.push_marked(cells, comparison.mark());
    }
    table.legend = match margin.filter(|_| decided) {
        Some(margin) => {
            let (points, method) = (in_points(margin), verdict::method(header, changed.len()));
            vec![
                (
                    Mark::Needed,
                    format!("needed: costs more than {points} ({method})"),
                ),
                (
                    Mark::Removable,
                    format!("removable: costs less than {points} ({method})"),
                ),
            ]
        }
        None => vec![(Mark::Significant, evidence(header, changed.len()))],
    };
    let marked = |row: &crate::table::Row| {
        let mut cells = row.cells.iter();
        cells.any(|cell| cell.text.ends_with(CHANGES_SHAPE))
    };
    if table.rows.iter().any(marked) {
        table.notes.push(format!(
            "{CHANGES_SHAPE} the block changes the shape; its projection or padding skip stays"
        ));
    }
    table.unless_empty()
}

/// What a mark of significance rests on.
fn evidence(header: &Header, changes: usize) -> String {
    if stops_early(header) {
        return "the interval of the difference (95 %, valid whenever the comparison stops) \
                excludes 0"
            .into();
    }
    let over = match header.data.positions {
        1 => "",
        _ => " over sequences",
    };
    let corrected = match changes {
        1 => String::new(),
        changes => format!(", Holm's correction over {changes} rows"),
    };
    format!("significant at {ALPHA} (exact McNemar test{over}{corrected})")
}

/// What a block costs that is still there: multiply-adds and, where it was `timed`, time.
fn cost_columns(timed: bool) -> Vec<Column> {
    let mut columns = vec![
        Column::number("multiply_adds_saved", "multiply-adds saved")
            .unit("%")
            .medium(),
    ];
    let time = Column::number("block_ms", "block alone").unit("ms");
    // Only there where somebody asked for it.
    columns.extend(timed.then(|| time.high()));
    columns
}

fn cost_cells(outcome: &Outcome, intact: &Outcome, seconds: &[f64]) -> Vec<Cell> {
    let saved = intact.multiply_adds.saturating_sub(outcome.multiply_adds);
    let share = saved as f64 / intact.multiply_adds.max(1) as f64;
    let mut cells = vec![Cell::number(significant(100.0 * share, 2), share)];
    if !seconds.is_empty() {
        let block = lesion(outcome).and_then(Target::of);
        let time = block.and_then(|target| match target {
            Target::Block(block) => seconds.get(block),
            Target::Function(..) => None,
        });
        cells.push(time.map_or_else(Cell::missing, |time| Cell::significant(1e3 * time, 2)));
    }
    cells
}

fn verdict_column() -> Column {
    Column {
        fields: vec!["verdict".into(), "deciding_examples".into()],
        ..Column::words("verdict", "verdict").high()
    }
}

fn verdict_cell(verdict: Option<Verdict>) -> Cell {
    let (text, deciding) = match verdict {
        Some(Verdict::Needed) => ("needed", None),
        Some(Verdict::Removable) => ("removable", None),
        Some(Verdict::Undecided { examples }) => ("undecided", examples),
        None => return Cell::missing(),
    };
    let mut cell = Cell::words(text);
    cell.values
        .extend(deciding.map(|examples| Datum::Integer(examples as u64)));
    cell
}

/// `early` where examples differ, and `untested` where no test of a fixed number of them applies.
fn common_columns(early: bool, untested: bool) -> Vec<Column> {
    let examples = match early {
        true => Column::number("examples", "examples").medium(),
        false => Column::file_only("examples"),
    };
    vec![
        Column::number("errors", "errors").medium(),
        examples,
        Column::number("error", "error").unit("%"),
        Column::interval("error", "95 % interval").medium(),
        Column::number("difference_points", "difference").unit("points"),
        Column::interval("difference_points", "95 % interval").high(),
        Column::number("p", "p").priority(match untested {
            true => Priority::FileOnly,
            false => Priority::Essential,
        }),
        Column::number("newly_wrong", "newly wrong").low(),
        Column::number("newly_right", "newly right").low(),
        Column::number("loss", "loss").unit("nats").low(),
        Column::number("margin", "margin").low(),
        Column::words("worst_hit_class", "worst-hit class").low(),
        Column::number("paths", "paths left").low(),
        Column::file_only("parameters"),
        Column::file_only("multiply_adds"),
    ]
}

fn common_cells(
    outcome: &Outcome,
    intact: Option<&Outcome>,
    comparison: &Comparison,
    class_names: &[String],
) -> Vec<Cell> {
    let count = |of: fn(&McNemar) -> usize| {
        let test = comparison.test.as_ref();
        test.map_or_else(Cell::missing, |test| Cell::count(of(test)))
    };
    vec![
        Cell::count(outcome.errors),
        Cell::count(outcome.examples),
        Cell::share(outcome.error()),
        Cell::interval(outcome.error_interval(Level::P95), hundredths),
        comparison
            .difference
            .map_or_else(Cell::missing, |change| Cell::number(points(change), change)),
        Cell::interval(comparison.interval, points),
        comparison.adjusted_p.map_or_else(Cell::missing, Cell::p),
        count(|test| test.only_second_wrong),
        count(|test| test.only_first_wrong),
        Cell::significant(outcome.loss, 4),
        Cell::significant(outcome.margin, 3),
        intact.map_or_else(Cell::missing, |intact| {
            worst_hit_class(outcome, intact, class_names)
        }),
        Cell::large(&outcome.paths),
        Cell::integer("", outcome.parameters),
        Cell::integer("", outcome.multiply_adds),
    ]
}

/// The class that gains most errors: `cat +12`.
fn worst_hit_class(outcome: &Outcome, intact: &Outcome, class_names: &[String]) -> Cell {
    if outcome.examples != intact.examples {
        return Cell::missing();
    }
    let gains = outcome.errors_by_class.iter().zip(&intact.errors_by_class);
    let most = gains
        .enumerate()
        .filter_map(|(class, (now, before))| Some((now.checked_sub(*before)?, class)))
        .filter(|(gain, _)| *gain > 0)
        // Of several, the first.
        .max_by_key(|&(gain, class)| (gain, std::cmp::Reverse(class)));
    match most {
        Some((gain, token)) if outcome.positions > 1 => {
            Cell::words(format!("token {token} +{gain}"))
        }
        Some((gain, class)) => Cell::words(format!("{} +{gain}", class_name(class, class_names))),
        None => Cell::words("none"),
    }
}

fn class_name(class: usize, class_names: &[String]) -> String {
    let name = class_names.get(class);
    name.map_or_else(|| format!("class {class}"), Clone::clone)
}

/// The errors of every class, intact and after each change.
pub fn by_class(outcomes: &[&Outcome], class_names: &[String]) -> Option<Table> {
    let classes = outcomes.first()?.errors_by_class.len();
    let mut columns = vec![Column::words("change", "disabled")];
    columns.extend((0..classes).map(|class| {
        let name = class_name(class, class_names);
        Column::number(&name, name.clone()).high()
    }));
    let mut table = Table::new("Errors by class", columns);
    for outcome in outcomes {
        let change = match (&outcome.change, outcome.draw) {
            (change, None) => describe(change),
            (change, Some(draw)) => format!("{} (draw {draw})", describe(change)),
        };
        let mut cells = vec![Cell::words(change)];
        cells.extend(outcome.errors_by_class.iter().copied().map(Cell::count));
        table.push(cells);
    }
    table.unless_empty()
}
