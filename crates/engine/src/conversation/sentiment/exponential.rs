//! The exponential function by additions and multiplications alone, so that it is the same on every machine.

use std::f64::consts::{LN_2, LOG2_E};

/// Below it the result is 0.
const LEAST: f64 = -700.0;
/// Terms of the series; with an argument of at most ln 2 / 2 the next is below 1e-17.
const TERMS: u32 = 14;

/// e to the power of `x`, for `x` of at most 0; to about 1e-15 relative.
pub(super) fn exp(x: f64) -> f64 {
    if x < LEAST {
        return 0.0;
    }
    let power = (x * LOG2_E).round();
    let rest = x - power * LN_2;
    let series = (1..=TERMS).rev().fold(1.0, |sum, term| 1.0 + rest * sum / f64::from(term));
    // 2 to the power: its exponent as IEEE 754 keeps it; `power` is between -1010 and 0.
    series * f64::from_bits(((power as i64 + 1_023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn it_is_the_exponential_function() {
        for i in 0..=6_000 {
            let x = -f64::from(i) / 10.0;
            let (ours, theirs) = (exp(x), x.exp());
            assert!((ours - theirs).abs() <= 1e-13 * theirs, "{x}: {ours} {theirs}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
    }
}
