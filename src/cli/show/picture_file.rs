//! Pictures as files.

use std::path::{Path, PathBuf};

use super::file;
use crate::cli::args::DENSITY;
use crate::cli::{Problem, Terminal};
use crate::report::{Look, Picture, pdf, png};

/// Writes `picture` to `file`, as SVG, PDF or PNG by its ending, and says so. Errors: another
/// ending, or a file that cannot be written.
pub(crate) fn write(picture: &Picture, file: &Path, terminal: &Terminal) -> Result<(), Problem> {
    write_silently(picture, &Look::default(), DENSITY, file)?;
    terminal.remark(&format!("picture: {}", file.display()));
    Ok(())
}

/// Writes `picture` to `file`, as SVG, PDF or PNG of `density` pixels to the inch, by its ending.
/// Errors: another ending, or a file that cannot be written.
pub(crate) fn write_silently(
    picture: &Picture,
    look: &Look,
    density: u16,
    file: &Path,
) -> Result<(), Problem> {
    let svg = picture.svg(look.clone()).map_err(Problem::failed)?;
    let bytes = match file.extension().and_then(|end| end.to_str()) {
        Some("svg") => svg.into_bytes(),
        Some("pdf") => pdf(&svg, &picture.title).map_err(Problem::failed)?,
        Some("png") => png(&svg, density).map_err(Problem::failed)?,
        _ => {
            let file = file.display();
            let why = format!("{file}: pictures are written as .svg, .pdf or .png");
            return Err(Problem::BadInput(why));
        }
    };
    file::write(file, &bytes)
}

/// `ranges.svg` and `width-n` make `ranges-width-n.svg`.
pub(crate) fn named(file: &Path, name: &str) -> PathBuf {
    let mut whole = file.file_stem().unwrap_or_default().to_owned();
    whole.push(format!("-{name}"));
    if let Some(ending) = file.extension() {
        whole.push(".");
        whole.push(ending);
    }
    file.with_file_name(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_folder_and_ending() {
        let file = named(Path::new("out/ranges.v2.svg"), "width-n");
        assert_eq!(file, Path::new("out/ranges.v2-width-n.svg"));
    }
}
