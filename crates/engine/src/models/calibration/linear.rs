//! Small symmetric systems of equations.

/// A square matrix.
pub(super) type Square<const N: usize> = [[f64; N]; N];

/// Inverse of a positive definite matrix by Cholesky's method; `None` where it is not positive definite.
pub(super) fn inverse<const N: usize>(matrix: &Square<N>) -> Option<Square<N>> {
    let mut inverse = [[0.0; N]; N];
    for (index, line) in inverse.iter_mut().enumerate() {
        let mut unit = [0.0; N];
        unit[index] = 1.0;
        *line = solve(matrix, &unit)?;
    }
    Some(inverse)
}

/// Solves a positive definite system by Cholesky's method; `None` where it is not positive definite.
pub(super) fn solve<const N: usize>(matrix: &Square<N>, right: &[f64; N]) -> Option<[f64; N]> {
    let mut lower = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let rest = matrix[i][j] - known;
            lower[i][j] = if i == j {
                if rest <= 1e-12 || !rest.is_finite() {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / lower[j][j]
            };
        }
    }
    let mut half = [0.0; N];
    for i in 0..N {
        half[i] = (right[i] - (0..i).map(|k| lower[i][k] * half[k]).sum::<f64>()) / lower[i][i];
    }
    let mut solution = [0.0; N];
    for i in (0..N).rev() {
        solution[i] = (half[i] - (i + 1..N).map(|k| lower[k][i] * solution[k]).sum::<f64>()) / lower[i][i];
    }
    Some(solution)
}

/// Sum of two matrices, the second times `factor`.
pub(super) fn sum<const N: usize>(x: &Square<N>, y: &Square<N>, factor: f64) -> Square<N> {
    std::array::from_fn(|i| std::array::from_fn(|j| x[i][j] + factor * y[i][j]))
}

/// Product of two matrices.
pub(super) fn product<const N: usize>(x: &Square<N>, y: &Square<N>) -> Square<N> {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..N).map(|k| x[i][k] * y[k][j]).sum()))
}

/// vᵀ M v.
pub(super) fn quadratic<const N: usize>(matrix: &Square<N>, vector: &[f64; N]) -> f64 {
    matrix.iter().zip(vector).map(|(line, at)| at * dot(line, vector)).sum()
}

/// Inner product.
pub(super) fn dot<const N: usize>(x: &[f64; N], y: &[f64; N]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
