//! From vector pictures to pixels.

use std::sync::Arc;

use resvg::{tiny_skia, usvg};
use thiserror::Error;

/// Why a picture cannot be made of pixels.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RasterError {
    /// Words need a font.
    #[error(
        "PNG: this system has no font for the words of the picture; install one (such as DejaVu Sans) or write .svg instead"
    )]
    NoFont,
    /// The picture is too large or malformed.
    #[error("PNG: {reason}; write .svg instead")]
    Unusable {
        /// Why.
        reason: String,
    },
}

/// Pixels per unit of the picture: twice is sharp in print and on dense screens.
pub const SCALE: f32 = 2.0;

/// Renders SVG as PNG with the fonts of the system: sans-serif is DejaVu Sans, Liberation Sans,
/// Noto Sans, Arial or Helvetica, or else the first font there is.
///
/// # Errors
/// No font, or a picture that cannot be rendered.
pub fn png(svg: &str) -> Result<Vec<u8>, RasterError> {
    let unusable = |reason: String| RasterError::Unusable { reason };
    let mut options = usvg::Options::default();
    let fonts = Arc::make_mut(&mut options.fontdb);
    fonts.load_system_fonts();
    let known = [
        "DejaVu Sans",
        "Liberation Sans",
        "Noto Sans",
        "Arial",
        "Helvetica",
    ];
    let names: Vec<String> = fonts
        .faces()
        .flat_map(|face| face.families.iter().map(|(name, _)| name.clone()))
        .collect();
    let family = known
        .into_iter()
        .find(|known| names.iter().any(|name| name == known))
        .map(str::to_owned)
        .or_else(|| names.first().cloned())
        .ok_or(RasterError::NoFont)?;
    fonts.set_sans_serif_family(family);
    let tree = usvg::Tree::from_str(svg, &options).map_err(|e| unusable(e.to_string()))?;
    let size = tree.size();
    let (width, height) = (size.width() * SCALE, size.height() * SCALE);
    let mut pixels = tiny_skia::Pixmap::new(width as u32, height as u32)
        .ok_or_else(|| unusable(format!("{width} x {height} pixels are not possible")))?;
    let scale = tiny_skia::Transform::from_scale(SCALE, SCALE);
    resvg::render(&tree, scale, &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| unusable(e.to_string()))
}
