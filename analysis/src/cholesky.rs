//! Positive definite systems of moderate size, without LAPACK.

use ndarray::{Array1, Array2, s};

/// The lower triangle `L` of `A = L L^T`.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky(Array2<f64>);

impl Cholesky {
    /// Factors a symmetric matrix; `None` where it is not positive definite to working precision.
    pub(crate) fn new(matrix: &Array2<f64>) -> Option<Self> {
        if !matrix.is_square() {
            return None;
        }
        let mut lower = Array2::<f64>::zeros(matrix.dim());
        for row in 0..matrix.nrows() {
            for column in 0..=row {
                let dot = lower
                    .slice(s![row, ..column])
                    .dot(&lower.slice(s![column, ..column]));
                let rest = matrix[[row, column]] - dot;
                if row > column {
                    lower[[row, column]] = rest / lower[[column, column]];
                } else if rest > 1e-13 * matrix[[row, row]].abs() && rest.is_finite() {
                    // Below that share of the diagonal, the pivot is rounding: a dependent column.
                    lower[[row, row]] = rest.sqrt();
                } else {
                    return None;
                }
            }
        }
        Some(Self(lower))
    }

    /// `x` with `A x = right`; of the right length or `None`.
    pub(crate) fn solve(&self, right: &Array1<f64>) -> Option<Array1<f64>> {
        let lower = &self.0;
        if right.len() != lower.nrows() {
            return None;
        }
        let mut x = right.clone();
        for row in 0..x.len() {
            let dot = lower.slice(s![row, ..row]).dot(&x.slice(s![..row]));
            x[row] = (x[row] - dot) / lower[[row, row]];
        }
        for row in (0..x.len()).rev() {
            let dot = lower.slice(s![row + 1.., row]).dot(&x.slice(s![row + 1..]));
            x[row] = (x[row] - dot) / lower[[row, row]];
        }
        Some(x)
    }
}
