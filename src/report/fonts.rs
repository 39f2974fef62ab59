//! Reads drawings with the fonts of the system, for formats in which words are shapes.

use std::sync::Arc;

use resvg::usvg;
use thiserror::Error;

/// Why a picture cannot be made of pixels, or be put on a page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenderError {
    /// Words need a font.
    #[error(
        "this system has no font for the words of the picture; install one (such as DejaVu Sans) or write .svg instead"
    )]
    NoFont,
    /// The picture is too large or malformed.
    #[error("{0}; write .svg instead")]
    Unusable(String),
}

impl RenderError {
    pub(super) fn unusable(reason: impl std::fmt::Display) -> Self {
        Self::Unusable(reason.to_string())
    }
}

/// Fonts for words without serifs, the most wanted first; else the first font there is.
const KNOWN: [&str; 6] = [
    "Helvetica",
    "Arial",
    "Liberation Sans",
    "Noto Sans",
    "DejaVu Sans",
    "Open Sans",
];

/// The drawing in an SVG file, its words laid out. Errors: no font, or a file that is no drawing.
pub(super) fn read(svg: &str) -> Result<usvg::Tree, RenderError> {
    let mut options = usvg::Options::default();
    let fonts = Arc::make_mut(&mut options.fontdb);
    fonts.load_system_fonts();
    let names: Vec<String> = fonts
        .faces()
        .flat_map(|face| face.families.iter().map(|(name, _)| name.clone()))
        .collect();
    let family = KNOWN
        .into_iter()
        .find(|known| names.iter().any(|name| name == known))
        .map(str::to_owned)
        .or_else(|| names.first().cloned())
        .ok_or(RenderError::NoFont)?;
    fonts.set_sans_serif_family(family);
    usvg::Tree::from_str(svg, &options).map_err(RenderError::unusable)
}
