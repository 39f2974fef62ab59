//! Image folders: one folder per class, with or without a folder per split above; or images in one
//! folder with a list of their classes.

use super::annotations::Annotations;
use super::container::{Container, Entry};
use super::dataset::limited;
use super::image_file::is_image;
use super::reader::Reader;
use super::{ClassOrder, DataError, DataNote, Dataset, ReadRequest, Split, image_set, wordnet};
use pathscope_file::shortened;
use std::collections::{BTreeSet, HashMap, HashSet};

pub(super) const READER: Reader = Reader {
    what: "image folders (train/CLASS/*.jpg, test/CLASS/*.png or CLASS/*)",
    open,
    file: None,
};

/// One image file, before it is read.
struct Labelled<'a> {
    entry: &'a Entry,
    place: Classified<'a>,
}

/// What the folders of a path say.
#[derive(Clone, Copy)]
struct Classified<'a> {
    /// What the first folder is, where it is the name of a split.
    split: Option<Split>,
    /// Name of the folder of the split, as it is written.
    split_folder: &'a str,
    class: &'a str,
}

/// A folder or archive of images; `None` where it has none.
///
/// The classes are those of all splits together, so that a class without test images does not
/// renumber the others.
fn open(container: &Container, request: &ReadRequest) -> Result<Option<Dataset>, DataError> {
    let (images, others): (Vec<&Entry>, Vec<&Entry>) = container
        .entries()
        .iter()
        .partition(|entry| is_image(entry.file_name()));
    if images.is_empty() {
        return Ok(None);
    }
    let annotations = Annotations::find(container)?;
    let layout = Layout::of(&images);
    let mut all = labelled(&images, &layout, annotations.as_ref());
    let has_splits = all.iter().any(|image| image.place.split.is_some());
    let split = has_splits.then_some(request.split);
    // Beside folders of splits, other images (of a documentation, say) are no examples.
    all.retain(|image| image.place.split.is_some() == has_splits);
    let unlabelled = unlabelled(&images, &all);
    let chosen = choose(container, &all, split, &unlabelled)?;
    let empty = layout.empty_classes(container, &images, has_splits);
    let classes = Classes::of(&all, &empty, request);
    classes.check(container, &all, &chosen)?;
    let mut notes = left_out(&chosen, &others);
    let first = |names: &[&str]| names.first().map(|name| shortened(name));
    notes.extend(first(&unlabelled).map(|first| DataNote::Unlabelled {
        files: unlabelled.len(),
        first,
    }));
    notes.extend(first(&empty).map(|first| DataNote::EmptyClasses {
        classes: empty.len(),
        first,
    }));
    read(container, request, &chosen, classes, notes).map(|data| Some(data.with_split(split)))
}

/// Reads the images of a split.
fn read(
    container: &Container,
    request: &ReadRequest,
    chosen: &[&Labelled<'_>],
    classes: Classes<'_>,
    mut notes: Vec<DataNote>,
) -> Result<Dataset, DataError> {
    let mut labelled: Vec<(u16, &Entry)> = chosen
        .iter()
        .filter_map(|image| Some((*classes.labels.get(image.place.class)?, image.entry)))
        .collect();
    labelled.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    let labels: Vec<u16> = labelled.iter().map(|(label, _)| *label).collect();
    let entries: Vec<&Entry> = labelled.iter().map(|(_, entry)| *entry).collect();
    let channels = match request.channels {
        Some(channels @ (1 | 3)) => channels,
        // All images decide, not only those within the limit.
        _ if image_set::any_colour(container, &entries)? => 3,
        _ => 1,
    };
    let limit = limited(&labels, request.limit.unwrap_or(usize::MAX));
    let entries: Vec<&Entry> = limit.iter().map(|&i| entries[i]).collect();
    let set = image_set::read(container, &entries, channels, request)?;
    let labels = set.kept.iter().map(|&i| labels[limit[i]]).collect();
    let mut description = format!("image folder {}{}", container.shown(), classes.described());
    if let Some(first) = set.broken {
        let files = entries.len() - set.kept.len();
        description += &format!(", without {files} broken file(s)");
        notes.push(DataNote::Skipped { files, first });
    }
    if let Some((files, first)) = set.turned {
        notes.push(DataNote::Turned { files, first });
    }
    notes.extend(classes.note());
    let framed = request
        .size
        .and_then(|size| request.framing.described(size));
    if let Some(how) = framed {
        description += &format!(", {how}");
        notes.push(DataNote::Framed(how));
    }
    let held = classes.held();
    let (count, names) = match classes.known {
        true => (wordnet::COUNT, wordnet::names()),
        false => (
            classes.names.len(),
            classes.names.into_iter().map(str::to_owned).collect(),
        ),
    };
    Ok(
        Dataset::new(set.shape, set.pixels, labels, count, description)?
            .with_class_names(names)
            .with_classes_held(held)
            .with_notes(notes),
    )
}

/// The classes in the order of their labels.
struct Classes<'a> {
    names: Vec<&'a str>,
    labels: HashMap<&'a str, u16>,
    /// Whether numbers are in another order than their names.
    numeric: bool,
    /// Whether the labels are those of ImageNet, of which these are some.
    known: bool,
}

