//! What gives the probability, and what else was learned with it.
//!
//! Owns: the choice between a trained model and the scorecard. Invariant: ensemble, parts and rates come from one set
//! of files. Deliberately absent: which version serves.

use std::collections::BTreeMap;

use crate::{
    explain::ActionRates,
    features,
    models::{Bundle, BundleError},
    predictions::{Parts, PartsError},
    scorecard::Scorecard,
};

/// Name of the bundle's file with the [`ActionRates`].
pub const ACTIONS_FILE: &str = "actions.json";

/// What gives the probability.
#[derive(Debug)]
pub enum Model {
    /// A trained model.
    Learned(Box<Learned>),
    /// Points by rule, until there are outcomes enough to train.
    Scorecard(Scorecard),
}

/// A trained model: the ensemble, and what else was learned with it.
#[derive(Debug)]
pub struct Learned {
    /// Gives the probability.
    pub bundle: Bundle,
    /// Give quality class, stage, churn risk and contact windows.
    pub parts: Parts,
    /// How often what agents do succeeds.
    pub action_rates: ActionRates,
}

/// Why files are not a trained model.
#[derive(Debug, thiserror::Error)]
pub enum LearnedError {
    /// The ensemble.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// What else was learned.
    #[error(transparent)]
    Parts(#[from] PartsError),
}

impl Learned {
    /// Reads and checks the files of a bundle, by name.
    ///
    /// # Errors
    /// See [`LearnedError`].
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, LearnedError> {
        let bundle = Bundle::from_files(files)?;
        let parts = Parts::from_files(bundle.extras(), bundle.view().width())?;
        let rates = bundle.extras().get(ACTIONS_FILE).ok_or(PartsError::Missing(ACTIONS_FILE))?;
        let action_rates = ActionRates::from_json(rates).ok_or_else(|| PartsError::Unreadable {
            file: ACTIONS_FILE,
            problem: "it holds no successes and trials".to_owned(),
        })?;
        Ok(Self { bundle, parts, action_rates })
    }
}

impl Model {
    /// Names of the columns that the model reads, in order.
    #[must_use]
    pub fn column_names(&self) -> Vec<&str> {
        match self {
            Self::Learned(learned) => {
                learned.bundle.view().columns().iter().map(|column| column.name.as_str()).collect()
            }
            Self::Scorecard(_) => features::FEATURES.iter().map(|feature| feature.name).collect(),
        }
    }

    /// Hash of the features that the model reads, hexadecimal.
    #[must_use]
    pub fn schema_hash(&self) -> String {
        match self {
            Self::Learned(learned) => learned.bundle.view().schema_hash(),
            Self::Scorecard(_) => features::schema_hash(),
        }
    }
}
