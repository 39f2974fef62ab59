//! Lists of classes for images that lie in one folder: `val_annotations.txt` of Tiny-ImageNet and
//! `LOC_val_solution.csv` of ILSVRC.

use super::DataError;
use super::container::{Container, Entry};
use std::collections::HashMap;

const FILE_LIMIT: u64 = 64 << 20;

/// Name of the file, and the class that a line's second field begins with.
const FORMATS: [(&str, char); 2] = [("val_annotations.txt", '\t'), ("LOC_val_solution.csv", ',')];

/// The classes of validation images, by their file names without ending.
pub(super) struct Annotations(HashMap<String, String>);

impl Annotations {
    /// Reads the list that lies in a container, if any.
    ///
    /// # Errors
    /// A line that names no image and class, or an image that is listed with two classes.
    pub fn find(container: &Container) -> Result<Option<Self>, DataError> {
        let found = FORMATS
            .iter()
            .find_map(|&(name, separator)| Some((container.named(name)?, separator)));
        let Some((entry, separator)) = found else {
            return Ok(None);
        };
        let file = container.shown_entry(entry);
        let bytes = container.read(&[entry], FILE_LIMIT)?.concat();
        let text = String::from_utf8_lossy(&bytes);
        let mut classes = HashMap::new();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let fields = line.trim().split_once(separator);
            let class = fields.and_then(|(_, rest)| rest.split_whitespace().next());
            let malformed = |reason| Err(DataError::malformed(&file, offset, reason));
            match (fields, class) {
                (Some(("ImageId", _)), _) => {}
                (Some((image, _)), Some(class)) => {
                    let known = classes.insert(stem(image).to_owned(), class.to_owned());
                    if known.is_some_and(|known| known != class) {
                        return malformed("an image that is listed with two classes");
                    }
                }
                _ if line.trim().is_empty() => {}
                _ => return malformed("expected the name of an image and its class"),
            }
            offset += line.len();
        }
        Ok(Some(Self(classes)))
    }

    /// Whether a file is such a list, by its name.
    pub fn is_list(file_name: &str) -> bool {
        FORMATS.iter().any(|(name, _)| *name == file_name)
    }

    /// The class of an image, where it is listed.
    pub fn class_of(&self, image: &Entry) -> Option<&str> {
        self.0.get(stem(image.file_name())).map(String::as_str)
    }
}

fn stem(file_name: &str) -> &str {
    file_name
        .rsplit_once('.')
        .map_or(file_name, |(stem, _)| stem)
}
