//! What the transforms need of a processor's registers.

use std::arch::x86_64::{
    __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps,
    _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_set1_ps, _mm512_storeu_ps, _mm512_sub_ps,
};

/// As many numbers as the processor handles at once.
///
/// The functions become part of their caller, which must be compiled for the instructions.
///
/// # Safety
/// The processor has the instructions; `load` and `store` find `LANES` numbers at `numbers`.
pub(super) trait Register: Copy {
    const LANES: usize;

    unsafe fn load(numbers: *const f32) -> Self;
    unsafe fn store(self, numbers: *mut f32);
    unsafe fn all(value: f32) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn minus(self, other: Self) -> Self;
    /// `self * factor + term`, rounded once.
    unsafe fn times_plus(self, factor: Self, term: Self) -> Self;
}

macro_rules! register {
    ($register:ty, $load:ident, $store:ident, $all:ident, $plus:ident, $minus:ident, $times_plus:ident) => {
        // SAFETY: each function asks of its caller what its instruction asks.
        impl Register for $register {
            const LANES: usize = size_of::<Self>() / size_of::<f32>();

            #[inline(always)]
            unsafe fn load(numbers: *const f32) -> Self {
                unsafe { $load(numbers) }
            }

            #[inline(always)]
            unsafe fn store(self, numbers: *mut f32) {
                unsafe { $store(numbers, self) };
            }

            #[inline(always)]
            unsafe fn all(value: f32) -> Self {
                unsafe { $all(value) }
            }

            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                unsafe { $plus(self, other) }
            }

            #[inline(always)]
            unsafe fn minus(self, other: Self) -> Self {
                unsafe { $minus(self, other) }
            }

            #[inline(always)]
            unsafe fn times_plus(self, factor: Self, term: Self) -> Self {
                unsafe { $times_plus(self, factor, term) }
            }
        }
    };
}

register!(
    __m256,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_fmadd_ps
);
register!(
    __m512,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_fmadd_ps
);
