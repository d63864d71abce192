//! Dividing examples into training and test parts.

use std::str::FromStr;

use thiserror::Error;

/// How to divide examples; a lead is never on both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Split {
    /// Trains on the earliest share of the leads, tests on the rest.
    Time {
        /// Share that trains, between 0.05 and 0.95.
        train_share: f64,
    },
    /// Random folds, seeded, each tested once.
    KFold {
        /// Number of folds, 2 to 20.
        folds: usize,
    },
}

/// Not a split.
#[derive(Debug, Error)]
#[error("`{text}` is not a split: write `time:0.75` (share that trains, 0.05 to 0.95) or `kfold:5` (2 to 20 folds)")]
pub struct SplitError {
    text: String,
}

impl FromStr for Split {
    type Err = SplitError;

    fn from_str(text: &str) -> Result<Self, SplitError> {
        let unreadable = || SplitError { text: text.to_owned() };
        match text.split_once(':').ok_or_else(unreadable)? {
            ("time", share) => {
                let train_share: f64 = share.trim().parse().map_err(|_| unreadable())?;
                if (0.05..=0.95).contains(&train_share) { Ok(Self::Time { train_share }) } else { Err(unreadable()) }
            }
            ("kfold", folds) => {
                let folds: usize = folds.trim().parse().map_err(|_| unreadable())?;
                if (2..=20).contains(&folds) { Ok(Self::KFold { folds }) } else { Err(unreadable()) }
            }
            _ => Err(unreadable()),
        }
    }
}
