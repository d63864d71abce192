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
