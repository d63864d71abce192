//! Labels that are not known yet: examples whose horizon is not over.
//!
//! Owns: how soon those who convert do, and what a model learns from an example whose outcome is open. Invariant: a
//! target lies between 0 and 1; it is the label where the outcome is known. Deliberately absent: the model that gives
//! the first guess.
//!
//! An open example without a conversion so far is neither a negative (many will still convert) nor to be left out
//! (the latest weeks would be missing, and the early wins among them alone would make them look like all wins). With
//! p the probability of a conversion within the horizon H and F the distribution of the delay, the probability that
//! an example followed for s without a conversion still has one is, by Bayes' rule,
//! `p · (1 − F(s)/F(H)) / (1 − p · F(s)/F(H))` (O. Chapelle, "Modeling delayed feedback in display advertising",
//! KDD 2014). p is a first guess: a model of the examples whose horizon is over, fitted once more with the targets
//! that follow from it. F is the product-limit estimate over all examples, open ones too (E. Kaplan, P. Meier,
//! "Nonparametric estimation from incomplete observations", JASA 53, 1958), day by day.

use leadscore_domain::time::DAY_US;
use serde::{Deserialize, Serialize};

use crate::examples::Observed;

/// How soon conversions come: the share of those within the horizon that have come after a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DelayCurve {
    /// The horizon, in microseconds.
    pub horizon_us: i64,
    /// Share of all examples that convert within the horizon: the product-limit estimate at its end.
    pub rate: f64,
    /// Share of the conversions that have come by the end of each day, ascending; the last, at the horizon, is 1.
    pub share: Vec<f64>,
}

impl DelayCurve {
    /// Estimates the curve; without a conversion, conversions are taken to be spread evenly.
    ///
    /// # Panics
    /// Where the horizon is not above 0.
    #[must_use]
    pub fn fit(observed: &[Observed], horizon_us: i64) -> Self {
        assert!(horizon_us > 0, "a horizon is a time ahead");
        let days = horizon_us.div_euclid(DAY_US) + i64::from(horizon_us % DAY_US > 0);
        let ends: Vec<i64> = (1..=days).map(|day| (day * DAY_US).min(horizon_us)).collect();
        let mut at_risk = vec![0_u64; ends.len()];
        let mut converted = vec![0_u64; ends.len()];
        for one in observed {
            // Only whole days count: whoever is followed into a day is seen to convert in it, but not to fail to.
            let whole = ends.partition_point(|&end| end <= one.followed_us);
            let last = one.converted_after_us.map(|delay| ends.partition_point(|&end| end < delay));
            let until = last.map_or(whole, |day| whole.min(day + 1));
            at_risk[..until].iter_mut().for_each(|count| *count += 1);
            if let Some(day) = last.filter(|&day| day < whole) {
                converted[day] += 1;
            }
        }
        let mut open = 1.0;
        let mut share: Vec<f64> = Vec::with_capacity(ends.len());
        for (risk, converted) in at_risk.iter().zip(&converted) {
            open *= 1.0 - *converted as f64 / (*risk).max(1) as f64;
            share.push(1.0 - open);
        }
        let rate = 1.0 - open;
        for (value, end) in share.iter_mut().zip(&ends) {
            *value = if rate > 0.0 { *value / rate } else { *end as f64 / horizon_us as f64 };
        }
        Self { horizon_us, rate, share }
    }

    /// Share of the conversions within the horizon that have come after `followed_us`: 0 to 1, linear within a day.
    #[must_use]
    pub fn share_by(&self, followed_us: i64) -> f64 {
        let followed_us = followed_us.clamp(0, self.horizon_us);
        let day = (followed_us / DAY_US) as usize;
        let from = day as i64 * DAY_US;
        let before = day.checked_sub(1).map_or(0.0, |day| self.share[day]);
        let Some(&after) = self.share.get(day) else { return 1.0 };
        let width = DAY_US.min(self.horizon_us - from);
        before + (after - before) * (followed_us - from) as f64 / width as f64
    }
}

/// What a model learns from each example: its label where that is known (a conversion is known as soon as it happens),
/// and the probability that it still converts where it is not.
///
/// `first_guess` holds a probability of conversion within the horizon per example, 0 to 1.
#[must_use]
pub fn targets(observed: &[Observed], curve: &DelayCurve, first_guess: &[f64]) -> Vec<f32> {
    observed
        .iter()
        .zip(first_guess)
        .map(|(one, &guess)| {
            if one.converted_after_us.is_some() {
                return 1.0;
            }
            if one.complete {
                return 0.0;
            }
            let guess = guess.clamp(0.0, 1.0);
            let share = curve.share_by(one.followed_us);
            let remaining = 1.0 - guess * share;
            let target = if remaining > 0.0 { guess * (1.0 - share) / remaining } else { 0.0 };
            target.clamp(0.0, 1.0) as f32
        })
        .collect()
}

