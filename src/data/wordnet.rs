//! The classes of ImageNet by their WordNet identifiers.

/// How many classes networks for ImageNet (ILSVRC 2012) tell apart.
pub(super) const COUNT: usize = 1000;

/// The identifiers in the order of their labels, which is also their own.
fn identifiers() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("imagenet_classes.txt").lines();
    lines.filter(|line| !line.starts_with('#'))
}

/// The labels of ImageNet's classes that folders of these names hold, where the network tells
/// `classes` apart and the names are some of those of ImageNet, but not all.
pub(super) fn labels(names: &[&str], classes: usize) -> Option<Vec<u16>> {
    if classes != COUNT || names.len() >= COUNT {
        return None;
    }
    let all: Vec<&str> = identifiers().collect();
    names
        .iter()
        .map(|name| all.binary_search(name).ok()?.try_into().ok())
        .collect()
}

/// The names of all classes.
pub(super) fn names() -> Vec<String> {
    identifiers().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{COUNT, identifiers, labels};

    #[test]
    fn imagenette_has_the_labels_that_its_authors_state() {
        let all: Vec<&str> = identifiers().collect();
        assert_eq!(all.len(), COUNT);
        assert!(all.is_sorted());
        let imagenette = [
            "n01440764",
            "n02102040",
            "n02979186",
            "n03000684",
            "n03028079",
            "n03394916",
            "n03417042",
            "n03425413",
            "n03445777",
            "n03888257",
        ];
        let found = labels(&imagenette, COUNT);
        assert_eq!(
            found,
            Some(vec![0, 217, 482, 491, 497, 566, 569, 571, 574, 701])
        );
        assert_eq!(labels(&imagenette, 10), None);
        assert_eq!(labels(&["n01440764", "dog"], COUNT), None);
    }
}
