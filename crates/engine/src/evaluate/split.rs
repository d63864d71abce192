//! Dividing examples into training and test parts.
//!
//! Owns: the named splits. Invariant: a lead is never on both sides, and no training label reaches into the time of a
//! test by time. Deliberately absent: training.

use std::{fmt, str::FromStr};

use leadscore_domain::Timestamp;
use thiserror::Error;

use crate::models::folds;

/// Least share that trains.
const MIN_SHARE: f64 = 0.05;
/// Largest share that trains.
const MAX_SHARE: f64 = 0.95;
/// Most folds.
const MAX_FOLDS: usize = 20;

/// How to divide examples; a lead is never on both sides. Written as `time:0.75` or `kfold:5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Split {
    /// Trains on the leads whose first instants are earliest, tests on the others.
    ///
    /// Training examples whose horizon ends after the first instant of the test train as what was known of them by
    /// then. Where that would concern more than half of them, as in data that spans hardly more than a horizon, all
    /// train with their labels and [`Part::gap`] is false.
    Time {
        /// Share of the leads that trains, 0.05 to 0.95.
        train_share: f64,
    },
    /// Random folds by lead, seeded, each tested once, each with its share of the leads that converted.
    KFold {
        /// Number of folds, 2 to 20.
        folds: usize,
    },
}

/// Not a split.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a split: write `time:0.75` (share that trains, 0.05 to 0.95) or `kfold:5` (2 to 20 folds)")]
pub struct SplitError {
    text: String,
}

impl FromStr for Split {
    type Err = SplitError;

    fn from_str(text: &str) -> Result<Self, SplitError> {
        let split = match text.trim().split_once(':') {
            Some(("time", share)) => share.trim().parse().ok().map(|train_share| Self::Time { train_share }),
            Some(("kfold", folds)) => folds.trim().parse().ok().map(|folds| Self::KFold { folds }),
            Some(_) | None => None,
        };
        split.filter(Self::is_sound).ok_or_else(|| SplitError { text: text.to_owned() })
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { train_share } => write!(f, "time:{train_share}"),
            Self::KFold { folds } => write!(f, "kfold:{folds}"),
        }
    }
}

/// One training and test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Examples that train with their labels, by index, ascending.
    pub train: Vec<usize>,
    /// Examples that train as what was known of them at the first instant of the test, by index, ascending: their
    /// horizon was not over by then.
    pub unfinished: Vec<usize>,
    /// Examples that test, by index, ascending.
    pub test: Vec<usize>,
    /// Whether no training label reaches into the time of the test.
    pub gap: bool,
}

impl Split {
    /// Whether its figure is within bounds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Time { train_share } => (MIN_SHARE..=MAX_SHARE).contains(train_share),
            Self::KFold { folds } => (2..=MAX_FOLDS).contains(folds),
        }
    }

    /// The parts; the lists have one entry per example.
    #[must_use]
    pub fn parts(
        &self,
        leads: &[u64],
        labels: &[bool],
        instants: &[Timestamp],
        horizon_us: i64,
        seed: u64,
    ) -> Vec<Part> {
        match *self {
            Self::Time { train_share } => vec![by_time(leads, instants, train_share, horizon_us)],
            Self::KFold { folds } => {
                let fold_of = folds::by_lead(leads, labels, folds, seed);
                (0..folds)
                    .map(|fold| {
                        let (test, train) = (0..leads.len()).partition(|&row| fold_of[row] == fold);
                        Part { train, unfinished: Vec::new(), test, gap: false }
                    })
                    .collect()
            }
        }
    }
}

fn by_time(leads: &[u64], instants: &[Timestamp], share: f64, horizon_us: i64) -> Part {
    let later = folds::later(leads, instants, share);
    let (test, train): (Vec<usize>, Vec<usize>) = (0..leads.len()).partition(|&row| later[row]);
    let Some(start) = test.iter().map(|&row| instants[row]).min() else {
        return Part { train, unfinished: Vec::new(), test, gap: true };
    };
    let (known, unfinished): (Vec<usize>, Vec<usize>) =
        train.iter().copied().partition(|&row| instants[row].plus_micros(horizon_us) <= start);
    if unfinished.len() * 2 > train.len() {
        return Part { train, unfinished: Vec::new(), test, gap: false };
    }
    Part { train: known, unfinished, test, gap: true }
}

#[cfg(test)]
mod tests {
    use leadscore_domain::time::DAY_US;

    use super::*;

    #[test]
    fn what_is_no_split_is_refused() {
        for text in
            ["", "time", "time:", "time:1", "time:0", "time:NaN", "kfold:1", "kfold:21", "kfold:2.5", "random:5"]
        {
            let refused = text.parse::<Split>().unwrap_err();
            assert!(refused.to_string().contains("time:0.75"), "{text}: {refused}");
        }
    }

    #[test]
    fn splits_are_read_as_they_are_written() {
        for split in [Split::Time { train_share: 0.75 }, Split::KFold { folds: 5 }] {
            assert_eq!(split.to_string().parse::<Split>().unwrap(), split);
        }
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_micros(day * DAY_US).unwrap()
    }

    #[test]
    fn training_labels_do_not_reach_into_a_test_by_time() {
        let leads: Vec<u64> = (0..200).map(|i| i / 2).collect();
        let instants: Vec<Timestamp> = (0..200).map(|i| day(i + i % 2 * 40)).collect();
        let part = &Split::Time { train_share: 0.75 }.parts(&leads, &[false; 200], &instants, 30 * DAY_US, 1)[0];
        let start = part.test.iter().map(|&row| instants[row]).min().unwrap();
        assert!(part.gap && !part.unfinished.is_empty());
        assert_eq!(part.train.len() + part.test.len() + part.unfinished.len(), 200);
        for &row in &part.train {
            assert!(instants[row].plus_micros(30 * DAY_US) <= start);
        }
        for &row in &part.test {
            assert!(leads[row] >= 75);
        }
    }

    #[test]
    fn data_shorter_than_a_horizon_keeps_its_examples_and_says_so() {
        let leads: Vec<u64> = (0..100).collect();
        let instants = vec![day(0); 100];
        let part = &Split::Time { train_share: 0.6 }.parts(&leads, &[false; 100], &instants, 30 * DAY_US, 1)[0];
        assert_eq!((part.train.len(), part.test.len(), part.unfinished.len(), part.gap), (60, 40, 0, false));
    }

    #[test]
    fn folds_test_every_example_once() {
        let leads: Vec<u64> = (0..100).map(|i| i / 3).collect();
        let labels: Vec<bool> = (0..100).map(|i| i % 7 == 0).collect();
        let parts = Split::KFold { folds: 4 }.parts(&leads, &labels, &[day(0); 100], DAY_US, 3);
        let mut tested: Vec<usize> = parts.iter().flat_map(|part| part.test.clone()).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..100).collect::<Vec<_>>());
        for part in parts {
            assert!(part.train.iter().all(|&row| part.test.iter().all(|&test| leads[row] != leads[test])));
        }
    }
}
