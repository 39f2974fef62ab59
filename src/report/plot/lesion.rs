use pathscope_analysis::Level;
use pathscope_analysis::record::Header;

use super::subject::{Subject, intact_entry, intact_levels, intact_words, names, stages};
use crate::ALPHA;
use crate::error_rate::error_axis;
use crate::group::common;
use crate::lesions::{SingleLesion, Target, changes_shape, hover, single_lesions, target_name};
use crate::picture::{Axis, Chart, Content, Marker, Picture, Point, Series};
use crate::quantity::{p_value, rate};
use crate::theme::Colour;

/// One method in one network.
struct Sweep<'a> {
    subject: &'a Subject<'a>,
    method: String,
    lesions: Vec<SingleLesion<'a>>,
}

/// Error after disabling each block or function, with Wilson's intervals; signs of what does not
/// differ from the intact network are hollow. None without single lesions.
pub fn lesion(subjects: &[Subject<'_>]) -> Option<Picture> {
    let sweeps: Vec<Sweep<'_>> = subjects
        .iter()
        .flat_map(|subject| {
            let methods = single_lesions(&subject.outcomes).into_iter();
            methods.map(move |(method, lesions)| Sweep {
                subject,
                method,
                lesions,
            })
        })
        .collect();
    let header = sweeps.first()?.subject.header;
    let all = || sweeps.iter().flat_map(|sweep| &sweep.lesions);
    let worst = all().max_by(|a, b| a.outcome.error().total_cmp(&b.outcome.error()))?;
    let along = Along::new(&sweeps);
    let what = along.what();
    let mut series = Vec::new();
    for (index, sweep) in sweeps.iter().enumerate() {
        series.extend(points(&along, &sweeps, index, sweep));
    }
    if all().any(|single| !is_significant(single)) {
        let label = format!("hollow: not significant (p \u{2265} {ALPHA}, Holm)");
        series.push(Series {
            hollow: true,
            ..Series::points(label, Colour::Faint, Marker::Disc, Vec::new())
        });
    }
    series.extend(intact_entry(subjects, "intact"));
    Some(Picture {
        kind: "lesion",
        title: format!("Error after disabling one {what}: {}", names(subjects)),
        description: format!(
            "Points of top-1 error after disabling each of {} {what}s, with 95 % Wilson intervals; \
             hollow where McNemar's test finds no difference from the intact network \
             (Holm-adjusted p of {ALPHA} or more).{} The largest error, {}, is that without {what} \
             {}.",
            along.targets.len(),
            intact_words(subjects, "Intact"),
            rate(worst.outcome.errors, worst.outcome.examples),
            worst.target.name(),
        ),
        content: Content::Chart(Chart {
            x: along.axis(),
            y: error_axis(header, "95 % Wilson interval"),
            stages: match along.by_layers {
                true => Vec::new(),
                false => stages(header, &along.targets),
            },
            references: intact_levels(subjects, "intact"),
            series,
            ..Chart::default()
        }),
    })
}

/// Where targets lie along x.
struct Along {
    targets: Vec<Target>,
    /// Networks of different depth have their layers in common, not the numbers of their blocks.
    by_layers: bool,
}

impl Along {
    fn new(sweeps: &[Sweep<'_>]) -> Self {
        let all = sweeps.iter().flat_map(|sweep| &sweep.lesions);
        let mut targets: Vec<Target> = all.map(|single| single.target).collect();
        targets.sort_unstable();
        targets.dedup();
        let depth = |sweep: &Sweep<'_>| sweep.subject.header.model.blocks.len();
        Self {
            targets,
            by_layers: common(sweeps.iter().map(depth)).is_none(),
        }
    }

    fn what(&self) -> &'static str {
        let function = |target: &Target| matches!(target, Target::Function(..));
        match self.targets.iter().any(function) {
            true => "function",
            false => "block",
        }
    }

    fn place(&self, header: &Header, target: Target) -> Option<f64> {
        if !self.by_layers {
            return Some(self.targets.binary_search(&target).ok()? as f64);
        }
        let block = header.model.blocks.get(target.block())?;
        let before = header.model.blocks.iter().take(target.block());
        let before: usize = before.map(|block| block.layers).sum();
        Some(before as f64 + (block.layers as f64 + 1.0) / 2.0)
    }

    fn axis(&self) -> Axis {
        let what = self.what();
        if self.by_layers {
            return Axis::whole(format!("depth of the {what} (layers)"))
                .detail("its middle, counted from the first residual layer");
        }
        Axis {
            names: self.targets.iter().map(|target| target.name()).collect(),
            ..Axis::whole(format!("{what} disabled"))
                .detail("numbered from 0 in the order of the data")
        }
    }
}

/// Whether a lesion differs from the intact network; where nothing was compared, nothing says that
/// it does not.
fn is_significant(single: &SingleLesion<'_>) -> bool {
    single.adjusted_p.is_none_or(|p| p < ALPHA)
}

/// The points of one method in one network: those that differ from the intact one, and the others.
fn points<'a>(
    along: &'a Along,
    sweeps: &'a [Sweep<'a>],
    index: usize,
    sweep: &'a Sweep<'a>,
) -> impl Iterator<Item = Series> + 'a {
    // Side by side, where one would hide the other.
    let middle = (sweeps.len() - 1) as f64 / 2.0;
    let shift = (index as f64 - middle) * (0.6 / sweeps.len() as f64).min(0.25);
    let header = sweep.subject.header;
    let networks = sweeps
        .iter()
        .any(|other| other.subject.name != sweep.subject.name);
    let methods = sweeps.iter().any(|other| other.method != sweep.method);
    let label = match (networks, methods) {
        (true, true) => format!("{}, {}", sweep.subject.name, sweep.method),
        (true, false) => sweep.subject.name.clone(),
        (false, _) => format!("one {} {}", along.what(), sweep.method),
    };
    [true, false].into_iter().map(move |significant| {
        let lesions = sweep.lesions.iter();
        let lesions = lesions.filter(|single| is_significant(single) == significant);
        let points = lesions.filter_map(|single| {
            let place = along.place(header, single.target)? + shift;
            let interval = single.outcome.error_interval(Level::P95);
            Some(Point {
                hover: words(header, &sweep.method, single),
                ..Point::percent(place, single.outcome.error(), interval)
            })
        });
        let label = if significant { label.as_str() } else { "" };
        let (colour, marker) = (Colour::of_series(index), Marker::of_series(index));
        Series {
            hollow: !significant,
            ..Series::points(label, colour, marker, points.collect())
        }
    })
}

/// What the pointer shows of a point.
fn words(header: &Header, method: &str, single: &SingleLesion<'_>) -> String {
    let what = target_name(header, single.target);
    let shape = match changes_shape(header, single.target.block()) {
        true => " (changes the shape)",
        false => "",
    };
    let mut text = hover(header, single.outcome, &format!("{what}, {method}{shape}"));
    if let Some(p) = single.adjusted_p {
        text += &format!(", Holm-adjusted p {}", p_value(p));
    }
    text
}
