//! A kernel's values at the points, and back.
//!
//! In float64 until the end; `LANES` outputs at once.

use super::{FAR, LANES, NEAR, POINTS, WINDOW};

/// A number for each of `LANES` outputs.
type Lanes = [f64; LANES];

/// `G g G^T` of the windows of 3 by 3 numbers of a kernel `[O][I][9]`: `[O / 16][36 points][I]`.
pub(super) fn of_kernel(numbers: &[f32], inputs: usize) -> Vec<[f32; LANES]> {
    let windows = numbers.as_chunks::<9>().0;
    let mut values = vec![[0.0; LANES]; windows.len() / LANES * POINTS];
    let groups = windows.chunks_exact(LANES * inputs);
    for (windows, values) in groups.zip(values.chunks_exact_mut(POINTS * inputs)) {
        for input in 0..inputs {
            let at = |place: usize| -> Lanes {
                std::array::from_fn(|lane| f64::from(windows[lane * inputs + input][place]))
            };
            let down: [[Lanes; WINDOW]; 3] =
                std::array::from_fn(|column| line([at(column), at(3 + column), at(6 + column)]));
            for row in 0..WINDOW {
                let across = line([down[0][row], down[1][row], down[2][row]]);
                for (column, value) in across.into_iter().enumerate() {
                    values[(row * WINDOW + column) * inputs + input] = value.map(|x| x as f32);
                }
            }
        }
    }
    values
}

/// `G^T u G` of gradients by the values, `[O / 16][36 points][I]`: those by the kernel `[O][I][9]`.
pub(super) fn kernel_gradient(values: &[[f32; LANES]], inputs: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; values.len() / POINTS * LANES * 9];
    let groups = values.chunks_exact(POINTS * inputs);
    for (values, numbers) in groups.zip(numbers.chunks_exact_mut(LANES * inputs * 9)) {
        for input in 0..inputs {
            let at = |row: usize, column: usize| {
                values[(row * WINDOW + column) * inputs + input].map(f64::from)
            };
            let across: [[Lanes; 3]; WINDOW] =
                std::array::from_fn(|row| adjoint(std::array::from_fn(|column| at(row, column))));
            for column in 0..3 {
                let down = adjoint(std::array::from_fn(|row| across[row][column]));
                for (row, value) in down.into_iter().enumerate() {
                    for (lane, number) in value.into_iter().enumerate() {
                        numbers[(lane * inputs + input) * 9 + row * 3 + column] = number as f32;
                    }
                }
            }
        }
    }
    numbers
}

/// `G`: the powers 0 to 2 of each point over the product of its distances to all others.
const MATRIX: [[f64; 3]; WINDOW] = {
    let (near, far) = (NEAR as f64, FAR as f64);
    let (near_square, far_square) = (near * near, far * far);
    let zero = 1.0 / (near_square * far_square);
    let near_factor = 0.5 / (near_square * (near_square - far_square));
    let far_factor = 0.5 / (far_square * (far_square - near_square));
    [
        [zero, 0.0, 0.0],
        [near_factor, near_factor * near, near_factor * near_square],
        [near_factor, -near_factor * near, near_factor * near_square],
        [far_factor, far_factor * far, far_factor * far_square],
        [far_factor, -far_factor * far, far_factor * far_square],
        [0.0, 0.0, 1.0],
    ]
};

/// `G g`.
fn line(g: [Lanes; 3]) -> [Lanes; WINDOW] {
    MATRIX.map(|[zero, one, two]| {
        std::array::from_fn(|lane| zero * g[0][lane] + one * g[1][lane] + two * g[2][lane])
    })
}

/// `G^T u`.
fn adjoint(u: [Lanes; WINDOW]) -> [Lanes; 3] {
    std::array::from_fn(|power| {
        let mut sum = [0.0; LANES];
        for (row, values) in MATRIX.iter().zip(&u) {
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += row[power] * value;
            }
        }
        sum
    })
}