/// The [`targets`] with a first guess of the caller's model.
///
/// `fit` learns from the examples of the given places with targets of theirs, and gives a probability for every
/// example: first from the examples that are complete, then once more from all of them with the targets that follow.
/// Where every example is complete it is not called.
///
/// # Errors
/// Those of `fit`.
pub fn estimate<E>(
    observed: &[Observed],
    curve: &DelayCurve,
    mut fit: impl FnMut(&[usize], &[f32]) -> Result<Vec<f64>, E>,
) -> Result<Vec<f32>, E> {
    let complete: Vec<usize> = (0..observed.len()).filter(|&place| observed[place].complete).collect();
    let known = targets(observed, curve, &vec![curve.rate; observed.len()]);
    if complete.len() == observed.len() || complete.is_empty() {
        return Ok(known);
    }
    let labels: Vec<f32> = complete.iter().map(|&place| known[place]).collect();
    let first = targets(observed, curve, &fit(&complete, &labels)?);
    let all: Vec<usize> = (0..observed.len()).collect();
    Ok(targets(observed, curve, &fit(&all, &first)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON_US: i64 = 4 * DAY_US;

    fn open(days: f64, converted_after: Option<f64>) -> Observed {
        let us = |days: f64| (days * DAY_US as f64) as i64;
        Observed { followed_us: us(days), complete: false, converted_after_us: converted_after.map(us) }
    }

    fn complete(converted_after: Option<f64>) -> Observed {
        Observed::complete(HORIZON_US, converted_after.map(|days| (days * DAY_US as f64) as i64))
    }

    /// By hand: 1 of 4 at risk on the first day, 1 of 2 on the second: 1 − 3/4 · 1/2 = 5/8.
    #[test]
    fn the_curve_is_the_product_limit() {
        let seen = [complete(Some(0.5)), complete(Some(1.5)), complete(None), open(1.2, None), open(0.5, Some(0.3))];
        let curve = DelayCurve::fit(&seen, HORIZON_US);
        assert!((curve.rate - 0.625).abs() < 1e-12, "{curve:?}");
        assert!((curve.share[0] - 0.25 / 0.625).abs() < 1e-12 && curve.share[1..] == [1.0, 1.0, 1.0], "{curve:?}");
        assert!((curve.share_by(DAY_US / 2) - 0.2).abs() < 1e-12);
        assert_eq!([curve.share_by(-5), curve.share_by(HORIZON_US), curve.share_by(i64::MAX)], [0.0, 1.0, 1.0]);
    }

    #[test]
    fn without_a_conversion_time_passes_evenly() {
        for seen in [vec![], vec![complete(None), open(1.0, None)]] {
            let curve = DelayCurve::fit(&seen, HORIZON_US);
            assert_eq!((curve.rate, curve.share_by(DAY_US)), (0.0, 0.25));
            assert!(targets(&seen, &curve, &vec![0.0; seen.len()]).iter().all(|&target| target == 0.0));
        }
    }

    #[test]
    fn what_is_known_is_kept_and_what_is_open_falls_with_time() {
        let seen: Vec<Observed> = [0.0, 1.0, 2.5, 3.9].iter().map(|&days| open(days, None)).collect();
        let curve = DelayCurve { horizon_us: HORIZON_US, rate: 0.2, share: vec![0.4, 0.7, 0.9, 1.0] };
        let found = targets(&seen, &curve, &[0.3; 4]);
        assert!((found[0] - 0.3).abs() < 1e-6, "nothing is known yet");
        assert!((f64::from(found[1]) - 0.3 * 0.6 / (1.0 - 0.12)).abs() < 1e-6);
        assert!(found.is_sorted_by(|x, y| x > y) && found[3] > 0.0, "{found:?}");
        let known = [complete(Some(2.0)), complete(None), open(1.0, Some(0.5))];
        assert_eq!(targets(&known, &curve, &[0.9, 0.9, 0.1]), [1.0, 0.0, 1.0]);
        assert_eq!(targets(&[open(4.0, None), open(3.0, None)], &curve, &[1.0, 1.0]), [0.0, 1.0]);
    }

    #[test]
    fn a_part_of_a_day_at_the_end_counts() {
        let seen = [Observed::complete(DAY_US * 3 / 2, Some(DAY_US * 5 / 4)), Observed::complete(DAY_US * 3 / 2, None)];
        let curve = DelayCurve::fit(&seen, DAY_US * 3 / 2);
        assert_eq!((curve.rate, curve.share.as_slice()), (0.5, [0.0, 1.0].as_slice()));
        assert_eq!(curve.share_by(DAY_US * 5 / 4), 0.5);
    }

    #[test]
    fn where_all_is_known_no_model_is_asked() {
        let seen = [complete(None), complete(Some(1.0))];
        let curve = DelayCurve::fit(&seen, HORIZON_US);
        let found = estimate(&seen, &curve, |_, _| -> Result<Vec<f64>, ()> { Err(()) });
        assert_eq!(found, Ok(vec![0.0, 1.0]));
    }
}
