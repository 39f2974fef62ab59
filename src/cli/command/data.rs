use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Execute;
use crate::cli::{Problem, Terminal, interrupt};
use crate::data::{PublicData, ReadRequest, Split, fetch, open};

/// Fetch public data sets (CIFAR, MNIST, Fashion-MNIST)
///
/// Example: pathscope data get cifar10 data/cifar10
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch a public data set from its official address
    ///
    /// The folder appears when all files are complete and their checksums are right. After an
    /// interruption, the same command resumes.
    ///
    /// Example: pathscope data get fashion-mnist data/fashion-mnist
    Get {
        /// Data set to fetch
        #[arg(value_enum)]
        name: PublicData,
        /// Folder to create
        folder: PathBuf,
        /// Address of a mirror that holds the files under their official names
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
    },
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let Action::Get { name, folder, from } = &self.action;
        let files = name.files(from.as_deref());
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
        outcome?;
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
}
