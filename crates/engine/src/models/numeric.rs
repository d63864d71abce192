//! The logistic function and its relatives, without overflow.

/// 1 / (1 + e^−x).
pub(crate) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// ln(1 + e^x).
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// ln(p / (1 − p)); infinite at 0 and 1.
pub(crate) fn logit(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}
