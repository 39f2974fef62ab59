use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::Problem;

/// Endings of the pictures that can be written.
pub(crate) const PICTURES: &[&str] = &["svg", "pdf", "png"];

/// Whether a command replaces files.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OutputArguments {
    /// Replace output files that exist
    #[arg(long)]
    force: bool,
}

impl OutputArguments {
    /// Refuses, before any work, a file that could not or should not be written after it. `endings`
    /// are the formats that there are; where it is empty, any name will do. `inputs` are the files
    /// that the command reads or writes as well. Errors: an unknown ending, a folder that does not
    /// exist, an input of the command, or a file that exists and is not to be replaced.
    pub fn check<'a>(
        self,
        file: &Path,
        endings: &[&str],
        inputs: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<(), Problem> {
        let refuse = |why: String| Err(Problem::BadInput(format!("{}: {why}", file.display())));
        self.check_ending(file, endings)?;
        let folder = folder_of(file);
        if !folder.is_dir() {
            return refuse(format!("the folder {} does not exist", folder.display()));
        }
        if file.is_dir() {
            return refuse("this is a folder; give a file name".into());
        }
        if inputs.into_iter().any(|input| is_same(file, input)) {
            return refuse(
                "the command uses this file already; give another name for the output".into(),
            );
        }
        if file.exists() && !self.force {
            return refuse("the file exists; give another name, or replace it with --force".into());
        }
        Ok(())
    }

    /// Refuses a name without one of the `endings`; where there are none, any name will do. A name
    /// that is an ending alone, such as `.svg`, has it. Errors: another ending.
    pub fn check_ending(self, file: &Path, endings: &[&str]) -> Result<(), Problem> {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        if endings.is_empty() || ending.is_some_and(|ending| endings.contains(&ending)) {
            return Ok(());
        }
        let known: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
        Err(Problem::BadInput(format!(
            "{}: the name must end in {}",
            file.display(),
            any_of(&known)
        )))
    }
}

/// `.svg, .pdf or .png`.
fn any_of(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// The folder that holds `file`.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether two names mean one file, which need not exist.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |file: &Path| match fs::canonicalize(file) {
        Ok(real) => Some(real),
        Err(_) => Some(
            fs::canonicalize(folder_of(file))
                .ok()?
                .join(file.file_name()?),
        ),
    };
    real(one).is_some_and(|one| real(other).is_some_and(|other| one == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("model.svg"), "a model").unwrap();
        fs::write(path("old.svg"), "a picture").unwrap();
        let check = |name: &str, force: bool| {
            let outcome = OutputArguments { force }.check(
                &path(name),
                PICTURES,
                &[path("model.svg"), path("results.svg")],
            );
            outcome.map_err(|problem| problem.to_string())
        };
        assert_eq!(check("new.svg", false), Ok(()));
        assert_eq!(check("old.svg", true), Ok(()));
        for (name, force, reason) in [
            ("old.svg", false, "--force"),
            ("model.svg", true, "uses this file already"),
            ("../NAME/results.svg", true, "does not exist"),
            ("results.svg", true, "uses this file already"),
            ("none/new.svg", true, "does not exist"),
            ("new.jpg", true, "must end in .svg, .pdf or .png"),
            ("new", true, "must end in .svg, .pdf or .png"),
        ] {
            let refusal = check(name, force).unwrap_err();
            assert!(refusal.contains(reason), "{name}: {refusal}");
        }
    }
}
