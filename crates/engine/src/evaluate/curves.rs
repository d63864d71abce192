//! Curves of a report: points of the plots, thinned out to what an eye can tell apart.

use super::metrics::{Tie, ties};

/// Most points of a curve.
const MAX_POINTS: usize = 400;
/// Bars of the distribution.
pub(super) const BARS: usize = 40;

/// One model's ranking of the test examples.
pub(super) struct Ranking {
    ties: Vec<Tie>,
    positives: f64,
    negatives: f64,
}

impl Ranking {
    pub(super) fn new(labels: &[bool], probabilities: &[f64]) -> Self {
        let positives = labels.iter().filter(|&&label| label).count();
        Self {
            ties: ties(labels, probabilities),
            positives: positives as f64,
            negatives: (labels.len() - positives) as f64,
        }
    }

    /// Share of the others taken → share of the converted taken, from the highest probability down.
    pub(super) fn roc(&self) -> Vec<(f64, f64)> {
        let points = self.taken().map(|(hits, alarms)| (alarms / self.negatives, hits / self.positives));
        thin(std::iter::once((0.0, 0.0)).chain(points).collect())
    }

    /// Recall → precision.
    pub(super) fn precision_recall(&self) -> Vec<(f64, f64)> {
        let points: Vec<(f64, f64)> =
            self.taken().map(|(hits, alarms)| (hits / self.positives, hits / (hits + alarms))).collect();
        // Precision of the first few examples is noise; the curve starts where a hundredth of the converted is found.
        let start = points.iter().position(|&(recall, _)| recall >= 0.01).unwrap_or_default();
        thin(points[start..].to_vec())
    }

    /// Share of all examples taken → share of the converted taken.
    pub(super) fn gains(&self) -> Vec<(f64, f64)> {
        let n = self.positives + self.negatives;
        let points = self.taken().map(|(hits, alarms)| ((hits + alarms) / n, hits / self.positives));
        thin(std::iter::once((0.0, 0.0)).chain(points).collect())
    }

    /// Share of all examples taken → share of converted among them over their share in all.
    pub(super) fn lift(&self) -> Vec<(f64, f64)> {
        let points: Vec<(f64, f64)> = self.gains().into_iter().filter(|&(taken, _)| taken >= 0.01).collect();
        points.into_iter().map(|(taken, found)| (taken, found / taken)).collect()
    }

    /// Converted and others taken at each distinct probability, highest first; none where a class is absent.
    fn taken(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let ties = if self.positives * self.negatives > 0.0 { self.ties.as_slice() } else { &[] };
        ties.iter().scan((0.0, 0.0), |(hits, alarms), tie| {
            *hits += tie.positives as f64;
            *alarms += tie.negatives as f64;
            Some((*hits, *alarms))
        })
    }
}

fn thin(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points;
    }
    let last = points.len() - 1;
    (0..MAX_POINTS).map(|point| points[point * last / (MAX_POINTS - 1)]).collect()
}

/// Share of the examples of either class in each of [`BARS`] equal steps of the probability up to `limit`; the last
/// step holds what lies above it too. Others first, converted second.
pub(super) fn distribution(labels: &[bool], probabilities: &[f64], limit: f64) -> [Vec<f64>; 2] {
    let mut bars = [vec![0.0; BARS], vec![0.0; BARS]];
    for (&label, &probability) in labels.iter().zip(probabilities) {
        let bar = ((probability / limit * BARS as f64) as usize).min(BARS - 1);
        bars[usize::from(label)][bar] += 1.0;
    }
    for class in &mut bars {
        let n: f64 = class.iter().sum();
        class.iter_mut().for_each(|bar| *bar /= n.max(1.0));
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_run_from_end_to_end() {
        let labels = [true, false, true, false, false];
        let ranking = Ranking::new(&labels, &[0.9, 0.8, 0.8, 0.3, 0.1]);
        assert_eq!(ranking.roc(), [(0.0, 0.0), (0.0, 0.5), (1.0 / 3.0, 1.0), (2.0 / 3.0, 1.0), (1.0, 1.0)]);
        assert_eq!(ranking.precision_recall()[1], (1.0, 2.0 / 3.0));
        assert_eq!(ranking.gains().last(), Some(&(1.0, 1.0)));
        assert_eq!(ranking.lift().last(), Some(&(1.0, 1.0)));
    }

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let thinned = thin((0..10_000).map(|i| (f64::from(i), 0.0)).collect());
        assert_eq!((thinned.len(), thinned[0].0, thinned[MAX_POINTS - 1].0), (MAX_POINTS, 0.0, 9_999.0));
    }

    #[test]
    fn shares_of_the_distribution_add_up() {
        let [others, converted] = distribution(&[true, false, false], &[0.95, 0.0, 0.26], 0.5);
        assert_eq!(converted[BARS - 1], 1.0);
        assert_eq!((others[0], others[20]), (0.5, 0.5));
    }
}
