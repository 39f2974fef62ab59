use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::terminal::Terminal;
use super::{Problem, interrupt};
use crate::data::{FetchError, PublicData, ReadRequest, Split, fetch, open};

/// Data sets: fetch the public ones from their official addresses.
///
/// Example: pathscope data get cifar10 data/cifar10
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetches a data set into a folder that appears once it is complete and checked. An
    /// interrupted fetch that is started again goes on where it stopped.
    Get {
        /// Which.
        #[arg(value_enum)]
        name: Name,
        /// The folder to make.
        folder: PathBuf,
        /// Address of a copy, below which the files have their official names.
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    Cifar10,
    Cifar100,
    Mnist,
    FashionMnist,
}

impl Name {
    fn data(self) -> PublicData {
        match self {
            Self::Cifar10 => PublicData::Cifar10,
            Self::Cifar100 => PublicData::Cifar100,
            Self::Mnist => PublicData::Mnist,
            Self::FashionMnist => PublicData::FashionMnist,
        }
    }
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let Action::Get { name, folder, from } = &arguments.action;
    let files = name.data().files(from.as_deref());
    let bar = terminal.progress(files.iter().map(|file| file.bytes).sum(), "fetching");
    let before = |name: &str| -> u64 {
        let earlier = files.iter().take_while(|file| file.name != name);
        earlier.map(|file| file.bytes).sum()
    };
    let outcome = fetch(&files, folder, &interrupt::asked, &mut |progress| {
        bar.set_message(progress.file.to_owned());
        bar.set_position(before(progress.file) + progress.have);
    });
    bar.finish_and_clear();
    outcome.map_err(|error| match error {
        FetchError::Taken { .. } => Problem::BadInput(error.to_string()),
        FetchError::Stopped { .. } => Problem::Interrupted(error.to_string()),
        _ => Problem::Failed(error.to_string()),
    })?;
    let read = |split| open(folder, &ReadRequest::new(split));
    let (train, test) = (read(Split::Train)?, read(Split::Test)?);
    terminal.result(&format!(
        "{}: {} training and {} test images of {}, checksums as published",
        folder.display(),
        train.len(),
        test.len(),
        train.shape(),
    ))
}
