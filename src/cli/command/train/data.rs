//! The examples of trainings, read once for all that can share them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::args::BrokenImages;
use crate::cli::{Problem, Terminal};
use crate::data::{self, DataError, DataNote, Dataset, ImageShape, ReadRequest, Split};
use crate::training::{DataSource, Recipe, TrainingData};

/// Data sets that were read, by what was asked for.
#[derive(Default)]
pub(super) struct Shelf {
    known: Mutex<Vec<(Wanted, Splits)>>,
}

/// What decides which examples are read.
#[derive(PartialEq)]
struct Wanted {
    /// All of it, none held out.
    source: DataSource,
    shape: ImageShape,
}

#[derive(Clone)]
struct Splits {
    train: Arc<Dataset>,
    test: Option<Arc<Dataset>>,
}

impl Shelf {
    /// The examples of a training by `recipe`: held-out ones are drawn by its seed.
    pub fn take(
        &self,
        source: DataSource,
        recipe: &Recipe,
        terminal: &Terminal,
    ) -> Result<TrainingData, Problem> {
        let wanted = Wanted {
            source: DataSource {
                validation: 0,
                ..source.clone()
            },
            shape: recipe.data.shape(),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(read, _)| *read == wanted);
        let Splits { train, test } = match found {
            Some((_, splits)) => splits.clone(),
            None => {
                let splits = wanted.read(terminal)?;
                known.push((wanted, splits.clone()));
                splits
            }
        };
        drop(known);
        let (train, validation) = if source.validation == 0 {
            (train, None)
        } else {
            let (train, held_out) = train.hold_out(source.validation, recipe.training.seed)?;
            (Arc::new(train), Some(Arc::new(held_out)))
        };
        Ok(TrainingData {
            source,
            train,
            validation,
            test,
        })
    }
}

impl Wanted {
    fn read(&self, terminal: &Terminal) -> Result<Splits, Problem> {
        let open = |split: Split, limit: Option<usize>| {
            let request = ReadRequest {
                size: Some((self.shape.height, self.shape.width)),
                channels: Some(self.shape.channels),
                limit,
                skip_broken: self.source.skip_broken,
                ..ReadRequest::new(split)
            };
            data::open(&self.source.place, &request)
        };
        let train = open(Split::Train, self.source.limit).map_err(BrokenImages::problem)?;
        train.require_pixels()?;
        let test = match train.split().is_some().then(|| open(Split::Test, None)) {
            // A data set that does not state its splits has no test split.
            None | Some(Err(DataError::MissingSplit { .. } | DataError::NoClassFolders { .. })) => {
                None
            }
            Some(Err(error)) => return Err(BrokenImages::problem(error)),
            Some(Ok(test)) => {
                Some(test).filter(|test| test.split() == Some(Split::Test) && fits(test, &train))
            }
        };
        let mut notes: Vec<&DataNote> = train.notes().iter().collect();
        for note in test.iter().flat_map(Dataset::notes) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        for note in notes {
            terminal.remark(&format!("note: {note}"));
        }
        Ok(Splits {
            train: Arc::new(train),
            test: test.map(Arc::new),
        })
    }
}

fn fits(test: &Dataset, train: &Dataset) -> bool {
    test.shape() == train.shape() && test.classes() <= train.classes()
}
