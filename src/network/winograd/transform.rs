//! The steps between numbers and their values at the points.
//!
//! The functions are generic in the registers and become part of their callers, which are compiled
//! for the instructions. With any registers the same sums are taken in the same order: the same
//! bits.

use super::register::Register;
use super::{FAR, LANES, NEAR, POINTS, SIDE, WINDOW};

/// `B^T d B` of the first `channels` of the window with which `pixels` begins, whose lines and pixels
/// lie `line` and `pixel` apart; the points of the result lie `points` apart.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
pub(super) unsafe fn transform_input<R: Register>(
    pixels: &[f32],
    [line, pixel]: [usize; 2],
    channels: usize,
    transformed: &mut [f32],
    points: usize,
) {
    // The last number that is read, and the last that is written.
    assert!(pixels.len() >= (WINDOW - 1) * (line + pixel) + channels);
    assert!(transformed.len() >= (POINTS - 1) * points + channels);
    assert!(channels.is_multiple_of(R::LANES));
    for first in (0..channels).step_by(R::LANES) {
        // SAFETY: asserted above; the rest is the caller's.
        unsafe {
            let mut down = [[R::all(0.0); WINDOW]; WINDOW];
            for (column, down) in down.iter_mut().enumerate() {
                let mut window = [R::all(0.0); WINDOW];
                for (row, value) in window.iter_mut().enumerate() {
                    *value = R::load(pixels.as_ptr().add(row * line + column * pixel + first));
                }
                *down = input_line(window);
            }
            for row in 0..WINDOW {
                let mut window = [R::all(0.0); WINDOW];
                for (value, down) in window.iter_mut().zip(&down) {
                    *value = down[row];
                }
                for (column, value) in input_line(window).into_iter().enumerate() {
                    let number = (row * WINDOW + column) * points + first;
                    value.store(transformed.as_mut_ptr().add(number));
                }
            }
        }
    }
}

/// `A^T m A`, plus `bias`, of one tile, whose sums lie `spread` apart: one register of each of its
/// outputs.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
pub(super) unsafe fn transform_output<R: Register>(
    sums: &[[f32; LANES]],
    spread: usize,
    bias: &[f32],
    part: usize,
) -> [[R; SIDE]; SIDE] {
    assert!(sums.len() > (POINTS - 1) * spread);
    assert!((part + 1) * R::LANES <= LANES && bias.len() == R::LANES);
    // SAFETY: asserted above; the rest is the caller's.
    unsafe {
        let mut corners = [[R::load(bias.as_ptr()); SIDE]; SIDE];
        let mut down = [[R::all(0.0); SIDE]; WINDOW];
        for (column, down) in down.iter_mut().enumerate() {
            let mut points = [R::all(0.0); WINDOW];
            for (row, value) in points.iter_mut().enumerate() {
                let sum = sums.as_ptr().add((row * WINDOW + column) * spread);
                *value = R::load(sum.cast::<f32>().add(part * R::LANES));
            }
            *down = output_line(points);
        }
        for (row, line) in corners.iter_mut().enumerate() {
            let mut points = [R::all(0.0); WINDOW];
            for (value, down) in points.iter_mut().zip(&down) {
                *value = down[row];
            }
            for (corner, value) in line.iter_mut().zip(output_line(points)) {
                *corner = corner.plus(value);
            }
        }
        corners
    }
}

/// `A y A^T` of `LANES` channels of the tile with which `pixels` begins, whose lines and pixels lie
/// `line` and `pixel` apart: rows, `spread` apart. The adjoint of [`transform_output`].
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
pub(super) unsafe fn transform_gradient<R: Register>(
    pixels: &[f32],
    [line, pixel]: [usize; 2],
    rows: &mut [[f32; LANES]],
    spread: usize,
) {
    assert!(pixels.len() >= (SIDE - 1) * (line + pixel) + LANES);
    assert!(rows.len() > (POINTS - 1) * spread);
    for first in (0..LANES).step_by(R::LANES) {
        // SAFETY: asserted above; the rest is the caller's.
        unsafe {
            let mut down = [[R::all(0.0); WINDOW]; SIDE];
            for (column, down) in down.iter_mut().enumerate() {
                let mut window = [R::all(0.0); SIDE];
                for (row, value) in window.iter_mut().enumerate() {
                    *value = R::load(pixels.as_ptr().add(row * line + column * pixel + first));
                }
                *down = gradient_line(window);
            }
            for row in 0..WINDOW {
                let mut window = [R::all(0.0); SIDE];
                for (value, down) in window.iter_mut().zip(&down) {
                    *value = down[row];
                }
                for (column, value) in gradient_line(window).into_iter().enumerate() {
                    let row = rows.as_mut_ptr().add((row * WINDOW + column) * spread);
                    value.store(row.cast::<f32>().add(first));
                }
            }
        }
    }
}

