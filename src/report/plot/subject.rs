use pathscope_analysis::record::{Header, Journal, Outcome};
use pathscope_analysis::{LengthRange, Level};

use crate::lesions::{Target, hover, intact};
use crate::picture::{Dash, Marker, Point, ReferenceLine, Series, Stretch, in_percent};
use crate::quantity::rate;
use crate::theme::Colour;

/// A network and what was measured of it, in a picture that may show several.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// What legends call it.
    pub name: String,
    /// The network and the data.
    pub header: &'a Header,
    /// The measurements.
    pub outcomes: Vec<&'a Outcome>,
}

impl<'a> Subject<'a> {
    /// A network under the title of its model.
    pub fn new(header: &'a Header, outcomes: &[&'a Outcome]) -> Self {
        Self {
            name: header.model.title.clone(),
            header,
            outcomes: outcomes.to_vec(),
        }
    }

    /// The networks of some files, under names that differ.
    pub fn all(journals: &[&'a Journal]) -> Vec<Self> {
        let titles = journals.iter().map(|journal| &journal.header.model.title);
        let titles: Vec<&String> = titles.collect();
        let named = journals.iter().enumerate().map(|(index, journal)| {
            let title = &journal.header.model.title;
            let file = journal.path.file_stem().unwrap_or_default();
            let file = file.to_string_lossy();
            let name = match titles.iter().filter(|known| **known == title).count() {
                1 => title.clone(),
                _ => format!("{title} ({file})"),
            };
            // Files of one name in several folders.
            let same = |other: &&&Journal| {
                other.path.file_stem() == journal.path.file_stem()
                    && other.header.model.title == *title
            };
            let before = journals.iter().take(index).filter(same).count();
            Self {
                name: match before {
                    0 => name,
                    _ => format!("{name} {}", before + 1),
                },
                header: &journal.header,
                outcomes: journal.outcomes(),
            }
        });
        named.collect()
    }

    /// The unchanged network, if measured.
    pub(super) fn intact(&self) -> Option<&'a Outcome> {
        intact(&self.outcomes)
    }
}

/// The names of networks, as titles of pictures hold them.
pub(super) fn names(subjects: &[Subject<'_>]) -> String {
    let names: Vec<&str> = subjects.iter().map(|s| s.name.as_str()).collect();
    names.join(", ")
}

/// The errors of the networks as they were trained, with their intervals, as levels of a chart. One
/// is named in the legend by `name`; several have the colours of their series.
pub(super) fn intact_levels(subjects: &[Subject<'_>], name: &str) -> Vec<ReferenceLine> {
    let level = |(index, subject): (usize, &Subject<'_>)| {
        let intact = subject.intact()?;
        let interval = intact.error_interval(Level::P95);
        let single = subjects.len() == 1;
        Some(ReferenceLine {
            y: 100.0 * intact.error(),
            interval: interval.map(in_percent),
            label: match single {
                true => format!("{name}: {}", rate(intact.errors, intact.examples)),
                false => String::new(),
            },
            colour: match single {
                true => Colour::Faint,
                false => Colour::of_series(index),
            },
        })
    };
    subjects.iter().enumerate().filter_map(level).collect()
}

/// The unchanged networks themselves, at their place among the changed ones.
pub(super) fn intact_points(subjects: &[Subject<'_>], x: f64, what: &str) -> Option<Series> {
    let points = subjects.iter().filter_map(|subject| {
        let intact = subject.intact()?;
        Some(Point {
            hover: hover(subject.header, intact, what),
            ..Point::percent(x, intact.error(), None)
        })
    });
    let points: Vec<Point> = points.collect();
    (!points.is_empty()).then(|| Series::points("", Colour::Ink, Marker::Diamond, points))
}

/// What explains the levels of several networks.
pub(super) fn intact_entry(subjects: &[Subject<'_>], name: &str) -> Option<Series> {
    let known = subjects.iter().any(|subject| subject.intact().is_some());
    let label = format!("dashed, with 95 % band: {name}");
    (subjects.len() > 1 && known).then(|| Series {
        dash: Dash::Dashed,
        ..Series::line(label, Colour::Faint, Vec::new())
    })
}

/// The errors of networks as they were trained, in words.
pub(super) fn intact_words(subjects: &[Subject<'_>], name: &str) -> String {
    let errors = subjects.iter().filter_map(|subject| {
        let intact = subject.intact()?;
        let rate = rate(intact.errors, intact.examples);
        Some(match subjects.len() {
            1 => rate,
            _ => format!("{} {rate}", subject.name),
        })
    });
    let errors: Vec<String> = errors.collect();
    match errors.is_empty() {
        true => String::new(),
        false => format!(" {name}: {}.", errors.join("; ")),
    }
}

/// More stages than these are no landmarks.
const MOST_STAGES: usize = 12;

/// The stretches of `targets` whose blocks have outputs of one shape, by the name that their blocks
/// share in the checkpoint. None where there is one only.
pub(super) fn stages(header: &Header, targets: &[Target]) -> Vec<Stretch> {
    let blocks = &header.model.blocks;
    let mut stages: Vec<(usize, usize, &str, &str)> = Vec::new();
    let mut previous: Option<usize> = None;
    for (place, target) in targets.iter().enumerate() {
        let Some(block) = blocks.get(target.block()) else {
            return Vec::new();
        };
        let prefix = block.name.rsplit_once('.').map_or("", |(prefix, _)| prefix);
        // The block that changes the shape may be missing among the targets.
        let changed = previous.is_some_and(|last| {
            let between = blocks.get(last + 1..=target.block()).unwrap_or_default();
            between.iter().any(|block| block.changes_shape)
        });
        match stages.last_mut() {
            Some(stage) if !changed && stage.3 == block.shape => stage.1 = place,
            _ => stages.push((place, place, prefix, block.shape.as_str())),
        }
        previous = Some(target.block());
    }
    if stages.len() < 2 || stages.len() > MOST_STAGES {
        return Vec::new();
    }
    let mut prefixes: Vec<&str> = stages.iter().map(|stage| stage.2).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let telling = prefixes.len() == stages.len() && !prefixes.contains(&"");
    let named = stages.iter().enumerate();
    named
        .map(|(index, &(first, last, prefix, shape))| {
            let shape = shape.replace('x', "\u{d7}");
            let label = match telling {
                true => format!("{prefix} {shape}"),
                // A space that does not separate words.
                false => format!("stage\u{a0}{} {shape}", index + 1),
            };
            Stretch::around(LengthRange { first, last }, label)
        })
        .collect()
}
