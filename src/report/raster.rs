//! From vector pictures to pixels.

use resvg::{tiny_skia, usvg};

use super::fonts::{self, RenderError};

/// Pixels of a drawing to the inch.
const PER_INCH: f64 = 96.0;
const METRES_PER_INCH: f64 = 0.0254;

/// Renders SVG as PNG of `density` pixels to the inch, which the file states. Words are in the
/// fonts of the system: Helvetica, Arial, Liberation Sans, Noto Sans or DejaVu Sans.
///
/// # Errors
/// No font, or a picture that cannot be rendered.
pub fn png(svg: &str, density: u16) -> Result<Vec<u8>, RenderError> {
    let tree = fonts::read(svg)?;
    let scale = (f64::from(density) / PER_INCH) as f32;
    let size = tree.size();
    let (width, height) = (size.width() * scale, size.height() * scale);
    let mut pixels = tiny_skia::Pixmap::new(width.round() as u32, height.round() as u32)
        .ok_or_else(|| {
            RenderError::unusable(format!("{width} x {height} pixels are not possible"))
        })?;
    let transform = usvg::Transform::from_scale(scale, scale);
    resvg::render(&tree, transform, &mut pixels.as_mut());
    let bytes = pixels.encode_png().map_err(RenderError::unusable)?;
    with_density(bytes, density).ok_or_else(|| RenderError::unusable("the encoder wrote no PNG"))
}

/// The same picture with a chunk that states how large its pixels are, after the first chunk.
fn with_density(mut bytes: Vec<u8>, density: u16) -> Option<Vec<u8>> {
    // Signature, then length, name, data and checksum of the first chunk.
    let place = 8 + 4 + 4 + 13 + 4;
    let per_metre = ((f64::from(density) / METRES_PER_INCH).round() as u32).to_be_bytes();
    let mut chunk = b"pHYs".to_vec();
    chunk.extend(per_metre);
    chunk.extend(per_metre);
    // The unit is the metre.
    chunk.push(1);
    let mut check = flate2::Crc::new();
    check.update(&chunk);
    let length = 9_u32.to_be_bytes().into_iter();
    let whole = length.chain(chunk).chain(check.sum().to_be_bytes());
    bytes.get(place)?;
    bytes.splice(place..place, whole);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_states_its_density() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1in\" height=\"48\" \
                   viewBox=\"0 0 96 48\"/>";
        let bytes = png(svg, 300).unwrap();
        let number = |place: usize| u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap());
        assert_eq!((number(16), number(20)), (300, 150));
        assert_eq!(&bytes[37..41], b"pHYs");
        assert_eq!((number(41), number(45), bytes[49]), (11_811, 11_811, 1));
    }
}