/// `B^T d`: for each point the polynomial that is zero at all others, applied to `d`.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn input_line<R: Register>(d: [R; WINDOW]) -> [R; WINDOW] {
    const PRODUCT: f32 = NEAR * NEAR * FAR * FAR;
    const SUM: f32 = NEAR * NEAR + FAR * FAR;
    // SAFETY: the caller's.
    unsafe {
        // The halves of `x (x + n)(x^2 - f^2)` in even and odd powers.
        let near_even = add_times(d[4], -FAR * FAR, d[2]);
        let near_odd = add_times(d[3], -FAR * FAR, d[1]);
        let far_even = add_times(d[4], -NEAR * NEAR, d[2]);
        let far_odd = add_times(d[3], -NEAR * NEAR, d[1]);
        [
            add_times(add_times(d[4], -SUM, d[2]), PRODUCT, d[0]),
            add_times(near_even, NEAR, near_odd),
            add_times(near_even, -NEAR, near_odd),
            add_times(far_even, FAR, far_odd),
            add_times(far_even, -FAR, far_odd),
            add_times(add_times(d[5], -SUM, d[3]), PRODUCT, d[1]),
        ]
    }
}

/// `A^T m`: the sums with the powers 0 to 3 of the points; the point at infinity has the last.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn output_line<R: Register>(m: [R; WINDOW]) -> [R; SIDE] {
    // SAFETY: the caller's.
    unsafe {
        let (near_even, near_odd) = (m[1].plus(m[2]), m[1].minus(m[2]));
        let (far_even, far_odd) = (m[3].plus(m[4]), m[3].minus(m[4]));
        let zero = R::all(0.0);
        let first = add_times(zero, NEAR, near_odd);
        let second = add_times(zero, NEAR * NEAR, near_even);
        let third = add_times(m[5], NEAR * NEAR * NEAR, near_odd);
        [
            m[0].plus(near_even).plus(far_even),
            add_times(first, FAR, far_odd),
            add_times(second, FAR * FAR, far_even),
            add_times(third, FAR * FAR * FAR, far_odd),
        ]
    }
}

/// `A y`: the polynomial `y` at each point.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn gradient_line<R: Register>(y: [R; SIDE]) -> [R; WINDOW] {
    // SAFETY: the caller's.
    unsafe {
        let near_even = add_times(y[0], NEAR * NEAR, y[2]);
        let near_odd = add_times(y[1], NEAR * NEAR, y[3]);
        let far_even = add_times(y[0], FAR * FAR, y[2]);
        let far_odd = add_times(y[1], FAR * FAR, y[3]);
        [
            y[0],
            add_times(near_even, NEAR, near_odd),
            add_times(near_even, -NEAR, near_odd),
            add_times(far_even, FAR, far_odd),
            add_times(far_even, -FAR, far_odd),
            y[3],
        ]
    }
}

/// `term + factor * value`, rounded once.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn add_times<R: Register>(term: R, factor: f32, value: R) -> R {
    // SAFETY: the caller's.
    unsafe { value.times_plus(R::all(factor), term) }
}

/// As many sums of `LANES` channels as have their registers at once: sum `s` is that of the products
/// of row `r` of `rows` with number `s * apart + r * step` of `values`, over all rows, beyond what it
/// was before where `ADDS`.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
pub(super) unsafe fn products<
    R: Register,
    const WIDE: usize,
    const SUMS: usize,
    const ADDS: bool,
>(
    values: &[f32],
    [apart, step]: [usize; 2],
    rows: &[[f32; LANES]],
    sums: &mut [[f32; LANES]; SUMS],
) {
    let Some(last) = rows.len().checked_sub(1) else {
        return;
    };
    assert!(values.len() > (SUMS - 1) * apart + last * step && WIDE * R::LANES == LANES);
    // SAFETY: asserted above; a row and a sum have `WIDE` registers; the rest is the caller's.
    unsafe {
        let mut totals = [[R::all(0.0); WIDE]; SUMS];
        if ADDS {
            for (sum, totals) in sums.iter().zip(&mut totals) {
                for (part, total) in totals.iter_mut().enumerate() {
                    *total = R::load(sum.as_ptr().add(part * R::LANES));
                }
            }
        }
        for (number, row) in rows.iter().enumerate() {
            let mut row_parts = [R::all(0.0); WIDE];
            for (part, value) in row_parts.iter_mut().enumerate() {
                *value = R::load(row.as_ptr().add(part * R::LANES));
            }
            for (sum, totals) in totals.iter_mut().enumerate() {
                let value = R::all(*values.as_ptr().add(sum * apart + number * step));
                for (total, part) in totals.iter_mut().zip(row_parts) {
                    *total = value.times_plus(part, *total);
                }
            }
        }
        for (sum, totals) in sums.iter_mut().zip(totals) {
            for (part, total) in totals.into_iter().enumerate() {
                total.store(sum.as_mut_ptr().add(part * R::LANES));
            }
        }
    }
}
