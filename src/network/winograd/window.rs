//! Images as tiles and their windows.

use super::processor::Slice;
use super::{SIDE, Size};

/// Which four by four outputs of which image.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub image: usize,
    pub row: usize,
    pub column: usize,
}

impl Tile {
    /// Tile number `number` of images of `size`, one image after the other.
    pub fn of(number: usize, size: Size) -> Self {
        let columns = size.width.div_ceil(SIDE);
        let count = size.tiles();
        Self {
            image: number / count,
            row: number % count / columns * SIDE,
            column: number % columns * SIDE,
        }
    }
}

/// Some channels of one image with zeros around it, so that all windows of its tiles lie inside.
pub(super) struct Padded {
    pixels: Vec<f32>,
    /// Zeros before the first row and column.
    border: usize,
    /// Numbers of a line of pixels.
    pub line: usize,
    /// How many channels.
    pub channels: usize,
    image: Option<usize>,
}

impl Padded {
    /// With `border` zeros on every side, beyond what fills the last tiles.
    pub fn new(size: Size, channels: usize, border: usize) -> Self {
        let side = |pixels: usize| pixels.next_multiple_of(SIDE) + 2 * border;
        let line = side(size.width) * channels;
        Self {
            pixels: vec![0.0; side(size.height) * line],
            border,
            line,
            channels,
            image: None,
        }
    }

    /// The numbers from the window of `tile` in `images` on.
    pub fn window(&mut self, tile: Tile, images: Slice, size: Size) -> &[f32] {
        if self.image != Some(tile.image) {
            self.image = Some(tile.image);
            let length = size.width * images.channels;
            let pixels =
                &images.numbers[tile.image * size.height * length..][..size.height * length];
            let lines = self.pixels.chunks_exact_mut(self.line).skip(self.border);
            for (line, pixels) in lines.zip(pixels.chunks_exact(length)) {
                let line = &mut line[self.border * self.channels..];
                if self.channels == images.channels {
                    line[..length].copy_from_slice(pixels);
                    continue;
                }
                let pixels = pixels.chunks_exact(images.channels);
                for (place, pixel) in line.chunks_exact_mut(self.channels).zip(pixels) {
                    place.copy_from_slice(&pixel[images.first..][..self.channels]);
                }
            }
        }
        &self.pixels[tile.row * self.line + tile.column * self.channels..]
    }
}