impl<'a> Classes<'a> {
    fn of(images: &[Labelled<'a>], empty: &[&'a str], request: &ReadRequest) -> Self {
        let names = images.iter().map(|image| image.place.class);
        let sorted: BTreeSet<&str> = names.chain(empty.iter().copied()).collect();
        let mut names: Vec<&str> = sorted.into_iter().collect();
        let is_number = |name: &&str| name.bytes().all(|byte| byte.is_ascii_digit());
        let mut numeric = false;
        if request.class_order == ClassOrder::Number && names.iter().all(is_number) {
            // Numbers of any length: the shorter one is smaller where no zeros lead.
            let value = |name: &str| {
                let digits = name.trim_start_matches('0');
                (digits.len(), digits.to_owned())
            };
            numeric = !names.is_sorted_by_key(|name| value(name));
            names.sort_by_key(|name| value(name));
        }
        let known = request
            .classes
            .and_then(|classes| wordnet::labels(&names, classes));
        let labels = match &known {
            Some(labels) => names.iter().copied().zip(labels.iter().copied()).collect(),
            None => names.iter().copied().zip(0..=u16::MAX).collect(),
        };
        Self {
            names,
            labels,
            numeric,
            known: known.is_some(),
        }
    }

    /// Refuses more classes than labels, and test images of a class that no training image has.
    fn check(
        &self,
        container: &Container,
        all: &[Labelled<'_>],
        chosen: &[&Labelled<'_>],
    ) -> Result<(), DataError> {
        let count = self.names.len();
        if count > usize::from(u16::MAX) {
            let (file, limit) = (container.shown(), u16::MAX.into());
            return Err(DataError::too_large(
                file,
                "the list of classes",
                count as u64,
                limit,
            ));
        }
        let trained: BTreeSet<&str> = all
            .iter()
            .filter(|image| image.place.split == Some(Split::Train))
            .map(|image| image.place.class)
            .collect();
        let mut test = chosen
            .iter()
            .filter(|image| image.place.split == Some(Split::Test));
        match test.find(|image| !trained.contains(image.place.class)) {
            Some(stray) if !trained.is_empty() => {
                let reason = format!(
                    "the class `{}` has no folder among the training images; where validation \
                     images lie in one folder, put the list of their classes beside them \
                     (val_annotations.txt, LOC_val_solution.csv)",
                    shortened(stray.place.class)
                );
                let file = container.shown_entry(stray.entry);
                Err(DataError::malformed(&file, 0, reason))
            }
            _ => Ok(()),
        }
    }

    /// The labels that occur, where they are not all.
    fn held(&self) -> Vec<u32> {
        let mut held: Vec<u32> = match self.known {
            true => self.labels.values().copied().map(u32::from).collect(),
            false => Vec::new(),
        };
        held.sort_unstable();
        held
    }

    fn note(&self) -> Option<DataNote> {
        match (self.numeric, self.known) {
            (true, _) => Some(DataNote::NumericClasses),
            (_, true) => Some(DataNote::SomeOfImageNet(self.names.len())),
            _ => None,
        }
    }

    /// What a record states of the order, where it is not that of the names.
    fn described(&self) -> &'static str {
        match self.numeric {
            true => ", classes by number",
            false => "",
        }
    }
}

/// A note on files beside the images of class folders.
fn left_out(images: &[&Labelled<'_>], others: &[&Entry]) -> Vec<DataNote> {
    let folders: HashSet<&str> = images.iter().map(|image| image.entry.folder()).collect();
    let no_image = |entry: &&&Entry| {
        folders.contains(entry.folder())
            && !SYSTEM_FILES.contains(&entry.file_name())
            && !Annotations::is_list(entry.file_name())
    };
    let mut beside = others.iter().filter(no_image);
    let first = beside.next().map(|entry| shortened(&entry.name));
    let files = 1 + beside.count();
    let note = first.map(|first| DataNote::LeftOut { files, first });
    note.into_iter().collect()
}

/// What Windows puts beside images.
const SYSTEM_FILES: [&str; 2] = ["Thumbs.db", "desktop.ini"];

/// Names of the images that have no class.
fn unlabelled<'a>(images: &[&'a Entry], all: &[Labelled<'_>]) -> Vec<&'a str> {
    let classed: HashSet<&str> = all.iter().map(|image| &*image.entry.name).collect();
    let names = images.iter().map(|image| &*image.name);
    names.filter(|name| !classed.contains(name)).collect()
}

fn split_named(folder: &str) -> Option<Split> {
    match &*folder.to_lowercase() {
        "train" | "training" => Some(Split::Train),
        "test" | "testing" | "val" | "valid" | "validation" => Some(Split::Test),
        _ => None,
    }
}

/// Where folders of splits and of classes lie.
struct Layout<'a> {
    /// The folder above them.
    top: Vec<&'a str>,
}

impl<'a> Layout<'a> {
    fn of(images: &[&'a Entry]) -> Self {
        // Folders above those of splits or classes, such as the one an archive was packed from.
        let shared = images
            .iter()
            .map(|entry| entry.folder())
            .reduce(|shared, folder| common_folder(shared, folder))
            .unwrap_or_default();
        // Where all images have one folder in common, the last one is the class.
        let only_class = images.iter().all(|entry| entry.folder() == shared);
        let mut top: Vec<&str> = parts(shared).collect();
        if only_class {
            top.pop();
        }
        let named = top.iter().position(|part| split_named(part).is_some());
        top.truncate(named.unwrap_or(top.len()));
        Self { top }
    }

    /// What a folder is, and how many folders lie between it and that of its class.
    fn place<'b>(&self, folder: &'b str) -> Option<(Classified<'b>, usize)> {
        let mut folders = parts(folder);
        if !self.top.iter().all(|top| folders.next() == Some(*top)) {
            return None;
        }
        let first = folders.next()?;
        let split = split_named(first);
        let (split_folder, class) = match split {
            Some(_) => (first, folders.next()?),
            None => ("", first),
        };
        let place = Classified {
            split,
            split_folder,
            class,
        };
        Some((place, folders.count()))
    }

