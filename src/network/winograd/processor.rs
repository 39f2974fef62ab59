//! The choice of instructions for this processor.

#[cfg(target_arch = "x86_64")]
pub(super) use self::x86_64::{convolve, is_supported, weight_sums};

#[cfg(not(target_arch = "x86_64"))]
pub(super) use self::other::{convolve, is_supported, weight_sums};

/// Images `[N][H][W][C]`, of whose channels some count.
#[derive(Clone, Copy)]
pub(super) struct Slice<'a> {
    pub numbers: &'a [f32],
    pub channels: usize,
    /// The first channel that counts.
    pub first: usize,
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::mem::MaybeUninit;

    use super::super::{LANES, Size, Winograd, convolve, weights};
    use super::Slice;

    pub fn is_supported() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }

    /// Images `[N][H][W][C]` to `[N][H][W][O]`, plus `bias` `[O]`.
    pub fn convolve(
        kernel: &Winograd,
        input: &[f32],
        output: &mut [MaybeUninit<f32>],
        size: Size,
        bias: &[f32],
    ) {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: it has just been found.
            unsafe { convolve::with_avx512(kernel, input, output, size, bias) }
        } else {
            // SAFETY: `Winograd::new` made sure that this processor has AVX2 and FMA.
            unsafe { convolve::with_avx2(kernel, input, output, size, bias) }
        }
    }

    /// `[36 points][inputs]` of 16 outputs each: the gradient by the values of the kernel from
    /// `inputs` channels of `x` to 16 channels of `gradient`.
    pub fn weight_sums(x: Slice, inputs: usize, gradient: Slice, size: Size) -> Vec<[f32; LANES]> {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: it has just been found.
            unsafe { weights::with_avx512(x, inputs, gradient, size) }
        } else {
            // SAFETY: `Winograd::new` made sure that this processor has AVX2 and FMA.
            unsafe { weights::with_avx2(x, inputs, gradient, size) }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod other {
    use std::mem::MaybeUninit;

    use super::super::{LANES, Size, Winograd};
    use super::Slice;

    pub fn is_supported() -> bool {
        false
    }

    pub fn convolve(_: &Winograd, _: &[f32], _: &mut [MaybeUninit<f32>], _: Size, _: &[f32]) {
        unreachable!("`Winograd::new` makes no kernel for this processor");
    }

    pub fn weight_sums(_: Slice, _: usize, _: Slice, _: Size) -> Vec<[f32; LANES]> {
        unreachable!("`Winograd::new` makes no kernel for this processor");
    }
}
