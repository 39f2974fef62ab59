//! Images as tiles and their windows.

use super::{SIDE, Size};

/// Which four by four outputs of which image.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub image: usize,
    pub row: usize,
    pub column: usize,
}

impl Tile {
    /// How many tiles cover an image.
    pub fn count(size: Size) -> usize {
        size.height.div_ceil(SIDE) * size.width.div_ceil(SIDE)
    }

    /// Tile number `number` of images of `size`, one image after the other.
    pub fn of(number: usize, size: Size) -> Self {
        let columns = size.width.div_ceil(SIDE);
        let count = Self::count(size);
        Self {
            image: number / count,
            row: number % count / columns * SIDE,
            column: number % columns * SIDE,
        }
    }
}

/// One image with zeros around it, so that all windows of its tiles lie inside.
pub(super) struct Padded {
    pixels: Vec<f32>,
    /// Zeros before the first row and column.
    border: usize,
    /// Numbers of a line of pixels.
    pub line: usize,
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

    /// The numbers from the window of `tile` in `images` `[N][H][W][C]` on.
    pub fn window(&mut self, tile: Tile, images: &[f32], size: Size) -> &[f32] {
        let length = size.width * self.channels;
        if self.image != Some(tile.image) {
            self.image = Some(tile.image);
            let pixels = &images[tile.image * size.height * length..][..size.height * length];
            let lines = self.pixels.chunks_exact_mut(self.line).skip(self.border);
            for (line, pixels) in lines.zip(pixels.chunks_exact(length)) {
                line[self.border * self.channels..][..length].copy_from_slice(pixels);
            }
        }
        &self.pixels[tile.row * self.line + tile.column * self.channels..]
    }
}
