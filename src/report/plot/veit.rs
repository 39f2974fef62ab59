use pathscope_analysis::record::{BlockIdentity, Journal};
use pathscope_analysis::{BlockPaths, PathCounts, PathCountsError, PathPolynomial};

use super::{multiplicity, pictures};
use crate::group::grouped;
use crate::lesions::intact;
use crate::picture::{Content, Picture};

/// The panels in the order of the papers: figures 3 to 6 of Veit et al. (2016), and the
/// distributions of path lengths that figure 6a and Abdi and Nahavandi (2016) show.
const PANELS: [&str; 7] = [
    "lesion",
    "deletions",
    "order",
    "swaps",
    "multiplicity",
    "decay",
    "spectrum",
];

/// The figures of Veit et al. (arXiv 1605.06431) and of Abdi and Nahavandi (arXiv 1609.05672), as
/// far as the records of a study allow: one sheet, and its panels. Nothing without records that one
/// of the figures shows.
///
/// # Errors
/// A network whose paths cannot be counted.
pub fn veit(journals: &[Journal], share: f64) -> Result<Vec<Picture>, PathCountsError> {
    let journals: Vec<&Journal> = journals.iter().collect();
    let mut found = pictures(&journals, share);
    found.extend(multiplicity(&paths(&journals)?));
    let of_kind = |kind| found.iter().filter(move |picture| picture.kind == kind);
    let panels: Vec<Picture> = PANELS.into_iter().flat_map(of_kind).cloned().collect();
    let titled = grouped(
        journals
            .iter()
            .map(|journal| (journal.header.model.title.as_str(), ())),
    );
    let titles: Vec<&str> = titled.into_iter().map(|(title, _)| title).collect();
    let shown: Vec<&str> = panels
        .iter()
        .map(|panel| panel.description.as_str())
        .collect();
    let sheet = Picture {
        kind: "veit",
        title: format!("Lesions, order and paths of {}", titles.join(" and ")),
        description: shown.join(" "),
        content: Content::Sheet(panels.clone()),
    };
    // Paths can be counted without any measurement.
    let measured = panels.iter().any(|panel| panel.kind != "multiplicity");
    let sheet = measured.then_some(sheet).into_iter();
    Ok(sheet.chain(panels).collect())
}

/// The paths of every network with skips, which the shapes of its blocks give.
fn paths(journals: &[&Journal]) -> Result<Vec<PathCounts>, PathCountsError> {
    let mut counts: Vec<PathCounts> = Vec::new();
    for journal in journals {
        let model = &journal.header.model;
        let intact = intact(&journal.outcomes()).map(|intact| intact.paths.as_str());
        // A network without skips is one path.
        if intact == Some("1") || counts.iter().any(|known| known.name == model.title) {
            continue;
        }
        let network = |way: fn(&BlockIdentity) -> BlockPaths| {
            PathPolynomial::with_lengths(model.blocks.iter().map(way).collect())
        };
        counts.push(PathCounts::of(
            model.title.clone(),
            &network(BlockIdentity::paths)?,
            &network(BlockIdentity::layer_paths)?,
            Some(model.parameters),
            None,
        )?);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;

    #[test]
    fn a_study_gives_one_sheet_and_its_panels() {
        let pictures = veit(&test_support::study(), 0.95).unwrap();
        let kinds: Vec<&str> = pictures.iter().map(|picture| picture.kind).collect();
        assert_eq!(kinds[0], "veit");
        assert_eq!(kinds[1..], PANELS);
        let Content::Sheet(panels) = &pictures[0].content else {
            panic!("no sheet");
        };
        assert_eq!(panels, &pictures[1..]);
        assert_eq!(veit(&[], 0.95), Ok(Vec::new()));
    }
}
