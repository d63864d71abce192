//! Models as they are shown: which there are, and which one scores.
//!
//! Deliberately absent: loading them to score with (`models.rs`).

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use leadscore_domain::Timestamp;
use leadscore_store::{AliasChange, Registry, RegistryError, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Code, Problem},
    rest::{models, unavailable},
    state::Api,
};

/// The alias of the version that scores.
const CHAMPION: &str = "champion";

/// A version of the model.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ModelVersion {
    /// Its name.
    #[schema(example = "v3")]
    pub version: String,
    /// Whether it scores now.
    pub champion: bool,
    /// When it last began to score; `null` where it never did.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub promoted_at: Option<Timestamp>,
    /// Why it did.
    #[schema(required)]
    pub reason: Option<String>,
}

/// Why nothing is shown of a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such version, or the registry failed.
    #[error(transparent)]
    Models(#[from] models::Error),
    /// A file of a version is damaged.
    #[error("a file of model {version} is damaged")]
    Damaged {
        /// Which.
        version: String,
        /// How.
        #[source]
        source: serde_json::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        Self::Models(models::Error::Registry(error))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Models(error) => error.into(),
            Error::Damaged { .. } => {
                tracing::error!(error = &error as &dyn std::error::Error, "a model cannot be shown");
                Self::new(Code::Internal, "A file of the model is damaged.")
            }
            Error::Store(error) => unavailable(error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// The version that the path names.
pub struct VersionPath(pub String);

impl FromRequestParts<Arc<Api>> for VersionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // What is no text names no version.
        let refuse = |_| Problem::new(Code::ModelNotFound, "The version in the address is not text.");
        Path::from_request_parts(parts, api).await.map(|Path(version)| Self(version)).map_err(refuse)
    }
}

/// Every version, the newest first.
///
/// # Errors
/// Where the registry fails.
pub async fn versions(api: &Arc<Api>) -> Result<Vec<ModelVersion>, Error> {
    Ok(reading(api, read_versions).await?)
}

/// A version by its name.
///
/// # Errors
/// Where there is none, or the registry fails.
pub async fn version(api: &Arc<Api>, asked: &str) -> Result<ModelVersion, Error> {
    let versions = versions(api).await?;
    let known = || versions.iter().rev().map(|one| one.version.clone()).collect();
    let found = versions.iter().find(|one| one.version == asked).cloned();
    Ok(found.ok_or_else(|| models::Error::Unknown { asked: asked.to_owned(), known: known() })?)
}

/// Reads the registry's files on a thread that may wait for the disk.
///
/// # Errors
/// Where the registry fails.
pub async fn reading<T: Send + 'static>(
    api: &Arc<Api>,
    read: impl FnOnce(&Registry) -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    let registry = api.registry.clone();
    let done = tokio::task::spawn_blocking(move || read(&registry)).await;
    // A blocking task is never cancelled once it runs: what is left is a panic, which goes on where it belongs.
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn read_versions(registry: &Registry) -> Result<Vec<ModelVersion>, RegistryError> {
    let champion = registry.alias(CHAMPION)?;
    let history = registry.history()?;
    let promoted = |version: &str| {
        let is_it = |change: &&AliasChange| change.alias == CHAMPION && change.version == version;
        history.iter().rev().find(is_it)
    };
    let shown = |version: String| {
        let last = promoted(&version);
        ModelVersion {
            champion: champion.as_deref() == Some(&version),
            promoted_at: last.map(|change| change.at),
            reason: last.map(|change| change.reason.clone()),
            version,
        }
    };
    Ok(registry.list()?.into_iter().rev().map(shown).collect())
}