    /// Class folders in which there is no file at all.
    fn empty_classes<'b>(
        &self,
        container: &'b Container,
        images: &[&Entry],
        has_splits: bool,
    ) -> Vec<&'b str> {
        let held: HashSet<&str> = images
            .iter()
            .filter_map(|image| Some(self.place(image.folder())?.0.class))
            .collect();
        let is_empty = |folder: &str| {
            let prefix = format!("{folder}/");
            let entries = container.entries();
            let first = entries.partition_point(|entry| entry.name < prefix);
            !entries
                .get(first)
                .is_some_and(|entry| entry.name.starts_with(&prefix))
        };
        let folders = container.folders().iter();
        let classes: BTreeSet<&str> = folders
            .filter_map(|folder| Some((folder, self.place(folder)?)))
            .filter(|(_, (place, below))| place.split.is_some() == has_splits && *below == 0)
            .filter(|(folder, (place, _))| !held.contains(place.class) && is_empty(folder))
            .map(|(_, (place, _))| place.class)
            .collect();
        classes.into_iter().collect()
    }
}

fn parts(folder: &str) -> impl Iterator<Item = &str> {
    folder.split('/').filter(|part| !part.is_empty())
}

/// Split and class of each image that lies in a class folder or is listed with its class. Where
/// validation images are listed, test images that are not have no class.
fn labelled<'a>(
    images: &[&'a Entry],
    layout: &Layout<'_>,
    annotations: Option<&'a Annotations>,
) -> Vec<Labelled<'a>> {
    let listed = |entry: &Entry| annotations.and_then(|list| list.class_of(entry));
    let any_listed = images.iter().any(|entry| listed(entry).is_some());
    let label = |&entry: &&'a Entry| {
        let place = match listed(entry) {
            Some(class) => Classified {
                split: Some(Split::Test),
                split_folder: "val",
                class,
            },
            None => layout.place(entry.folder())?.0,
        };
        let is_unlisted =
            any_listed && listed(entry).is_none() && place.split != Some(Split::Train);
        (!is_unlisted).then_some(Labelled { entry, place })
    };
    images.iter().filter_map(label).collect()
}

fn common_folder<'a>(a: &'a str, b: &str) -> &'a str {
    let mut end = 0;
    for (left, right) in a.split('/').zip(b.split('/')) {
        if left != right {
            break;
        }
        end += left.len() + 1;
    }
    a.get(..end.saturating_sub(1).min(a.len()))
        .unwrap_or_default()
}

/// The images of a split; those of `test` where there are `test` and `val`.
fn choose<'a, 'b>(
    container: &Container,
    all: &'b [Labelled<'a>],
    split: Option<Split>,
    unlabelled: &[&str],
) -> Result<Vec<&'b Labelled<'a>>, DataError> {
    let of_split = |image: &&Labelled| image.place.split == split;
    let of_split: Vec<&Labelled> = all.iter().filter(of_split).collect();
    if of_split.is_empty() {
        if let Some(first) = unlabelled.first() {
            return Err(DataError::NoClassFolders {
                file: container.shown(),
                images: unlabelled.len(),
                first: shortened(first),
            });
        }
        let present: BTreeSet<&str> = all.iter().map(|image| image.place.split_folder).collect();
        let present = present.into_iter().filter(|name| !name.is_empty());
        return Err(DataError::MissingSplit {
            file: container.shown(),
            split: split.unwrap_or(Split::Test),
            present: present.map(shortened).collect::<Vec<_>>().join(", "),
        });
    }
    let folders = of_split.iter().map(|image| image.place.split_folder);
    let folders: BTreeSet<&str> = folders.collect();
    let is_test = |folder: &&&str| folder.to_lowercase().starts_with("test");
    let folder = folders.iter().find(is_test).or(folders.first());
    let of_folder = |image: &&Labelled| Some(&image.place.split_folder) == folder;
    Ok(of_split.into_iter().filter(of_folder).collect())
}
