//! A trained model as one immutable set of files.

use std::collections::BTreeMap;

use leadscore_domain::Breakdown;
use thiserror::Error;

use super::{Manifest, Matrix, Prediction};
use crate::features::FeatureView;

/// Why files are not a bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// A file is absent.
    #[error("the model has no file {0}")]
    Missing(String),
}

/// A trained model with all that serving needs. Immutable, `Send` and `Sync`.
#[derive(Debug)]
pub struct Bundle {
    view: FeatureView,
    manifest: Manifest,
}

impl Bundle {
    /// The schema it was trained on.
    #[must_use]
    pub fn view(&self) -> &FeatureView {
        &self.view
    }

    /// What it is and where it comes from.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Predicts one row of the view.
    #[must_use]
    pub fn predict(&self, _row: &[f32]) -> Prediction {
        todo!()
    }

    /// Predicts every row.
    #[must_use]
    pub fn predict_matrix(&self, _matrix: &Matrix) -> Vec<Prediction> {
        todo!()
    }

    /// Log-odds of an average example; with the contributions adds up to a row's log-odds.
    #[must_use]
    pub fn bias(&self) -> f64 {
        todo!()
    }

    /// What each column adds to the log-odds of `row`.
    pub fn contributions(&self, _row: &[f32], _out: &mut [f64]) {
        todo!()
    }

    /// The groups of contributions, placed in the reference population.
    #[must_use]
    pub fn breakdown(&self, _row: &[f32]) -> Breakdown {
        todo!()
    }

    /// Further files that travel with the model, such as `contact.json`.
    #[must_use]
    pub fn extras(&self) -> &BTreeMap<String, Vec<u8>> {
        todo!()
    }

    /// The same bundle with `extras` as further files.
    #[must_use]
    pub fn with_extras(self, _extras: BTreeMap<String, Vec<u8>>) -> Self {
        todo!()
    }

    /// The files, by name.
    #[must_use]
    pub fn to_files(&self) -> BTreeMap<String, Vec<u8>> {
        todo!()
    }

    /// Reads and checks the files.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn from_files(_files: &BTreeMap<String, Vec<u8>>) -> Result<Self, BundleError> {
        todo!()
    }
}
