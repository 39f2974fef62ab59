//! What the page calls networks and data: names, never places.

use std::path::Path;

use pathscope_analysis::record::{DataIdentity, Journal};

/// What readers of files without a name of their own say of them, up to the place.
const NAMELESS: [&str; 4] = ["IDX images", "NumPy arrays", "tokens", "image folder"];

/// `CIFAR-10` of `CIFAR-10 from /home/me/data`; data without a name of their own also get that of
/// their folder or file.
pub(super) fn data_name(data: &DataIdentity) -> String {
    let description = data.description.as_str();
    let named = description.split_once(" from ");
    let (kind, place) = match (named, description.strip_prefix("image folder ")) {
        (_, Some(place)) => ("image folder", place),
        (Some(parts), None) => parts,
        (None, None) => return description.to_owned(),
    };
    let place = place.split([',', ';']).next().unwrap_or(place);
    let mut parts = place.split(['/', '\\']).map(str::trim);
    let name = parts.rfind(|part| !matches!(*part, "" | "." | "..") && !is_idx(part));
    match name.filter(|_| NAMELESS.contains(&kind)) {
        Some(name) => format!("{kind} ({name})"),
        None => kind.to_owned(),
    }
}

/// Whether a file is called as every data set in this format calls it.
fn is_idx(name: &str) -> bool {
    name.contains("idx1-ubyte") || name.contains("idx3-ubyte")
}

/// A name for the network of each group of files: its title, with the name of the folder where two
/// titles are equal.
pub(super) fn titles(networks: &[Vec<&Journal>]) -> Vec<String> {
    let title = |journals: &[&Journal]| {
        let first = journals.first();
        first.map_or_else(String::new, |first| first.header.model.title.clone())
    };
    let all: Vec<String> = networks.iter().map(|group| title(group)).collect();
    let told_apart = |(group, name): (&Vec<&Journal>, &String)| {
        let folder = group.first().and_then(|first| folder(&first.path));
        match folder {
            Some(folder) if all.iter().filter(|other| *other == name).count() > 1 => {
                format!("{name} ({folder})")
            }
            _ => name.clone(),
        }
    };
    networks.iter().zip(&all).map(told_apart).collect()
}

fn folder(file: &Path) -> Option<String> {
    let name = file.parent()?.file_name()?;
    Some(name.to_string_lossy().into_owned())
}

/// `resnet-20 and plain-20 on CIFAR-10`.
pub(super) fn heading(titles: &[String], networks: &[Vec<&Journal>]) -> String {
    let mut data: Vec<String> = networks
        .iter()
        .filter_map(|group| Some(data_name(&group.first()?.header.data)))
        .collect();
    data.dedup();
    match (titles, data.as_slice()) {
        ([], _) => "Training".to_owned(),
        (titles, [data]) => format!("{} on {data}", titles.join(" and ")),
        (titles, data) => {
            let pairs = titles.iter().zip(data);
            let each: Vec<String> = pairs
                .map(|(title, data)| format!("{title} on {data}"))
                .collect();
            each.join(" and ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_left_out() {
        let name = |description: &str| {
            data_name(&DataIdentity {
                description: description.into(),
                hash: String::new(),
                examples: 1,
                positions: 1,
                classes: 10,
            })
        };
        for (description, expected) in [
            ("CIFAR-10 from /home/me/cifar-10-batches-bin", "CIFAR-10"),
            (r"CIFAR-100 from C:\Users\me", "CIFAR-100"),
            (
                "IDX images from assets/fashion-mnist-2000/t10k-images-idx3-ubyte.gz",
                "IDX images (fashion-mnist-2000)",
            ),
            ("IDX images from t10k-images-idx3-ubyte.gz", "IDX images"),
            (
                "NumPy arrays from ../data/test.npz",
                "NumPy arrays (test.npz)",
            ),
            (
                "image folder /data/imagenette/val, resized to 256",
                "image folder (val)",
            ),
            ("made-up examples", "made-up examples"),
        ] {
            assert_eq!(name(description), expected);
        }
    }
}
