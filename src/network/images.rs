//! Images as numbers in memory.

use std::mem::MaybeUninit;

use tch::{Device, Kind, Tensor};

use super::NetworkError;

/// Images `[N][H][W][C]` in float32 on the CPU.
pub(super) struct Images {
    pub examples: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// Contiguous, of that type and in that place.
    pixels: Tensor,
}

impl Images {
    /// The values of `x` `[N, C, H, W]`; `None` where it is of another type, in another place, or
    /// of another rank: the numbers are made of nothing else, whatever a model file says.
    ///
    /// # Errors
    /// Where libtorch refuses to bring them in order.
    pub fn of(x: &Tensor) -> Result<Option<Self>, NetworkError> {
        if !is_float32_here(x) || x.dim() != 4 {
            return Ok(None);
        }
        let pixels = x.detach().f_permute([0, 2, 3, 1])?.f_contiguous()?;
        let (examples, height, width, channels) = pixels.size4()?;
        Ok(Some(Self {
            examples: examples as usize,
            height: height as usize,
            width: width as usize,
            channels: channels as usize,
            pixels,
        }))
    }

    /// One pixel after the other, all of its channels.
    pub fn numbers(&self) -> &[f32] {
        // SAFETY: `of` has made it contiguous float32 on the CPU; it holds as many numbers, and
        // outlives the slice.
        unsafe {
            std::slice::from_raw_parts(self.pixels.data_ptr().cast::<f32>(), self.pixels.numel())
        }
    }

    /// Examples times positions.
    pub fn pixels(&self) -> usize {
        self.examples * self.height * self.width
    }

    /// Images of the same size with `channels`, `[N, C, H, W]` in channels-last order, whose numbers
    /// `write` writes, all of them. It is no view: autograd may give it a history.
    ///
    /// # Errors
    /// Where libtorch has no memory.
    pub fn with_channels(
        &self,
        channels: usize,
        write: impl FnOnce(&mut [MaybeUninit<f32>]),
    ) -> Result<Tensor, NetworkError> {
        let sides = [self.examples, channels, self.height, self.width];
        let [n, c, h, w] = sides.map(|side| side as i64);
        let strides = [h * w * c, 1, w * c, c];
        let images = Tensor::f_empty_strided([n, c, h, w], strides, (Kind::Float, Device::Cpu))?;
        // SAFETY: dense float32 on the CPU with as many numbers; it was made here, so that nothing
        // else reads it, and its numbers are not taken to be there before they are written.
        write(unsafe {
            std::slice::from_raw_parts_mut(
                images.data_ptr().cast::<MaybeUninit<f32>>(),
                images.numel(),
            )
        });
        Ok(images)
    }
}

/// Whether `tensor` is float32 on the CPU.
pub(super) fn is_float32_here(tensor: &Tensor) -> bool {
    tensor.kind() == Kind::Float && tensor.device() == Device::Cpu
}
