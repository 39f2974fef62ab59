//! Labels of every picture at the width of a column of a journal: large enough to read, inside the
//! picture, and apart from each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use resvg::usvg::roxmltree::{Document, Node};

use super::golden_tests::sources;
use super::{pictures_of, veit};
use crate::draw::width_of;
use crate::{Legend, Look, Picture, Source, Title, test_support};

/// 6 points in pixels.
const SMALLEST: f64 = 8.0;

/// A label and the rectangle that it takes: left, top, right and bottom in pixels.
#[derive(Clone, Debug)]
struct Label {
    words: String,
    ends: [f64; 4],
}

impl Label {
    fn overlaps(&self, other: &Self) -> bool {
        let [left, top, right, bottom] = self.ends;
        let [from, above, to, below] = other.ends;
        // Hundredths of pixels are rounding.
        left + 0.05 < to && from + 0.05 < right && top + 0.05 < below && above + 0.05 < bottom
    }
}

/// An attribute of an element or of the groups around it.
fn attribute<'a>(node: Node<'a, 'a>, name: &str) -> Option<&'a str> {
    node.ancestors().find_map(|node| node.attribute(name))
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

fn label(node: Node<'_, '_>) -> Label {
    let size = number(attribute(node, "font-size").unwrap());
    let mut sizes = node
        .descendants()
        .filter_map(|part| part.attribute("font-size"));
    assert!(size >= SMALLEST && sizes.all(|size| number(size) >= SMALLEST));
    let words: String = node.children().filter_map(|part| part.text()).collect();
    let raised = node.children().find(|part| part.has_tag_name("tspan"));
    let marked = match raised.and_then(|part| part.text()) {
        Some(raised) => format!("{}^{{{raised}}}", words.strip_suffix(raised).unwrap()),
        None => words.clone(),
    };
    let width = width_of(&marked, size);
    let (x, y) = (
        number(node.attribute("x").unwrap()),
        number(node.attribute("y").unwrap()),
    );
    let left = match attribute(node, "text-anchor") {
        Some("middle") => x - width / 2.0,
        Some("end") => x - width,
        _ => x,
    };
    let (top, bottom) = (y - 0.76 * size, y + 0.24 * size);
    let turned = node.attribute("transform").map(|turn| {
        let about = turn.strip_prefix("rotate(-90 ").unwrap();
        let about = about.strip_suffix(')').unwrap().split_once(' ').unwrap();
        (number(about.0), number(about.1))
    });
    let ends = match turned {
        None => [left, top, left + width, bottom],
        // A quarter of a turn to the left.
        Some((across, down)) => [
            across + top - down,
            down - (left + width - across),
            across + bottom - down,
            down - (left - across),
        ],
    };
    Label { words, ends }
}

fn check(picture: &Picture, look: &Look) {
    let svg = picture.svg(look.clone()).unwrap();
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    let view = root.attribute("viewBox").unwrap();
    let view: Vec<f64> = view.split(' ').map(number).collect();
    let texts = root.descendants().filter(|node| node.has_tag_name("text"));
    let labels: Vec<Label> = texts.map(label).collect();
    assert!(labels.len() > 3, "{}", picture.kind);
    for (index, one) in labels.iter().enumerate() {
        let [left, top, right, bottom] = one.ends;
        assert!(
            left >= 0.0 && top >= 0.0 && right <= view[2] && bottom <= view[3],
            "{} ({look:?}): {:?} at {:?} leaves {view:?}",
            picture.kind,
            one.words,
            one.ends
        );
        for other in &labels[index + 1..] {
            assert!(
                !one.overlaps(other),
                "{} ({look:?}): {:?} on {:?}",
                picture.kind,
                one.words,
                other.words
            );
        }
    }
}

fn files(pattern: &[&str]) -> Vec<PathBuf> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/results");
    let mut found = Vec::new();
    for folder in pattern {
        for entry in fs::read_dir(assets.join(folder)).unwrap() {
            found.push(entry.unwrap().path());
        }
    }
    found.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
    found.sort();
    found
}

fn measured(folders: &[&str]) -> Vec<Picture> {
    let files = files(folders).into_iter();
    let sources: Vec<Source> = files.map(|file| Source::read(&file).unwrap()).collect();
    pictures_of(&sources, 0.95).unwrap()
}

#[test]
fn labels_in_a_column_are_at_least_6_points_and_apart() {
    let mut pictures = pictures_of(&sources(), 0.95).unwrap();
    // One network and several, real ones.
    pictures.extend(measured(&["resnet56"]));
    pictures.extend(measured(&["plain-control", "resnet56", "spectrum"]));
    pictures.extend(measured(&["family"]));
    pictures.extend(measured(&["path-restricted"]));
    pictures.extend(measured(&["preresnet20"]));
    pictures.extend(super::pictures(&[&test_support::distances(54)], 0.95));
    pictures.extend(
        veit(&test_support::study(), 0.95)
            .unwrap()
            .into_iter()
            .take(1),
    );
    let kinds: BTreeSet<&str> = pictures.iter().map(|picture| picture.kind).collect();
    assert_eq!(kinds, super::KINDS.into());
    let column = Look {
        width: Some("3.3in".parse().unwrap()),
        ..Look::default()
    };
    let plain = Look {
        title: Title::None,
        legend: Legend::None,
        ..column.clone()
    };
    let inside = Look {
        legend: Legend::Inside,
        ..column.clone()
    };
    for picture in &pictures {
        for look in [&column, &plain, &inside, &Look::default()] {
            check(picture, look);
        }
    }
}
