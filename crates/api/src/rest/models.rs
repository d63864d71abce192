//! Scorers of model versions that are asked for by name.
//!
//! Invariant: a version never changes, so a loaded model stays valid; the champion is never loaded twice. Market and
//! policy are always the champion's.

use std::sync::Arc;

use leadscore_engine::{
    score::{Learned, LearnedError, Model, Scorer},
    scorecard::{SCORECARD_VERSION, Scorecard},
};
use leadscore_store::RegistryError;
use moka::sync::Cache;

use crate::{
    problem::{Code, Problem},
    state::Api,
};

/// Models kept in memory beside the champion.
const LOADED_MAX: u64 = 4;
/// Most versions that an answer names.
const NAMED_MAX: usize = 20;

/// Models by version.
pub struct Models(Cache<String, Arc<Model>>);

impl Default for Models {
    fn default() -> Self {
        Self(Cache::new(LOADED_MAX))
    }
}

/// Why a version cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such version; these are there.
    #[error("there is no model {asked}")]
    Unknown {
        /// The version that was asked for.
        asked: String,
        /// The versions that are there, the oldest first.
        known: Vec<String>,
    },
    /// The registry failed.
    #[error(transparent)]
    Registry(RegistryError),
    /// The files are not a model that this release can read.
    #[error(transparent)]
    Files(#[from] LearnedError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown { asked, known } => {
                let newest: Vec<&str> = known.iter().rev().take(NAMED_MAX).map(String::as_str).collect();
                let there = if newest.is_empty() { "none".to_owned() } else { newest.join(", ") };
                let asked: String = asked.chars().take(NAMED_MAX).collect();
                Self::new(Code::ModelNotFound, format!("There is no model {asked}; there are: {there}."))
                    .field("model_version")
            }
            Error::Registry(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the registry failed");
                Self::new(Code::Internal, "The model cannot be loaded.")
            }
            Error::Files(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a model cannot be read");
                Self::new(Code::Internal, "The model cannot be loaded.")
            }
        }
    }
}

/// The scorer of `version`; the champion where there is none. Reads files: not for an async thread.
///
/// # Errors
/// See [`Error`].
pub fn scorer(api: &Api, version: Option<&str>) -> Result<Arc<Scorer>, Error> {
    let champion = Arc::clone(&api.scorer.borrow());
    let Some(version) = version.filter(|version| *version != champion.version()) else { return Ok(champion) };
    let model = match api.models.0.get(version) {
        Some(model) => model,
        None => load(api, version, &champion)?,
    };
    let (market, policy) = (Arc::clone(champion.market()), champion.policy().clone());
    Ok(Arc::new(Scorer::new(model, version.to_owned(), market, policy)))
}

/// As [`scorer`], also the points that scored before there was a model.
///
/// # Errors
/// See [`Error`].
pub fn past_scorer(api: &Api, version: &str) -> Result<Arc<Scorer>, Error> {
    let champion = Arc::clone(&api.scorer.borrow());
    if version != SCORECARD_VERSION || version == champion.version() {
        return scorer(api, Some(version));
    }
    let (market, policy) = (Arc::clone(champion.market()), champion.policy().clone());
    Ok(Arc::new(Scorer::new(Arc::new(Model::Scorecard(Scorecard)), version.to_owned(), market, policy)))
}

fn load(api: &Api, version: &str, champion: &Scorer) -> Result<Arc<Model>, Error> {
    // The list decides what exists, so that no word of a request becomes a path.
    let known = api.registry.list().map_err(Error::Registry)?;
    if !known.iter().any(|there| there == version) {
        let champion = champion.version().to_owned();
        let known = if known.contains(&champion) { known } else { [known, vec![champion]].concat() };
        return Err(Error::Unknown { asked: version.to_owned(), known });
    }
    let files = api.registry.files(version).map_err(Error::Registry)?;
    let model = Arc::new(Model::Learned(Box::new(Learned::from_files(&files)?)));
    api.models.0.insert(version.to_owned(), Arc::clone(&model));
    Ok(model)
}
