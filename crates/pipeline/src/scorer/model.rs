//! Which model scores: the registry's champion, or the scorecard while there is none.
//!
//! Owns: loading a model with all that belongs to it, and watching for another one. Invariant: model, schema,
//! calibration, parts and market change together or not at all; a model that cannot be loaded never replaces
//! one that works. Deliberately absent: deciding which model is the champion.

use std::{sync::Arc, time::Duration};

use leadscore_domain::MarketSnapshot;
use leadscore_engine::{
    features::Market,
    score::{Learned, LearnedError, Model, Scorer, ScoringPolicy},
    scorecard::{SCORECARD_VERSION, Scorecard},
};
use leadscore_store::{Registry, RegistryError, Store, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The alias of the model that scores.
pub const CHAMPION: &str = "champion";

/// How often the registry is asked for the champion.
const CHAMPION_EVERY: Duration = Duration::from_secs(1);
/// How many questions for the champion go by before the market is read anew.
const MARKET_EVERY: u32 = 30;

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The registry does not have it.
    #[error("the champion cannot be read: {0}")]
    Registry(#[from] RegistryError),
    /// Its files are damaged, or of another release.
    #[error("model {version} cannot be used: {source}")]
    Files {
        /// The version.
        version: String,
        /// What is wrong with it.
        #[source]
        source: LearnedError,
    },
    /// The market cannot be read.
    #[error("the market cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// The scorer of the present champion, or of the scorecard where there is no champion yet.
///
/// # Errors
/// See [`ModelError`].
pub async fn load_champion(store: &Store, registry: &Registry, policy: ScoringPolicy) -> Result<Scorer, ModelError> {
    let (model, version) = champion(registry).await?;
    let market = store.market().await?;
    Ok(Scorer::new(Arc::new(model), version, Arc::new(Market::new(market)), policy))
}

/// Loads `version` of the registry.
///
/// # Errors
/// Where it is missing or damaged.
pub fn load_model(registry: &Registry, version: &str) -> Result<Learned, ModelError> {
    let files = registry.files(version)?;
    Learned::from_files(&files).map_err(|source| ModelError::Files { version: version.to_owned(), source })
}

async fn champion(registry: &Registry) -> Result<(Model, String), ModelError> {
    let registry = registry.clone();
    blocking(move || {
        Ok(match registry.alias(CHAMPION)? {
            Some(version) => (Model::Learned(Box::new(load_model(&registry, &version)?)), version),
            None => (Model::Scorecard(Scorecard), SCORECARD_VERSION.to_owned()),
        })
    })
    .await
}

/// Runs `work` where it may block; its panic is ours.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Watches the registry and the market, and hands the scorer on.
pub struct ModelWatch {
    store: Store,
    registry: Registry,
    policy: ScoringPolicy,
    market: Vec<MarketSnapshot>,
    reload: Arc<Notify>,
    sender: watch::Sender<Arc<Scorer>>,
    /// The version that could not be loaded, so that this is said once.
    refused: Option<String>,
}

impl ModelWatch {
    /// Loads the present champion. A notification of `reload` makes the watch look at once.
    ///
    /// # Errors
    /// See [`ModelError`]: a start without a usable model is refused.
    pub async fn open(
        store: Store,
        registry: Registry,
        policy: ScoringPolicy,
        reload: Arc<Notify>,
    ) -> Result<(Self, watch::Receiver<Arc<Scorer>>), ModelError> {
        let (model, version) = champion(&registry).await?;
        let market = store.market().await?;
        let scorer = Scorer::new(Arc::new(model), version, Arc::new(Market::new(market.clone())), policy.clone());
        let (sender, receiver) = watch::channel(Arc::new(scorer));
        Ok((Self { store, registry, policy, market, reload, sender, refused: None }, receiver))
    }

    /// Watches until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut every = tokio::time::interval(CHAMPION_EVERY);
        for look in 1_u32.. {
            let told = tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.reload.notified() => true,
                _ = every.tick() => false,
            };
            if let Err(error) = self.look(told || look.is_multiple_of(MARKET_EVERY)).await {
                tracing::warn!(error = %error, "the model stays as it is");
            }
        }
    }

    /// Hands on a new scorer where the champion or, if asked for, the market changed.
    async fn look(&mut self, with_market: bool) -> Result<(), ModelError> {
        let registry = self.registry.clone();
        let wanted = blocking(move || registry.alias(CHAMPION)).await?;
        let wanted = wanted.as_deref().unwrap_or(SCORECARD_VERSION);
        let present = Arc::clone(&self.sender.borrow());
        let model_changed = present.version() != wanted && self.refused.as_deref() != Some(wanted);
        if !model_changed && !with_market {
            return Ok(());
        }
        let market = self.store.market().await?;
        let market_changed = market != self.market;
        if !model_changed && !market_changed {
            return Ok(());
        }
        let (model, version) = if model_changed {
            let loaded = champion(&self.registry).await;
            self.refused = loaded.is_err().then(|| wanted.to_owned());
            let (model, version) = loaded?;
            (Arc::new(model), version)
        } else {
            (Arc::clone(present.model()), present.version().to_owned())
        };
        tracing::info!(version, market_changed, "scoring with another model or market");
        let visible = if market_changed { Arc::new(Market::new(market.clone())) } else { Arc::clone(present.market()) };
        self.market = market;
        self.sender.send_replace(Arc::new(Scorer::new(model, version, visible, self.policy.clone())));
        Ok(())
    }
}
