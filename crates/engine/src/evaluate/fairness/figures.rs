//! The figures of one group.
//!
//! Examples of one lead are alike, so that a lead is what varies: the variance of a share or mean over examples is that
//! of a ratio of sums over leads, by linearisation (W. G. Cochran, "Sampling Techniques", 3rd ed., 1977, ch. 6). The
//! interval of a ratio of two shares is made on the logarithms (D. Katz et al., Biometrics 34, 1978). What a rank gets
//! of people's attention falls with its logarithm (A. Singh, T. Joachims, "Fairness of exposure in rankings", KDD 2018).

use std::collections::BTreeMap;

use leadscore_domain::Grade;
use serde::{Deserialize, Serialize};

use super::{GAP_MAX, RATIO_LOWER_MIN, RATIO_MIN};
use crate::evaluate::BacktestRow;

/// Half of a 95 % interval, in standard errors.
const HALF_WIDTH: f64 = 1.96;

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

impl Estimate {
    /// Of what is compared with itself.
    const ONE: Self = Self { value: 1.0, lower: 1.0, upper: 1.0 };
}

/// What was found for a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupFigures {
    /// The group.
    pub group: String,
    /// Its tested leads.
    pub leads: usize,
    /// Their examples.
    pub examples: usize,
    /// Share of the examples with the top grade, 0 to 1.
    pub top_grade: Estimate,
    /// That share over the most favoured group's, which has 1.
    pub impact_ratio: Estimate,
    /// Mean probability, 0 to 1.
    pub probability: f64,
    /// Share that converted, 0 to 1.
    pub converted: f64,
    /// Mean probability less that share.
    pub calibration_gap: Estimate,
    /// Attention that an example's rank gets, over the mean of all examples: 1 where all are called alike.
    pub exposure: f64,
}

impl GroupFigures {
    /// Bars that this group shows not to be reached.
    pub(super) fn failures(&self) -> Vec<String> {
        let Self { group, impact_ratio: ratio, calibration_gap: gap, .. } = self;
        let mut failures = Vec::new();
        if ratio.value < RATIO_MIN {
            failures.push(format!(
                "{group}: the top grade goes to it {:.2} times as often as to the most favoured group; {RATIO_MIN:.2} are \
                 needed",
                ratio.value
            ));
        } else if ratio.lower < RATIO_LOWER_MIN {
            failures.push(format!(
                "{group}: the ratio of top grades is {:.2}, but may be {:.2} (95 %); {RATIO_LOWER_MIN:.2} must be shown, \
                 which takes more leads",
                ratio.value, ratio.lower
            ));
        }
        if gap.value.abs() > GAP_MAX {
            failures
                .push(format!("{group}: the mean probability is off by {:+.3}; {GAP_MAX:.2} are allowed", gap.value));
        }
        failures
    }
}

/// The attention that an example gets by its rank, over the mean of all: 1 on average.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rank(f64);

impl Rank {
    /// Of each example, by its probability; examples of the same probability share what their ranks get.
    pub(super) fn of(rows: &[BacktestRow]) -> Vec<Self> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| rows[b].probability.total_cmp(&rows[a].probability));
        let attention = |place: usize| 1.0 / (place as f64 + 2.0).log2();
        let mean = (0..rows.len()).map(attention).sum::<f64>() / rows.len().max(1) as f64;
        let mut ranks = vec![Self(1.0); rows.len()];
        let mut first = 0;
        for tied in order.chunk_by(|&a, &b| rows[a].probability == rows[b].probability) {
            let sum: f64 = (first..first + tied.len()).map(attention).sum();
            for &row in tied {
                ranks[row] = Self(sum / tied.len() as f64 / mean);
            }
            first += tied.len();
        }
        ranks
    }
}

/// Sums over the examples of one lead.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    examples: f64,
    top_grade: f64,
    probability: f64,
    converted: f64,
    exposure: f64,
}

/// The tested leads of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Members(BTreeMap<u64, Sums>);

/// A mean over examples, and its variance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mean {
    pub(super) value: f64,
    variance: f64,
}

impl Mean {
    fn estimate(self) -> Estimate {
        let half = HALF_WIDTH * self.variance.sqrt();
        Estimate { value: self.value, lower: self.value - half, upper: self.value + half }
    }

    /// A share's interval lies within 0 and 1.
    fn share(self) -> Estimate {
        let Estimate { value, lower, upper } = self.estimate();
        Estimate { value, lower: lower.max(0.0), upper: upper.min(1.0) }
    }

    /// Over another mean; where there is nothing to compare with, nobody is favoured.
    fn over(self, other: Self) -> Estimate {
        if other.value == 0.0 {
            return Estimate::ONE;
        }
        let value = self.value / other.value;
        if value == 0.0 {
            return Estimate { value, lower: 0.0, upper: 0.0 };
        }
        let relative = |mean: Self| mean.variance / (mean.value * mean.value);
        let half = HALF_WIDTH * (relative(self) + relative(other)).sqrt();
        Estimate { value, lower: value * (-half).exp(), upper: value * half.exp() }
    }
}

impl Members {
    pub(super) fn add(&mut self, row: &BacktestRow, rank: Rank) {
        let sums = self.0.entry(row.lead).or_default();
        sums.examples += 1.0;
        sums.top_grade += f64::from(u8::from(Grade::from(row.score) == Grade::A));
        sums.probability += row.probability;
        sums.converted += f64::from(u8::from(row.label));
        sums.exposure += rank.0;
    }

    pub(super) fn leads(&self) -> usize {
        self.0.len()
    }

    /// The share with the top grade.
    pub(super) fn selected(&self) -> Mean {
        self.mean(|sums| sums.top_grade)
    }

    fn mean(&self, of: impl Fn(&Sums) -> f64) -> Mean {
        let leads = self.0.len() as f64;
        let examples: f64 = self.0.values().map(|sums| sums.examples).sum();
        let value = self.0.values().map(&of).sum::<f64>() / examples;
        let residuals: f64 = self.0.values().map(|sums| (of(sums) - value * sums.examples).powi(2)).sum();
        Mean { value, variance: residuals / (examples * examples) * leads / (leads - 1.0).max(1.0) }
    }

    /// Of a group beside the most favoured one, which may be itself.
    pub(super) fn figures(&self, name: &str, favoured: (&str, Mean)) -> GroupFigures {
        let selected = self.selected();
        let impact_ratio = if name == favoured.0 { Estimate::ONE } else { selected.over(favoured.1) };
        GroupFigures {
            group: name.to_owned(),
            leads: self.leads(),
            examples: self.0.values().map(|sums| sums.examples).sum::<f64>() as usize,
            top_grade: selected.share(),
            impact_ratio,
            probability: self.mean(|sums| sums.probability).value,
            converted: self.mean(|sums| sums.converted).value,
            calibration_gap: self.mean(|sums| sums.probability - sums.converted).estimate(),
            exposure: self.mean(|sums| sums.exposure).value,
        }
    }
}
